/* Writes a header with the first squares. */
#include <stdio.h>

int
main(int argc, char **argv)
{
    FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (out == NULL)
        return 1;
    fprintf(out, "#define MADE_ON \"%s\"\n",
#if defined(__aarch64__)
            "aarch64"
#elif defined(__x86_64__)
            "x86_64"
#else
            "another machine"
#endif
    );
    fputs("static const int squares[] = {", out);
    for (int n = 0; n < 10; n++)
        fprintf(out, "%d, ", n * n);
    fputs("};\n", out);
    return fclose(out);
}

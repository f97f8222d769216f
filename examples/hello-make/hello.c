/* Greets from the machine it was compiled for; --self-test asks the system whether that is true. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#error "a machine that this example does not know"
#endif

static int
self_test(void)
{
    struct utsname here;
    if (uname(&here) != 0) {
        perror("uname");
        return 2;
    }
    if (strcmp(here.machine, MACHINE) != 0) {
        fprintf(stderr, "compiled for %s, but running on %s\n", MACHINE, here.machine);
        return 1;
    }
    printf("self-test passed on %s\n", here.machine);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0) {
        return self_test();
    }
    printf("hello from %s, %zu bits\n", MACHINE, sizeof(void *) * 8);
    return 0;
}

/* A compiler's name in an image of another machine: a program of the machine that builds, which starts the
 * shell program of the same name by a shell of that machine. So neither is emulated. Written for mpforge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const OTHER_NAMES[][2] = {{"gcc", "cc"}, {"g++", "c++"}, {"clang", "cc"}, {"clang++", "c++"}};

int main(int argc, char **argv) {
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	for (unsigned i = 0; i < sizeof OTHER_NAMES / sizeof *OTHER_NAMES; i++)
		if (strcmp(name, OTHER_NAMES[i][0]) == 0) name = OTHER_NAMES[i][1];
	char script[256];
	snprintf(script, sizeof script, MPFORGE_VIEW "/bin/%s", name);
	char *head[] = {MPFORGE_NATIVE "/ld.so", "--library-path", MPFORGE_NATIVE, MPFORGE_NATIVE "/sh", script};
	size_t heads = sizeof head / sizeof *head;
	char **words = calloc(heads + (size_t)argc, sizeof *words);
	if (!words) return 126;
	memcpy(words, head, sizeof head);
	for (int i = 1; i < argc; i++) words[heads + (size_t)i - 1] = argv[i];
	execv(words[0], words);
	perror(script);
	return 126;
}

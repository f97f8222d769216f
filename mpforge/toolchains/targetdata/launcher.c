/* A compiler's name in an image of another machine: a program of the machine that builds, which starts the
 * shell program of the same name by a shell of that machine. So neither is emulated. Written for mpforge.
 *
 * It brings no C library, so that nothing has to be made for it: two system calls (syscall(2)). */

#if defined __x86_64__
enum { WRITE = 1, EXECVE = 59, EXIT = 60 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");

static long call(long number, const void *a, const void *b, const void *c) {
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
#elif defined __aarch64__
enum { WRITE = 64, EXECVE = 221, EXIT = 93 };
__asm__(".globl _start\n_start: mov x0, sp\n b begin\n");

static long call(long number, const void *a, const void *b, const void *c) {
	register long x8 __asm__("x8") = number;
	register const void *x0 __asm__("x0") = a, *x1 __asm__("x1") = b, *x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return (long)x0;
}
#endif

static const char FAILED[] = "mpforge: this compiler can't be started in this container\n";

static int same(const char *a, const char *b) {
	while (*a && *a == *b) a++, b++;
	return *a == *b;
}

/* What a script is called by: other compilers' names are those of ours. */
static const char *script_of(const char *called) {
	const char *name = called;
	for (; *called; called++)
		if (*called == '/') name = called + 1;
	if (same(name, "gcc") || same(name, "clang")) return "cc";
	if (same(name, "g++") || same(name, "clang++")) return "c++";
	return name;
}

static char *append(char *end, const char *limit, const char *text) {
	while (*text && end < limit) *end++ = *text++;
	*end = 0;
	return end;
}

void begin(char **stack) {
	long count = (long)stack[0];
	char **arguments = stack + 1, **environment = arguments + count + 1;
	char script[256], *limit = script + sizeof script - 1;
	append(append(script, limit, MPFORGE_VIEW "/bin/"), limit, script_of(arguments[0]));
	const char *words[count + 5];
	words[0] = MPFORGE_NATIVE "/ld.so";
	words[1] = "--library-path";
	words[2] = MPFORGE_NATIVE;
	words[3] = MPFORGE_NATIVE "/sh";
	words[4] = script;
	for (long i = 1; i <= count; i++) words[4 + i] = arguments[i]; /* the last one is the end */
	call(EXECVE, words[0], words, environment);
	call(WRITE, (void *)2, FAILED, (void *)(sizeof FAILED - 1));
	call(EXIT, (void *)126, 0, 0);
}

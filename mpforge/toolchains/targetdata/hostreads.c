/* Notes which files a program looks for: preloaded into gcc and what it starts (ld.so(8), LD_PRELOAD).

   Each goes to the file that $MPFORGE_READS names, a line each: "+" where it was opened, "-" where it was not
   there, and its absolute path. Nothing that a program does is changed. stat(2) and access(2) are noted only
   where there is nothing: a directory that is absent is not searched. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int notes = -1;
static const char *step; /* in whose directory an absent file says nothing of the host */

static int real_open(const char *path, int flags, mode_t mode)
{
	static int (*next)(const char *, int, ...);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "open64");
	return next(path, flags, mode);
}

static void give_up(void) /* what is read would be unknown */
{
	perror("mpforge: what the compiler reads can't be noted");
	_exit(1);
}

__attribute__((constructor)) static void begin(void)
{
	const char *place = getenv("MPFORGE_READS");
	step = getenv("MPFORGE_STEP_DIR");
	if (place && (notes = real_open(place, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) < 0)
		give_up();
}

static int is_in_step(const char *path)
{
	size_t length = step ? strlen(step) : 0;
	return length && !strncmp(path, step, length) && path[length] == '/' && !strstr(path, "..");
}

static void note(char sign, const char *path)
{
	char line[8192];
	size_t at = 1, length;
	int before = errno;

	if (notes < 0 || !path || !*path)
		return;
	line[0] = sign;
	if (*path != '/' && getcwd(line + 1, 4096)) {
		at = strlen(line);
		line[at++] = '/';
	}
	length = strlen(path);
	if (at + length + 1 < sizeof line) {
		memcpy(line + at, path, length + 1);
		if (sign == '+' || !is_in_step(line + 1)) {
			line[at + length] = '\n';
			if (write(notes, line, at + length + 1) < 0)
				give_up();
		}
	}
	errno = before;
}

static int is_absent(void)
{
	return errno == ENOENT || errno == ENOTDIR;
}

static void opened(int good, const char *path)
{
	if (good || is_absent())
		note(good ? '+' : '-', path);
}

#define NEXT(name) \
	static __typeof__(&name) next; \
	if (!next) \
		*(void **)&next = dlsym(RTLD_NEXT, #name)

#define OPENS(name, arguments, passed, counts) \
	int name arguments \
	{ \
		va_list rest; \
		mode_t mode; \
		int answer; \
		NEXT(name); \
		va_start(rest, flags); \
		mode = va_arg(rest, mode_t); \
		va_end(rest); \
		answer = next passed; \
		if ((flags & O_ACCMODE) != O_WRONLY && (counts)) \
			opened(answer >= 0, path); \
		return answer; \
	}
#define PLAIN (const char *path, int flags, ...), (path, flags, mode), 1
#define BELOW \
	(int folder, const char *path, int flags, ...), (folder, path, flags, mode), \
		(folder == AT_FDCWD || *path == '/')
#define DEFINE(...) OPENS(__VA_ARGS__)
DEFINE(open, PLAIN)
DEFINE(open64, PLAIN)
DEFINE(openat, BELOW)
DEFINE(openat64, BELOW)

#define OPENS_FILE(name, arguments, passed) \
	FILE *name arguments \
	{ \
		FILE *answer; \
		NEXT(name); \
		answer = next passed; \
		if (*mode == 'r') \
			opened(answer != NULL, path); \
		return answer; \
	}
OPENS_FILE(fopen, (const char *path, const char *mode), (path, mode))
OPENS_FILE(fopen64, (const char *path, const char *mode), (path, mode))
OPENS_FILE(freopen, (const char *path, const char *mode, FILE *file), (path, mode, file))
OPENS_FILE(freopen64, (const char *path, const char *mode, FILE *file), (path, mode, file))

static int looked(const char *path, int answer)
{
	if (answer < 0 && is_absent())
		note('-', path);
	return answer;
}

int access(const char *path, int mode)
{
	NEXT(access);
	return looked(path, next(path, mode));
}

/* Before glibc 2.33 programs call __xstat and its like. */
#define LOOKS(name, kind) \
	int name(const char *path, struct kind *found) \
	{ \
		static int (*next)(const char *, struct kind *); \
		if (!next) \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		return looked(path, next(path, found)); \
	}
LOOKS(stat, stat)
LOOKS(stat64, stat64)
LOOKS(lstat, stat)
LOOKS(lstat64, stat64)

#define LOOKS_AT_VERSION(name, kind) \
	int name(int version, const char *path, struct kind *found) \
	{ \
		static int (*next)(int, const char *, struct kind *); \
		if (!next) \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		return looked(path, next(version, path, found)); \
	}
LOOKS_AT_VERSION(__xstat, stat)
LOOKS_AT_VERSION(__xstat64, stat64)
LOOKS_AT_VERSION(__lxstat, stat)
LOOKS_AT_VERSION(__lxstat64, stat64)

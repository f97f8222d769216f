/* Start a program in a root of its own: the step's directory, what it may read, and nothing else of the host.
 *
 *   launcher KINDS PARENT REPORT CWD {OPERATION WHAT WHERE} -- PROGRAM [ARGUMENT ...]
 *
 * KINDS     letters: u a user, n a network, p processes, r a root of its own, i: the root is an image's, writable,
 *           and its user is 0
 * PARENT    the caller's process number: all ends with it
 * REPORT    a file descriptor; if the program was not started, the errno and the reason are written to it
 * CWD       the program's directory
 * OPERATION ro, rw: bind the host's path WHAT to the path WHERE; link: make WHERE a link to WHAT;
 *           file: make WHERE a file with the text WHAT;
 *           emulator: let the program WHAT run the programs that WHERE describes (binfmt_misc's text);
 *           cpu: the emulator gets the CPU model WHAT, whatever environment a program has;
 *           linux32: uname(2) tells the 32-bit machine's name;
 *           layer: WHAT is a directory of the image, the first one above all others; changes: WHAT has the
 *           directories upper and work of an overlay of them; whole: WHAT is the image's root, instead of these
 *
 * Three processes:  outer (waits, ends as the program ended)  ->  init (PID 1, reaps)  ->  the program.
 * Facts: namespaces(7), user_namespaces(7), pid_namespaces(7), pivot_root(2), mount_setattr(2), prctl(2),
 *        openat2(2), seccomp(2), personality(2), https://docs.kernel.org/filesystems/overlayfs.html,
 *        .../admin-guide/binfmt-misc.html.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442 /* one number on every architecture */
#endif
#define ID "1000" /* for root too: as user 0, tar fails to give files to other owners */
#define CPU "/cpu-"
#define EMULATOR "/dev/emulator"
#define LONGEST 4096
#define COUNT(array) (sizeof array / sizeof *array)

/* struct mount_attr of linux/mount.h, which clashes with sys/mount.h */
enum { READ_ONLY = 1, NO_SUID = 2, NO_DEV = 4, NO_EXEC = 8, OF_TREE = 0x8000 };
struct attributes { unsigned long long set, clear, propagation, user_namespace; };

static int report = 2;
static const char *own_path;
static volatile pid_t child;

static void fail(const char *what, const char *path)
{
	char text[LONGEST + 256];
	int number = errno;
	int length = snprintf(text, sizeof text, "%d %s%s%s", number, what, *path ? " " : "", path);
	if (write(report, text, length < (int)sizeof text ? length : (int)sizeof text - 1) < 0)
		_exit(125);
	_exit(126);
}

static void check(int done, const char *what, const char *path)
{
	if (done)
		fail(what, path);
}

/* Return WHAT of the first operation of this name, or NULL. */
static const char *operand(char **words, const char *name)
{
	for (; *words && strcmp(*words, "--"); words += 3)
		if (!strcmp(*words, name))
			return words[1];
	return NULL;
}

/* --- files and mounts; "old" is the host's root, "new" the program's ------------------------------------ */

static const char *joined(char *place, const char *root, const char *path)
{
	if (snprintf(place, LONGEST, "%s%s", root, path) >= LONGEST) {
		errno = ENAMETOOLONG;
		fail("path", path);
	}
	return place;
}

static void put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0 || write(file, text, strlen(text)) < 0)
		fail("write", path);
	close(file);
}

static void make(const char *path, int directory)
{
	char part[LONGEST];
	joined(part, path, "");
	for (char *end = part; (end = strchr(end + 1, '/'));) {
		*end = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			fail("mkdir", part);
		*end = '/';
	}
	if (directory ? mkdir(path, 0755) && errno != EEXIST : mknod(path, S_IFREG | 0644, 0) && errno != EEXIST)
		fail("make", path);
}

/* Open WHERE in the new root, made if it does not exist. Links in it never lead out of that root: they may be of
 * an image, or of a program that ran in it before. */
static int open_inside(const char *where, int directory)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	char part[LONGEST];
	int root = open("new", O_PATH | O_DIRECTORY | O_CLOEXEC), folder = fcntl(root, F_DUPFD_CLOEXEC, 3), next;
	check(root < 0, "open", "new");
	joined(part, where, "");
	for (char *name = part + strspn(part, "/"), *end; *name; name = end + strspn(end, "/")) {
		end = name + strcspn(name, "/");
		int is_last = !end[strspn(end, "/")];
		char former = *end;
		*end = 0;
		next = syscall(SYS_openat2, root, part, &how, sizeof how);
		if (next < 0 && errno == ENOENT) {
			unlinkat(folder, name, 0); /* a link that leads nowhere */
			check(is_last && !directory ? mknodat(folder, name, S_IFREG | 0644, 0) : mkdirat(folder, name, 0755),
				"make", where);
			next = syscall(SYS_openat2, root, part, &how, sizeof how);
		}
		check(next < 0, "open", where);
		close(folder);
		folder = next;
		*end = former;
	}
	close(root);
	return folder;
}

/* The same as a path. */
static const char *inside(char *name, const char *where, int directory)
{
	sprintf(name, "old/proc/self/fd/%d", open_inside(where, directory));
	return name;
}

static void limit(const char *path, unsigned flags, unsigned long long set)
{
	struct attributes wanted = {.set = set};
	check(syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &wanted, sizeof wanted), "mount_setattr", path);
}

static void attach(const char *what, const char *where, unsigned long long set)
{
	struct stat found;
	check(stat(what, &found), "stat", what);
	make(where, S_ISDIR(found.st_mode));
	check(mount(what, where, NULL, MS_BIND | MS_REC, NULL), "bind", what);
	limit(where, OF_TREE, set);
}

static void attach_inside(const char *what, const char *where, unsigned long long set)
{
	char name[64];
	struct stat found;
	check(stat(what, &found), "stat", what);
	check(mount(what, inside(name, where, S_ISDIR(found.st_mode)), NULL, MS_BIND | MS_REC, NULL), "bind", what);
	limit(inside(name, where, S_ISDIR(found.st_mode)), OF_TREE, set); /* opened again: it is the mount now */
}

static void fresh(const char *kind, const char *where, unsigned long flags, const char *data)
{
	make(where, 1);
	check(mount(kind, where, kind, flags, data), "mount", where);
}

/* Let programs of the host run other machines'. This namespace's own handlers hide the host's (Linux 6.7). The
 * kernel opens the emulator now (flag F), so that it need not exist in the new root. With a CPU model it opens this
 * program instead, by a name that has the model: then the emulator must exist there. */
static void emulate(char **words)
{
	const char *cpu = operand(words, "cpu");
	char what[LONGEST], by[LONGEST] = "/emulator", line[LONGEST];
	for (; *words && strcmp(*words, "--"); words += 3) {
		if (strcmp(*words, "emulator"))
			continue;
		attach(joined(what, "old", words[1]), "emulator", NO_SUID | NO_DEV);
		if (cpu)
			attach(joined(what, "old", own_path), joined(by, CPU, cpu), NO_SUID | NO_DEV);
		check(mount("binfmt_misc", "new/proc/sys/fs/binfmt_misc", "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
			"mount", "binfmt_misc");
		snprintf(line, sizeof line, ":emulator:M:%s:%s:%s", words[2], by, cpu ? "PF" : "POF");
		put("new/proc/sys/fs/binfmt_misc/register", line);
	}
}

/* As the interpreter of a program, called as PATH PROGRAM NAME [ARGUMENT ...]: start the emulator. */
static int interpret(int count, char **words)
{
	char *argv[count + 4], *given[] = {EMULATOR, "-cpu", words[0] + strlen(CPU), "-0", words[2], words[1]};
	memcpy(argv, given, sizeof given);
	memcpy(argv + COUNT(given), words + 3, (count - 2) * sizeof *words);
	execv(EMULATOR, argv);
	perror(EMULATOR);
	return 126;
}

static void make_proc(int own, int nests, char **operations)
{
	/* What root's files there let their owner change, capabilities or not. */
	static const char *const covered[] = {"sys", "sysrq-trigger", "irq", "bus", "fs", "scsi", "acpi", NULL};
	char path[LONGEST];
	if (own)
		fresh("proc", "new/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	else
		attach("old/proc", "new/proc", NO_SUID | NO_DEV | NO_EXEC);
	emulate(operations);
	/* In a further one, all capabilities would be back. */
	put("new/proc/sys/user/max_user_namespaces", nests ? "1" : "0");
	for (int i = 0; covered[i]; i++)
		if (!access(joined(path, "new/proc/", covered[i]), F_OK))
			attach(path, path, READ_ONLY | NO_SUID | NO_DEV | NO_EXEC);
}

static void make_dev(int has_emulator)
{
	static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty", NULL};
	static const char *const links[][2] = {{"/proc/self/fd", "new/dev/fd"}, {"fd/0", "new/dev/stdin"},
		{"fd/1", "new/dev/stdout"}, {"fd/2", "new/dev/stderr"}, {"pts/ptmx", "new/dev/ptmx"}};
	char what[LONGEST], where[LONGEST];
	fresh("tmpfs", "new/dev", MS_NOSUID | MS_NOEXEC, "mode=755");
	for (int i = 0; nodes[i]; i++) /* read-only: nobody can change the host's node */
		if (!access(joined(what, "old/dev/", nodes[i]), F_OK))
			attach(what, joined(where, "new/dev/", nodes[i]), READ_ONLY | NO_SUID | NO_EXEC);
	for (unsigned i = 0; i < sizeof links / sizeof *links; i++)
		check(symlink(links[i][0], links[i][1]), "symlink", links[i][1]);
	fresh("tmpfs", "new/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	make("new/dev/pts", 1); /* some containers refuse it */
	mount("devpts", "new/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
	if (has_emulator)
		attach("emulator", joined(where, "new", EMULATOR), READ_ONLY | NO_SUID | NO_DEV);
	limit("new/dev", 0, READ_ONLY);
}

static void operate(char **words)
{
	char what[LONGEST], where[LONGEST], name[64];
	for (; *words && strcmp(*words, "--"); words += 3) {
		if (!strcmp(*words, "ro"))
			attach_inside(joined(what, "old", words[1]), words[2], READ_ONLY | NO_SUID | NO_DEV);
		else if (!strcmp(*words, "rw"))
			attach_inside(joined(what, "old", words[1]), words[2], NO_SUID | NO_DEV);
		else if (!strcmp(*words, "file"))
			put(inside(name, words[2], 0), words[1]);
		else if (!strcmp(*words, "link")) {
			joined(where, words[2], "");
			char *last = strrchr(where, '/');
			*last = 0;
			check(symlinkat(words[1], open_inside(where, 1), last + 1), "symlink", words[2]);
		}
	}
}

/* Make the root of an image: layers with the changes of a program above them, or one directory. */
static void mount_image(char **words)
{
	char what[LONGEST], lower[] = "lower0", option[LONGEST] = "userxattr,upperdir=/changes/upper,workdir=/changes/work,lowerdir=";
	const char *parts[] = {"new/proc", "new/dev", NULL};
	struct stat found;
	int has_changes = 0;
	for (; *words && strcmp(*words, "--"); words += 3) {
		joined(what, "old", words[1]);
		if (!strcmp(*words, "whole"))
			attach(what, "new", NO_SUID | NO_DEV);
		else if (!strcmp(*words, "changes")) {
			attach(what, "changes", NO_SUID | NO_DEV);
			has_changes = 1;
		} else if (!strcmp(*words, "layer") && lower[5] <= '9') {
			attach(what, lower, READ_ONLY | NO_SUID | NO_DEV);
			strcat(strcat(option, lower[5] == '0' ? "/" : ":/"), lower);
			lower[5]++;
		}
	}
	if (has_changes)
		check(mount("overlay", "new", "overlay", MS_NOSUID | MS_NODEV, option), "mount", "overlay");
	for (int i = 0; parts[i]; i++) /* no links: what is mounted there is changed by its path */
		if ((mkdir(parts[i], 0755) && errno != EEXIST) || lstat(parts[i], &found) || !S_ISDIR(found.st_mode)) {
			errno = ENOTDIR;
			fail("image", parts[i] + strlen("new"));
		}
}

static void make_root(int own_processes, int of_image, int nests, char **operations)
{
	check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "mount", "/");
	check(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "mount", "/tmp");
	check(chdir("/tmp") || mkdir("old", 0755) || mkdir("new", 0755), "mkdir", "/tmp");
	check(mount("new", "new", NULL, MS_BIND, NULL), "bind", "new");
	check(syscall(SYS_pivot_root, ".", "old") || chdir("/"), "pivot_root", "/tmp");
	if (of_image)
		mount_image(operations);
	else
		fresh("tmpfs", "new/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	make_proc(own_processes, nests, operations);
	make_dev(!!operand(operations, "cpu"));
	operate(operations);
	check(umount2("old", MNT_DETACH), "umount", "old");
	check(chdir("new") || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH), "pivot_root", "new");
	if (!of_image)
		limit("/", 0, READ_ONLY);
}

/* --- the rest of what is the program's own ---------------------------------------------------------------- */

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(any < 0 || ioctl(any, SIOCSIFFLAGS, &request), "loopback", "");
	close(any);
}

static void become_user(const char *id, uid_t user, gid_t group)
{
	char map[64];
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%s %u 1", id, user);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "%s %u 1", id, group);
	put("/proc/self/gid_map", map);
}

/* An image's user 0 keeps one: to open its own files, whatever their modes. */
static void drop_capabilities(int of_image)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct left[2] = {{0}};
	if (of_image)
		left[0].permitted = left[0].effective = 1 << CAP_DAC_OVERRIDE;
	for (int i = 0; i < 64; i++)
		if (!of_image || i != CAP_DAC_OVERRIDE)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	check(syscall(SYS_capset, &header, left), "capset", "");
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs", "");
}

/* Package managers and tar, as user 0, give files to other users and become them. There are none, so such calls
 * do nothing and succeed. Calls of other machines' kinds are left alone. */
static void pretend_users(void)
{
#ifdef __x86_64__
	enum { OWN = AUDIT_ARCH_X86_64, SMALL = AUDIT_ARCH_I386 };
	static const unsigned own[] = {92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123};
	static const unsigned small[] = {16, 95, 182, 198, 207, 212, 298, 23, 46, 70, 71, 81, 138, 139, 164, 170, 203, 204,
		206, 208, 210, 213, 214, 215, 216};
#else
	enum { OWN = AUDIT_ARCH_AARCH64, SMALL = AUDIT_ARCH_ARM };
	static const unsigned own[] = {54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159};
	static const unsigned small[] = {16, 95, 182, 198, 207, 212, 325, 23, 46, 70, 71, 81, 138, 139, 164, 170, 203, 204,
		206, 208, 210, 213, 214, 215, 216};
#endif
	enum { ARCH = offsetof(struct seccomp_data, arch), NUMBER = offsetof(struct seccomp_data, nr) };
	struct sock_filter rules[2 * (COUNT(own) + COUNT(small)) + 8], *end = rules;
	const unsigned machines[] = {OWN, SMALL}, *calls[] = {own, small}, counts[] = {COUNT(own), COUNT(small)};
	for (int i = 0; i < 2; i++) {
		*end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARCH);
		*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, machines[i], 0, 2 * counts[i] + 1);
		*end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER);
		for (unsigned n = 0; n < counts[i]; n++) {
			*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i][n], 0, 1);
			*end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO);
		}
	}
	*end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {end - rules, rules};
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), "seccomp", "");
}

/* Keep the program from typing into the caller's terminal, which the caller's shell would read: TIOCSTI and
 * TIOCLINUX of ioctl_tty(2). 54 and 0x40000202 are ioctl of 32-bit programs and of x32. Without a terminal
 * there is nothing to filter, and calls stay quick. */
static void protect_terminal(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 54, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40000202, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog filter = {COUNT(code), code};
	int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0)
		return;
	close(terminal);
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0), "seccomp", "");
}

/* --- the processes ------------------------------------------------------------------------------------------ */

static void pass_on(int number) { if (child > 0) kill(child, number); }

/* Who signals a group that we lead reaches the program too; on a terminal, only the outer process is signalled. */
static void handle_signals(int leads)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, leads ? SIG_IGN : pass_on);
	signal(SIGHUP, leads ? SIG_IGN : pass_on);
}

static void close_standard(void) { close(0); close(1); close(2); }

static void end_as(int status)
{
	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	kill(getpid(), WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static void wait_outside(pid_t parent, int told)
{
	int status = SIGKILL, ignored;
	check(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl", "");
	if (getppid() != parent)
		_exit(125); /* it ended meanwhile */
	close_standard();
	close(report);
	while (waitpid(child, &ignored, 0) < 0 && errno == EINTR)
		;
	if (read(told, &status, sizeof status) != sizeof status)
		status = SIGKILL;
	end_as(status);
}

static void reap(int tell)
{
	int status;
	prctl(PR_SET_NAME, "init", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* else the program may trace it, and so stop it */
	close_standard();
	close(report);
	for (;;) {
		pid_t ended = wait(&status);
		if (ended == child)
			_exit(write(tell, &status, sizeof status) != sizeof status);
		if (ended < 0 && errno != EINTR)
			_exit(1);
	}
}

int main(int count, char **words)
{
	sigset_t all, former;
	int pipe_ends[2] = {-1, -1};
	uid_t user = geteuid();
	gid_t group = getegid();
	int leads = getpgrp() == getpid();
	if (count > 2 && !strncmp(words[0], CPU, strlen(CPU)))
		return interpret(count, words);
	if (count < 7) {
		fputs("launcher: mpforge calls it\n", stderr);
		return 2;
	}
	own_path = words[0];
	const char *kinds = words[1];
	pid_t parent = atoi(words[2]);
	report = atoi(words[3]);
	fcntl(report, F_SETFD, FD_CLOEXEC);
	char **operations = words + 5, **program = operations;
	while (*program && strcmp(*program, "--"))
		program++;
	int of_user = !!strchr(kinds, 'u'), of_network = !!strchr(kinds, 'n'), of_processes = !!strchr(kinds, 'p'),
	    of_root = !!strchr(kinds, 'r'), of_image = !!strchr(kinds, 'i');
	/* User 0 alone may register an emulator, so the program's user is of a further namespace. */
	int nests = of_user && of_root && !of_image && operand(operations, "emulator");

	check(unshare((of_user ? CLONE_NEWUSER : 0) | (of_network ? CLONE_NEWNET : 0) | (of_processes ? CLONE_NEWPID : 0)
		| (of_root ? CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS : 0)), "unshare", "");
	if (of_user)
		become_user(of_image || nests ? "0" : ID, user, group);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &former);
	if (of_processes) {
		check(pipe2(pipe_ends, O_CLOEXEC), "pipe", "");
		child = fork();
		check(child < 0, "fork", "");
		if (child) {
			close(pipe_ends[1]);
			handle_signals(leads);
			sigprocmask(SIG_SETMASK, &former, NULL);
			wait_outside(parent, pipe_ends[0]);
		}
		close(pipe_ends[0]);
	}
	check(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl", "");
	if (of_processes) {
		struct pollfd outer = {.fd = pipe_ends[1]};
		if (poll(&outer, 1, 0) < 0 || outer.revents & POLLERR)
			_exit(125); /* it ended meanwhile */
	} else if (getppid() != parent)
		_exit(125);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL); /* the caller's may hold keys */
	if (of_network)
		raise_loopback();
	if (of_root) {
		check(sethostname("localhost", 9), "sethostname", "");
		make_root(of_processes, of_image, nests, operations);
	}
	if (nests) {
		check(unshare(CLONE_NEWUSER), "unshare", "");
		become_user(ID, 0, 0);
	}
	check(chdir(words[4]), "chdir", words[4]);
	if (operand(operations, "linux32"))
		check(personality(PER_LINUX32) < 0, "personality", "");
	if (of_user)
		drop_capabilities(of_image);
	if (of_image)
		pretend_users();
	if (of_user && of_root)
		protect_terminal();
	if (of_processes) {
		child = fork();
		check(child < 0, "fork", "");
		if (child) {
			handle_signals(leads);
			sigprocmask(SIG_SETMASK, &former, NULL);
			reap(pipe_ends[1]);
		}
	}
	sigprocmask(SIG_SETMASK, &former, NULL);
	execvp(program[1], program + 1);
	fail("exec", "");
}

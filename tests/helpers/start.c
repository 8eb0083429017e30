/*
 * start: starts a program under exact conditions.
 *
 *     start [condition...] -- FILE ARGUMENT0 [argument...]
 *
 * The tests put it in front of both implementations, so that both start alike, in conditions that
 * Python cannot produce between fork and exec (an environment with duplicates, no standard
 * descriptors) or that must happen in one order (mounts first, then the ids). It is never a process
 * of its own: FILE replaces it. Signals begin with their defaults, none blocked, whatever the test
 * session was started from. Conditions are applied from left to right:
 *
 *     mounts                 a mount namespace of its own, everything in it private
 *     propagation=WORD       of all mounts of that namespace: shared, slave, private, unbindable
 *     bind=FROM:TO           bind mount
 *     rbind=FROM:TO          the same with the mounts below it
 *     tmpfs=DIRECTORY        an empty file system there
 *     chroot=DIRECTORY       another root directory
 *     unshare=FLAGS          more namespaces of its own
 *     user=UID:GID:GROUPS    ids and supplementary groups (comma separated, may be empty)
 *     directory=PATH         working directory
 *     umask=OCTAL  nice=N  limit=RESOURCE:SOFT:HARD  timer=SECONDS
 *     ignore=SIGNAL  default=SIGNAL  block=SIGNAL  pending=SIGNAL (blocked, then sent)
 *     no_new_privs  keepcaps  securebits=N  ambient=CAPABILITY  bounding=CAPABILITY (dropped)
 *     death_signal=N  oom_score_adj=N  personality=N  scheduler=POLICY  processor=NUMBER
 *     session                a session of its own, standard input as its terminal if it is one
 *     emptyenv               an empty environment
 *     env=ENTRY              one more environment entry, of any bytes, malformed ones too
 *     close=DESCRIPTOR
 *     refuse=ERRNO:FLAGS     a seccomp filter: unshare(2) with any of these flags (0: with whatever
 *                            flags) fails with this errno, as in a container
 *     refuse_mount=ERRNO     the same for mount(2)
 *     refuse_call=ERRNO:NAME[:FLAGS]   the same for one of the calls in the table below
 *     kill_at=NAME           a filter that kills who makes the call
 *     report=DESCRIPTOR      write there the namespaces it is in, as `caller/NAME=LINK` lines
 *
 * A condition that cannot be had ends it with status 97.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#define HIGHEST_ENTRIES 4096

extern char **environ;

static char *entries[HIGHEST_ENTRIES + 1];
static size_t entry_count;

static void must(int worked, const char *condition)
{
	if (!worked) {
		perror(condition);
		_exit(97);
	}
}

static void adopt_environment(void)
{
	for (char **entry = environ; *entry && entry_count < HIGHEST_ENTRIES; entry++)
		entries[entry_count++] = *entry;
}

/* The C library hides its own two signals, so the kernel's call is used. */
static void reset_signals(void)
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } action;
	sigset_t none;

	memset(&action, 0, sizeof action);
	for (int number = 1; number <= 64; number++)
		syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static unsigned long propagation(const char *word)
{
	if (!strcmp(word, "shared"))
		return MS_SHARED;
	if (!strcmp(word, "slave"))
		return MS_SLAVE;
	return strcmp(word, "unbindable") ? MS_PRIVATE : MS_UNBINDABLE;
}

static void bind_mount(char *from, unsigned long flags)
{
	char *to = strchr(from, ':');

	must(to != NULL, "bind");
	*to++ = '\0';
	must(mount(from, to, NULL, MS_BIND | flags, NULL) == 0, to);
}

static void become(char *ids)
{
	gid_t groups[64];
	int count = 0;
	unsigned uid = strtoul(ids, &ids, 10);
	unsigned gid = strtoul(ids + 1, &ids, 10);

	while (*ids && ids[1] && count < 64)
		groups[count++] = strtoul(ids + 1, &ids, 10);
	must(setgroups(count, groups) == 0, "setgroups");
	must(setresgid(gid, gid, gid) == 0, "setresgid");
	must(setresuid(uid, uid, uid) == 0, "setresuid");
}

static void limit(char *numbers)
{
	int resource = strtol(numbers, &numbers, 10);
	struct rlimit value;

	value.rlim_cur = strtoll(numbers + 1, &numbers, 10);
	value.rlim_max = strtoll(numbers + 1, &numbers, 10);
	must(setrlimit(resource, &value) == 0, "limit");
}

static void block(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "block");
}

static void own_session(void)
{
	setsid();	/* fails for the leader of a group, who is told nothing new */
	if (isatty(0))
		must(ioctl(0, TIOCSCTTY, 0) == 0, "session");
}

/* Ambient needs inheritable first. */
static void raise_ambient(int number)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	must(syscall(SYS_capget, &header, data) == 0, "capget");
	data[number / 32].inheritable |= 1U << (number % 32);
	must(syscall(SYS_capset, &header, data) == 0, "capset");
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) == 0, "ambient");
}

static void write_file(const char *path, const char *text)
{
	int descriptor = open(path, O_WRONLY | O_CLOEXEC);

	must(descriptor >= 0 && write(descriptor, text, strlen(text)) >= 0, path);
	close(descriptor);
}

static void pin(int number)
{
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET(number, &processors);
	must(sched_setaffinity(0, sizeof processors, &processors) == 0, "processor");
}

static void report_namespaces(int descriptor)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[64], target[PATH_MAX];
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		ssize_t length = readlink(path, target, sizeof target);
		if (length > 0)
			dprintf(descriptor, "caller/%s=%.*s\n", names[i], (int)length, target);
	}
}

/* Those that containers refuse. */
static const struct { const char *name; unsigned number; } calls[] = {
	{ "bpf", SYS_bpf }, { "clone", SYS_clone }, { "clone3", 435 }, { "close_range", 436 },
	{ "fsconfig", 431 }, { "fsmount", 432 }, { "fsopen", 430 }, { "keyctl", SYS_keyctl },
	{ "mount", SYS_mount }, { "mount_setattr", 442 }, { "move_mount", 429 }, { "open_tree", 428 },
	{ "pidfd_open", 434 }, { "pidfd_send_signal", 424 }, { "pivot_root", SYS_pivot_root },
	{ "setdomainname", SYS_setdomainname }, { "sethostname", SYS_sethostname },
	{ "setns", SYS_setns }, { "statx", SYS_statx }, { "umount2", SYS_umount2 },
	{ "unshare", SYS_unshare },
};

/* The number of a call; its name ends at a colon. */
static unsigned call_number(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strlen(calls[i].name) == strcspn(name, ":")
		    && !strncmp(calls[i].name, name, strlen(calls[i].name)))
			return calls[i].number;
	fprintf(stderr, "start: unknown call %s\n", name);
	_exit(97);
}

/* The flags stand in the lower half of the first argument. */
static void filter(unsigned call, unsigned flags, unsigned action)
{
	struct sock_filter lines[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)
			 + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, flags ? 1 : 0),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof lines / sizeof *lines, lines };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return;	/* by privilege; without, no program may gain any from here on */
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
	     && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "filter");
}

static void refuse(unsigned call, char *numbers)
{
	unsigned error = strtoul(numbers, &numbers, 0);

	filter(call, *numbers ? strtoul(numbers + 1, NULL, 0) : 0, SECCOMP_RET_ERRNO | error);
}

static void refuse_call(char *value)
{
	char *name = strchr(value, ':');

	must(name != NULL, "refuse_call");
	char *flags = strchr(name + 1, ':');
	filter(call_number(name + 1), flags ? strtoul(flags + 1, NULL, 0) : 0,
	       SECCOMP_RET_ERRNO | strtoul(value, NULL, 0));
}

static void apply(char *condition)
{
	char *value = strchr(condition, '=');

	if (value)
		*value++ = '\0';
	else
		value = "";
	int number = atoi(value);
#define IS(name) (!strcmp(condition, name))
	if (IS("mounts"))
		must(unshare(CLONE_NEWNS) == 0
		     && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, condition);
	else if (IS("propagation"))
		must(mount("none", "/", NULL, MS_REC | propagation(value), NULL) == 0, condition);
	else if (IS("bind"))
		bind_mount(value, 0);
	else if (IS("rbind"))
		bind_mount(value, MS_REC);
	else if (IS("tmpfs"))
		must(mount("tmpfs", value, "tmpfs", 0, NULL) == 0, condition);
	else if (IS("unshare"))
		must(unshare(strtoul(value, NULL, 0)) == 0, condition);
	else if (IS("user"))
		become(value);
	else if (IS("directory"))
		must(chdir(value) == 0, condition);
	else if (IS("umask"))
		umask(strtol(value, NULL, 8));
	else if (IS("nice"))
		must(setpriority(PRIO_PROCESS, 0, number) == 0, condition);
	else if (IS("limit"))
		limit(value);
	else if (IS("timer"))
		must(setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { number, 0 } }, NULL) == 0,
		     condition);
	else if (IS("ignore"))
		must(signal(number, SIG_IGN) != SIG_ERR, condition);
	else if (IS("default"))
		must(signal(number, SIG_DFL) != SIG_ERR, condition);
	else if (IS("block"))
		block(number);
	else if (IS("pending")) {
		block(number);
		must(kill(getpid(), number) == 0, condition);
	} else if (IS("no_new_privs"))
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, condition);
	else if (IS("keepcaps"))
		must(prctl(PR_SET_KEEPCAPS, 1) == 0, condition);
	else if (IS("securebits"))
		must(prctl(PR_SET_SECUREBITS, number) == 0, condition);
	else if (IS("ambient"))
		raise_ambient(number);
	else if (IS("bounding"))
		must(prctl(PR_CAPBSET_DROP, number) == 0, condition);
	else if (IS("death_signal"))
		must(prctl(PR_SET_PDEATHSIG, number) == 0, condition);
	else if (IS("oom_score_adj"))
		write_file("/proc/self/oom_score_adj", value);
	else if (IS("personality"))
		must(personality(strtoul(value, NULL, 0)) != -1, condition);
	else if (IS("scheduler"))
		must(sched_setscheduler(0, number, &(struct sched_param){ 0 }) == 0, condition);
	else if (IS("processor"))
		pin(number);
	else if (IS("session"))
		own_session();
	else if (IS("emptyenv"))
		entry_count = 0;
	else if (IS("env")) {
		must(entry_count < HIGHEST_ENTRIES, condition);
		entries[entry_count++] = value;
	} else if (IS("refuse"))
		refuse(SYS_unshare, value);
	else if (IS("refuse_mount"))
		refuse(SYS_mount, value);
	else if (IS("refuse_call"))
		refuse_call(value);
	else if (IS("kill_at"))
		filter(call_number(value), 0, SECCOMP_RET_KILL_PROCESS);
	else if (IS("chroot"))
		must(chroot(value) == 0 && chdir("/") == 0, condition);
	else if (IS("close"))
		close(number);
	else if (IS("report"))
		report_namespaces(number);
	else {
		fprintf(stderr, "start: unknown condition %s\n", condition);
		_exit(97);
	}
#undef IS
}

int main(int argument_count, char **arguments)
{
	int i = 1;

	reset_signals();
	adopt_environment();
	for (; i < argument_count && strcmp(arguments[i], "--"); i++)
		apply(arguments[i]);
	if (i + 2 >= argument_count) {
		fprintf(stderr, "start: no program\n");
		return 97;
	}
	entries[entry_count] = NULL;
	execve(arguments[i + 1], arguments + i + 2, entries);
	perror(arguments[i + 1]);
	return 97;
}

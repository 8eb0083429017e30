/*
 * probe: prints everything a process can see of itself.
 *
 *     probe [--report=DESCRIPTOR] [anything...]
 *
 * The comparison tests start it as the program of both implementations and compare the two reports.
 * The report goes to descriptor 1, or to the inherited descriptor named by the first argument (which
 * survives a closed standard output, a new root and a new mount namespace).
 *
 * One `key=value` a line; a key may occur again (environment entries, mounts). Bytes that are not
 * printable ASCII, and the backslash, are written \ooo, so that every byte survives. What can be
 * asked of the kernel is asked without /proc; what needs /proc reads `?` where that is missing.
 * The program is linked statically: it needs nothing of the root it finds itself in.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#define HIGHEST_DESCRIPTOR 1023
#define HIGHEST_SIGNAL 64

static char report[1 << 20];
static size_t report_length;

/* ---- writing ------------------------------------------------------------------------------- */

static void put(const char *format, ...)
{
	va_list arguments;
	size_t room = sizeof report - report_length;

	va_start(arguments, format);
	int length = vsnprintf(report + report_length, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		_exit(99);	/* a truncated report would compare as equal */
	report_length += length;
}

static void put_bytes(const char *key, const char *bytes, size_t length)
{
	put("%s=", key);
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = bytes[i];
		if (byte < ' ' || byte > '~' || byte == '\\')
			put("\\%03o", byte);
		else
			put("%c", byte);
	}
	put("\n");
}

static void put_text(const char *key, const char *text)
{
	put_bytes(key, text, strlen(text));
}

static void put_number(const char *key, long long number)
{
	put("%s=%lld\n", key, number);
}

static void flush(int descriptor)
{
	size_t done = 0;

	while (done < report_length) {
		ssize_t now = write(descriptor, report + done, report_length - done);
		if (now < 0 && errno != EINTR)
			_exit(98);
		if (now > 0)
			done += now;
	}
}

/* ---- reading /proc ------------------------------------------------------------------------- */

/* A static buffer is enough: every caller is done with it before the next one asks. */
static char content[1 << 18];

static ssize_t read_file(const char *path)
{
	size_t length = 0;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return -1;
	while (length < sizeof content - 1) {
		ssize_t now = read(descriptor, content + length, sizeof content - 1 - length);
		if (now <= 0)
			break;
		length += now;
	}
	close(descriptor);
	content[length] = '\0';
	return length;
}

static void put_file(const char *key, const char *path)
{
	ssize_t length = read_file(path);

	if (length < 0)
		put_text(key, "?");
	else
		put_bytes(key, content, length);
}

static void put_link(const char *key, const char *path)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof target);

	if (length < 0)
		put_text(key, "?");
	else
		put_bytes(key, target, length);
}

/* ---- the report ---------------------------------------------------------------------------- */

static void arguments_and_environment(char **arguments, char **environment)
{
	for (int i = 0; arguments[i]; i++)
		put_text("argument", arguments[i]);
	for (int i = 0; environment[i]; i++)
		put_text("environment", environment[i]);
}

static void namespaces(void)
{
	static const char *const names[] = {
		"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children",
		"time", "time_for_children", "user", "uts",
	};
	char key[64], path[64];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(key, sizeof key, "ns/%s", names[i]);
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		put_link(key, path);
	}
	put_file("uid_map", "/proc/self/uid_map");
	put_file("gid_map", "/proc/self/gid_map");
	put_file("setgroups", "/proc/self/setgroups");
	put_file("timens_offsets", "/proc/self/timens_offsets");
	put_file("cgroup", "/proc/self/cgroup");

	struct utsname names_of_host;
	uname(&names_of_host);
	put_text("hostname", names_of_host.nodename);
	put_text("domainname", names_of_host.domainname);
}

static void credentials(void)
{
	uid_t uid[3];
	gid_t gid[3], groups[NGROUPS_MAX > 65536 ? 65536 : NGROUPS_MAX];
	int count = getgroups(sizeof groups / sizeof *groups, groups);

	getresuid(&uid[0], &uid[1], &uid[2]);
	getresgid(&gid[0], &gid[1], &gid[2]);
	/* setfsuid(2) with an impossible id only asks. */
	put("uids=%u %u %u %u\n", uid[0], uid[1], uid[2], (unsigned)syscall(SYS_setfsuid, -1));
	put("gids=%u %u %u %u\n", gid[0], gid[1], gid[2], (unsigned)syscall(SYS_setfsgid, -1));
	put("groups=");
	for (int i = 0; i < count; i++)
		put("%s%u", i ? " " : "", groups[i]);
	put("\n");
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	unsigned long long bounding = 0, ambient = 0;

	syscall(SYS_capget, &header, data);
	for (int number = 0; number < 64; number++) {
		if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1)
			bounding |= 1ULL << number;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) == 1)
			ambient |= 1ULL << number;
	}
	put("capabilities/effective=%08x%08x\n", data[1].effective, data[0].effective);
	put("capabilities/permitted=%08x%08x\n", data[1].permitted, data[0].permitted);
	put("capabilities/inheritable=%08x%08x\n", data[1].inheritable, data[0].inheritable);
	put("capabilities/bounding=%016llx\n", bounding);
	put("capabilities/ambient=%016llx\n", ambient);
}

/* The C library hides its own two signals, so the kernel's calls are used. */
static void signals(void)
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } action;
	unsigned long long blocked = 0, pending = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
	syscall(SYS_rt_sigpending, &pending, sizeof pending);
	put("signals/blocked=%016llx\n", blocked);
	put("signals/pending=%016llx\n", pending);
	put("signals/ignored=");
	for (int number = 1; number <= HIGHEST_SIGNAL; number++)
		if (!syscall(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask)
		    && action.handler == (void *)SIG_IGN)
			put("%d ", number);
	put("\nsignals/caught=");
	for (int number = 1; number <= HIGHEST_SIGNAL; number++)
		if (!syscall(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask)
		    && action.handler != (void *)SIG_IGN && action.handler != (void *)SIG_DFL)
			put("%d ", number);
	put("\n");
}

static void process_attributes(void)
{
	int death_signal = 0;

	prctl(PR_GET_PDEATHSIG, &death_signal);
	put_number("parent_death_signal", death_signal);
	put_number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	put_number("dumpable", prctl(PR_GET_DUMPABLE));
	put_number("securebits", prctl(PR_GET_SECUREBITS));
	put_number("keepcaps", prctl(PR_GET_KEEPCAPS));
	put_number("timer_slack", prctl(PR_GET_TIMERSLACK));
	put_number("transparent_huge_pages_disabled", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	put_number("personality", personality(0xffffffff));
	put_number("scheduler_policy", sched_getscheduler(0));
	cpu_set_t processors;
	CPU_ZERO(&processors);
	sched_getaffinity(0, sizeof processors, &processors);
	put_number("processors", CPU_COUNT(&processors));
	errno = 0;
	put_number("nice", getpriority(PRIO_PROCESS, 0));
	put_number("io_priority", syscall(SYS_ioprio_get, 1, 0));
	put_file("oom_score_adj", "/proc/self/oom_score_adj");

	mode_t mask = umask(0);
	umask(mask);
	put("umask=%04o\n", mask);

	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;
		if (getrlimit(resource, &limit) == 0)
			put("limit/%d=%lld %lld\n", resource,
			    (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
	for (int timer = ITIMER_REAL; timer <= ITIMER_PROF; timer++) {
		struct itimerval value;
		getitimer(timer, &value);
		put("interval_timer/%d=%s %lld\n", timer,
		    value.it_value.tv_sec || value.it_value.tv_usec ? "armed" : "unarmed",
		    (long long)value.it_interval.tv_sec);
	}
}

static void process_relations(void)
{
	put_number("pid", getpid());
	put_number("parent", getppid());
	put_number("session", getsid(0));
	put_number("process_group", getpgrp());

	int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0) {
		put_text("terminal/foreground_group", "?");
	} else {
		put_number("terminal/foreground_group", tcgetpgrp(terminal));
		close(terminal);
	}
}

static void descriptors(void)
{
	for (int number = 0; number <= HIGHEST_DESCRIPTOR; number++) {
		char key[64], path[64];
		int flags = fcntl(number, F_GETFD);
		if (flags < 0)
			continue;
		snprintf(key, sizeof key, "descriptor/%d", number);
		put("%s/flags=%d %o\n", key, flags, fcntl(number, F_GETFL));
		snprintf(path, sizeof path, "/proc/self/fd/%d", number);
		put_link(key, path);
	}
}

static void put_place(const char *key, const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		put_text(key, "?");
	else
		put("%s=%llx:%llu\n", key,
		    (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
}

static void places(void)
{
	char directory[PATH_MAX];
	/* The kernel's own answer: it says "(unreachable)" for a directory outside the root. */
	long length = syscall(SYS_getcwd, directory, sizeof directory);

	put_text("working_directory/path", length < 0 ? "?" : directory);
	put_place("working_directory", ".");
	put_place("root", "/");
}

/*
 * One line for each mount: point, options, propagation (the words only: the numbers of peer groups
 * differ from run to run), kind and source.
 */
static void mounts(void)
{
	if (read_file("/proc/self/mountinfo") < 0) {
		put_text("mount", "?");
		return;
	}
	char *rest_of_file = NULL;
	for (char *line = strtok_r(content, "\n", &rest_of_file); line;
	     line = strtok_r(NULL, "\n", &rest_of_file)) {
		char described[PATH_MAX * 2] = "", *rest_of_line = NULL;
		int column = 0, optional = 1;

		for (char *word = strtok_r(line, " ", &rest_of_line); word;
		     word = strtok_r(NULL, " ", &rest_of_line), column++) {
			if (column < 3)	/* mount id, parent id, device number */
				continue;
			if (column >= 6 && optional) {
				if (!strcmp(word, "-"))
					optional = 0;
				else
					word[strcspn(word, ":")] = '\0';
			}
			if (strlen(described) + strlen(word) + 2 > sizeof described)
				_exit(99);
			strcat(described, word);
			strcat(described, " ");
		}
		put_text("mount", described);
	}
}

int main(int argument_count, char **arguments, char **environment)
{
	static const char option[] = "--report=";
	int descriptor = STDOUT_FILENO;

	if (argument_count > 1 && !strncmp(arguments[1], option, strlen(option)))
		descriptor = atoi(arguments[1] + strlen(option));

	descriptors();	/* before anything of ours is opened */
	arguments_and_environment(arguments, environment);
	namespaces();
	credentials();
	capabilities();
	signals();
	process_attributes();
	process_relations();
	places();
	mounts();
	put_text("end", "of report");
	flush(descriptor);
	return 0;
}

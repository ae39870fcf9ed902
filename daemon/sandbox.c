/*
 * A sandbox is three processes: this one, outside, which waits and passes signals on; the first
 * process of the new host, which makes it, starts netd, runs the command and reaps; and the
 * command.
 *
 * The invariant: the new host lives exactly as long as its first process. When that one ends, the
 * kernel ends all others in its process namespace, unmounts and frees what they made, so there is
 * nothing to clean up on any way out, be it kill -9 of the one outside (the parent-death signal). A
 * user namespace comes first even for root: whatever runs in it has no power over the machine's own
 * network. Only where that is refused to root (in some containers) it goes without.
 *
 * A failure inside travels out as a struct error through a pipe. Signals of the terminal reach the
 * command by themselves; those that someone sends to the process outside are passed on, which the
 * kernel's si_code tells apart.
 */
#include "daemon/sandbox.h"

#include "daemon/sandbox_host.h"
#include "lib/client.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define READY_SECONDS 90 /* as systemd waits */
#define STOP_SECONDS  10
#define NOTIFY_PATH   SANDBOX_DIR "/notify"

struct guest {
	const char *netd_path;
	char *const *command;
	int go;     /* from outside: identities are mapped, start */
	int report; /* to outside: a struct error, where it failed */
	int signals;
	int notify;
	sigset_t mask; /* as the caller had it, for what it starts */
	pid_t netd_pid, command_pid;
	bool netd_ended, command_ended;
	int netd_status, command_status; /* of waitpid */
};

/* --- inside: the first process of the new host --- */

static void watched_signals(sigset_t *ret)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};

	sigemptyset(ret);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(ret, signals[i]);
}

static int notify_open(struct error *err)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_PATH};

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return error_set(err, ERROR_KERNEL, errno, "listen on %s", NOTIFY_PATH);
	return TAKE_FD(fd);
}

/* Reads all that netd has to say; whether one of it was READY=1. Descriptors to be stored are
 * dropped. */
static bool notify_read(int fd)
{
	char text[4096];
	bool ready = false;
	ssize_t size;

	while ((size = recv(fd, text, sizeof text - 1, 0)) >= 0) {
		text[size] = '\0';
		ready |= strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1");
	}
	return ready;
}

static void guest_reap(struct guest *guest)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == guest->netd_pid) {
			guest->netd_ended = true;
			guest->netd_status = status;
		} else if (pid == guest->command_pid) {
			guest->command_ended = true;
			guest->command_status = status;
		}
	}
}

/*
 * Waits until something happens, at most until `deadline` (0: for ever). Returns the signal that
 * someone sent, 0 for everything else. Ctrl-C on the terminal reaches the command, too, so once
 * that runs only a sender's own signal is returned.
 */
static int guest_wait(struct guest *guest, uint64_t deadline, bool *ready)
{
	struct pollfd polled[] = {
	        {.fd = guest->signals, .events = POLLIN}, {.fd = guest->notify, .events = POLLIN}};
	struct signalfd_siginfo info;
	int64_t left = deadline ? (int64_t)(deadline - clock_ms()) : -1;

	if (deadline && left < 0)
		left = 0;
	if (poll(polled, 2, (int)left) <= 0)
		return 0;
	if (polled[1].revents)
		*ready |= notify_read(guest->notify);
	if (!polled[0].revents || read(guest->signals, &info, sizeof info) != sizeof info)
		return 0;
	if (info.ssi_signo == SIGCHLD) {
		guest_reap(guest);
		return 0;
	}
	return guest->command_pid && info.ssi_code == SI_KERNEL ? 0 : (int)info.ssi_signo;
}

static void netd_exec(const struct guest *guest)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* in a session of its own, so that Ctrl-C is not for it */
	setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	setenv("NOTIFY_SOCKET", NOTIFY_PATH, 1);
	execl(guest->netd_path, "netd", "--socket", NETD_SOCKET_DEFAULT, "--state-dir",
	        SANDBOX_DIR "/state", "--runtime-dir", "/run/netd", "--log-level", "warning",
	        (char *)NULL);
}

static void command_exec(const struct guest *guest)
{
	execvp(guest->command[0], guest->command);
}

/* The child that does not become another program ends as sh would: 127 not found, 126 not possible.
 */
static int spawn(const struct guest *guest, void (*exec)(const struct guest *), const char *name,
        pid_t *ret, struct error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return error_set(err, ERROR_KERNEL, errno, "start %s", name);
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &guest->mask, NULL);
		exec(guest);
		dprintf(STDERR_FILENO, "netd: %s: %s\n", name, strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	*ret = pid;
	return 0;
}

static int status_as_sh(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int netd_start(struct guest *guest, struct error *err)
{
	uint64_t deadline = clock_ms() + READY_SECONDS * 1000;
	bool ready = false;
	int r, signal;

	guest->notify = notify_open(err);
	if (guest->notify < 0)
		return guest->notify;
	r = spawn(guest, netd_exec, guest->netd_path, &guest->netd_pid, err);
	if (r < 0)
		return r;
	while (!ready) {
		signal = guest_wait(guest, deadline, &ready);
		if (signal)
			_exit(128 + signal);
		if (guest->netd_ended)
			return error_set(err, ERROR_REFUSED, 0,
			        "start netd in the sandbox: it ended with status %d (its own "
			        "message says why)",
			        status_as_sh(guest->netd_status));
		if (!ready && clock_ms() >= deadline)
			return error_set(err, ERROR_REFUSED, 0,
			        "start netd in the sandbox: it was not ready after %d seconds",
			        READY_SECONDS);
	}
	return 0;
}

static void netd_stop(struct guest *guest)
{
	uint64_t deadline = clock_ms() + STOP_SECONDS * 1000;
	bool ready = false;

	if (!guest->netd_ended)
		kill(guest->netd_pid, SIGTERM);
	while (!guest->netd_ended && clock_ms() < deadline)
		guest_wait(guest, deadline, &ready);
	if (!guest->netd_ended)
		dprintf(STDERR_FILENO, "netd: sandbox: the daemon did not stop within %d seconds\n",
		        STOP_SECONDS);
}

static int environment_set(const char *netd_path, struct error *err)
{
	_cleanup_(freep) char *directory = strdup(netd_path);
	_cleanup_(freep) char *path = NULL;
	const char *before = getenv("PATH");

	/* the daemons of people without root's PATH are in the last two */
	if (!directory || asprintf(&path, "%s:%s:/usr/sbin:/sbin", dirname(directory),
	                          before ? before : "/usr/local/bin:/usr/bin:/bin") < 0) {
		path = NULL;
		return error_memory(err);
	}
	if (setenv("PATH", path, 1) < 0 || setenv("NETD_SOCKET", NETD_SOCKET_DEFAULT, 1) < 0 ||
	        unsetenv("NOTIFY_SOCKET") < 0 || unsetenv("LISTEN_PID") < 0 ||
	        unsetenv("LISTEN_FDS") < 0 || unsetenv("LISTEN_FDNAMES") < 0)
		return error_memory(err);
	return 0;
}

static int guest_run(struct guest *guest, struct error *err)
{
	bool ready = false;
	sigset_t watched;
	int r, signal;

	watched_signals(&watched);
	guest->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (guest->signals < 0)
		return error_set(err, ERROR_KERNEL, errno, "watch signals");
	if ((r = sandbox_host_make(err)) < 0 || (r = environment_set(guest->netd_path, err)) < 0 ||
	        (r = netd_start(guest, err)) < 0 ||
	        (r = spawn(guest, command_exec, guest->command[0], &guest->command_pid, err)) < 0)
		return r;
	while (!guest->command_ended) {
		signal = guest_wait(guest, 0, &ready);
		if (signal)
			kill(guest->command_pid, signal);
	}
	netd_stop(guest);
	return status_as_sh(guest->command_status);
}

static void guest_main(struct guest *guest)
{
	struct error error = {0};
	char byte;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* also the check that the parent has not died before that took effect */
	if (read(guest->go, &byte, 1) != 1)
		_exit(1);
	r = guest_run(guest, &error);
	if (r < 0 && write(guest->report, &error, sizeof error) != sizeof error)
		dprintf(STDERR_FILENO, "netd: sandbox: %s\n", error.text);
	_exit(r < 0 ? 1 : r);
}

/* --- outside --- */

static int proc_write(pid_t pid, const char *name, const char *text)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	size_t size = strlen(text);

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, size) == (ssize_t)size ? 0 : -errno;
}

/* Every identity that exists here, as itself. */
static int identity_map(const char *path, char *ret, size_t size)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	unsigned inside, outside, count;
	size_t used = 0;

	if (!file)
		return -errno;
	while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 && used + 40 < size)
		used += snprintf(ret + used, size - used, "%u %u %u\n", inside, inside, count);
	return used ? 0 : -EINVAL;
}

/* Root keeps all identities, so that its programs can change to others; anyone else becomes the
 * only one, root. */
static int identities_set(pid_t pid, struct error *err)
{
	char users[4096], groups[4096];
	int r = 0;

	if (geteuid() == 0) {
		r = identity_map("/proc/self/uid_map", users, sizeof users);
		if (r == 0)
			r = identity_map("/proc/self/gid_map", groups, sizeof groups);
	} else {
		snprintf(users, sizeof users, "0 %u 1\n", geteuid());
		snprintf(groups, sizeof groups, "0 %u 1\n", getegid());
		r = proc_write(pid, "setgroups", "deny");
	}
	if (r == 0)
		r = proc_write(pid, "uid_map", users);
	if (r == 0)
		r = proc_write(pid, "gid_map", groups);
	return r == 0 ? 0
	              : error_set(
	                        err, ERROR_PERMISSION, -r, "map identities into a user namespace");
}

/* What stands in the way, where the kernel says so; else what gives the right. */
static const char *remedy(void)
{
	static const struct {
		const char *path;
		char refuses;
		const char *gives;
	} switches[] = {
	        {"/proc/sys/user/max_user_namespaces", '0', "sysctl user.max_user_namespaces=1000"},
	        {"/proc/sys/kernel/unprivileged_userns_clone", '0',
	                "sysctl kernel.unprivileged_userns_clone=1, or sudo"},
	        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
	                "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or sudo"},
	};

	if (geteuid() == 0)
		return "in a container: one with CAP_SYS_ADMIN and an unmasked /proc, as "
		       "--privileged gives it";
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		_cleanup_(fclosep) FILE *file = fopen(switches[i].path, "re");
		char value[2] = "";

		if (file && fread(value, 1, 2, file) == 2 && value[0] == switches[i].refuses &&
		        value[1] == '\n')
			return switches[i].gives;
	}
	return "sudo";
}

static pid_t host_clone(uint64_t user_namespace, struct error *err)
{
	struct clone_args args = {
	        .flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | user_namespace,
	        .exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);

	if (pid < 0)
		return error_set(err, ERROR_PERMISSION, errno, "make %snamespaces of its own",
		        user_namespace ? "user and other " : "");
	return pid;
}

/* Passes signals on until the new host has ended; its status. */
static int host_wait(pid_t pid, int signals)
{
	struct pollfd polled = {.fd = signals, .events = POLLIN};
	struct signalfd_siginfo info;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (poll(&polled, 1, -1) <= 0 || read(signals, &info, sizeof info) != sizeof info)
			continue;
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			kill(pid, (int)info.ssi_signo);
	}
	return status;
}

static int sandbox_try(struct guest *guest, uint64_t user_namespace, int signals, struct error *err)
{
	_cleanup_(closep) int go_out = -1, go_in = -1, report_out = -1, report_in = -1;
	struct error report;
	int pair[2], status, r;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_set(err, ERROR_KERNEL, errno, "make a pipe");
	go_out = pair[0];
	go_in = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_set(err, ERROR_KERNEL, errno, "make a pipe");
	report_out = pair[0];
	report_in = pair[1];
	guest->go = go_out;
	guest->report = report_in;

	pid = host_clone(user_namespace, err);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		close(go_in);
		guest_main(guest);
	}
	r = user_namespace ? identities_set(pid, err) : 0;
	if (r == 0 && write(go_in, "", 1) != 1)
		r = error_set(err, ERROR_KERNEL, errno, "start the new host");
	close(TAKE_FD(go_in));
	close(TAKE_FD(report_in));
	status = host_wait(pid, signals);
	if (r < 0)
		return r;
	if (read(report_out, &report, sizeof report) == sizeof report) {
		*err = report;
		return report.errnum ? -report.errnum : -EINVAL;
	}
	return status_as_sh(status);
}

int sandbox_run(const char *netd_path, char *const *command, struct error *err)
{
	_cleanup_(closep) int signals = -1;
	char path[PATH_MAX];
	struct guest guest = {.netd_path = path, .command = command, .notify = -1};
	sigset_t watched;
	bool terminal = tcgetpgrp(STDIN_FILENO) == getpgrp();
	int r;

	if (!realpath(netd_path, path))
		return error_set(err, ERROR_KERNEL, errno, "find %s", netd_path);
	watched_signals(&watched);
	sigprocmask(SIG_BLOCK, &watched, &guest.mask);
	signal(SIGCHLD, SIG_DFL);
	signals = signalfd(-1, &watched, SFD_CLOEXEC);
	if (signals < 0)
		return error_set(err, ERROR_KERNEL, errno, "watch signals");
	r = sandbox_try(&guest, CLONE_NEWUSER, signals, err);
	if (r < 0 && err->code == ERROR_PERMISSION && geteuid() == 0)
		r = sandbox_try(&guest, 0, signals, err);
	if (r < 0 && err->code == ERROR_PERMISSION)
		error_set(err, ERROR_PERMISSION, 0, "%s (what gives it: %s)", err->text, remedy());
	if (r < 0)
		error_context(err, "make a sandbox");
	/* an interactive shell made itself the terminal's foreground, and was not there to give it
	 * back */
	if (terminal) {
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpgrp());
	}
	sigprocmask(SIG_SETMASK, &guest.mask, NULL);
	return r;
}

/*
 * Starts and stops the daemon. It says itself when it is ready (sd_notify), so nothing is polled.
 * Its state is on the disk where it would be: a commit to a tmpfs costs nothing.
 */
#include "bench/netd.h"

#include "bench/fatal.h"
#include "bench/samples.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 20000
#define NOTIFY   "/run/netd-bench-notify"

static int open_notify(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(NOTIFY);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fatal("bind %s: %s", NOTIFY, strerror(errno));
	return fd;
}

static struct netd *running; /* for whoever ends early */

static void stop_running(void)
{
	if (running)
		netd_stop(running);
}

static void wait_ready(const struct netd *netd, int notify)
{
	struct pollfd wait = {.fd = notify, .events = POLLIN};
	char text[512] = "";

	while (!strstr(text, "READY=1")) {
		ssize_t size =
		        poll(&wait, 1, READY_MS) > 0 ? recv(notify, text, sizeof(text) - 1, 0) : -1;

		if (size < 0)
			fatal("netd is not ready after %d s", READY_MS / 1000);
		text[size] = '\0';
	}
}

static void exec_netd(const struct netd *netd)
{
	char log[128];

	snprintf(log, sizeof(log), "%s/log", netd->directory);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	execl(netd->program, netd->program, "--socket", netd->socket, "--state-dir",
	        netd->directory, "--runtime-dir", "/run/netd", (char *)NULL);
	_exit(127);
}

/* Returns what netd_restart() returns. */
static double launch(struct netd *netd)
{
	int notify = open_notify();
	double start = now_ms(), taken;

	netd->pid = fork();
	if (netd->pid == 0)
		exec_netd(netd);
	if (netd->pid < 0)
		fatal("fork: %s", strerror(errno));
	wait_ready(netd, notify);
	taken = now_ms() - start;
	close(notify);
	return taken;
}

void netd_start(struct netd *netd, const char *build, const char *parent)
{
	snprintf(netd->program, sizeof(netd->program), "%s/daemon/netd", build);
	if (access(netd->program, X_OK) < 0)
		fatal("%s: %s", netd->program, strerror(errno));
	snprintf(netd->directory, sizeof(netd->directory), "%s/netd-bench-XXXXXX", parent);
	snprintf(netd->socket, sizeof(netd->socket), "/run/netd/netd.sock");
	snprintf(netd->ctl, sizeof(netd->ctl), "%s/cli/netd-ctl", build);
	if (!mkdtemp(netd->directory))
		fatal("make a directory below %s: %s", parent, strerror(errno));
	if (mkdir("/run/netd", 0755) < 0)
		fatal("make /run/netd: %s", strerror(errno));
	setenv("NETD_SOCKET", netd->socket, 1);
	fflush(stdout);
	running = netd;
	atexit(stop_running);
	launch(netd);
}

double netd_restart(struct netd *netd)
{
	kill(netd->pid, SIGTERM);
	waitpid(netd->pid, NULL, 0);
	return launch(netd);
}

unsigned long netd_start_changes(const struct netd *netd)
{
	static const char words[] = "changes to the kernel: ";
	char path[128], line[1024], *found;
	unsigned long changes = ULONG_MAX;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", netd->directory);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		if ((found = strstr(line, words)))
			changes = strtoul(found + strlen(words), NULL, 10);
	if (log)
		fclose(log);
	if (changes == ULONG_MAX)
		fatal("%s does not say how many changes there were", path);
	return changes;
}

void netd_stop(struct netd *netd)
{
	DIR *directory = opendir(netd->directory);
	struct dirent *entry;

	running = NULL;
	kill(netd->pid, SIGTERM);
	waitpid(netd->pid, NULL, 0);
	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(netd->directory);
}

double netd_pss(const struct netd *netd)
{
	char path[64], line[256];
	unsigned long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)netd->pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "Pss: %lu kB", &kb) != 1)
		;
	if (file)
		fclose(file);
	return (double)kb / 1024;
}

void run_program(char *const *argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		fatal("%s failed", argv[0]);
}

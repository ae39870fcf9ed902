/*
 * `netd-ctl exec NS [-- CMD...]`: becomes a command in a namespace, with the caller's own rights
 * and without the daemon. As with `ip netns exec` the command gets the network namespace, a mount
 * namespace of its own, that namespace's /sys, and every entry of /etc/netns/NS over the one in
 * /etc. The process is replaced, so its exit status and signals are those of the command; 127 and
 * 126 mean that it could not be started, as with sh.
 *
 * What is only comfort does not stop the command, unlike in iproute2: where /sys cannot be mounted,
 * or an entry has nothing in /etc to cover, there is a warning. What separates does stop it:
 * without both namespaces, and with mounts that would reach the host, nothing is run. This is the
 * only place of netd-ctl that runs a program.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/sysfs.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define NETNS_DIR     "/run/netns"
#define NETNS_ETC_DIR "/etc/netns"

#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND  127

static int open_namespace(const char *name, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_MAX];
	struct statfs stat;

	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "exec %s: there is no namespace %s (netd-ctl ns ls lists them, netd-ctl ns "
		        "create %s makes it)",
		        name, name, name);
	if (fd < 0)
		return error_set(err, errno == EACCES ? ERROR_PERMISSION : ERROR_KERNEL, errno,
		        "exec %s: open %s", name, path);
	if (fstatfs(fd, &stat) < 0 || stat.f_type != NSFS_MAGIC)
		return error_set(err, ERROR_REFUSED, 0,
		        "exec %s: %s is no namespace (a leftover file? netd-ctl ns rm %s removes "
		        "it)",
		        name, path, name);
	return TAKE_FD(fd);
}

static int refused(const char *name, const char *step, int errnum, struct error *err)
{
	bool rights = errnum == EPERM || errnum == EACCES;

	return error_set(
	        err, rights ? ERROR_PERMISSION : ERROR_KERNEL, errnum, "exec %s: %s", name, step);
}

static int enter(const char *name, int fd, struct error *err)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		return refused(name, "enter the network namespace", errno, err);
	if (unshare(CLONE_NEWNS) < 0)
		return refused(name, "make a mount namespace", errno, err);
	if (mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return refused(name, "keep its mounts from the host", errno, err);
	return 0;
}

/* One file or directory of /etc/netns/NS over the one of the same name. */
static void cover(const char *directory, const char *entry)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (snprintf(from, sizeof(from), "%s/%s", directory, entry) >= (int)sizeof(from) ||
	        snprintf(to, sizeof(to), "/etc/%s", entry) >= (int)sizeof(to))
		return;
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
		output_warning("%s does not cover %s: %s", from, to, strerror(errno));
}

static void cover_etc(const char *name)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char directory[PATH_MAX];
	struct dirent *entry;

	snprintf(directory, sizeof(directory), NETNS_ETC_DIR "/%s", name);
	dir = opendir(directory);
	if (!dir && errno != ENOENT)
		output_warning("%s: %s", directory, strerror(errno));
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			cover(directory, entry->d_name);
}

/* A word as a shell reads it back; with `dollar` for systemd as well, which reads "$$" as "$". */
static void print_quoted(const char *word, bool dollar)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                           "@%+=:,./_-";
	bool plain = *word && word[strspn(word, safe)] == '\0';

	fputs(plain ? " " : " '", stderr);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stderr);
		else if (*word == '$' && dollar)
			fputs("$$", stderr);
		else
			fputc(*word, stderr);
	}
	if (!plain)
		fputc('\'', stderr);
}

/* The two lines that do the same with more rights, ready to be typed. */
static void print_ways(const char *name, char *const *asked, char *const *command)
{
	fprintf(stderr, "Either of these has the right (CAP_SYS_ADMIN):\n  sudo netd-ctl exec %s",
	        name);
	for (size_t i = 0; asked && asked[i]; i++) {
		if (i == 0)
			fputs(" --", stderr);
		print_quoted(asked[i], false);
	}
	fprintf(stderr, "\n  systemd-run -p NetworkNamespacePath=" NETNS_DIR "/%s --pty", name);
	for (size_t i = 0; command[i]; i++)
		print_quoted(command[i], i > 0);
	fputc('\n', stderr);
}

int exec_run(const struct call *call)
{
	const char *name = call->arguments[0], *shell = getenv("SHELL");
	char *const shell_command[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};
	char *const *command = call->tail && call->tail[0] ? call->tail : shell_command;
	_cleanup_(closep) int fd = -1;
	struct error err;
	int r, status;

	fd = open_namespace(name, &err);
	if (fd < 0)
		return output_error(&err);
	if (enter(name, fd, &err) < 0) {
		status = output_error(&err);
		if (err.code == ERROR_PERMISSION)
			print_ways(name, call->tail, command);
		return status;
	}
	r = sysfs_mount();
	if (r < 0)
		output_warning("/sys stays that of the host, with the host's interfaces: %s",
		        strerror(-r));
	cover_etc(name);
	output_restore_signals();
	execvp(command[0], command);
	r = errno;
	error_set(&err, ERROR_KERNEL, r, "exec %s: run %s", name, command[0]);
	output_error(&err);
	return r == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
}

/*
 * A /proc of netd's own, for what is below /proc/sys/net of other namespaces than the host's.
 *
 * The kernel keeps a directory entry for each namespace that was asked for it, and all of them have
 * the same name in the same place: whoever opens /proc/sys/net/ipv6 goes through those of all
 * namespaces. So with ten thousand namespaces each sysctl, the host's, too, would cost a
 * millisecond. Entries in an instance of netd's own are in nobody's way, and end with it: it is
 * made anew before they are many.
 *
 * Where that is not allowed, the host's own /proc does, only slower. One thread is in here at a
 * time: the loop waits for whom it sends into a namespace.
 */
#include "daemon/kernel/proc_inside.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#define OPENED_MAX 512 /* then it is made anew, which takes as long as some hundred openings */

static int proc = -1;
static unsigned opened;

/* A negative errno would say no more: it is tried again the next time. */
static int make_instance(void)
{
	_cleanup_(closep) int context = fsopen("proc", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(
	        context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int proc_inside_open(const char *path, int flags)
{
	char name[512];

	if (proc < 0 || opened >= OPENED_MAX) {
		closep(&proc);
		proc = make_instance();
		opened = 0;
	}
	opened++;
	snprintf(name, sizeof(name), "%s%s", proc < 0 ? "/proc/" : "", path);
	return openat(proc < 0 ? AT_FDCWD : proc, name, flags | O_CLOEXEC);
}

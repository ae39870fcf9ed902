/*
 * Asks for rights before they are needed: a daemon that starts and then fails at the first request,
 * for a reason that was there from the start, wastes its administrator's day.
 */
#include "daemon/rights.h"

#include "lib/cleanup.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/statvfs.h>

static const struct {
	unsigned capability;
	const char *name; /* NULL: netd runs without it, too */
	const char *why;
} wanted[] = {
        {CAP_NET_ADMIN, "CAP_NET_ADMIN", "make bridges, interfaces and nf_tables rules"},
        {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "make and enter network namespaces"},
        {CAP_NET_BIND_SERVICE, NULL, NULL}, /* hold published ports below 1024 */
        {CAP_NET_RAW, NULL, NULL},          /* tell neighbours of new MAC addresses */
        {CAP_NET_BROADCAST, NULL, NULL},    /* hear events of all namespaces */
        {CAP_CHOWN, NULL, NULL},            /* give the socket to its group */
        {CAP_SYS_PTRACE, NULL, NULL},       /* see which processes are in a namespace */
        {CAP_DAC_READ_SEARCH, NULL, NULL},  /* the same, of other users */
};

static int check_capabilities(struct error *err)
{
	if (capng_get_caps_process() < 0)
		return error_set(err, ERROR_PERMISSION, 0, "netd cannot read its own capabilities");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (wanted[i].name && !capng_have_capability(CAPNG_EFFECTIVE, wanted[i].capability))
			return error_set(err, ERROR_PERMISSION, 0,
			        "netd lacks %s, which it needs to %s: start it as root (systemctl "
			        "start netd), or "
			        "try it without rights in a private host: netd --sandbox -- "
			        "COMMAND",
			        wanted[i].name, wanted[i].why);
	return 0;
}

static int check_sysctls(struct error *err)
{
	struct statvfs fs;

	if (statvfs("/proc/sys/net", &fs) < 0)
		return error_set(err, ERROR_PERMISSION, errno, "look at /proc/sys/net");
	if (fs.f_flag & ST_RDONLY)
		return error_set(err, ERROR_PERMISSION, 0,
		        "/proc/sys is read-only here, and netd has to switch forwarding on for its "
		        "bridges: take "
		        "ProtectKernelTunables= out of its unit, or make /proc/sys writable in its "
		        "container");
	return 0;
}

/* A mount point's line in mountinfo: whether it only receives what others mount, and passes nothing
 * on. */
static bool is_slave(const char *line, const char *mount_point)
{
	char point[256];

	return sscanf(line, "%*d %*d %*s %*s %255s", point) == 1 &&
	       strcmp(point, mount_point) == 0 && strstr(line, " master:") &&
	       !strstr(line, " shared:");
}

/* Where mounts do not reach the host, namespaces would be seen by netd alone. */
static int check_propagation(struct error *err)
{
	_cleanup_(fclosep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;
	bool slave = false;

	if (!mounts)
		return error_set(err, ERROR_PERMISSION, errno, "read /proc/self/mountinfo");
	while (getline(&line, &size, mounts) >= 0)
		slave |= is_slave(line, "/run") || is_slave(line, "/run/netns");
	if (slave)
		return error_set(err, ERROR_PERMISSION, 0,
		        "what netd mounts on /run/netns does not reach the host, because netd runs "
		        "in a mount "
		        "namespace of its own: take PrivateTmp=, ProtectSystem=, ProtectHome=, "
		        "BindPaths= and the "
		        "like out of its unit");
	return 0;
}

int rights_check(struct error *err)
{
	int r = check_capabilities(err);

	if (r == 0)
		r = check_sysctls(err);
	return r == 0 ? check_propagation(err) : r;
}

int rights_drop(struct error *err)
{
	bool have[sizeof(wanted) / sizeof(wanted[0])];

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, wanted[i].capability);
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (have[i])
			capng_update(
			        CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, wanted[i].capability);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return error_set(err, ERROR_PERMISSION, 0,
		        "netd cannot give up the rights it does not need");
	return 0;
}

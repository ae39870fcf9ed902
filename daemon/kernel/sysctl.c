/*
 * RESOURCE_SYSCTL: values below /proc/sys.
 *
 * Those of netd's own interfaces live and die with them: deleting such a resource is nothing. Those
 * of the host's other interfaces, and of a namespace as a whole (`journal`), are lent: the old
 * value is in the journal before the new one is written, and it is put back only where the value is
 * still the one netd wrote, for otherwise someone else has decided meanwhile. Of a namespace the
 * journal says which one it was, as a name may be given again.
 *
 * /proc/sys/net shows the namespace of the thread that opens the file, so everything goes through
 * netns_inside(). A value that is right already is not written again: writing wakes listeners, and
 * a start with nothing to do must change nothing.
 */
#include "daemon/kernel/sysctl.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/journal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/proc_inside.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>

#define IPV6_PREFIX "net/ipv6/"

struct access {
	const char *path;
	bool inside;       /* another namespace than the host's */
	const char *value; /* to write */
	char present[SYSCTL_VALUE_SIZE];
	bool written;
};

static const char *next_step(int errnum)
{
	switch (errnum) {
	case EROFS:
		return " (/proc/sys is read-only here: a systemd unit of netd must not have "
		       "ProtectKernelTunables=, a container needs /proc/sys mounted writable)";
	case EACCES:
	case EPERM:
		return " (netd needs root's files or CAP_NET_ADMIN in this namespace)";
	case ENOENT:
		return " (the kernel has none of this name here; 'sysctl -a' lists them, and some "
		       "come with a module that has to be loaded first)";
	case EINVAL:
	case ERANGE:
		return " (the kernel does not take this value)";
	default:
		return "";
	}
}

/* Named as sysctl(8) does: '/' stands for a dot that is part of a name. */
static int failed(struct error *err, const char *verb, const char *path, int errnum)
{
	char key[RESOURCE_NAME_SIZE];

	snprintf(key, sizeof(key), "%s", path);
	for (char *c = key; *c; c++)
		*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	return error_set(err, errnum == EACCES || errnum == EPERM ? ERROR_PERMISSION : ERROR_KERNEL,
	        errnum, "%s sysctl %s%s", verb, key, next_step(errnum));
}

/* The paths are netd's own words around an interface name, which the kernel allows no '/'. */
static int open_value(const struct access *access, int flags)
{
	char name[sizeof "/proc/sys/" + RESOURCE_NAME_SIZE];

	snprintf(name, sizeof name, "/proc/sys/%s", access->path);
	return access->inside ? proc_inside_open(name + strlen("/proc/"), flags)
	                      : open(name, flags | O_CLOEXEC);
}

static int read_value(int fd, struct access *access, struct error *err)
{
	char text[SYSCTL_VALUE_SIZE + 1];
	ssize_t size = read(fd, text, sizeof text);

	if (size < 0)
		return failed(err, "read", access->path, errno);
	if (size > 0 && text[size - 1] == '\n')
		size--;
	if (size >= SYSCTL_VALUE_SIZE)
		return failed(err, "read", access->path, EMSGSIZE);
	memcpy(access->present, text, (size_t)size);
	access->present[size] = '\0';
	for (char *tab = access->present; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	return 0;
}

static int read_inside(void *arg, struct error *err)
{
	struct access *access = arg;
	_cleanup_(closep) int fd = open_value(access, O_RDONLY);

	return fd < 0 ? failed(err, "read", access->path, errno) : read_value(fd, access, err);
}

/* Opened once for both. What is right already need not be writable. */
static int set_inside(void *arg, struct error *err)
{
	struct access *access = arg;
	_cleanup_(closep) int fd = open_value(access, O_RDWR);
	int r, read_only = 0;

	if (fd < 0 && errno != ENOENT) {
		read_only = errno;
		fd = open_value(access, O_RDONLY);
	}
	if (fd < 0)
		return failed(err, "read", access->path, errno);
	r = read_value(fd, access, err);
	if (r < 0 || !strcmp(access->present, access->value))
		return r;
	if (read_only)
		return failed(err, "write", access->path, read_only);
	if (pwrite(fd, access->value, strlen(access->value), 0) < 0)
		return failed(err, "write", access->path, errno);
	access->written = true;
	return 0;
}

static int inside(const char *ns, int (*work)(void *arg, struct error *err), struct access *access,
        struct error *err)
{
	int r = netns_inside(ns, work, access, err);

	return r < 0 && ns[0] ? error_context(err, "namespace %s", ns) : r;
}

int sysctl_read(const char *ns, const char *path, char ret[SYSCTL_VALUE_SIZE], struct error *err)
{
	struct access access = {.path = path, .inside = ns[0]};
	int r = inside(ns, read_inside, &access, err);

	if (r < 0)
		return r;
	memcpy(ret, access.present, SYSCTL_VALUE_SIZE);
	return 0;
}

int sysctl_read_inside(const char *path, char ret[SYSCTL_VALUE_SIZE], struct error *err)
{
	struct access access = {.path = path, .inside = true};
	int r = read_inside(&access, err);

	if (r == 0)
		memcpy(ret, access.present, SYSCTL_VALUE_SIZE);
	return r;
}

static int sysctl_write(struct kernel *kernel, const char *ns, const char *path, const char *value,
        struct error *err)
{
	struct access access = {.path = path, .inside = ns[0], .value = value};
	int r = inside(ns, set_inside, &access, err);

	kernel->changes += access.written;
	return r;
}

int sysctl_journal_has(struct kernel *kernel, const char *path, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	int r = journal_load(kernel->runtime_dir, &journal, err);

	return r < 0 ? r : journal_find(&journal, "", path) != NULL;
}

/* A kernel without IPv6 is as silent as one where it is switched off. */
static bool no_ipv6(const char *path)
{
	return !strncmp(path, IPV6_PREFIX, strlen(IPV6_PREFIX)) &&
	       access("/proc/sys/net/ipv6", F_OK) < 0;
}

/* Writes what is not netd's own. In a namespace it is recorded also where it is right already:
 * else the next look would find it missing. */
static int lend(struct kernel *kernel, const struct resource *new, bool *unsure, struct error *err)
{
	struct journal_line line = {0}, before;
	struct error ignored;
	int r = sysctl_read(new->ns, new->name, line.old, err);

	if (r == -ENOENT && new->ns[0] && no_ipv6(new->name))
		return 0;
	if (r < 0 || (!new->ns[0] && !strcmp(line.old, new->sysctl.value)))
		return r;
	if (new->ns[0])
		r = netns_cookie(new->ns, &line.cookie, err);
	if (r < 0)
		return r;
	memcpy(line.ns, new->ns, sizeof(line.ns));
	memcpy(line.path, new->name, sizeof(line.path));
	memcpy(line.new, new->sysctl.value, sizeof(line.new));
	r = journal_record(kernel->runtime_dir, &line, &before, err);
	if (r < 0) {
		*unsure = true;
		return r;
	}
	r = sysctl_write(kernel, line.ns, line.path, line.new, err);
	if (r < 0)
		*unsure = (before.path[0] ? journal_record(
		                                    kernel->runtime_dir, &before, NULL, &ignored)
		                          : journal_drop(kernel->runtime_dir, line.ns, line.path,
		                                    &ignored)) < 0;
	return r;
}

static int set_value(
        struct kernel *kernel, const struct resource *new, bool *unsure, struct error *err)
{
	int r;

	if (!new->sysctl.journal) {
		r = sysctl_write(kernel, new->ns, new->name, new->sysctl.value, err);
		return r == -ENOENT && no_ipv6(new->name) ? 0 : r;
	}
	return lend(kernel, new, unsure, err);
}

/* Who switches the whole host's forwarding on has every interface's switch written: it is theirs
 * from then on. */
static bool is_administrators(const char *path)
{
	static const struct {
		const char *prefix, *suffix, *all;
	} switches[] = {
	        {"net/ipv4/conf/", "/forwarding", "net/ipv4/ip_forward"},
	        {"net/ipv6/conf/", "/force_forwarding", "net/ipv6/conf/all/force_forwarding"},
	};
	size_t length = strlen(path);
	char value[SYSCTL_VALUE_SIZE];
	struct error ignored;

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		size_t end = strlen(switches[i].suffix);

		if (strncmp(path, switches[i].prefix, strlen(switches[i].prefix)) == 0 &&
		        length > end && strcmp(path + length - end, switches[i].suffix) == 0 &&
		        sysctl_read("", switches[i].all, value, &ignored) == 0 && value[0] == '1')
			return true;
	}
	return false;
}

/* 1: it is still that of which the line speaks. 0: it is gone, or its name is another one's. */
static int is_same_place(const struct journal_line *line, struct error *err)
{
	uint64_t cookie;
	int r = line->ns[0] ? netns_cookie(line->ns, &cookie, err) : 0;

	if (r == -ENOENT || r == -EINVAL) /* a file that no namespace is mounted on */
		return 0;
	return r < 0 ? r : !line->ns[0] || cookie == line->cookie;
}

static int restore(struct kernel *kernel, const struct resource *old, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	const struct journal_line *line;
	char present[SYSCTL_VALUE_SIZE];
	int r = journal_load(kernel->runtime_dir, &journal, err);

	if (r < 0)
		return r;
	line = journal_find(&journal, old->ns, old->name);
	if (!line)
		return 0;
	r = is_same_place(line, err);
	if (r <= 0)
		return r < 0 ? r : journal_drop(kernel->runtime_dir, old->ns, old->name, err);
	r = sysctl_read(old->ns, old->name, present, err);
	if (r == 0 && !strcmp(present, line->new) && (old->ns[0] || !is_administrators(old->name)))
		r = sysctl_write(kernel, old->ns, old->name, line->old, err);
	if (r < 0 && r != -ENOENT)
		return r;
	return journal_drop(kernel->runtime_dir, old->ns, old->name, err);
}

static int sysctl_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = 0;

	if (step->new)
		r = set_value(kernel, step->new, &step->unsure, err);
	else if (step->old->sysctl.journal)
		r = restore(kernel, step->old, err);
	if (r < 0)
		return r;
	step->done = true;
	return 0;
}

/* All of them where everything is looked at, else those of the host and of the namespaces in
 * question. */
static bool is_looked_at(const struct kernel_look *look, const char *ns)
{
	for (size_t i = 0; i < look->namespace_count; i++)
		if (strcmp(look->namespaces[i], ns) == 0)
			return true;
	return !ns[0] || look->kinds == KERNEL_LOOK_ALL;
}

static int observe_journal(
        struct observation *observation, struct resources *ret, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	int r = journal_load(observation->kernel->runtime_dir, &journal, err);

	for (unsigned i = 0; r == 0 && i < journal.count; i++) {
		const struct journal_line *line = &journal.lines[i];
		struct resource *resource;

		if (!is_looked_at(observation->look, line->ns))
			continue;
		resource = resources_add(ret, RESOURCE_SYSCTL, line->ns, line->path);
		if (!resource)
			return error_memory(err);
		resource->sysctl.journal = true;
		r = is_same_place(line, err);
		if (r > 0)
			r = sysctl_read(line->ns, line->path, resource->sysctl.value, err);
		if (r == -ENOENT) /* the interface is gone; the line is still there to be dropped */
			r = 0;
	}
	return r;
}

static int add_observed(const char *ns, const char *path, const char *value, struct resources *ret,
        struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_SYSCTL, ns, path);

	if (!resource)
		return error_memory(err);
	snprintf(resource->sysctl.value, sizeof resource->sysctl.value, "%s", value);
	return 0;
}

/* An interface's own, which came with the list of interfaces; -1: it has none. */
static int add_setting(const struct own_link *own, const char *family, const char *name,
        int setting, struct resources *ret, struct error *err)
{
	char path[RESOURCE_NAME_SIZE], value[SYSCTL_VALUE_SIZE];

	if (setting < 0)
		return 0;
	snprintf(path, sizeof path, "net/%s/conf/%s/%s", family, own->link->name, name);
	snprintf(value, sizeof value, "%d", setting);
	return add_observed(own->ns, path, value, ret, err);
}

/* Those of IPv6 netd sets where its interface has that; on others they are what they are. */
static int add_settings(const struct own_link *own, struct resources *ret, struct error *err)
{
	const struct link_seen *link = own->link;
	int r = add_setting(own, "ipv6", "disable_ipv6", link->disable_ipv6, ret, err);

	if (r == 0)
		r = add_setting(own, "ipv6", "accept_ra", link->accept_ra, ret, err);
	if (r == 0)
		r = add_setting(own, "ipv6", "addr_gen_mode", link->addr_gen_mode, ret, err);
	if (own->kind != OWN_BRIDGE)
		return r;
	if (r == 0)
		r = add_setting(own, "ipv4", "forwarding", link->forwarding, ret, err);
	if (r == 0)
		r = add_setting(own, "ipv4", "route_localnet", link->route_localnet, ret, err);
	if (r == 0)
		r = add_setting(own, "ipv6", "force_forwarding", link->force_forwarding, ret, err);
	return r;
}

static int sysctl_observe(struct observation *observation, struct resources *ret, struct error *err)
{
	int r = observe_journal(observation, ret, err);

	if (r == 0)
		r = observation_each(observation, add_settings, ret, err);
	/* The switch for interfaces to come. */
	for (unsigned i = 0; r == 0 && i < observation->look->namespace_count; i++)
		if (observation->insides[i].disable_ipv6[0])
			r = add_observed(observation->look->namespaces[i],
			        IPV6_PREFIX "conf/default/disable_ipv6",
			        observation->insides[i].disable_ipv6, ret, err);
	return r;
}

static void sysctl_tell(const struct step *step, FILE *out)
{
	char word[RESOURCE_NAME_SIZE + SYSCTL_VALUE_SIZE];
	const struct resource *new = step->new;

	if (new) {
		if (*new->ns)
			fprintf(out, "ip netns exec %s ", new->ns);
		fputs("sysctl -qw ", out);
		snprintf(word, sizeof(word), "%s=%s", new->name, new->sysctl.value);
		tell_word(out, word);
		fputc('\n', out);
	} else if (step->old->sysctl.journal) {
		fprintf(out,
		        "# %s gets back the value it had before netd, if it still has netd's\n",
		        step->old->name);
	}
}

const struct kind kind_sysctl = {
        .name = "sysctl",
        .apply = sysctl_apply,
        .observe = sysctl_observe,
        .tell = sysctl_tell,
};

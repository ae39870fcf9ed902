/*
 * RESOURCE_MOVED: an interface of the host that is in a namespace for a while.
 *
 * The invariant: as long as it is away, RUNTIME_DIR/moved/NAME has a mount of the namespace and a
 * record of what the interface had on the host. The mount keeps the namespace alive, whoever takes
 * its name away and whether netd runs or not: an interface of hardware would come back without its
 * addresses when its namespace ends, and any other kind would end with it. Mount and record are
 * there before the interface leaves, and go after it has returned.
 *
 * Inside, it is known by an index that netd draws for it: a tenant may rename it, or give its name
 * to another one.
 */
#include "daemon/kernel/belongings.h"
#include "daemon/kernel/moving.h"
#include "daemon/kernel/inside.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define DIRECTORY   "moved"
#define PATH_SIZE   4096
#define HEADER_SIZE 128
#define LINE_SIZE   512

/* RUNTIME_DIR/moved[/NAME[/FILE]] */
static int path_of(const struct kernel *kernel, const char *name, const char *file,
        char path[PATH_SIZE], struct error *err)
{
	if (snprintf(path, PATH_SIZE, "%s/" DIRECTORY "%s%s%s%s", kernel->runtime_dir,
	            name[0] ? "/" : "", name, file[0] ? "/" : "", file) >= PATH_SIZE)
		return error_set(err, ERROR_KERNEL, ENAMETOOLONG, "record of interface %s", name);
	return 0;
}

static int make_directory(const char *path, struct error *err)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST
	               ? error_set(err, ERROR_KERNEL, errno, "create directory %s", path)
	               : 0;
}

/* --- the record --- */

static int write_record(
        const struct kernel *kernel, const struct resource *moved, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_SIZE];
	int r = path_of(kernel, "", "", path, err);

	if (r == 0)
		r = make_directory(path, err);
	if (r == 0)
		r = path_of(kernel, moved->name, "", path, err);
	if (r == 0)
		r = make_directory(path, err);
	if (r == 0)
		r = path_of(kernel, moved->name, "record", path, err);
	if (r < 0)
		return r;
	file = fopen(path, "we");
	if (!file ||
	        fprintf(file, "%s %s %d\n%s", kernel->instance, moved->moved.ns, moved->moved.index,
	                moved->text ? moved->text : "") < 0 ||
	        fflush(file) != 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s", path);
	return 0;
}

/* -1: out of memory. */
static int read_rest(FILE *file, char **ret)
{
	char line[LINE_SIZE], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (out && fgets(line, sizeof(line), file))
		fputs(line, out);
	if (!out || fclose(out) != 0) {
		free(text);
		return -1;
	}
	*ret = text;
	return 0;
}

/* 1 and the resource, its text owned; 0 where there is no record that can be read as one. */
static int read_record(const struct kernel *kernel, const char *name, char instance[33],
        struct resource *ret, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_SIZE], header[HEADER_SIZE];
	int r = path_of(kernel, name, "record", path, err);

	if (r < 0)
		return r;
	file = fopen(path, "re");
	if (!file && errno != ENOENT && errno != ENOTDIR)
		return error_set(err, ERROR_KERNEL, errno, "open %s", path);
	if (!file || !fgets(header, sizeof(header), file) ||
	        sscanf(header, "%32s %63s %d", instance, ret->moved.ns, &ret->moved.index) != 3)
		return 0;
	return read_rest(file, &ret->text) < 0 ? error_memory(err) : 1;
}

/* Mount and record, in this order; what is gone already is fine. */
static int forget(const struct kernel *kernel, const char *name, struct error *err)
{
	static const char *const files[] = {"netns", "record", ""};
	char path[PATH_SIZE];
	int r = path_of(kernel, name, "netns", path, err);

	if (r < 0)
		return r;
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT &&
	        errno != ENOTDIR)
		return error_set(err, ERROR_KERNEL, errno, "unmount %s", path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(kernel, name, files[i], path, err);
		if ((files[i][0] ? unlink(path) : rmdir(path)) < 0 && errno != ENOENT &&
		        errno != ENOTDIR)
			return error_set(err, ERROR_KERNEL, errno, "remove %s", path);
	}
	return 0;
}

/* --- the namespace that it is in --- */

/* In the namespace. */
static int mount_here(void *arg, struct error *err)
{
	const char *path = arg;

	return mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0
	               ? error_set(err, ERROR_KERNEL, errno, "mount its namespace on %s", path)
	               : 0;
}

static int hold(const struct kernel *kernel, const struct resource *moved, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_SIZE];
	int r = path_of(kernel, moved->name, "netns", path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "create %s", path);
	return netns_inside(moved->moved.ns, mount_here, path, err);
}

/* -ENOENT: it is not held. */
static int open_held(const struct kernel *kernel, const char *name, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_SIZE];
	int r = path_of(kernel, name, "netns", path, err);

	if (r < 0)
		return r;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open %s", path);
	r = netns_reopen(fd, name, path, ret, err);
	return r == -EINVAL ? -ENOENT : r; /* a kill was before the mount */
}

struct inside_view {
	int index;
	bool there;
	char name[IFNAMSIZ];
	int rtnetlink; /* a socket in there; -1: none is wanted */
};

/* In the namespace. */
static int look_inside(void *arg, struct error *err)
{
	struct inside_view *view = arg;

	view->there = if_indextoname((unsigned)view->index, view->name) != NULL;
	if (!view->there && errno != ENXIO)
		return error_set(err, ERROR_KERNEL, errno, "look for interface %d", view->index);
	view->rtnetlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return view->rtnetlink < 0 ? error_set(err, ERROR_KERNEL, errno, "open an rtnetlink socket")
	                           : 0;
}

/* --- moving --- */

static int open_host(int *ret, struct error *err)
{
	return netns_socket("", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, ret, err);
}

static int refused(int errnum, const struct resource *moved, struct error *err)
{
	return error_set(err, ERROR_KERNEL, errnum, "move interface %s to namespace %s%s",
	        moved->name, moved->moved.ns,
	        errnum == EINVAL   ? " (a bridge and some other kinds cannot leave their namespace)"
	        : errnum == EEXIST ? " (there is one of this name)"
	                           : "");
}

/* Mount and record are there. */
static int send_away(int index, const struct resource *moved, struct error *err)
{
	_cleanup_(closep) int netns = -1, rtnetlink = -1;
	struct move move = {
	        .index = index, .name = moved->moved.inside, .new_index = moved->moved.index};
	struct inside_view view = {.index = moved->moved.index, .rtnetlink = -1};
	int r = netns_open(moved->moved.ns, &netns, err);

	if (r == 0)
		r = open_host(&rtnetlink, err);
	if (r < 0)
		return r;
	move.netns = netns;
	r = moving_flags(rtnetlink, index, false, true);
	if (r == 0 || r == -EOPNOTSUPP)
		r = moving_send(rtnetlink, &move);
	if (r < 0)
		return refused(-r, moved, err);
	if (!belongings_up(moved->text ? moved->text : ""))
		return 0;
	r = netns_inside_fd(netns, moved->moved.ns, look_inside, &view, err);
	if (r < 0)
		return r;
	r = moving_flags(view.rtnetlink, moved->moved.index, true, false);
	closep(&view.rtnetlink);
	return r < 0 ? error_set(err, ERROR_KERNEL, -r, "set interface %s in namespace %s up",
	                       moved->moved.inside, moved->moved.ns)
	             : 0;
}

/* Where its name, or its index, has another one by now, it gets one that is free. *ret is its index
 * in the host. */
static int send_back(
        int inside, int host, const struct resource *moved, int *ret, struct error *err)
{
	char pattern[IFNAMSIZ + 2];
	struct move move = {.index = moved->moved.index,
	        .netns = host,
	        .name = moved->name,
	        .new_index = belongings_index(moved->text ? moved->text : "")};
	int r = moving_send(inside, &move);

	if (r < 0 && move.new_index) {
		move.new_index = 0;
		r = moving_send(inside, &move);
	}
	if (r == -EEXIST) {
		snprintf(pattern, sizeof(pattern), "%.11s_%%d", moved->name);
		move.name = pattern;
		r = moving_send(inside, &move);
	}
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "move interface %s back from namespace %s",
		        moved->name, moved->moved.ns);
	*ret = move.new_index ? move.new_index : moved->moved.index;
	return 0;
}

/* It is in the host again. */
static void settle_in(int rtnetlink, const struct resource *moved, int index)
{
	char name[IFNAMSIZ];

	if (!if_indextoname((unsigned)index, name))
		return;
	if (strcmp(name, moved->name) != 0)
		log_warning(
		        "interface %s is back as %s: another one has its name", moved->name, name);
	belongings_restore(rtnetlink, name, moved->text ? moved->text : "");
}

/* Its index in the host, if it never went; else 0. */
static int index_at_home(const struct resource *moved)
{
	int index = belongings_index(moved->text ? moved->text : "");
	char name[IFNAMSIZ];

	return index && if_indextoname((unsigned)index, name) && strcmp(name, moved->name) == 0
	               ? index
	               : 0;
}

/* What is in the namespace goes back to the host. *ret: its index there, 0 where it is at neither
 * place. */
static int fetch(struct kernel *kernel, const struct resource *moved, int *ret, struct error *err)
{
	_cleanup_(closep) int held = -1, host = -1, inside = -1;
	struct inside_view view = {.index = moved->moved.index, .rtnetlink = -1};
	struct error ignored;
	int r = open_held(kernel, moved->name, &held, err);

	*ret = index_at_home(moved);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = netns_inside_fd(held, moved->moved.ns, look_inside, &view, err);
	inside = view.rtnetlink;
	if (r == 0 && view.there)
		r = netns_open("", &host, err);
	if (r < 0 || !view.there)
		return r;
	kernel->changes++;
	r = send_back(inside, host, moved, ret, err);
	if (r == 0)
		return 0;
	/* The answer may have been lost. */
	view.rtnetlink = -1;
	if (netns_inside_fd(held, moved->moved.ns, look_inside, &view, &ignored) < 0)
		return r;
	closep(&view.rtnetlink);
	*ret = index_at_home(moved);
	return view.there || *ret == 0 ? r : 0;
}

/* It is in the host, and has what it had. *ret: whether it is. */
static int bring_home(
        struct kernel *kernel, const struct resource *moved, bool *ret, struct error *err)
{
	_cleanup_(closep) int rtnetlink = -1;
	int index, r = open_host(&rtnetlink, err);

	if (r == 0)
		r = fetch(kernel, moved, &index, err);
	if (r < 0)
		return r;
	*ret = index != 0;
	if (index)
		settle_in(rtnetlink, moved, index);
	return 0;
}

static int bring_back(struct kernel *kernel, const struct resource *moved, struct error *err)
{
	bool home;
	int r = bring_home(kernel, moved, &home, err);

	if (r < 0)
		return r;
	if (!home && moved->moved.ns[0])
		log_warning("interface %s is not in namespace %s any more: someone took it",
		        moved->name, moved->moved.ns);
	return forget(kernel, moved->name, err);
}

/* One that is not on the host, as it was not plugged in after a reboot, is awaited. */
static int move_in(
        struct kernel *kernel, const struct resource *moved, bool *unsure, struct error *err)
{
	int index = rtnl_ifindex(kernel->rtnl, "", moved->name), r;
	struct error ignored;
	bool home;

	if (index < 0)
		return error_set(err, ERROR_KERNEL, -index, "look at interface %s", moved->name);
	if (index == 0) {
		log_info("interface %s is not there: it is moved to namespace %s when it comes",
		        moved->name, moved->moved.ns);
		return 0;
	}
	r = forget(kernel, moved->name, err); /* one that is gone */
	if (r == 0)
		r = write_record(kernel, moved, err);
	if (r == 0)
		r = hold(kernel, moved, err);
	if (r == 0) {
		r = send_away(index, moved, err);
		*unsure = r < 0 && bring_home(kernel, moved, &home, &ignored) < 0;
	}
	if (r == 0)
		kernel->changes++;
	else if (!*unsure)
		*unsure = forget(kernel, moved->name, &ignored) < 0;
	return r;
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = step->new ? move_in(kernel, step->new, &step->unsure, err)
	                  : bring_back(kernel, step->old, err);

	if (r == 0)
		step->done = true;
	return r;
}

/* --- observing --- */

static int observe_one(const struct observation *observation, const char *name,
        struct resources *ret, struct error *err)
{
	struct kernel *kernel = observation->kernel;
	_cleanup_(closep) int held = -1;
	struct inside_view view = {.rtnetlink = -1};
	struct resource seen = {0}, *resource;
	char instance[33] = "";
	int r = read_record(kernel, name, instance, &seen, err);

	if (r < 0)
		return r;
	/* Without a record it is what a kill has left, and nothing was moved. */
	if (r > 0 && observation->look->scope != SCOPE_ALL &&
	        strcmp(instance, kernel->instance) != 0) {
		free(seen.text);
		return 0;
	}
	view.index = seen.moved.index;
	r = open_held(kernel, name, &held, err);
	if (r == 0)
		r = netns_inside_fd(held, seen.moved.ns, look_inside, &view, err);
	closep(&view.rtnetlink);
	resource = r == 0 || r == -ENOENT ? resources_add(ret, RESOURCE_MOVED, "", name) : NULL;
	if (!resource) {
		free(seen.text);
		return r == 0 || r == -ENOENT ? error_memory(err) : r;
	}
	resource->text = seen.text;
	resource->moved = seen.moved;
	resource->moved.gone = !view.there;
	return 0;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = NULL;
	struct dirent *entry;
	char path[PATH_SIZE];
	int r = path_of(observation->kernel, "", "", path, err);

	if (r < 0)
		return r;
	directory = opendir(path);
	if (!directory && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "read directory %s", path);
	while (r == 0 && directory && (errno = 0, entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		        strlen(entry->d_name) < IFNAMSIZ)
			r = observe_one(observation, entry->d_name, ret, err);
	if (r == 0 && directory && errno != 0)
		r = error_set(err, ERROR_KERNEL, errno, "read directory %s", path);
	return r;
}

/* --- telling --- */

static void tell(const struct step *step, FILE *out)
{
	const struct resource *moved = step->new ? step->new : step->old;
	const char *text = moved->text ? moved->text : "";
	char namespace[NAME_SIZE];

	snprintf(namespace, sizeof(namespace), "%s", moved->moved.ns);
	if (step->new) {
		fputs("ip link set dev ", out);
		tell_word(out, moved->name);
		fprintf(out, " netns %s name ", namespace);
		tell_word(out, moved->moved.inside);
		fputc('\n', out);
	}
	if (step->new &&belongings_up(text)) {
		fprintf(out, "ip -n %s link set dev ", namespace);
		tell_word(out, moved->moved.inside);
		fputs(" up\n", out);
	}
	if (step->new)
		return;
	fprintf(out, "ip -n %s link set dev ", namespace);
	tell_word(out, moved->moved.inside);
	fputs(" netns 1 name ", out);
	tell_word(out, moved->name);
	fputc('\n', out);
	belongings_tell(moved->name, text, out);
}

const struct kind kind_moved = {
        .name = "moved interface",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_NONE,
};

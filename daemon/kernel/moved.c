/*
 * RESOURCE_MOVED: an interface of the host that is in a namespace for a while.
 *
 * The invariant: as long as it is away, it is kept what it had, and the namespace is held
 * (moved_record.h), so it can always be brought back. If it cannot go in, it is on the host as it
 * was; where not even that can be had, what is kept stays, and the next look tries again.
 */
#include "daemon/kernel/belongings.h"
#include "daemon/kernel/moved_record.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/passage.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <net/if.h>
#include <string.h>

/* --- applying --- */

/* Who took it out of the namespace took its index along, and the name that it had there. 0: it is
 * not on the host. */
static int find_on_host(struct kernel *kernel, const struct resource *moved)
{
	char name[IFNAMSIZ];

	return if_indextoname((unsigned)moved->moved.index, name)
	               ? moved->moved.index
	               : rtnl_ifindex(kernel->rtnl, "", moved->name);
}

/* *unsure: it is not known where it is, or it could not be brought back. */
static int send_away(struct kernel *kernel, int index, const struct resource *moved, bool *unsure,
        struct error *err)
{
	_cleanup_(passage_done) struct passage passage = PASSAGE_NONE;
	struct error stuck;
	int netns, r = moved_held(kernel, moved->name, &netns, err);

	if (r == 0)
		r = passage_open(moved, netns, &passage, err);
	if (r < 0)
		return r;
	r = passage_go(&passage, index, err);
	kernel->changes++;
	*unsure = r < 0 && passage_home(&passage, &stuck) < 0;
	if (*unsure)
		log_warning("%s", stuck.text);
	return r;
}

/* One that is not on the host, as it was not plugged in after a reboot, is awaited. */
static int move_in(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *moved = step->new;
	int index = find_on_host(kernel, moved), r;
	struct error ignored;

	if (index < 0)
		return error_set(err, ERROR_KERNEL, -index, "look at interface %s", moved->name);
	if (index == 0) {
		log_info("interface %s is not there: it is moved to namespace %s when it comes",
		        moved->name, moved->moved.ns);
		return 0;
	}
	r = moved_forget(kernel, moved->name, err); /* one that is gone */
	if (r == 0)
		r = moved_keep(kernel, moved, err);
	if (r == 0)
		r = send_away(kernel, index, moved, &step->unsure, err);
	if (r < 0 && !step->unsure)
		step->unsure = moved_forget(kernel, moved->name, &ignored) < 0;
	return r;
}

/* A kill came before it went. */
static bool never_left(struct kernel *kernel, const struct resource *moved)
{
	int index = rtnl_ifindex(kernel->rtnl, "", moved->name);

	return index > 0 && index == belongings_index(moved->text ? moved->text : "");
}

static int bring_back(struct kernel *kernel, const struct resource *moved, struct error *err)
{
	_cleanup_(passage_done) struct passage passage = PASSAGE_NONE;
	int netns, r = moved_held(kernel, moved->name, &netns, err);

	if (r == -ENOENT)
		return moved_forget(kernel, moved->name, err);
	if (r == 0)
		r = passage_open(moved, netns, &passage, err);
	if (r == 0)
		r = passage_home(&passage, err);
	if (r < 0)
		return r;
	kernel->changes++;
	if (r == 0 && !never_left(kernel, moved))
		log_warning("interface %s is not in namespace %s any more: someone took it",
		        moved->name, moved->moved.ns);
	return moved_forget(kernel, moved->name, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = step->new ? move_in(kernel, step, err) : bring_back(kernel, step->old, err);

	if (r == 0)
		step->done = true;
	return r;
}

/* --- observing --- */

/* Reads the record, and looks where the interface is. 0: it is nothing of ours. */
static int look(const struct observation *observation, const char *name, struct resource *ret,
        struct error *err)
{
	struct kernel *kernel = observation->kernel;
	_cleanup_(closep) int held = -1;
	char instance[33];
	bool inside = false;
	int recorded = moved_record_read(kernel, name, instance, ret, err), r;

	if (recorded < 0)
		return recorded;
	if (recorded && observation->look->scope != SCOPE_ALL &&
	        strcmp(instance, kernel->instance) != 0)
		return 0;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	r = moved_held(kernel, name, &held, err);
	if (r == 0 && !recorded) /* held, but for what? */
		return 0;
	if (r == 0)
		r = passage_is_inside(ret, held, &inside, err);
	ret->moved.gone = !inside;
	return r == 0 || r == -ENOENT ? 1 : r;
}

static int observe_one(const struct observation *observation, const char *name,
        struct resources *ret, struct error *err)
{
	struct resource seen = {0}, *resource;
	int r = look(observation, name, &seen, err);

	resource = r > 0 ? resources_add(ret, RESOURCE_MOVED, "", name) : NULL;
	if (!resource) {
		free(seen.text);
		return r > 0 ? error_memory(err) : r;
	}
	resource->text = seen.text;
	resource->moved = seen.moved;
	return 0;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = NULL;
	struct dirent *entry;
	int r = moved_records(observation->kernel, &directory, err);

	while (r == 0 && directory && (errno = 0, entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		        strlen(entry->d_name) < IFNAMSIZ)
			r = observe_one(observation, entry->d_name, ret, err);
	if (r == 0 && directory && errno != 0)
		r = error_set(err, ERROR_KERNEL, errno, "read the records of moved interfaces");
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

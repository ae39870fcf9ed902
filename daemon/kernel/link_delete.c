/*
 * The end of a link. One RTM_DELLINK waits 20 to 30 ms for the kernel, one for a whole group little
 * more, so links that have to go are put into a group of their own and named by it.
 *
 * The invariant: no link goes that is not netd's. A group is a number that anyone may give to any
 * link, so each block gets one that was drawn for it alone, out of a billion, and lives for the
 * time between two messages. If it cannot be deleted, deletion is by index, one by one, of links
 * whose mark was seen.
 */
#include "daemon/kernel/link.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/lone.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

uint32_t link_condemned_group(void)
{
	static uint32_t group;

	/* Within a positive int, as iproute2 reads it, and even: the odd ones are the blocks'. */
	if (group == 0)
		group = 0x40000000 | (arc4random() & 0x3ffffffe);
	return group;
}

static uint32_t block_group(void)
{
	return 0x40000001 | (arc4random() & 0x3ffffffe);
}

struct target {
	struct step *step;
	int index;
};

/* A message to one link by index, or to a group (index 0). */
static int queue(struct kernel *kernel, const char *ns, int type, int index, uint32_t group,
        const char *what, struct step *step, struct error *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(type, 0, &header, sizeof(header));

	if (!msg || (group && nla_put_u32(msg, IFLA_GROUP, group) < 0))
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, ns, TAKE_PTR(msg), what, RTNL_GONE, step, err);
}

static int delete_index(struct kernel *kernel, const struct target *target, struct error *err)
{
	char what[160] = "delete ";

	resource_describe(target->step->old, what + strlen(what), sizeof(what) - strlen(what));
	return queue(kernel, "", RTM_DELLINK, target->index, 0, what, target->step, err);
}

/* By whichever end is still there: one namespace, or both, may have gone. */
static int delete_lone(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *old = step->old;
	const char *const places[] = {old->ns, old->link.peer_ns};
	char what[160] = "delete ";

	resource_describe(old, what + strlen(what), sizeof(what) - strlen(what));
	for (int i = 0; i < 2; i++) {
		int index, r = lone_end_index(kernel->rtnl, places[i], old->name, &index, err);

		if (r < 0 || index)
			return r < 0 ? r
			             : queue(kernel, places[i], RTM_DELLINK, index, 0, what, step,
			                       err);
	}
	step->done = true;
	return 0;
}

/* Index 0: it is gone, or is not netd's, and the step is done; or it is one that the host does not
 * see, whose deletion is on its way. */
static int find_target(struct kernel *kernel, struct target *target, struct error *err)
{
	_cleanup_(links_done) struct links found = {0};
	int r;

	if (target->step->old->ns[0])
		return delete_lone(kernel, target->step, err);
	r = links_read_one(kernel->rtnl, "", target->step->old->name, &found, err);
	if (r < 0)
		return r;
	if (found.count && mark_matches(found.items[0].alias, NULL))
		target->index = found.items[0].index;
	else
		target->step->done = true;
	return 0;
}

int link_delete(struct kernel *kernel, struct step *step, struct error *err)
{
	struct target target = {.step = step};
	int r = find_target(kernel, &target, err);

	return r == 0 && target.index ? delete_index(kernel, &target, err) : r;
}

/* Those that are there and netd's. Each is asked for: to list all links is dear where there are
 * many, as the kernel looks for the namespace that each leads into. */
static int find_targets(struct kernel *kernel, struct step **steps, unsigned count,
        struct target *targets, unsigned *found, struct error *err)
{
	int r = 0;

	*found = 0;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		struct target target = {.step = steps[i]};

		r = find_target(kernel, &target, err);
		if (r == 0 && target.index)
			targets[(*found)++] = target;
	}
	return r;
}

/* Whether the group of these could be, and was, deleted at once. */
static bool delete_group(struct kernel *kernel, const struct target *targets, unsigned count)
{
	uint32_t group = block_group();
	struct error ignored; /* what went wrong is found again one by one */
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++)
		r = queue(kernel, "", RTM_SETLINK, targets[i].index, group, "mark for deletion",
		        NULL, &ignored);
	if (rtnl_flush(kernel->rtnl, &ignored) < 0 || r < 0)
		return false;
	if (queue(kernel, "", RTM_DELLINK, 0, group, "delete a group", NULL, &ignored) < 0)
		return false;
	return rtnl_flush(kernel->rtnl, &ignored) == 0;
}

static int delete_block(
        struct kernel *kernel, struct step **steps, unsigned count, struct error *err)
{
	struct target targets[LINK_DELETIONS_MAX];
	unsigned found;
	int r = find_targets(kernel, steps, count, targets, &found, err);

	if (r < 0)
		return r;
	if (found > 1 && delete_group(kernel, targets, found)) {
		for (unsigned i = 0; i < found; i++)
			targets[i].step->done = true;
		return 0;
	}
	for (unsigned i = 0; i < found && r == 0; i++)
		r = delete_index(kernel, &targets[i], err);
	return r < 0 ? r : rtnl_flush(kernel->rtnl, err);
}

int link_delete_many(struct kernel *kernel, struct step **steps, size_t count, struct error *err)
{
	struct error later;
	int result = rtnl_flush(kernel->rtnl, err);

	for (size_t i = 0; i < count; i += LINK_DELETIONS_MAX) {
		unsigned size =
		        count - i < LINK_DELETIONS_MAX ? (unsigned)(count - i) : LINK_DELETIONS_MAX;
		int r = delete_block(kernel, steps + i, size, result < 0 ? &later : err);

		if (result == 0)
			result = r;
	}
	return result;
}

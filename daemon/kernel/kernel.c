/*
 * Applies plans. The order was decided by whoever made the plan; what is decided here is only how
 * steps travel: nf_tables steps of one phase as one batch, rtnetlink steps in a row as one
 * pipeline, everything else by itself. A kind's row says which.
 */
#include "daemon/kernel/kernel.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/flows.h"
#include "daemon/kernel/hold.h"
#include "daemon/kernel/journal.h"
#include "daemon/kernel/link.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/look/firewall_memory.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/rtnl.h"
#include "daemon/kernel/unsolicited.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct kind *const kinds[RESOURCE_KINDS] = {
        [RESOURCE_SKELETON] = &kind_skeleton,
        [RESOURCE_ELEMENT] = &kind_element,
        [RESOURCE_NETNS_DIR] = &kind_netns_dir,
        [RESOURCE_NETNS] = &kind_netns,
        [RESOURCE_LINK] = &kind_link,
        [RESOURCE_END] = &kind_end,
        [RESOURCE_PORT] = &kind_port,
        [RESOURCE_SYSCTL] = &kind_sysctl,
        [RESOURCE_ADDRESS] = &kind_address,
        [RESOURCE_ROUTE] = &kind_route,
        [RESOURCE_RULE] = &kind_rule,
        [RESOURCE_FILE] = &kind_file,
        [RESOURCE_HOLD] = &kind_hold,
        [RESOURCE_FLOWS] = &kind_flows,
        [RESOURCE_MOVED] = &kind_moved,
};

int kernel_open(struct kernel **ret, const struct kernel_config *config, struct error *err)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	int r;

	if (!kernel)
		return error_memory(err);
	snprintf(kernel->instance, sizeof(kernel->instance), "%s", config->instance);
	kernel->knows = config->knows;
	kernel->arg = config->arg;
	kernel->runtime_dir = strdup(config->runtime_dir);
	r = kernel->runtime_dir ? rtnl_open(&kernel->rtnl, &kernel->changes, err)
	                        : error_memory(err);
	if (r == 0)
		r = nft_open(&kernel->nft, config->own_tables, err);
	if (r == 0)
		r = holds_open(&kernel->holds, err);
	if (r == 0)
		r = flows_open(&kernel->flows, err);
	if (r == 0)
		r = unsolicited_open(&kernel->unsolicited, err);
	if (r < 0) {
		kernel_close(kernel);
		return r;
	}
	*ret = kernel;
	return 0;
}

void kernel_tidy(struct kernel *kernel)
{
	journal_tidy(kernel->runtime_dir);
}

struct kernel *kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return NULL;
	firewall_memory_free(kernel->firewall);
	unsolicited_close(kernel->unsolicited);
	flows_close(kernel->flows);
	holds_close(kernel->holds);
	nft_close(kernel->nft);
	rtnl_close(kernel->rtnl);
	free(kernel->runtime_dir);
	free(kernel);
	return NULL;
}

int kernel_adopt_owner(struct kernel *kernel, int fd, struct error *err)
{
	return nft_adopt(kernel->nft, fd, err);
}

void kernel_keep_owner(struct kernel *kernel)
{
	nft_keep(kernel->nft);
}

bool kernel_owns_tables(const struct kernel *kernel)
{
	return nft_owns(kernel->nft);
}

static const struct kind *kind_of(const struct step *step)
{
	return kinds[(step->new ? step->new : step->old)->kind];
}

/* One application: the first failure is kept; whether it ends everything is the caller's choice. */
struct application {
	struct kernel *kernel;
	bool go_on;
	bool broken; /* a link could not be made */
	int result;
	struct error *err;
};

/* Takes the result of a call whose sentence is in *err. True: go on. */
static bool keep(struct application *application, int r, const struct error *err)
{
	if (r < 0 && application->result == 0) {
		application->result = r;
		*application->err = *err;
	}
	return r == 0 || application->go_on;
}

static bool flush(struct application *application)
{
	struct error err = {0};

	return keep(application, rtnl_flush(application->kernel->rtnl, &err), &err);
}

/* Steps of one phase that travel as one nf_tables batch. */
static bool apply_batch(struct application *application, struct step *steps, size_t count)
{
	struct kernel *kernel = application->kernel;
	struct error err = {0};
	bool sent;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = kind_of(&steps[i])->apply(kernel, &steps[i], &err);
	sent = r == 0;
	if (sent)
		r = nft_commit(kernel->nft, &kernel->changes, &err);
	else
		nft_abandon(kernel->nft);
	for (size_t i = 0; i < count; i++) {
		steps[i].done = r == 0;
		steps[i].failed = r < 0;
		steps[i].unsure = sent && r < 0 && nft_unsure(kernel->nft);
	}
	return keep(application, r, &err);
}

static bool apply_one(struct application *application, struct step *step)
{
	const struct kind *kind = kind_of(step);
	struct error err = {0};
	int r;

	if (kind->pipe != PIPE_RTNL && !flush(application))
		return false;
	r = kind->apply(application->kernel, step, &err);
	if (kind->pipe == PIPE_NONE || r < 0) {
		step->done = r == 0;
		step->failed = r < 0;
	}
	return keep(application, r, &err);
}

static bool deletes(const struct step *step, enum resource_kind kind)
{
	return !step->new && step->old->kind == kind;
}

/* Deleting is the kernel's slow verb: links in a row go together. */
static int delete_links(struct kernel *kernel, struct step *steps, size_t count, struct error *err)
{
	struct step *members[LINK_DELETIONS_MAX];

	for (size_t i = 0; i < count; i++)
		members[i] = &steps[i];
	return link_delete_many(kernel, members, count, err);
}

/* Looking through all connections is dear: flows in a row are one look. */
static int purge_flows(struct kernel *kernel, struct step *steps, size_t count, struct error *err)
{
	const struct resource *flows[LINK_DELETIONS_MAX];
	int r;

	for (size_t i = 0; i < count; i++)
		flows[i] = steps[i].old;
	r = flows_purge(kernel, flows, count, err);
	for (size_t i = 0; i < count; i++)
		steps[i].done = r == 0;
	return r;
}

static bool apply_deletions(struct application *application, struct step *steps, size_t count)
{
	struct kernel *kernel = application->kernel;
	struct error err = {0};
	int r;

	if (!flush(application))
		return false;
	r = deletes(steps, RESOURCE_LINK) ? delete_links(kernel, steps, count, &err)
	                                  : purge_flows(kernel, steps, count, &err);
	return keep(application, r, &err);
}

/* Only those have a group to go in. */
static bool deletes_host_link(const struct step *step)
{
	return deletes(step, RESOURCE_LINK) && !step->old->ns[0];
}

/* Whether these two steps travel together. */
static bool is_run(const struct step *first, const struct step *step)
{
	if (kind_of(first)->pipe == PIPE_NFT)
		return kind_of(step)->pipe == PIPE_NFT && step->phase == first->phase;
	return (deletes_host_link(first) && deletes_host_link(step)) ||
	       (deletes(first, RESOURCE_FLOWS) && deletes(step, RESOURCE_FLOWS));
}

static size_t run_length(const struct steps *steps, size_t start)
{
	const struct step *first = &steps->items[start];
	size_t most = kind_of(first)->pipe == PIPE_NFT ? steps->count : LINK_DELETIONS_MAX;
	size_t count = 1;

	while (start + count < steps->count && count < most &&
	        is_run(first, &steps->items[start + count]))
		count++;
	return count;
}

static bool makes_link(const struct step *step)
{
	return !step->old && step->new->kind == RESOURCE_LINK;
}

/*
 * Somebody else's link may have the name of one that could not be made. Whatever would stand on
 * netd's own must not be put on that one.
 */
static bool is_left_out(const struct application *application, const struct steps *steps, size_t at)
{
	const struct step *step = &steps->items[at];

	for (size_t i = 0; application->broken && step->new &&i < at; i++)
		if (steps->items[i].failed && makes_link(&steps->items[i]) &&
		        resource_stands_on(step->new, steps->items[i].new))
			return true;
	return false;
}

/* Links are made: whether they were is known before anything is put on them. */
static bool settle_links(struct application *application, const struct steps *steps, size_t made)
{
	bool going = flush(application);

	for (size_t i = 0; i < made; i++)
		application->broken |= steps->items[i].failed && makes_link(&steps->items[i]);
	return going;
}

static bool is_next_sort(const struct steps *steps, size_t at)
{
	const struct step *step = &steps->items[at], *last = at ? step - 1 : NULL;

	return last && makes_link(last) &&
	       (!makes_link(step) || step->new->link.type != last->new->link.type);
}

/* Why a link could not be made. */
static void explain(struct application *application, const struct steps *steps)
{
	for (size_t i = 0; application->result < 0 && i < steps->count; i++)
		if (steps->items[i].failed && makes_link(&steps->items[i])) {
			link_explain(application->kernel, steps->items[i].new, application->result,
			        application->err);
			return;
		}
}

static int apply(struct kernel *kernel, struct steps *steps, bool go_on, struct error *err)
{
	struct application application = {.kernel = kernel, .go_on = go_on, .err = err};
	bool going = true;

	for (size_t i = 0, count; going && i < steps->count; i += count) {
		struct step *step = &steps->items[i];

		count = run_length(steps, i);
		if (is_next_sort(steps, i) && !settle_links(&application, steps, i))
			break;
		if (is_left_out(&application, steps, i))
			step->failed = true;
		else if (kind_of(step)->pipe == PIPE_NFT)
			going = flush(&application) && apply_batch(&application, step, count);
		else if (deletes(step, RESOURCE_LINK) || deletes(step, RESOURCE_FLOWS))
			going = apply_deletions(&application, step, count);
		else
			going = apply_one(&application, step);
	}
	flush(&application);
	explain(&application, steps);
	if (application.result == 0 || go_on)
		unsolicited_tell(kernel, steps);
	rtnl_forget(kernel->rtnl, NULL);
	return application.result;
}

int kernel_apply(struct kernel *kernel, struct steps *steps, struct error *err)
{
	return apply(kernel, steps, false, err);
}

int kernel_apply_all(struct kernel *kernel, struct steps *steps, struct error *err)
{
	return apply(kernel, steps, true, err);
}

int kernel_tell(const struct steps *steps, FILE *out)
{
	for (size_t i = 0; i < steps->count; i++)
		kind_of(&steps->items[i])->tell(&steps->items[i], out);
	return ferror(out) ? -EIO : 0;
}

int kernel_observe(struct kernel *kernel, const struct kernel_look *look, struct resources *ret,
        struct error *err)
{
	struct observation observation;
	struct resources list = {0};
	int r = observation_init(&observation, kernel, look, err);

	for (int kind = 0; r == 0 && kind < RESOURCE_KINDS; kind++)
		if ((look->kinds & KERNEL_LOOK(kind)) && kinds[kind]->observe)
			r = kinds[kind]->observe(&observation, &list, err);
	observation_done(&observation);
	rtnl_forget(kernel->rtnl, NULL);
	if (r < 0) {
		resources_done(&list);
		return r;
	}
	resources_sort(&list);
	*ret = list;
	return 0;
}

unsigned long kernel_changes(const struct kernel *kernel)
{
	return kernel->changes;
}

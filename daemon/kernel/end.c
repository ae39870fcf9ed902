/*
 * RESOURCE_END: inside a namespace, the other ends of netd's veth pairs, and `lo`.
 *
 * The invariant: only `lo`, and what is an end of a pair of netd's, is touched in there.
 * Everything else in a namespace belongs to its tenant. An end comes and goes with its pair, so
 * creating one is to set it up, and deleting one is nothing.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/link.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#define LOOPBACK "lo"

static bool is_loopback(const struct resource *end)
{
	return strcmp(end->name, LOOPBACK) == 0;
}

/* The interface's name now: of `lo` there is only one. */
static const char *name_of(const struct resource *end)
{
	return is_loopback(end) ? LOOPBACK : end->end.ifname;
}

struct difference {
	bool name, mac, mtu, up, alias;
};

static bool has_mac(const uint8_t mac[MAC_SIZE])
{
	static const uint8_t none[MAC_SIZE];

	return memcmp(mac, none, MAC_SIZE) != 0;
}

static bool is_nothing(const struct difference *difference)
{
	return !difference->name && !difference->mac && !difference->mtu && !difference->up &&
	       !difference->alias;
}

static bool other_alias(const struct resource *old, const struct resource *new)
{
	return new->text && (!old || !old->text || strcmp(old->text, new->text) != 0);
}

/* An end that is new has name, MAC and MTU from its birth. Of a pair the first one has its mark,
 * too, and the other one gets it here. */
static struct difference compare(const struct resource *old, const struct resource *new)
{
	if (!old)
		return (struct difference){.up = new->end.up, .alias = other_alias(NULL, new)};
	if (is_loopback(new))
		return (struct difference){.up = old->end.up != new->end.up};
	return (struct difference){
	        .name = strcmp(old->end.ifname, new->end.ifname) != 0,
	        .mac = has_mac(new->end.mac) && memcmp(old->end.mac, new->end.mac, MAC_SIZE) != 0,
	        .mtu = new->end.mtu && old->end.mtu != new->end.mtu,
	        .up = old->end.up != new->end.up,
	        .alias = other_alias(old, new),
	};
}

/* An end that waits for deletion gives up its name, and nothing else is wanted of it. */
static bool frees_name(const struct resource *end)
{
	return !end->end.up && strcmp(end->end.ifname, end->name) == 0;
}

static int queue(struct kernel *kernel, const struct resource *end, int index,
        const struct difference *difference, bool up, struct step *step, struct error *err)
{
	/* Flags without a mask would replace all of the interface's flags. */
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
	        .ifi_index = index,
	        .ifi_flags = difference->up && up ? IFF_UP : 0,
	        .ifi_change = difference->up ? IFF_UP : 0};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_SETLINK, 0, &header, sizeof(header));
	char what[160] = "change ";

	if (!msg || (difference->name && nla_put_string(msg, IFLA_IFNAME, end->end.ifname) < 0) ||
	        (difference->mac && nla_put(msg, IFLA_ADDRESS, MAC_SIZE, end->end.mac) < 0) ||
	        (difference->mtu && nla_put_u32(msg, IFLA_MTU, end->end.mtu) < 0) ||
	        (difference->alias && nla_put_string(msg, IFLA_IFALIAS, end->text) < 0))
		return error_memory(err);
	resource_describe(end, what + strlen(what), sizeof(what) - strlen(what));
	/* Where the other end's namespace is ending, this one may go between two messages. */
	return rtnl_queue(kernel->rtnl, end->ns, TAKE_PTR(msg), what,
	        end->end.alone && frees_name(end) ? RTNL_GONE : RTNL_STRICT, step, err);
}

static int rename_end(struct kernel *kernel, const struct resource *old, const struct resource *new,
        int index, struct error *err)
{
	char what[160] = "change ";
	/* What is kept from before is not this rename's failure. */
	int r = rtnl_flush(kernel->rtnl, err);

	resource_describe(new, what + strlen(what), sizeof(what) - strlen(what));
	return r < 0 ? r
	             : link_rename(kernel, new->ns, index, new->end.ifname, old->end.up, what, err);
}

/* Whether this is the interface of a pair without an outer end. One whose mark someone took off is
 * known by having been observed just now. */
static bool is_own(struct kernel *kernel, const struct resource *end, const char *name)
{
	_cleanup_(links_done) struct links found = {0};
	struct lone_mark mark;
	struct error ignored; /* then the next message fails */

	if (links_read_one(kernel->rtnl, end->ns, name, &found, &ignored) < 0 || !found.count)
		return false;
	return lone_mark_read(found.items[0].alias, NULL, &mark)
	               ? strcmp(mark.name, end->name) == 0
	               : end->text && found.items[0].peer_nsid >= 0;
}

/* Without its outer end, what has its name is somebody else's. */
static int find_end(struct kernel *kernel, const struct resource *old, const struct resource *new,
        const char *name)
{
	int outer = old && !is_loopback(new) && !new->end.alone ? link_index(kernel, new->name) : 1;

	if (old && new->end.alone && !is_own(kernel, new, name))
		return 0;
	if (outer == 0 || outer == -EEXIST)
		return 0;
	return outer < 0 ? outer : rtnl_ifindex(kernel->rtnl, new->ns, name);
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *old = step->old, *new = step->new;
	struct difference difference = compare(old, new);
	const char *name = name_of(old ? old : new);
	int index, r;

	if (is_nothing(&difference)) {
		step->done = true;
		return 0;
	}
	index = find_end(kernel, old, new, name);
	if (index == 0 && frees_name(new)) {
		step->done = true; /* its tenant was faster */
		return 0;
	}
	if (index <= 0)
		return error_set(err, ERROR_KERNEL, index ? -index : ENODEV,
		        "set up interface %s in %s", name, new->ns);
	/* Going down first, a rename needs no detour. */
	if (difference.name && difference.up && !new->end.up) {
		static const struct difference up = {.up = true};

		r = queue(kernel, new, index, &up, false, NULL, err);
		if (r < 0)
			return r;
		difference.up = false;
	} else if (difference.name && old->end.up) {
		r = rename_end(kernel, old, new, index, err);
		if (r < 0)
			return r;
		difference.name = false;
		if (is_nothing(&difference)) {
			step->done = true;
			return 0;
		}
	}
	return queue(kernel, new, index, &difference, new->end.up, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	if (!step->new) {
		step->done = true;
		return 0;
	}
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

/* --- observing --- */

static int add_observed(const struct link_seen *link, const char *ns, const char *name,
        struct resources *ret, struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_END, ns, name);

	if (!resource)
		return error_memory(err);
	memcpy(resource->end.ifname, link->name, IFNAMSIZ);
	resource->end.up = link->up;
	if (!link->loopback) {
		resource->end.mtu = link->mtu;
		memcpy(resource->end.mac, link->mac, MAC_SIZE);
	}
	return 0;
}

static int add_inner(const struct own_link *own, struct resources *ret, struct error *err)
{
	struct resource *end;
	int r = own->kind == OWN_INNER ? add_observed(own->link, own->ns, own->name, ret, err) : 0;

	if (r < 0 || !own->alone)
		return r;
	end = &ret->items[ret->count - 1];
	end->end.alone = true;
	end->text = strdup(own->link->alias ? own->link->alias : "");
	return end->text ? 0 : error_memory(err);
}

static int add_loopback(
        const struct links *links, const char *ns, struct resources *ret, struct error *err)
{
	for (unsigned i = 0; i < links->count; i++)
		if (links->items[i].loopback && strcmp(links->items[i].name, LOOPBACK) == 0)
			return add_observed(&links->items[i], ns, LOOPBACK, ret, err);
	return 0;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	int r = observation_each(observation, add_inner, ret, err);

	for (unsigned i = 0; r == 0 && i < observation->look->namespace_count; i++)
		r = add_loopback(
		        &observation->insides[i].links, observation->look->namespaces[i], ret, err);
	return r;
}

/* --- telling --- */

static void tell_start(const struct resource *end, const char *name, FILE *out)
{
	fputs("ip -n ", out);
	tell_word(out, end->ns);
	fputs(" link set dev ", out);
	tell_word(out, name);
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *new = step->new, *old = step->old;
	struct difference difference;
	char mac[MAC_TEXT_SIZE];

	if (!new)
		return;
	difference = compare(old, new);
	if (difference.name) {
		/* As every kernel takes it: down, renamed. */
		if (old->end.up) {
			tell_start(new, old->end.ifname, out);
			fputs(" down\n", out);
		}
		tell_start(new, old->end.ifname, out);
		fputs(" name ", out);
		tell_word(out, new->end.ifname);
		fputc('\n', out);
		difference.up = new->end.up;
	}
	if (!difference.mac && !difference.mtu && !difference.up && !difference.alias)
		return;
	tell_start(new, name_of(new), out);
	if (difference.mac)
		fprintf(out, " address %s", mac_format(new->end.mac, mac));
	if (difference.mtu)
		fprintf(out, " mtu %u", new->end.mtu);
	if (difference.alias) {
		fputs(" alias ", out);
		tell_word(out, new->text);
	}
	if (difference.up)
		fputs(new->end.up ? " up" : " down", out);
	fputc('\n', out);
}

const struct kind kind_end = {
        .name = "end",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};

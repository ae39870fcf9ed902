/*
 * RESOURCE_PORT: what a bridge port has beyond the defaults.
 *
 * Hairpin: with br_netfilter a namespace's way to its own published port is bridged back out of the
 * port it came from, which a bridge does only for a port in hairpin mode.
 *
 * Isolated: no frame passes from one such port to another. With br_netfilter the way to another
 * member's published port is bridged, too, and would be stopped; then a rule of the bridge table,
 * which is there in any case, does it alone (nft/rules.c).
 *
 * A port has no life of its own: it comes and goes with its link's master, so one without anything
 * special is not listed.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

static int put_flags(struct nl_msg *msg, bool hairpin, bool isolated)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED);

	if (!info || nla_put_u8(msg, IFLA_BRPORT_MODE, hairpin) < 0 ||
	        nla_put_u8(msg, IFLA_BRPORT_ISOLATED, isolated) < 0)
		return -ENOMEM;
	return nla_nest_end(msg, info);
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *port = step->new ? step->new : step->old;
	struct ifinfomsg header = {.ifi_family = AF_BRIDGE};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	char what[160] = "set ";

	resource_describe(port, what + strlen(what), sizeof(what) - strlen(what));
	header.ifi_index = link_index(kernel, port->name);
	if (header.ifi_index == -EEXIST)
		header.ifi_index = 0; /* somebody else's */
	if (header.ifi_index < 0 || (header.ifi_index == 0 && step->new))
		return error_set(err, ERROR_KERNEL, header.ifi_index ? -header.ifi_index : ENODEV,
		        "%s", what);
	if (header.ifi_index == 0) {
		step->done = true; /* it went with its link */
		return 0;
	}
	msg = rtnl_message(RTM_SETLINK, 0, &header, sizeof(header));
	if (!msg || put_flags(msg, step->new && step->new->port.hairpin,
	                    step->new && step->new->port.isolated) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, "", TAKE_PTR(msg), what,
	        step->new ? RTNL_STRICT : RTNL_NO_PORT, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	const struct survey *survey = &observation->survey;
	int r = observation_read(observation, err);

	for (unsigned i = 0; r == 0 && i < survey->pair_count; i++) {
		const struct link_seen *link = survey->pairs[i].outer;
		struct resource *port;

		if (!link->hairpin && !link->isolated)
			continue;
		port = resources_add(ret, RESOURCE_PORT, "", link->name);
		if (!port)
			return error_memory(err);
		port->port.hairpin = link->hairpin;
		port->port.isolated = link->isolated;
	}
	return r;
}

static void tell(const struct step *step, FILE *out)
{
	fputs("bridge link set dev ", out);
	tell_word(out, (step->new ? step->new : step->old)->name);
	fprintf(out, " hairpin %s isolated %s\n",
	        step->new && step->new->port.hairpin ? "on" : "off",
	        step->new && step->new->port.isolated ? "on" : "off");
}

const struct kind kind_port = {
        .name = "port",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};

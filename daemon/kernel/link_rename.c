/*
 * Renaming an interface, which is not like changing anything else of it: it goes alone, and is
 * answered before the next message is made, since kernels before 6.2 refuse it while the interface
 * is up.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/link.h"
#include "daemon/kernel/rtnl.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>

/* One message: a name (NULL: none), or up, or down. */
static int queue(struct kernel *kernel, const char *ns, int index, const char *name, bool up,
        const char *what, struct error *err)
{
	/* Flags without a mask would replace all of the interface's flags. */
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
	        .ifi_index = index,
	        .ifi_flags = !name && up ? IFF_UP : 0,
	        .ifi_change = name ? 0 : IFF_UP};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_SETLINK, 0, &header, sizeof(header));

	if (!msg || (name && nla_put_string(msg, IFLA_IFNAME, name) < 0))
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, ns, TAKE_PTR(msg), what, RTNL_STRICT, NULL, err);
}

int link_rename(struct kernel *kernel, const char *ns, int index, const char *name, bool up,
        const char *what, struct error *err)
{
	struct error ignored;
	int r = queue(kernel, ns, index, name, false, what, err);

	if (r == 0)
		r = rtnl_flush(kernel->rtnl, err);
	if (r != -EBUSY || !up)
		return r;
	/* All three go in one send, and the last one also where the second is refused. */
	r = queue(kernel, ns, index, NULL, false, what, err);
	if (r == 0)
		r = queue(kernel, ns, index, name, false, what, err);
	if (r == 0)
		r = queue(kernel, ns, index, NULL, true, what, err);
	return r < 0 ? (rtnl_flush(kernel->rtnl, &ignored), r) : rtnl_flush(kernel->rtnl, err);
}

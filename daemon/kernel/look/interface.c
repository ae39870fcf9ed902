/* What must be known of one interface of the host before it is moved away. */
#include "daemon/kernel/belongings.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"

#include <string.h>
#include <sys/random.h>

/* One that the kernel does not give out, and that no one has with any likelihood; were it taken,
 * the kernel refuses the move. */
static int draw_index(int *ret, struct error *err)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return error_set(err, ERROR_KERNEL, errno, "draw a random number");
	*ret = LINKS_FIRST_INDEX + (int)(number % 0x3e000000);
	return 0;
}

int look_interface(struct kernel *kernel, const char *ifname, const struct ip *sought,
        struct look_interface *ret, struct error *err)
{
	_cleanup_(links_done) struct links found = {0};
	struct belongings belongings;
	struct look_interface seen = {0};
	int r = links_read_one(kernel->rtnl, "", ifname, &found, err);

	if (r < 0)
		return r;
	*ret = seen;
	if (found.count == 0)
		return 0;
	memcpy(seen.name, found.items[0].name, IFNAMSIZ);
	seen.loopback = found.items[0].loopback;
	seen.ours = link_is_ours(kernel, &found.items[0], NULL);
	r = draw_index(&seen.new_index, err);
	if (r == 0)
		r = belongings_read(kernel->rtnl, ifname, sought, &belongings, err);
	if (r < 0)
		return r;
	seen.default_route = belongings.default_route;
	seen.has_address = belongings.has_address;
	memcpy(seen.master, belongings.master, IFNAMSIZ);
	seen.belongings = belongings.text;
	*ret = seen;
	return 0;
}

int look_name(
        struct kernel *kernel, const char *ns, const char *ifname, bool *ret, struct error *err)
{
	int index = rtnl_ifindex(kernel->rtnl, ns, ifname);

	/* The socket inside would keep the namespace alive. */
	rtnl_forget(kernel->rtnl, NULL);
	*ret = index > 0;
	return index < 0 ? error_set(err, ERROR_KERNEL, -index,
	                           "look for an interface %s in namespace %s", ifname, ns)
	                 : 0;
}

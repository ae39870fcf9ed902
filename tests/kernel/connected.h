/* A private host, and in it all that connecting the namespace `web` to a network takes, as
 * resources that are applied by hand: what the tests of links, addresses, routes and their pipeline
 * share. */
#pragma once

#include "daemon/kernel/rtnl.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <string.h>

#define MARK "netd:" KIND_INSTANCE ":my-net"
#define MTU  1400

static struct kernel *kernel;
static struct error err;
static const char *const namespaces[] = {"web", "api"};

static inline void renew(void)
{
	host_renew();
	/* Addresses are those that were put there, and no link-local ones beside them. */
	shell("ip netns add web; quiet='echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode';"
	      " sh -c \"$quiet\"; nsenter --net=/run/netns/web sh -c \"$quiet\"");
}

static inline void setup(void)
{
	renew();
	kernel = kind_kernel();
	ck_assert(rtnl_open(&kernel->rtnl, &kernel->changes, &err) == 0);
}

static inline void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

/* --- resources --- */

static inline struct resource bridge(const char *name)
{
	struct resource resource = {.kind = RESOURCE_LINK,
	        .text = MARK,
	        .link = {.type = LINK_BRIDGE, .up = true, .mtu = MTU, .mac = {2, 0, 0, 0, 0, 1}}};

	strcpy(resource.name, name);
	return resource;
}

static inline struct resource veth(const char *name, const char *ifname)
{
	struct resource resource = {.kind = RESOURCE_LINK,
	        .text = MARK "/web",
	        .link = {.type = LINK_VETH,
	                .up = true,
	                .mtu = MTU,
	                .master = "netd0",
	                .peer_ns = "web",
	                .peer_mac = {2, 0, 0, 0, 0, 2}}};

	strcpy(resource.name, name);
	strcpy(resource.link.peer_name, ifname);
	return resource;
}

static inline struct resource end(const char *name, const char *ifname)
{
	struct resource resource = {
	        .kind = RESOURCE_END, .ns = "web", .end = {.up = true, .mtu = MTU}};

	strcpy(resource.name, name);
	strcpy(resource.end.ifname, ifname);
	if (strcmp(name, "lo") == 0)
		resource.end.mtu = 0;
	else
		memcpy(resource.end.mac, (uint8_t[]){2, 0, 0, 0, 0, 2}, MAC_SIZE);
	return resource;
}

static inline struct resource address(
        const char *ns, const char *name, const char *ifname, uint32_t ip)
{
	struct resource resource = {
	        .kind = RESOURCE_ADDRESS, .address = {.cidr = {.ip = ip4(ip), .prefix = 24}}};

	strcpy(resource.ns, ns);
	strcpy(resource.name, name);
	strcpy(resource.address.ifname, ifname);
	return resource;
}

#define BRIDGE_IP 0x0a000001
#define WEB_IP    0x0a000002

static inline struct resource default_route(uint32_t gateway)
{
	struct resource resource = {.kind = RESOURCE_ROUTE,
	        .ns = "web",
	        .name = "nv1",
	        .route = {
	                .destination = {.ip = ip4(0)}, .gateway = ip4(gateway), .ifname = "eth0"}};

	return resource;
}

#define CONNECTED 9 /* steps of a connected namespace */

/* The route that the kernel makes for an address. */
static inline struct resource subnet_route(const struct resource *address)
{
	struct resource resource = {.kind = RESOURCE_ROUTE,
	        .route = {.destination = {.ip = ip4(BRIDGE_IP - 1), .prefix = 24},
	                .source = address->address.cidr.ip}};

	strcpy(resource.ns, address->ns);
	strcpy(resource.name, address->name);
	strcpy(resource.route.ifname, address->address.ifname);
	return resource;
}

/* All that connecting a namespace takes. */
static inline void connected(struct resource list[CONNECTED])
{
	list[0] = bridge("netd0");
	list[1] = veth("nv1", "eth0");
	list[2] = end("lo", "lo");
	list[3] = end("nv1", "eth0");
	list[4] = address("", "netd0", "netd0", BRIDGE_IP);
	list[5] = address("web", "nv1", "eth0", WEB_IP);
	list[6] = subnet_route(&list[4]);
	list[7] = subnet_route(&list[5]);
	list[8] = default_route(BRIDGE_IP);
}

static inline const struct kind *kind_of(const struct step *step)
{
	switch ((step->new ? step->new : step->old)->kind) {
	case RESOURCE_END:
		return &kind_end;
	case RESOURCE_ADDRESS:
		return &kind_address;
	case RESOURCE_ROUTE:
		return &kind_route;
	case RESOURCE_RULE:
		return &kind_rule;
	default:
		return &kind_link;
	}
}

/* Queues all steps, then sends. */
static inline int apply(struct step *steps, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = kind_of(&steps[i])->apply(kernel, &steps[i], &err);
	return r < 0 ? r : rtnl_flush(kernel->rtnl, &err);
}

static inline void must_apply(const struct resource *old, const struct resource *new)
{
	struct step step = {.old = old, .new = new};

	ck_assert_msg(apply(&step, 1) == 0, "%s", err.text);
	ck_assert(step.done && !step.failed);
}

static inline int try(const struct resource *old, const struct resource *new)
{
	struct step step = {.old = old, .new = new};

	return apply(&step, 1);
}

static inline void connect_web(void)
{
	struct resource list[CONNECTED];
	struct step steps[CONNECTED];

	connected(list);
	for (int i = 0; i < CONNECTED; i++)
		steps[i] = (struct step){.new = &list[i]};
	ck_assert_msg(apply(steps, CONNECTED) == 0, "%s", err.text);
	for (int i = 0; i < CONNECTED; i++)
		ck_assert(steps[i].done);
	rtnl_forget(kernel->rtnl, NULL);
}

static inline struct resources observe(const struct kind *kind)
{
	struct resources list = {0};
	int r = kind_observe(kind, kernel, SCOPE_INSTANCE, namespaces, 2, &list, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	rtnl_forget(kernel->rtnl, NULL);
	return list;
}

static inline const struct resource *find(const struct resources *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return &list->items[i];
	ck_abort_msg("%s was not observed", name);
}

/* main() of a program with these tests. */
static inline int connected_run(const char *name, const TTest *const *tests)
{
	host_enter();
	return run_tests(name, setup, teardown, tests);
}

#define CONNECTED_RUN(name, ...) connected_run(name, (const TTest *const[]){__VA_ARGS__, NULL})

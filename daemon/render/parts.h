/* What several kinds of objects have in the kernel: parts of an interface. Each appends to the
 * list; -1, or NULL: there is no memory. */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

/* net/FAMILY/conf/INTERFACE/KEY. `journal`: it is not netd's own. */
int add_sysctl(struct resources *list, const char *ns, const char *family, const char *interface,
        const char *key, const char *value, bool journal);
/* `name`: what the interface is listed by; `ifname`: what it is called. */
struct resource *add_address(struct resources *list, const char *ns, const char *name,
        const char *ifname, const struct cidr *cidr);
int add_subnet_route(struct resources *list, const char *ns, const char *name, const char *ifname,
        const struct cidr *cidr);
/* The address and the route to its subnet. */
int add_subnet(struct resources *list, const char *ns, const char *name, const char *ifname,
        const struct cidr *cidr);
/* An interface that has IPv6, before it has an address of it; and the address that neighbours are
 * sought from. */
int add_ip6(struct resources *list, const char *ns, const char *ifname);
int add_link_local(struct resources *list, const char *ns, const char *name, const char *ifname,
        const uint8_t mac[MAC_SIZE]);
/* Of a pair the end inside a namespace. `mac`: NULL: whatever it has. */
struct resource *add_end(struct resources *list, const char *ns, const char *name,
        const char *ifname, bool up, uint32_t mtu, const uint8_t *mac);
/* Its IPv6, or that it has none. */
int add_end_ip6(const struct namespace *ns, const char *name, const char *ifname,
        const uint8_t mac[MAC_SIZE], bool on, struct resources *list);

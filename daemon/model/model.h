/*
 * The desired state: networks, namespaces with their endpoints, publications, and what is
 * condemned.
 *
 * A model is a set of ordered tables of immutable objects. A change never edits the model: it
 * *forks* it, and puts new versions of objects into the fork, which shadow the parent's. The fork
 * is then the difference itself: its entries say what was touched, the parent has the old version,
 * the fork the new one. A fork is merged into its parent or thrown away; a fork of a fork is how
 * one request of a batch is tried on top of the others.
 */
#pragma once

#include "lib/error.h"
#include "lib/ip.h"
#include "lib/ports.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define ID_SIZE       13 /* twelve hex digits and the end */
#define BOOT_ID_SIZE  37 /* /proc/sys/kernel/random/boot_id without its newline */
#define INSTANCE_SIZE 33 /* thirty-two hex digits and the end */
#define KEY_SIZE      192

/* Limits of what a user can make grow. */
#define MODEL_NETWORKS_MAX      1024
#define MODEL_NAMESPACES_MAX    16384
#define MODEL_PUBLICATIONS_MAX  65536
#define MODEL_NS_LINKS_MAX      16384
#define NAMESPACE_ENDPOINTS_MAX 64
#define NAMESPACE_LINKS_MAX     256
#define LINK_ADDRESSES_MAX      8    /* of one end */
#define BRIDGE_PORTS_MAX        1023 /* of a Linux bridge: BR_MAX_PORTS - 1 */
#define SUBNETS_MAX             2    /* one of each family */
#define NETWORK_LEASES_MAX      1024 /* remembered endpoints of a network */
#define MODEL_LEASES_MAX        16384
#define RESOLVERS_MAX           3    /* MAXNS of resolv.conf(5) */
#define UPSTREAMS_MAX           6    /* so many of each family */
#define SHIFTED_PORTS_MAX       1024 /* of a range that leads to other ports: an element for each */
#define HELD_PORTS_MAX          64   /* ranges up to this length are held */

enum model_table {
	TABLE_HOST,         /* "host" -> struct host */
	TABLE_NETWORKS,     /* name -> struct network */
	TABLE_NAMESPACES,   /* name -> struct namespace */
	TABLE_PUBLICATIONS, /* id -> struct publication */
	TABLE_TOMBSTONES,   /* id -> struct tombstone */
	TABLE_MOVED,        /* name on the host -> struct moved */
	TABLE_NS_LINKS,     /* id -> struct ns_link */
	TABLE_LEASES,       /* id -> struct lease */
	TABLE_INTERFACES,   /* name -> struct interface: the host's own, as observed */
	/* Indexes, kept by model_put_*() itself. Their objects are struct reference. */
	TABLE_MEMBERS,   /* "NETWORK/NAMESPACE" */
	TABLE_ADDRESSES, /* "NETWORK/address in hex" and "NETWORK/mac in hex" */
	TABLE_BRIDGES,   /* bridge interface -> network */
	TABLE_SUBNETS,   /* "4/first address in hex" -> network; of IPv6 "6/..." */
	TABLE_PORTS,     /* a block of ports of a host's address -> publication: ports.c */
	TABLE_NS_PORTS,  /* "NAMESPACE/publication" */
	TABLE_ALLOWED,   /* "n/NETWORK/network" and "s/NAMESPACE/network": who may reach it */
	TABLE_SOURCES,   /* "NETWORK/publication": who is let in by the network's name */
	TABLE_USAGE,     /* network -> struct usage */
	TABLE_COOKIES,   /* "boot id/cookie" -> namespace */
	TABLE_MOVED_IN,  /* "NAMESPACE/name on the host" -> its name */
	TABLE_LEASED, /* "n/NAMESPACE/NETWORK", "i/NETWORK/address in hex", "a/NETWORK/age" -> lease
	               */
	TABLE_FOREIGN, /* namespaces that someone else made */
	TABLE_LINKED,  /* "NAMESPACE/link", of both ends -> link */
	TABLE_COUNT,
};

/* The host itself. The instance never changes; what the resolver is, is observed, not stored. */
struct host {
	char instance[INSTANCE_SIZE];
	uint64_t next_id;           /* the next number model_new_id() uses; stored */
	char boot_id[BOOT_ID_SIZE]; /* of the boot that tombstones belong to; stored */
	uint32_t default_mtu;       /* what the way to the Internet takes; 0: there is none */
	bool bridge_netfilter; /* bridged packets pass the inet hooks: ports need hairpin then */
	bool force_forwarding; /* the kernel forwards IPv6 by interface, as it does IPv4 */
	bool has_ip6;          /* a network has IPv6: the host forwards it */
	bool resolver_needed; /* the host's resolver is a loopback address: namespaces get their own
	                         resolv.conf */
	struct ip upstreams[UPSTREAMS_MAX];
	unsigned upstream_count;
};

struct subnet {
	struct cidr cidr;  /* no host bits */
	struct ip gateway; /* the host's address, or that of another router; family 0: none */
};

struct network {
	char name[NAME_SIZE];
	char id[ID_SIZE];
	char driver[16];
	char bridge[IFNAMSIZ];
	uint8_t mac[MAC_SIZE]; /* of the bridge */
	uint32_t link_mtu;     /* bytes: what its links have */
	struct subnet subnets[SUBNETS_MAX];
	unsigned subnet_count;
	/* Addresses of the host's own on a bridge that is used; only while one is chosen. Borrowed.
	 */
	const struct ip *taken;
	unsigned taken_count;
	/* Settings: model/setting.c has a row for each. */
	int64_t mtu; /* 0: none was asked for */
	bool internal;
	bool no_host_address; /* the host takes no part in it: its members are among themselves */
	char use_bridge[IFNAMSIZ]; /* somebody else's bridge, which is used as it is; "": netd's own
	                            */
	char *labels;
	char *routes;   /* "CIDR,VIA": where members send what is for CIDR */
	char *ip_range; /* CIDRs that addresses are given out of; NULL: the whole subnet */
	char *reserve;  /* "NAME=IP": given to that namespace only */
	struct ip publish_address; /* of the host, where publish names none; family 0: none */
	bool isolated;
	unsigned mode;         /* enum network_mode */
	unsigned mode4, mode6; /* 0: as `mode`; else one more than enum network_mode */
	unsigned host_access;  /* enum host_access */
	char *trusted_interfaces;
	char *allow; /* what its namespaces may reach: struct allowed */
	char *snat;  /* addresses that they leave with, at most one of each family */
};

/* What a namespace's traffic meets on its way in and out. network_mode() tells which one. */
enum network_mode { MODE_NAT, MODE_ROUTED, MODE_OPEN };
/* Whether a network's namespaces may reach the host itself. */
enum host_access { HOST_ACCESS_YES, HOST_ACCESS_NO, HOST_ACCESS_DNS };

/* An item of network->allow: a whole network, or one port of a namespace. */
struct allowed {
	char network[NAME_SIZE];   /* "": a port */
	char namespace[NAME_SIZE]; /* "": a network */
	uint16_t port;
	uint8_t protocol;
};

/* A namespace's attachment to a network. */
struct endpoint {
	char id[ID_SIZE];
	char network[NAME_SIZE];
	char ifname[IFNAMSIZ];      /* inside the namespace */
	char host_ifname[IFNAMSIZ]; /* the outer end: "nv" and the id */
	uint8_t mac[MAC_SIZE];
	struct cidr addresses[SUBNETS_MAX]; /* the address with its subnet's prefix length */
	bool fixed[SUBNETS_MAX];            /* the address was asked for */
	unsigned address_count;
	/* Settings. */
	int64_t gw_priority; /* the highest has the default route */
	bool no_default_route;
	bool router;               /* forwards, so that what it sends may be anybody's */
	int64_t rate_in, rate_out; /* bits per second, towards the namespace and from it; 0: none */
	char *labels;
};

enum namespace_origin {
	ORIGIN_CREATED,
	ORIGIN_ADOPTED,  /* someone else made it, and its name */
	ORIGIN_ATTACHED, /* someone else made it, and netd gave it the name */
};

struct namespace
{
	char name[NAME_SIZE];
	enum namespace_origin origin;
	uint64_t cookie;            /* SO_NETNS_COOKIE; 0 until it exists */
	char boot_id[BOOT_ID_SIZE]; /* the boot that the cookie belongs to; "" while cookie is 0 */
	/* adopted, and had a default route of its own, of that family, at the first connect: it
	 * stays */
	bool own_route, own_route6;
	char *source; /* attached: what it was found by, a process or a path; else NULL */
	struct endpoint *endpoints; /* in the order they were connected */
	unsigned endpoint_count;
	/* Settings. */
	char *labels;
	char *sysctls; /* "net.ipv4.ip_forward=1" */
};

struct publication {
	char id[ID_SIZE];
	uint8_t protocol;
	struct ip host_ip;                 /* family 0: every address, of both families */
	uint16_t host_port, host_port_end; /* equal for one port */
	uint16_t port; /* where the first one leads; the others lead to those behind it */
	char namespace[NAME_SIZE];
	char network[NAME_SIZE]; /* "": that of the endpoint with the default route */
	/* Settings. */
	char interface[IFNAMSIZ]; /* only what comes in there; "": everywhere */
	char *from; /* only these sources, a subnet or a network's name per line; NULL: all */
	char *labels;
};

/* An end of a link: an interface inside a namespace. */
struct ns_link_end {
	char namespace[NAME_SIZE];
	char ifname[IFNAMSIZ];
	uint8_t mac[MAC_SIZE];
	struct cidr addresses[LINK_ADDRESSES_MAX]; /* each with its prefix length */
	unsigned address_count;
};

/* What users call a link: a veth pair from one namespace to another, in which the host has no part.
 * (`link` alone is the kernel's word for an interface.) */
struct ns_link {
	char id[ID_SIZE];
	struct ns_link_end ends[2];
	/* Settings. */
	int64_t mtu;
	char *labels;
};

/* What is remembered of an endpoint that is gone: model/lease.c. */
struct lease {
	char id[ID_SIZE];
	uint64_t number; /* the older, the lower */
	char network[NAME_SIZE];
	char namespace[NAME_SIZE];
	uint8_t mac[MAC_SIZE];
	struct {
		struct ip ip;
		bool fixed; /* it was asked for: no one else gets it */
	} addresses[SUBNETS_MAX];
	unsigned address_count;
};

/* Something condemned: committed as gone, not yet gone from the kernel. See engine/reap.c. */
enum tombstone_kind { TOMBSTONE_LINK, TOMBSTONE_NETNS, TOMBSTONE_FLOWS };
enum flows_match { FLOWS_REPLY_SOURCE, FLOWS_ORIGINAL_LOCAL };

struct tombstone {
	char id[ID_SIZE];
	enum tombstone_kind kind;
	char name[NAME_SIZE];      /* link: interface on the host; netns: its name */
	char namespace[NAME_SIZE]; /* link: where its inner end is, "" for a bridge */
	char peer[NAME_SIZE]; /* link: where the other end is, if both are in namespaces; else ""
	                       */
	enum namespace_origin origin; /* netns */
	char network[NAME_SIZE]; /* flows: the network whose address is held until they are gone, or
	                            "" */
	uint64_t cookie; /* netns: what may be unmounted; another of that name is not touched */
	/* flows: what has this as reply source, or as original destination */
	uint8_t protocol; /* 0: every */
	struct ip ip;
	uint16_t port, port_end; /* 0: every */
	/* Only those that were sent to this port at first; 0: every. Of two ranges each port goes
	 * with its counterpart. */
	uint16_t through, through_end;
	enum flows_match match;
};

/* An interface of the host that is not netd's. */
struct interface {
	char name[IFNAMSIZ];
	bool switched;      /* its IPv4 forwarding was off until netd switched it on */
	bool ip6;           /* it has IPv6 */
	bool switched6;     /* likewise of IPv6, if a network has that */
	bool hears_routers; /* its routes come from routers, as long as it does not forward */
	/* It is a bridge, which a network may use: */
	bool bridge;
	int index;    /* another one, where somebody else's has the name by now */
	uint32_t mtu; /* what its ports have to have, or the kernel would change it */
};

/* An interface of the host that is in a namespace. */
struct moved {
	char name[IFNAMSIZ]; /* on the host */
	char namespace[NAME_SIZE];
	char inside[IFNAMSIZ]; /* its name in there, at first */
	int index;             /* in there */
	char *belongings;      /* what it had on the host, as kernel/belongings.h writes it */
};

/* An index entry: who owns the key. */
struct reference {
	char owner[NAME_SIZE];
};

/* What a network's endpoints use, so that the next one need not look at all of them. */
struct usage {
	unsigned endpoints;
	struct ip last, last6; /* the addresses claimed last; family 0: none yet */
	unsigned leases;
};

struct model;

struct model *model_new(void);
/* A fork reads through to `parent`, which must outlive it and not change meanwhile. NULL: out of
 * memory. */
struct model *model_fork(const struct model *parent);
/* What the fork lies over; NULL: it is none. */
const struct model *model_parent(const struct model *fork);
/* Moves every entry of the fork into its parent and frees the fork. Cannot fail: nodes move. */
void model_merge(struct model *fork, struct model *parent);
/* NULL is allowed; returns NULL. */
struct model *model_free(struct model *model);

/* --- looking; NULL where there is none. What they return lives until the object is replaced. ---
 */
const struct host *model_host(const struct model *model);
const struct network *model_network(const struct model *model, const char *name);
const struct namespace *model_namespace(const struct model *model, const char *name);
const struct publication *model_publication(const struct model *model, const char *id);
const struct ns_link *model_ns_link(const struct model *model, const char *id);
const void *model_object(const struct model *model, enum model_table table, const char *key);
const struct endpoint *namespace_endpoint(const struct namespace *ns, const char *network);
/* What is remembered of this namespace on this network; of whoever had this address last there. */
const struct lease *model_lease(const struct model *model, const char *network, const char *ns);
const struct lease *model_lease_of(
        const struct model *model, const char *network, const struct ip *ip);
/* Who owns an index key, or NULL. */
const char *model_owner(const struct model *model, enum model_table table, const char *key);
/* The network whose subnet begins where this one does; one of those whose subnets overlap it. NULL
 * where there is none. */
const struct network *model_network_at(const struct model *model, const struct cidr *subnet);
const struct network *model_network_over(const struct model *model, const struct cidr *subnet);
/* Entries of this table, live ones only. */
unsigned model_count(const struct model *model, enum model_table table);
/* {0} for a network that never had endpoints. It goes with its network. */
struct usage model_usage(const struct model *model, const char *network);

/*
 * The first object whose key is greater than *key; NULL at the end. Start with "" and hand the key
 * back: char key[KEY_SIZE] = ""; while ((object = model_next(model, TABLE_NETWORKS, key)))
 */
const void *model_next(const struct model *model, enum model_table table, char key[KEY_SIZE]);
/* The same, as long as keys begin with `prefix`; start with *key = "". */
const void *model_next_in(
        const struct model *model, enum model_table table, const char *prefix, char key[KEY_SIZE]);
/* The same over the fork's own entries only, removed ones included: *object is NULL for those.
 * False at the end. */
bool model_next_touched(
        const struct model *fork, enum model_table table, char key[KEY_SIZE], const void **object);

/* --- changing: each copies the object in. 0 or -ENOMEM (then the model is as before). --- */
int model_put_host(struct model *model, const struct host *host);
int model_put_network(struct model *model, const struct network *network);
int model_put_namespace(struct model *model, const struct namespace *ns);
int model_put_publication(struct model *model, const struct publication *publication);
int model_put_lease(struct model *model, const struct lease *lease);
int model_put_tombstone(struct model *model, const struct tombstone *tombstone);
int model_put_interface(struct model *model, const struct interface *interface);
int model_put_moved(struct model *model, const struct moved *moved);
int model_put_ns_link(struct model *model, const struct ns_link *link);
/* Removing what is not there is success. */
int model_remove(struct model *model, enum model_table table, const char *key);

/* Puts a namespace with one endpoint more, replaced (same network) or less. */
int model_put_endpoint(
        struct model *model, const struct namespace *ns, const struct endpoint *endpoint);
int model_remove_endpoint(struct model *model, const struct namespace *ns, const char *network);

/* The next id of this instance: never given twice, the same for the same history. */
int model_new_id(struct model *model, char ret[ID_SIZE]);

/* --- answers that several layers need --- */
/* A network's subnet, an endpoint's address, of this family (AF_INET, AF_INET6); NULL where it has
 * none. There is at most one of each, in no particular order: ask by family. */
const struct subnet *network_subnet(const struct network *network, int family);
const struct cidr *endpoint_address(const struct endpoint *endpoint, int family);
/* What a network's bridge is called where no name was asked for. */
const char *network_bridge_name(const char id[ID_SIZE], char ret[IFNAMSIZ]);
/* Whether it is one of the words that stand for no network: "none", of a namespace that is
 * connected to nothing, and "host". */
bool network_is_none(const char *name);
bool network_is_builtin(const char *name);
/* Whether the host has an address in it, so that it is the members' way out and in. Not where the
 * bridge is somebody else's, nor where it was made without. */
bool network_has_host(const struct network *network);
/* Whether its bridge is somebody else's, and is not there now, or is no bridge: its members wait.
 */
bool network_is_pending(const struct model *model, const struct network *network);
/* The network that uses this bridge of somebody else's; NULL: none does. */
const struct network *bridge_user(const struct model *model, const char *ifname);
/* The router that an endpoint's default route of this family leads to; NULL where there is none, it
 * is the endpoint itself, or the network is internal. */
const struct ip *endpoint_gateway(
        const struct network *network, const struct endpoint *endpoint, int family);
/* The endpoint through which this namespace's default route of this family goes: of those that may
 * have it, on a network that is not internal and has that family, the one with the highest
 * priority; of several, the first. NULL where there is none, or the namespace kept its own. */
const struct endpoint *namespace_default_endpoint(
        const struct model *model, const struct namespace *ns, int family);
/* The prefix out of which networks get their IPv6 subnets: a unique local one (RFC 4193), drawn
 * with the instance and as lasting. */
struct cidr model_ula(const struct model *model);
/* Whether the namespace has another way of this family beside this endpoint, so that answers to
 * what came in by the endpoint need a routing table of their own; and the table's number, below
 * 2^30. */
bool endpoint_has_table(const struct namespace *ns, const struct endpoint *endpoint, int family);
uint32_t endpoint_table(const struct endpoint *endpoint);
/* What a namespace's sysctls are set to, by path: its setting, and what makes it a router where one
 * of its endpoints is one; start with *at = 0. False at the end. */
struct sysctl_wanted {
	char path[SYSCTL_PATH_SIZE];
	char value[SYSCTL_TEXT_SIZE];
};
bool namespace_next_sysctl(const struct namespace *ns, unsigned *at, struct sysctl_wanted *ret);
/* The next of a network's routes; start with *rest = network->routes. False at the end. */
bool network_next_route(const char **rest, struct cidr *ret, struct ip *via);
/* Where a publication leads now, in either family; NULL while it is pending. */
const struct endpoint *publication_target(
        const struct model *model, const struct publication *publication);
/* How this family of the network meets the world outside. */
enum network_mode network_mode(const struct network *network, int family);
bool network_is_routed(const struct network *network); /* in either family */
/* The address by which others reach what is published, in this family, besides the host's: where
 * the network is routed, and the port is for everyone. NULL: by none. */
const struct ip *publication_opening(
        const struct model *model, const struct publication *publication, int family);
/* The address that what leaves is given, in this family; false: that of the way out. */
bool network_snat(const struct network *network, int family, struct ip *ret);
/* Whether ports of its bridge may send a frame back, and whether the bridge keeps them apart. */
bool network_hairpin(const struct model *model);
bool network_separates(const struct model *model, const struct network *network);
/* Reads an item of network->allow: NETWORK or NS:PORT[/tcp|udp]. */
int allowed_parse(const char *text, const char *field, struct allowed *ret, struct error *err);
/* As it is written. Returns text. */
const char *allowed_format(const struct allowed *allowed, char *text, size_t size);
/* The next item; *rest, which begins as the list, moves behind it. False at the end. */
bool allowed_next(const char **rest, struct allowed *ret);
/* Where it leads in this family (AF_INET, AF_INET6), and to which address; NULL where it does not.
 */
const struct endpoint *publication_endpoint(
        const struct model *model, const struct publication *publication, int family);
const struct ip *publication_address(
        const struct model *model, const struct publication *publication, int family);
/* Whether it is for this family at all. */
bool publication_is_of(const struct publication *publication, int family);
/* The address of the host that a person is shown: of every address (family 0) only those of one
 * family, where the target has but that. */
struct ip publication_host(const struct model *model, const struct publication *publication);
/* Reads an item of `from`: an address or a subnet. False: it is the name of a network. */
bool publication_source(const char *item, struct cidr *ret);
/* Refuses an address that no host can have, or that nothing is translated on. Those that stand for
 * all addresses are fine, and so is none. */
int publication_check_ip(const struct ip *ip, const char *field, struct error *err);
/* Checks of settings: such an address; a source, which is an address, a subnet, or the name of a
 * network. */
int publication_check_address(const char *text, const char *field, struct error *err);
int publication_check_source(const char *text, const char *field, struct error *err);
/* How many ports it has beyond the first. */
static inline unsigned publication_more(const struct publication *publication)
{
	return publication->host_port_end - publication->host_port;
}
/* Whether each of its ports leads to the one of the same number. */
static inline bool publication_keeps_ports(const struct publication *publication)
{
	return publication->host_port == publication->port;
}
/* Out of which part of its subnet of this family, which it has, a network gives addresses. */
void network_range(const struct network *network, int family, struct cidr *ret);
/* The next address that a network keeps for a name; start with *rest = network->reserve. */
bool network_next_reserve(const char **rest, char name[NAME_SIZE], struct ip *ret);
/* Keys of the indexes. */
/* Network "": the prefix of all leases of the namespace. */
void model_lease_key(char ret[KEY_SIZE], const char *network, const char *ns);
void model_leased_key(char ret[KEY_SIZE], const char *network, const struct ip *ip);
void model_lease_age_prefix(char ret[KEY_SIZE], const char *network);
void model_allowed_key(char ret[KEY_SIZE], const struct allowed *allowed, const char *by);
void model_address_key(char ret[KEY_SIZE], const char *network, const struct ip *ip);
void model_subnet_key(char ret[KEY_SIZE], const struct cidr *subnet);
void model_mac_key(char ret[KEY_SIZE], const char *network, const uint8_t mac[MAC_SIZE]);
void model_cookie_key(char ret[KEY_SIZE], const char *boot_id, uint64_t cookie);

/* --- ports.c: which ports of the host have an owner --- */

/* Every key of the indexes that a publication claims. Ends with the first that fails. */
int publication_keys(const struct publication *publication,
        int (*each)(enum model_table table, const char *key, void *arg), void *arg);

/* Looks for publications with one of these ports on an overlapping address. Costs the same for one
 * port and for ten thousand, whatever else is published. */
struct port_search {
	const struct model *model;
	uint8_t protocol;
	uint16_t first, last;
	const struct ip *host_ip; /* NULL: on any; family 0: every address overlaps with all */
	/* within */
	unsigned stage;
	char key[KEY_SIZE];
};

/* The next one; one with several ports may come more than once. NULL: no more. */
const struct publication *port_search_next(struct port_search *search);

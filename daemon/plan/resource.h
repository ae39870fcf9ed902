/*
 * A resource is something in the kernel or the file system that netd wants to be there: plain
 * values, compared by kind and key. Rendering the model yields a list of them, observing the kernel
 * another, and the difference of two lists is a plan.
 */
#pragma once

#include "lib/error.h"
#include "lib/ip.h"
#include "lib/ports.h"
#include "daemon/plan/sets.h"

#include <stdbool.h>

#define RESOURCE_NAME_SIZE 96

/* Routing tables inside namespaces that are netd's: from this number on, half of all there are. */
#define ROUTE_TABLES_FIRST 0x40000000u
#define ROUTE_TABLES_LAST  0x7fffffffu

enum resource_kind {
	RESOURCE_SKELETON,  /* one of netd's two nf_tables tables: its chains, rules and empty sets
	                     */
	RESOURCE_ELEMENT,   /* of a set or map of them */
	RESOURCE_NETNS_DIR, /* the directory that these are in */
	RESOURCE_NETNS,     /* a named network namespace */
	RESOURCE_LINK, /* a bridge, or a veth pair by its outer end; a pair that has none is in the
	                  namespace of its first end */
	RESOURCE_END,  /* the end of a veth pair inside a namespace; or its `lo` */
	RESOURCE_PORT, /* a bridge port's special settings, by the outer end's name */
	RESOURCE_SYSCTL,
	RESOURCE_ADDRESS,
	RESOURCE_ROUTE,
	RESOURCE_RULE, /* which routing table a source address has, inside a namespace */
	RESOURCE_FILE,
	RESOURCE_HOLD,  /* a bound socket that keeps others off a published port */
	RESOURCE_FLOWS, /* conntrack entries that must go: it exists only to be deleted */
	RESOURCE_MOVED, /* an interface of the host that is in a namespace for a while */
	RESOURCE_KINDS,
};

enum link_type { LINK_BRIDGE, LINK_VETH };

/* Who alone may change a table: no one (a plain table, or an orphan), this netd, or someone else.
 */
enum table_owner { OWNER_NONE, OWNER_NETD, OWNER_OTHER };

struct resource {
	enum resource_kind kind;
	char ns[NAME_SIZE]; /* the namespace it is in; "" is the host */
	/*
	 * The key within kind and ns: skeleton "inet netd"; element: the set's name (and its key
	 * bytes, below); netns: its name; link: interface name, or what a pair without an outer
	 * end is listed by, as if it had one; end: the name of its outer end, or "lo"; sysctl: path
	 * below /proc/sys; address, route: the interface it goes through (and the address, the
	 * destination, the table, below), where an interface inside a namespace is named by its
	 * outer end, so that a renamed one is still the same; file: path; rule, hold, flows: ""
	 * (and the address, the port, below).
	 */
	char name[RESOURCE_NAME_SIZE];
	char *text; /* owned. moved: what it had on the host (kernel/belongings.h). link: its alias.
	               file: its content. end: the alias of one that is alone. skeleton: its
	               fingerprint. netns: the instance that its record says (NULL: any). Else NULL.
	             */
	union {
		struct element element;
		struct {
			enum table_owner owner;
		} skeleton;
		struct {
			bool adopted;             /* never deleted but by unlinking a symlink */
			bool gone;                /* only its record, or a stale file, is left */
			uint64_t cookie;          /* 0: not known yet */
			char source[SOURCE_SIZE]; /* someone else made it, and netd gives it the
			                             name: what it is found by, a process or a
			                             path; not compared. Else "" */
		} netns;
		struct {
			enum link_type type;
			bool retired; /* waits for deletion: no master, down, in the group of the
			                 condemned */
			bool up;
			char ifname[IFNAMSIZ]; /* what it is called now, where that is
			                          another name; else "". In a namespace:
			                          what the first end is born as */
			bool broken; /* observed, of a pair in namespaces: an end is not where it
			                belongs */
			bool quiet;  /* it makes up no IPv6 address, from its birth on; not compared
			              */
			uint32_t mtu;
			uint8_t mac[MAC_SIZE];   /* bridge: its own; veth: all zero, the kernel's
			                            choice is kept; first end: its own */
			char master[IFNAMSIZ];   /* "": none */
			bool guest;              /* the master is somebody else's; not compared */
			char peer_ns[NAME_SIZE]; /* veth: where the other end is, and what it is
			                            born as */
			char peer_name[IFNAMSIZ];
			uint8_t peer_mac[MAC_SIZE];
		} link;
		struct {
			char ifname[IFNAMSIZ]; /* inside the namespace */
			bool alone;            /* its pair has no outer end; not compared */
			bool up;
			uint32_t mtu; /* 0: not ours to say (lo) */
			uint8_t mac[MAC_SIZE];
		} end;
		struct {
			bool hairpin;  /* a frame may leave by the port it came from */
			bool isolated; /* none comes to it from another port that is */
		} port;
		struct {
			char value[SYSCTL_TEXT_SIZE]; /* numbers in it are separated by spaces */
			bool journal; /* it is not netd's own: the old value is kept and restored */
		} sysctl;
		struct {
			struct cidr cidr;
			char ifname[IFNAMSIZ]; /* the interface's name now; not compared */
			/* an endpoint's: who is told of it, and what; not compared */
			char bridge[IFNAMSIZ]; /* "": no one */
			uint8_t mac[MAC_SIZE];
		} address;
		struct {
			struct cidr destination; /* 0.0.0.0/0: the default route */
			struct ip gateway;       /* family 0: none; the subnet of an address */
			struct ip source;        /* that address; not compared */
			uint32_t table;          /* of netd's; 0: the main one */
			bool marked; /* observed: it says that it is netd's; not compared */
			char ifname[IFNAMSIZ]; /* not compared */
		} route;
		struct {
			struct ip from;
			uint32_t table;
		} rule;
		struct {
			uint8_t protocol;
			struct ip ip;
			uint16_t port;
		} hold;
		struct {
			uint8_t protocol; /* 0: every */
			struct ip ip;
			uint16_t port, port_end; /* 0: every */
			/* Only those that were sent to this port at first; 0: every. Of two ranges
			 * each port goes with its counterpart. */
			uint16_t through, through_end;
			bool original_local; /* by original destination, without translation; else
			                        by reply source */
		} flows;
		struct {
			char ns[NAME_SIZE];    /* where it is */
			char inside[IFNAMSIZ]; /* what it is called there at first */
			int index;             /* in there */
			bool gone;             /* only what was kept about it is left */
		} moved;                       /* by its name on the host */
	};
};

struct resources {
	struct resource *items;
	size_t count, capacity;
};

/* Order of keys: kind, ns, name, then what else makes the key. 0: the same resource. */
int resource_compare(const struct resource *a, const struct resource *b);
/* Whether two resources of the same key also have the same attributes. */
bool resource_equal(const struct resource *a, const struct resource *b);
/* Whether it is of this link, as its address is, and so cannot be where the link is not. */
bool resource_stands_on(const struct resource *resource, const struct resource *link);
/* A short name for messages: "veth nv7f3a01", "address 10.0.0.1/24 on netd0", "sysctl net/ipv4/..."
 */
const char *resource_describe(const struct resource *resource, char *text, size_t size);

/* Appends a zeroed resource and returns it, to be filled in; NULL: out of memory. The list owns it,
 * and moves when it grows. */
struct resource *resources_add(
        struct resources *list, enum resource_kind kind, const char *ns, const char *name);
/* Sorts by key. Doubles (an element that two objects want) are folded into one. */
void resources_sort(struct resources *list);
/* The one with this key, of a sorted list; NULL: there is none. */
struct resource *resources_find(const struct resources *list, const struct resource *key);
void resources_done(struct resources *list);

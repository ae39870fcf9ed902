/* Read-only questions to the kernel: what rules, lists and warnings need to know. */
#pragma once

#include "daemon/kernel/kernel.h"

#include <net/if.h>
#include <sys/types.h>

/* --- the host (look/host.c) --- */

struct look_prefix {
	struct cidr cidr;
	int index; /* of the interface; of several ways the first one's; 0: none */
	char ifname[IFNAMSIZ];
	bool route; /* else an address */
};

/* What look_prefixes() leaves out: what every interface has, and ways to everywhere. */
bool look_is_everywhere(const struct cidr *cidr);
bool look_is_default(const struct cidr *destination);

/* Addresses and routes of the main table of the host, of both families; default-like routes (prefix
 * 0 and 1, and up to 3 of IPv6), unreachable, local and link-local ones left out. *ret is the
 * caller's to free. */
int look_prefixes(
        struct kernel *kernel, struct look_prefix **ret, unsigned *count, struct error *err);

struct look_link {
	char name[IFNAMSIZ];
	int index;
	int peer_index; /* IFLA_LINK; 0 where there is none */
	bool loopback;
	bool ours;     /* bears a mark of netd, of any instance, or has lost it */
	bool unmarked; /* the latter */
	bool bridge_port;
	bool bridge;
	uint32_t mtu;
};

/* Interfaces in `ns` ("": the host). *ret is the caller's to free. */
int look_links(struct kernel *kernel, const char *ns, struct look_link **ret, unsigned *count,
        struct error *err);

struct look_interface {
	char name[IFNAMSIZ]; /* "": there is none. It may have been asked for by another one */
	bool loopback, ours;
	char master[IFNAMSIZ]; /* "": none */
	bool default_route;    /* it carries one */
	bool has_address;      /* the one that was asked for */
	char *belongings;      /* kernel/belongings.h; the caller's to free */
	int new_index;         /* one that it could have in a namespace */
};

/* One interface of the host, before it is moved. (look/interface.c) */
int look_interface(struct kernel *kernel, const char *ifname, const struct ip *sought,
        struct look_interface *ret, struct error *err);

/* The host's interface of this name; whether it is a port is not looked at. 1, or 0 where there is
 * none. */
int look_link(struct kernel *kernel, const char *ifname, struct look_link *ret, struct error *err);

/* Whether an interface in `ns` has this name, as its own or as one of its others. */
int look_name(
        struct kernel *kernel, const char *ns, const char *ifname, bool *ret, struct error *err);

/* Whether the host's interface of this name is netd's, of this scope. */
bool look_link_ours(struct kernel *kernel, const char *ifname, enum kernel_scope scope);

/* What a bridge's port of this name has beyond the defaults, and its alias, which may be cut off.
 * False: it is not there. */
struct look_port {
	char alias[256];
	bool hairpin, isolated;
};

bool look_port(struct kernel *kernel, const char *ifname, struct look_port *ret);

/* How many ports the bridge with this index has that are not of this instance. */
int look_foreign_ports(struct kernel *kernel, int bridge, unsigned *ret, struct error *err);

/* What the way to the Internet takes: the least of the MTUs of its interface and route, and of both
 * families; 0 where there is none. */
int look_default_mtu(struct kernel *kernel, uint32_t *ret, struct error *err);
bool look_default_route(struct kernel *kernel, const char *ns, int family);

/* Marks of other instances on this host: the first one's id, or "". */
int look_other_instance(struct kernel *kernel, char ret[33], struct error *err);

/* The boot id, without a newline. */
int look_boot_id(char ret[37], struct error *err);

/* Whether names in /etc/resolv.conf are resolved by a loopback address, and which real upstreams
 * stand behind it (from systemd-resolved's /run/systemd/resolve/resolv.conf, or other nameserver
 * lines). At most max of each family, so `upstreams` has room for twice as many; *count may be 0.
 */
int look_resolver(
        bool *loopback, struct ip *upstreams, unsigned max, unsigned *count, struct error *err);

/* --- namespaces (look/netns.c) --- */

struct look_netns {
	char name[NAME_SIZE];
	bool exists, stale, symlink, is_host;
	uint64_t cookie;
	ino_t inode;
	int nsid; /* -1: none */
};

/* One name in /run/netns. Not there: all false. */
int look_netns(struct kernel *kernel, const char *name, struct look_netns *ret, struct error *err);
/* The same for many, in their order; entering them one after the other is cheaper than one by one.
 * *ret is the caller's to free. */
int look_netns_many(struct kernel *kernel, const char *const *names, size_t count,
        struct look_netns **ret, struct error *err);
/* All of them, by name; files that are no namespace are left out, as are names that
 * parse_netns() refuses. *ret is the caller's to free. */
int look_netns_all(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err);
/* The same, but in no order and nothing but names, also of files that are no namespace: none is
 * opened. */
int look_netns_names(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err);
/* Processes whose network namespace has this inode. One walk of /proc for many: `counts[i]` belongs
 * to `inodes[i]`. */
int look_processes(const ino_t *inodes, unsigned *counts, unsigned count, struct error *err);

struct look_process {
	pid_t pid;
	char program[32]; /* printable */
};

/* (look/holders.c) All processes in this namespace. *ret is the caller's to free. */
int look_process_list(ino_t inode, struct look_process **ret, unsigned *count, struct error *err);

/* Whether the namespace of this name in /run/netns is also where it was found: 1 it is; 0 another
 * one is there, or none; a negative errno where that cannot be said. */
int look_source(const char *name, const char *source);
bool look_is_symlink(const char *name);
/* Processes in each of the namespaces of these names, one walk of /proc for all. What has no such
 * name counts as inhabited: its end is announced otherwise. */
int look_inhabitants(const char *const *names, unsigned *counts, unsigned count, struct error *err);

/* (look/holders.c) The same for one namespace, with a text that names some: "1234 (sleep), 99 (sh)
 * and 3 more". */
int look_inside(ino_t inode, unsigned *count, char *text, size_t size, struct error *err);
/*
 * Of a namespace that was removed: who holds it, where it lives on, in words that can stand behind
 * a colon. "": it is gone, or nobody was found within a tenth of a second (a socket holds it, or a
 * process that netd may not look at). It must have had a number in the host (nsid), as every
 * connected one has; else it is taken for gone.
 */
int look_holders(ino_t inode, int nsid, char *text, size_t size, struct error *err);

/* --- ports (look/ports.c) --- */

struct look_listener {
	uint8_t protocol;
	struct ip ip;
	uint16_t port;
	bool v6only;
	uint32_t inode;
	char unit[128]; /* systemd unit, else cgroup path, else "" */
};

/* Who listens on these TCP or SCTP ports, or is bound to these UDP ports, in `ns`: both families.
 * netd's own held sockets are left out. `*ret` is the caller's to free. */
int look_listeners(struct kernel *kernel, const char *ns, uint8_t protocol, uint16_t first,
        uint16_t last, struct look_listener **ret, unsigned *count, struct error *err);

/* The range that programs get their ports from when they name none, and which ports in it nobody
 * is to get that way (net.ipv4.ip_local_reserved_ports), as bits. */
struct look_local_ports {
	uint16_t first, last;
	uint8_t reserved[65536 / 8];
};

void look_local_ports(struct look_local_ports *ret);

/* Whether packets to this address are the host's own, as `fib daddr type local` sees it. */
int look_local_address(struct kernel *kernel, const struct ip *ip, bool *ret, struct error *err);
bool look_has_link(const char *ifname);

/* What netd's counting elements have counted, sorted. The caller gives back *ret. */
int look_counters(struct kernel *kernel, struct resources *ret, struct error *err);

/* --- other people's firewalls (look/firewall.c) --- */

/*
 * Forward chains of others (nf_tables, iptables-nft among them, and iptables-legacy) that end in
 * drop or reject and do not accept what enters and leaves by `bridges`: one sentence each, naming
 * family, table and chain, what it does, and the exact lasting command that helps (a rule in
 * DOCKER-USER, `ufw route allow`, firewalld's zone, or else nft). Up to max sentences.
 */
int look_firewall(struct kernel *kernel, const char (*bridges)[IFNAMSIZ], unsigned bridge_count,
        char (*sentences)[512], unsigned max, unsigned *count, struct error *err);

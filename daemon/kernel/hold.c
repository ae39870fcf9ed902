/*
 * RESOURCE_HOLD: a bound socket for each published port.
 *
 * A program that listens on a published port of the host would get nothing, since its packets are
 * translated away before they reach it, and would not know why. So netd takes the port: bound and
 * never listening (TCP), bound and deaf (UDP: a filter drops everything before it is queued). A
 * bound socket harms no translation, and keeps listeners out even if they say SO_REUSEADDR, as long
 * as it does not say so itself.
 *
 * The invariant: the table holds exactly the open sockets, and, under systemd, the descriptor store
 * the same; so what is observed after a restart is what was held before it.
 */
#include "daemon/kernel/hold.h"

#include "daemon/kernel/observation.h"
#include "lib/cleanup.h"

#include <bsd/sys/tree.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define HOLD_NAME_SIZE 80 /* "hold-tcp-0.0.0.0-8080": its name in the descriptor store */

struct held {
	RB_ENTRY(held) entry;
	uint8_t protocol;
	struct ip ip; /* family 0: every address of both families */
	uint16_t port;
	int fd; /* -1: nobody can listen there, as the kernel does not have the protocol */
	ino_t inode;
};

static int held_compare(const struct held *a, const struct held *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return ip_compare(&a->ip, &b->ip);
}

RB_HEAD(held_tree, held);
RB_GENERATE_INTERNAL(held_tree, held, entry, held_compare, static __attribute__((unused)))

struct holds {
	struct held_tree tree;
};

int holds_open(struct holds **ret, struct error *err)
{
	struct holds *holds = calloc(1, sizeof *holds);

	if (!holds)
		return error_memory(err);
	RB_INIT(&holds->tree);
	*ret = holds;
	return 0;
}

static void held_free(struct holds *holds, struct held *held)
{
	RB_REMOVE(held_tree, &holds->tree, held);
	closep(&held->fd);
	free(held);
}

struct holds *holds_close(struct holds *holds)
{
	if (holds)
		while (RB_ROOT(&holds->tree))
			held_free(holds, RB_ROOT(&holds->tree));
	free(holds);
	return NULL;
}

static struct held *find(
        const struct kernel *kernel, uint8_t protocol, const struct ip *ip, uint16_t port)
{
	struct held key = {.protocol = protocol, .ip = *ip, .port = port};

	return RB_FIND(held_tree, &kernel->holds->tree, &key);
}

/* Takes the descriptor over. There must be none of this key. */
static int add(struct kernel *kernel, uint8_t protocol, const struct ip *ip, uint16_t port, int fd,
        struct held **ret, struct error *err)
{
	struct held *held = malloc(sizeof *held);
	struct stat status = {0};

	if (!held) {
		closep(&fd);
		return error_memory(err);
	}
	if (fd >= 0)
		fstat(fd, &status);
	*held = (struct held){
	        .protocol = protocol, .ip = *ip, .port = port, .fd = fd, .inode = status.st_ino};
	RB_INSERT(held_tree, &kernel->holds->tree, held);
	*ret = held;
	return 0;
}

/* --- the socket --- */

static socklen_t to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = ip->family};
	if (ip->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, ip->bytes, sizeof in6->sin6_addr);
		return sizeof *in6;
	}
	((struct sockaddr_in *)ret)->sin_port = htons(port);
	memcpy(&((struct sockaddr_in *)ret)->sin_addr, ip->bytes, sizeof(struct in_addr));
	return sizeof(struct sockaddr_in);
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* A published address may come later than the publication: FREEBIND. `both`: a socket of IPv6 is
 * for IPv4, too. */
static int prepare(int fd, uint8_t protocol, uint8_t family, bool both)
{
	static struct sock_filter drop_all[] = {{.code = BPF_RET | BPF_K, .k = 0}};
	static const struct sock_fprog program = {.len = 1, .filter = drop_all};

	if (family == AF_INET && set_option(fd, IPPROTO_IP, IP_FREEBIND, 1) < 0)
		return -errno;
	if (family == AF_INET6 && (set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both) < 0 ||
	                                  set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) < 0))
		return -errno;
	if (protocol == IPPROTO_UDP &&
	        (set_option(fd, SOL_SOCKET, SO_RCVBUF, 0) < 0 ||
	                setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0))
		return -errno;
	return 0;
}

/*
 * Connections of a server that has just been stopped linger in TIME-WAIT and keep a plain bind out
 * for a minute. With SO_REUSEADDR during the bind alone they do not, a live listener still does,
 * and afterwards the socket refuses others again.
 */
static int bind_past_time_wait(int fd, const struct sockaddr *address, socklen_t size)
{
	int r;

	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -errno;
	r = bind(fd, address, size) < 0 ? -errno : 0;
	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0) < 0)
		return -errno;
	return r;
}

/* Asking for a socket would load a module that is not there; without it nobody can listen. */
static bool has_protocol(uint8_t protocol)
{
	return protocol != IPPROTO_SCTP || access("/proc/net/sctp", F_OK) == 0;
}

static int open_family(uint8_t protocol, const struct ip *ip, bool both, uint16_t port, int *ret)
{
	struct sockaddr_storage address;
	socklen_t size = to_sockaddr(ip, port, &address);
	_cleanup_(closep) int fd = socket(ip->family,
	        (protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, protocol);
	int r;

	if (fd < 0)
		return -errno;
	r = prepare(fd, protocol, ip->family, both);
	if (r < 0)
		return r;
	r = bind(fd, (struct sockaddr *)&address, size) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && protocol == IPPROTO_TCP)
		r = bind_past_time_wait(fd, (struct sockaddr *)&address, size);
	if (r < 0)
		return r;
	*ret = TAKE_FD(fd);
	return 0;
}

/* *ret is -1 where the kernel does not have the protocol, or the family. */
static int open_held(uint8_t protocol, const struct ip *ip, uint16_t port, int *ret)
{
	const struct ip any4 = {.family = AF_INET}, any6 = {.family = AF_INET6};
	int r = -EAFNOSUPPORT;

	*ret = -1;
	if (!has_protocol(protocol))
		return 0;
	if (ip->family != AF_INET)
		r = open_family(protocol, ip->family ? ip : &any6, !ip->family, port, ret);
	if (r == -EAFNOSUPPORT && ip->family != AF_INET6)
		r = open_family(protocol, ip->family ? ip : &any4, false, port, ret);
	return r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT ? 0 : r;
}

/* Whether a socket bound to :: is for IPv4, too. */
static bool is_for_both(int fd, const struct ip *ip)
{
	socklen_t size = sizeof(int);
	int only = 1;

	return ip->family == AF_INET6 && ip_is_any(ip) &&
	       getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0 && !only;
}

/* Which port a descriptor holds; false where it is no bound, idle socket of a protocol that is
 * held. */
static bool read_socket(int fd, uint8_t *protocol, struct ip *ip, uint16_t *port)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
	socklen_t size = sizeof address, option_size = sizeof(int);
	int kind, listening = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
	        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &kind, &option_size) < 0 ||
	        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_size) < 0 ||
	        listening || (kind != IPPROTO_TCP && kind != IPPROTO_UDP && kind != IPPROTO_SCTP))
		return false;
	*ip = (struct ip){.family = (uint8_t)address.ss_family};
	if (address.ss_family == AF_INET) {
		memcpy(ip->bytes, &in->sin_addr, sizeof in->sin_addr);
		*port = ntohs(in->sin_port);
	} else if (address.ss_family == AF_INET6) {
		memcpy(ip->bytes, &in6->sin6_addr, sizeof in6->sin6_addr);
		*port = ntohs(in6->sin6_port);
	} else {
		return false;
	}
	if (is_for_both(fd, ip))
		*ip = (struct ip){0};
	*protocol = (uint8_t)kind;
	return *port != 0;
}

/* --- systemd's descriptor store --- */

/* A name there may not contain ':'. */
static void store_name(const struct held *held, char ret[HOLD_NAME_SIZE])
{
	char text[IP_TEXT_SIZE] = "*";

	if (held->ip.family)
		ip_format(&held->ip, text);
	for (char *c = text; *c; c++)
		if (*c == ':')
			*c = '_';
	snprintf(ret, HOLD_NAME_SIZE, "hold-%s-%s-%u", protocol_name(held->protocol), text,
	        held->port);
}

/*
 * Best effort, and nothing outside of a systemd service: a hold that is not in the store is made
 * again at the next start. FDPOLL=0, because a bound TCP socket polls as hung up, and systemd would
 * drop it at once.
 */
static void store_push(const struct held *held)
{
	char name[HOLD_NAME_SIZE], message[HOLD_NAME_SIZE + 40];

	if (held->fd < 0)
		return;
	store_name(held, name);
	snprintf(message, sizeof message, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	sd_pid_notify_with_fds(0, 0, message, &held->fd, 1);
}

static void store_remove(const struct held *held)
{
	char name[HOLD_NAME_SIZE];

	if (held->fd < 0)
		return;
	store_name(held, name);
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int holds_adopt(struct kernel *kernel, int fd, struct error *err)
{
	uint8_t protocol;
	struct ip ip;
	uint16_t port;
	struct held *held;

	if (!read_socket(fd, &protocol, &ip, &port)) {
		close(fd);
		return error_set(
		        err, ERROR_KERNEL, EINVAL, "take over descriptor %d as a held port", fd);
	}
	if (find(kernel, protocol, &ip, port)) {
		close(fd);
		return 0;
	}
	return add(kernel, protocol, &ip, port, fd, &held, err);
}

bool holds_inode(const struct kernel *kernel, uint8_t protocol, const struct ip *ip, uint16_t port,
        uint32_t inode)
{
	const struct ip every = {0};
	const struct held *held = find(kernel, protocol, ip, port);

	if (!held && ip_is_any(ip))
		held = find(kernel, protocol, &every, port);
	return held && held->fd >= 0 && (uint32_t)held->inode == inode;
}

bool holds_free(uint8_t protocol, const struct ip *ip, uint16_t port)
{
	_cleanup_(closep) int fd = -1;

	return open_held(protocol, ip, port, &fd) != -EADDRINUSE;
}

/* --- the kind --- */

static const char *next_step(int errnum)
{
	switch (errnum) {
	case EADDRINUSE:
		return " (a program of this host has that port; `ss -lnp` names it: stop it, or "
		       "publish "
		       "on another port)";
	case EACCES:
		return " (netd needs CAP_NET_BIND_SERVICE for ports below "
		       "net.ipv4.ip_unprivileged_port_start)";
	case EMFILE:
		return " (netd needs one descriptor for each published port: raise LimitNOFILE=)";
	default:
		return "";
	}
}

static void forget(struct kernel *kernel, struct held *held)
{
	store_remove(held);
	held_free(kernel->holds, held);
}

/*
 * What an earlier netd held for IPv4 alone is held for both families now. Where that cannot be, as
 * someone listens on IPv6, it is as it was: a start must not fail for that.
 */
static int widen(struct kernel *kernel, const struct resource *new, int *fd)
{
	const struct ip any4 = {.family = AF_INET};
	struct held *held = find(kernel, new->hold.protocol, &any4, new->hold.port);
	int r;

	if (new->hold.ip.family || !held)
		return -EADDRINUSE;
	forget(kernel, held);
	r = open_held(new->hold.protocol, &new->hold.ip, new->hold.port, fd);
	return r < 0 ? open_held(new->hold.protocol, &any4, new->hold.port, fd) : r;
}

static int hold(struct kernel *kernel, const struct resource *new, struct error *err)
{
	struct held *held;
	char text[HOST_TEXT_SIZE];
	int fd = -1, r;

	if (find(kernel, new->hold.protocol, &new->hold.ip, new->hold.port))
		return 0;
	r = open_held(new->hold.protocol, &new->hold.ip, new->hold.port, &fd);
	if (r == -EADDRINUSE)
		r = widen(kernel, new, &fd);
	if (r < 0)
		return error_set(err, r == -EADDRINUSE ? ERROR_EXISTS : ERROR_KERNEL, -r,
		        "hold port %u/%s of %s%s", new->hold.port,
		        protocol_name(new->hold.protocol), host_format(&new->hold.ip, text),
		        next_step(-r));
	r = add(kernel, new->hold.protocol, &new->hold.ip, new->hold.port, fd, &held, err);
	if (r < 0)
		return r;
	store_push(held);
	return 0;
}

static void let_go(struct kernel *kernel, const struct resource *old)
{
	struct held *held = find(kernel, old->hold.protocol, &old->hold.ip, old->hold.port);

	if (held)
		forget(kernel, held);
}

static int hold_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	if (step->new) {
		int r = hold(kernel, step->new, err);

		if (r < 0)
			return r;
	} else {
		let_go(kernel, step->old);
	}
	step->done = true;
	return 0;
}

static int hold_observe(struct observation *observation, struct resources *ret, struct error *err)
{
	struct held *held;

	RB_FOREACH (held, held_tree, &observation->kernel->holds->tree) {
		struct resource *resource = resources_add(ret, RESOURCE_HOLD, "", "");

		if (!resource)
			return error_memory(err);
		resource->hold.protocol = held->protocol;
		resource->hold.ip = held->ip;
		resource->hold.port = held->port;
	}
	return 0;
}

static void hold_tell(const struct step *step, FILE *out)
{
	const struct resource *resource = step->new ? step->new : step->old;
	char text[HOST_TEXT_SIZE];

	fprintf(out, "# netd's own socket %s %s:%u/%s, so that no program can listen there\n",
	        step->new ? "takes" : "lets go of", host_format(&resource->hold.ip, text),
	        resource->hold.port, protocol_name(resource->hold.protocol));
}

const struct kind kind_hold = {
        .name = "hold",
        .apply = hold_apply,
        .observe = hold_observe,
        .tell = hold_tell,
};

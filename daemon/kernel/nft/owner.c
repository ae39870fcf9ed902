/*
 * Who owns the tables. A table that is owned can be changed through one socket only, and a foreign
 * `nft flush ruleset` passes over it; one that also persists outlives that socket as an orphan,
 * which anyone may change and netd claims again. netd never has the one without the other, since
 * an owned table that does not persist ends with the socket, and all traffic with it.
 *
 * The owner is the socket that changes travel through. Under systemd it is kept in the descriptor
 * store, so that the tables have an owner through every restart and crash.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft/internal.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* --- whether this kernel has it --- */

static int find_persistent(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attr;
	bool *found = arg;

	mnl_attr_for_each(attr, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS &&
		        mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*found |= (ntohl(mnl_attr_get_u32(attr)) & NFT_TABLE_PERSIST) != 0;
	}
	return MNL_CB_OK;
}

/* Asks for a table that there will never be: the kernel looks at it, and throws it away. */
static int try_one(struct nft *nft, bool *ret, struct error *err)
{
	struct nlmsghdr *message = nft_queue(nft, NFT_MSG_NEWTABLE, NFPROTO_INET,
	        NLM_F_CREATE | NLM_F_EXCL, "try table inet netd-try, with an owner");
	int r;

	if (!message)
		return error_memory(err);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, "netd-try");
	mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_OWNED));
	nft_queued(nft, message);
	r = nft_try(nft, err);
	if (r < 0 && err->errnum != EOPNOTSUPP && err->errnum != EINVAL)
		return r;
	*ret = r == 0;
	return 0;
}

int nft_owner_probe(struct nft *nft, bool *ret, struct error *err)
{
	bool found = false;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < NFT_DUMP_TRIES; i++)
		r = nft_dump(nft, NFT_MSG_GETTABLE, AF_UNSPEC, NULL, find_persistent, &found, err);
	if (r < 0)
		return r;
	if (!found) /* the other question costs a grace period of the kernel */
		return try_one(nft, ret, err);
	*ret = true;
	return 0;
}

/* --- the socket --- */

static bool has_option(int fd, int option, int wanted)
{
	socklen_t size = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool is_same_host(int fd, int other)
{
	uint64_t one = 0, two = 0;
	socklen_t size = sizeof(one);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &one, &size) == 0 &&
	       getsockopt(other, SOL_SOCKET, SO_NETNS_COOKIE, &two, &size) == 0 && one == two;
}

/* What is wrong with a descriptor that was handed over; NULL: it can be the owner. */
static const char *objection(const struct nft *nft, int fd)
{
	struct sockaddr_nl address = {0};
	socklen_t size = sizeof(address);

	if (!has_option(fd, SO_DOMAIN, AF_NETLINK) ||
	        !has_option(fd, SO_PROTOCOL, NETLINK_NETFILTER))
		return "it is no netfilter socket";
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.nl_pid == 0)
		return "it has no port id";
	if (!is_same_host(fd, mnl_socket_get_fd(nft->changes)))
		return "it is a socket of another network namespace";
	return NULL;
}

/* What was answered to the one who had it before is nobody's answer now. */
static void drain(int fd)
{
	char byte;

	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS ||
	        errno == EINTR)
		;
}

int nft_adopt(struct nft *nft, int fd, struct error *err)
{
	const char *wrong = nft->adopted ? "there is one already" : objection(nft, fd);
	struct mnl_socket *socket = wrong ? NULL : mnl_socket_fdopen(fd);

	assert(nft->count == 0);
	if (!socket) {
		close(fd);
		return error_set(err, ERROR_KERNEL, wrong ? 0 : errno,
		        "take over descriptor %d as the owner of netd's tables%s%s", fd,
		        wrong ? ": " : "", wrong ? wrong : "");
	}
	drain(fd);
	mnl_socket_close(nft->changes);
	nft->changes = socket;
	nft->adopted = true;
	nft_ask_for_details(socket);
	return 0;
}

void nft_keep(struct nft *nft)
{
	int fd = mnl_socket_get_fd(nft->changes);

	if (nft->owns && nft->adopted)
		return;
	sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" OWNER_FD_NAME);
	if (nft->owns)
		sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDPOLL=0\nFDNAME=" OWNER_FD_NAME, &fd, 1);
}

bool nft_owns(const struct nft *nft)
{
	return nft->owns;
}

uint32_t nft_port_id(const struct nft *nft)
{
	return mnl_socket_get_portid(nft->changes);
}

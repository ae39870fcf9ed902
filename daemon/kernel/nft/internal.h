/* What nft.c and nft/batch.c share: the sockets and the batch being built. */
#pragma once

#include "daemon/kernel/nft.h"

/* A whole message, or one element, which shares a message with its neighbours. */
struct nft_entry {
	uint16_t type; /* NFT_MSG_* */
	uint16_t family;
	char *label;                   /* owned; messages only */
	struct nlmsghdr *message;      /* owned; NULL: an element */
	const struct element *element; /* borrowed */
	uint32_t offset;               /* element: where it stands in its message */
	bool gone;                     /* a removal that finds nothing to remove: not sent */
};

struct nft {
	struct mnl_socket
	        *changes; /* batches only; closing one that removed elements waits for the kernel */
	struct mnl_socket *questions;
	uint32_t sequence;
	uint32_t commits; /* batches that the kernel took */
	struct nft_entry *entries;
	size_t count, capacity;
	char *label;      /* of the message being built */
	uint32_t removed; /* bit per family: its table is removed by this batch */
	bool unsure;      /* the answer to the last batch was lost */
	bool broken;      /* a queued message was lost for want of memory */
	bool owns;        /* tables are made to be owned by `changes` */
	bool adopted;     /* `changes` comes from the descriptor store */
	union {
		struct nlmsghdr message;
		char bytes[NFT_MESSAGE_SIZE];
	} building;
};

struct nft_entry *nft_entry_add(struct nft *nft, uint16_t type, uint16_t family);

/* Texts and offsets in errors, and no copy of what was refused. Kernels that lack them give plain
 * numbers. */
void nft_ask_for_details(struct mnl_socket *socket);
/* Whether this kernel has tables with an owner that outlive it: asked, and never assumed. */
int nft_owner_probe(struct nft *nft, bool *ret, struct error *err);

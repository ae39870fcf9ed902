/*
 * nf_tables over one nfnetlink socket that is open for the daemon's life: batches that are atomic
 * and synchronous, dumps, and errors by the label of the message that was refused.
 */
#pragma once

#include "daemon/kernel/kernel.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

struct nft;

/* `own`: tables are to be owned, where this kernel has tables that outlive their owner. */
int nft_open(struct nft **ret, bool own, struct error *err);
struct nft *nft_close(struct nft *nft);

/* NFPROTO_* and the bare name of a table that is named like "inet netd". */
uint16_t nft_family(const char *table);
const char *nft_table_name(const char *table);

/* --- one batch (nft.c queues, nft/batch.c commits) --- */

/*
 * Appends one message to the batch being built (it opens one where there is none). `type` is
 * NFT_MSG_*, `family` NFPROTO_INET or NFPROTO_BRIDGE, `flags` NLM_F_CREATE, NLM_F_EXCL, ... `label`
 * ("add chain inet netd nd_guard") starts the sentence of its error. The message takes
 * NFT_MESSAGE_SIZE bytes at most. NULL: out of memory.
 */
struct nlmsghdr *nft_queue(
        struct nft *nft, uint16_t type, uint16_t family, uint16_t flags, const char *label);
#define NFT_MESSAGE_SIZE 8192
/* Call when the message is complete, with attributes appended. */
void nft_queued(struct nft *nft, struct nlmsghdr *message);
/*
 * Appends the addition (NFT_MSG_NEWSETELEM) or removal (NFT_MSG_DELSETELEM) of one element, which
 * is borrowed until the batch is committed or abandoned. Neighbours of one set share a message, but
 * an error names the very element. Removing an element that is gone, or goes with its table in this
 * batch, is success.
 */
int nft_queue_element(
        struct nft *nft, uint16_t type, const struct element *element, struct error *err);
/* Commits the batch: all or nothing. Nothing queued: success. The number of changing messages is
 * added to *changes. */
int nft_commit(struct nft *nft, unsigned long *changes, struct error *err);
/* Has the kernel examine the batch and throw it away, as `nft --check` does. */
int nft_try(struct nft *nft, struct error *err);
/* Whether the last commit failed because its answer was lost: then it may be in the kernel or not.
 */
bool nft_unsure(const struct nft *nft);
/* Throws the batch away. */
void nft_abandon(struct nft *nft);

/* --- who owns the tables (nft/owner.c) --- */

/* Flags of a table. The headers of older kernels lack the second. */
#define NFT_TABLE_OWNER   0x2u
#define NFT_TABLE_PERSIST 0x4u /* Linux 6.9 */
#define NFT_TABLE_OWNED   (NFT_TABLE_OWNER | NFT_TABLE_PERSIST)

/*
 * Takes over the socket that changes travel through, and with it the tables that it owns, from the
 * descriptor store. One that is no netfilter socket of this network namespace is closed: a
 * sentence, and the fresh one goes on. Before anything is queued.
 */
int nft_adopt(struct nft *nft, int fd, struct error *err);
/* Puts that socket into the descriptor store if it is to own tables, and takes it out if not. Best
 * effort, and nothing outside of a systemd service. */
void nft_keep(struct nft *nft);
/* Whether tables are made to be owned, and stay behind as orphans. */
bool nft_owns(const struct nft *nft);
/* The owner that the kernel names for a table of netd's. */
uint32_t nft_port_id(const struct nft *nft);

/* --- questions --- */

/*
 * Reads all of `type` (NFT_MSG_GET*). `fill` may append attributes that narrow it down (NULL:
 * none); `each` gets every answer and returns MNL_CB_OK, or MNL_CB_ERROR with errno set. -ENOENT:
 * there is no such table or set. -EINTR: the ruleset changed meanwhile; what `each` has got is to
 * be thrown away and the dump begun again.
 */
int nft_dump(struct nft *nft, uint16_t type, uint16_t family,
        int (*fill)(struct nlmsghdr *message, void *arg),
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err);
/*
 * A number that stays the same for as long as no one but this socket changes the ruleset: the
 * kernel's generation less netd's own commits. (A batch of netd's that finds nothing left to change
 * is counted, too, though the kernel does not: so this may serve advice, but no decision.)
 */
int nft_others_generation(struct nft *nft, uint32_t *ret, struct error *err);
/* How often a dump is begun again before that is an error. */
#define NFT_DUMP_TRIES 16

/* The instance whose mark this table bears ("inet netd"); "" where it bears none or is not there.
 */
int nft_table_instance(struct nft *nft, const char *table, char ret[33], struct error *err);
/* Whether a table is in scope: it bears this instance's mark or none, or whosever it is with
 * SCOPE_ALL. */
int nft_table_in_scope(struct kernel *kernel, const char *table, enum kernel_scope scope, bool *ret,
        struct error *err);
/* Appends all that is in one set as resources: nothing where there is no such set. */
int nft_set_read(struct nft *nft, const struct set *set, struct resources *ret, struct error *err);

/* --- wire form --- */

/* The comment in the user data of a table or rule; *ret is left as it is where there is none. */
void nft_comment_read(const void *data, size_t size, char *ret, size_t ret_size);
/* The verdict in an element's data (NFT_DROP, NF_ACCEPT, NFT_GOTO, ...) and the chain it leads to,
 * "" where to none. False: there is no verdict. */
bool nft_verdict_read(const struct nlattr *data, int *code, const char **chain);
/* The nftables type number of a concatenation of fields, as `nft` writes and reads it. */
uint32_t nft_fields_type(const enum field fields[SET_FIELDS_MAX]);
/* NFT_SET_* */
uint32_t nft_set_flags(const struct set *set);
/* Queues the creation of an empty set. -ENOMEM. */
int nft_set_queue(struct nft *nft, const struct set *set);
/* The same as a block of nft's text. */
void nft_set_tell(const struct set *set, FILE *out);
/* A counter; a limit, which matches what exceeds so many bytes per second. */
void nft_counter_put(struct nlmsghdr *message, uint16_t attribute);
void nft_limit_put(struct nlmsghdr *message, uint16_t attribute, uint64_t rate);
/* Reads either into an element of its set. */
void nft_state_read(const struct nlattr *expr, struct element *element);
/* Appends one element to a list of elements; `with_data` also the right side of a map's, and its
 * rate. */
void nft_element_put(struct nlmsghdr *message, const struct element *element, bool with_data);
#define NFT_ELEMENT_SIZE 512 /* more than it takes */

/* What is in the table `inet netd` or `bridge netd` of this program and instance when nobody has
 * touched it, as RESOURCE_SKELETON's text: the mark, that it outlives its owner (`owned`), chains,
 * sets, and the marks of the rules in order. NULL: out of memory. */
char *nft_skeleton_fingerprint(const char *table, const char *instance, bool owned);

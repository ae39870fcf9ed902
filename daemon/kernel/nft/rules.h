/*
 * The rules of the skeleton as data: for each its text, exactly as `nft list` prints it, beside its
 * expressions, which are what the kernel gets. A test loads both and compares.
 */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

struct nft;

enum expr_op {
	EXPR_END,
	EXPR_META,        /* key -> reg */
	EXPR_LOAD,        /* `size` bytes at `offset` of the header `key` -> reg */
	EXPR_CT,          /* key -> reg */
	EXPR_CT_ORIGINAL, /* key of the direction that the flow began in -> reg */
	EXPR_FIB_TYPE,    /* type of the destination address -> reg */
	EXPR_HTON, /* reg; a no-op on one byte that nft puts before a protocol in a concatenation of
	              intervals */
	EXPR_IS,   /* reg == `size` of bytes (`inverted`: is not) */
	EXPR_IS_NUMBER, /* reg == number, in host order */
	EXPR_MASK,      /* reg &= `size` of bytes */
	EXPR_ANY_BIT,   /* (reg & number) != 0 */
	EXPR_IN,        /* reg is in the set `name` (`inverted`: is not) */
	EXPR_ONE_OF, /* reg is one of `bytes`, an anonymous set of `count` (`inverted`: is not) */
	EXPR_MAP,    /* reg -> map `name` -> register `to`; 0: the verdict */
	EXPR_NAT,    /* family `key`, address in reg, port in `to`; 0: the port stays. `inverted`:
	                of the source */
	EXPR_MASQUERADE,
	EXPR_PKTTYPE, /* whom it is for becomes the byte, by way of reg */
	EXPR_VERDICT, /* number; chain `name` */
};

/* Of an anonymous set, as nft has to know it to print it. */
struct expr_type {
	uint32_t number; /* nftables' number of the datatype */
	uint32_t size;   /* bytes of one value */
	uint32_t order;  /* 1: host, 2: network */
};

struct expr {
	enum expr_op op;
	uint8_t reg, to;
	bool inverted;
	uint8_t count;
	uint32_t key, offset, size, number;
	const char *name;
	const struct expr_type *type;
	uint8_t bytes[16];
};

struct chain {
	const char *table; /* "inet netd" */
	const char *name;
	const char *type; /* NULL: not a base chain; always `policy accept` else */
	uint32_t hook;
	int32_t priority;
	const char *hook_text; /* "prerouting priority raw" */
};

struct rule {
	const char *table;
	const char *chain;
	const char *text;
	const struct expr *exprs;
};

/* Both end with a table of NULL; rules of one chain stand in their order. */
extern const struct chain chains[];
extern const struct rule rules[];

/* A short mark that is another one for every other rule: it is the rule's comment. */
#define RULE_MARK_SIZE 16
const char *rule_mark(const struct rule *rule, char mark[RULE_MARK_SIZE]);

/* Queues the rule, after the anonymous set it may need. -ENOMEM. */
int rule_queue(struct nft *nft, const struct rule *rule);

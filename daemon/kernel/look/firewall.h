/*
 * What the files of look_firewall share: a packet of which only little is known, and what rules do
 * to it.
 *
 * The packet is the first of a flow that enters or leaves by one of netd's bridges; where it comes
 * from or goes to otherwise is not known. So a condition holds, does not hold, or cannot be told;
 * and a rule that accepts what comes from the bridge and goes out by a certain other interface
 * counts as accepting it: whoever wrote that has thought of the bridge.
 */
#pragma once

#include "daemon/kernel/nft.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

struct firewall_packet {
	const char *ifname; /* the bridge */
	unsigned ifindex;   /* 0: it is not there yet */
	bool enters;        /* goes out by the bridge, to a namespace; else comes from it */
	uint8_t family;     /* NFPROTO_IPV4, NFPROTO_IPV6 */
};

/* How a rule's conditions fit the packet. None of them: it matches. */
struct firewall_match {
	bool never;   /* one does not hold */
	bool unknown; /* one cannot be told */
	bool other;   /* one is about the interface on the other side */
	bool named;   /* one is about the bridge, and holds */
};

enum firewall_verdict {
	FIREWALL_NONE, /* goes on with the next rule, or back to the chain that jumped here */
	FIREWALL_ACCEPT,
	FIREWALL_DROP,
	FIREWALL_JUMP,
	FIREWALL_GOTO,
	FIREWALL_RETURN,
};

struct firewall_action {
	enum firewall_verdict verdict;
	char chain[NFT_CHAIN_MAXNAMELEN]; /* of a jump */
};

/* --- attributes: of other people's rules nothing is expected. (libnftnl would end the process
 * where the kernel sends an attribute of another size than it knows.) NULL for `nest` is an empty
 * one. --- */

/* The attribute of this type within another; NULL: none. */
const struct nlattr *firewall_attribute(const struct nlattr *nest, uint16_t type);
/* Its number or its text; false and NULL where there is none. */
bool firewall_number(const struct nlattr *nest, uint16_t type, uint32_t *ret);
const char *firewall_text(const struct nlattr *nest, uint16_t type);
/* The bytes, or the verdict, of a nest with NFTA_DATA_*. */
const uint8_t *firewall_value(const struct nlattr *nest, size_t *size);
struct firewall_action firewall_verdict_in(const struct nlattr *nest);

/* --- registers, of which each word of four bytes is known or not --- */

#define FIREWALL_WORDS 20

enum firewall_word {
	WORD_UNKNOWN,
	WORD_KNOWN,
	WORD_BRIDGE, /* known, and it is the bridge */
	WORD_OTHER,  /* the interface on the other side */
};

struct firewall_registers {
	enum firewall_word state[FIREWALL_WORDS];
	uint8_t bytes[4 * FIREWALL_WORDS];
};

/* The word that a register starts at: 1 to 4 are sixteen bytes each, from 8 on they are four. -1:
 * there is none. */
int firewall_word_of(uint32_t reg);
/* What is known of `size` bytes from a word on: the least of all words. */
enum firewall_word firewall_known(
        const struct firewall_registers *registers, int word, size_t size);

/* A lookup of what stands from `word` on. */
struct firewall_search {
	const struct firewall_registers *registers;
	int word;
	const char *table, *set;
	bool unknown; /* it cannot be told */
	bool found;   /* of what is known of the key; `other`: the rest of it is the other side */
	bool other, bridge;            /* part of the key */
	struct firewall_action action; /* of a map of verdicts */
};

int firewall_search(
        struct nft *nft, uint16_t family, struct firewall_search *search, struct error *err);

/* --- rules --- */

/* What one nf_tables rule, as the kernel sends it, does to the packet. It may have to read sets. */
int firewall_rule(struct nft *nft, const char *table, uint16_t family, const struct nlmsghdr *rule,
        const struct firewall_packet *packet, struct firewall_match *match,
        struct firewall_action *ret, struct error *err);

/* Whether the match is good enough for this verdict. */
bool firewall_applies(const struct firewall_match *match, enum firewall_verdict verdict);

/* The FORWARD chain of iptables-legacy. *ret: what it does; FIREWALL_NONE where there is none. */
int firewall_legacy(
        const struct firewall_packet *packet, enum firewall_verdict *ret, struct error *err);

/* --- findings --- */

struct firewall_chain {
	uint16_t family;
	bool forward; /* a base chain at the forward hook */
	bool policy_drop;
	char table[NFT_TABLE_MAXNAMELEN], name[NFT_CHAIN_MAXNAMELEN];
};

struct bridges {
	const char (*names)[IFNAMSIZ];
	unsigned count;
};

enum firewall_keeper {
	KEEPER_NFT, /* someone's ruleset file */
	KEEPER_IPTABLES,
	KEEPER_LEGACY, /* no chain of nf_tables */
	KEEPER_DOCKER,
	KEEPER_UFW,
	KEEPER_FIREWALLD,
};

struct firewall_finding {
	const struct firewall_chain *chain; /* NULL: KEEPER_LEGACY */
	enum firewall_keeper keeper;
	bool leaving, entering; /* what it drops */
	const char **bridges;   /* whose */
	unsigned bridge_count;
};

/* The sentence: table, chain, what it drops, and the command that helps. */
void firewall_advise(const struct firewall_finding *finding, char *text, size_t size);

/*
 * What was found out about other people's nf_tables rules, for as long as they do not change them:
 * reading a large ruleset for every connect would make each as slow as that is long.
 */
#pragma once

#include "daemon/kernel/nft.h"

#include <net/if.h>
#include <stdbool.h>

struct firewall_memory;

/* What the answer depends on, beside the ruleset. */
struct firewall_question {
	char bridge[IFNAMSIZ];
	unsigned ifindex;
	bool ipv6; /* the bridge has an address of it */
};

struct firewall_memory *firewall_memory_free(struct firewall_memory *memory);

/*
 * Call before anything is read. Forgets everything if anyone else has changed the ruleset since the
 * last time, and makes *memory if there is none. -ENOMEM, or the kernel's refusal.
 */
int firewall_memory_refresh(struct firewall_memory **memory, struct nft *nft, struct error *err);
/* Whether the answer is known. */
bool firewall_recall(const struct firewall_memory *memory, const struct firewall_question *question,
        char (*sentences)[512], unsigned max, unsigned *count);
/* Keeps an answer, in place of the oldest if there are many. */
void firewall_remember(struct firewall_memory *memory, const struct firewall_question *question,
        char (*sentences)[512], unsigned count);

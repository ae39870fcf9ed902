/*
 * A few answers, all of one state of the ruleset. The invariant: what is remembered was found out
 * after the generation that it is filed under was asked for, so a change in between makes it
 * forgotten too early, never too late.
 */
#include "daemon/kernel/look/firewall_memory.h"

#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX 16 /* bridges that are worked on in turn */

struct known {
	struct firewall_question question;
	char (*sentences)[512]; /* owned; NULL: none */
	unsigned count;
};

struct firewall_memory {
	uint32_t generation;
	struct known known[ANSWERS_MAX];
	unsigned count, next;
};

static void forget(struct firewall_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		free(memory->known[i].sentences);
	memory->count = memory->next = 0;
}

struct firewall_memory *firewall_memory_free(struct firewall_memory *memory)
{
	if (memory)
		forget(memory);
	free(memory);
	return NULL;
}

int firewall_memory_refresh(struct firewall_memory **memory, struct nft *nft, struct error *err)
{
	uint32_t generation;
	int r = nft_others_generation(nft, &generation, err);

	if (r < 0)
		return r;
	if (!*memory)
		*memory = calloc(1, sizeof(**memory));
	if (!*memory)
		return error_memory(err);
	if ((*memory)->generation != generation)
		forget(*memory);
	(*memory)->generation = generation;
	return 0;
}

static bool is_same(const struct firewall_question *a, const struct firewall_question *b)
{
	return a->ifindex == b->ifindex && a->ipv6 == b->ipv6 && strcmp(a->bridge, b->bridge) == 0;
}

bool firewall_recall(const struct firewall_memory *memory, const struct firewall_question *question,
        char (*sentences)[512], unsigned max, unsigned *count)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct known *known = &memory->known[i];

		if (!is_same(&known->question, question) || known->count > max)
			continue;
		if (known->count)
			memcpy(sentences, known->sentences, known->count * sizeof(*sentences));
		*count = known->count;
		return true;
	}
	return false;
}

void firewall_remember(struct firewall_memory *memory, const struct firewall_question *question,
        char (*sentences)[512], unsigned count)
{
	struct known known = {.question = *question, .count = count};

	if (count) {
		known.sentences = malloc(count * sizeof(*sentences));
		if (!known.sentences)
			return; /* it is found out again */
		memcpy(known.sentences, sentences, count * sizeof(*sentences));
	}
	if (memory->count == ANSWERS_MAX)
		free(memory->known[memory->next].sentences);
	else
		memory->count++;
	memory->known[memory->next] = known;
	memory->next = (memory->next + 1) % ANSWERS_MAX;
}

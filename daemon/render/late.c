/*
 * What a namespace sends by a port of UDP whose flows were ended just now is held back for a while.
 * Else an answer that was under way would begin a flow of its own, of the other direction. Where
 * the port outside has the same number, the masquerade gives it that one; where the network is
 * routed, there is none: and so what the client sends goes on coming in.
 *
 * The elements come with the batch that takes the publication out, so that there is no moment
 * between. They are nobody's to remove: the kernel forgets them. Ranges are cut at fixed borders,
 * since intervals of one set may be the same but never overlap, and what is unpublished next may
 * overlap with what was before.
 */
#include "daemon/render/elements.h"
#include "daemon/render/render.h"

#define BLOCK 64u

static int add(struct resources *list, const struct ip *ip, unsigned first, unsigned last)
{
	static const char *const names[2][2] = {
	        {"nd_late4", "nd_late6"}, {"nd_laterng4", "nd_laterng6"}};
	struct element *element =
	        element_add(list, "inet netd", names[last > first][ip->family == AF_INET6]);

	if (!element)
		return -1;
	element_key_ip(element, ip);
	element_key_ports(element, (uint16_t)first, (uint16_t)last);
	return 0;
}

int render_late(const struct tombstone *tombstone, struct resources *ret, struct error *err)
{
	unsigned port = tombstone->port, end = tombstone->port_end;
	int r = 0;

	if (tombstone->kind != TOMBSTONE_FLOWS || tombstone->protocol != IPPROTO_UDP || !port ||
	        tombstone->through != port)
		return 0;
	while (r == 0 && port <= end) {
		bool whole = port % BLOCK == 0 && port + BLOCK - 1 <= end;
		unsigned last = whole ? port + BLOCK - 1 : port;

		r = add(ret, &tombstone->ip, port, last);
		port = last + 1;
	}
	return r < 0 ? error_memory(err) : 0;
}

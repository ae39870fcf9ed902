/*
 * What is known of links between namespaces without being stored. Both ends of a link are alike:
 * which one is the first says no more than who was named first.
 */
#include "daemon/model/ns_link.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "nv"

void ns_link_name(const struct ns_link *link, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, PREFIX "%s", link->id);
}

const struct ns_link *ns_link_by_name(const struct model *model, const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0
	               ? model_ns_link(model, name + strlen(PREFIX))
	               : NULL;
}

const char *ns_link_format(const struct ns_link *link, char text[NS_LINK_TEXT_SIZE])
{
	snprintf(text, NS_LINK_TEXT_SIZE, "%s:%s %s:%s", link->ends[0].namespace,
	        link->ends[0].ifname, link->ends[1].namespace, link->ends[1].ifname);
	return text;
}

bool ns_link_has_ip6(const struct ns_link *link)
{
	for (unsigned end = 0; end < 2; end++)
		for (unsigned i = 0; i < link->ends[end].address_count; i++)
			if (link->ends[end].addresses[i].ip.family == AF_INET6)
				return true;
	return false;
}

const struct ns_link *namespace_next_link(
        const struct model *model, const char *ns, char key[KEY_SIZE], unsigned *end)
{
	const struct reference *reference;
	const struct ns_link *link;
	char prefix[NAME_SIZE + 2];

	snprintf(prefix, sizeof(prefix), "%s/", ns);
	reference = model_next_in(model, TABLE_LINKED, prefix, key);
	if (!reference)
		return NULL;
	link = model_ns_link(model, reference->owner);
	*end = strcmp(link->ends[0].namespace, ns) != 0;
	return link;
}

bool namespace_has_links(const struct model *model, const char *ns)
{
	char key[KEY_SIZE] = "";
	unsigned end;

	return namespace_next_link(model, ns, key, &end) != NULL;
}

/* Links: what users call the veth pairs from one namespace to another. */
#pragma once

#include "daemon/model/model.h"

/* What the resources of a link are listed by, and what its ends are called while they wait for
 * their deletion: "nv" and its id. */
void ns_link_name(const struct ns_link *link, char ret[IFNAMSIZ]);
/* The link that is listed by this name; NULL: there is none. */
const struct ns_link *ns_link_by_name(const struct model *model, const char *name);
/* "a:eth0 b:eth1"; returns text. */
#define NS_LINK_TEXT_SIZE (2 * (NAME_SIZE + IFNAMSIZ))
const char *ns_link_format(const struct ns_link *link, char text[NS_LINK_TEXT_SIZE]);
/* Whether it has IPv6: an end of it has an address of that. */
bool ns_link_has_ip6(const struct ns_link *link);
/* The next link of a namespace, and which of its ends is there; start with *key = "". NULL at the
 * end. */
const struct ns_link *namespace_next_link(
        const struct model *model, const char *ns, char key[KEY_SIZE], unsigned *end);
bool namespace_has_links(const struct model *model, const char *ns);

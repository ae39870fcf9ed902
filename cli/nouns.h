/* The functions of the command table, each in the file of its noun. All return the exit status. */
#pragma once

#include "cli/noun.h"

extern const struct noun network_noun;
extern const struct noun namespace_noun;
extern const struct noun publication_noun;
extern const struct noun link_noun;

int network_create(const struct call *call);
int network_set(const struct call *call);
int network_allow(const struct call *call);
int network_disallow(const struct call *call);
int namespace_create(const struct call *call);
int namespace_set(const struct call *call);
int namespace_attach(const struct call *call);
int namespace_detach(const struct call *call);
int namespace_move_in(const struct call *call);
int namespace_move_out(const struct call *call);
int namespace_pids(const struct call *call);
int namespace_identify(const struct call *call);
int endpoint_connect(const struct call *call);
int endpoint_set(const struct call *call);
int endpoint_disconnect(const struct call *call);
int link_create(const struct call *call);
int link_set(const struct call *call);
int link_remove(const struct call *call);
int publication_publish(const struct call *call);
int publication_unpublish(const struct call *call);
/* Returns only where the command could not be started. */
int exec_run(const struct call *call);
int events_show(const struct call *call);
int pools_show(const struct call *call);
int version_show(const struct call *call);
int help_show(const struct call *call);

/* One line for each endpoint of an object, beginning with the endpoint's field `first` ("network"
 * or "namespace"). Allocated; NULL where memory is out. */
char *endpoint_lines(const json_t *object, const char *first);
/* One line for each link of a namespace. Allocated; NULL where memory is out. */
char *link_lines(const json_t *ns);
/* The addresses of an endpoint, or of a link's end, joined with ", ". Allocated. */
char *endpoint_addresses(const json_t *endpoint);

/* The nf_tables elements of each object, and what permissions need beside them. Each returns 0, or
 * -1 when there is no memory. */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

/* An element without its fields; NULL: there is no memory. */
struct element *element_add(struct resources *list, const char *table, const char *set);
/* An element of a set of interface names of the table inet. */
int element_add_interface(struct resources *list, const char *set, const char *interface);
int add_network_elements(
        const struct model *model, const struct network *network, struct resources *list);
int add_endpoint_elements(
        struct resources *list, const struct network *network, const struct endpoint *endpoint);
/* Of all endpoints of a namespace, whose resources begin at `first` in the list. */
int add_permissions(const struct model *model, const struct namespace *ns, size_t first,
        struct resources *list);
int add_switched_element(struct resources *list, const char *interface, int family);

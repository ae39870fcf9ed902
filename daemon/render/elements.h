/* The nf_tables elements of each object. Each returns 0, or -1 when there is no memory. */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

/* An element without its fields; NULL: there is no memory. */
struct element *element_add(struct resources *list, const char *table, const char *set);
int add_network_elements(struct resources *list, const struct network *network);
int add_endpoint_elements(struct resources *list, const struct endpoint *endpoint);
int add_lan_elements(struct resources *list, const char *interface, const uint8_t mac[MAC_SIZE]);
int add_switched_element(struct resources *list, const char *interface, int family);

/* The nf_tables elements of each object. Each returns 0, or -1 when there is no memory. */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

int add_network_elements(struct resources *list, const struct network *network);
int add_endpoint_elements(struct resources *list, const struct endpoint *endpoint);
int add_publication_element(
        struct resources *list, const struct publication *publication, const struct ip *target);
int add_switched_element(struct resources *list, const char *interface, int family);

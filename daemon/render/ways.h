/* The routes of an endpoint inside its namespace. */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

/* Its part of the default routes, the routes of its network, and its own table where it has one. 0,
 * or -1 when there is no memory. */
int add_ways_out(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, struct resources *list);

/* What model.c and index.c share: how an object claims its keys in the indexes. */
#pragma once

#include "daemon/model/model.h"

/* Claims what the object needs in the indexes, or withdraws it. NULL: no object, nothing to do. 0
 * or -ENOMEM. */
int model_index(struct model *model, enum model_table table, const void *object, bool withdraw);
/* Puts a plain object into a table, as it is; NULL removes. 0 or -ENOMEM. */
int model_put_copy(struct model *model, enum model_table table, const char *key, const void *object,
        size_t size);

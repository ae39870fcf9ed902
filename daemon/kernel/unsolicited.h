/* Telling neighbours at once who has an address now. */
#pragma once

#include "daemon/kernel/kernel.h"

struct unsolicited;

/* Without the right to send frames nothing is told, which the log says; neighbours find out by
 * themselves some seconds later. */
int unsolicited_open(struct unsolicited **ret, struct error *err);
/* NULL is allowed; returns NULL. */
struct unsolicited *unsolicited_close(struct unsolicited *unsolicited);

/* Tells the networks of the endpoints' addresses that these steps made, and the host. No failure is
 * one of the steps. */
void unsolicited_tell(struct kernel *kernel, const struct steps *steps);

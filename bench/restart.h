/* A start of the daemon where nothing is to be repaired, beside the bare questions it takes. */
#pragma once

#include "bench/rounds.h"

#define RESTART_MAX 4000 /* endpoints */

/* Networks of 500 endpoints each, and ports published for the first of these. */
void restart_fill(struct bench *bench, unsigned endpoints, unsigned publications);
/* Returns how many changing messages the last start has sent. */
unsigned long rounds_restart(struct bench *bench, unsigned endpoints, struct row *row);

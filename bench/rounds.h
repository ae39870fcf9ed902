/*
 * What is measured: in each round the bare kernel, one commit and netd do the same work, one right
 * after the other, so that whatever disturbs the machine disturbs all three.
 *
 * The times of netd are those of one request over a connection that is kept, from sending it to the
 * end of its answer: the engine's time. What a user of netd-ctl pays on top, a process and a
 * connection for each call, stands in lines of its own.
 */
#pragma once

#include "bench/connection.h"
#include "bench/floor.h"
#include "bench/netd.h"
#include "bench/samples.h"

#include <stdio.h>

struct bench {
	struct floor floor;
	struct netd netd;
	struct connection connection;
	struct sqlite3 *commits;
	int links; /* rtnetlink's events of links */
	unsigned rounds;
	unsigned next; /* number of the next namespace, port or network */
};

/* One line of the table. What has no samples is printed as a dash. */
struct row {
	char name[64];
	struct samples floor, commit, netd;
};

void bench_open(struct bench *bench, const char *build, const char *directory);
void bench_close(struct bench *bench);

void rounds_networks(struct bench *bench, struct row *create);
/* `later`: from the answer of disconnect until the pair is gone. */
void rounds_endpoints(
        struct bench *bench, struct row *connect, struct row *disconnect, struct row *later);
/* Ten thousand ports at once, that keep their numbers. */
void rounds_ranges(struct bench *bench, struct row *publish_row, struct row *unpublish);
void rounds_publications(struct bench *bench, struct row *publish, struct row *unpublish);
/* Whole processes: netd-ctl connect beside /bin/true. */
void rounds_programs(struct bench *bench, struct row *connect);
/* One request that changes nothing, over a kept connection and over a new one each. */
void rounds_transport(struct bench *bench, struct row *kept, struct row *new);

/* Many clients at once, each with one request under way: what waits together is one batch of
 * netd's. */
void fill(struct bench *bench, unsigned first, unsigned count,
        void (*request)(struct connection *connection, unsigned number));
/* Makes so many more, for netd and for the floor. */
void fill_endpoints(struct bench *bench, unsigned count);
void fill_publications(struct bench *bench, unsigned count);

void rows_head(FILE *out);
void rows_print(const struct row *row, FILE *out);

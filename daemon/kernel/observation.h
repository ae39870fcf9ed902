/*
 * One kernel_observe(): what is looked at, and what kinds share while they look. Each thing is read
 * when the first kind asks for it, and once.
 */
#pragma once

#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"

/* What was read inside one namespace. */
struct inside {
	bool read;
	struct links links; /* none where there is no such namespace */
};

struct observation {
	struct kernel *kernel;
	const struct kernel_look *look;
	bool surveyed;
	struct survey survey;
	struct inside *insides; /* one for each namespace of the look */
};

int observation_init(struct observation *observation, struct kernel *kernel,
        const struct kernel_look *look, struct error *err);
void observation_done(struct observation *observation);

/* Both are borrowed. */
int observation_survey(
        struct observation *observation, const struct survey **ret, struct error *err);
/* Of the namespace with this number in the look. */
int observation_inside(
        struct observation *observation, unsigned ns, const struct inside **ret, struct error *err);

/* Times of one thing that was done many times. */
#pragma once

#include <stdint.h>

#define SAMPLES_MAX 1000

struct samples {
	double ms[SAMPLES_MAX];
	unsigned count;
};

/* Milliseconds of a clock that only goes forward. */
double now_ms(void);
void samples_put(struct samples *samples, double ms);
/* Adds what has passed since `start` (now_ms()). What does not fit any more is dropped. */
void samples_add(struct samples *samples, double start);

struct summary {
	double median, min, max; /* 0 where there are no samples */
};

struct summary samples_summary(const struct samples *samples);

/*
 * Samples and what is said of them. The median is what is compared: on a machine with other work
 * the mean tells of that work. Least and most stand beside it, so that a reader sees how much of it
 * was noise.
 */
#include "bench/samples.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void samples_put(struct samples *samples, double ms)
{
	if (samples->count < SAMPLES_MAX)
		samples->ms[samples->count++] = ms;
}

void samples_add(struct samples *samples, double start)
{
	samples_put(samples, now_ms() - start);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct summary samples_summary(const struct samples *samples)
{
	double sorted[SAMPLES_MAX];
	unsigned count = samples->count;

	if (count == 0)
		return (struct summary){0};
	memcpy(sorted, samples->ms, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	return (struct summary){.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2,
	        .min = sorted[0],
	        .max = sorted[count - 1]};
}

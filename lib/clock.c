/* The monotonic clock in one unit. It cannot fail: the kernel has this clock, and the address is
 * good. */
#include "lib/clock.h"

#include <time.h>

uint64_t clock_ms(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct timeval clock_span(uint64_t ms)
{
	return (struct timeval){
	        .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* The clock that deadlines and pauses are counted by: it never steps, whatever the time of day is
 * set to. */
#pragma once

#include <stdint.h>
#include <sys/time.h>

/* Milliseconds of CLOCK_MONOTONIC, see clock_gettime(2): for differences, within one boot. */
uint64_t clock_ms(void);
/* A span of so many milliseconds, as timers take it. */
struct timeval clock_span(uint64_t ms);

/*
 * What every target has: LLVMFuzzerTestOneInput(), as libFuzzer calls it with bytes, and replay.c
 * with the kept ones. A target ends by abort() where something does not hold that must.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition, ...)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Where the text form of an input is several parts, each ends at an empty line: cuts the next one
 * off, as a string that is the caller's to free. NULL: none is left. */
char *fuzz_part(const uint8_t **data, size_t *size);

/* What the files of the seam share: seam_meet() at the beginning of a wrapper, seam_left() at its
 * end. */
#pragma once

#include "tests/fault/seam.h"

#include <stddef.h>

enum call {
#define CALL(name, group, errnos, source) CALL_##name,
#define HOOK(name, group, errnos, source) CALL_##name,
#include "tests/fault/calls.h"
#undef CALL
#undef HOOK
};

/* What happens to this call. */
struct fate {
	enum seam_action action;
	uint32_t message;
	struct seam_call *call; /* NULL: not counted */
};

/* NULL: nothing is counted, and nothing fails. */
extern struct seam_control *seam_control;

/* Counts the call. Of one that fails errno is set; one that is killed before it does not come back.
 */
struct fate seam_meet(enum call id, const void *site);
/* The call was made. */
void seam_left(struct fate fate);
/* Puts itself between SQLite and its memory and files. */
void seam_hook_sqlite(void);

#define SITE __builtin_return_address(0)

/* A wrapper that fails with `bad`, and else is the call itself. */
#define PLAIN(type, name, bad, parameters, arguments)                                              \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		struct fate fate = seam_meet(CALL_##name, SITE);                                   \
		type result;                                                                       \
                                                                                                   \
		if (fate.action == ACTION_FAIL)                                                    \
			return bad;                                                                \
		result = __real_##name arguments;                                                  \
		seam_left(fate);                                                                   \
		return result;                                                                     \
	}

/* Lists in one piece of memory, which moves when it grows. */
#pragma once

#include <stdlib.h>

/* Makes room for one more, for `first` of them at first; then it doubles. False: out of memory, and
 * the list is as it was. */
#define LIST_ROOM(items, count, capacity, first)                                                   \
	({                                                                                         \
		size_t more_ = (capacity) ? 2 * (size_t)(capacity) : (first);                      \
		void *grown_ = (count) < (capacity)                                                \
		                       ? (items)                                                   \
		                       : reallocarray((items), more_, sizeof(*(items)));           \
		if (grown_ && (count) >= (capacity)) {                                             \
			(items) = grown_;                                                          \
			(capacity) = (__typeof__(capacity))more_;                                  \
		}                                                                                  \
		grown_ != NULL;                                                                    \
	})

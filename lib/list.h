/* Lists in one piece of memory. */
#pragma once

#include <stdlib.h>

/* Makes room for one more: for `first` of them at first, then it doubles, and may move. False: out
 * of memory, and the list is as it was. */
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

/* Of a sorted list, how many come before what is sought: `is_before` says it of the one that
 * `item` points to. */
#define LIST_BEFORE(items, count, item, is_before)                                                 \
	({                                                                                         \
		size_t low_ = 0, high_ = (count);                                                  \
		while (low_ < high_) {                                                             \
			size_t middle_ = low_ + (high_ - low_) / 2;                                \
			const __typeof__(*(items)) *item = &(items)[middle_];                      \
			if (is_before)                                                             \
				low_ = middle_ + 1;                                                \
			else                                                                       \
				high_ = middle_;                                                   \
		}                                                                                  \
		low_;                                                                              \
	})

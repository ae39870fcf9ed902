/* Allocations, and the time that timers wait. */
#include "tests/fault/internal.h"

#include <event2/event.h>
#include <jansson.h>
#include <libnftnl/udata.h>
#include <netlink/msg.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- memory --- */

PLAIN(void *, malloc, NULL, (size_t size), (size))
PLAIN(void *, calloc, NULL, (size_t count, size_t size), (count, size))
PLAIN(void *, realloc, NULL, (void *old, size_t size), (old, size))
PLAIN(void *, reallocarray, NULL, (void *old, size_t count, size_t size), (old, count, size))
PLAIN(char *, strdup, NULL, (const char *text), (text))
PLAIN(char *, strndup, NULL, (const char *text, size_t size), (text, size))
PLAIN(int, vasprintf, -1, (char **ret, const char *format, va_list arguments),
        (ret, format, arguments))
PLAIN(FILE *, open_memstream, NULL, (char **text, size_t *size), (text, size))
PLAIN(FILE *, fmemopen, NULL, (void *bytes, size_t size, const char *mode), (bytes, size, mode))
PLAIN(struct nl_msg *, nlmsg_alloc_simple, NULL, (int type, int flags), (type, flags))
PLAIN(struct nftnl_udata_buf *, nftnl_udata_buf_alloc, NULL, (uint32_t size), (size))
PLAIN(struct event *, event_new, NULL,
        (struct event_base * base, evutil_socket_t fd, short events, event_callback_fn callback,
                void *arg),
        (base, fd, events, callback, arg))

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
	struct fate fate = seam_meet(CALL_asprintf, SITE);
	va_list arguments;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, format);
	result = __real_vasprintf(ret, format, arguments);
	va_end(arguments);
	seam_left(fate);
	return result;
}

/* --- time --- */

int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
	struct timeval sooner;
	int64_t usec;

	if (!seam_control || !seam_control->hurry || !timeout)
		return __real_event_add(event, timeout);
	usec = timeout->tv_sec * INT64_C(1000000) + timeout->tv_usec;
	if (usec >= 100000)
		usec /= seam_control->hurry;
	sooner = (struct timeval){.tv_sec = usec / 1000000, .tv_usec = usec % 1000000};
	return __real_event_add(event, &sooner);
}

/*
 * The seam: what stands between netd's own code and everything outside of it in netd-faulty, a
 * daemon that is linked from the very objects of the real one. The linker sends each call of
 * calls.h here (--wrap), so the release build knows nothing of it.
 *
 * A test arms the control file, makes a request, and the k-th call fails, or the process dies
 * there. Only calls of the groups that are counted have numbers. Helper threads call through here,
 * too, but never at the same time as the thread that waits for them. What the kernel announces
 * comes sooner or later from run to run, so a call is met again by its place in the program and how
 * often it was made there.
 *
 * Of netlink a call has more faces than its own errno: see enum seam_action. A refusal is made by
 * the kernel, which gets a message of a type that it does not know; only the errno in its answer is
 * changed. So of a pipeline all other messages are really done, and a batch is really not
 * committed.
 */
#include "tests/fault/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint32_t group;
} table[] = {
#define CALL(name, group, errnos, source) {#name, group},
#define HOOK(name, group, errnos, source) {#name, group},
#include "tests/fault/calls.h"
#undef CALL
#undef HOOK
};

extern char __executable_start[], _end[];

struct seam_control *seam_control;

static void die(void)
{
	raise(SIGKILL);
}

static struct fate happen(enum seam_action action)
{
	struct fate fate = {.action = action, .message = seam_control->message};

	__atomic_add_fetch(&seam_control->hits, 1, __ATOMIC_SEQ_CST);
	if (action == ACTION_KILL_BEFORE)
		die();
	if (action == ACTION_FAIL)
		errno = (int)seam_control->errnum;
	return fate;
}

static uint32_t offset(const char *site)
{
	return site >= __executable_start && site < _end ? (uint32_t)(site - __executable_start)
	                                                 : 0;
}

/* Whether it is the call that was chosen. */
static bool is_chosen(enum call id, uint32_t site)
{
	return seam_control->at && seam_control->site == site &&
	       strncmp(seam_control->name, table[id].name, SEAM_NAME) == 0 &&
	       __atomic_add_fetch(&seam_control->met, 1, __ATOMIC_SEQ_CST) == seam_control->at;
}

struct fate seam_meet(enum call id, const void *site)
{
	struct fate fate = {0};
	struct seam_call *call;
	uint32_t number, place = offset(site);

	if (!seam_control)
		return fate;
	__atomic_add_fetch(&seam_control->seen, 1, __ATOMIC_SEQ_CST);
	if (!(seam_control->counted & table[id].group))
		return fate;
	number = __atomic_add_fetch(&seam_control->count, 1, __ATOMIC_SEQ_CST);
	call = number <= SEAM_CALLS ? &seam_control->calls[number - 1] : NULL;
	if (call) {
		memset(call, 0, sizeof(*call));
		strncpy(call->name, table[id].name, SEAM_NAME - 1);
		call->group = table[id].group;
		call->site = place;
	}
	if (is_chosen(id, place))
		fate = happen((enum seam_action)seam_control->action);
	else if (seam_control->hits && (seam_control->lasting & table[id].group))
		fate = happen(ACTION_FAIL);
	fate.call = call;
	return fate;
}

void seam_left(struct fate fate)
{
	if (fate.action == ACTION_KILL_AFTER)
		die();
}

int __real_open64(const char *path, int flags, ...);

/* Before anything else runs. What the hooks themselves need does not fail yet. */
__attribute__((constructor)) static void open_control(void)
{
	const char *path = getenv(SEAM_VARIABLE);
	int fd = path ? __real_open64(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (!path)
		return;
	shared = fd < 0 ? MAP_FAILED
	                : mmap(NULL, sizeof(*seam_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	                          0);
	if (shared == MAP_FAILED) {
		perror(path);
		_exit(1);
	}
	close(fd);
	seam_hook_sqlite();
	seam_control = shared;
}

/*
 * What the kernel announces, up to what it puts under suspicion. The first byte says on which
 * socket: of the host, of namespaces, of nf_tables; behind it stand records (outside.h).
 *
 * Only what the model has is ever suspected.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/kernel.h"
#include "tests/fuzz/outside.h"

#include "daemon/engine/internal.h"
#include "daemon/kernel/monitor.h"

#include <errno.h>
#include <string.h>

/* What the linker puts in place of a function is declared nowhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static struct model *model;

/* --- in place of the engine's list of suspects --- */

void __wrap_drift_rules(struct drift *drift, unsigned pid, const char *program)
{
}

void __wrap_drift_interfaces(struct drift *drift)
{
}

void __wrap_drift_network(struct drift *drift, const char *name)
{
	REQUIRE(model_network(model, name), "%s is no network", name);
}

void __wrap_drift_namespace(struct drift *drift, const char *name, unsigned sides)
{
	REQUIRE(model_namespace(model, name), "%s is no namespace", name);
	REQUIRE(sides && !(sides & ~SIDE_BOTH), "sides %u", sides);
}

void __wrap_drift_namespaces(struct drift *drift, unsigned sides)
{
}

void __wrap_drift_ns_link(struct drift *drift, const char *id)
{
	REQUIRE(model_ns_link(model, id), "%s is no link", id);
}

void __wrap_drift_links_of(struct drift *drift, const char *ns)
{
	REQUIRE(model_namespace(model, ns), "%s is no namespace", ns);
}

void __wrap_watch_look_at(struct watch *watch, const char *name)
{
	REQUIRE(model_namespace(model, name), "%s is no namespace", name);
}

void __wrap_drift_host(struct drift *drift)
{
}

/* --- the announcements --- */

static void hear(const struct happening *happening, void *arg)
{
	struct engine engine = {.model = model};
	struct mark mark;

	REQUIRE(memchr(happening->name, 0, sizeof(happening->name)), "a name without an end");
	REQUIRE(memchr(happening->program, 0, sizeof(happening->program)), "no end");
	REQUIRE(happening->alias, "no alias is an empty one");
	mark_read(model, happening->alias, &mark);
	if (happening->nsid < 0)
		suspect_host(NULL, model, happening);
	else
		suspect_inside(&engine, "web", happening);
}

static void listen_to(enum monitor_source source, struct kernel *kernel)
{
	struct monitor *monitor;
	struct error err;
	int r;

	REQUIRE(monitor_open(&monitor, kernel, &err) == 0, "%s", err.text);
	outside_announce(source == MONITOR_INSIDE ? 3 : -1);
	r = monitor_read(monitor, source, 64, hear, NULL);
	REQUIRE(r == -ENOBUFS || (r >= 0 && r <= 64), "%d", r);
	monitor_close(monitor);
}

static void ask(struct kernel *kernel, char what)
{
	static const char sources[MONITOR_SOURCES] = {'h', 'i', 'r'};
	const char *source = memchr(sources, what, sizeof(sources));

	if (source)
		listen_to((enum monitor_source)(source - sources), kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model = fuzz_endpoint_model();
	fuzz_kernel(data, size, ask);
	model = model_free(model);
	return 0;
}

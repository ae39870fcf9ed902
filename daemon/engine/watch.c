/*
 * Watches the host for what the model must follow (interfaces that come and go, the administrator's
 * own forwarding switch, the host's resolvers, namespaces that someone removes) and for what may
 * have drifted from it. An event only says "look": what is true is asked of the kernel afterwards,
 * once for a whole burst.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/sysctl.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define SETTLE_MS 20
#define LOOK_MS   500  /* for what the kernel does not announce; */
#define READ_MAX  1024 /* messages of one source in one turn of the loop */

struct watch {
	struct engine *engine;
	struct monitor *monitor;
	struct hearing *hearing; /* of namespaces */
	int inotify, netns_wd;
	unsigned looks;      /* until others' namespaces are looked at again */
	unsigned unreleased; /* looks until the namespaces are looked at again, of which one could
	                        not be let go of, or not be looked at; 0: there is none */
	char own[IFNAMSIZ];  /* a link of netd's that this burst of events tells of */
	struct switches switches;
	struct event *on_events[MONITOR_SOURCES], *on_inotify, *refresh, *look;
};

static void refresh_in(struct watch *watch, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (!event_pending(watch->refresh, EV_TIMEOUT, NULL))
		event_add(watch->refresh, &delay);
}

/* Another interface has the name of one that netd had switched on: to the model nothing changed. */
static void look_for_replaced(struct watch *watch, const struct request *request)
{
	const struct timeval soon = {.tv_usec = SETTLE_MS * 1000};
	const struct model *model = watch->engine->model;

	for (unsigned i = 0; i < request->interface_count; i++) {
		const struct interface *now = &request->interfaces[i];
		const struct interface *known = model_object(model, TABLE_INTERFACES, now->name);

		if (known && known->switched && now->switched && !facts_forwards(now->name))
			event_add(watch->engine->reconcile, &soon);
		if (model_host(model)->has_ip6 && known && known->switched6 && now->switched6 &&
		        !facts_forwards6(model_host(model), now->name))
			event_add(watch->engine->reconcile, &soon);
	}
}

static void refresh_later(struct watch *watch, const struct error *err)
{
	log_warning("look at the host's interfaces: %s; tried again in %d s", err->text,
	        LOOK_ROUND * LOOK_MS / 1000);
	refresh_in(watch, LOOK_ROUND * LOOK_MS);
}

static void followed(const struct answer *answer, const struct error *err, void *arg)
{
	struct engine *engine = arg;

	if (err && engine->watch) /* else it is on its way out */
		refresh_later(engine->watch, err);
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	struct request request = {0};
	struct error err = {0};
	int r = facts_host(watch->engine, &request, &err);

	if (r == 0) {
		look_for_replaced(watch, &request);
		bridges_follow(watch->engine, &request);
	}
	if (r < 0 || engine_submit(watch->engine, &request, followed, watch->engine, &err) < 0) {
		refresh_later(watch, &err);
		request_done(&request);
	}
}

/* --- namespaces --- */

static void released(const struct answer *answer, const struct error *err, void *arg)
{
	struct engine *engine = arg;

	if (!err)
		return;
	log_error("release a namespace that is gone: %s; tried again in %d s", err->text,
	        LOOK_ROUND * LOOK_MS / 1000);
	if (engine->watch) /* else it is on its way out */
		engine->watch->unreleased = LOOK_ROUND;
}

/* Releases a namespace of the model that is gone, or whose name another one has now. */
static void compare_namespace(struct watch *watch, const struct look_netns *there)
{
	const char *name = there->name;
	struct engine *engine = watch->engine;
	const struct namespace *ns = model_namespace(engine->model, name);
	struct request request = {.kind = REQUEST_NS_RELEASE};
	struct error err = {0};

	if (!ns || ns->cookie == 0 || (there->exists && there->cookie == ns->cookie))
		return;
	memcpy(request.namespace, ns->name, NAME_SIZE);
	if (engine_submit(engine, &request, released, engine, &err) < 0)
		released(NULL, &err, engine);
}

void watch_look_at(struct watch *watch, const char *name)
{
	struct look_netns there = {0};
	struct error err = {0};

	if (!model_namespace(watch->engine->model, name))
		return;
	if (look_netns(watch->engine->kernel, name, &there, &err) == 0)
		compare_namespace(watch, &there);
	else /* not to know is no reason to let go of it */
		released(NULL, &err, watch->engine);
}

/* Events were lost, or none were sent yet. */
static void look_at_namespaces(struct watch *watch)
{
	_cleanup_(freep) struct look_netns *there = NULL;
	struct engine *engine = watch->engine;
	struct error err = {0};
	size_t count = 0;

	if (engine_look_at_namespaces(engine, engine->model, &there, &count, &err) < 0)
		released(NULL, &err, engine);
	for (size_t i = 0; there && i < count; i++)
		compare_namespace(watch, &there[i]);
}

/* -1 where there is no such directory: it is tried again. */
static int watch_netns_dir(struct watch *watch)
{
	watch->netns_wd = inotify_add_watch(watch->inotify, NETNS_DIR,
	        IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
	return watch->netns_wd < 0 ? -1 : 0;
}

/* --- what the kernel does not announce --- */

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	if (facts_bridge_netfilter_differs(model_host(watch->engine->model)) ||
	        facts_way_out_differs(watch->engine))
		refresh_in(watch, SETTLE_MS);
	if (watch->netns_wd < 0 && watch_netns_dir(watch) == 0)
		look_at_namespaces(watch);
	if (watch->unreleased && --watch->unreleased == 0)
		look_at_namespaces(watch);
	if (watch->looks-- == 0) {
		watch->looks = LOOK_ROUND - 1;
		foreign_look(watch->engine);
	}
	switches_look(&watch->switches, watch->engine);
	hearing_look(watch->hearing);
}

/* --- events --- */

/*
 * Whether this tells of a link of netd's before it got its mark. Else each connect would have all
 * of the host's interfaces looked at.
 */
static bool is_own_link(struct watch *watch, const struct happening *link)
{
	if (link->gone)
		return false;
	if (strcmp(link->name, watch->own) != 0 &&
	        look_link_ours(watch->engine->kernel, link->name, SCOPE_ALL))
		memcpy(watch->own, link->name, IFNAMSIZ);
	return strcmp(link->name, watch->own) == 0;
}

/* One that belongs in a namespace is on the host: it was plugged in, or somebody took it out, with
 * the name and the index that it had there. */
static bool is_astray(const struct model *model, const struct happening *link)
{
	const struct moved *moved;
	char key[KEY_SIZE] = "";

	while (!link->gone && (moved = model_next(model, TABLE_MOVED, key)))
		if (moved->index == link->index || strcmp(moved->name, link->name) == 0)
			return true;
	return false;
}

/* An interface that is not netd's and that the model does not know, or does not have any more. */
static void on_foreign_link(struct watch *watch, const struct happening *link)
{
	const struct timeval soon = {.tv_usec = SETTLE_MS * 1000};
	const struct interface *interface =
	        model_object(watch->engine->model, TABLE_INTERFACES, link->name);
	bool known = interface != NULL;

	suspect_mark(watch->engine, link);
	if (is_astray(watch->engine->model, link)) {
		event_add(watch->engine->reconcile, &soon);
		return;
	}
	if (known == link->gone && !is_own_link(watch, link))
		refresh_in(watch, SETTLE_MS);
	if (interface && interface->bridge)
		refresh_in(watch, SETTLE_MS); /* its MTU and its MAC address are followed */
}

/*
 * The outer end of a pair went, perhaps because the namespace did: of one that is adopted by a
 * symlink no file need have gone.
 */
static void on_own_link(struct watch *watch, const struct happening *link)
{
	struct mark mark;

	if (!mark_read(watch->engine->model, link->alias, &mark) || !mark.namespace[0])
		return;
	if (link->gone)
		watch_look_at(watch, mark.namespace);
	else
		hearing_know(watch->hearing, link->peer_nsid, mark.namespace);
}

/* Something of the IPv6 of an interface that had none. */
static bool is_new_ip6(const struct watch *watch, const struct happening *happening)
{
	const struct interface *known;
	char name[IFNAMSIZ];

	if (happening->cidr.ip.family != AF_INET6 ||
	        !if_indextoname((unsigned)happening->index, name))
		return false;
	known = model_object(watch->engine->model, TABLE_INTERFACES, name);
	return known && !known->ip6;
}

static void on_host(const struct happening *happening, void *arg)
{
	struct watch *watch = arg;

	prefixes_hear(watch->engine, happening);
	if (happening->kind == EVENT_LINK && strncmp(happening->alias, "netd:", 5) == 0)
		on_own_link(watch, happening);
	else if (happening->kind == EVENT_LINK)
		on_foreign_link(watch, happening);
	if (happening->kind == EVENT_PORT)
		suspect_port(watch->engine, happening);
	/* The whole host's switch was written: in IPv4 that changes every interface's, too. */
	if (happening->kind == EVENT_FORWARDING &&
	        (happening->index == 0 || is_new_ip6(watch, happening)))
		refresh_in(watch, SETTLE_MS);
	if (happening->kind == EVENT_ROUTE && happening->cidr.prefix <= 1)
		refresh_in(watch, SETTLE_MS);
	suspect_host(watch->engine->drift, watch->engine->model, happening);
}

/* Events were lost: everything is looked at. */
static void lost(struct watch *watch, enum monitor_source source)
{
	struct error err = {0};

	if (source != MONITOR_INSIDE) /* a tenant can lose as many of those as he likes */
		log_info("events of the kernel were lost: everything they tell of is looked at");
	switch (source) {
	case MONITOR_HOST:
		prefixes_forget(watch->engine);
		refresh_in(watch, SETTLE_MS);
		look_at_namespaces(watch);
		drift_host(watch->engine->drift);
		if (monitor_prime(watch->monitor, on_host, watch, &err) < 0)
			log_warning("%s", err.text);
		break;
	case MONITOR_INSIDE:
		hearing_lost(watch->hearing);
		break;
	case MONITOR_RULES:
		drift_rules(watch->engine->drift, 0, "");
		break;
	case MONITOR_SOURCES:
		break;
	}
}

/* How much there was, as monitor_read() says it. */
static int on_source(struct watch *watch, enum monitor_source source)
{
	monitor_each *each = source == MONITOR_INSIDE ? hearing_hear : on_host;
	void *arg = source == MONITOR_INSIDE ? (void *)watch->hearing : watch;
	int r;

	watch->own[0] = '\0';
	r = monitor_read(watch->monitor, source, READ_MAX, each, arg);
	if (r == -ENOBUFS)
		lost(watch, source);
	if (source == MONITOR_INSIDE)
		hearing_settle(watch->hearing, r >= READ_MAX || r == -ENOBUFS);
	return r;
}

void watch_hear(struct watch *watch)
{
	if (on_source(watch, MONITOR_HOST) >= READ_MAX)
		prefixes_forget(watch->engine); /* more may wait */
}

static void on_host_events(evutil_socket_t fd, short what, void *arg)
{
	on_source(arg, MONITOR_HOST);
}

static void on_inside_events(evutil_socket_t fd, short what, void *arg)
{
	on_source(arg, MONITOR_INSIDE);
}

static void on_rules_events(evutil_socket_t fd, short what, void *arg)
{
	on_source(arg, MONITOR_RULES);
}

/* --- files --- */

/* The directory itself was removed or renamed. */
static void lost_netns_dir(struct watch *watch)
{
	inotify_rm_watch(watch->inotify, watch->netns_wd);
	watch->netns_wd = -1;
	look_at_namespaces(watch);
}

static void on_inotify(evutil_socket_t fd, short what, void *arg)
{
	char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watch *watch = arg;
	ssize_t size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		for (const char *next = buffer; next < buffer + size;) {
			const struct inotify_event *event = (const void *)next;

			if (event->wd == watch->netns_wd && event->len)
				watch_look_at(watch, event->name);
			else if (event->wd == watch->netns_wd)
				lost_netns_dir(watch);
			else if (event->mask & IN_Q_OVERFLOW)
				look_at_namespaces(watch);
			else if (event->len && strcmp(event->name, "resolv.conf") == 0)
				refresh_in(watch, SETTLE_MS);
			next += sizeof(*event) + event->len;
		}
	}
}

static int open_inotify(struct watch *watch, struct error *err)
{
	static const char *const resolvers[] = {"/etc", "/run/systemd/resolve"};

	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->inotify < 0)
		return error_set(err, ERROR_KERNEL, errno, "open inotify");
	watch_netns_dir(watch);
	for (size_t i = 0; i < sizeof(resolvers) / sizeof(resolvers[0]); i++)
		if (inotify_add_watch(watch->inotify, resolvers[i],
		            IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0 &&
		        errno != ENOENT)
			return error_set(
			        err, ERROR_KERNEL, errno, "watch the directory %s", resolvers[i]);
	return 0;
}

static int add_sources(struct watch *watch)
{
	static const event_callback_fn callbacks[MONITOR_SOURCES] = {
	        [MONITOR_HOST] = on_host_events,
	        [MONITOR_INSIDE] = on_inside_events,
	        [MONITOR_RULES] = on_rules_events,
	};

	for (int source = 0; source < MONITOR_SOURCES; source++) {
		int fd = monitor_fd(watch->monitor, (enum monitor_source)source);

		if (fd < 0)
			continue;
		watch->on_events[source] = event_new(
		        watch->engine->base, fd, EV_READ | EV_PERSIST, callbacks[source], watch);
		if (!watch->on_events[source] || event_add(watch->on_events[source], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_events(struct watch *watch, struct error *err)
{
	const struct timeval interval = {.tv_usec = LOOK_MS * 1000};
	struct event_base *base = watch->engine->base;

	watch->on_inotify =
	        event_new(base, watch->inotify, EV_READ | EV_PERSIST, on_inotify, watch);
	watch->refresh = event_new(base, -1, 0, on_refresh, watch);
	watch->look = event_new(base, -1, EV_PERSIST, on_look, watch);
	if (!watch->on_inotify || !watch->refresh || !watch->look || add_sources(watch) < 0 ||
	        event_add(watch->on_inotify, NULL) < 0 || event_add(watch->look, &interval) < 0)
		return error_memory(err);
	return hearing_open(&watch->hearing, watch->engine, watch->on_events[MONITOR_INSIDE], err);
}

int watch_open(struct watch **ret, struct engine *engine, struct error *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return error_memory(err);
	watch->engine = engine;
	watch->inotify = -1;
	r = monitor_open(&watch->monitor, engine->kernel, err);
	if (r == 0)
		r = open_inotify(watch, err);
	if (r == 0)
		r = add_events(watch, err);
	if (r < 0) {
		watch_close(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

int watch_start(struct watch *watch, struct error *err)
{
	refresh_in(watch, SETTLE_MS);
	if (watch->netns_wd < 0)
		watch_netns_dir(watch);
	look_at_namespaces(watch);
	return monitor_prime(watch->monitor, on_host, watch, err);
}

void watch_listen(struct watch *watch, const struct model *model)
{
	const void *touched;
	char key[KEY_SIZE] = "";

	/* On its way out nobody listens any more. */
	while (watch && model_next_touched(model, TABLE_NS_LINKS, key, &touched)) {
		const struct ns_link *link = touched;
		struct error err;
		int nsid;

		for (unsigned i = 0; link && i < 2; i++) {
			const char *ns = link->ends[i].namespace;

			if (monitor_hear(watch->monitor, ns, &nsid, &err) < 0)
				log_warning("listen to namespace %s: %s", ns, err.text);
			else
				hearing_know(watch->hearing, nsid, ns);
		}
	}
}

struct watch *watch_close(struct watch *watch)
{
	struct event *events[] = {watch ? watch->on_inotify : NULL, watch ? watch->refresh : NULL,
	        watch ? watch->look : NULL};

	if (!watch)
		return NULL;
	hearing_close(watch->hearing);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	for (int source = 0; source < MONITOR_SOURCES; source++)
		if (watch->on_events[source])
			event_free(watch->on_events[source]);
	monitor_close(watch->monitor);
	closep(&watch->inotify);
	free(watch);
	return NULL;
}

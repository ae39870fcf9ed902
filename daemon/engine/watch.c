/*
 * Watches the host for what the model must follow: interfaces that come and go, the administrator's
 * own forwarding switch, the host's resolvers, and namespaces that someone removes. An event only
 * says "look": what is true is asked of the kernel afterwards, once for a whole burst.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define SETTLE_MS 20
#define LOOK_S    5 /* for what the kernel does not announce */

struct watch {
	struct engine *engine;
	struct mnl_socket *rtnl;
	int inotify, netns_wd;
	bool unreleased; /* a namespace that is gone could not be let go of, or not be looked at */
	char own[IFNAMSIZ]; /* a link of netd's that this burst of events tells of */
	struct event *on_rtnl, *on_inotify, *refresh, *look;
};

static void refresh_soon(struct watch *watch)
{
	const struct timeval soon = {.tv_usec = SETTLE_MS * 1000};

	if (!event_pending(watch->refresh, EV_TIMEOUT, NULL))
		event_add(watch->refresh, &soon);
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
	}
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	struct request request = {0};
	struct error err = {0};
	int r = facts_host(watch->engine, &request, &err);

	if (r == 0)
		look_for_replaced(watch, &request);
	if (r < 0 || engine_submit(watch->engine, &request, NULL, NULL, &err) < 0) {
		log_warning("look at the host's interfaces: %s", err.text);
		request_done(&request);
	}
}

static void look_at_namespaces(struct watch *watch);

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	if (facts_bridge_netfilter() != model_host(watch->engine->model)->bridge_netfilter)
		refresh_soon(watch);
	if (watch->unreleased) {
		watch->unreleased = false;
		look_at_namespaces(watch);
	}
}

/* --- namespaces --- */

static void released(const struct answer *answer, const struct error *err, void *arg)
{
	struct engine *engine = arg;

	if (!err)
		return;
	log_error("release a namespace that is gone: %s; tried again in %d s", err->text, LOOK_S);
	if (engine->watch) /* else it is on its way out */
		engine->watch->unreleased = true;
}

/* The namespace of this name may be gone, or be another one. */
static void look_at_namespace(struct watch *watch, const char *name)
{
	struct engine *engine = watch->engine;
	const struct namespace *ns = model_namespace(engine->model, name);
	struct request request = {.kind = REQUEST_NS_RELEASE};
	struct look_netns there = {0};
	struct error err = {0};

	if (!ns || ns->cookie == 0)
		return;
	if (look_netns(engine->kernel, name, &there, &err) < 0) {
		log_warning("look at namespace %s: %s", name, err.text);
		watch->unreleased = true; /* not to know is no reason to let go of it */
		return;
	}
	if (there.exists && there.cookie == ns->cookie)
		return;
	log_info("namespace %s was removed by someone: its endpoints are freed", name);
	memcpy(request.namespace, ns->name, NAME_SIZE);
	if (engine_submit(engine, &request, released, engine, &err) < 0) {
		log_error("release namespace %s: %s", name, err.text);
		watch->unreleased = true;
	}
}

/* --- rtnetlink --- */

struct link_event {
	const char *name, *alias;
};

static int on_link_attribute(const struct nlattr *attribute, void *arg)
{
	struct link_event *event = arg;

	if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
	        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		event->name = mnl_attr_get_str(attribute);
	if (mnl_attr_get_type(attribute) == IFLA_IFALIAS &&
	        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		event->alias = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

/*
 * The outer end of a pair went, perhaps because the namespace did: of one that is adopted by a
 * symlink no file need have gone. The mark is "netd:INSTANCE:NETWORK/NAMESPACE".
 */
static void on_own_link(struct watch *watch, const struct nlmsghdr *header, const char *alias)
{
	const char *slash = strrchr(alias, '/');

	if (slash && header->nlmsg_type == RTM_DELLINK)
		look_at_namespace(watch, slash + 1);
}

/*
 * Whether this tells of a link of netd's before it got its mark, or of one as a bridge's port,
 * where marks are not told. Else each connect would have all of the host's interfaces looked at.
 */
static bool is_own_link(struct watch *watch, const struct nlmsghdr *header, const char *name)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);

	if (link->ifi_family == AF_BRIDGE)
		return true;
	if (header->nlmsg_type == RTM_DELLINK || strlen(name) >= IFNAMSIZ)
		return false;
	if (strcmp(name, watch->own) != 0 && look_link_ours(watch->engine->kernel, name))
		strcpy(watch->own, name);
	return strcmp(name, watch->own) == 0;
}

/* An interface that is not netd's and that the model does not know, or does not have any more. */
static void on_link(struct watch *watch, const struct nlmsghdr *header)
{
	struct link_event event = {"", ""};
	bool known;

	if (mnl_attr_parse(header, sizeof(struct ifinfomsg), on_link_attribute, &event) < 0)
		return;
	known = model_object(watch->engine->model, TABLE_INTERFACES, event.name) != NULL;
	if (strncmp(event.alias, "netd:", 5) == 0)
		on_own_link(watch, header, event.alias);
	else if (known != (header->nlmsg_type == RTM_NEWLINK) &&
	         !is_own_link(watch, header, event.name))
		refresh_soon(watch);
}

static int on_netconf_attribute(const struct nlattr *attribute, void *arg)
{
	bool *all = arg;

	if (mnl_attr_get_type(attribute) == NETCONFA_IFINDEX &&
	        (int)mnl_attr_get_u32(attribute) == NETCONFA_IFINDEX_ALL)
		*all = true;
	return MNL_CB_OK;
}

/* ip_forward was written: that changes every interface's own switch, too. */
static void on_netconf(struct watch *watch, const struct nlmsghdr *header)
{
	const struct timeval soon = {.tv_usec = 2 * SETTLE_MS * 1000};
	bool all = false;

	if (mnl_attr_parse(header, sizeof(struct netconfmsg), on_netconf_attribute, &all) < 0 ||
	        !all)
		return;
	refresh_soon(watch);
	event_add(watch->engine->reconcile, &soon);
}

static int on_message(const struct nlmsghdr *header, void *arg)
{
	if (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK)
		on_link(arg, header);
	if (header->nlmsg_type == RTM_NEWNETCONF)
		on_netconf(arg, header);
	return MNL_CB_OK;
}

static void on_rtnl(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	char buffer[32768];
	ssize_t size;

	watch->own[0] = '\0';
	while ((size = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		mnl_cb_run(buffer, (size_t)size, 0, 0, on_message, watch);
	if (size < 0 && errno == ENOBUFS)
		refresh_soon(watch); /* events were lost: look at all of it */
}

static int open_rtnl(struct watch *watch, struct error *err)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_NETCONF};

	watch->rtnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->rtnl || mnl_socket_bind(watch->rtnl, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_set(err, ERROR_KERNEL, errno, "open a socket for rtnetlink's events");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(watch->rtnl, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i],
		            sizeof(groups[i])) < 0)
			return error_set(err, ERROR_KERNEL, errno, "listen to rtnetlink's events");
	return 0;
}

/* --- files --- */

/* Events were lost, or none were sent yet. */
static void look_at_namespaces(struct watch *watch)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";

	while ((ns = model_next(watch->engine->model, TABLE_NAMESPACES, key)))
		look_at_namespace(watch, ns->name);
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
				look_at_namespace(watch, event->name);
			else if (event->mask & IN_Q_OVERFLOW)
				look_at_namespaces(watch);
			else if (event->len && strcmp(event->name, "resolv.conf") == 0)
				refresh_soon(watch);
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
	watch->netns_wd = inotify_add_watch(watch->inotify, NETNS_DIR, IN_DELETE | IN_MOVED_FROM);
	if (watch->netns_wd < 0)
		return error_set(err, ERROR_KERNEL, errno, "watch the directory " NETNS_DIR);
	for (size_t i = 0; i < sizeof(resolvers) / sizeof(resolvers[0]); i++)
		if (inotify_add_watch(watch->inotify, resolvers[i],
		            IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0 &&
		        errno != ENOENT)
			return error_set(
			        err, ERROR_KERNEL, errno, "watch the directory %s", resolvers[i]);
	return 0;
}

static int add_events(struct watch *watch, struct error *err)
{
	const struct timeval interval = {.tv_sec = LOOK_S};
	struct event_base *base = watch->engine->base;

	watch->on_rtnl = event_new(
	        base, mnl_socket_get_fd(watch->rtnl), EV_READ | EV_PERSIST, on_rtnl, watch);
	watch->on_inotify =
	        event_new(base, watch->inotify, EV_READ | EV_PERSIST, on_inotify, watch);
	watch->refresh = event_new(base, -1, 0, on_refresh, watch);
	watch->look = event_new(base, -1, EV_PERSIST, on_look, watch);
	if (!watch->on_rtnl || !watch->on_inotify || !watch->refresh || !watch->look ||
	        event_add(watch->on_rtnl, NULL) < 0 || event_add(watch->on_inotify, NULL) < 0 ||
	        event_add(watch->look, &interval) < 0)
		return error_memory(err);
	/* For what came between the first look and this watch. */
	refresh_soon(watch);
	look_at_namespaces(watch);
	return 0;
}

int watch_open(struct watch **ret, struct engine *engine, struct error *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return error_memory(err);
	watch->engine = engine;
	watch->inotify = -1;
	r = open_rtnl(watch, err);
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

struct watch *watch_close(struct watch *watch)
{
	struct event *events[] = {watch ? watch->on_rtnl : NULL, watch ? watch->on_inotify : NULL,
	        watch ? watch->refresh : NULL, watch ? watch->look : NULL};

	if (!watch)
		return NULL;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (watch->rtnl)
		mnl_socket_close(watch->rtnl);
	closep(&watch->inotify);
	free(watch);
	return NULL;
}

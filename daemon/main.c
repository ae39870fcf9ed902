/*
 * netd's outermost layer: what the command line asks for, the one lock that keeps a second daemon
 * off this host, signals, and the talk with the service manager. Everything else is in the library,
 * so that tests link all of it.
 */
#include "daemon/api/server.h"
#include "daemon/engine/engine.h"
#include "daemon/kernel/kernel.h"
#include "daemon/options.h"
#include "daemon/rights.h"
#include "daemon/sandbox.h"
#include "lib/cleanup.h"
#include "lib/version.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define HOLD_PREFIX "hold-"

/* One daemon per network namespace: an abstract socket is bound once in each. The descriptor is the
 * lock. */
static int lock_host(int *ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0netd"};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof("\0netd") - 1;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open a socket");
	if (bind(fd, (struct sockaddr *)&address, size) < 0)
		return errno == EADDRINUSE
		               ? error_set(err, ERROR_REFUSED, 0,
		                         "a netd runs on this host already; stop it first "
		                         "(systemctl stop netd)")
		               : error_set(err, ERROR_KERNEL, errno, "bind the socket @netd");
	*ret = TAKE_FD(fd);
	return 0;
}

static int make_runtime_dir(const char *path, struct error *err)
{
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return error_set(err, ERROR_KERNEL, errno, "make the runtime directory %s", path);
	return 0;
}

/*
 * What netd keeps there, and what it mounts on /run/netns, is not of one network namespace: a
 * daemon in another one, which the first lock does not see, would take these for orphans.
 */
static int lock_runtime_dir(const char *path, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open the runtime directory %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? error_set(err, ERROR_REFUSED, 0,
		                         "a netd uses the runtime directory %s already, maybe in "
		                         "another network "
		                         "namespace; stop it first, or give each its own "
		                         "--runtime-dir, --state-dir and --socket",
		                         path)
		               : error_set(err, ERROR_KERNEL, errno,
		                         "lock the runtime directory %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

/* --- the service manager --- */

/* Sorts what systemd passed: the sockets that hold ports and that own the tables go to the engine,
 * the other one is the API's (-1: none). */
static int take_descriptors(struct engine *engine, int *ret, struct error *err)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);

	*ret = -1;
	if (count < 0)
		return error_set(
		        err, ERROR_KERNEL, -count, "take descriptors from the service manager");
	for (int i = 0; i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		struct error adopt_err;

		if (strncmp(names[i], HOLD_PREFIX, strlen(HOLD_PREFIX)) == 0) {
			if (engine_adopt_hold(engine, fd, &adopt_err) < 0)
				log_warning(
				        "take over the held port %s: %s", names[i], adopt_err.text);
		} else if (strcmp(names[i], OWNER_FD_NAME) == 0) {
			if (engine_adopt_owner(engine, fd, &adopt_err) < 0)
				log_warning("%s; the tables are claimed anew", adopt_err.text);
		} else if (*ret < 0) {
			*ret = fd;
		} else {
			close(fd);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	sd_notify(0, "WATCHDOG=1");
}

static struct event *start_watchdog(struct event_base *base)
{
	struct timeval interval;
	struct event *timer;
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return NULL;
	interval = (struct timeval){.tv_sec = (time_t)(usec / 2 / 1000000),
	        .tv_usec = (suseconds_t)(usec / 2 % 1000000)};
	timer = event_new(base, -1, EV_PERSIST, on_watchdog, NULL);
	if (timer)
		event_add(timer, &interval);
	return timer;
}

/* --- running --- */

struct service {
	struct event_base *base;
	struct api *api;
	const char *socket; /* its path; NULL: the service manager's */
	struct event *signals[2];
	bool stopping;
};

static void stopped(void *arg)
{
	const struct service *service = arg;

	event_base_loopexit(service->base, NULL);
}

/* The first signal lets everyone be answered, the second one does not wait. */
static void on_stop(evutil_socket_t number, short what, void *arg)
{
	struct service *service = arg;
	struct error err;

	if (service->stopping) {
		stopped(service);
		return;
	}
	log_info("%s: netd stops; networks, namespaces and published ports stay as they are",
	        strsignal(number));
	sd_notify(0, "STOPPING=1");
	service->stopping = true;
	if (service->socket)
		unlink(service->socket);
	if (api_drain(service->api, !service->socket, stopped, service, &err) < 0)
		stopped(service);
}

/* From the start to the stop. `listener` is the service manager's socket; -1: there is none. */
static int serve_on(struct service *service, struct engine *engine, int listener, struct error *err)
{
	int r = api_open(&service->api, service->base, engine, err);

	if (r == 0)
		r = engine_start(engine, err);
	if (r == 0 && service->socket)
		r = api_listen(service->socket, &listener, err);
	if (r < 0) {
		closep(&listener);
		return r;
	}
	r = api_serve(service->api, listener, err);
	if (r < 0)
		return r;
	event_add(service->signals[0], NULL);
	event_add(service->signals[1], NULL);
	sd_notify(0, "READY=1");
	event_base_dispatch(service->base);
	return 0;
}

static int serve(struct event_base *base, struct engine *engine, const struct options *options,
        struct error *err)
{
	struct service service = {.base = base};
	struct event **signals = service.signals, *watchdog = start_watchdog(base);
	int listener = -1, r = take_descriptors(engine, &listener, err);

	if (listener < 0)
		service.socket = options->socket;
	signals[0] = evsignal_new(base, SIGTERM, on_stop, &service);
	signals[1] = evsignal_new(base, SIGINT, on_stop, &service);
	if (r == 0 && (!signals[0] || !signals[1]))
		r = error_memory(err);
	if (r == 0)
		r = serve_on(&service, engine, listener, err);
	api_close(service.api);
	for (int i = 0; i < 2; i++)
		if (signals[i])
			event_free(signals[i]);
	if (watchdog)
		event_free(watchdog);
	return r;
}

static int run(const struct options *options, struct error *err)
{
	struct engine_config config = {.state_dir = options->state_dir,
	        .runtime_dir = options->runtime_dir,
	        .own_tables = options->own_tables,
	        .publish_address = options->publish_address,
	        .default_subnets = options->default_subnets,
	        .default_subnet_count = options->default_subnet_count,
	        .default_ip6 = options->default_ip6,
	        .pools = options->pools,
	        .pool_count = options->pool_count,
	        .take_over = options->take_over};
	_cleanup_(closep) int lock = -1, runtime_lock = -1;
	struct engine *engine = NULL;
	int r = rights_check(err);

	if (r == 0)
		r = lock_host(&lock, err);
	if (r == 0)
		r = rights_drop(err);
	if (r == 0)
		r = make_runtime_dir(options->runtime_dir, err);
	if (r == 0)
		r = lock_runtime_dir(options->runtime_dir, &runtime_lock, err);
	if (r < 0)
		return r;
	config.base = event_base_new();
	if (!config.base)
		return error_memory(err);
	r = engine_open(&engine, &config, err);
	if (r == 0)
		r = serve(config.base, engine, options, err);
	engine_close(engine);
	event_base_free(config.base);
	return r;
}

/* --- cleaning up --- */

static int purge(const char *state_dir, struct error *err)
{
	static const char *const names[] = {"netd.db", "netd.db-wal", "netd.db-shm"};
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, names[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			return error_set(err, ERROR_STORE, errno, "remove %s", path);
	}
	rmdir(state_dir); /* unless it was there before, or has something else in it */
	return 0;
}

static int cleanup(const struct options *options, struct error *err)
{
	_cleanup_(closep) int lock = -1, runtime_lock = -1;
	int r = rights_check(err);

	if (r == 0)
		r = lock_host(&lock, err);
	if (r == 0) {
		r = lock_runtime_dir(options->runtime_dir, &runtime_lock, err);
		r = r == -ENOENT ? 0 : r; /* none: nobody is in it */
	}
	if (r == 0)
		r = engine_cleanup(options->runtime_dir, options->dry_run ? stdout : NULL, err);
	if (r == 0 && options->purge && options->dry_run)
		printf("rm %s/netd.db*\n", options->state_dir);
	else if (r == 0 && options->purge)
		r = purge(options->state_dir, err);
	if (r < 0 || options->dry_run)
		return r;
	api_unlink(options->socket);
	log_info("nothing of netd is left on this host%s",
	        options->purge ? "" : ", but the database (--purge removes it, too)");
	rmdir(options->runtime_dir); /* the service manager's, if it keeps it */
	return r;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct error err = {0};
	int r = options_read(&options, argc, argv, &err), status = 0;

	if (r < 0) {
		log_error("%s", err.text);
		return 2;
	}
	log_set_level(options.log_level);
	signal(SIGPIPE, SIG_IGN);
	switch (options.mode) {
	case MODE_RUN:
		r = run(&options, &err);
		break;
	case MODE_CLEANUP:
		r = cleanup(&options, &err);
		break;
	case MODE_SANDBOX:
		r = status = sandbox_run("/proc/self/exe", options.command, &err);
		break;
	case MODE_HELP:
		options_help();
		break;
	case MODE_VERSION:
		printf("netd %s\n", netd_version);
		break;
	}
	options_done(&options);
	if (r < 0) {
		log_error("%s", err.text);
		return 1;
	}
	return status;
}

/*
 * The rounds. Each leaves behind what it found: what is made is taken away again, untimed, and the
 * next round begins when the kernel is done with that. Nothing is slept for.
 */
#include "bench/rounds.h"

#include "bench/commit.h"
#include "bench/fatal.h"
#include "lib/client.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORK    "bench"
#define TARGET     "target" /* the namespace that ports lead to */
#define FILL_PORT  10000
#define FLOOR_PORT 30000
#define ROUND_PORT 50000
#define CLIENTS    32
#define GONE_MS    10000

/* --- netd's requests --- */

static void connect_namespace(struct connection *connection, unsigned ns)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"network\":\"" NETWORK "\",\"namespace\":\"n%u\"}", ns);
	connection_send(connection, "POST", "/v1/endpoints", body);
}

static void delete (struct bench *bench, const char *format, unsigned number)
{
	char path[128];

	snprintf(path, sizeof(path), format, number);
	connection_call(&bench->connection, "DELETE", path, NULL);
}

static void publish(struct connection *connection, unsigned port)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"host_port\":%u,\"port\":80,\"namespace\":\"" TARGET "\"}",
	        port);
	connection_send(connection, "POST", "/v1/publications", body);
}

/* --- the host --- */

void bench_open(struct bench *bench, const char *build, const char *directory)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};

	floor_open(&bench->floor);
	netd_start(&bench->netd, build, directory);
	bench->commits = commit_open(bench->netd.directory);
	connection_open(&bench->connection, bench->netd.socket);
	bench->links = messages_socket(NETLINK_ROUTE);
	if (bind(bench->links, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fatal("listen to links: %s", strerror(errno));
	connection_call(&bench->connection, "POST", "/v1/networks",
	        "{\"name\":\"" NETWORK "\",\"subnets\":[{\"subnet\":\"10.99.0.0/20\"}]}");
	connection_call(&bench->connection, "POST", "/v1/endpoints",
	        "{\"network\":\"" NETWORK "\",\"namespace\":\"" TARGET "\"}");
}

void bench_close(struct bench *bench)
{
	connection_close(&bench->connection);
	netd_stop(&bench->netd);
}

/* The outer end's name, from the answer of connect. */
static void read_interface(const char *answer, char ret[IFNAMSIZ])
{
	json_t *body = json_loads(answer, 0, NULL);
	const char *name = json_string_value(
	        json_object_get(json_object_get(body, "endpoint"), "host_interface"));

	if (!name)
		fatal("netd's answer names no interface: %s", answer);
	snprintf(ret, IFNAMSIZ, "%s", name);
	json_decref(body);
}

static void wait_gone(struct bench *bench, const char *ifname)
{
	struct pollfd event = {.fd = bench->links, .events = POLLIN};
	double deadline = now_ms() + GONE_MS;
	char dropped[32768];

	while (if_nametoindex(ifname)) {
		if (now_ms() > deadline)
			fatal("%s is not gone after %d s", ifname, GONE_MS / 1000);
		if (poll(&event, 1, GONE_MS) > 0)
			recv(bench->links, dropped, sizeof(dropped), MSG_DONTWAIT);
	}
	while (recv(bench->links, dropped, sizeof(dropped), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
}

/* --- rounds --- */

static void commit(struct bench *bench, struct row *row, unsigned pages)
{
	double start = now_ms();

	commit_run(bench->commits, pages);
	samples_add(&row->commit, start);
}

void rounds_networks(struct bench *bench, struct row *create)
{
	for (unsigned i = 0; i < bench->rounds; i++) {
		unsigned number = 1 + i % 200;
		char body[128];
		double start = now_ms();

		floor_network_create(&bench->floor, number);
		samples_add(&create->floor, start);
		floor_network_remove(&bench->floor, number);
		commit(bench, create, 3);
		snprintf(body, sizeof(body), "{\"name\":\"round%u\"}", number);
		start = now_ms();
		connection_call(&bench->connection, "POST", "/v1/networks", body);
		samples_add(&create->netd, start);
		delete (bench, "/v1/networks/round%u", number);
	}
}

/* Half of the rounds the other way round: whoever comes second meets what the kernel still does for
 * the first. */
static bool is_netds_turn(unsigned round, unsigned turn)
{
	return (round + turn) % 2 == 1;
}

static void round_connect(
        struct bench *bench, struct row *row, unsigned round, char ifname[IFNAMSIZ])
{
	unsigned ns = bench->next;

	for (unsigned turn = 0; turn < 2; turn++) {
		double start = now_ms();
		const char *answer;

		if (is_netds_turn(round, turn)) {
			connect_namespace(&bench->connection, ns);
			answer = connection_receive(&bench->connection);
			samples_add(&row->netd, start);
			read_interface(answer, ifname);
		} else {
			floor_connect(&bench->floor, ns);
			samples_add(&row->floor, start);
			commit(bench, row, 4);
		}
	}
}

static void round_disconnect(
        struct bench *bench, struct row *row, struct row *later, unsigned round, const char *ifname)
{
	unsigned ns = bench->next++;

	for (unsigned turn = 0; turn < 2; turn++) {
		double start = now_ms();

		if (is_netds_turn(round, turn)) {
			delete (bench, "/v1/networks/" NETWORK "/endpoints/n%u", ns);
			samples_add(&row->netd, start);
			start = now_ms();
			wait_gone(bench, ifname);
			samples_add(&later->netd, start);
		} else {
			floor_disconnect(&bench->floor, ns);
			samples_add(&row->floor, start);
			start = now_ms();
			floor_delete_link(&bench->floor, ns);
			samples_add(&later->floor, start);
			commit(bench, row, 5);
		}
	}
	floor_remove_namespace(ns);
	delete (bench, "/v1/namespaces/n%u", ns);
}

void rounds_endpoints(
        struct bench *bench, struct row *connect, struct row *disconnect, struct row *later)
{
	for (unsigned i = 0; i < bench->rounds; i++) {
		char ifname[IFNAMSIZ];

		round_connect(bench, connect, i, ifname);
		round_disconnect(bench, disconnect, later, i, ifname);
	}
}

static void round_floor_port(
        struct bench *bench, struct row *publish_row, struct row *unpublish, unsigned port)
{
	double start = now_ms();
	int held = floor_publish(&bench->floor, port);

	samples_add(&publish_row->floor, start);
	commit(bench, publish_row, 2);
	start = now_ms();
	floor_unpublish(&bench->floor, port, held);
	samples_add(&unpublish->floor, start);
	commit(bench, unpublish, 3);
}

static void round_port(
        struct bench *bench, struct row *publish_row, struct row *unpublish, unsigned port)
{
	double start = now_ms();

	publish(&bench->connection, port);
	connection_receive(&bench->connection);
	samples_add(&publish_row->netd, start);
	start = now_ms();
	delete (bench, "/v1/publications?protocol=tcp&host_port=%u", port);
	samples_add(&unpublish->netd, start);
}

void rounds_publications(struct bench *bench, struct row *publish_row, struct row *unpublish)
{
	for (unsigned i = 0; i < bench->rounds; i++)
		for (unsigned turn = 0; turn < 2; turn++)
			(is_netds_turn(i, turn) ? round_port : round_floor_port)(
			        bench, publish_row, unpublish, ROUND_PORT + i);
}

void rounds_ranges(struct bench *bench, struct row *publish_row, struct row *unpublish)
{
	for (unsigned i = 0; i < bench->rounds; i++) {
		double start = now_ms();

		connection_call(&bench->connection, "POST", "/v1/publications",
		        "{\"host_port\":51000,\"host_port_end\":60999,\"port\":51000,"
		        "\"port_end\":60999,\"namespace\":\"" TARGET "\"}");
		samples_add(&publish_row->netd, start);
		start = now_ms();
		connection_call(&bench->connection, "DELETE",
		        "/v1/publications?protocol=tcp&host_port=51000&host_port_end=60999", NULL);
		samples_add(&unpublish->netd, start);
	}
}

void rounds_programs(struct bench *bench, struct row *connect)
{
	char *const nothing[] = {(char *)"/bin/true", NULL};

	for (unsigned i = 0; i < bench->rounds; i++) {
		unsigned ns = bench->next++;
		char name[32];
		char *const program[] = {
		        bench->netd.ctl, (char *)"connect", (char *)NETWORK, name, NULL};
		double start = now_ms();

		snprintf(name, sizeof(name), "n%u", ns);
		run_program(nothing);
		samples_add(&connect->floor, start);
		commit(bench, connect, 4);
		start = now_ms();
		run_program(program);
		samples_add(&connect->netd, start);
		delete (bench, "/v1/networks/" NETWORK "/endpoints/n%u", ns);
		delete (bench, "/v1/namespaces/n%u", ns);
	}
}

void rounds_transport(struct bench *bench, struct row *kept, struct row *new)
{
	for (unsigned i = 0; i < bench->rounds; i++) {
		struct client_answer answer;
		struct error err;
		double start = now_ms();

		connection_call(&bench->connection, "GET", "/v1/version", NULL);
		samples_add(&kept->netd, start);
		start = now_ms();
		if (client_call(bench->netd.socket, "GET", "/v1/version", NULL, &answer, &err) < 0)
			fatal("%s", err.text);
		samples_add(&new->netd, start);
		client_answer_done(&answer);
	}
}

/* --- filling --- */

void fill(struct bench *bench, unsigned first, unsigned count,
        void (*request)(struct connection *connection, unsigned number))
{
	struct connection *clients = calloc(CLIENTS, sizeof(*clients));

	if (!clients)
		fatal("out of memory");
	for (unsigned i = 0; i < CLIENTS; i++)
		connection_open(&clients[i], bench->netd.socket);
	for (unsigned done = 0; done < count; done += CLIENTS) {
		for (unsigned i = 0; i < CLIENTS && done + i < count; i++)
			request(&clients[i], first + done + i);
		for (unsigned i = 0; i < CLIENTS && done + i < count; i++)
			connection_receive(&clients[i]);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		connection_close(&clients[i]);
	free(clients);
}

void fill_endpoints(struct bench *bench, unsigned count)
{
	unsigned first = bench->next;

	bench->next += count;
	for (unsigned i = 0; i < count; i++)
		floor_connect(&bench->floor, first + i);
	fill(bench, first, count, connect_namespace);
}

void fill_publications(struct bench *bench, unsigned count)
{
	floor_fill(&bench->floor, FLOOR_PORT, count);
	fill(bench, FILL_PORT, count, publish);
}

/* --- the table --- */

void rows_head(FILE *out)
{
	fprintf(out, "%-36s %22s %22s %22s %7s %9s\n%-36s %22s %22s %22s %7s %9s\n",
	        "milliseconds:", "bare kernel", "one commit", "netd", "netd /", "netd /",
	        "median (least - most)", "", "", "", "kernel", "(k. + c.)");
}

static void print_summary(const struct samples *samples, FILE *out)
{
	struct summary summary = samples_summary(samples);
	char text[64];

	if (samples->count == 0)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%.2f (%.2f - %.1f)", summary.median, summary.min,
		        summary.max);
	fprintf(out, " %22s", text);
}

void rows_print(const struct row *row, FILE *out)
{
	double floor = samples_summary(&row->floor).median;
	double both = floor + samples_summary(&row->commit).median;
	double netd = samples_summary(&row->netd).median;

	fprintf(out, "%-36s", row->name);
	print_summary(&row->floor, out);
	print_summary(&row->commit, out);
	print_summary(&row->netd, out);
	if (floor > 0)
		fprintf(out, " %7.2f %9.2f", netd / floor, netd / both);
	fputc('\n', out);
	fflush(out);
}

/* A made-up host for tests of the pure layers: no kernel is asked. */
#pragma once

#include "daemon/model/rules.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static inline struct model *made_up_model(void)
{
	struct host host = {.instance = "0123456789abcdef0123456789abcdef", .next_id = 1};
	struct model *model = model_new();

	ck_assert_ptr_nonnull(model);
	ck_assert_int_eq(model_put_host(model, &host), 0);
	return model;
}

/* Grants the request, or returns the refusal in *err. */
static inline int ask(struct model *model, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	struct model *fork = model_fork(model);
	int r = rules_apply(fork, request, facts, answer, err);

	if (r < 0)
		model_free(fork);
	else
		model_merge(fork, model);
	return r;
}

static inline void must(
        struct model *model, const struct request *request, const struct facts *facts)
{
	struct answer answer = {0};
	struct error err = {0};
	int r = ask(model, request, facts, &answer, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	answer_done(&answer);
}

static const struct facts quiet_host = {.boot_id = "boot-1", .default_mtu = 1500};

static inline void must_create(struct model *model, const char *network)
{
	struct request request = {.kind = REQUEST_NETWORK_CREATE};

	strcpy(request.network, network);
	must(model, &request, &quiet_host);
}

static inline void must_connect(struct model *model, const char *network, const char *ns)
{
	struct request request = {.kind = REQUEST_CONNECT};

	strcpy(request.network, network);
	strcpy(request.namespace, ns);
	must(model, &request, &quiet_host);
}

static inline void must_publish(
        struct model *model, uint16_t host_port, uint16_t port, const char *ns)
{
	struct request request = {.kind = REQUEST_PUBLISH};

	request.port_count = 1;
	request.ports[0] = (struct port_spec){.host_ip = {.family = AF_INET},
	        .host_port = host_port,
	        .port = port,
	        .protocol = IPPROTO_TCP};
	strcpy(request.namespace, ns);
	must(model, &request, &quiet_host);
}

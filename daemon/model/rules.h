/*
 * The rules: each request is checked against the model and the facts of its host, and if nothing
 * speaks against it, what it changes is put into the fork. Pure: no I/O, no kernel. On failure the
 * fork is to be thrown away.
 */
#pragma once

#include "daemon/model/facts.h"
#include "daemon/model/request.h"
#include "daemon/model/setting.h"

/* The network that is there from the first start, and its bridge. */
#define NETWORK_DEFAULT        "default"
#define NETWORK_DEFAULT_BRIDGE "netd0"

/* Whether the request may be granted, and what it changes then. */
int rules_apply(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);

/* --- the rules of each noun; rules_apply() calls them --- */
int rule_network_create(struct model *fork, const struct request *request,
        const struct facts *facts, struct answer *answer, struct error *err);
int rule_network_set(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_network_remove(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_ns_create(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_remove(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_release(struct model *fork, const struct request *request, struct error *err);
int rule_connect(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_disconnect(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_publish(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_unpublish(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_host(struct model *fork, const struct request *request, struct error *err);

/* --- what several of them need --- */

/* Refuses, for --exist-ok, what is there with other settings than those that were wanted: what was
 * not given is wanted as its default. */
int settings_compare(const struct settings *settings, const void *wanted, const void *existing,
        const char *noun, const char *name, struct error *err);
/* Takes an endpoint away and condemns its link and its flows. Invalidates pointers into this
 * namespace. */
int endpoint_condemn(struct model *fork, const char *ns, const char *network, struct error *err);
int tombstone_add(struct model *fork, struct tombstone *tombstone, struct error *err);
/* --- publication.c --- */

/* "0.0.0.0:8080/tcp -> web (my-net 10.0.0.2):80"; returns text. */
const char *publication_format(
        const struct model *model, const struct publication *publication, char *text, size_t size);
/* One that has a port of this one on an overlapping address; NULL: none. */
const struct publication *publication_overlap(
        const struct model *model, const struct publication *publication);
/* The host's address of one of the ports of a request to publish. */
struct ip publish_host(const struct model *model, const struct request *request, unsigned number,
        const struct facts *facts);
/* Condemns the flows that are in the way of one that leads somewhere now; of those of a namespace
 * that is about to be connected; those that came through one that ends. */
int publication_begin(struct model *fork, const struct publication *publication, struct error *err);
int publications_revive(struct model *fork, const char *ns, struct error *err);
int publication_end(struct model *fork, const struct publication *publication, struct error *err);

/* What a namespace that is not created by netd claims in the model. */
void namespace_adopt(struct namespace *ns, const char *name, const struct facts *facts);
/* Refuses a name whose last namespace is committed as gone, but not gone yet. */
int namespace_check_condemned(const struct model *model, const char *name, struct error *err);

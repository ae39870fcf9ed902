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
/* Removes all that have no endpoint, but the default one. */
int rule_network_prune(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_ns_create(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_attach(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_remove(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
/* Removes all that netd created, in which no process is, and that have neither an endpoint nor a
 * published port. */
int rule_ns_prune(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_release(struct model *fork, const struct request *request, struct error *err);
int rule_connect(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_endpoint_set(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_disconnect(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_publish(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_unpublish(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_host(struct model *fork, const struct request *request, struct error *err);

/* --- parts of them --- */

/* Gives a new network its subnets: those that were named, or free ones of the pools. */
int choose_subnets(const struct model *model, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err);
/* Whether a new network is to have this family. */
bool request_wants(const struct request *request, int family);
/* In what a network differs from the one that was asked for; NULL: in nothing of its subnets. */
const char *compare_subnets(const struct network *network, const struct request *request);
/* Whether no one may have this address of a subnet; and what it is then. */
bool subnet_reserves(const struct subnet *subnet, const struct ip *ip);
const char *subnet_reserved(const struct ip *ip);
/* Whether a network's settings agree with one another and with what is there. */
int network_check(const struct model *model, const struct network *network, struct error *err);
/* Gives a new endpoint an address of each family that its network has. */
int choose_addresses(const struct model *model, const struct network *network,
        const struct request *request, struct endpoint *endpoint, struct error *err);

/* --- what several of them need --- */

/* The MTU of its links, where the way to the Internet takes so much (0: there is none, and all
 * stays as it is). That of the way out may be less than IPv6 takes: then IPv6 finds out by itself.
 */
uint32_t network_follow_mtu(const struct network *network, uint32_t default_mtu);
/* After a network came or went: whether the host forwards IPv6. */
int host_follow_networks(struct model *fork, struct error *err);
/* Whether these labels have all of the filter: lines of KEY, with any value, or KEY=VALUE. Both may
 * be NULL: none. */
bool labels_match(const char *labels, const char *filter);

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
/* Refuses a namespace that the model knows by another name than this one. */
int namespace_check_alias(const struct model *model, const char *boot_id, uint64_t cookie,
        const char *name, struct error *err);
/* Refuses a name whose last namespace is committed as gone, but not gone yet. */
int namespace_check_condemned(const struct model *model, const char *name, struct error *err);

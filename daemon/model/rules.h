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
int rule_ns_set(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_ns_remove(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
/* Removes all that netd created, in which no process is, and that have neither an endpoint nor a
 * published port. */
int rule_ns_prune(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_release(struct model *fork, const struct request *request, struct error *err);
int rule_move_in(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_move_out(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_connect(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_endpoint_set(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
/* The same for the words that stand for no network. */
int rule_connect_builtin(struct model *fork, const struct request *request,
        const struct facts *facts, struct answer *answer, struct error *err);
int rule_disconnect_builtin(struct model *fork, const struct request *request,
        struct answer *answer, struct error *err);
int rule_disconnect(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_ns_link(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err);
int rule_ns_link_set(struct model *fork, const struct request *request, struct answer *answer,
        struct error *err);
int rule_ns_unlink(struct model *fork, const struct request *request, struct answer *answer,
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
/* Refuses an address that is none of its family's subnet, which the network has, or that stands for
 * the subnet itself. */
int subnet_check_address(
        const struct network *network, const struct ip *ip, const char *field, struct error *err);
/* Whether no one may have this address of a subnet; and what it is then. */
bool subnet_reserves(const struct subnet *subnet, const struct ip *ip);
const char *subnet_reserved(const struct ip *ip);
/* Whether a network's settings agree with one another and with what is there. */
int network_check(const struct model *model, const struct network *network, struct error *err);
/* Gives a new endpoint an address of each family that its network has. */
int choose_addresses(struct model *fork, const struct network *network,
        const struct request *request, struct endpoint *endpoint, struct error *err);

/* --- what several of them need --- */

/* The MTU of its links, where the way to the Internet takes so much (0: there is none, and all
 * stays as it is). That of the way out may be less than IPv6 takes: then IPv6 finds out by itself.
 */
uint32_t network_follow_mtu(const struct network *network, uint32_t default_mtu);
/* Puts the bridge of the facts into the fork where it is not known there yet, or is another one. */
int bridge_know(struct model *fork, const struct facts *facts, struct error *err);
/* Remembers an endpoint that goes. */
int lease_keep(
        struct model *fork, const char *ns, const struct endpoint *endpoint, struct error *err);
/* Each forgets. 0 or -ENOMEM; there need be nothing to forget. */
int lease_drop(struct model *fork, const char *network, const char *ns);
int leases_drop_namespace(struct model *fork, const char *ns);
int leases_drop_network(struct model *fork, const char *network);
/* The oldest one of the network with an address in this range that someone else may have; NULL:
 * there is none. And the way to take it. */
const struct lease *lease_to_take(
        const struct model *model, const char *network, const struct cidr *range, struct ip *ret);
int lease_give_up(struct model *fork, const struct lease *lease, const struct ip *ip);
/* After a network came or went: whether the host forwards IPv6. */
int host_follow_networks(struct model *fork, struct error *err);
/* Whether these labels have all of the filter: lines of KEY, with any value, or KEY=VALUE. Both may
 * be NULL: none. */
bool labels_match(const char *labels, const char *filter);

/* The name of a setting in which two objects differ; NULL: there is none. */
const char *settings_difference(
        const struct settings *settings, const void *wanted, const void *existing);
/* Refuses, for --exist-ok, what is there with other settings than those that were wanted: what was
 * not given is wanted as its default. */
int settings_compare(const struct settings *settings, const void *wanted, const void *existing,
        const char *noun, const char *name, struct error *err);
/* Whether a network's settings go together, and what they name newly is there. `before`: what it
 * was; NULL: it is new. */
int policy_check(const struct model *model, const struct network *before,
        const struct network *network, struct error *err);
/* Ends what flows only because of what a change takes away: `before` is what the network was. */
int policy_end_flows(struct model *fork, const struct network *before,
        const struct network *network, struct error *err);
/* Gives or takes back what the request says, in a network that owns its settings. */
int policy_allow(struct network *network, const struct request *request, struct error *err);
/* Takes every permission back that names this network or namespace. `answer` may be NULL. */
int policy_forget(
        struct model *fork, const struct allowed *gone, struct answer *answer, struct error *err);
/* Takes an endpoint away and condemns its link and its flows. Invalidates pointers into this
 * namespace. */
int endpoint_condemn(struct model *fork, const char *ns, const char *network, struct error *err);
/* Takes every link of a namespace away and condemns them. `answer` may be NULL. */
int namespace_unlink(
        struct model *fork, const char *name, struct answer *answer, struct error *err);
/* Refuses an address that the namespace has on one of its links, or whose subnet it has there. */
int namespace_check_links(
        const struct model *model, const char *name, const struct cidr *address, struct error *err);
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
bool namespace_has_moved(const struct model *model, const char *name);
/* Brings back every interface of the host that is in it. */
int namespace_bring_back(
        struct model *fork, const char *name, struct answer *answer, struct error *err);
/* The namespace to connect to something: known, adopted now, or made in the same change (*created).
 * What *ret owns is borrowed; it is not in the fork yet. */
int namespace_to_connect(struct model *fork, const char *name, bool existing,
        const struct facts *facts, bool *created, struct namespace *ret, struct error *err);
/* Whether it has an interface of this name, as the facts or the model have it; the name `wanted`
 * (NULL: the next free ethN) for a new one. */
int namespace_choose_ifname(const struct model *model, const struct namespace *ns,
        const struct facts *facts, const char *wanted, char ret[IFNAMSIZ], struct error *err);
/* Whether nothing of netd's is in it: no endpoint, no link, no interface of the host. */
bool namespace_is_idle(const struct model *model, const struct namespace *ns);
/* Forgets an adopted one that netd has nothing to do with any more. */
int namespace_forget_idle(struct model *fork, const char *name, struct error *err);
/* Refuses a namespace that the model knows by another name than this one. */
int namespace_check_alias(const struct model *model, const char *boot_id, uint64_t cookie,
        const char *name, struct error *err);
/* Refuses a name whose last namespace is committed as gone, but not gone yet. */
int namespace_check_condemned(const struct model *model, const char *name, struct error *err);

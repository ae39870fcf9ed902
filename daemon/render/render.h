/*
 * What the objects of a model are in the kernel: pure. The same object in the same model always
 * gives the same resources. On failure (out of memory) the list may hold a part; it is to be thrown
 * away.
 */
#pragma once

#include "daemon/model/model.h"
#include "daemon/plan/resource.h"

/* What a netd host has without any network: the two tables, and the directory of namespaces.
 * `fingerprints` are those of this program's skeletons; `owned`: the tables are netd's alone. */
int render_base(const char *inet_fingerprint, const char *bridge_fingerprint, bool owned,
        struct resources *ret, struct error *err);
int render_network(const struct model *model, const struct network *network, struct resources *ret,
        struct error *err);
/* The namespace with all its endpoints: its default route depends on all of them. */
int render_namespace(const struct model *model, const struct namespace *ns, struct resources *ret,
        struct error *err);
/* Both ends, with all that they have. */
int render_ns_link(const struct model *model, const struct ns_link *link, struct resources *ret,
        struct error *err);
int render_publication(const struct model *model, const struct publication *publication,
        struct resources *ret, struct error *err);
int render_moved(const struct moved *moved, struct resources *ret, struct error *err);
/* The element that counts what goes through it in this family; none where it is not for it. -1:
 * there is no memory. */
int render_counter(const struct publication *publication, int family, struct resources *ret);
int render_interface(const struct model *model, const struct interface *interface,
        struct resources *ret, struct error *err);
/* The host's own switches. */
int render_host(const struct host *host, struct resources *ret, struct error *err);
/* What is condemned, as it is while it waits. */
int render_tombstone(const struct tombstone *tombstone, struct resources *ret, struct error *err);
/* What is held back for a while after its flows were ended (late.c). */
int render_late(const struct tombstone *tombstone, struct resources *ret, struct error *err);

/* The ports of a namespace that are reached by its own address, since its network is routed; NULL:
 * none. */
int render_openings(const struct model *model, const struct namespace *ns, struct resources *ret,
        struct error *err);
/* The namespaces that a network's permissions are about; NULL: none. */
int render_permitted(const struct model *model, const struct network *network,
        struct resources *ret, struct error *err);
/* The members of networks that have, in `index`, a permission for a port of this namespace. */
int render_holders(const struct model *index, const struct model *model, const char *ns,
        struct resources *ret, struct error *err);

/* Everything that should be there, but the base: what is condemned should not. */
int render_all(const struct model *model, struct resources *ret, struct error *err);
/*
 * Everything that the entries of `fork` can have changed, as it is in `model`: call it with the
 * parent for the old side, with the fork itself for the new one.
 */
int render_touched(const struct model *fork, const struct model *model, struct resources *ret,
        struct error *err);

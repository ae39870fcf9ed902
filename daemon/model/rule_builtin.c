/*
 * "none" and "host": words that stand where a network's name does, so that a script need not know
 * that they are no networks. A namespace on none is one that is connected to nothing; host is where
 * a program is that runs in no namespace, so no namespace is ever on it.
 */
#include "daemon/model/rules.h"

#include <string.h>

bool network_is_none(const char *name)
{
	return strcmp(name, "none") == 0;
}

bool network_is_builtin(const char *name)
{
	return network_is_none(name) || strcmp(name, "host") == 0;
}

static int refuse_host(const struct request *request, struct error *err)
{
	if (request->kind == REQUEST_DISCONNECT)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s is not connected to 'host', and cannot be: that is where a "
		        "program is that runs in no namespace",
		        request->namespace);
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s: 'host' is where a program is that runs in no namespace; run it "
	        "without 'netd-ctl exec'",
	        request->namespace);
}

static int check_alone(const struct namespace *ns, struct error *err)
{
	if (!ns || ns->endpoint_count == 0)
		return 0;
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s is connected to network %s%s, and 'none' is for one that is "
	        "connected "
	        "to nothing; disconnect it first",
	        ns->name, ns->endpoints[0].network, ns->endpoint_count > 1 ? " and others" : "");
}

int rule_connect_builtin(struct model *fork, const struct request *request,
        const struct facts *facts, struct answer *answer, struct error *err)
{
	struct request create = {.kind = REQUEST_NS_CREATE};
	const struct namespace *ns = model_namespace(fork, request->namespace);
	int r = check_alone(ns, err);

	if (!network_is_none(request->network) || facts->ns_is_host)
		return refuse_host(request, err);
	if (request->ip_count || request->has_mac || request->ifname[0] || request->given)
		return error_field(err, "network",
		        "network: with 'none' a namespace has lo only, and so no address, "
		        "interface or setting to choose");
	answer->existed = ns || facts->ns_exists;
	if (r < 0 || answer->existed)
		return r;
	if (request->existing)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s: there is no such namespace; create it with 'netd-ctl ns "
		        "create %s', or leave --existing away",
		        request->namespace, request->namespace);
	memcpy(create.namespace, request->namespace, NAME_SIZE);
	answer->created_namespace = true;
	return rule_ns_create(fork, &create, facts, answer, err);
}

int rule_disconnect_builtin(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, request->namespace);

	if (!network_is_none(request->network))
		return refuse_host(request, err);
	if (!ns)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s: there is no such namespace (netd-ctl ns ls lists them)",
		        request->namespace);
	answer->existed = true;
	return check_alone(ns, err);
}

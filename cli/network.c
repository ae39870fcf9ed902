/*
 * `netd-ctl network ...`. Of the subnets and gateways that are given, those of one family belong
 * together: that is seen by the ':' of IPv6, or by a size that only it has, and whether they are
 * right is the daemon's to say.
 */
#include "cli/commands.h"
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"

#include <string.h>

/* One member of each subnet, joined with ", ". */
static char *subnet_members(const json_t *network, const char *member)
{
	const json_t *subnet;
	json_auto_t *texts = json_array();
	size_t i;

	json_array_foreach (json_object_get(network, "subnets"), i, subnet) {
		if (json_array_append_new(texts, json_string(field_text(subnet, member))) < 0)
			return NULL;
	}
	return texts ? cell_value(texts) : NULL;
}

static char *cell_subnets(const json_t *network)
{
	return subnet_members(network, "subnet");
}

static char *cell_gateways(const json_t *network)
{
	return subnet_members(network, "gateway");
}

static char *cell_count(const json_t *network)
{
	char *text = NULL;
	size_t n = json_array_size(json_object_get(network, "endpoints"));

	return asprintf(&text, "%zu", n) < 0 ? NULL : text;
}

static char *cell_endpoints(const json_t *network)
{
	return endpoint_lines(network, "namespace");
}

static const struct column table[] = {
        {"NAME", "name"},
        {"DRIVER", "driver"},
        {"BRIDGE", "bridge"},
        {"SUBNET", NULL, cell_subnets},
        {"GATEWAY", NULL, cell_gateways},
        {"MTU", "mtu"},
        {"INTERNAL", "internal"},
        {"ENDPOINTS", NULL, cell_count},
        {NULL},
};

static const struct column record[] = {
        {"NAME", "name"},
        {"ID", "id"},
        {"DRIVER", "driver"},
        {"BRIDGE", "bridge"},
        {"SUBNET", NULL, cell_subnets},
        {"GATEWAY", NULL, cell_gateways},
        {"USE BRIDGE", "use_bridge"},
        {"NO HOST ADDRESS", "no_host_address"},
        {"STATE", "state"},
        {"", .settings = network_options},
        {"ENDPOINTS", NULL, cell_endpoints},
        {NULL},
};

static const struct filter filters[] = {
        {"name", "name"},
        {"driver", "driver"},
        {"label", "labels"},
        {"internal", "internal"},
        {"bridge", "bridge"},
        {"namespace", "endpoints.namespace"},
        {NULL},
};

const struct noun network_noun = {
        .path = "/v1/networks",
        .key = "networks",
        .table = table,
        .record = record,
        .filters = filters,
};

static void say_created(const struct call *call, const json_t *answer)
{
	const json_t *network = json_object_get(answer, "network");
	_cleanup_(freep) char *subnets = cell_subnets(network), *gateways = cell_gateways(network);

	if (!subnets || !gateways)
		output_memory();
	else if (call_has(call, OPTION_QUIET))
		output_line("%s", field_text(network, "name"));
	else
		output_line("%s: bridge %s, %s, gateway %s", field_text(network, "name"),
		        field_text(network, "bridge"), subnets, gateways);
}

/* Also of a size alone: "/64". */
static bool is_ip6(const char *address)
{
	return strchr(address, ':') || (address[0] == '/' && atoi(address + 1) > 32);
}

/* The one of these options that is of the same family; NULL: there is none. */
static const char *find_address(const struct call *call, enum option_id option, bool ip6)
{
	for (size_t i = 0; i < call->n_uses; i++)
		if (call->uses[i].id == option && is_ip6(call->uses[i].value) == ip6)
			return call->uses[i].value;
	return NULL;
}

static int check_addresses(const struct call *call, struct error *err)
{
	for (size_t i = 0; i < call->n_uses; i++) {
		const struct option_use *use = &call->uses[i];
		bool subnet = use->id == OPTION_SUBNET, gateway = use->id == OPTION_GATEWAY;

		if (!subnet && !gateway)
			continue;
		if (find_address(call, use->id, is_ip6(use->value)) != use->value)
			return error_field(err, "",
			        "%s is given twice for %s: a network has one of each family",
			        subnet ? "--subnet" : "--gateway",
			        is_ip6(use->value) ? "IPv6" : "IPv4");
		if (gateway && !find_address(call, OPTION_SUBNET, is_ip6(use->value)))
			return error_field(
			        err, "gateway", "--gateway needs --subnet: it is an address of it");
	}
	return 0;
}

/* NULL where no --subnet is given: the daemon chooses then. */
static json_t *subnets_of(const struct call *call)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < call->n_uses; i++) {
		const char *subnet = call->uses[i].value;

		if (call->uses[i].id == OPTION_SUBNET &&
		        json_array_append_new(list,
		                json_pack("{s:s, s:s*}", "subnet", subnet, "gateway",
		                        find_address(call, OPTION_GATEWAY, is_ip6(subnet)))) < 0)
			return NULL;
	}
	return json_array_size(list) ? json_incref(list) : NULL;
}

int network_create(const struct call *call)
{
	bool no_ip4 = call_has(call, OPTION_NO_IPV4);
	struct error err = {0};
	json_t *body;

	if (check_addresses(call, &err) < 0)
		return change_error(call, &err);
	body = call_body(call,
	        json_pack("{s:s, s:o*, s:o*}", "name", call->arguments[0], "subnets",
	                subnets_of(call), "ipv4", no_ip4 ? json_false() : NULL),
	        &err);
	return change_send(call, "POST", network_noun.path, body, &err, say_created);
}

static void say_set(const struct call *call, const json_t *answer)
{
	output_line("%s", field_text(json_object_get(answer, "network"), "name"));
}

int network_set(const struct call *call)
{
	_cleanup_(freep) char *path = request_path(network_noun.path, call->arguments[0], "");

	return change_assignments(call, path, say_set);
}

/* The verb is the last part of the path. */
static int permit(const struct call *call, const char *verb)
{
	_cleanup_(freep) char *path = request_path(network_noun.path, call->arguments[0], verb);
	json_t *list = json_array();
	struct error err = {0};

	for (size_t i = 1; i < call->n_arguments; i++)
		json_array_append_new(list, json_string(call->arguments[i]));
	return change_send(call, "POST", path ? path : network_noun.path,
	        path ? call_body(call, json_pack("{s:o}", "to", list), &err) : NULL, &err, say_set);
}

int network_allow(const struct call *call)
{
	return permit(call, "/allow");
}

int network_disallow(const struct call *call)
{
	return permit(call, "/disallow");
}

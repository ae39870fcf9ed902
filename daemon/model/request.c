/* What requests, answers and facts own, and the rules' front door. */
#include "daemon/model/request.h"
#include "daemon/model/rules.h"
#include "daemon/model/setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void request_done(struct request *request)
{
	free(request->interfaces);
	request->interfaces = NULL;
	free(request->label_filter);
	request->label_filter = NULL;
	settings_free(&network_settings, &request->wanted_network);
	settings_free(&namespace_settings, &request->wanted_namespace);
	settings_free(&endpoint_settings, &request->wanted_endpoint);
	settings_free(&publication_settings, &request->wanted_publication);
	settings_free(&ns_link_settings, &request->wanted_ns_link);
}

void request_move(struct request *from, struct request *to)
{
	*to = *from;
	from->interfaces = NULL;
	from->label_filter = NULL;
	settings_forget(&network_settings, &from->wanted_network);
	settings_forget(&namespace_settings, &from->wanted_namespace);
	settings_forget(&endpoint_settings, &from->wanted_endpoint);
	settings_forget(&publication_settings, &from->wanted_publication);
	settings_forget(&ns_link_settings, &from->wanted_ns_link);
}

const char *settings_difference(
        const struct settings *settings, const void *wanted, const void *existing)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (!setting_equal(&settings->rows[i], wanted, existing))
			return settings->rows[i].name;
	return NULL;
}

int settings_compare(const struct settings *settings, const void *wanted, const void *existing,
        const char *noun, const char *name, struct error *err)
{
	const char *other = settings_difference(settings, wanted, existing);

	if (!other)
		return 0;
	return error_set(err, ERROR_EXISTS, 0,
	        "%s %s exists with another %s (netd-ctl %s inspect %s shows it)", noun, name, other,
	        noun, name);
}

static void describe_ports(const struct request *request, char *text, size_t size)
{
	const struct port_spec *spec = &request->ports[0];
	char host[HOST_TEXT_SIZE], ports[PORTS_TEXT_SIZE], inside[PORTS_TEXT_SIZE], more[32] = "";

	host_format(&spec->host_ip, host);
	ports_format(spec->host_port, spec->host_port_end, ports);
	if (request->port_count > 1)
		snprintf(more, sizeof(more), " and %u more", request->port_count - 1);
	if (request->kind == REQUEST_PUBLISH)
		snprintf(text, size, "publish %s:%s:%s/%s%s%s%s", host, ports,
		        ports_format(spec->port, spec->port_end, inside),
		        protocol_name(spec->protocol), more, request->namespace[0] ? " " : "",
		        request->namespace);
	else if (request->publication[0])
		snprintf(text, size, "unpublish %s", request->publication);
	else
		snprintf(text, size, "unpublish %s:%s/%s", host, ports,
		        spec->protocol ? protocol_name(spec->protocol) : "*");
}

static void describe_permissions(const struct request *request, char *text, size_t size)
{
	const char *rest = request->wanted_network.allow;
	char item[SETTING_ITEM_MAX];
	size_t used = (size_t)snprintf(text, size, "network %s %s",
	        request->kind == REQUEST_NETWORK_ALLOW ? "allow" : "disallow", request->network);

	while (used < size && setting_next_item(&rest, item))
		used += (size_t)snprintf(text + used, size - used, " %s", item);
}

static void describe_link(const struct request *request, char *text, size_t size)
{
	const char *verb = request->kind == REQUEST_NS_LINK     ? "link"
	                   : request->kind == REQUEST_NS_UNLINK ? "unlink"
	                                                        : "set-link";
	size_t used = (size_t)snprintf(text, size, "ns %s %s", verb, request->link);

	for (unsigned i = 0; !request->link[0] && used < size && i < 2; i++) {
		const struct ns_link_end *end = &request->ends[i];

		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i ? " " : "",
		        end->namespace, end->ifname[0] ? ":" : "", end->ifname);
	}
}

void request_describe(const struct request *request, char *text, size_t size)
{
	switch (request->kind) {
	case REQUEST_NETWORK_CREATE:
		snprintf(text, size, "network create %s", request->network);
		break;
	case REQUEST_NETWORK_SET:
		snprintf(text, size, "network set %s", request->network);
		break;
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
		describe_permissions(request, text, size);
		break;
	case REQUEST_NETWORK_REMOVE:
		snprintf(text, size, "network rm %s", request->network);
		break;
	case REQUEST_MOVE_IN:
		snprintf(text, size, "ns move-in %s %s", request->namespace, request->interface);
		break;
	case REQUEST_MOVE_OUT:
		snprintf(text, size, "ns move-out %s %s", request->namespace, request->interface);
		break;
	case REQUEST_NETWORK_PRUNE:
		snprintf(text, size, "network prune");
		break;
	case REQUEST_NS_PRUNE:
		snprintf(text, size, "ns prune");
		break;
	case REQUEST_NS_CREATE:
		snprintf(text, size, "ns create %s", request->namespace);
		break;
	case REQUEST_NS_ATTACH:
		snprintf(text, size, "ns attach %s %s", request->namespace, request->source);
		break;
	case REQUEST_NS_SET:
		snprintf(text, size, "ns set %s", request->namespace);
		break;
	case REQUEST_NS_REMOVE:
		snprintf(text, size, "ns %s %s", request->detach ? "detach" : "rm",
		        request->namespace);
		break;
	case REQUEST_CONNECT:
		snprintf(text, size, "connect %s %s", request->network, request->namespace);
		break;
	case REQUEST_ENDPOINT_SET:
		snprintf(text, size, "endpoint set %s %s", request->network, request->namespace);
		break;
	case REQUEST_DISCONNECT:
		snprintf(text, size, "disconnect %s %s", request->network, request->namespace);
		break;
	case REQUEST_NS_LINK:
	case REQUEST_NS_LINK_SET:
	case REQUEST_NS_UNLINK:
		describe_link(request, text, size);
		break;
	case REQUEST_PUBLISH:
	case REQUEST_UNPUBLISH:
		describe_ports(request, text, size);
		break;
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		snprintf(text, size, "internal request");
		break;
	}
}

void answer_done(struct answer *answer)
{
	free(answer->plan);
	free(answer->removed);
	answer->plan = NULL;
	answer->removed = NULL;
}

void answer_warn(struct answer *answer, const char *format, ...)
{
	va_list args;

	if (answer->warning_count == WARNINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(answer->warnings[answer->warning_count++], WARNING_SIZE, format, args);
	va_end(args);
}

int answer_removed(struct answer *answer, const char *format, ...)
{
	const char *before = answer->removed ? answer->removed : "";
	char *sentence = NULL, *all = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&sentence, format, args);
	va_end(args);
	if (length < 0)
		return -ENOMEM;
	length = asprintf(&all, "%s%s\n", before, sentence);
	free(sentence);
	if (length < 0)
		return -ENOMEM;
	free(answer->removed);
	answer->removed = all;
	return 0;
}

void facts_done(struct facts *facts)
{
	free(facts->used);
	free(facts->links);
	free(facts->ns_links);
	free(facts->idle);
	free(facts->moving.belongings);
	free(facts->listeners);
	if (facts->peer)
		facts_done(facts->peer);
	free(facts->peer);
	*facts = (struct facts){0};
}

int rules_apply(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	switch (request->kind) {
	case REQUEST_NETWORK_CREATE:
		return rule_network_create(fork, request, facts, answer, err);
	case REQUEST_NETWORK_SET:
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
		return rule_network_set(fork, request, facts, answer, err);
	case REQUEST_NETWORK_REMOVE:
		return rule_network_remove(fork, request, answer, err);
	case REQUEST_MOVE_IN:
		return rule_move_in(fork, request, facts, answer, err);
	case REQUEST_MOVE_OUT:
		return rule_move_out(fork, request, answer, err);
	case REQUEST_NETWORK_PRUNE:
		return rule_network_prune(fork, request, answer, err);
	case REQUEST_NS_PRUNE:
		return rule_ns_prune(fork, request, facts, answer, err);
	case REQUEST_NS_CREATE:
		return rule_ns_create(fork, request, facts, answer, err);
	case REQUEST_NS_ATTACH:
		return rule_ns_attach(fork, request, facts, answer, err);
	case REQUEST_NS_SET:
		return rule_ns_set(fork, request, answer, err);
	case REQUEST_NS_REMOVE:
		return rule_ns_remove(fork, request, facts, answer, err);
	case REQUEST_NS_RELEASE:
		return rule_ns_release(fork, request, err);
	case REQUEST_CONNECT:
		return rule_connect(fork, request, facts, answer, err);
	case REQUEST_ENDPOINT_SET:
		return rule_endpoint_set(fork, request, answer, err);
	case REQUEST_DISCONNECT:
		return rule_disconnect(fork, request, answer, err);
	case REQUEST_NS_LINK:
		return rule_ns_link(fork, request, facts, answer, err);
	case REQUEST_NS_LINK_SET:
		return rule_ns_link_set(fork, request, answer, err);
	case REQUEST_NS_UNLINK:
		return rule_ns_unlink(fork, request, answer, err);
	case REQUEST_PUBLISH:
		return rule_publish(fork, request, facts, answer, err);
	case REQUEST_UNPUBLISH:
		return rule_unpublish(fork, request, answer, err);
	case REQUEST_HOST:
		return rule_host(fork, request, err);
	case REQUEST_REAP:
		return 0;
	}
	return error_set(err, ERROR_INVALID, 0, "unknown request");
}

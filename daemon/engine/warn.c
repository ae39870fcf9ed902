/*
 * What is said beside a success: what was granted, and does not do what its user may expect, for
 * something on the host that is not netd's to change. That of published ports is in ports.c.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "daemon/model/setting.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void warn_of_firewalls(struct engine *engine, const char (*bridges)[IFNAMSIZ],
        unsigned count, struct answer *answer)
{
	char sentences[WARNINGS_MAX][WARNING_SIZE];
	unsigned found = 0;
	struct error err;

	if (look_firewall(engine->kernel, bridges, count, sentences, WARNINGS_MAX, &found, &err) <
	        0)
		log_warning("look for other firewalls: %s", err.text);
	for (unsigned i = 0; i < found; i++)
		answer_warn(answer, "%s", sentences[i]);
}

/* True also where it could not be asked. */
static bool has_address(struct engine *engine, const struct ip *ip)
{
	bool local = true;
	struct error err;

	if (look_local_address(engine->kernel, ip, &local, &err) < 0)
		log_debug("%s", err.text);
	return local;
}

static void warn_of_absent_sources(
        struct engine *engine, const struct network *network, struct answer *answer)
{
	static const int families[] = {AF_INET, AF_INET6};
	char text[IP_TEXT_SIZE];
	struct ip ip;

	for (int i = 0; i < 2; i++)
		if (network_snat(network, families[i], &ip) && !has_address(engine, &ip))
			answer_warn(answer,
			        "this host does not have the address %s yet; what leaves network "
			        "%s "
			        "bears it all the same, and is answered once the host has it",
			        ip_format(&ip, text), network->name);
}

static void warn_of_absent_interfaces(const struct network *network, struct answer *answer)
{
	const char *rest = network->trusted_interfaces;
	char item[SETTING_ITEM_MAX];

	while (setting_next_item(&rest, item))
		if (!look_has_link(item))
			answer_warn(answer,
			        "this host does not have the interface %s yet; network %s trusts "
			        "what comes in by it once it does",
			        item, network->name);
}

void facts_warn(struct engine *engine, const struct model *model, const struct request *request,
        struct answer *answer)
{
	const struct network *network = model_network(model, answer->network);

	if (network &&
	        (request->kind == REQUEST_NETWORK_CREATE || request->kind == REQUEST_NETWORK_SET)) {
		warn_of_absent_sources(engine, network, answer);
		warn_of_absent_interfaces(network, answer);
	}
	if (request->kind != REQUEST_NETWORK_CREATE && request->kind != REQUEST_CONNECT &&
	        request->kind != REQUEST_PUBLISH)
		return;
	if (network && !network->internal && network_has_host(network))
		warn_of_firewalls(engine, &network->bridge, 1, answer);
	facts_warn_of_ports(engine, model, answer);
}

void facts_warn_of_holders(struct pending *pending)
{
	char holders[WARNING_SIZE / 2];
	struct error err;

	if (!pending->removed.inode)
		return;
	if (look_holders(pending->removed.inode, pending->removed.nsid, holders, sizeof(holders),
	            &err) < 0)
		log_debug("look for who holds %s: %s", pending->request.namespace, err.text);
	else if (holders[0])
		answer_warn(&pending->answer,
		        "namespace %s has no name any more, but lives on, without netd, until it "
		        "is let go: %s",
		        pending->request.namespace, holders);
}

void facts_warn_at_start(struct engine *engine)
{
	unsigned count = 0, most = model_count(engine->model, TABLE_NETWORKS);
	_cleanup_(freep) char(*bridges)[IFNAMSIZ] = calloc(most + 1, sizeof(*bridges));
	const struct network *network;
	struct answer answer = {0};
	char key[KEY_SIZE] = "";

	while (bridges && (network = model_next(engine->model, TABLE_NETWORKS, key)))
		if (!network->internal && network_has_host(network))
			memcpy(bridges[count++], network->bridge, IFNAMSIZ);
	warn_of_firewalls(engine, bridges, count, &answer);
	for (unsigned i = 0; i < answer.warning_count; i++)
		log_warning("%s", answer.warnings[i]);
	answer_done(&answer);
}

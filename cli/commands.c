/*
 * Every command of netd-ctl, in the order help lists them, and the way of one command line: parse,
 * run, flush. A new command is a row here and a function in the file of its noun.
 */
#include "cli/commands.h"

#include "cli/help.h"
#include "cli/nouns.h"
#include "cli/output.h"
#include "lib/cleanup.h"

#define CHANGE OPTION_DRY_RUN
#define CREATE CHANGE, OPTION_EXIST_OK
#define REMOVE CHANGE, OPTION_FORCE

/* What a network is made with and stays with, and what `network set` can change. */
#define NETWORK_FIXED                                                                              \
	OPTION_SUBNET, OPTION_GATEWAY, OPTION_IPV6, OPTION_NO_IPV4, OPTION_BRIDGE,                 \
	        OPTION_USE_BRIDGE, OPTION_NO_HOST_ADDRESS
#define NETWORK_SETTINGS                                                                           \
	OPTION_MTU, OPTION_INTERNAL, OPTION_LABEL, OPTION_ISOLATED, OPTION_MODE, OPTION_MODE4,     \
	        OPTION_MODE6, OPTION_HOST_ACCESS, OPTION_TRUSTED_IFACE, OPTION_ALLOW, OPTION_SNAT, \
	        OPTION_ROUTE, OPTION_IP_RANGE, OPTION_RESERVE, OPTION_PUBLISH_ADDRESS

/* Likewise of a namespace, and of an endpoint. */
#define NAMESPACE_FIXED    OPTION_PID, OPTION_PATH
#define NAMESPACE_SETTINGS OPTION_LABEL, OPTION_SYSCTL
#define ENDPOINT_FIXED     OPTION_IP, OPTION_IP6, OPTION_MAC, OPTION_IFNAME
#define ENDPOINT_SETTINGS                                                                          \
	OPTION_GW_PRIORITY, OPTION_NO_DEFAULT_ROUTE, OPTION_ROUTER, OPTION_RATE_IN,                \
	        OPTION_RATE_OUT, OPTION_LABEL
#define PUBLICATION_SETTINGS OPTION_IFACE, OPTION_FROM, OPTION_LABEL
#define LINK_FIXED           OPTION_IP, OPTION_PEER_IP, OPTION_MAC, OPTION_PEER_MAC
#define LINK_SETTINGS        OPTION_MTU, OPTION_LABEL

const enum option_id network_options[] = {NETWORK_SETTINGS, 0};
const enum option_id namespace_options[] = {NAMESPACE_SETTINGS, 0};
const enum option_id endpoint_options[] = {ENDPOINT_SETTINGS, 0};
const enum option_id publication_options[] = {PUBLICATION_SETTINGS, 0};
static const enum option_id link_options[] = {LINK_SETTINGS, 0};
static const enum option_id fixed_network[] = {NETWORK_FIXED, 0};
static const enum option_id fixed_namespace[] = {NAMESPACE_FIXED, 0};
static const enum option_id fixed_endpoint[] = {ENDPOINT_FIXED, 0};
static const enum option_id fixed_link[] = {LINK_FIXED, 0};

#define NETWORK                                                                                    \
	{                                                                                          \
		"NETWORK", "network", ARGUMENT_NAME                                                \
	}
#define NAMESPACE                                                                                  \
	{                                                                                          \
		"NS", "namespace", ARGUMENT_NAME                                                   \
	}
/* Whoever made it, it can be looked at and entered. */
#define NETNS                                                                                      \
	{                                                                                          \
		"NS", "namespace", ARGUMENT_NETNS                                                  \
	}
#define NAME                                                                                       \
	{                                                                                          \
		"NAME", "name", ARGUMENT_NAME                                                      \
	}
#define IFNAME                                                                                     \
	{                                                                                          \
		"IFNAME", "interface"                                                              \
	}
#define NAMES                                                                                      \
	{                                                                                          \
		"NAME", "name", ARGUMENT_NAME, .repeated = true                                    \
	}

static const struct command table[] = {
        {{"network", "create"}, {NAME}, NULL, {NETWORK_FIXED, NETWORK_SETTINGS, CREATE},
                "make a network", network_create},
        {{"network", "set"}, {NAME, {"KEY=VALUE", "setting", .repeated = true}}, NULL, {CHANGE},
                "change settings of a network (those of create; an empty value: the default)",
                network_set, .keys = network_options, .fixed = fixed_network},
        {{"network", "allow"},
                {NETWORK, {"NETWORK|NS:PORT[/tcp|udp|sctp]", "to", .repeated = true}}, NULL,
                {CREATE}, "let a network's namespaces reach another network, or one port",
                network_allow},
        {{"network", "disallow"},
                {NETWORK, {"NETWORK|NS:PORT[/tcp|udp|sctp]", "to", .repeated = true}}, NULL,
                {CREATE}, "take that back", network_disallow},
        {{"network", "ls"}, {{0}}, NULL, {OPTION_FILTER}, "list the networks", noun_ls,
                &network_noun},
        {{"network", "inspect"}, {NAMES}, NULL, {0}, "show all about networks", noun_inspect,
                &network_noun},
        {{"network", "rm"}, {NAMES}, NULL, {REMOVE}, "remove networks (-f: with their endpoints)",
                noun_rm, &network_noun},
        {{"network", "prune"}, {{0}}, NULL, {OPTION_LABEL, CHANGE},
                "remove all networks without endpoints (with this label)", noun_prune,
                &network_noun},
        {{"pools"}, {{0}}, NULL, {0}, "show where subnets come from, and what is in use",
                pools_show},
        {{"ns", "create"}, {NAME}, NULL, {NAMESPACE_SETTINGS, CREATE}, "make a network namespace",
                namespace_create},
        {{"ns", "set"}, {NAME, {"KEY=VALUE", "setting", .repeated = true}}, NULL, {CHANGE},
                "change settings of a namespace (those of create; an empty value: the default)",
                namespace_set, .keys = namespace_options, .fixed = fixed_namespace},
        {{"ns", "attach"}, {NAME}, NULL, {NAMESPACE_FIXED, NAMESPACE_SETTINGS, CREATE},
                "give the namespace of a container or process a name", namespace_attach},
        {{"ns", "detach"}, {NAMES}, NULL, {CHANGE},
                "let go of such a one; the namespace itself stays", namespace_detach},
        {{"ns", "ls"}, {{0}}, NULL, {OPTION_FILTER}, "list the namespaces", noun_ls,
                &namespace_noun},
        {{"ns", "inspect"}, {{"NAME", "name", ARGUMENT_NETNS, .repeated = true}}, NULL, {0},
                "show all about namespaces", noun_inspect, &namespace_noun},
        {{"ns", "rm"}, {NAMES}, NULL, {REMOVE},
                "remove namespaces (-f: while processes run inside, too)", noun_rm,
                &namespace_noun},
        {{"ns", "prune"}, {{0}}, NULL, {OPTION_LABEL, CHANGE},
                "remove all created ones without endpoints, ports and processes", noun_prune,
                &namespace_noun},
        {{"ns", "move-in"}, {NAMESPACE, IFNAME}, NULL, {OPTION_NAME, OPTION_FORCE, CHANGE},
                "move an interface of the host into a namespace (-f: whatever it carries)",
                namespace_move_in},
        {{"ns", "move-out"}, {NAMESPACE, IFNAME}, NULL, {CHANGE},
                "bring it back, with its addresses and routes", namespace_move_out},
        {{"ns", "link"}, {{"NS[:IFNAME]", "namespace"}, {"NS[:IFNAME]", "namespace"}}, NULL,
                {LINK_FIXED, LINK_SETTINGS, OPTION_EXISTING, CREATE},
                "join two namespaces by a link of their own; missing ones are made", link_create},
        {{"ns", "set-link"},
                {{"NS[:IFNAME]", "namespace"}, {"NS[:IFNAME]", "namespace"},
                        {"KEY=VALUE", "setting", .repeated = true}},
                NULL, {CHANGE},
                "change settings of a link (those of link; an empty value: the default)", link_set,
                .keys = link_options, .fixed = fixed_link},
        {{"ns", "unlink"}, {{"NS[:IFNAME]", "namespace"}, {"NS[:IFNAME]", "namespace"}}, NULL,
                {CHANGE}, "take a link away", link_remove},
        {{"ns", "links"}, {{0}}, NULL, {OPTION_FILTER}, "list the links", noun_ls, &link_noun},
        {{"ns", "pids"}, {NETNS}, NULL, {0}, "list the processes in a namespace", namespace_pids},
        {{"ns", "identify"}, {{"PID", "pid", .optional = true}}, NULL, {0},
                "say which namespace a process is in (this one)", namespace_identify},
        {{"ns", "exec"}, {NETNS}, "CMD...", {0}, "the same as exec", exec_run},
        {{"connect"}, {NETWORK, NAMESPACE}, NULL,
                {ENDPOINT_FIXED, ENDPOINT_SETTINGS, OPTION_EXISTING, CREATE},
                "attach a namespace to a network; a missing one is made", endpoint_connect},
        {{"endpoint", "set"}, {NETWORK, NAMESPACE, {"KEY=VALUE", "setting", .repeated = true}},
                NULL, {CHANGE},
                "change settings of an endpoint (those of connect; an empty value: the default)",
                endpoint_set, .keys = endpoint_options, .fixed = fixed_endpoint},
        {{"disconnect"}, {NETWORK, NAMESPACE}, NULL, {OPTION_FORGET, CHANGE},
                "detach a namespace from a network", endpoint_disconnect},
        {{"publish"},
                {{"[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp]", "port", .repeated = true},
                        {"NS", "namespace", .optional = true}},
                NULL, {OPTION_NETWORK, OPTION_NS, PUBLICATION_SETTINGS, CREATE},
                "lead ports of the host to a namespace (PORT alone: any free one)",
                publication_publish},
        {{"unpublish"},
                {{"[HOSTIP:]HOSTPORT[-END][:PORT[-END]][/tcp|udp|sctp]", "port", .repeated = true}},
                NULL, {CHANGE}, "end published ports", publication_unpublish},
        {{"ports"}, {{0}}, NULL, {OPTION_FILTER}, "list the published ports", noun_ls,
                &publication_noun},
        {{"exec"}, {NETNS}, "CMD...", {0},
                "run a command (a shell) in a namespace, with your own rights", exec_run},
        {{"events"}, {{0}}, NULL, {OPTION_RECENT}, "show what happens, as it happens", events_show},
        {{"version"}, {{0}}, NULL, {0}, "show the versions of netd-ctl and netd", version_show},
        {{"help"}, {{"COMMAND", "command", .optional = true, .repeated = true}}, NULL, {0},
                "say how netd-ctl is used", help_show},
};

const struct grammar commands = {table, sizeof(table) / sizeof(table[0])};

static int show_help(const struct call *call, const char *const *words, size_t n_words)
{
	struct error err;

	if (help_print(stdout, call->grammar, words, n_words) == 0)
		return EXIT_DONE;
	error_field(&err, "", "there is no command '%s%s%s' (netd-ctl help lists them)", words[0],
	        n_words > 1 ? " " : "", n_words > 1 ? words[1] : "");
	return output_error(&err);
}

int help_show(const struct call *call)
{
	return show_help(call, call->arguments, call->n_arguments);
}

static int run(int argc, char **argv)
{
	_cleanup_(call_done) struct call call = {0};
	struct error err;
	int status;

	if (grammar_parse(&commands, argc, argv, &call, &err) < 0) {
		status = output_error(&err);
		if (status == EXIT_USAGE)
			help_usage(stderr, &call);
		return status;
	}
	if (call_has(&call, OPTION_HELP))
		return show_help(&call, call.words, call.n_words);
	return call.command->run(&call);
}

int cli_main(int argc, char **argv)
{
	output_start();
	return output_finish(run(argc, argv));
}

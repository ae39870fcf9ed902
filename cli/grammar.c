/*
 * Turns argv into a call, by the table. Options may stand anywhere before "--", also before the
 * words of the command, so whether an option takes a value is one thing for all commands, and
 * which command it is is asked when all words are known. The first mistake about an option is kept
 * until then: its error can name the command, and `-h` beside it still gives help.
 */
#include "cli/grammar.h"

#include "lib/cleanup.h"
#include "lib/parse.h"

#include <ctype.h>
#include <string.h>

const struct option_spec option_specs[OPTION_COUNT] = {
        [OPTION_HELP] = {"--help", 'h', NULL, "say how it is used"},
        [OPTION_SOCKET] = {"--socket", 0, "PATH",
                "the daemon's socket (NETD_SOCKET; /run/netd/netd.sock)"},
        [OPTION_JSON] = {"--json", 0, NULL, "print JSON"},
        [OPTION_QUIET] = {"--quiet", 'q', NULL, "print names only"},
        [OPTION_DRY_RUN] = {"--dry-run", 0, NULL,
                "change nothing; print the commands that would do the same"},
        [OPTION_RECENT] = {"--recent", 0, NULL, "show the last 100, and end"},
        [OPTION_EXIST_OK] = {"--exist-ok", 0, NULL,
                "what is there already with equal settings is a success", BODY_SWITCH},
        [OPTION_FORCE] = {"--force", 'f', NULL, "remove also what uses it"},
        [OPTION_SUBNET] = {"--subnet", 0, "CIDR",
                "the subnet (a free one of the pool); one of IPv4, one of IPv6, or both",
                .field = "subnets.subnet", .several = true},
        [OPTION_GATEWAY] = {"--gateway", 0, "IP",
                "the host's address in the subnet of its family (the first one)",
                .field = "subnets.gateway", .several = true},
        [OPTION_IPV6] = {"--ipv6", 0, NULL, "IPv6, too", BODY_SWITCH},
        [OPTION_NO_IPV4] = {"--no-ipv4", 0, NULL, "IPv6 only", .field = "ipv4"},
        [OPTION_BRIDGE] = {"--bridge", 0, "IFNAME", "the bridge's name (netd-...)", BODY_TEXT},
        [OPTION_MTU] = {"--mtu", 0, "N",
                "the MTU (that of the default route's interface; of a link 1500)", BODY_NUMBER},
        [OPTION_INTERNAL] = {"--internal", 0, NULL, "no way out and none in", BODY_SWITCH},
        [OPTION_NO_HOST_ADDRESS] = {"--no-host-address", 0, NULL,
                "the host takes no part: its --gateway, if any, is one of the namespaces",
                BODY_SWITCH},
        [OPTION_USE_BRIDGE] = {"--use-bridge", 0, "IFNAME",
                "a bridge that is somebody else's, and stays as it is", BODY_TEXT},
        [OPTION_SYSCTL] = {"--sysctl", 0, "KEY=VALUE",
                "a sysctl of the namespace (net.*); may be given several times", BODY_LIST,
                "sysctls"},
        [OPTION_LABEL] = {"--label", 0, "KEY=VALUE", "a label; may be given several times",
                BODY_LIST, "labels"},
        [OPTION_ISOLATED] = {"--isolated", 0, NULL, "its namespaces meet by published ports only",
                BODY_SWITCH},
        [OPTION_MODE] = {"--mode", 0, "nat|routed|open",
                "nat; routed: without NAT, what is published; open: without NAT, all (nat)",
                BODY_TEXT},
        [OPTION_MODE4] = {"--mode4", 0, "MODE", "the same of IPv4 only", BODY_TEXT},
        [OPTION_MODE6] = {"--mode6", 0, "MODE", "the same of IPv6 only", BODY_TEXT},
        [OPTION_HOST_ACCESS] = {"--host-access", 0, "yes|no|dns",
                "whether its namespaces reach the host itself (yes)", BODY_TEXT},
        [OPTION_TRUSTED_IFACE] = {"--trusted-iface", 0, "IFNAME",
                "what comes in by it reaches the namespaces; may be given several times", BODY_LIST,
                "trusted_interfaces"},
        [OPTION_ALLOW] = {"--allow", 0, "NETWORK|NS:PORT",
                "what its namespaces may reach beyond it; may be given several times", BODY_LIST},
        [OPTION_SNAT] = {"--snat", 0, "IP",
                "the address that leaves; once for each family (that of the way out)", BODY_LIST},
        [OPTION_ROUTE] = {"--route", 0, "CIDR,VIA",
                "a route of its members, by an address in it; may be given several times",
                BODY_LIST, "routes"},
        [OPTION_IP_RANGE] = {"--ip-range", 0, "CIDR",
                "give addresses out of this part of the subnet; once for each family", BODY_LIST},
        [OPTION_RESERVE] = {"--reserve", 0, "NAME=IP",
                "keep an address for the namespace NAME, or for what is not netd's; may be given "
                "several times",
                BODY_LIST},
        [OPTION_FORGET] = {"--forget", 0, NULL, "do not keep its addresses for it"},
        [OPTION_GW_PRIORITY] = {"--gw-priority", 0, "N",
                "of several networks the highest has the default route (0)", BODY_NUMBER},
        [OPTION_RATE_IN] = {"--rate-in", 0, "RATE",
                "bits per second towards the namespace, as in 10mbit (unlimited)", BODY_TEXT},
        [OPTION_RATE_OUT] = {"--rate-out", 0, "RATE", "and from it", BODY_TEXT},
        [OPTION_NO_DEFAULT_ROUTE] = {"--no-default-route", 0, NULL,
                "the default route is not to lead through it", BODY_SWITCH},
        [OPTION_ROUTER] = {"--router", 0, NULL,
                "the namespace forwards what others send through it", BODY_SWITCH},
        [OPTION_IP] = {"--ip", 0, "IP",
                "the IPv4 address (the next free one); of a link's first end IP/PREFIX of either "
                "family, which may be given several times",
                .field = "addresses", .several = true},
        [OPTION_PEER_IP] = {"--peer-ip", 0, "IP/PREFIX", "the same of the second end",
                .several = true},
        [OPTION_PEER_MAC] = {"--peer-mac", 0, "MAC", "the MAC address of the second end"},
        [OPTION_IP6] = {"--ip6", 0, "IP", "the IPv6 address (the next free one)",
                .field = "addresses"},
        [OPTION_MAC] = {"--mac", 0, "MAC", "the MAC address (derived)", BODY_TEXT},
        [OPTION_IFNAME] = {"--ifname", 0, "IFNAME", "the interface inside (the next free ethN)",
                BODY_TEXT, "interface"},
        [OPTION_EXISTING] = {"--existing", 0, NULL, "do not create a missing namespace",
                BODY_SWITCH},
        [OPTION_NETWORK] = {"--network", 0, "NETWORK",
                "the network it leads through (that of the default route)", BODY_TEXT},
        [OPTION_IFACE] = {"--iface", 0, "IFNAME",
                "only what comes in by this interface of the host", BODY_TEXT, "interface"},
        [OPTION_FROM] = {"--from", 0, "CIDR|NETWORK",
                "only from these sources; may be given several times", BODY_LIST},
        [OPTION_NS] = {"--ns", 0, "NS", "the namespace, where its name reads like a port",
                BODY_TEXT, "namespace"},
        [OPTION_PUBLISH_ADDRESS] = {"--publish-address", 0, "IP",
                "the host's address for publish where none is said (that of netd: every one)",
                BODY_TEXT},
        [OPTION_FILTER] = {"--filter", 0, "KEY=VALUE",
                "only those that have it; several times: all of them", BODY_LIST},
        [OPTION_PID] = {"--pid", 0, "PID", "the namespace that this process is in", BODY_NUMBER},
        [OPTION_NAME] = {"--name", 0, "IFNAME", "its name in the namespace (the same)", BODY_TEXT},
        [OPTION_PATH] = {"--path", 0, "FILE", "the namespace that is mounted on this file"},
};

static int given_twice(enum option_id id, const char *first, const char *second, struct error *err)
{
	return error_field(
	        err, "", "%s is given twice ('%s' and '%s')", option_specs[id].name, first, second);
}

static const enum option_id global[] = {OPTION_HELP, OPTION_SOCKET, OPTION_JSON, OPTION_QUIET};

bool command_takes(const struct command *command, enum option_id option)
{
	for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++)
		if (global[i] == option)
			return true;
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i]; i++)
		if (command->options[i] == option)
			return true;
	return false;
}

static bool option_matches(const struct option_spec *spec, const char *word, size_t length)
{
	return strlen(spec->name) == length && memcmp(spec->name, word, length) == 0;
}

static enum option_id option_by_name(const char *word, size_t length)
{
	int id = 0;

	while (id < OPTION_COUNT && !option_matches(&option_specs[id], word, length))
		id++;
	return (enum option_id)id;
}

static enum option_id option_by_letter(char letter)
{
	int id = 0;

	while (id < OPTION_COUNT && option_specs[id].letter != letter)
		id++;
	return (enum option_id)id;
}

/* The array has room for every word. */
static void use_option(struct call *call, enum option_id id, const char *value)
{
	struct option_use *uses = (struct option_use *)call->uses;

	uses[call->n_uses++] = (struct option_use){id, value};
	if (!call->options[id])
		call->options[id] = value;
}

/* `word` is "-q", "-fq": switches of one letter each. */
static int take_letters(const char *word, struct call *call, struct error *err)
{
	for (const char *letter = word + 1; *letter; letter++) {
		enum option_id id = option_by_letter(*letter);

		if (id == OPTION_COUNT)
			return error_field(err, "", "there is no option '%s'", word);
		call->options[id] = "";
	}
	return 0;
}

/* What begins with a dash is an option, or a number below zero. */
static bool is_value(const struct option_spec *spec, const char *word)
{
	return word[0] != '-' || (spec->body == BODY_NUMBER && isdigit((unsigned char)word[1]));
}

/* "version", a command of one word. */
static bool is_command(const struct grammar *grammar, const char *word)
{
	for (size_t i = 0; i < grammar->n_commands; i++)
		if (!grammar->commands[i].words[1] &&
		        strcmp(grammar->commands[i].words[0], word) == 0)
			return true;
	return false;
}

/* Takes argv[*at], and the next one where it is the value. */
static int take_option(char **argv, int *at, struct call *call, struct error *err)
{
	const char *word = argv[*at], *equal = strchr(word, '='), *value = NULL;
	const struct option_spec *spec;
	enum option_id id;

	if (word[1] != '-')
		return take_letters(word, call, err);
	id = option_by_name(word, equal ? (size_t)(equal - word) : strlen(word));
	if (id == OPTION_COUNT)
		return error_field(err, "",
		        is_command(call->grammar, word + 2)
		                ? "there is no option '%s'; that is a command: netd-ctl %s"
		                : "there is no option '%s'",
		        word, word + 2);
	spec = &option_specs[id];
	if (!spec->value) {
		if (!call->options[id])
			use_option(call, id, "");
		return equal ? error_field(err, "", "%s takes no value ('%s')", spec->name, word)
		             : 0;
	}
	if (equal)
		value = equal + 1;
	else if (argv[*at + 1] && is_value(spec, argv[*at + 1]))
		value = argv[++*at];
	if (!value || !*value)
		return error_field(
		        err, "", "%s needs a value: %s %s", spec->name, spec->name, spec->value);
	if (call->options[id] && spec->body != BODY_LIST && !spec->several)
		return given_twice(id, call->options[id], value, err);
	for (const char *c = value; id != OPTION_SOCKET && *c; c++)
		if (*c < ' ' || *c > '~')
			return error_field(err, "",
			        "%s: its value has characters that are not "
			        "printable ASCII",
			        spec->name);
	use_option(call, id, value);
	return 0;
}

/* Sorts argv into options, words and tail. Fails only where memory is out; the first mistake is
 * put into *mistake (ERROR_NONE: there is none). */
static int sort_words(int argc, char **argv, struct call *call, struct error *mistake)
{
	struct error later;

	call->words = calloc((size_t)argc + 1, sizeof(call->words[0]));
	call->uses = calloc((size_t)argc + 1, sizeof(call->uses[0]));
	if (!call->words || !call->uses)
		return -ENOMEM;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (strcmp(word, "--") == 0) {
			call->tail = argv + i + 1;
			break;
		}
		if (word[0] == '-' && word[1])
			take_option(argv, &i, call, mistake->code ? &later : mistake);
		else
			call->words[call->n_words++] = word;
	}
	return 0;
}

static bool is_word(const struct call *call, size_t at, const char *word)
{
	return at < call->n_words && strcmp(call->words[at], word) == 0;
}

static void find_command(struct call *call)
{
	for (size_t i = 0; i < call->grammar->n_commands; i++) {
		const struct command *command = &call->grammar->commands[i];
		size_t n = command->words[1] ? 2 : 1;

		if (!is_word(call, 0, command->words[0]) ||
		        (n == 2 && !is_word(call, 1, command->words[1])))
			continue;
		call->command = command;
		call->arguments = call->words + n;
		call->n_arguments = call->n_words - n;
		return;
	}
}

static int no_command(const struct call *call, struct error *err)
{
	if (call->n_words == 0)
		return error_field(err, "", "what shall be done? A command is missing");
	for (size_t i = 0; i < call->grammar->n_commands; i++) {
		if (!is_word(call, 0, call->grammar->commands[i].words[0]))
			continue;
		if (call->n_words == 1)
			return error_field(err, "", "%s: a command is missing", call->words[0]);
		return error_field(
		        err, "", "%s: there is no command '%s'", call->words[0], call->words[1]);
	}
	return error_field(err, "", "there is no command '%s'", call->words[0]);
}

static int check_options(const struct call *call, struct error *err)
{
	for (int id = 0; id < OPTION_COUNT; id++)
		if (call->options[id] && !command_takes(call->command, (enum option_id)id))
			return error_field(
			        err, "", "there is no option %s here", option_specs[id].name);
	return 0;
}

/* Without a tail of its own a command takes what follows "--" as arguments: words that may begin
 * with '-'. The array has room for all of argv. */
static void join_tail(struct call *call)
{
	if (!call->tail || call->command->tail)
		return;
	for (; *call->tail; call->tail++) {
		call->words[call->n_words++] = *call->tail;
		call->n_arguments++;
	}
	call->tail = NULL;
}

static int check_arguments(const struct call *call, struct error *err)
{
	const struct argument *argument = call->command->arguments;
	const struct argument *end = argument + ARGUMENTS_MAX;
	size_t n = 0;

	for (; argument < end && argument->word; argument++) {
		if (n == call->n_arguments && !argument->optional)
			return error_field(err, argument->field, "%s is missing", argument->word);
		for (bool more = true; more && n < call->n_arguments; n++) {
			char name[NAME_SIZE];
			int r = 0;

			if (argument->kind == ARGUMENT_NAME)
				r = parse_name(call->arguments[n], argument->field, name, err);
			else if (argument->kind == ARGUMENT_NETNS)
				r = parse_netns(call->arguments[n], argument->field, name, err);
			if (r < 0)
				return r;
			more = argument->repeated;
		}
	}
	if (n == call->n_arguments)
		return 0;
	return error_field(err, "", "there is a word too many: '%s'%s", call->arguments[n],
	        call->command->tail ? " (a command to run stands behind --)" : "");
}

int grammar_parse(
        const struct grammar *grammar, int argc, char **argv, struct call *ret, struct error *err)
{
	struct error mistake = {0};
	int r;

	*ret = (struct call){.grammar = grammar};
	if (sort_words(argc, argv, ret, &mistake) < 0)
		return error_memory(err);
	find_command(ret);
	if (call_has(ret, OPTION_HELP))
		return 0;
	if (!ret->command) {
		if (ret->n_words > 0 || !mistake.code)
			return no_command(ret, err);
		*err = mistake;
		return -EINVAL;
	}
	join_tail(ret);
	r = mistake.code ? -EINVAL : check_options(ret, &mistake);
	if (r == 0 && call_has(ret, OPTION_JSON) && call_has(ret, OPTION_QUIET))
		r = error_field(&mistake, "", "--json and --quiet exclude each other");
	if (r == 0)
		r = check_arguments(ret, &mistake);
	if (r < 0) {
		*err = mistake;
		error_context(err, "%s%s%s", ret->command->words[0],
		        ret->command->words[1] ? " " : "",
		        ret->command->words[1] ? ret->command->words[1] : "");
	}
	return r;
}

int call_once(const struct call *call, enum option_id option, struct error *err)
{
	const char *first = NULL;

	for (size_t i = 0; i < call->n_uses; i++) {
		if (call->uses[i].id != option)
			continue;
		if (first)
			return given_twice(option, first, call->uses[i].value, err);
		first = call->uses[i].value;
	}
	return 0;
}

void call_done(struct call *call)
{
	free(call->words);
	free((void *)call->uses);
	call->words = NULL;
	call->uses = NULL;
}

/*
 * The grammar of the command line as data: words, arguments and options of every command stand in
 * one table (cli/commands.c). Parsing, usage lines, help and the order of errors come from it.
 */
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum option_id {
	OPTION_HELP, /* these four: what every command takes; also ends a command's own options */
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_FORCE,
	OPTION_FILTER,
	OPTION_PID,
	OPTION_PATH,
	OPTION_NAME,
	OPTION_SUBNET,
	OPTION_GATEWAY,
	OPTION_IPV6,
	OPTION_NO_IPV4,
	OPTION_BRIDGE,
	OPTION_MTU,
	OPTION_INTERNAL,
	OPTION_NO_HOST_ADDRESS,
	OPTION_USE_BRIDGE,
	OPTION_SYSCTL,
	OPTION_LABEL,
	OPTION_ISOLATED,
	OPTION_MODE,
	OPTION_MODE4,
	OPTION_MODE6,
	OPTION_HOST_ACCESS,
	OPTION_TRUSTED_IFACE,
	OPTION_ALLOW,
	OPTION_SNAT,
	OPTION_ROUTE,
	OPTION_IP_RANGE,
	OPTION_RESERVE,
	OPTION_FORGET,
	OPTION_GW_PRIORITY,
	OPTION_RATE_IN,
	OPTION_RATE_OUT,
	OPTION_NO_DEFAULT_ROUTE,
	OPTION_ROUTER,
	OPTION_IP,
	OPTION_IP6,
	OPTION_MAC,
	OPTION_PEER_IP,
	OPTION_PEER_MAC,
	OPTION_IFNAME,
	OPTION_EXISTING,
	OPTION_NETWORK,
	OPTION_IFACE,
	OPTION_FROM,
	OPTION_NS,
	OPTION_PUBLISH_ADDRESS,
	OPTION_EXIST_OK,
	OPTION_DRY_RUN,
	OPTION_RECENT,
	OPTION_COUNT,
};

/* How an option stands in the body of a request: under its name, with '_' for '-'. */
enum option_body {
	BODY_NOT, /* the command's function puts it where it belongs, or it is not sent at all */
	BODY_SWITCH,
	BODY_NUMBER,
	BODY_TEXT,
	BODY_LIST, /* of texts: the option may be given several times */
};

struct option_spec {
	const char *name;  /* "--subnet"; NULL: only the letter */
	char letter;       /* 'f', 0: none */
	const char *value; /* "CIDR", NULL: a switch */
	const char *help;
	enum option_body body;
	/* The field of the body, where it has another name; of BODY_NOT with the one inside that is
	 * meant: "subnets.gateway". */
	const char *field;
	bool several; /* it may be given several times, as BODY_LIST may */
};

extern const struct option_spec option_specs[OPTION_COUNT];

enum argument_kind {
	ARGUMENT_TEXT,  /* the command's function looks at it */
	ARGUMENT_NAME,  /* parse_name() must accept it */
	ARGUMENT_NETNS, /* parse_netns() must accept it */
};

struct argument {
	const char *word;  /* as in the usage line; NULL ends the list */
	const char *field; /* what an error calls it */
	enum argument_kind kind;
	bool optional;
	bool repeated; /* any number more; only the last one */
};

#define ARGUMENTS_MAX       3
#define COMMAND_OPTIONS_MAX 32

struct call;
struct noun;

struct command {
	const char *words[2]; /* the second is NULL for a command of one word */
	struct argument arguments[ARGUMENTS_MAX];
	const char *tail; /* what may follow "--"; NULL: more arguments */
	enum option_id options[COMMAND_OPTIONS_MAX]; /* all it takes beside the global ones */
	const char *help;                            /* one line */
	int (*run)(const struct call *call);         /* returns the exit status */
	const struct noun *noun; /* for the functions that serve several nouns */
	/* Of a command that takes KEY=VALUE: which options of the command that makes the thing are
	 * keys, and which are not, as the daemon says why. Both end with 0. */
	const enum option_id *keys, *fixed;
};

struct grammar {
	const struct command *commands;
	size_t n_commands;
};

struct option_use {
	enum option_id id;
	const char *value;
};

/* One command line, understood. Everything in it is borrowed from argv but the arrays. */
struct call {
	const struct grammar *grammar;
	const struct command *command; /* NULL where only help was asked for, or nothing matched */
	const char *options[OPTION_COUNT]; /* the first value, "" for a switch; NULL: not given */
	const struct option_use *uses;     /* owned: all of them, in the order they were given */
	size_t n_uses;
	const char **words; /* owned: all words, those of the command first */
	size_t n_words;
	const char *const *arguments; /* the words behind those of the command */
	size_t n_arguments;
	char *const *tail; /* what follows "--", ends with NULL; NULL where there is no "--" */
};

/* Reads argv. On failure (-EINVAL, ERROR_INVALID) *ret still has the words and, if they name one,
 * the command, so that its usage can be shown. call_done() is right in both cases. */
int grammar_parse(
        const struct grammar *grammar, int argc, char **argv, struct call *ret, struct error *err);
void call_done(struct call *call);

/* Whether this command takes the option, beside or among those that every command takes. */
bool command_takes(const struct command *command, enum option_id option);

/*
 * Puts the options that were given into `body` (taken over; NULL: memory is out), those of BODY_NOT
 * aside. NULL with *err filled where that fails.
 */
json_t *call_body(const struct call *call, json_t *body, struct error *err);
/* The same for one word KEY=VALUE, where KEY is one of the command's keys, an option without its
 * dashes, and VALUE may be empty: back to the default. */
int call_assignment(
        const struct command *command, const char *word, json_t *body, struct error *err);

#define OPTION_FIELD_SIZE 64

/* The field of bodies and objects that an option is: "--ip-range" is "ip_range". */
const char *option_field(const struct option_spec *spec, char ret[OPTION_FIELD_SIZE]);

/* Refuses an option that some commands take several times. */
int call_once(const struct call *call, enum option_id option, struct error *err);

static inline bool call_has(const struct call *call, enum option_id option)
{
	return call->options[option] != NULL;
}

/*
 * Says how netd-ctl is used. No text about a command stands here: words, arguments, options and
 * their meaning come from the table, so help cannot tell anything else than what is parsed.
 */
#include "cli/help.h"

#include <errno.h>
#include <string.h>

#define COLUMN_MAX   26
#define OPTION_WIDTH 30

/* Takes what every command takes. */
static const struct command every_command = {.words = {""}};

static bool matches(const struct command *command, const char *const *words, size_t n_words)
{
	for (size_t i = 0; i < n_words && i < 2; i++) {
		if (!command->words[i])
			return i > 0; /* what follows a command of one word are its arguments */
		if (strcmp(command->words[i], words[i]) != 0)
			return false;
	}
	return true;
}

/* The text of a column, and what is said of it: on a line of its own where it is too long. */
static void print_row(FILE *out, const char *text, int width, const char *help)
{
	if ((int)strlen(text) >= width)
		fprintf(out, "  %s\n  %*s %s\n", text, width, "", help);
	else
		fprintf(out, "  %-*s %s\n", width, text, help);
}

/* Words and arguments; returns how many columns they take. */
static int print_words(FILE *out, const struct command *command)
{
	int width = fprintf(out, "%s", command->words[0]);

	if (command->words[1])
		width += fprintf(out, " %s", command->words[1]);
	for (int i = 0; i < ARGUMENTS_MAX && command->arguments[i].word; i++) {
		const struct argument *argument = &command->arguments[i];

		width += fprintf(out, argument->optional ? " [%s%s]" : " %s%s", argument->word,
		        argument->repeated ? "..." : "");
	}
	if (command->tail)
		width += fprintf(out, " [-- %s]", command->tail);
	return width;
}

/* What the command takes and not every command does. */
static bool is_own(const struct command *command, enum option_id id)
{
	return command_takes(command, id) && !command_takes(&every_command, id);
}

static void print_usage(FILE *out, const struct command *command)
{
	fputs("netd-ctl ", out);
	print_words(out, command);
	for (int id = 0; id < OPTION_COUNT; id++) {
		const struct option_spec *spec = &option_specs[id];

		if (!is_own(command, (enum option_id)id))
			continue;
		if (spec->letter)
			fprintf(out, " [-%c]", spec->letter);
		else
			fprintf(out, " [%s%s%s]%s", spec->name, spec->value ? " " : "",
			        spec->value ? spec->value : "",
			        spec->body == BODY_LIST || spec->several ? "..." : "");
	}
	fputc('\n', out);
}

/* NULL: those of every command. */
static void print_options(FILE *out, const struct command *command)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		const struct option_spec *spec = &option_specs[id];
		char text[64];

		if (command ? !is_own(command, (enum option_id)id)
		            : !command_takes(&every_command, (enum option_id)id))
			continue;
		snprintf(text, sizeof(text), "%c%c%s%s%s%s", spec->letter ? '-' : ' ',
		        spec->letter ? spec->letter : ' ', spec->letter ? ", " : "  ", spec->name,
		        spec->value ? " " : "", spec->value ? spec->value : "");
		print_row(out, text, OPTION_WIDTH, spec->help);
	}
}

/* KEY=VALUE for each, as it may be typed. */
static void print_keys(FILE *out, const enum option_id *keys)
{
	for (; *keys; keys++) {
		const struct option_spec *spec = &option_specs[*keys];
		bool several = spec->body == BODY_LIST && !strchr(spec->value, ',');
		char text[64];

		snprintf(text, sizeof(text), "%s=%s%s", spec->name + 2,
		        spec->value ? spec->value : "yes|no", several ? ",..." : "");
		print_row(out, text, OPTION_WIDTH, spec->help);
	}
	fputs("\nWhat may be given several times is a list. A new list takes the place of the one "
	      "that is there:\nits items stand behind one another, with commas between them, or "
	      "each "
	      "as a KEY=VALUE of its own.\n",
	        out);
}

static void print_command(FILE *out, const struct command *command)
{
	fputs("usage: ", out);
	print_usage(out, command);
	fprintf(out, "\n%s\n", command->help);
	if (command->options[0]) {
		fputs("\nOptions:\n", out);
		print_options(out, command);
	}
	if (command->keys) {
		fputs("\nSettings:\n", out);
		print_keys(out, command->keys);
	}
	fputs("\nOptions of every command:\n", out);
	print_options(out, NULL);
}

static void print_list(
        FILE *out, const struct grammar *grammar, const char *const *words, size_t n_words)
{
	if (n_words == 0)
		fputs("netd-ctl gives network namespaces networks, addresses and published "
		      "ports.\n\n",
		        out);
	fputs("usage: netd-ctl [OPTION]... COMMAND [ARGUMENT]...\n\n", out);
	for (size_t i = 0; i < grammar->n_commands; i++) {
		const struct command *command = &grammar->commands[i];
		int width;

		if (!matches(command, words, n_words))
			continue;
		fputs("  ", out);
		width = print_words(out, command);
		if (width >= COLUMN_MAX) {
			fputs("\n  ", out);
			width = 0;
		}
		fprintf(out, "%*s %s\n", COLUMN_MAX - width, "", command->help);
	}
	fputs("\nOptions of every command:\n", out);
	print_options(out, NULL);
	fputs("\n`netd-ctl COMMAND -h` says more about one.\n", out);
	if (n_words == 0)
		fputs("Exit status: 0 done, 1 refused or failed, 2 wrong usage or bad input, 3 not "
		      "found,\n4 no daemon, 5 exists already or taken.\n",
		        out);
}

int help_print(FILE *out, const struct grammar *grammar, const char *const *words, size_t n_words)
{
	const struct command *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < grammar->n_commands; i++) {
		if (!matches(&grammar->commands[i], words, n_words))
			continue;
		found = &grammar->commands[i];
		n++;
	}
	if (n == 0)
		return -ENOENT;
	if (n == 1)
		print_command(out, found);
	else
		print_list(out, grammar, words, n_words);
	return 0;
}

void help_usage(FILE *out, const struct call *call)
{
	bool any = false;

	if (call->command) {
		fputs("usage: ", out);
		print_usage(out, call->command);
		return;
	}
	for (size_t i = 0; call->n_words > 0 && i < call->grammar->n_commands; i++) {
		if (!matches(&call->grammar->commands[i], call->words, 1))
			continue;
		fputs(any ? "       " : "usage: ", out);
		print_usage(out, &call->grammar->commands[i]);
		any = true;
	}
	if (!any)
		fputs("usage: netd-ctl [OPTION]... COMMAND [ARGUMENT]... (`netd-ctl help` lists "
		      "the "
		      "commands)\n",
		        out);
}

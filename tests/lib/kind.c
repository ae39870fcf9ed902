/*
 * One kind of resource, applied by hand: a test of one file of kernel/ makes its own step and sees
 * what became of it. Preparations are typed as a person would, with ip, nft and a shell; that these
 * work is not what is tested, so a failure ends the test.
 */
#include "tests/lib/kind.h"

#include "daemon/kernel/flows.h"
#include "daemon/kernel/hold.h"
#include "daemon/kernel/observation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "# cannot prepare the test: %s\n", what);
	abort();
}

struct kernel *kind_kernel(void)
{
	struct kernel *kernel = calloc(1, sizeof *kernel);
	char directory[] = "/run/netd.XXXXXX";
	struct error err;

	must(kernel && mkdtemp(directory), "a runtime directory");
	strcpy(kernel->instance, KIND_INSTANCE);
	kernel->runtime_dir = strdup(directory);
	must(kernel->runtime_dir && holds_open(&kernel->holds, &err) == 0, "a table of holds");
	must(flows_open(&kernel->flows, &err) == 0, "sockets for flows");
	return kernel;
}

struct kernel *kind_kernel_free(struct kernel *kernel)
{
	return kernel_close(kernel);
}

int kind_apply(const struct kind *kind, struct kernel *kernel, const struct resource *old,
        const struct resource *new, struct error *err)
{
	struct step step = {.old = old, .new = new};
	int r = kind->apply(kernel, &step, err);

	must(step.done == (r == 0), "a step is done exactly if it succeeded");
	return r;
}

int kind_observe(const struct kind *kind, struct kernel *kernel, enum kernel_scope scope,
        const char *const *namespaces, size_t namespace_count, struct resources *ret,
        struct error *err)
{
	const struct kernel_look look = {scope, KERNEL_LOOK_ALL, namespaces, namespace_count};
	struct observation observation;
	int r = observation_init(&observation, kernel, &look, err);

	if (r == 0)
		r = kind->observe(&observation, ret, err);
	observation_done(&observation);
	return r;
}

char *kind_tell(const struct kind *kind, const struct resource *old, const struct resource *new)
{
	const struct step step = {.old = old, .new = new};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	must(out != NULL, "memory");
	kind->tell(&step, out);
	fclose(out);
	return text;
}

static char *format_command(const char *format, va_list arguments)
{
	char *command;

	must(vasprintf(&command, format, arguments) >= 0, "memory");
	return command;
}

void shell(const char *format, ...)
{
	va_list arguments;
	char *command;

	va_start(arguments, format);
	command = format_command(format, arguments);
	va_end(arguments);
	must(system(command) == 0, command);
	free(command);
}

const char *shell_line(const char *format, ...)
{
	static char line[4096];
	va_list arguments;
	char *command;
	FILE *pipe;

	va_start(arguments, format);
	command = format_command(format, arguments);
	va_end(arguments);
	pipe = popen(command, "re");
	must(pipe != NULL, command);
	if (!fgets(line, sizeof line, pipe))
		line[0] = '\0';
	pclose(pipe);
	line[strcspn(line, "\n")] = '\0';
	free(command);
	return line;
}

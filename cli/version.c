/*
 * `netd-ctl version` shows both ends, since they may be of different packages or not restarted
 * after an upgrade, and says which is older; without a daemon it shows the one end there is, and
 * the exit status says so.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/version.h"

#include <string.h>

/* As JSON has it: which of the two ends is older. */
static const char *older_end(const json_t *daemon)
{
	int order = daemon ? strverscmp(field_text(daemon, "version"), netd_version) : 0;

	return order < 0 ? "daemon" : order > 0 ? "client" : NULL;
}

static void warn_of_difference(const json_t *daemon)
{
	const char *older = older_end(daemon), *version = field_text(daemon, "version");

	if (!older)
		return;
	if (strcmp(older, "daemon") == 0)
		output_warning(
		        "netd %s is older than this netd-ctl %s; after an upgrade, restart it "
		        "with 'systemctl restart netd'",
		        version, netd_version);
	else
		output_warning("this netd-ctl %s is older than netd %s: install the netd-ctl that "
		               "belongs to it",
		        netd_version, version);
}

int version_show(const struct call *call)
{
	json_auto_t *daemon = NULL, *both = NULL;
	struct error err;
	int status = EXIT_DONE;

	if (request_send(call, "GET", "/v1/version", NULL, &daemon, &err) < 0)
		status = output_error(&err);
	if (call_has(call, OPTION_JSON)) {
		both = json_pack("{s:s, s:O?, s:s?}", "client", netd_version, "daemon", daemon,
		        "older", older_end(daemon));
		output_json(both);
	} else if (call_has(call, OPTION_QUIET)) {
		output_line("%s", netd_version);
	} else {
		output_line("netd-ctl %s", netd_version);
		if (daemon)
			output_line("netd %s (API %lld, instance %s, on %s)",
			        field_text(daemon, "version"), field_number(daemon, "api"),
			        field_text(daemon, "instance"), request_socket(call));
		if (daemon && json_object_get(daemon, "refuses_changes"))
			output_line(
			        "netd refuses changes: %s", field_text(daemon, "refuses_changes"));
	}
	if (daemon)
		warn_of_difference(daemon);
	return status;
}

/*
 * `netd-ctl version` shows both ends, since they may be of different packages or not restarted
 * after an upgrade; without a daemon it shows the one end there is, and the exit status says so.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"

#ifndef NETD_VERSION
#error "NETD_VERSION comes from the build"
#endif

int version_show(const struct call *call)
{
	json_auto_t *daemon = NULL, *both = NULL;
	struct error err;
	int status = EXIT_DONE;

	if (request_send(call, "GET", "/v1/version", NULL, &daemon, &err) < 0)
		status = output_error(&err);
	if (call_has(call, OPTION_JSON)) {
		both = json_pack("{s:s, s:O?}", "client", NETD_VERSION, "daemon", daemon);
		output_json(both);
	} else if (call_has(call, OPTION_QUIET)) {
		output_line("%s", NETD_VERSION);
	} else {
		output_line("netd-ctl %s", NETD_VERSION);
		if (daemon)
			output_line("netd %s (API %lld, instance %s, on %s)",
			        field_text(daemon, "version"), field_number(daemon, "api"),
			        field_text(daemon, "instance"), request_socket(call));
		if (daemon && json_object_get(daemon, "refuses_changes"))
			output_line(
			        "netd refuses changes: %s", field_text(daemon, "refuses_changes"));
	}
	return status;
}

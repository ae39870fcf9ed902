/*
 * `netd-ctl events`: what happens, as it happens, a line for each, until it is interrupted. Every
 * line is written out at once, since nobody knows when the next one comes. SIGINT ends the program
 * as it ends every other one; that the daemon ends is an error, for then something may be missed.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/json.h"

#include <string.h>

#define RECENT "/v1/events?recent=100&follow=false"
#define FOLLOW "/v1/events"

struct listening {
	const struct call *call;
	bool broken; /* the daemon sent what is no event */
	bool enough; /* nobody reads what is written */
};

static void print_event(const json_t *event)
{
	const json_t *cause = json_object_get(event, "cause");
	char by[128] = "";

	if (json_object_get(cause, "uid"))
		snprintf(by, sizeof(by), " (uid %lld, pid %lld)", field_number(cause, "uid"),
		        field_number(cause, "pid"));
	else if (json_is_object(cause))
		snprintf(by, sizeof(by), " (by %s, pid %lld)", field_text(cause, "program"),
		        field_number(cause, "pid"));
	output_line("%s  %-9s  %s%s", field_text(event, "time"), field_text(event, "kind"),
	        field_text(event, "text"), by);
}

static bool take(const char *line, size_t length, void *arg)
{
	struct listening *listening = arg;
	json_auto_t *event = NULL;
	json_error_t ignored; /* netd's events are JSON, or it is not netd */

	if (json_load(line, length, JSON_REJECT_DUPLICATES, &event, &ignored) < 0 ||
	        !json_is_object(event)) {
		listening->broken = true;
		return false;
	}
	if (strcmp(field_text(event, "kind"), "heartbeat") == 0)
		return true;
	if (call_has(listening->call, OPTION_JSON))
		output_json_line(event);
	else
		print_event(event);
	listening->enough = !output_flush();
	return !listening->enough;
}

int events_show(const struct call *call)
{
	bool recent = call_has(call, OPTION_RECENT);
	struct listening listening = {.call = call};
	struct error err;
	int r = request_stream(call, recent ? RECENT : FOLLOW, take, &listening, &err);

	if (r == 0 && listening.broken)
		r = error_set(&err, ERROR_UNREACHABLE, 0, "%s: a line came that is no event",
		        request_socket(call));
	else if (r == 0 && !recent && !listening.enough)
		r = error_set(&err, ERROR_UNREACHABLE, 0,
		        "the daemon on %s has ended, or this reader was too slow for it; what was "
		        "missed is in its log (journalctl -u netd)",
		        request_socket(call));
	return r < 0 ? output_error(&err) : EXIT_DONE;
}

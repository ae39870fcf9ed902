/*
 * libevent answers what it cannot read with a page in HTML. Such a page is what is put into a
 * connection's output while we are not answering: before anything of it is written, a problem
 * document takes its place.
 */
#include "daemon/api/connection.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	int status; /* libevent's */
	int answer; /* ours */
	const char *code;
	const char *detail;
} pages[] = {
        {413, 413, "too-large", "the request is too large: a body has at most 256 KiB"},
        {417, 417, "invalid", "Expect takes nothing but 100-continue"},
        {501, 405, "method-not-allowed", "netd knows the methods GET, POST and DELETE"},
        {400, 400, "invalid",
                "this is no HTTP request that netd understands, or its head is larger than 16 KiB"},
};

static int status_at(struct evbuffer *output, size_t start)
{
	struct evbuffer_ptr at;
	char head[sizeof("HTTP/1.1 400")] = "";

	if (evbuffer_ptr_set(output, &at, start, EVBUFFER_PTR_SET) < 0 ||
	        evbuffer_copyout_from(output, &at, head, sizeof(head) - 1) <
	                (ev_ssize_t)sizeof(head) - 1)
		return 0;
	return atoi(head + sizeof("HTTP/1.1"));
}

/* Cuts the output off at `start`. */
static void cut_output(struct evbuffer *output, size_t start)
{
	struct evbuffer *kept = evbuffer_new();

	if (!kept)
		return;
	evbuffer_remove_buffer(output, kept, start);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_add_buffer(output, kept);
	evbuffer_free(kept);
}

/* Runs in the turn of the loop in which the page was made, before anything of it is written. */
void page_replace(int fd, short events, void *arg)
{
	struct connection *connection = arg;
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	size_t start = connection->page_start, i = 0;
	int status = status_at(output, start);

	connection->page_pending = false;
	if (status == 100) { /* no page: "go on" */
		struct evbuffer_ptr end = evbuffer_search(output, "\r\n\r\n", 4, NULL);

		start = end.pos < 0 ? start : (size_t)end.pos + 4;
		status = status_at(output, start);
	}
	if (status < 400)
		return;
	while (i < sizeof(pages) / sizeof(pages[0]) - 1 && pages[i].status != status)
		i++;
	connection->answering = true;
	cut_output(output, start);
	problem_write(output, pages[i].answer, pages[i].code, pages[i].detail);
	connection->answering = false;
}

void page_look(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct connection *connection = arg;

	if (!info->n_added || connection->answering || connection->page_pending)
		return;
	connection->page_pending = true;
	connection->page_start = info->orig_size;
	event_active(connection->page, 0, 0);
}

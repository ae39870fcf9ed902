/*
 * A daemon that knows nothing: a process behind a Unix socket that takes one connection for each
 * prepared answer, keeps the request, sends the answer's bytes as they are, and hangs up. It is a
 * process, not a thread, so that a test can fork. fake_stop() ends it, also while it waits.
 */
#pragma once

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAKE_MAX          16
#define FAKE_REQUEST_SIZE 65536

/* What both processes see. */
struct fake_record {
	size_t n_requests;
	char requests[FAKE_MAX][FAKE_REQUEST_SIZE];
};

struct fake_answer {
	char *bytes; /* NULL: hang up without a word */
	bool deaf;   /* answer without having read the request */
};

struct fake {
	char directory[32];
	char path[64];
	int fd;
	pid_t pid; /* 0: not started */
	struct fake_answer answers[FAKE_MAX];
	size_t n_answers;
	struct fake_record *record; /* to be read after fake_stop() */
};

/* A directory with no socket in it: no daemon. */
static inline void fake_prepare(struct fake *fake)
{
	*fake = (struct fake){.fd = -1};
	fake->record = mmap(NULL, sizeof(*fake->record), PROT_READ | PROT_WRITE,
	        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(fake->record, MAP_FAILED);
	strcpy(fake->directory, "/tmp/netd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/netd.sock", fake->directory);
}

static inline void fake_raw(struct fake *fake, const char *bytes)
{
	ck_assert_uint_lt(fake->n_answers, FAKE_MAX);
	fake->answers[fake->n_answers++].bytes = bytes ? strdup(bytes) : NULL;
}

static inline void fake_answer(struct fake *fake, int status, const char *body)
{
	char *bytes;

	ck_assert_int_ge(asprintf(&bytes,
	                         "HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n"
	                         "content-length: %zu\r\n\r\n%s",
	                         status, strlen(body), body),
	        0);
	fake_raw(fake, bytes);
	free(bytes);
}

static inline bool fake_request_whole(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");

	return end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static inline void fake_read_request(int fd, char *request)
{
	size_t size = 0;

	while (!fake_request_whole(request)) {
		ssize_t n = recv(fd, request + size, FAKE_REQUEST_SIZE - size - 1, 0);

		if (n <= 0)
			break;
		size += (size_t)n;
	}
}

static inline void fake_serve(struct fake *fake)
{
	for (size_t i = 0; i < fake->n_answers; i++) {
		const struct fake_answer *answer = &fake->answers[i];
		int fd = accept(fake->fd, NULL, NULL);

		if (fd < 0)
			break;
		if (!answer->deaf)
			fake_read_request(fd, fake->record->requests[i]);
		fake->record->n_requests = i + 1;
		if (answer->bytes)
			send(fd, answer->bytes, strlen(answer->bytes), MSG_NOSIGNAL);
		close(fd);
	}
}

/* Serves the answers prepared so far. */
static inline void fake_start(struct fake *fake)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, fake->path);
	fake->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fake->fd, 0);
	ck_assert_int_eq(bind(fake->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fake->fd, FAKE_MAX), 0);
	fflush(NULL);
	fake->pid = fork();
	ck_assert_int_ge(fake->pid, 0);
	if (fake->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test calls no fake_stop() */
		fake_serve(fake);
		_exit(0);
	}
}

static inline void fake_stop(struct fake *fake)
{
	if (fake->pid == 0)
		return;
	shutdown(fake->fd, SHUT_RDWR);
	waitpid(fake->pid, NULL, 0);
	fake->pid = 0;
	close(fake->fd);
}

static inline void fake_done(struct fake *fake)
{
	fake_stop(fake);
	for (size_t i = 0; i < fake->n_answers; i++)
		free(fake->answers[i].bytes);
	munmap(fake->record, sizeof(*fake->record));
	unlink(fake->path);
	rmdir(fake->directory);
}

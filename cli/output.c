/*
 * The one place that writes. Two invariants: no byte that a terminal would obey leaves here, and no
 * output is lost in silence: the reason of the first failed write is kept and told at the end. A
 * closed pipe is such a reason, so SIGPIPE is ignored; standard streams that the caller closed get
 * a descriptor that refuses to be used, lest the daemon's socket become standard output.
 */
#include "cli/output.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

static int lost;        /* errno of the first output that was lost */
static bool pipe_saved; /* the caller's SIGPIPE is in pipe_action */
static struct sigaction pipe_action;

void output_start(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	pipe_saved = sigaction(SIGPIPE, &ignore, &pipe_action) == 0;
}

void output_restore_signals(void)
{
	if (pipe_saved)
		sigaction(SIGPIPE, &pipe_action, NULL);
}

static void keep_loss(int errnum)
{
	if (!lost)
		lost = errnum ? errnum : EIO;
}

void output_memory(void)
{
	keep_loss(ENOMEM);
}

static void clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void output_line(const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text) {
		output_memory();
		return;
	}
	clean(text);
	if (fputs(text, stdout) == EOF || fputc('\n', stdout) == EOF)
		keep_loss(errno);
}

/* DEL is printable to JSON, and not to a terminal. It can stand in a string only. */
static int write_piece(const char *bytes, size_t size, void *arg)
{
	for (size_t i = 0; i < size; i++)
		if ((bytes[i] == 127 ? fputs("\\u007f", stdout) : fputc(bytes[i], stdout)) == EOF)
			return -1;
	return 0;
}

void output_json(const json_t *value)
{
	if (!value)
		output_memory();
	else if (json_dump_callback(value, write_piece, NULL, JSON_INDENT(2) | JSON_ENSURE_ASCII) <
	                 0 ||
	         fputc('\n', stdout) == EOF)
		keep_loss(errno);
}

void output_json_line(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ||
	        fputc('\n', stdout) == EOF)
		keep_loss(errno);
}

bool output_flush(void)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		keep_loss(errno);
	return !lost;
}

size_t output_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

void output_warning(const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	clean(text);
	fprintf(stderr, "netd-ctl: warning: %s\n", text);
}

static int exit_status(enum error_code code)
{
	switch (code) {
	case ERROR_INVALID:
	case ERROR_UNKNOWN:
	case ERROR_TOO_LARGE:
		return EXIT_USAGE;
	case ERROR_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case ERROR_EXISTS:
		return EXIT_EXISTS;
	case ERROR_UNREACHABLE:
		return EXIT_NO_DAEMON;
	case ERROR_NONE:
	case ERROR_REFUSED:
	case ERROR_PERMISSION:
	case ERROR_KERNEL:
	case ERROR_STORE:
		break;
	}
	return EXIT_FAILED;
}

int output_error(const struct error *err)
{
	char text[ERROR_TEXT_SIZE];

	memcpy(text, err->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	clean(text);
	fprintf(stderr, "netd-ctl: %s\n", text);
	return exit_status(err->code);
}

int output_finish(int status)
{
	if (output_flush())
		return status;
	fprintf(stderr, "netd-ctl: the output is not complete: %s\n", strerror(lost));
	return first_status(status, EXIT_FAILED);
}

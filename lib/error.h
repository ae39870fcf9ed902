/*
 * An error is a sentence for a person, with a stable code for a program.
 *
 * Functions that can fail take a `struct error *err` as their last parameter and return 0 or a
 * negative errno. Whoever sees the failure first makes the sentence (object, step, reason, next
 * step) with error_set() or error_field(); callers on the way up put what they were doing in front
 * of it with error_context(), so that it reads as a path: `connect my-net web: add veth nv7f3a01:
 * Operation not supported (Unknown device type)`. Only the outermost layer logs it, once.
 */
#pragma once

#define ERROR_TEXT_SIZE  1024
#define ERROR_FIELD_SIZE 64

enum error_code {
	ERROR_NONE = 0,
	ERROR_INVALID,    /* bad input; `field` names it. HTTP 400, exit 2 */
	ERROR_NOT_FOUND,  /* no such network, namespace, ... HTTP 404, exit 3 */
	ERROR_EXISTS,     /* it is there already, or taken by another. HTTP 409, exit 5 */
	ERROR_REFUSED,    /* a rule forbids it now (in use, busy, reserved). HTTP 409, exit 1 */
	ERROR_PERMISSION, /* the caller or the daemon lacks a right. HTTP 403, exit 1 */
	ERROR_KERNEL,     /* a kernel call failed; errnum says why. HTTP 500, exit 1 */
	ERROR_STORE,      /* the database failed. HTTP 503, exit 1 */
	ERROR_UNKNOWN, /* a path, parameter or field that this version does not have; `field` names
	                  the latter two. HTTP 400, a path 404; exit 2 */
	ERROR_TOO_LARGE,   /* body or list over its limit. HTTP 413, exit 2 */
	ERROR_UNREACHABLE, /* no daemon answers. exit 4 */
};

struct error {
	enum error_code code;
	int errnum;                   /* positive errno, 0 where there is none */
	char field[ERROR_FIELD_SIZE]; /* JSON path of the bad field, "" where there is none */
	char text[ERROR_TEXT_SIZE];   /* the sentence, one line, no newline */
};

/* Fills *err and returns a negative errno: -errnum, or -EINVAL where errnum is 0. The reason
 * strerror(errnum) is appended where errnum is not 0. */
int error_set(struct error *err, enum error_code code, int errnum, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* error_set(ERROR_INVALID) for one field of the input, named by its JSON path. */
int error_field(struct error *err, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The same for one that this version does not have. */
int error_unknown(struct error *err, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Puts "what: " in front of the sentence. Returns the value error_set() returned for this error. */
int error_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, as an ordinary error. Returns -ENOMEM. */
int error_memory(struct error *err);

/* The stable word for a code ("not-found", "exists", ...), as in the API's problem documents. */
const char *error_code_name(enum error_code code);
/* The other way; ERROR_KERNEL for a word that this version does not know. */
enum error_code error_code_from_name(const char *name);

/*
 * What a user can set on an object, as data: one row each. Reading a field of JSON, showing it,
 * comparing it, changing it live and storing it all come from the row, so a setting is added in one
 * place.
 *
 * A setting is text wherever it is outside of the object's struct, in the form that people write.
 * In the struct it is typed: SETTING_SWITCH a bool, SETTING_NUMBER an int64_t, SETTING_WORD an
 * unsigned (its place in `words`), SETTING_RATE an int64_t (bits per second; 0: none), SETTING_IP a
 * struct ip (family 0: none), SETTING_NAME and SETTING_IFNAME a char array ("": none), SETTING_LIST
 * a char * (one item per line, each ended by a newline; NULL: none), which the object owns.
 */
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_SWITCH,
	SETTING_NUMBER,
	SETTING_WORD,
	SETTING_RATE,
	SETTING_IP,
	SETTING_NAME,
	SETTING_IFNAME,
	SETTING_LIST,
};

#define SETTINGS_MAX     64  /* rows of one table: they are bits of a uint64_t */
#define SETTING_ITEM_MAX 256 /* bytes of a list's item */
#define SETTING_ITEMS    64  /* of a list */

struct setting {
	const char *name; /* as the API has it; the option of netd-ctl has '-' for '_' */
	enum setting_type type;
	size_t offset;            /* in the object's struct */
	int64_t min, max;         /* of a number that is given */
	int64_t otherwise;        /* a number that is not given, or a word's place */
	const char *const *words; /* of SETTING_WORD; ends with NULL */
	/* Whether a list's item, or an address, is one that is wanted; NULL, of an address: all
	 * are. */
	int (*check)(const char *text, const char *field, struct error *err);
	/* Writes a list's item, which was checked, as netd does, so that equal ones are the same
	 * text. NULL: they are already. */
	void (*write)(char item[SETTING_ITEM_MAX]);
	bool keyed; /* a list's items are KEY=VALUE, each key once */
};

/* What is said once, when the thing is made: a setting, or another field of that request. */
struct fixed {
	const char *field; /* NULL ends the list */
	const char *why;   /* and what to do instead, as the end of a sentence */
};

struct settings {
	const struct setting *rows;
	unsigned count;
	const struct fixed *fixed; /* NULL: none */
};

extern const struct settings network_settings;
extern const struct settings namespace_settings;
extern const struct settings endpoint_settings;
extern const struct settings publication_settings;
extern const struct settings ns_link_settings;

/* NULL where there is none. */
const struct setting *setting_find(const struct settings *settings, const char *name);
/* NULL: it can be changed, or there is no such field. */
const struct fixed *setting_fixed(const struct settings *settings, const char *field);
/* -EINVAL, with the sentence that says so; `what` is the object. */
int setting_refuse(const struct fixed *fixed, const char *what, struct error *err);
/* The row's bit in a set of rows. */
uint64_t setting_bit(const struct settings *settings, const struct setting *setting);

/*
 * Puts what `text` says into the object; of a list it is one item more. -EINVAL with a sentence
 * that names the setting, or -ENOMEM.
 */
int setting_read(const struct setting *setting, const char *text, void *object, struct error *err);
/* As a person would write it; of a list all items, a line each. Owned; NULL: memory is out. */
char *setting_text(const struct setting *setting, const void *object);
/* Puts what holds without the setting into the object. */
void setting_reset(const struct setting *setting, void *object);
/* Puts what `from` has into `to`. 0 or -ENOMEM. */
int setting_copy(const struct setting *setting, const void *from, void *to);
bool setting_equal(const struct setting *setting, const void *a, const void *b);
/* Whether it is what holds without the setting. */
bool setting_default(const struct setting *setting, const void *object);
/* The name of the first setting that they have not alike; NULL: none. */
const char *settings_differ(const struct settings *settings, const void *a, const void *b);

/* Everything at its default, in a struct that owns nothing yet. */
void settings_start(const struct settings *settings, void *object);
/* The object owns nothing any more, as it was moved elsewhere. */
void settings_forget(const struct settings *settings, void *object);
/* setting_copy() of the rows in `given`. */
int settings_copy(const struct settings *settings, uint64_t given, const void *from, void *to);
/* After the struct was copied as bytes: the copy owns its lists. On -ENOMEM it owns none. */
int settings_own(const struct settings *settings, void *object);
void settings_free(const struct settings *settings, void *object);
/* The next line of a list: *rest moves behind it; false at the end. */
bool setting_next_item(const char **rest, char ret[SETTING_ITEM_MAX]);

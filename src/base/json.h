/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.h -- JSON in and out, for documents (API, configuration). Hides the parser library.
 *
 * Reading: json_parse gives a tree that lives in an arena; every getter accepts NULL and wrong
 * kinds and answers with the default, so handlers read optional fields in one line; json_need_* is
 * for fields that must be there and names the field in its error.
 *
 * Writing: json_out writes to a buf, puts the commas and escapes itself, and asserts correct
 * nesting. Text that is not UTF-8 is written with U+FFFD. NaN and infinities are written as null.
 */
#ifndef SKERRY_BASE_JSON_H
#define SKERRY_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

struct json; /* a node of a parsed tree */

enum json_kind {
    JSON_IS_NONE, /* no node: absent */
    JSON_IS_NULL,
    JSON_IS_BOOL,
    JSON_IS_INT,
    JSON_IS_REAL,
    JSON_IS_STR,
    JSON_IS_ARRAY,
    JSON_IS_OBJECT,
};

/* Parses one document: strict RFC 8259, UTF-8 checked, duplicate keys refused, depth at most 64,
 * integers within int64. ERR_INVALID names line, column and reason. */
MUST_USE err json_parse(arena *keep, str text, const struct json **ret_root);

enum json_kind json_kind(const struct json *node);                       /* JSON_IS_NONE for NULL */
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
size_t json_count(const struct json *array_or_object);                   /* 0 for anything else */
const struct json *json_at(const struct json *array, size_t index);
/* Walks an object: start with *iter = NULL, ends when false. */
bool json_next(const struct json *object, void **iter, str *ret_key, const struct json **ret_value);

str json_str(const struct json *node, str otherwise);
int64_t json_int(const struct json *node, int64_t otherwise); /* accepts 3.0 */
double json_num(const struct json *node, double otherwise);
bool json_bool(const struct json *node, bool otherwise);

/* Required members. ERR_INVALID: "field 'fen' is required and must be a string". Range inclusive.
 */
MUST_USE err json_need_str(const struct json *object, const char *key, str *ret_value);
MUST_USE err json_need_int(const struct json *object, const char *key, int64_t min, int64_t max,
                           int64_t *ret_value);
/* Optional members: absent or null keeps *value; present but of the wrong kind or out of range is
 * ERR_INVALID. */
MUST_USE err json_opt_str(const struct json *object, const char *key, str *value);
MUST_USE err json_opt_int(const struct json *object, const char *key, int64_t min, int64_t max,
                          int64_t *value);
MUST_USE err json_opt_real(const struct json *object, const char *key, double min, double max,
                           double *value);
MUST_USE err json_opt_bool(const struct json *object, const char *key, bool *value);

/* Writes a parsed tree again, compact. */
void json_dump(const struct json *node, struct buf *out);

enum { JSON_OUT_DEPTH_MAX = 72 }; /* a parsed document fits, and some of our own around it */

struct json_out {
    struct buf *buf;
    int depth;
    bool has_item[JSON_OUT_DEPTH_MAX];
    bool in_object[JSON_OUT_DEPTH_MAX];
    bool after_key;
};

void json_out_init(struct json_out *w, struct buf *out);
void json_object_begin(struct json_out *w);
void json_object_end(struct json_out *w);
void json_array_begin(struct json_out *w);
void json_array_end(struct json_out *w);
void json_key(struct json_out *w, const char *key);
void json_key_str(struct json_out *w, str key);
void json_out_str(struct json_out *w, str value);
void json_out_cstr(struct json_out *w, const char *value); /* NULL writes null */
void json_out_fmt(struct json_out *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void json_out_int(struct json_out *w, int64_t value);
void json_out_real(struct json_out *w, double value);
void json_out_bool(struct json_out *w, bool value);
void json_out_null(struct json_out *w);
void json_out_raw(struct json_out *w, str json); /* already valid JSON, e.g. from the store */

/* {"items":[ ... ]}: how every list is answered. */
void json_items_begin(struct json_out *w);
void json_items_end(struct json_out *w);

/* key and value in one call */
void json_kv_str(struct json_out *w, const char *key, str value);
void json_kv_cstr(struct json_out *w, const char *key, const char *value);
void json_kv_int(struct json_out *w, const char *key, int64_t value);
void json_kv_real(struct json_out *w, const char *key, double value);
/* A finite one; whole ones as 1.0. */
void json_kv_dotted(struct json_out *w, const char *key, double value);
void json_kv_bool(struct json_out *w, const char *key, bool value);
void json_kv_raw(struct json_out *w, const char *key, str json);
void json_kv_time_ms(struct json_out *w, const char *key, int64_t ms); /* ISO 8601; 0 writes null */

/* Appends `s` as a quoted, escaped JSON string: for code that writes lines by hand (logs). */
void json_escape(struct buf *out, str s);

#endif

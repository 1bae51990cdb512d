/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.h -- how MLflow's REST API reads arguments and writes answers; for the files of this app.
 *
 * Arguments come as JSON in the body, or, for GET, as query parameters: one reader serves both. A
 * field may be written in snake_case or camelCase, 64-bit integers as numbers or strings, and very
 * old clients send a JSON string that holds the JSON. Absent and null are the same; required text
 * must not be empty. Messages are MLflow's.
 *
 * Answers are JSON objects with status 200, also where there is nothing to say. A handler returns
 * an err like any other; what a client sees of it is
 *
 *   ERR_INVALID, ERR_TOO_BIG  400 INVALID_PARAMETER_VALUE
 *   ERR_CONFLICT              400 RESOURCE_ALREADY_EXISTS
 *   ERR_NOT_FOUND             404 RESOURCE_DOES_NOT_EXIST
 *   ERR_UNSUPPORTED           501 NOT_IMPLEMENTED
 *   no such path, or method   404, 405 ENDPOINT_NOT_FOUND
 *
 * and the rest by status. Clients try 408, 429 and 5xx again for four minutes: never answer a
 * user's mistake with one.
 */
#ifndef SKERRY_MLFLOW_WIRE_H
#define SKERRY_MLFLOW_WIRE_H

#include "platform/app/app.h"

struct wire_args {
    const struct http_request *rq; /* query parameters; NULL: `body` counts */
    const struct json *body;
};
/* Parses the body, or takes the query of a GET. ERR_INVALID for a body that is no JSON object. */
MUST_USE err wire_open(struct http_request *rq, struct wire_args *ret_args);
/* The same of a text instead of the request's body. */
MUST_USE err wire_open_text(struct http_request *rq, str body, struct wire_args *ret_args);
/* The same getters for an object inside of another, or an element of a list. */
struct wire_args wire_inner(const struct json *object);

bool wire_has(const struct wire_args *a, const char *name); /* present, and not null */
/* Optional: absent keeps *value. ERR_INVALID when it is of another type. */
MUST_USE err wire_str(const struct wire_args *a, const char *name, str *value);
MUST_USE err wire_int(const struct wire_args *a, const char *name, int64_t *value);
MUST_USE err wire_bool(const struct wire_args *a, const char *name, bool *value);
/* A number, or "NaN", "Infinity", "-Infinity". */
MUST_USE err wire_real(const struct wire_args *a, const char *name, double *value);
/* Required: absent, or empty text, is ERR_INVALID. */
MUST_USE err wire_need_str(const struct wire_args *a, const char *name, str *value);
MUST_USE err wire_need_int(const struct wire_args *a, const char *name, int64_t *value);
MUST_USE err wire_need_real(const struct wire_args *a, const char *name, double *value);
/* The same for a value that is at hand and not null; `name` is for the message. */
MUST_USE err wire_node_str(const struct json *node, const char *name, str *value);
MUST_USE err wire_node_int(const struct json *node, const char *name, int64_t *value);
MUST_USE err wire_node_real(const struct json *node, const char *name, double *value);
/* experiment_id is a text that holds a number. ERR_INVALID for a text that never was an id. */
MUST_USE err wire_need_experiment(const struct wire_args *a, int64_t *ret_id);
/* A list of texts: an array, or repeated query parameters. At most `max`. */
MUST_USE err wire_strs(const struct wire_args *a, const char *name, size_t max, arena *keep,
                       str **ret_list, size_t *ret_count);
/* An array or object in the body; NULL when absent. */
const struct json *wire_node(const struct wire_args *a, const char *name);

err wire_missing(const char *name);                             /* the error of a required field */
err wire_invalid(const char *name, str given, const char *why); /* of a wrong one */
err wire_mistyped(const char *name, const struct json *given);  /* of one of another type */

/* Answers {}. */
err wire_empty(struct http_reply *rp);
/* NaN and the infinities as text, whole numbers as 1.0. */
void wire_kv_real(struct json_out *w, const char *key, double value);
/* [{"key":...,"value":...}] as "key": name; nothing when there are none. */
struct track_tag;
void wire_kv_tags(struct json_out *w, const char *name, const struct track_tag *tags, size_t count);
/* Reads such a list from a field; at most `max`. */
MUST_USE err wire_tags(const struct wire_args *a, const char *name, size_t max, arena *keep,
                       struct track_tag **ret_tags, size_t *ret_count);

/* An error with a code of MLflow's own, for those that have no err code of ours, or whose message
 * is longer than an err holds. Returns OK: the reply is made. */
err wire_refuse(struct http_reply *rp, int status, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Who did it, for the audit trail: what takes something away or brings it back, and what others see
 * of the registry. Not what runs log. `action` is like "run.delete". */
MUST_USE err wire_audit(struct http_request *rq, const char *action, str subject);
/* For struct app.error_shapes. */
void wire_error(struct http_reply *rp, int status, const char *code, str detail);

#endif

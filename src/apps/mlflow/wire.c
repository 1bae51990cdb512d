/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.c -- arguments, answers and errors of MLflow's REST API. */
#include "apps/mlflow/wire.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/track/experiments.h"

enum { NAME_BYTES_MAX = 64, SHOWN_BYTES = 100, REFUSE_BYTES = 4096 };

/* ------------------------------------------------------------------ errors */

#define SEE_DOCS " See the API docs for more information about request parameters."

err wire_missing(const char *name)
{
    return ERR(ERR_INVALID, "Missing value for required parameter '%s'." SEE_DOCS, name);
}

/* Two blanks, as MLflow has them. */
static err mistyped(const char *name, str given, const char *type)
{
    return ERR(
        ERR_INVALID,
        "Invalid value %.*s for parameter '%s' supplied:  Hint: Value was of type '%s'." SEE_DOCS,
        STR_ARG(str_sub(given, 0, SHOWN_BYTES)), name, type);
}

err wire_invalid(const char *name, str given, const char *why)
{
    return ERR(ERR_INVALID, "Invalid value %.*s for parameter '%s' supplied: %s",
               STR_ARG(str_sub(given, 0, SHOWN_BYTES)), name, why);
}

/* MLflow's name for a status and our short name. */
static const char *code_of(int status, const char *code, int *ret_status)
{
    static const struct {
        const char *code;
        int status;
        const char *name;
    } known[] = {
        { "invalid", 400, "INVALID_PARAMETER_VALUE" },
        { "too_big", 400, "INVALID_PARAMETER_VALUE" },
        { "unsupported_media_type", 400, "INVALID_PARAMETER_VALUE" },
        { "not_found", 404, "RESOURCE_DOES_NOT_EXIST" },
        { "conflict", 400, "RESOURCE_ALREADY_EXISTS" },
        { "unauthenticated", 401, "UNAUTHENTICATED" },
        { "denied", 403, "PERMISSION_DENIED" },
        { "method_not_allowed", 405, "ENDPOINT_NOT_FOUND" },
        { "rate_limited", 429, "REQUEST_LIMIT_EXCEEDED" },
        { "unsupported", 501, "NOT_IMPLEMENTED" },
        { "busy", 503, "TEMPORARILY_UNAVAILABLE" },
        { "no_memory", 503, "TEMPORARILY_UNAVAILABLE" },
        { "timeout", 504, "DEADLINE_EXCEEDED" },
        { "no_space", 507, "RESOURCE_EXHAUSTED" }, /* clients do not try that again */
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].code, code) == 0) {
            *ret_status = known[i].status;
            return known[i].name;
        }
    }
    *ret_status = status;
    return status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR";
}

/* What MLflow 3 says beside the code; its client keeps both in the exception. */
static void write_class(struct json_out *w, const char *code)
{
    static const struct {
        const char *code, *error_class;
        bool is_ours; /* the server's fault */
    } known[] = {
        { "BAD_REQUEST", "INVALID_PARAMETER_VALUE", false },
        { "ENDPOINT_NOT_FOUND", "RESOURCE_NOT_FOUND", false },
        { "INTERNAL_ERROR", "CLIENT_INTERNAL_ERROR", true },
        { "INVALID_PARAMETER_VALUE", "INVALID_PARAMETER_VALUE", false },
        { "NOT_FOUND", "RESOURCE_NOT_FOUND", false },
        { "PERMISSION_DENIED", "PERMISSION_DENIED", false },
        { "RESOURCE_ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS", false },
        { "RESOURCE_DOES_NOT_EXIST", "RESOURCE_NOT_FOUND", false },
        { "TEMPORARILY_UNAVAILABLE", "CLIENT_INTERNAL_ERROR", true },
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].code, code) == 0) {
            json_kv_cstr(w, "sqlstate", known[i].is_ours ? "XXM00" : "KAM00");
            json_kv_cstr(w, "error_class", known[i].error_class);
            return;
        }
    }
}

static void error_write(struct http_reply *rp, int status, const char *name, str message)
{
    http_status(rp, status);
    if (status == 401)
        http_set_header(rp, "WWW-Authenticate", STR("Basic realm=\"mlflow\""));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "error_code", name);
    json_kv_str(w, "message", message);
    write_class(w, name);
    json_object_end(w);
}

err wire_audit(struct http_request *rq, const char *action, str subject)
{
    return auth_audit(house_auth(rq_house(rq)), http_user(rq), str_of(action), subject, STR_NONE);
}

void wire_error(struct http_reply *rp, int status, const char *code, str detail)
{
    int as = status;
    const char *name = code_of(status, code, &as);
    /* what the router says where no handler was asked */
    if (as == 404 && str_starts(detail, STR("nothing is at ")))
        name = "ENDPOINT_NOT_FOUND";
    /* and where the request's own path is what MLflow would not take as one of a file */
    if (str_starts(detail, STR("the path holds ")) || str_starts(detail, STR("the path is not ")))
        detail = STR("Invalid path");
    if (strcmp(code, "unsupported_media_type") == 0)
        detail = STR("Bad Request. Content-Type must be one of ['application/json'].");
    error_write(rp, as, name, detail);
}

err wire_refuse(struct http_reply *rp, int status, const char *code, const char *fmt, ...)
{
    char text[REFUSE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    str message = str_of(text);
    message.len = str_utf8_valid_len(message);
    error_write(rp, status, code, message);
    return OK;
}

/* ------------------------------------------------------------------ arguments */

err wire_open(struct http_request *rq, struct wire_args *ret_args)
{
    if (str_eq(http_method(rq), STR("GET"))) {
        *ret_args = (struct wire_args){ .rq = rq };
        return OK;
    }
    return wire_open_text(rq, http_body(rq), ret_args);
}

err wire_open_text(struct http_request *rq, str body, struct wire_args *ret_args)
{
    const struct json *root = NULL;
    body = str_trim(body);
    if (body.len == 0)
        body = STR("{}");
    TRY(json_parse(http_arena(rq), body, &root));
    if (json_kind(root) == JSON_IS_STR)
        TRY(json_parse(http_arena(rq), json_str(root, STR_NONE), &root));
    if (json_kind(root) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID,
                   "The request body must be a JSON object, like {\"run_id\": \"...\"}");
    *ret_args = wire_inner(root);
    return OK;
}

struct wire_args wire_inner(const struct json *object)
{
    return (struct wire_args){ .body = object };
}

/* run_id is also runId. */
static const struct json *member(const struct json *object, const char *name)
{
    const struct json *node = json_get(object, name);
    if (node)
        return node;
    char camel[NAME_BYTES_MAX];
    size_t n = 0;
    for (const char *c = name; *c && n + 1 < sizeof camel; c++) {
        bool is_upper = c > name && c[-1] == '_' && *c >= 'a' && *c <= 'z';
        if (*c != '_')
            camel[n++] = is_upper ? (char)(*c - 'a' + 'A') : *c;
    }
    camel[n] = '\0';
    return json_get(object, camel);
}

const struct json *wire_node(const struct wire_args *a, const char *name)
{
    const struct json *node = a->rq ? NULL : member(a->body, name);
    return json_kind(node) == JSON_IS_NULL ? NULL : node;
}

bool wire_has(const struct wire_args *a, const char *name)
{
    str found;
    return a->rq ? http_query_all(a->rq, name, &found, 1) > 0 : wire_node(a, name) != NULL;
}

/* The value as text, whatever it is, for messages. */
static str shown(const struct json *node, char room[SHOWN_BYTES + 1])
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    json_dump(node, &text);
    size_t len = text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES;
    memcpy(room, text.failed ? "..." : text.ptr, text.failed ? 3 : len);
    str s = str_from(room, text.failed ? 3 : len);
    buf_deinit(&text);
    return s;
}

/* What Python calls its type. */
static const char *type_of(const struct json *node)
{
    switch (json_kind(node)) {
    case JSON_IS_INT:
        return "int";
    case JSON_IS_REAL:
        return "float";
    case JSON_IS_STR:
        return "str";
    case JSON_IS_BOOL:
        return "bool";
    case JSON_IS_ARRAY:
        return "list";
    case JSON_IS_OBJECT:
        return "dict";
    case JSON_IS_NULL:
    case JSON_IS_NONE:
        break;
    }
    return "NoneType";
}

err wire_mistyped(const char *name, const struct json *node)
{
    char room[SHOWN_BYTES + 1];
    return mistyped(name, shown(node, room), type_of(node));
}

/* A text that is no number, or the like. */
static err mistyped_text(const char *name, str text)
{
    char room[SHOWN_BYTES + 3];
    str part = str_sub(text, 0, SHOWN_BYTES);
    part.len = str_utf8_valid_len(part);
    int len = snprintf(room, sizeof room, "\"%.*s\"", STR_ARG(part));
    return mistyped(name, str_from(room, (size_t)len), "str");
}

err wire_node_str(const struct json *node, const char *name, str *value)
{
    if (json_kind(node) != JSON_IS_STR)
        return wire_mistyped(name, node);
    *value = json_str(node, STR_NONE);
    return OK;
}

err wire_str(const struct wire_args *a, const char *name, str *value)
{
    if (a->rq) {
        if (wire_has(a, name))
            *value = http_query(a->rq, name);
        return OK;
    }
    const struct json *node = wire_node(a, name);
    return node ? wire_node_str(node, name, value) : OK;
}

static err int_of_text(str text, const char *name, int64_t *value)
{
    err e = str_to_i64(text, value);
    return e.code ? mistyped_text(name, text) : OK;
}

err wire_node_int(const struct json *node, const char *name, int64_t *value)
{
    if (json_kind(node) == JSON_IS_STR)
        return int_of_text(json_str(node, STR_NONE), name, value);
    double real = json_num(node, NAN);
    if (json_kind(node) == JSON_IS_REAL && (real != floor(real) || fabs(real) > 0x1p53))
        return wire_mistyped(name, node);
    if (json_kind(node) != JSON_IS_INT && json_kind(node) != JSON_IS_REAL)
        return wire_mistyped(name, node);
    *value = json_int(node, 0);
    return OK;
}

err wire_int(const struct wire_args *a, const char *name, int64_t *value)
{
    if (a->rq)
        return wire_has(a, name) ? int_of_text(http_query(a->rq, name), name, value) : OK;
    const struct json *node = wire_node(a, name);
    return node ? wire_node_int(node, name, value) : OK;
}

err wire_bool(const struct wire_args *a, const char *name, bool *value)
{
    const struct json *node = wire_node(a, name);
    str text = a->rq ? http_query(a->rq, name) : json_str(node, STR_NONE);
    if (!wire_has(a, name))
        return OK;
    if (json_kind(node) == JSON_IS_BOOL) {
        *value = json_bool(node, false);
        return OK;
    }
    bool is_true = str_eq_nocase(text, STR("true"));
    if (!is_true && !str_eq_nocase(text, STR("false")))
        return a->rq ? mistyped_text(name, text) : wire_mistyped(name, node);
    *value = is_true;
    return OK;
}

static err real_of_text(str text, const char *name, double *value)
{
    if (str_eq(text, STR("NaN")))
        *value = NAN;
    else if (str_eq(text, STR("Infinity")))
        *value = INFINITY;
    else if (str_eq(text, STR("-Infinity")))
        *value = -INFINITY;
    else if (str_to_f64(text, value).code)
        return mistyped_text(name, text);
    return OK;
}

err wire_node_real(const struct json *node, const char *name, double *value)
{
    if (json_kind(node) == JSON_IS_STR)
        return real_of_text(json_str(node, STR_NONE), name, value);
    if (json_kind(node) != JSON_IS_INT && json_kind(node) != JSON_IS_REAL)
        return wire_mistyped(name, node);
    *value = json_num(node, 0);
    return OK;
}

err wire_real(const struct wire_args *a, const char *name, double *value)
{
    if (a->rq)
        return wire_has(a, name) ? real_of_text(http_query(a->rq, name), name, value) : OK;
    const struct json *node = wire_node(a, name);
    return node ? wire_node_real(node, name, value) : OK;
}

err wire_need_str(const struct wire_args *a, const char *name, str *value)
{
    str given = STR_NONE;
    TRY(wire_str(a, name, &given));
    if (given.len == 0)
        return wire_missing(name);
    *value = given;
    return OK;
}

err wire_need_int(const struct wire_args *a, const char *name, int64_t *value)
{
    return wire_has(a, name) ? wire_int(a, name, value) : wire_missing(name);
}

err wire_need_real(const struct wire_args *a, const char *name, double *value)
{
    return wire_has(a, name) ? wire_real(a, name, value) : wire_missing(name);
}

err wire_need_experiment(const struct wire_args *a, int64_t *ret_id)
{
    int64_t id = -1;
    str text = STR_NONE;
    if (!wire_has(a, "experiment_id"))
        return wire_missing("experiment_id");
    if (wire_int(a, "experiment_id", &id).code || id < 0) {
        TRY(wire_need_str(a, "experiment_id", &text));
        return ERR(ERR_INVALID,
                   "Invalid experiment ID '%.*s'. Experiment ID must be a valid integer.",
                   STR_ARG(str_sub(text, 0, SHOWN_BYTES)));
    }
    *ret_id = id;
    return OK;
}

static err too_many(const char *name, size_t max)
{
    return ERR(ERR_INVALID, "Invalid value for parameter '%s' supplied: at most %zu are allowed",
               name, max);
}

err wire_strs(const struct wire_args *a, const char *name, size_t max, arena *keep, str **ret_list,
              size_t *ret_count)
{
    const struct json *node = wire_node(a, name);
    if (node && json_kind(node) != JSON_IS_ARRAY)
        return wire_mistyped(name, node);
    size_t count = a->rq ? max : json_count(node);
    if (count > max)
        return too_many(name, max);
    str *list = NEW_ARRAY(keep, str, count + 1);
    ARENA_TRY(list);
    if (a->rq)
        count = http_query_all(a->rq, name, list, max);
    for (size_t i = 0; !a->rq && i < count; i++) {
        const struct json *item = json_at(node, i);
        if (json_kind(item) != JSON_IS_STR)
            return wire_mistyped(name, item);
        list[i] = json_str(item, STR_NONE);
    }
    *ret_list = list;
    *ret_count = count;
    return OK;
}

err wire_tags(const struct wire_args *a, const char *name, size_t max, arena *keep,
              struct track_tag **ret_tags, size_t *ret_count)
{
    const struct json *node = wire_node(a, name);
    size_t count = json_count(node);
    if (node && json_kind(node) != JSON_IS_ARRAY)
        return wire_mistyped(name, node);
    if (count > max)
        return too_many(name, max);
    struct track_tag *tags = NEW_ARRAY(keep, struct track_tag, count + 1);
    ARENA_TRY(tags);
    for (size_t i = 0; i < count; i++) {
        struct wire_args item = wire_inner(json_at(node, i));
        tags[i] = (struct track_tag){ STR(""), STR("") };
        TRY(wire_str(&item, "key", &tags[i].key));
        if (tags[i].key.len == 0)
            return ERR(ERR_INVALID, "Missing value for required parameter '%s[%zu].key'." SEE_DOCS,
                       name, i);
        TRY(wire_str(&item, "value", &tags[i].value));
    }
    *ret_tags = tags;
    *ret_count = count;
    return OK;
}

/* ------------------------------------------------------------------ answers */

err wire_empty(struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_object_end(w);
    return OK;
}

void wire_kv_real(struct json_out *w, const char *key, double value)
{
    if (isnan(value))
        json_kv_cstr(w, key, "NaN");
    else if (isinf(value))
        json_kv_cstr(w, key, value > 0 ? "Infinity" : "-Infinity");
    else
        json_kv_dotted(w, key, value);
}

void wire_kv_tags(struct json_out *w, const char *name, const struct track_tag *tags, size_t count)
{
    if (count == 0)
        return;
    json_key(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "key", tags[i].key);
        json_kv_str(w, "value", tags[i].value);
        json_object_end(w);
    }
    json_array_end(w);
}

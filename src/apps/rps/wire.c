/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.c -- inputs, and what is said about wrong ones. */
#include "apps/rps/wire.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rps_error(struct http_reply *rp, int status, const char *code, str detail)
{
    (void)code;
    http_status(rp, status);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "detail", detail);
    json_object_end(w);
}

void rps_issue(struct rps_input *in, const char *where, const char *name, const char *type,
               const char *fmt, ...)
{
    if (in->count == RPS_ISSUES_MAX)
        return;
    struct rps_issue *issue = &in->issues[in->count++];
    *issue = (struct rps_issue){ .where = where, .name = name, .type = type };
    va_list args;
    va_start(args, fmt);
    vsnprintf(issue->msg, sizeof issue->msg, fmt, args);
    va_end(args);
}

err rps_refuse(const struct rps_input *in, struct http_reply *rp)
{
    if (str_starts(http_raw_path(in->rq), STR("/v1/"))) {
        const struct rps_issue *first = &in->issues[0];
        http_problem(rp, 422, "invalid", "%s%s%s: %s", first->where, first->name ? "." : "",
                     first->name ? first->name : "", first->msg);
        return OK;
    }
    http_status(rp, 422);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "detail");
    json_array_begin(w);
    for (size_t i = 0; i < in->count; i++) {
        json_object_begin(w);
        json_kv_cstr(w, "type", in->issues[i].type);
        json_key(w, "loc");
        json_array_begin(w);
        json_out_cstr(w, in->issues[i].where);
        if (in->issues[i].name)
            json_out_cstr(w, in->issues[i].name);
        json_array_end(w);
        json_kv_cstr(w, "msg", in->issues[i].msg);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ bodies */

void rps_input_open(struct http_request *rq, bool is_list, struct rps_input *ret_in)
{
    *ret_in = (struct rps_input){ .rq = rq };
    str text = str_trim(http_body(rq));
    if (text.len == 0) {
        rps_issue(ret_in, "body", NULL, "missing", "Field required");
        return;
    }
    err e = json_parse(http_arena(rq), text, &ret_in->body);
    if (e.code) {
        ret_in->body = NULL;
        rps_issue(ret_in, "body", NULL, "json_invalid", "JSON decode error: %s", e.msg);
        return;
    }
    if (json_kind(ret_in->body) == (is_list ? JSON_IS_ARRAY : JSON_IS_OBJECT))
        return;
    ret_in->body = NULL;
    if (is_list)
        rps_issue(ret_in, "body", NULL, "list_type", "Input should be a valid list");
    else
        rps_issue(ret_in, "body", NULL, "model_attributes_type",
                  "Input should be a valid dictionary or object to extract fields from");
}

void rps_query_open(struct http_request *rq, struct rps_input *ret_in)
{
    *ret_in = (struct rps_input){ .rq = rq };
}

void rps_input_from(struct rps_input *in, const struct json *object)
{
    in->body = object;
}

/* The member, or NULL when it is absent or null; that may be an issue. */
static const struct json *member(struct rps_input *in, const char *name, enum rps_need need)
{
    if (!in->body)
        return NULL;
    const struct json *node = json_get(in->body, name);
    if (json_kind(node) > JSON_IS_NULL)
        return node;
    if (need == RPS_REQUIRED)
        rps_issue(in, "body", name, "missing", "Field required");
    return NULL;
}

static bool has_controls(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return true;
    return false;
}

void rps_in_str(struct rps_input *in, const char *name, enum rps_need need, size_t bytes_max,
                str *value)
{
    const struct json *node = member(in, name, need);
    if (!node)
        return;
    if (json_kind(node) != JSON_IS_STR) {
        rps_issue(in, "body", name, "string_type", "Input should be a valid string");
        return;
    }
    str text = json_str(node, STR_NONE);
    if (text.len > bytes_max)
        rps_issue(in, "body", name, "string_too_long", "String should have at most %zu bytes",
                  bytes_max);
    else if (has_controls(text))
        rps_issue(in, "body", name, "value_error", "String must not hold control characters");
    else
        *value = text;
}

void rps_in_int(struct rps_input *in, const char *name, enum rps_need need, int64_t min,
                int64_t max, int64_t *value)
{
    const struct json *node = member(in, name, need);
    if (!node)
        return;
    double number = json_num(node, NAN);
    if ((json_kind(node) != JSON_IS_INT && json_kind(node) != JSON_IS_REAL) ||
        number != floor(number))
        rps_issue(in, "body", name, "int_type", "Input should be a valid integer");
    else if (number < (double)min || number > (double)max)
        rps_issue(in, "body", name, "value_error", "Input should be from %lld to %lld",
                  (long long)min, (long long)max);
    else
        *value = json_int(node, 0);
}

void rps_in_real(struct rps_input *in, const char *name, enum rps_need need, double *value)
{
    const struct json *node = member(in, name, need);
    if (!node)
        return;
    if (json_kind(node) != JSON_IS_INT && json_kind(node) != JSON_IS_REAL)
        rps_issue(in, "body", name, "float_type", "Input should be a valid number");
    else
        *value = json_num(node, 0);
}

void rps_in_bool(struct rps_input *in, const char *name, bool *value)
{
    const struct json *node = member(in, name, RPS_OPTIONAL);
    if (!node)
        return;
    if (json_kind(node) != JSON_IS_BOOL)
        rps_issue(in, "body", name, "bool_type", "Input should be a valid boolean");
    else
        *value = json_bool(node, false);
}

const struct json *rps_in_list(struct rps_input *in, const char *name, size_t max)
{
    const struct json *node = member(in, name, RPS_OPTIONAL);
    if (!node)
        return NULL;
    if (json_kind(node) == JSON_IS_ARRAY && json_count(node) <= max)
        return node;
    if (json_kind(node) != JSON_IS_ARRAY)
        rps_issue(in, "body", name, "list_type", "Input should be a valid list");
    else
        rps_issue(in, "body", name, "too_long", "List should have at most %zu items", max);
    return NULL;
}

const struct json *rps_in_object(struct rps_input *in, const char *name)
{
    const struct json *node = member(in, name, RPS_OPTIONAL);
    if (node && json_kind(node) != JSON_IS_OBJECT) {
        rps_issue(in, "body", name, "dict_type", "Input should be a valid dictionary");
        return NULL;
    }
    return node;
}

/* ------------------------------------------------------------------ queries */

void rps_query_int(struct rps_input *in, const char *name, int64_t min, int64_t max, int64_t *value)
{
    str text = http_query(in->rq, name);
    int64_t number = 0;
    if (text.len == 0)
        return;
    err e = str_to_i64(text, &number);
    if (e.code)
        rps_issue(in, "query", name, "int_parsing",
                  "Input should be a valid integer, unable to parse string as an integer");
    else if (number < min)
        rps_issue(in, "query", name, "greater_than_equal",
                  "Input should be greater than or equal to %lld", (long long)min);
    else if (number > max)
        rps_issue(in, "query", name, "less_than_equal",
                  "Input should be less than or equal to %lld", (long long)max);
    else
        *value = number;
}

void rps_query_bool(struct rps_input *in, const char *name, bool *value)
{
    static const struct {
        const char *text;
        bool value;
    } known[] = {
        { "true", true },   { "1", true },  { "yes", true }, { "on", true },
        { "false", false }, { "0", false }, { "no", false }, { "off", false },
    };
    str text = http_query(in->rq, name);
    if (text.len == 0)
        return;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (str_eq_nocase(text, str_of(known[i].text))) {
            *value = known[i].value;
            return;
        }
    }
    rps_issue(in, "query", name, "bool_parsing",
              "Input should be a valid boolean, unable to interpret input");
}

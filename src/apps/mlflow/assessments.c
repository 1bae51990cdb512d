/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assessments.c -- /mlflow/traces/{trace_id}/assessments: handlers. */
#include <string.h>

#include "apps/mlflow/traces.h"

enum { VALUE_BYTES_MAX = ASSESSMENT_VALUE_BYTES_MAX, NAME_BYTES_MAX = 64, MASK_NAMES_MAX = 50 };

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ values */

/* JSON as protobuf's Value gives it back, in Python's words: every number is a real. */
static void value_write(struct buf *out, const struct json *node)
{
    void *iter = NULL;
    const struct json *value;
    size_t from = out->len;
    str key;
    switch (json_kind(node)) {
    case JSON_IS_INT:
    case JSON_IS_REAL:
        buf_add_real(out, json_num(node, 0));
        break;
    case JSON_IS_ARRAY:
        buf_add_char(out, '[');
        for (size_t i = 0; i < json_count(node); i++) {
            buf_add_cstr(out, i ? ", " : "");
            value_write(out, json_at(node, i));
        }
        buf_add_char(out, ']');
        break;
    case JSON_IS_OBJECT:
        buf_add_char(out, '{');
        while (json_next(node, &iter, &key, &value)) {
            buf_add_cstr(out, out->len > from + 1 ? ", " : "");
            json_escape(out, key);
            buf_add_cstr(out, ": ");
            value_write(out, value);
        }
        buf_add_char(out, '}');
        break;
    case JSON_IS_NONE:
    case JSON_IS_NULL:
    case JSON_IS_BOOL:
    case JSON_IS_STR:
    default:
        if (node)
            json_dump(node, out);
        else
            buf_add_cstr(out, "null");
    }
}

static err value_of(const struct json *node, arena *keep, str *ret_json)
{
    struct buf out;
    buf_init(&out, VALUE_BYTES_MAX);
    value_write(&out, node);
    err e = buf_check(&out);
    *ret_json = e.code ? STR_NONE : arena_str(keep, buf_str(&out));
    buf_deinit(&out);
    return err_first(e, arena_check(keep));
}

static err dump_of(const struct json *node, arena *keep, str *ret_json)
{
    struct buf out;
    if (json_kind(node) != JSON_IS_OBJECT) {
        *ret_json = STR_NONE;
        return OK;
    }
    buf_init(&out, VALUE_BYTES_MAX);
    json_dump(node, &out);
    err e = buf_check(&out);
    *ret_json = e.code ? STR_NONE : arena_str(keep, buf_str(&out));
    buf_deinit(&out);
    return err_first(e, arena_check(keep));
}

/* {"value": ...} or, of what is not a plain value, {"serialized_value": {"value": "JSON"}}. */
static err expectation_of(const struct json *node, arena *keep, str *ret_json)
{
    struct wire_args a = wire_inner(node), inner;
    const struct json *serialized = wire_node(&a, "serialized_value"), *root;
    if (!serialized)
        return value_of(json_get(node, "value"), keep, ret_json);
    inner = wire_inner(serialized);
    TRY(wire_need_str(&inner, "value", ret_json));
    if (json_parse(keep, *ret_json, &root).code)
        return wire_invalid("serialized_value", *ret_json, "Value must be JSON");
    return OK;
}

/* Which kind it is, and its value; kind NULL: neither. */
static err kind_of(const struct wire_args *a, arena *keep, const char **ret_kind, str *json,
                   str *error)
{
    const struct json *feedback = wire_node(a, "feedback");
    const struct json *expectation = wire_node(a, "expectation");
    *ret_kind = feedback ? "feedback" : expectation ? "expectation" : NULL;
    if (feedback && expectation)
        return ERR(ERR_INVALID, "Cannot specify both `expectation` and `feedback` parameters.");
    if (expectation)
        return expectation_of(expectation, keep, json);
    if (!feedback)
        return OK;
    struct wire_args inner = wire_inner(feedback);
    TRY(dump_of(wire_node(&inner, "error"), keep, error));
    return value_of(json_get(feedback, "value"), keep, json);
}

/* Metadata are texts; other values are refused. */
static err metadata_of(const struct wire_args *a, arena *keep, str *ret_json)
{
    struct track_tag *pairs;
    size_t count;
    TRY(trace_pairs_of(a, "metadata", keep, &pairs, &count));
    return dump_of(wire_node(a, "metadata"), keep, ret_json);
}

err trace_assessment_of(const struct json *node, arena *keep, struct assessment *ret_a)
{
    struct wire_args a = wire_inner(node), source;
    *ret_a = (struct assessment){ .name = STR(""),
                                  .source_type = STR("SOURCE_TYPE_UNSPECIFIED"),
                                  .is_valid = true };
    TRY(wire_str(&a, "assessment_id", &ret_a->id));
    TRY(wire_str(&a, "assessment_name", &ret_a->name));
    TRY(kind_of(&a, keep, &ret_a->kind, &ret_a->json, &ret_a->error));
    if (!ret_a->kind)
        return ERR(ERR_INVALID, "Unknown assessment type: None");
    source = wire_inner(wire_node(&a, "source"));
    TRY(wire_str(&source, "source_type", &ret_a->source_type));
    TRY(wire_str(&source, "source_id", &ret_a->source_id));
    if (ret_a->source_type.len > NAME_BYTES_MAX)
        return wire_invalid("source_type", ret_a->source_type, "It is too long");
    TRY(trace_time_of(&a, "create_time", &ret_a->created_ms));
    TRY(trace_time_of(&a, "last_update_time", &ret_a->updated_ms));
    TRY(wire_str(&a, "rationale", &ret_a->rationale));
    TRY(wire_str(&a, "span_id", &ret_a->span_id));
    TRY(wire_str(&a, "run_id", &ret_a->run_id));
    TRY(wire_str(&a, "overrides", &ret_a->overrides));
    TRY(wire_bool(&a, "valid", &ret_a->is_valid));
    return metadata_of(&a, keep, &ret_a->metadata);
}

/* ------------------------------------------------------------------ answers */

static void kv_if(struct json_out *w, const char *key, str text)
{
    if (text.ptr)
        json_kv_str(w, key, text);
}

static void kv_value(struct json_out *w, const struct assessment *a)
{
    bool is_nested = a->json.len && (a->json.ptr[0] == '{' || a->json.ptr[0] == '[');
    bool is_serialized = is_nested && strcmp(a->kind, "expectation") == 0;
    json_key(w, a->kind);
    json_object_begin(w);
    if (is_serialized) {
        json_key(w, "serialized_value");
        json_object_begin(w);
        json_kv_cstr(w, "serialization_format", "JSON_FORMAT");
        json_kv_str(w, "value", a->json);
        json_object_end(w);
    } else {
        json_kv_raw(w, "value", a->json);
    }
    if (a->error.ptr)
        json_kv_raw(w, "error", a->error);
    json_object_end(w);
}

void trace_write_assessment(struct json_out *w, const struct assessment *a)
{
    json_object_begin(w);
    json_kv_str(w, "assessment_id", a->id);
    json_kv_str(w, "assessment_name", a->name);
    json_kv_str(w, "trace_id", a->trace_id);
    kv_if(w, "span_id", a->span_id);
    json_key(w, "source");
    json_object_begin(w);
    json_kv_str(w, "source_type", a->source_type);
    kv_if(w, "source_id", a->source_id);
    json_object_end(w);
    trace_kv_time(w, "create_time", a->created_ms);
    trace_kv_time(w, "last_update_time", a->updated_ms);
    kv_value(w, a);
    kv_if(w, "rationale", a->rationale);
    if (a->metadata.ptr)
        json_kv_raw(w, "metadata", a->metadata);
    kv_if(w, "overrides", a->overrides);
    json_kv_bool(w, "valid", a->is_valid);
    json_object_end(w);
}

static err reply_assessment(struct http_reply *rp, const struct assessment *a)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "assessment");
    trace_write_assessment(w, a);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ handlers */

err mlflow_assessment_create(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct assessment given, made;
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "assessment"))
        return wire_missing("assessment");
    TRY(trace_assessment_of(wire_node(&a, "assessment"), http_arena(rq), &given));
    given.trace_id = http_param(rq, "trace_id");
    TRY(assessment_add(track_of(rq), &given, http_arena(rq), &made));
    return reply_assessment(rp, &made);
}

err mlflow_assessment_get(struct http_request *rq, struct http_reply *rp)
{
    struct assessment a;
    TRY(assessment_read(track_of(rq), http_param(rq, "trace_id"), http_param(rq, "assessment_id"),
                        http_arena(rq), &a));
    return reply_assessment(rp, &a);
}

/* As protobuf's JSON writes masks: "rationale,assessmentName". What it does not know, it passes
 * over. No mask: everything that is given. */
static bool is_masked(str mask, const char *name)
{
    if (mask.len == 0)
        return true;
    for (int i = 0; mask.len && i < MASK_NAMES_MAX; i++)
        if (str_eq(str_trim(str_split(&mask, ',')), str_of(name)))
            return true;
    return false;
}

static err change_of(const struct wire_args *a, str mask, arena *keep,
                     struct assessment_change *ret_change)
{
    const char *kind = NULL;
    if (is_masked(mask, "assessmentName"))
        TRY(wire_str(a, "assessment_name", &ret_change->name));
    if (is_masked(mask, "rationale"))
        TRY(wire_str(a, "rationale", &ret_change->rationale));
    if (is_masked(mask, "metadata"))
        TRY(metadata_of(a, keep, &ret_change->metadata));
    TRY(kind_of(a, keep, &kind, &ret_change->json, &ret_change->error));
    if (kind && is_masked(mask, kind))
        ret_change->kind = kind;
    return OK;
}

err mlflow_assessment_update(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a, inner;
    struct assessment_change change = { 0 };
    struct assessment changed;
    str mask = STR_NONE;
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "assessment"))
        return wire_missing("assessment");
    inner = wire_inner(wire_node(&a, "assessment"));
    TRY(wire_str(&a, "update_mask", &mask));
    TRY(change_of(&inner, mask, http_arena(rq), &change));
    TRY(assessment_change(track_of(rq), http_param(rq, "trace_id"), http_param(rq, "assessment_id"),
                          &change, http_arena(rq), &changed));
    return reply_assessment(rp, &changed);
}

err mlflow_assessment_delete(struct http_request *rq, struct http_reply *rp)
{
    TRY(assessment_delete(track_of(rq), http_param(rq, "trace_id"),
                          http_param(rq, "assessment_id")));
    return wire_empty(rp);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_traces.c -- traces of another tracking system: their rows, and spans in our form. */
#include <string.h>

#include "platform/track/assessments.h"
#include "platform/track/import_internal.h"
#include "platform/track/spans_internal.h"
#include "platform/track/traces_internal.h"

enum { ATTRIBUTE_ARENA_BYTES = 256 * 1024 * 1024 };

static err put_trace(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t experiment = -1, added = 0;
    TRY(import_experiment_of(tx, w, v[1].integer, &experiment));
    if (experiment < 0) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO traces (trace_id, experiment_id, request_ms, duration_ms, state,"
                   " has_spans, client_request_id, request_preview, response_preview)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
                   ARGS(v[0], sql_int(experiment), v[2], v[3], v[4], v[5], v[6], v[7]), &added));
    if (!added) /* what was under way when it came may have ended since */
        TRY(store_exec(tx,
                       "UPDATE traces SET state = ?2, duration_ms = ?3 WHERE trace_id = ?1"
                       " AND state = 'IN_PROGRESS'",
                       ARGS(v[0], v[4], v[3]), NULL));
    w->parent[PARENT_TRACE] = STR_NONE;
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM traces WHERE trace_id = ?1 AND state = ?2",
                         ARGS(v[0], v[4]));
}

/* ------------------------------------------------------------------ tags, metadata */

/* Its files are here now. */
static err location_here(struct store_tx *tx, struct import_write *w, str trace_id,
                         struct store_value *location)
{
    int64_t experiment;
    TRY(store_get_int(store_tx_read(tx), "SELECT experiment_id FROM traces WHERE trace_id = ?1",
                      ARGS(sql_text(trace_id)), &experiment));
    str here = arena_fmt(&w->keep, "mlflow-artifacts:/%lld/traces/%.*s/artifacts",
                         (long long)experiment, STR_ARG(trace_id));
    ARENA_TRY(here.ptr);
    *location = sql_text(here);
    return OK;
}

static err put_pair(struct store_tx *tx, struct import_write *w, const struct import_line *line,
                    int64_t trace)
{
    const struct store_value *v = line->values;
    bool is_tag = line->kind == IMPORT_TRACE_TAG;
    struct store_value value = v[2];
    int64_t added;
    if (is_tag && str_eq(v[1].bytes, TRACE_TAG_LOCATION))
        TRY(location_here(tx, w, v[0].bytes, &value));
    if (!is_tag && str_eq(v[1].bytes, TRACE_METADATA_RUN) && value.bytes.len)
        TRY(trace_run_put(tx, v[0].bytes, value.bytes));
    TRY(store_exec(tx,
                   is_tag ? "INSERT INTO trace_tags (trace, key, value) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT DO NOTHING"
                          : "INSERT INTO trace_metadata (trace, key, value) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT DO NOTHING",
                   ARGS(sql_int(trace), v[1], value), &added));
    return import_settle(tx, w, line, added,
                         is_tag ? "SELECT COUNT(*) FROM trace_tags WHERE trace = ?1 AND key = ?2"
                                  " AND value = ?3"
                                : "SELECT COUNT(*) FROM trace_metadata WHERE trace = ?1"
                                  " AND key = ?2 AND value = ?3",
                         ARGS(sql_int(trace), v[1], value));
}

/* ------------------------------------------------------------------ spans */

/* JSON in one line: a line break in it can only stand between its parts. */
static void add_line(struct buf *out, str json)
{
    for (size_t i = 0; i < json.len; i++)
        buf_add_char(out, json.ptr[i] == '\n' || json.ptr[i] == '\r' ? ' ' : json.ptr[i]);
}

/* MLflow keeps the value of an attribute as JSON in a text. */
static err add_attribute(struct buf *out, str key, str value, bool is_first)
{
    arena keep;
    const struct json *node = NULL;
    str inner = STR_NONE, whole = STR_NONE;
    arena_init(&keep, ATTRIBUTE_ARENA_BYTES);
    if (value.len && value.ptr[0] == '"' && !json_parse(&keep, value, &node).code) {
        inner = json_str(node, STR_NONE);
        struct json_scan s = json_scan_of(inner);
        bool is_json = json_scan_value(&s, SPAN_DEPTH_MAX, &whole) &&
                       str_trim(str_from(s.next, (size_t)(s.end - s.next))).len == 0;
        value = is_json ? whole : value;
    }
    buf_add_cstr(out, is_first ? "\n" : ",\n");
    buf_add(out, key);
    buf_add_char(out, ':');
    add_line(out, value);
    buf_add_char(out, '\n');
    arena_deinit(&keep);
    return OK;
}

static err add_attributes(struct buf *out, str object)
{
    struct json_scan s = json_scan_of(object);
    str key, value;
    bool is_first = true;
    if (!json_scan_enter(&s, '{'))
        return OK;
    for (; json_scan_next(&s, &key, &value); is_first = false)
        TRY(add_attribute(out, key, value, is_first));
    return OK;
}

/* Ids of traces without their "tr-". */
static void add_links(struct buf *out, str list)
{
    static const str prefix = STR_INIT("\"tr-");
    for (ptrdiff_t at; (at = str_find(list, prefix)) >= 0;) {
        add_line(out, str_sub(list, 0, (size_t)at + 1));
        list = str_sub(list, (size_t)at + prefix.len, list.len);
    }
    add_line(out, list);
}

/* A member of an object, or otherwise. */
static str member(str object, const char *name, str otherwise)
{
    struct json_scan s = json_scan_of(object);
    str key, value;
    if (json_scan_enter(&s, '{'))
        while (json_scan_next(&s, &key, &value))
            if (key.len > 2 && str_eq(str_sub(key, 1, key.len - 2), str_of(name)))
                return value;
    return otherwise;
}

/* The content of a span as spans.h has it, of one as MLflow has it. */
static err content_here(str name, str theirs, struct buf *out)
{
    struct json_scan s = json_scan_of(theirs);
    str whole;
    if (!json_scan_value(&s, SPAN_DEPTH_MAX + 8, &whole) || !whole.len || whole.ptr[0] != '{')
        whole = STR("{}");
    str status = member(whole, "status", STR("{}"));
    str events = member(whole, "events", STR("[]")), links = member(whole, "links", STR("[]"));
    str message = member(status, "message", STR("\"\""));
    buf_add_cstr(out, "{\"name\":");
    json_escape(out, name);
    buf_add_cstr(out, ",\"status_message\":");
    add_line(out, message.len && message.ptr[0] == '"' ? message : STR("\"\""));
    buf_add_cstr(out, ",\"attributes\":{");
    TRY(add_attributes(out, member(whole, "attributes", STR("{}"))));
    buf_add_cstr(out, "},\"events\":");
    add_line(out, events.len && events.ptr[0] == '[' ? events : STR("[]"));
    buf_add_cstr(out, ",\"links\":");
    add_links(out, links.len && links.ptr[0] == '[' ? links : STR("[]"));
    buf_add_char(out, '}');
    return buf_check(out);
}

static str status_here(str status)
{
    if (str_eq(status, STR("OK")) || str_eq(status, STR("ERROR")))
        return status;
    return STR("UNSET");
}

static err put_span(struct store_tx *tx, struct import_write *w, const struct import_line *line,
                    int64_t trace)
{
    const struct store_value *v = line->values;
    struct buf content;
    int64_t added = 0;
    buf_init(&content, 2 * SPAN_CONTENT_BYTES_MAX);
    err e = content_here(v[3].bytes, v[8].bytes, &content);
    if (!e.code)
        e = store_exec(tx,
                       "INSERT INTO trace_spans (trace, span_id, parent_id, name, type, status,"
                       " start_ns, end_ns, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                       " ON CONFLICT DO NOTHING",
                       ARGS(sql_int(trace), v[1], v[2], v[3],
                            v[4].type == STORE_TEXT ? v[4] : sql_text(STR("")),
                            sql_text(status_here(v[5].bytes)), v[6], v[7],
                            sql_text(buf_str(&content))),
                       &added);
    buf_deinit(&content);
    TRY(e);
    if (added)
        TRY(store_exec(tx, "UPDATE traces SET has_spans = 1 WHERE id = ?1 AND has_spans = 0",
                       ARGS(sql_int(trace)), NULL));
    return import_settle(tx, w, line, added, NULL, NO_ARGS);
}

/* ------------------------------------------------------------------ assessments */

static str text_of(const struct store_value *v)
{
    return v->type == STORE_TEXT ? v->bytes : STR_NONE;
}

static err put_assessment(struct store_tx *tx, struct import_write *w,
                          const struct import_line *line, int64_t trace)
{
    const struct store_value *v = line->values;
    bool is_feedback = str_eq(v[3].bytes, STR("feedback"));
    int64_t there;
    if ((!is_feedback && !str_eq(v[3].bytes, STR("expectation"))) || !v[0].bytes.len) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM assessments WHERE assessment_id = ?1", ARGS(v[0]),
                      &there));
    struct assessment a = { .id = v[0].bytes,
                            .name = v[2].bytes,
                            .kind = is_feedback ? "feedback" : "expectation",
                            .json = v[4].bytes,
                            .error = text_of(&v[5]),
                            .rationale = text_of(&v[6]),
                            .source_type = v[7].bytes,
                            .source_id = text_of(&v[8]),
                            .metadata = text_of(&v[9]),
                            .span_id = text_of(&v[10]),
                            .run_id = text_of(&v[11]),
                            .overrides = text_of(&v[12]),
                            .is_valid = v[13].integer != 0,
                            .created_ms = v[14].integer,
                            .updated_ms = v[15].integer };
    if (there)
        return import_settle(tx, w, line, 0, NULL, NO_ARGS);
    if (a.overrides.len) /* which may have been deleted since */
        TRY(store_get_int(store_tx_read(tx),
                          "SELECT COUNT(*) FROM assessments WHERE assessment_id = ?1",
                          ARGS(sql_text(a.overrides)), &there));
    if (!there)
        a.overrides = STR_NONE;
    err e = assessment_put(tx, trace, &a);
    if (e.code == ERR_INVALID) { /* longer than is kept here */
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(e);
    return import_settle(tx, w, line, 1, NULL, NO_ARGS);
}

err import_put_trace(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    str trace_id = line->values[line->kind == IMPORT_ASSESSMENT].bytes;
    int64_t trace;
    bool is_here;
    if (line->kind == IMPORT_TRACE)
        return put_trace(tx, w, line);
    TRY(import_has_parent(tx, w, PARENT_TRACE, trace_id, &is_here));
    if (!is_here) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(trace_number(store_tx_read(tx), trace_id, &trace));
    if (line->kind == IMPORT_SPAN)
        return put_span(tx, w, line, trace);
    if (line->kind == IMPORT_ASSESSMENT)
        return put_assessment(tx, w, line, trace);
    return put_pair(tx, w, line, trace);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_spans.c -- an export of spans into rows: one of each trace, then its spans, in one
 * transaction. */
#include <stdlib.h>
#include <string.h>

#include "platform/track/traces_internal.h"

enum { NS_OF_MS = 1000000 };

/* The spans of one trace in an export. */
struct group {
    const struct span *const *spans;
    size_t count;
    int64_t start_ms, end_ms; /* of all; end 0: none is over */
    const struct span *root;  /* NULL: not here */
    const struct span *resource;
};
struct log {
    int64_t experiment_id;
    str run_id;
    const struct span_batch *batch;
    struct group *groups;
    size_t group_count;
};

static int by_trace(const void *a, const void *b)
{
    const struct span *x = *(const struct span *const *)a, *y = *(const struct span *const *)b;
    int order = strcmp(x->trace_id, y->trace_id);
    if (order == 0)
        order = strcmp(x->span_id, y->span_id);
    return order ? order : (x > y) - (x < y); /* as they came: of equals the last stays */
}

static void group_sum(struct group *g)
{
    g->start_ms = INT64_MAX;
    for (size_t i = 0; i < g->count; i++) {
        const struct span *s = g->spans[i];
        if (s->start_ns / NS_OF_MS < g->start_ms)
            g->start_ms = s->start_ns / NS_OF_MS;
        if (s->end_ns / NS_OF_MS > g->end_ms)
            g->end_ms = s->end_ns / NS_OF_MS;
        if (!s->parent_id[0] && !g->root)
            g->root = s;
        if (s->resource_count && !g->resource)
            g->resource = s;
    }
}

/* Of a span that comes twice the last one counts. */
static size_t last_of_equals(const struct span **order, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_again = kept && !strcmp(order[kept - 1]->trace_id, order[i]->trace_id) &&
                        !strcmp(order[kept - 1]->span_id, order[i]->span_id);
        kept += !is_again;
        order[kept - 1] = order[i];
    }
    return kept;
}

static err groups_make(struct log *l, arena *memory)
{
    size_t count = l->batch->count;
    const struct span **order = NEW_ARRAY(memory, const struct span *, count + 1);
    l->groups = NEW_ARRAY(memory, struct group, count + 1);
    ARENA_TRY(order);
    ARENA_TRY(l->groups);
    for (size_t i = 0; i < count; i++)
        order[i] = &l->batch->spans[i];
    qsort(order, count, sizeof *order, by_trace);
    count = last_of_equals(order, count);
    for (size_t from = 0, to; from < count; from = to) {
        struct group *g = &l->groups[l->group_count++];
        for (to = from; to < count && !strcmp(order[from]->trace_id, order[to]->trace_id);)
            to++;
        g->spans = order + from;
        g->count = to - from;
        group_sum(g);
    }
    return OK;
}

/* ------------------------------------------------------------------ rows */

#define LATER_END                                                   \
    "CASE WHEN traces.request_ms + COALESCE(traces.duration_ms, 0)" \
    " > excluded.request_ms + excluded.duration_ms"                 \
    " THEN traces.request_ms + COALESCE(traces.duration_ms, 0)"     \
    " ELSE excluded.request_ms + excluded.duration_ms END"
#define EARLIER_START                                                            \
    "CASE WHEN traces.request_ms > excluded.request_ms THEN excluded.request_ms" \
    " ELSE traces.request_ms END"

/* Ends in "..." when it is cut, as MLflow's does. */
static struct store_value preview(str json, char room[SPAN_PREVIEW_CHARACTERS_MAX * 4])
{
    if (json.len == 0)
        return sql_null();
    str cut = client_cut(json, SPAN_PREVIEW_CHARACTERS_MAX);
    if (cut.len == json.len)
        return sql_text(json);
    cut = client_cut(json, SPAN_PREVIEW_CHARACTERS_MAX - 3);
    memcpy(room, cut.ptr, cut.len);
    memcpy(room + cut.len, "...", 3);
    return sql_text(str_from(room, cut.len + 3));
}

static err trace_put(struct store_tx *tx, const struct log *l, const struct group *g,
                     int64_t *ret_trace)
{
    char inputs[SPAN_PREVIEW_CHARACTERS_MAX * 4], outputs[SPAN_PREVIEW_CHARACTERS_MAX * 4];
    const struct span *root = g->root;
    const char *state = !root ? "IN_PROGRESS" : !strcmp(root->status, "ERROR") ? "ERROR" : "OK";
    int64_t duration_ms = g->end_ms > g->start_ms ? g->end_ms - g->start_ms : 0;
    return store_get_int(
        store_tx_read(tx),
        "INSERT INTO traces (trace_id, experiment_id, request_ms, duration_ms, state, has_spans,"
        " request_preview, response_preview) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)"
        " ON CONFLICT (trace_id) DO UPDATE SET has_spans = 1,"
        " request_ms = " EARLIER_START ","
        " duration_ms = CASE WHEN excluded.duration_ms IS NULL THEN traces.duration_ms"
        " ELSE (" LATER_END ") - (" EARLIER_START ") END,"
        " state = CASE WHEN traces.state IN ('IN_PROGRESS', 'STATE_UNSPECIFIED')"
        " AND excluded.state <> 'IN_PROGRESS' THEN excluded.state ELSE traces.state END,"
        " request_preview = COALESCE(traces.request_preview, excluded.request_preview),"
        " response_preview = COALESCE(traces.response_preview, excluded.response_preview)"
        " RETURNING id",
        ARGS(sql_text(str_of(g->spans[0]->trace_id)), sql_int(l->experiment_id),
             sql_int(g->start_ms), g->end_ms ? sql_int(duration_ms) : sql_null(), sql_cstr(state),
             preview(root ? root->inputs : STR_NONE, inputs),
             preview(root ? root->outputs : STR_NONE, outputs)),
        ret_trace);
}

/* Several rows a statement: PostgreSQL is asked over a wire. */
enum { ROWS = 8, SPAN_COLUMNS = 8 };
#define INTO                                                                                    \
    "INSERT INTO trace_spans (trace, span_id, parent_id, name, type, status, start_ns, end_ns," \
    " content) VALUES "
#define ROW_OF(a, b, c, d, e, f, g, h) \
    "(?1, ?" #a ", ?" #b ", ?" #c ", ?" #d ", ?" #e ", ?" #f ", ?" #g ", ?" #h ")"
#define OR_REPLACE                                                                \
    " ON CONFLICT (trace, span_id) DO UPDATE SET parent_id = excluded.parent_id," \
    " name = excluded.name, type = excluded.type, status = excluded.status,"      \
    " start_ns = excluded.start_ns, end_ns = excluded.end_ns, content = excluded.content"
/* clang-format off */
#define EIGHT_ROWS INTO \
    ROW_OF(2, 3, 4, 5, 6, 7, 8, 9) ", " \
    ROW_OF(10, 11, 12, 13, 14, 15, 16, 17) ", " \
    ROW_OF(18, 19, 20, 21, 22, 23, 24, 25) ", " \
    ROW_OF(26, 27, 28, 29, 30, 31, 32, 33) ", " \
    ROW_OF(34, 35, 36, 37, 38, 39, 40, 41) ", " \
    ROW_OF(42, 43, 44, 45, 46, 47, 48, 49) ", " \
    ROW_OF(50, 51, 52, 53, 54, 55, 56, 57) ", " \
    ROW_OF(58, 59, 60, 61, 62, 63, 64, 65) OR_REPLACE
/* clang-format on */

static void span_values(const struct span *s, struct store_value *out)
{
    out[0] = sql_text(str_of(s->span_id));
    out[1] = sql_text_opt(str_of(s->parent_id));
    out[2] = sql_text(s->name);
    out[3] = sql_text(s->type);
    out[4] = sql_cstr(s->status);
    out[5] = sql_int(s->start_ns);
    out[6] = s->end_ns ? sql_int(s->end_ns) : sql_null();
    out[7] = sql_text(s->content);
}

static err spans_put(struct store_tx *tx, int64_t trace, const struct group *g)
{
    struct store_value values[1 + ROWS * SPAN_COLUMNS] = { sql_int(trace) };
    size_t rows;
    for (size_t i = 0; i < g->count; i += rows) {
        rows = g->count - i >= ROWS ? ROWS : 1;
        for (size_t k = 0; k < rows; k++)
            span_values(g->spans[i + k], values + 1 + k * SPAN_COLUMNS);
        struct store_args args = { values, 1 + rows * SPAN_COLUMNS };
        if (rows == 1)
            TRY(store_exec(tx, INTO ROW_OF(2, 3, 4, 5, 6, 7, 8, 9) OR_REPLACE, args, NULL));
        else
            TRY(store_exec(tx, EIGHT_ROWS, args, NULL));
    }
    return OK;
}

static err tags_put(struct store_tx *tx, const struct log *l, int64_t trace, uint32_t from,
                    uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        TRY(trace_tag_put(tx, trace, &l->batch->tags[from + i]));
    return OK;
}

static err group_put(struct store_tx *tx, const struct log *l, const struct group *g)
{
    int64_t trace;
    TRY(trace_put(tx, l, g, &trace));
    TRY(spans_put(tx, trace, g));
    /* a person's tags beat those of where it ran */
    if (g->resource)
        TRY(tags_put(tx, l, trace, g->resource->resource_from, g->resource->resource_count));
    if (!g->root)
        return OK;
    TRY(tags_put(tx, l, trace, g->root->tags_from, g->root->tag_count));
    return l->run_id.len ? trace_run_put(tx, str_of(g->spans[0]->trace_id), l->run_id) : OK;
}

static err log_fn(struct store_tx *tx, void *arg)
{
    const struct log *l = arg;
    TRY(experiment_need_active(store_tx_read(tx), l->experiment_id));
    for (size_t i = 0; i < l->group_count; i++)
        TRY(group_put(tx, l, &l->groups[i]));
    return OK;
}

err trace_log_spans(struct track *t, int64_t experiment_id, str run_id,
                    const struct span_batch *batch)
{
    struct log l = { .experiment_id = experiment_id, .run_id = run_id, .batch = batch };
    arena memory;
    if (batch->count == 0)
        return OK;
    arena_init(&memory, (size_t)SPANS_MAX * (sizeof(struct group) + sizeof(void *)) + 65536);
    err e = groups_make(&l, &memory);
    if (!e.code)
        e = store_write(t->store, log_fn, &l);
    arena_deinit(&memory);
    return e;
}

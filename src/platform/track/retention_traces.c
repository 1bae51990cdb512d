/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention_traces.c -- traces that are older than their experiment keeps them. */
#include "platform/track/retention_internal.h"
#include "platform/track/traces_internal.h"

#define DAY_MS (24LL * 3600 * 1000)

struct old_traces {
    int64_t experiment_id, before_ms;
    bool with_kept; /* also those with the tag "keep" */
    bool is_rehearsal;
    int64_t after_ms, after_number; /* of a rehearsal */
    arena *keep;
    /* results */
    int64_t numbers[RETENTION_STEP], times[RETENTION_STEP];
    str ids[RETENTION_STEP], files[RETENTION_STEP];
    size_t count;
};

static err old_traces_read(struct store_read *rd, struct old_traces *o)
{
    struct store_rows *rows;
    arena_reset(o->keep);
    o->count = 0;
    TRY(store_query(
        rd,
        "SELECT t.id, t.request_ms, t.trace_id, COALESCE(tag.value, e.artifact_location ||"
        " '/traces/' || t.trace_id || '/artifacts') FROM traces t"
        " JOIN experiments e ON e.experiment_id = t.experiment_id"
        " LEFT JOIN trace_tags tag ON tag.trace = t.id AND tag.key = 'mlflow.artifactLocation'"
        " WHERE t.experiment_id = ?1 AND t.request_ms < ?2"
        " AND (t.request_ms > ?3 OR (t.request_ms = ?3 AND t.id > ?4))"
        " AND (?5 = 1 OR NOT EXISTS (SELECT 1 FROM trace_tags k WHERE k.trace = t.id"
        "  AND k.key = '" RETENTION_TAG_KEEP "' AND k.value <> 'false'))"
        " ORDER BY t.request_ms, t.id LIMIT ?6",
        ARGS(sql_int(o->experiment_id), sql_int(o->before_ms), sql_int(o->after_ms),
             sql_int(o->after_number), sql_int(o->with_kept), sql_int(RETENTION_STEP)),
        &rows));
    err e = OK;
    while (!e.code && o->count < RETENTION_STEP && store_next(rows)) {
        size_t i = o->count++;
        o->numbers[i] = store_col_int(rows, 0);
        o->times[i] = store_col_int(rows, 1);
        o->ids[i] = store_col_text_keep(rows, 2, o->keep);
        e = retention_files(store_col_text(rows, 3), o->ids[i], o->keep, &o->files[i]);
    }
    return err_first(err_first(e, store_rows_close(rows)), arena_check(o->keep));
}

static err look_fn(struct store_read *rd, void *arg)
{
    return old_traces_read(rd, arg);
}

static err remove_fn(struct store_tx *tx, void *arg)
{
    struct old_traces *o = arg;
    TRY(old_traces_read(store_tx_read(tx), o));
    for (size_t i = 0; i < o->count; i++) {
        TRY(retention_files_remove(tx, o->files[i], o->keep));
        TRY(trace_row_delete(tx, o->numbers[i], o->ids[i]));
    }
    return OK;
}

static err remove_traces(struct retention_pass *p, struct old_traces *o)
{
    arena keep;
    err e = OK;
    o->is_rehearsal = p->want->is_rehearsal;
    o->after_ms = INT64_MIN;
    o->after_number = 0;
    o->keep = &keep;
    arena_init(&keep, RETENTION_ARENA_BYTES);
    do {
        e = retention_check(p);
        if (!e.code)
            e = o->is_rehearsal ? store_read(p->track->store, look_fn, o)
                                : store_write(p->track->store, remove_fn, o);
        for (size_t i = 0; !e.code && i < o->count; i++)
            retention_tell(p, RETENTION_REMOVE_TRACE, o->ids[i], o->files[i]);
        if (!e.code && o->count && o->is_rehearsal) {
            o->after_ms = o->times[o->count - 1];
            o->after_number = o->numbers[o->count - 1];
        }
    } while (!e.code && o->count == RETENTION_STEP);
    arena_deinit(&keep);
    return e;
}

err retention_traces_of(struct retention_pass *p, int64_t experiment_id)
{
    return remove_traces(p, &(struct old_traces){ .experiment_id = experiment_id,
                                                  .before_ms = INT64_MAX,
                                                  .with_kept = true });
}

/* ------------------------------------------------------------------ by rules */

struct next {
    int64_t experiment_id, days, fallback;
    bool is_wrong;
};

/* The next experiment with traces, and how many days they stay. */
static err next_fn(struct store_read *rd, void *arg)
{
    struct next *n = arg;
    int64_t id = 0, has_rule = 0;
    n->is_wrong = false;
    TRY(store_get_int(rd,
                      "SELECT COALESCE(MIN(experiment_id), -1) FROM traces"
                      " WHERE experiment_id > ?1",
                      ARGS(sql_int(n->experiment_id)), &id));
    n->experiment_id = id;
    n->days = n->fallback;
    if (id < 0)
        return OK;
    TRY(store_get_int(rd,
                      "SELECT COUNT(*) FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2",
                      ARGS(sql_int(id), sql_cstr(RETENTION_TAG_TRACES)), &has_rule));
    return has_rule ? retention_rule(rd, id, RETENTION_TAG_TRACES, &n->days, &n->is_wrong) : OK;
}

err retention_traces(struct retention_pass *p)
{
    struct next n = { .experiment_id = -1, .fallback = p->want->traces_days };
    TRY(store_read(p->track->store, next_fn, &n));
    while (n.experiment_id >= 0) {
        p->report.rules_wrong += n.is_wrong;
        if (n.days > 0)
            TRY(remove_traces(
                p, &(struct old_traces){ .experiment_id = n.experiment_id,
                                         .before_ms = p->want->now_ms - n.days * DAY_MS }));
        TRY(store_read(p->track->store, next_fn, &n));
    }
    return OK;
}

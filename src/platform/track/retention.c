/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention.c -- the pass, and rules that move runs into the trash.
 *
 * The order of runs is the one that MLflow shows, newest start first, which an index has. A rule of
 * N runs is a place in that order; what comes behind it is walked in steps, each a transaction that
 * looks at every run once more before it moves it.
 */
#include "platform/track/retention_internal.h"

#include <stdio.h>

#include "platform/track/files.h"

enum { DAYS_MAX = 36500, RUNS_MAX = 1000000000 };
#define DAY_MS (24LL * 3600 * 1000)
#define ORDER_KEY "COALESCE(r.start_ms, -9223372036854775807)"

const char *retention_act_name(enum retention_act act)
{
    static const char *const names[RETENTION_ACT_COUNT] = {
        [RETENTION_TRASH_RUN] = "trash_run",
        [RETENTION_REMOVE_TRACE] = "remove_trace",
        [RETENTION_PURGE_RUN] = "purge_run",
        [RETENTION_PURGE_MODEL] = "purge_model",
        [RETENTION_PURGE_EXPERIMENT] = "purge_experiment",
        [RETENTION_KEEP_RUN] = "keep_run",
        [RETENTION_KEEP_MODEL] = "keep_model",
    };
    return names[act];
}

void retention_tell(struct retention_pass *p, enum retention_act act, str id, str files)
{
    p->report.counts[act]++;
    if (p->want->tell)
        p->want->tell(p->want->arg, act, id, files);
}

err retention_check(const struct retention_pass *p)
{
    return p->want->check ? p->want->check(p->want->arg) : OK;
}

void retention_cursor_set(struct retention_cursor *c, int64_t at, str id)
{
    c->at = at;
    snprintf(c->id, sizeof c->id, "%.*s", STR_ARG(id));
}

/* ------------------------------------------------------------------ rules */

static bool is_rule(str key, int64_t *ret_max)
{
    *ret_max = str_eq(key, STR(RETENTION_TAG_RUNS)) ? RUNS_MAX : DAYS_MAX;
    return str_eq(key, STR(RETENTION_TAG_RUNS)) || str_eq(key, STR(RETENTION_TAG_DAYS)) ||
           str_eq(key, STR(RETENTION_TAG_TRACES));
}

err retention_check_tag(str key, str value)
{
    int64_t max, number;
    if (!is_rule(key, &max))
        return OK;
    if (str_to_i64(value, &number).code || number < 0 || number > max)
        return ERR(ERR_INVALID,
                   "Tag '%.*s' says what this server keeps, and must be a number from 0 (no rule)"
                   " to %lld, not '%.*s'",
                   STR_ARG(key), (long long)max, STR_ARG(str_sub(value, 0, 40)));
    return OK;
}

err retention_rule(struct store_read *rd, int64_t experiment_id, const char *key,
                   int64_t *ret_value, bool *ret_is_wrong)
{
    struct store_rows *rows;
    *ret_value = 0;
    TRY(store_query(rd, "SELECT value FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2",
                    ARGS(sql_int(experiment_id), sql_cstr(key)), &rows));
    bool is_there = store_next(rows);
    if (is_there && retention_check_tag(str_of(key), store_col_text(rows, 0)).code)
        *ret_is_wrong = true; /* an import brought it */
    else if (is_there && str_to_i64(store_col_text(rows, 0), ret_value).code)
        *ret_value = 0;
    return store_rows_close(rows);
}

struct rules {
    int64_t experiment_id; /* looked for above it; then the one */
    int64_t keep_runs, keep_days;
    bool is_wrong;
    struct retention_cursor from; /* runs behind it may go */
    bool has_more;                /* than keep_runs */
};

/* Behind the last of those that are kept by their number. */
static err cursor_read(struct store_read *rd, struct rules *r)
{
    struct store_rows *rows;
    retention_cursor_set(&r->from, INT64_MAX, STR(""));
    r->has_more = true;
    if (r->keep_runs == 0)
        return OK;
    TRY(store_query(rd,
                    "SELECT " ORDER_KEY ", r.run_id FROM runs r WHERE r.experiment_id = ?1"
                    " AND r.lifecycle_stage = 'active' ORDER BY " ORDER_KEY " DESC, r.run_id"
                    " LIMIT 1 OFFSET ?2",
                    ARGS(sql_int(r->experiment_id), sql_int(r->keep_runs - 1)), &rows));
    r->has_more = store_next(rows);
    if (r->has_more)
        retention_cursor_set(&r->from, store_col_int(rows, 0), store_col_text(rows, 1));
    return store_rows_close(rows);
}

static err rules_read_fn(struct store_read *rd, void *arg)
{
    struct rules *r = arg;
    int64_t id = 0;
    r->is_wrong = false;
    TRY(store_get_int(rd,
                      "SELECT COALESCE(MIN(t.experiment_id), -1) FROM experiment_tags t"
                      " JOIN experiments e ON e.experiment_id = t.experiment_id"
                      " WHERE t.experiment_id > ?1 AND e.lifecycle_stage = 'active'"
                      " AND t.key IN ('" RETENTION_TAG_RUNS "', '" RETENTION_TAG_DAYS "')",
                      ARGS(sql_int(r->experiment_id)), &id));
    r->experiment_id = id;
    if (id < 0)
        return OK;
    TRY(retention_rule(rd, id, RETENTION_TAG_RUNS, &r->keep_runs, &r->is_wrong));
    TRY(retention_rule(rd, id, RETENTION_TAG_DAYS, &r->keep_days, &r->is_wrong));
    return r->is_wrong ? OK : cursor_read(rd, r);
}

/* ------------------------------------------------------------------ into the trash */

struct trash {
    const struct rules *rules;
    struct retention_cursor after;
    int64_t ended_before_ms, now_ms;
    bool is_rehearsal;
    arena *keep; /* emptied for each step */
    /* results */
    str ids[RETENTION_STEP];
    int64_t keys[RETENTION_STEP];
    bool is_needed[RETENTION_STEP];
    size_t count;
};

static err trash_read(struct store_read *rd, struct trash *t)
{
    struct store_rows *rows;
    arena_reset(t->keep);
    t->count = 0;
    TRY(store_query(rd,
                    "SELECT r.run_id, " ORDER_KEY " FROM runs r WHERE r.experiment_id = ?1"
                    " AND r.lifecycle_stage = 'active' AND r.status NOT IN ('RUNNING', 'SCHEDULED')"
                    " AND COALESCE(r.end_ms, r.start_ms, r.created_ms) < ?2"
                    " AND (" ORDER_KEY " < ?3 OR (" ORDER_KEY " = ?3 AND r.run_id > ?4))"
                    " ORDER BY " ORDER_KEY " DESC, r.run_id LIMIT ?5",
                    ARGS(sql_int(t->rules->experiment_id), sql_int(t->ended_before_ms),
                         sql_int(t->after.at), sql_cstr(t->after.id), sql_int(RETENTION_STEP)),
                    &rows));
    while (t->count < RETENTION_STEP && store_next(rows)) {
        t->ids[t->count] = store_col_text_keep(rows, 0, t->keep);
        t->keys[t->count++] = store_col_int(rows, 1);
    }
    TRY(store_rows_close(rows));
    for (size_t i = 0; i < t->count; i++)
        TRY(retention_needs_run(rd, t->ids[i], &t->is_needed[i]));
    return arena_check(t->keep);
}

static err trash_look_fn(struct store_read *rd, void *arg)
{
    return trash_read(rd, arg);
}

static err trash_fn(struct store_tx *tx, void *arg)
{
    struct trash *t = arg;
    TRY(trash_read(store_tx_read(tx), t));
    for (size_t i = 0; i < t->count; i++)
        if (!t->is_needed[i])
            TRY(store_exec(tx,
                           "UPDATE runs SET lifecycle_stage = 'deleted', deleted_ms = ?2"
                           " WHERE run_id = ?1",
                           ARGS(sql_text(t->ids[i]), sql_int(t->now_ms)), NULL));
    return OK;
}

static err trash_step(struct retention_pass *p, struct trash *t)
{
    TRY(retention_check(p));
    if (t->is_rehearsal)
        TRY(store_read(p->track->store, trash_look_fn, t));
    else
        TRY(store_write(p->track->store, trash_fn, t));
    for (size_t i = 0; i < t->count; i++)
        retention_tell(p, t->is_needed[i] ? RETENTION_KEEP_RUN : RETENTION_TRASH_RUN, t->ids[i],
                       STR_NONE);
    return OK;
}

static err trash_by(struct retention_pass *p, const struct rules *rules)
{
    arena steps;
    struct trash t = { .rules = rules,
                       .after = rules->from,
                       .now_ms = p->want->now_ms,
                       .is_rehearsal = p->want->is_rehearsal,
                       .keep = &steps };
    t.ended_before_ms = rules->keep_days ? t.now_ms - rules->keep_days * DAY_MS : INT64_MAX;
    arena_init(&steps, RETENTION_ARENA_BYTES);
    err e;
    do {
        e = trash_step(p, &t);
        if (!e.code && t.count)
            retention_cursor_set(&t.after, t.keys[t.count - 1], t.ids[t.count - 1]);
    } while (!e.code && t.count == RETENTION_STEP);
    arena_deinit(&steps);
    return e;
}

static err apply_rules(struct retention_pass *p)
{
    struct rules r = { .experiment_id = -1 };
    TRY(store_read(p->track->store, rules_read_fn, &r));
    while (r.experiment_id >= 0) {
        p->report.rules++;
        p->report.rules_wrong += r.is_wrong;
        if (!r.is_wrong && r.has_more && (r.keep_runs || r.keep_days))
            TRY(trash_by(p, &r));
        TRY(store_read(p->track->store, rules_read_fn, &r));
    }
    return OK;
}

/* ------------------------------------------------------------------ files below a path */

err retention_files(str uri, str id, arena *keep, str *ret_path)
{
    str path = STR_NONE;
    *ret_path = STR_NONE;
    if (id.len == 0 || files_uri_path(uri, keep, &path).code)
        return arena_check(keep); /* elsewhere: not ours to remove */
    for (str rest = path; rest.len;)
        if (str_eq(str_split(&rest, '/'), id))
            *ret_path = path;
    return OK;
}

err retention_files_remove(struct store_tx *tx, str path, arena *scratch)
{
    if (path.len == 0)
        return OK;
    str from = arena_fmt(scratch, "%.*s/", STR_ARG(path));
    str end = arena_fmt(scratch, "%.*s0", STR_ARG(path)); /* '0' follows '/' */
    TRY(arena_check(scratch));
    return store_exec(tx, "DELETE FROM files WHERE path >= ?1 AND path < ?2",
                      ARGS(sql_text(from), sql_text(end)), NULL);
}

/* ------------------------------------------------------------------ the pass */

err retention_apply(struct track *t, const struct retention *want,
                    struct retention_report *ret_report)
{
    struct retention_pass p = { .track = t, .want = want };
    TRY(err_wrap(apply_rules(&p), "moving runs into the trash by rules"));
    TRY(err_wrap(retention_traces(&p), "removing traces by rules"));
    TRY(err_wrap(retention_purge(&p), "removing what was deleted long ago"));
    *ret_report = p.report;
    return OK;
}

/* ------------------------------------------------------------------ bytes of a rehearsal */

struct roots {
    const struct retention_roots *from;
    blob_mark_fn mark;
    void *mark_arg;
};

static err roots_fn(struct store_read *rd, void *arg)
{
    const struct roots *r = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT blob, run_id, '' FROM artifacts"
                    " UNION ALL SELECT blob, '', path FROM files"
                    " UNION ALL SELECT blob, '', '' FROM datasets WHERE blob IS NOT NULL"
                    " UNION ALL SELECT blob, '', '' FROM dataset_blobs"
                    " UNION ALL SELECT blob, '', '' FROM model_versions WHERE blob IS NOT NULL",
                    NO_ARGS, &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        struct blob_id id;
        if (r->from->is_going(r->from->arg, store_col_text(rows, 1), store_col_text(rows, 2)))
            continue;
        e = blob_id_parse(store_col_text(rows, 0), &id);
        if (!e.code)
            e = r->mark(r->mark_arg, &id);
    }
    return err_first(e, store_rows_close(rows));
}

err retention_roots(void *retention_roots, blob_mark_fn mark, void *mark_arg)
{
    const struct retention_roots *from = retention_roots;
    return store_read(from->store, roots_fn, &(struct roots){ from, mark, mark_arg });
}

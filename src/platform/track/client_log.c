/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_log.c -- what clients log: a batch of metrics, params and tags as one transaction.
 *
 * The batch is checked and sorted out before the transaction: which points belong to one metric,
 * and which of them is its latest. So inside there is one statement a metric key, and points go in
 * in bulk. Client programs wait for each batch; many of them share a commit.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"

enum {
    PARAM_CHARACTERS_MAX = 6000,
    TAG_CHARACTERS_MAX = 8000,
    HISTORY_BYTES_MAX = 1024 * 1024,
};

struct series {
    str key;
    int64_t metric_id; /* result */
    uint32_t latest;   /* index of its latest point */
};

struct point {
    uint32_t series;
    bool is_nan;
    int64_t ts_ms, step;
    double value;
};

struct log_write {
    str run_id;
    const struct client_batch *batch;
    struct track_tag *params, *tags; /* cut to size */
    struct point *points;            /* as the batch's metrics */
    struct series *series;
    size_t series_count;
    struct map by_key; /* metric key -> index into series */
    bool has_models;   /* some metrics are logged models', too */
    arena *keep;
    struct client_conflicts conflicts; /* result */
};

/* ------------------------------------------------------------------ before the transaction */

static err check_counts(const struct client_batch *b)
{
    static const struct {
        const char *what;
        size_t max;
    } limits[] = {
        { "metrics", CLIENT_METRICS_MAX },
        { "params", CLIENT_PARAMS_MAX },
        { "tags", CLIENT_TAGS_MAX },
        { "metrics, params, and tags", CLIENT_ITEMS_MAX },
    };
    size_t counts[] = { b->metric_count, b->param_count, b->tag_count,
                        b->metric_count + b->param_count + b->tag_count };
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if (counts[i] > limits[i].max)
            return ERR(ERR_INVALID,
                       "A batch logging request can contain at most %zu %s. Got %zu %s. Please "
                       "split up %s across multiple requests and try again.",
                       limits[i].max, limits[i].what, counts[i], limits[i].what, limits[i].what);
    return OK;
}

static bool is_later(const struct point *a, const struct point *b)
{
    if (a->step != b->step)
        return a->step > b->step;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms > b->ts_ms;
    return a->value > b->value;
}

static err point_make(struct log_write *w, size_t i)
{
    const struct client_metric *m = &w->batch->metrics[i];
    struct point *p = &w->points[i];
    union map_value *slot;
    bool is_new;

    TRY(map_put(&w->by_key, m->key, &slot, &is_new));
    if (is_new) {
        TRY(client_check_key("metrics", w->batch->is_single ? CLIENT_ALONE : i, "name", m->key));
        slot->num = (int64_t)w->series_count;
        w->series[w->series_count++] = (struct series){ .key = m->key, .latest = (uint32_t)i };
    }
    if (m->ts_ms < 0)
        return ERR(ERR_INVALID,
                   "Invalid value %lld for parameter 'timestamp' supplied: metric '%.*s' "
                   "(value=%.17g). Timestamp must be a nonnegative long (64-bit integer) ",
                   (long long)m->ts_ms, STR_ARG(str_sub(m->key, 0, 60)), m->value);
    bool is_nan = isnan(m->value);
    *p = (struct point){
        .series = (uint32_t)slot->num,
        .is_nan = is_nan,
        .ts_ms = m->ts_ms,
        .step = m->step,
        .value = is_nan                ? 0
                 : m->value > DBL_MAX  ? DBL_MAX
                 : m->value < -DBL_MAX ? -DBL_MAX
                                       : m->value,
    };
    struct series *s = &w->series[p->series];
    if (is_later(p, &w->points[s->latest]))
        s->latest = (uint32_t)i;
    w->has_models |= m->model_id.len > 0;
    return OK;
}

static err points_make(struct log_write *w)
{
    size_t count = w->batch->metric_count;
    w->points = NEW_ARRAY(w->keep, struct point, count + 1);
    w->series = NEW_ARRAY(w->keep, struct series, count + 1);
    ARENA_TRY(w->points && w->series);
    for (size_t i = 0; i < count; i++)
        TRY(point_make(w, i));
    return OK;
}

static err texts_make(struct log_write *w, const char *list, const struct track_tag *from,
                      size_t count, size_t characters_max, struct track_tag **ret_texts)
{
    struct track_tag *to = NEW_ARRAY(w->keep, struct track_tag, count + 1);
    ARENA_TRY(to);
    for (size_t i = 0; i < count; i++) {
        TRY(client_check_key(list, w->batch->is_single ? CLIENT_ALONE : i, "key", from[i].key));
        to[i] = (struct track_tag){ from[i].key, client_cut(from[i].value, characters_max) };
    }
    *ret_texts = to;
    return OK;
}

static err check_params_differ(const struct client_batch *b)
{
    struct map seen;
    map_init(&seen, CLIENT_PARAMS_MAX);
    err e = OK;
    for (size_t i = 0; !e.code && i < b->param_count; i++) {
        union map_value *slot;
        bool is_new = true;
        e = map_put(&seen, b->params[i].key, &slot, &is_new);
        if (!e.code && !is_new)
            e = ERR(ERR_INVALID,
                    "Duplicate parameter keys have been submitted: ['%.*s']. Please ensure the "
                    "request contains only one param value per param key.",
                    STR_ARG(str_sub(b->params[i].key, 0, 80)));
    }
    map_deinit(&seen);
    return e;
}

/* ------------------------------------------------------------------ params and tags */

static err conflict_add(struct log_write *w, const struct track_tag *param, str old_value)
{
    struct client_conflicts *c = &w->conflicts;
    if (!c->items)
        c->items = NEW_ARRAY(w->keep, struct client_conflict, CLIENT_PARAMS_MAX);
    ARENA_TRY(c->items);
    c->items[c->count++] = (struct client_conflict){ param->key, old_value, param->value };
    return OK;
}

static err write_params(struct store_tx *tx, struct log_write *w)
{
    for (size_t i = 0; i < w->batch->param_count; i++) {
        const struct track_tag *p = &w->params[i];
        int64_t inserted = 0;
        TRY(store_exec(tx,
                       "INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)"
                       " ON CONFLICT DO NOTHING",
                       ARGS(sql_text(w->run_id), sql_text(p->key), sql_text(p->value)), &inserted));
        if (inserted)
            continue;
        str old;
        TRY(store_get_text(store_tx_read(tx),
                           "SELECT value FROM params WHERE run_id = ?1 AND key = ?2",
                           ARGS(sql_text(w->run_id), sql_text(p->key)), w->keep, &old));
        if (!str_eq(old, p->value))
            TRY(conflict_add(w, p, old));
    }
    if (w->conflicts.count == 0)
        return OK;
    const struct client_conflict *c = &w->conflicts.items[0];
    return ERR(ERR_INVALID,
               "Changing param values is not allowed. Param with key='%.*s' was already logged for "
               "run ID='%.*s' with another value.",
               STR_ARG(str_sub(c->key, 0, 80)), STR_ARG(w->run_id));
}

static err write_tags(struct store_tx *tx, struct log_write *w)
{
    for (size_t i = 0; i < w->batch->tag_count; i++)
        TRY(client_tag_put(tx, w->run_id, &w->tags[i]));
    return OK;
}

/* ------------------------------------------------------------------ metrics */

/* Makes rows of metric keys with their latest points, or lifts those that have an earlier one. */
#define LATEST_BEGIN "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan) VALUES "
#define LATEST_END                                                              \
    " ON CONFLICT (run_id, key) DO UPDATE SET step = excluded.step,"            \
    " ts_ms = excluded.ts_ms, value = excluded.value, is_nan = excluded.is_nan" \
    " WHERE (excluded.step, excluded.ts_ms, excluded.value)"                    \
    " > (latest_metrics.step, latest_metrics.ts_ms, latest_metrics.value)"      \
    " RETURNING key, metric_id"
#define ROWS_4                                   \
    "(?1,?2,?3,?4,?5,?6),(?1,?7,?8,?9,?10,?11)," \
    "(?1,?12,?13,?14,?15,?16),(?1,?17,?18,?19,?20,?21)"
#define ROWS_16                                          \
    ROWS_4                                               \
    ",(?1,?22,?23,?24,?25,?26),(?1,?27,?28,?29,?30,?31)" \
    ",(?1,?32,?33,?34,?35,?36),(?1,?37,?38,?39,?40,?41)" \
    ",(?1,?42,?43,?44,?45,?46),(?1,?47,?48,?49,?50,?51)" \
    ",(?1,?52,?53,?54,?55,?56),(?1,?57,?58,?59,?60,?61)" \
    ",(?1,?62,?63,?64,?65,?66),(?1,?67,?68,?69,?70,?71)" \
    ",(?1,?72,?73,?74,?75,?76),(?1,?77,?78,?79,?80,?81)"

/* Texts that never change, so that they are prepared once; the largest first. */
static const struct {
    size_t count;
    const char *sql;
} latest_sizes[] = {
    { 16, LATEST_BEGIN ROWS_16 LATEST_END },
    { 4, LATEST_BEGIN ROWS_4 LATEST_END },
    { 1, LATEST_BEGIN "(?1,?2,?3,?4,?5,?6)" LATEST_END },
};
enum { LATEST_AT_ONCE = 16, LATEST_VALUES = 5 };

/* Of `count` series from `from` on; their numbers come back but from rows that have a later point.
 */
static err latest_put(struct store_tx *tx, struct log_write *w, size_t from, size_t count,
                      const char *sql)
{
    struct store_value args[1 + LATEST_AT_ONCE * LATEST_VALUES] = { sql_text(w->run_id) };
    struct store_rows *rows;
    for (size_t i = 0; i < count; i++) {
        struct store_value *to = &args[1 + i * LATEST_VALUES];
        const struct series *s = &w->series[from + i];
        const struct point *p = &w->points[s->latest];
        to[0] = sql_text(s->key);
        to[1] = sql_int(p->step);
        to[2] = sql_int(p->ts_ms);
        to[3] = sql_real(p->value);
        to[4] = sql_int(p->is_nan);
    }
    TRY(store_query(store_tx_read(tx), sql, (struct store_args){ args, 1 + count * LATEST_VALUES },
                    &rows));
    while (store_next(rows)) {
        const union map_value *found = map_find(&w->by_key, store_col_text(rows, 0));
        if (!found)
            return ERR(ERR_INTERNAL, "a metric came back that nobody logged");
        w->series[found->num].metric_id = store_col_int(rows, 1);
    }
    return store_rows_close(rows);
}

/* Each metric key has a row afterwards, whose point is the latest there is, and a number: that of
 * its points. */
static err write_latest(struct store_tx *tx, struct log_write *w)
{
    for (size_t i = 0; i < w->series_count; i++) /* this may be another try */
        w->series[i].metric_id = 0;
    size_t done = 0;
    for (size_t size = 0; size < COUNT_OF(latest_sizes); size++)
        for (size_t count = latest_sizes[size].count; w->series_count - done >= count;
             done += count)
            TRY(latest_put(tx, w, done, count, latest_sizes[size].sql));
    for (size_t i = 0; i < w->series_count; i++) {
        struct series *s = &w->series[i];
        if (!s->metric_id)
            TRY(store_get_int(store_tx_read(tx),
                              "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                              ARGS(sql_text(w->run_id), sql_text(s->key)), &s->metric_id));
    }
    return OK;
}

static err write_points(struct store_tx *tx, struct log_write *w)
{
    if (w->batch->metric_count == 0)
        return OK;
    TRY(write_latest(tx, w));
    struct store_bulk *bulk;
    TRY(store_bulk_begin(tx, "metrics", "metric_id, ts_ms, step, value, is_nan", 5, &bulk));
    err e = OK;
    for (size_t i = 0; !e.code && i < w->batch->metric_count; i++) {
        const struct point *p = &w->points[i];
        e = store_bulk_row(bulk, (const struct store_value[]){
                                     sql_int(w->series[p->series].metric_id), sql_int(p->ts_ms),
                                     sql_int(p->step), sql_real(p->value), sql_int(p->is_nan) });
    }
    return err_first(e, store_bulk_end(bulk, NULL));
}

/* Metrics of logged models, beside those of the run. */
static err write_model_metrics(struct store_tx *tx, struct log_write *w)
{
    for (size_t i = 0; w->has_models && i < w->batch->metric_count; i++) {
        const struct client_metric *m = &w->batch->metrics[i];
        const struct point *p = &w->points[i];
        int64_t there = 0;
        if (m->model_id.len == 0)
            continue;
        TRY(store_get_int(store_tx_read(tx),
                          "SELECT COUNT(*) FROM logged_models WHERE model_id = ?1",
                          ARGS(sql_text(m->model_id)), &there));
        if (!there)
            return ERR(ERR_NOT_FOUND, "Logged model with ID '%.*s' not found.",
                       STR_ARG(str_sub(m->model_id, 0, 100)));
        TRY(store_exec(
            tx,
            "INSERT INTO logged_model_metrics (model_id, key, ts_ms, step, run_id, value,"
            " is_nan, dataset_name, dataset_digest)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            ARGS(sql_text(m->model_id), sql_text(m->key), sql_int(p->ts_ms), sql_int(p->step),
                 sql_text(w->run_id), sql_real(p->value), sql_int(p->is_nan),
                 sql_text_opt(m->dataset_name), sql_text_opt(m->dataset_digest)),
            NULL));
    }
    return OK;
}

static err log_fn(struct store_tx *tx, void *arg)
{
    struct log_write *w = arg;
    w->conflicts = (struct client_conflicts){ NULL, 0 };
    TRY(client_write_begin(tx, w->run_id));
    TRY(write_params(tx, w));
    TRY(write_points(tx, w));
    TRY(write_model_metrics(tx, w));
    return write_tags(tx, w);
}

err client_run_log(struct track *t, str run_id, const struct client_batch *batch, arena *keep,
                   struct client_conflicts *ret_conflicts)
{
    struct log_write w = { .run_id = run_id, .batch = batch, .keep = keep };
    *ret_conflicts = w.conflicts;
    TRY(check_counts(batch));
    TRY(check_params_differ(batch));
    TRY(texts_make(&w, "params", batch->params, batch->param_count, PARAM_CHARACTERS_MAX,
                   &w.params));
    TRY(texts_make(&w, "tags", batch->tags, batch->tag_count, TAG_CHARACTERS_MAX, &w.tags));
    map_init(&w.by_key, CLIENT_METRICS_MAX);
    err e = points_make(&w);
    if (!e.code)
        e = store_write(t->store, log_fn, &w);
    map_deinit(&w.by_key);
    if (e.code == ERR_INVALID)
        *ret_conflicts = w.conflicts;
    return e;
}

/* ------------------------------------------------------------------ single tags */

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    const struct log_write *w = arg;
    int64_t gone = 0;
    TRY(client_write_begin(tx, w->run_id));
    TRY(store_exec(tx, "DELETE FROM tags WHERE run_id = ?1 AND key = ?2",
                   ARGS(sql_text(w->run_id), sql_text(w->tags[0].key)), &gone));
    if (!gone)
        return ERR(ERR_NOT_FOUND, "No tag with name: %.*s in run with id %.*s",
                   STR_ARG(str_sub(w->tags[0].key, 0, 100)), STR_ARG(w->run_id));
    return OK;
}

err client_run_tag_delete(struct track *t, str run_id, str key)
{
    struct track_tag tag = { key, STR_NONE };
    return store_write(t->store, tag_delete_fn,
                       &(struct log_write){ .run_id = run_id, .tags = &tag });
}

struct note {
    str run_id, model_json;
    arena *keep;
};

/* The tag is a JSON list that we wrote, or a client's own text, which then stays the client's. */
static err note_fn(struct store_tx *tx, void *arg)
{
    const struct note *n = arg;
    str old = STR_NONE, made;
    TRY(client_write_begin(tx, n->run_id));
    err e = store_get_text(store_tx_read(tx),
                           "SELECT value FROM tags WHERE run_id = ?1 AND key = ?2",
                           ARGS(sql_text(n->run_id), sql_text(CLIENT_TAG_MODELS)), n->keep, &old);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    str list = str_trim(old);
    if (list.len == 0)
        list = STR("[]");
    if (list.ptr[0] != '[' || list.ptr[list.len - 1] != ']')
        return ERR(ERR_INVALID, "Tag mlflow.log-model.history of run %.*s is no JSON list",
                   STR_ARG(n->run_id));
    str before = str_trim(str_sub(list, 1, list.len - 2));
    made = arena_fmt(n->keep, "[%.*s%s%.*s]", STR_ARG(before), before.len ? ", " : "",
                     STR_ARG(n->model_json));
    ARENA_TRY(made.ptr);
    if (made.len > HISTORY_BYTES_MAX)
        return ERR(ERR_INVALID, "The models of run %.*s are more than %d bytes of JSON",
                   STR_ARG(n->run_id), HISTORY_BYTES_MAX);
    return client_tag_put(tx, n->run_id, &(struct track_tag){ CLIENT_TAG_MODELS, made });
}

err client_run_model_note(struct track *t, str run_id, str model_json, arena *keep)
{
    return store_write(t->store, note_fn, &(struct note){ run_id, model_json, keep });
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_metrics.c -- the metric points of a batch: their keys one by one, the points in bulk. */
#include <string.h>

#include "platform/track/import_internal.h"

struct key {
    int64_t id; /* 0: its run is not here */
    const struct store_value *latest;
};

static bool is_later(const struct store_value *a, const struct store_value *b)
{
    if (a[3].integer != b[3].integer)
        return a[3].integer > b[3].integer;
    if (a[2].integer != b[2].integer)
        return a[2].integer > b[2].integer;
    return a[4].real > b[4].real;
}

static str key_name(struct import_write *w, const struct store_value *v)
{
    return arena_fmt(&w->keep, "%.*s\n%.*s", STR_ARG(v[0].bytes), STR_ARG(v[1].bytes));
}

/* Which keys there are, and the latest point of each. keys_of has one for each line. */
static err gather(struct import_write *w, struct key **keys_of)
{
    const struct import *im = w->im;
    struct key *last = NULL;
    const struct store_value *last_row = NULL;
    for (size_t i = 0; i < im->line_count; i++) {
        const struct store_value *v = im->lines[i].values;
        if (im->lines[i].kind != IMPORT_METRIC)
            continue;
        if (!last_row || !str_eq(v[1].bytes, last_row[1].bytes) ||
            !str_eq(v[0].bytes, last_row[0].bytes)) {
            union map_value *slot;
            bool is_new;
            str name = key_name(w, v);
            ARENA_TRY(name.ptr);
            TRY(map_put(&w->metrics, name, &slot, &is_new));
            if (is_new)
                slot->ptr = NEW(&w->keep, struct key);
            last = slot->ptr;
            ARENA_TRY(last);
        }
        last_row = v;
        keys_of[i] = last;
        if (!last->latest || is_later(v, last->latest))
            last->latest = v;
    }
    return OK;
}

/* Makes the row of a key with its latest point, or lifts it to that. */
static err put_key(struct store_tx *tx, struct import_write *w, struct key *key)
{
    const struct store_value *v = key->latest;
    bool is_here;
    TRY(import_has_parent(tx, w, PARENT_RUN, v[0].bytes, &is_here));
    if (!is_here)
        return OK;
    TRY(store_exec(tx,
                   "INSERT INTO latest_metrics (run_id, key, ts_ms, step, value, is_nan)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                   " ON CONFLICT (run_id, key) DO UPDATE SET step = excluded.step,"
                   " ts_ms = excluded.ts_ms, value = excluded.value, is_nan = excluded.is_nan"
                   " WHERE (excluded.step, excluded.ts_ms, excluded.value)"
                   " > (latest_metrics.step, latest_metrics.ts_ms, latest_metrics.value)",
                   ARGS(v[0], v[1], v[2], v[3], v[4], v[5]), NULL));
    return store_get_int(store_tx_read(tx),
                         "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                         ARGS(v[0], v[1]), &key->id);
}

err import_put_metrics(struct store_tx *tx, struct import_write *w)
{
    const struct import *im = w->im;
    struct import_counts *counts = &w->counts[IMPORT_METRIC];
    struct key **keys_of = NEW_ARRAY(&w->keep, struct key *, im->line_count);
    struct map_slot *slot;
    size_t at = 0;
    int64_t points = 0, inserted = 0;
    ARENA_TRY(keys_of);
    TRY(gather(w, keys_of));
    while ((slot = map_next(&w->metrics, &at)))
        TRY(put_key(tx, w, slot->value.ptr));
    struct store_bulk *bulk;
    TRY(store_bulk_begin(tx, "metrics", "metric_id, ts_ms, step, value, is_nan", 5, &bulk));
    err e = OK;
    for (size_t i = 0; !e.code && i < im->line_count; i++) {
        const struct store_value *v = im->lines[i].values;
        if (im->lines[i].kind != IMPORT_METRIC)
            continue;
        if (!keys_of[i]->id) {
            counts->skipped++;
            continue;
        }
        points++;
        e = store_bulk_row(
            bulk, (const struct store_value[]){ sql_int(keys_of[i]->id), v[2], v[3], v[4], v[5] });
    }
    e = err_first(e, store_bulk_end(bulk, &inserted));
    counts->added += inserted;
    counts->same += points - inserted;
    return e;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention_needs.c -- what may not go, because something that stays came from it.
 *
 * From a run we walk downstream: what it made, who read that, what they made, its children. When
 * the walk meets a registered version, or anything else that holds its makers, the run is needed.
 * Most runs have no edges, so most answers take two statements. A walk that gets too long is not
 * finished: what so much was made from stays.
 */
#include "platform/track/retention_internal.h"

enum { WALK_MAX = 1000 };

struct walk {
    arena *scratch;
    str ids[WALK_MAX];
    size_t count;
    bool is_full;
};

/* Versions name the files of runs and logged models in four ways: by run_id, by model_id, by what
 * their source says, and by where that led when it named another version or a model. */
#define IN_A_SOURCE(id)                                                  \
    "EXISTS (SELECT 1 FROM model_versions v WHERE"                       \
    " v.stage <> 'Deleted_Internal'"                                     \
    " AND (v.location IS NOT NULL OR v.run_id IS NULL OR v.run_id = '')" \
    " AND (@instr(COALESCE(v.location, ''), " id ") > 0"                 \
    " OR @instr(COALESCE(v.source, ''), " id ") > 0))"

static const char HOLDS_ITSELF[] =
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM tags g WHERE g.run_id = ?1"
    "  AND g.key = '" RETENTION_TAG_KEEP "' AND g.value <> 'false')"
    " OR EXISTS (SELECT 1 FROM runs r WHERE r.run_id = ?1 AND r.origin = 'house'"
    "  AND r.status IN ('RUNNING', 'SCHEDULED'))"
    " OR EXISTS (SELECT 1 FROM model_versions v WHERE v.run_id = ?1"
    "  AND v.stage <> 'Deleted_Internal')"
    " OR EXISTS (SELECT 1 FROM run_assets a JOIN model_versions v ON v.id = a.asset_id"
    "  WHERE a.run_id = ?1 AND a.direction = 'out' AND v.stage <> 'Deleted_Internal')"
    " OR EXISTS (SELECT 1 FROM run_assets a JOIN model_versions v ON v.model_id = a.asset_id"
    "  WHERE a.run_id = ?1 AND a.direction = 'out' AND v.stage <> 'Deleted_Internal')"
    " OR EXISTS (SELECT 1 FROM run_assets a JOIN datasets d ON d.id = a.asset_id"
    "  WHERE a.run_id = ?1 AND a.direction = 'out' AND d.kind <> '" DATASET_KIND_CLIENT "'"
    "  AND d.state IN ('building', 'ready'))"
    " OR " IN_A_SOURCE("?1") " THEN 1 ELSE 0 END";

static void walk_add(struct walk *w, str id)
{
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(w->ids[i], id))
            return;
    if (w->count == WALK_MAX) {
        w->is_full = true;
        return;
    }
    w->ids[w->count++] = arena_str(w->scratch, id);
}

static err walk_rows(struct store_read *rd, const char *sql, str run_id, struct walk *w)
{
    struct store_rows *rows;
    TRY(store_query(rd, sql, ARGS(sql_text(run_id)), &rows));
    while (!w->is_full && store_next(rows))
        walk_add(w, store_col_text(rows, 0));
    TRY(store_rows_close(rows));
    return arena_check(w->scratch);
}

static err walk_next(struct store_read *rd, str run_id, struct walk *w)
{
    TRY(walk_rows(rd,
                  "SELECT b.run_id FROM run_assets a JOIN run_assets b"
                  " ON b.asset_id = a.asset_id AND b.direction = 'in'"
                  " WHERE a.run_id = ?1 AND a.direction = 'out'",
                  run_id, w));
    return walk_rows(rd,
                     "SELECT run_id FROM tags WHERE key = 'mlflow.parentRunId'"
                     " AND substr(value, 1, 100) = ?1",
                     run_id, w);
}

static err walk(struct store_read *rd, struct walk *w, bool *ret_is_needed)
{
    int64_t holds = 0;
    for (size_t i = 0; i < w->count && !w->is_full && !holds; i++) {
        TRY(store_get_int(rd, HOLDS_ITSELF, ARGS(sql_text(w->ids[i])), &holds));
        if (!holds)
            TRY(walk_next(rd, w->ids[i], w));
    }
    *ret_is_needed = holds || w->is_full;
    return OK;
}

err retention_needs_run(struct store_read *rd, str run_id, bool *ret_is_needed)
{
    arena scratch;
    arena_init(&scratch, RETENTION_ARENA_BYTES);
    struct walk *w = NEW(&scratch, struct walk);
    if (w) {
        w->scratch = &scratch;
        walk_add(w, run_id);
    }
    err e = arena_check(&scratch);
    if (!e.code)
        e = walk(rd, w, ret_is_needed);
    arena_deinit(&scratch);
    return e;
}

err retention_needs_model(struct store_read *rd, str model_id, bool *ret_is_needed)
{
    int64_t holds = 0;
    TRY(store_get_int(rd,
                      "SELECT CASE WHEN EXISTS (SELECT 1 FROM model_versions v"
                      " WHERE v.model_id = ?1 AND v.stage <> 'Deleted_Internal')"
                      " OR " IN_A_SOURCE("?1") " THEN 1 ELSE 0 END",
                      ARGS(sql_text(model_id)), &holds));
    *ret_is_needed = holds != 0;
    return OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/analytics.h"

#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/ingest_store.h"
#include "base/clock.h"

#include <skerry/plugin.h>

/* A plugin's needs are stored, and compared in SQL, as the flags of a game. */
_Static_assert((int)SKERRY_NEEDS_CLOCKS == (int)GAME_HAS_CLOCKS &&
                   (int)SKERRY_NEEDS_EVALS == (int)GAME_HAS_EVALS,
               "needs are flags");

enum { RETRY_FIRST_MS = 60000, ANALYTICS_MAX = 1000 };

const char chess_schema_analytics[] =
    "CREATE TABLE chess_analytics ("
    "  id @id,"
    "  name @text NOT NULL,"
    "  version @text NOT NULL,"
    "  summary @text NOT NULL,"
    "  origin @text NOT NULL,"
    "  needs @int NOT NULL,"
    "  active @int NOT NULL,"
    "  first_seen_ms @int NOT NULL,"
    "  UNIQUE (name, version)"
    ")@strict;"
    "CREATE TABLE chess_analytic_results ("
    "  analytic_id @int NOT NULL REFERENCES chess_analytics (id),"
    "  game_id @int NOT NULL REFERENCES chess_games (id),"
    "  status @int NOT NULL," /* enum plugin_status */
    "  attempts @int NOT NULL,"
    "  next_try_ms @int NOT NULL," /* of a failed one; 0: not again */
    "  body @text NOT NULL,"       /* JSON, or the reason */
    "  updated_ms @int NOT NULL,"
    "  PRIMARY KEY (analytic_id, game_id)"
    ")@strict;"
    "CREATE INDEX chess_analytic_results_retry ON chess_analytic_results (analytic_id, status, "
    "next_try_ms);"
    "CREATE INDEX chess_analytic_results_game ON chess_analytic_results (game_id);";

struct registration {
    const struct plugin_info *info;
    str origin;
    int64_t id;
};

static err register_tx(struct store_tx *tx, void *arg)
{
    struct registration *r = arg;
    struct store_rows *rows;
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO chess_analytics (name, version, summary, origin, needs, active, first_seen_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)"
        " ON CONFLICT (name, version) DO UPDATE SET active = 1, summary = excluded.summary, origin "
        "= excluded.origin, needs = excluded.needs"
        " RETURNING id",
        ARGS(sql_cstr(r->info->name), sql_cstr(r->info->version), sql_cstr(r->info->summary),
             sql_text(r->origin), sql_int(r->info->needs), sql_int(clock_wall_ms())),
        &rows));
    if (store_next(rows))
        r->id = store_col_int(rows, 0);
    return store_rows_close(rows);
}

err analytic_register(struct store *s, struct job *job, const struct plugin_info *info, str origin,
                      int64_t *ret_id)
{
    struct registration r = { .info = info, .origin = origin };
    TRY(job_write(job, s, register_tx, &r));
    *ret_id = r.id;
    return OK;
}

static err retire_tx(struct store_tx *tx, void *arg)
{
    return store_exec(tx, "UPDATE chess_analytics SET active = 0", NO_ARGS, NULL);
}

err analytic_retire_all(struct store *s, struct job *job)
{
    return job_write(job, s, retire_tx, NULL);
}

/* ------------------------------------------------------------------ pending games */

struct looking {
    int64_t analytic_id, after_game;
    uint32_t needs;
    bool retries;
    arena *keep;
    struct pending_game *games;
    size_t count;
};

static err read_pending(struct store_rows *rows, struct looking *l)
{
    err e = OK;
    l->count = 0;
    while (!e.code && store_next(rows)) {
        struct pending_game *g = &l->games[l->count++];
        str key = store_col_blob(rows, 1);
        g->game_id = store_col_int(rows, 0);
        memcpy(g->key, key.ptr, key.len < sizeof g->key ? key.len : sizeof g->key);
        e = blob_id_parse(store_col_text(rows, 2), &g->pack);
        g->index = (uint32_t)store_col_int(rows, 3);
        g->attempts = store_col_int(rows, 4);
    }
    return err_first(e, store_rows_close(rows));
}

static err find_pending(struct store_read *rd, void *arg)
{
    struct looking *l = arg;
    struct store_rows *rows;
    if (l->retries)
        TRY(store_query(
            rd,
            "SELECT g.id, g.key, p.blob, g.pack_index, r.attempts FROM chess_analytic_results r"
            " JOIN chess_games g ON g.id = r.game_id JOIN chess_packs p ON p.id = g.pack_id"
            " WHERE r.analytic_id = ?1 AND r.status = ?2 AND r.next_try_ms > 0 AND r.next_try_ms "
            "<= ?3 ORDER BY g.id LIMIT ?4",
            ARGS(sql_int(l->analytic_id), sql_int(PLUGIN_FAILED), sql_int(clock_wall_ms()),
                 sql_int(ANALYTIC_BATCH)),
            &rows));
    else
        TRY(store_query(
            rd,
            "SELECT g.id, g.key, p.blob, g.pack_index, 0 FROM chess_games g JOIN chess_packs p ON "
            "p.id = g.pack_id"
            " LEFT JOIN chess_analytic_results r ON r.analytic_id = ?1 AND r.game_id = g.id"
            " WHERE g.id > ?2 AND r.game_id IS NULL AND (g.flags & ?3) = ?3 ORDER BY g.id LIMIT ?4",
            ARGS(sql_int(l->analytic_id), sql_int(l->after_game), sql_int(l->needs),
                 sql_int(ANALYTIC_BATCH)),
            &rows));
    return read_pending(rows, l);
}

static err look(struct store *s, struct looking *l, struct pending_game **ret_games,
                size_t *ret_count)
{
    l->games = NEW_ARRAY(l->keep, struct pending_game, ANALYTIC_BATCH);
    ARENA_TRY(l->games);
    TRY(store_read(s, find_pending, l));
    *ret_games = l->games;
    *ret_count = l->count;
    return OK;
}

err analytic_pending(struct store *s, int64_t analytic_id, uint32_t needs, int64_t after_game,
                     arena *keep, struct pending_game **ret_games, size_t *ret_count)
{
    struct looking l = {
        .analytic_id = analytic_id, .after_game = after_game, .needs = needs, .keep = keep
    };
    return look(s, &l, ret_games, ret_count);
}

err analytic_retries(struct store *s, int64_t analytic_id, arena *keep,
                     struct pending_game **ret_games, size_t *ret_count)
{
    struct looking l = { .analytic_id = analytic_id, .retries = true, .keep = keep };
    return look(s, &l, ret_games, ret_count);
}

/* ------------------------------------------------------------------ answers */

/* A minute, then two, four, eight; then it stays failed. */
static int64_t next_try_ms(const struct analytic_answer *a, int64_t now_ms)
{
    if (a->status != PLUGIN_FAILED || a->attempts >= ANALYTIC_TRIES_MAX)
        return 0;
    return now_ms + ((int64_t)RETRY_FIRST_MS << (a->attempts - 1));
}

static err store_tx(struct store_tx *tx, void *arg)
{
    const struct analytic_batch *b = arg;
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < b->count; i++) {
        const struct analytic_answer *a = &b->answers[i];
        TRY(store_exec(tx,
                       "INSERT INTO chess_analytic_results (analytic_id, game_id, status, "
                       "attempts, next_try_ms, body, updated_ms)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (analytic_id, game_id) DO "
                       "UPDATE SET status = excluded.status,"
                       " attempts = excluded.attempts, next_try_ms = excluded.next_try_ms, body = "
                       "excluded.body, updated_ms = excluded.updated_ms",
                       ARGS(sql_int(b->analytic_id), sql_int(a->game_id), sql_int(a->status),
                            sql_int(a->attempts), sql_int(next_try_ms(a, now_ms)),
                            sql_text(a->text), sql_int(now_ms)),
                       NULL));
    }
    return b->job ? job_cursor_save(b->job, tx, b->cursor) : OK;
}

err analytic_store(struct store *s, const struct analytic_batch *batch)
{
    return job_write(batch->job, s, store_tx, (void *)(uintptr_t)batch);
}

/* ------------------------------------------------------------------ the list */

struct listing {
    arena *keep;
    struct analytic *rows;
    size_t count;
};

static err list_read(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    struct store_rows *rows;
    TRY(store_query(
        rd,
        "SELECT a.id, a.name, a.version, a.summary, a.origin, a.needs, a.active, a.first_seen_ms,"
        " COALESCE(SUM(CASE WHEN r.status = 0 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN "
        "r.status = 1 THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN r.status = 2 THEN 1 ELSE 0 END), 0),"
        " (SELECT COUNT(*) FROM chess_games g WHERE (g.flags & a.needs) = a.needs)"
        " FROM chess_analytics a LEFT JOIN chess_analytic_results r ON r.analytic_id = a.id"
        " GROUP BY a.id, a.name, a.version, a.summary, a.origin, a.needs, a.active, "
        "a.first_seen_ms ORDER BY a.name, a.id LIMIT ?1",
        ARGS(sql_int(ANALYTICS_MAX)), &rows));
    l->count = 0;
    while (store_next(rows)) {
        struct analytic *a = &l->rows[l->count++];
        *a = (struct analytic){ .id = store_col_int(rows, 0),
                                .name = store_col_text_keep(rows, 1, l->keep),
                                .version = store_col_text_keep(rows, 2, l->keep),
                                .summary = store_col_text_keep(rows, 3, l->keep),
                                .origin = store_col_text_keep(rows, 4, l->keep),
                                .needs = (uint32_t)store_col_int(rows, 5),
                                .active = store_col_int(rows, 6) != 0,
                                .first_seen_ms = store_col_int(rows, 7),
                                .done = store_col_int(rows, 8),
                                .skipped = store_col_int(rows, 9),
                                .failed = store_col_int(rows, 10) };
        a->pending = store_col_int(rows, 11) - a->done - a->skipped - a->failed;
    }
    return store_rows_close(rows);
}

err analytic_list(struct store *s, arena *keep, struct analytic **ret_rows, size_t *ret_count)
{
    struct listing l = { .keep = keep, .rows = NEW_ARRAY(keep, struct analytic, ANALYTICS_MAX) };
    ARENA_TRY(l.rows);
    TRY(store_read(s, list_read, &l));
    *ret_rows = l.rows;
    *ret_count = l.count;
    return arena_check(keep);
}

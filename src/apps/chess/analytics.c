/* SPDX-License-Identifier: GPL-3.0-or-later */
/* analytics.c -- /v1/analytics: which plugins there are, how far each is, and what they said. */

#include "apps/chess/analytics.h"
#include "apps/chess/chess_app.h"
#include "apps/chess/game_record.h"

enum { RESULTS_MAX = 1000 };

static const char *const status_names[] = {
    [PLUGIN_DONE] = "completed", [PLUGIN_SKIPPED] = "skipped", [PLUGIN_FAILED] = "failed"
};

err analytics_list(struct http_request *rq, struct http_reply *rp)
{
    struct analytic *rows;
    size_t count;
    TRY(analytic_list(house_store(rq_house(rq)), http_arena(rq), &rows, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "name", rows[i].name);
        json_kv_str(w, "version", rows[i].version);
        json_kv_str(w, "summary", rows[i].summary);
        json_kv_str(w, "origin", rows[i].origin);
        json_kv_bool(w, "active", rows[i].active);
        json_kv_int(w, "completed", rows[i].done);
        json_kv_int(w, "skipped", rows[i].skipped);
        json_kv_int(w, "failed", rows[i].failed);
        json_kv_int(w, "pending", rows[i].active ? rows[i].pending : 0);
        json_kv_time_ms(w, "firstSeenAt", rows[i].first_seen_ms);
        json_object_end(w);
    }
    json_items_end(w);
    return OK;
}

err analytics_start(struct http_request *rq, struct http_reply *rp)
{
    struct job_spec spec;
    TRY(analytics_spec(rq_house(rq), &spec));
    return app_start_job(rq, rp, &spec, 202, "/v1/runs/");
}

/* ------------------------------------------------------------------ results */

struct reading {
    struct json_out *out;
    str name, version;
    uint8_t key[GAME_KEY_BYTES];
    int64_t limit, offset;
};

static void write_result(struct json_out *w, struct store_rows *rows)
{
    int64_t status = store_col_int(rows, 3);
    char id[UUID_BYTES];
    str key = store_col_blob(rows, 0);
    json_object_begin(w);
    if (key.len == GAME_KEY_BYTES) {
        game_id_write((const uint8_t *)key.ptr, id);
        json_kv_cstr(w, "gameId", id);
    }
    json_kv_str(w, "plugin", store_col_text(rows, 1));
    json_kv_str(w, "version", store_col_text(rows, 2));
    json_kv_cstr(w, "status",
                 status >= 0 && status <= PLUGIN_FAILED ? status_names[status] : "unknown");
    json_kv_int(w, "attempts", store_col_int(rows, 4));
    if (status == PLUGIN_DONE)
        json_kv_raw(w, "result", store_col_text(rows, 5));
    else
        json_kv_str(w, "reason", store_col_text(rows, 5));
    json_kv_time_ms(w, "updatedAt", store_col_int(rows, 6));
    json_object_end(w);
}

static err results_read(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    struct store_rows *rows;
    TRY(store_query(
        rd,
        "SELECT g.key, a.name, a.version, r.status, r.attempts, r.body, r.updated_ms FROM "
        "chess_analytic_results r"
        " JOIN chess_analytics a ON a.id = r.analytic_id JOIN chess_games g ON g.id = r.game_id"
        " WHERE a.id = (SELECT b.id FROM chess_analytics b WHERE b.name = ?1 AND (?2 = '' OR "
        "b.version = ?2) ORDER BY b.active DESC, b.id DESC LIMIT 1)"
        " ORDER BY r.game_id DESC LIMIT ?3 OFFSET ?4",
        ARGS(sql_text(r->name), sql_text(r->version), sql_int(r->limit), sql_int(r->offset)),
        &rows));
    while (store_next(rows))
        write_result(r->out, rows);
    return store_rows_close(rows);
}

static err exists_read(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    int64_t id;
    return store_get_int(
        rd, "SELECT id FROM chess_analytics WHERE name = ?1 AND (?2 = '' OR version = ?2) LIMIT 1",
        ARGS(sql_text(r->name), sql_text(r->version)), &id);
}

err analytics_results(struct http_request *rq, struct http_reply *rp)
{
    struct store *store = house_store(rq_house(rq));
    struct reading r = { .name = http_param(rq, "id"),
                         .version = http_query(rq, "version"),
                         .limit = 50 };
    TRY(http_query_int(rq, "limit", 1, RESULTS_MAX, &r.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &r.offset));
    err e = store_read(store, exists_read, &r);
    if (e.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "there is no analytic '%.*s'; GET /v1/analytics lists them",
                   STR_ARG(str_sub(r.name, 0, 60)));
    TRY(e);
    r.out = http_json(rp);
    json_items_begin(r.out);
    TRY(store_read(store, results_read, &r));
    json_items_end(r.out);
    return OK;
}

static err game_results_read(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT g.key, a.name, a.version, r.status, r.attempts, r.body, r.updated_ms "
                    "FROM chess_games g"
                    " JOIN chess_analytic_results r ON r.game_id = g.id JOIN chess_analytics a ON "
                    "a.id = r.analytic_id"
                    " WHERE g.key = ?1 ORDER BY a.name, a.id",
                    ARGS(sql_blob(str_from(r->key, sizeof r->key))), &rows));
    while (store_next(rows))
        write_result(r->out, rows);
    return store_rows_close(rows);
}

err games_analytics(struct http_request *rq, struct http_reply *rp)
{
    struct reading r = { .out = NULL };
    TRY(game_id_parse(http_param(rq, "id"), r.key));
    r.out = http_json(rp);
    json_items_begin(r.out);
    TRY(store_read(house_store(rq_house(rq)), game_results_read, &r));
    json_items_end(r.out);
    return OK;
}

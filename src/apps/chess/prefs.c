/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prefs.c -- GET and PUT /v1/users/me/prefs: one row a user. */
#include "apps/chess/prefs.h"

#include "apps/chess/chess_app.h"
#include "base/clock.h"

const char chess_schema_prefs[] = "CREATE TABLE chess_prefs ("
                                  "  username @text PRIMARY KEY,"
                                  "  temperature @real NOT NULL,"
                                  "  top_k @int NOT NULL,"
                                  "  board @int NOT NULL," /* enum chess_color */
                                  "  use_for_training @int NOT NULL,"
                                  "  updated_ms @int NOT NULL"
                                  ")@strict;";

static const struct chess_prefs defaults = {
    .temperature = 0.5, .top_k = 3, .board = CHESS_WHITE, .use_for_training = true
};

struct prefs_row {
    str username;
    struct chess_prefs prefs;
};

static err read_row(struct store_read *rd, void *arg)
{
    struct prefs_row *r = arg;
    struct store_rows *rows;
    r->prefs = defaults;
    TRY(store_query(rd,
                    "SELECT temperature, top_k, board, use_for_training FROM chess_prefs "
                    "WHERE username = ?1",
                    ARGS(sql_text(r->username)), &rows));
    if (store_next(rows))
        r->prefs = (struct chess_prefs){
            .temperature = store_col_real(rows, 0),
            .top_k = store_col_int(rows, 1),
            .board = store_col_int(rows, 2) == CHESS_BLACK ? CHESS_BLACK : CHESS_WHITE,
            .use_for_training = store_col_int(rows, 3) != 0,
        };
    return store_rows_close(rows);
}

err prefs_read(struct store *store, str username, struct chess_prefs *ret_prefs)
{
    struct prefs_row r = { .username = username };
    TRY(store_read(store, read_row, &r));
    *ret_prefs = r.prefs;
    return OK;
}

/* ------------------------------------------------------------------ routes */

static void reply(struct http_reply *rp, const struct chess_prefs *p)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_real(w, "temperature", p->temperature);
    json_kv_int(w, "topk", p->top_k);
    json_kv_cstr(w, "boardOrientation", p->board == CHESS_BLACK ? "black" : "white");
    json_kv_bool(w, "useGameAsTraining", p->use_for_training);
    json_object_end(w);
}

err prefs_get(struct http_request *rq, struct http_reply *rp)
{
    struct chess_prefs prefs;
    TRY(prefs_read(house_store(rq_house(rq)), http_user(rq), &prefs));
    reply(rp, &prefs);
    return OK;
}

/* A misspelt name must not look as if it had been saved. */
static err check_names(const struct json *body)
{
    static const char *const names[] = { "temperature", "topk", "boardOrientation",
                                         "useGameAsTraining" };
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(body, &iter, &key, &value)) {
        size_t i = 0;
        while (i < COUNT_OF(names) && !str_eq(key, str_of(names[i])))
            i++;
        if (i == COUNT_OF(names))
            return ERR(ERR_INVALID,
                       "there is no preference '%.*s'; there are temperature, topk, "
                       "boardOrientation and useGameAsTraining",
                       STR_ARG(str_sub(key, 0, 60)));
    }
    return OK;
}

static err apply(const struct json *body, struct chess_prefs *p)
{
    str board = STR_NONE;
    TRY(check_names(body));
    TRY(json_opt_real(body, "temperature", 0, 10, &p->temperature));
    TRY(json_opt_int(body, "topk", 0, CHESS_MOVES_MAX, &p->top_k));
    TRY(json_opt_str(body, "boardOrientation", &board));
    TRY(json_opt_bool(body, "useGameAsTraining", &p->use_for_training));
    if (board.len && !str_eq(board, STR("white")) && !str_eq(board, STR("black")))
        return ERR(ERR_INVALID, "field 'boardOrientation' must be white or black");
    if (board.len)
        p->board = str_eq(board, STR("black")) ? CHESS_BLACK : CHESS_WHITE;
    return OK;
}

struct prefs_change {
    struct prefs_row row;
    const struct json *body;
};

/* Reads and writes in one transaction: two changes of different fields both stay. */
static err change_tx(struct store_tx *tx, void *arg)
{
    struct prefs_change *c = arg;
    TRY(read_row(store_tx_read(tx), &c->row));
    TRY(apply(c->body, &c->row.prefs));
    const struct chess_prefs *p = &c->row.prefs;
    return store_exec(tx,
                      "INSERT INTO chess_prefs (username, temperature, top_k, board, "
                      "use_for_training, updated_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                      "ON CONFLICT (username) DO UPDATE SET temperature = ?2, top_k = ?3, "
                      "board = ?4, use_for_training = ?5, updated_ms = ?6",
                      ARGS(sql_text(c->row.username), sql_real(p->temperature), sql_int(p->top_k),
                           sql_int(p->board), sql_int(p->use_for_training),
                           sql_int(clock_wall_ms())),
                      NULL);
}

err prefs_put(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct prefs_change c = { .row = { .username = http_user(rq) } };
    TRY(http_body_json(rq, &c.body));
    TRY(store_write(house_store(h), change_tx, &c));
    struct log_labels labels = { .component = STR("play"),
                                 .username = http_user(rq),
                                 .request_id = http_request_id(rq) };
    log_event(house_log(h), LOG_INFO, &labels, "prefs.saved", NULL,
              F_REAL("temperature", c.row.prefs.temperature), F_INT("topk", c.row.prefs.top_k));
    reply(rp, &c.row.prefs);
    return OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/play_store.h"

#include <string.h>

#include "apps/chess/chess_app.h"

const char chess_schema_plays[] =
    "CREATE TABLE chess_plays ("
    "  id @text PRIMARY KEY,"
    "  username @text NOT NULL,"
    "  person @int NOT NULL," /* enum chess_color */
    "  model_name @text NOT NULL,"
    "  model_version @text NOT NULL,"
    "  start_fen @text NOT NULL,"
    "  rating_self @int NOT NULL,"
    "  rating_opponent @int NOT NULL,"
    "  speed @int NOT NULL,"
    "  temperature @real NOT NULL,"
    "  top_k @int NOT NULL,"
    "  initial_ms @int NOT NULL,"
    "  increment_ms @int NOT NULL,"
    "  white_ms @int NOT NULL,"
    "  black_ms @int NOT NULL,"
    "  turn_since_ms @int NOT NULL,"
    "  result @int NOT NULL," /* enum chess_result; 0 while it goes on */
    "  reason @text NOT NULL,"
    "  taken_back @int NOT NULL,"
    "  use_for_training @int NOT NULL,"
    "  published @int NOT NULL," /* 1: an import of it is queued or was not wanted */
    "  created_ms @int NOT NULL,"
    "  updated_ms @int NOT NULL"
    ")@strict;"
    "CREATE INDEX chess_plays_newest ON chess_plays (created_ms);"
    "CREATE INDEX chess_plays_unpublished ON chess_plays (published, result);"
    "CREATE TABLE chess_play_moves ("
    "  play_id @text NOT NULL REFERENCES chess_plays (id) ON DELETE CASCADE,"
    "  ply @int NOT NULL," /* from 0 */
    "  uci @text NOT NULL,"
    "  clock_ms @int NOT NULL," /* left after the move; -1 without a clock */
    "  spent_ms @int NOT NULL,"
    "  PRIMARY KEY (play_id, ply)"
    ")@strict;";

/* Reasons are static texts in memory and plain text in rows. */
static const char *known_reason(str text)
{
    static const char *const reasons[] = { "checkmate",
                                           "stalemate",
                                           "insufficient material",
                                           "75-move rule",
                                           "fivefold repetition",
                                           "50-move rule",
                                           "threefold repetition",
                                           "longest game allowed",
                                           "time forfeit",
                                           "time forfeit against insufficient material",
                                           "resignation" };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (str_eq(text, str_of(reasons[i])))
            return reasons[i];
    return "";
}

static err read_moves(struct store_read *rd, str id, struct play *p)
{
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(
        rd, "SELECT uci, clock_ms, spent_ms FROM chess_play_moves WHERE play_id = ?1 ORDER BY ply",
        ARGS(sql_text(id)), &rows));
    struct match_game *g = p->game;
    while (!e.code && store_next(rows)) {
        chess_move m;
        e = chess_uci_parse(&g->position, store_col_text(rows, 0), &m);
        if (!e.code && (g->plies == MATCH_PLIES_MAX || g->result != CHESS_RESULT_UNKNOWN))
            e = ERR(ERR_CORRUPT, "more moves than its end allows");
        if (e.code)
            break;
        int64_t clock = store_col_int(rows, 1);
        p->spent_ms[g->plies] = store_col_int(rows, 2);
        match_move(g, m, clock < 0 ? PGN_CLOCK_NONE : (uint32_t)(clock / 10), false);
    }
    e = err_first(e, store_rows_close(rows));
    if (e.code == ERR_CONFLICT || e.code == ERR_INVALID)
        e.code = ERR_CORRUPT; /* stored moves were legal when they were stored */
    return err_wrap(e, "reading the moves of game %.*s", STR_ARG(id));
}

static void read_row(struct store_rows *rows, arena *keep, struct play *p)
{
    p->username = store_col_text_keep(rows, 0, keep);
    p->person = store_col_int(rows, 1) == CHESS_BLACK ? CHESS_BLACK : CHESS_WHITE;
    p->model_name = store_col_text_keep(rows, 2, keep);
    p->model_version = store_col_text_keep(rows, 3, keep);
    p->conditions = (struct chess_conditions){ .rating_self = (uint16_t)store_col_int(rows, 5),
                                               .rating_opponent = (uint16_t)store_col_int(rows, 6),
                                               .speed = (uint8_t)store_col_int(rows, 7) };
    p->temperature = store_col_real(rows, 8);
    p->top_k = store_col_int(rows, 9);
    p->initial_ms = store_col_int(rows, 10);
    p->increment_ms = store_col_int(rows, 11);
    p->clock_ms[CHESS_WHITE] = store_col_int(rows, 12);
    p->clock_ms[CHESS_BLACK] = store_col_int(rows, 13);
    p->turn_since_ms = store_col_int(rows, 14);
    p->taken_back = store_col_int(rows, 17);
    p->use_for_training = store_col_int(rows, 18) != 0;
    p->published = store_col_int(rows, 19) != 0;
    p->created_ms = store_col_int(rows, 20);
}

err play_read(struct store_read *rd, str id, arena *keep, struct play *ret_play)
{
    struct store_rows *rows;
    struct play p = { 0 };
    enum chess_result result = CHESS_RESULT_UNKNOWN;
    const char *reason = "";
    struct chess_position start;
    bool found = false;
    err e = OK;
    p.game = NEW(keep, struct match_game);
    p.spent_ms = NEW_ARRAY(keep, int64_t, MATCH_PLIES_MAX);
    ARENA_TRY(p.game);
    ARENA_TRY(p.spent_ms);
    TRY(store_query(rd,
                    "SELECT username, person, model_name, model_version, start_fen, rating_self, "
                    "rating_opponent, speed, temperature, top_k,"
                    " initial_ms, increment_ms, white_ms, black_ms, turn_since_ms, result, reason, "
                    "taken_back, use_for_training, published,"
                    " created_ms FROM chess_plays WHERE id = ?1",
                    ARGS(sql_text(id)), &rows));
    if (store_next(rows)) {
        found = true;
        read_row(rows, keep, &p);
        result = (enum chess_result)store_col_int(rows, 15);
        reason = known_reason(store_col_text(rows, 16));
        e = chess_fen_parse(store_col_text(rows, 4), &start);
    }
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return err_wrap(e, "reading game %.*s", STR_ARG(id));
    if (!found)
        return ERR(ERR_NOT_FOUND, "there is no game '%.*s'; POST /v1/play/new starts one",
                   STR_ARG(str_sub(id, 0, 60)));
    memcpy(p.id, id.ptr, id.len < UUID_BYTES ? id.len : UUID_BYTES - 1);
    match_start(p.game, &start);
    TRY(read_moves(rd, id, &p));
    TRY(arena_check(keep));
    p.game->result = result;
    p.game->reason = reason;
    *ret_play = p;
    return OK;
}

err play_insert(struct store_tx *tx, const struct play *p, str start_fen)
{
    return store_exec(tx,
                      "INSERT INTO chess_plays (id, username, person, model_name, model_version, "
                      "start_fen, rating_self, rating_opponent,"
                      " speed, temperature, top_k, initial_ms, increment_ms, white_ms, black_ms, "
                      "turn_since_ms, result, reason, taken_back,"
                      " use_for_training, published, created_ms, updated_ms)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                      "?16, 0, '', 0, ?17, 0, ?18, ?18)",
                      ARGS(sql_cstr(p->id), sql_text(p->username), sql_int(p->person),
                           sql_text(p->model_name), sql_text(p->model_version), sql_text(start_fen),
                           sql_int(p->conditions.rating_self),
                           sql_int(p->conditions.rating_opponent), sql_int(p->conditions.speed),
                           sql_real(p->temperature), sql_int(p->top_k), sql_int(p->initial_ms),
                           sql_int(p->increment_ms), sql_int(p->clock_ms[CHESS_WHITE]),
                           sql_int(p->clock_ms[CHESS_BLACK]), sql_int(p->turn_since_ms),
                           sql_int(p->use_for_training), sql_int(p->created_ms)),
                      NULL);
}

static err write_state(struct store_tx *tx, const struct play *p)
{
    return store_exec(tx,
                      "UPDATE chess_plays SET white_ms = ?2, black_ms = ?3, turn_since_ms = ?4, "
                      "result = ?5, reason = ?6, taken_back = ?7,"
                      " updated_ms = ?4 WHERE id = ?1",
                      ARGS(sql_cstr(p->id), sql_int(p->clock_ms[CHESS_WHITE]),
                           sql_int(p->clock_ms[CHESS_BLACK]), sql_int(p->turn_since_ms),
                           sql_int(p->game->result), sql_cstr(p->game->reason),
                           sql_int(p->taken_back)),
                      NULL);
}

err play_update(struct store_tx *tx, const struct play *p, size_t from)
{
    const struct match_game *g = p->game;
    struct chess_position position = g->start;
    for (size_t i = 0; i < g->plies; i++) {
        char uci[CHESS_UCI_BYTES];
        chess_uci_write(&position, g->moves[i], uci);
        chess_move_make(&position, g->moves[i]);
        if (i < from)
            continue;
        int64_t clock_ms = g->clock_cs[i] == PGN_CLOCK_NONE ? -1 : (int64_t)g->clock_cs[i] * 10;
        TRY(store_exec(tx,
                       "INSERT INTO chess_play_moves (play_id, ply, uci, clock_ms, spent_ms) "
                       "VALUES (?1, ?2, ?3, ?4, ?5)",
                       ARGS(sql_cstr(p->id), sql_int((int64_t)i), sql_cstr(uci), sql_int(clock_ms),
                            sql_int(p->spent_ms[i])),
                       NULL));
    }
    return write_state(tx, p);
}

err play_cut(struct store_tx *tx, const struct play *p, size_t plies)
{
    TRY(store_exec(tx, "DELETE FROM chess_play_moves WHERE play_id = ?1 AND ply >= ?2",
                   ARGS(sql_cstr(p->id), sql_int((int64_t)plies)), NULL));
    return write_state(tx, p);
}

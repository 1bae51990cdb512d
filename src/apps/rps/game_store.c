/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/game_store.h"

#include <stdio.h>
#include <string.h>

#include "apps/rps/past.h"
#include "base/buf.h"

enum { P_BYTES = RPS_MOVES * 8 };

/* ------------------------------------------------------------------ writing */

static str opening_json(const struct rps_live *live, char out[64])
{
    if (!live->has_opening)
        return STR_NONE;
    int len = snprintf(out, 64, "[\"%s\",\"%s\",\"%s\"]", rps_move_name(live->opening[0]),
                       rps_move_name(live->opening[1]), rps_move_name(live->opening[2]));
    return str_from(out, (size_t)len);
}

static str alias_of(const struct rps_live *live)
{
    return live->alias == RPS_ALIASES ? STR("") : str_of(rps_alias_name(live->alias));
}

err rps_game_insert(struct store_tx *tx, const struct rps_new_game *game, int64_t *ret_number,
                    int64_t *ret_seen)
{
    const struct rps_live *live = game->live;
    const struct rps_policy *policy = live->policy;
    struct store_rows *rows;
    char opening[64];
    *ret_seen = 0;
    if (rps_is_person(game->player_name))
        TRY(rps_past_count(store_tx_read(tx), game->player_name, ret_seen));
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO rps_games (key, session_id, player_name, policy, model_type, alias, "
        "model_version, model_run_id, opening_name, opening_seq, easy_mode, is_test, origin, "
        "user_score, bot_score, rounds, winner, created_ms, finished_ms, person_seen) VALUES (?1, "
        "?2, ?3, ?4, ?5, ?6, 0, '', ?7, ?8, 0, ?9, '', 0.0, 0.0, 0, 0, ?10, 0, ?11) RETURNING id",
        ARGS(sql_cstr(live->id), sql_text(game->session_id), sql_text(game->player_name),
             sql_cstr(policy->name),
             sql_cstr(policy->family == RPS_FAMILIES ? "" : policy->model_type),
             sql_text(alias_of(live)), sql_cstr(game->opening_name ? game->opening_name : ""),
             sql_text(opening_json(live, opening)), sql_int(live->is_test), sql_int(game->now_ms),
             sql_int(*ret_seen)),
        &rows));
    if (store_next(rows))
        *ret_number = store_col_int(rows, 0);
    return store_rows_close(rows);
}

static str pack_probabilities(const struct rps_choice *choice, unsigned char out[P_BYTES])
{
    if (choice->source != RPS_SOURCE_MODEL)
        return STR("");
    for (size_t move = 0; move < RPS_MOVES; move++) {
        uint64_t bits;
        memcpy(&bits, &choice->p[move], sizeof bits);
        for (size_t i = 0; i < 8; i++)
            out[move * 8 + i] = (unsigned char)(bits >> (8 * i));
    }
    return str_from(out, P_BYTES);
}

static err update_game(struct store_tx *tx, const struct rps_new_round *r, int64_t *ret_person_seq)
{
    const struct rps_game *after = r->after;
    bool is_over = after->winner != RPS_NOBODY_YET;
    int64_t changed = 0;
    if (!is_over && r->version == r->live->version)
        return OK;
    if (is_over && !r->live->is_test && rps_is_person(str_of(r->live->player))) {
        TRY(rps_past_count(store_tx_read(tx), str_of(r->live->player), ret_person_seq));
        ++*ret_person_seq;
    }
    TRY(store_exec(tx,
                   "UPDATE rps_games SET model_version = ?2, model_run_id = ?3, user_score = ?4, "
                   "bot_score = ?5, rounds = ?6, winner = ?7, finished_ms = ?8, person_seq = ?9 "
                   "WHERE id = ?1",
                   ARGS(sql_int(r->live->number), sql_int(r->version), sql_cstr(r->run_id),
                        sql_real(is_over ? after->user_score : 0),
                        sql_real(is_over ? after->bot_score : 0),
                        sql_int(is_over ? after->rounds : 0), sql_int(after->winner),
                        sql_int(is_over ? r->now_ms : 0), sql_int(*ret_person_seq)),
                   &changed));
    return changed == 1 ? OK : ERR(ERR_NOT_FOUND, "the game was deleted");
}

err rps_round_insert(struct store_tx *tx, const struct rps_new_round *r, int64_t *ret_person_seq)
{
    const struct rps_round *round = r->round;
    unsigned char p[P_BYTES];
    *ret_person_seq = 0;
    TRY(store_exec(
        tx,
        "INSERT INTO rps_rounds (game_id, step_no, user_move, bot_move, result, user_delta, "
        "bot_delta, user_score, bot_score, rock_pts, paper_pts, scissors_pts, source, "
        "model_version, probabilities, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        ARGS(sql_int(r->live->number), sql_int(round->number), sql_int(round->user),
             sql_int(round->bot), sql_int(round->outcome), sql_real(round->user_delta),
             sql_real(round->bot_delta), sql_real(round->user_score), sql_real(round->bot_score),
             sql_real(round->points.of[RPS_ROCK]), sql_real(round->points.of[RPS_PAPER]),
             sql_real(round->points.of[RPS_SCISSORS]), sql_int(r->choice->source),
             sql_int(r->choice->version), sql_blob(pack_probabilities(r->choice, p)),
             sql_int(r->now_ms)),
        NULL));
    return update_game(tx, r, ret_person_seq);
}

/* ------------------------------------------------------------------ reading */

/* A sequence that is not ours leaves has_opening false: then models play from the first round. */
static void read_opening(str text, struct rps_live *live)
{
    size_t count = 0;
    while (text.len && count < RPS_GAMBIT_ROUNDS) {
        str name = str_split(&text, ',');
        while (name.len && (name.ptr[0] == '[' || name.ptr[0] == '"' || name.ptr[0] == ' '))
            name = str_sub(name, 1, name.len);
        while (name.len && (name.ptr[name.len - 1] == ']' || name.ptr[name.len - 1] == '"'))
            name.len--;
        unsigned move = rps_move_find(name);
        if (move == RPS_NO_MOVE)
            return;
        live->opening[count++] = (uint8_t)move;
    }
    live->has_opening = count == RPS_GAMBIT_ROUNDS && text.len == 0;
}

static err read_game(struct store_rows *rows, struct rps_live *live)
{
    bool is_retired;
    live->number = store_col_int(rows, 0);
    live->policy = rps_policy_find(store_col_text(rows, 1), &is_retired);
    live->alias = rps_alias_find(store_col_text(rows, 2));
    live->version = store_col_int(rows, 3);
    read_opening(store_col_text(rows, 4), live);
    live->is_easy = store_col_int(rows, 5) != 0;
    live->is_test = store_col_int(rows, 6) != 0;
    live->seen = store_col_int(rows, 8);
    str player = str_sub(store_col_text(rows, 9), 0, RPS_NAME_BYTES_MAX);
    memcpy(live->player, player.ptr, player.len);
    if (store_col_text(rows, 7).len)
        return ERR(ERR_CONFLICT, "the game was imported and cannot be played on");
    if (!live->policy || (live->policy->family != RPS_FAMILIES && live->alias == RPS_ALIASES))
        return ERR(ERR_CORRUPT, "its policy '%.*s' or alias '%.*s' is not known here",
                   STR_ARG(store_col_text(rows, 1)), STR_ARG(store_col_text(rows, 2)));
    return OK;
}

static err read_round(struct store_rows *rows, struct rps_live *live)
{
    struct rps_points points = { { store_col_real(rows, 3), store_col_real(rows, 4),
                                   store_col_real(rows, 5) } };
    struct rps_game game = live->game;
    struct rps_round round;
    if (store_col_int(rows, 0) != live->game.rounds + 1 || live->game.rounds == RPS_ROUNDS_MAX)
        return ERR(ERR_CORRUPT, "round %u is missing", live->game.rounds + 1);
    TRY(rps_game_play(&game, (unsigned)store_col_int(rows, 1), (unsigned)store_col_int(rows, 2),
                      &points, &round));
    rps_live_advance(live, &game, &round);
    return OK;
}

static err read_rounds(struct store_read *rd, struct rps_live *live)
{
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(rd,
                    "SELECT step_no, user_move, bot_move, rock_pts, paper_pts, scissors_pts FROM "
                    "rps_rounds WHERE game_id = ?1 ORDER BY step_no",
                    ARGS(sql_int(live->number)), &rows));
    while (!e.code && store_next(rows))
        e = read_round(rows, live);
    if (e.code)
        e.code = ERR_CORRUPT; /* what is stored was played */
    return err_first(e, store_rows_close(rows));
}

err rps_game_read(struct store_read *rd, str id, struct rps_live *ret_live)
{
    struct store_rows *rows;
    err e = OK;
    bool is_there = false;
    struct rps_live live = { 0 };
    if (id.len == 0 || id.len > RPS_ID_BYTES_MAX)
        return ERR(ERR_NOT_FOUND, "Game not found");
    memcpy(live.id, id.ptr, id.len);
    TRY(store_query(rd,
                    "SELECT id, policy, alias, model_version, opening_seq, easy_mode, is_test, "
                    "origin, person_seen, player_name FROM rps_games WHERE key = ?1",
                    ARGS(sql_text(id)), &rows));
    if (store_next(rows)) {
        is_there = true;
        e = read_game(rows, &live);
    }
    e = err_first(e, store_rows_close(rows));
    if (!e.code && !is_there)
        return ERR(ERR_NOT_FOUND, "Game not found");
    if (!e.code)
        e = read_rounds(rd, &live);
    if (e.code)
        return err_wrap(e, "game %.*s", STR_ARG(id));
    *ret_live = live;
    return OK;
}

static err read_choice(struct store_rows *rows, struct rps_choice *c)
{
    int64_t source = store_col_int(rows, 0);
    if (source < 0 || source >= RPS_SOURCES)
        return ERR(ERR_CORRUPT, "a round has the unknown source %lld", (long long)source);
    c->source = (enum rps_source)source;
    c->version = store_col_int(rows, 1);
    c->move = (unsigned)store_col_int(rows, 3);
    struct cursor in = cursor_of(store_col_blob(rows, 2));
    for (size_t move = 0; move < RPS_MOVES && c->source == RPS_SOURCE_MODEL; move++) {
        uint64_t bits = cursor_u64(&in);
        memcpy(&c->p[move], &bits, sizeof bits);
    }
    return in.bad ? ERR(ERR_CORRUPT, "a round has no probabilities") : OK;
}

err rps_choice_read(struct store_read *rd, const struct rps_live *before, int64_t round_number,
                    struct rps_choice *ret_choice)
{
    struct store_rows *rows;
    struct rps_choice c = { .p = { 1.0 / 3, 1.0 / 3, 1.0 / 3 } };
    struct rps_points points;
    bool is_there = false;
    err e = OK;
    TRY(store_query(rd,
                    "SELECT source, model_version, probabilities, bot_move FROM rps_rounds WHERE "
                    "game_id = ?1 AND step_no = ?2",
                    ARGS(sql_int(before->number), sql_int(round_number)), &rows));
    if (store_next(rows)) {
        is_there = true;
        e = read_choice(rows, &c);
    }
    TRY(err_first(e, store_rows_close(rows)));
    if (!is_there)
        return ERR(ERR_NOT_FOUND, "Round not found");
    rps_round_points(str_of(before->id), round_number, &points);
    rps_features(&before->history, &points, round_number, before->is_easy, c.sight.contract);
    rps_expected_values(c.p, &points, before->game.user_score, before->game.bot_score, c.values);
    *ret_choice = c;
    return OK;
}

err rps_choices_read(struct store_read *rd, const struct rps_live *live, struct rps_choice *choices)
{
    struct store_rows *rows;
    err e = OK;
    unsigned count = 0;
    TRY(store_query(rd,
                    "SELECT source, model_version, probabilities, bot_move FROM rps_rounds WHERE "
                    "game_id = ?1 ORDER BY step_no LIMIT ?2",
                    ARGS(sql_int(live->number), sql_int(live->game.rounds)), &rows));
    while (!e.code && count < live->game.rounds && store_next(rows)) {
        choices[count] = (struct rps_choice){ .p = { 1.0 / 3, 1.0 / 3, 1.0 / 3 } };
        e = read_choice(rows, &choices[count++]);
    }
    e = err_first(e, store_rows_close(rows));
    if (!e.code && count < live->game.rounds)
        return ERR(ERR_CORRUPT, "round %u of game %s is missing", count + 1, live->id);
    return e;
}

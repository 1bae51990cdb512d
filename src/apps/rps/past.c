/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/past.h"

#include <stdlib.h>

#include "base/err.h"

static const str anonymous = STR_INIT("Player-");
enum { ANONYMOUS_TAIL_MAX = 3 };

bool rps_is_person(str name)
{
    bool is_given = name.len <= anonymous.len + ANONYMOUS_TAIL_MAX &&
                    str_eq_nocase(str_sub(name, 0, anonymous.len), anonymous);
    return name.len > 0 && !is_given && !str_eq_nocase(name, STR("player"));
}

void rps_past_deinit(struct rps_finished *past)
{
    free(past->games);
    free(past->turns);
    *past = (struct rps_finished){ 0 };
}

err rps_past_turns(void *arg, int64_t number, const struct rps_turn **ret_turns, size_t *ret_count)
{
    const struct rps_finished *past = arg;
    if (number < past->first || number - past->first >= (int64_t)past->game_count)
        return ERR(ERR_INTERNAL, "game %lld of a player was not read", (long long)number);
    const struct rps_finished_game *game = &past->games[number - past->first];
    *ret_turns = past->turns + game->first;
    *ret_count = game->count;
    return OK;
}

/* ------------------------------------------------------------------ reading */

static err add_turn(struct rps_finished *past, struct store_rows *rows, size_t *room)
{
    struct rps_finished_game *game = &past->games[store_col_int(rows, 0) - past->first];
    int64_t user = store_col_int(rows, 2), bot = store_col_int(rows, 3);
    if (user < 0 || user >= RPS_MOVES || bot < 0 || bot >= RPS_MOVES)
        return ERR(ERR_CORRUPT, "a round has a move that is none");
    if (past->turn_count == *room) {
        size_t more = *room ? *room * 2 : 256;
        struct rps_turn *turns = realloc(past->turns, more * sizeof *turns);
        if (!turns)
            return ERR(ERR_NO_MEMORY, "reading a player's games: out of memory");
        past->turns = turns;
        *room = more;
    }
    if (game->count++ == 0) {
        game->first = past->turn_count;
        game->id = store_col_int(rows, 1);
    }
    past->turns[past->turn_count++] = (struct rps_turn){
        .user = (uint8_t)user,
        .bot = (uint8_t)bot,
        .points = { { store_col_real(rows, 4), store_col_real(rows, 5), store_col_real(rows, 6) } },
    };
    return OK;
}

err rps_past_read(struct store_read *rd, str name, int64_t from, int64_t to,
                  struct rps_finished *ret_past)
{
    struct rps_finished past = { .first = from };
    struct store_rows *rows = NULL;
    size_t room = 0;
    err e = OK;
    *ret_past = past;
    if (from > to)
        return OK;
    past.game_count = (size_t)(to - from + 1);
    past.games = calloc(past.game_count, sizeof *past.games);
    if (!past.games)
        return ERR(ERR_NO_MEMORY, "reading a player's games: out of memory");
    e = store_query(rd,
                    "SELECT g.person_seq, g.id, r.user_move, r.bot_move, r.rock_pts, r.paper_pts, "
                    "r.scissors_pts FROM rps_games g JOIN rps_rounds r ON r.game_id = g.id WHERE "
                    "g.player_name = ?1 AND g.person_seq > 0 AND g.person_seq >= ?2 AND "
                    "g.person_seq <= ?3 ORDER BY g.person_seq, g.id, r.step_no",
                    ARGS(sql_text(name), sql_int(from), sql_int(to)), &rows);
    while (!e.code && store_next(rows))
        e = add_turn(&past, rows, &room);
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        rps_past_deinit(&past);
    *ret_past = past;
    return e;
}

err rps_past_count(struct store_read *rd, str name, int64_t *ret_count)
{
    return store_get_int(
        rd,
        "SELECT COALESCE(MAX(person_seq), 0) FROM rps_games WHERE player_name = ?1 "
        "AND person_seq > 0",
        ARGS(sql_text(name)), ret_count);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game.c -- a game so far: what who plays it has seen, and what the round is worth that is due.
 *
 * From the rows alone, so it is the same in another tab, on another server and after a restart; a
 * round of which /play has not answered yet may be there already, and may be asked for again.
 */
#include "apps/rps/game_store.h"
#include "apps/rps/round_reply.h"

struct game_read {
    str id;
    struct rps_live *live;
    struct rps_choice *choices;
};

static err read_game(struct store_read *rd, void *arg)
{
    struct game_read *r = arg;
    TRY(rps_game_read(rd, r->id, r->live));
    return rps_choices_read(rd, r->live, r->choices);
}

/* Members as /play names them, without what only a model cares for. */
static void write_round(struct json_out *w, const struct rps_round *round,
                        const struct rps_choice *choice)
{
    json_object_begin(w);
    json_kv_int(w, "round", round->number);
    json_kv_cstr(w, "user_move", rps_move_name(round->user));
    rps_write_outcome(w, round);
    json_key(w, "debug");
    json_object_begin(w);
    rps_write_moves(w, "probabilities", choice->p);
    json_kv_cstr(w, "probability_source", rps_source_names[choice->source]);
    json_object_end(w);
    json_object_end(w);
}

static void write_next(struct json_out *w, const struct rps_live *live)
{
    struct rps_points points;
    int64_t number = (int64_t)live->game.rounds + 1;
    json_key(w, "next");
    if (live->game.winner != RPS_NOBODY_YET) {
        json_out_null(w);
        return;
    }
    rps_round_points(str_of(live->id), number, &points);
    json_object_begin(w);
    json_kv_int(w, "round_no", number);
    rps_write_moves(w, "round_points", points.of);
    json_object_end(w);
}

err rps_game_get(struct http_request *rq, struct http_reply *rp)
{
    struct game_read r = { .id = http_param(rq, "game_id"),
                           .live = NEW(http_arena(rq), struct rps_live),
                           .choices = NEW_ARRAY(http_arena(rq), struct rps_choice,
                                                RPS_ROUNDS_MAX) };
    ARENA_TRY(r.live);
    ARENA_TRY(r.choices);
    err e = store_read(house_store(rq_house(rq)), read_game, &r);
    if (e.code == ERR_CONFLICT) /* imported: nobody here plays it */
        e.code = ERR_NOT_FOUND;
    TRY(e);
    const struct rps_game *game = &r.live->game;
    bool is_over = game->winner != RPS_NOBODY_YET;
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "game_id", r.live->id);
    json_kv_cstr(w, "player_name", r.live->player);
    json_kv_cstr(w, "policy", r.live->policy->name);
    json_kv_cstr(w, "status", is_over ? "finished" : "active");
    json_kv_bool(w, "is_test", r.live->is_test);
    json_kv_bool(w, "finished", is_over);
    json_kv_cstr(w, "winner", rps_winner_name(game->winner));
    json_kv_real(w, "user_score", game->user_score);
    json_kv_real(w, "bot_score", game->bot_score);
    json_key(w, "rounds");
    json_array_begin(w);
    for (unsigned i = 0; i < game->rounds; i++)
        write_round(w, &r.live->rounds[i], &r.choices[i]);
    json_array_end(w);
    write_next(w, r.live);
    json_object_end(w);
    return OK;
}

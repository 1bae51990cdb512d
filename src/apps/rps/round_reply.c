/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/round_reply.h"

static void write_moves(struct json_out *w, const double values[RPS_MOVES])
{
    json_object_begin(w);
    for (unsigned move = 0; move < RPS_MOVES; move++)
        json_kv_real(w, rps_move_name(move), values[move]);
    json_object_end(w);
}

void rps_write_moves(struct json_out *w, const char *name, const double values[RPS_MOVES])
{
    json_key(w, name);
    write_moves(w, values);
}

static bool has_model(const struct rps_round_reply *r)
{
    return r->choice->source == RPS_SOURCE_MODEL || r->choice->source == RPS_SOURCE_FALLBACK ||
           r->choice->source == RPS_SOURCE_FORCED_FALLBACK;
}

static void write_model_info(struct json_out *w, const struct rps_round_reply *r)
{
    const struct rps_choice *c = r->choice;
    json_object_begin(w);
    json_kv_cstr(w, "model_type",
                 c->source == RPS_SOURCE_GAMBIT ? "gambit" : r->live->policy->model_type);
    json_kv_cstr(w, "model_alias", has_model(r) ? rps_alias_name(r->live->alias) : NULL);
    json_key(w, "model_version");
    if (c->version)
        json_out_fmt(w, "%lld", (long long)c->version);
    else
        json_out_null(w);
    json_key(w, "model_run_id");
    if (c->version && r->run_id[0])
        json_out_str(w, str_sub(str_of(r->run_id), 0, 8));
    else
        json_out_null(w);
    json_kv_cstr(w, "difficulty_mode", "standard");
    json_kv_cstr(w, "policy", r->live->policy->name);
    json_kv_cstr(w, "probability_source", rps_source_names[c->source]);
    json_object_end(w);
}

static void write_assignment(struct json_out *w, const struct rps_round_reply *r)
{
    json_key(w, "ab_assignment");
    if (!has_model(r)) {
        json_out_null(w);
        return;
    }
    json_object_begin(w);
    json_kv_cstr(w, "alias", rps_alias_name(r->live->alias));
    json_key(w, "model_key");
    json_out_fmt(w, "%s@%s", r->live->policy->model_type, rps_alias_name(r->live->alias));
    json_kv_bool(w, "is_variant", r->live->alias == RPS_B);
    json_object_end(w);
}

/* A value that stands at two places of the answer, as it was written the first time: a third of the
 * numbers with 17 digits, and half of the names. */
struct piece {
    size_t from, to;
};

static struct piece piece_of(const struct json_out *w, size_t from)
{
    return (struct piece){ from, w->buf->len };
}

static void write_piece(struct json_out *w, const char *key, struct piece piece)
{
    json_key(w, key);
    if (buf_reserve(w->buf, piece.to - piece.from)) /* now it does not move while it is copied */
        json_out_raw(w, str_sub(buf_str(w->buf), piece.from, piece.to - piece.from));
    else
        json_out_null(w); /* the buffer is marked as failed */
}

static void write_debug(struct json_out *w, const struct rps_round_reply *r, struct piece info)
{
    const struct rps_choice *c = r->choice;
    json_key(w, "debug");
    json_object_begin(w);
    json_key(w, "probabilities");
    size_t from = w->buf->len;
    write_moves(w, c->p);
    write_piece(w, "base_probabilities", piece_of(w, from));
    rps_write_moves(w, "move_values", c->values);
    json_kv_raw(w, "expected_values", STR("{}"));
    json_kv_cstr(w, "probability_source", rps_source_names[c->source]);
    json_kv_cstr(w, "model_type",
                 c->source == RPS_SOURCE_GAMBIT ? "gambit" : r->live->policy->model_type);
    json_kv_cstr(w, "selected_move", rps_move_name(c->move));
    json_kv_cstr(w, "effective_policy", r->live->policy->name);
    json_key(w, "features");
    json_array_begin(w);
    for (size_t i = 0; i < RPS_FEATURES; i++)
        json_out_real(w, c->sight.contract[i]);
    json_array_end(w);
    json_kv_int(w, "feature_count", RPS_FEATURES);
    json_kv_int(w, "round_no", r->round->number);
    write_piece(w, "model_info", info);
    json_object_end(w);
}

static void write_message(struct json_out *w, const struct rps_round_reply *r)
{
    static const char *const ends[] = { [RPS_NOBODY_YET] = "",
                                        [RPS_USER_WINS] = " You win the game.",
                                        [RPS_BOT_WINS] = " The bot wins the game.",
                                        [RPS_TIE] = " The game is a tie." };
    const char *user = rps_move_name(r->round->user), *bot = rps_move_name(r->round->bot);
    const char *end = ends[r->after->winner];
    json_key(w, "message");
    if (r->round->outcome == RPS_DRAW)
        json_out_fmt(w, "Both played %s: half a point each.%s", user, end);
    else if (r->round->outcome == RPS_WIN)
        json_out_fmt(w, "You win the round: %s beats %s.%s", user, bot, end);
    else
        json_out_fmt(w, "The bot wins the round: %s beats %s.%s", bot, user, end);
}

void rps_write_outcome(struct json_out *w, const struct rps_round *round)
{
    json_kv_cstr(w, "bot_move", rps_move_name(round->bot));
    json_kv_cstr(w, "result", rps_outcome_name((enum rps_outcome)round->outcome));
    json_kv_real(w, "user_delta", round->user_delta);
    json_kv_real(w, "bot_delta", round->bot_delta);
    json_kv_real(w, "user_score", round->user_score);
    json_kv_real(w, "bot_score", round->bot_score);
    rps_write_moves(w, "round_points", round->points.of);
}

void rps_write_round(struct json_out *w, const struct rps_round_reply *r)
{
    const struct rps_round *round = r->round;
    const struct rps_game *after = r->after;
    json_object_begin(w);
    json_kv_cstr(w, "game_id", r->live->id);
    json_kv_int(w, "round", round->number);
    json_kv_cstr(w, "user_move", rps_move_name(round->user));
    json_kv_cstr(w, "player_move", rps_move_name(round->user));
    rps_write_outcome(w, round);
    json_kv_bool(w, "finished", after->winner != RPS_NOBODY_YET);
    json_kv_cstr(w, "winner", rps_winner_name(after->winner));
    json_key(w, "scores");
    json_object_begin(w);
    json_kv_real(w, "player", after->user_score);
    json_kv_real(w, "bot", after->bot_score);
    json_kv_int(w, "ties", after->draws);
    json_object_end(w);
    json_kv_cstr(w, "policy", r->live->policy->name);
    json_kv_cstr(w, "difficulty_mode", "normal");
    json_key(w, "model_info");
    size_t from = w->buf->len;
    write_model_info(w, r);
    struct piece info = piece_of(w, from);
    write_assignment(w, r);
    write_debug(w, r, info);
    if (r->is_replayed)
        json_kv_bool(w, "replayed", true);
    write_message(w, r);
    json_object_end(w);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* start.c -- /start_game: a game in the store, before anybody is told of it. */
#include <stdlib.h>
#include <string.h>

#include "apps/rps/counts.h"
#include "apps/rps/game_store.h"
#include "apps/rps/wire.h"
#include "base/clock.h"
#include "base/hash.h"

struct start {
    struct http_request *rq;
    struct rps_state *s;
    struct rps_live *live;
    struct rps_new_game game;
    int64_t number, seen;
};

/* ------------------------------------------------------------------ what was asked for */

struct wish {
    str player_name, policy, session_id;
    const struct rps_policy *who;
    bool is_test, is_retired;
};

static bool is_test_asked(struct rps_input *in)
{
    static const char *const names[] = { "mark_test_game", "is_test_game", "is_test_data",
                                         "is_test" };
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool value = false;
        rps_in_bool(in, names[i], &value);
        any = any || value;
    }
    return any;
}

static void read_wish(struct rps_input *in, struct wish *wish)
{
    str difficulty = STR("normal");
    bool is_retired = false;
    *wish = (struct wish){ .player_name = STR("Player"), .policy = STR("brian") };
    rps_in_str(in, "player_name", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &wish->player_name);
    rps_in_str(in, "policy", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &wish->policy);
    rps_in_str(in, "session_id", RPS_OPTIONAL, RPS_ID_BYTES_MAX, &wish->session_id);
    rps_in_str(in, "difficulty_mode", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &difficulty);
    wish->is_test = is_test_asked(in);
    wish->who = rps_policy_find(wish->policy, &is_retired);
    wish->is_retired = is_retired || str_eq(difficulty, STR("easy"));
    if (!wish->who)
        rps_issue(in, "body", "policy", "value_error",
                  "There is no such policy: brian, forrest and logan play by a model; ace, bob, "
                  "cal, dan, edd, fox, gus and hal by a rule");
}

/* "Player-XYZ", of the session's first letters and digits. */
static err name_player(arena *keep, struct wish *wish)
{
    char tail[4] = { 0 };
    size_t n = 0;
    wish->player_name = str_trim(wish->player_name);
    if (wish->player_name.len && !str_eq_nocase(wish->player_name, STR("player")))
        return OK;
    for (size_t i = 0; i < wish->session_id.len && n < 3; i++) {
        char c = wish->session_id.ptr[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))
            tail[n++] = c;
        else if (c >= 'a' && c <= 'z')
            tail[n++] = (char)(c - 'a' + 'A');
    }
    wish->player_name = arena_fmt(keep, "Player-%s", tail);
    ARENA_TRY(wish->player_name.ptr);
    return OK;
}

/* ------------------------------------------------------------------ the game */

/* Draws the gambit; assigns the alias, which is kept with the game and never drawn again. */
static void set_up(struct rps_state *s, const struct wish *wish, struct rps_live *live,
                   const char **ret_opening)
{
    uint32_t random;
    unsigned opening[RPS_GAMBIT_ROUNDS];
    rand_uuid(live->id);
    rand_bytes(&random, sizeof random);
    /* 2^32 is no multiple of 100; a draw is off by less than 3e-8. */
    size_t gambit = rps_gambit_choose(random % RPS_GAMBIT_DRAWS);
    rps_gambit_moves(gambit, str_of(live->id), opening);
    for (size_t i = 0; i < RPS_GAMBIT_ROUNDS; i++)
        live->opening[i] = (uint8_t)opening[i];
    memcpy(live->player, wish->player_name.ptr, wish->player_name.len);
    live->has_opening = true;
    live->policy = wish->who;
    live->is_test = wish->is_test;
    live->alias = RPS_ALIASES;
    if (wish->who->family != RPS_FAMILIES)
        live->alias = s->is_ab_enabled ? (enum rps_alias)serving_assign(
                                             s->served[wish->who->family], str_of(live->id))
                                       : RPS_PRODUCTION;
    *ret_opening = rps_gambit_name(gambit);
}

static void write_reply(struct json_out *w, const struct wish *wish, const struct rps_live *live)
{
    const char *alias = live->alias == RPS_ALIASES ? NULL : rps_alias_name(live->alias);
    json_object_begin(w);
    json_kv_cstr(w, "game_id", live->id);
    json_kv_str(w, "session_id", wish->session_id);
    json_kv_str(w, "player_name", wish->player_name);
    json_kv_cstr(w, "bot_policy", wish->who->name);
    json_kv_cstr(w, "policy", wish->who->name);
    json_kv_cstr(w, "difficulty_mode", "normal");
    json_kv_cstr(w, "bot_model_alias", alias);
    json_kv_cstr(w, "model_type", wish->who->model_type);
    json_kv_cstr(w, "status", "active");
    json_key(w, "message");
    json_out_fmt(w, "%s is ready: first to 10 points wins.%s", wish->who->name,
                 wish->is_retired ? " The easy mode is retired; this game is a normal one." : "");
    json_object_end(w);
}

static err insert(struct store_tx *tx, void *arg)
{
    struct start *start = arg;
    return rps_game_insert(tx, &start->game, &start->number, &start->seen);
}

static void done(void *arg, err result)
{
    struct start *start = arg;
    struct rps_state *s = start->s;
    struct rps_live *live = NULL;
    if (result.code) {
        free(start->live);
    } else {
        start->live->number = start->number;
        start->live->seen = start->seen;
        rps_count_start(s->counts, start->live, rps_live_count(s->live));
        if (rps_live_add(s->live, start->live, &live) == RPS_TAKEN)
            rps_live_give(s->live, live);
    }
    http_later_done(start->rq, result);
}

struct start_now {
    struct rps_new_game game;
    int64_t number, seen;
};

static err insert_now(struct store_tx *tx, void *arg)
{
    struct start_now *start = arg;
    return rps_game_insert(tx, &start->game, &start->number, &start->seen);
}

err rps_start_now(struct rps_state *s, const struct rps_policy *policy, str player_name,
                  struct rps_live *ret_live)
{
    struct wish wish = { .player_name = str_sub(player_name, 0, RPS_NAME_BYTES_MAX),
                         .who = policy };
    struct rps_live live = { 0 };
    char session[UUID_BYTES];
    struct start_now start = {
        .game = { .live = &live, .player_name = wish.player_name, .now_ms = clock_wall_ms() }
    };
    rand_uuid(session);
    set_up(s, &wish, &live, &start.game.opening_name);
    TRY(store_write(house_store(s->house), insert_now, &start));
    live.number = start.number;
    live.seen = start.seen;
    *ret_live = live;
    return OK;
}

err rps_start_game(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    struct wish wish;
    rps_input_open(rq, false, &in);
    read_wish(&in, &wish);
    if (in.count)
        return rps_refuse(&in, rp);
    struct start *start = NEW(http_arena(rq), struct start);
    ARENA_TRY(start);
    if (wish.session_id.len == 0) {
        char id[HEX_ID_BYTES];
        unsigned char random[(HEX_ID_BYTES - 1) / 2]; /* its first letters become a name */
        rand_bytes(random, sizeof random);
        hex_encode(random, sizeof random, id);
        wish.session_id = arena_str(http_arena(rq), str_of(id));
        ARENA_TRY(wish.session_id.ptr);
    }
    TRY(name_player(http_arena(rq), &wish));
    *start = (struct start){ .rq = rq, .s = s };
    TRY(rps_live_new(&start->live));
    start->game = (struct rps_new_game){ .live = start->live,
                                         .session_id = wish.session_id,
                                         .player_name = wish.player_name,
                                         .now_ms = clock_wall_ms() };
    set_up(s, &wish, start->live, &start->game.opening_name);
    write_reply(http_json(rp), &wish, start->live);
    err e = http_later(rq);
    if (e.code) {
        free(start->live);
        return e;
    }
    e = store_write_later(house_store(s->house), insert, start, done);
    if (e.code)
        done(start, e);
    return OK;
}

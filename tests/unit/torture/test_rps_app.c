/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a server that is short of memory loses a round that it has answered, or goes on
 * with a game that is not the stored one. */
#include "torture.h"

#include "apps/rps/game_store.h"
#include "apps/rps/round_reply.h"

/* The house that models are loaded in reads this list. */
const struct app *const app_registry[] = { &app_core, &app_rps, NULL };

enum { ROUNDS = 5, REPLY_BYTES_MAX = 64 * 1024 };

struct table {
    struct store *store;
    struct rps_live *live;
    struct rps_new_game game;
    struct rps_new_round row;
    int64_t number;
    struct rps_live stored;
    struct rps_choice again;
};

static err insert_game(struct store_tx *tx, void *arg)
{
    struct table *t = arg;
    int64_t seen;
    return rps_game_insert(tx, &t->game, &t->number, &seen);
}

static err insert_round(struct store_tx *tx, void *arg)
{
    struct table *t = arg;
    int64_t person_seq;
    return rps_round_insert(tx, &t->row, &person_seq);
}

static err read_back(struct store_read *rd, void *arg)
{
    struct table *t = arg;
    TRY(rps_game_read(rd, str_of(t->live->id), &t->stored));
    return rps_choice_read(rd, t->live, ROUNDS, &t->again);
}

static err write_reply(const struct table *t)
{
    struct buf text;
    struct json_out w;
    const struct json *root = NULL;
    arena keep;
    buf_init(&text, REPLY_BYTES_MAX);
    json_out_init(&w, &text);
    rps_write_round(&w, &(struct rps_round_reply){ .live = t->row.live,
                                                   .after = t->row.after,
                                                   .round = t->row.round,
                                                   .choice = t->row.choice,
                                                   .run_id = "" });
    err e = buf_check(&text);
    arena_init(&keep, 1 << 20);
    if (!e.code)
        e = json_parse(&keep, buf_str(&text), &root);
    if (!e.code && !json_get(json_get(root, "debug"), "base_probabilities"))
        e = ERR(ERR_INTERNAL, "an answer without what was expected");
    arena_deinit(&keep);
    buf_deinit(&text);
    return e;
}

static err play_one(struct table *t, struct rps_state *s, unsigned move)
{
    struct rps_points points;
    struct rps_choice choice = { .move = 0 };
    struct rps_game after = t->live->game;
    struct rps_round round;
    rps_round_points(str_of(t->live->id), (int64_t)t->live->game.rounds + 1, &points);
    TRY(rps_choose_move(s, t->live, &points, 7, true, &choice));
    TRY(rps_game_play(&after, move, choice.move, &points, &round));
    t->row = (struct rps_new_round){
        .live = t->live, .round = &round, .after = &after, .choice = &choice, .run_id = ""
    };
    TRY(store_write(t->store, insert_round, t));
    TRY(write_reply(t));
    rps_live_advance(t->live, &after, &round);
    return OK;
}

static err play_all(struct table *t, struct rps_state *s)
{
    bool is_retired;
    rand_uuid(t->live->id);
    t->live->policy = rps_policy_find(STR("cal"), &is_retired);
    t->live->alias = RPS_ALIASES;
    t->game = (struct rps_new_game){ .live = t->live, .player_name = STR("Ann"), .now_ms = 1 };
    TRY(store_write(t->store, insert_game, t));
    t->live->number = t->number;
    for (unsigned i = 0; i < ROUNDS; i++)
        TRY(play_one(t, s, i % RPS_MOVES));
    TRY(store_read(t->store, read_back, t));
    bool is_same = t->stored.game.rounds == ROUNDS &&
                   t->stored.game.user_score == t->live->game.user_score &&
                   t->stored.game.bot_score == t->live->game.bot_score;
    return is_same ? OK : ERR(ERR_INTERNAL, "what is stored is another game");
}

/* A game in memory is of the table when it was added, and ours when not. */
static err keep_game(const struct rps_live *played)
{
    struct rps_live_table *games = NULL;
    struct rps_live *live = NULL, *there = NULL;
    err e = rps_live_open(16, &games);
    if (!e.code)
        e = rps_live_new(&live);
    if (!e.code) {
        *live = *played;
        enum rps_take how = rps_live_add(games, live, &there);
        if (how == RPS_TAKEN)
            rps_live_give(games, there);
        else
            e = ERR(ERR_NO_MEMORY, "no place for a game");
    }
    if (!e.code && rps_live_take(games, str_of(played->id), &there) != RPS_TAKEN)
        e = ERR(ERR_INTERNAL, "a game that was added is not there");
    rps_live_close(games);
    return e;
}

static err game_work(struct torture_place *place)
{
    struct table *t = calloc(1, sizeof *t);
    struct rps_state *s = calloc(1, sizeof *s);
    err e = t && s ? OK : ERR(ERR_NO_MEMORY, "no table");
    if (!e.code) {
        t->store = place->arg;
        e = rps_live_new(&t->live);
    }
    if (!e.code)
        e = play_all(t, s);
    if (!e.code)
        e = keep_game(t->live);
    if (t)
        free(t->live);
    free(t);
    free(s);
    return e;
}

static void games(void **state)
{
    struct torture_place *place = *state;
    struct store *s = NULL;
    char url[128];
    snprintf(url, sizeof url, "sqlite:%s/rps.db", place->folder);
    assert_int_equal(store_open(&(struct store_options){ .url = url, .readers_max = 1 }, &s).code,
                     ERR_NONE);
    assert_int_equal(store_migrate(s, "rps", rps_migrations).code, ERR_NONE);
    place->arg = s;
    torture(place, game_work);
    assert_int_equal(store_check(s).code, ERR_NONE);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(games, torture_setup, torture_teardown),
    };
    alloc_fail_install();
    return cmocka_run_group_tests_name("games without memory", tests, NULL, NULL);
}

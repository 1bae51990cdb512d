/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who plays: what a model of player-history is shown in a game is what a training makes of the
 * stored game, to the bit, over many games of a person, whatever the memory has forgotten and
 * however often the program was started anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/rps/choose.h"
#include "apps/rps/counts.h"
#include "apps/rps/game_store.h"
#include "apps/rps/past.h"
#include "apps/rps/train.h"
#include "base/clock.h"
#include "test_db.h"
#include "test_folder.h"

enum { SHOWN_MAX = 4096, MODEL_BYTES_MAX = 1 << 20, LONG_GAMES = 70, PERSON_GAMES = 9 };

const struct app *const app_registry[] = { &app_core, &app_rps, NULL };

static void ok(err e)
{
    if (e.code)
        fail_msg("%s", e.msg);
}

/* ------------------------------------------------------------------ models that were not trained
 */

/* Of people who beat, copy or repeat. */
static struct rps_population *make_population(unsigned habit)
{
    enum { ROUNDS = 60 };
    static struct rps_pair rounds[ROUNDS];
    static struct rps_points points[ROUNDS];
    static const struct rps_people_game game = { .count = ROUNDS };
    static const struct rps_person person = { .game_count = 1, .count = ROUNDS };
    struct rps_people people = { .people = &person,
                                 .games = &game,
                                 .rounds = rounds,
                                 .points = points,
                                 .person_count = 1,
                                 .game_count = 1,
                                 .round_count = ROUNDS };
    struct rps_population *population = NULL;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned bot = (i * i + i / 3) % 3;
        rounds[i] = (struct rps_pair){ (uint8_t)((i ? rounds[i - 1].bot + habit : 0) % 3),
                                       (uint8_t)bot };
        rps_round_points(STR("crowd"), (int64_t)i + 1, &points[i]);
    }
    ok(rps_population_fit(&people, NULL, NULL, NULL, &population));
    return population;
}

static struct learn_classifier *make_classifier(const struct rps_population *population, str set,
                                                size_t features, uint64_t seed)
{
    struct learn_dense_shape shape = { .feature_count = features,
                                       .layer_count = 1,
                                       .width = { RPS_MOVES } };
    struct learn_classifier *c = NULL;
    struct learn_dense *dense = NULL;
    struct buf part;
    struct rng rng;
    rng_init(&rng, seed);
    buf_init(&part, RPS_POPULATION_BYTES_MAX);
    if (population)
        rps_population_write(population, &part);
    ok(learn_dense_new(&shape, &dense));
    for (size_t i = 0; i < features; i++) {
        for (size_t o = 0; o < RPS_MOVES; o++)
            dense->weights[0][i * learn_dense_padded(RPS_MOVES) + o] = 0.3f * rng_normal(&rng);
        dense->inverse_scale[i] = 1;
    }
    struct learn_card card = { .family = LEARN_LOGIT,
                               .feature_set = set,
                               .part = buf_str(&part),
                               .class_names = { STR("rock"), STR("paper"), STR("scissors") } };
    ok(learn_classifier_of_dense(&card, dense, &c));
    buf_deinit(&part);
    return c;
}

static void put(struct house *h, struct learn_classifier *c, enum rps_alias alias)
{
    struct model_version_info info;
    struct blob_info blob;
    struct buf file;
    arena keep;
    str name = str_of(rps_family_registry(RPS_LOGISTIC));
    arena_init(&keep, 1 << 20);
    buf_init(&file, MODEL_BYTES_MAX);
    ok(learn_classifier_save(c, &file));
    ok(blob_put(house_blobs(h), buf_str(&file), &blob));
    ok(model_register(house_track(h),
                      &(struct model_spec){ .name = name, .kind = RPS_MODEL_KIND, .blob = blob },
                      &keep, &info));
    ok(model_promote(house_track(h), name, info.version, str_of(rps_alias_name(alias)), STR("test"),
                     STR("made for a test")));
    buf_deinit(&file);
    arena_deinit(&keep);
    learn_classifier_free(c);
}

/* ------------------------------------------------------------------ a world */

struct shown {
    char game[RPS_ID_BYTES_MAX + 1];
    int64_t round;
    size_t known_count;
    uint64_t population[2];
    double features[2][RPS_PLAYER_FEATURES];
    bool is_taken;
};

static struct world {
    char home[64];
    struct house *h;
    struct rps_population *populations[2];
    struct shown *shown;
    size_t shown_count;
    unsigned draws;
} world;

static void open_house(void)
{
    ok(house_open(
        &(struct house_options){
            .mode = HOUSE_VERB, .home = world.home, .apps = app_registry, .quiet = true },
        &world.h));
    ok(serving_follow(house_serving(world.h)));
}

static void restart(void)
{
    house_close(world.h);
    open_house();
}

static int set_up(void **state)
{
    if (!test_folder_make(world.home, sizeof world.home, "players"))
        return -1;
    setenv("RPS_PLAYER_STATES", "3", 1); /* of two models: somebody is always forgotten */
    world.shown = calloc(SHOWN_MAX, sizeof *world.shown);
    world.populations[0] = make_population(1);
    world.populations[1] = make_population(0);
    open_house();
    put(world.h,
        make_classifier(world.populations[0], STR("player-history"), RPS_PLAYER_FEATURES, 1),
        RPS_PRODUCTION);
    put(world.h, make_classifier(NULL, STR("contract-50"), RPS_FEATURES, 2), RPS_B);
    put(world.h,
        make_classifier(world.populations[1], STR("player-history"), RPS_PLAYER_FEATURES, 3),
        RPS_SHADOW1);
    restart();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    house_close(world.h);
    rps_population_free(world.populations[0]);
    rps_population_free(world.populations[1]);
    free(world.shown);
    snprintf(command, sizeof command, "rm -rf '%s'", world.home);
    return system(command);
}

/* ------------------------------------------------------------------ playing */

static void start(const char *name, struct rps_live *live)
{
    const struct rps_policy *policy = rps_policy_at(RPS_LOGISTIC);
    ok(rps_start_now(rps_state(world.h), policy, str_of(name), live));
}

/* Keeps what the models were shown, then plays the round. */
static void play(struct rps_live *live, unsigned move)
{
    struct rps_state *s = rps_state(world.h);
    struct rps_choice choice;
    struct rps_points points;
    struct json_out w;
    struct buf answer;
    int64_t round = (int64_t)live->game.rounds + 1;
    rps_round_points(str_of(live->id), round, &points);
    ok(rps_choose_move(s, live, &points, 0, true, &choice));
    if (round >= RPS_FIRST_MODEL_ROUND) {
        assert_int_equal(choice.source, RPS_SOURCE_MODEL);
        assert_int_equal(choice.sight.known_count, 2);
        for (int slot = 0; slot < 3; slot++)
            assert_true(choice.call.answers[slot].is_there);
        assert_true(world.shown_count < SHOWN_MAX);
        struct shown *shown = &world.shown[world.shown_count++];
        *shown = (struct shown){ .round = round, .known_count = choice.sight.known_count };
        memcpy(shown->game, live->id, sizeof live->id);
        for (size_t i = 0; i < choice.sight.known_count; i++) {
            shown->population[i] = choice.sight.known[i].population;
            memcpy(shown->features[i], choice.sight.known[i].features, sizeof shown->features[i]);
        }
    }
    buf_init(&answer, 64 * 1024);
    json_out_init(&w, &answer);
    ok(rps_play_now(s, live, move, &w));
    buf_deinit(&answer);
}

static unsigned some_move(void)
{
    world.draws = world.draws * 1103515245 + 12345;
    return world.draws / 65536 % 3;
}

static void play_out(struct rps_live *live)
{
    while (live->game.winner == RPS_NOBODY_YET)
        play(live, some_move());
}

static void game_of(const char *name)
{
    struct rps_live live;
    start(name, &live);
    play_out(&live);
}

/* As a server finds it that was started meanwhile. */
static err read_again(struct store_read *rd, void *arg)
{
    struct rps_live *live = arg;
    char id[RPS_ID_BYTES_MAX + 1];
    memcpy(id, live->id, sizeof id);
    return rps_game_read(rd, str_of(id), live);
}

/* ------------------------------------------------------------------ comparing */

static struct shown *find_shown(const char *game, int64_t round)
{
    for (size_t i = 0; i < world.shown_count; i++)
        if (strcmp(world.shown[i].game, game) == 0 && world.shown[i].round == round)
            return &world.shown[i];
    return NULL;
}

static const double *shown_for(const struct shown *s, uint64_t population)
{
    for (size_t i = 0; i < s->known_count; i++)
        if (s->population[i] == population)
            return s->features[i];
    return NULL;
}

/* Every row of a training against what was shown. */
static size_t compare(const struct rps_rows *rows, struct rps_players *players, int which)
{
    uint64_t digest = rps_population_digest(world.populations[which]);
    size_t compared = 0;
    ok(rps_players_fill(players, world.populations[which]));
    for (size_t g = 0; g < rows->game_count; g++) {
        const struct rps_row_game *game = &rows->games[g];
        for (size_t k = 0; k < game->count; k++) {
            struct shown *s = find_shown(game->key, (int64_t)k + RPS_FIRST_MODEL_ROUND);
            assert_non_null(s);
            s->is_taken = true;
            const double *features = shown_for(s, digest);
            assert_non_null(features);
            const double *row = learn_table_row(rps_players_table(players), game->first + k);
            for (size_t f = 0; f < RPS_PLAYER_FEATURES; f++)
                if (memcmp(&features[f], &row[f], sizeof *row) != 0)
                    fail_msg("%s's game %s, round %zu, feature %zu: %.17g shown, %.17g trained",
                             game->player, game->key, k + RPS_FIRST_MODEL_ROUND, f, features[f],
                             row[f]);
            compared++;
        }
    }
    return compared;
}

static double counted(const char *result)
{
    const struct metric_family *family = rps_metrics;
    while (strcmp(family->name, "rps_player_recalls_total") != 0)
        family++;
    return metric_value(METRIC_CELL(house_metrics(world.h), family, str_of(result)));
}

static void what_trains_is_what_was_shown(void **state)
{
    const struct rps_rows_query query = { .until_ms = INT64_MAX,
                                          .row_max = SHOWN_MAX,
                                          .stride = 1 };
    struct rps_live half, other;
    struct rps_rows rows = { 0 };
    struct rps_players *players = NULL;

    for (int i = 0; i < LONG_GAMES; i++) { /* into the third chapter */
        game_of("Ann");
        if (i % (LONG_GAMES / PERSON_GAMES) == 0)
            game_of("Bea");
        if (i % 16 == 0) {
            game_of("Player-4F2"); /* nobody's name: never known */
            restart();
        }
    }
    /* two games of one person at a time; one goes on in a program that was started anew */
    start("Bea", &half);
    start("Bea", &other);
    for (int i = 0; i < 5; i++) {
        play(&half, some_move());
        play(&other, some_move());
    }
    play_out(&other);
    game_of("Bea");
    restart();
    ok(store_read(house_store(world.h), read_again, &half));
    play_out(&half);
    game_of("Bea");
    assert_true(counted("kept") > 0 && counted("read") > 0 && counted("evicted") > 0);
    assert_true(rps_memory_states(rps_state(world.h)->memory) <= 3);

    ok(rps_rows_read(world.h, &query, &rows));
    ok(rps_players_open(world.h, &rows, &players));
    size_t compared = compare(&rows, players, 0);
    assert_int_equal(compare(&rows, players, 1), compared);
    assert_int_equal(compared, rows.table.row_count);
    assert_int_equal(compared, world.shown_count);
    rps_players_close(players);
    rps_rows_deinit(&rows);
}

static struct learn_rows rows_of_all_but(const struct rps_rows *rows, size_t game, uint32_t *index)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->game_count; i++)
        for (size_t k = 0; i != game && k < rows->games[i].count; k++)
            index[count++] = (uint32_t)(rows->games[i].first + k);
    return (struct learn_rows){ index, count };
}

/* The population that a candidate gets when all games but one train. */
static void fit_without(const struct rps_rows *rows, size_t left_out, struct buf *ret_part)
{
    static uint32_t index[SHOWN_MAX];
    struct rps_players *players = NULL;
    str part;
    ok(rps_players_open(world.h, rows, &players));
    ok(rps_players_prepare(players, LEARN_STAGE_CANDIDATE, 0,
                           rows_of_all_but(rows, left_out, index), NULL, NULL, &part));
    buf_clear(ret_part);
    buf_add(ret_part, part);
    rps_players_close(players);
}

static void turn_moves(const struct rps_rows *rows, size_t game)
{
    for (size_t i = 0; i < rows->games[game].turn_count; i++) {
        struct rps_turn *turn = &rows->turns[rows->games[game].first_turn + i];
        turn->user = (uint8_t)((turn->user + 1) % RPS_MOVES);
    }
}

static size_t game_seeing(const struct rps_rows *rows, const char *player, int64_t seen)
{
    size_t at = 0;
    while (strcmp(rows->games[at].player, player) != 0 || rows->games[at].seen != seen)
        at++;
    return at;
}

/* Rounds known, of the row before a game's fourth round. */
static double rounds_known(const struct rps_rows *rows, const struct rps_players *players,
                           size_t game)
{
    const double *row = learn_table_row(rps_players_table(players), rows->games[game].first);
    return round(expm1(row[RPS_PLAYER_FEATURES - 1]));
}

/* A population is of what trains and nothing else, and in a fold what trains knows nothing of the
 * games that judge, though they are the same person's. */
static void nothing_leaks(void **state)
{
    const struct rps_rows_query query = { .until_ms = INT64_MAX,
                                          .row_max = SHOWN_MAX,
                                          .stride = 1 };
    static uint32_t index[SHOWN_MAX];
    struct rps_rows rows = { 0 };
    struct rps_players *players = NULL;
    struct buf first, second;
    str part;
    buf_init(&first, RPS_POPULATION_BYTES_MAX);
    buf_init(&second, RPS_POPULATION_BYTES_MAX);
    ok(rps_rows_read(world.h, &query, &rows));
    size_t judged = game_seeing(&rows, "Ann", 3), later = game_seeing(&rows, "Ann", 8);

    fit_without(&rows, judged, &first);
    turn_moves(&rows, judged);
    fit_without(&rows, judged, &second);
    assert_true(str_eq(buf_str(&first), buf_str(&second)));
    turn_moves(&rows, later);
    fit_without(&rows, judged, &second);
    assert_false(str_eq(buf_str(&first), buf_str(&second)));

    ok(rps_players_open(world.h, &rows, &players));
    struct learn_rows train = rows_of_all_but(&rows, judged, index);
    ok(rps_players_prepare(players, LEARN_STAGE_HOLDOUT, 0, train, NULL, NULL, &part));
    double before = rounds_known(&rows, players, later), own = rounds_known(&rows, players, judged);
    ok(rps_players_prepare(players, LEARN_STAGE_FOLDS, 0, train, NULL, NULL, &part));
    assert_true(rounds_known(&rows, players, later) ==
                before - (double)rows.games[judged].turn_count);
    assert_true(rounds_known(&rows, players, judged) == own); /* judged as it will be served */
    rps_players_close(players);
    rps_rows_deinit(&rows);
    buf_deinit(&first);
    buf_deinit(&second);
}

static err load_code(struct learn_classifier *c)
{
    struct rps_model *model = NULL;
    struct buf file;
    buf_init(&file, MODEL_BYTES_MAX);
    ok(learn_classifier_save(c, &file));
    err e = rps_model_load(buf_str(&file), &model);
    rps_model_free(model);
    learn_classifier_free(c);
    buf_deinit(&file);
    return e;
}

/* A model whose features cannot be made is not loaded. */
static void models_come_with_what_they_need(void **state)
{
    const struct rps_population *p = world.populations[0];
    ok(load_code(make_classifier(p, STR("player-history"), RPS_PLAYER_FEATURES, 1)));
    ok(load_code(make_classifier(NULL, STR("contract-50"), RPS_FEATURES, 1)));
    assert_int_equal(
        load_code(make_classifier(NULL, STR("player-history"), RPS_PLAYER_FEATURES, 1)).code,
        ERR_CORRUPT);
    assert_int_equal(load_code(make_classifier(p, STR("player-history"), RPS_FEATURES, 1)).code,
                     ERR_UNSUPPORTED);
    assert_int_equal(load_code(make_classifier(p, STR("contract-50"), RPS_FEATURES, 1)).code,
                     ERR_UNSUPPORTED);
    assert_int_equal(load_code(make_classifier(NULL, STR("contract-51"), RPS_FEATURES, 1)).code,
                     ERR_UNSUPPORTED);
}

static err add_old_games(struct store_tx *tx, void *arg)
{
    static const struct {
        const char *player, *origin;
        int winner, is_test, created;
    } games[] = { { "Ann", "", 1, 0, 3 },    { "Ann", "", 1, 0, 1 },
                  { "Bea", "", 1, 0, 2 },    { "Ann", "", 0, 0, 4 },
                  { "Ann", "", 1, 1, 5 },    { "Ann", "x", 1, 0, 6 },
                  { "Ann", "", 2, 0, 7 },    { "Player-A1B", "", 1, 0, 8 },
                  { "Player", "", 1, 0, 9 }, { "Player-Jo", "", 1, 0, 9 } };
    for (size_t i = 0; i < COUNT_OF(games); i++) {
        char key[32];
        snprintf(key, sizeof key, "old-%zu", i);
        TRY(store_exec(
            tx,
            "INSERT INTO rps_games (key, session_id, player_name, policy, model_type, alias, "
            "model_version, model_run_id, opening_name, opening_seq, easy_mode, is_test, origin, "
            "user_score, bot_score, rounds, winner, created_ms, finished_ms) VALUES (?1, '', ?2, "
            "'ace', '', '', 0, '', '', '', 0, ?3, ?4, 0.0, 0.0, 0, ?5, ?6, 0)",
            ARGS(sql_cstr(key), sql_cstr(games[i].player), sql_int(games[i].is_test),
                 sql_cstr(games[i].origin), sql_int(games[i].winner), sql_int(games[i].created)),
            NULL));
    }
    return OK;
}

static err read_old_games(struct store_read *rd, void *arg)
{
    static const int64_t wanted[][2] = { { 2, 1 }, { 1, 0 }, { 1, 0 }, { 0, 0 }, { 0, 0 },
                                         { 0, 0 }, { 3, 2 }, { 0, 0 }, { 0, 0 }, { 0, 0 } };
    struct store_rows *rows;
    size_t at = 0;
    TRY(store_query(rd, "SELECT person_seq, person_seen FROM rps_games ORDER BY id", NO_ARGS,
                    &rows));
    for (; store_next(rows); at++) {
        assert_true(at < COUNT_OF(wanted));
        assert_int_equal(store_col_int(rows, 0), wanted[at][0]);
        assert_int_equal(store_col_int(rows, 1), wanted[at][1]);
    }
    assert_int_equal(at, COUNT_OF(wanted));
    return store_rows_close(rows);
}

/* Games from before there was a memory follow each other. */
static void old_games_are_numbered(void **state)
{
    char url[256];
    struct store *store = NULL;
    test_db_url(world.home, "old.db", url, sizeof url);
    ok(store_open(&(struct store_options){ .url = url }, &store));
    ok(store_migrate_to(store, "rps", rps_migrations, 2));
    ok(store_write(store, add_old_games, NULL));
    ok(store_migrate(store, "rps", rps_migrations));
    ok(store_read(store, read_old_games, NULL));
    store_close(store);
    test_db_drop(url);
}

/* Whoever played is known in the next game, and the others are not. */
static void a_person_is_known(void **state)
{
    struct rps_live ann, cy, anonymous;
    start("Ann", &ann);
    start("Cy", &cy);
    start("Player-4F2", &anonymous);
    assert_int_equal(ann.seen, LONG_GAMES);
    assert_int_equal(cy.seen, 0);
    assert_int_equal(anonymous.seen, 0);
    for (int i = 0; i < 4; i++) {
        play(&ann, RPS_ROCK);
        play(&cy, RPS_ROCK);
        play(&anonymous, RPS_ROCK);
    }
    const double *known = find_shown(ann.id, 4)->features[0];
    const double *unknown = find_shown(cy.id, 4)->features[0];
    enum { GAMES = RPS_PLAYER_FEATURES - 2 };
    assert_true(known[GAMES] == 39); /* 33 to 70, and this one */
    assert_true(unknown[GAMES] == 1);
    assert_true(known[GAMES + 1] > unknown[GAMES + 1]);
    assert_true(find_shown(anonymous.id, 4)->features[0][GAMES] == 1);
}

static void names_of_nobody(void **state)
{
    static const char *const nobody[] = { "",         "Player",     "player",    "Player-",
                                          "Player-A", "player-4f2", "PLAYER-XYZ" };
    static const char *const somebody[] = { "Ann", "Players", "Player-John", "Play", "Player4F2" };
    for (size_t i = 0; i < COUNT_OF(nobody); i++)
        assert_false(rps_is_person(str_of(nobody[i])));
    for (size_t i = 0; i < COUNT_OF(somebody); i++)
        assert_true(rps_is_person(str_of(somebody[i])));
}

/* The setting says what a state takes. */
static void a_state_is_as_small_as_it_is_said_to_be(void **state)
{
    size_t bytes = rps_player_bytes(world.populations[0]);
    assert_true(bytes < (RPS_STATE_KIB - 1) * 1024 && bytes > RPS_STATE_KIB * 1024 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_trains_is_what_was_shown),
        cmocka_unit_test(nothing_leaks),
        cmocka_unit_test(a_person_is_known),
        cmocka_unit_test(models_come_with_what_they_need),
        cmocka_unit_test(old_games_are_numbered),
        cmocka_unit_test(names_of_nobody),
        cmocka_unit_test(a_state_is_as_small_as_it_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a feature vector costs, in microseconds.
 *
 *     rps_features
 *
 * rps-features is contract-50 as a server makes it: the round before is added to the history, the
 * points of the round are hashed, the vector is written. rps-features-vector leaves the hashing
 * out. rps-player is player-history: the vector before a round and what is learned from it. The
 * best of many short pieces, so that what else runs on the machine disturbs little. The reference
 * takes 434 us for the first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "engine/rps/features.h"
#include "engine/rps/player.h"

enum { GAMES = 64, ROUNDS = 15, ALL = GAMES * ROUNDS, PIECES = 200 };

static struct rps_pair moves[ALL];
static double checksum;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "rps_features: %s\n", what);
    exit(1);
}

static void need(err e)
{
    if (e.code)
        die(e.msg);
}

static void contract(bool with_points)
{
    const struct rps_points fixed = { { 1.0, 1.3, 1.8 } };
    char id[16];

    for (size_t g = 0; g < GAMES; g++) {
        struct rps_history history = { 0 };
        struct rps_game game = { 0 };
        int len = snprintf(id, sizeof id, "game-%zu", g);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct rps_points points = fixed;
            struct rps_round round;
            double out[RPS_FEATURES];

            if (with_points)
                rps_round_points(str_from(id, (size_t)len), (int64_t)i + 1, &points);
            rps_features(&history, &points, (int64_t)i + 1, false, out);
            checksum += out[45] + out[39];
            game.winner = RPS_NOBODY_YET; /* all games are as long as each other */
            need(rps_game_play(&game, moves[g * ROUNDS + i].user, moves[g * ROUNDS + i].bot,
                               &points, &round));
            rps_history_add(&history, &round);
        }
    }
}

static void player_history(const struct rps_population *population)
{
    struct rps_player *player;

    need(rps_player_new(population, &player));
    for (size_t i = 0; i < ALL; i++) {
        double out[RPS_PLAYER_FEATURES];
        if (i % ROUNDS == 0)
            rps_player_begin_game(player);
        rps_player_features(population, player, NULL, out);
        checksum += out[0];
        rps_player_add(population, player, moves[i].user, moves[i].bot, NULL);
    }
    rps_player_free(player);
}

static struct rps_population *make_population(void)
{
    static struct rps_people_game games[GAMES];
    static const struct rps_person person = { .game_count = GAMES, .count = ALL };
    struct rps_people people = { .people = &person,
                                 .games = games,
                                 .rounds = moves,
                                 .person_count = 1,
                                 .game_count = GAMES,
                                 .round_count = ALL };
    struct rps_population *population;

    for (size_t g = 0; g < GAMES; g++)
        games[g] = (struct rps_people_game){ .first = (uint32_t)(g * ROUNDS), .count = ROUNDS };
    need(rps_population_fit(&people, NULL, NULL, NULL, &population));
    return population;
}

enum what { VECTOR, SERVED, PLAYER, WHATS };

static double best_us(enum what what, const struct rps_population *population)
{
    int64_t best = INT64_MAX;

    for (int piece = 0; piece < PIECES; piece++) {
        int64_t start = clock_mono_ns();
        if (what == PLAYER)
            player_history(population);
        else
            contract(what == SERVED);
        int64_t took = clock_mono_ns() - start;
        best = took < best ? took : best;
    }
    return (double)best / ALL / 1e3;
}

int main(void)
{
    static const char *const names[WHATS] = { "rps-features-vector", "rps-features", "rps-player" };
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < ALL; i++)
        moves[i] = (struct rps_pair){ (uint8_t)rng_below(&rng, 3), (uint8_t)rng_below(&rng, 3) };
    struct rps_population *population = make_population();
    for (int what = 0; what < WHATS; what++)
        printf("{\"bench\":\"%s\",\"ours\":%.4f,\"peer\":null,\"theirs\":null,\"unit\":\"us\","
               "\"ratio\":null}\n",
               names[what], best_us((enum what)what, population));
    if (!(checksum > -1e300))
        die("the vectors are no numbers");
    rps_population_free(population);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stored players and populations from strangers: what is read says probabilities, can be played on
 * with, and is written as it came.
 *
 * The first byte tells what the rest is: 'p' a player of a small made-up population, 'P' a
 * population's first numbers, which are continued with a pattern; the checksum is put right.
 * Anything else: the bytes as they are, as both.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/rps/player.h"

enum { SUM_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool is_so)
{
    if (!is_so)
        abort();
}

static struct rps_population *made_up(void)
{
    static const struct rps_pair rounds[4] = { { 0, 1 }, { 1, 2 }, { 2, 0 }, { 0, 0 } };
    static const struct rps_people_game game = { .count = 4 };
    static const struct rps_person person = { .game_count = 1, .count = 4 };
    const struct rps_people people = { .people = &person,
                                       .games = &game,
                                       .rounds = rounds,
                                       .person_count = 1,
                                       .game_count = 1,
                                       .round_count = 4 };
    struct rps_population *population = NULL;
    err e = rps_population_fit(&people, NULL, NULL, NULL, &population);
    need(!e.code);
    return population;
}

static void play(const struct rps_population *population, struct rps_player *player)
{
    double out[RPS_PLAYER_FEATURES];

    for (unsigned i = 0; i < 8; i++) {
        rps_player_features(population, player, NULL, out);
        for (size_t k = 0; k < RPS_PLAYER_FEATURES; k++)
            need(isfinite(out[k]));
        need(fabs(out[0] + out[1] + out[2] - 1) < 1e-4);
        rps_player_add(population, player, i % 3, i % 2, NULL);
    }
    rps_player_begin_game(player);
    rps_player_features(population, player, NULL, out);
}

static void seal(struct buf *b)
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(buf_str(b), digest);
    buf_add_bytes(b, digest, SUM_BYTES);
}

static void try_player(const struct rps_population *population, str bytes)
{
    struct rps_player *player = NULL;
    struct buf again;
    err e = rps_player_read(population, bytes, &player);

    if (e.code)
        return;
    buf_init(&again, RPS_PLAYER_BYTES_MAX);
    rps_player_write(population, player, &again);
    /* as a file may list cells that hold nothing, what is written again may be shorter */
    need(!buf_check(&again).code && again.len <= bytes.len);
    play(population, player);
    buf_deinit(&again);
    rps_player_free(player);
}

static void try_population(str bytes)
{
    struct rps_population *population = NULL;
    struct rps_player *player = NULL;
    struct buf again;
    err e = rps_population_read(bytes, &population);

    if (e.code)
        return;
    buf_init(&again, RPS_POPULATION_BYTES_MAX);
    rps_population_write(population, &again);
    need(str_eq(buf_str(&again), bytes));
    e = rps_player_new(population, &player);
    if (!e.code)
        play(population, player);
    rps_player_free(player);
    rps_population_free(population);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > RPS_POPULATION_BYTES_MAX / 2)
        return 0;
    static struct rps_population *population; /* made once: the target is fuzzed by one thread */
    if (!population)
        population = made_up();
    str rest = str_from(data + 1, size - 1);
    struct buf whole;

    buf_init(&whole, RPS_POPULATION_BYTES_MAX);
    if (data[0] == 'p') {
        buf_add(&whole, STR("RPLY"));
        buf_add_u16(&whole, 1);
        buf_add_u64(&whole, rps_population_digest(population));
        buf_add(&whole, rest);
        seal(&whole);
        try_player(population, buf_str(&whole));
    } else if (data[0] == 'P' && rest.len) {
        struct buf model;
        buf_init(&model, RPS_POPULATION_BYTES_MAX);
        rps_population_write(population, &model);
        const size_t head = 4 + 2 + 2 + 4;
        buf_add(&whole, str_sub(buf_str(&model), 0, head));
        while (whole.len < model.len - SUM_BYTES) {
            size_t room = model.len - SUM_BYTES - whole.len;
            buf_add(&whole, str_sub(rest, 0, rest.len < room ? rest.len : room));
        }
        seal(&whole);
        try_population(buf_str(&whole));
        buf_deinit(&model);
    } else {
        buf_add(&whole, rest);
        try_player(population, buf_str(&whole));
        try_population(buf_str(&whole));
    }
    buf_deinit(&whole);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a fit or an import on a machine that is short of memory ends the server. */
#include "torture.h"

#include "engine/rps/player.h"

static const char log_text[] =
    "exp,game_id,round,p1,p2,p1_move,p2_move,round_begin_ms,bot_strategy\n"
    "v1,g1,1,Pa,Pb,R,S,1000,\nv1,g1,2,Pa,Pb,P,S,2000,\nv2,g2,1,Pc,bot,S,S,4000,copy\n"
    "v2,g2,2,Pc,bot,R,S,5000,copy\nv2,g2,3,Pc,bot,R,P,6000,copy\n";

static err people_work(struct torture_place *place)
{
    struct rps_people parts[2], all = { 0 };
    arena keep;

    (void)place;
    arena_init(&keep, 1 << 20);
    err e = rps_people_read(&keep, str_of(log_text), &parts[0]);
    if (!e.code)
        e = rps_people_read(&keep, str_of(log_text), &parts[1]);
    if (!e.code)
        e = rps_people_join(&keep, parts, 2, &all);
    if (!e.code && all.round_count != 14)
        e = ERR(ERR_INTERNAL, "%zu rounds", all.round_count);
    arena_deinit(&keep);
    return e;
}

static err store_and_read(const struct rps_population *population, struct rps_player *player)
{
    struct rps_population *population_read = NULL;
    struct rps_player *player_read = NULL;
    struct buf bytes;

    buf_init(&bytes, RPS_POPULATION_BYTES_MAX);
    rps_population_write(population, &bytes);
    err e = buf_check(&bytes);
    if (!e.code)
        e = rps_population_read(buf_str(&bytes), &population_read);
    buf_clear(&bytes);
    if (!e.code) {
        rps_player_write(population_read, player, &bytes);
        e = buf_check(&bytes);
    }
    if (!e.code)
        e = rps_player_read(population_read, buf_str(&bytes), &player_read);
    if (!e.code && rps_player_rounds(player_read) != rps_player_rounds(player))
        e = ERR(ERR_INTERNAL, "a player of %u rounds", rps_player_rounds(player_read));
    rps_player_free(player_read);
    rps_population_free(population_read);
    buf_deinit(&bytes);
    return e;
}

static err player_work(struct torture_place *place)
{
    struct rps_population *population = NULL;
    struct rps_player *player = NULL;
    struct rps_people people;
    arena keep;

    (void)place;
    arena_init(&keep, 1 << 20);
    err e = rps_people_read(&keep, str_of(log_text), &people);
    if (!e.code)
        e = rps_population_fit(&people, NULL, NULL, NULL, &population);
    if (!e.code)
        e = rps_player_new(population, &player);
    for (unsigned i = 0; !e.code && i < 20; i++)
        rps_player_add(population, player, i % 3, i % 2, NULL);
    if (!e.code)
        e = store_and_read(population, player);
    rps_player_free(player);
    rps_population_free(population);
    arena_deinit(&keep);
    return e;
}

static void people(void **state)
{
    torture(*state, people_work);
}

static void player(void **state)
{
    torture(*state, player_work);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(people, torture_setup, torture_teardown),
        cmocka_unit_test_setup_teardown(player, torture_setup, torture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

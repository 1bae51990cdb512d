/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logs of people: a mixed-up row would train models on what nobody played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <zstd.h>

#include "engine/rps/people.h"

static int setup(void **state)
{
    static arena keep;
    arena_init(&keep, 1 << 20);
    *state = &keep;
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(*state);
    return 0;
}

static struct rps_people read_ok(arena *keep, const char *text)
{
    struct rps_people people = { 0 };
    err e = rps_people_read(keep, str_of(text), &people);
    if (e.code)
        fail_msg("%s", e.msg);
    return people;
}

static const char table[] =
    "exp,game_id,round,p1,p2,p1_move,p2_move,p1_rt_ms,p2_rt_ms,p1_outcome,round_begin_ms,bot_"
    "strategy\n"
    "v1,g1,1,Pa,Pb,R,S,1,1,win,1000,\n"
    "v1,g1,2,Pa,Pb,-,S,1,1,loss,2000,\n"
    "v1,g1,3,Pa,Pb,P,R,1,1,win,3000,\n"
    "v2,g2,1,Pc,bot,S,S,1,0,tie,4000,copy\n"
    "v3,g3,1,Pd,bot,R,P,1,0,loss,5000,clever\r\n"
    "v2,g4,1,Pc,bot,P,R,1,0,win,6000,copy\n";

static void a_table_of_two(void **state)
{
    struct rps_people p = read_ok(*state, table);

    assert_int_equal(p.person_count, 4);
    assert_int_equal(p.game_count, 5);
    assert_int_equal(p.round_count, 7);
    assert_int_equal(p.skipped, 1);
    const struct rps_person *a = &p.people[0], *b = &p.people[1], *c = &p.people[2];
    assert_true(str_eq(a->id, STR("Pa")) && str_eq(b->id, STR("Pb")));
    assert_true(str_eq(a->group, b->group)); /* they met: one part for both */
    assert_int_equal(a->count, 2);
    assert_int_equal(p.rounds[a->first + 1].user, RPS_PAPER);
    assert_int_equal(p.rounds[b->first + 1].user, RPS_ROCK);
    assert_int_equal(p.rounds[b->first + 1].bot, RPS_PAPER);
    assert_true(a->against == RPS_AGAINST_PEOPLE && c->against == RPS_AGAINST_STABLE);
    assert_int_equal(p.people[3].against, RPS_AGAINST_ADAPTIVE);
    /* somebody's games lie together though others came between */
    assert_int_equal(c->game_count, 2);
    assert_true(str_eq(p.games[c->first_game + 1].id, STR("g4")));
    assert_int_equal(p.games[c->first_game + 1].started_ms, 6000);
    assert_true(str_eq(p.games[c->first_game].opponent, STR("copy")));
    assert_int_equal(p.rounds[c->first + 1].user, RPS_PAPER);
}

static void the_other_forms(void **state)
{
    struct rps_people p = read_ok(*state, "id,game,period,choice,other.choice,result\n"
                                          "6,1,1,s,r,lose\n6,1,2,p,p,tie\n7,1,1,r,s,win\n");

    assert_int_equal(p.person_count, 2);
    assert_false(str_eq(p.people[0].group, p.people[1].group)); /* groups of six: 1-6, 7-12 */
    assert_int_equal(p.rounds[0].user, RPS_SCISSORS);
    p = read_ok(*state, "\xEF\xBB\xBFid,enemy_name,round,my_move,enemy_move\n"
                        "1,\xD1\x85,1,r,p\n1,\xD1\x85,2,p,r\n2,x,1,s,s\n");
    assert_int_equal(p.person_count, 1);
    assert_int_equal(p.game_count, 2);
    assert_int_equal(p.games[1].count, 1);
}

static void packed(void **state)
{
    char bytes[4096];
    struct rps_people p;
    size_t count = ZSTD_compress(bytes, sizeof bytes, table, strlen(table), 3);

    assert_false(ZSTD_isError(count));
    err e = rps_people_read(*state, str_from(bytes, count), &p);
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(p.round_count, 7);
    e = rps_people_read(*state, str_from(bytes, count - 5), &p);
    assert_int_equal(e.code, ERR_INVALID);
    bytes[count / 2] ^= 0x55;
    e = rps_people_read(*state, str_from(bytes, count), &p);
    assert_int_equal(e.code, ERR_INVALID);
}

static void what_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "a,b,c\n",
        "id,game,period,choice,other.choice\n1,1,1,q,r\n",
        "id,game,period,choice,other.choice\n1,1,0,r,r\n",
        "id,game,period,choice,other.choice\n0,1,1,r,r\n",
        "id,game,period,choice,other.choice\n1,1\n",
        "id,game,period,choice,other.choice\n\"1\",1,1,r,r\n",
        "exp,game_id,round,p1,p2,p1_move,p2_move,round_begin_ms,bot_strategy\nv1,g,1,a,b,R,S,x,\n",
    };
    struct rps_people p;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        err e = rps_people_read(*state, str_of(texts[i]), &p);
        if (e.code != ERR_INVALID)
            fail_msg("taken: %s", texts[i]);
    }
    err e = rps_people_load(*state, "/nowhere/at/all.csv", &p);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void joining(void **state)
{
    struct rps_people parts[2] = { read_ok(*state, table), read_ok(*state, table) }, all;
    struct rps_points points[7] = { { { 1.0, 1.1, 1.6 } } };

    parts[1].points = points;
    err e = rps_people_join(*state, parts, 2, &all);
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(all.person_count, 8);
    const struct rps_person *c = &all.people[6];
    assert_int_equal(c->count, 2);
    assert_memory_equal(&all.rounds[c->first], &parts[0].rounds[parts[0].people[2].first],
                        2 * sizeof *all.rounds);
    assert_int_equal(all.games[c->first_game].person, 6);
    assert_int_equal(all.games[c->first_game].first, c->first);
    assert_null(rps_people_points(&all, 0)); /* unknown in the first part */
    assert_true(rps_people_points(&all, 7)->of[1] == 1.1);
    assert_null(rps_people_points(&all, 8));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_of_two, setup, teardown),
        cmocka_unit_test_setup_teardown(the_other_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(packed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(joining, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judging: numbers that decide which model is promoted. */
#include "net_help.h"

#include <math.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* A network without weights says nothing: every number follows from the number of legal moves. */
static void test_network_that_says_nothing(void **state)
{
    struct chess_net *net = random_net(&small_shape, 1);
    memset(net->weights, 0, net->at.count * sizeof(float));
    struct sample_set set = samples_make(81, 500);
    struct chess_sample_source source = source_of(&set);
    struct chess_score score;
    double log_loss = 0, outcomes[3] = { 0 }, entropy = 0;
    size_t first = 0, binned = 0;
    for (size_t i = 0; i < set.count; i++) {
        chess_move moves[CHESS_MOVES_MAX];
        log_loss += log(chess_moves(&set.samples[i].position, moves));
        first += moves[0] == set.samples[i].move;
        if (set.samples[i].outcome != 2)
            outcomes[1 - set.samples[i].outcome]++;
    }
    for (int i = 0; i < 3; i++)
        entropy -= outcomes[i] / (outcomes[0] + outcomes[1] + outcomes[2]) *
                   log(outcomes[i] / (outcomes[0] + outcomes[1] + outcomes[2]));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &score));
    assert_int_equal(score.positions, 500);
    assert_near(score.log_loss, log_loss / 500, 1e-5);
    assert_near(score.top1, (double)first / 500, 1e-9);
    assert_near(score.value_log_loss, log(3), 1e-5);
    assert_near(score.value_baseline_log_loss, entropy, 1e-9);
    for (int b = 0; b < 15; b++)
        binned += score.bin_count[b];
    assert_int_equal(binned, 500);
    assert_true(score.top1 <= score.top3 && score.top3 <= score.top5);
    chess_net_free(net);
    free(set.samples);
}

static bool only_blitz(void *arg, const struct chess_sample *s)
{
    return s->conditions.speed == *(uint8_t *)arg;
}

static void test_filter_and_threads(void **state)
{
    struct chess_net *net = random_net(&small_shape, 2);
    struct sample_set set = samples_make(82, 700);
    struct chess_sample_source source = source_of(&set);
    struct chess_score alone, together, part;
    struct pool *pool;
    uint8_t speed = CHESS_BLITZ;
    size_t blitz = 0;
    assert_ok(pool_open("test", 3, 64, &pool));
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &alone));
    assert_ok(chess_net_score(net, &source, NULL, NULL, pool, &together));
    assert_memory_equal(&alone, &together, sizeof alone); /* to the last bit */
    assert_ok(chess_net_score(net, &source, only_blitz, &speed, pool, &part));
    for (size_t i = 0; i < set.count; i++)
        blitz += set.samples[i].conditions.speed == CHESS_BLITZ;
    assert_int_equal(part.positions, blitz);

    /* nothing to judge, and moves that are not legal */
    struct chess_sample_source nothing = { .get = sample_get, .arg = &set };
    assert_ok(chess_net_score(net, &nothing, NULL, NULL, pool, &part));
    assert_int_equal(part.positions, 0);
    assert_true(part.top1 == 0 && part.log_loss == 0 && part.value_log_loss == 0);
    set.samples[0].move = CHESS_MOVE_NONE;
    set.count = 1;
    source = source_of(&set);
    assert_ok(chess_net_score(net, &source, NULL, NULL, NULL, &part));
    assert_int_equal(part.positions, 0);
    pool_close(pool);
    chess_net_free(net);
    free(set.samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_that_says_nothing),
        cmocka_unit_test(test_filter_and_threads),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The comparison of two shares: would one who looks after every game swap equal models more often
 * than alpha allows, or never find the better one? Seeded: the same draws each time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "platform/serving/sequential.h"

#define ALPHA 0.05

static struct serving_test compare(int64_t hits, int64_t total, int64_t other_hits,
                                   int64_t other_total)
{
    struct serving_test t;
    serving_compare((struct serving_share_count){ hits, total },
                    (struct serving_share_count){ other_hits, other_total }, ALPHA, &t);
    return t;
}

/* M(p) for 0 of 0 against k of n by the definition: B(1 + k, 1 + n - k) / (p^k (1 - p)^(n - k)). */
static void evidence_is_what_the_formula_says(void **state)
{
    (void)state;
    /* 3 of 4 against 1 of 4: B(4,2) B(2,4) / (1/2)^8 = (1/20)^2 * 256 */
    struct serving_test t = compare(3, 4, 1, 4);
    assert_true(fabs(t.log_e - log(256.0 / 400.0)) < 1e-9);
    assert_true(fabs(t.difference - 0.5) < 1e-12);
    assert_true(t.p == 1); /* less than none at all */
    /* 90 of 100 against 50 of 100: pooled 0.7 */
    t = compare(90, 100, 50, 100);
    double mixture = lgamma(91) + lgamma(11) - lgamma(102) + 2 * lgamma(51) - lgamma(102);
    assert_true(fabs(t.log_e - (mixture - 140 * log(0.7) - 60 * log(0.3))) < 1e-6);
    assert_true(t.p < 1e-5 && t.low > 0.1 && t.high < 0.7);
}

static void the_interval_and_p_agree(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 1000; i++) {
        int64_t n = 1 + (int64_t)rng_below(&r, 3000), m = 1 + (int64_t)rng_below(&r, 3000);
        int64_t k = (int64_t)rng_below(&r, (uint64_t)n + 1),
                h = (int64_t)rng_below(&r, (uint64_t)m + 1);
        struct serving_test t = compare(k, n, h, m);
        assert_true(t.low <= t.difference && t.difference <= t.high);
        if (fabs(t.low) > 1e-9)
            assert_int_equal(t.low > 0, t.p <= ALPHA);
        struct serving_test other = compare(h, m, k, n);
        assert_true(fabs(other.low + t.high) < 1e-9);
    }
}

static void little_says_nothing_and_extremes_are_no_trouble(void **state)
{
    (void)state;
    static const int64_t cases[][4] = {
        { 0, 0, 0, 0 }, { 0, 0, 5, 9 },     { 1, 1, 0, 1 },
        { 2, 2, 0, 2 }, { 0, 900, 0, 900 }, { 900, 900, 900, 900 }
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct serving_test t = compare(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
        assert_true(t.p > ALPHA && t.low < 0 && t.high > 0);
    }
    struct serving_test t = compare(900, 900, 0, 900);
    assert_true(t.low > 0.9 && t.high == 1 && t.p < 1e-100);
    t = compare(500100000, 1000000000, 499900000, 1000000000);
    assert_true(t.p < ALPHA && t.low > 0 && t.high < 0.001);
}

/* One life of two models: `looks` times `each` games to one or the other, as the split has it.
 * Returns the look at which B was taken for better, or 0. */
static int life(struct rng *r, double production, double b, double ratio, int looks, int each,
                struct serving_share_count *counts)
{
    counts[0] = counts[1] = (struct serving_share_count){ 0, 0 };
    for (int look = 1; look <= looks; look++) {
        for (int i = 0; i < each; i++) {
            int side = rng_unit(r) < ratio ? 0 : 1;
            counts[side].total++;
            counts[side].hits += rng_unit(r) < (side ? b : production);
        }
        struct serving_test t;
        serving_compare(counts[1], counts[0], ALPHA, &t);
        if (t.p <= ALPHA)
            return look;
    }
    return 0;
}

static void equal_models_are_rarely_swapped_however_often_one_looks(void **state)
{
    (void)state;
    enum { LIVES = 400, LOOKS = 60, EACH = 25 };
    static const double shares[] = { 0.5, 0.36, 0.05 };
    struct serving_share_count counts[2];
    struct rng r;
    rng_init(&r, 1);
    for (size_t s = 0; s < COUNT_OF(shares); s++) {
        int swaps = 0;
        for (int i = 0; i < LIVES; i++)
            swaps += life(&r, shares[s], shares[s], i % 2 ? 0.5 : 0.9, LOOKS, EACH, counts) > 0;
        assert_true(swaps <= ALPHA * LIVES); /* the bound is of the expectation; far fewer occur */
    }
}

/* The intervals of all looks hold the truth at once, in nearly all lives. */
static void intervals_hold_the_truth_at_all_times(void **state)
{
    (void)state;
    enum { LIVES = 300, LOOKS = 30, EACH = 30 };
    struct serving_share_count counts[2] = { { 0, 0 }, { 0, 0 } };
    struct rng r;
    int missed = 0;
    rng_init(&r, 2);
    for (int i = 0; i < LIVES; i++) {
        bool ok = true;
        counts[0] = counts[1] = (struct serving_share_count){ 0, 0 };
        for (int look = 0; look < LOOKS; look++) {
            for (int k = 0; k < EACH; k++) {
                int side = (int)rng_below(&r, 2);
                counts[side].total++;
                counts[side].hits += rng_unit(&r) < (side ? 0.55 : 0.4);
            }
            struct serving_test t;
            serving_compare(counts[1], counts[0], ALPHA, &t);
            ok = ok && t.low <= 0.15 && 0.15 <= t.high;
        }
        missed += !ok;
    }
    assert_true(missed <= ALPHA * LIVES);
}

static void a_better_model_is_found(void **state)
{
    (void)state;
    enum { LIVES = 200, LOOKS = 40, EACH = 100 };
    struct serving_share_count counts[2];
    struct rng r;
    int found = 0, early = 0;
    rng_init(&r, 3);
    for (int i = 0; i < LIVES; i++) {
        int look = life(&r, 0.45, 0.55, 0.5, LOOKS, EACH, counts); /* up to 4000 games */
        found += look > 0;
        early += look > 0 && look <= LOOKS / 2;
    }
    assert_true(found >= LIVES * 95 / 100);
    assert_true(early >= LIVES * 60 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_what_the_formula_says),
        cmocka_unit_test(the_interval_and_p_agree),
        cmocka_unit_test(little_says_nothing_and_extremes_are_no_trouble),
        cmocka_unit_test(equal_models_are_rarely_swapped_however_often_one_looks),
        cmocka_unit_test(intervals_hold_the_truth_at_all_times),
        cmocka_unit_test(a_better_model_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

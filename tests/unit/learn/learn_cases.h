/* SPDX-License-Identifier: GPL-3.0-or-later */
/* learn_cases.h -- made-up tables that the tests of trainers learn from. */
#ifndef SKERRY_TEST_LEARN_CASES_H
#define SKERRY_TEST_LEARN_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/rand.h"
#include "engine/learn/training.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))
#define assert_ok(call)                  \
    do {                                 \
        err ok_err_ = (call);            \
        if (ok_err_.code)                \
            fail_msg("%s", ok_err_.msg); \
    } while (0)

enum { CASE_FEATURES = 8 };

/* Three classes of which the odds follow from x0, x1 and, not linearly, x2 * x3; the other features
 * are noise, far from zero or never different. `lean` makes class 0 more frequent. */
static inline void case_fill(struct learn_table *t, size_t rows, double lean, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    assert_ok(learn_table_init(t, CASE_FEATURES, 3, rows));
    for (size_t i = 0; i < rows; i++) {
        double x[CASE_FEATURES], logit[3], sum = 0;
        for (size_t f = 0; f < CASE_FEATURES; f++)
            x[f] = (double)rng_normal(&rng);
        logit[0] = lean + 2 * x[0] + x[2] * x[3];
        logit[1] = -x[0] + 1.5 * x[1];
        logit[2] = -x[1] - x[2] * x[3];
        for (size_t c = 0; c < 3; c++)
            sum += logit[c] = exp(logit[c]);
        double u = rng_unit(&rng) * sum;
        size_t label = u < logit[0] ? 0 : u < logit[0] + logit[1] ? 1 : 2;
        x[6] = 1e6 + x[6];
        x[7] = 0.1;
        assert_ok(learn_table_add(t, x, label, i / 10, (int64_t)i));
    }
}

/* Row numbers from..to, to be freed. */
static inline uint32_t *case_rows(size_t from, size_t to)
{
    uint32_t *rows = malloc((to - from + 1) * sizeof *rows);
    assert_non_null(rows);
    for (size_t i = from; i < to; i++)
        rows[i - from] = (uint32_t)i;
    return rows;
}

static const uint8_t case_danger[3] = { 1, 2, 0 };

#endif

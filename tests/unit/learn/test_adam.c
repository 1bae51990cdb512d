/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The schedule and the optimizer's bookkeeping: when wrong, training is quietly worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/learn/adam.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_schedule(void **state)
{
    struct learn_schedule s = {
        .decay = LEARN_DECAY_LINEAR, .rate = 2, .warm_up = 0.1, .end_share = 0.01
    };
    assert_near(learn_schedule_rate(&s, 0), 0, 1e-12);
    assert_near(learn_schedule_rate(&s, 0.05), 1, 1e-12);
    assert_near(learn_schedule_rate(&s, 0.1), 2, 1e-12);
    assert_near(learn_schedule_rate(&s, 0.55), 2 * (0.01 + 0.99 * 0.5), 1e-12);
    assert_near(learn_schedule_rate(&s, 1), 0.02, 1e-12);
    assert_near(learn_schedule_rate(&s, 7), 0.02, 1e-12);
    assert_near(learn_schedule_rate(&s, -1), 0, 1e-12);
    s.decay = LEARN_DECAY_COSINE;
    assert_near(learn_schedule_rate(&s, 0.1), 2, 1e-12);
    assert_near(learn_schedule_rate(&s, 0.55), 2 * (0.01 + 0.99 * 0.5), 1e-12);
    assert_true(learn_schedule_rate(&s, 0.325) > 2 * 0.84); /* above the line in the first half */
    s.warm_up = 0;
    assert_near(learn_schedule_rate(&s, 0), 2, 1e-12);
}

/* Adam must find the bottom of a badly scaled bowl, and its first step must have the size of the
 * rate. */
static void test_adam_descends(void **state)
{
    enum { N = 16 };
    const struct learn_kernels *kernels = learn_kernels_best();
    struct learn_adam adam;
    assert_int_equal(learn_adam_init(&adam, N).code, ERR_NONE);
    float w[N], gradient[N];
    float *parts[1] = { gradient };
    for (int i = 0; i < N; i++)
        w[i] = (float)(i - 8) + 0.5f;
    for (int step = 0; step < 3000; step++) {
        for (int i = 0; i < N; i++)
            gradient[i] = (w[i] - 1) * powf(10, (float)(i % 5) - 2);
        struct learn_adam_factors f = learn_adam_next(&adam, 0.02 * (1 - step / 3000.0), 1);
        float before = w[0];
        kernels->adam(w, adam.first, adam.second, parts, 1, N, &f);
        if (step == 0)
            assert_near((double)(w[0] - before), 0.02, 1e-6);
    }
    for (int i = 0; i < N; i++)
        assert_near((double)w[i], 1, 0.02);
    assert_int_equal(adam.step, 3000);
    learn_adam_deinit(&adam);
    learn_adam_deinit(&adam);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_schedule),
                                        cmocka_unit_test(test_adam_descends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

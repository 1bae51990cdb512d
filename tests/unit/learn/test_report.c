/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reports against numbers worked out by hand: promotions are decided on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "engine/learn/report.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

struct seen {
    int count;
    double accuracy, acc_rock, precision_rock;
    bool has_acc_scissors, has_f1_scissors;
};

static err see(void *arg, const char *name, double value)
{
    struct seen *s = arg;
    s->count++;
    if (strcmp(name, "test_accuracy") == 0)
        s->accuracy = value;
    if (strcmp(name, "test_acc_rock") == 0)
        s->acc_rock = value;
    if (strcmp(name, "test_precision_rock") == 0)
        s->precision_rock = value;
    s->has_acc_scissors |= strcmp(name, "test_acc_scissors") == 0;
    s->has_f1_scissors |= strcmp(name, "test_f1_scissors") == 0;
    return s->count == 100 ? ERR(ERR_CANCELLED, "enough") : OK;
}

static err refuse(void *arg, const char *name, double value)
{
    return ERR(ERR_IO, "%s", name);
}

static void test_figures(void **state)
{
    const float rock[] = { 0.6f, 0.3f, 0.1f }, paper[] = { 0.2f, 0.5f, 0.3f };
    struct learn_report half = { .class_count = 3 }, r = { .class_count = 3 };
    const str names[] = { STR("rock"), STR("paper"), STR("scissors") };
    struct seen seen = { 0 };

    assert_true(isnan(learn_report_accuracy(&r)) && isnan(learn_report_macro_f1(&r)));
    learn_report_add(&r, rock, 0);
    learn_report_add(&r, rock, 0);
    learn_report_add(&half, paper, 0);
    learn_report_add(&half, paper, 1);
    learn_report_add(&half, rock, 1);
    learn_report_merge(&r, &half);

    assert_near(learn_report_accuracy(&r), 3 / 5.0, 1e-12);
    assert_near(learn_report_recall(&r, 0), 2 / 3.0, 1e-12);
    assert_near(learn_report_precision(&r, 0), 2 / 3.0, 1e-12);
    assert_near(learn_report_recall(&r, 1), 1 / 2.0, 1e-12);
    assert_near(learn_report_precision(&r, 1), 1 / 2.0, 1e-12);
    assert_true(isnan(learn_report_recall(&r, 2)) && isnan(learn_report_precision(&r, 2)));
    assert_near(learn_report_balanced_accuracy(&r), (2 / 3.0 + 0.5) / 2, 1e-12);
    assert_near(learn_report_macro_f1(&r), (2 / 3.0 + 0.5) / 2, 1e-12);
    double loss = -(2 * log(0.6) + log(0.2) + log(0.5) + log(0.3)) / 5;
    assert_near(learn_report_log_loss(&r), loss, 1e-6);
    double right = 0.4 * 0.4 + 0.3 * 0.3 + 0.1 * 0.1, missed = 0.8 * 0.8 + 0.5 * 0.5 + 0.3 * 0.3;
    double hit = 0.2 * 0.2 + 0.5 * 0.5 + 0.3 * 0.3, wrong = 0.6 * 0.6 + 0.7 * 0.7 + 0.1 * 0.1;
    assert_near(learn_report_brier(&r), (2 * right + missed + hit + wrong) / 5, 1e-6);

    assert_int_equal(learn_report_each(&r, "test", names, see, &seen).code, ERR_NONE);
    assert_int_equal(seen.count, 6 + 3 * 2); /* scissors never came up and were never said */
    assert_near(seen.accuracy, 0.6, 1e-12);
    assert_near(seen.acc_rock, 2 / 3.0, 1e-12);
    assert_near(seen.precision_rock, 2 / 3.0, 1e-12);
    assert_true(!seen.has_acc_scissors && !seen.has_f1_scissors);
    assert_int_equal(learn_report_each(&r, "test", names, refuse, NULL).code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_figures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

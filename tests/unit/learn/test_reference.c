/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, drift is told where there is none, or kept quiet where there is some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/learn/reference.h"

enum { BINS = LEARN_REFERENCE_BINS, ROWS = 1000 };

static void make(struct learn_reference *r)
{
    struct learn_table t;
    assert_int_equal(learn_table_init(&t, 3, 2, ROWS).code, ERR_NONE);
    for (size_t i = 0; i < ROWS; i++) { /* spread evenly; two values; a fifth is missing */
        const double row[] = { (double)((i * 37) % ROWS), i % 4 == 0 ? 1 : 0,
                               i % 5 ? (double)i : (double)NAN };
        assert_int_equal(learn_table_add(&t, row, i % 2, i, 0).code, ERR_NONE);
    }
    *r = (struct learn_reference){ .watched_count = 0 };
    for (size_t column = 0; column < 3; column++)
        assert_int_equal(learn_reference_watch(r, &t, column).code, ERR_NONE);
    learn_reference_answer(r, 0.34);
    learn_reference_answer(r, 0.39);
    learn_reference_answer(r, 1.0);
    learn_reference_answer(r, 0.95);
    learn_reference_close(r);
    learn_table_deinit(&t);
}

static void bins_are_tenths_as_far_as_values_differ(void **state)
{
    struct learn_reference r;
    make(&r);
    assert_int_equal(r.watched_count, 3);
    for (size_t i = 0; i < BINS; i++)
        assert_true(fabs(r.watched[0].shares[i] - 0.1) < 1e-9);
    double low = 0, high = 0;
    for (size_t i = 0; i < BINS; i++) { /* three quarters are below 1, whichever bins that is */
        bool is_high = i > 0 && r.watched[1].edges[i - 1] >= 1;
        *(is_high ? &high : &low) += r.watched[1].shares[i];
    }
    assert_true(fabs(low - 0.75) < 1e-9 && fabs(high - 0.25) < 1e-9);
    assert_true(r.watched[2].shares[BINS - 1] >= 0.2 && r.watched[2].shares[BINS - 1] < 0.3);
    assert_true(r.confidence[3] == 0.5 && r.confidence[9] == 0.5);
}

static bool read_back(const char *text, struct learn_reference *ret)
{
    const struct json *root = NULL;
    arena keep;
    arena_init(&keep, 1 << 20);
    assert_int_equal(json_parse(&keep, str_of(text), &root).code, ERR_NONE);
    bool is_read = learn_reference_read(root, ret);
    arena_deinit(&keep);
    return is_read;
}

static void what_is_written_is_read(void **state)
{
    struct learn_reference r, again;
    struct json_out w;
    struct buf text;
    make(&r);
    buf_init(&text, 1 << 16);
    json_out_init(&w, &text);
    learn_reference_write(&r, &w);
    assert_true(read_back(text.ptr, &again));
    assert_memory_equal(&again.confidence, &r.confidence, sizeof r.confidence);
    assert_int_equal(again.watched_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(again.watched[i].column, i);
        assert_memory_equal(again.watched[i].edges, r.watched[i].edges, sizeof r.watched[i].edges);
        assert_memory_equal(again.watched[i].shares, r.watched[i].shares,
                            sizeof r.watched[i].shares);
    }
    buf_deinit(&text);
}

#define TENTHS "[0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1]"
#define UP "[1,2,3,4,5,6,7,8,9]"

static void what_others_wrote_is_refused(void **state)
{
    static const char *const wrong[] = {
        "{}",
        "[]",
        "{\"confidence\":" TENTHS "}",
        "{\"confidence\":[1],\"inputs\":[]}",
        "{\"confidence\":[0.2,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1],\"inputs\":[]}",
        "{\"confidence\":[1.1,-0.1,0,0,0,0,0,0,0,0],\"inputs\":[]}",
        "{\"confidence\":[\"a\",1,0,0,0,0,0,0,0,0],\"inputs\":[]}",
        "{\"confidence\":" TENTHS ",\"inputs\":[7]}",
        "{\"confidence\":" TENTHS ",\"inputs\":[{\"edges\":" UP ",\"shares\":" TENTHS "}]}",
        "{\"confidence\":" TENTHS ",\"inputs\":[{\"column\":-1,\"edges\":" UP ",\"shares\":" TENTHS
        "}]}",
        "{\"confidence\":" TENTHS
        ",\"inputs\":[{\"column\":1,\"edges\":[2,1,3,4,5,6,7,8,9],\"shares\":" TENTHS "}]}",
    };
    struct learn_reference r;
    assert_false(learn_reference_read(NULL, &r));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(read_back(wrong[i], &r));
    assert_true(read_back("{\"confidence\":" TENTHS ",\"inputs\":[{\"column\":1,\"edges\":" UP
                          ",\"shares\":" TENTHS "}]}",
                          &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_are_tenths_as_far_as_values_differ),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_others_wrote_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these failed, a destination that is away would be asked again and again, or never again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "platform/outbox/breaker.h"

static void test_pauses_grow_and_are_all_dice(void **state)
{
    struct breaker b;
    breaker_init(&b, 100, 60000);
    for (int i = 0; i < BREAKER_FAILURES_MAX - 1; i++) {
        int64_t now = 1000000 * (i + 1), high = 100LL << i;
        assert_int_equal(breaker_wait_ms(&b, now), 0);
        struct breaker again = b;
        breaker_failed(&again, now, 0, 0);
        assert_int_equal(breaker_wait_ms(&again, now), 0); /* the lowest throw */
        breaker_failed(&b, now, 0, (uint64_t)high);        /* the highest */
        assert_int_equal(breaker_wait_ms(&b, now), high);
        assert_int_equal(b.state, OUTBOX_CLOSED);
    }
}

static void test_opens_tries_one_and_closes(void **state)
{
    struct breaker b;
    int64_t now = 5000;
    breaker_init(&b, 10, 1000);
    for (int i = 1; i < BREAKER_FAILURES_MAX; i++)
        assert_false(breaker_failed(&b, now, 0, 7));
    assert_true(breaker_failed(&b, now, 0, 0)); /* says so once */
    assert_int_equal(b.state, OUTBOX_OPEN);
    assert_int_equal(breaker_wait_ms(&b, now), 500); /* at least half of the longest */
    assert_int_equal(b.state, OUTBOX_OPEN);
    now += 500;
    assert_int_equal(breaker_wait_ms(&b, now), 0);
    assert_int_equal(b.state, OUTBOX_HALF_OPEN);
    assert_false(breaker_failed(&b, now, 0, 500));
    assert_int_equal(b.state, OUTBOX_OPEN);
    assert_int_equal(breaker_wait_ms(&b, now), 1000);
    now += 1000;
    assert_int_equal(breaker_wait_ms(&b, now), 0);
    assert_true(breaker_succeeded(&b));
    assert_int_equal(b.state, OUTBOX_CLOSED);
    assert_false(breaker_succeeded(&b));
}

static void test_what_the_destination_asks_for(void **state)
{
    struct breaker b;
    breaker_init(&b, 10, 1000);
    breaker_failed(&b, 0, 30000, 0);
    assert_int_equal(breaker_wait_ms(&b, 0), 30000);
    breaker_init(&b, 10, 1000);
    breaker_failed(&b, 0, INT64_C(86400000), 0);
    assert_int_equal(breaker_wait_ms(&b, 0), BREAKER_ASKED_MAX_MS); /* within reason */
}

static void test_many_failures_do_not_overflow(void **state)
{
    struct breaker b;
    breaker_init(&b, 1000, 60000);
    for (int i = 0; i < 10000; i++) {
        breaker_failed(&b, 0, 0, UINT64_MAX);
        assert_in_range(breaker_wait_ms(&b, 0), 0, 60000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_and_are_all_dice),
        cmocka_unit_test(test_opens_tries_one_and_closes),
        cmocka_unit_test(test_what_the_destination_asks_for),
        cmocka_unit_test(test_many_failures_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"

enum { ITEMS = 10000 };

static void mark_item(void *arg, size_t index)
{
    atomic_fetch_add(&((atomic_int *)arg)[index], 1);
}

static void each_item_is_done_once(void **state)
{
    static atomic_int done[ITEMS];
    struct pool *p;
    assert_ok(pool_open("test", 4, 64, &p));
    pool_each(p, ITEMS, mark_item, done);
    pool_each(NULL, ITEMS, mark_item, done);
    pool_each(p, 0, mark_item, done);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(atomic_load(&done[i]), 2);
    pool_close(p);
}

struct gate {
    atomic_bool open;
    atomic_int entered, finished;
};

static void wait_at_gate(void *arg)
{
    struct gate *g = arg;
    atomic_fetch_add(&g->entered, 1);
    while (!atomic_load(&g->open))
        clock_sleep_ms(1);
    atomic_fetch_add(&g->finished, 1);
}

/* A full queue says so at once; work that was accepted is done before the pool is gone. */
static void the_queue_is_bounded_and_drained(void **state)
{
    struct pool *p;
    struct gate g = { 0 };
    int accepted = 0;
    assert_ok(pool_open("test", 1, 3, &p));
    assert_ok(pool_submit(p, wait_at_gate, &g));
    while (atomic_load(&g.entered) == 0)
        clock_sleep_ms(1);
    while (!pool_submit(p, wait_at_gate, &g).code)
        accepted++;
    assert_int_equal(accepted, 3);
    assert_err(pool_submit(p, wait_at_gate, &g), ERR_BUSY);
    assert_int_equal(pool_waiting(p), 3);
    atomic_store(&g.open, true);
    pool_close(p);
    assert_int_equal(atomic_load(&g.finished), 4);
    pool_close(NULL);
}

static void nothing(void *arg, size_t index)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

struct nested {
    struct pool *pool;
    atomic_int done;
};

static void each_within(void *arg, size_t index)
{
    struct nested *n = arg;
    pool_each(n->pool, 10, nothing, &n->done);
}

/* A parallel loop inside a parallel loop must end even when every worker is inside one. */
static void loops_may_be_nested(void **state)
{
    struct nested n = { 0 };
    assert_ok(pool_open("test", 2, 4, &n.pool));
    pool_each(n.pool, 50, each_within, &n);
    assert_int_equal(atomic_load(&n.done), 500);
    pool_close(n.pool);
}

static void a_caller_does_not_wait_behind_others(void **state)
{
    struct pool *p;
    struct gate g = { 0 };
    static atomic_int done[ITEMS];
    assert_ok(pool_open("test", 2, 8, &p));
    assert_ok(pool_submit(p, wait_at_gate, &g));
    assert_ok(pool_submit(p, wait_at_gate, &g));
    pool_each(p, 100, mark_item, done); /* both workers are held: the caller does it all */
    for (int i = 0; i < 100; i++)
        assert_int_equal(atomic_load(&done[i]), 1);
    atomic_store(&g.open, true);
    pool_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_done_once),
        cmocka_unit_test(the_queue_is_bounded_and_drained),
        cmocka_unit_test(loops_may_be_nested),
        cmocka_unit_test(a_caller_does_not_wait_behind_others),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}

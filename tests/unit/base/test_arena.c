/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <string.h>

#include "base/arena.h"

static void memory_is_zeroed_aligned_and_distinct(void **state)
{
    arena a;
    arena_init(&a, 1 << 20);
    unsigned char *last = NULL;
    for (size_t align = 1; align <= 64; align *= 2) {
        unsigned char *p = arena_alloc(&a, 3, 5, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        for (int i = 0; i < 15; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, 15);
        assert_ptr_not_equal(p, last);
        last = p;
    }
    arena_deinit(&a);
}

/* A request that asks for too much must get an error, never the whole machine's memory. */
static void the_cap_holds(void **state)
{
    arena a;
    arena_init(&a, 100000);
    assert_non_null(arena_alloc(&a, 50000, 1, 1));
    assert_ok(arena_check(&a));
    assert_null(arena_alloc(&a, 90000, 1, 1));
    assert_null(arena_alloc(&a, SIZE_MAX / 2, 3, 8)); /* the product overflows */
    assert_err(arena_check(&a), ERR_NO_MEMORY);
    assert_true(a.bytes_used <= 100000);
    arena_reset(&a);
    assert_ok(arena_check(&a));
    assert_non_null(arena_alloc(&a, 90000, 1, 1));
    arena_deinit(&a);
}

static void small_pieces_fill_the_cap(void **state)
{
    arena a;
    size_t got = 0;
    arena_init(&a, 1 << 20);
    while (arena_alloc(&a, 1, 100, 1))
        got += 100;
    assert_true(got > (1 << 20) * 9 / 10); /* chunks waste little */
    assert_true(a.bytes_used <= 1 << 20);
    arena_deinit(&a);
}

struct order {
    int seen[3];
    int count;
};
struct mark {
    struct order *order;
    int number;
};

static void note(void *arg)
{
    struct mark *m = arg;
    m->order->seen[m->order->count++] = m->number;
}

/* Hooks close files and drop references: each once, the newest first. */
static void hooks_run_once_in_reverse(void **state)
{
    arena a;
    struct order order = { 0 };
    struct mark marks[3] = { { &order, 1 }, { &order, 2 }, { &order, 3 } };
    arena_init(&a, 1 << 16);
    for (int i = 0; i < 3; i++)
        assert_ok(arena_on_reset(&a, note, &marks[i]));
    arena_reset(&a);
    arena_reset(&a);
    assert_int_equal(order.count, 3);
    assert_int_equal(order.seen[0], 3);
    assert_int_equal(order.seen[2], 1);
    arena_deinit(&a);
}

/* If this failed, one request would see or keep another's memory. */
static void a_rewound_arena_is_empty_and_keeps_little(void **state)
{
    arena a;
    struct order order = { 0 };
    struct mark mark = { &order, 1 };
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        assert_ok(arena_on_reset(&a, note, &mark));
        unsigned char *small = arena_alloc(&a, 1000, 1, 1);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(small[i], 0);
        memset(small, 0xAA, 1000);
        assert_non_null(arena_alloc(&a, 300000, 1, 1));
        assert_null(arena_alloc(&a, 2 << 20, 1, 1));
        assert_err(arena_check(&a), ERR_NO_MEMORY);
        arena_rewind(&a);
        assert_int_equal(order.count, round + 1);
        assert_ok(arena_check(&a));
        assert_true(a.bytes_used <= 16 * 1024);
    }
    arena_rewind(&a);
    assert_int_equal(order.count, 3); /* a hook runs once */
    assert_non_null(
        arena_alloc(&a, 900000, 1, 1)); /* the cap is whole again, but for what is kept */
    arena_deinit(&a);
    assert_int_equal(a.bytes_used, 0);
}

static void strings_are_terminated_copies(void **state)
{
    arena a;
    arena_init(&a, 1 << 16);
    str s = arena_str(&a, str_from("abcd", 2));
    assert_int_equal(s.len, 2);
    assert_string_equal(s.ptr, "ab");
    assert_string_equal(arena_cstr(&a, STR_NONE), "");
    str f = arena_fmt(&a, "%d-%s", 7, "x");
    assert_string_equal(f.ptr, "7-x");
    assert_int_equal(f.len, 3);
    arena_deinit(&a);
    arena zero = { 0 };
    arena_deinit(&zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_distinct),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(small_pieces_fill_the_cap),
        cmocka_unit_test(hooks_run_once_in_reverse),
        cmocka_unit_test(a_rewound_arena_is_empty_and_keeps_little),
        cmocka_unit_test(strings_are_terminated_copies),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/rand.h"

enum { KEYS = 2000 };

/* Random puts and removes against an array that cannot be wrong. */
static void behaves_like_an_array(void **state)
{
    static char names[KEYS][16];
    bool present[KEYS] = { false };
    struct map m;
    struct rng rng;
    map_init(&m, KEYS);
    rng_init(&rng, 1);
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "k%d", i);
    for (int step = 0; step < 100000; step++) {
        size_t k = rng_below(&rng, KEYS);
        if (rng_below(&rng, 2)) {
            union map_value *v;
            bool is_new;
            assert_ok(map_put(&m, str_of(names[k]), &v, &is_new));
            assert_int_equal(is_new, !present[k]);
            v->num = (int64_t)k;
            present[k] = true;
        } else {
            assert_int_equal(map_remove(&m, str_of(names[k])), present[k]);
            present[k] = false;
        }
    }
    size_t count = 0, index = 0;
    for (int i = 0; i < KEYS; i++) {
        union map_value *v = map_find(&m, str_of(names[i]));
        assert_int_equal(v != NULL, present[i]);
        if (v)
            assert_int_equal(v->num, i);
        count += present[i];
    }
    assert_int_equal(m.count, count);
    while (map_next(&m, &index))
        count--;
    assert_int_equal(count, 0);
    map_deinit(&m);
}

static void the_maximum_holds(void **state)
{
    struct map m;
    union map_value *v;
    bool is_new;
    map_init(&m, 2);
    assert_ok(map_put(&m, STR("a"), &v, &is_new));
    assert_ok(map_put(&m, STR(""), &v, &is_new));
    assert_err(map_put(&m, STR("c"), &v, &is_new), ERR_TOO_BIG);
    assert_ok(map_put(&m, STR("a"), &v, &is_new));
    assert_false(is_new);
    assert_non_null(map_find(&m, STR("")));
    map_deinit(&m);
    assert_null(map_find(&m, STR("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_an_array),
        cmocka_unit_test(the_maximum_holds),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/clock.h"
#include "base/rand.h"

/* Trainings are repeatable because this sequence is fixed: golden values of xoshiro256** seeded
 * with splitmix64(1), computed from the published algorithms. */
static void same_seed_same_numbers(void **state)
{
    struct rng a, b;
    rng_init(&a, 1);
    rng_init(&b, 1);
    assert_true(a.s[0] == 0x910A2DEC89025CC1u);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_u64(&a) == rng_u64(&b));
    rng_init(&b, 2);
    assert_true(rng_u64(&a) != rng_u64(&b));
}

static void numbers_are_in_range_and_even(void **state)
{
    struct rng r;
    int counts[10] = { 0 };
    double sum = 0, square = 0;
    rng_init(&r, 3);
    for (int i = 0; i < 100000; i++) {
        counts[rng_below(&r, 10)]++;
        double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
        double n = rng_normal(&r);
        sum += n;
        square += n * n;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_true(fabs(sum / 100000) < 0.02);
    assert_true(fabs(square / 100000 - 1) < 0.03);
    assert_int_equal(rng_below(&r, 1), 0);
}

static void shuffling_keeps_all(void **state)
{
    struct rng r;
    uint32_t items[100];
    bool seen[100] = { false };
    rng_init(&r, 4);
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    rng_shuffle_u32(&r, items, 100);
    int moved = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_false(seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    assert_true(moved > 50);
}

/* The first outputs of splitmix64 from seed 0, as its authors' code gives them: splits of datasets
 * and the order of trainings hang on them. */
static void mixing_is_splitmix64(void **state)
{
    assert_true(rand_mix(0) == 0xE220A8397B1DCDAFu);
    assert_true(rand_mix(RAND_MIX_STEP) == 0x6E789E6AA1B965F4u);
    assert_true(rand_mix(2 * RAND_MIX_STEP) == 0x06C45D188009454Fu);
}

static void ids_have_their_shape(void **state)
{
    char a[UUID_BYTES], b[UUID_BYTES], hex[HEX_ID_BYTES];
    rand_uuid(a);
    rand_uuid(b);
    rand_hex_id(hex);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '7');
    assert_non_null(strchr("89ab", a[19]));
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(hex), 32);
    assert_int_equal(strspn(hex, "0123456789abcdef"), 32);
}

/* "The newest" is told by the id where two rows have the same millisecond. */
static void later_ids_sort_later(void **state)
{
    char before[UUID_BYTES], after[UUID_BYTES];
    rand_uuid(before);
    for (int i = 0; i < 1000; i++) {
        int64_t start = clock_wall_ns();
        while (clock_wall_ns() - start < 1000)
            continue;
        rand_uuid(after);
        assert_true(strcmp(before, after) < 0);
        memcpy(before, after, sizeof before);
    }
}

/* FIPS 180-4 examples: a digest that differs from everybody else's finds no blob. */
static void sha256_is_sha256(void **state)
{
    char hex[SHA256_HEX_BYTES];
    sha256_hex_of(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex_of(STR_NONE, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(hash_equal_secret("ab", "ab", 2));
    assert_false(hash_equal_secret("ab", "ac", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_numbers), cmocka_unit_test(numbers_are_in_range_and_even),
        cmocka_unit_test(shuffling_keeps_all),    cmocka_unit_test(mixing_is_splitmix64),
        cmocka_unit_test(ids_have_their_shape),   cmocka_unit_test(later_ids_sort_later),
        cmocka_unit_test(sha256_is_sha256),
    };
    return cmocka_run_group_tests_name("rand", tests, NULL, NULL);
}

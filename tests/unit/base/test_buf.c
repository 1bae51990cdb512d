/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* The first refusal is remembered: a reply that was cut must never be sent as if it were whole. */
static void refusal_is_sticky(void **state)
{
    struct buf b;
    buf_init(&b, 10);
    buf_add(&b, STR("12345"));
    buf_add(&b, STR("1234567"));
    buf_add(&b, STR("x"));
    assert_err(buf_check(&b), ERR_TOO_BIG);
    assert_true(str_eq(buf_str(&b), STR("12345")));
    buf_clear(&b);
    assert_ok(buf_check(&b));
    buf_add(&b, STR("1234567890"));
    assert_ok(buf_check(&b));
    assert_int_equal(b.ptr[10], '\0');
    assert_null(buf_reserve(&b, 1));
    buf_deinit(&b);
    buf_deinit(&b);
}

static void numbers_are_written_shortest(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = { { 0.1, "0.1" },
                  { 1, "1" },
                  { -2.5, "-2.5" },
                  { 1e21, "1e+21" },
                  { 1.0 / 3, "0.3333333333333333" },
                  { 123456789012, "123456789012" } };
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&b);
        buf_add_f64(&b, cases[i].value);
        assert_string_equal(b.ptr, cases[i].text);
        assert_true(strtod(b.ptr, NULL) == cases[i].value);
    }
    static const struct {
        double value;
        const char *text;
    } reals[] = { { 0, "0.0" },
                  { -0.0, "-0.0" },
                  { -4, "-4.0" },
                  { 1e15, "1000000000000000.0" },
                  { 0.5, "0.5" },
                  { 1e16, "1e+16" },
                  { 9007199254740993.0, "9007199254740992.0" } };
    for (size_t i = 0; i < COUNT_OF(reals); i++) {
        buf_clear(&b);
        buf_add_real(&b, reals[i].value);
        assert_string_equal(b.ptr, reals[i].text);
    }
    buf_clear(&b);
    buf_add_i64(&b, INT64_MIN);
    assert_string_equal(b.ptr, "-9223372036854775808");
    buf_clear(&b);
    buf_add_fmt(&b, "%s=%d", "a", 5);
    assert_string_equal(b.ptr, "a=5");
    buf_deinit(&b);
}

/* The fast way and printf write the same: digits do not change with the version. */
static void numbers_are_written_as_printf_would(void **state)
{
    uint64_t seed = 88172645463325252ULL;
    struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 200000; i++) {
        double value;
        char text[40];
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if (i % 4 == 0)
            memcpy(&value, &seed, sizeof value);
        else if (i % 4 == 1)
            value = (double)(seed % 1000000) / pow(10, i % 11);
        else if (i % 4 == 2)
            value = ldexp(i % 8 < 4 ? 1 : 1 + (double)(seed % 3) * 0x1p-52, (int)(seed % 80) - 20);
        else
            value = (double)(seed >> 11) * 0x1p-53 * pow(10, i % 22 - 5);
        if (!isfinite(value) || value == floor(value))
            continue;
        value = i & 1 ? -value : value;
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
        buf_clear(&b);
        buf_add_f64(&b, value);
        assert_string_equal(b.ptr, text);
    }
    buf_deinit(&b);
}

static void what_is_written_reads_back(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_add_u8(&b, 0xAB);
    buf_add_u16(&b, 0x1234);
    buf_add_u32(&b, 0xDEADBEEF);
    buf_add_u64(&b, UINT64_MAX - 1);
    buf_add_f32(&b, 1.5f);
    static const uint64_t varints[] = { 0, 127, 128, 16384, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(varints); i++)
        buf_add_varint(&b, varints[i]);
    struct cursor c = cursor_of(buf_str(&b));
    assert_int_equal(cursor_u8(&c), 0xAB);
    assert_int_equal(cursor_u16(&c), 0x1234);
    assert_int_equal(cursor_u32(&c), 0xDEADBEEF);
    assert_true(cursor_u64(&c) == UINT64_MAX - 1);
    assert_true(cursor_f32(&c) == 1.5f);
    for (size_t i = 0; i < COUNT_OF(varints); i++)
        assert_true(cursor_varint(&c) == varints[i]);
    assert_int_equal(cursor_left(&c), 0);
    assert_false(c.bad);
    buf_deinit(&b);
}

/* Files come from disks and strangers: reading past the end gives zeros and says so. */
static void reading_past_the_end_is_bad(void **state)
{
    struct cursor c = cursor_of(STR("ab"));
    assert_int_equal(cursor_u32(&c), 0);
    assert_true(c.bad);
    assert_int_equal(cursor_u8(&c), 0); /* stays bad, even though a byte is there */
    struct cursor endless = cursor_of(STR("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"));
    cursor_varint(&endless);
    assert_true(endless.bad);
    struct cursor overflow = cursor_of(STR("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"));
    cursor_varint(&overflow);
    assert_true(overflow.bad);
    struct cursor empty = cursor_of(STR_NONE);
    assert_int_equal(cursor_bytes(&empty, 1).len, 0);
    assert_true(empty.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_is_sticky),
        cmocka_unit_test(numbers_are_written_shortest),
        cmocka_unit_test(numbers_are_written_as_printf_would),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(reading_past_the_end_is_bad),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

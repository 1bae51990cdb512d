/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include "base/str.h"

static void slices_compare_by_content(void **state)
{
    assert_true(str_eq(STR("abc"), str_of("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eq_nocase(STR("BlItZ"), STR("blitz")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
    assert_true(str_starts(STR("/v1/x"), STR("/v1/")));
    assert_false(str_starts(STR("/v"), STR("/v1/")));
    assert_true(str_ends(STR("a.pgn"), STR(".pgn")));
}

static void splitting_ends(void **state)
{
    str rest = STR("a,b,,c");
    assert_true(str_eq(str_split(&rest, ','), STR("a")));
    assert_true(str_eq(str_split(&rest, ','), STR("b")));
    assert_true(str_eq(str_split(&rest, ','), STR("")));
    assert_true(str_eq(str_split(&rest, ','), STR("c")));
    assert_int_equal(rest.len, 0);
}

static void sub_is_clamped(void **state)
{
    assert_true(str_eq(str_sub(STR("abc"), 1, 99), STR("bc")));
    assert_int_equal(str_sub(STR("abc"), 9, 1).len, 0);
    assert_true(str_eq(str_trim(STR(" \t x y\r\n")), STR("x y")));
    assert_int_equal(str_find(STR("hello"), STR("lo")), 3);
    assert_int_equal(str_find(STR("hello"), STR("xx")), -1);
    assert_int_equal(str_find(STR("he"), STR("hello")), -1);
}

/* A number that is silently cut or wraps around becomes a limit, a port, a date nobody asked for.
 */
static void whole_numbers_are_strict(void **state)
{
    static const struct {
        str text;
        bool good;
        int64_t value;
    } cases[] = {
        { STR_INIT("0"), true, 0 },
        { STR_INIT("-5"), true, -5 },
        { STR_INIT("9223372036854775807"), true, INT64_MAX },
        { STR_INIT("-9223372036854775808"), true, INT64_MIN },
        { STR_INIT("9223372036854775808"), false, 0 },
        { STR_INIT("-9223372036854775809"), false, 0 },
        { STR_INIT(""), false, 0 },
        { STR_INIT("-"), false, 0 },
        { STR_INIT("1 "), false, 0 },
        { STR_INIT("0x10"), false, 0 },
        { STR_INIT("1.0"), false, 0 },
        { STR_INIT("+1"), false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 42;
        err e = str_to_i64(cases[i].text, &value);
        assert_int_equal(e.code == ERR_NONE, cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 42));
    }
}

static void numbers_are_finite_and_whole(void **state)
{
    double value = 7;
    assert_ok(str_to_f64(STR("-1.5e3"), &value));
    assert_true(value == -1500);
    static const str bad[] = { STR_INIT(""),      STR_INIT("nan"), STR_INIT("inf"),
                               STR_INIT("1e999"), STR_INIT("1x"),  STR_INIT("0x1p3"),
                               STR_INIT(" 1") };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(str_to_f64(bad[i], &value), ERR_INVALID);
}

/* RFC 3629: what passes here goes into JSON replies as it is. */
static void utf8_is_checked(void **state)
{
    static const struct {
        str text;
        size_t valid;
    } cases[] = {
        { STR_INIT("ascii"), 5 },
        { STR_INIT("\xC3\xA9\xE2\x99\x98\xF0\x9F\x98\x80"), 9 },
        { STR_INIT("a\xC0\x80"), 1 },        /* overlong */
        { STR_INIT("\xE0\x80\xAF"), 0 },     /* overlong */
        { STR_INIT("\xED\xA0\x80"), 0 },     /* surrogate */
        { STR_INIT("\xF4\x90\x80\x80"), 0 }, /* above U+10FFFF */
        { STR_INIT("ab\xE2\x99"), 2 },       /* cut */
        { STR_INIT("\x80"), 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(str_utf8_valid_len(cases[i].text), cases[i].valid);
}

static void hashes_differ_and_repeat(void **state)
{
    assert_true(str_hash(STR("a")) == str_hash(str_of("a")));
    assert_true(str_hash(STR("a")) != str_hash(STR("b")));
    assert_true(str_hash(STR("abcdefgh")) != str_hash(STR("abcdefgi")));
    assert_true(str_hash(STR("ab")) != str_hash(str_from("ab\0", 3)));
}

/* Text from XML, UTF-16 games and escapes in queries becomes UTF-8: both ends of every length. */
static void code_points_become_utf8(void **state)
{
    static const struct {
        uint32_t c;
        const char *text;
    } points[] = {
        { 'A', "A" },
        { 0x7f, "\x7f" },
        { 0x80, "\xc2\x80" },
        { 0x7ff, "\xdf\xbf" },
        { 0x800, "\xe0\xa0\x80" },
        { 0xffff, "\xef\xbf\xbf" },
        { 0x10000, "\xf0\x90\x80\x80" },
        { 0x10ffff, "\xf4\x8f\xbf\xbf" },
    };
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        char out[4];
        size_t count = str_utf8_put(points[i].c, out);
        assert_true(str_eq(str_from(out, count), str_of(points[i].text)));
        assert_int_equal(str_utf8_valid_len(str_from(out, count)), count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_content),
        cmocka_unit_test(code_points_become_utf8),
        cmocka_unit_test(splitting_ends),
        cmocka_unit_test(sub_is_clamped),
        cmocka_unit_test(whole_numbers_are_strict),
        cmocka_unit_test(numbers_are_finite_and_whole),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(hashes_differ_and_repeat),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}

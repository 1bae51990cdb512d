/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, browsers show old pages, or resumed downloads are glued together wrongly. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "platform/http/http_internal.h"

static void tags_compare_weakly(void **state)
{
    (void)state;
    assert_true(etag_matches(STR("\"a\""), "\"a\""));
    assert_true(etag_matches(STR("W/\"a\""), "\"a\""));
    assert_true(etag_matches(STR("\"b\", W/\"a\" , \"c\""), "W/\"a\""));
    assert_true(etag_matches(STR("*"), "\"a\""));
    assert_false(etag_matches(STR("\"b\""), "\"a\""));
    assert_false(etag_matches(STR("a"), "\"a\""));
    assert_false(etag_matches(STR(""), "\"a\""));
}

static void ranges_are_cut(void **state)
{
    static const struct {
        const char *header;
        enum range_result result;
        int64_t from, length;
    } rows[] = {
        { "bytes=0-0", RANGE_ONE, 0, 1 },
        { "bytes=0-99", RANGE_ONE, 0, 100 },
        { "bytes=10-", RANGE_ONE, 10, 90 },
        { "bytes=-10", RANGE_ONE, 90, 10 },
        { "bytes=-1000", RANGE_ONE, 0, 100 },
        { "bytes=50-1000", RANGE_ONE, 50, 50 },
        { "Bytes=99-", RANGE_ONE, 99, 1 },
        { "bytes=100-", RANGE_BEYOND, 0, 0 },
        { "bytes=-0", RANGE_BEYOND, 0, 0 },
        { "bytes=5-4", RANGE_NONE, 0, 0 },
        { "bytes=a-b", RANGE_NONE, 0, 0 },
        { "bytes=", RANGE_NONE, 0, 0 },
        { "bytes=-", RANGE_NONE, 0, 0 },
        { "bytes=0-1,5-6", RANGE_NONE, 0, 0 },
        { "bytes=99999999999999999999-", RANGE_NONE, 0, 0 },
        { "lines=0-1", RANGE_NONE, 0, 0 },
        { "", RANGE_NONE, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct byte_range range = { 0 };
        enum range_result result = range_parse(str_of(rows[i].header), 100, &range);
        if (result != rows[i].result || range.from != rows[i].from ||
            range.length != rows[i].length)
            fail_msg("'%s': %d %lld+%lld", rows[i].header, result, (long long)range.from,
                     (long long)range.length);
    }
    struct byte_range range;
    assert_int_equal(range_parse(STR("bytes=0-"), 0, &range), RANGE_BEYOND);
}

static void dates_go_both_ways(void **state)
{
    (void)state;
    char date[32];
    http_date(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    time_t t = 0;
    assert_true(http_date_parse(str_of(date), &t));
    assert_int_equal(t, 784111777);
    assert_false(http_date_parse(STR("Sunday, 06-Nov-94 08:49:37 GMT"), &t));
    assert_false(http_date_parse(STR(""), &t));
    assert_false(http_date_parse(STR("Xxx, 06 Nov 1994 08:49:37 GMT"), &t));
}

static void if_range_needs_the_same_version(void **state)
{
    (void)state;
    assert_true(range_is_current(STR(""), NULL, false, 0));
    assert_true(range_is_current(STR("\"a\""), "\"a\"", false, 0));
    assert_false(range_is_current(STR("\"b\""), "\"a\"", false, 0));
    assert_false(range_is_current(STR("W/\"a\""), "W/\"a\"", false, 0));
    assert_true(range_is_current(STR("Sun, 06 Nov 1994 08:49:37 GMT"), "\"a\"", true, 784111777));
    assert_false(range_is_current(STR("Sun, 06 Nov 1994 08:49:37 GMT"), "\"a\"", true, 784111778));
    assert_false(range_is_current(STR("garbage"), "\"a\"", true, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_compare_weakly),
        cmocka_unit_test(ranges_are_cut),
        cmocka_unit_test(dates_go_both_ways),
        cmocka_unit_test(if_range_needs_the_same_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

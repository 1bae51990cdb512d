/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include "base/clock.h"

static void instants_are_written_and_read(void **state)
{
    static const struct {
        int64_t ms;
        const char *iso;
    } cases[] = { { 0, "1970-01-01T00:00:00.000Z" },
                  { 1795257753123, "2026-11-21T10:42:33.123Z" },
                  { -1, "1969-12-31T23:59:59.999Z" },
                  { 951782400000, "2000-02-29T00:00:00.000Z" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char iso[CLOCK_ISO_BYTES];
        int64_t ms = 1;
        clock_iso(cases[i].ms, iso);
        assert_string_equal(iso, cases[i].iso);
        assert_ok(clock_parse(str_of(iso), &ms));
        assert_true(ms == cases[i].ms);
    }
}

static void offsets_and_dates_are_read(void **state)
{
    int64_t ms;
    assert_ok(clock_parse(STR("2026-11-21"), &ms));
    assert_true(ms == 1795219200000);
    assert_ok(clock_parse(STR("2026-11-21T12:00:00+02:00"), &ms));
    assert_true(ms == 1795255200000);
    assert_ok(clock_parse(STR("2026-11-21 10:00Z"), &ms));
    assert_true(ms == 1795255200000);
}

/* A date that does not exist must not become another one. */
static void impossible_dates_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "2026",
                                       "2026-02-30",
                                       "2026-13-01",
                                       "2026-00-10",
                                       "2026-01-00",
                                       "2026-11-21T25:00:00Z",
                                       "2026-11-21T10:60:00Z",
                                       "2026-11-21T10:00:00",
                                       "2026-11-21T10:00:00.Z",
                                       "2026-11-21x",
                                       "????.??.??",
                                       "2026-11-21T10:00:00+25:00" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ms = 77;
        assert_err(clock_parse(str_of(bad[i]), &ms), ERR_INVALID);
        assert_true(ms == 77);
    }
}

static void monotonic_time_does_not_go_back(void **state)
{
    int64_t before = clock_mono_ns();
    clock_sleep_ms(2);
    assert_true(clock_mono_ns() - before >= 2000000);
    assert_true(clock_cpu_ns() >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_written_and_read),
        cmocka_unit_test(offsets_and_dates_are_read),
        cmocka_unit_test(impossible_dates_are_refused),
        cmocka_unit_test(monotonic_time_does_not_go_back),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}

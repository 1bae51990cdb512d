/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, nightly jobs run at the wrong time, twice, or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "platform/jobs/jobs.h"

struct by_hand {
    const char *cron, *after, *next;
};

/* What people expect, with the corners of the calendar. */
static const struct by_hand by_hand_cases[] = {
    { "* * * * *", "2026-08-01T10:22:33Z", "2026-08-01T10:23:00Z" },
    { "* * * * *", "2026-08-01T10:22:00Z", "2026-08-01T10:23:00Z" }, /* strictly after */
    { "*/15 * * * *", "2026-08-01T10:45:00Z", "2026-08-01T11:00:00Z" },
    { "0 3 * * *", "2026-08-01T03:00:00Z", "2026-08-02T03:00:00Z" },
    { "0 3 * * *", "2026-08-01T02:59:59.999Z", "2026-08-01T03:00:00Z" },
    { "59 23 31 12 *", "2026-08-01T00:00:00Z", "2026-12-31T23:59:00Z" },
    { "0 0 1 1 *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z" },
    /* leap years, the century that is none, and the one that is */
    { "0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
    { "0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" },
    { "0 0 29 feb *", "1999-12-31T00:00:00Z", "2000-02-29T00:00:00Z" },
    { "0 0 31 * *", "2026-02-01T00:00:00Z", "2026-03-31T00:00:00Z" },
    { "30 1 31 4-6 *", "2026-04-01T00:00:00Z", "2026-05-31T01:30:00Z" },
    /* day of month or day of week: either, when both are restricted */
    { "0 0 13 * fri", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z" },
    { "0 0 13 * 5", "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z" },
    { "0 0 14 * sun", "2026-11-13T00:00:00Z", "2026-11-14T00:00:00Z" },
    { "0 0 * * sun", "2026-11-13T00:00:00Z", "2026-11-15T00:00:00Z" },
    { "0 0 1-7 * */7", "2026-11-02T00:00:00Z", "2026-12-06T00:00:00Z" }, /* first Sunday: both */
    { "0 12 * * 7", "2026-08-01T00:00:00Z", "2026-08-02T12:00:00Z" },    /* 7 is Sunday too */
    { "0 12 * * 5-7", "2026-08-02T12:00:00Z", "2026-08-07T12:00:00Z" },
    { "0 12 * * MON-Fri", "2026-07-31T12:00:00Z", "2026-08-03T12:00:00Z" },
    /* the hours that daylight saving time skips and repeats elsewhere are ordinary here */
    { "30 2 29 3 *", "2026-03-28T00:00:00Z", "2026-03-29T02:30:00Z" },
    { "30 * 25 10 *", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z" },
    { "5/20 4,8-9 * * *", "2026-08-01T08:45:00Z", "2026-08-01T09:05:00Z" },
    { " 1  2 3 4 * ", "2026-08-01T00:00:00Z", "2027-04-03T02:01:00Z" },
    { "0 0 * * *", "1969-12-31T12:00:00Z", "1970-01-01T00:00:00Z" },
    { "@every 60s", "2026-08-01T10:22:33.250Z", "2026-08-01T10:23:33.250Z" },
    { "@every 2h", "2026-12-31T23:00:00Z", "2027-01-01T01:00:00Z" },
    { "@every 1d", "2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z" },
};

static void people_get_the_time_they_wrote(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(by_hand_cases); i++) {
        const struct by_hand *c = &by_hand_cases[i];
        int64_t after = 0, expected = 0, found = 0;
        assert_int_equal(clock_parse(str_of(c->after), &after).code, ERR_NONE);
        assert_int_equal(clock_parse(str_of(c->next), &expected).code, ERR_NONE);
        err e = cron_next(str_of(c->cron), after, &found);
        if (e.code || found != expected) {
            char text[CLOCK_ISO_BYTES];
            clock_iso(found, text);
            fail_msg("'%s' after %s: expected %s, found %s %s", c->cron, c->after, c->next, text,
                     e.msg);
        }
    }
}

static const struct {
    const char *cron;
    int64_t after, next;
} golden_cases[] = {
#include "cron_golden.inc"
};

static void a_second_implementation_agrees(void **state)
{
    (void)state;
    assert_true(COUNT_OF(golden_cases) >= 300);
    for (size_t i = 0; i < COUNT_OF(golden_cases); i++) {
        int64_t found = 0;
        err e = cron_next(str_of(golden_cases[i].cron), golden_cases[i].after, &found);
        if (e.code || found != golden_cases[i].next)
            fail_msg("'%s' after %lld: %lld expected, %lld found %s", golden_cases[i].cron,
                     (long long)golden_cases[i].after, (long long)golden_cases[i].next,
                     (long long)found, e.msg);
    }
}

static const struct {
    const char *cron, *part; /* of the message */
} refused_cases[] = {
    { "", "five are needed" },
    { "* * * *", "five are needed" },
    { "* * * * * *", "behind the fifth" },
    { "60 * * * *", "minute '60'" },
    { "* 24 * * *", "hour '24'" },
    { "* * 0 * *", "day of month '0'" },
    { "* * * 13 *", "month '13'" },
    { "* * * foo *", "month 'foo'" },
    { "* * * * 8", "day of week '8'" },
    { "* * * * monday", "'monday'" },
    { "-1 * * * *", "minute ''" },
    { "5- * * * *", "minute ''" },
    { "5,,6 * * * *", "minute ''" },
    { "5, * * * *", "minute ''" },
    { "*/0 * * * *", "step '0'" },
    { "*/ * * * *", "step ''" },
    { "*/99 * * * *", "step '99'" },
    { "30-10 * * * *", "ends before it starts" },
    { "* * * * fri-mon", "ends before it starts" },
    { "0x1 * * * *", "'0x1'" },
    { "1.5 * * * *", "'1.5'" },
    { "0 0 30 2 *", "no day" },
    { "0 0 31 4,6,9,11 *", "no day" },
    { "0 0 30-31 feb */2", "no day" },
    { "@every", "only" },
    { "@every 60", "duration" },
    { "@every 0s", "duration" },
    { "@every -5s", "duration" },
    { "@every 367d", "duration" },
    { "@every 99999999999999999999s", "duration" },
    { "@daily", "only" },
};

static void a_bad_schedule_is_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_cases); i++) {
        int64_t found = 42;
        err e = cron_next(str_of(refused_cases[i].cron), 1800000000000, &found);
        if (e.code != ERR_INVALID || !strstr(e.msg, refused_cases[i].part) || found != 42)
            fail_msg("'%s': code %d, '%s'", refused_cases[i].cron, (int)e.code, e.msg);
    }
    int64_t found = 42;
    assert_int_equal(cron_next(STR("* * * * *"), INT64_MAX, &found).code, ERR_INVALID);
    assert_int_equal(cron_next(STR("@every 1s"), INT64_MAX, &found).code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_get_the_time_they_wrote),
        cmocka_unit_test(a_second_implementation_agrees),
        cmocka_unit_test(a_bad_schedule_is_explained),
    };
    return cmocka_run_group_tests_name("cron", tests, NULL, NULL);
}

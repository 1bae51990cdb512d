/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cron.c -- when is it due next? Five fields in UTC, or "@every 90s".
 *
 * Each field becomes a bit mask; the search walks days (skipping months that do not match) and then
 * looks for the first hour and minute in the day that was found. There is no daylight saving time
 * in UTC, so each day has 1,440 minutes. The calendar repeats after 400 years: what is not found by
 * then (the 30th of February) never comes, and is refused.
 *
 * Day of month and day of week follow the old rule: when both are restricted (do not start with
 * "*"), a day that matches either is taken; otherwise both must match.
 */
#include "platform/jobs/jobs.h"
#include "platform/jobs/jobs_internal.h"

enum { MINUTES_A_DAY = 24 * 60, DAYS_A_CYCLE = 146097, EVERY_MAX_S = 366 * 24 * 3600 };

struct cron_field {
    const char *name;
    int min, max;
    const char *names; /* three letters each, the first has the value min; NULL: numbers only */
};

static const struct cron_field cron_fields[] = {
    { "minute", 0, 59, NULL },
    { "hour", 0, 23, NULL },
    { "day of month", 1, 31, NULL },
    { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
    { "day of week", 0, 7, "sunmontuewedthufrisat" },
};

enum { CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELDS };

struct cron {
    uint64_t mask[CRON_FIELDS];
    bool any_day; /* day of month or day of week starts with "*": both must match */
};

/* ------------------------------------------------------------------ the calendar */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

struct date {
    int64_t year;
    int month, day;
};

/* `day` counts from 1970-01-01. */
static struct date date_of(int64_t day)
{
    int64_t cycle = floor_div(day, DAYS_A_CYCLE);
    struct date d = { .year = 1970 + 400 * cycle, .month = 1 };
    int64_t left = day - cycle * DAYS_A_CYCLE;
    while (left >= 365 + is_leap(d.year)) {
        left -= 365 + is_leap(d.year);
        d.year++;
    }
    while (left >= days_in_month(d.year, d.month)) {
        left -= days_in_month(d.year, d.month);
        d.month++;
    }
    d.day = (int)left + 1;
    return d;
}

static struct date date_next_month(struct date d)
{
    bool is_december = d.month == 12;
    return (struct date){ d.year + is_december, is_december ? 1 : d.month + 1, 1 };
}

static struct date date_next_day(struct date d)
{
    if (d.day == days_in_month(d.year, d.month))
        return date_next_month(d);
    d.day++;
    return d;
}

/* ------------------------------------------------------------------ reading a field */

static err number_read(const struct cron_field *f, str text, int *ret_value)
{
    if (f->names && text.len == 3) {
        for (int i = 0; f->names[i * 3]; i++) {
            if (str_eq_nocase(text, str_from(f->names + (size_t)i * 3, 3))) {
                *ret_value = f->min + i;
                return OK;
            }
        }
    }
    int64_t value = 0;
    err e = str_to_i64(text, &value);
    if (e.code || value < f->min || value > f->max)
        return ERR(ERR_INVALID, "%s '%.*s' is not a number from %d to %d%s", f->name, STR_ARG(text),
                   f->min, f->max, f->names ? " or a name like 'jan' or 'mon'" : "");
    *ret_value = (int)value;
    return OK;
}

/* One item of a list: "*", "7", "1-5", each with or without "/step". */
static err item_read(const struct cron_field *f, str item, uint64_t *mask)
{
    str step_text = item;
    str range = str_split(&step_text, '/');
    bool has_step = range.len < item.len;
    int64_t step = 1;
    if (has_step) {
        err e = str_to_i64(step_text, &step);
        if (e.code || step < 1 || step > f->max)
            return ERR(ERR_INVALID, "step '%.*s' of %s is not a number from 1 to %d",
                       STR_ARG(step_text), f->name, f->max);
    }
    int from = f->min, to = f->max;
    if (!str_eq(range, STR("*"))) {
        str last = range;
        str first = str_split(&last, '-');
        TRY(number_read(f, first, &from));
        if (first.len < range.len)
            TRY(number_read(f, last, &to));
        else if (!has_step)
            to = from; /* "5/10" means "from 5 on, every 10" */
    }
    if (from > to)
        return ERR(ERR_INVALID, "range '%.*s' of %s ends before it starts: write two ranges",
                   STR_ARG(range), f->name);
    for (int64_t i = from; i <= to; i += step)
        *mask |= UINT64_C(1) << i;
    return OK;
}

static err field_read(const struct cron_field *f, str text, uint64_t *ret_mask)
{
    uint64_t mask = 0;
    str rest = text;
    do {
        bool is_last = str_find_char(rest, ',') < 0;
        TRY(item_read(f, str_split(&rest, ','), &mask));
        if (is_last)
            break;
    } while (true);
    *ret_mask = mask;
    return OK;
}

static err cron_read(str text, struct cron *ret_cron)
{
    struct cron c = { .any_day = false };
    str rest = str_trim(text);
    for (size_t i = 0; i < CRON_FIELDS; i++) {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
            len++;
        str field = str_sub(rest, 0, len);
        rest = str_trim(str_sub(rest, len, rest.len - len));
        if (!field.len)
            return ERR(ERR_INVALID,
                       "it has %zu fields: five are needed (minute hour day month "
                       "weekday), or '@every 60s'",
                       i);
        TRY(field_read(&cron_fields[i], field, &c.mask[i]));
        if ((i == CRON_DAY || i == CRON_WEEKDAY) && field.ptr[0] == '*')
            c.any_day = true;
    }
    if (rest.len)
        return ERR(ERR_INVALID, "'%.*s' stands behind the fifth field", STR_ARG(rest));
    /* Sunday is 0 and 7. */
    if (c.mask[CRON_WEEKDAY] >> 7 & 1)
        c.mask[CRON_WEEKDAY] |= 1;
    *ret_cron = c;
    return OK;
}

/* ------------------------------------------------------------------ the search */

static bool has(uint64_t mask, int64_t bit)
{
    return mask >> bit & 1;
}

static bool day_matches(const struct cron *c, struct date d, int64_t day)
{
    int64_t weekday = (day + 4) - floor_div(day + 4, 7) * 7; /* 1970-01-01 was a Thursday */
    bool in_month = has(c->mask[CRON_DAY], d.day), in_week = has(c->mask[CRON_WEEKDAY], weekday);
    return c->any_day ? in_month && in_week : in_month || in_week;
}

/* The first matching minute of a day at or after `from`, or -1. */
static int64_t minute_find(const struct cron *c, int64_t from)
{
    for (int64_t minute = from; minute < MINUTES_A_DAY; minute++) {
        if (!has(c->mask[CRON_HOUR], minute / 60))
            minute += 59 - minute % 60;
        else if (has(c->mask[CRON_MINUTE], minute % 60))
            return minute;
    }
    return -1;
}

static err cron_search(const struct cron *c, int64_t after_ms, int64_t *ret_ms)
{
    int64_t minute = floor_div(after_ms, 60000) + 1;
    int64_t day = floor_div(minute, MINUTES_A_DAY);
    int64_t from = minute - day * MINUTES_A_DAY;
    int64_t last_day = day + DAYS_A_CYCLE + 1;
    struct date d = date_of(day);
    while (day <= last_day) {
        if (!has(c->mask[CRON_MONTH], d.month)) {
            day += days_in_month(d.year, d.month) - d.day + 1;
            d = date_next_month(d);
            from = 0;
            continue;
        }
        int64_t found = day_matches(c, d, day) ? minute_find(c, from) : -1;
        if (found >= 0) {
            *ret_ms = (day * MINUTES_A_DAY + found) * 60000;
            return OK;
        }
        day++;
        d = date_next_day(d);
        from = 0;
    }
    return ERR(ERR_INVALID, "no day of the calendar matches it");
}

/* ------------------------------------------------------------------ "@every" */

static err every_read(str text, int64_t *ret_s)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 24 * 3600 } };
    str amount = str_trim(text);
    for (size_t i = 0; amount.len && i < COUNT_OF(units); i++) {
        if (amount.ptr[amount.len - 1] != units[i].letter)
            continue;
        int64_t count = 0;
        err e = str_to_i64(str_sub(amount, 0, amount.len - 1), &count);
        if (e.code || count < 1 || count > EVERY_MAX_S / units[i].seconds)
            break;
        *ret_s = count * units[i].seconds;
        return OK;
    }
    return ERR(ERR_INVALID,
               "'%.*s' is not a duration from 1s to 366d, like '90s', '5m', '2h', '1d'",
               STR_ARG(amount));
}

err cron_next(str cron, int64_t after_ms, int64_t *ret_ms)
{
    const str every = STR("@every ");
    err e;
    if (after_ms > CLOCK_MS_MAX || after_ms < -CLOCK_MS_MAX) {
        e = ERR(ERR_INVALID, "the time to start from lies too far away");
    } else if (str_starts(cron, STR("@")) && !str_starts(cron, every)) {
        e = ERR(ERR_INVALID, "of the forms with '@' only '@every 60s' is known");
    } else if (str_starts(cron, every)) {
        int64_t seconds = 0;
        e = every_read(str_sub(cron, every.len, cron.len), &seconds);
        if (!e.code)
            *ret_ms = after_ms + seconds * 1000;
    } else {
        struct cron c = { .any_day = false };
        e = cron_read(cron, &c);
        if (!e.code)
            e = cron_search(&c, after_ms, ret_ms);
    }
    return e.code ? err_wrap(e, "reading schedule '%.*s'", STR_ARG(cron)) : OK;
}

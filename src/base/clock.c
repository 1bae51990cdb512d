/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

static int64_t ns_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return ns_of(CLOCK_REALTIME) / 1000000;
}

int64_t clock_wall_ns(void)
{
    return ns_of(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

int64_t clock_cpu_ns(void)
{
    return ns_of(CLOCK_PROCESS_CPUTIME_ID);
}

struct timespec clock_deadline(int64_t ms)
{
    int64_t ns = clock_mono_ns() + ms * 1000000;
    return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec until = clock_deadline(ms);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES])
{
    /* Years 1 to 9999: what ISO 8601 can say in four digits. */
    const int64_t first = -62135596800000, last = 253402300799999;
    int64_t ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
    int64_t millis = ms % 1000;
    int64_t seconds = ms / 1000;
    if (millis < 0) {
        millis += 1000;
        seconds--;
    }
    time_t t = (time_t)seconds;
    struct tm tm;
    gmtime_r(&t, &tm);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)millis);
    snprintf(out, CLOCK_ISO_BYTES, "%.24s", text);
}

/* Reads exactly `digits` digits. */
static bool take_number(str *s, size_t digits, int *ret)
{
    if (s->len < digits)
        return false;
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = s->ptr[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *s = str_sub(*s, digits, s->len);
    *ret = value;
    return true;
}

static bool take_char(str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

static bool take_time(str *s, struct tm *tm, int *ret_millis, int *ret_offset_minutes)
{
    if (!take_number(s, 2, &tm->tm_hour) || !take_char(s, ':') || !take_number(s, 2, &tm->tm_min))
        return false;
    if (take_char(s, ':') && !take_number(s, 2, &tm->tm_sec))
        return false;
    if (take_char(s, '.')) {
        int digit, scale = 100, seen = 0;
        while (take_number(s, 1, &digit)) {
            *ret_millis += digit * scale;
            scale /= 10;
            seen++;
        }
        if (seen == 0)
            return false;
    }
    if (take_char(s, 'Z'))
        return true;
    int sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_number(s, 2, &hours))
        return false;
    take_char(s, ':');
    if (!take_number(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

err clock_parse(str text, int64_t *ret_wall_ms)
{
    str s = text;
    struct tm tm = { 0 };
    int millis = 0, offset_minutes = 0;
    bool good = take_number(&s, 4, &tm.tm_year) && take_char(&s, '-') &&
                take_number(&s, 2, &tm.tm_mon) && take_char(&s, '-') &&
                take_number(&s, 2, &tm.tm_mday);
    if (good && s.len) {
        good = (take_char(&s, 'T') || take_char(&s, ' ')) &&
               take_time(&s, &tm, &millis, &offset_minutes);
    }
    int month = tm.tm_mon, day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    good = good && s.len == 0 && month >= 1 && month <= 12 && day >= 1 && tm.tm_hour < 24 &&
           tm.tm_min < 60 && tm.tm_sec < 60;
    time_t seconds = good ? timegm(&tm) : 0;
    /* timegm carries 30 February into March: a date that changes was not one. */
    if (!good || tm.tm_mday != day || tm.tm_mon != month - 1)
        return ERR(ERR_INVALID, "'%.*s' is not a date: write YYYY-MM-DD or 2026-11-21T10:00:00Z",
                   STR_ARG(str_sub(text, 0, 40)));
    *ret_wall_ms = ((int64_t)seconds - (int64_t)offset_minutes * 60) * 1000 + millis;
    return OK;
}

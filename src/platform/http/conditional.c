/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conditions and ranges of RFC 9110: entity tags, dates, and one byte range. */
#include "platform/http/http_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The part of a tag that counts in the weak comparison. */
static str tag_core(str tag)
{
    tag = str_trim(tag);
    return str_starts(tag, STR("W/")) ? str_sub(tag, 2, tag.len) : tag;
}

bool etag_matches(str if_none_match, const char *etag)
{
    if (str_eq(str_trim(if_none_match), STR("*")))
        return true;
    str wanted = tag_core(str_of(etag));
    /* Our own tags hold no comma, so splitting there cannot find a false match. */
    while (if_none_match.len)
        if (str_eq(tag_core(str_split(&if_none_match, ',')), wanted))
            return true;
    return false;
}

static bool range_number(str text, int64_t *ret_value)
{
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    err e = str_to_i64(text, ret_value);
    return !e.code;
}

/* A header that cannot be understood, or asks for several ranges, is ignored: the whole is a right
 * answer. */
enum range_result range_parse(str header, int64_t total, struct byte_range *ret_range)
{
    if (!str_eq_nocase(str_sub(header, 0, 6), STR("bytes=")))
        return RANGE_NONE;
    str spec = str_trim(str_sub(header, 6, header.len));
    ptrdiff_t dash = str_find_char(spec, '-');
    if (dash < 0)
        return RANGE_NONE;
    str first = str_sub(spec, 0, (size_t)dash), last = str_sub(spec, (size_t)dash + 1, spec.len);
    int64_t from = 0, to = total - 1;
    if (first.len == 0) {
        int64_t suffix = 0;
        if (!range_number(last, &suffix))
            return RANGE_NONE;
        if (suffix == 0 || total == 0)
            return RANGE_BEYOND;
        from = suffix < total ? total - suffix : 0;
    } else {
        if (!range_number(first, &from) || (last.len && !range_number(last, &to)) ||
            (last.len && to < from))
            return RANGE_NONE;
        if (from >= total)
            return RANGE_BEYOND;
        if (to >= total)
            to = total - 1;
    }
    *ret_range = (struct byte_range){ .from = from, .length = to - from + 1 };
    return RANGE_ONE;
}

bool range_is_current(str if_range, const char *etag, bool has_modified, time_t modified)
{
    if (if_range.len == 0)
        return true;
    if (if_range.ptr[0] == '"') /* strong comparison: a weak tag never allows a range */
        return etag && str_eq(if_range, str_of(etag));
    time_t t;
    return has_modified && http_date_parse(if_range, &t) && t == modified;
}

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void http_date(time_t t, char out[32])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    struct tm tm;
    gmtime_r(&t, &tm);
    /* The remainders change nothing; they show the compiler that 32 bytes are enough. */
    snprintf(out, 32, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + 3 * ((unsigned)tm.tm_wday % 7), (unsigned)tm.tm_mday % 32,
             months + 3 * ((unsigned)tm.tm_mon % 12), (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60, (unsigned)tm.tm_sec % 61);
}

/* Only the form that everybody sends: Sun, 06 Nov 1994 08:49:37 GMT. */
bool http_date_parse(str text, time_t *ret_t)
{
    char copy[32];
    if (text.len != 29)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    struct tm tm = { 0 };
    const char *end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    *ret_t = timegm(&tm);
    return true;
}

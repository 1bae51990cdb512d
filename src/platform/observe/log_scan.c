/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads one line of the log back: walks the members of the outermost object and keeps slices of
 * those that search asks for. No tree, no copy, no recursion.
 *
 * It is strict about shape, because a line may be torn by a kill or a full disk, or may not be
 * ours: an object from the first byte to the last, closed strings, balanced brackets.
 */
#include "platform/observe/log_internal.h"

#include <string.h>

enum { NESTING_MAX = 64 };

struct reader {
    const char *at, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
        r->at++;
}

/* A string with its quotes; gives what is between them, escapes untouched. */
static bool take_string(struct reader *r, str *ret_text)
{
    if (!take(r, '"'))
        return false;
    const char *from = r->at;
    while (r->at < r->end) {
        const char *stop = r->at;
        while (stop < r->end && *stop != '"' && *stop != '\\' && (unsigned char)*stop >= 0x20)
            stop++;
        if (stop == r->end)
            return false;
        if (*stop == '"') {
            r->at = stop + 1;
            *ret_text = str_from(from, (size_t)(stop - from));
            return true;
        }
        if (*stop != '\\' || stop + 1 == r->end)
            return false;
        r->at = stop + 2;
    }
    return false;
}

/* Skips an object or array. Only brackets and strings are looked at: what stands between them came
 * from our own JSON writer, and a search need not judge it again. */
static bool skip_nested(struct reader *r)
{
    char closers[NESTING_MAX];
    int depth = 0;
    while (r->at < r->end) {
        char c = *r->at;
        str ignored;
        if (c == '"') {
            if (!take_string(r, &ignored))
                return false;
            continue;
        }
        r->at++;
        if (c == '{' || c == '[') {
            if (depth == NESTING_MAX)
                return false;
            closers[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closers[--depth] != c)
                return false;
            if (depth == 0)
                return true;
        }
    }
    return false;
}

/* A number, true, false or null. */
static bool skip_scalar(struct reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at != ',' && *r->at != '}' && *r->at != ' ' && *r->at != '"')
        r->at++;
    return r->at > from;
}

static bool skip_value(struct reader *r, str *ret_text)
{
    *ret_text = STR_NONE;
    if (r->at == r->end)
        return false;
    if (*r->at == '"')
        return take_string(r, ret_text);
    if (*r->at == '{' || *r->at == '[')
        return skip_nested(r);
    return skip_scalar(r);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar, counting years from March. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* Exactly 2026-11-21T10:22:33.123Z. Own code, because a scan does this for every line. */
static bool parse_ts(str s, int64_t *ret_ms)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (s.len != LOG_TS_BYTES)
        return false;
    for (size_t i = 0; i < LOG_TS_BYTES; i++)
        if (shape[i] == 'd' ? (s.ptr[i] < '0' || s.ptr[i] > '9') : s.ptr[i] != shape[i])
            return false;
#define DIGIT(i) (s.ptr[i] - '0')
#define PAIR(i) (DIGIT(i) * 10 + DIGIT((i) + 1))
    int year = PAIR(0) * 100 + PAIR(2), month = PAIR(5), day = PAIR(8);
    int hour = PAIR(11), minute = PAIR(14), second = PAIR(17), ms = PAIR(20) * 10 + DIGIT(22);
#undef PAIR
#undef DIGIT
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_ms = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms;
    return true;
}

/* Keeps the first of members with the same name: ours are written first. */
static void keep_first(str *slot, str value)
{
    if (!slot->ptr)
        *slot = value;
}

static bool keep_member(struct log_scan *scan, str key, str value, bool *has_ts, bool *has_level)
{
    static const struct {
        str key;
        size_t offset;
    } slots[] = {
        { STR_INIT("event"), offsetof(struct log_scan, event) },
        { STR_INIT("span"), offsetof(struct log_scan, span) },
        { STR_INIT("component"), offsetof(struct log_scan, component) },
        { STR_INIT("run_id"), offsetof(struct log_scan, run_id) },
        { STR_INIT("dataset_id"), offsetof(struct log_scan, dataset_id) },
        { STR_INIT("model_id"), offsetof(struct log_scan, model_id) },
        { STR_INIT("username"), offsetof(struct log_scan, username) },
        { STR_INIT("request_id"), offsetof(struct log_scan, request_id) },
    };
    if (!*has_ts && str_eq(key, STR("ts"))) {
        *has_ts = true;
        return parse_ts(value, &scan->ts_ms);
    }
    if (!*has_level && str_eq(key, STR("level"))) {
        *has_level = true;
        err e = log_level_parse(value, &scan->level);
        return !e.code;
    }
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        if (str_eq(key, slots[i].key))
            keep_first((str *)(void *)((char *)scan + slots[i].offset), value);
    return true;
}

bool log_scan_line(str line, struct log_scan *ret_scan)
{
    struct reader r = { line.ptr, line.len ? line.ptr + line.len : line.ptr };
    struct log_scan scan = { 0 };
    bool has_ts = false, has_level = false;
    if (!take(&r, '{'))
        return false;
    do {
        str key, value;
        skip_space(&r);
        if (!take_string(&r, &key))
            return false;
        skip_space(&r);
        if (!take(&r, ':'))
            return false;
        skip_space(&r);
        if (!skip_value(&r, &value) || !keep_member(&scan, key, value, &has_ts, &has_level))
            return false;
        skip_space(&r);
    } while (take(&r, ','));
    if (!take(&r, '}') || r.at != r.end || !has_ts || !has_level)
        return false;
    *ret_scan = scan;
    return true;
}

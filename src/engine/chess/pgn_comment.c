/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_comment.c -- the commands inside comments: clocks and evaluations.
 *
 * Sites write "{ [%eval 0.17] [%clk 0:00:30] }" behind every move; such comments are most of the
 * bytes of their files, so that form has a path that walks it once without searching for its end.
 * Everything else
 * ([%csl], [%emt], prose) is skipped. A value that cannot be read is as if it were not there:
 * comments are remarks, and a game is not worth less because of a typing error in one.
 */
#include <string.h>

#include "engine/chess/pgn_internal.h"

enum {
    EVAL_CP_MAX = 30000,    /* beyond it is cut; mates lie above */
    EVAL_MATE_ZERO = 32000, /* mate in n is this minus n */
    EVAL_MATE_MAX = 999,
    CLOCK_HOURS_MAX = 9999,
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Up to `digits_max` digits; the rest of a longer number is skipped, and makes it too big. */
static const char *read_number(const char *p, const char *end, uint32_t *ret_value)
{
    uint32_t value = 0;
    for (; p < end && is_digit(*p); p++)
        value = value < 100000000 ? value * 10 + (uint32_t)(*p - '0') : value;
    *ret_value = value;
    return p;
}

/* "1:02:03.4", "02:03", "63.25": hours, minutes and seconds, the smaller ones last. */
static const char *read_clock(const char *p, const char *end, uint32_t *ret_clock_cs)
{
    uint32_t parts[3] = { 0 }, seconds;
    int count = 0;
    for (;;) {
        if (p >= end || !is_digit(*p) || count == 3)
            return NULL;
        p = read_number(p, end, &parts[count++]);
        if (p >= end || *p != ':')
            break;
        p++;
    }
    uint32_t hundredths = 0, weight = 10;
    if (p < end && *p == '.') {
        for (p++; p < end && is_digit(*p); p++, weight /= 10)
            hundredths += (uint32_t)(*p - '0') * weight;
    }
    uint32_t hours = count == 3 ? parts[0] : 0;
    uint32_t minutes = count == 3 ? parts[1] : count == 2 ? parts[0] : 0;
    uint32_t last = parts[count - 1];
    if (hours > CLOCK_HOURS_MAX || minutes > CLOCK_HOURS_MAX || last > CLOCK_HOURS_MAX * 60)
        return NULL;
    seconds = hours * 3600 + minutes * 60 + last;
    *ret_clock_cs = seconds * 100 + hundredths;
    return p;
}

/* "-1.25", "0.3", "#4", "#-4", "+0.17,20" (the depth behind the comma is skipped). */
static const char *read_eval(const char *p, const char *end, bool white_moved, int16_t *ret_eval_cp)
{
    bool is_mate = p < end && *p == '#';
    p += is_mate;
    bool is_negative = p < end && *p == '-';
    p += is_negative || (p < end && *p == '+');
    if (p >= end || !(is_digit(*p) || (*p == '.' && p + 1 < end && is_digit(p[1]))))
        return NULL;
    uint32_t whole, value;
    const char *digits = p;
    p = read_number(p, end, &whole);
    if (is_mate) {
        if (whole > EVAL_MATE_MAX)
            whole = EVAL_MATE_MAX;
        value = EVAL_MATE_ZERO - whole;
        /* "#0" has no sign of its own: the side that just moved has given mate. */
        if (whole == 0 && digits[-1] == '#')
            is_negative = !white_moved;
    } else {
        uint32_t hundredths = 0, weight = 10;
        if (p < end && *p == '.') {
            for (p++; p < end && is_digit(*p); p++, weight /= 10)
                hundredths += (uint32_t)(*p - '0') * weight;
        }
        value = whole > EVAL_CP_MAX / 100 ? EVAL_CP_MAX : whole * 100 + hundredths;
        if (value > EVAL_CP_MAX)
            value = EVAL_CP_MAX;
    }
    if (p < end && *p == ',')
        p = read_number(p + 1, end, &whole);
    *ret_eval_cp = (int16_t)(is_negative ? -(int)value : (int)value);
    return p;
}

/* False for NULL: nothing could be read. */
static bool is_all_space(const char *p, const char *end)
{
    while (p && p < end && *p == ' ')
        p++;
    return p == end;
}

/* One command; `p` stands behind "[%". Returns the place behind its bracket, NULL when it has none.
 */
static const char *read_command(const char *p, const char *end, bool white_moved,
                                struct pgn_note *note)
{
    const char *close = memchr(p, ']', (size_t)(end - p));
    if (!close)
        return NULL;
    const char *name = p;
    while (p < close && *p >= 'a' && *p <= 'z')
        p++;
    str command = str_from(name, (size_t)(p - name));
    while (p < close && *p == ' ')
        p++;
    if (str_eq(command, STR("clk")) || str_eq(command, STR("clkc"))) {
        uint32_t clock_cs = PGN_CLOCK_NONE;
        if (is_all_space(read_clock(p, close, &clock_cs), close))
            note->clock_cs = clock_cs;
    } else if (str_eq(command, STR("eval"))) {
        int16_t eval_cp = PGN_EVAL_NONE;
        if (is_all_space(read_eval(p, close, white_moved, &eval_cp), close))
            note->eval_cp = eval_cp;
    }
    return close + 1;
}

void pgn_comment_parse(const char *text, const char *end, bool white_moved, struct pgn_note *note)
{
    const char *p = text;
    while (p && p + 1 < end) {
        p = memchr(p, '[', (size_t)(end - p));
        if (!p || p + 1 >= end)
            return;
        p = p[1] == '%' ? read_command(p + 2, end, white_moved, note) : p + 1;
    }
}

/* ------------------------------------------------------------------ the common form */

/* "0:01:57" with one digit for hours, or NULL. */
static inline const char *read_common_clock(const char *p, struct pgn_note *note)
{
    unsigned h = (unsigned char)(p[0] - '0'), m1 = (unsigned char)(p[2] - '0'),
             m0 = (unsigned char)(p[3] - '0');
    unsigned s1 = (unsigned char)(p[5] - '0'), s0 = (unsigned char)(p[6] - '0');
    if (h > 9 || m1 > 5 || m0 > 9 || s1 > 5 || s0 > 9 || p[1] != ':' || p[4] != ':')
        return NULL;
    uint32_t clock_cs = (h * 3600 + (m1 * 10 + m0) * 60 + s1 * 10 + s0) * 100;
    p += 7;
    if (*p == '.') {
        unsigned tenths = (unsigned char)(p[1] - '0');
        if (tenths > 9)
            return NULL;
        clock_cs += tenths * 10;
        p += 2;
    }
    note->clock_cs = clock_cs;
    return p;
}

/* "-12.34", one to three digits before the point, one or two behind, or NULL. Mates too. */
static inline const char *read_common_eval(const char *p, struct pgn_note *note)
{
    bool is_mate = *p == '#';
    p += is_mate;
    bool is_negative = *p == '-';
    p += is_negative;
    const char *first = p;
    int value = 0;
    while (is_digit(*p) && p - first < 3)
        value = value * 10 + (*p++ - '0');
    if (p == first)
        return NULL;
    if (is_mate) {
        if (value == 0)
            return NULL;
        value = EVAL_MATE_ZERO - value;
    } else {
        value *= 100;
        if (*p == '.') {
            if (!is_digit(p[1]))
                return NULL;
            value += (p[1] - '0') * 10;
            p += 2;
            if (is_digit(*p))
                value += *p++ - '0';
        }
        if (value > EVAL_CP_MAX)
            return NULL;
    }
    note->eval_cp = (int16_t)(is_negative ? -value : value);
    return p;
}

const char *pgn_comment_parse_common(const char *p, struct pgn_note *note)
{
    for (;;) {
        p += *p == ' ';
        if (*p == '}')
            return p + 1;
        uint32_t head, tail;
        memcpy(&head, p, sizeof head);
        memcpy(&tail, p + 3, sizeof tail);
        if (memcmp(&head, "[%cl", 4) == 0 && memcmp(&tail, "lk ", 3) == 0)
            p = read_common_clock(p + 6, note);
        else if (memcmp(&head, "[%ev", 4) == 0 && memcmp(&tail, "val ", 4) == 0)
            p = read_common_eval(p + 7, note);
        else
            return NULL;
        if (!p || *p != ']')
            return NULL;
        p++;
    }
}

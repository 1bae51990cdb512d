/* SPDX-License-Identifier: GPL-3.0-or-later */
/* play_ask.c -- JSON of one shape. What it takes means the same to the parser of all JSON
 * (tests/unit/apps_rps/test_play_ask.c), which is five times as slow for three members. */
#include "apps/rps/play_ask.h"

enum { NUMBER_DIGITS_MAX = 9 };

static void skip_space(str *s)
{
    while (s->len &&
           (s->ptr[0] == ' ' || s->ptr[0] == '\n' || s->ptr[0] == '\r' || s->ptr[0] == '\t'))
        *s = str_sub(*s, 1, s->len);
}

static bool take(str *s, char c)
{
    skip_space(s);
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

static bool take_text(str *s, str *ret_text)
{
    size_t len = 0;
    if (!take(s, '"'))
        return false;
    while (len < s->len && s->ptr[len] >= 0x20 && s->ptr[len] < 0x7F && s->ptr[len] != '"' &&
           s->ptr[len] != '\\')
        len++;
    if (len == s->len || s->ptr[len] != '"')
        return false;
    *ret_text = str_sub(*s, 0, len);
    *s = str_sub(*s, len + 1, s->len);
    return true;
}

/* What follows is for the caller to look at: of 1.5 it is no comma and no brace. */
static bool take_number(str *s, int64_t *ret_number)
{
    size_t len = 0;
    int64_t number = 0;
    skip_space(s);
    for (; len < s->len && s->ptr[len] >= '0' && s->ptr[len] <= '9'; len++) {
        if (len == NUMBER_DIGITS_MAX)
            return false;
        number = number * 10 + (s->ptr[len] - '0');
    }
    if (len == 0 || s->ptr[0] == '0') /* 0 is no round, and 04 no number */
        return false;
    *ret_number = number;
    *s = str_sub(*s, len, s->len);
    return true;
}

static bool take_member(str *s, struct rps_plain_ask *ask)
{
    str name;
    if (!take_text(s, &name) || !take(s, ':'))
        return false;
    if (str_eq(name, STR("game_id")))
        return !ask->game_id.ptr && take_text(s, &ask->game_id);
    if (str_eq(name, STR("user_move")))
        return !ask->user_move.ptr && take_text(s, &ask->user_move);
    return str_eq(name, STR("round")) && !ask->round && take_number(s, &ask->round);
}

bool rps_ask_read_plain(str body, struct rps_plain_ask *ret_ask)
{
    struct rps_plain_ask ask = { .round = 0 };
    if (!take(&body, '{'))
        return false;
    do {
        if (!take_member(&body, &ask))
            return false;
    } while (take(&body, ','));
    if (!take(&body, '}'))
        return false;
    skip_space(&body);
    if (body.len || !ask.game_id.ptr || !ask.user_move.ptr)
        return false;
    *ret_ask = ask;
    return true;
}

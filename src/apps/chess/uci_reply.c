/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/uci_reply.h"

#include "base/err.h"

str uci_word(str *rest)
{
    *rest = str_trim(*rest);
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != ' ' && rest->ptr[n] != '\t')
        n++;
    str word = str_sub(*rest, 0, n);
    *rest = str_sub(*rest, n, rest->len);
    return word;
}

static bool number(str *rest, int64_t limit, int64_t *ret_value)
{
    int64_t value = 0;
    err e = str_to_i64(uci_word(rest), &value);
    if (e.code || value < -limit || value > limit)
        return false;
    *ret_value = value;
    return true;
}

/* "cp -35 upperbound" or "mate 3". False, with *ret untouched, when it is neither. */
static bool read_score(str *rest, struct uci_score *ret)
{
    int64_t value;
    str unit = uci_word(rest);
    bool is_mate = str_eq(unit, STR("mate"));
    if (!is_mate && !str_eq(unit, STR("cp")))
        return false;
    if (!number(rest, UCI_SCORE_MAX, &value))
        return false;
    str after = *rest;
    str word = uci_word(&after);
    bool is_bound = str_eq(word, STR("lowerbound")) || str_eq(word, STR("upperbound"));
    if (is_bound)
        *rest = after;
    *ret = (struct uci_score){ .is_mate = is_mate, .is_bound = is_bound, .value = (int)value };
    return true;
}

/* info depth 12 multipv 1 score cp 35 nodes 10000 pv e2e4 e7e5: words we do not know are passed
 * over one by one, so that numbers behind them are, too. */
static bool read_info(str rest, struct uci_score *ret_score)
{
    bool has_score = false;
    int64_t line = 1;
    for (str word = uci_word(&rest); word.len; word = uci_word(&rest)) {
        if (str_eq(word, STR("string")) || str_eq(word, STR("pv")))
            break; /* from here on it is text, or moves */
        if (str_eq(word, STR("multipv")) && !number(&rest, UCI_SCORE_MAX, &line))
            return false;
        if (str_eq(word, STR("score"))) {
            if (!read_score(&rest, ret_score))
                return false;
            has_score = true;
        }
    }
    return has_score && line == 1;
}

/* name Clear Hash type button; name Hash type spin default 16 min 1 max 1024 */
static bool read_option(str rest, struct uci_reply *r)
{
    if (!str_eq(uci_word(&rest), STR("name")))
        return false;
    ptrdiff_t type = str_find(rest, STR(" type "));
    r->text = str_trim(type >= 0 ? str_sub(rest, 0, (size_t)type) : rest);
    rest = type >= 0 ? str_sub(rest, (size_t)type + 6, rest.len) : STR_NONE;
    bool is_spin = str_eq(uci_word(&rest), STR("spin")), has_min = false, has_max = false;
    for (str word = uci_word(&rest); is_spin && word.len; word = uci_word(&rest)) {
        if (str_eq(word, STR("min")))
            has_min = number(&rest, INT64_MAX, &r->min);
        else if (str_eq(word, STR("max")))
            has_max = number(&rest, INT64_MAX, &r->max);
    }
    r->is_spin = has_min && has_max && r->min <= r->max;
    return r->text.len > 0;
}

void uci_reply_parse(str line, struct uci_reply *ret_reply)
{
    struct uci_reply r = { .kind = UCI_REPLY_OTHER };
    str rest = line;
    str first = uci_word(&rest);
    if (str_eq(first, STR("uciok"))) {
        r.kind = UCI_REPLY_UCIOK;
    } else if (str_eq(first, STR("readyok"))) {
        r.kind = UCI_REPLY_READYOK;
    } else if (str_eq(first, STR("bestmove"))) {
        r.kind = UCI_REPLY_BESTMOVE;
        r.text = uci_word(&rest);
    } else if (str_eq(first, STR("info"))) {
        if (read_info(rest, &r.score))
            r.kind = UCI_REPLY_SCORE;
    } else if (str_eq(first, STR("option"))) {
        if (read_option(rest, &r))
            r.kind = UCI_REPLY_OPTION;
    } else if (str_eq(first, STR("id")) && str_eq(uci_word(&rest), STR("name"))) {
        r.kind = UCI_REPLY_NAME;
        r.text = str_trim(rest);
    }
    *ret_reply = r;
}

int uci_score_cp(const struct uci_score *score, int cap)
{
    if (score->is_mate)
        return score->value > 0 ? cap : -cap;
    return score->value > cap ? cap : score->value < -cap ? -cap : score->value;
}

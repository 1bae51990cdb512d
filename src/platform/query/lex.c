/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lex.c -- the text of a query as tokens.
 *
 * A duration is a number with a unit right behind it, so "5m" is one token and "5 m" is not. The
 * longest sign wins: "!=" before "!". Strings stand in double or single quotes with Go's escapes,
 * or in backticks without any.
 */
#include <math.h>
#include <string.h>

#include "platform/query/query_internal.h"

enum { TOKEN_BYTES_SHOWN = 30 };
#define DURATION_MAX_MS (INT64_C(100) * 365 * 86400 * 1000)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_begin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static char at(const struct lexer *l, size_t i)
{
    return i < l->text.len ? l->text.ptr[i] : '\0';
}

static void skip_space(struct lexer *l)
{
    while (l->next < l->text.len) {
        char c = l->text.ptr[l->next];
        if (c == '#')
            while (l->next < l->text.len && l->text.ptr[l->next] != '\n')
                l->next++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            l->next++;
        else
            return;
    }
}

/* ------------------------------------------------------------------ durations and numbers */

/* The unit at the head of text, and its length; 0 when there is none. */
static int64_t unit_of(str text, size_t *ret_len)
{
    static const struct {
        str name;
        int64_t ms;
    } units[] = {
        { STR_INIT("ms"), 1 },
        { STR_INIT("s"), 1000 },
        { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },
        { STR_INIT("d"), 86400000 },
        { STR_INIT("w"), 604800000 },
        { STR_INIT("y"), INT64_C(31536000000) },
    };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (str_starts(text, units[i].name)) {
            *ret_len = units[i].name.len;
            return units[i].ms;
        }
    }
    return 0;
}

/* Takes pairs of a whole number and a unit. The length is 0 when there is not even one. */
static size_t duration_take(str text, int64_t *ret_ms, bool *ret_too_long)
{
    size_t used = 0;
    int64_t ms = 0;
    while (used < text.len && is_digit(text.ptr[used])) {
        size_t end = used, unit_len = 0;
        int64_t count = 0;
        while (end < text.len && is_digit(text.ptr[end])) {
            count = count > DURATION_MAX_MS ? count : count * 10 + (text.ptr[end] - '0');
            end++;
        }
        int64_t unit = unit_of(str_sub(text, end, text.len), &unit_len);
        if (!unit)
            break;
        if (count > DURATION_MAX_MS / unit || ms + count * unit > DURATION_MAX_MS)
            *ret_too_long = true;
        else
            ms += count * unit;
        used = end + unit_len;
    }
    *ret_ms = ms;
    return used;
}

err query_duration_parse(str text, int64_t *ret_ms)
{
    int64_t ms;
    bool too_long = false;
    if (text.len == 0 || duration_take(text, &ms, &too_long) != text.len)
        return ERR(ERR_INVALID, "'%.*s' is not a duration: write 30s, 5m or 1h30m",
                   STR_ARG(str_sub(text, 0, TOKEN_BYTES_SHOWN)));
    if (too_long)
        return ERR(ERR_INVALID, "the duration '%.*s' is longer than 100 years",
                   STR_ARG(str_sub(text, 0, TOKEN_BYTES_SHOWN)));
    *ret_ms = ms;
    return OK;
}

static err bad_number(const struct lexer *l, const struct token *t, size_t end)
{
    return ERR(ERR_INVALID, "character %zu: '%.*s' is not a number", AT(t->at),
               STR_ARG(str_sub(l->text, t->at,
                               end - t->at < TOKEN_BYTES_SHOWN ? end - t->at : TOKEN_BYTES_SHOWN)));
}

static err lex_hex(struct lexer *l, struct token *t)
{
    size_t end = t->at + 2;
    double value = 0;
    for (;; end++) {
        char c = at(l, end);
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            break;
        value = value * 16 + digit;
    }
    if (end == t->at + 2 || is_name_begin(at(l, end)))
        return bad_number(l, t, end + 1);
    t->kind = TOKEN_NUMBER;
    t->number = value;
    l->next = end;
    return OK;
}

static err lex_number(struct lexer *l, struct token *t)
{
    bool too_long = false;
    if (at(l, t->at) == '0' && (at(l, t->at + 1) | 32) == 'x')
        return lex_hex(l, t);
    size_t used = duration_take(str_sub(l->text, t->at, l->text.len), &t->duration_ms, &too_long);
    char behind = at(l, t->at + used);
    if (used && !(is_name_begin(behind) && behind != ':') && !is_digit(behind)) {
        if (too_long)
            return ERR(ERR_INVALID, "character %zu: the duration is longer than 100 years",
                       AT(t->at));
        t->kind = TOKEN_DURATION;
        l->next = t->at + used;
        return OK;
    }
    size_t end = t->at;
    while (is_digit(at(l, end)))
        end++;
    if (at(l, end) == '.')
        end++;
    while (is_digit(at(l, end)))
        end++;
    if ((at(l, end) | 32) == 'e') {
        size_t exponent = end + 1;
        if (at(l, exponent) == '+' || at(l, exponent) == '-')
            exponent++;
        if (is_digit(at(l, exponent)))
            for (end = exponent; is_digit(at(l, end));)
                end++;
    }
    if (is_name_begin(at(l, end)) || at(l, end) == '.')
        return bad_number(l, t, end + 1);
    err e = str_to_f64(str_sub(l->text, t->at, end - t->at), &t->number);
    if (e.code)
        return bad_number(l, t, end);
    t->kind = TOKEN_NUMBER;
    l->next = end;
    return OK;
}

/* ------------------------------------------------------------------ strings */

static int hex_value(str digits)
{
    int value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = (char)(digits.ptr[i] | 32);
        int digit = is_digit(digits.ptr[i]) ? digits.ptr[i] - '0'
                    : c >= 'a' && c <= 'f'  ? c - 'a' + 10
                                            : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* What stands behind a backslash at l->next; moves on. Returns the bytes written to out, at most
 * as many as were read; 0 when it is no escape. */
static size_t lex_escape(struct lexer *l, char quote, char *out)
{
    static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
    char c = at(l, l->next);
    const char *known = c ? strchr(from, c) : NULL;
    if (known || c == quote) {
        out[0] = known ? to[known - from] : quote;
        l->next++;
        return 1;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
    if (!digits || l->text.len - l->next <= digits)
        return 0;
    int value = hex_value(str_sub(l->text, l->next + 1, digits));
    if (value <= 0 || (value >= 0xD800 && value < 0xE000)) /* nor a NUL */
        return 0;
    l->next += 1 + digits;
    if (digits == 2) {
        out[0] = (char)value;
        return 1;
    }
    return str_utf8_put((uint32_t)value, out);
}

static err lex_string(struct lexer *l, struct token *t)
{
    char quote = at(l, t->at);
    char *out = NEW_ARRAY(l->keep, char, l->text.len - t->at);
    ARENA_TRY(out);
    size_t len = 0;
    l->next = t->at + 1;
    while (l->next < l->text.len && l->text.ptr[l->next] != quote) {
        char c = l->text.ptr[l->next++];
        if (c == '\n' && quote != '`')
            break;
        if (c != '\\' || quote == '`') {
            out[len++] = c;
            continue;
        }
        size_t added = lex_escape(l, quote, out + len);
        if (!added)
            return ERR(ERR_INVALID,
                       "character %zu: this escape in a string is not known (a "
                       "backslash is written as two)",
                       AT(l->next - 1));
        len += added;
    }
    if (at(l, l->next) != quote || l->next >= l->text.len)
        return ERR(ERR_INVALID, "character %zu: the string has no closing quote", AT(t->at));
    l->next++;
    t->kind = TOKEN_STRING;
    t->text = str_from(out, len);
    return OK;
}

/* ------------------------------------------------------------------ tokens */

err lex_next(struct lexer *l, struct token *ret_token)
{
    static const str signs[] = {
        STR_INIT("=="), STR_INIT("!="), STR_INIT("=~"), STR_INIT("!~"), STR_INIT("<="),
        STR_INIT(">="), STR_INIT("|="), STR_INIT("|~"), STR_INIT("("),  STR_INIT(")"),
        STR_INIT("{"),  STR_INIT("}"),  STR_INIT("["),  STR_INIT("]"),  STR_INIT(","),
        STR_INIT("+"),  STR_INIT("-"),  STR_INIT("*"),  STR_INIT("/"),  STR_INIT("%"),
        STR_INIT("^"),  STR_INIT("="),  STR_INIT("<"),  STR_INIT(">"),  STR_INIT("|"),
        STR_INIT("@"),  STR_INIT(":"),
    };
    skip_space(l);
    struct token t = { .at = l->next };
    char c = at(l, t.at);
    if (t.at >= l->text.len) {
        *ret_token = t;
        return OK;
    }
    if (is_digit(c) || (c == '.' && is_digit(at(l, t.at + 1)))) {
        TRY(lex_number(l, &t));
    } else if (c == '"' || c == '\'' || c == '`') {
        TRY(lex_string(l, &t));
    } else if (is_name_begin(c) && !(c == ':' && !is_name_begin(at(l, t.at + 1)))) {
        size_t end = t.at;
        while (is_name_begin(at(l, end)) || is_digit(at(l, end)))
            end++;
        t.kind = TOKEN_NAME;
        t.text = str_sub(l->text, t.at, end - t.at);
        l->next = end;
    } else {
        str rest = str_sub(l->text, t.at, l->text.len);
        size_t i = 0;
        while (i < COUNT_OF(signs) && !str_starts(rest, signs[i]))
            i++;
        if (i == COUNT_OF(signs))
            return ERR(ERR_INVALID, "character %zu: '%c' has no meaning here", AT(t.at),
                       c >= ' ' && c < 0x7F ? c : '?');
        t.kind = TOKEN_SIGN;
        t.text = signs[i];
        l->next = t.at + signs[i].len;
    }
    if (!t.text.ptr)
        t.text = str_sub(l->text, t.at, l->next - t.at);
    *ret_token = t;
    return OK;
}

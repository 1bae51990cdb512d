/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch_scan.c -- see batch_scan.h. Every function takes the cursor past what it read, or says no.
 */
#include "apps/mlflow/batch_scan.h"

#include <string.h>

enum { NUMBER_BYTES_MAX = 40, INT_DIGITS_MAX = 18 };

struct scan_at {
    const char *at, *end;
};

static void skip_blanks(struct scan_at *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool take(struct scan_at *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* ASCII without escapes and control characters: its bytes are its value. */
static bool take_text(struct scan_at *c, str *ret_text)
{
    if (!take(c, '"'))
        return false;
    const char *begin = c->at;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at == '\\' || (unsigned char)*c->at < 0x20 || (unsigned char)*c->at >= 0x7f)
            return false;
        c->at++;
    }
    if (c->at == c->end)
        return false;
    *ret_text = str_from(begin, (size_t)(c->at++ - begin));
    return true;
}

static size_t digits(struct scan_at *c)
{
    const char *begin = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return (size_t)(c->at - begin);
}

/* A number by JSON's grammar, as text; whether it has neither fraction nor exponent. */
static bool take_number(struct scan_at *c, str *ret_text, bool *ret_is_int)
{
    skip_blanks(c);
    const char *begin = c->at;
    if (c->at < c->end && *c->at == '-')
        c->at++;
    const char *first = c->at;
    size_t whole = digits(c);
    if (whole == 0 || (whole > 1 && *first == '0'))
        return false;
    *ret_is_int = true;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        *ret_is_int = false;
        if (digits(c) == 0)
            return false;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        *ret_is_int = false;
        if (c->at < c->end && (*c->at == '-' || *c->at == '+'))
            c->at++;
        if (digits(c) == 0)
            return false;
    }
    *ret_text = str_from(begin, (size_t)(c->at - begin));
    return ret_text->len <= NUMBER_BYTES_MAX && (!*ret_is_int || whole <= INT_DIGITS_MAX);
}

static bool take_int(struct scan_at *c, int64_t *ret_value)
{
    str text;
    bool is_int;
    if (!take_number(c, &text, &is_int) || !is_int)
        return false;
    int64_t value = 0;
    for (size_t i = text.ptr[0] == '-'; i < text.len; i++)
        value = value * 10 + (text.ptr[i] - '0');
    *ret_value = text.ptr[0] == '-' ? -value : value;
    return true;
}

static bool take_real(struct scan_at *c, double *ret_value)
{
    str text;
    bool is_int;
    return take_number(c, &text, &is_int) && !str_to_f64(text, ret_value).code;
}

/* One member after its name; `seen` has a bit for each name, and no name comes twice. */
static bool take_member(struct scan_at *c, str name, struct client_metric *m, unsigned *seen)
{
    unsigned bit;
    bool is_read;
    if (str_eq(name, STR("key"))) {
        bit = 1;
        is_read = take_text(c, &m->key);
    } else if (str_eq(name, STR("value"))) {
        bit = 2;
        is_read = take_real(c, &m->value);
    } else if (str_eq(name, STR("timestamp"))) {
        bit = 4;
        is_read = take_int(c, &m->ts_ms);
    } else if (str_eq(name, STR("step"))) {
        bit = 8;
        is_read = take_int(c, &m->step);
    } else if (str_eq(name, STR("model_id"))) {
        bit = 16;
        is_read = take_text(c, &m->model_id);
    } else {
        return false;
    }
    bool is_new = !(*seen & bit);
    *seen |= bit;
    return is_read && is_new;
}

static bool take_metric(struct scan_at *c, struct client_metric *ret_metric)
{
    struct client_metric m = { 0 };
    unsigned seen = 0;
    str name;
    if (!take(c, '{'))
        return false;
    do {
        if (!take_text(c, &name) || !take(c, ':') || !take_member(c, name, &m, &seen))
            return false;
    } while (take(c, ','));
    *ret_metric = m;
    return take(c, '}') && (seen & 7) == 7 && m.key.len > 0;
}

static bool take_metrics(struct scan_at *c, arena *keep, struct batch_scan *s)
{
    s->count = 0;
    s->metrics = NEW_ARRAY(keep, struct client_metric, CLIENT_METRICS_MAX);
    if (!s->metrics || !take(c, '['))
        return false;
    do {
        if (s->count == CLIENT_METRICS_MAX || !take_metric(c, &s->metrics[s->count++]))
            return false;
    } while (take(c, ','));
    return take(c, ']');
}

/* Past a value of any kind: only where it ends, not whether it is right. */
static bool skip_value(struct scan_at *c)
{
    int depth = 0;
    bool in_text = false;
    for (; c->at < c->end; c->at++) {
        char here = *c->at;
        if (in_text) {
            if (here == '\\' && ++c->at == c->end)
                return false;
            in_text = here != '"';
        } else if (here == '"') {
            in_text = true;
        } else if (here == '{' || here == '[') {
            depth++;
        } else if (here == '}' || here == ']') {
            if (depth-- == 0)
                return true;
        } else if (here == ',' && depth == 0) {
            return true;
        }
    }
    return false;
}

static bool rest_make(str body, str cut, arena *keep, str *ret_rest)
{
    size_t before = (size_t)(cut.ptr - body.ptr), after = body.len - before - cut.len;
    char *rest = NEW_ARRAY(keep, char, before + 2 + after);
    if (!rest)
        return false;
    memcpy(rest, body.ptr, before);
    memcpy(rest + before, "[]", 2);
    memcpy(rest + before + 2, cut.ptr + cut.len, after);
    *ret_rest = str_from(rest, before + 2 + after);
    return true;
}

bool batch_scan(str body, arena *keep, struct batch_scan *ret_scan)
{
    struct scan_at c = { body.ptr, body.ptr + body.len };
    str name;
    if (body.len == 0 || !take(&c, '{'))
        return false;
    do {
        if (!take_text(&c, &name) || !take(&c, ':'))
            return false;
        skip_blanks(&c);
        if (!str_eq(name, STR("metrics"))) {
            if (!skip_value(&c))
                return false;
            continue;
        }
        const char *begin = c.at;
        return take_metrics(&c, keep, ret_scan) &&
               rest_make(body, str_from(begin, (size_t)(c.at - begin)), keep, &ret_scan->rest);
    } while (take(&c, ','));
    return false;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_out.c -- writing JSON onto a buf: the writer knows where commas go. */
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

void json_out_init(struct json_out *w, struct buf *out)
{
    *w = (struct json_out){ .buf = out };
}

/* Called before every value: a comma unless it is the first, nothing after a key. */
static void before_value(struct json_out *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    assert(w->depth == 0 || !w->in_object[w->depth - 1]); /* a value in an object needs a key */
    if (w->depth > 0) {
        if (w->has_item[w->depth - 1])
            buf_add_char(w->buf, ',');
        w->has_item[w->depth - 1] = true;
    }
}

static void open_level(struct json_out *w, char bracket, bool is_object)
{
    before_value(w);
    assert(w->depth < JSON_OUT_DEPTH_MAX);
    w->in_object[w->depth] = is_object;
    w->has_item[w->depth] = false;
    w->depth++;
    buf_add_char(w->buf, bracket);
}

static void close_level(struct json_out *w, char bracket, bool is_object)
{
    assert(w->depth > 0 && w->in_object[w->depth - 1] == is_object && !w->after_key);
    w->depth--;
    buf_add_char(w->buf, bracket);
}

void json_object_begin(struct json_out *w)
{
    open_level(w, '{', true);
}

void json_object_end(struct json_out *w)
{
    close_level(w, '}', true);
}

void json_array_begin(struct json_out *w)
{
    open_level(w, '[', false);
}

void json_array_end(struct json_out *w)
{
    close_level(w, ']', false);
}

void json_key_str(struct json_out *w, str key)
{
    assert(w->depth > 0 && w->in_object[w->depth - 1] && !w->after_key);
    if (w->has_item[w->depth - 1])
        buf_add_char(w->buf, ',');
    w->has_item[w->depth - 1] = true;
    json_escape(w->buf, key);
    buf_add_char(w->buf, ':');
    w->after_key = true;
}

void json_key(struct json_out *w, const char *key)
{
    json_key_str(w, str_of(key));
}

/* What may stand in a string as it is: printable ASCII but the quote and the backslash. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void escape_char(struct buf *out, unsigned char c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof named - 1; i += 2) {
        if ((unsigned char)named[i] == c) {
            buf_add_char(out, '\\');
            buf_add_char(out, named[i + 1]);
            return;
        }
    }
    buf_add_fmt(out, "\\u%04x", c);
}

/* Nearly every text is plain: copied in one go, with the quotes. */
static bool add_plain(struct buf *out, str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_plain((unsigned char)s.ptr[i]))
            return false;
    char *p = s.len < SIZE_MAX - 2 ? buf_reserve(out, s.len + 2) : NULL;
    if (!p)
        return false;
    p[0] = '"';
    if (s.len)
        memcpy(p + 1, s.ptr, s.len);
    p[s.len + 1] = '"';
    p[s.len + 2] = '\0'; /* buf_reserve keeps a byte for it */
    out->len += s.len + 2;
    return true;
}

void json_escape(struct buf *out, str s)
{
    if (add_plain(out, s))
        return;
    buf_add_char(out, '"');
    size_t i = 0;
    while (i < s.len) {
        size_t run = i;
        while (run < s.len && is_plain((unsigned char)s.ptr[run]))
            run++;
        buf_add_bytes(out, s.ptr + i, run - i);
        i = run;
        if (i == s.len)
            break;
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x80) {
            escape_char(out, c);
            i++;
            continue;
        }
        size_t end = i; /* the whole run of bytes above ASCII: checked once */
        while (end < s.len && (unsigned char)s.ptr[end] >= 0x80)
            end++;
        size_t good = str_utf8_valid_len(str_sub(s, i, end - i));
        buf_add_bytes(out, s.ptr + i, good);
        i += good;
        if (i < end) {
            buf_add_cstr(out, "\xEF\xBF\xBD"); /* U+FFFD for one byte that is no UTF-8 */
            i++;
        }
    }
    buf_add_char(out, '"');
}

void json_out_str(struct json_out *w, str value)
{
    before_value(w);
    json_escape(w->buf, value);
}

void json_out_cstr(struct json_out *w, const char *value)
{
    if (value)
        json_out_str(w, str_of(value));
    else
        json_out_null(w);
}

void json_out_fmt(struct json_out *w, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof text); /* for short, own texts */
    json_out_str(w, str_from(text, (size_t)len));
}

void json_out_int(struct json_out *w, int64_t value)
{
    before_value(w);
    buf_add_i64(w->buf, value);
}

void json_out_real(struct json_out *w, double value)
{
    before_value(w);
    if (isfinite(value))
        buf_add_f64(w->buf, value);
    else
        buf_add_cstr(w->buf, "null");
}

void json_out_bool(struct json_out *w, bool value)
{
    before_value(w);
    buf_add_cstr(w->buf, value ? "true" : "false");
}

void json_out_null(struct json_out *w)
{
    before_value(w);
    buf_add_cstr(w->buf, "null");
}

void json_out_raw(struct json_out *w, str json)
{
    before_value(w);
    buf_add(w->buf, json);
}

void json_kv_str(struct json_out *w, const char *key, str value)
{
    json_key(w, key);
    json_out_str(w, value);
}

void json_kv_cstr(struct json_out *w, const char *key, const char *value)
{
    json_key(w, key);
    json_out_cstr(w, value);
}

void json_kv_int(struct json_out *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_out_int(w, value);
}

void json_kv_real(struct json_out *w, const char *key, double value)
{
    json_key(w, key);
    json_out_real(w, value);
}

void json_kv_dotted(struct json_out *w, const char *key, double value)
{
    json_key(w, key);
    before_value(w);
    buf_add_real(w->buf, value);
}

void json_kv_bool(struct json_out *w, const char *key, bool value)
{
    json_key(w, key);
    json_out_bool(w, value);
}

void json_kv_raw(struct json_out *w, const char *key, str json)
{
    json_key(w, key);
    if (json.len)
        json_out_raw(w, json);
    else
        json_out_null(w);
}

void json_kv_time_ms(struct json_out *w, const char *key, int64_t ms)
{
    json_key(w, key);
    if (ms == 0) {
        json_out_null(w);
        return;
    }
    char iso[CLOCK_ISO_BYTES];
    clock_iso(ms, iso);
    json_out_cstr(w, iso);
}

void json_items_begin(struct json_out *w)
{
    json_object_begin(w);
    json_key(w, "items");
    json_array_begin(w);
}

void json_items_end(struct json_out *w)
{
    json_array_end(w);
    json_object_end(w);
}

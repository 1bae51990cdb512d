/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buf.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_BYTES_MIN = 256 };

void buf_init(struct buf *b, size_t bytes_max)
{
    *b = (struct buf){ .bytes_max = bytes_max };
}

void buf_deinit(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){ .bytes_max = b->bytes_max };
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = b->is_out_of_memory = false;
    if (b->ptr)
        b->ptr[0] = '\0';
}

err buf_check(const struct buf *b)
{
    if (b->failed && b->is_out_of_memory)
        return ERR(ERR_NO_MEMORY, "out of memory for a text that has %zu bytes so far", b->len);
    if (b->failed)
        return ERR(ERR_TOO_BIG, "more than %zu bytes would be needed", b->bytes_max);
    return OK;
}

str buf_str(const struct buf *b)
{
    return (str){ b->ptr ? b->ptr : "", b->len };
}

char *buf_reserve(struct buf *b, size_t count)
{
    if (b->failed)
        return NULL;
    if (count > b->bytes_max || b->len > b->bytes_max - count) {
        b->failed = true;
        b->is_out_of_memory = false;
        return NULL;
    }
    size_t need = b->len + count + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : BUF_BYTES_MIN;
        if (cap > b->bytes_max + 1)
            cap = b->bytes_max + 1;
        if (cap < need)
            cap = need;
        char *grown = realloc(b->ptr, cap);
        if (!grown) {
            b->failed = b->is_out_of_memory = true;
            return NULL;
        }
        b->ptr = grown;
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_add_bytes(struct buf *b, const void *bytes, size_t count)
{
    char *out = buf_reserve(b, count);
    if (!out)
        return;
    if (count)
        memcpy(out, bytes, count);
    b->len += count;
    b->ptr[b->len] = '\0';
}

void buf_add(struct buf *b, str s)
{
    buf_add_bytes(b, s.ptr, s.len);
}

void buf_add_char(struct buf *b, char c)
{
    buf_add_bytes(b, &c, 1);
}

void buf_add_cstr(struct buf *b, const char *s)
{
    buf_add_bytes(b, s, strlen(s));
}

void buf_add_vfmt(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    assert(len >= 0);
    char *out = buf_reserve(b, (size_t)len);
    if (out) {
        vsnprintf(out, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void buf_add_fmt(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_add_vfmt(b, fmt, args);
    va_end(args);
}

void buf_add_i64(struct buf *b, int64_t value)
{
    char text[24];
    size_t at = sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        text[--at] = '-';
    buf_add_bytes(b, text + at, sizeof text - at);
}

void buf_add_f64(struct buf *b, double value)
{
    assert(isfinite(value));
    if (value == floor(value) && fabs(value) < 1e15) {
        buf_add_i64(b, (int64_t)value);
        return;
    }
    char text[40];
    /* 15 digits are enough for most numbers people write; 17 are enough for every double. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_cstr(b, text);
}

void buf_add_u8(struct buf *b, uint8_t v)
{
    buf_add_bytes(b, &v, 1);
}

static void add_little_endian(struct buf *b, uint64_t v, size_t count)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    buf_add_bytes(b, bytes, count);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
    add_little_endian(b, v, 2);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
    add_little_endian(b, v, 4);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    add_little_endian(b, v, 8);
}

void buf_add_f32(struct buf *b, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_add_u32(b, bits);
}

void buf_add_varint(struct buf *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t count = 0;
    while (v >= 0x80) {
        bytes[count++] = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    bytes[count++] = (unsigned char)v;
    buf_add_bytes(b, bytes, count);
}

struct cursor cursor_of(str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    return (struct cursor){ .next = p, .end = s.len ? p + s.len : p };
}

size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->next);
}

str cursor_bytes(struct cursor *c, size_t count)
{
    if (c->bad || count > cursor_left(c)) {
        c->bad = true;
        return STR_NONE;
    }
    str s = { (const char *)c->next, count };
    c->next += count;
    return s;
}

static uint64_t read_little_endian(struct cursor *c, size_t count)
{
    str s = cursor_bytes(c, count);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v |= (uint64_t)(unsigned char)s.ptr[i] << (8 * i);
    return v;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)read_little_endian(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)read_little_endian(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)read_little_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return read_little_endian(c, 8);
}

float cursor_f32(struct cursor *c)
{
    uint32_t bits = cursor_u32(c);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

uint64_t cursor_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned byte = cursor_u8(c);
        if (c->bad)
            return 0;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return v;
    }
    c->bad = true;
    return 0;
}

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
    if (b->failed || b->len + 2 > b->cap) {
        buf_add_bytes(b, &c, 1);
        return;
    }
    b->ptr[b->len++] = c;
    b->ptr[b->len] = '\0';
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

/* ------------------------------------------------------------------ doubles as text
 *
 * 15 digits are enough for most numbers people write; 17 are enough for every double. Between
 * 0.0001 and 1e15 all of it is exact in 128 bits, which is ten times as fast as printf and strtod:
 * a page of runs shows ten thousand metrics. */

enum { DIGITS_MIN = 15, DIGITS_MAX = 17 };
typedef unsigned __int128 u128;

enum { TENS_COUNT = 20 };
static const uint64_t powers_of_ten[TENS_COUNT] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

/* `digits` digits of mantissa * 2^-shift, whose first digit stands for 10^first, as a whole number.
 * False when they do not read back as the same double. */
static bool digits_of(uint64_t mantissa, int shift, int first, int digits, uint64_t *ret)
{
    int power = digits - 1 - first; /* 0 to 20 */
    u128 ten = power < TENS_COUNT ? powers_of_ten[power]
                                  : (u128)powers_of_ten[TENS_COUNT - 1] * powers_of_ten[1];
    u128 scaled = mantissa * ten, half = (u128)1 << (shift - 1);
    u128 whole = scaled >> shift, rest = scaled - (whole << shift);
    if (rest > half || (rest == half && (whole & 1)))
        whole++;
    *ret = (uint64_t)whole;
    u128 back = whole << shift;
    u128 off = back > scaled ? back - scaled : scaled - back;
    /* Nearer than half the way to the next double, which is half as far below a power of two. */
    return off * (mantissa == (uint64_t)1 << 52 ? 4 : 2) < ten;
}

/* `whole` with its first digit standing for 10^first. */
static void digits_add(struct buf *b, uint64_t whole, int digits, int first)
{
    char text[32];
    int len = 0;
    while (whole % 10 == 0 && digits > 1 && digits - 1 > first) {
        whole /= 10;
        digits--;
    }
    char reversed[DIGITS_MAX + 1];
    for (int i = 0; i < digits; i++, whole /= 10)
        reversed[digits - 1 - i] = (char)('0' + whole % 10);
    if (first < 0) {
        text[len++] = '0';
        text[len++] = '.';
        for (int i = -1; i > first; i--)
            text[len++] = '0';
    }
    for (int i = 0; i < digits; i++) {
        text[len++] = reversed[i];
        if (i == first && i + 1 < digits)
            text[len++] = '.';
    }
    buf_add_bytes(b, text, (size_t)len);
}

/* False for what printf must do. */
static bool add_plain(struct buf *b, double value)
{
    static const double small[] = { 1e-4, 1e-3, 1e-2, 1e-1, 1e0 };
    double size = fabs(value);
    if (size < small[0] || size >= 1e15)
        return false;
    int first = -4, exponent;
    while (size >= (first < 0 ? small[first + 5] : (double)powers_of_ten[first + 1]))
        first++;
    uint64_t mantissa = (uint64_t)ldexp(frexp(size, &exponent), 53);
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        uint64_t whole;
        bool is_same = digits_of(mantissa, 53 - exponent, first, digits, &whole);
        if (whole >= powers_of_ten[digits]) /* 9.99... became 10 */
            return false;
        if (!is_same)
            continue;
        if (value < 0)
            buf_add_char(b, '-');
        digits_add(b, whole, digits, first);
        return true;
    }
    return false;
}

/* 1.3, -20.5: the double next to a number of one decimal. A division is rounded correctly, so what
 * comes back from it is what the text reads as. */
static bool add_tenths(struct buf *b, double value)
{
    double tenths = value * 10;
    if (!(fabs(tenths) < 1e9) || tenths != floor(tenths) || tenths / 10 != value)
        return false;
    uint64_t whole = (uint64_t)fabs(tenths);
    if (value < 0)
        buf_add_char(b, '-');
    buf_add_i64(b, (int64_t)(whole / 10));
    buf_add_char(b, '.');
    buf_add_char(b, (char)('0' + whole % 10));
    return true;
}

void buf_add_f64(struct buf *b, double value)
{
    assert(isfinite(value));
    if (value == floor(value) && fabs(value) < 1e15) {
        buf_add_i64(b, (int64_t)value);
        return;
    }
    if (add_tenths(b, value) || add_plain(b, value))
        return;
    char text[40];
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_cstr(b, text);
}

void buf_add_real(struct buf *b, double value)
{
    if (value != trunc(value) || fabs(value) >= 1e16) { /* from there on it has an exponent */
        buf_add_f64(b, value);
        return;
    }
    char text[] = "-1234567890123456.0"; /* histories are long: no printf */
    size_t at = sizeof text - 3;
    uint64_t left = (uint64_t)fabs(value);
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (signbit(value))
        text[--at] = '-';
    buf_add(b, str_from(text + at, sizeof text - 1 - at));
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

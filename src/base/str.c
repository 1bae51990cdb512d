/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

str str_of(const char *cstr)
{
    return cstr ? (str){ cstr, strlen(cstr) } : STR_NONE;
}

str str_from(const void *ptr, size_t len)
{
    return (str){ ptr, len };
}

bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(str a, str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(str a, str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && str_eq((str){ s.ptr, prefix.len }, prefix);
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len && str_eq((str){ s.ptr + (s.len - suffix.len), suffix.len }, suffix);
}

ptrdiff_t str_find(str s, str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return -1;
    const char *at = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at ? at - s.ptr : -1;
}

bool str_contains(str s, str needle)
{
    return str_find(s, needle) >= 0;
}

ptrdiff_t str_find_char(str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? at - s.ptr : -1;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

str str_trim(str s)
{
    while (s.len && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

str str_sub(str s, size_t from, size_t len)
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (str){ s.len ? s.ptr + from : NULL, len };
}

str str_split(str *rest, char sep)
{
    ptrdiff_t at = str_find_char(*rest, sep);
    str head = *rest;
    if (at < 0) {
        *rest = str_sub(*rest, rest->len, 0);
        return head;
    }
    head.len = (size_t)at;
    *rest = str_sub(*rest, (size_t)at + 1, rest->len);
    return head;
}

err str_to_i64(str s, int64_t *ret_value)
{
    bool negative = s.len && s.ptr[0] == '-';
    str digits = negative ? str_sub(s, 1, s.len) : s;
    if (digits.len == 0)
        return ERR(ERR_INVALID, "'%.*s' is not a whole number", STR_ARG(s));
    int64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        if (c < '0' || c > '9')
            return ERR(ERR_INVALID, "'%.*s' is not a whole number", STR_ARG(s));
        /* Counts downwards, because the negative range is one larger. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, c - '0', &value))
            return ERR(ERR_INVALID, "'%.*s' does not fit in 64 bits", STR_ARG(s));
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return ERR(ERR_INVALID, "'%.*s' does not fit in 64 bits", STR_ARG(s));
    *ret_value = value;
    return OK;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

err str_to_f64(str s, double *ret_value)
{
    char text[64];
    if (s.len == 0 || s.len >= sizeof text)
        return ERR(ERR_INVALID, "'%.*s' is not a number", STR_ARG(str_sub(s, 0, 40)));
    for (size_t i = 0; i < s.len; i++)
        if (!is_number_char(s.ptr[i]))
            return ERR(ERR_INVALID, "'%.*s' is not a number", STR_ARG(s));
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + s.len || !isfinite(value))
        return ERR(ERR_INVALID, "'%.*s' is not a finite number", STR_ARG(s));
    *ret_value = value;
    return OK;
}

/* Length of the valid UTF-8 sequence that starts at p, or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t want = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < want)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xED && p[1] >= 0xA0;
    bool too_high = p[0] == 0xF4 && p[1] >= 0x90;
    return overlong || surrogate || too_high ? 0 : want;
}

size_t str_utf8_valid_len(str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        size_t step = utf8_sequence(p + i, s.len - i);
        if (step == 0)
            break;
        i += step;
    }
    return i;
}

/* Multiply-fold over 8-byte words: quick and well mixed; collisions cost time only. */
size_t str_utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

uint64_t str_hash(str s)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ s.len;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + i, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    uint64_t tail = 0;
    if (i < s.len)
        memcpy(&tail, s.ptr + i, s.len - i);
    h = (h ^ tail) * 0xD6E8FEB86659FD93u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ (h >> 32);
}

/* ------------------------------------------------------------------ base64 */

size_t str_base64(str bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < have ? (uint8_t)bytes.ptr[i + j] : 0u);
        for (size_t j = 0; j < 4; j++)
            out[n++] = j <= have ? digits[group >> (18 - 6 * j) & 63] : '=';
    }
    return n;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

ptrdiff_t str_base64_decode(str text, char *out)
{
    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    uint32_t group = 0;
    ptrdiff_t n = 0;
    if (text.len % 4 == 1)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0)
            return -1;
        group = group << 6 | (uint32_t)digit;
        if (i % 4)
            out[n++] = (char)(group >> (6 - 2 * (i % 4)));
    }
    return n;
}

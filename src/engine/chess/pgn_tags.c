/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_tags.c -- tag pairs: [Name "value"].
 *
 * The usual tag is one vector comparison away from its closing quote. The careful path knows
 * escapes, quotes that were not escaped, values without a closing quote, and bytes outside ASCII.
 */
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/chess/pgn_internal.h"

enum { TAG_NAME_MAX = 255 };

static const bool name_chars[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true, ['-'] = true,
};

/* Behind the opening quote of the pair at p, or NULL. Zeros follow the end. */
static const char *tag_value(const char *p, const char *end, str *ret_name, bool *ret_unsure)
{
    const char *q = p + 1;
    while (*q == ' ')
        q++;
    const char *name = q;
    while (name_chars[(unsigned char)*q])
        q++;
    *ret_name = (str){ name, (size_t)(q - name) };
    while (*q == ' ' || *q == '\t')
        q++;
    *ret_unsure = q >= end;
    return *q == '"' && ret_name->len > 0 && ret_name->len <= TAG_NAME_MAX && q < end ? q + 1
                                                                                      : NULL;
}

bool pgn_is_tag(const char *p, const char *end, bool *ret_unsure)
{
    str name;
    return *p == '[' && tag_value(p, end, &name, ret_unsure);
}

const char *pgn_find_tags(const char *p, const char *end, bool *ret_unsure)
{
    *ret_unsure = false;
    for (; p < end && (p = memchr(p, '[', (size_t)(end - p))); p++) {
        str name;
        bool unsure;
        bool is_tag = tag_value(p, end, &name, &unsure);
        if (unsure || (is_tag && (pgn_opens_line(p) || str_eq(name, STR("Event"))))) {
            *ret_unsure = unsure;
            return p;
        }
    }
    return NULL;
}

/* The first quote, backslash, control character or non-ASCII byte. Zeros follow the window. */
static const char *skip_plain(const char *p)
{
#if defined(__SSE2__)
    for (;; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stops = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(stops);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    while (*p >= ' ' && (unsigned char)*p < 128 && *p != '"' && *p != '\\')
        p++;
    return p;
#endif
}

/* Behind a closing bracket, if this quote closes the value. */
static const char *closes_value(const char *quote, const char *end)
{
    const char *q = quote + 1;
    while (q < end && (*q == ' ' || *q == '\t'))
        q++;
    if (q < end && *q == ']')
        return q + 1;
    return q == end || *q == '\n' || *q == '\r' ? q : NULL;
}

/* Finds the end of a value that is not plain. False when the window ends first. */
static bool find_value_end(const char *from, const char *end, bool at_eof,
                           const char **ret_value_end, const char **ret_after,
                           bool *ret_has_escapes)
{
    const char *q = from;
    for (; q < end && *q != '\n' && *q != '\r'; q++) {
        if (*q == '\\' && q + 1 < end && (q[1] == '"' || q[1] == '\\')) {
            *ret_has_escapes = true;
            q++;
        } else if (*q == '"') {
            const char *after = closes_value(q, end);
            if (after == end && !at_eof)
                return false;
            if (after) {
                *ret_value_end = q;
                *ret_after = after;
                return true;
            }
        }
    }
    if (q == end && !at_eof)
        return false;
    /* The line ends first: what looks like the end of a tag is not part of the value ("C:\"]"). */
    *ret_after = q;
    while (q > from && (q[-1] == ' ' || q[-1] == ']'))
        q--;
    if (q > from && q[-1] == '"')
        q--;
    *ret_value_end = q;
    return true;
}

enum pgn_tag_step pgn_tag_read(const char *begin, const char **p, const char *end, bool at_eof,
                               struct buf *converted, struct pgn_raw_tag *ret_tag)
{
    str name;
    bool unsure, has_escapes = false;
    const char *value = tag_value(*p, end, &name, &unsure);
    if (!value)
        return unsure && !at_eof ? PGN_TAG_CUT : PGN_TAG_NONE;
    const char *stop = skip_plain(value);
    struct pgn_raw_tag tag = {
        .name_at = (uint32_t)(name.ptr - begin),
        .name_len = (uint32_t)name.len,
        .value_at = (uint32_t)(value - begin),
    };
    if (*stop == '"' && stop[1] == ']' && stop - value <= PGN_TAG_BYTES_MAX) {
        tag.value_len = (uint32_t)(stop - value);
        *p = stop + 2;
        *ret_tag = tag;
        return PGN_TAG_READ;
    }
    const char *after;
    if (!find_value_end(value, end, at_eof, &stop, &after, &has_escapes))
        return PGN_TAG_CUT;
    tag.is_converted = true;
    tag.value_at = (uint32_t)converted->len;
    pgn_text_add(converted, str_from(value, (size_t)(stop - value)), has_escapes);
    tag.value_len = (uint32_t)converted->len - tag.value_at;
    *p = after;
    *ret_tag = tag;
    return PGN_TAG_READ;
}

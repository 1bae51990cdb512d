/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_text.c -- encodings seen in PGN files.
 *
 * The standard says Latin-1, the web writes UTF-8, old Windows programs wrote Windows-1252, and
 * some export UTF-16. UTF-16 announces itself at the start of the file and is turned into UTF-8 as
 * it streams by. The others agree on ASCII, which is all that moves need; so each tag value is
 * judged by itself: a value that is valid UTF-8 is kept, any other is read as Windows-1252 (Latin-1
 * with letters where Latin-1 has control characters). Files glued together from several sources
 * come out right that way.
 */
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/chess/pgn_internal.h"

enum pgn_encoding pgn_encoding_of(str head, size_t *ret_skip)
{
    const unsigned char *h = (const unsigned char *)head.ptr;
    *ret_skip = 0;
    if (head.len >= 3 && h[0] == 0xef && h[1] == 0xbb && h[2] == 0xbf) {
        *ret_skip = 3;
        return PGN_BYTES;
    }
    if (head.len >= 2 && h[0] == 0xff && h[1] == 0xfe) {
        *ret_skip = 2;
        return PGN_UTF16_LE;
    }
    if (head.len >= 2 && h[0] == 0xfe && h[1] == 0xff) {
        *ret_skip = 2;
        return PGN_UTF16_BE;
    }
    /* No mark, but "[E" or "1." in two-byte characters. */
    if (head.len >= 4 && h[0] && !h[1] && h[2] && !h[3])
        return PGN_UTF16_LE;
    if (head.len >= 4 && !h[0] && h[1] && !h[2] && h[3])
        return PGN_UTF16_BE;
    return PGN_BYTES;
}

enum { REPLACEMENT = 0xfffd };

size_t pgn_utf16_to_utf8(struct pgn_utf16 *t, str in, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t byte = (uint8_t)in.ptr[i];
        if (!t->has_odd_byte) {
            t->odd_byte = byte;
            t->has_odd_byte = true;
            continue;
        }
        t->has_odd_byte = false;
        uint32_t unit = t->big_endian ? (uint32_t)t->odd_byte << 8 | byte
                                      : (uint32_t)byte << 8 | t->odd_byte;
        bool is_low = unit >= 0xdc00 && unit < 0xe000;
        if (t->high_surrogate) {
            uint32_t high = t->high_surrogate;
            t->high_surrogate = 0;
            if (is_low) {
                len += str_utf8_put(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00), out + len);
                continue;
            }
            len += str_utf8_put(REPLACEMENT, out + len);
        }
        if (unit >= 0xd800 && unit < 0xdc00)
            t->high_surrogate = (uint16_t)unit;
        else
            len += str_utf8_put(is_low ? REPLACEMENT : unit, out + len);
    }
    return len;
}

/* Windows-1252 where it differs from Latin-1; 0 is not assigned. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static uint32_t code_point_1252(unsigned char byte)
{
    if (byte < 0x80 || byte >= 0xa0)
        return byte;
    return windows_1252[byte - 0x80] ? windows_1252[byte - 0x80] : REPLACEMENT;
}

void pgn_text_add(struct buf *out, str raw, bool has_escapes)
{
    size_t valid = str_utf8_valid_len(raw);
    bool is_utf8 = valid == raw.len;
    size_t len = 0;
    for (size_t i = 0; i < raw.len;) {
        char c = raw.ptr[i];
        if (has_escapes && c == '\\' && i + 1 < raw.len &&
            (raw.ptr[i + 1] == '"' || raw.ptr[i + 1] == '\\'))
            c = raw.ptr[++i];
        if ((unsigned char)c < ' ' || c == 127)
            c = ' '; /* values are shown in one line */
        char bytes[4];
        size_t count = 1, from = i;
        if (is_utf8) {
            for (i++; i < raw.len && ((unsigned char)raw.ptr[i] & 0xc0) == 0x80; i++)
                count++;
            memcpy(bytes, raw.ptr + from, count);
            if (count == 1)
                bytes[0] = c;
        } else {
            count = str_utf8_put(code_point_1252((unsigned char)c), bytes);
            i++;
        }
        if (len + count > PGN_TAG_BYTES_MAX)
            break;
        len += count;
        buf_add_bytes(out, bytes, count);
    }
}

/* Occurrences of `c`, in runs short enough for counters of a byte. */
static size_t count_char(const char *p, size_t len, char c)
{
    size_t count = 0, i = 0;
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8(c), zero = _mm_setzero_si128();
    while (len - i >= 16) {
        size_t stop = len - i > 255 * 16 ? i + 255 * 16 : i + (len - i) / 16 * 16;
        __m128i found = zero;
        for (; i < stop; i += 16)
            found = _mm_sub_epi8(
                found,
                _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)), wanted));
        found = _mm_sad_epu8(found, zero);
        count += (size_t)_mm_cvtsi128_si64(found) +
                 (size_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(found, found));
    }
#endif
    for (; i < len; i++)
        count += p[i] == c;
    return count;
}

uint64_t pgn_text_lines(str text, bool *last_was_cr)
{
    if (text.len == 0)
        return 0;
    /* CR LF is one line end: each LF that follows a CR takes back what the CR counted. */
    uint64_t pairs = *last_was_cr && text.ptr[0] == '\n';
    const char *end = text.ptr + text.len;
    uint64_t returns = 0;
    for (const char *p = text.ptr; (p = memchr(p, '\r', (size_t)(end - p))); p++) {
        returns++;
        pairs += p + 1 < end && p[1] == '\n';
        if (p + 1 == end)
            break;
    }
    *last_was_cr = end[-1] == '\r';
    return count_char(text.ptr, text.len, '\n') + returns - pairs;
}

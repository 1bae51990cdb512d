/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str.h -- a borrowed slice of bytes: pointer and length, no terminator, no ownership.
 *
 * Slices point into somebody else's memory (a request, an arena, a literal); the signature that
 * hands one out says for how long. A slice may contain NUL. C strings are made only at the border
 * with libc (arena_cstr). Print with "%.*s" and STR_ARG.
 */
#ifndef SKERRY_BASE_STR_H
#define SKERRY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct str {
    const char *ptr; /* may be NULL only when len is 0 */
    size_t len;
} str;

#define STR(literal) ((str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    } /* for static tables */
#define STR_NONE ((str){ NULL, 0 })
#define STR_ARG(s) ((int)(s).len), ((s).len ? (s).ptr : "")

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

str str_of(const char *cstr); /* NULL gives the empty slice */
str str_from(const void *ptr, size_t len);
bool str_eq(str a, str b);
bool str_eq_nocase(str a, str b); /* ASCII only */
int str_cmp(str a, str b);        /* bytewise; for qsort */
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
bool str_contains(str s, str needle);
ptrdiff_t str_find(str s, str needle);       /* byte index, or -1 */
ptrdiff_t str_find_char(str s, char c);      /* byte index, or -1 */
str str_trim(str s);                         /* ASCII white space at both ends */
str str_sub(str s, size_t from, size_t len); /* clamped to the slice */

/* Splits at the first `sep`: returns what is before it and moves *rest behind it. Returns
 * everything, and empties *rest, when there is no `sep`. */
str str_split(str *rest, char sep);

/* Strict decimal numbers: the whole slice or ERR_INVALID; no white space, no "0x", no overflow. */
MUST_USE err str_to_i64(str s, int64_t *ret_value);
MUST_USE err str_to_f64(str s, double *ret_value); /* finite only */

/* Length of the longest valid UTF-8 prefix (RFC 3629: no surrogates, no overlong forms). */
size_t str_utf8_valid_len(str s);
/* Writes a code point below 0x110000 as UTF-8; returns the bytes written, 1 to 4. */
size_t str_utf8_put(uint32_t c, char out[4]);

/* Hash for in-memory tables; not for storage or secrets. */
uint64_t str_hash(str s);

/* RFC 4648, with or without padding. `out` holds (len + 2) / 3 * 4 bytes, or len / 4 * 3 + 3. The
 * decoder takes the URL-safe alphabet too; -1: not base64. Both return the length. */
size_t str_base64(str bytes, char *out);
ptrdiff_t str_base64_decode(str text, char *out);

#endif

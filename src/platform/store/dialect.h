/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dialect.h -- the words in our SQL that engines spell differently. Private to this room. */
#ifndef SKERRY_STORE_DIALECT_H
#define SKERRY_STORE_DIALECT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct dialect_word {
    str word; /* without its "@"; empty ends a table */
    str text; /* what stands there instead, may be empty */
    str cast; /* what stands there in CAST(x AS @word); empty: the same */
};

/* The length of the quoted text, quoted name or comment at `at`; 0 when there is none. A quote
 * inside quotes is doubled, which reads as one quoted text right behind another. */
size_t dialect_opaque_len(str sql, size_t at);

/* Appends `sql` to out with every @word replaced. Text in quotes and comments stays as it is.
 * ERR_INTERNAL names a word that the table lacks. out's own limits are for buf_check(). */
MUST_USE err dialect_translate(const struct dialect_word *words, str sql, struct buf *out);

#endif

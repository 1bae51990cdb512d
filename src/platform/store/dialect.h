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
};

/* Appends `sql` to out with every @word replaced. Text in quotes and comments stays as it is.
 * ERR_INTERNAL names a word that the table lacks. out's own limits are for buf_check(). */
MUST_USE err dialect_translate(const struct dialect_word *words, str sql, struct buf *out);

#endif

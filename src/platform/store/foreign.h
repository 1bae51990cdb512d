/* SPDX-License-Identifier: GPL-3.0-or-later */
/* foreign.h -- an SQLite file of another program, read and never written, also while that program
 * is at work on it.
 *
 * A result that is open holds the other program's writers up, so results are asked for in pages and
 * read to their end at once. Between two of them the file may change. One thread at a time.
 */
#ifndef SKERRY_STORE_FOREIGN_H
#define SKERRY_STORE_FOREIGN_H

#include "platform/store/store.h"

struct foreign;
struct foreign_rows;

/* ERR_NOT_FOUND, ERR_DENIED; ERR_INVALID when it is no SQLite file. */
MUST_USE err foreign_open(const char *path, struct foreign **ret_foreign);
void foreign_close(struct foreign *f); /* accepts NULL */

/* False too when `table` is there without that column; column NULL: any. */
MUST_USE err foreign_has(struct foreign *f, const char *table, const char *column, bool *ret_has);

/* SQLite's own SQL; placeholders ?1 ?2 ... ERR_BUSY when the other program locked the file for
 * longer than a few seconds. Statements are kept by the address of their text: a literal. */
MUST_USE err foreign_query(struct foreign *f, const char *sql, struct store_args args,
                           struct foreign_rows **ret_rows);
bool foreign_next(struct foreign_rows *rows);
MUST_USE err foreign_rows_close(struct foreign_rows *rows); /* accepts NULL */

/* Columns count from 0. The type is the value's, not the column's: SQLite files hold anything
 * anywhere. Bytes live until the next row; a text that is not UTF-8 is cut where it ends to be. */
struct store_value foreign_value(struct foreign_rows *rows, int column);
int foreign_columns(const struct foreign_rows *rows);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* postgres_sql.h -- from the SQL of store.h to PostgreSQL's. Pure; private to this room. */
#ifndef SKERRY_STORE_POSTGRES_SQL_H
#define SKERRY_STORE_POSTGRES_SQL_H

#include "base/buf.h"
#include "platform/store/store.h"

enum { PG_SQL_BYTES_MAX = 1 << 20, PG_MASKED_MAX = 64 };

struct pg_sql {
    size_t placeholders;  /* the highest ?N */
    uint64_t tested_mask; /* ?N with "IS NULL" behind it; bit N-1 */
    uint64_t used_mask;   /* ?N that still stands in the text; bit N-1 of the first 64 */
};

/* Appends `sql` with @words replaced, ?N written $N, and "?N IS NULL" decided: PostgreSQL cannot
 * tell the type of a value that is only tested, and it plans better when it knows. ERR_INTERNAL
 * names what store.h does not allow. out's own limits are for buf_check(). */
MUST_USE err pg_sql_write(str sql, struct store_args args, struct buf *out,
                          struct pg_sql *ret_info);

/* OK for SELECT, INSERT, UPDATE, DELETE, WITH, VALUES and, where is_schema, CREATE, ALTER, DROP;
 * ERR_INTERNAL for the rest: COMMIT, SET, COPY and the like would pull the transaction, or the
 * server, from under us. */
MUST_USE err pg_sql_allowed(str sql, bool is_schema);

/* Cuts the next statement off a script, without its ";". False at the end. */
bool pg_sql_next(str *rest, str *ret_statement);

/* The bits of tested_mask whose value is NULL. */
uint64_t pg_sql_null_mask(struct store_args args);

#endif

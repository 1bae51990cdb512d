/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SQLite's tables and their foreign keys, as its own pragmas tell them. */
#include "platform/store/sqlite.h"

static const char columns_sql[] =
    "SELECT m.name, p.name, p.type, p.pk FROM sqlite_master m, pragma_table_info(m.name) p "
    "WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' ORDER BY m.name, p.cid";
static const char parents_sql[] =
    "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f "
    "WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' ORDER BY m.name, f.id";

static str text_of(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return str_from(text, text ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

static enum store_type type_of(str declared)
{
    return str_eq(declared, STR("INTEGER")) ? STORE_INT
           : str_eq(declared, STR("REAL"))  ? STORE_REAL
           : str_eq(declared, STR("TEXT"))  ? STORE_TEXT
           : str_eq(declared, STR("BLOB"))  ? STORE_BLOB
                                            : STORE_NULL;
}

static err column_row(const struct store_catalog *to, sqlite3_stmt *stmt)
{
    struct store_column column = { .name = text_of(stmt, 1),
                                   .type = type_of(text_of(stmt, 2)),
                                   .key = sqlite3_column_int(stmt, 3) };
    return to->column(to->arg, text_of(stmt, 0), &column);
}

static err parent_row(const struct store_catalog *to, sqlite3_stmt *stmt)
{
    return to->parent(to->arg, text_of(stmt, 0), text_of(stmt, 1));
}

/* The pragmas ask the authorizer while rows are read, too. */
static err walk(struct sqlite_conn *c, const char *sql, const struct store_catalog *to,
                err (*row)(const struct store_catalog *to, sqlite3_stmt *stmt))
{
    sqlite3_stmt *stmt = NULL;
    err e = OK;
    c->trusted = true;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    while (!e.code && !rc && (rc = sqlite_step(stmt)) == SQLITE_ROW) {
        e = row(to, stmt);
        rc = 0;
    }
    c->trusted = false;
    if (!e.code && rc != SQLITE_DONE)
        e = sqlite_error(c, rc, "reading what tables there are", NULL);
    sqlite3_finalize(stmt);
    return e;
}

err sqlite_catalog(struct store_read *rd, const struct store_catalog *to)
{
    struct sqlite_conn *c = (struct sqlite_conn *)(void *)rd;
    TRY(walk(c, columns_sql, to, column_row));
    return walk(c, parents_sql, to, parent_row);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PostgreSQL's tables in our schema, their foreign keys, their identity columns, and who else is
 * connected. */
#include <stdio.h>
#include <string.h>

#include "platform/store/postgres.h"

static const char columns_sql[] =
    "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL),"
    " COALESCE(array_position(k.conkey, a.attnum), 0)"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    " AND a.attnum > 0 AND NOT a.attisdropped"
    " AND COALESCE(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'derived:%'"
    " ORDER BY c.relname COLLATE \"C\", a.attnum";
static const char parents_sql[] =
    "SELECT c.relname::text, p.relname::text FROM pg_constraint f"
    " JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid"
    " WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace"
    " ORDER BY c.relname COLLATE \"C\", p.relname COLLATE \"C\"";

static enum store_type type_of(str name)
{
    return str_eq(name, STR("bigint"))             ? STORE_INT
           : str_eq(name, STR("double precision")) ? STORE_REAL
           : str_eq(name, STR("text"))             ? STORE_TEXT
           : str_eq(name, STR("bytea"))            ? STORE_BLOB
                                                   : STORE_NULL;
}

err pg_catalog(struct store_read *rd, const struct store_catalog *to)
{
    struct store_rows *rows = NULL;
    TRY(pg_query(rd, str_of(columns_sql), false, NO_ARGS, &rows));
    err e = OK;
    while (!e.code && pg_rows_next(rows)) {
        struct store_column column = { .name = pg_col_bytes(rows, 1),
                                       .type = type_of(pg_col_bytes(rows, 2)),
                                       .key = (int)pg_col_int(rows, 3) };
        e = to->column(to->arg, pg_col_bytes(rows, 0), &column);
    }
    TRY(err_first(e, pg_rows_close(rows)));
    TRY(pg_query(rd, str_of(parents_sql), false, NO_ARGS, &rows));
    while (!e.code && pg_rows_next(rows))
        e = to->parent(to->arg, pg_col_bytes(rows, 0), pg_col_bytes(rows, 1));
    return err_first(e, pg_rows_close(rows));
}

/* A sequence goes on behind what was written past it. */
err pg_ids_continue(struct store_tx *tx, str table)
{
    struct store_rows *rows = NULL;
    char column[80] = "", sql[512];
    TRY(pg_query(store_tx_read(tx),
                 STR("SELECT attname::text FROM pg_attribute WHERE attidentity <> '' AND attrelid ="
                     " (SELECT oid FROM pg_class WHERE relname = ?1::name AND relnamespace ="
                     " current_schema()::regnamespace)"),
                 false, ARGS(sql_text(table)), &rows));
    if (pg_rows_next(rows))
        snprintf(column, sizeof column, "%.*s", STR_ARG(pg_col_bytes(rows, 0)));
    TRY(pg_rows_close(rows));
    if (!column[0])
        return OK;
    snprintf(sql, sizeof sql,
             "SELECT setval(pg_get_serial_sequence('%.*s', '%s'),"
             " (SELECT COALESCE(MAX(%s), 0) + 1 FROM %.*s), false)",
             STR_ARG(table), column, column, STR_ARG(table));
    TRY(pg_query(store_tx_read(tx), str_of(sql), false, NO_ARGS, &rows));
    pg_rows_next(rows);
    return pg_rows_close(rows);
}

/* The first column of the first row, or empty. */
static err text_of(struct store_tx *tx, const char *sql, char *out, size_t out_bytes)
{
    struct store_rows *rows = NULL;
    out[0] = '\0';
    TRY(pg_query(store_tx_read(tx), str_of(sql), false, NO_ARGS, &rows));
    if (pg_rows_next(rows))
        snprintf(out, out_bytes, "%.*s", STR_ARG(pg_col_bytes(rows, 0)));
    return pg_rows_close(rows);
}

/* Pieces on a node alone gain nothing and cost every statement, so not without a worker. */
static err distribute(struct store_tx *tx, const char *table, const char *owner)
{
    char sql[512], is_wanted[8];
    snprintf(sql, sizeof sql,
             "SELECT (EXISTS (SELECT FROM pg_dist_node WHERE isactive AND shouldhaveshards"
             " AND noderole = 'primary' AND groupid <> 0) AND NOT EXISTS (SELECT FROM"
             " pg_dist_partition WHERE logicalrelid = '%s'::regclass))::text",
             table);
    TRY(text_of(tx, sql, is_wanted, sizeof is_wanted));
    if (strcmp(is_wanted, "true") != 0)
        return OK;
    snprintf(sql, sizeof sql,
             "SELECT create_distributed_table('%s', '%s', colocate_with => 'none')::text", table,
             owner);
    err e = text_of(tx, sql, is_wanted, sizeof is_wanted);
    struct pg_conn *c = pg_conn_of(store_tx_read(tx));
    if (e.code && strcmp(c->state, "42P16") == 0)
        c->wants_retry = true; /* another server was faster: looked at again, it is done */
    return e;
}

/* TimescaleDB's functions stand in the schema in which it was created, which need not be on our
 * search path; those of Citus stand in pg_catalog. */
err pg_spread(struct store_tx *tx, const char *table, const char *owner, const char *time,
              int64_t piece)
{
    char schema[80], citus[8], sql[512];
    TRY(text_of(tx,
                "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n"
                " ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'",
                schema, sizeof schema));
    TRY(text_of(tx, "SELECT 'yes' FROM pg_extension WHERE extname = 'citus'", citus, sizeof citus));
    if (!schema[0])
        return citus[0] ? distribute(tx, table, owner) : OK;
    snprintf(sql, sizeof sql,
             "SELECT %s.create_hypertable('%s'::regclass, '%s'::name,"
             " chunk_time_interval => %lld::bigint, if_not_exists => true, migrate_data => true)"
             "::text",
             schema, table, time, (long long)piece);
    return text_of(tx, sql, schema, sizeof schema);
}

/* Each connection says in its application_name whose it is, and in which schema: pg_conn_connect.
 */
err pg_others(void *engine, int64_t *ret_count)
{
    struct pg_engine *s = engine;
    char text[32];
    TRY(pg_ask(s,
               "SELECT count(DISTINCT application_name)::text FROM pg_stat_activity"
               " WHERE datname = current_database() AND starts_with(application_name, 'skerry ')"
               " AND substring(application_name FROM 17) = left(current_schema(), 47)"
               " AND substring(application_name FROM 8 FOR 8) <> $1",
               s->instance, text, sizeof text));
    return str_to_i64(str_of(text), ret_count);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* catalog.c -- what tables there are, in an order in which rows can be written: a table stands
 * behind those that its foreign keys refer to.
 */
#include <stdlib.h>

#include "platform/store/backend.h"

enum { EDGES_MAX = 4096, COLUMNS_TOTAL_MAX = STORE_TABLES_MAX * 16 };

struct edge {
    str table, parent;
};

struct catalog {
    arena *keep;
    struct store_table *tables; /* as the engine says them: by name */
    size_t table_count;
    struct store_column *columns;
    size_t column_count;
    struct edge *edges;
    size_t edge_count;
};

/* A name of ours needs no quotes, in any engine. */
static bool is_plain(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.len > 0 && name.len < 64;
}

static err add_column(void *arg, str table, const struct store_column *column)
{
    struct catalog *c = arg;
    struct store_table *t = c->table_count ? &c->tables[c->table_count - 1] : NULL;
    if (!is_plain(table) || !is_plain(column->name) || column->type == STORE_NULL)
        return ERR(ERR_UNSUPPORTED,
                   "the store has a table '%.*s' with a column '%.*s' that is none of ours (keep "
                   "Skerry's tables apart, in a database or schema of their own)",
                   STR_ARG(str_sub(table, 0, 40)), STR_ARG(str_sub(column->name, 0, 40)));
    if (!t || !str_eq(t->name, table)) {
        if (c->table_count == STORE_TABLES_MAX)
            return ERR(ERR_TOO_BIG, "the store has more than %d tables", STORE_TABLES_MAX);
        t = &c->tables[c->table_count++];
        *t = (struct store_table){ .name = arena_str(c->keep, table),
                                   .columns = c->columns + c->column_count };
        ARENA_TRY(t->name.ptr);
    }
    if (c->column_count == COLUMNS_TOTAL_MAX || t->column_count == STORE_COLUMNS_MAX)
        return ERR(ERR_TOO_BIG, "table %.*s has more than %d columns", STR_ARG(table),
                   STORE_COLUMNS_MAX);
    struct store_column *to = &c->columns[c->column_count++];
    *to = *column;
    to->name = arena_str(c->keep, column->name);
    ARENA_TRY(to->name.ptr);
    t->column_count++;
    return OK;
}

static err add_parent(void *arg, str table, str parent)
{
    struct catalog *c = arg;
    if (str_eq(table, parent))
        return OK;
    for (size_t i = 0; i < c->edge_count; i++)
        if (str_eq(c->edges[i].table, table) && str_eq(c->edges[i].parent, parent))
            return OK;
    if (c->edge_count == EDGES_MAX)
        return ERR(ERR_TOO_BIG, "the store has more than %d foreign keys", EDGES_MAX);
    struct edge *e = &c->edges[c->edge_count++];
    *e = (struct edge){ arena_str(c->keep, table), arena_str(c->keep, parent) };
    ARENA_TRY(e->table.ptr);
    ARENA_TRY(e->parent.ptr);
    return OK;
}

static err give_parents(struct catalog *c, struct store_table *t)
{
    str *parents = NEW_ARRAY(c->keep, str, c->edge_count + 1);
    ARENA_TRY(parents);
    for (size_t i = 0; i < c->edge_count; i++)
        if (str_eq(c->edges[i].table, t->name))
            parents[t->parent_count++] = c->edges[i].parent;
    t->parents = parents;
    return OK;
}

static bool is_among(const struct store_table *tables, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(tables[i].name, name))
            return true;
    return false;
}

static bool is_ready(const struct store_table *t, const struct store_table *placed, size_t count)
{
    for (size_t i = 0; i < t->parent_count; i++)
        if (!is_among(placed, count, t->parents[i]))
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct store_table *)a)->name, ((const struct store_table *)b)->name);
}

/* The first table by name whose parents are all placed comes next. */
static err order(struct catalog *c, struct store_table *out)
{
    qsort(c->tables, c->table_count, sizeof *c->tables, by_name);
    for (size_t placed = 0; placed < c->table_count; placed++) {
        size_t i = 0;
        while (i < c->table_count &&
               (is_among(out, placed, c->tables[i].name) || !is_ready(&c->tables[i], out, placed)))
            i++;
        if (i == c->table_count)
            return ERR(ERR_UNSUPPORTED, "the foreign keys of the store's tables form a circle");
        out[placed] = c->tables[i];
    }
    return OK;
}

err store_tables(struct store_read *rd, arena *keep, struct store_table **ret_tables,
                 size_t *ret_count)
{
    struct catalog c = {
        .keep = keep,
        .tables = NEW_ARRAY(keep, struct store_table, STORE_TABLES_MAX),
        .columns = NEW_ARRAY(keep, struct store_column, COLUMNS_TOTAL_MAX),
        .edges = NEW_ARRAY(keep, struct edge, EDGES_MAX),
    };
    struct store_table *out = NEW_ARRAY(keep, struct store_table, STORE_TABLES_MAX);
    TRY(arena_check(keep));
    const struct store_catalog to = { add_column, add_parent, &c };
    TRY(rd->backend->catalog(rd, &to));
    for (size_t i = 0; i < c.table_count; i++)
        TRY(give_parents(&c, &c.tables[i]));
    TRY(order(&c, out));
    *ret_tables = out;
    *ret_count = c.table_count;
    return OK;
}

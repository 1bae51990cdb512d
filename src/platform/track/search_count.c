/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_count.c -- how many rows a filter finds, without finding them. */
#include "platform/track/search_internal.h"

enum { ARGS_OF_SCOPE = 64, ARGS_OF_CONDITION = 12 };

struct count {
    struct search_sql sql;
    int64_t found;
};

static err count_fn(struct store_read *rd, void *arg)
{
    struct count *c = arg;
    struct store_rows *rows;
    TRY(search_sql_run(&c->sql, rd, &rows));
    c->found = store_next(rows) ? store_col_int(rows, 0) : 0;
    return store_rows_close(rows);
}

static err query_make(struct search_sql *s, const struct search_filter *f)
{
    search_sql_add(s, "SELECT COUNT(*) FROM traces r WHERE ");
    search_sql_scope(s, f);
    for (size_t i = 0; i < f->count; i++) {
        search_sql_add(s, " AND ");
        TRY(search_sql_condition(s, &f->conditions[i]));
    }
    return OK;
}

err search_count_traces(struct track *t, const struct search_spec *spec, arena *keep,
                        int64_t *ret_count)
{
    struct search_filter filter;
    struct count c = { .found = 0 };
    size_t room = ARGS_OF_SCOPE;
    *ret_count = 0;
    if (spec->experiment_count > SEARCH_EXPERIMENTS_MAX)
        return ERR(ERR_INVALID, "More than %d experiments", SEARCH_EXPERIMENTS_MAX);
    TRY(search_parse_filter(SEARCH_TRACES, spec->filter, keep, &filter));
    if (spec->experiment_count == 0)
        return OK;
    for (size_t i = 0; i < filter.count; i++)
        room += ARGS_OF_CONDITION + 2 * filter.conditions[i].list_count;
    TRY(search_sql_init(&c.sql, spec, room, keep));
    err e = query_make(&c.sql, &filter);
    if (!e.code)
        e = store_read(t->store, count_fn, &c);
    search_sql_deinit(&c.sql);
    *ret_count = c.found;
    return e;
}

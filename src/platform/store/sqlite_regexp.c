/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sqlite_regexp.c -- `text @rlike pattern`: SQLite has the operator and no function behind it.
 *
 * What is compiled stays with the statement while the pattern is the same, which it is for all rows
 * of a query. So does the count of what all rows have cost: a query that goes on for too long is
 * ended, as PostgreSQL's own time limit does. */
#include <stdlib.h>

#include "base/pattern.h"
#include "platform/store/sqlite.h"

enum { ARENA_BYTES = 1 << 20 };
/* Some seconds. */
#define WORK_MAX UINT64_C(1000000000)

struct compiled {
    arena keep;
    struct pattern *pattern;
};

static void compiled_free(void *arg)
{
    struct compiled *c = arg;
    if (!c)
        return;
    arena_deinit(&c->keep);
    free(c);
}

static str text_of(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    return text ? str_from(text, (size_t)sqlite3_value_bytes(value)) : STR_NONE;
}

static err compile(str text, struct compiled **ret_compiled)
{
    struct compiled *c = calloc(1, sizeof *c);
    if (!c)
        return ERR(ERR_NO_MEMORY, "compiling a regular expression: out of memory");
    arena_init(&c->keep, ARENA_BYTES);
    err e = pattern_compile(&c->keep, text, &c->pattern);
    if (e.code) {
        compiled_free(c);
        return e;
    }
    *ret_compiled = c;
    return OK;
}

/* `text REGEXP pattern` calls it with the pattern first. */
static void regexp(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
        sqlite3_value_type(values[1]) == SQLITE_NULL)
        return;
    struct compiled *c = sqlite3_get_auxdata(context, 0);
    if (!c) {
        err e = compile(text_of(values[0]), &c);
        if (e.code) {
            sqlite3_result_error(context, e.msg, -1);
            sqlite3_result_error_code(context,
                                      e.code == ERR_NO_MEMORY ? SQLITE_NOMEM : SQLITE_MISMATCH);
            return;
        }
        sqlite3_set_auxdata(context, 0, c, compiled_free);
        c = sqlite3_get_auxdata(context, 0);
        if (!c) { /* out of memory: it is freed already */
            sqlite3_result_error_nomem(context);
            return;
        }
    }
    bool is_found = pattern_finds(c->pattern, text_of(values[1]));
    if (pattern_work(c->pattern) > WORK_MAX) {
        sqlite3_result_error(context, "the regular expression has too much to do here", -1);
        sqlite3_result_error_code(context, SQLITE_TOOBIG);
        return;
    }
    sqlite3_result_int(context, is_found);
}

int sqlite_regexp_add(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "regexp", 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                      regexp, NULL, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_db.h -- where a test's store lives: a file in its folder, or, when SKERRY_TEST_DB names a
 * PostgreSQL database, a schema of its own in it. The suite `postgres` runs the tests that way.
 */
#ifndef SKERRY_TEST_DB_H
#define SKERRY_TEST_DB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/store/store.h"

static inline bool test_db_is_postgres(void)
{
    return getenv("SKERRY_TEST_DB") != NULL;
}

static inline err test_db_run_fn(struct store_tx *tx, void *arg)
{
    return store_exec(tx, arg, NO_ARGS, NULL);
}

/* One statement on the database as a whole. */
static inline void test_db_run(const char *sql)
{
    struct store *s = NULL;
    err e = store_open(&(struct store_options){ .url = getenv("SKERRY_TEST_DB") }, &s);
    if (!e.code)
        e = store_write(s, test_db_run_fn, (void *)(uintptr_t)sql);
    store_close(s);
    if (e.code) {
        fprintf(stderr, "%s: %s\n", sql, e.msg);
        abort();
    }
}

/* Writes the URL of a new, empty store. */
static inline void test_db_url(const char *folder, const char *file, char *url, size_t url_bytes)
{
    if (!test_db_is_postgres()) {
        snprintf(url, url_bytes, "sqlite:%s/%s", folder, file);
        return;
    }
    char name[64], sql[128];
    snprintf(name, sizeof name, "t%d_%lld", (int)getpid(), (long long)clock_mono_ns());
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", name);
    test_db_run(sql);
    snprintf(url, url_bytes, "%s%soptions=-csearch_path%%3D%s", getenv("SKERRY_TEST_DB"),
             strchr(getenv("SKERRY_TEST_DB"), '?') ? "&" : "?", name);
}

/* Removes what test_db_url made, once the store is closed. */
static inline void test_db_drop(const char *url)
{
    const char *name = test_db_is_postgres() ? strstr(url, "search_path%3D") : NULL;
    char sql[128];
    if (!name)
        return;
    snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", name + strlen("search_path%3D"));
    test_db_run(sql);
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* place.h -- a folder of its own for one test, and the store in it. */
#ifndef SKERRY_TEST_STORE_PLACE_H
#define SKERRY_TEST_STORE_PLACE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/store/store.h"
#include "../test_db.h"

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

#define assert_err(call, expected)                                                            \
    do {                                                                                      \
        err assert_err_ = (call);                                                             \
        if (assert_err_.code != (expected))                                                   \
            fail_msg("got %s '%s', not %s", err_code_name(assert_err_.code), assert_err_.msg, \
                     err_code_name(expected));                                                \
    } while (0)

struct place {
    char folder[64];
    char file[128]; /* of the store */
    char url[320];
    struct store *store; /* open, or NULL */
};

static inline void place_paths(struct place *p)
{
    snprintf(p->file, sizeof p->file, "%s/skerry.db", p->folder);
    test_db_url(p->folder, "skerry.db", p->url, sizeof p->url);
}

static inline void place_open(struct place *p)
{
    const struct store_options options = { .url = p->url };
    assert_ok(store_open(&options, &p->store));
}

static inline void place_close(struct place *p)
{
    store_close(p->store);
    p->store = NULL;
}

static inline int place_setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->folder, sizeof p->folder, "/tmp/skerry-test-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    place_paths(p);
    place_open(p);
    *state = p;
    return 0;
}

static inline int place_teardown(void **state)
{
    struct place *p = *state;
    store_close(p->store);
    test_db_drop(p->url);
    assert_ok(fs_remove_tree(p->folder));
    free(p);
    return 0;
}

/* ------------------------------------------------------------------ one statement, one transaction
 */

struct place_call {
    const char *sql;
    struct store_args args;
    int64_t number;
};

static inline err place_exec_fn(struct store_tx *tx, void *arg)
{
    struct place_call *c = arg;
    return store_exec(tx, c->sql, c->args, &c->number);
}

static inline err place_exec(struct place *p, const char *sql, struct store_args args)
{
    struct place_call c = { .sql = sql, .args = args };
    return store_write(p->store, place_exec_fn, &c);
}

static inline err place_int_fn(struct store_read *rd, void *arg)
{
    struct place_call *c = arg;
    return store_get_int(rd, c->sql, c->args, &c->number);
}

static inline int64_t place_int(struct place *p, const char *sql, struct store_args args)
{
    struct place_call c = { .sql = sql, .args = args };
    assert_ok(store_read(p->store, place_int_fn, &c));
    return c.number;
}

/* ------------------------------------------------------------------ a held writer */

/* Holds the writer thread inside a write until the test sets `open`, so that a queue can be filled.
 */
struct place_gate {
    atomic_bool inside, open;
};

static inline err place_hold_fn(struct store_tx *tx, void *arg)
{
    struct place_gate *g = arg;
    atomic_store(&g->inside, true);
    for (int tries = 0; !atomic_load(&g->open) && tries < 20000; tries++)
        clock_sleep_ms(1);
    return OK;
}

static inline void place_hold_done(void *arg, err result)
{
    assert_ok(result);
}

static inline void place_hold(struct place *p, struct place_gate *g)
{
    assert_ok(store_write_later(p->store, place_hold_fn, g, place_hold_done));
    for (int tries = 0; !atomic_load(&g->inside) && tries < 20000; tries++)
        clock_sleep_ms(1);
    assert_true(atomic_load(&g->inside));
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Wake-ups and named locks, within a process and, on PostgreSQL, between two. */
#include "place.h"

#include "base/thread.h"

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE note (id @id, state @text NOT NULL, taken_by @int) @strict" },
    { 0 },
};

static int setup(void **state)
{
    place_setup(state);
    struct place *p = *state;
    assert_ok(store_migrate(p->store, "test", steps));
    return 0;
}

/* The store of "another process": on PostgreSQL a second one on the same schema. */
static struct store *open_other(struct place *p)
{
    struct store *other = NULL;
    if (test_db_is_postgres())
        assert_ok(store_open(&(struct store_options){ .url = p->url }, &other));
    return other;
}

/* ------------------------------------------------------------------ wake-ups */

struct ear {
    atomic_int heard;
};

static void hear(void *arg)
{
    atomic_fetch_add(&((struct ear *)arg)->heard, 1);
}

static err say(struct store_tx *tx, void *arg)
{
    TRY(store_exec(tx, "INSERT INTO note (state) VALUES ('said')", NO_ARGS, NULL));
    return store_notify(tx, arg);
}

static err say_and_fail(struct store_tx *tx, void *arg)
{
    TRY(say(tx, arg));
    return ERR(ERR_INVALID, "changed my mind");
}

static bool wait_heard(struct ear *ear, int least)
{
    for (int i = 0; i < 5000 && atomic_load(&ear->heard) < least; i++)
        clock_sleep_ms(1);
    return atomic_load(&ear->heard) >= least;
}

/* If this failed, a job would lie there until somebody looks. */
static void test_a_commit_wakes(void **state)
{
    struct place *p = *state;
    struct store *other = open_other(p), *listening = other ? other : p->store;
    struct ear ear = { 0 }, deaf = { 0 };
    assert_ok(store_listen(listening, "work", hear, &ear));
    assert_ok(store_listen(listening, "play", hear, &deaf));
    /* The listener's connection is made by its thread: until it is there, say it again. */
    for (int i = 0; i < 100 && atomic_load(&ear.heard) == 0; i++) {
        assert_ok(store_write(p->store, say, (char *)(uintptr_t) "work"));
        clock_sleep_ms(20);
    }
    assert_true(wait_heard(&ear, 1));
    /* PostgreSQL wakes everybody once it listens: what was said before was not heard. */
    int heard_at_start = atomic_load(&deaf.heard);
    assert_true(heard_at_start <= (test_db_is_postgres() ? 1 : 0));
    if (test_db_is_postgres()) { /* SQLite may wake once too often */
        int before = atomic_load(&ear.heard);
        assert_err(store_write(p->store, say_and_fail, (char *)(uintptr_t) "work"), ERR_INVALID);
        clock_sleep_ms(100);
        assert_int_equal(atomic_load(&ear.heard), before);
    }
    int before = atomic_load(&ear.heard);
    store_unlisten(listening, &ear);
    assert_ok(store_write(p->store, say, (char *)(uintptr_t) "work"));
    assert_ok(store_write(p->store, say, (char *)(uintptr_t) "play"));
    assert_true(wait_heard(&deaf, heard_at_start + 1));
    assert_int_equal(atomic_load(&ear.heard), before);
    store_unlisten(listening, &deaf);
    store_close(other);
}

/* ------------------------------------------------------------------ locks */

struct turn {
    struct store *store;
    atomic_int *inside, *most;
};

static void *take_turns(void *arg)
{
    struct turn *t = arg;
    for (int i = 0; i < 5; i++) {
        struct store_lock *lock = NULL;
        assert_ok(store_lock(t->store, "site example.org", 30000, &lock));
        int now = atomic_fetch_add(t->inside, 1) + 1;
        if (now > atomic_load(t->most))
            atomic_store(t->most, now);
        clock_sleep_ms(2);
        atomic_fetch_sub(t->inside, 1);
        store_unlock(lock);
    }
    return NULL;
}

/* If this failed, two machines would ask the same web site at once, and be locked out by it. */
static void test_a_lock_has_one_holder(void **state)
{
    struct place *p = *state;
    struct store *other = open_other(p);
    atomic_int inside = 0, most = 0;
    struct turn turns[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        turns[i] = (struct turn){ i % 2 && other ? other : p->store, &inside, &most };
        assert_ok(thread_start(&threads[i], "turns", take_turns, &turns[i]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&most), 1);
    store_close(other);
}

static void test_a_lock_says_when_it_is_taken(void **state)
{
    struct place *p = *state;
    struct store *other = open_other(p);
    struct store_lock *one = NULL, *two = NULL, *more = NULL;
    assert_ok(store_lock(p->store, "one", 0, &one));
    assert_ok(store_lock(p->store, "two", 0, &two));
    assert_err(store_lock(other ? other : p->store, "one", 30, &more), ERR_BUSY);
    store_unlock(one);
    assert_ok(store_lock(other ? other : p->store, "one", 1000, &more));
    store_unlock(more);
    store_unlock(two);
    store_unlock(NULL);
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_err(store_lock(p->store, long_name, 0, &more), ERR_INVALID);
    assert_err(store_lock(p->store, "", 0, &more), ERR_INVALID);
    store_close(other);
}

/* ------------------------------------------------------------------ taking rows */

enum { ROWS = 300, TAKERS = 4 };

struct taker {
    struct store *store;
    int64_t number;
    int taken;
    bool is_last;
};

static err fill(struct store_tx *tx, void *arg)
{
    for (int i = 0; i < ROWS; i++)
        TRY(store_exec(tx, "INSERT INTO note (state) VALUES ('queued')", NO_ARGS, NULL));
    return OK;
}

static err take_row(struct store_tx *tx, void *arg)
{
    struct taker *t = arg;
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "UPDATE note SET state = 'taken', taken_by = ?1 WHERE id = (SELECT id FROM note"
                    " WHERE state = 'queued' ORDER BY id LIMIT 1 @skip_locked) RETURNING id",
                    ARGS(sql_int(t->number)), &rows));
    t->is_last = !store_next(rows);
    return store_rows_close(rows);
}

static void *taker_main(void *arg)
{
    struct taker *t = arg;
    while (!t->is_last) {
        assert_ok(store_write_claim(t->store, take_row, t));
        t->taken += !t->is_last;
    }
    return NULL;
}

/* If this failed, two workers would do the same job. */
static void test_each_row_is_taken_once(void **state)
{
    struct place *p = *state;
    struct store *other = open_other(p);
    struct taker takers[TAKERS];
    pthread_t threads[TAKERS];
    assert_ok(store_write(p->store, fill, NULL));
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){ .store = i % 2 && other ? other : p->store, .number = i };
        assert_ok(thread_start(&threads[i], "taker", taker_main, &takers[i]));
    }
    int taken = 0;
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(
            place_int(p, "SELECT count(*) FROM note WHERE taken_by = ?1", ARGS(sql_int(i))),
            takers[i].taken);
        taken += takers[i].taken;
    }
    assert_int_equal(taken, ROWS);
    store_close(other);
}

/* ------------------------------------------------------------------ look, then act */

static err count_and_add(struct store_tx *tx, void *arg)
{
    int64_t count = 0;
    TRY(store_get_int(store_tx_read(tx), "SELECT count(*) FROM note", NO_ARGS, &count));
    return store_exec(tx, "INSERT INTO note (id, state) VALUES (?1, 'numbered')",
                      ARGS(sql_int(count + 1)), NULL);
}

static void *counter_main(void *arg)
{
    for (int i = 0; i < 25; i++)
        assert_ok(store_write(arg, count_and_add, NULL));
    return NULL;
}

/* If this failed, code written for one writer would number two models alike on PostgreSQL. */
static void test_writes_are_as_if_alone(void **state)
{
    struct place *p = *state;
    struct store *other = open_other(p);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_ok(
            thread_start(&threads[i], "counter", counter_main, i % 2 && other ? other : p->store));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(place_int(p, "SELECT count(*) FROM note", NO_ARGS), 100);
    assert_int_equal(place_int(p, "SELECT MAX(id) FROM note", NO_ARGS), 100);
    store_close(other);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, place_teardown)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(test_a_commit_wakes),
        WITH_PLACE(test_a_lock_has_one_holder),
        WITH_PLACE(test_a_lock_says_when_it_is_taken),
        WITH_PLACE(test_each_row_is_taken_once),
        WITH_PLACE(test_writes_are_as_if_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The writer thread: many callers, one commit, no neighbour harmed, no deadlock, nothing dropped.
 */
#include "place.h"

#include "base/clock.h"
#include "base/thread.h"

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE note (writer @int NOT NULL, number @int NOT NULL, body @blob,"
         " UNIQUE (writer, number)) @strict;"
         "CREATE TABLE parent (id @id) @strict;"
         "CREATE TABLE child (parent_id @int NOT NULL"
         " REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED) @strict" },
    { 0 },
};

static const char insert_note[] = "INSERT INTO note (writer, number) VALUES (?1, ?2)";
static const char count_notes[] = "SELECT count(*) FROM note";

static int setup(void **state)
{
    place_setup(state);
    struct place *p = *state;
    assert_ok(store_migrate(p->store, "test", steps));
    return 0;
}

/* ------------------------------------------------------------------ many callers */

enum { WRITERS = 16, WRITES = 150 };

struct commits {
    atomic_size_t commits, writes;
};

static void count_commit(void *arg, size_t writes, int64_t duration_ns)
{
    struct commits *c = arg;
    assert_true(duration_ns > 0);
    atomic_fetch_add(&c->commits, 1);
    atomic_fetch_add(&c->writes, writes);
}

struct writer {
    struct store *store;
    int64_t id, number;
    int failures, successes;
};

/* Every third write breaks a rule, after it has written something that must disappear. */
static err write_note(struct store_tx *tx, void *arg)
{
    const struct writer *w = arg;
    TRY(store_exec(tx, insert_note, ARGS(sql_int(w->id), sql_int(w->number)), NULL));
    if (w->number % 3 != 0)
        return OK;
    if (w->number % 2)
        return ERR(ERR_INVALID, "changed my mind");
    return store_exec(tx, insert_note, ARGS(sql_int(w->id), sql_int(w->number)), NULL);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    for (w->number = 0; w->number < WRITES; w->number++) {
        err e = store_write(w->store, write_note, w);
        if (e.code)
            w->failures++;
        else
            w->successes++;
    }
    return NULL;
}

/* If this failed, one client's mistake would undo another client's move. */
static void test_many_writers(void **state)
{
    struct place *p = *state;
    place_close(p);
    struct commits commits = { 0 };
    const struct store_options options = { .url = p->url,
                                           .on_commit = count_commit,
                                           .on_commit_arg = &commits };
    assert_ok(store_open(&options, &p->store));

    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .store = p->store, .id = i };
        assert_ok(thread_start(&threads[i], "writer", writer_main, &writers[i]));
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].failures, WRITES / 3);
        assert_int_equal(writers[i].successes, WRITES - WRITES / 3);
    }
    int64_t expected = WRITERS * (WRITES - WRITES / 3);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), expected);
    assert_int_equal(place_int(p, "SELECT count(*) FROM note WHERE number % 3 = 0", NO_ARGS), 0);
    assert_int_equal(atomic_load(&commits.writes), expected);
    if (!test_db_is_postgres()) /* there each has its own, and the server groups them */
        assert_true(atomic_load(&commits.commits) < (size_t)expected); /* they did share commits */
    assert_ok(store_check(p->store));
}

/* ------------------------------------------------------------------ a large write */

enum { LARGE_ROWS = 3000, LARGE_BYTES = 4000 };

static err fill(struct store_tx *tx, void *arg)
{
    static char text[LARGE_BYTES];
    memset(text, *(const char *)arg, sizeof text);
    for (int i = 0; i < LARGE_ROWS; i++)
        TRY(store_exec(tx, "INSERT INTO note (writer, number, body) VALUES (?1, ?2, ?3)",
                       ARGS(sql_int(1), sql_int(i), sql_blob(str_from(text, sizeof text))), NULL));
    return OK;
}

static err change_all(struct store_tx *tx, void *arg)
{
    TRY(store_exec(tx, "UPDATE note SET writer = writer + 1", NO_ARGS, NULL));
    return *(const bool *)arg ? ERR(ERR_CONFLICT, "undone") : OK;
}

/* What undoes it outgrows the memory that it may have. If this failed, an import of some hundred
 * thousand games would end with "no room on the disk" on an empty disk. */
static void test_a_write_that_changes_much(void **state)
{
    struct place *p = *state;
    const char *sum = "SELECT sum(writer) FROM note";
    bool undone = true, kept = false;
    assert_ok(store_write(p->store, fill, (char[]){ "a" }));
    int64_t before = place_int(p, sum, NO_ARGS);
    assert_int_equal(store_write(p->store, change_all, &undone).code, ERR_CONFLICT);
    assert_int_equal(place_int(p, sum, NO_ARGS), before);
    assert_ok(store_write(p->store, change_all, &kept));
    assert_int_equal(place_int(p, sum, NO_ARGS), before + LARGE_ROWS);
    assert_ok(store_check(p->store));
}

/* ------------------------------------------------------------------ a held writer */

struct answer {
    const char *sql;
    int64_t value;
    err result;
    int calls;
};

static err run_answer(struct store_tx *tx, void *arg)
{
    const struct answer *a = arg;
    return store_exec(tx, a->sql, ARGS(sql_int(a->value)), NULL);
}

static void take_answer(void *arg, err result)
{
    struct answer *a = arg;
    a->result = result;
    a->calls++;
}

/* If this failed, a burst would eat the machine's memory instead of being told to come back. */
static void test_queue_is_bounded(void **state)
{
    struct place *p = *state;
    place_close(p);
    const struct store_options options = { .url = p->url, .write_queue_max = 5 };
    assert_ok(store_open(&options, &p->store));
    struct place_gate gate = { 0 };
    place_hold(p, &gate);
    struct answer answers[6] = { 0 };
    for (int i = 0; i < 6; i++) {
        answers[i] = (struct answer){ "INSERT INTO parent (id) VALUES (?1)", i + 1, OK, 0 };
        err e = store_write_later(p->store, run_answer, &answers[i], take_answer);
        assert_int_equal(e.code, i < 5 ? ERR_NONE : ERR_BUSY);
    }
    assert_err(store_write(p->store, run_answer, &answers[5]), ERR_BUSY);
    atomic_store(&gate.open, true);
    place_close(p); /* drains */
    for (int i = 0; i < 6; i++)
        assert_int_equal(answers[i].calls, i < 5);
    place_open(p);
    assert_int_equal(place_int(p, "SELECT count(*) FROM parent", NO_ARGS), 5);
}

/* A reference that is only wrong at COMMIT spoils the whole group's transaction. If this failed,
 * its neighbours would fail with it. */
static void test_guilty_only_at_commit(void **state)
{
    struct place *p = *state;
    struct place_gate gate = { 0 };
    place_hold(p, &gate);
    static const char parent[] = "INSERT INTO parent (id) VALUES (?1)";
    static const char child[] = "INSERT INTO child (parent_id) VALUES (?1)";
    struct answer answers[] = {
        { parent, 1, OK, 0 }, { child, 404, OK, 0 }, { parent, 2, OK, 0 },
        { child, 1, OK, 0 },  { parent, 1, OK, 0 },  { parent, 3, OK, 0 },
    };
    static const enum err_code expected[] = { ERR_NONE, ERR_CONFLICT, ERR_NONE,
                                              ERR_NONE, ERR_CONFLICT, ERR_NONE };
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        assert_ok(store_write_later(p->store, run_answer, &answers[i], take_answer));
    atomic_store(&gate.open, true);
    place_close(p);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].result.code, expected[i]);
    }
    place_open(p);
    assert_int_equal(place_int(p, "SELECT count(*) FROM parent", NO_ARGS), 3);
    assert_int_equal(place_int(p, "SELECT count(*) FROM child", NO_ARGS), 1);
}

/* ------------------------------------------------------------------ inside a write */

static err nothing(struct store_tx *tx, void *arg)
{
    return OK;
}

static err read_nothing(struct store_read *rd, void *arg)
{
    return OK;
}

static err write_inside_write(struct store_tx *tx, void *arg)
{
    return store_write(arg, nothing, NULL);
}

static err read_inside_write(struct store_tx *tx, void *arg)
{
    return store_read(arg, read_nothing, NULL);
}

/* If this failed, the whole server would stand still for ever. */
static void test_no_deadlock_with_oneself(void **state)
{
    struct place *p = *state;
    assert_err(store_write(p->store, write_inside_write, p->store), ERR_INTERNAL);
    assert_err(store_write(p->store, read_inside_write, p->store), ERR_INTERNAL);
    assert_ok(place_exec(p, "INSERT INTO parent (id) VALUES (1)", NO_ARGS));
}

struct chain {
    struct store *store;
    atomic_int done;
};

static void start_next(void *arg, err result)
{
    struct chain *c = arg;
    assert_ok(result);
    if (atomic_fetch_add(&c->done, 1) < 9)
        assert_ok(store_write_later(c->store, nothing, c, start_next));
}

/* A done callback may start the next write. */
static void test_later_from_done(void **state)
{
    struct place *p = *state;
    struct chain chain = { .store = p->store };
    assert_ok(store_write_later(p->store, nothing, &chain, start_next));
    for (int tries = 0; atomic_load(&chain.done) < 10 && tries < 20000; tries++)
        clock_sleep_ms(1);
    assert_int_equal(atomic_load(&chain.done), 10);
}

struct holder {
    struct store *store;
    struct place_gate gate;
};

static err hold_snapshot(struct store_read *rd, void *arg)
{
    return place_hold_fn(NULL, arg);
}

static void *holder_main(void *arg)
{
    struct holder *h = arg;
    assert_ok(store_read(h->store, hold_snapshot, &h->gate));
    return NULL;
}

/* If this failed, one stuck read would make every later one wait for ever. (Waits its five
 * seconds.) */
static void test_readers_are_bounded(void **state)
{
    struct place *p = *state;
    place_close(p);
    const struct store_options options = { .url = p->url, .readers_max = 1 };
    assert_ok(store_open(&options, &p->store));
    struct holder h = { .store = p->store };
    pthread_t thread;
    assert_ok(thread_start(&thread, "holder", holder_main, &h));
    for (int tries = 0; !atomic_load(&h.gate.inside) && tries < 20000; tries++)
        clock_sleep_ms(1);
    assert_err(store_read(p->store, read_nothing, NULL), ERR_BUSY);
    atomic_store(&h.gate.open, true);
    assert_ok(store_read(p->store, read_nothing, NULL));
    pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------ growth */

static err write_big(struct store_tx *tx, void *arg)
{
    static const char body[100000];
    return store_exec(tx, "INSERT INTO note (writer, number, body) VALUES (1, ?1, ?2)",
                      ARGS(sql_int(*(int64_t *)arg), sql_blob(str_from(body, sizeof body))), NULL);
}

/* If this failed, the write-ahead log would grow until the disk is full. */
static void test_log_does_not_grow_for_ever(void **state)
{
    struct place *p = *state;
    char wal[140];
    int64_t bytes = 0;
    if (test_db_is_postgres())
        skip(); /* its log is the server's */
    snprintf(wal, sizeof wal, "%s-wal", p->file);
    for (int64_t i = 0; i < 200; i++)
        assert_ok(store_write(p->store, write_big, &i));
    assert_ok(fs_size(wal, &bytes));
    assert_in_range(bytes, 1, 8 << 20);
    assert_ok(store_size(p->store, &bytes));
    assert_in_range(bytes, 20 << 20, 40 << 20);
    place_close(p);
    assert_false(fs_exists(wal)); /* a closed store is one file */
    place_open(p);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), 200);
}

/* ------------------------------------------------------------------ look, then act */

enum { LOOKERS = 4, LOOKS = 25 };

/* Takes the next number, as an app does that has been written for one writer. */
static err take_number(struct store_tx *tx, void *arg)
{
    int64_t count = 0;
    TRY(store_get_int(store_tx_read(tx), count_notes, NO_ARGS, &count));
    return store_exec(tx, insert_note, ARGS(sql_int(1), sql_int(count)), NULL);
}

static void *looker_main(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < LOOKS; i++) {
        err e = store_write(w->store, take_number, NULL);
        if (e.code)
            w->failures++;
    }
    return NULL;
}

/* If this failed, two that look at the same time would act on the same sight, or one of them would
 * be refused for no fault of its own. With PostgreSQL they beat each other, and run again. */
static void test_looking_then_acting_is_safe(void **state)
{
    struct place *p = *state;
    struct writer writers[LOOKERS];
    pthread_t threads[LOOKERS];
    for (int i = 0; i < LOOKERS; i++) {
        writers[i] = (struct writer){ .store = p->store };
        assert_ok(thread_start(&threads[i], "looker", looker_main, &writers[i]));
    }
    for (int i = 0; i < LOOKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].failures, 0);
    }
    assert_int_equal(place_int(p, "SELECT count(DISTINCT number) FROM note", NO_ARGS),
                     LOOKERS * LOOKS);
    assert_int_equal(place_int(p, "SELECT max(number) FROM note", NO_ARGS), LOOKERS * LOOKS - 1);
}

/* ------------------------------------------------------------------ one statement is all */

struct whole {
    const char *sql;
    int64_t number, stored; /* stored: what the statement answers */
};

static err whole_write(struct store_tx *tx, void *arg)
{
    struct whole *w = arg;
    struct store_rows *rows;
    TRY(store_query_whole(tx, str_of(w->sql), ARGS(sql_int(w->number)), &rows));
    w->stored = 0;
    while (store_next(rows))
        w->stored += store_col_int(rows, 0);
    return store_rows_close(rows);
}

static err whole_is_second(struct store_tx *tx, void *arg)
{
    TRY(store_exec(tx, insert_note, ARGS(sql_int(9), sql_int(9)), NULL));
    return whole_write(tx, arg);
}

/* Two tables by one statement: the first is told of in the second. */
static const char chained[] =
    "WITH told AS (INSERT INTO note (writer, number) VALUES (1, ?1) RETURNING number), "
    "said AS (INSERT INTO parent (id) SELECT number FROM told) SELECT number FROM told";
static const char orphan[] = "INSERT INTO child (parent_id) VALUES (?1) RETURNING 1";

/* If this failed, what was told as taken would not be stored, half a statement would stay, or its
 * connection would be useless afterwards. */
static void test_a_statement_is_a_whole_write(void **state)
{
    struct place *p = *state;
    struct whole w = { chained, 1, 0 };
    if (!store_chains(p->store)) {
        assert_err(store_write_claim(p->store, whole_write, &w), ERR_INTERNAL);
        return;
    }
    for (int i = 0; i < 4; i++) {
        w = (struct whole){ chained, i + 1, 0 };
        assert_ok(store_write_claim(p->store, whole_write, &w));
        assert_int_equal(w.stored, i + 1);
        assert_int_equal(place_int(p, count_notes, NO_ARGS), i + 1);
        assert_int_equal(place_int(p, "SELECT count(*) FROM parent", NO_ARGS), i + 1);
        /* It breaks the rule of a table. */
        assert_err(store_write_claim(p->store, whole_write, &w), ERR_CONFLICT);
        /* It answers with its row, and is wrong only at the end of the transaction. */
        w = (struct whole){ orphan, 1000, 0 };
        assert_err(store_write_claim(p->store, whole_write, &w), ERR_CONFLICT);
        assert_int_equal(place_int(p, "SELECT count(*) FROM child", NO_ARGS), 0);
    }
    w = (struct whole){ orphan, 1, 0 };
    assert_ok(store_write_claim(p->store, whole_write, &w));
    w = (struct whole){ chained, 10, 0 };
    assert_err(store_write_claim(p->store, whole_is_second, &w), ERR_INTERNAL);
    assert_err(store_write(p->store, whole_write, &w), ERR_INTERNAL);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), 4);
}

/* If this failed, claims on a server whose administrator wants SERIALIZABLE would beat each other.
 */
static void test_a_whole_write_sees_rows_as_they_are(void **state)
{
    struct place *p = *state;
    struct store *s = NULL;
    char url[sizeof p->url + 64];
    if (!store_chains(p->store))
        skip(); /* one writer */
    snprintf(url, sizeof url, "%s%%20-cdefault_transaction_isolation%%3Dserializable", p->url);
    assert_ok(store_open(&(struct store_options){ .url = url }, &s));
    struct whole w = {
        "SELECT ?1 WHERE current_setting('transaction_isolation') = 'read committed'", 7, 0
    };
    assert_ok(store_write_claim(s, whole_write, &w));
    assert_int_equal(w.stored, 7);
    store_close(s);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, place_teardown)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(test_many_writers),
        WITH_PLACE(test_a_write_that_changes_much),
        WITH_PLACE(test_queue_is_bounded),
        WITH_PLACE(test_guilty_only_at_commit),
        WITH_PLACE(test_no_deadlock_with_oneself),
        WITH_PLACE(test_readers_are_bounded),
        WITH_PLACE(test_later_from_done),
        WITH_PLACE(test_log_does_not_grow_for_ever),
        WITH_PLACE(test_looking_then_acting_is_safe),
        WITH_PLACE(test_a_statement_is_a_whole_write),
        WITH_PLACE(test_a_whole_write_sees_rows_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

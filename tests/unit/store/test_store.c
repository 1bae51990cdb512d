/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements, types, snapshots and migrations, as an app sees them. */
#include "place.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/thread.h"

static const struct store_migration steps_one[] = {
    { 1, "CREATE TABLE player ("
         "  id @id,"
         "  name @text NOT NULL UNIQUE,"
         "  elo @int CHECK (elo > 0),"
         "  score @real,"
         "  photo @blob"
         ") @strict;"
         "CREATE TABLE game ("
         "  id @id,"
         "  white_id @int NOT NULL REFERENCES player (id),"
         "  black_id @int REFERENCES player (id) DEFERRABLE INITIALLY DEFERRED"
         ") @strict" },
    { 0 },
};

static int setup(void **state)
{
    place_setup(state);
    struct place *p = *state;
    assert_ok(store_migrate(p->store, "test", steps_one));
    return 0;
}

/* ------------------------------------------------------------------ values */

static err round_trip(struct store_tx *tx, void *arg)
{
    static const char bytes[] = "\x00\xFF\x00z";
    TRY(store_exec(tx, "INSERT INTO player (name, elo, score, photo) VALUES (?1, ?2, ?3, ?4)",
                   ARGS(sql_text(STR("Zoë ♔")), sql_int(INT64_MAX), sql_real(0.1),
                        sql_blob(str_from(bytes, 4))),
                   NULL));
    TRY(store_exec(tx, "INSERT INTO player (name, elo, score, photo) VALUES (?1, ?2, ?3, ?4)",
                   ARGS(sql_text(STR("")), sql_null(), sql_cstr(NULL), sql_blob(STR(""))), NULL));

    struct store_rows *rows = NULL;
    TRY(store_query(store_tx_read(tx), "SELECT name, elo, score, photo FROM player ORDER BY id",
                    NO_ARGS, &rows));
    assert_true(store_next(rows));
    assert_true(str_eq(store_col_text(rows, 0), STR("Zoë ♔")));
    assert_int_equal(store_col_int(rows, 1), INT64_MAX);
    assert_true(store_col_real(rows, 2) == 0.1);
    assert_true(str_eq(store_col_blob(rows, 3), str_from(bytes, 4)));
    assert_true(store_next(rows));
    assert_false(store_col_is_null(rows, 0)); /* an empty text is not NULL */
    assert_int_equal(store_col_text(rows, 0).len, 0);
    assert_true(store_col_is_null(rows, 1));
    assert_int_equal(store_col_int(rows, 1), 0);
    assert_true(store_col_is_null(rows, 2));
    assert_false(store_col_is_null(rows, 3));
    assert_false(store_next(rows));
    assert_false(store_next(rows)); /* does not start over */
    return store_rows_close(rows);
}

/* If this failed, what comes out would not be what went in. */
static void test_values(void **state)
{
    struct place *p = *state;
    assert_ok(store_write(p->store, round_trip, NULL));
}

/* ------------------------------------------------------------------ regular expressions */

struct found {
    const char *expression, *text;
    int is_found;
};

static err rlike(struct store_read *rd, void *arg)
{
    struct found *f = arg;
    struct store_rows *rows;
    arena keep;
    str portable;
    arena_init(&keep, 1 << 20);
    err e = pattern_portable(&keep, str_of(f->expression), &portable);
    if (!e.code)
        e = store_query(rd, "SELECT CASE WHEN CAST(?1 AS @text) @rlike ?2 THEN 1 ELSE 0 END",
                        ARGS(sql_cstr(f->text), sql_text(portable)), &rows);
    if (!e.code) {
        f->is_found = store_next(rows) ? (int)store_col_int(rows, 0) : -1;
        e = store_rows_close(rows);
    }
    arena_deinit(&keep);
    return e;
}

/* Run on both engines: if this failed, a search would find other things on one than on the other.
 */
static void test_expressions_mean_the_same_everywhere(void **state)
{
    static const struct found cases[] = {
        { "", "x", 1 },
        { "b", "abc", 1 },
        { "^b", "abc", 0 },
        { "c$", "abc", 1 },
        { "c$", "abc\n", 0 },
        { "^b", "a\nb", 0 },
        { "a.b", "a\nb", 0 },
        { "a[^x]b", "a\nb", 1 },
        { "a\\sb", "a\nb", 1 },
        { "(?i)A(b)C", "xaBcx", 1 },
        { "a(?i)b|c", "C", 1 },
        { "a(?i)*b", "AB", 0 },
        { "(^a)*b", "b", 1 },
        { "^*b", "ab", 1 },
        { "(|x)y$", "y", 1 },
        { "(x|)z", "yz", 1 },
        { "a{0}b{2,}", "bb", 1 },
        { "^a{2,3}?$", "aaaa", 0 },
        { "[]a]", "]", 1 },
        { "[a\\]\\\\-]$", "\\", 1 },
        { "[[^.*]", "^", 1 },
        { "^[\\D]$", "\xC3\xA4", 1 },
        { "^\\W$", "a", 0 },
        { "^[^\\d\\D]$", "a", 0 },
        { "^.$", "\xF0\x9F\x98\x80", 1 },
        { "[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", 1 },
        { "{x}", "{x}", 1 },
        { "***:a", "a", -1 },
        { "\\*\\*\\*=a", "***=a", 1 },
        { "(?i)[^a]", "A", 0 },
        { "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
        { "(a?){100}(a){100}$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct found f = cases[i];
        err e = store_read(p->store, rlike, &f);
        if (cases[i].is_found < 0)
            assert_err(e, ERR_INVALID);
        else if (e.code || f.is_found != cases[i].is_found)
            fail_msg("'%s' in '%s': %s", f.expression, f.text, e.code ? e.msg : "not as expected");
    }
}

/* ------------------------------------------------------------------ broken rules */

/* If this failed, an app could not tell "taken" from "disk broken". */
static void test_error_codes(void **state)
{
    struct place *p = *state;
    assert_ok(place_exec(p, "INSERT INTO player (id, name) VALUES (1, 'a')", NO_ARGS));
    static const struct {
        const char *sql;
        enum err_code code;
    } cases[] = {
        { "INSERT INTO player (name) VALUES ('a')", ERR_CONFLICT },
        { "INSERT INTO player (id, name) VALUES (1, 'b')", ERR_CONFLICT },
        { "INSERT INTO player (name, elo) VALUES ('b', -1)", ERR_CONFLICT },
        { "INSERT INTO game (white_id) VALUES (77)", ERR_CONFLICT },
        { "INSERT INTO game (white_id, black_id) VALUES (1, 77)", ERR_CONFLICT }, /* at COMMIT */
        { "DELETE FROM nothing", ERR_INTERNAL },
        { "INSERT INTO player (name) VALUES (NULL)", ERR_INVALID },
        { "INSERT INTO player (name, elo) VALUES ('b', 'many')", ERR_INVALID },
        { "INSERT INTO player (name) VALUES (?1)", ERR_INTERNAL },            /* no value given */
        { "INSERT INTO player (name) VALUES ('b'); SELECT 1", ERR_INTERNAL }, /* two statements */
        { "SELECT 1", ERR_INTERNAL },                                         /* returns rows */
        { "INSERT INTO player (name) VALUES ('b') RETURNING id", ERR_INTERNAL },
        { "INSERT INTO player (name) VALUES (\"b\")",
          ERR_INTERNAL }, /* "b" is a name, not a text */
        { "COMMIT", ERR_INTERNAL },
        { "ROLLBACK", ERR_INTERNAL },
        { "SAVEPOINT x", ERR_INTERNAL },
        { "PRAGMA synchronous=OFF", ERR_INTERNAL },
        { "ATTACH '/tmp/other.db' AS other", ERR_INTERNAL },
        { "DELETE FROM player WHERE id = @what", ERR_INTERNAL },
        { "", ERR_INTERNAL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        err e = place_exec(p, cases[i].sql, NO_ARGS);
        if (e.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].sql, err_code_name(e.code), e.msg);
        assert_true(e.msg[0]);
    }
    assert_int_equal(place_int(p, "SELECT count(*) FROM player", NO_ARGS), 1);
    assert_int_equal(place_int(p, "SELECT count(*) FROM game", NO_ARGS), 0);
}

/* If this failed, PostgreSQL would refuse, on the day of the move, a text that SQLite took. */
static void test_text_is_utf8(void **state)
{
    struct place *p = *state;
    static const char *const sql = "INSERT INTO player (name) VALUES (?1)";
    assert_err(place_exec(p, sql, ARGS(sql_text(STR("M\xFCller")))), ERR_INVALID);
    assert_err(place_exec(p, sql, ARGS(sql_text(STR("a\0b")))), ERR_INVALID);
    assert_ok(place_exec(p, sql, ARGS(sql_text(STR("Müller")))));
}

static err fail_and_go_on(struct store_tx *tx, void *arg)
{
    err e = store_exec(tx, "INSERT INTO player (name) VALUES ('a')", NO_ARGS, NULL);
    assert_int_equal(e.code, ERR_CONFLICT);
    e = store_exec(tx, "INSERT INTO player (name) VALUES ('later')", NO_ARGS, NULL);
    assert_int_equal(e.code, ERR_CONFLICT);
    return OK;
}

/* If this failed, an app that swallows an error would work here and lose data on PostgreSQL. */
static void test_failed_statement_spoils_the_write(void **state)
{
    struct place *p = *state;
    assert_ok(place_exec(p, "INSERT INTO player (name) VALUES ('a')", NO_ARGS));
    assert_err(store_write(p->store, fail_and_go_on, NULL), ERR_CONFLICT);
    assert_int_equal(place_int(p, "SELECT count(*) FROM player", NO_ARGS), 1);
    assert_ok(place_exec(p, "INSERT INTO player (name) VALUES ('b')", NO_ARGS));
}

/* ------------------------------------------------------------------ statements */

static err changes(struct store_tx *tx, void *arg)
{
    int64_t changed = -1;
    TRY(store_exec(tx, "INSERT INTO player (name) VALUES ('a'), ('b'), ('c')", NO_ARGS, &changed));
    assert_int_equal(changed, 3);
    TRY(store_exec(tx, "CREATE TABLE side (x @int) @strict", NO_ARGS, &changed));
    assert_int_equal(changed, 0);
    TRY(store_exec(tx, "INSERT INTO player (name) VALUES ('a') ON CONFLICT DO NOTHING", NO_ARGS,
                   &changed));
    assert_int_equal(changed, 0);
    TRY(store_exec(tx, "UPDATE player SET elo = ?1 WHERE name <> ?2",
                   ARGS(sql_int(1500), sql_cstr("a")), &changed));
    assert_int_equal(changed, 2);
    return store_exec(tx, "DELETE FROM player", NO_ARGS, NULL);
}

static void test_changed_counts(void **state)
{
    struct place *p = *state;
    assert_ok(store_write(p->store, changes, NULL));
}

/* RETURNING happens even when nobody looks at its rows, and its broken rules are reported. */
static err returning(struct store_tx *tx, void *arg)
{
    struct store_rows *rows = NULL;
    TRY(store_query(store_tx_read(tx), "INSERT INTO player (name) VALUES ('x') RETURNING id",
                    NO_ARGS, &rows));
    TRY(store_rows_close(rows));
    int64_t id = 0;
    TRY(store_get_int(store_tx_read(tx), "INSERT INTO player (name) VALUES ('y') RETURNING id",
                      NO_ARGS, &id));
    assert_int_equal(id, 2);
    err e = store_query(store_tx_read(tx), "INSERT INTO player (name) VALUES ('x') RETURNING id",
                        NO_ARGS, &rows);
    assert_int_equal(e.code, ERR_CONFLICT);
    return e;
}

static err returning_broken_reference(struct store_tx *tx, void *arg)
{
    int64_t id = 0;
    return store_get_int(store_tx_read(tx), "INSERT INTO game (white_id) VALUES (99) RETURNING id",
                         NO_ARGS, &id);
}

static err only_query_returning(struct store_tx *tx, void *arg)
{
    struct store_rows *rows = NULL;
    return store_query(store_tx_read(tx), "INSERT INTO player (name) VALUES ('z') RETURNING id",
                       NO_ARGS, &rows); /* left open: closed for us */
}

static void test_returning(void **state)
{
    struct place *p = *state;
    assert_err(store_write(p->store, returning, NULL), ERR_CONFLICT);
    assert_int_equal(place_int(p, "SELECT count(*) FROM player", NO_ARGS), 0);
    assert_err(store_write(p->store, returning_broken_reference, NULL), ERR_CONFLICT);
    assert_ok(store_write(p->store, only_query_returning, NULL));
    assert_int_equal(place_int(p, "SELECT count(*) FROM player", NO_ARGS), 1);
}

static const char numbers_sql[] = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                  " WHERE i < ?1) SELECT i FROM n";

/* The same statement inside itself, as in a walk over a walk. */
static err nested_same_statement(struct store_read *rd, void *arg)
{
    struct store_rows *outer = NULL, *inner = NULL;
    int64_t sum = 0;
    TRY(store_query(rd, numbers_sql, ARGS(sql_int(10)), &outer));
    while (store_next(outer)) {
        TRY(store_query(rd, numbers_sql, ARGS(sql_int(store_col_int(outer, 0))), &inner));
        while (store_next(inner))
            sum += store_col_int(inner, 0);
        TRY(store_rows_close(inner));
    }
    TRY(store_rows_close(outer));
    *(int64_t *)arg = sum;
    return OK;
}

/* More statements than any cache holds, each used twice. */
static err many_statements(struct store_read *rd, void *arg)
{
    static char sql[300][40];
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(sql); i++) {
            snprintf(sql[i], sizeof sql[i], "SELECT %zu + ?1", i);
            int64_t got = 0;
            TRY(store_get_int(rd, sql[i], ARGS(sql_int(round)), &got));
            assert_int_equal(got, (int64_t)i + round);
        }
    return OK;
}

/* One address, two texts: the cache must not run the first for the second. */
static err reused_buffer(struct store_read *rd, void *arg)
{
    char sql[40] = "SELECT 1";
    int64_t got = 0;
    TRY(store_get_int(rd, sql, NO_ARGS, &got));
    assert_int_equal(got, 1);
    snprintf(sql, sizeof sql, "SELECT 2");
    TRY(store_get_int(rd, sql, NO_ARGS, &got));
    assert_int_equal(got, 2);
    return OK;
}

/* Text that is cut out of a longer one, without a NUL behind it. */
static err dynamic(struct store_read *rd, void *arg)
{
    struct store_rows *rows = NULL;
    TRY(store_query_dynamic(rd, str_sub(STR("SELECT ?1 + 1garbage"), 0, 13), ARGS(sql_int(4)),
                            &rows));
    assert_true(store_next(rows));
    assert_int_equal(store_col_int(rows, 0), 5);
    return store_rows_close(rows);
}

static void test_statement_cache(void **state)
{
    struct place *p = *state;
    int64_t sum = 0;
    assert_ok(store_read(p->store, nested_same_statement, &sum));
    assert_int_equal(sum, 220);
    assert_ok(store_read(p->store, many_statements, NULL));
    assert_ok(store_read(p->store, reused_buffer, NULL));
    assert_ok(store_read(p->store, dynamic, NULL));
}

static err keep_text(struct store_read *rd, void *arg)
{
    str a = STR_NONE, b = STR_NONE;
    TRY(store_get_text(rd, "SELECT 'first'", NO_ARGS, arg, &a));
    TRY(store_get_text(rd, "SELECT ''", NO_ARGS, arg, &b));
    assert_true(str_eq(a, STR("first")));
    assert_non_null(b.ptr);
    return store_get_text(rd, "SELECT name FROM player WHERE id = -1", NO_ARGS, arg, &a);
}

static void test_getters(void **state)
{
    struct place *p = *state;
    arena keep;
    arena_init(&keep, 4096);
    assert_err(store_read(p->store, keep_text, &keep), ERR_NOT_FOUND);
    arena_deinit(&keep);
}

/* ------------------------------------------------------------------ snapshots */

static err write_in_read(struct store_read *rd, void *arg)
{
    struct store_rows *rows = NULL;
    return store_query(rd, arg, NO_ARGS, &rows);
}

/* If this failed, a GET could change data. */
static void test_read_cannot_write(void **state)
{
    struct place *p = *state;
    static const char *const cases[] = {
        "INSERT INTO player (name) VALUES ('x') RETURNING id",
        "DELETE FROM player",
        "CREATE TABLE x (a @int)",
        "PRAGMA query_only=0",
        "COMMIT",
        "ATTACH '/tmp/other.db' AS other",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_err(store_read(p->store, write_in_read, (void *)(uintptr_t)cases[i]), ERR_INTERNAL);
    assert_int_equal(place_int(p, "SELECT count(*) FROM player", NO_ARGS), 0);
}

struct snapshot {
    struct place *place;
    atomic_bool written;
};

static const char count_players[] = "SELECT count(*) FROM player";

static err insert_new(struct store_tx *tx, void *arg)
{
    return store_exec(tx, "INSERT INTO player (name) VALUES ('new')", NO_ARGS, NULL);
}

static void note_written(void *arg, err result)
{
    assert_ok(result);
    atomic_store((atomic_bool *)arg, true);
}

static err count_nested(struct store_read *rd, void *arg)
{
    return store_get_int(rd, count_players, NO_ARGS, arg);
}

static err read_around_a_write(struct store_read *rd, void *arg)
{
    struct snapshot *s = arg;
    int64_t count = -1;
    TRY(store_get_int(rd, count_players, NO_ARGS, &count));
    assert_int_equal(count, 0);
    /* Waiting for a write would hold the snapshot meanwhile. Letting one happen is fine. */
    assert_err(store_write(s->place->store, insert_new, NULL), ERR_INTERNAL);
    TRY(store_write_later(s->place->store, insert_new, &s->written, note_written));
    for (int tries = 0; !atomic_load(&s->written) && tries < 10000; tries++)
        clock_sleep_ms(1);
    assert_true(atomic_load(&s->written));

    TRY(store_get_int(rd, count_players, NO_ARGS, &count));
    assert_int_equal(count, 0);
    TRY(store_read(s->place->store, count_nested, &count));
    assert_int_equal(count, 0);
    return OK;
}

/* If this failed, a page built from two queries would contradict itself. */
static void test_snapshot_stays_the_same(void **state)
{
    struct snapshot s = { .place = *state };
    assert_ok(store_read(s.place->store, read_around_a_write, &s));
    assert_int_equal(place_int(s.place, count_players, NO_ARGS), 1);
}

static err sees_own_writes(struct store_tx *tx, void *arg)
{
    int64_t count = 0;
    TRY(insert_new(tx, NULL));
    TRY(store_get_int(store_tx_read(tx), count_players, NO_ARGS, &count));
    assert_int_equal(count, 1);
    return OK;
}

static void test_transaction_sees_its_writes(void **state)
{
    struct place *p = *state;
    assert_ok(store_write(p->store, sees_own_writes, NULL));
}

struct readers {
    struct place *place;
    pthread_barrier_t all_in;
};

static err meet_others(struct store_read *rd, void *arg)
{
    struct readers *r = arg;
    int64_t count = 0;
    TRY(store_get_int(rd, count_players, NO_ARGS, &count));
    pthread_barrier_wait(&r->all_in);
    return OK;
}

static void *reader_main(void *arg)
{
    struct readers *r = arg;
    assert_ok(store_read(r->place->store, meet_others, r));
    return NULL;
}

/* Eight readers inside their snapshots at the same time: each has a connection of its own. */
static void test_readers_in_parallel(void **state)
{
    struct readers r = { .place = *state };
    pthread_t threads[8];
    pthread_barrier_init(&r.all_in, NULL, COUNT_OF(threads));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_ok(thread_start(&threads[i], "reader", reader_main, &r));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&r.all_in);
}

/* ------------------------------------------------------------------ bulk */

struct bulk_case {
    int64_t from, count, inserted;
    bool fail;
};

static err bulk_insert(struct store_tx *tx, void *arg)
{
    struct bulk_case *b = arg;
    struct store_bulk *bulk = NULL;
    TRY(store_bulk_begin(tx, "player", "id, name", 2, &bulk));
    for (int64_t i = b->from; i < b->from + b->count; i++) {
        char name[24];
        snprintf(name, sizeof name, "p%lld", (long long)i);
        const struct store_value row[] = { sql_int(i), sql_cstr(name) };
        TRY(store_bulk_row(bulk, row));
    }
    if (b->fail) {
        const struct store_value row[] = { sql_int(1), sql_null() };
        TRY(store_bulk_row(bulk, row)); /* leaves the bulk open */
    }
    return store_bulk_end(bulk, &b->inserted);
}

/* If this failed, an import would count games it already had, or keep half a batch. */
static void test_bulk(void **state)
{
    struct place *p = *state;
    struct bulk_case b = { .from = 1, .count = 1000 };
    assert_ok(store_write(p->store, bulk_insert, &b));
    assert_int_equal(b.inserted, 1000);
    b = (struct bulk_case){ .from = 501, .count = 1000 };
    assert_ok(store_write(p->store, bulk_insert, &b));
    assert_int_equal(b.inserted, 500);
    b = (struct bulk_case){ .from = 5001, .count = 10, .fail = true };
    assert_err(store_write(p->store, bulk_insert, &b), ERR_INVALID);
    b = (struct bulk_case){ .from = 1, .count = 0 };
    assert_ok(store_write(p->store, bulk_insert, &b));
    assert_int_equal(b.inserted, 0);
    assert_int_equal(place_int(p, count_players, NO_ARGS), 1500);
}

static err bulk_bad_table(struct store_tx *tx, void *arg)
{
    struct store_bulk *bulk = NULL;
    return store_bulk_begin(tx, "nowhere", "id", 1, &bulk);
}

static err bulk_no_columns(struct store_tx *tx, void *arg)
{
    struct store_bulk *bulk = NULL;
    return store_bulk_begin(tx, "player", "", 0, &bulk);
}

static void test_bulk_mistakes(void **state)
{
    struct place *p = *state;
    assert_err(store_write(p->store, bulk_bad_table, NULL), ERR_INTERNAL);
    assert_err(store_write(p->store, bulk_no_columns, NULL), ERR_INTERNAL);
}

/* ------------------------------------------------------------------ migrations */

static const struct store_migration steps_two[] = {
    { 1, "CREATE TABLE a (x @int) @strict" },
    { 2, "ALTER TABLE a ADD COLUMN y @int; INSERT INTO a (x) VALUES (1); -- the end\n" },
    { 0 },
};

/* Safe to call again, and a step runs once. */
static void test_migrations(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 3; i++)
        assert_ok(store_migrate(p->store, "two", steps_two));
    assert_int_equal(place_int(p, "SELECT count(*) FROM a", NO_ARGS), 1);
    assert_int_equal(
        place_int(p, "SELECT count(*) FROM store_migrations WHERE owner = 'two'", NO_ARGS), 2);
    place_close(p);
    place_open(p);
    assert_ok(store_migrate(p->store, "two", steps_two));
    assert_int_equal(place_int(p, "SELECT count(*) FROM a", NO_ARGS), 1);
}

/* If this failed, an older program would write into tables it does not understand. */
static void test_newer_schema_is_refused(void **state)
{
    struct place *p = *state;
    const struct store_migration older[] = { steps_two[0], { 0 } };
    assert_ok(store_migrate(p->store, "two", steps_two));
    err e = store_migrate(p->store, "two", older);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "step 2"));
    assert_non_null(strstr(e.msg, "knows 1"));
}

/* If this failed, two installations of one version would have different tables. */
static void test_edited_step_is_refused(void **state)
{
    struct place *p = *state;
    const struct store_migration edited[] = { { 1, "CREATE TABLE a (x @int, extra @int) @strict" },
                                              steps_two[1],
                                              { 0 } };
    assert_ok(store_migrate(p->store, "two", steps_two));
    assert_err(store_migrate(p->store, "two", edited), ERR_CONFLICT);
}

static void test_failing_step_leaves_nothing(void **state)
{
    struct place *p = *state;
    const struct store_migration failing[] = {
        { 1, "CREATE TABLE good (x @int) @strict" },
        { 2, "CREATE TABLE half (x @int) @strict; INSERT INTO half VALUES ('text')" },
        { 0 },
    };
    err e = store_migrate(p->store, "half", failing);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "step 2"));
    assert_ok(place_exec(p, "DROP TABLE good", NO_ARGS));
    assert_err(place_exec(p, "DROP TABLE half", NO_ARGS), ERR_INTERNAL); /* is not there */
    assert_int_equal(
        place_int(p, "SELECT MAX(number) FROM store_migrations WHERE owner = 'half'", NO_ARGS), 1);
}

static void test_migration_mistakes(void **state)
{
    struct place *p = *state;
    const struct store_migration gap[] = { { 1, "SELECT 1" }, { 3, "SELECT 1" }, { 0 } };
    const struct store_migration from_two[] = { { 2, "SELECT 1" }, { 0 } };
    const struct store_migration commits[] = { { 1, "CREATE TABLE c (x @int); COMMIT" }, { 0 } };
    const struct store_migration none[] = { { 0 } };
    assert_err(store_migrate(p->store, "gap", gap), ERR_INTERNAL);
    assert_err(store_migrate(p->store, "two", from_two), ERR_INTERNAL);
    assert_err(store_migrate(p->store, "commits", commits), ERR_INTERNAL);
    assert_err(store_migrate(p->store, "", none), ERR_INTERNAL);
    assert_ok(store_migrate(p->store, "none", none));
}

/* A step may be another text on PostgreSQL; it counts, and may not be edited, all the same. */
static const struct store_migration steps_own[] = {
    { 1, "CREATE TABLE which (engine @int) @strict; INSERT INTO which VALUES (1);",
      "CREATE TABLE which (engine @int); INSERT INTO which VALUES (2);"
      "CREATE TABLE kept (x @int); COMMENT ON TABLE kept IS 'derived: by a trigger'" },
    { 0 },
};

struct tables_read {
    arena keep;
    struct store_table *tables;
    size_t count;
};

static err tables_query(struct store_read *rd, void *arg)
{
    struct tables_read *t = arg;
    return store_tables(rd, &t->keep, &t->tables, &t->count);
}

static void test_step_of_an_engine(void **state)
{
    struct place *p = *state;
    const struct store_migration edited[] = { { 1, "SELECT 1", "SELECT 1" }, { 0 } };
    struct tables_read t = { .count = 0 };
    for (int i = 0; i < 2; i++)
        assert_ok(store_migrate(p->store, "own", steps_own));
    assert_int_equal(place_int(p, "SELECT engine FROM which", NO_ARGS),
                     test_db_is_postgres() ? 2 : 1);
    assert_err(store_migrate(p->store, "own", edited), ERR_CONFLICT);

    /* What is derived from something else is nothing to copy. */
    arena_init(&t.keep, 1024 * 1024);
    assert_ok(store_read(p->store, tables_query, &t));
    size_t seen = 0;
    for (size_t i = 0; i < t.count; i++) {
        assert_false(str_eq(t.tables[i].name, STR("kept")));
        if (str_eq(t.tables[i].name, STR("which")))
            seen++;
    }
    assert_int_equal(seen, 1);
    arena_deinit(&t.keep);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, place_teardown)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(test_expressions_mean_the_same_everywhere),
        WITH_PLACE(test_values),
        WITH_PLACE(test_error_codes),
        WITH_PLACE(test_text_is_utf8),
        WITH_PLACE(test_failed_statement_spoils_the_write),
        WITH_PLACE(test_changed_counts),
        WITH_PLACE(test_returning),
        WITH_PLACE(test_statement_cache),
        WITH_PLACE(test_getters),
        WITH_PLACE(test_read_cannot_write),
        WITH_PLACE(test_snapshot_stays_the_same),
        WITH_PLACE(test_transaction_sees_its_writes),
        WITH_PLACE(test_readers_in_parallel),
        WITH_PLACE(test_bulk),
        WITH_PLACE(test_bulk_mistakes),
        WITH_PLACE(test_migrations),
        WITH_PLACE(test_newer_schema_is_refused),
        WITH_PLACE(test_edited_step_is_refused),
        WITH_PLACE(test_failing_step_leaves_nothing),
        WITH_PLACE(test_migration_mistakes),
        WITH_PLACE(test_step_of_an_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

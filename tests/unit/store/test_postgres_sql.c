/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our SQL in PostgreSQL's words. If these failed, a statement would mean something else there. */
#include "place.h"

#include "platform/store/postgres_sql.h"

static const struct {
    const char *from, *to; /* to NULL: refused */
    size_t placeholders;
} cases[] = {
    { "SELECT 1", "SELECT 1", 0 },
    { "SELECT ?1 + ?12", "SELECT $1 + $12", 12 },
    { "SELECT '?1', \"?2\" -- ?3\n, ?1", "SELECT '?1', \"?2\" -- ?3\n, $1", 1 },
    { "/* ?9 */ SELECT ?2", "/* ?9 */ SELECT $2", 2 },
    /* the first value is NULL, the second is not */
    { "?1 IS NULL OR a = ?1", "TRUE OR a = $1", 1 },
    { "?2 IS NULL OR a = ?2", "FALSE OR a = $2", 2 },
    { "?1 is not\nnull", "FALSE", 1 },
    { "?2 IS NOT NULL", "TRUE", 2 },
    { "?1 IS NULLABLE", "$1 IS NULLABLE", 1 },
    { "?1 IS ?2", "$1 IS $2", 2 },
    { "a IS NULL", "a IS NULL", 0 },
    { "x @text NOT NULL", "x TEXT COLLATE \"C\" NOT NULL", 0 },
    { "CAST(x AS @text)", "CAST(x AS TEXT)", 0 },
    { "has @text", "has TEXT COLLATE \"C\"", 0 },
    { "x @int, y @real, z @blob) @strict", "x BIGINT, y DOUBLE PRECISION, z BYTEA) ", 0 },
    { "LIMIT 1 @skip_locked", "LIMIT 1 FOR UPDATE SKIP LOCKED", 0 },
    { "a = ?", NULL, 0 },
    { "a = ?x", NULL, 0 },
    { "@nothing", NULL, 0 },
};

static void test_words_and_placeholders(void **state)
{
    const struct store_value values[] = { sql_null(), sql_int(7) };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        struct pg_sql info = { 0 };
        buf_init(&out, 1000);
        err e = pg_sql_write(str_of(cases[i].from), (struct store_args){ values, 2 }, &out, &info);
        if (!cases[i].to) {
            assert_int_equal(e.code, ERR_INTERNAL);
        } else {
            assert_ok(e);
            assert_string_equal(out.ptr ? out.ptr : "", cases[i].to);
            assert_int_equal(info.placeholders, cases[i].placeholders);
        }
        buf_deinit(&out);
    }
}

/* If this failed, an app could end the transaction it runs in, or read the server's files. */
static void test_what_is_allowed(void **state)
{
    static const struct {
        const char *sql;
        bool plain, schema;
    } statements[] = {
        { "SELECT 1", true, true },
        { "  -- why\n/* and */ with x as (select 1) select 1", true, true },
        { "INSERT INTO a VALUES (1)", true, true },
        { "CREATE TABLE a (x @int)", false, true },
        { "DROP TABLE a", false, true },
        { "COMMIT", false, false },
        { "begin", false, false },
        { "SAVEPOINT x", false, false },
        { "COPY a FROM '/etc/passwd'", false, false },
        { "SET ROLE postgres", false, false },
        { "DO $$ $$", false, false },
        { "(SELECT 1)", false, false },
        { "", false, false },
        { " -- nothing", false, false },
    };
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        str sql = str_of(statements[i].sql);
        assert_int_equal(pg_sql_allowed(sql, false).code == ERR_NONE, statements[i].plain);
        assert_int_equal(pg_sql_allowed(sql, true).code == ERR_NONE, statements[i].schema);
    }
}

static void test_scripts_are_cut_at_statements(void **state)
{
    str rest = STR("SELECT ';' ; ;-- a;b\n INSERT x; /* ; */ ;DELETE \";\"  ");
    static const char *const wanted[] = { "SELECT ';' ", "-- a;b\n INSERT x", "DELETE \";\"  " };
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        str got;
        assert_true(pg_sql_next(&rest, &got));
        if (!str_eq(got, str_of(wanted[i])))
            fail_msg("'%.*s' is not '%s'", STR_ARG(got), wanted[i]);
    }
    str got;
    assert_false(pg_sql_next(&rest, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_placeholders),
        cmocka_unit_test(test_what_is_allowed),
        cmocka_unit_test(test_scripts_are_cut_at_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scoring requests: would a value reach another column, or turn into another number? What MLflow's
 * server says to whole requests is in tests/interop/serving. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "platform/scoring/batch.h"

static arena keep;

static int setup(void **state)
{
    (void)state;
    arena_init(&keep, 64 * 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&keep);
    return 0;
}

static struct column_spec columns[] = { { .name = STR_INIT("a"), .type = COLUMN_DOUBLE },
                                        { .name = STR_INIT("n"), .type = COLUMN_LONG } };
static const struct signature signature = {
    .is_given = true, .is_named = true, .columns = columns, .column_count = 2
};

/* The numbers that a model gets, as JSON; or the error. */
static const char *numbers_of(err read, struct score_batch *b, const struct signature *s)
{
    double *numbers = NULL;
    struct buf out;
    struct json_out w;
    err e = read;
    if (!e.code)
        e = batch_cast(b, s);
    if (!e.code)
        e = batch_choose(b, s, &keep);
    if (!e.code)
        e = batch_numbers(b, &keep, &numbers);
    if (e.code)
        return arena_cstr(&keep, str_of(e.msg));
    struct output o = { .type = OUTPUT_DOUBLE,
                        .dims = 2,
                        .shape = { (int64_t)b->rows, (int64_t)b->columns },
                        .values = numbers };
    buf_init(&out, 10000);
    json_out_init(&w, &out);
    prediction_write(&(struct prediction){ .outputs = &o, .count = 1 }, &w);
    const char *text = arena_cstr(&keep, buf_str(&out));
    buf_deinit(&out);
    return text;
}

static const char *from_json(const char *text)
{
    struct score_batch b = { .rows = 0 };
    err e = batch_read_json(str_of(text), &keep, &b);
    return numbers_of(e, &b, &signature);
}

static const char *from_csv(const char *text)
{
    struct score_batch b = { .rows = 0 };
    err e = batch_read_csv(str_of(text), &keep, &b);
    return numbers_of(e, &b, &signature);
}

static void all_shapes_are_the_same_rows(void **state)
{
    (void)state;
    static const char wanted[] = "[[0.5,3],[-1,4]]";
    assert_string_equal(from_json("{\"dataframe_split\":{\"columns\":[\"n\",\"x\",\"a\"],"
                                  "\"data\":[[3,0,0.5],[4,0,-1]]}}"),
                        wanted);
    assert_string_equal(
        from_json("{\"dataframe_records\":[{\"a\":0.5,\"n\":3},{\"n\":4,\"a\":-1,\"x\":1}]}"),
        wanted);
    assert_string_equal(from_json("{\"instances\":[{\"a\":0.5,\"n\":3},{\"n\":4,\"a\":-1}]}"),
                        wanted);
    assert_string_equal(from_json("{\"inputs\":{\"a\":[0.5,-1],\"n\":[3,4]}}"), wanted);
    assert_string_equal(from_csv("n,a\n3,0.5\n4,-1\n"), wanted);
    assert_string_equal(
        from_csv("\xef\xbb\xbf\"n\",x,a\r\n\"3\",\"a, \"\"b\"\"\n\",.5\r\n\r\n4,,-1"), wanted);
}

static void values_become_what_the_column_is(void **state)
{
    (void)state;
    assert_string_equal(from_json("{\"inputs\":{\"a\":[null],\"n\":[2.9]}}"), "[[null,2]]");
    assert_string_equal(from_json("{\"inputs\":{\"a\":[\" 0.5\"],\"n\":[\"7\"]}}"), "[[0.5,7]]");
    assert_string_equal(from_json("{\"inputs\":{\"a\":[true],\"n\":[false]}}"), "[[1,0]]");
    assert_string_equal(from_json("{\"inputs\":{\"a\":[NaN],\"n\":[1]}}"), "[[null,1]]");
    assert_string_equal(from_csv("a,n\nNA,1\n"), "[[null,1]]");
    assert_non_null(
        strstr(from_json("{\"inputs\":{\"a\":[1],\"n\":[null]}}"), "'n' is of type long"));
    assert_non_null(
        strstr(from_json("{\"inputs\":{\"a\":[\"NaN!\"],\"n\":[1]}}"), "'NaN!' in row 0"));
    assert_non_null(
        strstr(from_json("{\"inputs\":{\"a\":[1],\"n\":[1e19]}}"), "'n' is of type long"));
    assert_non_null(strstr(from_csv("a,n\n1,2.5\n"), "'n' is of type long"));
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    assert_string_equal(from_json("{\"inputs\":{\"b\":[1]}}"),
                        "Model is missing inputs ['a', 'n']");
    assert_non_null(strstr(from_json("{\"inputs\":[[1,2]]}"), "no names"));
    assert_non_null(strstr(from_json("{\"inputs\":[],\"instances\":[]}"), "exactly one of"));
    assert_non_null(strstr(from_csv("a,n\n1,2,3\n"), "line 2 has more fields"));
    assert_non_null(strstr(from_csv("a,n\n\"1,2\n"), "does not end"));
}

static void tables_and_arrays_are_written_as_mlflow_does(void **state)
{
    (void)state;
    static const float values[] = { 0.5F, 1.25F };
    static const int64_t labels[] = { 3, 4 };
    struct output o[] = {
        { .name = STR("x"), .type = OUTPUT_FLOAT, .dims = 2, .shape = { 2, 1 }, .values = values },
        { .name = STR("y"), .type = OUTPUT_LONG, .dims = 1, .shape = { 2 }, .values = labels },
    };
    struct buf out;
    struct json_out w;
    buf_init(&out, 10000);
    json_out_init(&w, &out);
    json_array_begin(&w);
    prediction_write(&(struct prediction){ .outputs = o, .count = 2, .is_table = true }, &w);
    prediction_write(&(struct prediction){ .outputs = o, .count = 2 }, &w);
    json_array_end(&w);
    assert_true(str_eq(buf_str(&out), STR("[[{\"x\":0.5,\"y\":3},{\"x\":1.25,\"y\":4}],"
                                          "{\"x\":[[0.5],[1.25]],\"y\":[3,4]}]")));
    buf_deinit(&out);
}

static void a_batch_has_a_maximum(void **state)
{
    (void)state;
    struct score_batch b;
    struct buf text;
    buf_init(&text, 1 << 24);
    buf_add_cstr(&text, "{\"inputs\":[[");
    for (int i = 0; i <= BATCH_COLUMNS_MAX; i++)
        buf_add_cstr(&text, i ? ",1" : "1");
    buf_add_cstr(&text, "]]}");
    assert_int_equal(batch_read_json(buf_str(&text), &keep, &b).code, ERR_TOO_BIG);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_shapes_are_the_same_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(values_become_what_the_column_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(tables_and_arrays_are_written_as_mlflow_does, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_batch_has_a_maximum, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

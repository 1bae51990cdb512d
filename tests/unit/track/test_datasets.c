/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets: does nobody see half of one, and is nothing deleted that is needed? */
#include "track_fixture.h"

#include <stdio.h>

#include "base/clock.h"

static struct dataset_info make(struct fixture *f, const char *name, const char *version)
{
    struct dataset_info info;
    assert_ok(dataset_create(f->track,
                             &(struct dataset_spec){ .name = str_of(name),
                                                     .version = str_of(version),
                                                     .kind = "t.rows",
                                                     .filter = STR("{\"min\":1}"),
                                                     .note = STR("a note") },
                             &f->mem, &info));
    /* Lists put the newest first, by the millisecond: the next one is newer. */
    for (int64_t made_ms = clock_wall_ms(); clock_wall_ms() == made_ms;)
        clock_sleep_ms(1);
    return info;
}

static void finish(struct fixture *f, const struct dataset_info *d, str bytes, int64_t rows)
{
    assert_ok(dataset_finish(f->track, str_of(d->id),
                             &(struct dataset_result){ .blob = fixture_blob(f, bytes),
                                                       .rows = rows,
                                                       .profile = STR("{\"stats\":{}}"),
                                                       .manifest = STR("{\"files\":[]}") }));
}

static struct dataset_info get(struct fixture *f, const char *name, const char *version)
{
    struct dataset_info info;
    assert_ok(dataset_get(f->track, str_of(name), str_of(version), &f->mem, &info));
    return info;
}

static void versions_count_up_and_names_are_unique(void **state)
{
    struct fixture *f = *state;
    struct dataset_info info;
    assert_string_equal(make(f, "games", "").version.ptr, "1");
    assert_string_equal(make(f, "games", "").version.ptr, "2");
    assert_string_equal(make(f, "games", "10").version.ptr, "10");
    assert_string_equal(make(f, "games", "v2026-01").version.ptr, "v2026-01");
    assert_string_equal(make(f, "games", "").version.ptr, "11");
    assert_string_equal(make(f, "other", "").version.ptr, "1");
    struct dataset_spec again = { .name = STR("games"), .version = STR("2"), .kind = "t.rows" };
    assert_err(dataset_create(f->track, &again, &f->mem, &info), ERR_CONFLICT);
    int64_t names, versions;
    assert_ok(dataset_count(f->track, &names, &versions));
    assert_int_equal(names, 2);
    assert_int_equal(versions, 6);
    assert_int_equal(fixture_logged(f, "dataset.created", NULL), 6);
    assert_true(fixture_exposed(f, "skerry_datasets_total{kind=\"t.rows\",state=\"created\"} 6"));
}

static void bad_specs_are_refused(void **state)
{
    struct fixture *f = *state;
    struct dataset_info info;
    static char long_name[TRACK_NAME_BYTES_MAX + 1];
    memset(long_name, 'n', sizeof long_name);
    const struct dataset_spec bad[] = {
        { .name = STR(""), .kind = "k" },
        { .name = STR("a@b"), .kind = "k" },
        { .name = STR("a/b"), .kind = "k" },
        { .name = STR("a\x01"), .kind = "k" },
        { .name = STR("\xff"), .kind = "k" },
        { .name = { long_name, sizeof long_name }, .kind = "k" },
        { .name = STR("a"), .kind = "" },
        { .name = STR("a"), .kind = "k", .version = STR("1 2") },
        { .name = STR("a"), .kind = "k", .filter = STR("{") },
        { .name = STR("a"), .kind = "k", .split = STR("nope") },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(dataset_create(f->track, &bad[i], &f->mem, &info), ERR_INVALID);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM datasets"), 0);
}

/* building -> failed -> ready, and no way back: training on "name@3" means one thing for ever. */
static void states_follow_the_machine(void **state)
{
    struct fixture *f = *state;
    struct dataset_info d = make(f, "games", "");
    struct dataset_result result = { .blob = fixture_blob(f, STR("bytes")), .rows = 3 };
    assert_string_equal(get(f, d.id, "").state.ptr, "building");
    assert_string_equal(get(f, d.id, "").profile.ptr, "{}");
    assert_string_equal(get(f, d.id, "").filter.ptr, "{\"min\":1}");
    assert_int_equal(get(f, d.id, "").blob.hex[0], '\0');
    assert_ok(dataset_fail(f->track, NULL, str_of(d.id), STR("the disk was full")));
    assert_string_equal(get(f, d.id, "").state.ptr, "failed");
    assert_string_equal(get(f, d.id, "").reason.ptr, "the disk was full");
    assert_ok(dataset_finish(f->track, str_of(d.id), &result));
    struct dataset_info ready = get(f, d.id, "");
    assert_string_equal(ready.state.ptr, "ready");
    assert_string_equal(ready.blob.hex, result.blob.id.hex);
    assert_int_equal(ready.reason.len, 0);
    assert_int_equal(ready.bytes, 5);
    assert_int_equal(ready.rows, 3);
    assert_err(dataset_finish(f->track, str_of(d.id), &result), ERR_CONFLICT);
    assert_err(dataset_fail(f->track, NULL, str_of(d.id), STR("late")), ERR_CONFLICT);
    assert_ok(dataset_delete(f->track, str_of(d.id)));
    assert_err(dataset_get(f->track, str_of(d.id), STR_NONE, &f->mem, &d), ERR_NOT_FOUND);
    assert_err(dataset_finish(f->track, str_of(ready.id), &result), ERR_NOT_FOUND);
    assert_err(dataset_delete(f->track, str_of(ready.id)), ERR_NOT_FOUND);
    assert_err(dataset_fail(f->track, NULL, STR("nobody"), STR("x")), ERR_NOT_FOUND);
    /* The number stays taken. */
    assert_string_equal(make(f, "games", "").version.ptr, "2");
    assert_int_equal(fixture_logged(f, "dataset.ready", NULL), 1);
    assert_int_equal(fixture_logged(f, "dataset.failed", NULL), 1);
    assert_int_equal(fixture_logged(f, "dataset.deleted", NULL), 1);
}

/* A row that points to bytes that are not there is worse than an error. */
static void a_missing_blob_or_bad_json_leaves_it_building(void **state)
{
    struct fixture *f = *state;
    struct dataset_info d = make(f, "games", "");
    struct dataset_result result = { .rows = 3 };
    memset(result.blob.id.hex, 'a', 64);
    assert_err(dataset_finish(f->track, str_of(d.id), &result), ERR_NOT_FOUND);
    result.blob = fixture_blob(f, STR("bytes"));
    struct blob_id gone = result.blob.id;
    gone.hex[0] = gone.hex[0] == '0' ? '1' : '0';
    result.parents = &gone;
    result.parent_count = 1;
    assert_err(dataset_finish(f->track, str_of(d.id), &result), ERR_NOT_FOUND);
    result.parent_count = 0;
    result.profile = STR("{oops");
    assert_err(dataset_finish(f->track, str_of(d.id), &result), ERR_INVALID);
    result.profile = STR_NONE;
    result.run_id = STR("no such run");
    assert_err(dataset_finish(f->track, str_of(d.id), &result), ERR_NOT_FOUND);
    assert_string_equal(get(f, d.id, "").state.ptr, "building");
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM dataset_blobs"), 0);
}

static void a_name_means_its_newest_ready_version(void **state)
{
    struct fixture *f = *state;
    /* Made within a millisecond, or with a clock that was put back, the last one is the newest. */
    for (int i = 0; i < 20; i++) {
        char version[16];
        snprintf(version, sizeof version, "r%d", i);
        make(f, "quick", version);
        assert_string_equal(get(f, "quick", "").version.ptr, version);
    }
    struct dataset_info a = make(f, "games", "v1"), b = make(f, "games", "v2");
    assert_string_equal(get(f, "games", "").version.ptr, "v2"); /* none ready: the newest */
    finish(f, &a, STR("one"), 1);
    assert_string_equal(get(f, "games", "").version.ptr, "v1");
    assert_string_equal(get(f, "games", "latest").version.ptr, "v1");
    finish(f, &b, STR("two"), 2);
    make(f, "games", "v3");
    assert_string_equal(get(f, "games", "").version.ptr, "v2");
    assert_string_equal(get(f, "games@v1", "").id, a.id);
    assert_string_equal(get(f, "games", "v3").state.ptr, "building");
    assert_string_equal(get(f, a.id, "v2").id, b.id); /* same name, other version */
    assert_string_equal(get(f, a.id, "v1").id, a.id);
    struct dataset_info info;
    assert_err(dataset_get(f->track, STR("games@v9"), STR_NONE, &f->mem, &info), ERR_NOT_FOUND);
    assert_err(dataset_get(f->track, str_of(a.id), STR("v9"), &f->mem, &info), ERR_NOT_FOUND);
    assert_err(dataset_get(f->track, STR("gam"), STR_NONE, &f->mem, &info), ERR_NOT_FOUND);
    assert_err(dataset_get(f->track, STR(""), STR_NONE, &f->mem, &info), ERR_NOT_FOUND);
}

static str names_of(struct fixture *f, const struct dataset_filter *filter)
{
    struct dataset_info *infos;
    size_t count;
    str all = STR("");
    assert_ok(dataset_list(f->track, filter, &f->mem, &infos, &count));
    for (size_t i = 0; i < count; i++)
        all = arena_fmt(&f->mem, "%.*s%s%.*s@%.*s", STR_ARG(all), i ? " " : "",
                        STR_ARG(infos[i].name), STR_ARG(infos[i].version));
    return all;
}

/* The condition is applied to all rows and the page is cut from the result: the seed did it the
 * other way round, so a name on the second page could not be found. */
static void lists_filter_before_they_page(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *version;
        int64_t rows;
        str bytes;
    } rows[] = {
        { "Masters", "1", 30, STR_INIT("aaa") },     { "club", "1", 10, STR_INIT("a") },
        { "club_100%", "1", 20, STR_INIT("aaaaa") }, { "Masters", "2", 5, STR_INIT("aa") },
        { "rapid", "1", 99, STR_INIT("aaaa") },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dataset_info d = make(f, rows[i].name, rows[i].version);
        finish(f, &d, rows[i].bytes, rows[i].rows);
    }
    make(f, "empty", "1");
    const struct {
        struct dataset_filter filter;
        const char *wanted;
    } cases[] = {
        { { .limit = 0 }, "empty@1 rapid@1 Masters@2 club_100%@1 club@1 Masters@1" },
        { { .sort = "rows" }, "rapid@1 Masters@1 club_100%@1 club@1 Masters@2 empty@1" },
        { { .sort = "size", .limit = 3 }, "club_100%@1 rapid@1 Masters@1" },
        { { .sort = "size", .limit = 2, .offset = 2 }, "Masters@1 Masters@2" },
        { { .q = STR("MAST") }, "Masters@2 Masters@1" },
        { { .q = STR("MAST"), .limit = 1, .offset = 1 }, "Masters@1" },
        { { .q = STR("%") }, "club_100%@1" },
        { { .q = STR("b_1") }, "club_100%@1" },
        { { .q = STR("lu"), .sort = "rows" }, "club_100%@1 club@1" },
        { { .q = STR("' OR 1=1") }, "" },
        { { .newest_only = true }, "empty@1 rapid@1 Masters@2 club_100%@1 club@1" },
        { { .newest_only = true, .state = STR("ready"), .limit = 2 }, "rapid@1 Masters@2" },
        { { .name = STR("Masters") }, "Masters@2 Masters@1" },
        { { .state = STR("building") }, "empty@1" },
        { { .kind = STR("other") }, "" },
        { { .offset = 100 }, "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str got = names_of(f, &cases[i].filter);
        if (!str_eq(got, str_of(cases[i].wanted)))
            fail_msg("case %zu: wanted '%s', got '%.*s'", i, cases[i].wanted, STR_ARG(got));
    }
    struct dataset_info *infos;
    size_t count;
    assert_err(dataset_list(f->track,
                            &(struct dataset_filter){ .sort = "name; DROP TABLE datasets" },
                            &f->mem, &infos, &count),
               ERR_INVALID);
}

/* What a model was trained on can be shown as long as the model is there. */
static void a_dataset_that_a_model_needs_stays(void **state)
{
    struct fixture *f = *state;
    struct dataset_info d = fixture_dataset(f, "games", STR("rows"));
    struct model_version_info m;
    assert_ok(model_register(f->track,
                             &(struct model_spec){ .name = STR("net"),
                                                   .kind = "t.net",
                                                   .blob = fixture_blob(f, STR("weights")),
                                                   .dataset_id = str_of(d.id) },
                             &f->mem, &m));
    assert_err(dataset_delete(f->track, str_of(d.id)), ERR_CONFLICT);
    assert_int_equal(fixture_collect(f).removed_count, 0);
    assert_ok(model_delete(f->track, STR("net"), 1));
    assert_ok(dataset_delete(f->track, str_of(d.id)));
    struct blob_gc_report report = fixture_collect(f);
    assert_int_equal(report.removed_count, 2);
    assert_int_equal(report.kept_count, 0);
}

/* Deleting one dataset must free its bytes and not one of anybody else's. */
static void collection_takes_only_what_was_deleted(void **state)
{
    struct fixture *f = *state;
    struct blob_info raw = fixture_blob(f, STR("the upload"));
    struct blob_info shared = fixture_blob(f, STR("shared upload"));
    struct blob_id parents_a[] = { raw.id, shared.id }, parents_b[] = { shared.id };
    struct dataset_info a = make(f, "a", ""), b = make(f, "b", "");
    assert_ok(dataset_finish(f->track, str_of(a.id),
                             &(struct dataset_result){ .blob = fixture_blob(f, STR("rows of a")),
                                                       .parents = parents_a,
                                                       .parent_count = 2 }));
    assert_ok(dataset_finish(f->track, str_of(b.id),
                             &(struct dataset_result){ .blob = fixture_blob(f, STR("rows of b")),
                                                       .parents = parents_b,
                                                       .parent_count = 1 }));
    blob_unpin(f->blobs, &raw.id);
    blob_unpin(f->blobs, &shared.id);
    struct run *r = fixture_run(f, "dataset");
    assert_ok(run_artifact(r, "report.json", STR("{}")));
    fixture_end(r, ERR_NONE);

    struct blob_gc_report report = fixture_collect(f);
    assert_int_equal(report.kept_count, 5);
    assert_int_equal(report.removed_count, 0);
    assert_ok(dataset_delete(f->track, str_of(a.id)));
    report = fixture_collect(f);
    assert_int_equal(report.removed_count, 2);
    assert_int_equal(report.kept_count, 3);
    assert_int_equal(report.missing_count, 0);
    struct blob_info info;
    assert_err(blob_stat(f->blobs, &raw.id, &info), ERR_NOT_FOUND);
    assert_ok(blob_verify(f->blobs, &shared.id));
    struct dataset_info still = get(f, "b", "");
    assert_ok(blob_verify(f->blobs, &still.blob));
}

/* Made together with the job that builds it, or not at all. */
struct make_tx {
    struct fixture *f;
    bool fail;
};

static err make_and_fail(struct store_tx *tx, void *arg)
{
    const struct make_tx *m = arg;
    struct dataset_info info;
    TRY(dataset_create_tx(m->f->track, tx, &(struct dataset_spec){ .name = STR("x"), .kind = "k" },
                          &m->f->mem, &info));
    return m->fail ? ERR(ERR_BUSY, "the job queue is full") : OK;
}

static void creation_is_part_of_the_callers_transaction(void **state)
{
    struct fixture *f = *state;
    struct make_tx m = { f, true };
    assert_err(store_write(f->store, make_and_fail, &m), ERR_BUSY);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM datasets"), 0);
    m.fail = false;
    assert_ok(store_write(f->store, make_and_fail, &m));
    assert_string_equal(get(f, "x", "").version.ptr, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
        T(versions_count_up_and_names_are_unique),
        T(bad_specs_are_refused),
        T(states_follow_the_machine),
        T(a_missing_blob_or_bad_json_leaves_it_building),
        T(a_name_means_its_newest_ready_version),
        T(lists_filter_before_they_page),
        T(a_dataset_that_a_model_needs_stays),
        T(collection_takes_only_what_was_deleted),
        T(creation_is_part_of_the_callers_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of clients: would a name lead outside, a list miss something, or collection eat a model? */
#include "track_fixture.h"

#include <stdio.h>

#include "platform/track/experiments.h"
#include "platform/track/files.h"

static str clean(struct fixture *f, const char *text)
{
    str path;
    assert_ok(files_path(str_of(text), &f->mem, &path));
    return path;
}

static void put(struct fixture *f, const char *path, const char *bytes)
{
    struct blob_info blob = fixture_blob(f, str_of(bytes));
    assert_ok(files_put(f->track, clean(f, path), &blob));
    blob_unpin(f->blobs, &blob.id);
}

static enum err_code put_code(struct fixture *f, const char *path)
{
    struct blob_info blob = fixture_blob(f, STR("x"));
    err e = files_put(f->track, str_of(path), &blob);
    blob_unpin(f->blobs, &blob.id);
    return e.code;
}

static str read_file(struct fixture *f, const char *path)
{
    struct file_info info;
    str bytes;
    assert_ok(files_get(f->track, str_of(path), &f->mem, &info));
    assert_ok(blob_get(f->blobs, &info.blob, &f->mem, 1000, &bytes));
    assert_int_equal(info.bytes, bytes.len);
    return bytes;
}

static err run_sql(struct store_tx *tx, void *sql)
{
    return store_exec(tx, sql, NO_ARGS, NULL);
}

static void write_sql(struct fixture *f, const char *sql)
{
    assert_ok(store_write(f->store, run_sql, arena_cstr(&f->mem, str_of(sql))));
}

/* "a b/ c": names, directories with a slash; pages of `max` joined, with '|' between them. */
static const char *list(struct fixture *f, const char *directory, size_t max)
{
    struct files_page page = { .next = STR("") };
    struct buf text;
    buf_init(&text, 1 << 20);
    do {
        if (page.next.len)
            buf_add_char(&text, '|');
        assert_ok(files_list(f->track, clean(f, directory), page.next, max, &f->mem, &page));
        for (size_t i = 0; i < page.count; i++)
            buf_add_fmt(&text, "%s%.*s%s", i ? " " : "", STR_ARG(page.files[i].path),
                        page.files[i].is_directory ? "/" : "");
    } while (page.next.len);
    const char *kept = arena_cstr(&f->mem, buf_str(&text));
    buf_deinit(&text);
    return kept;
}

/* ------------------------------------------------------------------ paths */

static void paths_are_taken_apart_until_nothing_is_hidden(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *path; /* path NULL: refused */
    } cases[] = {
        { "", "" },
        { "a", "a" },
        { "a/b c/d", "a/b c/d" },
        { "a%20b", "a b" },
        { "a%2520b", "a b" },
        { "a%252525252520b", "a b" },
        { "a//b/", "a/b" },
        { "a/./b", "a/b" },
        { "100%", "100%" },
        { "100%.txt", "100%.txt" },
        { "%zz", "%zz" },
        { "\xC3\xA4/\xE2\x98\x83", "\xC3\xA4/\xE2\x98\x83" },
        { "%C3%A4", "\xC3\xA4" },
        { "..a/b..", "..a/b.." },
        { "a:b", "a:b" },
        { "c:", "c:" },
        { "..", NULL },
        { "a/..", NULL },
        { "a/../b", NULL },
        { "%2e%2e/b", NULL },
        { "a/%252e%252e/b", NULL },
        { "a/%25252e./b", NULL },
        { "a%2f..%2fb", NULL },
        { "/etc/passwd", NULL },
        { "%2fetc", NULL },
        { "%252fetc", NULL },
        { "//server/share", NULL },
        { "C:/x", NULL },
        { "./C:/x", NULL },
        { "c%3A%2Fx", NULL },
        { "a\\b", NULL },
        { "a%5cb", NULL },
        { "a#b", NULL },
        { "a%23b", NULL },
        { "a\nb", NULL },
        { "a%00", NULL },
        { "a%7F", NULL },
        { "file:///etc", NULL },
        { "FILE:x", NULL },
        { "%ff", NULL },
        { "a%25252525252525252525252525252525252520", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str path = STR("unset");
        err e = files_path(str_of(cases[i].text), &f->mem, &path);
        if (e.code != (cases[i].path ? ERR_NONE : ERR_INVALID))
            fail_msg("'%s': %s", cases[i].text, e.msg);
        if (cases[i].path && !str_eq(path, str_of(cases[i].path)))
            fail_msg("'%s' became '%.*s'", cases[i].text, STR_ARG(path));
        if (!cases[i].path)
            assert_string_equal(e.msg, "Invalid path");
    }
    char *text = arena_alloc(&f->mem, FILES_PATH_BYTES_MAX + 2, 1, 1);
    memset(text, 'a', FILES_PATH_BYTES_MAX + 1);
    str path;
    assert_ok(files_path(str_from(text, FILES_PATH_BYTES_MAX), &f->mem, &path));
    assert_err(files_path(str_from(text, FILES_PATH_BYTES_MAX + 1), &f->mem, &path), ERR_INVALID);
}

static void artifact_uris_of_ours_are_paths(void **state)
{
    struct fixture *f = *state;
    str path;
    assert_ok(files_uri_path(STR("mlflow-artifacts:/1/x"), &f->mem, &path));
    assert_true(str_eq(path, STR("1/x")));
    assert_ok(files_uri_path(STR("mlflow-artifacts://host:5000/1/x"), &f->mem, &path));
    assert_true(str_eq(path, STR("1/x")));
    assert_err(files_uri_path(STR("s3://bucket/x"), &f->mem, &path), ERR_INVALID);
    assert_err(files_uri_path(STR("/var/x"), &f->mem, &path), ERR_INVALID);
    assert_err(files_uri_path(STR("mlflow-artifacts:/1/../x"), &f->mem, &path), ERR_INVALID);
}

/* ------------------------------------------------------------------ files */

static void files_are_put_read_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct file_info info;
    put(f, "1/models/m-1/artifacts/MLmodel", "one");
    put(f, "1/models/m-1/artifacts/empty", "");
    put(f, "1/models/m-1/artifacts/MLmodel", "second");
    assert_true(str_eq(read_file(f, "1/models/m-1/artifacts/MLmodel"), STR("second")));
    assert_true(str_eq(read_file(f, "1/models/m-1/artifacts/empty"), STR("")));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 2);
    assert_err(files_get(f->track, STR("1/models/m-1/artifacts/x"), &f->mem, &info), ERR_NOT_FOUND);
    assert_err(files_get(f->track, STR("1/models/m-1"), &f->mem, &info), ERR_INVALID);
    assert_err(files_get(f->track, STR("1/models/m-"), &f->mem, &info), ERR_NOT_FOUND);
}

static void a_path_is_a_file_or_a_directory(void **state)
{
    struct fixture *f = *state;
    put(f, "a/b/c", "x");
    assert_int_equal(put_code(f, "a/b/c/d"), ERR_INVALID);
    assert_int_equal(put_code(f, "a/b/c/d/e"), ERR_INVALID);
    assert_int_equal(put_code(f, "a/b"), ERR_INVALID);
    assert_int_equal(put_code(f, "a"), ERR_INVALID);
    assert_int_equal(put_code(f, ""), ERR_INVALID);
    assert_int_equal(put_code(f, "a/b/c"), ERR_NONE);
    assert_int_equal(put_code(f, "a/b/cd"), ERR_NONE);
    assert_int_equal(put_code(f, "a/bc"), ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 3);
}

static void files_of_a_run_are_its_artifacts(void **state)
{
    struct fixture *f = *state;
    char path[200];
    struct artifact_info *artifacts;
    size_t count;
    struct run *r = fixture_run(f, "training");
    str run_id_text = arena_str(&f->mem, str_of(run_id(r)));
    assert_ok(run_artifact(r, "report.json", STR("{}")));
    snprintf(path, sizeof path, "0/%s/artifacts/model/MLmodel", run_id(r));
    put(f, path, "m");
    snprintf(path, sizeof path, "0/%s/artifacts", run_id(r));
    assert_string_equal(list(f, path, 10), "model/ report.json");
    assert_int_equal(put_code(f, path), ERR_INVALID);
    assert_ok(track_artifact_list(f->track, run_id_text, &f->mem, &artifacts, &count));
    assert_int_equal(count, 2);
    assert_true(str_eq(artifacts[0].path, STR("model/MLmodel")));
    /* The same run, but not where its experiment has its files: somebody else's path. */
    snprintf(path, sizeof path, "7/%s/artifacts/model/MLmodel", run_id(r));
    put(f, path, "other");
    snprintf(path, sizeof path, "0/%s/artifacts/model/MLmodel", run_id(r));
    assert_true(str_eq(read_file(f, path), STR("m")));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 1);
    str uri;
    assert_ok(files_root_of_run(f->track, run_id_text, &f->mem, &uri));
    snprintf(path, sizeof path, "mlflow-artifacts:/0/%s/artifacts", run_id(r));
    assert_true(str_eq(uri, str_of(path)));
    assert_err(files_root_of_run(f->track, STR("0"), &f->mem, &uri), ERR_NOT_FOUND);
    fixture_end(r, ERR_NONE);
}

static void an_experiment_may_have_its_files_elsewhere_with_us(void **state)
{
    struct fixture *f = *state;
    static const char id[] = "0123456789abcdef0123456789abcdef";
    char sql[400];
    int64_t experiment;
    assert_ok(experiment_create(
        f->track,
        &(struct experiment_spec){ .name = STR("far"),
                                   .artifact_location = STR("mlflow-artifacts://h:1/team%20a/x/") },
        &experiment));
    snprintf(sql, sizeof sql,
             "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
             " status, lifecycle_stage, created_ms, attempts) VALUES ('%s', %lld, 'n', 'u', 'c',"
             " 'client', 'RUNNING', 'active', 1, 0)",
             id, (long long)experiment);
    write_sql(f, sql);
    put(f, "team a/x/0123456789abcdef0123456789abcdef/artifacts/a", "x");
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM artifacts"), 1);
    str uri;
    assert_ok(files_root_of_run(f->track, str_of(id), &f->mem, &uri));
    assert_true(str_eq(
        uri, STR("mlflow-artifacts://h:1/team%20a/x/0123456789abcdef0123456789abcdef/artifacts")));
    put(f, "0123456789abcdef0123456789abcdef/artifacts/a", "x");
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 1);
}

/* ------------------------------------------------------------------ lists */

static void lists_show_what_is_directly_below(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = { "d/a",   "d/b/1", "d/b/2/x",    "d/b-c",
                                         "d/b.d", "d/b0",  "d/\xC3\xA4", "d/z/z/z",
                                         "d e/f", "d0/g",  "d/b c/x",    "top" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        put(f, paths[i], "x");
    static const char names[] = "a b/ b c/ b-c b.d b0 z/ \xC3\xA4";
    assert_string_equal(list(f, "d", 100), names);
    assert_string_equal(list(f, "d/", 8), names);
    assert_string_equal(list(f, "", 100), "d/ d e/ d0/ top");
    assert_string_equal(list(f, "d/b", 100), "1 2/");
    assert_string_equal(list(f, "d/a", 100), "");
    assert_string_equal(list(f, "nothing", 100), "");
    /* In pages nothing is lost or doubled; a page has its names in order. */
    assert_string_equal(list(f, "d", 1), "a|b c/|b-c|b.d|b/|b0|z/|\xC3\xA4");
    assert_string_equal(list(f, "d", 3), "a b c/ b-c|b/ b.d b0|z/ \xC3\xA4");
}

static void a_full_directory_is_one_step_of_a_list(void **state)
{
    struct fixture *f = *state;
    enum { FILES = 600 };
    struct blob_info blob = fixture_blob(f, STR("x"));
    char path[64];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "m/deep/%05d/x", i);
        assert_ok(files_put(f->track, str_of(path), &blob));
    }
    assert_ok(files_put(f->track, STR("m/after"), &blob));
    assert_ok(files_put(f->track, STR("m/zero"), &blob));
    assert_string_equal(list(f, "m", 10), "after deep/ zero");
    struct files_page page;
    assert_ok(files_list(f->track, STR("m/deep"), STR(""), 1000, &f->mem, &page));
    assert_int_equal(page.count, FILES);
    assert_int_equal(page.next.len, 0);
    assert_ok(files_list(f->track, STR("m/deep"), STR(""), FILES, &f->mem, &page));
    assert_int_equal(page.next.len, 0);
    assert_ok(files_list(f->track, STR("m/deep"), STR(""), FILES - 1, &f->mem, &page));
    assert_true(str_eq(page.next, STR("00598/")));
}

/* ------------------------------------------------------------------ delete, collection */

static void deleting_takes_all_below_and_nothing_beside(void **state)
{
    struct fixture *f = *state;
    int64_t count;
    static const char *const paths[] = { "d/a", "d/b/c", "d0/a", "d-a/a", "d a" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        put(f, paths[i], "x");
    struct run *r = fixture_run(f, "training");
    assert_ok(run_artifact(r, "a/b", STR("x")));
    assert_ok(run_artifact(r, "ab", STR("x")));
    char root[100], path[120];
    snprintf(root, sizeof root, "0/%s/artifacts", run_id(r));
    snprintf(path, sizeof path, "%s/a", root);
    assert_ok(files_delete(f->track, STR("d"), &count));
    assert_int_equal(count, 2);
    assert_string_equal(list(f, "", 10), "d a d-a/ d0/");
    assert_ok(files_delete(f->track, STR("d"), &count));
    assert_int_equal(count, 0);
    assert_ok(files_delete(f->track, STR("d0/a"), &count));
    assert_int_equal(count, 1);
    assert_err(files_delete(f->track, STR(""), &count), ERR_INVALID);
    assert_ok(files_delete(f->track, STR("0"), &count)); /* leads to runs, and leaves them */
    assert_int_equal(count, 0);
    assert_ok(files_delete(f->track, str_of(path), &count));
    assert_int_equal(count, 1);
    assert_string_equal(list(f, root, 10), "ab");
    assert_ok(files_delete(f->track, str_of(root), &count));
    assert_int_equal(count, 1);
    fixture_end(r, ERR_NONE);
}

static void collection_keeps_what_a_file_needs(void **state)
{
    struct fixture *f = *state;
    int64_t count;
    put(f, "1/models/m-1/artifacts/model.bin", "weights");
    put(f, "1/models/m-2/artifacts/model.bin", "others");
    put(f, "copy", "weights");
    assert_int_equal(fixture_collect(f).removed_count, 0);
    assert_true(str_eq(read_file(f, "1/models/m-1/artifacts/model.bin"), STR("weights")));
    assert_ok(files_delete(f->track, STR("1/models"), &count));
    assert_int_equal(count, 2);
    struct blob_gc_report report = fixture_collect(f);
    assert_int_equal(report.removed_count, 1);
    assert_int_equal(report.missing_count, 0);
    assert_true(str_eq(read_file(f, "copy"), STR("weights")));
}

/* ------------------------------------------------------------------ roots */

static str version_root(struct fixture *f, const char *name, const char *version,
                        enum err_code wanted)
{
    str uri = STR_NONE;
    assert_err(files_root_of_version(f->track, str_of(name), str_of(version), &f->mem, &uri),
               wanted);
    return uri;
}

static void sources_of_versions_are_followed(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    char runs_uri[100], root[120];
    snprintf(runs_uri, sizeof runs_uri, "runs:/%s/model", run_id(r));
    snprintf(root, sizeof root, "mlflow-artifacts:/0/%s/artifacts/model", run_id(r));
    const char *const sources[] = { "mlflow-artifacts:/0/x", runs_uri, "models:/net/2",
                                    "models:/m-7", "models:/net/5" };
    write_sql(f, "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
                 " created_ms, updated_ms, status, lifecycle_stage) VALUES ('m-7', 0, 'm',"
                 " 'mlflow-artifacts:/0/models/m-7/artifacts', 1, 1, 'LOGGED_MODEL_READY',"
                 " 'active')");
    write_sql(f, "INSERT INTO registered_models (name, kind, created_ms, updated_ms)"
                 " VALUES ('net', 'k', 1, 1)");
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        char sql[400];
        snprintf(
            sql, sizeof sql,
            "INSERT INTO model_versions (id, name, version, kind, stage, status, source, bytes,"
            " created_ms, updated_ms) VALUES ('v%zu', 'net', %zu, 'k', 'None', 'READY', '%s', 0,"
            " 1, 1)",
            i, i + 1, sources[i]);
        write_sql(f, sql);
    }
    assert_true(str_eq(version_root(f, "net", "1", ERR_NONE), STR("mlflow-artifacts:/0/x")));
    assert_true(str_eq(version_root(f, "net", "2", ERR_NONE), str_of(root)));
    assert_true(str_eq(version_root(f, "net", "3", ERR_NONE), str_of(root)));
    assert_true(str_eq(version_root(f, "net", "4", ERR_NONE),
                       STR("mlflow-artifacts:/0/models/m-7/artifacts")));
    version_root(f, "net", "5", ERR_INVALID); /* itself */
    version_root(f, "net", "6", ERR_NOT_FOUND);
    version_root(f, "net", "", ERR_NOT_FOUND);
    version_root(f, "net", "x", ERR_NOT_FOUND);
    version_root(f, "nobody", "1", ERR_NOT_FOUND);
    fixture_end(r, ERR_NONE);
}

static void traces_have_their_files_below_their_experiment_or_where_a_tag_says(void **state)
{
    struct fixture *f = *state;
    str uri;
    write_sql(f, "INSERT INTO traces (trace_id, experiment_id, request_ms, state, has_spans)"
                 " VALUES ('tr-1', 0, 1, 'OK', 0)");
    assert_ok(files_root_of_trace(f->track, STR("tr-1"), &f->mem, &uri));
    assert_true(str_eq(uri, STR("mlflow-artifacts:/0/traces/tr-1/artifacts")));
    write_sql(f, "INSERT INTO trace_tags (trace, key, value) SELECT id,"
                 " 'mlflow.artifactLocation', 'mlflow-artifacts:/9/t' FROM traces");
    assert_ok(files_root_of_trace(f->track, STR("tr-1"), &f->mem, &uri));
    assert_true(str_eq(uri, STR("mlflow-artifacts:/9/t")));
    assert_err(files_root_of_trace(f->track, STR("tr-2"), &f->mem, &uri), ERR_NOT_FOUND);
    assert_err(files_root_of_logged_model(f->track, STR("m-1"), &f->mem, &uri), ERR_NOT_FOUND);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(paths_are_taken_apart_until_nothing_is_hidden),
        T(artifact_uris_of_ours_are_paths),
        T(files_are_put_read_and_replaced),
        T(a_path_is_a_file_or_a_directory),
        T(files_of_a_run_are_its_artifacts),
        T(an_experiment_may_have_its_files_elsewhere_with_us),
        T(lists_show_what_is_directly_below),
        T(a_full_directory_is_one_step_of_a_list),
        T(deleting_takes_all_below_and_nothing_beside),
        T(collection_keeps_what_a_file_needs),
        T(sources_of_versions_are_followed),
        T(traces_have_their_files_below_their_experiment_or_where_a_tag_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

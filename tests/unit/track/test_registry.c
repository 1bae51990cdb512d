/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry as clients change it: do names, versions, aliases and the ledger stay consistent,
 * and what is ours stay ours? */
#include "track_fixture.h"

#include <stdio.h>

#include "platform/track/client_runs.h"
#include "platform/track/files.h"
#include "platform/track/logged_models.h"
#include "platform/track/registry.h"

static void name(struct fixture *f, const char *text)
{
    assert_ok(registry_model_create(f->track, str_of(text), STR(""), NULL, 0));
}

static int64_t version(struct fixture *f, const char *of, const char *source)
{
    int64_t number = 0;
    assert_ok(registry_version_create(
        f->track, &(struct registry_version_spec){ .name = str_of(of), .source = str_of(source) },
        &f->mem, &number));
    return number;
}

static struct registry_model *model(struct fixture *f, const char *text)
{
    struct registry_model *m;
    str n = str_of(text);
    assert_ok(registry_models_read(f->track, &n, 1, &f->mem, &m));
    return m;
}

static struct registry_version *get(struct fixture *f, const char *of, int64_t number)
{
    struct registry_version *v;
    assert_ok(registry_version_get(f->track, str_of(of), number, &f->mem, &v));
    return v;
}

static void alias(struct fixture *f, const char *of, int64_t number, const char *text)
{
    assert_ok(
        model_promote(f->track, str_of(of), number, str_of(text), STR("ada"), STR("a client")));
}

/* The ledger of a name is a chain for each alias, and ends where the alias is. */
static size_t ledger_check(struct fixture *f, const char *of)
{
    struct promotion *rows;
    size_t count;
    assert_ok(model_promotions(f->track, str_of(of), 1000, &f->mem, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        int64_t before = 0;
        for (size_t j = i + 1; j < count; j++) {
            if (str_eq(rows[j].alias, rows[i].alias)) {
                before = rows[j].to_version;
                break;
            }
        }
        assert_int_equal(rows[i].from_version, before);
    }
    return count;
}

static void names_are_unique_and_plain(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = { "a/b", "a:b", "", "a\nb" };
    struct track_tag tags[] = { { STR("k"), STR("1") }, { STR("k"), STR("2") } };
    assert_ok(registry_model_create(f->track, STR("net"), STR("of fish"), tags, 2));
    assert_err(registry_model_create(f->track, STR("net"), STR(""), NULL, 0), ERR_CONFLICT);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(registry_model_create(f->track, str_of(bad[i]), STR(""), NULL, 0), ERR_INVALID);
    struct registry_model *m = model(f, "net");
    assert_string_equal(m->kind.ptr, REGISTRY_KIND_CLIENT);
    assert_string_equal(m->description.ptr, "of fish");
    assert_int_equal(m->tag_count, 1);
    assert_string_equal(m->tags[0].value.ptr, "2");
    assert_ok(registry_model_describe(f->track, STR("net"), STR("")));
    assert_int_equal(model(f, "net")->description.len, 0);
    assert_ok(registry_model_tag_delete(f->track, STR("net"), STR("k")));
    assert_ok(registry_model_tag_delete(f->track, STR("net"), STR("k")));
    assert_int_equal(model(f, "net")->tag_count, 0);
    assert_err(registry_model_tag_set(f->track, STR("no"), STR("k"), STR("v")), ERR_NOT_FOUND);
    assert_err(registry_model_tag_set(f->track, STR("net"), STR("../k"), STR("v")), ERR_INVALID);
}

static void many_are_read_in_the_order_asked_for(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 1000 }; /* two pages */
    str *names = NEW_ARRAY(&f->mem, str, MANY);
    str *ids = NEW_ARRAY(&f->mem, str, MANY);
    struct registry_model *models;
    struct registry_version *versions;
    for (size_t i = 0; i < MANY; i++) {
        names[i] = arena_fmt(&f->mem, "n%zu", (i * 7) % MANY);
        name(f, names[i].ptr);
        version(f, names[i].ptr, "s3://b/x");
        ids[i] = get(f, names[i].ptr, 1)->id;
    }
    alias(f, "n7", 1, "best");
    assert_ok(registry_models_read(f->track, names, MANY, &f->mem, &models));
    assert_ok(registry_versions_read(f->track, ids, MANY, true, &f->mem, &versions));
    for (size_t i = 0; i < MANY; i++) {
        assert_true(str_eq(models[i].name, names[i]));
        assert_int_equal(models[i].latest_count, 1);
        assert_true(str_eq(models[i].latest[0].id, ids[i]));
        assert_true(str_eq(versions[i].name, names[i]));
        assert_int_equal(versions[i].alias_count, str_eq(names[i], STR("n7")) ? 1 : 0);
    }
    str gone[] = { STR("n1"), STR("nobody") };
    assert_err(registry_models_read(f->track, gone, 2, &f->mem, &models), ERR_NOT_FOUND);
    gone[1] = gone[0];
    assert_err(registry_models_read(f->track, gone, 2, &f->mem, &models), ERR_INVALID);
}

static void numbers_are_not_given_again_and_deletion_keeps_silent(void **state)
{
    struct fixture *f = *state;
    struct registry_version *v;
    name(f, "net");
    assert_int_equal(version(f, "net", "s3://b/1"), 1);
    assert_int_equal(version(f, "net", "s3://b/2"), 2);
    alias(f, "net", 2, "best");
    alias(f, "net", 2, "other");
    assert_ok(registry_version_tag_set(f->track, STR("net"), 2, STR("k"), STR("v")));
    assert_ok(registry_version_delete(f->track, STR("net"), 2, STR("eve")));
    assert_err(registry_version_delete(f->track, STR("net"), 2, STR("eve")), ERR_NOT_FOUND);
    assert_err(registry_version_get(f->track, STR("net"), 2, &f->mem, &v), ERR_NOT_FOUND);
    assert_err(registry_alias_get(f->track, STR("net"), STR("best"), &f->mem, &v), ERR_INVALID);
    assert_err(registry_alias_get(f->track, STR("no"), STR("best"), &f->mem, &v), ERR_NOT_FOUND);
    assert_int_equal(ledger_check(f, "net"), 4);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM model_versions WHERE version = 2 AND"
                                    " source IS NULL AND description IS NULL AND run_id IS NULL"),
                     1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM model_version_tags"), 0);
    assert_int_equal(version(f, "net", "s3://b/3"), 3);
}

static void stages_move_and_archive(void **state)
{
    struct fixture *f = *state;
    name(f, "net");
    for (int i = 0; i < 4; i++)
        version(f, "net", "s3://b/x");
    assert_ok(registry_version_stage(f->track, STR("net"), 2, STR("pRoduction"), false));
    assert_ok(registry_version_stage(f->track, STR("net"), 3, STR("Production"), true));
    assert_string_equal(get(f, "net", 2)->stage.ptr, "Archived");
    assert_string_equal(get(f, "net", 3)->stage.ptr, "Production");
    struct registry_model *m = model(f, "net"); /* Archived, Production, None */
    assert_int_equal(m->latest_count, 3);
    assert_int_equal(m->latest[0].version, 2);
    assert_int_equal(m->latest[1].version, 3);
    assert_int_equal(m->latest[2].version, 4);
    assert_err(registry_version_stage(f->track, STR("net"), 2, STR("None"), true), ERR_INVALID);
    assert_err(registry_version_stage(f->track, STR("net"), 2, STR("Live"), false), ERR_INVALID);
    assert_err(registry_version_stage(f->track, STR("net"), 9, STR("None"), false), ERR_NOT_FOUND);
}

static void a_rename_takes_everything_along(void **state)
{
    struct fixture *f = *state;
    name(f, "net");
    name(f, "taken");
    version(f, "net", "s3://b/1");
    version(f, "net", "s3://b/2");
    assert_ok(registry_model_tag_set(f->track, STR("net"), STR("k"), STR("v")));
    alias(f, "net", 1, "best");
    alias(f, "net", 2, "best");
    assert_err(registry_model_rename(f->track, STR("net"), STR("taken")), ERR_CONFLICT);
    assert_err(registry_model_rename(f->track, STR("no"), STR("x")), ERR_NOT_FOUND);
    assert_err(registry_model_rename(f->track, STR("net"), STR("a/b")), ERR_INVALID);
    assert_ok(registry_model_rename(f->track, STR("net"), STR("net")));
    assert_ok(registry_model_rename(f->track, STR("net"), STR("new")));
    struct registry_model *m = model(f, "new");
    assert_int_equal(m->tag_count, 1);
    assert_int_equal(m->alias_count, 1);
    assert_int_equal(m->aliases[0].version, 2);
    assert_int_equal(ledger_check(f, "new"), 2);
    assert_int_equal(ledger_check(f, "net"), 0);
    assert_int_equal(version(f, "new", "s3://b/3"), 3);
    name(f, "net"); /* is free again, and begins anew */
    assert_int_equal(version(f, "net", "s3://b/1"), 1);
}

static void a_deleted_name_is_gone_but_for_the_ledger(void **state)
{
    struct fixture *f = *state;
    struct registry_model *m;
    str net = STR("net");
    name(f, "net");
    version(f, "net", "s3://b/1");
    assert_ok(registry_version_tag_set(f->track, net, 1, STR("k"), STR("v")));
    alias(f, "net", 1, "best");
    assert_ok(registry_model_delete(f->track, net, STR("eve")));
    assert_err(registry_model_delete(f->track, net, STR("eve")), ERR_NOT_FOUND);
    assert_err(registry_models_read(f->track, &net, 1, &f->mem, &m), ERR_NOT_FOUND);
    assert_int_equal(ledger_check(f, "net"), 2);
    name(f, "net");
    assert_int_equal(version(f, "net", "s3://b/1"), 1);
    alias(f, "net", 1, "best");
    assert_int_equal(ledger_check(f, "net"), 3);
}

static void what_was_made_here_is_not_deleted_under_a_clients_name(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info, *list;
    size_t count;
    struct run *r = fixture_run(f, "training");
    assert_ok(run_artifact(r, "model/net.bin", STR("weights")));
    assert_ok(model_register(f->track,
                             &(struct model_spec){ .name = STR("ours"),
                                                   .kind = "t.net",
                                                   .blob = fixture_blob(f, STR("weights")),
                                                   .run_id = str_of(run_id(r)) },
                             &f->mem, &info));
    fixture_end(r, ERR_NONE);
    str root;
    assert_true(str_ends(get(f, "ours", 1)->source, STR("/artifacts/model")));
    assert_ok(files_root_of_version(f->track, STR("ours"), STR("1"), &f->mem, &root));
    assert_true(str_ends(root, STR("/artifacts/model")));
    alias(f, "ours", 1, "prod");
    assert_err(registry_version_delete(f->track, STR("ours"), 1, STR("eve")), ERR_INVALID);
    assert_err(registry_model_delete(f->track, STR("ours"), STR("eve")), ERR_INVALID);
    /* a client may add a version; ours is still the newest of its kind */
    assert_int_equal(version(f, "ours", "s3://b/1"), 2);
    assert_ok(model_list(f->track,
                         &(struct model_filter){ .kind = STR("t.net"), .newest_only = true },
                         &f->mem, &list, &count));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].version, 1);
    assert_ok(model_list(f->track, &(struct model_filter){ .newest_only = true }, &f->mem, &list,
                         &count));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].version, 2);
    assert_int_equal(list[0].blob.hex[0], 0);
    assert_string_equal(list[0].source.ptr, "s3://b/1");
    assert_string_equal(list[0].name_kind.ptr, "t.net");
}

/* ------------------------------------------------------------------ sources and logged models */

static err create(struct fixture *f, const char *source, const char *run, const char *logged,
                  int64_t *ret_number)
{
    return registry_version_create(f->track,
                                   &(struct registry_version_spec){ .name = STR("net"),
                                                                    .source = str_of(source),
                                                                    .run_id = str_of(run),
                                                                    .model_id = str_of(logged) },
                                   &f->mem, ret_number);
}

static void sources_belong_to_who_is_named(void **state)
{
    struct fixture *f = *state;
    char run[HEX_ID_BYTES], logged[LOGGED_MODEL_ID_BYTES];
    int64_t n;
    str root;
    name(f, "net");
    assert_ok(client_run_create(f->track, &(struct client_run_spec){ .user_id = STR("ada") }, run));
    assert_ok(logged_model_create(
        f->track, &(struct logged_model_spec){ .name = STR("m"), .source_run_id = str_of(run) },
        logged));
    const char *of_run = arena_fmt(&f->mem, "mlflow-artifacts:/0/%s/artifacts/m", run).ptr;
    const char *of_model =
        arena_fmt(&f->mem, "mlflow-artifacts:/0/models/%s/artifacts", logged).ptr;
    const char *by_id = arena_fmt(&f->mem, "models:/%s", logged).ptr;
    const char *by_run = arena_fmt(&f->mem, "runs:/%s/m", run).ptr;

    assert_ok(create(f, of_run, run, "", &n));
    assert_err(create(f, of_run, "", "", &n), ERR_INVALID);
    assert_err(create(f, of_run, "0123456789abcdef0123456789abcdef", "", &n), ERR_INVALID);
    assert_err(create(f, "mlflow-artifacts:/0/other", run, "", &n), ERR_INVALID);
    const char *beside = arena_fmt(&f->mem, "mlflow-artifacts:/0/%s/artifacts-more", run).ptr;
    assert_err(create(f, beside, run, "", &n), ERR_INVALID);
    assert_ok(create(f, of_model, "", logged, &n));
    assert_err(create(f, of_model, run, "", &n), ERR_INVALID);
    assert_err(create(f, by_id, run, "", &n), ERR_INVALID);
    assert_err(create(f, by_id, "", "m-00", &n), ERR_NOT_FOUND);
    assert_ok(create(f, by_id, "", logged, &n));
    assert_true(str_eq(get(f, "net", n)->run_id, str_of(run))); /* the logged model knows */
    assert_string_equal(get(f, "net", n)->location.ptr, of_model);
    assert_ok(create(f, by_run, "", "", &n));
    assert_err(create(f, "runs:/nope/m", "", "", &n), ERR_NOT_FOUND);
    assert_err(create(f, "models:/net/99", "", "", &n), ERR_NOT_FOUND);
    assert_err(create(f, "models:/net/Nowhere", "", "", &n), ERR_INVALID);
    assert_err(create(f, "models:/net@none", "", "", &n), ERR_INVALID);
    alias(f, "net", 1, "best");
    assert_ok(create(f, "models:/net@best", "", "", &n));
    assert_ok(files_root_of_version(f->track, STR("net"), STR("1"), &f->mem, &root));
    assert_string_equal(root.ptr, of_run);
    str number = arena_fmt(&f->mem, "%lld", (long long)n);
    assert_ok(files_root_of_version(f->track, STR("net"), number, &f->mem, &root));
    assert_string_equal(root.ptr, of_run);
    /* what it names may go: the files are still known */
    assert_ok(registry_version_delete(f->track, STR("net"), 1, STR("ada")));
    assert_ok(files_root_of_version(f->track, STR("net"), number, &f->mem, &root));
    assert_string_equal(root.ptr, of_run);
}

static void logged_models_live(void **state)
{
    struct fixture *f = *state;
    char id[LOGGED_MODEL_ID_BYTES];
    struct logged_model *m;
    int64_t n;
    struct track_tag p[] = { { STR("rate"), STR("0.1") } }, q[] = { { STR("rate"), STR("0.2") } };
    assert_err(
        logged_model_create(f->track, &(struct logged_model_spec){ .experiment_id = 77 }, id),
        ERR_NOT_FOUND);
    assert_err(logged_model_create(f->track, &(struct logged_model_spec){ .name = STR("a.b") }, id),
               ERR_INVALID);
    assert_ok(logged_model_create(
        f->track, &(struct logged_model_spec){ .params = p, .param_count = 1 }, id));
    str one = str_of(id);
    assert_ok(logged_model_get(f->track, one, &f->mem, &m));
    assert_true(m->name.len > 0);
    assert_string_equal(m->status.ptr, "LOGGED_MODEL_PENDING");
    assert_ok(logged_model_params_add(f->track, one, p, 1));
    assert_err(logged_model_params_add(f->track, one, q, 1), ERR_INVALID);
    assert_ok(logged_model_tags_set(f->track, one, q, 1));
    assert_ok(logged_model_tag_delete(f->track, one, STR("rate")));
    assert_err(logged_model_tag_delete(f->track, one, STR("rate")), ERR_NOT_FOUND);
    assert_ok(logged_model_finish(f->track, one, STR("LOGGED_MODEL_READY")));
    /* a version of it is noted on it, one after the other */
    name(f, "net");
    const char *source = arena_fmt(&f->mem, "models:/%s", id).ptr;
    assert_ok(create(f, source, "", id, &n));
    assert_ok(create(f, source, "", id, &n));
    assert_ok(logged_model_get(f->track, one, &f->mem, &m));
    assert_int_equal(m->tag_count, 1);
    assert_string_equal(
        m->tags[0].value.ptr,
        "[{\"name\": \"net\", \"version\": 1}, {\"name\": \"net\", \"version\": 2}]");
    assert_ok(logged_model_delete(f->track, one));
    assert_ok(logged_model_delete(f->track, one));
    assert_err(logged_model_get(f->track, one, &f->mem, &m), ERR_NOT_FOUND);
    assert_err(logged_model_finish(f->track, one, STR("LOGGED_MODEL_READY")), ERR_NOT_FOUND);
    assert_err(create(f, source, "", id, &n), ERR_NOT_FOUND);
}

static void uris_are_read(void **state)
{
    (void)state;
    struct registry_uri u;
    static const char *const bad[] = { "",           "models:",      "models:/",      "models:/a",
                                       "models:/a/", "models://a/1", "models:/a/b/c", "runs:/a/1",
                                       "models:/@x", "models:/a@" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(registry_uri_parse(str_of(bad[i]), &u), ERR_INVALID);
    assert_ok(registry_uri_parse(STR("models:/a b/7"), &u));
    assert_true(str_eq(u.name, STR("a b")) && str_eq(u.version, STR("7")));
    assert_ok(registry_uri_parse(STR("models:///a/latest"), &u));
    assert_true(str_eq(u.name, STR("a")) && str_eq(u.version, STR("latest")));
    assert_ok(registry_uri_parse(STR("models:/a@b@best"), &u));
    assert_true(str_eq(u.name, STR("a@b")) && str_eq(u.alias, STR("best")));
    assert_ok(registry_uri_parse(STR("models:/m-12"), &u));
    assert_true(str_eq(u.model_id, STR("m-12")) && u.name.len == 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(names_are_unique_and_plain),
        T(many_are_read_in_the_order_asked_for),
        T(numbers_are_not_given_again_and_deletion_keeps_silent),
        T(stages_move_and_archive),
        T(a_rename_takes_everything_along),
        T(a_deleted_name_is_gone_but_for_the_ledger),
        T(what_was_made_here_is_not_deleted_under_a_clients_name),
        T(sources_belong_to_who_is_named),
        T(logged_models_live),
        cmocka_unit_test(uris_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

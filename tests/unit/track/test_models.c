/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models: does a version number mean one thing for ever, and does the ledger tell who moved what?
 */
#include "track_fixture.h"

#include <pthread.h>
#include <stdio.h>

static struct model_version_info add(struct fixture *f, const char *name, str weights)
{
    struct model_version_info info;
    assert_ok(model_register(f->track,
                             &(struct model_spec){ .name = str_of(name),
                                                   .kind = "t.net",
                                                   .blob = fixture_blob(f, weights),
                                                   .metrics = STR("{\"top1\":0.5}") },
                             &f->mem, &info));
    return info;
}

static int64_t version_of(struct fixture *f, const char *name, const char *version)
{
    struct model_version_info info;
    assert_ok(model_get(f->track, str_of(name), str_of(version), &f->mem, &info));
    return info.version;
}

static void versions_are_found_by_number_alias_and_newest(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info;
    assert_int_equal(add(f, "net", STR("w1")).version, 1);
    assert_int_equal(add(f, "net", STR("w2")).version, 2);
    assert_int_equal(add(f, "other", STR("w1")).version, 1);
    assert_ok(model_promote(f->track, STR("net"), 1, STR("prod"), STR("ada"), STR("first")));
    assert_ok(model_promote(f->track, STR("net"), 1, STR("staging"), STR("ada"), STR("")));
    assert_int_equal(version_of(f, "net", ""), 2);
    assert_int_equal(version_of(f, "net", "latest"), 2);
    assert_int_equal(version_of(f, "net", "1"), 1);
    assert_int_equal(version_of(f, "net", "v2"), 2);
    assert_int_equal(version_of(f, "net", "prod"), 1);
    assert_ok(model_get(f->track, STR("net"), STR("1"), &f->mem, &info));
    assert_string_equal(info.aliases.ptr, "prod,staging");
    assert_string_equal(info.metrics.ptr, "{\"top1\":0.5}");
    assert_string_equal(info.tags.ptr, "{}");
    static const char *const absent[] = { "3", "v0", "0", "-1", "canary", "PROD" };
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        assert_err(model_get(f->track, STR("net"), str_of(absent[i]), &f->mem, &info),
                   ERR_NOT_FOUND);
    assert_err(model_get(f->track, STR("nobody"), STR_NONE, &f->mem, &info), ERR_NOT_FOUND);
    assert_int_equal(fixture_logged(f, "model.registered", NULL), 3);
}

struct two_moves {
    struct fixture *f;
    struct promotion moves[2];
};

static err two_moves_fn(struct store_tx *tx, void *arg)
{
    struct two_moves *t = arg;
    for (size_t i = 0; i < COUNT_OF(t->moves); i++)
        TRY(model_promote_tx(t->f->track, tx, &t->moves[i]));
    return OK;
}

/* A swap is one change, or none; and whoever serves can tell when each alias last moved. */
static void aliases_move_together_and_tell_their_tenure(void **state)
{
    struct fixture *f = *state;
    struct model_alias *a;
    size_t count;
    add(f, "net", STR("w1"));
    add(f, "net", STR("w2"));
    assert_ok(model_promote(f->track, STR("net"), 1, STR("B"), STR("ada"), STR("")));
    assert_ok(model_promote(f->track, STR("net"), 2, STR("A"), STR("ada"), STR("")));
    assert_ok(model_aliases_read(f->track, STR("net"), &f->mem, &a, &count));
    assert_int_equal(count, 2);
    assert_true(str_eq(a[0].alias, STR("A")) && a[0].version == 2 && a[0].since_ms > 0);
    assert_true(a[0].tenure > a[1].tenure && a[1].tenure > 0);
    int64_t before[] = { a[0].tenure, a[1].tenure };
    struct two_moves t = { f,
                           { { .name = STR("net"), .alias = STR("A"), .to_version = 1 },
                             { .name = STR("net"), .alias = STR("B"), .to_version = 7 } } };
    assert_err(store_write(f->store, two_moves_fn, &t), ERR_NOT_FOUND);
    assert_ok(model_aliases_read(f->track, STR("net"), &f->mem, &a, &count));
    assert_true(a[0].tenure == before[0] && a[1].tenure == before[1]);
    t.moves[1].to_version = 2;
    assert_ok(store_write(f->store, two_moves_fn, &t));
    model_promoted(f->track, &t.moves[0]);
    assert_int_equal(t.moves[0].from_version, 2);
    assert_ok(model_aliases_read(f->track, STR("net"), &f->mem, &a, &count));
    assert_true(a[0].version == 1 && a[1].version == 2);
    assert_true(a[0].tenure > before[0] && a[1].tenure > a[0].tenure);
    struct model_version_info info;
    assert_ok(model_get(f->track, STR("net"), STR("A"), &f->mem, &info));
    assert_string_equal(info.id, a[0].version_id);
    assert_ok(model_aliases_read(f->track, STR("nobody"), &f->mem, &a, &count));
    assert_int_equal(count, 0);
}

static void bad_registrations_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info;
    struct blob_info blob = fixture_blob(f, STR("w")), none = blob;
    none.id.hex[0] = none.id.hex[0] == '0' ? '1' : '0';
    struct dataset_info building;
    assert_ok(dataset_create(f->track, &(struct dataset_spec){ .name = STR("d"), .kind = "k" },
                             &f->mem, &building));
    add(f, "net", STR("w1"));
    const struct {
        struct model_spec spec;
        enum err_code code;
    } bad[] = {
        { { .name = STR(""), .kind = "k", .blob = blob }, ERR_INVALID },
        { { .name = STR("a/b"), .kind = "k", .blob = blob }, ERR_INVALID },
        { { .name = STR("a:b"), .kind = "k", .blob = blob }, ERR_INVALID },
        { { .name = STR("a"), .kind = NULL, .blob = blob }, ERR_INVALID },
        { { .name = STR("a"), .kind = "k", .blob = none }, ERR_NOT_FOUND },
        { { .name = STR("a"), .kind = "k", .blob = blob, .metrics = STR("{") }, ERR_INVALID },
        { { .name = STR("a"), .kind = "k", .blob = blob, .tags = STR("[1]") }, ERR_INVALID },
        { { .name = STR("a"), .kind = "k", .blob = blob, .dataset_id = STR("x") }, ERR_NOT_FOUND },
        { { .name = STR("a"), .kind = "k", .blob = blob, .dataset_id = str_of(building.id) },
          ERR_NOT_FOUND },
        { { .name = STR("a"), .kind = "k", .blob = blob, .run_id = STR("x") }, ERR_NOT_FOUND },
        { { .name = STR("net"), .kind = "other.kind", .blob = blob }, ERR_CONFLICT },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(model_register(f->track, &bad[i].spec, &f->mem, &info), bad[i].code);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM model_versions"), 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM registered_models"), 1);
    blob_unpin(f->blobs, &blob.id);
    assert_int_equal(fixture_collect(f).removed_count, 1);
}

static void tags_and_names_are_kept(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info;
    struct model_spec spec = { .name = STR("net"),
                               .kind = "t.net",
                               .display_name = STR("The Net"),
                               .blob = fixture_blob(f, STR("w")),
                               .tags = STR("{\"size\":\"small\",\"layers\":3,\"q\":\"a\\\"b\"}") };
    assert_ok(model_register(f->track, &spec, &f->mem, &info));
    assert_string_equal(info.tags.ptr, "{\"layers\":\"3\",\"q\":\"a\\\"b\",\"size\":\"small\"}");
    assert_string_equal(info.display_name.ptr, "The Net");
    add(f, "net", STR("w2")); /* without a display name: the first one stays */
    assert_ok(model_get(f->track, STR("net"), STR("2"), &f->mem, &info));
    assert_string_equal(info.display_name.ptr, "The Net");
    struct model_version_info *all;
    size_t count;
    assert_ok(
        model_list(f->track, &(struct model_filter){ .name = STR("net") }, &f->mem, &all, &count));
    assert_int_equal(count, 2);
    assert_int_equal(all[0].version, 2);
    add(f, "second", STR("w3"));
    assert_ok(
        model_list(f->track, &(struct model_filter){ .newest_only = true }, &f->mem, &all, &count));
    assert_int_equal(count, 2);
    assert_string_equal(all[0].name.ptr, "second");
    assert_int_equal(all[1].version, 2);
    assert_ok(
        model_list(f->track, &(struct model_filter){ .kind = STR("none") }, &f->mem, &all, &count));
    assert_int_equal(count, 0);
}

static void the_ledger_tells_every_move_once(void **state)
{
    struct fixture *f = *state;
    struct promotion *rows;
    size_t count;
    add(f, "net", STR("w1"));
    add(f, "net", STR("w2"));
    assert_ok(model_promote(f->track, STR("net"), 1, STR("prod"), STR("ada"), STR("good")));
    assert_ok(model_promote(f->track, STR("net"), 2, STR("prod"), STR("bob"), STR("better")));
    assert_ok(model_promote(f->track, STR("net"), 2, STR("prod"), STR("bob"), STR("again")));
    assert_err(model_promote(f->track, STR("net"), 3, STR("prod"), STR("bob"), STR("absent")),
               ERR_NOT_FOUND);
    assert_err(model_promote(f->track, STR("none"), 1, STR("prod"), STR("bob"), STR("absent")),
               ERR_NOT_FOUND);
    assert_ok(model_alias_remove(f->track, STR("net"), STR("prod"), STR("eve"), STR("bad")));
    assert_err(model_alias_remove(f->track, STR("net"), STR("prod"), STR("eve"), STR("bad")),
               ERR_NOT_FOUND);
    assert_ok(model_promotions(f->track, STR("net"), 0, &f->mem, &rows, &count));
    assert_int_equal(count, 3);
    assert_int_equal(rows[0].to_version, 0);
    assert_int_equal(rows[1].from_version, 1);
    assert_int_equal(rows[1].to_version, 2);
    assert_string_equal(rows[1].username.ptr, "bob");
    assert_string_equal(rows[1].reason.ptr, "better");
    assert_int_equal(rows[2].from_version, 0);
    assert_true(fixture_exposed(f, "skerry_model_promotions_total{alias=\"prod\"} 3"));
    static const char *const bad[] = { "",  "latest", "Latest", "v1",      "V22",
                                       "7", "a b",    "a/b",    "\xc3\xa4" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(model_promote(f->track, STR("net"), 1, str_of(bad[i]), STR("x"), STR("x")),
                   ERR_INVALID);
    assert_ok(model_promote(f->track, STR("net"), 1, STR("v"), STR("x"), STR("x")));
    assert_ok(model_promote(f->track, STR("net"), 1, STR("v1-stable"), STR("x"), STR("x")));
}

static struct promotion *promote_alone(struct fixture *f, const char *name, int64_t version,
                                       size_t *ret_count)
{
    struct promotion *taken;
    struct promotion move = { .name = str_of(name),
                              .alias = STR("prod"),
                              .username = STR("ada"),
                              .reason = STR("better"),
                              .to_version = version };
    assert_ok(model_promote_alone(f->track, STR("t.net"), &move, &f->mem, &taken, ret_count));
    return taken;
}

static const char *holder(struct fixture *f)
{
    struct model_version_info info;
    assert_ok(model_alias_holder(f->track, STR("t.net"), STR("prod"), &f->mem, &info));
    return info.name.ptr;
}

/* Else a restart would have to guess which of two models serves. */
static void an_alias_for_a_kind_is_at_one_model_only(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info;
    struct promotion *rows;
    size_t count;
    add(f, "a", STR("w1"));
    add(f, "b", STR("w2"));
    assert_err(model_alias_holder(f->track, STR("t.net"), STR("prod"), &f->mem, &info),
               ERR_NOT_FOUND);
    promote_alone(f, "a", 1, &count);
    assert_int_equal(count, 0);
    assert_string_equal(holder(f), "a");
    rows = promote_alone(f, "b", 1, &count);
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].name.ptr, "a");
    assert_int_equal(rows[0].from_version, 1);
    assert_string_equal(holder(f), "b");
    assert_err(model_get(f->track, STR("a"), STR("prod"), &f->mem, &info), ERR_NOT_FOUND);
    promote_alone(f, "b", 1, &count); /* again: no move, no row */
    assert_int_equal(count, 0);
    promote_alone(f, "a", 1, &count);
    assert_string_equal(holder(f), "a");
    assert_ok(model_promotions(f->track, STR("b"), 0, &f->mem, &rows, &count));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].to_version, 0);
    assert_string_equal(rows[0].reason.ptr, "a@1 is prod now");
    assert_int_equal(fixture_logged(f, "model.alias_removed", NULL), 2);
    /* As older programs left it: the one that got it last. */
    assert_ok(model_promote(f->track, STR("b"), 1, STR("prod"), STR("x"), STR("x")));
    assert_string_equal(holder(f), "b");
    assert_err(model_alias_holder(f->track, STR("t.tree"), STR("prod"), &f->mem, &info),
               ERR_NOT_FOUND);
}

static void deleted_versions_keep_their_number_and_row(void **state)
{
    struct fixture *f = *state;
    struct model_version_info info;
    add(f, "net", STR("w1"));
    add(f, "net", STR("w2"));
    assert_ok(model_promote(f->track, STR("net"), 2, STR("prod"), STR("ada"), STR("")));
    assert_err(model_delete(f->track, STR("net"), 2), ERR_CONFLICT);
    assert_ok(model_alias_remove(f->track, STR("net"), STR("prod"), STR("ada"), STR("")));
    assert_ok(model_delete(f->track, STR("net"), 2));
    assert_err(model_delete(f->track, STR("net"), 2), ERR_NOT_FOUND);
    assert_err(model_get(f->track, STR("net"), STR("2"), &f->mem, &info), ERR_NOT_FOUND);
    assert_err(model_promote(f->track, STR("net"), 2, STR("prod"), STR("x"), STR("x")),
               ERR_NOT_FOUND);
    assert_int_equal(version_of(f, "net", ""), 1);
    assert_int_equal(add(f, "net", STR("w3")).version, 3);
    assert_int_equal(fixture_collect(f).removed_count, 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM model_versions WHERE digest IS NOT NULL"),
                     3);
}

enum { PROMOTERS = 4, PROMOTIONS = 25 };

struct promoter {
    struct fixture *f;
    int number;
};

static void *promote_many(void *arg)
{
    struct promoter *p = arg;
    char who[8];
    snprintf(who, sizeof who, "u%d", p->number);
    for (int i = 0; i < PROMOTIONS; i++) {
        err e = model_promote(p->f->track, STR("net"), (i + p->number) % 4 + 1, STR("prod"),
                              str_of(who), STR("race"));
        if (e.code)
            return arg;
    }
    return NULL;
}

/* If two promotions could overlap, the ledger would name a version as replaced that was not
 * serving. */
static void concurrent_promotions_form_one_chain(void **state)
{
    struct fixture *f = *state;
    static const char *const weights[] = { "a", "b", "c", "d" };
    pthread_t threads[PROMOTERS];
    struct promoter promoters[PROMOTERS];
    for (int i = 0; i < 4; i++)
        add(f, "net", str_of(weights[i]));
    for (int i = 0; i < PROMOTERS; i++) {
        promoters[i] = (struct promoter){ f, i };
        assert_int_equal(pthread_create(&threads[i], NULL, promote_many, &promoters[i]), 0);
    }
    for (int i = 0; i < PROMOTERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    struct promotion *rows;
    size_t count;
    assert_ok(model_promotions(f->track, STR("net"), 1000, &f->mem, &rows, &count));
    assert_true(count >= PROMOTIONS / 2 && count <= PROMOTERS * PROMOTIONS);
    int64_t at = 0;
    for (size_t i = count; i-- > 0;) {
        assert_int_equal(rows[i].from_version, at);
        assert_int_not_equal(rows[i].to_version, at);
        at = rows[i].to_version;
    }
    assert_int_equal(version_of(f, "net", "prod"), at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
        T(versions_are_found_by_number_alias_and_newest),
        T(bad_registrations_leave_nothing),
        T(tags_and_names_are_kept),
        T(the_ledger_tells_every_move_once),
        T(aliases_move_together_and_tell_their_tenure),
        T(an_alias_for_a_kind_is_at_one_model_only),
        T(deleted_versions_keep_their_number_and_row),
        T(concurrent_promotions_form_one_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

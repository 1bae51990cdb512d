/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of the real build are checked at every start; here wrong ones are, one mistake each.
 */
#include "../base/check.h"

#include <string.h>

#include "platform/app/app.h"
#include "platform/app/core.h"
#include "platform/serving/serving.h"

static err handler(struct http_request *rq, struct http_reply *rp)
{
    return OK;
}
static err verb(struct house *h, const struct verb_args *args)
{
    return OK;
}
static err stage(struct run *run, const struct json *payload)
{
    return OK;
}

/* Checks the platform's own table together with one more app. */
static err check(const struct app *app)
{
    const struct app *const apps[] = { &app_core, app, NULL };
    return app_check_all(apps);
}

#define APP(...) (&(const struct app){ .name = "t", .title = "T", .summary = "Test.", __VA_ARGS__ })

static void a_good_app_passes(void **state)
{
    static const struct route routes[] = { { "GET", "/v1/t", "A route.", ACCESS_VIEWER, handler },
                                           { 0 } };
    static const struct job_kind jobs[] = {
        { .name = "t.work", .help = "Works.", .component = "t", .run = stage }, { 0 }
    };
    static const struct store_migration steps[] = { { 1, "SELECT 1" }, { 2, "SELECT 2" }, { 0 } };
    assert_ok(check(APP(.routes = routes, .jobs = jobs, .migrations = steps)));
    const struct app *const core[] = { &app_core, NULL };
    assert_ok(app_check_all(core));
}

static err toy_load(void *ctx, const struct model_version_info *info, str bytes, void **ret_model)
{
    return OK;
}
static void toy_drop(void *model)
{
}
static bool toy_predict(const void *model, const void *input, float *ret_p)
{
    return false;
}

static void expect(const struct app *app, const char *word)
{
    err e = check(app);
    if (!e.code)
        fail_msg("an app with a wrong %s passes", word);
    if (!strstr(e.msg, word))
        fail_msg("'%s' does not say '%s'", e.msg, word);
}

/* Each of these would misbehave later: an open door, a route nobody finds, a table that is never
 * made. */
static void each_mistake_is_named(void **state)
{
    static const struct route unset[] = { { "GET", "/v1/t", "A route.", ACCESS_UNSET, handler },
                                          { 0 } };
    static const struct route silent[] = { { "GET", "/v1/t", NULL, ACCESS_VIEWER, handler },
                                           { 0 } };
    static const struct route outside[] = { { "GET", "/t", "A route.", ACCESS_VIEWER, handler },
                                            { 0 } };
    static const struct route empty[] = { { "GET", "/v1/t", "A route.", ACCESS_VIEWER, NULL },
                                          { 0 } };
    static const struct route both[] = { { "POST", "/v1/t", "A route.", ACCESS_VIEWER, handler,
                                           .is_inline = true, .is_upload = true },
                                         { 0 } };
    static const struct route metric[] = {
        { "GET", "/v1/t", "A route.", ACCESS_VIEWER, handler, .metric = "t_none_total" }, { 0 }
    };
    static const struct store_migration gap[] = { { 1, "SELECT 1" }, { 3, "SELECT 3" }, { 0 } };
    static const struct job_kind twice[] = {
        { .name = "core.collect", .help = "x", .component = "t", .run = stage }, { 0 }
    };
    static const struct job_kind no_help[] = { { .name = "t.work", .component = "t", .run = stage },
                                               { 0 } };
    static const struct setting no_type[] = { { "T_X", SETTING_UNSET, "", "x" }, { 0 } };
    static const struct job_schedule lost[] = { { "t.s", "@every 60s", "t.none", "{}", "x" },
                                                { 0 } };
    static const struct page stray[] = { { "/runs", "Runs" }, { 0 } };
    static const struct page untitled[] = { { "/ui/t", NULL }, { 0 } };
    static const struct page taken[] = { { "/ui/", "Mine" }, { 0 } };
    static const struct metric_family shape[] = { { "T Bad", METRIC_COUNTER, "x" }, { 0 } };
    static const struct verb shown[] = { { "do", "skerry t do", "Does.\n  skerry t do", verb },
                                         { 0 } };
    static const struct verb told[] = {
        { "do", "skerry t do", "Runs skerry t do.\n  Twice.", verb }, { 0 }
    };
#define FAMILY(model_name, classes, ...)                                                           \
    {                                                                                              \
        .name = "toy", .model = model_name, .help = "x", .class_count = classes, .load = toy_load, \
        .drop = toy_drop, .predict = toy_predict, __VA_ARGS__                                      \
    }
    static const struct serving_family good[] = { FAMILY("m", 2), { 0 } };
    static const struct serving_family same[] = { FAMILY("m", 2), FAMILY("m", 2), { 0 } };
    static const struct serving_family nameless[] = { FAMILY(NULL, 2), { 0 } };
    static const struct serving_family alone[] = { FAMILY("m", 1), { 0 } };
    static const struct serving_family blind[] = { FAMILY("m", 2, .feature_count = 3), { 0 } };
    static const struct serving_family unsplit[] = { FAMILY("m", 2, .ratio_setting = "T_NONE"),
                                                     { 0 } };
    assert_ok(check(APP(.families = good)));
    assert_ok(check(APP(.verbs = shown)));
    expect(APP(.verbs = told), "example");
    expect(APP(.families = same), "twice");
    expect(APP(.families = nameless), "model");
    expect(APP(.families = alone), "classes");
    expect(APP(.families = blind), "function");
    expect(APP(.families = unsplit), "T_NONE");
    expect(APP(.routes = unset), "access");
    expect(APP(.routes = silent), "summary");
    expect(APP(.routes = outside), "outside /v1/");
    expect(APP(.routes = empty), "handler");
    expect(APP(.routes = both), "inline");
    expect(APP(.routes = metric), "t_none_total");
    expect(APP(.migrations = gap), "step 2");
    expect(APP(.jobs = twice), "twice");
    expect(APP(.jobs = no_help), "help");
    expect(APP(.settings = no_type), "type");
    expect(APP(.schedules = lost), "t.none");
    expect(APP(.metrics = shape), "lower-case");
    expect(APP(.pages = stray), "below /ui/");
    expect(APP(.pages = untitled), "title");
    expect(APP(.pages = taken), "twice");
    expect(&(const struct app){ .name = "Bad Name", .title = "x", .summary = "x" }, "lower-case");
}

/* The document is what clients are generated from: it must parse, and name every route and alias.
 */
static void openapi_is_json_and_complete(void **state)
{
    const struct app *const core[] = { &app_core, NULL };
    struct buf text;
    arena keep;
    const struct json *document;
    arena_init(&keep, 64 << 20);
    buf_init(&text, 4 << 20);
    assert_ok(openapi_write(core, &text));
    assert_ok(json_parse(&keep, buf_str(&text), &document));
    const struct json *paths = json_get(document, "paths");
    for (const struct route *r = app_core.routes; r->method; r++) {
        char method[8] = "";
        for (size_t i = 0; r->method[i]; i++)
            method[i] = (char)(r->method[i] - 'A' + 'a');
        if (strstr(r->path, "...}"))
            continue;
        if (!json_get(json_get(paths, r->path), method))
            fail_msg("%s %s is not in the document", r->method, r->path);
        if (r->alias && !json_get(json_get(paths, r->alias), method))
            fail_msg("alias %s is not in the document", r->alias);
    }
    buf_deinit(&text);
    arena_deinit(&keep);
}

static void run_ids_are_read_as_people_write_them(void **state)
{
    char id[HEX_ID_BYTES];
    const char *plain = "01a1fdf07669759981a213163141855d";
    assert_ok(app_run_id_parse(str_of(plain), id));
    assert_string_equal(id, plain);
    assert_ok(app_run_id_parse(STR("ing_01A1FDF0-7669-7599-81a2-13163141855d"), id));
    assert_string_equal(id, plain);
    static const char *const bad[] = { "",
                                       "ing_",
                                       "01a1",
                                       "01a1fdf07669759981a213163141855d0",
                                       "zza1fdf07669759981a213163141855d",
                                       "../../x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(app_run_id_parse(str_of(bad[i]), id), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_app_passes),
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(openapi_is_json_and_complete),
        cmocka_unit_test(run_ids_are_read_as_people_write_them),
    };
    return cmocka_run_group_tests_name("app tables", tests, NULL, NULL);
}

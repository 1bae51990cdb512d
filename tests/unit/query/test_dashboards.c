/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dashboards that we ship ask only what we can answer: each expression is parsed and evaluated.
 * Otherwise a panel shows an error on the first day. */
#include "query_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

static const char *folder;

struct seen {
    size_t boards, expressions;
};

/* What Grafana puts in for its variables. */
static str filled(arena *keep, str expression)
{
    static const struct {
        str name, value;
    } variables[] = {
        { STR_INIT("$__rate_interval"), STR_INIT("1m") },
        { STR_INIT("$model_id"), STR_INIT(".*") },
        { STR_INIT("$model_version"), STR_INIT("1|2") },
    };
    for (size_t i = 0; i < COUNT_OF(variables);) {
        ptrdiff_t at = str_find(expression, variables[i].name);
        if (at < 0) {
            i++;
            continue;
        }
        expression = arena_fmt(
            keep, "%.*s%.*s%.*s", STR_ARG(str_sub(expression, 0, (size_t)at)),
            STR_ARG(variables[i].value),
            STR_ARG(str_sub(expression, (size_t)at + variables[i].name.len, expression.len)));
    }
    assert_int_equal(str_find_char(expression, '$'), -1);
    return expression;
}

static void check_target(arena *keep, const char *board, const struct json *target,
                         struct seen *seen)
{
    struct mem_source nothing = { 0 };
    struct query_source source = mem_source_of(&nothing);
    str type = json_str(json_get(json_get(target, "datasource"), "type"), STR_NONE);
    enum query_language language = str_eq(type, STR("loki")) ? QUERY_LOGQL : QUERY_PROMQL;
    str text = filled(keep, json_str(json_get(target, "expr"), STR_NONE));
    struct query_times times = { .start_ms = 1700000000000,
                                 .end_ms = 1700021600000,
                                 .step_ms = 60000,
                                 .is_range = !json_bool(json_get(target, "instant"), false) };
    str answer = ask_text(keep, &source, language, arena_cstr(keep, text), &times);
    if (!str_starts(answer, STR("{\"resultType\"")))
        fail_msg("%s: %.*s: %.*s", board, STR_ARG(text), STR_ARG(answer));
    seen->expressions++;
}

static void check_board(const char *name, struct seen *seen)
{
    char path[FS_PATH_BYTES];
    arena keep;
    str text;
    const struct json *root;
    arena_init(&keep, 64u << 20);
    assert_ok(fs_join(path, folder, name));
    assert_ok(fs_read(&keep, path, 4 << 20, &text));
    assert_ok(json_parse(&keep, text, &root));
    const struct json *panels = json_get(root, "panels");
    assert_true(json_count(panels) > 0);
    for (size_t i = 0; i < json_count(panels); i++) {
        const struct json *targets = json_get(json_at(panels, i), "targets");
        assert_true(json_count(targets) > 0);
        for (size_t k = 0; k < json_count(targets); k++)
            check_target(&keep, name, json_at(targets, k), seen);
    }
    seen->boards++;
    arena_deinit(&keep);
}

static void every_panel_can_be_answered(void **state)
{
    struct seen seen = { 0 };
    DIR *d = opendir(folder);
    (void)state;
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (str_ends(str_of(entry->d_name), STR(".json")))
            check_board(entry->d_name, &seen);
    closedir(d);
    assert_true(seen.boards >= 7);
    assert_true(seen.expressions >= 60);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_panel_can_be_answered) };
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

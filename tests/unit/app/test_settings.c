/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "../base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/app/settings.h"

static const struct setting rows[] = {
    { "TEST_PORT", SETTING_INT, "8001", "A port.", .min = 0, .max = 65535 },
    { "TEST_NAME", SETTING_STR, "nobody", "A name." },
    { "TEST_SIZE", SETTING_BYTES, "64M", "A size." },
    { "TEST_ON", SETTING_BOOL, "no", "A switch." },
    { "TEST_RATE", SETTING_REAL, "0.5", "A rate." },
    { 0 },
};
static const struct app app = { .name = "t", .title = "T", .summary = "t", .settings = rows };
static const struct app *const apps[] = { &app, NULL };

static char home[64];
static char before[FS_PATH_BYTES];
static arena keep;

static int set_up(void **state)
{
    arena_init(&keep, 1 << 20);
    snprintf(home, sizeof home, "/tmp/skerry-set-XXXXXX");
    /* ./.env is read too: not the one of the folder that the test was started in. */
    return getcwd(before, sizeof before) && mkdtemp(home) && chdir(home) == 0 ? 0 : -1;
}
static int tear_down(void **state)
{
    arena_deinit(&keep);
    for (size_t i = 0; rows[i].name; i++)
        unsetenv(rows[i].name);
    return chdir(before) == 0 && !fs_remove_tree(home).code ? 0 : -1;
}

static void write_env(const char *text)
{
    char path[FS_PATH_BYTES];
    assert_ok(fs_join(path, home, ".env"));
    assert_ok(fs_write_durable(path, str_of(text)));
}

static void defaults_hold_when_nothing_is_said(void **state)
{
    struct settings s;
    assert_ok(settings_load(apps, home, &keep, &s));
    assert_int_equal(settings_find(&s, "TEST_PORT")->integer, 8001);
    assert_int_equal(settings_find(&s, "TEST_SIZE")->integer, 64 << 20);
    assert_int_equal(settings_find(&s, "TEST_ON")->integer, 0);
    assert_true(settings_find(&s, "TEST_RATE")->real == 0.5);
    assert_null(settings_find(&s, "TEST_OTHER"));
}

/* The environment wins over the file, so that one start can differ without editing anything. */
static void the_environment_wins_over_the_file(void **state)
{
    struct settings s;
    write_env(
        "# comment\nexport TEST_PORT=9000\nTEST_NAME='a b' \nTEST_ON=yes # why\n\nnonsense\n");
    setenv("TEST_PORT", "9001", 1);
    assert_ok(settings_load(apps, home, &keep, &s));
    assert_int_equal(settings_find(&s, "TEST_PORT")->integer, 9001);
    assert_int_equal(settings_find(&s, "TEST_PORT")->source, SETTING_FROM_ENV);
    assert_true(str_eq(settings_find(&s, "TEST_NAME")->text, STR("a b")));
    assert_int_equal(settings_find(&s, "TEST_NAME")->source, SETTING_FROM_HOME_FILE);
    assert_int_equal(settings_find(&s, "TEST_ON")->integer, 1);
}

/* A wrong value stops the program with a sentence: a port that reads as 0 would listen anywhere. */
static void wrong_values_are_named(void **state)
{
    static const struct {
        const char *name, *value;
    } bad[] = { { "TEST_PORT", "80x" },          { "TEST_PORT", "" },    { "TEST_PORT", "65536" },
                { "TEST_PORT", "-1" },           { "TEST_SIZE", "64Q" }, { "TEST_SIZE", "-1" },
                { "TEST_SIZE", "99999999999G" }, { "TEST_ON", "maybe" }, { "TEST_RATE", "nan" } };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct settings s;
        setenv(bad[i].name, bad[i].value, 1);
        err e = settings_load(apps, home, &keep, &s);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.msg, bad[i].name));
        assert_non_null(strstr(e.msg, "environment"));
        unsetenv(bad[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_hold_when_nothing_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_environment_wins_over_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_values_are_named, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}

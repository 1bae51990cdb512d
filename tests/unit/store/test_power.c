/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If this failed, a user would lose a move that the server had confirmed, when the power fails.
 *
 * kill -9 cannot show that: what a killed process wrote is still in the kernel's memory. So after
 * every acknowledged write the test builds what the disk is sure to hold, opens that, and looks for
 * the row.
 */
#include "place.h"

#include "power.h"

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE note (id @id, body @blob) @strict" }, { 0 }
};

struct note {
    int64_t id;
    size_t bytes;
};

static err write_note(struct store_tx *tx, void *arg)
{
    static const char body[300000];
    const struct note *n = arg;
    return store_exec(tx, "INSERT INTO note (id, body) VALUES (?1, ?2)",
                      ARGS(sql_int(n->id), sql_blob(str_from(body, n->bytes))), NULL);
}

/* The store as found after a power cut now has notes 1 to count, and is sound. */
static void check_image(struct place *p, int64_t count)
{
    struct place image = { 0 };
    snprintf(image.folder, sizeof image.folder, "%.50s-image", p->folder);
    place_paths(&image);
    power_image(image.folder);
    place_open(&image);
    assert_int_equal(place_int(&image, "SELECT count(*) FROM note", NO_ARGS), count);
    assert_int_equal(place_int(&image, "SELECT COALESCE(MAX(id), 0) FROM note", NO_ARGS), count);
    assert_ok(store_check(image.store));
    place_close(&image);
    assert_ok(fs_remove_tree(image.folder));
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->folder, sizeof p->folder, "/tmp/skerry-test-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    place_paths(p);
    power_watch(p->folder);
    place_open(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    power_forget();
    return place_teardown(state);
}

/* Small and large rows: 12 MiB go through a log that is copied back every 4 MiB. */
static void test_acknowledged_is_on_the_disk(void **state)
{
    struct place *p = *state;
    assert_ok(store_migrate(p->store, "test", steps));
    check_image(p, 0);
    for (int64_t i = 1; i <= 80; i++) {
        size_t before = power_sync_count();
        struct note n = { i, i % 2 ? 100 : 300000 };
        assert_ok(store_write(p->store, write_note, &n));
        assert_true(power_sync_count() > before);
        check_image(p, i);
    }
    place_close(p);
    check_image(p, 80);
    place_open(p);
    struct note n = { 81, 100 };
    assert_ok(store_write(p->store, write_note, &n));
    check_image(p, 81);
}

struct outcome {
    struct note note;
    err result;
};

static err write_outcome(struct store_tx *tx, void *arg)
{
    return write_note(tx, &((struct outcome *)arg)->note);
}

static void take_outcome(void *arg, err result)
{
    ((struct outcome *)arg)->result = result;
}

/* A disk that refuses to sync. If this failed, somebody's write would be confirmed and not be
 * there. */
static void test_failing_sync_is_told_to_all(void **state)
{
    struct place *p = *state;
    struct place_gate gate = { 0 };
    struct outcome outcomes[4] = { 0 };
    assert_ok(store_migrate(p->store, "test", steps));
    place_hold(p, &gate);
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        outcomes[i].note = (struct note){ (int64_t)i + 1, 100 };
        assert_ok(store_write_later(p->store, write_outcome, &outcomes[i], take_outcome));
    }
    struct note behind = { 100, 100 }, next = { 1, 100 };
    power_fail_syncs(true);
    atomic_store(&gate.open, true);
    assert_err(store_write(p->store, write_note, &behind), ERR_IO);
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        assert_int_equal(outcomes[i].result.code, ERR_IO);
    assert_int_equal(place_int(p, "SELECT count(*) FROM note", NO_ARGS), 0);
    power_fail_syncs(false);
    assert_ok(store_write(p->store, write_note, &next));
    check_image(p, 1);
}

/* The test of the test: what was written around the store, and not synced, is not in the image. */
static void test_image_forgets_what_was_not_synced(void **state)
{
    struct place *p = *state;
    char path[140];
    snprintf(path, sizeof path, "%s/extra", p->folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("gone", f);
    fclose(f);
    snprintf(path, sizeof path, "%s-image", p->folder);
    power_image(path);
    assert_ok(fs_sync_dir(p->folder));
    snprintf(path, sizeof path, "%s-image/extra", p->folder);
    assert_false(fs_exists(path));

    snprintf(path, sizeof path, "%s-image", p->folder);
    assert_ok(fs_remove_tree(path));
    power_image(path); /* now the name is safe, the content is not */
    int64_t bytes = -1;
    snprintf(path, sizeof path, "%s-image/extra", p->folder);
    assert_ok(fs_size(path, &bytes));
    assert_int_equal(bytes, 0);
    snprintf(path, sizeof path, "%s-image", p->folder);
    assert_ok(fs_remove_tree(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_acknowledged_is_on_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_sync_is_told_to_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_forgets_what_was_not_synced, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

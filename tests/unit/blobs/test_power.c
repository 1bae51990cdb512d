/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If this failed, a promoted model would be an empty file after the power failed. */
#include "yard.h"

#include "../store/power.h"

static int setup(void **state)
{
    struct yard *y = calloc(1, sizeof *y);
    assert_non_null(y);
    snprintf(y->folder, sizeof y->folder, "/tmp/skerry-test-XXXXXX");
    assert_non_null(mkdtemp(y->folder));
    arena_init(&y->keep, 64 << 20);
    power_watch(y->folder);
    yard_setup_file(y);
    yard_open(y);
    *state = y;
    return 0;
}

static int teardown(void **state)
{
    power_forget();
    return yard_teardown(state);
}

/* What the disk is sure to hold now has all these blobs, whole. */
static void check_image(struct yard *y, const struct blob_info *infos, size_t count)
{
    struct yard image = { 0 };
    snprintf(image.folder, sizeof image.folder, "%.50s-image", y->folder);
    power_image(image.folder);
    yard_setup_file(&image);
    yard_open(&image);
    for (size_t i = 0; i < count; i++)
        assert_ok(blob_verify(image.blobs, &infos[i].id));
    assert_int_equal(yard_usage(&image).count, count);
    blobs_close(image.blobs);
    assert_ok(fs_remove_tree(image.folder));
}

static void test_put_is_on_the_disk(void **state)
{
    struct yard *y = *state;
    struct blob_info infos[20];
    const unsigned char *bytes = yard_bytes(y, 100000);
    for (size_t i = 0; i < COUNT_OF(infos); i++) {
        assert_ok(blob_put(y->blobs, str_from(bytes + i, i * 5000), &infos[i]));
        check_image(y, infos, i + 1);
    }
    assert_ok(blob_put(y->blobs, str_from(bytes, 0), &infos[0])); /* again */
    check_image(y, infos, COUNT_OF(infos));
}

/* A disk that refuses to sync: an error, and no object under a name that promises its bytes. */
static void test_failing_sync(void **state)
{
    struct yard *y = *state;
    struct blob_info info = { 0 };
    power_fail_syncs(true);
    assert_err(blob_put(y->blobs, STR("lost"), &info), ERR_IO);
    assert_int_equal(info.id.hex[0], 0);
    assert_int_equal(yard_usage(y).count, 0);
    assert_int_equal(yard_temporary_count(y), 0);
    power_fail_syncs(false);
    assert_ok(blob_put(y->blobs, STR("kept"), &info));
    check_image(y, &info, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_is_on_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_sync, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Backups in S3 (the fake of the blobs' tests), made of a store of two tables and a folder of
 * blobs. That of folders is tested with the whole program: tests/http/test_backup.py. */
#include "../store/place.h"
#include "../test_folder.h"

#include "../blobs/fake_s3.h"
#include "platform/blobs/blobs.h"
#include "platform/move/move.h"
#include "platform/move/notes.h"

enum { KEEP_BYTES = 256 * 1024 * 1024, BLOBS = 5 };

static const struct store_migration tables[] = {
    { 1,
      "CREATE TABLE z_parent (id @id, word @text NOT NULL, photo @blob) @strict;"
      "CREATE TABLE a_child (name @text PRIMARY KEY, parent_id @int NOT NULL REFERENCES z_parent "
      "(id)) @strict;" },
    { 0 },
};
static const struct move_schema schemas[] = {
    { "move", move_migrations },
    { "tables", tables },
    { 0 },
};

struct house {
    struct place store;
    struct blobs *blobs;
    struct blob_id ids[BLOBS];
    char url[160];
};
struct world {
    struct house here;
    struct fake_s3 fake;
    struct blobs_s3 s3;
    char endpoint[64], local[80];
    struct blobs *there;
    arena keep;
};

static err name_blobs(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct house *h = arg;
    for (size_t i = 0; i < BLOBS; i++)
        TRY(mark(mark_arg, &h->ids[i]));
    return OK;
}

static err fill(struct store_tx *tx, void *arg)
{
    const int *range = arg;
    for (int i = range[0]; i < range[1]; i++) {
        char word[40];
        snprintf(word, sizeof word, "word %d", i);
        TRY(store_exec(tx, "INSERT INTO z_parent (id, word, photo) VALUES (?1, ?2, ?3)",
                       ARGS(sql_int(i), sql_cstr(word), sql_blob(str_of(word))), NULL));
        if (i % 3 == 0)
            TRY(store_exec(tx, "INSERT INTO a_child (name, parent_id) VALUES (?1, ?2)",
                           ARGS(sql_cstr(word), sql_int(i)), NULL));
    }
    return OK;
}

static void house_make(struct house *h, const char *name)
{
    assert_true(test_folder_make(h->store.folder, sizeof h->store.folder, name));
    snprintf(h->store.url, sizeof h->store.url, "sqlite:%s/a.db", h->store.folder);
    place_open(&h->store);
    snprintf(h->url, sizeof h->url, "file:%s", h->store.folder);
    assert_ok(blobs_open(h->url, &h->blobs));
}

static void house_end(struct house *h)
{
    blobs_close(h->blobs);
    place_close(&h->store);
    assert_ok(fs_remove_tree(h->store.folder));
}

static void furnish(struct house *h)
{
    int range[] = { 1, 30000 };
    assert_ok(store_migrate(h->store.store, "move", move_migrations));
    assert_ok(store_migrate(h->store.store, "tables", tables));
    assert_ok(store_write(h->store.store, fill, range));
    for (int i = 0; i < BLOBS; i++) {
        char text[40];
        struct blob_info info;
        snprintf(text, sizeof text, "blob %d", i);
        assert_ok(blob_put(h->blobs, str_of(text), &info));
        h->ids[i] = info.id;
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    arena_init(&w->keep, KEEP_BYTES);
    house_make(&w->here, "here");
    furnish(&w->here);
    fake_s3_open(&w->fake);
    snprintf(w->endpoint, sizeof w->endpoint, "http://127.0.0.1:%d", w->fake.port);
    snprintf(w->local, sizeof w->local, "%s/s3", w->here.store.folder);
    w->s3 = (struct blobs_s3){ .endpoint = w->endpoint,
                               .region = FAKE_REGION,
                               .access_key = FAKE_ACCESS,
                               .secret_key = FAKE_SECRET,
                               .local_folder = w->local,
                               .create_bucket = true };
    assert_ok(blobs_open_with(
        &(struct blobs_options){ .url = "s3://yard/backups of/x", .s3 = &w->s3 }, &w->there));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    blobs_close(w->there);
    fake_s3_close(&w->fake);
    house_end(&w->here);
    arena_deinit(&w->keep);
    free(w);
    return 0;
}

static const struct backup_place *place_of(struct world *w, struct backup_place *place)
{
    *place = (struct backup_place){ "s3://yard/backups of/x", w->there };
    return place;
}

static err back_up(struct world *w, struct house *h, int keep_count, struct backup_report *r)
{
    struct backup_options options = {
        .from = { h->store.store, h->blobs, name_blobs, h },
        .keep_count = keep_count,
        .program = "test",
    };
    place_of(w, &options.place);
    return backup_make(&options, r);
}

static void restored_is_equal(struct world *w)
{
    struct backup_place place;
    struct backup *b;
    struct house copy = { .url = "" };
    int64_t rows = 0;
    house_make(&copy, "copy");
    assert_ok(backup_open(place_of(w, &place), NULL, &b));
    assert_ok(backup_restore_rows(b, copy.store.store, schemas, NULL, &w->keep, &rows));
    assert_ok(backup_restore_blobs(b, copy.blobs, NULL, NULL));
    assert_ok(backup_restore_done(b, copy.store.store));
    backup_close(b);
    assert_true(rows >= 29999 + 9999);
    for (size_t i = 0; i < BLOBS; i++)
        assert_ok(blob_verify(copy.blobs, &w->here.ids[i]));
    house_end(&copy);
}

static void a_second_one_writes_what_is_new(void **state)
{
    struct world *w = *state;
    struct backup_report first, second;
    int range[] = { 60000, 60010 };
    assert_ok(back_up(w, &w->here, 0, &first));
    assert_ok(store_write(w->here.store.store, fill, range));
    assert_ok(back_up(w, &w->here, 0, &second));
    assert_int_equal(second.rows, first.rows + 10 + 4);
    assert_int_equal(second.backups_kept, 2);
    assert_true(second.objects_written <= 2);
    assert_true(second.bytes_written < first.bytes_written);
    restored_is_equal(w);
    assert_ok(back_up(w, &w->here, 1, &second));
    assert_int_equal(second.backups_kept, 1);
    assert_int_equal(second.backups_dropped, 2);
    assert_true(second.objects_dropped >= 1);
    restored_is_equal(w);
}

static void trouble_with_the_server_is_overcome(void **state)
{
    struct world *w = *state;
    struct backup_report r;
    atomic_store(&w->fake.fail_500, 2);
    atomic_store(&w->fake.slow_down, 2);
    atomic_store(&w->fake.drop, 2);
    atomic_store(&w->fake.page_max, 1);
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_int_equal(r.backups_kept, 2);
    atomic_store(&w->fake.cut_get, 100);
    atomic_store(&w->fake.cuts, 3);
    restored_is_equal(w);
}

/* What is found damaged is out of the way, and the next backup writes it anew. */
static void damage_is_found_and_healed(void **state)
{
    struct world *w = *state;
    struct backup_place place;
    struct backup_report r;
    struct backup *b;
    char path[FS_PATH_BYTES];
    int64_t count, bytes;
    assert_ok(back_up(w, &w->here, 0, &r));
    const char *hex = w->here.ids[2].hex;
    snprintf(path, sizeof path, "%s/yard/backups of/x/objects/%.2s/%s", w->fake.folder, hex,
             hex + 2);
    assert_true(fs_exists(path));
    assert_ok(fs_write_durable(path, STR("blob X")));
    assert_ok(backup_open(place_of(w, &place), NULL, &b));
    assert_err(backup_check_objects(b, NULL, &count, &bytes), ERR_CORRUPT);
    backup_close(b);
    assert_false(fs_exists(path));
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_ok(backup_open(&place, NULL, &b));
    assert_ok(backup_check_objects(b, NULL, &count, &bytes));
    assert_ok(backup_check_named(b, name_blobs, &w->here));
    backup_close(b);
    restored_is_equal(w);
}

static err forget_most(struct store_tx *tx, void *arg)
{
    TRY(store_exec(tx, "DELETE FROM a_child WHERE parent_id > 100", NO_ARGS, NULL));
    return store_exec(tx, "DELETE FROM z_parent WHERE id > 100", NO_ARGS, NULL);
}

static err count_parents(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COUNT(*) FROM z_parent", NO_ARGS, arg);
}

/* A restore that was killed is run again, and the newest backup is another one by then. */
static void a_restore_goes_on_with_a_newer_backup(void **state)
{
    struct world *w = *state;
    struct backup_place place;
    struct backup_report r;
    struct backup *b;
    struct house copy = { .url = "" };
    int64_t rows = 0, here = 0, there = 0;
    house_make(&copy, "copy");
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_ok(backup_open(place_of(w, &place), NULL, &b));
    assert_ok(backup_restore_rows(b, copy.store.store, schemas, NULL, &w->keep, &rows));
    backup_close(b);
    assert_ok(store_write(w->here.store.store, forget_most, NULL));
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_ok(backup_open(&place, NULL, &b));
    assert_ok(backup_restore_rows(b, copy.store.store, schemas, NULL, &w->keep, &rows));
    assert_ok(backup_restore_done(b, copy.store.store));
    assert_ok(store_read(w->here.store.store, count_parents, &here));
    assert_ok(store_read(copy.store.store, count_parents, &there));
    assert_true(here > 0 && here == there);
    assert_err(backup_restore_rows(b, copy.store.store, schemas, NULL, &w->keep, &rows),
               ERR_CONFLICT); /* in use */
    backup_close(b);
    house_end(&copy);
}

static void another_installation_is_refused(void **state)
{
    struct world *w = *state;
    struct backup_report r;
    struct house other = { .url = "" };
    assert_ok(back_up(w, &w->here, 0, &r));
    house_make(&other, "other");
    furnish(&other);
    assert_err(back_up(w, &other, 1, &r), ERR_CONFLICT);
    house_end(&other);
    assert_ok(back_up(w, &w->here, 0, &r));
    assert_int_equal(r.backups_kept, 2);
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_second_one_writes_what_is_new),
        WITH_WORLD(trouble_with_the_server_is_overcome),
        WITH_WORLD(damage_is_found_and_healed),
        WITH_WORLD(a_restore_goes_on_with_a_newer_backup),
        WITH_WORLD(another_installation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

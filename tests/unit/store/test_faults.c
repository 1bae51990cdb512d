/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Damaged files, foreign files, full disks, copies. */
#include "place.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE note (id @id, body @blob) @strict; CREATE INDEX note_body ON note (body)" },
    { 0 },
};

static const char insert_note[] = "INSERT INTO note (body) VALUES (?1)";
static const char count_notes[] = "SELECT count(*) FROM note";

static int setup(void **state)
{
    place_setup(state);
    struct place *p = *state;
    assert_ok(store_migrate(p->store, "test", steps));
    return 0;
}

static err try_open(struct place *p)
{
    const struct store_options options = { .url = p->url };
    return store_open(&options, &p->store);
}

static void write_at(const char *path, off_t offset, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, count, offset), count);
    close(fd);
}

/* ------------------------------------------------------------------ opening */

static void test_urls(void **state)
{
    struct store *s = NULL;
    static const struct {
        const char *url;
        enum err_code code;
    } cases[] = {
        { NULL, ERR_UNSUPPORTED },        { "", ERR_UNSUPPORTED },
        { "mysql://x", ERR_UNSUPPORTED }, { "sqlite", ERR_INVALID },
        { "sqlite:", ERR_INVALID },       { "sqlite:/dev/null/x/skerry.db", ERR_IO },
        { "sqlite:/tmp", ERR_IO },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct store_options options = { .url = cases[i].url };
        err e = store_open(&options, &s);
        if (!e.code || (cases[i].code != ERR_IO && e.code != cases[i].code))
            fail_msg("%s: %s: %s", cases[i].url, err_code_name(e.code), e.msg);
        assert_null(s);
    }
}

/* Nobody else on the machine reads our data. */
static void test_file_mode(void **state)
{
    struct place *p = *state;
    struct stat st;
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0);
}

/* If this failed, pointing SKERRY_HOME at the wrong folder would put our tables into a mail
 * archive. */
static void test_foreign_file_is_refused(void **state)
{
    struct place *p = *state;
    place_close(p);
    unlink(p->file);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_err(try_open(p), ERR_CONFLICT);
    char wal[140];
    snprintf(wal, sizeof wal, "%s-wal", p->file);
    assert_false(fs_exists(wal)); /* not even its journal mode was touched */
}

static void test_not_a_database(void **state)
{
    struct place *p = *state;
    place_close(p);
    static const char garbage[4096] =
        "this is a letter to my grandmother, and not a database at all";
    write_at(p->file, 0, garbage, sizeof garbage);
    err e = try_open(p);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_non_null(strstr(e.msg, p->file));
    assert_non_null(strstr(e.msg, "backup"));
}

/* ------------------------------------------------------------------ damage */

static err fill(struct store_tx *tx, void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char body[200];
        memset(body, 'a' + i % 26, sizeof body);
        snprintf(body, 12, "%d", i * 7919 % 2000);
        TRY(store_exec(tx, insert_note, ARGS(sql_blob(str_from(body, sizeof body))), NULL));
    }
    return OK;
}

static err read_all(struct store_read *rd, void *arg)
{
    struct store_rows *rows = NULL;
    size_t bytes = 0;
    TRY(store_query(rd, "SELECT body FROM note ORDER BY id", NO_ARGS, &rows));
    while (store_next(rows))
        bytes += store_col_blob(rows, 0).len;
    *(size_t *)arg = bytes;
    return store_rows_close(rows);
}

/* If this failed, a dying disk would be noticed when the last good backup is gone. */
static void test_damage_is_found(void **state)
{
    struct place *p = *state;
    size_t bytes = 0;
    assert_ok(store_write(p->store, fill, NULL));
    assert_ok(store_check(p->store));
    place_close(p);
    int64_t size = 0;
    assert_ok(fs_size(p->file, &size));
    static unsigned char noise[4096];
    memset(noise, 0xA5, sizeof noise);
    for (int64_t page = 8; page * 4096 < size; page += 5)
        write_at(p->file, page * 4096, noise, sizeof noise);

    assert_ok(try_open(p));
    assert_err(store_check(p->store), ERR_CORRUPT);
    err e = store_read(p->store, read_all, &bytes);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_non_null(strstr(e.msg, p->file));
}

static void test_truncated_file(void **state)
{
    struct place *p = *state;
    size_t bytes = 0;
    assert_ok(store_write(p->store, fill, NULL));
    place_close(p);
    assert_int_equal(truncate(p->file, 10 * 4096), 0);
    err e = try_open(p);
    if (!e.code)
        e = store_read(p->store, read_all, &bytes);
    assert_int_equal(e.code, ERR_CORRUPT);
}

/* An index that disagrees with its table: pages are sound, the content is not. */
static void test_inconsistent_index(void **state)
{
    struct place *p = *state;
    assert_ok(store_write(p->store, fill, NULL));
    place_close(p);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA writable_schema=1;"
                     "UPDATE sqlite_schema SET sql='CREATE INDEX note_body ON note (id)'"
                     " WHERE name='note_body'",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    place_open(p);
    assert_err(store_check(p->store), ERR_CORRUPT);
}

static void test_dangling_reference(void **state)
{
    struct place *p = *state;
    const struct store_migration more[] = {
        { 1, "CREATE TABLE leaf (note_id @int REFERENCES note (id)) @strict" }, { 0 }
    };
    assert_ok(store_migrate(p->store, "leaf", more));
    place_close(p);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO leaf VALUES (404)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    place_open(p);
    assert_err(store_check(p->store), ERR_CORRUPT);
}

/* ------------------------------------------------------------------ full disk */

static err write_body(struct store_tx *tx, void *arg)
{
    static const char body[20000];
    return store_exec(tx, insert_note, ARGS(sql_blob(str_from(body, *(size_t *)arg))), NULL);
}

/* Writes until it fails; returns how many were acknowledged. */
static int write_until_full(struct place *p, size_t bytes)
{
    for (int count = 0; count < 2000; count++) {
        err e = store_write(p->store, write_body, &bytes);
        if (!e.code)
            continue;
        if (e.code != ERR_NO_SPACE)
            fail_msg("%s: %s", err_code_name(e.code), e.msg);
        return count;
    }
    fail_msg("the disk never filled");
    return 0;
}

static void check_full_and_recovery(struct place *p, void (*make_room)(struct place *p))
{
    int acknowledged = write_until_full(p, 20000);
    assert_true(acknowledged > 3);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), acknowledged); /* reads go on */
    write_until_full(p, 20000);
    acknowledged = (int)place_int(p, count_notes, NO_ARGS);
    make_room(p);
    size_t small = 10;
    assert_ok(store_write(p->store, write_body, &small)); /* no restart needed */
    assert_int_equal(place_int(p, count_notes, NO_ARGS), acknowledged + 1);
    assert_ok(store_check(p->store));
    place_close(p);
    place_open(p);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), acknowledged + 1);
    assert_ok(store_check(p->store));
}

static void lift_limit(struct place *p)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Works for every user: the files of this process may not grow beyond a megabyte. */
static void test_no_space_by_limit(void **state)
{
    struct place *p = *state;
    limit_files(1 << 20);
    check_full_and_recovery(p, lift_limit);
}

struct sized_write {
    size_t bytes, count;
    err result;
};

static err write_sized(struct store_tx *tx, void *arg)
{
    struct sized_write *w = arg;
    for (size_t i = 0; i < w->count; i++)
        TRY(write_body(tx, &w->bytes));
    return OK;
}

static void take_result(void *arg, err result)
{
    ((struct sized_write *)arg)->result = result;
}

/* If this failed, one giant import would make every small write beside it fail too. */
static void test_giant_harms_no_neighbour(void **state)
{
    struct place *p = *state;
    struct place_gate gate = { 0 };
    struct sized_write writes[] = {
        { 100, 1, OK }, { 20000, 400, OK }, { 100, 1, OK }, { 20000, 90, OK }, { 100, 1, OK },
    };
    place_hold(p, &gate);
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        assert_ok(store_write_later(p->store, write_sized, &writes[i], take_result));
    limit_files(1 << 20);
    atomic_store(&gate.open, true);
    size_t small = 10;
    assert_ok(store_write(p->store, write_body, &small)); /* behind them all */
    lift_limit(p);
    for (size_t i = 0; i < COUNT_OF(writes); i++)
        assert_int_equal(writes[i].result.code, writes[i].count > 1 ? ERR_NO_SPACE : ERR_NONE);
    assert_int_equal(place_int(p, count_notes, NO_ARGS), 4);
}

static void grow_disk(struct place *p)
{
    assert_int_equal(mount("tmpfs", p->folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
}

/* A real full disk, where we may mount one. */
static void test_no_space_on_disk(void **state)
{
    struct place *p = *state;
    place_close(p);
    if (mount("tmpfs", p->folder, "tmpfs", 0, "size=1m") != 0) {
        place_open(p);
        skip();
    }
    place_open(p);
    assert_ok(store_migrate(p->store, "test", steps));
    check_full_and_recovery(p, grow_disk);
}

static int teardown_disk(void **state)
{
    struct place *p = *state;
    place_close(p);
    umount2(p->folder, MNT_DETACH); /* fails where nothing was mounted */
    return place_teardown(state);
}

/* ------------------------------------------------------------------ copies */

struct copy {
    struct place *p;
    char path[120];
};

static err back_up_inside_read(struct store_read *rd, void *arg)
{
    struct copy *c = arg;
    return store_backup(c->p->store, c->path);
}

/* If this failed, the backup would be found to be unusable on the day it is needed. */
static void test_backup(void **state)
{
    struct place *p = *state;
    assert_ok(store_write(p->store, fill, NULL));
    struct copy c = { .p = p };
    snprintf(c.path, sizeof c.path, "%s/copy.db", p->folder);
    assert_ok(store_read(p->store, back_up_inside_read, &c)); /* others go on meanwhile */
    assert_err(store_backup(p->store, c.path), ERR_CONFLICT);
    assert_ok(place_exec(p, "DELETE FROM note", NO_ARGS));

    struct place copy = { 0 };
    snprintf(copy.file, sizeof copy.file, "%s", c.path);
    snprintf(copy.url, sizeof copy.url, "sqlite:%s", c.path);
    place_open(&copy);
    assert_ok(store_check(copy.store));
    assert_int_equal(place_int(&copy, count_notes, NO_ARGS), 2000);
    assert_ok(store_migrate(copy.store, "test", steps));
    place_close(&copy);
    snprintf(copy.file, sizeof copy.file, "%s.part", c.path);
    assert_false(fs_exists(copy.file));
    assert_err(store_backup(p->store, "/nowhere/at/all/copy.db"), ERR_NOT_FOUND);
}

static void test_engine_name(void **state)
{
    struct place *p = *state;
    assert_int_equal(strncmp(store_engine(p->store), "sqlite 3.", 9), 0);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, place_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        WITH_PLACE(test_file_mode),
        WITH_PLACE(test_foreign_file_is_refused),
        WITH_PLACE(test_not_a_database),
        WITH_PLACE(test_damage_is_found),
        WITH_PLACE(test_truncated_file),
        WITH_PLACE(test_inconsistent_index),
        WITH_PLACE(test_dangling_reference),
        WITH_PLACE(test_no_space_by_limit),
        cmocka_unit_test_setup_teardown(test_no_space_on_disk, setup, teardown_disk),
        WITH_PLACE(test_giant_harms_no_neighbour),
        WITH_PLACE(test_backup),
        WITH_PLACE(test_engine_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

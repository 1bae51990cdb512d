/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only S3 can do to us: servers that are slow, wrong, away, or lose what they answered;
 * uploads that a kill -9 cut off; a cache that is too small or damaged; keys that must not be seen.
 */
#define YARD_S3 1
#include "yard.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/thread.h"
#include "platform/blobs/s3.h"

enum { PART = S3_PART_BYTES_MIN, BIG = 3 * PART + 12345, PARTS = 4 };

/* Opens the yard's blobs again with what the test changed in y->s3. */
static void reopen(struct yard *y)
{
    blobs_close(y->blobs);
    y->blobs = NULL;
    yard_open(y);
}

static int setup(void **state)
{
    yard_setup(state);
    struct yard *y = *state;
    y->s3.part_bytes = PART;
    y->s3.retry_ms = 20000;
    y->s3.verify = BLOBS_VERIFY_SIZE;
    reopen(y);
    return 0;
}

/* Made once a yard. */
static str big(struct yard *y)
{
    if (!y->big)
        y->big = yard_bytes(y, BIG);
    return str_from(y->big, BIG);
}

static void assert_blob(struct yard *y, const struct blob_id *id, str expected)
{
    arena keep;
    str bytes = STR_NONE;
    arena_init(&keep, 2 * BIG);
    assert_ok(blob_get(y->blobs, id, &keep, BIG, &bytes));
    assert_true(str_eq(bytes, expected));
    arena_deinit(&keep);
}

static int count_below(const char *folder, const char *sub)
{
    char path[200];
    int count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, sub);
    if (fs_exists(path))
        assert_ok(fs_list(path, yard_count_name, &count));
    return count;
}

static int uploads_open(const struct yard *y)
{
    return count_below(y->fake.folder, ".uploads");
}

static int notes(const struct yard *y)
{
    return count_below(y->folder, "uploads");
}

static int cached(struct yard *y)
{
    struct blobs *b;
    char url[100];
    struct blobs_usage usage = { 0 };
    snprintf(url, sizeof url, "file:%s", y->folder);
    assert_ok(blobs_open(url, &b));
    assert_ok(blobs_usage(b, &usage));
    blobs_close(b);
    return (int)usage.count;
}

/* ------------------------------------------------------------------ tried again */

static void test_transient_failures_pass(void **state)
{
    struct yard *y = *state;
    y->fake.slow_down = 2;
    y->fake.fail_500 = 1;
    y->fake.drop = 1;
    struct blob_info info = yard_put(y, STR("patience"));
    assert_int_equal(y->fake.slow_down + y->fake.fail_500 + y->fake.drop, 0);
    y->fake.drop = 1;
    y->fake.slow_down = 1;
    assert_blob(y, &info.id, STR("patience"));
    y->fake.fail_500 = 1;
    assert_int_equal(yard_usage(y).count, 1);
    y->fake.drop = 2;
    assert_ok(blob_stat(y->blobs, &info.id, &info));
    y->fake.folder_is_gone = 2;
    yard_put(y, STR("beside a collection"));
    assert_int_equal(y->fake.folder_is_gone, 0);
}

/* A server that stays bad: the error comes, says what was tried, and nothing is left behind. */
static void test_trying_ends(void **state)
{
    struct yard *y = *state;
    struct blob_info info;
    y->s3.retry_ms = 300;
    reopen(y);
    y->fake.slow_down = 1000;
    err e = blob_put(y->blobs, STR("never"), &info);
    assert_int_equal(e.code, ERR_UPSTREAM);
    assert_non_null(strstr(e.msg, "503 SlowDown"));
    assert_non_null(strstr(e.msg, "tries"));
    assert_int_equal(yard_temporary_count(y), 0);
    y->fake.slow_down = 0;
    yard_put(y, STR("works again"));
}

static void test_server_is_away(void **state)
{
    struct yard *y = *state;
    struct blobs *b = NULL;
    struct blobs_s3 s3 = y->s3;
    s3.endpoint = "http://127.0.0.1:1";
    s3.retry_ms = 200;
    err e = blobs_open_with(&(struct blobs_options){ .url = y->url, .s3 = &s3 }, &b);
    assert_int_equal(e.code, ERR_UPSTREAM);
    assert_non_null(strstr(e.msg, "127.0.0.1:1"));
}

/* A download that breaks off goes on where it broke, at every place that matters. */
static void test_broken_download_goes_on(void **state)
{
    struct yard *y = *state;
    enum { COUNT = 500000 };
    str bytes = str_from(yard_bytes(y, COUNT), COUNT);
    struct blob_info info = yard_put(y, bytes);
    static const long long cuts[] = { 1, 65536, COUNT / 2, COUNT - 1 };
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        y->fake.cut_get = cuts[i];
        y->fake.cuts = 2;
        assert_blob(y, &info.id, bytes);
        assert_true(y->fake.cuts < 2);
        struct blob_map map = { 0 };
        y->fake.cuts = 1;
        assert_ok(blob_map(y->blobs, &info.id, &map));
        blob_unmap(&map);
    }
}

/* ------------------------------------------------------------------ uploads in parts */

static void test_parts(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, big(y));
    assert_int_equal(y->fake.parts, PARTS);
    assert_int_equal(y->fake.puts, 0);
    assert_blob(y, &info.id, big(y));
    assert_int_equal(uploads_open(y), 0);
    assert_int_equal(notes(y), 0);
    /* Exactly a part, and a byte more. */
    y->fake.parts = 0;
    yard_put(y, str_sub(big(y), 0, PART));
    assert_int_equal(y->fake.parts, 0);
    yard_put(y, str_sub(big(y), 0, PART + 1));
    assert_int_equal(y->fake.parts, 2);
}

static void test_parts_and_failures(void **state)
{
    struct yard *y = *state;
    y->fake.only_op = 'u';
    y->fake.slow_down = 3;
    y->fake.drop = 2;
    struct blob_info info = yard_put(y, big(y));
    assert_int_equal(y->fake.drop + y->fake.slow_down, 0);
    assert_blob(y, &info.id, big(y));
}

/* 200 and an error in the body: believing the 200 would lose the blob. */
static void test_late_fault_is_seen(void **state)
{
    struct yard *y = *state;
    y->fake.late_fault = 2;
    struct blob_info info = yard_put(y, big(y));
    assert_int_equal(y->fake.late_fault, 0);
    assert_blob(y, &info.id, big(y));
}

/* The end was done, its answer lost: asked again, the server knows no such upload. */
static void test_lost_answer_of_the_end(void **state)
{
    struct yard *y = *state;
    y->fake.lost_complete = 1;
    struct blob_info info = yard_put(y, big(y));
    assert_int_equal(y->fake.lost_complete, 0);
    assert_int_equal(y->fake.parts, PARTS);
    assert_blob(y, &info.id, big(y));
    assert_int_equal(notes(y), 0);
}

/* The answer to the last wanted part is held back until the child is dead: no more can arrive. */
struct gate {
    sem_t reached, killed;
    int wanted;
    atomic_int seen;
};

static void count_part(void *arg)
{
    struct gate *g = arg;
    if (atomic_fetch_add(&g->seen, 1) + 1 == g->wanted) {
        sem_post(&g->reached);
        sem_wait(&g->killed);
    }
}

/* A child puts the big blob and is killed when the server has `wanted` parts. */
static void kill_during_upload(struct yard *y, int wanted)
{
    struct gate g = { .wanted = wanted };
    sem_init(&g.reached, 0, 0);
    sem_init(&g.killed, 0, 0);
    y->fake.on_part_arg = &g;
    y->fake.on_part = count_part;
    str bytes = big(y);
    blobs_close(y->blobs);
    y->blobs = NULL;
    y->s3.parts_parallel = 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct blobs *b;
        struct blob_info info;
        err e = blobs_open_with(&(struct blobs_options){ .url = y->url, .s3 = &y->s3 }, &b);
        if (!e.code)
            e = blob_put(b, bytes, &info);
        _exit(e.code ? 1 : 0);
    }
    sem_wait(&g.reached);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    y->fake.on_part = NULL;
    sem_post(&g.killed);
    fake_s3_settle(&y->fake);
    sem_destroy(&g.reached);
    sem_destroy(&g.killed);
    yard_open(y);
}

/* If this failed, an upload of hours would start over after each crash, or never end. */
static void test_kill_and_resume(void **state)
{
    struct yard *y = *state;
    for (int wanted = 1; wanted < PARTS; wanted++) {
        kill_during_upload(y, wanted);
        assert_int_equal(uploads_open(y), 1);
        assert_int_equal(notes(y), 1);
        int before = y->fake.parts;
        struct blob_info info = yard_put(y, big(y));
        assert_int_equal(y->fake.parts - before, PARTS - wanted);
        assert_blob(y, &info.id, big(y));
        assert_int_equal(uploads_open(y), 0);
        assert_int_equal(notes(y), 0);
        blob_unpin(y->blobs, &info.id);
        struct blob_gc_report report;
        assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
        assert_int_equal(report.removed_count, 1);
        assert_int_equal(report.stale_count, 1); /* the child's local file */
    }
}

/* The server forgot what we noted, or the note is nonsense: a new upload, no error. */
static void test_note_of_a_forgotten_upload(void **state)
{
    struct yard *y = *state;
    static const char *const contents[] = { "1 5242880 15740985 gone\n", "2 x\n", "torn", "" };
    char path[300], hex[SHA256_HEX_BYTES];
    sha256_hex_of(big(y), hex);
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        snprintf(path, sizeof path, "%s/uploads/%s", y->folder, hex);
        assert_ok(fs_write_durable(path, str_of(contents[i])));
        struct blob_info info = yard_put(y, big(y));
        assert_blob(y, &info.id, big(y));
        assert_int_equal(notes(y), 0);
    }
}

/* Parts on the server that are not what we think: away with them, once more, never for ever. */
static void test_unfit_parts_are_thrown_away(void **state)
{
    struct yard *y = *state;
    char path[700], folder[200], name[64] = "";
    kill_during_upload(y, 2);
    snprintf(folder, sizeof folder, "%s/.uploads", y->fake.folder);
    snprintf(path, sizeof path, "ls %s > %s/name", folder, y->folder);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/name", y->folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(name, sizeof name, f));
    fclose(f);
    name[strcspn(name, "\n")] = '\0';
    /* Same size, so that it is taken for ours; its bytes differ. */
    snprintf(path, sizeof path, "%s/%s/part-00001", folder, name);
    assert_ok(fs_write_durable(path, str_sub(big(y), 1, PART)));
    struct blob_info info;
    y->s3.verify = BLOBS_VERIFY_ALL;
    reopen(y);
    assert_err(blob_put(y->blobs, big(y), &info), ERR_CORRUPT);
    assert_ok(blob_put(y->blobs, big(y), &info));
    assert_blob(y, &info.id, big(y));
}

static void test_orphans_are_aborted(void **state)
{
    struct yard *y = *state;
    struct blob_gc_report report;
    kill_during_upload(y, 2);
    y->s3.orphan_ms = 3600 * 1000;
    reopen(y);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(uploads_open(y), 1); /* young: somebody may come back to it */
    y->s3.orphan_ms = 0;
    reopen(y);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(uploads_open(y), 0);
    assert_int_equal(notes(y), 0);
    assert_int_equal(y->fake.aborts, 1);
}

/* ------------------------------------------------------------------ what the server keeps */

static void test_read_back_finds_spoiled_bytes(void **state)
{
    struct yard *y = *state;
    struct blob_info info;
    y->s3.verify = BLOBS_VERIFY_FIRST;
    for (int in_parts = 0; in_parts < 2; in_parts++) {
        str bytes = in_parts ? big(y) : STR("small");
        reopen(y);
        y->fake.spoil = 1;
        err e = blob_put(y->blobs, bytes, &info);
        assert_int_equal(e.code, ERR_CORRUPT);
        assert_non_null(strstr(e.msg, "keeps other bytes"));
        assert_int_equal(yard_usage(y).count, 0);    /* no wrong object under a right name */
        assert_ok(blob_put(y->blobs, bytes, &info)); /* looked at again, since it failed */
        int gets = y->fake.gets;
        assert_ok(blob_put(y->blobs, bytes, &info)); /* the second is trusted */
        assert_int_equal(y->fake.gets, gets);
        blob_unpin(y->blobs, &info.id);
        blob_unpin(y->blobs, &info.id);
        struct blob_gc_report report;
        assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    }
    y->s3.verify = BLOBS_VERIFY_ALL;
    reopen(y);
    yard_put(y, STR("small"));
    y->fake.spoil = 1;
    assert_err(blob_put(y->blobs, STR("other"), &info), ERR_CORRUPT);
}

/* ------------------------------------------------------------------ listings, collection */

static void test_pages(void **state)
{
    struct yard *y = *state;
    y->fake.page_max = 3;
    for (int i = 0; i < 10; i++) {
        char text[24];
        snprintf(text, sizeof text, "blob %d", i);
        struct blob_info info = yard_put(y, str_of(text));
        if (i % 2)
            blob_unpin(y->blobs, &info.id);
    }
    assert_int_equal(yard_usage(y).count, 10);
    struct blob_gc_report report;
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(report.removed_count, 5);
    assert_int_equal(report.kept_count, 5);
    assert_int_equal(yard_usage(y).count, 5);
}

/* A listing that fails half way must not look like a store without blobs. */
static void test_failed_listing_is_an_error(void **state)
{
    struct yard *y = *state;
    struct blobs_usage usage = { .count = -1 };
    yard_put(y, STR("one"));
    y->s3.retry_ms = 200;
    reopen(y);
    y->fake.only_op = 'l';
    y->fake.fail_500 = 1000;
    assert_err(blobs_usage(y->blobs, &usage), ERR_UPSTREAM);
    assert_int_equal(usage.count, -1);
}

/* Another machine's blob whose row is on its way has no pin here: its youth protects it, by the
 * server's clock and whatever the caller says. */
static void test_grace(void **state)
{
    struct yard *y = *state;
    struct blob_gc_report report;
    y->s3.grace_ms = 60000;
    reopen(y);
    struct blob_info info = yard_put(y, STR("of another machine"));
    blob_unpin(y->blobs, &info.id);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(report.removed_count, 0);
    y->fake.clock_ms = 600000; /* the server's clock goes fast: its dates, too */
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(report.removed_count, 0);
    y->fake.clock_ms = 0;
    y->s3.grace_ms = 0;
    reopen(y);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &report));
    assert_int_equal(report.removed_count, 1);
}

struct late_put {
    struct yard *yard;
    struct blobs *other;
};

static err put_elsewhere(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct late_put *l = arg;
    struct blob_info info;
    return l->other ? blob_put(l->other, STR("wanted again"), &info) : OK;
}

/* Old and unreferenced when listed, put again by another machine before it is removed. */
static void test_put_again_by_another_machine(void **state)
{
    struct yard *y = *state;
    struct blob_gc_report report;
    char path[FS_PATH_BYTES];
    y->s3.grace_ms = 60000;
    reopen(y);
    struct blob_info info = yard_put(y, STR("wanted again"));
    blob_unpin(y->blobs, &info.id);
    yard_path(y, &info.id, path);
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    struct late_put l = { .yard = y };
    assert_ok(blobs_open_with(&(struct blobs_options){ .url = y->url, .s3 = &y->s3 }, &l.other));
    const struct blob_owner owner = { put_elsewhere, &l };
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &report));
    assert_int_equal(report.removed_count, 0);
    assert_ok(blob_verify(l.other, &info.id));
    blobs_close(l.other);
}

/* ------------------------------------------------------------------ the cache */

static void test_cache(void **state)
{
    struct yard *y = *state;
    struct blob_map map = { 0 };
    y->s3.cache_bytes = 3000;
    reopen(y);
    const unsigned char *bytes = yard_bytes(y, 5000);
    struct blob_info a = yard_put(y, str_from(bytes, 1000));
    struct blob_info b = yard_put(y, str_from(bytes + 1, 1000));
    int gets = y->fake.gets;
    assert_ok(blob_map(y->blobs, &a.id, &map));
    blob_unmap(&map);
    assert_blob(y, &b.id, str_from(bytes + 1, 1000));
    assert_int_equal(y->fake.gets, gets);                    /* what was put is there */
    struct blob_info c = yard_put(y, str_from(bytes, 3001)); /* larger than the cache */
    assert_ok(blob_map(y->blobs, &c.id, &map));
    assert_int_equal(map.count, 3001);
    blob_unmap(&map);
    assert_int_equal(y->fake.gets, gets + 1);
    assert_int_equal(cached(y), 2);
}

static void test_cache_gives_way_in_order_of_use(void **state)
{
    struct yard *y = *state;
    struct blob_info infos[4];
    struct blob_map map = { 0 }, held = { 0 };
    y->s3.cache_bytes = 3500;
    reopen(y);
    const unsigned char *bytes = yard_bytes(y, 5000);
    for (int i = 0; i < 3; i++) {
        infos[i] = yard_put(y, str_from(bytes + i, 1000));
        /* File times of some kernels move in steps of 4 ms. */
        usleep(20000);
    }
    assert_ok(blob_map(y->blobs, &infos[1].id, &held));
    usleep(20000);
    assert_ok(blob_map(y->blobs, &infos[0].id, &map)); /* the oldest is used again */
    blob_unmap(&map);
    usleep(20000);
    infos[3] = yard_put(y, str_from(bytes + 3, 1000)); /* one too many: infos[2] goes */
    assert_int_equal(cached(y), 3);
    int gets = y->fake.gets;
    assert_ok(blob_map(y->blobs, &infos[0].id, &map));
    blob_unmap(&map);
    assert_int_equal(y->fake.gets, gets);
    assert_ok(blob_map(y->blobs, &infos[2].id, &map)); /* fetched again, and infos[1] goes */
    blob_unmap(&map);
    assert_int_equal(y->fake.gets, gets + 1);
    assert_memory_equal(held.bytes, bytes + 1, 1000); /* whoever holds it has it */
    blob_unmap(&held);
    reopen(y);
    assert_int_equal(cached(y), 3);
}

/* A copy that a power cut damaged is dropped and fetched again, unseen. */
static void test_damaged_copy(void **state)
{
    struct yard *y = *state;
    struct blob_map map = { 0 };
    char path[FS_PATH_BYTES];
    y->s3.cache_bytes = 100000;
    reopen(y);
    struct blob_info info = yard_put(y, STR("precious"));
    snprintf(path, sizeof path, "%s/objects/%.2s/%s", y->folder, info.id.hex, info.id.hex + 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(truncate(path, i ? 8 : 3), 0); /* short, then zeros at the end */
        if (i) {
            FILE *f = fopen(path, "w");
            fputs("precioux", f);
            fclose(f);
        }
        reopen(y);
        if (i == 0) {
            assert_ok(blob_map(y->blobs, &info.id, &map));
            assert_memory_equal(map.bytes, "precious", 8);
            blob_unmap(&map);
        } else { /* a stream finds out at its end, and the next one is right */
            str bytes;
            assert_err(blob_get(y->blobs, &info.id, &y->keep, 100, &bytes), ERR_CORRUPT);
            assert_blob(y, &info.id, STR("precious"));
        }
        assert_ok(blob_map(y->blobs, &info.id, &map)); /* there again */
        blob_unmap(&map);
    }
}

static int disk_teardown(void **state)
{
    struct yard *y = *state;
    blobs_close(y->blobs);
    y->blobs = NULL;
    umount2(y->folder, MNT_DETACH); /* fails where nothing was mounted */
    return yard_teardown(state);
}

/* The local disk is full: the put says so and leaves nothing; later it works. */
static void test_no_local_space(void **state)
{
    struct yard *y = *state;
    struct blob_info info;
    blobs_close(y->blobs);
    y->blobs = NULL;
    if (mount("tmpfs", y->folder, "tmpfs", 0, "size=512k") != 0)
        skip();
    yard_open(y);
    assert_err(blob_put(y->blobs, str_sub(big(y), 0, 600000), &info), ERR_NO_SPACE);
    assert_int_equal(yard_temporary_count(y), 0);
    assert_int_equal(yard_usage(y).count, 0);
    yard_put(y, STR("small"));
}

/* ------------------------------------------------------------------ what the operator reads */

static err open_with(struct yard *y, const struct blobs_s3 *s3, const char *url)
{
    struct blobs *b = NULL;
    err e = blobs_open_with(&(struct blobs_options){ .url = url, .s3 = s3 }, &b);
    blobs_close(b);
    assert_null(strstr(e.msg, FAKE_SECRET));
    assert_null(strstr(e.msg, "Signature="));
    return e;
}

static void test_messages_say_what_to_do(void **state)
{
    struct yard *y = *state;
    struct blobs_s3 good = y->s3, s3;
    static const struct {
        const char *access, *secret, *region, *endpoint, *url, *says;
        long long clock_ms;
    } cases[] = {
        { .access = "AKIDOTHER", .says = "SKERRY_S3_ACCESS_KEY" },
        { .secret = "wrong", .says = "SKERRY_S3_SECRET_KEY" },
        { .region = "eu-west-9", .says = "SKERRY_S3_REGION=" FAKE_REGION },
        { .url = "s3://nowhere/x", .says = "SKERRY_S3_CREATE_BUCKET=true" },
        { .clock_ms = 3600 * 1000, .says = "refuses our clock" },
        { .clock_ms = -3600 * 1000, .says = "timedatectl" },
        { .endpoint = "ftp://127.0.0.1", .says = "must begin with https://" },
        { .endpoint = "http://user:pass@127.0.0.1", .says = "without a path or a user" },
        { .endpoint = "http://127.0.0.1/path", .says = "without a path" },
        { .endpoint = "http://192.0.2.1:9", .says = "use https://" },
        { .url = "s3:/bucket", .says = "write s3://bucket" },
        { .url = "s3://b", .says = "3 to 63" },
        { .url = "s3://bucket/../x", .says = "do not begin with '.'" },
        { .access = "a b", .says = "SKERRY_S3_ACCESS_KEY" },
        { .secret = "line\r\nX-Evil: 1", .says = "SKERRY_S3_SECRET_KEY" },
        { .region = "eu/west", .says = "SKERRY_S3_REGION" },
    };
    good.create_bucket = false;
    good.retry_ms = 200;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        s3 = good;
        s3.access_key = cases[i].access ? cases[i].access : s3.access_key;
        s3.secret_key = cases[i].secret ? cases[i].secret : s3.secret_key;
        s3.region = cases[i].region ? cases[i].region : s3.region;
        s3.endpoint = cases[i].endpoint ? cases[i].endpoint : s3.endpoint;
        y->fake.clock_ms = cases[i].clock_ms;
        err e = open_with(y, &s3, cases[i].url ? cases[i].url : y->url);
        if (!e.code || !strstr(e.msg, cases[i].says))
            fail_msg("case %zu: '%s' does not say '%s'", i, e.msg, cases[i].says);
        y->fake.clock_ms = 0;
    }
    s3 = good;
    s3.secret_key = "";
    assert_non_null(strstr(open_with(y, &s3, y->url).msg, "no keys"));
    assert_ok(open_with(y, &good, y->url));
}

/* The clock goes wrong while we run: a HEAD is refused without a reason, and yet it is said. */
static void test_clock_goes_wrong_later(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("x"));
    y->fake.clock_ms = 3600 * 1000;
    err e = blob_stat(y->blobs, &info.id, &info);
    assert_int_equal(e.code, ERR_UPSTREAM);
    assert_non_null(strstr(e.msg, "refuses our clock"));
    y->fake.clock_ms = 0;
    assert_ok(blob_stat(y->blobs, &info.id, &info));
}

static void test_presigned_url(void **state)
{
    struct yard *y = *state;
    struct blob_info info = yard_put(y, STR("x"));
    struct blob_id other = info.id;
    str url;
    assert_ok(blob_url(y->blobs, &info.id, 60, &y->keep, &url));
    assert_true(str_contains(url, STR("/yard/pre%20fix/2/objects/")));
    assert_true(str_contains(url, STR("X-Amz-Expires=60")));
    assert_false(str_contains(url, STR(FAKE_SECRET)));
    assert_err(blob_url(y->blobs, &info.id, 0, &y->keep, &url), ERR_INVALID);
    other.hex[0] = other.hex[0] == 'a' ? 'b' : 'a';
    assert_err(blob_url(y->blobs, &other, 60, &y->keep, &url), ERR_NOT_FOUND);
}

/* ------------------------------------------------------------------ many at once */

enum { PUTTERS = 4, PUTS_EACH = 10 };

static void *put_many(void *arg)
{
    struct yard *y = arg;
    for (int i = 0; i < PUTS_EACH; i++) {
        char text[300];
        struct blob_info info;
        str got = STR_NONE;
        arena keep;
        arena_init(&keep, 1 << 20);
        memset(text, 'a' + i, sizeof text);
        snprintf(text, sizeof text, "%d %d", i, i % 3 ? 0 : (int)(uintptr_t)&keep);
        assert_ok(blob_put(y->blobs, str_from(text, sizeof text), &info));
        assert_ok(blob_get(y->blobs, &info.id, &keep, sizeof text, &got));
        assert_int_equal(got.len, sizeof text);
        arena_deinit(&keep);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct yard *y = *state;
    pthread_t threads[PUTTERS];
    y->s3.cache_bytes = 2000; /* evictions beside readers */
    reopen(y);
    for (int i = 0; i < PUTTERS; i++)
        assert_ok(thread_start(&threads[i], "putter", put_many, y));
    for (int i = 0; i < PUTTERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(yard_usage(y).count > PUTS_EACH);
}

int main(void)
{
#define WITH_YARD(test) cmocka_unit_test_setup_teardown(test, setup, yard_teardown)
    const struct CMUnitTest tests[] = {
        WITH_YARD(test_transient_failures_pass),
        WITH_YARD(test_trying_ends),
        WITH_YARD(test_server_is_away),
        WITH_YARD(test_broken_download_goes_on),
        WITH_YARD(test_parts),
        WITH_YARD(test_parts_and_failures),
        WITH_YARD(test_late_fault_is_seen),
        WITH_YARD(test_lost_answer_of_the_end),
        WITH_YARD(test_kill_and_resume),
        WITH_YARD(test_note_of_a_forgotten_upload),
        WITH_YARD(test_unfit_parts_are_thrown_away),
        WITH_YARD(test_orphans_are_aborted),
        WITH_YARD(test_read_back_finds_spoiled_bytes),
        WITH_YARD(test_pages),
        WITH_YARD(test_failed_listing_is_an_error),
        WITH_YARD(test_grace),
        WITH_YARD(test_put_again_by_another_machine),
        WITH_YARD(test_cache),
        WITH_YARD(test_cache_gives_way_in_order_of_use),
        WITH_YARD(test_damaged_copy),
        cmocka_unit_test_setup_teardown(test_no_local_space, setup, disk_teardown),
        WITH_YARD(test_messages_say_what_to_do),
        WITH_YARD(test_clock_goes_wrong_later),
        WITH_YARD(test_presigned_url),
        WITH_YARD(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

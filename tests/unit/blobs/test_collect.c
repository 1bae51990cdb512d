/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collection: what nobody refers to goes, what somebody refers to or is about to refer to stays. If
 * these failed, a model would lose its weights, or the disk would fill with runs deleted long ago.
 */
#include "yard.h"

#include <stdatomic.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/thread.h"

struct owner {
    struct blob_id ids[8];
    size_t count;
    enum err_code failure;
    void (*during)(struct owner *o); /* called while the collection asks */
    struct yard *yard;
    struct blob_id late;
};

static err roots(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct owner *o = arg;
    for (size_t i = 0; i < o->count; i++)
        TRY(mark(mark_arg, &o->ids[i]));
    if (o->during)
        o->during(o);
    return o->failure ? ERR(o->failure, "the owner's tables cannot be read") : OK;
}

static struct blob_id put_unpinned(struct yard *y, const char *text)
{
    struct blob_info info = yard_put(y, str_of(text));
    blob_unpin(y->blobs, &info.id);
    return info.id;
}

static bool is_there(struct yard *y, const struct blob_id *id)
{
    struct blob_info info;
    err e = blob_stat(y->blobs, id, &info);
    assert_true(!e.code || e.code == ERR_NOT_FOUND);
    return !e.code;
}

static void test_reachable_stays(void **state)
{
    struct yard *y = *state;
    struct owner a = { 0 }, b = { 0 };
    a.ids[a.count++] = put_unpinned(y, "of a");
    b.ids[b.count++] = put_unpinned(y, "of b");
    a.ids[a.count++] = put_unpinned(y, "of both");
    b.ids[b.count++] = a.ids[1];
    struct blob_id garbage = put_unpinned(y, "garbage");
    const struct blob_owner owners[] = { { roots, &a }, { roots, &b } };
    struct blob_gc_report r;
    assert_ok(blobs_collect(y->blobs, owners, 2, 0, &r));
    assert_int_equal(r.kept_count, 3);
    assert_int_equal(r.kept_bytes, 4 + 4 + 7);
    assert_int_equal(r.removed_count, 1);
    assert_int_equal(r.removed_bytes, 7);
    assert_int_equal(r.missing_count, 0);
    assert_false(is_there(y, &garbage));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(blob_verify(y->blobs, &a.ids[i]));
        assert_ok(blob_verify(y->blobs, &b.ids[i]));
    }
    assert_ok(blobs_collect(y->blobs, owners, 2, 0, &r));
    assert_int_equal(r.removed_count, 0);
}

static void test_missing_is_reported(void **state)
{
    struct yard *y = *state;
    struct owner o = { .count = 3 };
    assert_ok(blob_id_parse(STR("00000000000000000000000000000000000000000000000000000000000000aa"),
                            &o.ids[0]));
    o.ids[1] = o.ids[0]; /* named twice, missing once */
    o.ids[2] = put_unpinned(y, "there");
    const struct blob_owner owner = { roots, &o };
    struct blob_gc_report r;
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &r));
    assert_int_equal(r.missing_count, 1);
    assert_string_equal(r.first_missing.hex, o.ids[0].hex);
    assert_int_equal(r.kept_count, 1);
}

/* A store that cannot be read must not look like a store without references. */
static void test_failing_owner_stops_it(void **state)
{
    struct yard *y = *state;
    struct owner good = { 0 }, bad = { .failure = ERR_IO };
    struct blob_id garbage = put_unpinned(y, "garbage");
    const struct blob_owner owners[] = { { roots, &good }, { roots, &bad } };
    struct blob_gc_report r = { .kept_count = -1 };
    assert_err(blobs_collect(y->blobs, owners, 2, 0, &r), ERR_IO);
    assert_true(is_there(y, &garbage));
    assert_int_equal(r.kept_count, -1);
    bad.failure = ERR_NONE;
    bad.count = 1; /* an unset name is our mistake, and stops it as well */
    assert_err(blobs_collect(y->blobs, owners, 2, 0, &r), ERR_INVALID);
    assert_true(is_there(y, &garbage));
    bad.count = 0;
    assert_ok(blobs_collect(y->blobs, owners, 2, 0, &r)); /* the failures left it usable */
    assert_int_equal(r.removed_count, 1);
}

static void test_rehearsal_removes_nothing(void **state)
{
    struct yard *y = *state;
    struct owner o = { .count = 1 };
    o.ids[0] = put_unpinned(y, "kept");
    struct blob_id garbage = put_unpinned(y, "garbage");
    struct blob_info pinned = yard_put(y, STR("pinned"));
    const struct blob_owner owner = { roots, &o };
    struct blob_gc_options options = { .is_rehearsal = true };
    struct blob_gc_report said, done;
    assert_ok(blobs_collect_with(y->blobs, &owner, 1, &options, &said));
    assert_int_equal(said.removed_count, 1);
    assert_int_equal(said.removed_bytes, 7);
    assert_int_equal(said.young_count, 1); /* nobody's yet */
    assert_true(is_there(y, &garbage));
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &done));
    assert_memory_equal(&said, &done, sizeof done);
    assert_false(is_there(y, &garbage));
    blob_unpin(y->blobs, &pinned.id);
}

/* A writer whose pins we do not see, as another process is one. */
static void put_by_another(struct owner *o)
{
    struct blobs *another;
    struct blob_info info;
    assert_ok(blobs_open(o->yard->url, &another));
    assert_ok(blob_put(another, STR("of another process"), &info));
    blobs_close(another);
    o->late = info.id;
    clock_sleep_ms(20);
}

static void test_newcomers_stay(void **state)
{
    struct yard *y = *state;
    struct owner o = { .during = put_by_another, .yard = y };
    struct blob_id garbage = put_unpinned(y, "garbage");
    const struct blob_owner owner = { roots, &o };
    struct blob_gc_options options = { .spares_newcomers = true };
    struct blob_gc_report r;
    if (YARD_S3)
        skip();          /* youth is the server's to tell, and there is a grace time */
    clock_sleep_ms(100); /* a file may look older than it is by a tick of the kernel's clock */
    assert_ok(blobs_collect_with(y->blobs, &owner, 1, &options, &r));
    assert_false(is_there(y, &garbage)); /* however young */
    assert_true(is_there(y, &o.late));
    assert_int_equal(r.young_count, 1);
}

static void test_pinned_stays(void **state)
{
    struct yard *y = *state;
    struct blob_gc_report r;
    struct blob_info a = yard_put(y, STR("twice"));
    yard_put(y, STR("twice")); /* two pins */
    blob_unpin(y->blobs, &a.id);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &r));
    assert_int_equal(r.kept_count, 1);
    assert_ok(blob_pin(y->blobs, &a.id));
    blob_unpin(y->blobs, &a.id);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &r));
    assert_int_equal(r.kept_count, 1);
    blob_unpin(y->blobs, &a.id);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &r));
    assert_int_equal(r.removed_count, 1);
    assert_false(is_there(y, &a.id));
}

static void put_and_unpin(struct owner *o)
{
    o->late = put_unpinned(o->yard, "late");
}

/* The owner was asked, then wrote its row and unpinned: the row is not in the answer. */
static void test_unpinned_during_collection_stays(void **state)
{
    struct yard *y = *state;
    struct owner o = { .during = put_and_unpin, .yard = y };
    const struct blob_owner owner = { roots, &o };
    struct blob_gc_report r;
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &r));
    assert_true(is_there(y, &o.late));
    o.during = NULL;
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &r)); /* the next one knows */
    assert_false(is_there(y, &o.late));
}

static void collect_again(struct owner *o)
{
    struct blob_gc_report r;
    assert_err(blobs_collect(o->yard->blobs, NULL, 0, 0, &r), ERR_BUSY);
}

static void test_one_collection_at_a_time(void **state)
{
    struct yard *y = *state;
    struct owner o = { .during = collect_again, .yard = y };
    const struct blob_owner owner = { roots, &o };
    struct blob_gc_report r;
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &r));
}

static void make_old(const char *path, int seconds)
{
    struct timeval times[2];
    assert_int_equal(gettimeofday(&times[0], NULL), 0);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimes(path, times), 0);
}

static void test_young_stays(void **state)
{
    struct yard *y = *state;
    yard_needs_files();
    struct blob_gc_report r;
    char path[FS_PATH_BYTES];
    struct blob_id young = put_unpinned(y, "young"), old = put_unpinned(y, "old");
    yard_path(y, &old, path);
    make_old(path, 120);
    assert_ok(blobs_collect(y->blobs, NULL, 0, 60000, &r));
    assert_int_equal(r.removed_count, 1);
    assert_true(is_there(y, &young));
    assert_false(is_there(y, &old));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What a killed process left in tmp/ goes; what is being written, and what is not ours, stays. */
static void test_stale_temporary_files(void **state)
{
    struct yard *y = *state;
    yard_needs_files();
    struct blob_gc_report r;
    struct blob_writer *w = NULL;
    struct blob_info info;
    char path[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/tmp/0123456789abcdef0123456789abcdef", y->folder);
    write_text(path, "half");
    snprintf(path, sizeof path, "%s/tmp/README", y->folder);
    write_text(path, "someone's note");
    snprintf(path, sizeof path, "%s/ab", y->objects);
    assert_ok(fs_mkdirs(path));
    snprintf(path, sizeof path, "%s/ab/README", y->objects);
    write_text(path, "someone's note");
    assert_ok(blob_writer_open(y->blobs, &w));
    assert_ok(blob_write(w, "in progress", 11));

    assert_ok(blobs_collect(y->blobs, NULL, 0, 60000, &r));
    assert_int_equal(r.stale_count, 0); /* too young */
    assert_ok(blobs_collect(y->blobs, NULL, 0, 0, &r));
    assert_int_equal(r.stale_count, 1);
    assert_int_equal(r.stale_bytes, 4);
    assert_int_equal(r.removed_count, 0);
    assert_true(fs_exists(path));
    assert_ok(blob_writer_commit(w, &info));
    assert_ok(blob_verify(y->blobs, &info.id));
}

/* More marks than the set starts with, each kept. */
struct many {
    struct blob_id *ids;
    size_t count;
};

static err many_roots(void *arg, blob_mark_fn mark, void *mark_arg)
{
    const struct many *m = arg;
    for (size_t i = 0; i < m->count; i += 2)
        TRY(mark(mark_arg, &m->ids[i]));
    return OK;
}

static void test_many(void **state)
{
    struct yard *y = *state;
    yard_needs_files();
    struct many m = { .count = 2600 };
    m.ids = NEW_ARRAY(&y->keep, struct blob_id, m.count);
    assert_non_null(m.ids);
    /* Objects by hand: syncing thousands of them is not what is tested here. */
    for (size_t i = 0; i < m.count; i++) {
        char text[24], path[FS_PATH_BYTES];
        snprintf(text, sizeof text, "%zu", i);
        sha256_hex_of(str_of(text), m.ids[i].hex);
        yard_path(y, &m.ids[i], path);
        write_text(path, text);
    }
    const struct blob_owner owner = { many_roots, &m };
    struct blob_gc_report r;
    assert_ok(blobs_collect(y->blobs, &owner, 1, 0, &r));
    assert_int_equal(r.kept_count, 1300);
    assert_int_equal(r.removed_count, 1300);
    assert_int_equal(r.missing_count, 0);
    for (size_t i = 0; i < m.count; i++)
        assert_int_equal(is_there(y, &m.ids[i]), i % 2 == 0);
}

/* ------------------------------------------------------------------ beside writers */

enum { PUTTERS = 3, PUTS = 60, PLACES = 4 };

/* The table of references: how many "rows" name each of a few contents. */
struct table {
    struct yard *yard;
    pthread_mutex_t lock;
    struct blob_id ids[PLACES]; /* guarded by lock */
    int rows[PLACES];           /* guarded by lock */
    atomic_bool stop;
};

static err table_roots(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct table *t = arg;
    err e = OK;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < PLACES && !e.code; i++)
        if (t->rows[i] > 0)
            e = mark(mark_arg, &t->ids[i]);
    pthread_mutex_unlock(&t->lock);
    return e;
}

static void table_add(struct table *t, int place, const struct blob_id *id, int rows)
{
    pthread_mutex_lock(&t->lock);
    t->ids[place] = *id;
    t->rows[place] += rows;
    pthread_mutex_unlock(&t->lock);
}

/* The same few contents are put, referred to and given up again and again, so that each is wanted
 * by one thread at the moment when another's collection removes it. */
static void *putter_main(void *arg)
{
    struct table *t = arg;
    for (int i = 0; i < PUTS; i++) {
        char text[24];
        int place = (i * 7 + i / 3) % PLACES;
        snprintf(text, sizeof text, "content %d", place);
        struct blob_info info = yard_put(t->yard, str_of(text));
        table_add(t, place, &info.id, 1);
        blob_unpin(t->yard->blobs, &info.id);
        assert_ok(blob_verify(t->yard->blobs, &info.id)); /* this row still names it */
        table_add(t, place, &info.id, -1);
    }
    return NULL;
}

static void *collector_main(void *arg)
{
    struct table *t = arg;
    const struct blob_owner owner = { table_roots, t };
    int64_t *removed = calloc(1, sizeof *removed);
    assert_non_null(removed);
    while (!atomic_load(&t->stop)) {
        struct blob_gc_report r;
        assert_ok(blobs_collect(t->yard->blobs, &owner, 1, 0, &r));
        assert_int_equal(r.missing_count, 0);
        *removed += r.removed_count;
    }
    return removed;
}

static void test_collection_beside_writers(void **state)
{
    struct table t = { .yard = *state };
    pthread_t putters[PUTTERS], collector;
    void *removed = NULL;
    struct blob_gc_report r;
    pthread_mutex_init(&t.lock, NULL);
    assert_ok(thread_start(&collector, "collector", collector_main, &t));
    for (int i = 0; i < PUTTERS; i++)
        assert_ok(thread_start(&putters[i], "putter", putter_main, &t));
    for (int i = 0; i < PUTTERS; i++)
        pthread_join(putters[i], NULL);
    atomic_store(&t.stop, true);
    pthread_join(collector, &removed);
    pthread_mutex_destroy(&t.lock);
    assert_ok(blobs_collect(t.yard->blobs, NULL, 0, 0, &r));
    assert_true(*(int64_t *)removed + r.removed_count >= PLACES);
    assert_int_equal(yard_usage(t.yard).count, 0); /* nothing stays pinned */
    free(removed);
}

int main(void)
{
#define WITH_YARD(test) cmocka_unit_test_setup_teardown(test, yard_setup, yard_teardown)
    const struct CMUnitTest tests[] = {
        WITH_YARD(test_reachable_stays),
        WITH_YARD(test_missing_is_reported),
        WITH_YARD(test_failing_owner_stops_it),
        WITH_YARD(test_rehearsal_removes_nothing),
        WITH_YARD(test_newcomers_stay),
        WITH_YARD(test_pinned_stays),
        WITH_YARD(test_unpinned_during_collection_stays),
        WITH_YARD(test_one_collection_at_a_time),
        WITH_YARD(test_young_stays),
        WITH_YARD(test_stale_temporary_files),
        WITH_YARD(test_many),
        WITH_YARD(test_collection_beside_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kill -9 at any moment, more than a hundred times on the same data, store and blobs together.
 *
 * A child opens both and lets threads work as the server does: put a blob, write the row that
 * refers to it, unpin, and only then acknowledge through a pipe; meanwhile a collection runs over
 * and over. Each thread keeps a window of rows: row n comes and row n - WINDOW goes in one
 * transaction. The parent kills the child somewhere between its first instruction and its last,
 * then opens the same data and looks: every acknowledged row is there, at most the one write in
 * flight beyond it, each window is whole, each row's blob is there with the right bytes, nothing is
 * left over, the file is sound.
 *
 * If this failed, a user would lose confirmed work in a crash, or the server would not start after
 * one.
 */
#include "yard.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/thread.h"
#include "platform/store/store.h"

/* In S3 a start costs more, and every round asks the server for each blob. */
enum { ROUNDS = YARD_S3 ? 30 : 110, THREADS = 3, WINDOW = 6 };
enum { START_US_MAX = 40000, WORK_US_MAX = 5000, WRITES_MAX = 60 };

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE held (thread @int NOT NULL, number @int NOT NULL, blob @text NOT NULL,"
         " PRIMARY KEY (thread, number)) @strict" },
    { 2, "CREATE INDEX held_blob ON held (blob)" },
    { 0 },
};

struct world {
    char folder[64];
    struct store *store;
    struct blobs *blobs;
    struct yard place; /* names the blobs: a folder, or S3 */
    int ack_fd;
};

struct ack {
    int32_t thread;
    int32_t ignored;
    int64_t number;
};

/* What thread `thread` puts as its number-th blob. Every fifth is the same for all threads, so that
 * they share, and collection meets a blob that loses one reference and gains another. */
static str content(arena *keep, int64_t thread, int64_t number)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)(number % 5 == 0 ? number : number * 10 + thread + 1));
    size_t count = rng_below(&rng, number % 4 == 0 ? 150000 : 300);
    char *bytes = NEW_ARRAY(keep, char, count + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)rng_u64(&rng);
    return (str){ bytes, count };
}

static void world_open(struct world *w)
{
    char url[100];
    snprintf(url, sizeof url, "sqlite:%s/skerry.db", w->folder);
    const struct store_options options = { .url = url };
    assert_ok(store_open(&options, &w->store));
    assert_ok(store_migrate(w->store, "kill", steps));
    assert_ok(blobs_open_with(&(struct blobs_options){ .url = w->place.url, .s3 = &w->place.s3 },
                              &w->blobs));
}

static void world_close(struct world *w)
{
    store_close(w->store);
    blobs_close(w->blobs);
}

/* ------------------------------------------------------------------ owner of the blobs */

struct marking {
    blob_mark_fn mark;
    void *arg;
};

static err mark_rows(struct store_read *rd, void *arg)
{
    struct marking *m = arg;
    struct store_rows *rows = NULL;
    struct blob_id id;
    TRY(store_query(rd, "SELECT DISTINCT blob FROM held", NO_ARGS, &rows));
    while (store_next(rows)) {
        TRY(blob_id_parse(store_col_text(rows, 0), &id));
        TRY(m->mark(m->arg, &id));
    }
    return store_rows_close(rows);
}

static err world_roots(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct world *w = arg;
    struct marking m = { mark, mark_arg };
    return store_read(w->store, mark_rows, &m);
}

static err world_collect(struct world *w, struct blob_gc_report *ret_report)
{
    const struct blob_owner owner = { world_roots, w };
    return blobs_collect(w->blobs, &owner, 1, 0, ret_report);
}

/* ------------------------------------------------------------------ the child */

struct worker {
    struct world *world;
    int thread;
    int64_t number;
    struct blob_info blob;
    err result;
    sem_t done;
};

static err insert_row(struct store_tx *tx, void *arg)
{
    const struct worker *k = arg;
    TRY(store_exec(tx, "INSERT INTO held (thread, number, blob) VALUES (?1, ?2, ?3)",
                   ARGS(sql_int(k->thread), sql_int(k->number), sql_cstr(k->blob.id.hex)), NULL));
    return store_exec(tx, "DELETE FROM held WHERE thread = ?1 AND number <= ?2",
                      ARGS(sql_int(k->thread), sql_int(k->number - WINDOW)), NULL);
}

static void worker_done(void *arg, err result)
{
    struct worker *k = arg;
    k->result = result;
    sem_post(&k->done);
}

/* Thread 0 does not wait in store_write but is called back. */
static err write_row(struct worker *k)
{
    if (k->thread != 0)
        return store_write(k->world->store, insert_row, k);
    TRY(store_write_later(k->world->store, insert_row, k, worker_done));
    while (sem_wait(&k->done) != 0)
        ;
    return k->result;
}

static err newest_number(struct store_read *rd, void *arg)
{
    struct worker *k = arg;
    return store_get_int(rd, "SELECT COALESCE(MAX(number), 0) FROM held WHERE thread = ?1",
                         ARGS(sql_int(k->thread)), &k->number);
}

static void *worker_main(void *arg)
{
    struct worker *k = arg;
    struct world *w = k->world;
    arena scratch;
    arena_init(&scratch, 1 << 20);
    assert_ok(store_read(w->store, newest_number, k));
    for (;;) {
        k->number++;
        assert_ok(blob_put(w->blobs, content(&scratch, k->thread, k->number), &k->blob));
        arena_reset(&scratch);
        assert_ok(write_row(k));
        blob_unpin(w->blobs, &k->blob.id);
        struct ack ack = { .thread = k->thread, .number = k->number };
        if (write(w->ack_fd, &ack, sizeof ack) != (ssize_t)sizeof ack)
            abort();
    }
    return NULL;
}

/* Never returns: it is killed. A failure inside shows as another end than by SIGKILL. */
static void child_main(struct world *w)
{
    struct worker workers[THREADS];
    struct blob_gc_report report;
    world_open(w);
    assert_ok(world_collect(w, &report));
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        workers[i] = (struct worker){ .world = w, .thread = i };
        sem_init(&workers[i].done, 0, 0);
        assert_ok(thread_start(&thread, "worker", worker_main, &workers[i]));
    }
    for (;;) {
        assert_ok(world_collect(w, &report));
        assert_int_equal(report.missing_count, 0);
        clock_sleep_ms(1);
    }
}

/* ------------------------------------------------------------------ the parent */

/* The moment of a kill: `delay_us` after the child has acknowledged `writes` writes. Half of the
 * kills wait for none, and hit start and recovery; the others hit work, however slow the machine
 * is. */
struct moment {
    int writes;
    int64_t delay_us;
};

static struct moment moment_choose(struct rng *rng)
{
    if (rng_below(rng, 2))
        return (struct moment){ 0, (int64_t)rng_below(rng, START_US_MAX) };
    return (struct moment){ 1 + (int)rng_below(rng, WRITES_MAX),
                            (int64_t)rng_below(rng, WORK_US_MAX) };
}

/* Waits for the next acknowledgement, until `kill_at` at most. False: none came. */
static bool read_ack(int fd, int64_t kill_at, struct ack *ret_ack, bool *ret_end)
{
    int64_t left_ms = (kill_at - clock_mono_ns()) / 1000000;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, left_ms > 0 ? (int)left_ms : 0) != 1)
        return false;
    ssize_t got = read(fd, ret_ack, sizeof *ret_ack); /* whole: far below PIPE_BUF */
    assert_true(got == 0 || got == (ssize_t)sizeof *ret_ack);
    *ret_end = got == 0;
    return got > 0;
}

/* Reads acknowledgements of `pid`, kills it at its moment, and reads what it had still sent. */
static void read_and_kill(int fd, pid_t pid, const struct moment *moment, int64_t newest[THREADS])
{
    int64_t patience_ns = clock_mono_ns() + INT64_C(30000000000);
    int64_t kill_at = moment->writes ? patience_ns : clock_mono_ns() + moment->delay_us * 1000;
    int writes = 0;
    for (bool end = false, killed = false; !end;) {
        struct ack ack;
        if (read_ack(fd, killed ? patience_ns : kill_at, &ack, &end)) {
            assert_true(ack.number > newest[ack.thread]);
            newest[ack.thread] = ack.number;
            if (++writes == moment->writes)
                kill_at = clock_mono_ns() + moment->delay_us * 1000;
        }
        if (!killed && (end || clock_mono_ns() >= kill_at)) {
            assert_true(end || clock_mono_ns() < patience_ns); /* no answer for half a minute */
            assert_int_equal(kill(pid, SIGKILL), 0);
            killed = true;
        }
    }
}

/* Runs a child, kills it, and keeps the newest acknowledged number of each thread. */
static void run_and_kill(struct world *w, const struct moment *moment, int64_t newest[THREADS])
{
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        w->ack_fd = ends[1];
        child_main(w);
        _exit(1);
    }
    close(ends[1]);
    read_and_kill(ends[0], pid, moment, newest);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct check {
    struct world *world;
    const int64_t *acknowledged;
    int64_t newest[THREADS];
    arena scratch;
};

static err check_thread(struct store_read *rd, struct check *c, int thread)
{
    struct store_rows *rows = NULL;
    int64_t count = 0, first = 0, last = 0;
    TRY(store_query(rd, "SELECT number, blob FROM held WHERE thread = ?1 ORDER BY number",
                    ARGS(sql_int(thread)), &rows));
    while (store_next(rows)) {
        last = store_col_int(rows, 0);
        first = count++ ? first : last;
        assert_int_equal(last, first + count - 1);
        struct blob_id id;
        str bytes = STR_NONE, expected = content(&c->scratch, thread, last);
        TRY(blob_id_parse(store_col_text(rows, 1), &id));
        TRY(blob_get(c->world->blobs, &id, &c->scratch, expected.len, &bytes));
        assert_true(str_eq(bytes, expected));
        arena_reset(&c->scratch);
    }
    TRY(store_rows_close(rows));
    assert_in_range(last, c->acknowledged[thread], c->acknowledged[thread] + 1);
    assert_int_equal(count, last < WINDOW ? last : WINDOW);
    c->newest[thread] = last;
    return OK;
}

static err check_rows(struct store_read *rd, void *arg)
{
    struct check *c = arg;
    for (int i = 0; i < THREADS; i++)
        TRY(check_thread(rd, c, i));
    return OK;
}

static err count_blobs(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COUNT(DISTINCT blob) FROM held", NO_ARGS, arg);
}

static void check_world(struct world *w, int64_t acknowledged[THREADS])
{
    struct check c = { .world = w, .acknowledged = acknowledged };
    struct blob_gc_report report;
    struct blobs_usage usage;
    int64_t referred = 0;
    arena_init(&c.scratch, 1 << 20);
    world_open(w);
    assert_ok(store_check(w->store));
    assert_ok(store_read(w->store, check_rows, &c));
    assert_ok(world_collect(w, &report));
    assert_int_equal(report.missing_count, 0);
    assert_ok(store_read(w->store, count_blobs, &referred));
    assert_ok(blobs_usage(w->blobs, &usage));
    assert_int_equal(usage.count, referred); /* no orphans */
    world_close(w);
    arena_deinit(&c.scratch);
    for (int i = 0; i < THREADS; i++)
        acknowledged[i] = c.newest[i]; /* what was in flight and arrived counts from now on */
}

static void test_kill_9(void **state)
{
    struct world w = { 0 };
    struct rng rng;
    int64_t acknowledged[THREADS] = { 0 };
    uint64_t seed = (uint64_t)clock_wall_ms();
    rng_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    snprintf(w.folder, sizeof w.folder, "/tmp/skerry-test-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.place.folder, sizeof w.place.folder, "%.50s/blobs", w.folder);
    arena_init(&w.place.keep, 1 << 20);
    if (YARD_S3)
        yard_setup_s3(&w.place);
    else
        yard_setup_file(&w.place);
    for (int round = 0; round < ROUNDS; round++) {
        const struct moment moment = moment_choose(&rng);
        run_and_kill(&w, &moment, acknowledged);
        if (YARD_S3)
            fake_s3_settle(&w.place.fake); /* what the dead sent may still be on its way */
        check_world(&w, acknowledged);
    }
    int64_t writes = acknowledged[0] + acknowledged[1] + acknowledged[2];
    print_message("%d kills, %lld writes\n", ROUNDS, (long long)writes);
    assert_true(writes > ROUNDS); /* the children got somewhere between the kills */
    if (YARD_S3)
        fake_s3_close(&w.place.fake);
    arena_deinit(&w.place.keep);
    assert_ok(fs_remove_tree(w.folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kill_9) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

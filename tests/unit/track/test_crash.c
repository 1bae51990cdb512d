/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kill -9 at any moment, and collection at work next to writers: is there ever a row without its
 * bytes, or an acknowledged asset that is gone? */
#include "track_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { KILLS = 30, ACKS_MAX = 20000, ACK_BYTES = 40 };

/* ------------------------------------------------------------------ the child */

static void child_fails(err e)
{
    if (!e.code)
        return;
    fprintf(stderr, "child: %s (%s:%d)\n", e.msg, e.file, e.line);
    _exit(3);
}

/* '+' and the id: this dataset is ready. '-' and the id: about to be deleted. One write each, so a
 * line is whole or not there. */
static void tell(int fd, char what, const char *id)
{
    char line[ACK_BYTES];
    memset(line, ' ', sizeof line);
    line[0] = what;
    memcpy(line + 1, id, strlen(id));
    line[ACK_BYTES - 1] = '\n';
    if (write(fd, line, sizeof line) != sizeof line)
        _exit(4);
}

static void child_dataset(struct fixture *f, struct rng *rng, int fd, char id[UUID_BYTES])
{
    char bytes[20000];
    struct dataset_info info;
    struct dataset_result result = { .rows = 1 };
    size_t size = 100 + rng_below(rng, sizeof bytes - 100);
    struct blob_info parent;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)rng_u64(rng);
    child_fails(dataset_create(f->track, &(struct dataset_spec){ .name = STR("d"), .kind = "k" },
                               &f->mem, &info));
    child_fails(blob_put(f->blobs, str_from(bytes, size / 2), &parent));
    child_fails(blob_put(f->blobs, str_from(bytes, size), &result.blob));
    result.parents = &parent.id;
    result.parent_count = 1;
    child_fails(dataset_finish(f->track, str_of(info.id), &result));
    blob_unpin(f->blobs, &parent.id);
    memcpy(id, info.id, UUID_BYTES);
    tell(fd, '+', id);
}

static void child_main(struct fixture *f, uint64_t seed, int fd)
{
    struct rng rng;
    char before[UUID_BYTES] = "", id[UUID_BYTES];

    rng_init(&rng, seed);
    child_fails(fixture_try_open(f));
    for (int i = 0;; i++) {
        child_dataset(f, &rng, fd, id);
        if (i % 3 == 1) {
            tell(fd, '-', before);
            child_fails(dataset_delete(f->track, str_of(before)));
        }
        memcpy(before, id, sizeof before);
        if (i % 4 == 0) {
            struct run *r;
            child_fails(run_begin(f->track, &(struct run_options){ .component = "c" }, &r));
            child_fails(run_metric(r, "m", i, i));
            child_fails(run_artifact(r, "a", str_of(id)));
            child_fails(run_end(r, NULL));
        }
        if (i % 5 == 4) {
            struct blob_gc_report report;
            struct blob_owner owner = { track_roots, f->track };
            child_fails(blobs_collect(f->blobs, &owner, 1, 0, &report));
            if (report.missing_count)
                _exit(5);
        }
        arena_reset(&f->mem);
    }
}

/* ------------------------------------------------------------------ the parent */

struct acks {
    char ready[ACKS_MAX][UUID_BYTES];
    size_t count;
};

static bool ack_read(struct acks *a, int fd)
{
    char line[ACK_BYTES];
    if (read(fd, line, sizeof line) != sizeof line)
        return false;
    if (line[0] == '+') {
        assert_true(a->count < ACKS_MAX);
        memcpy(a->ready[a->count], line + 1, UUID_BYTES - 1);
        a->ready[a->count++][UUID_BYTES - 1] = '\0';
        return true;
    }
    /* About to be deleted: from here on it may be there or not. */
    for (size_t i = 0; i < a->count; i++)
        if (memcmp(a->ready[i], line + 1, UUID_BYTES - 1) == 0) {
            a->count--;
            memmove(a->ready[i], a->ready[a->count], UUID_BYTES);
            break;
        }
    return true;
}

static void all_is_well(struct fixture *f, const struct acks *acks)
{
    assert_ok(fixture_try_open(f));
    assert_ok(store_check(f->store));
    struct blob_gc_report report = fixture_collect(f);
    assert_int_equal(report.missing_count, 0);
    for (size_t i = 0; i < acks->count; i++) {
        struct dataset_info info;
        assert_ok(dataset_get(f->track, str_of(acks->ready[i]), STR_NONE, &f->mem, &info));
        assert_string_equal(info.state.ptr, "ready");
        assert_ok(blob_verify(f->blobs, &info.blob));
        arena_reset(&f->mem);
    }
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM datasets WHERE state = 'ready' AND"
                                    " (blob IS NULL OR rows <> 1)"),
                     0);
    assert_int_equal(
        fixture_int(f, "SELECT COUNT(*) FROM datasets d WHERE state = 'ready' AND NOT EXISTS"
                       " (SELECT 1 FROM dataset_blobs b WHERE b.dataset_id = d.id)"),
        0);
    assert_int_equal(
        fixture_int(f, "SELECT COUNT(*) FROM datasets WHERE state <> 'ready' AND blob IS NOT"
                       " NULL"),
        0);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'"), 0);
    struct blobs_usage usage;
    assert_ok(blobs_usage(f->blobs, &usage));
    assert_int_equal(usage.count, report.kept_count); /* no orphan is left */
    fixture_shut(f);
}

static void kill_nine_leaves_only_whole_datasets(void **state)
{
    static struct acks acks;
    struct fixture f;
    struct rng rng;

    rng_init(&rng, 20261121);
    fixture_folder(&f);
    acks.count = 0;
    for (int kills = 0; kills < KILLS; kills++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        uint64_t seed = rng_u64(&rng), delay_ms = rng_below(&rng, 60);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            child_main(&f, seed, fds[1]);
            _exit(6);
        }
        close(fds[1]);
        /* The first line says that it is at work; every fifth is killed while it opens. */
        if (kills % 5)
            assert_true(ack_read(&acks, fds[0]));
        clock_sleep_ms((int64_t)delay_ms);
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status)); /* it did not end by itself, on an error */
        while (ack_read(&acks, fds[0]))
            continue;
        close(fds[0]);
        all_is_well(&f, &acks);
    }
    assert_true(acks.count >= KILLS / 2); /* the loop did kill work, not start-ups only */
    fixture_folder_remove(&f);
}

/* ------------------------------------------------------------------ collection next to writers */

enum { WRITERS = 3, WRITES = 60 };

struct writer {
    struct fixture *f;
    int number;
    err e;
    atomic_bool *stop;
};

/* All writers write the same few contents, so blobs come, go and come back all the time. */
static void *write_artifacts(void *arg)
{
    struct writer *w = arg;
    char text[32], path[32];
    struct run *r = NULL;

    w->e = run_begin(w->f->track, &(struct run_options){ .component = "c" }, &r);
    for (int i = 0; !w->e.code && i < WRITES; i++) {
        snprintf(text, sizeof text, "content %d", i % 7);
        snprintf(path, sizeof path, "p%d", i % 3);
        w->e = run_artifact(r, path, str_of(text));
        str back;
        arena scratch;
        arena_init(&scratch, 4096 * 4);
        if (!w->e.code)
            w->e = run_artifact_read(r, path, &scratch, 100, &back);
        if (!w->e.code && !str_eq(back, str_of(text)))
            w->e = ERR(ERR_CORRUPT, "read something else than was written");
        arena_deinit(&scratch);
    }
    w->e = err_first(w->e, run_end(r, &w->e));
    return NULL;
}

static void *collect_always(void *arg)
{
    struct writer *w = arg;
    struct blob_owner owner = { track_roots, w->f->track };
    while (!w->e.code && !atomic_load(w->stop)) {
        struct blob_gc_report report;
        w->e = blobs_collect(w->f->blobs, &owner, 1, 0, &report);
        if (!w->e.code && report.missing_count)
            w->e = ERR(ERR_CORRUPT, "%lld blobs are missing", (long long)report.missing_count);
    }
    return NULL;
}

static void collection_never_takes_what_is_being_stored(void **state)
{
    struct fixture *f = *state;
    atomic_bool stop = false;
    struct writer writers[WRITERS + 1];
    pthread_t threads[WRITERS + 1];
    for (int i = 0; i <= WRITERS; i++) {
        writers[i] = (struct writer){ .f = f, .number = i, .e = OK, .stop = &stop };
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < WRITERS ? write_artifacts : collect_always,
                                        &writers[i]),
                         0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    pthread_join(threads[WRITERS], NULL);
    for (int i = 0; i <= WRITERS; i++)
        assert_ok(writers[i].e);
    assert_int_equal(fixture_collect(f).missing_count, 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_nine_leaves_only_whole_datasets),
        cmocka_unit_test_setup_teardown(collection_never_takes_what_is_being_stored, fixture_init,
                                        fixture_deinit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

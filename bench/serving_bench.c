/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serving_bench.c -- how many plays a second can be predicted by four versions and noted durably?
 *
 * usage: serving_bench FOLDER SECONDS THREADS
 *
 * A play is a prediction of Production with three versions beside it, and one transaction with the
 * app's own row and the note; many share a commit, as requests of a server do. The sums are added
 * up meanwhile. "memory" is the same without a transaction: predicted and noted. Prints JSON lines.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/thread.h"
#include "platform/serving/serving.h"

enum { CLASSES = 3, FEATURES = 8, WINDOW = 256, THREADS_MAX = 64 };

static void need(const char *what, err e)
{
    if (!e.code)
        return;
    fprintf(stderr, "serving_bench: %s: %s\n", what, e.msg);
    exit(1);
}

/* ------------------------------------------------------------------ a model that costs nothing */

struct input {
    float features[FEATURES];
};

static err load(void *ctx, const struct model_version_info *info, str bytes, void **ret_model)
{
    (void)ctx;
    (void)info;
    (void)bytes;
    *ret_model = malloc(1);
    return *ret_model ? OK : ERR(ERR_NO_MEMORY, "no memory");
}

static bool predict(const void *model, const void *input, float *ret_p)
{
    (void)model;
    (void)input;
    ret_p[0] = 0.5F;
    ret_p[1] = 0.3F;
    ret_p[2] = 0.2F;
    return true;
}

static void watch(const void *input, float *ret_values)
{
    memcpy(ret_values, input, sizeof(struct input));
}

static void reference(const void *model, struct serving_reference *ret_reference)
{
    (void)model;
    ret_reference->feature_count = FEATURES;
    for (int f = 0; f < FEATURES; f++)
        for (int i = 0; i < SERVING_BINS - 1; i++)
            ret_reference->edges[f][i] = (i + 1) / 10.0;
}

static const struct serving_family families[] = {
    { .name = "bench",
      .model = "bench",
      .help = "Nothing.",
      .class_count = CLASSES,
      .feature_count = FEATURES,
      .load = load,
      .drop = free,
      .predict = predict,
      .watch = watch,
      .reference = reference },
    { .name = NULL },
};

/* ------------------------------------------------------------------ playing */

struct bench {
    struct store *store;
    struct track *track;
    struct blobs *blobs;
    struct log *log;
    struct metrics *metrics;
    struct served_family *family;
    atomic_bool is_over;
    _Atomic int64_t plays, worst_us;
    bool is_durable;
};

struct play {
    struct bench *b;
    struct serving_call call;
    int64_t started_ns;
    atomic_int *waiting;
};

static err play_fn(struct store_tx *tx, void *arg)
{
    struct play *p = arg;
    TRY(store_exec(tx, "INSERT INTO plays (at_ms, version, said) VALUES (?1, ?2, ?3)",
                   ARGS(sql_int(p->call.at_ms), sql_int(p->call.answers[0].version),
                        sql_int(p->call.answers[0].best)),
                   NULL));
    return serving_note_tx(p->b->family, tx, &p->call, 1);
}

static void played(void *arg, err result)
{
    struct play *p = arg;
    int64_t us = (clock_mono_ns() - p->started_ns) / 1000, worst = atomic_load(&p->b->worst_us);
    need("a play", result);
    while (us > worst && !atomic_compare_exchange_weak(&p->b->worst_us, &worst, us))
        ;
    atomic_fetch_add(&p->b->plays, 1);
    atomic_fetch_sub(p->waiting, 1);
    free(p);
}

static void *player(void *arg)
{
    struct bench *b = arg;
    struct input in = { { 0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F } };
    atomic_int waiting = 0;
    while (!atomic_load(&b->is_over)) {
        struct play *p = malloc(sizeof *p);
        if (!p)
            exit(1);
        *p = (struct play){ .b = b, .started_ns = clock_mono_ns(), .waiting = &waiting };
        if (!serving_predict(b->family, SERVING_PRODUCTION, true, &in, &p->call, NULL))
            need("predicting", ERR(ERR_INTERNAL, "no answer"));
        if (!b->is_durable) {
            serving_note(b->family, &p->call, 1);
            atomic_fetch_add(&b->plays, 1);
            free(p);
            continue;
        }
        while (atomic_load(&waiting) >= WINDOW) /* as many requests are open at once */
            clock_sleep_ms(1);
        atomic_fetch_add(&waiting, 1);
        need("writing", store_write_later(b->store, play_fn, p, played));
    }
    while (atomic_load(&waiting))
        clock_sleep_ms(1);
    return NULL;
}

static void measure(struct bench *b, const char *label, int seconds, int threads)
{
    pthread_t players[THREADS_MAX];
    atomic_store(&b->is_over, false);
    atomic_store(&b->plays, 0);
    atomic_store(&b->worst_us, 0);
    int64_t started_ns = clock_mono_ns(), cpu_ns = clock_cpu_ns();
    for (int i = 0; i < threads; i++)
        need("starting", thread_start(&players[i], "player", player, b));
    clock_sleep_ms(seconds * 1000);
    atomic_store(&b->is_over, true);
    for (int i = 0; i < threads; i++)
        pthread_join(players[i], NULL);
    double s = (double)(clock_mono_ns() - started_ns) / 1e9;
    double plays = (double)atomic_load(&b->plays), cpu_us = (double)(clock_cpu_ns() - cpu_ns) / 1e3;
    printf("{\"bench\":\"serving-%s\",\"ours\":%.0f,\"peer\":null,\"theirs\":null,\"unit\":"
           "\"plays/s of 4 predictions, %d threads; %.1f us of processor a play, the slowest %.1f "
           "ms\",\"ratio\":null}\n",
           label, plays / s, threads, cpu_us / plays, (double)atomic_load(&b->worst_us) / 1e3);
    fflush(stdout);
}

/* ------------------------------------------------------------------ opening */

static err table_fn(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_exec(tx,
                      "CREATE TABLE plays (id @id, at_ms @int NOT NULL, version @int NOT NULL,"
                      " said @int NOT NULL) @strict",
                      NO_ARGS, NULL);
}

static void open_all(struct bench *b, const char *folder)
{
    char url[FS_PATH_BYTES + 32];
    need("folder", fs_mkdirs(folder));
    need("log", log_open(&(struct log_options){ .quiet = true }, &b->log));
    need("metrics", metrics_open(&b->metrics));
    need("metrics", metrics_register(b->metrics, track_metrics));
    need("metrics", metrics_register(b->metrics, serving_metrics));
    snprintf(url, sizeof url, "sqlite:%s/bench.db", folder);
    need("store",
         store_open(&(struct store_options){ .url = url, .write_queue_max = 65536 }, &b->store));
    snprintf(url, sizeof url, "file:%s/blobs", folder);
    need("blobs", blobs_open(url, &b->blobs));
    need("tracking", track_open(&(struct track_options){ .store = b->store,
                                                         .blobs = b->blobs,
                                                         .log = b->log,
                                                         .metrics = b->metrics,
                                                         .sole_worker = true },
                                &b->track));
    need("table", store_write(b->store, table_fn, NULL));
}

static void add_versions(struct bench *b)
{
    arena keep;
    arena_init(&keep, 1 << 20);
    for (int i = 0; i < SERVING_SLOTS; i++) {
        struct model_version_info info;
        struct model_spec spec = { .name = STR("bench"), .kind = "bench" };
        need("blob", blob_put(b->blobs, str_of(serving_aliases[i]), &spec.blob));
        need("version", model_register(b->track, &spec, &keep, &info));
        need("alias", model_promote(b->track, STR("bench"), info.version,
                                    str_of(serving_aliases[i]), STR("bench"), STR_NONE));
    }
    arena_deinit(&keep);
}

int main(int argc, char **argv)
{
    int64_t seconds = 0, threads = 0;
    struct bench b = { .is_durable = true };
    struct serving *s = NULL;
    const struct serving_family *tables[] = { families };
    if (argc != 4 || str_to_i64(str_of(argv[2]), &seconds).code ||
        str_to_i64(str_of(argv[3]), &threads).code || threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: serving_bench FOLDER SECONDS THREADS\n");
        return 2;
    }
    open_all(&b, argv[1]);
    add_versions(&b);
    struct serving_options options = { .store = b.store,
                                       .track = b.track,
                                       .blobs = b.blobs,
                                       .log = b.log,
                                       .metrics = b.metrics,
                                       .log_percent = 1 };
    need("serving", serving_open(&options, tables, 1, &s));
    need("serving", serving_start(s));
    b.family = serving_find(s, STR("bench"));
    measure(&b, "durable", (int)seconds, (int)threads);
    b.is_durable = false;
    measure(&b, "memory", (int)seconds, (int)threads);
    serving_close(s);
    track_close(b.track);
    blobs_close(b.blobs);
    store_close(b.store);
    log_close(b.log);
    metrics_close(b.metrics);
    return 0;
}

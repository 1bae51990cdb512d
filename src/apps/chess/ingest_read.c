/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_read.c -- one thread, three batches, two lists. */
#include "apps/chess/ingest_read.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/chess/pack.h"

enum {
    BATCHES = 3,
    /* One packed game at most: tags, 4096 plies with clocks and evals. Generous. */
    GAME_BYTES_MAX = 1024 * 1024,
    /* Names and openings of 8192 games; a tag is cut at 4 KiB, and six of them are kept. */
    TEXT_BYTES_MAX = 8 * 1024 * 1024,
};

struct ingest_reader {
    struct ingest_reader_options options;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;

    struct ingest_batch batches[BATCHES];
    struct ingest_batch *filling; /* the thread's own */
    size_t batch_games;           /* how many go into the next one */

    str file;            /* being read */
    uint64_t files_done; /* games of the files before it */
    uint64_t last;       /* ordinal of the last game that is in a batch, or was before */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct ingest_batch *free[BATCHES];
    struct ingest_batch *full[BATCHES]; /* oldest first */
    size_t free_count, full_count;
    bool ended;
    err result;
    struct ingest_read_stats stats;
};

/* ------------------------------------------------------------------ handing over */

static void batch_clear(struct ingest_batch *b)
{
    b->count = 0;
    b->plies = 0;
    buf_clear(&b->packed);
    arena_reset(&b->text);
}

/* Waits for an empty batch; false when the import was stopped. */
static bool batch_get(struct ingest_reader *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->free_count == 0 && !atomic_load(&r->stop))
        pthread_cond_wait(&r->changed, &r->lock);
    if (r->free_count)
        r->filling = r->free[--r->free_count];
    pthread_mutex_unlock(&r->lock);
    if (r->filling)
        batch_clear(r->filling);
    return r->filling != NULL;
}

static void batch_hand_over(struct ingest_reader *r, uint64_t ordinal)
{
    struct ingest_batch *b = r->filling;
    r->filling = NULL;
    b->ordinal = ordinal;
    b->bytes_in = ingest_source_bytes_in(r->options.source);
    pthread_mutex_lock(&r->lock);
    r->full[r->full_count++] = b;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* ------------------------------------------------------------------ filling */

static str keep_text(struct ingest_batch *b, str text)
{
    return text.len ? arena_str(&b->text, text) : STR_NONE;
}

static err batch_add(struct ingest_batch *b, const struct pgn_game *g)
{
    size_t before = b->packed.len;
    TRY(pack_game_write(g, &b->packed));
    TRY(buf_check(&b->packed));
    struct ingest_game *to = &b->games[b->count];
    struct game_record *rec = &to->record;
    game_record_of(g, rec);
    rec->white = keep_text(b, rec->white);
    rec->black = keep_text(b, rec->black);
    rec->white_title = keep_text(b, rec->white_title);
    rec->black_title = keep_text(b, rec->black_title);
    rec->time_control = keep_text(b, rec->time_control);
    rec->opening = keep_text(b, rec->opening);
    TRY(arena_check(&b->text));
    to->offset = (uint32_t)before;
    to->bytes = (uint32_t)(b->packed.len - before);
    b->count++;
    b->plies += g->ply_count;
    return OK;
}

static bool batch_is_full(const struct ingest_reader *r)
{
    const struct ingest_batch *b = r->filling;
    return b->count >= r->batch_games || b->packed.len >= INGEST_BATCH_BYTES ||
           b->text.bytes_used > TEXT_BYTES_MAX / 2;
}

static void note_problem(void *arg, const struct pgn_problem *problem)
{
    struct ingest_reader *r = arg;
    ingest_report_add(r->options.report, r->file, problem);
}

/* Games seen so far, refused ones counted, in this file and those before it. */
static uint64_t ordinal_of(struct ingest_reader *r, const struct pgn_reader *reader)
{
    struct pgn_stats s;
    pgn_reader_stats(reader, &s);
    return r->files_done + s.games + s.refused;
}

static void publish(struct ingest_reader *r, const struct ingest_read_stats *base,
                    const struct pgn_reader *reader)
{
    struct pgn_stats s;
    pgn_reader_stats(reader, &s);
    pthread_mutex_lock(&r->lock);
    r->stats = *base;
    r->stats.games += s.games;
    r->stats.refused += s.refused;
    r->stats.empty += s.empty;
    r->stats.bytes_in = ingest_source_bytes_in(r->options.source);
    pthread_mutex_unlock(&r->lock);
}

static err read_games(struct ingest_reader *r, struct pgn_reader *reader,
                      const struct ingest_read_stats *base)
{
    for (uint64_t n = 0;; n++) {
        const struct pgn_game *g;
        TRY(pgn_next(reader, &g));
        if (!g)
            return OK;
        if (n % 256 == 0)
            publish(r, base, reader);
        if (atomic_load_explicit(&r->stop, memory_order_relaxed))
            return ERR(ERR_CANCELLED, "reading was stopped");
        uint64_t ordinal = ordinal_of(r, reader);
        if (ordinal <= r->options.skip) {
            r->last = ordinal;
            continue;
        }
        if (!r->filling && !batch_get(r))
            return ERR(ERR_CANCELLED, "reading was stopped");
        TRY(batch_add(r->filling, g));
        r->last = ordinal;
        if (batch_is_full(r)) {
            batch_hand_over(r, ordinal);
            r->batch_games = r->batch_games < INGEST_BATCH_GAMES / 2 ? 2 * r->batch_games
                                                                     : INGEST_BATCH_GAMES;
        }
    }
}

static err read_file(struct ingest_reader *r, struct pgn_source *stream)
{
    struct pgn_reader *reader = NULL;
    struct pgn_options options = { .problem = note_problem, .arg = r };
    struct ingest_read_stats base = r->stats;
    base.files++;
    TRY(pgn_reader_open(stream, &options, &reader));
    err e = read_games(r, reader, &base);
    /* What was read before an error is good, and goes out. */
    if (r->filling && r->filling->count && e.code != ERR_CANCELLED)
        batch_hand_over(r, r->last);
    r->files_done = ordinal_of(r, reader);
    publish(r, &base, reader);
    pgn_reader_close(reader);
    return e;
}

static err read_all(struct ingest_reader *r)
{
    for (;;) {
        struct pgn_source *stream;
        TRY(ingest_source_next(r->options.source, &stream, &r->file));
        if (!stream)
            return OK;
        TRY(read_file(r, stream));
    }
}

static void *reader_main(void *arg)
{
    struct ingest_reader *r = arg;
    err e = read_all(r);
    pthread_mutex_lock(&r->lock);
    r->result = e;
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ------------------------------------------------------------------ the other side */

err ingest_reader_open(const struct ingest_reader_options *options,
                       struct ingest_reader **ret_reader)
{
    struct ingest_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "importing: out of memory");
    r->options = *options;
    r->batch_games = INGEST_BATCH_GAMES_FIRST;
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->changed);
    err e = OK;
    for (int i = 0; i < BATCHES; i++) {
        struct ingest_batch *b = &r->batches[i];
        buf_init(&b->packed, INGEST_BATCH_BYTES + GAME_BYTES_MAX);
        arena_init(&b->text, TEXT_BYTES_MAX);
        b->games = malloc(INGEST_BATCH_GAMES * sizeof *b->games);
        if (!b->games)
            e = ERR(ERR_NO_MEMORY, "importing: out of memory");
        r->free[r->free_count++] = b;
    }
    if (!e.code)
        e = thread_start(&r->thread, "ingest-read", reader_main, r);
    if (e.code) {
        ingest_reader_close(r);
        return e;
    }
    r->has_thread = true;
    *ret_reader = r;
    return OK;
}

err ingest_reader_take(struct ingest_reader *r, int64_t timeout_ms, struct ingest_batch **ret_batch,
                       bool *ret_end)
{
    struct timespec deadline = clock_deadline(timeout_ms);
    struct ingest_batch *batch = NULL;
    err result = OK;
    bool end = false;
    pthread_mutex_lock(&r->lock);
    while (r->full_count == 0 && !r->ended) {
        if (pthread_cond_timedwait(&r->changed, &r->lock, &deadline) != 0)
            break;
    }
    if (r->full_count) {
        batch = r->full[0];
        r->full_count--;
        memmove(r->full, r->full + 1, r->full_count * sizeof r->full[0]);
    } else if (r->ended) {
        end = true;
        result = r->result;
    }
    pthread_mutex_unlock(&r->lock);
    *ret_batch = batch;
    *ret_end = end;
    return result;
}

void ingest_reader_give_back(struct ingest_reader *r, struct ingest_batch *batch)
{
    pthread_mutex_lock(&r->lock);
    r->free[r->free_count++] = batch;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void ingest_reader_stats(struct ingest_reader *r, struct ingest_read_stats *ret_stats)
{
    pthread_mutex_lock(&r->lock);
    *ret_stats = r->stats;
    pthread_mutex_unlock(&r->lock);
}

void ingest_reader_close(struct ingest_reader *r)
{
    if (!r)
        return;
    if (r->has_thread) {
        pthread_mutex_lock(&r->lock);
        atomic_store(&r->stop, true);
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    for (int i = 0; i < BATCHES; i++) {
        free(r->batches[i].games);
        buf_deinit(&r->batches[i].packed);
        arena_deinit(&r->batches[i].text);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r);
}

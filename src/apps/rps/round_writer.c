/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/round_writer.h"

#include <pthread.h>
#include <stdlib.h>

#include "apps/rps/rps_app.h"

/* More than come in while a slow disk syncs; a note and an outcome each is the most they tell. */
enum { BATCH_MAX = SERVING_NOTES_MAX / 2 };

struct batch {
    struct rps_round_writer *writer;
    struct rps_round_write *first, **last;
    size_t count;
};

struct rps_round_writer {
    struct rps_state *s;
    pthread_mutex_t lock;
    struct batch *open; /* guarded by lock: handed to the store, and not begun; NULL: none */
};

/* ------------------------------------------------------------------ the rows */

static bool has_decided(const struct rps_new_round *row)
{
    /* A game is evidence about the version that alone decided it. */
    return row->after->winner != RPS_NOBODY_YET && row->version > 0;
}

static err tell_family(struct store_tx *tx, struct rps_state *s, enum rps_family family,
                       const struct rps_round_write *first)
{
    struct serving_notes notes;
    serving_notes_begin(s->served[family], &notes);
    for (const struct rps_round_write *r = first; r; r = r->next) {
        const struct rps_new_round *row = &r->row;
        if (row->live->policy->family != family)
            continue;
        if (row->choice->has_call)
            serving_notes_add(&notes, &row->choice->call, row->round->user);
        if (has_decided(row))
            serving_notes_add_outcome(&notes, (enum serving_slot)row->live->alias, row->version,
                                      row->after->winner == RPS_BOT_WINS);
    }
    return serving_notes_end(&notes, tx);
}

/* A list of rounds, and what they say about models. */
static err insert_all(struct store_tx *tx, struct rps_round_write *first)
{
    for (struct rps_round_write *r = first; r; r = r->next)
        TRY(rps_round_insert(tx, &r->row, &r->person_seq));
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++)
        TRY(tell_family(tx, first->s, family, first));
    return OK;
}

static err insert_one(struct store_tx *tx, void *arg)
{
    return insert_all(tx, arg);
}

static void one_done(void *arg, err result)
{
    struct rps_round_write *r = arg;
    r->done(r, result);
}

/* ------------------------------------------------------------------ batches */

static err insert_batch(struct store_tx *tx, void *arg)
{
    struct batch *b = arg;
    struct rps_round_writer *w = b->writer;
    pthread_mutex_lock(&w->lock);
    if (w->open == b)
        w->open = NULL; /* from here on the next one gathers */
    pthread_mutex_unlock(&w->lock);
    return insert_all(tx, b->first);
}

static void write_alone(struct rps_round_writer *w, struct rps_round_write *r)
{
    r->next = NULL;
    err e = store_write_later(house_store(w->s->house), insert_one, r, one_done);
    if (e.code)
        r->done(r, e);
}

static void batch_done(void *arg, err result)
{
    struct batch *b = arg;
    bool is_one = b->count == 1;
    struct rps_round_write *next = NULL;
    for (struct rps_round_write *r = b->first; r; r = next) {
        next = r->next; /* with `done` the round may be gone */
        if (result.code && !is_one)
            write_alone(b->writer, r);
        else
            r->done(r, result);
    }
    free(b);
}

/* Lock held. */
static struct batch *batch_new(struct rps_round_writer *w)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b) {
        b->writer = w;
        b->last = &b->first;
    }
    return b;
}

err rps_round_write_later(struct rps_round_writer *w, struct rps_round_write *r)
{
    r->next = NULL;
    pthread_mutex_lock(&w->lock);
    struct batch *b = w->open;
    bool is_new = !b || b->count == BATCH_MAX;
    if (is_new)
        b = batch_new(w);
    if (b) {
        *b->last = r;
        b->last = &r->next;
        b->count++;
        w->open = b;
    }
    pthread_mutex_unlock(&w->lock);
    if (!b)
        return ERR(ERR_NO_MEMORY, "no memory to write a round");
    if (!is_new)
        return OK;
    err e = store_write_later(house_store(w->s->house), insert_batch, b, batch_done);
    if (!e.code)
        return OK;
    /* Others may have joined it: they are told, and so is this one. */
    pthread_mutex_lock(&w->lock);
    if (w->open == b)
        w->open = NULL;
    pthread_mutex_unlock(&w->lock);
    batch_done(b, e);
    return OK;
}

err rps_round_write_now(struct rps_round_write *r)
{
    r->next = NULL;
    return store_write(house_store(r->s->house), insert_one, r);
}

/* ------------------------------------------------------------------ life */

err rps_round_writer_open(struct rps_state *s, struct rps_round_writer **ret_writer)
{
    struct rps_round_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "no memory for the writer of rounds");
    w->s = s;
    pthread_mutex_init(&w->lock, NULL);
    *ret_writer = w;
    return OK;
}

void rps_round_writer_close(struct rps_round_writer *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model_serve.h -- the models that answer: loaded once, shared by all threads, swapped atomically.
 *
 * A slot holds the model of one alias ("prod") or of one version that was asked for by number.
 * Swapping replaces the slot's pointer; who already has the old model keeps it until it lets go.
 */
#ifndef SKERRY_APPS_CHESS_MODEL_SERVE_H
#define SKERRY_APPS_CHESS_MODEL_SERVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/chess/net.h"
#include "platform/app/app.h"

enum {
    MODEL_SLOTS_MAX = 8, /* aliases and versions loaded at the same time; the least used one goes */
    MODEL_BYTES_MAX = 256 * 1024 * 1024,
};

struct served_model {
    atomic_int holders; /* the slot is one */
    struct chess_net *net;
    char name[128];
    char version[24];
    char id[UUID_BYTES];
    int64_t loaded_ms;
    struct metric_cell *requests, *seconds, *illegal, *errors;
};

struct model_slot {
    char alias[64]; /* "prod", or "name@version"; empty: free */
    struct served_model *model;
    uint64_t last_used;
};

/* Where the alias "prod" was when it was last looked at. A version can be loaded without moving the
 * alias (POST /v1/models/load): it stays until the alias moves. */
struct model_followed {
    char id[UUID_BYTES]; /* empty: it was nowhere */
    int64_t tenure;
    int64_t retry_ns; /* monotonic; 0: what it says was loaded */
};

struct model_serve {
    struct model_followed followed; /* of who follows */
    pthread_mutex_t lock;
    struct model_slot slots[MODEL_SLOTS_MAX]; /* guarded by lock */
    uint64_t uses;                            /* guarded by lock */
    _Atomic int64_t log_second;               /* predict lines written in this second */
    atomic_int log_lines;
};

void model_serve_init(struct model_serve *s);
void model_serve_deinit(struct model_serve *s);

/* Brings "prod" to what the alias says, when that changed: at start, and when somebody may have
 * moved it elsewhere. Of one thread at a time. Fails only when the registry cannot be read. */
MUST_USE err model_serve_follow(struct house *h);

/* Loads a version into a slot. The load happens outside the lock; the swap is one pointer. */
MUST_USE err model_load(struct house *h, const struct model_version_info *info, str alias);
MUST_USE err model_loaded(struct house *h, struct json_out *out);

/* The model to answer with: `name` empty means what serves as prod; else name and version (a
 * number, an alias, or empty for the newest), loaded now if it is not yet: so not from an event
 * thread. Release it with model_release. ERR_CONFLICT with what to do when nothing is promoted. */
MUST_USE err model_acquire(struct house *h, str name, str version, struct served_model **ret_model);
/* The same for prod alone: never loads, never blocks for long. */
MUST_USE err model_acquire_prod(struct house *h, struct served_model **ret_model);
void model_release(struct served_model *m); /* accepts NULL */

/* Of struct model_kind: rows with a column "fen" get "move", "win", "draw" and "loss". */
MUST_USE err model_score(struct house *h, const struct model_version_info *info,
                         const struct score_batch *in, arena *keep,
                         struct prediction *ret_prediction);

/* At most a few lines a second go to the log for things that can happen thousands of times a
 * second. */
bool model_log_allowed(struct model_serve *s);

struct model_serve *chess_model_serve(const struct house *h);

#endif

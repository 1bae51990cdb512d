/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scoring_internal.h -- what the files of this room share. Not for other rooms. */
#ifndef SKERRY_SCORING_INTERNAL_H
#define SKERRY_SCORING_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "platform/scoring/flavour.h"
#include "platform/scoring/scoring.h"

enum { FLAVOUR_COUNT = 2, MODEL_NAME_BYTES = 264 };

struct scored_model {
    _Atomic int holders; /* the cache is one */
    const struct flavour *flavour;
    void *model;
    arena keep; /* of mlmodel */
    struct mlmodel mlmodel;
    char id[UUID_BYTES];
    char name[MODEL_NAME_BYTES];
    int64_t version, bytes, loaded_ms;
    struct metric_cell *seconds, *rows;
};

/* A version in memory, or on its way there. */
struct scoring_slot {
    char id[UUID_BYTES];        /* empty: free */
    struct scored_model *model; /* NULL: being loaded */
    uint64_t last_used;
};

struct scoring {
    struct scoring_options options;
    arena keep;
    pthread_mutex_t lock; /* guards slots, bytes and uses */
    pthread_cond_t changed;
    struct scoring_slot slots[SCORING_MODELS_MAX];
    int64_t bytes;
    uint64_t uses;
    pthread_mutex_t library_lock; /* guards libraries; taken without the other one */
    void *libraries[FLAVOUR_COUNT];
};

enum scoring_metric {
    SCORING_M_SECONDS,
    SCORING_M_ROWS,
    SCORING_M_ERRORS,
    SCORING_M_LOADS,
    SCORING_M_LOAD_FAILURES,
    SCORING_M_MODELS,
    SCORING_M_BYTES,
};

/* scoring_files.c: reads a version's files and makes a model of them, with one holder. */
MUST_USE err scoring_load(struct scoring *s, const struct model_version_info *info,
                          struct scored_model **ret_model);
void scoring_model_free(struct scored_model *m); /* accepts NULL, and half-built ones */

#endif

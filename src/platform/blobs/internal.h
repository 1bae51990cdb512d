/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h -- what blobs.c, pins.c and collect.c share. Private to this room. */
#ifndef SKERRY_BLOBS_INTERNAL_H
#define SKERRY_BLOBS_INTERNAL_H

#include <pthread.h>

#include "base/map.h"
#include "platform/blobs/backend.h"

enum { BLOBS_VERIFIED_SLOTS = 1024 };

struct blobs {
    const struct blob_backend *backend;
    void *engine;

    pthread_mutex_t lock; /* never held across I/O */
    pthread_cond_t removed;
    struct map pins;             /* guarded by lock: hex -> struct pin */
    bool is_collecting;          /* guarded by lock */
    const struct blob_id *going; /* guarded by lock: what collection is removing at this moment */
    int64_t usage_kept_ms;
    struct blobs_usage usage; /* guarded by lock: as it was at usage_ns */
    int64_t usage_ns;         /* guarded by lock: 0: never asked */
    /* guarded by lock: the blobs mapped lately whose digest was right. One place each, by digest; a
     * newcomer replaces who was there, which costs that one a check more. */
    struct blob_id verified[BLOBS_VERIFIED_SLOTS];
};

/* ------------------------------------------------------------------ pins.c */

void blobs_pins_init(struct blobs *b);
void blobs_pins_deinit(struct blobs *b);

/* Keeps `id` from collection until blob_unpin; waits while collection is just removing it. */
MUST_USE err blobs_pin(struct blobs *b, const struct blob_id *id);

/* Collection: from begin to end, what is unpinned stays as if pinned, since the owners may have
 * been asked before the reference was written. ERR_BUSY when a collection runs. */
MUST_USE err blobs_collect_begin(struct blobs *b);
void blobs_collect_end(struct blobs *b);
bool blobs_removal_begin(struct blobs *b, const struct blob_id *id); /* false: pinned */
void blobs_removal_end(struct blobs *b);

bool blobs_is_verified(struct blobs *b, const struct blob_id *id);
void blobs_set_verified(struct blobs *b, const struct blob_id *id, bool verified);

#endif

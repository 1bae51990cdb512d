/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_store.h -- the storing half of an import: a batch becomes a pack and rows, all or nothing.
 *
 * First the games that are there already are told apart. The new ones go into one pack, which is
 * made durable in the blob store; then one transaction adds everything that refers to it: pack,
 * players, openings, games, the import's counts and the job's cursor. A process that dies before
 * the commit leaves an unreferenced pack, which is collected; one that dies after it goes on behind
 * the batch. So each game is stored exactly once however often an import is cut off.
 */
#ifndef SKERRY_APPS_CHESS_INGEST_STORE_H
#define SKERRY_APPS_CHESS_INGEST_STORE_H

#include "apps/chess/ingest_read.h"
#include "base/map.h"
#include "engine/chess/pack.h"
#include "platform/blobs/blobs.h"
#include "platform/jobs/jobs.h"
#include "platform/store/store.h"

/* What an import has done so far. */
struct ingest_counts {
    uint64_t ordinal; /* games of the source that are dealt with */
    int64_t games, duplicates, plies, packs;
    int64_t bytes_in;
};

struct ingest_store {
    struct store *store;
    struct blobs *blobs;
    struct job *job;
    int64_t ingest_id;
    struct ingest_counts counts;
    int64_t upserts;      /* players and openings looked up or added */
    int64_t source_bytes; /* remembered in the cursor, to notice a file that changed */

    struct pack_writer pack;
    uint8_t *known; /* of each game of the batch: 1 when it is a duplicate */
    int64_t *white_ids, *black_ids, *opening_ids;
    uint32_t *pack_index;
    struct map players, openings; /* ids by name; forgotten when they get many */
    arena names;
    bool names_pending; /* some of them stand in a transaction that is not committed */
};

/* Reads the job's cursor: counts start where an earlier try committed last. */
MUST_USE err ingest_store_init(struct ingest_store *s, struct store *store, struct blobs *blobs,
                               struct job *job, int64_t ingest_id);
void ingest_store_deinit(struct ingest_store *s); /* accepts all zero */

/* Adds what is new in the batch. Counts change only when all of it is on disk. */
MUST_USE err ingest_store_batch(struct ingest_store *s, const struct ingest_batch *batch);

/* GAME_FLAGS of chess_games.flags */
enum { GAME_HAS_CLOCKS = 1, GAME_HAS_EVALS = 2, GAME_HAS_FEN = 4, GAME_IS_960 = 8 };

#endif

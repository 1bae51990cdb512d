/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_read.h -- the reading half of an import: a thread that turns text into batches of packed
 * games.
 *
 * Reading (decompress, parse, check, pack) and storing (hash, sync, index) each take a core, so
 * they run side by side and hand over batches through a short queue. A batch is complete in itself:
 * what it holds stays valid until it is given back. Three batches go round; no file, however big,
 * takes more.
 */
#ifndef SKERRY_APPS_CHESS_INGEST_READ_H
#define SKERRY_APPS_CHESS_INGEST_READ_H

#include "apps/chess/game_record.h"
#include "apps/chess/ingest_report.h"
#include "apps/chess/ingest_source.h"
#include "base/arena.h"
#include "base/buf.h"

enum {
    INGEST_BATCH_GAMES = 8192,
    /* The first one is small and each next one twice as big: games are seen soon, and a process
     * that is killed again and again still gets ahead. */
    INGEST_BATCH_GAMES_FIRST = 512,
    INGEST_BATCH_BYTES = 2 * 1024 * 1024, /* packed; a batch may go over by one game */
};

struct ingest_game {
    struct game_record record; /* its texts live in the batch */
    uint32_t offset, bytes;    /* of the packed game in batch->packed */
};

struct ingest_batch {
    struct ingest_game *games;
    size_t count;
    struct buf packed;
    arena text;
    uint64_t
        ordinal; /* games read from the source up to the end of this batch, refused ones counted */
    uint64_t plies;
    int64_t bytes_in; /* of the source, at that point */
};

struct ingest_reader;

struct ingest_reader_options {
    struct ingest_source *source; /* borrowed until ingest_reader_close */
    struct ingest_report *report; /* filled by the thread; to be read after the end was seen */
    uint64_t skip;                /* games that an earlier try has stored */
};
MUST_USE err ingest_reader_open(const struct ingest_reader_options *options,
                                struct ingest_reader **ret_reader);

/* Waits up to timeout_ms for a batch; *ret_batch is NULL when none came. *ret_end is true when
 * there will be none any more: then the result is that of reading, OK or why it ended early. */
MUST_USE err ingest_reader_take(struct ingest_reader *r, int64_t timeout_ms,
                                struct ingest_batch **ret_batch, bool *ret_end);
void ingest_reader_give_back(struct ingest_reader *r, struct ingest_batch *batch);

struct ingest_read_stats {
    uint64_t games, refused, empty, files;
    int64_t bytes_in;
};
void ingest_reader_stats(struct ingest_reader *r,
                         struct ingest_read_stats *ret_stats); /* any time */

/* Stops the thread if it still runs. Accepts NULL. */
void ingest_reader_close(struct ingest_reader *r);

#endif

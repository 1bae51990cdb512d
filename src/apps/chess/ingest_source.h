/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_source.h -- what somebody handed us, as a row of PGN streams.
 *
 * A plain or compressed file is one stream; a zip is one for each file in it that can hold games.
 * Names inside a zip are shown, never used as paths. How much a zip may unpack to is limited twice:
 * by what its directory promises, before anything is read, and by what really comes out.
 */
#ifndef SKERRY_APPS_CHESS_INGEST_SOURCE_H
#define SKERRY_APPS_CHESS_INGEST_SOURCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/chess/pgn.h"

enum { INGEST_ZIP_ENTRIES_MAX = 1000, INGEST_NAME_BYTES = 200 };

struct ingest_source;

struct ingest_source_options {
    const char *path;           /* "-" is standard input */
    str name;                   /* as people know it, for reports */
    int64_t expanded_bytes_max; /* of a zip */
};
/* ERR_NOT_FOUND, ERR_INVALID for a folder or an empty file, ERR_TOO_BIG for a zip that promises too
 * much. */
MUST_USE err ingest_source_open(const struct ingest_source_options *options,
                                struct ingest_source **ret_source);

/* Closes the stream handed out before and opens the next one; *ret_stream is NULL at the end. The
 * name is valid until the next call. */
MUST_USE err ingest_source_next(struct ingest_source *s, struct pgn_source **ret_stream,
                                str *ret_name);

int64_t ingest_source_bytes_in(const struct ingest_source *s);    /* as stored, consumed so far */
int64_t ingest_source_bytes_total(const struct ingest_source *s); /* -1: a pipe */
int ingest_source_skipped(const struct ingest_source *s); /* files in a zip that hold no games */
void ingest_source_close(struct ingest_source *s);        /* accepts NULL */

#endif

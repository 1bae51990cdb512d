/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_write.h -- writes a blob from another thread, so that hashing and copying to the disk
 * take the second core while the first one replays games.
 *
 * The maker fills a chunk, hands it over and gets an empty one; four of them go round. An error of
 * the disk is told at the next call. One maker.
 */
#ifndef SKERRY_APPS_CHESS_DATASET_WRITE_H
#define SKERRY_APPS_CHESS_DATASET_WRITE_H

#include <stddef.h>

#include "base/err.h"
#include "platform/blobs/blobs.h"

enum { CHUNK_BYTES = 768 * 1024 };

struct chunk_writer;

MUST_USE err chunk_writer_open(struct blobs *blobs, struct chunk_writer **ret_writer);
/* An empty chunk of CHUNK_BYTES; the maker's until it is put. Waits while all are on their way. */
MUST_USE err chunk_writer_get(struct chunk_writer *w, unsigned char **ret_chunk);
/* Hands the chunk that was got last over, with `count` bytes to write. */
void chunk_writer_put(struct chunk_writer *w, size_t count);
/* Waits until all is written, then makes the blob durable. Frees the writer, also when it fails. */
MUST_USE err chunk_writer_commit(struct chunk_writer *w, struct blob_info *ret_info);
void chunk_writer_abort(struct chunk_writer *w); /* accepts NULL */

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest.h -- what a backup consists of, as a JSON document. Private to this room.
 *
 * Outside input: it may come from any disk. Whatever it says, digests of objects are checked where
 * they are read, and names of files are checked here.
 */
#ifndef SKERRY_MOVE_MANIFEST_H
#define SKERRY_MOVE_MANIFEST_H

#include "base/buf.h"
#include "platform/blobs/blobs.h"
#include "platform/move/copy.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_BYTES_MAX = 64 * 1024 * 1024,
    MANIFEST_NAME_BYTES = 128,
    MANIFEST_FILE_NAME_MAX = 200,
};

struct manifest_table {
    str name, columns; /* "a, b, c" */
    int64_t rows;
    struct table_digest digest;
    struct blob_info *parts; /* rows in order */
    size_t part_count;
};
struct manifest_file {
    str name; /* no "/", no leading "." */
    struct blob_info blob;
};
struct manifest {
    int64_t created_ms;
    str program, engine, installation;
    struct schema_step *steps;
    size_t step_count;
    struct manifest_table *tables; /* parents before children */
    size_t table_count;
    struct manifest_file *files;
    size_t file_count;
    struct blob_info *lists; /* objects that list the blobs: lines of "DIGEST BYTES" */
    size_t list_count;
    int64_t blob_count, blob_bytes;
};

bool manifest_file_name_ok(str name);

void manifest_write(const struct manifest *m, struct buf *out);
/* Slices live in `keep`. ERR_CORRUPT, ERR_UNSUPPORTED for a newer format. */
MUST_USE err manifest_parse(arena *keep, str text, struct manifest *ret_manifest);

/* "20261128T161418123Z-<digest of the text>.json" */
void manifest_name(int64_t created_ms, str text, char out[MANIFEST_NAME_BYTES]);
/* Reads one and compares it with its name. */
MUST_USE err manifest_load(struct blobs *objects, const char *name, arena *keep,
                           struct manifest *ret_manifest);

/* Lines of "DIGEST BYTES". ERR_CORRUPT. */
MUST_USE err blob_lines_parse(str text, struct blob_list *list);

#endif

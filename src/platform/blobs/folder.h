/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder.h -- the folder backend as a cache of another; and how it writes what is large. Private to
 * this room.
 *
 * Same layout and same functions as blob_backend_folder, but nothing is synced: what is lost can be
 * fetched again, and a copy that a power cut damaged is found by its digest. The time of an
 * object's file is when it was used last.
 */
#ifndef SKERRY_BLOBS_FOLDER_H
#define SKERRY_BLOBS_FOLDER_H

#include "platform/blobs/backend.h"

MUST_USE err folder_open_cache(const char *path, void **ret_engine);

const char *folder_root(const void *engine);

/* The file of a put that is neither committed nor aborted; readable. */
int folder_put_fd(const void *put);

MUST_USE err folder_map_fd(int fd, int64_t bytes, const struct blob_id *id,
                           struct blob_map *ret_map);

/* Makes an object the one that was used last. */
void folder_touch(void *engine, const struct blob_id *id);

/* Writing at the end of a file past the page cache, see folder_direct.c. The offset is a multiple
 * of 4096. One thread at a time; nobody else writes meanwhile. NULL where that is not possible:
 * write as usual. _end writes what is left and, like _abort, frees; what is written is not synced.
 */
struct direct;
struct direct *folder_direct_begin(int fd);
MUST_USE err folder_direct_write(struct direct *d, const void *bytes, size_t count);
MUST_USE err folder_direct_end(struct direct *d);
void folder_direct_abort(struct direct *d); /* accepts NULL */

/* ------------------------------------------------------------------ folder_text.c */

err folder_text_put(void *engine, const char *folder, const char *name, str text);
err folder_text_get(void *engine, const char *folder, const char *name, arena *keep,
                    size_t bytes_max, str *ret_text);
err folder_text_remove(void *engine, const char *folder, const char *name);
err folder_text_each(void *engine, const char *folder, err (*fn)(void *arg, const char *name),
                     void *arg);
err folder_put_aside(void *engine, const struct blob_id *id);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder.h -- the folder backend as a cache of another. Private to this room.
 *
 * Same layout and same functions as blob_backend_folder, but nothing is synced: what is lost can be
 * fetched again, and a copy that a power cut damaged is found by its digest. The time of an
 * object's file is when it was used last.
 */
#ifndef SKERRY_BLOBS_FOLDER_H
#define SKERRY_BLOBS_FOLDER_H

#include "platform/blobs/backend.h"

MUST_USE err folder_open_cache(const char *path, void **ret_engine);

/* The file of a put that is neither committed nor aborted; readable. */
int folder_put_fd(const void *put);

MUST_USE err folder_map_fd(int fd, int64_t bytes, const struct blob_id *id,
                           struct blob_map *ret_map);

/* Makes an object the one that was used last. */
void folder_touch(void *engine, const struct blob_id *id);

#endif

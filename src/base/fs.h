/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fs.h -- files: whole reads with a maximum, durable writes, folders, maps, locks.
 *
 * "Durable" means: written to a temporary name in the same folder, fsync, rename, fsync of the
 * folder. All paths are C strings. Errors name the path.
 */
#ifndef SKERRY_BASE_FS_H
#define SKERRY_BASE_FS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { FS_PATH_BYTES = 4096 };

/* Joins with "/" into out; ERR_TOO_BIG when it does not fit. */
MUST_USE err fs_join(char out[FS_PATH_BYTES], const char *folder, const char *name);
MUST_USE err fs_mkdirs(const char *path); /* like mkdir -p, mode 0750; existing is fine */
bool fs_exists(const char *path);
MUST_USE err fs_read(arena *keep, const char *path, size_t bytes_max, str *ret_bytes);
MUST_USE err fs_write_durable(const char *path, str bytes);
MUST_USE err fs_write_all(int fd, const void *bytes,
                          size_t count); /* handles short writes, EINTR */
MUST_USE err fs_sync_dir(const char *path);
MUST_USE err fs_size(const char *path, int64_t *ret_bytes);
MUST_USE err fs_free_bytes(const char *path, int64_t *ret_bytes);
MUST_USE err fs_remove_tree(const char *path); /* never follows links; a missing path is fine */
/* Calls fn for each entry that is not "." or ".."; stops at its first error. */
MUST_USE err fs_list(const char *folder, err (*fn)(void *arg, const char *name), void *arg);

struct fs_map {
    const unsigned char *bytes;
    size_t count;
};
MUST_USE err fs_map_open(const char *path, struct fs_map *ret_map); /* read only */
void fs_map_close(struct fs_map *map);

/* Takes an exclusive lock on `path` for the life of the returned fd, without waiting for a holder
 * who lives. ERR_CONFLICT carries the text that the holder wrote into the file ("pid 123, port
 * 8001"). `note` is written into it. The lock dies with the process, however that dies; but a child
 * that is just being spawned has it a moment longer: a holder who names a dead process is waited
 * for, up to five seconds. */
MUST_USE err fs_lock(const char *path, str note, int *ret_fd);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_text.c -- named texts of a folder of blobs: files in folders beside objects/. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/blobs/folder.h"

static err text_path(void *engine, const char *folder, const char *name,
                     char ret_path[FS_PATH_BYTES])
{
    char below[FS_PATH_BYTES];
    TRY(fs_join(below, folder_root(engine), folder));
    return fs_join(ret_path, below, name);
}

err folder_text_put(void *engine, const char *folder, const char *name, str text)
{
    char below[FS_PATH_BYTES], path[FS_PATH_BYTES];
    TRY(fs_join(below, folder_root(engine), folder));
    TRY(fs_mkdirs(below));
    TRY(text_path(engine, folder, name, path));
    return fs_write_durable(path, text);
}

err folder_text_get(void *engine, const char *folder, const char *name, arena *keep,
                    size_t bytes_max, str *ret_text)
{
    char path[FS_PATH_BYTES];
    TRY(text_path(engine, folder, name, path));
    return fs_read(keep, path, bytes_max, ret_text);
}

err folder_text_remove(void *engine, const char *folder, const char *name)
{
    char below[FS_PATH_BYTES], path[FS_PATH_BYTES];
    TRY(fs_join(below, folder_root(engine), folder));
    TRY(text_path(engine, folder, name, path));
    if (unlink(path) != 0 && errno != ENOENT)
        return ERR_SYS("removing '%.200s'", path);
    return fs_sync_dir(below);
}

err folder_text_each(void *engine, const char *folder, err (*fn)(void *arg, const char *name),
                     void *arg)
{
    char below[FS_PATH_BYTES];
    TRY(fs_join(below, folder_root(engine), folder));
    return fs_exists(below) ? fs_list(below, fn, arg) : OK;
}

err folder_put_aside(void *engine, const struct blob_id *id)
{
    char below[FS_PATH_BYTES], from[FS_PATH_BYTES], to[FS_PATH_BYTES], name[SHA256_HEX_BYTES + 16];
    TRY(fs_join(below, folder_root(engine), "damaged"));
    TRY(fs_mkdirs(below));
    TRY(fs_join(to, below, id->hex));
    snprintf(name, sizeof name, "objects/%.2s/%s", id->hex, id->hex + 2);
    TRY(fs_join(from, folder_root(engine), name));
    return rename(from, to) == 0 || errno == ENOENT ? OK : ERR_SYS("moving '%.200s' aside", from);
}

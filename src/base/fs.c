/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"

err fs_join(char out[FS_PATH_BYTES], const char *folder, const char *name)
{
    int len = snprintf(out, FS_PATH_BYTES, "%s/%s", folder, name);
    if (len < 0 || len >= FS_PATH_BYTES)
        return ERR(ERR_TOO_BIG, "path '%.80s.../%.80s' is longer than %d bytes", folder, name,
                   FS_PATH_BYTES);
    return OK;
}

err fs_mkdirs(const char *path)
{
    char part[FS_PATH_BYTES];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return ERR(ERR_INVALID, "folder path of %zu bytes: use 1 to %d", len, FS_PATH_BYTES - 1);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char saved = part[i];
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return ERR_SYS("creating folder '%s'", part);
        part[i] = saved;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return ERR_SYS("creating folder '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return ERR(ERR_CONFLICT, "'%s' exists and is not a folder: remove it or choose another",
                   path);
    return OK;
}

bool fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static err read_fd(int fd, const char *path, char *out, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t got = read(fd, out + done, count - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_SYS("reading '%s'", path);
        if (got == 0)
            return ERR(ERR_IO, "reading '%s': it became shorter while being read", path);
        done += (size_t)got;
    }
    return OK;
}

err fs_read(arena *keep, const char *path, size_t bytes_max, str *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening '%s'", path);
    err e = OK;
    char *bytes = NULL;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        e = ERR_SYS("reading '%s'", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        e = ERR(ERR_INVALID, "'%s' is not a regular file", path);
        goto done;
    }
    if ((uint64_t)st.st_size > bytes_max) {
        e = ERR(ERR_TOO_BIG, "'%s' has %lld bytes, at most %zu are read", path,
                (long long)st.st_size, bytes_max);
        goto done;
    }
    bytes = arena_alloc(keep, (size_t)st.st_size + 1, 1, 1);
    if (!bytes) {
        e = arena_check(keep);
        goto done;
    }
    e = read_fd(fd, path, bytes, (size_t)st.st_size);
    if (!e.code)
        *ret_bytes = (str){ bytes, (size_t)st.st_size };
done:
    close(fd);
    return e;
}

err fs_write_all(int fd, const void *bytes, size_t count)
{
    const char *p = bytes;
    while (count) {
        ssize_t put = write(fd, p, count);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ERR_SYS("writing %zu bytes", count);
        p += put;
        count -= (size_t)put;
    }
    return OK;
}

/* The folder part of a path, "." when there is none. */
static void folder_of(const char *path, char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, FS_PATH_BYTES, ".");
    else if (slash == out)
        out[1] = '\0';
    else
        *slash = '\0';
}

err fs_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening folder '%s'", path);
    err e = OK;
    if (fsync(fd) != 0)
        e = ERR_SYS("syncing folder '%s'", path);
    close(fd);
    return e;
}

err fs_write_durable(const char *path, str bytes)
{
    char temporary[FS_PATH_BYTES], folder[FS_PATH_BYTES], id[HEX_ID_BYTES];
    rand_hex_id(id);
    int len = snprintf(temporary, sizeof temporary, "%s.%s.tmp", path, id);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return ERR(ERR_TOO_BIG, "path '%.100s...' is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return ERR_SYS("creating '%s'", temporary);
    err e = fs_write_all(fd, bytes.ptr, bytes.len);
    if (!e.code && fsync(fd) != 0)
        e = ERR_SYS("syncing '%s'", temporary);
    if (close(fd) != 0 && !e.code)
        e = ERR_SYS("closing '%s'", temporary);
    if (!e.code && rename(temporary, path) != 0)
        e = ERR_SYS("renaming to '%s'", path);
    if (e.code) {
        unlink(temporary);
        return err_wrap(e, "writing '%s'", path);
    }
    folder_of(path, folder);
    return fs_sync_dir(folder);
}

err fs_size(const char *path, int64_t *ret_bytes)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return ERR_SYS("looking at '%s'", path);
    *ret_bytes = st.st_size;
    return OK;
}

err fs_free_bytes(const char *path, int64_t *ret_bytes)
{
    struct statvfs vfs;
    if (statvfs(path, &vfs) != 0)
        return ERR_SYS("asking for the free space of '%s'", path);
    *ret_bytes = (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
    return OK;
}

/* Depth is bounded by the descriptors that stay open on the way down. */
enum { TREE_DEPTH_MAX = 64 };

static err remove_children(int folder_fd, const char *path, int depth);

static err remove_entry(int folder_fd, const char *path, const char *name, int depth)
{
    if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
        return OK;
    if (errno != EISDIR && errno != EPERM)
        return ERR_SYS("removing '%s' in '%s'", name, path);
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening folder '%s' in '%s'", name, path);
    err e = remove_children(fd, path, depth + 1);
    if (!e.code && unlinkat(folder_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        e = ERR_SYS("removing folder '%s' in '%s'", name, path);
    return e;
}

/* Takes ownership of folder_fd. */
static err remove_children(int folder_fd, const char *path, int depth)
{
    DIR *dir = depth < TREE_DEPTH_MAX ? fdopendir(folder_fd) : NULL;
    if (!dir) {
        err e = depth < TREE_DEPTH_MAX
                    ? ERR_SYS("reading folder '%s'", path)
                    : ERR(ERR_TOO_BIG, "'%s' is nested deeper than %d", path, TREE_DEPTH_MAX);
        close(folder_fd);
        return e;
    }
    err e = OK;
    struct dirent *entry;
    while (!e.code && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = remove_entry(dirfd(dir), path, entry->d_name, depth);
    closedir(dir);
    return e;
}

err fs_remove_tree(const char *path)
{
    return remove_entry(AT_FDCWD, path, path, 0);
}

err fs_list(const char *folder, err (*fn)(void *arg, const char *name), void *arg)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return ERR_SYS("reading folder '%s'", folder);
    err e = OK;
    struct dirent *entry;
    while (!e.code && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = fn(arg, entry->d_name);
    closedir(dir);
    return e;
}

err fs_map_open(const char *path, struct fs_map *ret_map)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening '%s'", path);
    err e = OK;
    struct stat st;
    struct fs_map map = { 0 };
    if (fstat(fd, &st) != 0) {
        e = ERR_SYS("looking at '%s'", path);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            e = ERR_SYS("mapping '%s' (%lld bytes)", path, (long long)st.st_size);
        else
            map = (struct fs_map){ p, (size_t)st.st_size };
    }
    close(fd);
    if (!e.code)
        *ret_map = map;
    return e;
}

void fs_map_close(struct fs_map *map)
{
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->count);
    *map = (struct fs_map){ 0 };
}

/* ------------------------------------------------------------------ locks */

/* Who spawns a child shares its lock with it until the child has become another program, and may
 * die meanwhile: a busy machine was seen to take its time over that. */
enum { LOCK_WAIT_MS = 5000, LOCK_LOOK_MS = 10 };

struct lock_note {
    char text[160];
};

/* False: the note names a process that is no more. */
static bool holder_may_live(int fd, struct lock_note *ret_note)
{
    int pid;
    ssize_t got = pread(fd, ret_note->text, sizeof ret_note->text - 1, 0);
    ret_note->text[got > 0 ? got : 0] = '\0';
    return sscanf(ret_note->text, "pid %d", &pid) != 1 || pid <= 0 || kill(pid, 0) == 0 ||
           errno != ESRCH;
}

static err lock_wait(int fd, const char *path)
{
    struct lock_note note;
    int64_t end_ns = clock_mono_ns() + (int64_t)LOCK_WAIT_MS * 1000000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (holder_may_live(fd, &note) || clock_mono_ns() > end_ns)
            return ERR(ERR_CONFLICT, "'%s' is held by another process (%s)", path,
                       note.text[0] ? note.text : "which left no note");
        clock_sleep_ms(LOCK_LOOK_MS);
    }
    return OK;
}

err fs_lock(const char *path, str note, int *ret_fd)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return ERR_SYS("opening the lock file '%s'", path);
    err e = lock_wait(fd, path);
    if (!e.code &&
        (ftruncate(fd, 0) != 0 || pwrite(fd, note.ptr, note.len, 0) != (ssize_t)note.len))
        e = ERR_SYS("writing the lock file '%s'", path);
    if (e.code)
        close(fd);
    else
        *ret_fd = fd;
    return e;
}

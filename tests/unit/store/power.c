/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fsync and fdatasync defined here take the place of libc's for the whole program, SQLite's shared
 * library included. Each calls the kernel, then remembers what that made safe. */
#include "power.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES_MAX = 1024, NAMES_MAX = 4096, PATH_BYTES = 512 };

/* Numbers of files are used again after a removal; with the time of birth they are not. */
struct file_id {
    uint64_t inode;
    int64_t born_s;
    uint32_t born_ns;
};

/* The content of a file at its last sync. */
struct content {
    struct file_id id;
    char *bytes;
    size_t count;
};

/* A name in a folder at the folder's last sync. */
struct name {
    char path[PATH_BYTES]; /* below root */
    struct file_id id;
    bool is_folder;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static char watched[PATH_BYTES];
static struct content contents[FILES_MAX];
static size_t content_count;
static struct name *names;
static size_t name_count, sync_count;
static bool is_failing;

/* Under lock. The path below root; NULL when it lies elsewhere. */
static const char *below_root(const char *path)
{
    size_t len = strlen(watched);
    if (!len || strncmp(path, watched, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len;
}

static struct file_id id_of(int folder, const char *name, int flags, bool *ret_is_folder,
                            size_t *ret_bytes)
{
    struct statx st;
    int rc = statx(folder, name, flags, STATX_BASIC_STATS | STATX_BTIME, &st);
    assert(rc == 0);
    *ret_is_folder = S_ISDIR(st.stx_mode);
    *ret_bytes = st.stx_size;
    return (struct file_id){ st.stx_ino, st.stx_btime.tv_sec, st.stx_btime.tv_nsec };
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
    return a->inode == b->inode && a->born_s == b->born_s && a->born_ns == b->born_ns;
}

/* Under lock. */
static void remember_content(int fd, const struct file_id *id, size_t bytes)
{
    size_t at = 0;
    while (at < content_count && !same_file(&contents[at].id, id))
        at++;
    assert(at < FILES_MAX);
    if (at == content_count)
        content_count++;
    struct content *c = &contents[at];
    free(c->bytes);
    *c = (struct content){ .id = *id, .count = bytes };
    c->bytes = malloc(c->count + 1);
    assert(c->bytes);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC); /* fd may be write-only */
    assert(again >= 0);
    size_t done = 0;
    while (done < c->count) {
        ssize_t got = pread(again, c->bytes + done, c->count - done, (off_t)done);
        assert(got > 0);
        done += (size_t)got;
    }
    close(again);
}

/* Under lock. Forgets what the folder was known to hold, and lists it anew. */
static void remember_names(const char *path, const char *below)
{
    size_t len = strlen(below), kept = 0;
    for (size_t i = 0; i < name_count; i++) {
        const char *p = names[i].path;
        bool here = strncmp(p, below, len) == 0 && p[len] == '/' && !strchr(p + len + 1, '/');
        if (!here)
            names[kept++] = names[i];
    }
    name_count = kept;
    DIR *folder = opendir(path);
    assert(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert(name_count < NAMES_MAX);
        struct name *n = &names[name_count++];
        size_t ignored;
        n->id = id_of(dirfd(folder), entry->d_name, AT_SYMLINK_NOFOLLOW, &n->is_folder, &ignored);
        int bytes = snprintf(n->path, sizeof n->path, "%s/%s", below, entry->d_name);
        assert(bytes > 0 && (size_t)bytes < sizeof n->path);
    }
    closedir(folder);
}

/* Under lock. Where the file or folder lies below root, with its path in `path`; NULL: elsewhere.
 */
static const char *find_below(int fd, char path[PATH_BYTES])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_BYTES - 1);
    if (len < 0)
        return NULL;
    path[len] = '\0';
    return below_root(path);
}

static int sync_and_remember(long call, int fd)
{
    char path[PATH_BYTES];
    pthread_mutex_lock(&lock);
    const char *below = find_below(fd, path);
    int rc = -1;
    if (below && is_failing)
        errno = EIO;
    else
        rc = (int)syscall(call, fd);
    if (below && rc == 0) {
        bool is_folder;
        size_t bytes;
        struct file_id id = id_of(fd, "", AT_EMPTY_PATH, &is_folder, &bytes);
        sync_count++;
        if (is_folder)
            remember_names(path, below);
        else
            remember_content(fd, &id, bytes);
    }
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

int fsync(int fd)
{
    return sync_and_remember(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_and_remember(SYS_fdatasync, fd);
}

/* ------------------------------------------------------------------ the test's side */

void power_watch(const char *root)
{
    pthread_mutex_lock(&lock);
    assert(!watched[0] && strlen(root) < sizeof watched);
    snprintf(watched, sizeof watched, "%s", root);
    names = calloc(NAMES_MAX, sizeof *names);
    assert(names);
    pthread_mutex_unlock(&lock);
}

void power_forget(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < content_count; i++)
        free(contents[i].bytes);
    free(names);
    memset(contents, 0, sizeof contents);
    watched[0] = '\0';
    content_count = name_count = sync_count = 0;
    is_failing = false;
    names = NULL;
    pthread_mutex_unlock(&lock);
}

void power_fail_syncs(bool fail)
{
    pthread_mutex_lock(&lock);
    is_failing = fail;
    pthread_mutex_unlock(&lock);
}

size_t power_sync_count(void)
{
    pthread_mutex_lock(&lock);
    size_t count = sync_count;
    pthread_mutex_unlock(&lock);
    return count;
}

/* Under lock. A file that was never synced has its name and no content. */
static void write_file(const char *path, const struct file_id *id)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert(fd >= 0);
    for (size_t i = 0; i < content_count; i++) {
        const struct content *c = &contents[i];
        if (same_file(&c->id, id) && c->count) {
            ssize_t put = write(fd, c->bytes, c->count);
            assert(put == (ssize_t)c->count);
        }
    }
    close(fd);
}

/* Under lock. A folder counts only when its own name does. */
static void write_folder(const char *folder, const char *below)
{
    char path[2 * PATH_BYTES];
    int made = mkdir(folder, 0700);
    assert(made == 0);
    size_t len = strlen(below);
    for (size_t i = 0; i < name_count; i++) {
        const struct name *n = &names[i];
        if (strncmp(n->path, below, len) != 0 || n->path[len] != '/' ||
            strchr(n->path + len + 1, '/'))
            continue;
        snprintf(path, sizeof path, "%s%s", folder, n->path + len);
        if (n->is_folder)
            write_folder(path, n->path);
        else
            write_file(path, &n->id);
    }
}

void power_image(const char *folder)
{
    pthread_mutex_lock(&lock);
    write_folder(folder, "");
    pthread_mutex_unlock(&lock);
}

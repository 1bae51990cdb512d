/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects in a folder:
 *
 *     objects/ab/cdef...   an object under its digest, the first two digits as a folder
 *     tmp/...              objects being written
 *
 * The steps of a put are the whole safety: write under a temporary name, fsync the file, rename it,
 * fsync the folder. A crash before the rename leaves a file in tmp/ that sweep removes; after it,
 * the object is there whole. The 256 folders are made, and synced, when the place is opened: made
 * later, each would need its own fsync of objects/ before the first put in it may return.
 *
 * An object that is there already is replaced by its twin: no second copy, and a damaged one is
 * healed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/rand.h"
#include "platform/blobs/folder.h"
#include "platform/blobs/internal.h"

enum {
    PUTS_MAX = 1024,
    FAN_OUT = 256,
    HEX_DIGITS = SHA256_HEX_BYTES - 1,
    /* From here on an object is written past the page cache: smaller ones are likely to be read
     * soon, and cost little. */
    DIRECT_FROM = 16 * 1024 * 1024,
};

struct folder {
    char root[FS_PATH_BYTES];
    bool is_cache; /* copies of what is kept elsewhere: nothing is synced */
    pthread_mutex_t lock;
    struct list puts; /* guarded by lock */
    size_t put_count; /* guarded by lock */
};

struct folder_put {
    struct folder *folder;
    struct list_link link;
    int fd;
    char name[HEX_ID_BYTES]; /* in tmp/ */
    int64_t bytes;           /* so far */
    struct direct *direct;   /* NULL: writes go through the page cache */
};

struct folder_get {
    int fd;
    struct blob_id id;
};

/* ------------------------------------------------------------------ paths */

/* The longest name below root is objects/ab/ and 62 digits. */
enum { BELOW_ROOT_BYTES = 80 };

static void object_folder(const struct folder *f, const char *hex, char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%.*s/objects/%.2s", FS_PATH_BYTES - BELOW_ROOT_BYTES, f->root,
             hex);
}

static void object_path(const struct folder *f, const struct blob_id *id, char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%.*s/objects/%.2s/%s", FS_PATH_BYTES - BELOW_ROOT_BYTES, f->root,
             id->hex, id->hex + 2);
}

static void temporary_path(const struct folder *f, const char *name, char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%.*s/tmp/%s", FS_PATH_BYTES - BELOW_ROOT_BYTES, f->root, name);
}

static int64_t age_ms_of(const struct stat *st)
{
    int64_t changed_ms = st->st_mtim.tv_sec * INT64_C(1000) + st->st_mtim.tv_nsec / 1000000;
    return clock_wall_ms() - changed_ms;
}

/* Like ERR_SYS, with the words a caller of blobs can use. */
static err object_error(const char *doing, const struct blob_id *id)
{
    if (errno == ENOENT)
        return ERR(ERR_NOT_FOUND, "%s blob %s: it is not in the store of blobs", doing, id->hex);
    return ERR_SYS("%s blob %s", doing, id->hex);
}

/* ------------------------------------------------------------------ open, close */

static void folder_close(void *engine)
{
    struct folder *f = engine;
    if (!f)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static err make_folders(const struct folder *f)
{
    char path[FS_PATH_BYTES];
    temporary_path(f, "", path);
    TRY(fs_mkdirs(path));
    object_folder(f, "", path);
    TRY(fs_mkdirs(path));
    if (f->is_cache)
        return OK; /* made when needed: there is nothing to sync */
    for (unsigned i = 0; i < FAN_OUT; i++) {
        char hex[3];
        uint8_t byte = (uint8_t)i;
        hex_encode(&byte, 1, hex);
        object_folder(f, hex, path);
        if (mkdir(path, 0750) != 0 && errno != EEXIST)
            return ERR_SYS("creating folder '%s'", path);
    }
    object_folder(f, "", path);
    TRY(fs_sync_dir(path));
    return fs_sync_dir(f->root);
}

static err open_at(const char *location, bool is_cache, void **ret_engine)
{
    size_t len = strlen(location);
    while (len > 1 && location[len - 1] == '/')
        len--;
    if (len == 0 || len >= FS_PATH_BYTES - BELOW_ROOT_BYTES)
        return ERR(ERR_INVALID, "opening blobs: 'file:' wants the path of a folder, got '%.80s'",
                   location);
    struct folder *f = calloc(1, sizeof *f);
    if (!f)
        return ERR(ERR_NO_MEMORY, "opening blobs '%s': out of memory", location);
    memcpy(f->root, location, len);
    f->is_cache = is_cache;
    pthread_mutex_init(&f->lock, NULL);
    list_init(&f->puts);
    err e = make_folders(f);
    if (e.code) {
        folder_close(f);
        return e;
    }
    *ret_engine = f;
    return OK;
}

static err folder_open(const struct blobs_options *options, const char *location, void **ret_engine)
{
    return open_at(location, false, ret_engine);
}

const char *folder_root(const void *engine)
{
    return ((const struct folder *)engine)->root;
}

err folder_open_cache(const char *path, void **ret_engine)
{
    return open_at(path, true, ret_engine);
}

/* ------------------------------------------------------------------ put */

/* Closes the file and forgets the put; the temporary name is the caller's matter. */
static void put_free(struct folder_put *p)
{
    struct folder *f = p->folder;
    folder_direct_abort(p->direct);
    pthread_mutex_lock(&f->lock);
    list_remove(&p->link);
    f->put_count--;
    pthread_mutex_unlock(&f->lock);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

static void folder_put_abort(void *put)
{
    struct folder_put *p = put;
    char path[FS_PATH_BYTES];
    temporary_path(p->folder, p->name, path);
    if (p->fd >= 0)
        unlink(path);
    put_free(p);
}

static err folder_put_begin(void *engine, void **ret_put)
{
    struct folder *f = engine;
    struct folder_put *p = calloc(1, sizeof *p);
    if (!p)
        return ERR(ERR_NO_MEMORY, "writing a blob: out of memory");
    p->folder = f;
    p->fd = -1;
    rand_hex_id(p->name);
    pthread_mutex_lock(&f->lock);
    bool full = f->put_count >= PUTS_MAX;
    if (!full) {
        list_push(&f->puts, &p->link);
        f->put_count++;
    }
    pthread_mutex_unlock(&f->lock);
    if (full) {
        free(p);
        return ERR(ERR_BUSY, "writing a blob: %d others are being written (try again)", PUTS_MAX);
    }
    char path[FS_PATH_BYTES];
    temporary_path(f, p->name, path);
    p->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0440);
    if (p->fd < 0) {
        err e = ERR_SYS("writing a blob: creating '%s'", path);
        put_free(p);
        return e;
    }
    *ret_put = p;
    return OK;
}

static err folder_put_write(void *put, const void *bytes, size_t count)
{
    struct folder_put *p = put;
    size_t near = 0; /* bytes of this piece before DIRECT_FROM */
    if (p->bytes < DIRECT_FROM)
        near = (size_t)(DIRECT_FROM - p->bytes) < count ? (size_t)(DIRECT_FROM - p->bytes) : count;
    if (p->folder->is_cache)
        near = count;
    err e = near ? fs_write_all(p->fd, bytes, near) : OK;
    p->bytes += (int64_t)near;
    if (!e.code && near < count) {
        if (p->bytes == DIRECT_FROM && !p->direct)
            p->direct = folder_direct_begin(p->fd);
        const unsigned char *far = (const unsigned char *)bytes + near;
        e = p->direct ? folder_direct_write(p->direct, far, count - near)
                      : fs_write_all(p->fd, far, count - near);
        p->bytes += (int64_t)(count - near);
    }
    return err_wrap(e, "writing a blob below '%.120s'", p->folder->root);
}

static err folder_put_commit(void *put, const struct blob_id *id)
{
    struct folder_put *p = put;
    char from[FS_PATH_BYTES], to[FS_PATH_BYTES], folder[FS_PATH_BYTES];
    temporary_path(p->folder, p->name, from);
    object_path(p->folder, id, to);
    object_folder(p->folder, id->hex, folder);
    struct direct *direct = p->direct;
    p->direct = NULL;
    err e = direct ? folder_direct_end(direct) : OK;
    if (e.code) {
        folder_put_abort(p);
        return err_wrap(e, "writing blob %s", id->hex);
    }
    if (p->folder->is_cache && mkdir(folder, 0750) != 0 && errno != EEXIST)
        e = ERR_SYS("creating folder '%s'", folder);
    else if (!p->folder->is_cache && fsync(p->fd) != 0)
        e = ERR_SYS("syncing blob %s", id->hex);
    else if (rename(from, to) != 0)
        e = ERR_SYS("naming blob %s", id->hex);
    if (e.code) {
        folder_put_abort(p);
        return e;
    }
    bool is_cache = p->folder->is_cache;
    put_free(p);
    return is_cache ? OK : fs_sync_dir(folder);
}

int folder_put_fd(const void *put)
{
    return ((const struct folder_put *)put)->fd;
}

/* ------------------------------------------------------------------ get */

static err object_open(struct folder *f, const struct blob_id *id, int *ret_fd, int64_t *ret_bytes)
{
    char path[FS_PATH_BYTES];
    object_path(f, id, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return object_error("opening", id);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        err e = object_error("opening", id);
        close(fd);
        return e;
    }
    *ret_fd = fd;
    *ret_bytes = st.st_size;
    return OK;
}

static err folder_get_open(void *engine, const struct blob_id *id, int64_t offset, void **ret_get,
                           int64_t *ret_bytes_total)
{
    int fd = -1;
    int64_t bytes = 0;
    TRY(object_open(engine, id, &fd, &bytes));
    err e = OK;
    struct folder_get *g = NULL;
    if (offset < 0 || offset > bytes)
        e = ERR(ERR_INVALID, "reading blob %s from byte %lld: it has %lld", id->hex,
                (long long)offset, (long long)bytes);
    else if (lseek(fd, offset, SEEK_SET) < 0)
        e = object_error("reading", id);
    else if (!(g = calloc(1, sizeof *g)))
        e = ERR(ERR_NO_MEMORY, "reading blob %s: out of memory", id->hex);
    if (e.code) {
        close(fd);
        return e;
    }
    g->fd = fd;
    g->id = *id;
    *ret_get = g;
    *ret_bytes_total = bytes;
    return OK;
}

static err folder_get_read(void *get, void *out, size_t count, size_t *ret_count)
{
    struct folder_get *g = get;
    ssize_t got;
    do
        got = read(g->fd, out, count);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return object_error("reading", &g->id);
    *ret_count = (size_t)got;
    return OK;
}

static void folder_get_close(void *get)
{
    struct folder_get *g = get;
    close(g->fd);
    free(g);
}

err folder_map_fd(int fd, int64_t bytes, const struct blob_id *id, struct blob_map *ret_map)
{
    void *at = bytes ? mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    if (at == MAP_FAILED)
        return object_error("mapping", id);
    *ret_map = (struct blob_map){ at ? at : (const unsigned char *)"", (size_t)bytes };
    return OK;
}

static err folder_map(void *engine, const struct blob_id *id, struct blob_map *ret_map)
{
    int fd = -1;
    int64_t bytes = 0;
    TRY(object_open(engine, id, &fd, &bytes));
    err e = folder_map_fd(fd, bytes, id, ret_map);
    close(fd);
    return e;
}

static err folder_stat(void *engine, const struct blob_id *id, int64_t *ret_bytes)
{
    char path[FS_PATH_BYTES];
    object_path(engine, id, path);
    struct stat st;
    if (lstat(path, &st) != 0)
        return object_error("looking for", id);
    *ret_bytes = st.st_size;
    return OK;
}

/* ------------------------------------------------------------------ all objects */

static err folder_remove(void *engine, const struct blob_id *id, int64_t min_age_ms,
                         bool *ret_is_gone)
{
    char path[FS_PATH_BYTES];
    struct stat st;
    object_path(engine, id, path);
    bool is_young = min_age_ms > 0 && lstat(path, &st) == 0 && age_ms_of(&st) < min_age_ms;
    if (!is_young && unlink(path) != 0 && errno != ENOENT)
        return object_error("removing", id);
    *ret_is_gone = !is_young;
    return OK;
}

void folder_touch(void *engine, const struct blob_id *id)
{
    char path[FS_PATH_BYTES];
    object_path(engine, id, path);
    /* Best effort: an object that looks older than it is leaves the cache earlier. */
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) != 0)
        return;
}

struct walk {
    struct folder *folder;
    char first[3]; /* the two digits of the folder being listed */
    err (*fn)(void *arg, const struct blob_object *object);
    void *arg;
    int64_t min_age_ms, count, bytes; /* of a sweep */
};

static err walk_object(void *arg, const char *name)
{
    struct walk *w = arg;
    struct blob_object object = { 0 };
    char text[SHA256_HEX_BYTES], path[FS_PATH_BYTES];
    if (strlen(name) != HEX_DIGITS - 2)
        return OK; /* not ours: leave it alone */
    snprintf(text, sizeof text, "%.2s%.62s", w->first, name);
    if (blob_id_parse(str_of(text), &object.id).code)
        return OK;
    object_path(w->folder, &object.id, path);
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? OK : object_error("looking for", &object.id);
    if (!S_ISREG(st.st_mode))
        return OK;
    object.bytes = st.st_size;
    object.age_ms = age_ms_of(&st);
    return w->fn(w->arg, &object);
}

static err folder_each(void *engine, err (*fn)(void *arg, const struct blob_object *object),
                       void *arg)
{
    struct walk w = { .folder = engine, .fn = fn, .arg = arg };
    char path[FS_PATH_BYTES];
    for (unsigned i = 0; i < FAN_OUT; i++) {
        uint8_t byte = (uint8_t)i;
        hex_encode(&byte, 1, w.first);
        object_folder(w.folder, w.first, path);
        if (!w.folder->is_cache || fs_exists(path))
            TRY(fs_list(path, walk_object, &w));
    }
    return OK;
}

static bool is_being_written(struct folder *f, const char *name)
{
    bool found = false;
    pthread_mutex_lock(&f->lock);
    for (struct list_link *l = f->puts.head.next; l != &f->puts.head && !found; l = l->next)
        found = strcmp(LIST_ENTRY(l, struct folder_put, link)->name, name) == 0;
    pthread_mutex_unlock(&f->lock);
    return found;
}

static err sweep_one(void *arg, const char *name)
{
    struct walk *w = arg;
    char path[FS_PATH_BYTES];
    struct stat st;
    if (strlen(name) != HEX_ID_BYTES - 1 || is_being_written(w->folder, name))
        return OK;
    temporary_path(w->folder, name, path);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || age_ms_of(&st) < w->min_age_ms)
        return OK;
    if (unlink(path) != 0)
        return errno == ENOENT ? OK : ERR_SYS("removing '%s'", path);
    w->count++;
    w->bytes += st.st_size;
    return OK;
}

static err folder_sweep(void *engine, int64_t min_age_ms, int64_t *ret_count, int64_t *ret_bytes)
{
    struct walk w = { .folder = engine, .min_age_ms = min_age_ms };
    char path[FS_PATH_BYTES];
    temporary_path(w.folder, "", path);
    TRY(fs_list(path, sweep_one, &w));
    *ret_count = w.count;
    *ret_bytes = w.bytes;
    return OK;
}

const struct blob_backend blob_backend_folder = {
    .scheme = "file",
    .open = folder_open,
    .close = folder_close,
    .put_begin = folder_put_begin,
    .put_write = folder_put_write,
    .put_commit = folder_put_commit,
    .put_abort = folder_put_abort,
    .get_open = folder_get_open,
    .get_read = folder_get_read,
    .get_close = folder_get_close,
    .map = folder_map,
    .stat = folder_stat,
    .remove = folder_remove,
    .each = folder_each,
    .sweep = folder_sweep,
    .text_put = folder_text_put,
    .text_get = folder_text_get,
    .text_remove = folder_text_remove,
    .text_each = folder_text_each,
    .put_aside = folder_put_aside,
};

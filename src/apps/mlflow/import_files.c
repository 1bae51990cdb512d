/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_files.c -- artifacts of another MLflow that lie in folders of this machine, into blobs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/mlflow/import.h"

enum { COPY_BYTES = 256 * 1024 };

struct walk {
    struct import_work *w;
    const struct import_owner *owner;
    char path[IMPORT_PATH_BYTES_MAX + 1]; /* below the owner's root */
    size_t root_len;                      /* of owner->below and its slash, in path */
    char *buffer;
};

/* ------------------------------------------------------------------ one file */

static err copy_bytes(struct walk *k, int fd, struct blob_writer *to)
{
    for (;;) {
        ssize_t n = read(fd, k->buffer, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYS("reading artifact %s", k->path);
        if (n == 0)
            return OK;
        TRY(blob_write(to, k->buffer, (size_t)n));
        TRY(run_check(k->w->run));
    }
}

static err copy_file(struct walk *k, int fd, int64_t changed_ms)
{
    struct blob_writer *to;
    struct blob_info blob;
    TRY(blob_writer_open(run_blobs(k->w->run), &to));
    err e = copy_bytes(k, fd, to);
    if (e.code) {
        blob_writer_abort(to);
        return e;
    }
    TRY(blob_writer_commit(to, &blob));
    e = import_file(k->w->im, k->owner->run_id, k->owner->experiment, str_of(k->path), &blob,
                    changed_ms);
    return e;
}

static err take_file(struct walk *k, int folder, const char *name)
{
    struct stat st;
    bool known = false;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        import_pass_over(k->w, str_of(k->path), "it cannot be read, or is no file");
        if (fd >= 0)
            close(fd);
        return OK;
    }
    int64_t changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    err e = import_file_known(k->w->im, k->owner->run_id, k->owner->experiment, str_of(k->path),
                              st.st_size, changed_ms, &known);
    if (!e.code && !known)
        e = copy_file(k, fd, changed_ms);
    close(fd);
    return e;
}

/* ------------------------------------------------------------------ folders */

static err walk_folder(struct walk *k, int fd, int depth);

static err walk_entry(struct walk *k, int folder, const struct dirent *entry, int depth)
{
    struct stat st;
    size_t len = strlen(k->path), name_len = strlen(entry->d_name);
    str name = str_of(entry->d_name);
    bool is_text = str_utf8_valid_len(name) == name.len;
    if (len + name_len + 2 > sizeof k->path || !is_text) {
        import_pass_over(k->w, name, "its path is too long, or no UTF-8");
        return OK;
    }
    memcpy(k->path + len, entry->d_name, name_len + 1);
    err e = OK;
    if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        import_pass_over(k->w, str_of(k->path), "it is neither a file nor a folder");
    } else if (S_ISREG(st.st_mode)) {
        e = take_file(k, folder, entry->d_name);
    } else if (depth == IMPORT_DEPTH_MAX) {
        import_pass_over(k->w, str_of(k->path), "its folder is too deep");
    } else {
        int fd = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        memcpy(k->path + len + name_len, "/", 2);
        if (fd < 0)
            import_pass_over(k->w, str_of(k->path), "the folder cannot be read");
        else
            e = walk_folder(k, fd, depth + 1);
    }
    k->path[len] = '\0';
    return e;
}

/* Takes fd over. */
static err walk_folder(struct walk *k, int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    err e = OK;
    if (!dir) {
        close(fd);
        return ERR_SYS("reading folder %s", k->path);
    }
    while (!e.code && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = walk_entry(k, fd, entry, depth);
    closedir(dir);
    return e;
}

err import_files(struct import_work *w, const struct import_owner *owner, const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return OK;
    if (fd < 0) {
        import_pass_over(w, str_of(folder), "the folder cannot be read");
        return OK;
    }
    struct walk k = { .w = w, .owner = owner, .buffer = malloc(COPY_BYTES) };
    if (!k.buffer) {
        close(fd);
        return ERR(ERR_NO_MEMORY, "copying artifacts: out of memory");
    }
    if (owner->below.len)
        snprintf(k.path, sizeof k.path, "%.*s/", STR_ARG(str_sub(owner->below, 0, 300)));
    err e = walk_folder(&k, fd, 0);
    free(k.buffer);
    return e;
}

/* ------------------------------------------------------------------ what a URI names */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A path, with %xx decoded; empty when it does not fit or holds "..". */
static void decode(str text, char out[FS_PATH_BYTES])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
        if (c == '%' && high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (n + 1 >= FS_PATH_BYTES || c == '\0')
            return;
        out[n++] = c;
        out[n] = '\0';
    }
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = folder ? strlen(folder) : 0;
    while (n > 1 && folder[n - 1] == '/')
        n--;
    return n && strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 1);
}

/* The folder that a URI names; false: it is elsewhere. */
static bool folder_of(const struct import_work *w, str uri, char out[FS_PATH_BYTES])
{
    static const str proxied = STR_INIT("mlflow-artifacts:");
    char path[FS_PATH_BYTES], joined[2 * FS_PATH_BYTES];
    if (str_starts(uri, proxied)) {
        str rest = str_sub(uri, proxied.len, uri.len);
        if (str_starts(rest, STR("//"))) { /* with a host */
            rest = str_sub(rest, 2, rest.len);
            str_split(&rest, '/');
        }
        decode(rest, path);
        snprintf(joined, sizeof joined, "%s/%s", w->artifacts ? w->artifacts : "", path);
        if (!w->artifacts)
            return false;
    } else if (str_starts(uri, STR("file:"))) {
        str rest = str_sub(uri, 5, uri.len);
        if (str_starts(rest, STR("//")))
            rest = str_sub(rest, 2, rest.len);
        decode(rest, path);
        snprintf(joined, sizeof joined, "%s", path);
    } else if (str_find_char(uri, ':') >= 0) {
        return false;
    } else {
        bool is_absolute = str_starts(uri, STR("/"));
        snprintf(joined, sizeof joined, "%s%s%.*s", is_absolute ? "" : w->home,
                 is_absolute ? "" : "/", STR_ARG(str_sub(uri, 0, FS_PATH_BYTES - 1)));
    }
    /* Where it really is, so that neither ".." nor a link leads out. */
    if (!realpath(joined, out)) {
        snprintf(out, FS_PATH_BYTES, "%.*s", FS_PATH_BYTES - 1, joined);
        return errno == ENOENT;
    }
    return is_below(out, w->home) || is_below(out, w->artifacts);
}

err import_uri(struct import_work *w, const struct import_owner *owner, str uri)
{
    char folder[FS_PATH_BYTES];
    if (!uri.len)
        return OK;
    if (!folder_of(w, uri, folder)) {
        import_elsewhere(w->im, uri);
        return OK;
    }
    return fs_exists(folder) ? import_files(w, owner, folder) : OK;
}

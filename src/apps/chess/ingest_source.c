/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_source.c -- plain files go straight to the PGN reader, zip files through libarchive. */
#include "apps/chess/ingest_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/chess/zip_load.h"

enum {
    ZIP_BLOCK_BYTES = 64 * 1024,
    /* Games pack about 7:1 and the same game a thousand times over about 200:1. What promises more
     * is not games. Small files may, so that a tiny test zip of one repeated game still passes. */
    ZIP_RATIO_MAX = 400,
    ZIP_RATIO_FREE_BYTES = 64 * 1024 * 1024,
};

struct ingest_source {
    char *path;
    char name[INGEST_NAME_BYTES];
    char entry_name[2 * INGEST_NAME_BYTES];
    int fd;
    bool is_zip, is_done;
    int64_t bytes_total, bytes_before; /* of the file; consumed by streams closed since */
    struct pgn_source *stream;

    struct zip_functions lib; /* when is_zip */
    struct archive *zip;
    int entries, skipped;
    int64_t expanded, expanded_max;
    _Atomic int64_t
        zip_bytes_in; /* fetch runs on the source's thread, progress is asked by another */
};

/* ------------------------------------------------------------------ names */

/* Shown in reports and logs: bounded, no control characters, valid UTF-8. */
static void name_clean(char *out, size_t out_bytes, str name)
{
    size_t len = name.len < out_bytes - 1 ? name.len : out_bytes - 1;
    len = str_utf8_valid_len(str_sub(name, 0, len));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        out[i] = c < 32 || c == 127 ? '?' : (char)c;
    }
    out[len] = '\0';
}

/* Could this file of a zip hold games? Folders and the shadow files of some systems cannot. */
static bool name_may_hold_games(str name)
{
    static const char *const ends[] = { ".pgn", ".txt", ".zst", ".gz" };
    str file = name;
    for (ptrdiff_t slash; (slash = str_find_char(file, '/')) >= 0;)
        file = str_sub(file, (size_t)slash + 1, file.len);
    if (str_starts(name, STR("__MACOSX/")) || str_starts(file, STR("._")))
        return false;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t n = strlen(ends[i]);
        if (file.len > n && str_eq_nocase(str_sub(file, file.len - n, n), str_of(ends[i])))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ zip */

static err zip_open(const struct ingest_source *s, struct archive **ret_zip)
{
    struct archive *zip = s->lib.read_new();
    if (!zip)
        return ERR(ERR_NO_MEMORY, "opening '%s': out of memory", s->name);
    if (s->lib.read_support_format_zip(zip) != ARCHIVE_OK ||
        s->lib.read_open_filename(zip, s->path, ZIP_BLOCK_BYTES) != ARCHIVE_OK) {
        err e = ERR(ERR_INVALID, "'%s' cannot be opened as a zip: %s", s->name,
                    s->lib.error_string(zip));
        s->lib.read_free(zip);
        return e;
    }
    *ret_zip = zip;
    return OK;
}

static err zip_too_big(const struct ingest_source *s, int64_t expanded)
{
    return ERR(
        ERR_TOO_BIG,
        "'%s' has %lld bytes and unpacks to %lld or more: refused (at most %d times its size "
        "and %lld bytes); unpack it yourself and upload the .pgn",
        s->name, (long long)s->bytes_total, (long long)expanded, ZIP_RATIO_MAX,
        (long long)s->expanded_max);
}

static bool zip_is_bomb(const struct ingest_source *s, int64_t expanded)
{
    if (expanded > s->expanded_max)
        return true;
    return expanded > ZIP_RATIO_FREE_BYTES && expanded / ZIP_RATIO_MAX > s->bytes_total;
}

/* Adds up what the directory promises. */
static err zip_check(const struct ingest_source *s)
{
    struct archive *zip = NULL;
    TRY(zip_open(s, &zip));
    err e = OK;
    int64_t expanded = 0;
    int entries = 0;
    for (struct archive_entry *entry; !e.code;) {
        int rc = s->lib.read_next_header(zip, &entry);
        if (rc == ARCHIVE_EOF)
            break;
        if (rc < ARCHIVE_WARN) {
            e = ERR(ERR_INVALID, "'%s' is not a whole zip: %s", s->name, s->lib.error_string(zip));
            break;
        }
        if (s->lib.entry_is_encrypted(entry))
            e = ERR(ERR_INVALID, "'%s' is encrypted: upload it without a password", s->name);
        if (++entries > INGEST_ZIP_ENTRIES_MAX)
            e = ERR(ERR_TOO_BIG, "'%s' holds more than %d files", s->name, INGEST_ZIP_ENTRIES_MAX);
        int64_t size = s->lib.entry_size_is_set(entry) ? s->lib.entry_size(entry) : 0;
        if (size < 0 || __builtin_add_overflow(expanded, size, &expanded))
            expanded = INT64_MAX;
        if (!e.code && zip_is_bomb(s, expanded))
            e = zip_too_big(s, expanded);
    }
    s->lib.read_free(zip);
    return e;
}

/* The PGN source asks here for the bytes of the entry that is open. */
static err zip_fetch(void *arg, char *out, size_t bytes_max, size_t *ret_count)
{
    struct ingest_source *s = arg;
    la_ssize_t got = s->lib.read_data(s->zip, out, bytes_max);
    if (got < 0)
        return ERR(ERR_CORRUPT, "'%s': %s", s->entry_name, s->lib.error_string(s->zip));
    s->expanded += got;
    s->zip_bytes_in = s->lib.filter_bytes(s->zip, -1);
    if (zip_is_bomb(s, s->expanded))
        return zip_too_big(s, s->expanded);
    *ret_count = (size_t)got;
    return OK;
}

static err zip_next(struct ingest_source *s, struct pgn_source **ret_stream, str *ret_name)
{
    for (struct archive_entry *entry;;) {
        int rc = s->lib.read_next_header(s->zip, &entry);
        if (rc == ARCHIVE_EOF) {
            s->is_done = true;
            *ret_stream = NULL;
            return OK;
        }
        if (rc < ARCHIVE_WARN || ++s->entries > INGEST_ZIP_ENTRIES_MAX)
            return ERR(ERR_CORRUPT, "'%s': %s", s->name, s->lib.error_string(s->zip));
        const char *raw = s->lib.entry_pathname(entry);
        char name[INGEST_NAME_BYTES];
        name_clean(name, sizeof name, str_of(raw ? raw : "?"));
        if (s->lib.entry_filetype(entry) != AE_IFREG)
            continue;
        if (!name_may_hold_games(str_of(name))) {
            s->skipped++;
            continue;
        }
        snprintf(s->entry_name, sizeof s->entry_name, "%s/%s", s->name, name);
        TRY(pgn_source_open_fn(zip_fetch, s, s->entry_name, &s->stream));
        *ret_stream = s->stream;
        *ret_name = str_of(s->entry_name);
        return OK;
    }
}

/* ------------------------------------------------------------------ all kinds */

/* Looks at the file itself: what it is called says nothing. */
static err look(struct ingest_source *s)
{
    if (strcmp(s->path, "-") == 0) {
        s->fd = dup(STDIN_FILENO);
        return s->fd < 0 ? ERR_SYS("reading standard input") : OK;
    }
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return ERR_SYS("opening '%s'", s->name);
    struct stat st;
    char magic[4] = { 0 };
    if (fstat(s->fd, &st) != 0)
        return ERR_SYS("reading '%s'", s->name);
    if (S_ISDIR(st.st_mode))
        return ERR(ERR_INVALID, "'%s' is a folder: name the files in it", s->name);
    if (!S_ISREG(st.st_mode))
        return OK;
    s->bytes_total = st.st_size;
    if (st.st_size == 0)
        return ERR(ERR_INVALID, "'%s' is empty: there is nothing to import", s->name);
    if (pread(s->fd, magic, sizeof magic, 0) < 0)
        return ERR_SYS("reading '%s'", s->name);
    s->is_zip = memcmp(magic, "PK\3\4", 4) == 0 || memcmp(magic, "PK\5\6", 4) == 0;
    return OK;
}

err ingest_source_open(const struct ingest_source_options *options,
                       struct ingest_source **ret_source)
{
    struct ingest_source *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "importing: out of memory");
    name_clean(s->name, sizeof s->name, options->name);
    s->fd = -1;
    s->bytes_total = -1;
    s->expanded_max = options->expanded_bytes_max;
    s->path = strdup(options->path);
    err e = s->path ? look(s) : ERR(ERR_NO_MEMORY, "importing: out of memory");
    if (!e.code && s->is_zip)
        e = zip_load(&s->lib);
    if (!e.code && s->is_zip)
        e = zip_check(s);
    if (!e.code && s->is_zip)
        e = zip_open(s, &s->zip);
    if (e.code) {
        ingest_source_close(s);
        return e;
    }
    *ret_source = s;
    return OK;
}

static void stream_close(struct ingest_source *s)
{
    if (s->stream && !s->is_zip)
        s->bytes_before += pgn_source_bytes_in(s->stream);
    pgn_source_close(s->stream);
    s->stream = NULL;
}

err ingest_source_next(struct ingest_source *s, struct pgn_source **ret_stream, str *ret_name)
{
    stream_close(s);
    if (s->is_done) {
        *ret_stream = NULL;
        return OK;
    }
    if (s->is_zip)
        return zip_next(s, ret_stream, ret_name);
    s->is_done = true;
    TRY(pgn_source_open_fd(s->fd, s->name, &s->stream)); /* errors show the name people know */
    *ret_stream = s->stream;
    *ret_name = str_of(s->name);
    return OK;
}

int64_t ingest_source_bytes_in(const struct ingest_source *s)
{
    if (s->is_zip)
        return s->zip_bytes_in;
    return s->bytes_before + (s->stream ? pgn_source_bytes_in(s->stream) : 0);
}

int64_t ingest_source_bytes_total(const struct ingest_source *s)
{
    return s->bytes_total;
}

int ingest_source_skipped(const struct ingest_source *s)
{
    return s->skipped;
}

void ingest_source_close(struct ingest_source *s)
{
    if (!s)
        return;
    stream_close(s);
    if (s->zip)
        s->lib.read_free(s->zip);
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    free(s);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_source.c -- where PGN bytes come from.
 *
 * Plain text is read straight into the reader's window. Compressed text is unpacked by a thread of
 * its own into a ring of four blocks, so that unpacking and parsing overlap and neither can run
 * ahead of the other by more than the ring. The thread never blocks without watching a second
 * descriptor, which closing the source makes readable: a pipe that stays silent for ever cannot
 * hold up close.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/thread.h"
#include "engine/chess/pgn_internal.h"

enum {
    SOURCE_NAME_BYTES = 128,
    BLOCK_BYTES = 256 * 1024, /* half of a small L2 cache */
    BLOCK_COUNT = 4,
    INPUT_BYTES = 128 * 1024,
    /* 128 MiB, what the zstd program allows without being asked; larger windows are refused. */
    WINDOW_LOG_MAX = 27,
};

enum source_format { FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD };

struct block {
    size_t count;
    char bytes[BLOCK_BYTES];
};

struct pgn_source {
    char name[SOURCE_NAME_BYTES];
    int fd; /* -1: bytes only */
    bool owns_fd;
    str memory; /* what is left of the given bytes */
    err (*fetch)(void *arg, char *out, size_t bytes_max, size_t *ret_count);
    void *fetch_arg;
    _Atomic int64_t bytes_in;
    int64_t bytes_total;
    enum source_format format;

    /* Raw bytes read ahead: the sniffed head for plain text, the codec's input otherwise. */
    unsigned char *input;
    size_t input_next, input_count;

    /* The ring; used by compressed sources only. */
    pthread_t thread;
    bool has_thread;
    int wake_fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct block *blocks;
    size_t written, taken; /* blocks, ever; guarded by lock */
    bool finished;         /* guarded by lock */
    bool stopping;         /* guarded by lock */
    err failure;           /* guarded by lock; meaningful once finished */
    size_t block_offset;   /* consumer only */
};

/* ------------------------------------------------------------------ raw bytes */

/* Waits until fd can be read or the source is being closed. */
static err raw_wait(struct pgn_source *s)
{
    struct pollfd fds[2] = {
        { .fd = s->fd, .events = POLLIN },
        { .fd = s->wake_fd, .events = POLLIN },
    };
    while (poll(fds, 2, -1) < 0) {
        if (errno != EINTR)
            return ERR_SYS("waiting for '%s'", s->name);
    }
    if (fds[1].revents)
        return ERR(ERR_CANCELLED, "reading '%s' was stopped", s->name);
    return OK;
}

static err raw_read(struct pgn_source *s, char *out, size_t bytes_max, size_t *ret_count)
{
    size_t count = 0;
    if (s->fetch) {
        TRY(s->fetch(s->fetch_arg, out, bytes_max, &count));
    } else if (s->fd < 0) {
        count = s->memory.len < bytes_max ? s->memory.len : bytes_max;
        if (count) {
            memcpy(out, s->memory.ptr, count);
            s->memory = str_from(s->memory.ptr + count, s->memory.len - count);
        }
    } else {
        if (s->has_thread)
            TRY(raw_wait(s));
        ssize_t got;
        do
            got = read(s->fd, out, bytes_max);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return ERR_SYS("reading '%s'", s->name);
        count = (size_t)got;
    }
    atomic_fetch_add_explicit(&s->bytes_in, (int64_t)count, memory_order_relaxed);
    *ret_count = count;
    return OK;
}

/* Fills the input buffer when it is empty; it stays empty at the end. */
static err input_fill(struct pgn_source *s)
{
    if (s->input_next < s->input_count)
        return OK;
    s->input_next = s->input_count = 0;
    return raw_read(s, (char *)s->input, INPUT_BYTES, &s->input_count);
}

/* ------------------------------------------------------------------ ring */

/* A block to write into, or NULL when the source is being closed. */
static struct block *ring_claim(struct pgn_source *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->written - s->taken == BLOCK_COUNT && !s->stopping)
        pthread_cond_wait(&s->changed, &s->lock);
    struct block *b = s->stopping ? NULL : &s->blocks[s->written % BLOCK_COUNT];
    pthread_mutex_unlock(&s->lock);
    return b;
}

static void ring_publish(struct pgn_source *s, struct block *b, size_t count)
{
    b->count = count;
    pthread_mutex_lock(&s->lock);
    s->written++;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void ring_finish(struct pgn_source *s, err failure)
{
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    s->failure = failure;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static err ring_read(struct pgn_source *s, char *out, size_t bytes_max, size_t *ret_count)
{
    pthread_mutex_lock(&s->lock);
    while (s->written == s->taken && !s->finished)
        pthread_cond_wait(&s->changed, &s->lock);
    bool has_block = s->written != s->taken;
    err failure = has_block ? OK : s->failure;
    struct block *b = &s->blocks[s->taken % BLOCK_COUNT];
    pthread_mutex_unlock(&s->lock);
    if (!has_block) {
        if (failure.code)
            return failure;
        *ret_count = 0;
        return OK;
    }
    /* A published block belongs to this side until it is given back. */
    size_t left = b->count - s->block_offset;
    size_t count = left < bytes_max ? left : bytes_max;
    memcpy(out, b->bytes + s->block_offset, count);
    s->block_offset += count;
    if (s->block_offset == b->count) {
        s->block_offset = 0;
        pthread_mutex_lock(&s->lock);
        s->taken++;
        pthread_cond_signal(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    *ret_count = count;
    return OK;
}

/* ------------------------------------------------------------------ codecs */

/* One codec, working in steps: input to output, as far as both go. */
struct codec {
    struct pgn_source *source;
    ZSTD_DStream *zstd;
    z_stream gzip;
    bool inside; /* a frame or member has begun and is not complete */
    bool ended;  /* the last member is complete and only padding follows */
};

static err step_zstd(struct codec *c, char *out, size_t bytes_max, size_t *ret_count)
{
    struct pgn_source *s = c->source;
    ZSTD_inBuffer in = { s->input, s->input_count, s->input_next };
    ZSTD_outBuffer to = { out, bytes_max, 0 };
    /* Starts the next frame by itself, and skips skippable ones. */
    size_t left = ZSTD_decompressStream(c->zstd, &to, &in);
    s->input_next = in.pos;
    *ret_count = to.pos;
    if (ZSTD_isError(left))
        return ERR(ERR_CORRUPT, "unpacking '%s' (zstd): %s", s->name, ZSTD_getErrorName(left));
    c->inside = left != 0;
    return OK;
}

static err step_gzip(struct codec *c, char *out, size_t bytes_max, size_t *ret_count)
{
    struct pgn_source *s = c->source;
    z_stream *z = &c->gzip;
    *ret_count = 0;
    if (!c->inside) {
        /* Tape blocks and some downloads end in zeros: they are padding, not a member. */
        while (s->input_next < s->input_count && c->ended && s->input[s->input_next] == 0)
            s->input_next++;
        if (s->input_next == s->input_count)
            return OK;
        inflateReset(z);
        c->inside = true;
    }
    z->next_in = s->input + s->input_next;
    z->avail_in = (uInt)(s->input_count - s->input_next);
    z->next_out = (Bytef *)out;
    z->avail_out = (uInt)bytes_max;
    int status = inflate(z, Z_NO_FLUSH);
    s->input_next = s->input_count - z->avail_in;
    *ret_count = bytes_max - z->avail_out;
    if (status == Z_STREAM_END) {
        c->inside = false;
        c->ended = true;
        return OK;
    }
    if (status == Z_OK || status == Z_BUF_ERROR)
        return OK;
    return ERR(status == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_CORRUPT, "unpacking '%s' (gzip): %s",
               s->name, z->msg ? z->msg : "bad data");
}

/* Fills one block, or less of it at the end; 0 when nothing is left. */
static err codec_fill(struct codec *c, struct block *b, size_t *ret_count)
{
    struct pgn_source *s = c->source;
    size_t filled = 0;
    while (filled < BLOCK_BYTES) {
        TRY(input_fill(s));
        bool dry = s->input_next == s->input_count;
        /* With a dry input a codec may still hold output back. */
        size_t count = 0, input_before = s->input_next;
        if (!dry || c->inside) {
            err e = s->format == FORMAT_ZSTD
                        ? step_zstd(c, b->bytes + filled, BLOCK_BYTES - filled, &count)
                        : step_gzip(c, b->bytes + filled, BLOCK_BYTES - filled, &count);
            if (e.code) {
                *ret_count = filled + count; /* what came out before the damage is good */
                return e;
            }
        }
        filled += count;
        if (dry && count == 0) {
            *ret_count = filled;
            if (c->inside)
                return ERR(ERR_CORRUPT,
                           "unpacking '%s': the file ends in the middle of its compressed "
                           "data; it was not copied completely, fetch it again",
                           s->name);
            return OK;
        }
        if (!dry && count == 0 && s->input_next == input_before && filled < BLOCK_BYTES) {
            *ret_count = filled;
            return ERR(ERR_CORRUPT, "unpacking '%s': the compressed data makes no progress",
                       s->name);
        }
        /* A slow pipe: hand over what there is instead of waiting for a full block. */
        if (filled && s->bytes_total < 0 && s->input_next == s->input_count)
            break;
    }
    *ret_count = filled;
    return OK;
}

static void *unpack_thread(void *arg)
{
    struct pgn_source *s = arg;
    struct codec c = { .source = s };
    err e = OK;
    if (s->format == FORMAT_ZSTD) {
        c.zstd = ZSTD_createDStream();
        if (!c.zstd)
            e = ERR(ERR_NO_MEMORY, "unpacking '%s' (zstd): out of memory", s->name);
        else
            ZSTD_DCtx_setParameter(c.zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    } else if (inflateInit2(&c.gzip, 15 + 16) != Z_OK) {
        e = ERR(ERR_NO_MEMORY, "unpacking '%s' (gzip): out of memory", s->name);
    }
    while (!e.code) {
        struct block *b = ring_claim(s);
        size_t count = 0;
        if (!b)
            break;
        e = codec_fill(&c, b, &count);
        if (count)
            ring_publish(s, b, count);
        else
            break;
    }
    ring_finish(s, e);
    if (c.zstd)
        ZSTD_freeDStream(c.zstd);
    if (s->format == FORMAT_GZIP)
        inflateEnd(&c.gzip);
    return NULL;
}

/* ------------------------------------------------------------------ opening */

static err source_sniff(struct pgn_source *s)
{
    while (s->input_count < 8) {
        size_t count = 0;
        TRY(raw_read(s, (char *)s->input + s->input_count, INPUT_BYTES - s->input_count, &count));
        if (count == 0)
            break;
        s->input_count += count;
    }
    const unsigned char *h = s->input;
    size_t n = s->input_count;
    static const struct {
        const char *bytes;
        size_t len;
        const char *name, *advice;
    } others[] = {
        { "PK\3\4", 4, "a zip archive", "unpack it first" },
        { "BZh", 3, "bzip2 data", "pipe it through bzcat" },
        { "\3757zXZ", 5, "xz data", "pipe it through xzcat" },
        { "7z\274\257", 4, "a 7z archive", "unpack it first" },
        { "SQLite format 3", 8, "an SQLite database", "export PGN from it" },
        { "Scid.si", 7, "a Scid database", "export PGN from it" },
    };
    if (n >= 2 && h[0] == 0x1f && h[1] == 0x8b) {
        s->format = FORMAT_GZIP;
        return OK;
    }
    if (n >= 4 && h[0] == 0x28 && h[1] == 0xb5 && h[2] == 0x2f && h[3] == 0xfd) {
        s->format = FORMAT_ZSTD;
        return OK;
    }
    if (n >= 4 && (h[0] & 0xf0) == 0x50 && h[1] == 0x2a && h[2] == 0x4d && h[3] == 0x18) {
        s->format = FORMAT_ZSTD; /* a skippable frame comes first */
        return OK;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (n >= others[i].len && memcmp(h, others[i].bytes, others[i].len) == 0)
            return ERR(ERR_UNSUPPORTED, "reading '%s': it is %s, not PGN text (%s)", s->name,
                       others[i].name, others[i].advice);
    }
    return OK;
}

static err source_start_thread(struct pgn_source *s)
{
    s->blocks = malloc(BLOCK_COUNT * sizeof *s->blocks);
    if (!s->blocks)
        return ERR(ERR_NO_MEMORY, "opening '%s': out of memory", s->name);
    s->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (s->wake_fd < 0)
        return ERR_SYS("opening '%s'", s->name);
    s->has_thread = true; /* before it runs: the thread reads this */
    err e = thread_start(&s->thread, "pgn-unpack", unpack_thread, s);
    if (e.code)
        s->has_thread = false;
    return e;
}

static err source_new(const char *name, struct pgn_source **ret_source)
{
    struct pgn_source *s = calloc(1, sizeof *s);
    if (!s || !(s->input = malloc(INPUT_BYTES))) {
        free(s);
        return ERR(ERR_NO_MEMORY, "opening '%s': out of memory", name);
    }
    for (size_t i = 0; name[i] && i + 1 < sizeof s->name; i++)
        s->name[i] = name[i];
    s->fd = s->wake_fd = -1;
    s->bytes_total = -1;
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->changed);
    *ret_source = s;
    return OK;
}

/* Takes s: closes it when it cannot be used. */
static err source_finish_open(struct pgn_source *s, struct pgn_source **ret_source)
{
    struct stat st;
    if (s->fd >= 0 && fstat(s->fd, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            err e = ERR(ERR_INVALID, "reading '%s': it is a folder, name a file in it", s->name);
            pgn_source_close(s);
            return e;
        }
        if (S_ISREG(st.st_mode)) {
            off_t at = lseek(s->fd, 0, SEEK_CUR);
            s->bytes_total = at >= 0 && at <= st.st_size ? st.st_size - at : st.st_size;
            (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        }
    }
    err e = source_sniff(s);
    if (!e.code && s->format != FORMAT_PLAIN)
        e = source_start_thread(s);
    if (e.code) {
        pgn_source_close(s);
        return e;
    }
    *ret_source = s;
    return OK;
}

err pgn_source_open(const char *path, struct pgn_source **ret_source)
{
    struct pgn_source *s;
    bool is_stdin = strcmp(path, "-") == 0;
    TRY(source_new(is_stdin ? "standard input" : path, &s));
    s->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    s->owns_fd = !is_stdin;
    if (s->fd < 0) {
        err e = ERR_SYS("opening '%s'", path);
        pgn_source_close(s);
        return e;
    }
    return source_finish_open(s, ret_source);
}

err pgn_source_open_fd(int fd, const char *name, struct pgn_source **ret_source)
{
    struct pgn_source *s;
    TRY(source_new(name, &s));
    s->fd = fd;
    return source_finish_open(s, ret_source);
}

err pgn_source_open_bytes(str bytes, const char *name, struct pgn_source **ret_source)
{
    struct pgn_source *s;
    TRY(source_new(name, &s));
    s->memory = bytes;
    s->bytes_total = (int64_t)bytes.len;
    return source_finish_open(s, ret_source);
}

err pgn_source_open_fn(err (*fetch)(void *arg, char *out, size_t bytes_max, size_t *ret_count),
                       void *arg, const char *name, struct pgn_source **ret_source)
{
    struct pgn_source *s;
    TRY(source_new(name, &s));
    s->fetch = fetch;
    s->fetch_arg = arg;
    return source_finish_open(s, ret_source);
}

void pgn_source_close(struct pgn_source *s)
{
    if (!s)
        return;
    if (s->has_thread) {
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        uint64_t one = 1;
        ssize_t written = write(s->wake_fd, &one, sizeof one);
        (void)written; /* an eventfd takes a first write always */
        pthread_join(s->thread, NULL);
    }
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    if (s->owns_fd && s->fd >= 0)
        close(s->fd);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s->blocks);
    free(s->input);
    free(s);
}

/* ------------------------------------------------------------------ reading */

err pgn_source_read(struct pgn_source *s, char *out, size_t bytes_max, size_t *ret_count)
{
    if (s->has_thread)
        return ring_read(s, out, bytes_max, ret_count);
    if (s->input_next < s->input_count) {
        size_t left = s->input_count - s->input_next;
        size_t count = left < bytes_max ? left : bytes_max;
        memcpy(out, s->input + s->input_next, count);
        s->input_next += count;
        *ret_count = count;
        return OK;
    }
    return raw_read(s, out, bytes_max, ret_count);
}

const char *pgn_source_name(const struct pgn_source *s)
{
    return s->name;
}

int64_t pgn_source_bytes_in(const struct pgn_source *s)
{
    return atomic_load_explicit(&s->bytes_in, memory_order_relaxed);
}

int64_t pgn_source_bytes_total(const struct pgn_source *s)
{
    return s->bytes_total;
}

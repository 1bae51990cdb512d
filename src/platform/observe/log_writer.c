/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes lines to disk: a queue in memory, and one thread that writes it out in batches.
 *
 * The thread sleeps while nothing waits. The first line wakes it; then it lets 20 ms of lines
 * gather, so that a busy server does one write a batch and not one a line. Urgent lines and flushes
 * end that pause. So a kill -9 costs at most the last 20 ms of lines, and a slow disk costs nobody
 * any time.
 *
 * Segments are named by the time of their first line. A new process always starts a new segment:
 * what a killed one left torn stays at the end of a file, where search expects it. When a write
 * fails, the batch goes to stderr and is counted as dropped, and a later batch tries a fresh
 * segment.
 */
#include "platform/observe/log_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

enum {
    GATHER_MS = 20,
    SWEEP_MS = 10 * 60 * 1000, /* age is looked at this often, beside each new segment */
    REOPEN_MS = 1000,          /* pause between attempts on a disk that refuses */
    SEGMENTS_MAX = 65536,
    QUEUE_KEEP_BYTES = 256 * 1024, /* a queue that grew beyond gives its memory back */
    /* Threads that wait for each other are apart by less; more is a clock that was set back, which
     * a log does not hide. */
    ORDER_MS = 1000,
};

/* In the queue a line has this in front. */
struct record {
    uint32_t bytes;
    uint32_t destinations;
};

struct log_writer {
    char *folder; /* NULL: stderr only */
    int64_t segment_bytes, bytes_max, age_max_ms;
    _Atomic uint64_t *dropped;

    pthread_mutex_t lock;
    pthread_cond_t wake;    /* to the thread: lines, urgency, the end */
    pthread_cond_t written; /* from the thread: batch_done moved */
    struct buf queue;       /* guarded by lock */
    uint64_t batch_filling; /* guarded by lock: number of the batch that lines go to */
    uint64_t batch_done;    /* guarded by lock: number of the last batch that is written */
    bool is_urgent, is_closing, is_waiting; /* guarded by lock */
    int64_t last_ms;                        /* guarded by lock: the time in the last line */

    /* Only the thread touches these. */
    pthread_t thread;
    bool thread_runs;
    int fd;
    int64_t fd_bytes;
    _Atomic int64_t last_start_ms; /* names the newest segment; others may read it */
    int64_t next_open_ms, next_sweep_ms;
};

/* ------------------------------------------------------------------ segments */

void log_segment_path(char out[FS_PATH_BYTES], const char *folder, int64_t start_ms)
{
    snprintf(out, FS_PATH_BYTES, "%s/log-%013" PRId64 ".ndjson", folder, start_ms);
}

static bool segment_of_name(const char *name, int64_t *ret_start_ms)
{
    str s = str_of(name);
    if (!str_starts(s, STR("log-")) || !str_ends(s, STR(".ndjson")))
        return false;
    err e = str_to_i64(str_sub(s, 4, s.len - 11), ret_start_ms);
    return !e.code && *ret_start_ms >= 0;
}

struct segment_list {
    const char *folder;
    struct log_segment *items;
    size_t count, cap;
};

static err segment_add(void *arg, const char *name)
{
    struct segment_list *list = arg;
    struct log_segment segment = { 0 };
    if (!segment_of_name(name, &segment.start_ms) || list->count >= SEGMENTS_MAX)
        return OK;
    char path[FS_PATH_BYTES];
    struct stat st;
    TRY(fs_join(path, list->folder, name));
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return OK; /* deleted just now, or not ours */
    segment.bytes = st.st_size;
    segment.changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct log_segment *grown = realloc(list->items, cap * sizeof *grown);
        if (!grown)
            return ERR(ERR_NO_MEMORY, "listing log segments in '%s': out of memory", list->folder);
        list->items = grown;
        list->cap = cap;
    }
    list->items[list->count++] = segment;
    return OK;
}

static int segment_order(const void *a, const void *b)
{
    const struct log_segment *x = a, *y = b;
    return (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
}

err log_segments_list(const char *folder, struct log_segment **ret_segments, size_t *ret_count)
{
    struct segment_list list = { .folder = folder };
    err e = fs_list(folder, segment_add, &list);
    if (e.code && e.code != ERR_NOT_FOUND) {
        free(list.items);
        return e;
    }
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, segment_order);
    *ret_segments = list.items;
    *ret_count = list.count;
    return OK;
}

/* Deletes the oldest segments while there are too many bytes, and those that are too old. The
 * newest is being written and stays. Errors wait for the next sweep. */
static void segments_sweep(struct log_writer *w, int64_t now_ms)
{
    struct log_segment *segments = NULL;
    size_t count = 0;
    w->next_sweep_ms = now_ms + SWEEP_MS;
    err e = log_segments_list(w->folder, &segments, &count);
    if (e.code)
        return;
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += segments[i].bytes;
    for (size_t i = 0; i + 1 < count; i++) {
        bool too_old = segments[i].changed_ms < now_ms - w->age_max_ms;
        if (bytes <= w->bytes_max && !too_old)
            continue;
        char path[FS_PATH_BYTES];
        log_segment_path(path, w->folder, segments[i].start_ms);
        if (unlink(path) == 0)
            bytes -= segments[i].bytes;
    }
    free(segments);
}

/* ------------------------------------------------------------------ writing out */

static void segment_close(struct log_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->fd_bytes = 0;
}

static bool segment_open(struct log_writer *w)
{
    int64_t now_ms = clock_wall_ms();
    if (w->fd >= 0)
        return true;
    if (now_ms < w->next_open_ms)
        return false;
    /* Names ascend in the order of writing, whatever the clock does. */
    int64_t start_ms = now_ms > w->last_start_ms ? now_ms : w->last_start_ms + 1;
    char path[FS_PATH_BYTES];
    log_segment_path(path, w->folder, start_ms);
    w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    if (w->fd < 0) {
        w->next_open_ms = now_ms + REOPEN_MS;
        return false;
    }
    w->last_start_ms = start_ms;
    segments_sweep(w, now_ms);
    return true;
}

static bool write_all(struct log_writer *w, str bytes)
{
    while (bytes.len) {
        ssize_t n = write(w->fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        w->fd_bytes += n;
        bytes = str_sub(bytes, (size_t)n, bytes.len);
    }
    return true;
}

/* How many bytes of `lines` go into the open segment: whole lines, and at least one into an empty
 * one. */
static size_t segment_share(const struct log_writer *w, str lines)
{
    int64_t room = w->segment_bytes - w->fd_bytes;
    if ((int64_t)lines.len <= room)
        return lines.len;
    const char *end = room > 0 ? memrchr(lines.ptr, '\n', (size_t)room) : NULL;
    if (!end && w->fd_bytes == 0)
        end = memchr(lines.ptr, '\n', lines.len);
    return end ? (size_t)(end - lines.ptr) + 1 : 0;
}

/* Writes whole lines, over as many segments as they need. False when the disk refused. */
static bool segment_write(struct log_writer *w, str lines)
{
    while (lines.len) {
        if (!segment_open(w))
            return false;
        size_t share = segment_share(w, lines);
        if (share && !write_all(w, str_sub(lines, 0, share)))
            return false;
        lines = str_sub(lines, share, lines.len);
        if (lines.len || w->fd_bytes >= w->segment_bytes)
            segment_close(w);
    }
    return true;
}

static void stderr_write(str text)
{
    while (text.len) {
        ssize_t n = write(STDERR_FILENO, text.ptr, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody is left to tell */
        text = str_sub(text, (size_t)n, text.len);
    }
}

/* Takes the next record off `batch`. */
static bool record_next(str *batch, struct record *ret_record, str *ret_line)
{
    if (batch->len < sizeof *ret_record)
        return false;
    memcpy(ret_record, batch->ptr, sizeof *ret_record);
    *ret_line = str_sub(*batch, sizeof *ret_record, ret_record->bytes);
    *batch = str_sub(*batch, sizeof *ret_record + ret_record->bytes, batch->len);
    return true;
}

/* The lines of one destination, gathered into `out`. Returns how many. */
static uint64_t batch_gather(str batch, unsigned destination, struct buf *out)
{
    struct record record;
    str line;
    uint64_t count = 0;
    buf_clear(out);
    while (record_next(&batch, &record, &line))
        if (record.destinations & destination) {
            buf_add(out, line);
            count++;
        }
    return count;
}

static void batch_write(struct log_writer *w, str batch, struct buf *scratch)
{
    uint64_t count = batch_gather(batch, LOG_TO_STDERR, scratch);
    if (count)
        stderr_write(buf_str(scratch));
    count = batch_gather(batch, LOG_TO_FILE, scratch);
    if (!count || segment_write(w, buf_str(scratch)))
        return;
    atomic_fetch_add(w->dropped, count);
    segment_close(w); /* it may end within a line now: nothing may follow there */
    /* Lines that stderr does not have yet. */
    struct record record;
    str line;
    while (record_next(&batch, &record, &line))
        if (record.destinations == LOG_TO_FILE)
            stderr_write(line);
}

/* Lock held: waits until there is a batch to write, or the end. */
static void batch_await(struct log_writer *w)
{
    while (w->queue.len == 0 && !w->is_closing) {
        w->is_waiting = true;
        pthread_cond_wait(&w->wake, &w->lock);
    }
    w->is_waiting = false;
    struct timespec deadline = clock_deadline(GATHER_MS);
    while (!w->is_urgent && !w->is_closing)
        if (pthread_cond_timedwait(&w->wake, &w->lock, &deadline) == ETIMEDOUT)
            break;
    w->is_urgent = false;
}

static void *writer_run(void *arg)
{
    struct log_writer *w = arg;
    struct buf batch, scratch;
    buf_init(&batch, LOG_QUEUE_BYTES_MAX);
    buf_init(&scratch, LOG_QUEUE_BYTES_MAX);
    for (;;) {
        pthread_mutex_lock(&w->lock);
        batch_await(w);
        struct buf filled = w->queue;
        w->queue = batch;
        batch = filled;
        uint64_t number = w->batch_filling++;
        bool is_last = w->is_closing;
        pthread_mutex_unlock(&w->lock);

        batch_write(w, buf_str(&batch), &scratch);
        buf_clear(&batch);
        if (batch.cap > QUEUE_KEEP_BYTES)
            buf_deinit(&batch);
        if (scratch.cap > QUEUE_KEEP_BYTES)
            buf_deinit(&scratch);
        int64_t now_ms = clock_wall_ms();
        if (w->folder && now_ms >= w->next_sweep_ms)
            segments_sweep(w, now_ms);

        pthread_mutex_lock(&w->lock);
        w->batch_done = number;
        pthread_cond_broadcast(&w->written);
        bool is_done = is_last && w->queue.len == 0;
        pthread_mutex_unlock(&w->lock);
        if (is_done)
            break;
    }
    buf_deinit(&batch);
    buf_deinit(&scratch);
    return NULL;
}

/* ------------------------------------------------------------------ the outside */

/* Goes on after the newest segment that is there, and sweeps. */
static err segments_resume(struct log_writer *w)
{
    struct log_segment *segments = NULL;
    size_t count = 0;
    TRY(log_segments_list(w->folder, &segments, &count));
    if (count)
        w->last_start_ms = segments[count - 1].start_ms;
    free(segments);
    segments_sweep(w, clock_wall_ms());
    return OK;
}

err log_writer_open(const struct log_options *options, _Atomic uint64_t *dropped,
                    struct log_writer **ret_writer)
{
    err e = OK;
    struct log_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "out of memory");
    w->fd = -1;
    w->dropped = dropped;
    w->batch_filling = 1;
    w->segment_bytes = options->segment_bytes ? options->segment_bytes : 8 * 1024 * 1024;
    w->bytes_max = options->bytes_max ? options->bytes_max : 256 * 1024 * 1024;
    w->age_max_ms = options->age_max_ms ? options->age_max_ms : (int64_t)30 * 24 * 3600 * 1000;
    buf_init(&w->queue, LOG_QUEUE_BYTES_MAX);
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->wake);
    thread_cond_init(&w->written);
    if (options->folder) {
        w->folder = strdup(options->folder);
        if (!w->folder)
            e = ERR(ERR_NO_MEMORY, "out of memory");
        else if (strlen(w->folder) > FS_PATH_BYTES - 64)
            e = ERR(ERR_TOO_BIG, "the log folder's path is longer than %d bytes",
                    FS_PATH_BYTES - 64);
        else
            e = fs_mkdirs(w->folder);
        if (!e.code)
            e = segments_resume(w);
        if (e.code)
            goto fail;
    }
    e = thread_start(&w->thread, "log", writer_run, w);
    if (e.code)
        goto fail;
    w->thread_runs = true;
    *ret_writer = w;
    return OK;
fail:
    log_writer_close(w);
    return e;
}

void log_writer_close(struct log_writer *w)
{
    if (!w)
        return;
    if (w->thread_runs) {
        pthread_mutex_lock(&w->lock);
        w->is_closing = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    segment_close(w);
    buf_deinit(&w->queue);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->lock);
    free(w->folder);
    free(w);
}

bool log_writer_has_folder(const struct log_writer *w)
{
    return w->folder != NULL;
}

const char *log_writer_folder(const struct log_writer *w)
{
    return w->folder;
}

int64_t log_writer_segment(struct log_writer *w)
{
    return w->last_start_ms;
}

/* Under lock. A thread may be held up between looking at the clock and queueing: then the line
 * says the time of the one before it, so that times ascend in a file. Others rely on that: a Loki
 * before 2.4 refuses what is behind its stream. */
static void put_in_order(struct log_writer *w, char *line, int64_t at_ms)
{
    char ts[CLOCK_ISO_BYTES];
    if (at_ms < w->last_ms && w->last_ms - at_ms < ORDER_MS) {
        clock_iso(w->last_ms, ts);
        memcpy(line + LOG_TS_AT, ts, strlen(ts));
    } else {
        w->last_ms = at_ms;
    }
}

void log_writer_add(struct log_writer *w, unsigned destinations, str line, int64_t at_ms,
                    bool is_urgent)
{
    struct record record = { .bytes = (uint32_t)line.len, .destinations = destinations };
    pthread_mutex_lock(&w->lock);
    if (buf_reserve(&w->queue, sizeof record + line.len)) {
        buf_add_bytes(&w->queue, &record, sizeof record);
        buf_add(&w->queue, line);
        if (destinations & LOG_TO_FILE)
            put_in_order(w, w->queue.ptr + w->queue.len - line.len, at_ms);
        /* Half full: the batch should go now rather than in 20 ms. */
        bool must_wake = is_urgent || w->queue.len > LOG_QUEUE_BYTES_MAX / 2;
        if (must_wake && !w->is_urgent)
            w->is_urgent = true;
        else
            must_wake = false;
        if (must_wake || w->is_waiting)
            pthread_cond_signal(&w->wake);
    } else {
        w->queue.failed = false; /* the queue is whole, only this line has no room */
        atomic_fetch_add(w->dropped, 1);
    }
    pthread_mutex_unlock(&w->lock);
}

void log_writer_flush(struct log_writer *w)
{
    pthread_mutex_lock(&w->lock);
    /* Lines in the queue go with the batch being filled; an empty queue may still have one under
     * way. */
    uint64_t wanted = w->queue.len ? w->batch_filling : w->batch_filling - 1;
    while (w->batch_done < wanted) {
        w->is_urgent = true;
        pthread_cond_signal(&w->wake);
        pthread_cond_wait(&w->written, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_follow.c -- offsets into the segments of a folder.
 *
 * Names of segments ascend, so one number says which were met already: a segment without a place is
 * new when its name is higher, or when it is young enough that two processes may have made theirs
 * in the other order. Lines are counted when they are met first, so that it is known how many there
 * were when a file expires.
 */
#include "platform/observe/log_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "platform/observe/log_internal.h"

enum {
    PLACES_KEPT = 64,          /* more are forgotten when they are read and quiet */
    QUIET_MS = 10 * 60 * 1000, /* so long unchanged: its process is thought to have ended */
    NEIGHBOURS_MS = 60 * 1000, /* names may come in the wrong order by so much */
    COUNT_WINDOW_BYTES = LOG_FOLLOW_BYTES_MIN, /* a line that is counted can be read */
};

/* Our own lines begin {"ts":"...","level":"...","event": or "span": */
static bool is_span(str line)
{
    return str_contains(str_sub(line, 0, 64), STR("\"span\":"));
}

static struct log_place *place_of(struct log_follow *f, int64_t segment)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->places[i].segment == segment)
            return &f->places[i];
    return NULL;
}

static void place_remove(struct log_follow *f, size_t i)
{
    memmove(&f->places[i], &f->places[i + 1], (--f->count - i) * sizeof f->places[0]);
}

/* ------------------------------------------------------------------ begin, save, load */

err log_follow_begin(struct log *l, bool spans, int64_t from_ms, struct log_follow *ret)
{
    struct log_segment *segments = NULL;
    size_t count = 0;
    *ret = (struct log_follow){ .spans = spans };
    if (!log_writer_has_folder(l->writer))
        return OK;
    TRY(log_segments_list(log_writer_folder(l->writer), &segments, &count));
    size_t from = count > LOG_PLACES_MAX / 2 ? count - LOG_PLACES_MAX / 2 : 0;
    for (size_t i = 0; i < count && segments[i].start_ms < from_ms; i++) {
        ret->passed = segments[i].start_ms;
        if (i >= from)
            ret->places[ret->count++] = (struct log_place){ .segment = segments[i].start_ms,
                                                            .offset = segments[i].bytes,
                                                            .counted = segments[i].bytes,
                                                            .changed_ms = segments[i].changed_ms };
    }
    free(segments);
    return OK;
}

void log_follow_save(const struct log_follow *f, struct buf *out)
{
    buf_add_i64(out, f->passed);
    for (size_t i = 0; i < f->count; i++)
        buf_add_fmt(out, " %" PRId64 ":%" PRId64, f->places[i].segment, f->places[i].offset);
}

err log_follow_load(str text, bool spans, struct log_follow *ret)
{
    struct log_follow f = { .spans = spans };
    err e = str_to_i64(str_split(&text, ' '), &f.passed);
    while (text.len && !e.code) {
        str offset = str_split(&text, ' ');
        str segment = str_split(&offset, ':');
        struct log_place *p = &f.places[f.count];
        if (f.count == LOG_PLACES_MAX)
            return ERR(ERR_CORRUPT, "the saved place in the log has more than %d segments",
                       LOG_PLACES_MAX);
        e = str_to_i64(segment, &p->segment);
        if (!e.code)
            e = str_to_i64(offset, &p->offset);
        if (!e.code && (p->offset < 0 || p->segment < 0))
            e = ERR(ERR_INVALID, "negative");
        p->counted = p->offset;
        f.count++;
    }
    if (e.code)
        return ERR(ERR_CORRUPT, "the saved place in the log is not one: %.120s", e.msg);
    *ret = f;
    return OK;
}

/* ------------------------------------------------------------------ reading pieces */

/* Reads [from, from + bytes_max) of a segment, cut behind its last newline. An expired file gives
 * nothing. */
static err read_lines(const char *folder, int64_t segment, int64_t from, size_t bytes_max,
                      struct buf *out)
{
    char path[FS_PATH_BYTES];
    log_segment_path(path, folder, segment);
    buf_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return OK;
    if (fd < 0)
        return ERR_SYS("following the log '%s'", path);
    err e = OK;
    char *room = buf_reserve(out, bytes_max);
    if (!room)
        e = ERR(ERR_NO_MEMORY, "following the log '%s': out of memory", path);
    while (!e.code && out->len < bytes_max) {
        ssize_t got = pread(fd, room + out->len, bytes_max - out->len,
                            (off_t)(from + (int64_t)out->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            e = ERR_SYS("following the log '%s'", path);
        if (got <= 0)
            break;
        out->len += (size_t)got;
    }
    close(fd);
    const char *last = out->len ? memrchr(out->ptr, '\n', out->len) : NULL;
    out->len = last ? (size_t)(last - out->ptr) + 1 : 0;
    return e;
}

static err count_place(const char *folder, bool spans, struct log_place *p, struct buf *window)
{
    do {
        TRY(read_lines(folder, p->segment, p->counted, COUNT_WINDOW_BYTES, window));
        p->counted += (int64_t)window->len;
        for (str rest = buf_str(window); rest.len;)
            p->waiting += is_span(str_split(&rest, '\n')) == spans;
    } while (window->len);
    return OK;
}

/* When the first line that waits in a place was written. */
static err first_ms(const char *folder, bool spans, const struct log_place *p, struct buf *window,
                    int64_t *ret_ms)
{
    struct log_scan scan = { .ts_ms = p->changed_ms };
    TRY(read_lines(folder, p->segment, p->offset, COUNT_WINDOW_BYTES, window));
    for (str rest = buf_str(window); rest.len;) {
        str line = str_split(&rest, '\n');
        if (is_span(line) == spans && log_scan_line(line, &scan))
            break;
    }
    *ret_ms = scan.ts_ms;
    return OK;
}

/* ------------------------------------------------------------------ looking */

static void meet(struct log_follow *f, const struct log_segment *s)
{
    struct log_place *p = place_of(f, s->start_ms);
    if (!p && s->start_ms > f->passed - NEIGHBOURS_MS && f->count < LOG_PLACES_MAX &&
        (s->start_ms > f->passed || s->changed_ms > clock_wall_ms() - NEIGHBOURS_MS)) {
        p = &f->places[f->count++];
        *p = (struct log_place){ .segment = s->start_ms };
        for (size_t i = f->count - 1; i > 0 && f->places[i - 1].segment > s->start_ms; i--) {
            f->places[i] = f->places[i - 1];
            f->places[i - 1] = (struct log_place){ .segment = s->start_ms };
            p = &f->places[i - 1];
        }
        if (s->start_ms > f->passed)
            f->passed = s->start_ms;
    }
    if (p)
        p->changed_ms = s->changed_ms;
}

/* Expired places go; those that are read and quiet, too, when there are many. */
static void forget(struct log_follow *f, const struct log_segment *segments, size_t count,
                   int64_t own_segment, int64_t *lost)
{
    int64_t quiet_ms = clock_wall_ms() - QUIET_MS;
    for (size_t i = f->count; i-- > 0;) {
        const struct log_place *p = &f->places[i];
        bool is_there = false;
        for (size_t s = 0; s < count && !is_there; s++)
            is_there = segments[s].start_ms == p->segment;
        bool is_quiet = f->count > PLACES_KEPT && p->waiting == 0 && p->offset == p->counted &&
                        p->changed_ms < quiet_ms && p->segment != own_segment;
        if (!is_there)
            *lost += p->waiting;
        if (!is_there || is_quiet)
            place_remove(f, i);
    }
}

err log_follow_look(struct log *l, struct log_follow *f, struct log_waiting *ret)
{
    struct log_segment *segments = NULL;
    size_t count = 0;
    struct log_waiting waiting = { 0 };
    struct buf window;
    if (!log_writer_has_folder(l->writer)) {
        *ret = waiting;
        return OK;
    }
    const char *folder = log_writer_folder(l->writer);
    TRY(log_segments_list(folder, &segments, &count));
    for (size_t i = 0; i < count; i++)
        meet(f, &segments[i]);
    buf_init(&window, COUNT_WINDOW_BYTES);
    err e = OK;
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < count && !e.code; k++)
            if (segments[k].start_ms == f->places[i].segment &&
                segments[k].bytes > f->places[i].counted)
                e = count_place(folder, f->spans, &f->places[i], &window);
    if (!e.code)
        forget(f, segments, count, log_writer_segment(l->writer), &waiting.lost);
    for (size_t i = 0; i < f->count && !e.code; i++) {
        const struct log_place *p = &f->places[i];
        waiting.lines += p->waiting;
        waiting.bytes += p->waiting ? p->counted - p->offset : 0;
        if (p->waiting && !waiting.since_ms)
            e = first_ms(folder, f->spans, p, &window, &waiting.since_ms);
    }
    buf_deinit(&window);
    free(segments);
    if (!e.code)
        *ret = waiting;
    return e;
}

/* ------------------------------------------------------------------ reading */

void log_follow_move(struct log_follow *f, int64_t segment, int64_t end_offset)
{
    struct log_place *p = place_of(f, segment);
    if (!p || p->offset >= end_offset)
        return;
    p->offset = end_offset;
    p->waiting -= p->waiting > 0;
    if (p->counted < p->offset)
        p->counted = p->offset;
}

err log_follow_read(struct log *l, const struct log_follow *f, size_t bytes_max,
                    err (*each)(void *arg, str line, int64_t segment, int64_t end_offset,
                                bool *ret_stop),
                    void *arg, struct log_follow *ret_after)
{
    struct buf window;
    bool is_enough = false,
         is_more = false; /* the caller's word; the next segment waits for this */
    err e = OK;
    *ret_after = *f;
    if (bytes_max < LOG_FOLLOW_BYTES_MIN)
        bytes_max = LOG_FOLLOW_BYTES_MIN;
    buf_init(&window, bytes_max);
    for (size_t i = 0; i < ret_after->count && !is_enough && !is_more && bytes_max && !e.code;
         i++) {
        struct log_place *p = &ret_after->places[i];
        if (p->counted <= p->offset)
            continue;
        int64_t behind = p->counted - p->offset;
        size_t share = behind < (int64_t)bytes_max ? (size_t)behind : bytes_max;
        e = read_lines(log_writer_folder(l->writer), p->segment, p->offset, share, &window);
        bytes_max -= window.len;
        is_more = window.len < (size_t)behind;
        for (str rest = buf_str(&window); rest.len && !e.code;) {
            str line = str_split(&rest, '\n');
            int64_t end = p->offset + (int64_t)line.len + 1;
            if (is_span(line) == f->spans) {
                e = each(arg, line, p->segment, end, &is_enough);
                if (e.code || is_enough)
                    break;
                p->waiting -= p->waiting > 0;
            }
            p->offset = end;
        }
    }
    buf_deinit(&window);
    return e;
}

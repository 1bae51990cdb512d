/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history_codec.c -- how samples become bytes.
 *
 * Most of what a program counts are whole numbers that grow a little: a sample in a chunk is the
 * time since the one before and the difference to the last whole number, as varints, 4 to 6 bytes;
 * a value that is not whole takes 8. A tick holds the values of one moment, so its varints are
 * values, not differences, and the ids of the series are written as gaps.
 */
#include "platform/track/history_internal.h"

#include <math.h>
#include <string.h>

/* Above 2^53 a double no longer holds every whole number. */
#define WHOLE_MAX 9007199254740992.0

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool is_whole(double v)
{
    return v >= -WHOLE_MAX && v <= WHOLE_MAX && v == trunc(v) && !(v == 0 && signbit(v));
}

static void add_bits(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_add_u64(out, bits);
}

static double bits_value(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ------------------------------------------------------------------ chunks */

void history_chunk_write(struct buf *out, const struct history_sample *samples, size_t count)
{
    int64_t ts_ms = 0, whole = 0;
    for (size_t i = 0; i < count; i++) {
        bool plain = is_whole(samples[i].value);
        buf_add_varint(out, zigzag(samples[i].ts_ms - ts_ms) << 1 | !plain);
        if (plain) {
            buf_add_varint(out, zigzag((int64_t)samples[i].value - whole));
            whole = (int64_t)samples[i].value;
        } else {
            add_bits(out, samples[i].value);
        }
        ts_ms = samples[i].ts_ms;
    }
}

struct history_chunk_reader history_chunk_read(str data)
{
    return (struct history_chunk_reader){ .cursor = cursor_of(data) };
}

bool history_chunk_next(struct history_chunk_reader *r, struct history_sample *ret_sample)
{
    if (cursor_left(&r->cursor) == 0)
        return false;
    uint64_t head = cursor_varint(&r->cursor);
    double value;
    if (head & 1) {
        value = bits_value(cursor_u64(&r->cursor));
    } else {
        /* Unsigned, so that damaged bytes wrap round instead of being undefined. */
        r->whole += (uint64_t)unzigzag(cursor_varint(&r->cursor));
        value = (double)(int64_t)r->whole;
    }
    if (r->cursor.bad)
        return false;
    r->ts_ms = (int64_t)((uint64_t)r->ts_ms + (uint64_t)unzigzag(head >> 1));
    *ret_sample = (struct history_sample){ r->ts_ms, value };
    return true;
}

/* ------------------------------------------------------------------ ticks */

void history_tick_write(struct buf *out, const struct history_entry *entries, size_t count)
{
    int64_t id = 0;
    for (size_t i = 0; i < count; i++) {
        bool plain = is_whole(entries[i].value);
        buf_add_varint(out, (uint64_t)(entries[i].series_id - id) << 1 | !plain);
        if (plain)
            buf_add_varint(out, zigzag((int64_t)entries[i].value));
        else
            add_bits(out, entries[i].value);
        id = entries[i].series_id;
    }
}

struct history_tick_reader history_tick_read(str data)
{
    return (struct history_tick_reader){ .cursor = cursor_of(data) };
}

bool history_tick_next(struct history_tick_reader *r, struct history_entry *ret_entry)
{
    if (cursor_left(&r->cursor) == 0)
        return false;
    uint64_t head = cursor_varint(&r->cursor);
    double value = head & 1 ? bits_value(cursor_u64(&r->cursor))
                            : (double)unzigzag(cursor_varint(&r->cursor));
    if (r->cursor.bad)
        return false;
    r->series_id += head >> 1;
    *ret_entry = (struct history_entry){ (int64_t)r->series_id, value };
    return true;
}

/* ------------------------------------------------------------------ thinning */

bool history_is_counter(str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_bucket")) ||
           str_ends(name, STR("_count")) || str_ends(name, STR("_sum"));
}

/* True where a counter began again: both sides must stay, or the fall could no longer be seen. */
static bool is_fall(const struct history_sample *a, const struct history_sample *b)
{
    return isnan(a->value) || isnan(b->value) || b->value < a->value;
}

size_t history_thin(struct history_sample *samples, size_t count, int64_t from_ms, bool is_counter,
                    const struct history_sessions *sessions)
{
    size_t kept = 0;
    bool fell = false; /* between the sample before and this one */
    for (size_t i = 0; i < count; i++) {
        const struct history_sample s = samples[i], *next = i + 1 < count ? &samples[i + 1] : NULL;
        bool falls = is_counter && next && is_fall(&s, next);
        if (!next || s.ts_ms < from_ms || fell || falls ||
            s.ts_ms / HISTORY_THIN_MS != next->ts_ms / HISTORY_THIN_MS ||
            history_session_at(sessions, s.ts_ms) != history_session_at(sessions, next->ts_ms))
            samples[kept++] = s;
        fell = falls;
    }
    return kept;
}

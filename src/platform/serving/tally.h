/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tally.h -- Private to this room: sums over predictions, and the bytes they are kept as. */
#ifndef SKERRY_SERVING_TALLY_H
#define SKERRY_SERVING_TALLY_H

#include "base/buf.h"
#include "platform/serving/serving.h"

enum { TALLY_BYTES_MAX = 4096, NOTE_BYTES_MAX = 512, NO_TRUTH = 255 };

/* What a sum is about. */
struct tally_key {
    int64_t tenure, generation, version, hour;
    enum serving_slot slot;
};

/* Where sums gather: open addressing, a few at a time (slots x hours x moves of aliases). */
enum { TALLY_CELLS = 64 };
struct tally_table {
    size_t count;
    struct {
        struct tally_key key;
        struct serving_tally tally;
        bool is_used;
    } cells[TALLY_CELLS];
};
/* The sum of that key; there is room for it. */
struct serving_tally *tally_at(struct tally_table *t, const struct tally_key *key);

void tally_add(struct serving_tally *sum, const struct serving_tally *more);
/* The parts that are kept as bytes: everything but the plain sums. */
void tally_pack(const struct serving_tally *t, struct buf *out);
/* Adds them to t. ERR_CORRUPT. */
MUST_USE err tally_unpack(str bytes, struct serving_tally *t);

/* A note is a call, or an outcome, as bytes. */
void note_pack_call(const struct serving_call *call, int truth, struct buf *out);
struct note_outcome {
    struct tally_key key; /* without hour */
    bool is_success;
};
void note_pack_outcome(const struct note_outcome *outcome, struct buf *out);

struct note {
    bool is_outcome;
    struct serving_call call; /* without at_ms; p is rounded to 1/65535 */
    int truth;                /* NO_TRUTH: not known */
    struct note_outcome outcome;
};
MUST_USE err note_unpack(str bytes, struct note *ret_note);

/* Many notes as bytes: note_pack_first, then a note_pack_next for each. The times of calls are kept
 * in ms before `at_ms`; one that is later, by a clock that was set back, is of at_ms. */
void note_pack_first(struct buf *out);
void note_pack_next(str note, int64_t before_ms, struct buf *out);
/* One note or many: the next of them and when it was, in ms before the row's time. False at the
 * end; *e tells when that came too soon. Begins with { .c = cursor_of(bytes) }. */
struct note_walk {
    struct cursor c;
    bool is_begun;
};
bool note_next(struct note_walk *w, str *ret_note, int64_t *ret_before_ms, err *e);

/* Is there room for what one note adds? */
bool tally_has_room(const struct tally_table *t);
/* Adds up: what was predicted, and with `truth` whether it came true; either may be left out. There
 * is room. */
enum { NOTE_MADE = 1, NOTE_JUDGED = 2 };
void note_count(struct tally_table *t, const struct serving_call *call, int truth, int what);
void note_count_outcome(struct tally_table *t, const struct note_outcome *outcome, int64_t at_ms);

enum { HOUR_MS = 3600 * 1000 };

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* book.c -- building, searching and storing the book of positions.
 *
 * Building sorts (key, move) pairs. Samples are taken in passes over disjoint parts of the key
 * space, so that memory stays bounded however many samples there are; when the book itself grows
 * too large, the least seen positions are dropped from it.
 */
#include "engine/chess/book.h"

#include "engine/chess/net_model.h"

#include <stdlib.h>
#include <string.h>

/* Found on games of masters: counting later plies adds nothing, and the network weighs like a few
 * games. */
enum { BOOK_PLIES = 60 };
#define BOOK_STRENGTH 6.0f

enum { PAIRS_MAX = 8 << 20 }; /* 128 MB of pairs while building */

/* A book under construction. */
struct builder {
    const struct chess_sample_source *samples;
    int plies_max;
    size_t passes, pairs_max, entries_max;
    struct book_entry *pairs;
    unsigned least; /* positions seen less are left out */
    struct book book;
};

static int entry_cmp(const void *a, const void *b)
{
    const struct book_entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->move > y->move) - (x->move < y->move);
}

/* One past the last entry of the position that starts at `from`; *ret_seen is how often it was
 * seen. */
static size_t position_end(const struct book_entry *entries, size_t count, size_t from,
                           unsigned *ret_seen)
{
    size_t end = from;
    unsigned seen = 0;
    while (end < count && entries[end].key == entries[from].key)
        seen += entries[end++].count;
    *ret_seen = seen;
    return end;
}

/* Joins equal neighbours of sorted single observations (count 1 each). Returns the new count. */
static size_t join_equal(struct book_entry *entries, size_t count)
{
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        struct book_entry *last = out ? &entries[out - 1] : NULL;
        if (last && last->key == entries[i].key && last->move == entries[i].move)
            last->count = (uint16_t)(last->count < UINT16_MAX ? last->count + 1 : UINT16_MAX);
        else
            entries[out++] = entries[i];
    }
    return out;
}

/* Keeps positions seen at least `least` times. Returns the new count. */
static size_t keep_seen(struct book_entry *entries, size_t count, unsigned least)
{
    size_t out = 0;
    for (size_t i = 0; i < count;) {
        unsigned seen;
        size_t end = position_end(entries, count, i, &seen);
        if (seen >= least) {
            memmove(entries + out, entries + i, (end - i) * sizeof *entries);
            out += end - i;
        }
        i = end;
    }
    return out;
}

/* Appends what pass `pass` of `passes` holds. */
static err build_pass(struct builder *b, size_t pass)
{
    struct book *book = &b->book;
    struct chess_sample s;
    size_t count = 0;
    for (size_t i = 0; i < b->samples->count; i++) {
        b->samples->get(b->samples->arg, i, &s);
        if (s.ply < b->plies_max && (s.position.key >> 32) % b->passes == pass &&
            count < b->pairs_max)
            b->pairs[count++] = (struct book_entry){ .key = s.position.key,
                                                     .move = s.move,
                                                     .count = 1 };
    }
    if (count == 0)
        return OK;
    qsort(b->pairs, count, sizeof *b->pairs, entry_cmp);
    count = keep_seen(b->pairs, join_equal(b->pairs, count), b->least);
    struct book_entry *grown = realloc(book->entries, (book->count + count + 1) * sizeof *grown);
    if (!grown)
        return ERR(ERR_NO_MEMORY, "no memory for a book of %zu entries", book->count + count);
    memcpy(grown + book->count, b->pairs, count * sizeof *b->pairs);
    book->entries = grown;
    book->count += count;
    while (book->count > b->entries_max)
        book->count = keep_seen(book->entries, book->count, ++b->least);
    return OK;
}

err book_build_in_passes(const struct chess_sample_source *samples, int plies_max, float strength,
                         size_t pairs_max, size_t entries_max, struct book *ret_book)
{
    struct builder b = {
        .samples = samples,
        .plies_max = plies_max,
        .pairs_max = pairs_max,
        .entries_max = entries_max,
        .least = BOOK_SEEN_MIN,
        .book = { .strength = strength },
    };
    /* an eighth more passes than needed, because the parts are not quite even */
    b.passes = samples->count <= pairs_max ? 1 : samples->count / (pairs_max / 8 * 7) + 1;
    b.pairs = calloc((samples->count < pairs_max ? samples->count : pairs_max) + 1,
                     sizeof *b.pairs);
    err e = OK;
    if (!b.pairs)
        return ERR(ERR_NO_MEMORY, "no memory to build a book from %zu positions", samples->count);
    for (size_t pass = 0; pass < b.passes && !e.code; pass++)
        e = build_pass(&b, pass);
    free(b.pairs);
    if (e.code) {
        book_deinit(&b.book);
        return e;
    }
    /* passes come one after another, and within a position the most played move comes first */
    if (b.book.count > 0)
        qsort(b.book.entries, b.book.count, sizeof *b.book.entries, entry_cmp);
    *ret_book = b.book;
    return OK;
}

err book_build(const struct chess_sample_source *samples, int plies_max, float strength,
               struct book *ret_book)
{
    return book_build_in_passes(samples, plies_max, strength, PAIRS_MAX, BOOK_ENTRIES_MAX,
                                ret_book);
}

err chess_net_add_book(struct chess_net *net, const struct chess_sample_source *train)
{
    struct book book;
    TRY(book_build(train, BOOK_PLIES, BOOK_STRENGTH, &book));
    book_deinit(&net->book);
    net->book = book;
    return OK;
}

void book_deinit(struct book *b)
{
    free(b->entries);
    *b = (struct book){ 0 };
}

unsigned book_mix(const struct book *b, uint64_t key, const chess_move *moves, int move_count,
                  float *p)
{
    size_t low = 0, high = b->count;
    unsigned seen;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == b->count || b->entries[low].key != key)
        return 0;
    size_t end = position_end(b->entries, b->count, low, &seen);
    float unit = 1 / ((float)seen + b->strength), played = 0;
    for (int i = 0; i < move_count; i++)
        p[i] *= b->strength * unit;
    for (size_t at = low; at < end; at++) {
        for (int i = 0; i < move_count; i++) {
            if (moves[i] == b->entries[at].move) {
                p[i] += (float)b->entries[at].count * unit;
                played += (float)b->entries[at].count;
            }
        }
    }
    /* a book whose moves are not legal here is for another position with the same key: leave it out
     */
    float total = (played + b->strength) * unit;
    for (int i = 0; i < move_count && total < 1; i++)
        p[i] /= total;
    return seen;
}

/* ------------------------------------------------------------------ as bytes */

/* Strength, number of positions, then for each: key, number of moves - 1, and (move, count) pairs.
 */
void book_write(const struct book *b, struct buf *out)
{
    uint32_t positions = 0;
    unsigned seen;
    for (size_t i = 0; i < b->count; i = position_end(b->entries, b->count, i, &seen))
        positions++;
    buf_add_f32(out, b->strength);
    buf_add_u32(out, positions);
    for (size_t i = 0; i < b->count;) {
        size_t end = position_end(b->entries, b->count, i, &seen);
        buf_add_u64(out, b->entries[i].key);
        buf_add_u8(out, (uint8_t)(end - i - 1));
        for (; i < end; i++) {
            buf_add_u16(out, b->entries[i].move);
            buf_add_u16(out, b->entries[i].count);
        }
    }
}

err book_read(struct cursor *c, struct book *ret_book)
{
    enum { POSITION_BYTES = 13, MOVE_BYTES = 4 }; /* the least a position takes; one more move */
    struct book book = { .strength = cursor_f32(c) };
    uint32_t positions = cursor_u32(c);
    if (c->bad || !(book.strength > 0 && book.strength < 1e6f) ||
        positions > cursor_left(c) / POSITION_BYTES)
        return ERR(ERR_CORRUPT, "the model's book has an impossible size or strength");
    /* every entry takes at least MOVE_BYTES of what is left, so hostile counts cannot claim more
     * memory */
    size_t room = cursor_left(c) / MOVE_BYTES;
    if (room > BOOK_ENTRIES_MAX)
        room = BOOK_ENTRIES_MAX;
    book.entries = calloc(room + 1, sizeof *book.entries);
    if (!book.entries)
        return ERR(ERR_NO_MEMORY, "no memory for a book of %zu entries", room);
    for (uint32_t i = 0; i < positions && !c->bad; i++) {
        uint64_t key = cursor_u64(c);
        int moves = cursor_u8(c) + 1;
        c->bad = c->bad || book.count + (size_t)moves > room ||
                 (book.count && book.entries[book.count - 1].key >= key);
        for (int m = 0; m < moves && !c->bad; m++) {
            struct book_entry entry = { .key = key, .move = cursor_u16(c), .count = cursor_u16(c) };
            const struct book_entry *last = m ? &book.entries[book.count - 1] : NULL;
            c->bad = c->bad || entry.count == 0 || (last && entry_cmp(last, &entry) >= 0);
            book.entries[book.count++] = entry;
        }
    }
    if (c->bad) {
        book_deinit(&book);
        return ERR(ERR_CORRUPT, "the model's book is cut short or out of order");
    }
    *ret_book = book;
    return OK;
}

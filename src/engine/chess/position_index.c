/* SPDX-License-Identifier: GPL-3.0-or-later */
/* position_index.c -- which games pass through a position.
 *
 * All positions of all games, as triples (key, game, ply) in that order, cut into blocks of
 * BLOCK_ENTRIES. A directory has the first key of every block, so a search reads a few dozen
 * directory entries and one block. Built once, never changed, read in place.
 *
 *   bytes       what (numbers are little-endian; a varint is LEB128)
 *   8           "SKPIDX1\n"
 *   8           number of entries
 *   4           number of blocks, b
 *   4           CRC-32 of the directory
 *   12 b        directory: for each block the key of its first entry (8) and its offset from the
 * end of the directory (4)
 *   ...         blocks. For each entry: varint, key minus the key before (minus the directory's key
 * for the first). When that is 0 and it is not the first entry: varint, game minus the game before;
 *               and varint, ply, less the ply before and one more when the game is the same.
 * Otherwise varint, game; varint, ply.
 *
 * Keys are spread evenly, so the difference of two neighbours among n is about 64 - log2(n) bits:
 * an entry takes about ten bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pack_internal.h"

enum {
    BLOCK_ENTRIES = 128,
    HEADER_BYTES = 24,
    CRC_AT = 20,
    DIRECTORY_BYTES = 12,
    RADIX_BITS = 11,
    RADIX_SLOTS = 1 << RADIX_BITS,
};

static const char magic[8] = { 'S', 'K', 'P', 'I', 'D', 'X', '1', '\n' };

struct entry {
    uint64_t key;
    uint32_t game;
    uint16_t ply;
};

/* ------------------------------------------------------------------ building */

static err count_entries(const str *games, size_t game_count, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < game_count; i++) {
        struct pack_head h;
        TRY(pack_head_read(games[i], &h));
        count += h.ply_count + 1;
    }
    *ret_count = count;
    return OK;
}

static err collect_entries(const str *games, size_t game_count, struct entry *out)
{
    for (size_t i = 0; i < game_count; i++) {
        struct pack_walk w;
        err e = pack_walk_begin(games[i], &w);
        if (e.code)
            return e;
        while (pack_walk_next(&w))
            *out++ = (struct entry){ w.position.key, (uint32_t)i, (uint16_t)w.ply };
        TRY(pack_walk_end(&w));
        *out++ = (struct entry){ w.position.key, (uint32_t)i, (uint16_t)w.ply_count };
    }
    return OK;
}

/* By key; entries of one key stay in their order, which is that of games and plies. */
static void sort_entries(struct entry *entries, struct entry *other, size_t count)
{
    struct entry *from = entries, *to = other;
    for (int shift = 0; shift < 64; shift += RADIX_BITS) {
        size_t starts[RADIX_SLOTS] = { 0 }, sum = 0;
        for (size_t i = 0; i < count; i++)
            starts[from[i].key >> shift & (RADIX_SLOTS - 1)]++;
        for (int slot = 0; slot < RADIX_SLOTS; slot++) {
            size_t here = starts[slot];
            starts[slot] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].key >> shift & (RADIX_SLOTS - 1)]++] = from[i];
        struct entry *swap = from;
        from = to;
        to = swap;
    }
    /* 64 bits in digits of 11 make six passes, an even number: the result is where it began. */
    _Static_assert((64 + RADIX_BITS - 1) / RADIX_BITS % 2 == 0, "an even number of passes");
}

static void put_number(char *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (char)(v >> (8 * i));
}

static void write_entry(struct buf *out, const struct entry *e, const struct entry *before)
{
    uint64_t step = before ? e->key - before->key : 0;
    buf_add_varint(out, step);
    if (before && step == 0) {
        buf_add_varint(out, e->game - before->game);
        buf_add_varint(out,
                       e->game == before->game ? (uint64_t)(e->ply - before->ply - 1) : e->ply);
    } else {
        buf_add_varint(out, e->game);
        buf_add_varint(out, e->ply);
    }
}

static err write_index(const struct entry *entries, size_t count, struct buf *out)
{
    size_t begin = out->len, blocks = (count + BLOCK_ENTRIES - 1) / BLOCK_ENTRIES;
    buf_add_bytes(out, magic, sizeof magic);
    buf_add_u64(out, count);
    buf_add_u32(out, (uint32_t)blocks);
    buf_add_u32(out, 0);
    size_t directory = out->len;
    if (!buf_reserve(out, blocks * DIRECTORY_BYTES))
        return buf_check(out);
    out->len += blocks * DIRECTORY_BYTES;
    size_t first_block = out->len;
    for (size_t i = 0; i < count; i++) {
        if (i % BLOCK_ENTRIES == 0) {
            if (out->len - first_block > UINT32_MAX)
                return ERR(ERR_TOO_BIG, "indexing %zu positions: an index is less than 4 GiB",
                           count);
            char *slot = out->ptr + directory + i / BLOCK_ENTRIES * DIRECTORY_BYTES;
            put_number(slot, entries[i].key, 8);
            put_number(slot + 8, out->len - first_block, 4);
        }
        write_entry(out, &entries[i], i % BLOCK_ENTRIES ? &entries[i - 1] : NULL);
    }
    TRY(buf_check(out));
    put_number(out->ptr + begin + CRC_AT,
               pack_crc(str_from(out->ptr + directory, first_block - directory)), 4);
    return OK;
}

err position_index_build(const str *games, size_t game_count, struct buf *out)
{
    size_t count, before = out->len;
    if (game_count > UINT32_MAX)
        return ERR(ERR_TOO_BIG, "indexing %zu games: at most %u", game_count, UINT32_MAX);
    TRY(count_entries(games, game_count, &count));
    struct entry *entries = calloc(count ? count : 1, sizeof *entries);
    struct entry *other = calloc(count ? count : 1, sizeof *other);
    err e = OK;
    if (!entries || !other)
        e = ERR(ERR_NO_MEMORY, "indexing %zu positions: no memory", count);
    if (!e.code)
        e = collect_entries(games, game_count, entries);
    if (!e.code) {
        sort_entries(entries, other, count);
        e = write_index(entries, count, out);
    }
    if (e.code && out->len > before)
        out->len = before;
    free(entries);
    free(other);
    return e;
}

/* ------------------------------------------------------------------ finding */

struct directory {
    const char *entries;
    size_t blocks;
    str data; /* behind the directory */
    uint64_t entry_count;
};

static uint64_t get_number(const char *at, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return v;
}

static uint64_t block_key(const struct directory *d, size_t block)
{
    return get_number(d->entries + block * DIRECTORY_BYTES, 8);
}

static err directory_open(str index, struct directory *ret_directory)
{
    if (index.len < HEADER_BYTES || memcmp(index.ptr, magic, sizeof magic) != 0)
        return ERR(ERR_CORRUPT, "reading a position index of %zu bytes: it does not begin like one",
                   index.len);
    struct directory d = {
        .entries = index.ptr + HEADER_BYTES,
        .entry_count = get_number(index.ptr + 8, 8),
        .blocks = (size_t)get_number(index.ptr + 16, 4),
    };
    size_t bytes = d.blocks * DIRECTORY_BYTES;
    if (bytes > index.len - HEADER_BYTES ||
        d.entry_count / BLOCK_ENTRIES + (d.entry_count % BLOCK_ENTRIES > 0) != d.blocks)
        return ERR(ERR_CORRUPT, "reading a position index of %zu bytes: its head makes no sense",
                   index.len);
    d.data = str_from(d.entries + bytes, index.len - HEADER_BYTES - bytes);
    *ret_directory = d;
    return OK;
}

err position_index_check(str index)
{
    struct directory d;
    TRY(directory_open(index, &d));
    if (pack_crc(str_from(d.entries, d.blocks * DIRECTORY_BYTES)) !=
        get_number(index.ptr + CRC_AT, 4))
        return ERR(
            ERR_CORRUPT,
            "reading a position index of %zu bytes: the checksum of its directory does not match",
            index.len);
    return OK;
}

/* The last block that begins before `key`, or the first one: where entries of the key may begin. */
static size_t first_block_for(const struct directory *d, uint64_t key)
{
    size_t low = 0, high = d->blocks;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (block_key(d, middle) < key)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Reads entry by entry; false when the bytes make no sense. */
static bool read_entry(struct cursor *c, struct entry *e, bool is_first)
{
    uint64_t step = cursor_varint(c), game = cursor_varint(c), ply = cursor_varint(c);
    if (!is_first && step == 0) {
        ply += game == 0 ? (uint64_t)e->ply + 1 : 0;
        game += e->game;
    }
    e->key += step;
    if (c->bad || game > UINT32_MAX || ply > PGN_PLIES_MAX)
        return false;
    e->game = (uint32_t)game;
    e->ply = (uint16_t)ply;
    return true;
}

err position_index_find(str index, uint64_t key, struct position_hit *out, size_t out_max,
                        size_t *ret_count)
{
    struct directory d;
    TRY(directory_open(index, &d));
    size_t count = 0;
    bool past = d.blocks == 0;
    for (size_t block = first_block_for(&d, key); !past && count < out_max && block < d.blocks;
         block++) {
        struct entry e = { .key = block_key(&d, block) };
        uint64_t offset = get_number(d.entries + block * DIRECTORY_BYTES + 8, 4);
        uint64_t left = d.entry_count - (uint64_t)block * BLOCK_ENTRIES;
        if (offset > d.data.len)
            return ERR(ERR_CORRUPT, "searching a position index: block %zu lies behind its end",
                       block);
        struct cursor c = cursor_of(str_sub(d.data, (size_t)offset, d.data.len));
        for (uint64_t i = 0; i < left && i < BLOCK_ENTRIES && count < out_max && !past; i++) {
            if (!read_entry(&c, &e, i == 0))
                return ERR(ERR_CORRUPT, "searching a position index: block %zu makes no sense",
                           block);
            past = e.key > key;
            if (e.key == key)
                out[count++] = (struct position_hit){ e.game, e.ply };
        }
    }
    *ret_count = count;
    return OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_file.c -- a pack: many packed games in one immutable piece of bytes.
 *
 *   bytes       what (numbers are little-endian)
 *   8           "SKPACK1\n"
 *   4           number of games, n
 *   4           CRC-32 of the index
 *   8           zero, kept for later
 *   ...         the games, one after another, as described in pack.c
 *   4 (n + 1)   index: where each game begins, and where the last one ends
 *
 * The index is at the end, so that a pack can be written in one go, and its place follows from the
 * size. A pack is less than 4 GiB.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pack_internal.h"

static const char magic[8] = { 'S', 'K', 'P', 'A', 'C', 'K', '1', '\n' };

enum {
    HEADER_BYTES = 24,
    COUNT_AT = 8,
    CRC_AT = 12,
    OFFSET_BYTES = 4,
};

static uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put_u32(char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> (8 * i));
}

/* ------------------------------------------------------------------ writing */

err pack_writer_init(struct pack_writer *w, size_t games_max, size_t bytes_max)
{
    *w = (struct pack_writer){ .count_max = games_max };
    if (games_max >= UINT32_MAX / OFFSET_BYTES || bytes_max > UINT32_MAX)
        return ERR(ERR_INVALID, "a pack holds less than 4 GiB; asked for %zu games in %zu bytes",
                   games_max, bytes_max);
    w->offsets = calloc(games_max + 1, sizeof *w->offsets);
    if (!w->offsets)
        return ERR(ERR_NO_MEMORY, "no memory for a pack of %zu games", games_max);
    buf_init(&w->bytes, bytes_max);
    pack_writer_clear(w);
    return OK;
}

void pack_writer_clear(struct pack_writer *w)
{
    static const char zeros[HEADER_BYTES - sizeof magic] = { 0 };
    buf_clear(&w->bytes);
    buf_add_bytes(&w->bytes, magic, sizeof magic);
    buf_add_bytes(&w->bytes, zeros, sizeof zeros);
    w->count = 0;
}

void pack_writer_deinit(struct pack_writer *w)
{
    buf_deinit(&w->bytes);
    free(w->offsets);
    *w = (struct pack_writer){ 0 };
}

/* Room for one more game and the index behind it? */
static err writer_check(struct pack_writer *w, size_t begin)
{
    size_t index_bytes = (w->count + 2) * OFFSET_BYTES;
    err e = buf_check(&w->bytes);
    if (!e.code && w->bytes.len + index_bytes > w->bytes.bytes_max)
        e = ERR(ERR_TOO_BIG, "the pack is full: %zu games in %zu bytes", w->count, begin);
    if (e.code) {
        w->bytes.len = begin;
        w->bytes.failed = false; /* the pack is as it was, and can be finished */
    }
    return e;
}

static err writer_begin(const struct pack_writer *w)
{
    if (w->count == w->count_max)
        return ERR(ERR_TOO_BIG, "the pack is full: it was made for %zu games", w->count_max);
    return OK;
}

err pack_writer_add(struct pack_writer *w, const struct pgn_game *g, uint32_t *ret_index)
{
    size_t begin = w->bytes.len;
    TRY(writer_begin(w));
    err e = pack_game_write(g, &w->bytes);
    if (e.code == ERR_NONE)
        e = writer_check(w, begin);
    if (e.code) {
        w->bytes.len = begin;
        w->bytes.failed = false;
        return e;
    }
    w->offsets[w->count] = (uint32_t)begin;
    *ret_index = (uint32_t)w->count++;
    return OK;
}

err pack_writer_add_packed(struct pack_writer *w, str game, uint32_t *ret_index)
{
    size_t begin = w->bytes.len;
    TRY(writer_begin(w));
    TRY(pack_checksum_verify(game));
    buf_add(&w->bytes, game);
    TRY(writer_check(w, begin));
    w->offsets[w->count] = (uint32_t)begin;
    *ret_index = (uint32_t)w->count++;
    return OK;
}

err pack_writer_finish(struct pack_writer *w, str *ret_pack)
{
    size_t index_at = w->bytes.len;
    w->offsets[w->count] = (uint32_t)index_at;
    for (size_t i = 0; i <= w->count; i++)
        buf_add_u32(&w->bytes, w->offsets[i]);
    TRY(buf_check(&w->bytes));
    put_u32(w->bytes.ptr + COUNT_AT, (uint32_t)w->count);
    put_u32(w->bytes.ptr + CRC_AT,
            pack_crc(str_from(w->bytes.ptr + index_at, w->bytes.len - index_at)));
    *ret_pack = buf_str(&w->bytes);
    return OK;
}

/* ------------------------------------------------------------------ reading */

static err pack_index(str pack, uint32_t *ret_count, const char **ret_index)
{
    if (pack.len < HEADER_BYTES + OFFSET_BYTES || memcmp(pack.ptr, magic, sizeof magic) != 0)
        return ERR(ERR_CORRUPT, "reading a pack of %zu bytes: it does not begin like one",
                   pack.len);
    uint64_t count = get_u32(pack.ptr + COUNT_AT), index_bytes = (count + 1) * OFFSET_BYTES;
    if (index_bytes > pack.len - HEADER_BYTES)
        return ERR(ERR_CORRUPT, "reading a pack of %zu bytes: it cannot hold its %llu games",
                   pack.len, (unsigned long long)count);
    *ret_count = (uint32_t)count;
    *ret_index = pack.ptr + pack.len - index_bytes;
    return OK;
}

err pack_open(str pack, uint32_t *ret_count)
{
    uint32_t count = 0;
    const char *index = NULL;
    TRY(pack_index(pack, &count, &index));
    size_t games_end = (size_t)(index - pack.ptr);
    if (pack_crc(str_from(index, pack.len - games_end)) != get_u32(pack.ptr + CRC_AT))
        return ERR(ERR_CORRUPT,
                   "reading a pack of %zu bytes: the checksum of its index does not match",
                   pack.len);
    uint32_t last = HEADER_BYTES;
    for (size_t i = 0; i <= count; i++) {
        uint32_t offset = get_u32(index + i * OFFSET_BYTES);
        if (offset < last || (i == 0 && offset != HEADER_BYTES) ||
            (i == count && offset != games_end))
            return ERR(ERR_CORRUPT,
                       "reading a pack of %zu bytes: its index makes no sense at game %zu",
                       pack.len, i);
        last = offset;
    }
    *ret_count = count;
    return OK;
}

err pack_game(str pack, uint32_t number, str *ret_game)
{
    uint32_t count = 0;
    const char *index = NULL;
    TRY(pack_index(pack, &count, &index));
    if (number >= count)
        return ERR(ERR_NOT_FOUND, "game %u of a pack: it has %u", number, count);
    uint32_t begin = get_u32(index + (size_t)number * OFFSET_BYTES);
    uint32_t end = get_u32(index + ((size_t)number + 1) * OFFSET_BYTES);
    if (begin > end || end > (size_t)(index - pack.ptr))
        return ERR(ERR_CORRUPT, "game %u of a pack: its place makes no sense", number);
    str game = str_from(pack.ptr + begin, end - begin);
    TRY(pack_checksum_verify(game));
    *ret_game = game;
    return OK;
}

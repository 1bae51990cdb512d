/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packs and packed games whose bytes were changed: read with care, never more than they may hold.
 * The checksums are made right first, as they would stop most inputs at the door. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pack.h"
#include "engine/chess/pack_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 4 << 20, PACKED_MAX = 4 << 20 };

static void read_game(str game)
{
    struct pgn_game g;
    struct pack_walk w;
    arena keep;
    size_t plies = 0;

    arena_init(&keep, ARENA_MAX);
    if (!pack_game_read(game, &keep, &g).code) {
        struct buf again;
        struct chess_position p = g.start;

        for (size_t ply = 0; ply < g.ply_count; ply++) {
            if (!chess_move_is_legal(&p, g.moves[ply]))
                abort();
            chess_move_make(&p, g.moves[ply]);
        }
        /* What could be read can be written. */
        buf_init(&again, PACKED_MAX);
        if (pack_game_write(&g, &again).code)
            abort();
        buf_deinit(&again);
    }
    arena_deinit(&keep);
    if (!pack_walk_begin(game, &w).code) {
        while (pack_walk_next(&w)) {
            if (!chess_move_is_legal(&w.position, w.move) || plies++ > PGN_PLIES_MAX)
                abort();
        }
        (void)!pack_walk_end(&w).code;
    }
}

static void make_checksum_right(char *game, size_t size)
{
    uint32_t crc;

    if (size < PACK_CHECKSUM_BYTES)
        return;
    crc = pack_crc(str_from(game + PACK_CHECKSUM_BYTES, size - PACK_CHECKSUM_BYTES));
    for (int i = 0; i < PACK_CHECKSUM_BYTES; i++)
        game[i] = (char)(crc >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    uint32_t count;
    str game;

    if (!copy)
        return 0;
    chess_init();
    if (size)
        memcpy(copy, data, size);
    if (!pack_open(str_from(copy, size), &count).code) {
        for (uint32_t i = 0; i < count && i < 100; i++) {
            if (!pack_game(str_from(copy, size), i, &game).code)
                read_game(game);
        }
    }
    for (uint32_t i = 0; i < 3; i++) /* without having asked pack_open */
        (void)!pack_game(str_from(copy, size), i, &game).code;
    make_checksum_right(copy, size);
    read_game(str_from(copy, size));
    free(copy);
    return 0;
}

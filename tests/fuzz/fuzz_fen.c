/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FEN from strangers: whatever is accepted is a position on which everything else works. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* exact size, so that reading past the end is seen */
    chess_move moves[CHESS_MOVES_MAX];
    char fen[CHESS_FEN_BYTES];
    struct chess_position p, again;
    int count;
    err e;

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    chess_init();
    e = chess_fen_parse(str_from(text, size), &p);
    free(text);
    if (e.code)
        return 0;
    if (!chess_position_check(&p))
        abort();
    chess_fen_write(&p, fen);
    e = chess_fen_parse(str_of(fen), &again);
    if (e.code || again.key != p.key)
        abort();
    count = chess_moves(&p, moves);
    if ((count > 0) != chess_has_moves(&p) || count > CHESS_MOVES_MAX)
        abort();
    (void)chess_end_of(&p, NULL, 0);
    for (int i = 0; i < count; i++) {
        struct chess_position after = p;

        if (!chess_move_is_legal(&p, moves[i]) ||
            chess_move_at(&p, chess_move_index(&p, moves[i])) != moves[i])
            abort();
        chess_move_make(&after, moves[i]);
        if (!chess_position_check(&after))
            abort();
    }
    return 0;
}

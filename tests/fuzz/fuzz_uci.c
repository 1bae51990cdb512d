/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UCI moves and stored move numbers from strangers: one byte chooses a start position, then either
 * text lines or, after a zero byte, raw 16-bit moves and numbers. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play_raw(struct chess_position *p, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        chess_move m = (chess_move)(data[i] | data[i + 1] << 8);
        chess_move numbered = chess_move_at(p, data[i] | (data[i + 1] & 1) << 8);
        bool legal = chess_move_is_legal(p, m);

        if (legal != (chess_move_index(p, m) >= 0))
            abort();
        if (numbered && !chess_move_is_legal(p, numbered))
            abort();
        if (legal)
            chess_move_make(p, m);
        else if (numbered)
            chess_move_make(p, numbered);
    }
}

static void play_text(struct chess_position *p, str rest)
{
    while (rest.len) {
        str line = str_split(&rest, '\n');
        char *exact = malloc(line.len ? line.len : 1), text[CHESS_UCI_BYTES];
        chess_move m = CHESS_MOVE_NONE, again = CHESS_MOVE_NONE;
        err e;

        if (!exact)
            return;
        if (line.len)
            memcpy(exact, line.ptr, line.len);
        e = chess_uci_parse(p, str_from(exact, line.len), &m);
        free(exact);
        if (e.code)
            continue;
        chess_uci_write(p, m, text);
        e = chess_uci_parse(p, str_of(text), &again);
        if (e.code || again != m || !chess_move_is_legal(p, m))
            abort();
        chess_move_make(p, m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chess_position p;

    if (size < 2)
        return 0;
    chess_init();
    if (data[0] == 0)
        chess_position_start(&p);
    else
        chess_position_start_960(&p, data[0] * 3 + 100);
    if (data[1] == 0)
        play_raw(&p, data + 2, size - 2);
    else
        play_text(&p, str_from(data + 1, size - 1));
    if (!chess_position_check(&p))
        abort();
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SAN from strangers: the first line is a FEN, each further line a move. Both readers must agree,
 * and what they accept is legal and written so that it reads back. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_move(struct chess_position *p, str text)
{
    char *exact = malloc(text.len ? text.len : 1), san[CHESS_SAN_BYTES];
    chess_move found, parsed = CHESS_MOVE_NONE;
    err e;

    if (!exact)
        return;
    if (text.len)
        memcpy(exact, text.ptr, text.len);
    found = chess_san_find(p, exact, text.len);
    e = chess_san_parse(p, str_from(exact, text.len), &parsed);
    free(exact);
    if (found != (e.code ? CHESS_MOVE_NONE : parsed))
        abort();
    if (!found)
        return;
    if (!chess_move_is_legal(p, found))
        abort();
    chess_san_write(p, found, san);
    if (chess_san_find(p, san, strlen(san)) != found)
        abort();
    chess_move_make(p, found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_from(data, size), fen = str_split(&rest, '\n');
    struct chess_position p;
    err e;

    chess_init();
    e = chess_fen_parse(fen, &p);
    if (e.code)
        chess_position_start(&p);
    for (int i = 0; i < 1000 && rest.len; i++)
        one_move(&p, str_split(&rest, '\n'));
    if (!chess_position_check(&p))
        abort();
    return 0;
}

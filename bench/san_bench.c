/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a half move of real games costs: reading its text and making it, its number, its list.
 *
 *     san_bench FILE.pgn[.zst]
 *
 * Prints JSON lines in nanoseconds a half move, without a peer. The games are read before anything
 * is timed and are kept as standard SAN. They are timed in pieces of about a millisecond, best of
 * ten each, so that what else runs on the machine disturbs little. Every pass must end in the same
 * positions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/chess/pgn.h"

enum { PLIES_MAX = 8 * 1000 * 1000, PIECES_MAX = 4096, PIECE_PLIES = 16384, ROUNDS = 10 };

struct half_move {
    char san[CHESS_SAN_BYTES];
    uint8_t san_len;
    uint8_t starts_game;
    chess_move move;
    uint16_t number;
};

struct games {
    struct half_move *plies;
    size_t count;
    size_t pieces[PIECES_MAX]; /* first half move of each, at the start of a game */
    size_t piece_count;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "san_bench: %s\n", what);
    exit(1);
}

static void need(err e)
{
    if (e.code)
        die(e.msg);
}

static void keep_game(struct games *g, const struct pgn_game *game)
{
    struct chess_position p = game->start;

    if (g->piece_count == 0 || g->count - g->pieces[g->piece_count - 1] >= PIECE_PLIES) {
        if (g->piece_count == PIECES_MAX - 1)
            return;
        g->pieces[g->piece_count++] = g->count;
    }
    for (size_t ply = 0; ply < game->ply_count; ply++) {
        struct half_move *h = &g->plies[g->count++];

        h->move = game->moves[ply];
        h->starts_game = ply == 0;
        h->number = (uint16_t)chess_move_index(&p, h->move);
        chess_san_write(&p, h->move, h->san);
        h->san_len = (uint8_t)strlen(h->san);
        chess_move_make(&p, h->move);
    }
}

static void read_games(const char *path, struct games *g)
{
    const struct pgn_options options = { .moves_only = true };
    const struct pgn_game *game = NULL;
    struct pgn_source *source = NULL;
    struct pgn_reader *reader = NULL;

    need(pgn_source_open(path, &source));
    need(pgn_reader_open(source, &options, &reader));
    for (;;) {
        need(pgn_next(reader, &game));
        if (!game || g->count + game->ply_count > PLIES_MAX)
            break;
        if (!game->has_fen)
            keep_game(g, game);
    }
    pgn_reader_close(reader);
    pgn_source_close(source);
    if (g->count == 0)
        die("the file has no games from the standard position");
    g->pieces[g->piece_count] = g->count;
}

enum pass { PASS_TEXT, PASS_MAKE, PASS_NUMBER, PASS_LIST, PASS_COUNT };

static uint64_t run(const struct games *g, size_t from, size_t end, enum pass pass)
{
    struct chess_position start, p;
    uint64_t sum = 0;

    chess_position_start(&start);
    p = start;
    for (size_t i = from; i < end; i++) {
        const struct half_move *h = &g->plies[i];
        chess_move list[CHESS_MOVES_MAX], m = h->move;

        if (h->starts_game)
            p = start;
        if (pass == PASS_TEXT)
            m = chess_san_find(&p, h->san, h->san_len);
        else if (pass == PASS_NUMBER)
            m = chess_move_at(&p, h->number);
        else if (pass == PASS_LIST && chess_moves(&p, list) == 0)
            m = CHESS_MOVE_NONE;
        if (m == CHESS_MOVE_NONE)
            die("a move was not found again");
        chess_move_make(&p, m);
        sum += p.key;
    }
    return sum;
}

static double ns_per_ply(const struct games *g, enum pass pass)
{
    double total = 0;

    for (size_t i = 0; i < g->piece_count; i++) {
        uint64_t want = run(g, g->pieces[i], g->pieces[i + 1], PASS_MAKE);
        int64_t best = INT64_MAX;

        for (int round = 0; round < ROUNDS; round++) {
            int64_t start = clock_mono_ns(), took;

            if (run(g, g->pieces[i], g->pieces[i + 1], pass) != want)
                die("two passes end in different positions");
            took = clock_mono_ns() - start;
            best = took < best ? took : best;
        }
        total += (double)best;
    }
    return total / (double)g->count;
}

int main(int argc, char **argv)
{
    static const char *const names[PASS_COUNT] = { "san-find-make", "make", "number-at-make",
                                                   "list-make" };
    static struct games g;

    if (argc != 2)
        die("usage: san_bench FILE.pgn[.zst]");
    chess_init();
    g.plies = malloc(sizeof(*g.plies) * PLIES_MAX);
    if (!g.plies)
        die("no memory");
    read_games(argv[1], &g);
    for (int pass = 0; pass < PASS_COUNT; pass++)
        printf("{\"bench\":\"%s\",\"ours\":%.1f,\"peer\":null,\"theirs\":null,\"unit\":\"ns/"
               "ply\",\"ratio\":null}\n",
               names[pass], ns_per_ply(&g, (enum pass)pass));
    free(g.plies);
    return 0;
}

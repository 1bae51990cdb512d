/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fast reader of moves against the patient one: a game must be read the same whichever of them
 * reads it, and an illegal move must pass neither. */
#include "board_help.h"
#include "pgn_help.h"

#include "base/buf.h"

enum { TEXT_MAX = 64 << 20 };

/* ------------------------------------------------------------------ whole games */

/* Random games, half of them Chess960, written and read back. */
static void random_games_come_back(void **state)
{
    enum { GAMES = 400, PLIES = 300 };
    static chess_move played[GAMES][PLIES];
    static size_t counts[GAMES];
    struct buf text;
    struct rng rng;

    buf_init(&text, TEXT_MAX);
    rng_init(&rng, 11);
    for (int game = 0; game < GAMES; game++) {
        struct chess_position p;
        char fen[CHESS_FEN_BYTES];

        chess_position_start_960(&p, game % 2 ? (int)rng_below(&rng, 960) : 518);
        p.is_960 = (uint8_t)(game % 2);
        chess_fen_write(&p, fen);
        buf_add_fmt(&text, "[Event \"%d\"]\n[Variant \"%s\"]\n[FEN \"%s\"]\n\n", game,
                    game % 2 ? "Chess960" : "Standard", fen);
        counts[game] = 0;
        for (size_t ply = 0; ply < PLIES; ply++) {
            chess_move moves[CHESS_MOVES_MAX], move;
            char san[CHESS_SAN_BYTES];
            int count = chess_moves(&p, moves);

            if (count == 0)
                break;
            move = moves[rng_below(&rng, (uint64_t)count)];
            for (int i = 0; i < count; i++) { /* castling is rare among random moves */
                if (chess_move_is_castling(moves[i]))
                    move = moves[i];
            }
            chess_san_write(&p, move, san);
            if (p.turn == CHESS_WHITE)
                buf_add_fmt(&text, "%u.%s", p.fullmoves, rng_below(&rng, 2) ? " " : "");
            buf_add_fmt(&text, "%s%s", san, rng_below(&rng, 9) ? " " : "\n");
            played[game][counts[game]++] = move;
            chess_move_make(&p, move);
        }
        buf_add_cstr(&text, "*\n\n");
    }
    assert_int_equal(buf_check(&text).code, ERR_NONE);

    struct one_game one = open_game(buf_str(&text));
    for (int game = 0; game < GAMES; game++) {
        assert_non_null(one.game);
        assert_int_equal(one.game->ply_count, counts[game]);
        assert_memory_equal(one.game->moves, played[game], counts[game] * sizeof(chess_move));
        assert_int_equal(pgn_next(one.reader, &one.game).code, ERR_NONE);
    }
    assert_null(one.game);
    close_game(&one);
    buf_deinit(&text);
}

/* ------------------------------------------------------------------ damaged moves */

struct question {
    char token[16];
    chess_move answer; /* of the patient reader; none when it refuses */
};

enum { QUESTIONS_MAX = 60000 };

static struct {
    struct buf text;
    struct question questions[QUESTIONS_MAX];
    size_t count;
} asked;

/* Words that mean something else in movetext. */
static bool is_other_word(const char *token)
{
    return token[0] == '\0' || (token[0] >= '0' && token[0] <= '9') ||
           strspn(token, "+#=-") == strlen(token) || strcmp(token, "N") == 0 ||
           strcmp(token, "ep") == 0 || token[0] == '.';
}

static void ask(const struct chess_position *p, const char *token)
{
    struct question *q = &asked.questions[asked.count];
    char fen[CHESS_FEN_BYTES];

    if (is_other_word(token) || asked.count == QUESTIONS_MAX)
        return;
    snprintf(q->token, sizeof q->token, "%s", token);
    q->answer = CHESS_MOVE_NONE;
    if (chess_san_parse(p, str_of(token), &q->answer).code &&
        chess_uci_parse(p, str_of(token), &q->answer).code)
        q->answer = CHESS_MOVE_NONE;
    chess_fen_write(p, fen);
    /* Long enough behind the token for the fast reader to take it. */
    buf_add_fmt(&asked.text, "[Event \"%zu\"]\n[Variant \"%s\"]\n[FEN \"%s\"]\n\n%s %120s *\n\n",
                asked.count, p->is_960 ? "Chess960" : "Standard", fen, token, "");
    asked.count++;
}

static void ask_about(const struct chess_position *p, struct rng *rng)
{
    static const char alphabet[] = "abcdefgh12345678NBRQKPOox=+#-0";
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);

    for (int n = 0; n < 4 && count > 0; n++) {
        char san[CHESS_SAN_BYTES], token[CHESS_SAN_BYTES + 2];
        size_t len, at;

        chess_san_write(p, moves[rng_below(rng, (uint64_t)count)], san);
        len = strlen(san);
        at = (size_t)rng_below(rng, len + 1);
        memcpy(token, san, len + 1);
        switch (rng_below(rng, 4)) {
        case 0: /* a character more */
            memmove(token + at + 1, token + at, len + 1 - at);
            token[at] = alphabet[rng_below(rng, sizeof alphabet - 1)];
            break;
        case 1: /* a character less */
            memmove(token + at, token + at + (at < len), len + 1 - at - (at < len));
            break;
        case 2: /* another character */
            if (at < len)
                token[at] = alphabet[rng_below(rng, sizeof alphabet - 1)];
            break;
        default: /* another piece to another square */
            snprintf(token, sizeof token, "%c%c%c", "NBRQKabcdefgh"[rng_below(rng, 13)],
                     "abcdefgh"[rng_below(rng, 8)], "12345678"[rng_below(rng, 8)]);
        }
        ask(p, token);
    }
}

static size_t number_of(const struct pgn_game *g)
{
    int64_t number = -1;

    assert_int_equal(str_to_i64(pgn_game_tag(g, "Event"), &number).code, ERR_NONE);
    return (size_t)number;
}

static void damaged_moves(void **state)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    size_t next = 0, accepted = 0, refused = 0;

    buf_init(&asked.text, TEXT_MAX);
    random_games(5, 120, 120, ask_about);
    assert_int_equal(buf_check(&asked.text).code, ERR_NONE);
    assert_true(asked.count > 30000);
    assert_int_equal(pgn_source_open_bytes(buf_str(&asked.text), "asked", &source).code, ERR_NONE);
    assert_int_equal(pgn_reader_open(source, NULL, &reader).code, ERR_NONE);
    for (;;) {
        assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
        size_t number = g ? number_of(g) : asked.count;
        for (; next < number; next++, refused++) {
            if (asked.questions[next].answer)
                fail_msg("'%s' (game %zu) was refused", asked.questions[next].token, next);
        }
        if (!g)
            break;
        assert_int_equal(g->ply_count, 1);
        if (g->moves[0] != asked.questions[next].answer)
            fail_msg("'%s' (game %zu) was read as %04x, not %04x", asked.questions[next].token,
                     next, g->moves[0], asked.questions[next].answer);
        next++;
        accepted++;
    }
    /* Both outcomes were really tried. */
    assert_true(accepted > 3000 && refused > 3000);
    pgn_reader_close(reader);
    pgn_source_close(source);
    buf_deinit(&asked.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_games_come_back),
        cmocka_unit_test(damaged_moves),
    };

    chess_init();
    return cmocka_run_group_tests_name("pgn_moves", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_moves.c -- from the text of a move to the move: the inner loop of reading PGN.
 *
 * Nearly all tokens of a game are plain moves between white space. They are read without loops and with
 * few branches that depend on the data: a vector comparison finds the end of the token, the last two
 * characters are the square, the first names the man, and a table turns whatever stands between
 * ("x", a file, a rank) into a set of squares to AND with. Usually exactly one man of the kind has the
 * square in reach; whether its way is free and its king safe is checked after the fact, by branches that
 * hardly ever go the other way. Whatever is not plain (castling, promotion, a choice between men, "!?",
 * long notation, mistakes) goes to pgn_move_read, which asks the general parsers of the board.
 *
 * The fast loop may refuse what the general parsers accept, but must never accept what they refuse:
 * tests/unit/chess/test_pgn_moves.c compares the two on real games and on damaged ones.
 */
#include <stdio.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/chess/pgn_internal.h"

/* ------------------------------------------------------------------ boards */

static const uint8_t man_of_piece[7] = {
    [CHESS_PAWN] = PGN_PAWN, [CHESS_KNIGHT] = PGN_KNIGHT, [CHESS_BISHOP] = PGN_BISHOP,
    [CHESS_ROOK] = PGN_ROOK, [CHESS_QUEEN] = PGN_QUEEN,   [CHESS_KING] = PGN_KING,
};
static const uint8_t piece_of_man[8] = {
    CHESS_NO_PIECE, CHESS_PAWN, CHESS_KNIGHT, CHESS_KING, CHESS_NO_PIECE, CHESS_BISHOP, CHESS_ROOK, CHESS_QUEEN,
};

void pgn_board_from(const struct chess_position *p, struct pgn_board *ret_board)
{
    struct pgn_board b = { .turn = p->turn, .en_passant = p->en_passant, .black = p->colors[CHESS_BLACK] };
    for (int piece = 0; piece < 6; piece++) {
        for (int i = 0; i < 3; i++) {
            if (man_of_piece[piece] >> i & 1)
                b.plane[i] |= p->pieces[piece];
        }
    }
    for (int color = 0; color < 2; color++) {
        for (int side = 0; side < 2; side++) {
            if (p->castling_rook[color][side] != CHESS_NO_SQUARE)
                b.castle |= bit(p->castling_rook[color][side]);
        }
    }
    *ret_board = b;
}

void pgn_board_to(const struct pgn_board *b, const struct chess_position *start, struct chess_position *ret_position)
{
    struct chess_position p = { .turn = (uint8_t)b->turn, .is_960 = start->is_960, .fullmoves = 1 };
    p.colors[CHESS_WHITE] = pgn_side(b, CHESS_WHITE);
    p.colors[CHESS_BLACK] = b->black;
    for (int square = 0; square < 64; square++) {
        int man = (int)((b->plane[0] >> square & 1) | (b->plane[1] >> square & 1) << 1 | (b->plane[2] >> square & 1) << 2);
        int piece = piece_of_man[man];
        p.board[square] = (uint8_t)piece;
        if (piece == CHESS_NO_PIECE)
            continue;
        p.board[square] |= (uint8_t)((b->black >> square & 1) << 3);
        p.pieces[piece] |= bit(square);
    }
    for (int color = 0; color < 2; color++) {
        chess_bits king = p.pieces[CHESS_KING] & p.colors[color];
        chess_bits rooks = b->castle & (color == CHESS_WHITE ? BITS_RANK_1 : BITS_RANK_8);
        p.castling_rook[color][0] = p.castling_rook[color][1] = CHESS_NO_SQUARE;
        for (; rooks; rooks &= rooks - 1)
            p.castling_rook[color][(rooks & -rooks) < king] = (uint8_t)bits_first(rooks);
    }
    p.en_passant = CHESS_NO_SQUARE;
    if (b->en_passant != CHESS_NO_SQUARE &&
        (attack_tables.pawn[!b->turn][b->en_passant] & p.pieces[CHESS_PAWN] & p.colors[b->turn]))
        p.en_passant = (uint8_t)b->en_passant;
    p.key = chess_position_key(&p);
    *ret_position = p;
}

static void make_castling(struct pgn_board *b, int king, int rook)
{
    int side = rook > king ? 0 : 1;
    pgn_place(b, bit(king) | bit(rook), bit(castling_king_to((int)b->turn, side)), PGN_KING);
    pgn_place(b, 0, bit(castling_rook_to((int)b->turn, side)), PGN_ROOK);
    b->castle &= b->turn == CHESS_WHITE ? ~BITS_RANK_1 : ~BITS_RANK_8;
    b->en_passant = CHESS_NO_SQUARE;
    b->turn ^= 1;
}

void pgn_board_make(struct pgn_board *b, chess_move m)
{
    int from = chess_move_from(m), to = chess_move_to(m);
    if (chess_move_is_castling(m)) {
        make_castling(b, from, to);
        return;
    }
    enum pgn_man man = (enum pgn_man)((b->plane[0] >> from & 1) | (b->plane[1] >> from & 1) << 1 |
                                      (b->plane[2] >> from & 1) << 2);
    chess_bits gone = bit(from);
    uint32_t passed = CHESS_NO_SQUARE;
    if (man == PGN_PAWN) {
        if ((uint32_t)to == b->en_passant)
            gone |= bit(to ^ 8);
        if ((from ^ to) == 16)
            passed = (uint32_t)(from + to) / 2;
        if (chess_move_promotion(m))
            man = (enum pgn_man)man_of_piece[chess_move_promotion(m)];
    }
    if (man == PGN_KING)
        b->castle &= b->turn == CHESS_WHITE ? ~BITS_RANK_1 : ~BITS_RANK_8;
    b->castle &= ~(bit(from) | bit(to));
    pgn_place(b, gone, bit(to), man);
    b->en_passant = passed;
    b->turn ^= 1;
}

/* ------------------------------------------------------------------ one plain token */

#define FILES(f) (BITS_FILE_A << (f))
#define RANKS(r) (BITS_RANK_1 << (8 * (r)))

/* The squares a character between man and target square allows the man to come from. */
static const chess_bits hint_squares[128] = {
    ['x'] = ~0ULL,
    ['a'] = FILES(0), ['b'] = FILES(1), ['c'] = FILES(2), ['d'] = FILES(3),
    ['e'] = FILES(4), ['f'] = FILES(5), ['g'] = FILES(6), ['h'] = FILES(7),
    ['1'] = RANKS(0), ['2'] = RANKS(1), ['3'] = RANKS(2), ['4'] = RANKS(3),
    ['5'] = RANKS(4), ['6'] = RANKS(5), ['7'] = RANKS(6), ['8'] = RANKS(7),
};

static const uint8_t man_of_letter[256] = {
    ['N'] = PGN_KNIGHT, ['B'] = PGN_BISHOP, ['R'] = PGN_ROOK, ['Q'] = PGN_QUEEN, ['K'] = PGN_KING,
    ['a'] = PGN_PAWN,   ['b'] = PGN_PAWN,   ['c'] = PGN_PAWN, ['d'] = PGN_PAWN,  ['e'] = PGN_PAWN,
    ['f'] = PGN_PAWN,   ['g'] = PGN_PAWN,   ['h'] = PGN_PAWN,
};

/* Characters before the first space, control character or non-ASCII byte; 16 means 16 or more. */
PGN_INLINE unsigned token_length(const char *p)
{
#if defined(__SSE2__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned stops = (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(bytes, _mm_set1_epi8('!')));
    return (unsigned)__builtin_ctz(stops | 0x10000);
#else
    unsigned len = 0;
    while (len < 16 && p[len] > ' ' && (unsigned char)p[len] < 128)
        len++;
    return len;
#endif
}

struct plain_move {
    int from, to;
    chess_bits gone; /* squares the move empties */
    enum pgn_man man;
    uint32_t passed; /* en passant square it leaves behind */
};

/* A pawn's move to an empty square or a capture, no promotion. `n` characters, the last two are `to`. */
PGN_INLINE bool plain_pawn(const struct pgn_board *b, const char *p, unsigned n, int to, struct plain_move *ret_move)
{
    int ahead = b->turn == CHESS_WHITE ? 8 : -8;
    int sideways = p[0] - p[n - 2]; /* files from target to origin */
    int rank = to >> 3;
    if ((unsigned)(rank - 1) > 5)
        return false;
    chess_bits occupied = pgn_occupied(b);
    chess_bits pawns = pgn_men(b, PGN_PAWN) & pgn_side(b, b->turn);
    int near = (to - ahead + sideways) & 63;
    bool is_step = pawns >> near & 1;
    int from = is_step ? near : (near - ahead) & 63;
    bool is_double_ok = !is_step && !(occupied >> near & 1) && rank == (b->turn == CHESS_WHITE ? 3 : 4) &&
                        (pawns >> from & 1);
    bool is_push_ok = n == 2 && !(occupied >> to & 1) && (is_step | is_double_ok);
    bool is_en_passant = (uint32_t)to == b->en_passant;
    bool is_capture_ok = n == 4 && p[1] == 'x' && (sideways == 1 || sideways == -1) && is_step &&
                         ((pgn_side(b, !b->turn) >> to & 1) || is_en_passant);
    ret_move->from = from;
    ret_move->to = to;
    ret_move->gone = bit(from) | (n == 4 && is_en_passant ? bit(to ^ 8) : 0);
    ret_move->man = PGN_PAWN;
    ret_move->passed = is_step ? CHESS_NO_SQUARE : (uint32_t)near;
    return is_push_ok | is_capture_ok;
}

/* A man's move when the text leaves exactly one candidate. */
PGN_INLINE bool plain_man(const struct pgn_board *b, const char *p, unsigned n, int to, enum pgn_man man,
                          struct plain_move *ret_move)
{
    const struct attack_tables *t = &attack_tables;
    chess_bits hint = n > 3 ? hint_squares[(unsigned char)p[1] & 127] : ~0ULL;
    hint &= n > 4 ? hint_squares[(unsigned char)p[2] & 127] : ~0ULL;
    chess_bits own = pgn_side(b, b->turn);
    chess_bits candidates = pgn_men(b, man) & own & hint & t->reach[piece_of_man[man]][to];
    if (n > 5 || !candidates || (own >> to & 1))
        return false;
    int from = bits_first(candidates);
    if (bits_many(candidates) || (t->between[from][to] & pgn_occupied(b)))
        return false;
    *ret_move = (struct plain_move){ from, to, bit(from), man, CHESS_NO_SQUARE };
    return true;
}

/* Makes it on the board; false, and the board is spoiled, when it leaves the own king attacked. */
PGN_INLINE bool plain_make(struct pgn_board *b, const struct plain_move *m)
{
    chess_bits home = b->turn == CHESS_WHITE ? BITS_RANK_1 : BITS_RANK_8;
    pgn_place(b, m->gone, bit(m->to), m->man);
    b->castle &= ~(bit(m->from) | bit(m->to) | (m->man == PGN_KING ? home : 0));
    b->en_passant = m->passed;
    chess_bits own = pgn_side(b, b->turn);
    int king = bits_first(pgn_men(b, PGN_KING) & own);
    bool safe = !pgn_attackers(b, king, b->turn, pgn_occupied(b), ~own);
    b->turn ^= 1;
    return safe;
}

/* ------------------------------------------------------------------ the loop */

/* "12." and "12..." and a space behind; p unchanged when it is something else ("1-0", "1/2"). */
PGN_INLINE const char *skip_number(const char *p)
{
    const char *q = p;
    while ((unsigned char)(*q - '0') < 10)
        q++;
    if (*q != '.')
        return p;
    while (*q == '.')
        q++;
    return q + (*q == ' ');
}

void pgn_moves_run(struct pgn_movetext *m)
{
    /* A token and its number fit before the end, or they are left to the careful code. */
    const char *p = m->p, *last = m->end - 2 * PGN_TOKEN_BYTES_MAX;
    struct pgn_board b = m->board;
    size_t ply = m->ply_count;
    while (p <= last && ply < PGN_PLIES_MAX) {
        const char *at = skip_number(p);
        unsigned len = token_length(at);
        unsigned n = len - (len > 0 && (at[len - 1] == '+' || at[len - 1] == '#'));
        enum pgn_man man = (enum pgn_man)man_of_letter[(unsigned char)at[0]];
        if (n < 2 || man == PGN_NO_MAN)
            break;
        unsigned file = (unsigned)at[n - 2] - 'a', rank = (unsigned)at[n - 1] - '1';
        if ((file | rank) > 7)
            break;
        int to = (int)(file + 8 * rank);
        struct plain_move move;
        if (!(man == PGN_PAWN ? plain_pawn(&b, at, n, to, &move) : plain_man(&b, at, n, to, man, &move)))
            break;
        struct pgn_board after = b;
        if (!plain_make(&after, &move))
            break;
        b = after;
        m->moves[ply++] = (chess_move)(move.from | move.to << 6);
        p = at + len;
        p += *p == ' ' || *p == '\n';
    }
    m->p = p;
    m->board = b;
    m->ply_count = ply;
}

/* ------------------------------------------------------------------ any token */

static void refuse(struct pgn_movetext *m, str token, const char *why)
{
    unsigned number = m->start.fullmoves + (unsigned)((m->ply_count + m->start.turn) / 2);
    /* What a stranger wrote goes into a log line: show it printable and short. */
    char shown[PGN_TOKEN_BYTES_MAX + 1];
    size_t len = 0;
    for (; len < token.len && len < sizeof shown - 1; len++) {
        unsigned char c = (unsigned char)token.ptr[len];
        shown[len] = c > ' ' && c < 127 ? (char)c : '?';
    }
    shown[len] = '\0';
    snprintf(m->reason, sizeof m->reason, "move %u%s %s: %.130s", number, m->board.turn == CHESS_WHITE ? "." : "...",
             shown, why);
}

chess_move pgn_move_read(struct pgn_movetext *m, str token)
{
    struct chess_position position;
    chess_move move = CHESS_MOVE_NONE;
    if (token.len > PGN_TOKEN_BYTES_MAX) {
        refuse(m, token, "no move is that long");
        return CHESS_MOVE_NONE;
    }
    if (str_eq(token, STR("--")) || str_eq(token, STR("Z0")) || str_eq_nocase(token, STR("null")) ||
        str_eq(token, STR("@@@@"))) {
        refuse(m, token, "a null move is not a move of a game");
        return CHESS_MOVE_NONE;
    }
    pgn_board_to(&m->board, &m->start, &position);
    move = chess_san_find(&position, token.ptr, token.len);
    if (move)
        return move;
    err e = chess_san_parse(&position, token, &move);
    if (e.code && chess_uci_parse(&position, token, &move).code) {
        refuse(m, token, e.msg);
        return CHESS_MOVE_NONE;
    }
    return move;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_moves.c -- from the text of a move to the move: the inner loop of reading PGN.
 *
 * Nearly all tokens of a game are plain moves between white space. They are read without loops and
 * with few branches that depend on the data: a vector comparison finds the end of the token, the
 * last two characters are the square, the first names the man, and a table turns whatever stands
 * between
 * ("x", a file, a rank) into a set of squares to AND with. Usually exactly one man of the kind has
 * the square in reach; whether its way is free and its king safe is checked after the fact, by
 * branches that hardly ever go the other way. Whatever is not plain (castling, promotion, a choice
 * between men, "!?", long notation, mistakes) goes to pgn_move_read, which asks the general parsers
 * of the board.
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
    CHESS_NO_PIECE, CHESS_PAWN,   CHESS_KNIGHT, CHESS_KING,
    CHESS_NO_PIECE, CHESS_BISHOP, CHESS_ROOK,   CHESS_QUEEN,
};

void pgn_board_from(const struct chess_position *p, struct pgn_board *ret_board)
{
    struct pgn_board b = { .turn = p->turn, .black = p->colors[CHESS_BLACK] };
    if (p->en_passant != CHESS_NO_SQUARE)
        b.passed = bit(p->en_passant);
    for (int piece = 0; piece < 6; piece++) {
        for (int i = 0; i < 3; i++) {
            if (man_of_piece[piece] >> i & 1)
                b.plane[i] |= p->pieces[piece];
        }
    }
    for (int color = 0; color < 2; color++) {
        for (int side = 0; side < 2; side++) {
            if (p->castling_rook[color][side] != CHESS_NO_SQUARE)
                b.unmoved |= bit(p->castling_rook[color][side]) | bit(position_king(p, color));
        }
    }
    *ret_board = b;
}

void pgn_board_to(const struct pgn_board *b, const struct chess_position *start,
                  struct chess_position *ret_position)
{
    struct chess_position p = { .turn = (uint8_t)b->turn, .is_960 = start->is_960, .fullmoves = 1 };
    p.colors[CHESS_WHITE] = pgn_side(b, CHESS_WHITE);
    p.colors[CHESS_BLACK] = b->black;
    for (int square = 0; square < 64; square++) {
        int man = (int)((b->plane[0] >> square & 1) | (b->plane[1] >> square & 1) << 1 |
                        (b->plane[2] >> square & 1) << 2);
        int piece = piece_of_man[man];
        p.board[square] = (uint8_t)piece;
        if (piece == CHESS_NO_PIECE)
            continue;
        p.board[square] |= (uint8_t)((b->black >> square & 1) << 3);
        p.pieces[piece] |= bit(square);
    }
    for (int color = 0; color < 2; color++) {
        chess_bits king = p.pieces[CHESS_KING] & p.colors[color];
        chess_bits rooks = pgn_castling_rooks(b, (uint32_t)color);
        p.castling_rook[color][0] = p.castling_rook[color][1] = CHESS_NO_SQUARE;
        for (; rooks; rooks &= rooks - 1)
            p.castling_rook[color][(rooks & -rooks) < king] = (uint8_t)bits_first(rooks);
    }
    p.en_passant = CHESS_NO_SQUARE;
    int passed = b->passed ? bits_first(b->passed) : 0;
    if (b->passed &&
        (attack_tables.pawn[!b->turn][passed] & p.pieces[CHESS_PAWN] & p.colors[b->turn]))
        p.en_passant = (uint8_t)passed;
    p.key = chess_position_key(&p);
    *ret_position = p;
}

static void make_castling(struct pgn_board *b, int king, int rook)
{
    int side = rook > king ? 0 : 1;
    pgn_place(b, bit(king) | bit(rook), bit(castling_king_to((int)b->turn, side)), PGN_KING,
              b->turn);
    pgn_place(b, 0, bit(castling_rook_to((int)b->turn, side)), PGN_ROOK, b->turn);
    b->passed = 0;
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
    chess_bits passed = 0;
    if (man == PGN_PAWN) {
        if (bit(to) & b->passed)
            gone |= bit(to ^ 8);
        if ((from ^ to) == 16)
            passed = bit((from + to) / 2);
        if (chess_move_promotion(m))
            man = (enum pgn_man)man_of_piece[chess_move_promotion(m)];
    }
    pgn_place(b, gone, bit(to), man, b->turn);
    b->passed = passed;
    b->turn ^= 1;
}

void pgn_sources_fill(struct pgn_sources *ret_sources)
{
    struct pgn_sources *s = ret_sources;
    memset(s, 0, sizeof *s);
    for (uint32_t us = 0; us < 2; us++) {
        for (unsigned kind = 0; kind < PGN_KINDS; kind++) {
            if (piece_of_man[kind] != CHESS_NO_PIECE && kind != PGN_PAWN)
                memcpy(s->of[us][kind], attack_tables.reach[piece_of_man[kind]],
                       sizeof s->of[us][kind]);
        }
        for (int to = 8; to < 56; to++) {
            chess_bits target = bit(to);
            if (us == CHESS_WHITE)
                s->of[us][PGN_PAWN][to] = target >> 8 | (to >> 3 == 3 ? target >> 16 : 0);
            else
                s->of[us][PGN_PAWN][to] = target << 8 | (to >> 3 == 4 ? target << 16 : 0);
            s->of[us][PGN_PAWN_TAKES][to] = attack_tables.pawn[!us][to];
        }
    }
}

/* ------------------------------------------------------------------ one plain token */

#define FILES(f) (BITS_FILE_A << (f))
#define RANKS(r) (BITS_RANK_1 << (8 * (r)))

/* The squares from which a first character between man and target square allows the man to come,
 * and where in `after_hint` stands what a second one allows. No character counts as a zero byte. */
enum { AFTER_NOTHING = 0, AFTER_RANK = 256, AFTER_FILE = 512, AFTER_END = 768 };
static const struct {
    chess_bits squares;
    size_t next;
} first_hint[256] = {
    [0] = { ~0ULL, AFTER_NOTHING },   ['x'] = { ~0ULL, AFTER_NOTHING },
    ['a'] = { FILES(0), AFTER_FILE }, ['b'] = { FILES(1), AFTER_FILE },
    ['c'] = { FILES(2), AFTER_FILE }, ['d'] = { FILES(3), AFTER_FILE },
    ['e'] = { FILES(4), AFTER_FILE }, ['f'] = { FILES(5), AFTER_FILE },
    ['g'] = { FILES(6), AFTER_FILE }, ['h'] = { FILES(7), AFTER_FILE },
    ['1'] = { RANKS(0), AFTER_RANK }, ['2'] = { RANKS(1), AFTER_RANK },
    ['3'] = { RANKS(2), AFTER_RANK }, ['4'] = { RANKS(3), AFTER_RANK },
    ['5'] = { RANKS(4), AFTER_RANK }, ['6'] = { RANKS(5), AFTER_RANK },
    ['7'] = { RANKS(6), AFTER_RANK }, ['8'] = { RANKS(7), AFTER_RANK },
};
static const chess_bits after_hint[AFTER_END] = {
    [AFTER_NOTHING] = ~0ULL,       [AFTER_RANK] = ~0ULL,          [AFTER_RANK + 'x'] = ~0ULL,
    [AFTER_FILE] = ~0ULL,          [AFTER_FILE + 'x'] = ~0ULL,    [AFTER_FILE + '1'] = RANKS(0),
    [AFTER_FILE + '2'] = RANKS(1), [AFTER_FILE + '3'] = RANKS(2), [AFTER_FILE + '4'] = RANKS(3),
    [AFTER_FILE + '5'] = RANKS(4), [AFTER_FILE + '6'] = RANKS(5), [AFTER_FILE + '7'] = RANKS(6),
    [AFTER_FILE + '8'] = RANKS(7),
};

/* What a first letter says: the man, and whether the letter stands for it alone. A pawn's letter is
 * its file, and thus part of the square or a hint. */
enum { HAS_LETTER = 8 };
static const uint8_t first_letters[256] = {
    ['N'] = HAS_LETTER | PGN_KNIGHT,
    ['B'] = HAS_LETTER | PGN_BISHOP,
    ['R'] = HAS_LETTER | PGN_ROOK,
    ['Q'] = HAS_LETTER | PGN_QUEEN,
    ['K'] = HAS_LETTER | PGN_KING,
    ['a'] = PGN_PAWN,
    ['b'] = PGN_PAWN,
    ['c'] = PGN_PAWN,
    ['d'] = PGN_PAWN,
    ['e'] = PGN_PAWN,
    ['f'] = PGN_PAWN,
    ['g'] = PGN_PAWN,
    ['h'] = PGN_PAWN,
};

enum { HINTS_MAX = 2 };
/* The kind of man by what its letter says and the number of hints: a pawn with hints takes. */
static const uint8_t kind_of[16][HINTS_MAX + 1] = {
    [PGN_PAWN] = { PGN_PAWN, PGN_PAWN_TAKES, PGN_PAWN_TAKES },
    [HAS_LETTER | PGN_KNIGHT] = { PGN_KNIGHT, PGN_KNIGHT, PGN_KNIGHT },
    [HAS_LETTER | PGN_BISHOP] = { PGN_BISHOP, PGN_BISHOP, PGN_BISHOP },
    [HAS_LETTER | PGN_ROOK] = { PGN_ROOK, PGN_ROOK, PGN_ROOK },
    [HAS_LETTER | PGN_QUEEN] = { PGN_QUEEN, PGN_QUEEN, PGN_QUEEN },
    [HAS_LETTER | PGN_KING] = { PGN_KING, PGN_KING, PGN_KING },
};
static const uint8_t hint_bytes[HINTS_MAX + 1][2] = { { 0, 0 }, { 255, 0 }, { 255, 255 } };

/* Characters before the first space or control character; 16 means 16 or more. */
PGN_INLINE unsigned token_length(const char *p)
{
#if defined(__SSE2__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_min_epu8(bytes, _mm_set1_epi8(' '));
    unsigned stops = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(low, bytes));
    return (unsigned)__builtin_ctz(stops | 0x10000);
#else
    unsigned len = 0;
    while (len < 16 && (unsigned char)p[len] > ' ')
        len++;
    return len;
#endif
}

/* A token taken apart. */
struct plain {
    const char *text;
    unsigned len;    /* with the check sign */
    int n;           /* without; -1 for an empty token behind a check sign */
    unsigned letter; /* of first_letters */
    unsigned to;     /* more than 63: the last two characters are no square */
};

/* May look at the two characters before the token: short tokens are no squares that way. */
PGN_INLINE struct plain plain_split(const char *text, unsigned len)
{
    struct plain t = { .text = text, .len = len };
    const char *end = text + t.len;
    t.n = (int)len - ((end[-1] & 0xf7) == '#'); /* or '+' */
    t.letter = first_letters[(unsigned char)text[0]];
    end = text + t.n;
    unsigned file = (unsigned)end[-2] - 'a', rank = (unsigned)end[-1] - '1';
    t.to = (file | rank) > 7 ? 64 : file + 8 * rank;
    return t;
}

/* The men of the side to move that the text allows and that reach the target on an empty board.
 * Empty when the target cannot be entered. */
PGN_INLINE chess_bits plain_candidates(const struct pgn_board *b, const struct pgn_sources *sources,
                                       const struct plain *t, uint32_t us, unsigned *ret_kind)
{
    unsigned has_letter = t->letter / HAS_LETTER, hint_count = (unsigned)t->n - 2 - has_letter;
    if (PGN_UNLIKELY(hint_count > HINTS_MAX))
        return 0;
    uint16_t hints, mask;
    memcpy(&hints, t->text + has_letter, sizeof hints);
    memcpy(&mask, hint_bytes[hint_count], sizeof mask);
    hints &= mask;
    unsigned one = hints & 255, two = hints >> 8;
    chess_bits hint = first_hint[one].squares & after_hint[first_hint[one].next + two];

    unsigned kind = kind_of[t->letter][hint_count];
    const struct pgn_kind *k = &pgn_kinds[kind];
    chess_bits occupied = pgn_occupied(b);
    chess_bits own = us == CHESS_WHITE ? occupied & ~b->black : b->black;
    chess_bits closed = own | (occupied & k->push) | (~(occupied | b->passed) & k->take);
    chess_bits candidates = pgn_men(b, kind) & own & hint & sources->of[us][kind][t->to];
    *ret_kind = kind;
    return PGN_UNLIKELY(closed >> t->to & 1) ? 0 : candidates;
}

/* Makes the move of a man that is known to go there, `between` being the squares it passes; false
 * when that leaves its king attacked. */
PGN_INLINE bool plain_make(struct pgn_board *b, chess_bits from, chess_bits to, chess_bits between,
                           unsigned kind, uint32_t us)
{
    const struct pgn_kind *k = &pgn_kinds[kind];
    chess_bits gone = from;
    if (PGN_UNLIKELY((to & b->passed & k->take) != 0))
        gone |= us == CHESS_WHITE ? to >> 8 : to << 8;
    pgn_place(b, gone, to, kind, us);
    b->passed = between & k->pawn;
    chess_bits occupied = pgn_occupied(b);
    chess_bits own = us == CHESS_WHITE ? occupied & ~b->black : b->black;
    int king = bits_first(pgn_men(b, PGN_KING) & own);
    return !pgn_attackers(b, king, us, occupied, occupied & ~own);
}

/* ------------------------------------------------------------------ moves that are less common */

#define PGN_RARE static __attribute__((noinline))

/* The one man among several that has a free way and may leave its square; nothing for none or two.
 */
PGN_RARE chess_bits rare_choice(struct pgn_board b, chess_bits candidates, int to, unsigned kind)
{
    chess_bits found = 0;
    for (; candidates; candidates &= candidates - 1) {
        struct pgn_board after = b;
        chess_bits between = attack_tables.between[bits_first(candidates)][to];
        if ((between & pgn_occupied(&b)) ||
            !plain_make(&after, candidates & -candidates, bit(to), between, kind, b.turn))
            continue;
        if (found)
            return 0;
        found = candidates & -candidates;
    }
    return found;
}

PGN_RARE chess_move rare_castling(struct pgn_board b, int side)
{
    uint32_t us = b.turn;
    chess_bits occupied = pgn_occupied(&b), theirs = pgn_side(&b, !us),
               king_at = pgn_men(&b, PGN_KING) & ~theirs;
    chess_bits rooks = pgn_castling_rooks(&b, us);
    rooks &= side == 0 ? ~(king_at | (king_at - 1)) : king_at - 1;
    if (!rooks)
        return CHESS_MOVE_NONE;
    int king = bits_first(king_at), rook = bits_first(rooks);
    int king_to = castling_king_to((int)us, side), rook_to = castling_rook_to((int)us, side);
    chess_bits others = occupied ^ king_at ^ rooks;
    chess_bits way = attack_tables.between[king][king_to] | bit(king_to);
    if ((way | attack_tables.between[rook][rook_to] | bit(rook_to)) & others)
        return CHESS_MOVE_NONE;
    for (way |= king_at; way; way &= way - 1) {
        if (pgn_attackers(&b, bits_first(way), us, occupied ^ king_at, theirs))
            return CHESS_MOVE_NONE;
    }
    /* With the rook gone from beside it, the king may stand open in Chess960. */
    if (pgn_attackers(&b, king_to, us, others | bit(king_to) | bit(rook_to), theirs))
        return CHESS_MOVE_NONE;
    return move_castling(king, rook);
}

/* "e8=Q", "exd8=Q" */
PGN_RARE chess_move rare_promotion(struct pgn_board b, struct plain t)
{
    static const uint8_t pieces[128] = {
        ['N'] = CHESS_KNIGHT,
        ['B'] = CHESS_BISHOP,
        ['R'] = CHESS_ROOK,
        ['Q'] = CHESS_QUEEN,
    };
    uint32_t us = b.turn;
    unsigned char last = (unsigned char)t.text[t.n - 1];
    int piece = last < 128 ? pieces[last] : 0;
    bool takes = t.n == 6 && t.text[1] == 'x';
    if ((t.n != 4 && !takes) || t.text[t.n - 2] != '=' || !piece)
        return CHESS_MOVE_NONE;
    unsigned file = (unsigned)t.text[t.n - 4] - 'a', rank = (unsigned)t.text[t.n - 3] - '1';
    if (file > 7 || rank != (us == CHESS_WHITE ? 7 : 0))
        return CHESS_MOVE_NONE;
    int to = (int)(file + 8 * rank);
    chess_bits occupied = pgn_occupied(&b), theirs = pgn_side(&b, !us);
    chess_bits from = us == CHESS_WHITE ? bit(to) >> 8 : bit(to) << 8;
    if (takes)
        from = attack_tables.pawn[!us][to] & first_hint[(unsigned char)t.text[0]].squares;
    from &= pgn_men(&b, PGN_PAWN) & ~theirs;
    if (!from || !((takes ? theirs : ~occupied) & bit(to)) ||
        !plain_make(&b, from, bit(to), 0, PGN_PAWN, us))
        return CHESS_MOVE_NONE;
    return move_promoting(bits_first(from), to, piece);
}

/* Castling and promotion as programs write them. */
PGN_RARE chess_move rare_move(struct pgn_board b, struct plain t)
{
    if (t.n == 3 && memcmp(t.text, "O-O", 3) == 0)
        return rare_castling(b, 0);
    if (t.n == 5 && memcmp(t.text, "O-O-O", 5) == 0)
        return rare_castling(b, 1);
    return t.letter == PGN_PAWN ? rare_promotion(b, t) : CHESS_MOVE_NONE;
}

PGN_RARE struct pgn_board rare_make(struct pgn_board b, chess_move m)
{
    pgn_board_make(&b, m);
    return b;
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

static const bool is_space[256] = { [' '] = true, ['\n'] = true, ['\r'] = true, ['\t'] = true };

/* One move by the side `us`, with its number and the space behind. False: nothing has changed. */
PGN_INLINE bool plain_step(struct pgn_board *board, const struct pgn_sources *sources,
                           const char **at, uint32_t us, chess_move *ret_move)
{
    struct pgn_board b = *board;
    const char *text = skip_number(*at);
    struct plain t = plain_split(text, token_length(text));
    chess_move move;
    if (PGN_UNLIKELY(t.to > 63 || t.letter == 0)) {
        b.turn = us;
        move = rare_move(b, t);
        if (!move)
            return false;
        b = rare_make(b, move);
    } else {
        unsigned kind;
        chess_bits from = plain_candidates(&b, sources, &t, us, &kind);
        if (PGN_UNLIKELY(!from))
            return false;
        chess_bits between = attack_tables.between[bits_first(from)][t.to];
        if (PGN_UNLIKELY(bits_many(from) || (between & pgn_occupied(&b)))) {
            b.turn = us;
            from = rare_choice(b, from, (int)t.to, kind);
            if (!from)
                return false;
            between = attack_tables.between[bits_first(from)][t.to];
        }
        if (PGN_UNLIKELY(!plain_make(&b, from, bit((int)t.to), between, kind, us)))
            return false;
        move = move_of(bits_first(from), (int)t.to);
    }
    *ret_move = move;
    *at = t.text + t.len;
    *at += is_space[(unsigned char)**at];
    *board = b;
    return true;
}

/* One half of the loop. False: the loop has to stop, at *p. */
PGN_INLINE bool run_half(struct pgn_movetext *m, struct pgn_board *b, const char **p,
                         const char *last, chess_move **next, uint32_t us)
{
    if (*p > last || *next == m->moves + PGN_PLIES_MAX || !plain_step(b, &m->sources, p, us, *next))
        return false;
    ++*next;
    if (**p == '{') {
        const char *after = pgn_comment_take(m, *p, (size_t)(*next - m->moves));
        if (!after)
            return false;
        *p = after;
    }
    return true;
}

/* White and black by turns, so that the side to move is a constant in each half of the loop. */
PGN_INLINE void run_plain(struct pgn_movetext *m)
{
    /* A token and its number fit before the end, or they are left to the careful code. */
    const char *p = m->p, *last = m->end - 2 * PGN_TOKEN_BYTES_MAX;
    struct pgn_board b = m->board;
    chess_move *next = m->moves + m->ply_count;
    if (b.turn == CHESS_BLACK && !run_half(m, &b, &p, last, &next, CHESS_BLACK))
        goto stop;
    while (run_half(m, &b, &p, last, &next, CHESS_WHITE) &&
           run_half(m, &b, &p, last, &next, CHESS_BLACK))
        continue;
stop:
    m->p = p;
    b.turn = m->board.turn ^ ((size_t)(next - m->moves - m->ply_count) & 1);
    m->board = b;
    m->ply_count = (size_t)(next - m->moves);
}

#if defined(__x86_64__)
/* The same code again for CPUs of the last ten years: three-operand shifts and "and not". */
__attribute__((target("bmi,bmi2"))) static void run_bmi2(struct pgn_movetext *m)
{
    run_plain(m);
}
#endif

void pgn_moves_run(struct pgn_movetext *m)
{
#if defined(__x86_64__)
    if (m->has_bmi2) {
        run_bmi2(m);
        return;
    }
#endif
    run_plain(m);
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
    snprintf(m->reason, sizeof m->reason, "move %u%s %s: %.130s", number,
             m->board.turn == CHESS_WHITE ? "." : "...", shown, why);
}

/* The plain rules for a token whose end is known, for tokens with "!?" behind and at the window's
 * end. */
static chess_move read_plain(const struct pgn_movetext *m, str token)
{
    struct pgn_board b = m->board;
    struct plain t = plain_split(token.ptr, (unsigned)token.len);
    unsigned kind;
    if (t.to > 63 || t.letter == 0)
        return rare_move(b, t);
    chess_bits from = plain_candidates(&b, &m->sources, &t, b.turn, &kind);
    from = from ? rare_choice(b, from, (int)t.to, kind) : 0;
    return from ? move_of(bits_first(from), (int)t.to) : CHESS_MOVE_NONE;
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
    move = read_plain(m, token);
    if (move)
        return move;
    pgn_board_to(&m->board, &m->start, &position);
    err e = chess_san_parse(&position, token, &move);
    if (e.code && chess_uci_parse(&position, token, &move).code) {
        refuse(m, token, e.msg);
        return CHESS_MOVE_NONE;
    }
    return move;
}

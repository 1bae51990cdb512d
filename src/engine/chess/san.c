/* SPDX-License-Identifier: GPL-3.0-or-later */
/* san.c -- moves as people write them: Nf3, exd5, e8=Q+, O-O.
 *
 * Reading has two paths. The quick one knows the spelling that programs write, which is nearly
 * every move in nearly every file; it looks from the destination to the pieces that could come from
 * there, so it never lists moves. Whatever it does not understand goes to the patient one, which
 * knows what else people write. Both decide legality the same way, so a move is never read
 * differently by one of them.
 */
#include <string.h>

#include "engine/chess/bits.h"
#include "engine/chess/legal.h"
#include "engine/chess/position.h"
#include "engine/chess/uci.h"

static const char piece_letters[] = "PNBRQK";

/* ------------------------------------------------------------------ the quick path */

/* What a first letter says: one more than the piece, or 0. File letters are pawns. */
static const uint8_t first_letter[256] = {
    ['a' ... 'h'] = 1 + CHESS_PAWN, ['N'] = 1 + CHESS_KNIGHT, ['B'] = 1 + CHESS_BISHOP,
    ['R'] = 1 + CHESS_ROOK,         ['Q'] = 1 + CHESS_QUEEN,  ['K'] = 1 + CHESS_KING,
};

/* The squares a letter between piece and destination allows; none if it is no letter of SAN. */
static const chess_bits letter_squares[256] = {
    ['a'] = BITS_FILE_A,
    ['b'] = BITS_FILE_A << 1,
    ['c'] = BITS_FILE_A << 2,
    ['d'] = BITS_FILE_A << 3,
    ['e'] = BITS_FILE_A << 4,
    ['f'] = BITS_FILE_A << 5,
    ['g'] = BITS_FILE_A << 6,
    ['h'] = BITS_FILE_A << 7,
    ['1'] = BITS_RANK_1,
    ['2'] = BITS_RANK_1 << 8,
    ['3'] = BITS_RANK_1 << 16,
    ['4'] = BITS_RANK_1 << 24,
    ['5'] = BITS_RANK_1 << 32,
    ['6'] = BITS_RANK_1 << 40,
    ['7'] = BITS_RANK_1 << 48,
    ['8'] = BITS_RANK_1 << 56,
    ['x'] = ~0ULL,
};

/* The one piece of `candidates` that can legally go to `to`, or CHESS_MOVE_NONE. The candidates
 * reach `to` on an empty board. */
static inline chess_move only_one(const struct chess_position *p, chess_bits candidates, int to)
{
    chess_bits occupied = p->colors[0] | p->colors[1];
    chess_move found = CHESS_MOVE_NONE;

    if (!bits_many(candidates)) {
        int from;

        if (!candidates)
            return CHESS_MOVE_NONE;
        from = bits_first(candidates);
        return !(attack_tables.between[from][to] & occupied) && legal_leaves_king_safe(p, from, to)
                   ? move_of(from, to)
                   : CHESS_MOVE_NONE;
    }
    while (candidates) {
        int from = bits_pop(&candidates);

        if ((attack_tables.between[from][to] & occupied) || !legal_leaves_king_safe(p, from, to))
            continue;
        if (found)
            return CHESS_MOVE_NONE;
        found = move_of(from, to);
    }
    return found;
}

static chess_move quick_piece(const struct chess_position *p, int piece, const char *text,
                              size_t len, int to)
{
    chess_bits own = p->colors[p->turn];
    chess_bits allowed = ~0ULL;
    chess_bits candidates;

    if (len > 5 || (own & bit(to)))
        return CHESS_MOVE_NONE;
    if (len > 3)
        allowed = letter_squares[(unsigned char)text[1]];
    if (len > 4) { /* "Nbxd2" or "Nb1d2" */
        if (text[1] == 'x' || (text[2] != 'x' && (text[1] < 'a' || text[2] > '8')))
            return CHESS_MOVE_NONE;
        allowed &= letter_squares[(unsigned char)text[2]];
    }
    candidates = p->pieces[piece] & own & allowed & attack_tables.reach[piece][to];
    return only_one(p, candidates, to);
}

static chess_move quick_pawn(const struct chess_position *p, const char *text, size_t len, int to)
{
    int us = p->turn, back = us == CHESS_WHITE ? -8 : 8;
    chess_bits pawns = p->pieces[CHESS_PAWN] & p->colors[us];
    chess_bits occupied = p->colors[0] | p->colors[1];
    int from = to + back;

    if (((1ULL << to) & (BITS_RANK_1 | BITS_RANK_8)))
        return CHESS_MOVE_NONE; /* promotions take the patient path */
    if (len == 2) {
        if (occupied & bit(to))
            return CHESS_MOVE_NONE;
        if (!(pawns & bit(from))) {
            if ((occupied & bit(from)) || to >> 3 != (us == CHESS_WHITE ? 3 : 4))
                return CHESS_MOVE_NONE;
            from += back;
            if (!(pawns & bit(from)))
                return CHESS_MOVE_NONE;
        }
    } else {
        chess_bits takers = attack_tables.pawn[!us][to] & pawns &
                            letter_squares[(unsigned char)text[0]];

        if (len != 4 || text[1] != 'x' || !takers || !(p->colors[!us] & bit(to)))
            return CHESS_MOVE_NONE; /* so does en passant */
        from = bits_first(takers);
    }
    return legal_leaves_king_safe(p, from, to) ? move_of(from, to) : CHESS_MOVE_NONE;
}

static chess_move quick_castling(const struct chess_position *p, const char *text, size_t len)
{
    int side = len == 5;

    if ((len != 3 && len != 5) || memcmp(text, "O-O-O", len) != 0 || !legal_castling(p, side))
        return CHESS_MOVE_NONE;
    return move_castling(position_king(p, p->turn), p->castling_rook[p->turn][side]);
}

static inline chess_move find_quick(const struct chess_position *p, const char *text, size_t len)
{
    int piece, file, rank;

    len -= text[len - 1] == '+' || text[len - 1] == '#';
    if (len < 2)
        return CHESS_MOVE_NONE;
    piece = first_letter[(unsigned char)text[0]] - 1;
    file = text[len - 2] - 'a';
    rank = text[len - 1] - '1';
    if (piece < 0 || ((file | rank) & ~7))
        return quick_castling(p, text, len);
    return piece == CHESS_PAWN ? quick_pawn(p, text, len, square_of(file, rank))
                               : quick_piece(p, piece, text, len, square_of(file, rank));
}

/* ------------------------------------------------------------------ the patient path */

struct san_parts {
    int castling; /* side, or -1 */
    int piece;
    bool piece_written; /* "e2e4" may be any piece's move, "Pe2e4" may not */
    bool file_written;
    chess_bits from; /* squares allowed */
    int to;
    int promotion;
};

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* The piece that a letter or figurine (U+2654..U+265F) stands for; moves *text behind it. */
static int take_piece(str *text)
{
    static const uint8_t figurines[6] = { CHESS_KING,   CHESS_QUEEN,  CHESS_ROOK,
                                          CHESS_BISHOP, CHESS_KNIGHT, CHESS_PAWN };
    const char *at;

    if (text->len >= 3 && memcmp(text->ptr, "\xe2\x99", 2) == 0) {
        int index = (unsigned char)text->ptr[2] - 0x94;

        if (index < 0 || index > 11)
            return CHESS_NO_PIECE;
        *text = str_sub(*text, 3, text->len);
        return figurines[index % 6];
    }
    at = text->len && text->ptr[0] ? strchr(piece_letters, text->ptr[0]) : NULL;
    if (!at)
        return CHESS_NO_PIECE;
    *text = str_sub(*text, 1, text->len);
    return (int)(at - piece_letters);
}

/* Cuts what comments on the move: check and mate signs, "!?", "e.p.". */
static str cut_suffix(str text)
{
    for (;;) {
        text = str_trim(text);
        if (text.len && is_one_of(text.ptr[text.len - 1], "+#!?"))
            text.len -= 1;
        else if (str_ends(text, STR("e.p.")))
            text.len -= 4;
        else if (str_ends(text, STR("ep")))
            text.len -= 2;
        else
            return text;
    }
}

/* "O-O" with letters or zeros, with or without dashes: the side, or -1. */
static int castling_side(str text)
{
    int os = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (is_one_of(text.ptr[i], "O0o"))
            os++;
        else if (text.ptr[i] != '-' || i == 0 || i + 1 == text.len || text.ptr[i - 1] == '-')
            return -1;
    }
    return os == 2 ? 0 : os == 3 ? 1 : -1;
}

/* Takes "=Q", "Q", "q", "(Q)" or "/Q" off the end. False when it starts like one and is not. */
static bool take_promotion(str *text, int *ret_piece)
{
    static const char letters[] = "nbrq";
    bool closed = text->len && text->ptr[text->len - 1] == ')';
    size_t len = text->len - closed;
    const char *at;
    char c;

    *ret_piece = CHESS_PAWN;
    if (len == 0 || (text->ptr[len - 1] >= '1' && text->ptr[len - 1] <= '8'))
        return !closed;
    c = text->ptr[len - 1];
    at = is_one_of(c, "NBRQ") ? strchr(letters, c - 'A' + 'a') : c ? strchr(letters, c) : NULL;
    if (!at)
        return false;
    *ret_piece = CHESS_KNIGHT + (int)(at - letters);
    len--;
    if (closed && (len == 0 || text->ptr[--len] != '('))
        return false;
    if (!closed && len && is_one_of(text->ptr[len - 1], "=/"))
        len--;
    text->len = len;
    return true;
}

/* Reads the parts of a move; false when the text is not one. */
static bool read_parts(str text, struct san_parts *parts)
{
    int file, rank;

    text = cut_suffix(text);
    if (text.len > 12)
        return false;
    *parts = (struct san_parts){ .castling = castling_side(text), .from = ~0ULL };
    if (parts->castling >= 0)
        return true;
    if (!take_promotion(&text, &parts->promotion) || text.len < 2)
        return false;
    file = text.ptr[text.len - 2] - 'a';
    rank = text.ptr[text.len - 1] - '1';
    if (file < 0 || file > 7 || rank < 0 || rank > 7)
        return false;
    parts->to = square_of(file, rank);
    text.len -= 2;
    if (text.len && is_one_of(text.ptr[text.len - 1], "x:-"))
        text.len--;
    parts->piece = take_piece(&text);
    parts->piece_written = parts->piece != CHESS_NO_PIECE;
    if (!parts->piece_written)
        parts->piece = CHESS_PAWN;
    if (text.len && text.ptr[0] >= 'a' && text.ptr[0] <= 'h') {
        parts->file_written = true;
        parts->from &= letter_squares[(unsigned char)text.ptr[0]];
        text = str_sub(text, 1, text.len);
    }
    if (text.len && text.ptr[0] >= '1' && text.ptr[0] <= '8') {
        parts->from &= letter_squares[(unsigned char)text.ptr[0]];
        text = str_sub(text, 1, text.len);
    }
    return text.len == 0;
}

enum san_fit { SAN_FITS, SAN_ILLEGAL, SAN_AMBIGUOUS };

static enum san_fit fit_parts(const struct chess_position *p, const struct san_parts *parts,
                              chess_move *ret_move)
{
    int us = p->turn;
    chess_bits from = p->pieces[parts->piece] & p->colors[us] & parts->from;
    chess_move found = CHESS_MOVE_NONE;

    if (parts->castling >= 0) {
        if (!legal_castling(p, parts->castling))
            return SAN_ILLEGAL;
        *ret_move = move_castling(position_king(p, us), p->castling_rook[us][parts->castling]);
        return SAN_FITS;
    }
    if (!parts->piece_written && !bits_many(parts->from)) {
        found = uci_find(p, bits_first(parts->from), parts->to, parts->promotion);
        if (!found)
            return SAN_ILLEGAL;
        *ret_move = found;
        return SAN_FITS;
    }
    if (parts->piece == CHESS_PAWN && !parts->file_written)
        from &= BITS_FILE_A << (parts->to & 7); /* a capture names the file it comes from */
    while (from) {
        int square = bits_pop(&from);

        if (!legal_plain(p, square, parts->to, parts->promotion))
            continue;
        if (found)
            return SAN_AMBIGUOUS;
        found = move_promoting(square, parts->to, parts->promotion);
    }
    if (!found)
        return SAN_ILLEGAL;
    *ret_move = found;
    return SAN_FITS;
}

static __attribute__((noinline)) chess_move find_patient(const struct chess_position *p,
                                                         const char *text, size_t len)
{
    struct san_parts parts;
    chess_move found = CHESS_MOVE_NONE;

    if (!read_parts(str_from(text, len), &parts) || fit_parts(p, &parts, &found) != SAN_FITS)
        return CHESS_MOVE_NONE;
    return found;
}

chess_move chess_san_find(const struct chess_position *p, const char *text, size_t len)
{
    chess_move found = len ? find_quick(p, text, len) : CHESS_MOVE_NONE;

    return found ? found : find_patient(p, text, len);
}

err chess_san_parse(const struct chess_position *p, str text, chess_move *ret_move)
{
    str shown = { text.ptr, text.len > 20 ? 20 : text.len };
    char fen[CHESS_FEN_BYTES];
    struct san_parts parts;

    if (!read_parts(text, &parts))
        return ERR(ERR_INVALID,
                   "reading move '%.*s': this is not a move, write one like Nf3 or exd5",
                   STR_ARG(shown));
    chess_fen_write(p, fen);
    switch (fit_parts(p, &parts, ret_move)) {
    case SAN_FITS:
        return OK;
    case SAN_AMBIGUOUS:
        return ERR(ERR_CONFLICT, "move '%.*s' could be made by several pieces in '%s'",
                   STR_ARG(shown), fen);
    case SAN_ILLEGAL:
        break;
    }
    return ERR(ERR_CONFLICT, "move '%.*s' is not legal in '%s'", STR_ARG(shown), fen);
}

/* ------------------------------------------------------------------ writing */

/* File, rank or both of the origin, as far as needed to tell it from others that may go there. */
static char *write_origin(const struct chess_position *p, int piece, int from, int to, char *out)
{
    chess_bits others = p->pieces[piece] & p->colors[p->turn] & ~bit(from);
    bool any = false, same_file = false, same_rank = false;

    others &= attack_tables.reach[piece][to];
    while (others) {
        int square = bits_pop(&others);

        if (!legal_plain(p, square, to, CHESS_PAWN))
            continue;
        any = true;
        same_file = same_file || (square & 7) == (from & 7);
        same_rank = same_rank || square >> 3 == from >> 3;
    }
    if (any && (!same_file || same_rank))
        *out++ = (char)('a' + (from & 7));
    if (any && same_file)
        *out++ = (char)('1' + (from >> 3));
    return out;
}

void chess_san_write(const struct chess_position *p, chess_move m, char out[CHESS_SAN_BYTES])
{
    int from = chess_move_from(m), to = chess_move_to(m);
    int piece = p->board[from] & 7;
    struct chess_position after = *p;

    if (chess_move_is_castling(m)) {
        size_t len = to > from ? 3 : 5;

        memcpy(out, "O-O-O", len);
        out += len;
    } else {
        bool takes = p->board[to] != CHESS_NO_PIECE;

        if (piece == CHESS_PAWN) {
            takes = (from & 7) != (to & 7);
            if (takes)
                *out++ = (char)('a' + (from & 7));
        } else {
            *out++ = piece_letters[piece];
            out = write_origin(p, piece, from, to, out);
        }
        if (takes)
            *out++ = 'x';
        *out++ = (char)('a' + (to & 7));
        *out++ = (char)('1' + (to >> 3));
        if (chess_move_promotion(m)) {
            *out++ = '=';
            *out++ = piece_letters[chess_move_promotion(m)];
        }
    }
    chess_move_make(&after, m);
    if (chess_in_check(&after))
        *out++ = chess_has_moves(&after) ? '+' : '#';
    *out = '\0';
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* attacks.c -- fills the attack tables, once.
 *
 * The magics below were found by random search with this project's own program and are right by
 * construction: filling stops the program if two blocker patterns with different attacks meet in
 * one slot. They are constants because the search takes longer than the filling.
 */
#include "engine/chess/attacks.h"

#include <assert.h>
#include <pthread.h>

#include "engine/chess/bits.h"
#include "engine/chess/legal.h"
#include "engine/chess/zobrist.h"

struct attack_tables attack_tables;

static const chess_bits rook_factors[64] = {
    0x008000802040001a, 0x0200208100420010, 0x9080200080081000, 0x118010001c080180,
    0x0100040800021100, 0x8580060044000180, 0x1080010002000080, 0x018010a100004080,
    0x6243002080004100, 0x2040804000802000, 0x0041806000801000, 0x1842001008420022,
    0x8000800800040081, 0x8002801200800c00, 0x0154000804023001, 0x8240800040800100,
    0x2000208000400080, 0x0080808020004001, 0x1110002008040020, 0x8101010008100021,
    0x1008010005000810, 0x0009010002080400, 0x0430010100040200, 0x5810020000842041,
    0x0a80802280004008, 0x8410401080200081, 0x002c200100441100, 0x1406004200081020,
    0x010200060008a010, 0x120c010040020040, 0x4044480400811022, 0x1100340200048741,
    0x4000400080800020, 0x0420100020404000, 0x0410080020200400, 0x1930000800801080,
    0x000a040080800802, 0x004c000200800480, 0x0201020804001001, 0x48010008410000a2,
    0x0800802040008000, 0x0030004020004000, 0x0000200108410010, 0x0204120142220008,
    0x0018000400088080, 0x2026008c10120028, 0x4041002a00090004, 0x2020004084020021,
    0x2180002000400040, 0x4802010080204200, 0x40004a0010802200, 0x8d01100009002500,
    0x4009100500880100, 0x6800800400020080, 0x0040800100020080, 0x0000004084010200,
    0x8004401880002101, 0x0000120080402902, 0x1004910009200041, 0x0b11000804201001,
    0x001a001008042002, 0x0002000810010482, 0x0012000418088142, 0x0015000122024489,
};

static const chess_bits bishop_factors[64] = {
    0x0010010101020200, 0x0310100080a08040, 0x200800840880a801, 0x012c404284a09000,
    0x4041104030004442, 0x1008901008140000, 0x0010a09008200090, 0x0006844110105200,
    0x2001080810140842, 0x00189a020a04010a, 0x010031011a120000, 0x000004040c801200,
    0x00980c2420000021, 0x80650288200a0001, 0xaa00010802110400, 0x080202260a022000,
    0x0004c00830504210, 0x4004221050024440, 0x0010000808812808, 0x4550802802004041,
    0x002c800400a08000, 0x0000800040504000, 0x0202152041100801, 0x2028401a0220a420,
    0x0008402948430800, 0x0101040820840450, 0x0105261004040400, 0x0020080001004008,
    0x08a1001001004001, 0x2a0809080a008200, 0x2158220002420a04, 0x4212049000240100,
    0x00e8200860121a48, 0x00281c9020120200, 0x2110140200840810, 0xe000040400480210,
    0xa105010400020220, 0x0041012100020042, 0x8c10040080010090, 0x0011140480050042,
    0x0101080840080500, 0x0410820802002080, 0x4102882808008400, 0x0400044208000080,
    0x338002020a000404, 0x0020200402882041, 0x0021120200509200, 0x011202020425820c,
    0x1044021844850000, 0x0013090802220009, 0x0a04088048084000, 0x0800004084044800,
    0x42c0000405040444, 0x0008c00508008000, 0x0045053408020000, 0x5844180091020800,
    0x088d010050044400, 0x0100002082082104, 0x1921000080480804, 0x00060a2040460804,
    0xa004804004104403, 0x1120909082900100, 0x0b02111001080080, 0x0405200802042040,
};

static const int rook_steps[4][2] = { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } };
static const int bishop_steps[4][2] = { { 1, 1 }, { 1, -1 }, { -1, 1 }, { -1, -1 } };
static const int knight_steps[8][2] = { { 1, 2 },   { 2, 1 },   { 2, -1 }, { 1, -2 },
                                        { -1, -2 }, { -2, -1 }, { -2, 1 }, { -1, 2 } };

/* Walks from a square in one direction, up to and including the first blocker. */
static chess_bits ray(int square, const int step[2], chess_bits occupied)
{
    chess_bits found = 0;
    int file = (square & 7) + step[0], rank = (square >> 3) + step[1];

    while (file >= 0 && file < 8 && rank >= 0 && rank < 8) {
        chess_bits here = bit(square_of(file, rank));

        found |= here;
        if (occupied & here)
            break;
        file += step[0];
        rank += step[1];
    }
    return found;
}

static chess_bits star(int square, const int steps[4][2], chess_bits occupied)
{
    return ray(square, steps[0], occupied) | ray(square, steps[1], occupied) |
           ray(square, steps[2], occupied) | ray(square, steps[3], occupied);
}

static uint32_t fill_slides(struct attack_magic magics[64], const chess_bits factors[64],
                            const int steps[4][2], uint32_t first)
{
    for (int square = 0; square < 64; square++) {
        struct attack_magic *m = &magics[square];
        chess_bits file = BITS_FILE_A << (square & 7), rank = BITS_RANK_1 << (square & 56);
        chess_bits edge = ((BITS_RANK_1 | BITS_RANK_8) & ~rank) |
                          ((BITS_FILE_A | BITS_FILE_H) & ~file);
        chess_bits occupied = 0;

        m->mask = star(square, steps, 0) & ~edge;
        m->factor = factors[square];
        m->first = first;
        m->shift = (uint32_t)(64 - bits_count(m->mask));
        do { /* every subset of the mask, by the carry of a subtraction */
            chess_bits attacks = star(square, steps, occupied);
            chess_bits *slot = &attack_tables.slots[first + ((occupied * m->factor) >> m->shift)];

            assert(*slot == 0 || *slot == attacks);
            *slot = attacks;
            occupied = (occupied - m->mask) & m->mask;
        } while (occupied);
        first += 1U << (64 - m->shift);
    }
    return first;
}

static chess_bits jump(int square, int file_step, int rank_step)
{
    int file = (square & 7) + file_step, rank = (square >> 3) + rank_step;

    return file < 0 || file > 7 || rank < 0 || rank > 7 ? 0 : bit(square_of(file, rank));
}

static void fill_jumps(struct attack_tables *t, int square)
{
    for (int i = 0; i < 8; i++)
        t->reach[CHESS_KNIGHT][square] |= jump(square, knight_steps[i][0], knight_steps[i][1]);
    for (int i = 0; i < 4; i++) {
        t->reach[CHESS_KING][square] |= jump(square, rook_steps[i][0], rook_steps[i][1]) |
                                        jump(square, bishop_steps[i][0], bishop_steps[i][1]);
    }
    t->pawn[CHESS_WHITE][square] = jump(square, -1, 1) | jump(square, 1, 1);
    t->pawn[CHESS_BLACK][square] = jump(square, -1, -1) | jump(square, 1, -1);
}

static void fill_between(struct attack_tables *t, int from, const int steps[4][2])
{
    for (int i = 0; i < 4; i++) {
        chess_bits line = ray(from, steps[i], 0);

        for (chess_bits left = line; left;) {
            int to = bits_pop(&left);

            t->between[from][to] = ray(from, steps[i], bit(to)) & ~bit(to);
        }
    }
}

static void fill_all(void)
{
    struct attack_tables *t = &attack_tables;
    uint32_t first = 0;

    first = fill_slides(t->rook, rook_factors, rook_steps, first);
    assert(first == ATTACK_ROOK_SLOTS);
    first = fill_slides(t->bishop, bishop_factors, bishop_steps, first);
    assert(first == ATTACK_ROOK_SLOTS + ATTACK_BISHOP_SLOTS);
    for (int square = 0; square < 64; square++) {
        fill_jumps(t, square);
        fill_between(t, square, rook_steps);
        fill_between(t, square, bishop_steps);
        t->reach[CHESS_ROOK][square] = attack_rook(square, 0);
        t->reach[CHESS_BISHOP][square] = attack_bishop(square, 0);
        t->reach[CHESS_QUEEN][square] = attack_rook(square, 0) | attack_bishop(square, 0);
    }
    zobrist_fill();
    move_index_fill();
}

void chess_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fill_all);
}

chess_bits chess_attacks(enum chess_piece piece, enum chess_color color, int square,
                         chess_bits occupied)
{
    switch (piece) {
    case CHESS_PAWN:
        return attack_tables.pawn[color][square];
    case CHESS_BISHOP:
        return attack_bishop(square, occupied);
    case CHESS_ROOK:
        return attack_rook(square, occupied);
    case CHESS_QUEEN:
        return attack_rook(square, occupied) | attack_bishop(square, occupied);
    case CHESS_KNIGHT:
    case CHESS_KING:
        return attack_tables.reach[piece][square];
    case CHESS_NO_PIECE:
        break;
    }
    return 0;
}

chess_bits chess_attackers(const struct chess_position *p, int square, chess_bits occupied)
{
    return attack_to(p, square, CHESS_WHITE, occupied, p->colors[CHESS_BLACK]) |
           attack_to(p, square, CHESS_BLACK, occupied, p->colors[CHESS_WHITE]);
}

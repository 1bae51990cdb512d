/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Perft: if a count is off, legal moves are refused or illegal ones played, in games and in
 * training.
 *
 * The table holds published counts and positions around one rule each, checked against a second
 * program when written. Larger suites are walked where they are present; how deep is bounded by
 * nodes. */
#include "board_help.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/fs.h"

enum { DEPTH_MAX = 7 };

static const struct {
    const char *fen;
    uint64_t counts[DEPTH_MAX]; /* from depth 1; 0 ends */
} facts[] = {
    { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
      { 20, 400, 8902, 197281, 4865609, 119060324 } },
    { "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
      { 48, 2039, 97862, 4085603, 193690690 } },
    { "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", { 14, 191, 2812, 43238, 674624, 11030083 } },
    { "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
      { 6, 264, 9467, 422333, 15833292 } },
    { "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8",
      { 44, 1486, 62379, 2103487, 89941194 } },
    { "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
      { 46, 2079, 89890, 3894594 } },
    /* En passant: along a rank with the king, on a diagonal pin, to answer a check. */
    { "3k4/3p4/8/K1P4r/8/8/8/8 b - - 0 1", { 18, 92, 1670, 10138, 185429, 1134888 } },
    { "8/8/4k3/8/2p5/8/B2P1K2/8 w - - 0 1", { 13, 102, 1284, 10375, 138886 } },
    { "8/8/1k6/2b5/2pP4/8/5K2/8 b - d3 0 1", { 15, 126, 1928, 13931, 206379, 1440467 } },
    { "8/8/8/8/k1pP3R/8/8/K7 b - d3 0 1", { 6, 79, 448, 7015, 39768 } },
    { "8/6bb/8/8/R1pP2k1/4P3/P7/K7 b - d3 0 1", { 21, 206, 4135, 53486, 1045344 } },
    /* Castling: through and into check, rook under attack, right lost by capture of the rook. */
    { "5k2/8/8/8/8/8/8/4K2R w K - 0 1", { 15, 66, 1198, 6399, 120330, 661072 } },
    { "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1", { 16, 71, 1286, 7418, 141077, 803711 } },
    { "r3k2r/1b4bq/8/8/8/8/7B/R3K2R w KQkq - 0 1", { 26, 1141, 27826, 1274206 } },
    { "r3k2r/8/3Q4/8/8/5q2/8/R3K2R b KQkq - 0 1", { 44, 1494, 50509, 1720476 } },
    /* Promotion: out of check, into stalemate, under a pin. */
    { "2K2r2/4P3/8/8/8/8/8/3k4 w - - 0 1", { 11, 133, 1442, 19174, 266199, 3821001 } },
    { "8/8/1P2K3/8/2n5/1q6/8/5k2 b - - 0 1", { 29, 165, 5160, 31961, 1004658 } },
    { "4k3/1P6/8/8/8/8/K7/8 w - - 0 1", { 9, 40, 472, 2661, 38983, 217342 } },
    { "K1k5/8/P7/8/8/8/8/8 w - - 0 1", { 2, 6, 13, 63, 382, 2217 } },
    { "8/k1P5/8/1K6/8/8/8/8 w - - 0 1", { 10, 25, 268, 926, 10857, 43261, 567584 } },
    { "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1", { 24, 496, 9483, 182838, 3605103 } },
    /* Chess960: the start positions at both ends, a king that stays put, a rook that shields it. */
    { "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w HFhf - 0 1",
      { 20, 400, 9006, 201143, 4975808 } },
    { "rkrbbnnq/pppppppp/8/8/8/8/PPPPPPPP/RKRBBNNQ w CAca - 0 1",
      { 20, 400, 8880, 195650, 4717434 } },
    { "1r1k1r2/8/8/8/8/8/8/qR1K1R2 w FBfb - 0 1", { 17, 599, 10989, 391191 } },
    { "5rkr/8/8/8/8/8/8/RK1q1R2 w FAhf - 0 1", { 3, 102, 1678, 56168 } },
    { "nrk1brnb/pp1ppppp/8/2p5/3q2P1/5P2/PPP1P2P/NRK1BRNB w FBfb - 1 9",
      { 24, 945, 20913, 789927 } },
    { "r1k1r2q/p1ppp1pp/8/8/8/8/P1PPP1PP/R1K1R2Q w EAea - 0 1", { 23, 522, 12333, 285754 } },
    { "4k3/8/8/8/8/8/8/qRK5 w B - 0 1", { 4, 65, 876, 19079 } },
    { "4k3/8/8/8/8/8/8/rRK4R w HB - 0 1", { 17, 185, 4077, 57884 } },
};

/* Counts above this are not walked; SKERRY_PERFT_NODES sets another bound. */
static uint64_t nodes_max(void)
{
    const char *text = getenv("SKERRY_PERFT_NODES");
    int64_t value = 0;
    err e;

    if (text) {
        e = str_to_i64(str_of(text), &value);
        if (e.code || value <= 0)
            fail_msg("SKERRY_PERFT_NODES: %s", e.code ? e.msg : "not positive");
        return (uint64_t)value;
    }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 200000;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 200000;
#endif
#endif
    return 2500000;
}

static void known_counts(void **state)
{
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct chess_position p = position_of(facts[i].fen);

        assert_true(chess_position_check(&p));
        for (int depth = 1; depth <= DEPTH_MAX && facts[i].counts[depth - 1]; depth++) {
            uint64_t want = facts[i].counts[depth - 1], got;

            if (want > nodes_max() && depth > 2)
                break;
            got = chess_perft(&p, depth);
            if (got != want)
                fail_msg("%s depth %d: %llu instead of %llu", facts[i].fen, depth,
                         (unsigned long long)got, (unsigned long long)want);
        }
    }
}

/* Depth 0 is the position itself: a caller that recurses by hand relies on it. */
static void depth_zero(void **state)
{
    struct chess_position p;

    chess_position_start(&p);
    assert_int_equal(chess_perft(&p, 0), 1);
    assert_int_equal(chess_perft(&p, -1), 1);
}

/* A line of a suite: FEN ;D1 20 ;D2 400 ... Returns how many counts were compared. */
static int walk_line(str line)
{
    str fields = line, fen = str_trim(str_split(&fields, ';'));
    struct chess_position p;
    int compared = 0;
    err e = chess_fen_parse(fen, &p);

    if (e.code)
        fail_msg("%s", e.msg);
    while (fields.len) {
        str field = str_trim(str_split(&fields, ';')), number = field, name;
        int64_t depth = 0, want = 0;
        uint64_t got;

        name = str_split(&number, ' ');
        if (!str_starts(name, STR("D")) || str_to_i64(str_sub(name, 1, name.len), &depth).code ||
            str_to_i64(str_trim(number), &want).code)
            fail_msg("not a depth and a count: '%.*s'", STR_ARG(field));
        if ((uint64_t)want > nodes_max())
            break;
        got = chess_perft(&p, (int)depth);
        if (got != (uint64_t)want)
            fail_msg("%.*s depth %d: %llu instead of %lld", STR_ARG(fen), (int)depth,
                     (unsigned long long)got, (long long)want);
        compared++;
    }
    return compared;
}

static void suites(void **state)
{
    static const struct {
        const char *name;
        int lines;
    } files[] = { { "standard.epd", 127 }, { "perftsuite.epd", 124 }, { "fischer.epd", 960 } };
    const char *shared = getenv("SKERRY_SHARED");
    arena keep;

    if (!shared || !fs_exists(shared)) {
        print_message("no perft suites here: only the table above was checked\n");
        skip();
    }
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[FS_PATH_BYTES];
        int lines = 0, compared = 0;
        str text;
        err e;

        snprintf(path, sizeof(path), "%s/data/chess/perft/%s", shared, files[i].name);
        arena_init(&keep, 4 << 20);
        e = fs_read(&keep, path, 1 << 20, &text);
        if (e.code)
            fail_msg("%s", e.msg);
        while (text.len) {
            str line = str_trim(str_split(&text, '\n'));

            if (line.len == 0)
                continue;
            compared += walk_line(line); /* 0 where a line begins with a deep count */
            lines++;
        }
        arena_deinit(&keep);
        assert_true(lines >= files[i].lines && compared >= 3 * lines);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_counts),
        cmocka_unit_test(depth_zero),
        cmocka_unit_test(suites),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

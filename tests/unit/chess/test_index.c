/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The position index: asking for a position must find every game that passed through it, and no
 * other. */
#include "pgn_help.h"

#include "base/buf.h"
#include "base/rand.h"
#include "engine/chess/pack.h"

enum { GAMES = 300, INDEX_MAX = 64 << 20, HITS_MAX = 70000, PLIES = 120 };

struct fixture {
    struct pack_writer pack;
    str games[GAMES];
    size_t game_count;
    struct buf index;
};

/* Random games that share their beginnings and come back to positions by moving to and fro. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct rng rng;
    str pack;

    assert_non_null(f);
    chess_init();
    rng_init(&rng, 23);
    assert_int_equal(pack_writer_init(&f->pack, GAMES, 8 << 20).code, ERR_NONE);
    for (int game = 0; game < GAMES; game++) {
        chess_move played[PLIES];
        struct pgn_game g = { .moves = played };
        struct chess_position p;
        uint32_t index;

        chess_position_start(&p);
        g.start = p;
        while (g.ply_count < (size_t)(game % PLIES)) {
            chess_move moves[CHESS_MOVES_MAX];
            int count = chess_moves(&p, moves);

            if (count == 0)
                break;
            played[g.ply_count] = moves[rng_below(&rng, rng_below(&rng, 3) ? 1 : (uint64_t)count)];
            chess_move_make(&p, played[g.ply_count++]);
        }
        assert_int_equal(pack_writer_add(&f->pack, &g, &index).code, ERR_NONE);
    }
    assert_int_equal(pack_writer_finish(&f->pack, &pack).code, ERR_NONE);
    for (uint32_t i = 0; i < GAMES; i++)
        assert_int_equal(pack_game(pack, i, &f->games[i]).code, ERR_NONE);
    f->game_count = GAMES;
    buf_init(&f->index, INDEX_MAX);
    assert_int_equal(position_index_build(f->games, f->game_count, &f->index).code, ERR_NONE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_deinit(&f->index);
    pack_writer_deinit(&f->pack);
    free(f);
    return 0;
}

/* The slow answer: walk through everything. */
static size_t search(const struct fixture *f, uint64_t key, struct position_hit *out)
{
    size_t count = 0;

    for (uint32_t i = 0; i < f->game_count; i++) {
        struct pack_walk w;

        assert_int_equal(pack_walk_begin(f->games[i], &w).code, ERR_NONE);
        do {
            if (!pack_walk_next(&w)) {
                if (w.position.key == key)
                    out[count++] = (struct position_hit){ i, (uint16_t)w.ply_count };
                break;
            }
            if (w.position.key == key)
                out[count++] = (struct position_hit){ i, (uint16_t)w.ply };
        } while (true);
    }
    return count;
}

static void assert_hits(const struct position_hit *a, size_t a_count, const struct position_hit *b,
                        size_t b_count)
{
    assert_int_equal(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        assert_int_equal(a[i].game, b[i].game);
        assert_int_equal(a[i].ply, b[i].ply);
    }
}

static void finds_all(void **state)
{
    const struct fixture *f = *state;
    static struct position_hit wanted[HITS_MAX], got[HITS_MAX];
    struct chess_position start;
    size_t count, several = 0;

    assert_int_equal(position_index_check(buf_str(&f->index)).code, ERR_NONE);
    chess_position_start(&start);
    assert_int_equal(position_index_find(buf_str(&f->index), start.key, got, HITS_MAX, &count).code,
                     ERR_NONE);
    assert_hits(wanted, search(f, start.key, wanted), got, count);
    assert_true(count >= GAMES);
    /* Every position of some games. */
    for (uint32_t i = 7; i < f->game_count; i += 40) {
        struct pack_walk w;
        bool more = true;

        assert_int_equal(pack_walk_begin(f->games[i], &w).code, ERR_NONE);
        while (more) {
            more = pack_walk_next(&w);
            assert_int_equal(
                position_index_find(buf_str(&f->index), w.position.key, got, HITS_MAX, &count).code,
                ERR_NONE);
            assert_hits(wanted, search(f, w.position.key, wanted), got, count);
            several += count > 1;
        }
    }
    assert_true(several > 10);
}

static void finds_nothing(void **state)
{
    const struct fixture *f = *state;
    static const uint64_t keys[] = { 0, 1, UINT64_MAX, 0x8000000000000000, 0x123456789abcdef0 };
    struct position_hit hit;
    size_t count;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(position_index_find(buf_str(&f->index), keys[i], &hit, 1, &count).code,
                         ERR_NONE);
        assert_int_equal(count, 0);
    }
    struct buf empty;
    buf_init(&empty, 1024);
    assert_int_equal(position_index_build(NULL, 0, &empty).code, ERR_NONE);
    assert_int_equal(position_index_check(buf_str(&empty)).code, ERR_NONE);
    assert_int_equal(position_index_find(buf_str(&empty), 1, &hit, 1, &count).code, ERR_NONE);
    assert_int_equal(count, 0);
    buf_deinit(&empty);
}

static void stops_at_the_maximum(void **state)
{
    const struct fixture *f = *state;
    struct position_hit hits[200];
    struct chess_position start;
    size_t count;

    chess_position_start(&start);
    for (size_t max = 0; max <= COUNT_OF(hits); max += 50) {
        assert_int_equal(position_index_find(buf_str(&f->index), start.key, hits, max, &count).code,
                         ERR_NONE);
        assert_int_equal(count, max);
        for (size_t i = 1; i < count; i++)
            assert_true(hits[i].game > hits[i - 1].game ||
                        (hits[i].game == hits[i - 1].game && hits[i].ply > hits[i - 1].ply));
    }
}

static void limits(void **state)
{
    const struct fixture *f = *state;
    struct buf small;

    buf_init(&small, 1000);
    assert_int_equal(position_index_build(f->games, f->game_count, &small).code, ERR_TOO_BIG);
    assert_int_equal(small.len, 0);
    buf_deinit(&small);
    str bad[1] = { STR_INIT("not a game") };
    buf_init(&small, 1000);
    assert_int_not_equal(position_index_build(bad, 1, &small).code, ERR_NONE);
    buf_deinit(&small);
}

/* Damage is noticed or harmless. */
static void damage(void **state)
{
    const struct fixture *f = *state;
    struct buf index;
    struct position_hit hits[64];
    struct chess_position start;
    size_t count;

    chess_position_start(&start);
    buf_init(&index, INDEX_MAX);
    assert_int_equal(position_index_build(f->games, 20, &index).code, ERR_NONE);
    for (size_t at = 0; at < index.len; at += at < 300 ? 1 : 7) {
        index.ptr[at] ^= 0x55;
        bool ok = position_index_check(buf_str(&index)).code == ERR_NONE;
        /* Head and directory are covered by checks; the rest is read with care. */
        if (at < 8)
            assert_false(ok);
        (void)!position_index_find(buf_str(&index), start.key, hits, COUNT_OF(hits), &count).code;
        (void)!position_index_find(buf_str(&index), at * 0x9e3779b97f4a7c15ULL, hits,
                                   COUNT_OF(hits), &count)
            .code;
        index.ptr[at] ^= 0x55;
    }
    for (size_t len = 0; len < index.len; len += len < 300 ? 1 : 101) {
        char *exact = malloc(len ? len : 1);

        assert_non_null(exact);
        memcpy(exact, index.ptr, len);
        for (uint64_t key = 0; key < 10; key++)
            (void)!position_index_find(str_from(exact, len), key << 60, hits, COUNT_OF(hits),
                                       &count)
                .code;
        if (len < 24)
            assert_int_equal(position_index_find(str_from(exact, len), 1, hits, 1, &count).code,
                             ERR_CORRUPT);
        free(exact);
    }
    buf_deinit(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_all),
        cmocka_unit_test(finds_nothing),
        cmocka_unit_test(stops_at_the_maximum),
        cmocka_unit_test(limits),
        cmocka_unit_test(damage),
    };

    return cmocka_run_group_tests_name("index", tests, setup, teardown);
}

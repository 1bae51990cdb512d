/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The book of positions: counts, mixing, and bytes that did not come from us. */
#include "net_help.h"

#include <math.h>

static void add_game(struct sample_set *set, const char *moves, uint32_t game)
{
    struct chess_position p;
    str rest = str_of(moves);
    chess_position_start(&p);
    for (uint16_t ply = 0; rest.len; ply++) {
        chess_move m;
        assert_ok(chess_san_parse(&p, str_split(&rest, ' '), &m));
        assert_true(set->count < set->max);
        set->samples[set->count++] = (struct chess_sample){
            .position = p, .move = m, .game = game, .ply = ply
        };
        chess_move_make(&p, m);
    }
}

static struct sample_set four_games(void)
{
    struct sample_set set = { calloc(64, sizeof *set.samples), 0, 64 };
    assert_non_null(set.samples);
    add_game(&set, "e4 e5 Nf3 Nc6", 0);
    add_game(&set, "e4 c5 Nf3 d6", 1);
    add_game(&set, "e4 e5 Nf3 Nf6", 2);
    add_game(&set, "d4 d5", 3);
    return set;
}

static unsigned ask(const struct book *b, const struct chess_position *p, const char *san,
                    float *ret_probability)
{
    chess_move moves[CHESS_MOVES_MAX], wanted;
    float chance[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);
    for (int i = 0; i < count; i++)
        chance[i] = 1 / (float)count;
    unsigned seen = book_mix(b, p->key, moves, count, chance);
    float sum = 0;
    assert_ok(chess_san_parse(p, str_of(san), &wanted));
    for (int i = 0; i < count; i++) {
        sum += chance[i];
        if (moves[i] == wanted)
            *ret_probability = chance[i];
    }
    assert_true(fabsf(sum - 1) < 1e-5f);
    return seen;
}

/* (games with the move + strength * network) / (games + strength) */
static void test_counts_and_mixing(void **state)
{
    struct sample_set set = four_games();
    struct chess_sample_source source = source_of(&set);
    struct book b;
    struct chess_position p;
    float chance = 0;
    assert_ok(book_build(&source, 60, 2, &b));
    chess_position_start(&p);
    assert_int_equal(ask(&b, &p, "e4", &chance), 4);
    assert_true(fabsf(chance - (3 + 2.0f / 20) / 6) < 1e-6f);
    assert_int_equal(ask(&b, &p, "d4", &chance), 4);
    assert_true(fabsf(chance - (1 + 2.0f / 20) / 6) < 1e-6f);
    assert_int_equal(ask(&b, &p, "a3", &chance), 4);
    assert_true(fabsf(chance - 2.0f / 20 / 6) < 1e-6f);
    play(&p, "e4 e5");
    assert_int_equal(ask(&b, &p, "Nf3", &chance), 2);
    play(&p, "Nf3 Nc6"); /* seen once, and beyond */
    assert_int_equal(ask(&b, &p, "Bb5", &chance), 0);
    book_deinit(&b);

    assert_ok(book_build(&source, 1, 2, &b)); /* only the first ply */
    chess_position_start(&p);
    assert_int_equal(ask(&b, &p, "e4", &chance), 4);
    play(&p, "e4");
    assert_int_equal(ask(&b, &p, "e5", &chance), 0);
    book_deinit(&b);
    book_deinit(&b);
    free(set.samples);
}

/* A stored move that is not legal (a collision of keys, a hostile file) must not take probability
 * away. */
static void test_foreign_moves_are_ignored(void **state)
{
    struct chess_position p;
    float chance = 0;
    chess_position_start(&p);
    struct book_entry entry = { .key = p.key, .move = 63 | 62 << 6, .count = 100 };
    struct book b = { .entries = &entry, .count = 1, .strength = 4 };
    assert_int_equal(ask(&b, &p, "e4", &chance), 100);
    assert_true(fabsf(chance - 0.05f) < 1e-6f);
}

static bool same_books(const struct book *a, const struct book *b)
{
    if (a->count != b->count || a->strength != b->strength)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->entries[i].key != b->entries[i].key || a->entries[i].move != b->entries[i].move ||
            a->entries[i].count != b->entries[i].count)
            return false;
    return true;
}

/* Passes over parts of the key space are for data that does not fit memory: the book is the same.
 */
static void test_passes_do_not_matter(void **state)
{
    struct sample_set set = samples_make(71, 3000);
    struct chess_sample_source source = source_of(&set);
    struct book one, many;
    assert_ok(book_build(&source, 60, 8, &one));
    assert_ok(book_build_in_passes(&source, 60, 8, 800, BOOK_ENTRIES_MAX, &many));
    assert_true(one.count > 10);
    assert_true(same_books(&one, &many));
    book_deinit(&many);
    /* too many entries: the rarest go */
    assert_ok(book_build_in_passes(&source, 60, 8, 800, one.count - 1, &many));
    assert_true(many.count > 0 && many.count < one.count);
    book_deinit(&many);
    book_deinit(&one);
    free(set.samples);
}

static void test_bytes(void **state)
{
    struct sample_set set = samples_make(72, 2000);
    struct chess_sample_source source = source_of(&set);
    struct book b, again;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_ok(book_build(&source, 60, 8, &b));
    book_write(&b, &bytes);
    assert_ok(buf_check(&bytes));
    struct cursor c = cursor_of(buf_str(&bytes));
    assert_ok(book_read(&c, &again));
    assert_int_equal(cursor_left(&c), 0);
    assert_true(same_books(&b, &again));
    book_deinit(&again);
    for (size_t len = 0; len < bytes.len; len += 1 + len / 50) { /* cut short anywhere */
        char *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, bytes.ptr, len);
        c = cursor_of(str_from(exact, len));
        assert_int_equal(book_read(&c, &again).code, ERR_CORRUPT);
        free(exact);
    }
    book_deinit(&b);
    buf_deinit(&bytes);
    free(set.samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_mixing),
        cmocka_unit_test(test_foreign_moves_are_ignored),
        cmocka_unit_test(test_passes_do_not_matter),
        cmocka_unit_test(test_bytes),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

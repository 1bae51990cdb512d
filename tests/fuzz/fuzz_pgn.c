/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PGN from strangers, packed or not. The games are the same whether the bytes come at once or in
 * drops; they are legal; written as text and packed they come back the same. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pack.h"
#include "engine/chess/pgn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    UNPACKED_MAX = 4 << 20, /* a packed input may be larger than it looks */
    ROUND_TRIPS_MAX = 20,
    TEXT_MAX = 8 << 20,
};

struct drip {
    str left;
    size_t step;
};

static err drip_fetch(void *arg, char *out, size_t bytes_max, size_t *ret_count)
{
    struct drip *d = arg;
    size_t count = d->left.len < d->step ? d->left.len : d->step;

    count = count < bytes_max ? count : bytes_max;
    if (count)
        memcpy(out, d->left.ptr, count);
    d->left = str_sub(d->left, count, d->left.len);
    *ret_count = count;
    return OK;
}

static void mix(uint64_t *digest, uint64_t value)
{
    *digest = (*digest ^ value) * 0x9e3779b97f4a7c15ULL;
    *digest ^= *digest >> 29;
}

static void take_problem(void *arg, const struct pgn_problem *problem)
{
    uint64_t *digest = arg;

    mix(digest, problem->line);
    mix(digest, problem->game_number);
    if (strlen(problem->reason) >= sizeof problem->reason || !problem->reason[0] || !problem->line)
        abort();
}

static bool same_games(const struct pgn_game *a, const struct pgn_game *b)
{
    if (a->ply_count != b->ply_count || a->result != b->result || a->start.key != b->start.key ||
        (a->ply_count && memcmp(a->moves, b->moves, a->ply_count * sizeof *a->moves) != 0))
        return false;
    for (size_t ply = 0; ply < a->ply_count; ply++) {
        if ((a->clock_cs ? a->clock_cs[ply] : PGN_CLOCK_NONE) !=
                (b->clock_cs ? b->clock_cs[ply] : PGN_CLOCK_NONE) ||
            (a->eval_cp ? a->eval_cp[ply] : PGN_EVAL_NONE) !=
                (b->eval_cp ? b->eval_cp[ply] : PGN_EVAL_NONE) ||
            (a->nags ? a->nags[ply] : 0) != (b->nags ? b->nags[ply] : 0))
            return false;
    }
    return true;
}

static void write_and_read(const struct pgn_game *g)
{
    struct buf text;
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *again;

    buf_init(&text, TEXT_MAX);
    if (pgn_write(g, &text).code)
        abort();
    if (!pgn_source_open_bytes(buf_str(&text), "written", &source).code) {
        if (!pgn_reader_open(source, NULL, &reader).code) {
            if (pgn_next(reader, &again).code || !again || !same_games(g, again))
                abort();
            pgn_reader_close(reader);
        }
        pgn_source_close(source);
    }
    buf_deinit(&text);
}

static void pack_and_read(const struct pgn_game *g)
{
    struct buf packed;
    struct pgn_game again;
    arena keep;

    buf_init(&packed, TEXT_MAX);
    arena_init(&keep, TEXT_MAX);
    if (pack_game_write(g, &packed).code || pack_game_read(buf_str(&packed), &keep, &again).code ||
        !same_games(g, &again) || again.tag_count != g->tag_count)
        abort();
    for (size_t i = 0; i < g->tag_count; i++) {
        if (!str_eq(g->tags[i].name, again.tags[i].name) ||
            !str_eq(g->tags[i].value, again.tags[i].value))
            abort();
    }
    arena_deinit(&keep);
    buf_deinit(&packed);
}

static void take_game(const struct pgn_game *g, uint64_t *digest)
{
    struct chess_position p = g->start;

    if (!chess_position_check(&p))
        abort();
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        if (!chess_move_is_legal(&p, g->moves[ply]))
            abort();
        chess_move_make(&p, g->moves[ply]);
        mix(digest, g->moves[ply]);
        mix(digest, g->clock_cs ? g->clock_cs[ply] : 1);
        mix(digest, g->eval_cp ? (uint64_t)(g->eval_cp[ply] + 40000) : 2);
        mix(digest, g->nags ? g->nags[ply] : 3);
    }
    for (size_t i = 0; i < g->tag_count; i++) {
        if (str_utf8_valid_len(g->tags[i].value) != g->tags[i].value.len ||
            g->tags[i].value.len > PGN_TAG_BYTES_MAX)
            abort();
        mix(digest, str_hash(g->tags[i].value));
    }
    mix(digest, g->line);
    mix(digest, g->byte_offset);
    mix(digest, str_hash(g->text));
}

/* Reads everything; *digest is of games and problems. False when the source failed on the way. */
static bool read_all(struct pgn_source *source, bool with_round_trips, uint64_t *digest)
{
    bool whole = true;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct pgn_stats stats;
    struct pgn_options options = { .keep_text = true, .problem = take_problem, .arg = digest };
    int left = with_round_trips ? ROUND_TRIPS_MAX : 0;

    if (!pgn_reader_open(source, &options, &reader).code) {
        do {
            err e = pgn_next(reader, &g);
            whole = !e.code;
            if (!whole)
                break;
            pgn_reader_stats(reader, &stats);
            if (g)
                take_game(g, digest);
            if (g && left > 0) {
                left--;
                write_and_read(g);
                pack_and_read(g);
            }
        } while (g && stats.bytes < UNPACKED_MAX);
        pgn_reader_close(reader);
    }
    pgn_source_close(source);
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pgn_source *source;
    struct drip drip = { str_from(data, size), size > 2 ? 1 + data[size / 2] % 64 : 1 };
    uint64_t whole = 1, drops = 1;
    bool good = true;

    if (!pgn_source_open_bytes(str_from(data, size), "input", &source).code)
        good = read_all(source, true, &whole);
    /* How much damaged packed bytes still give depends on how they come. */
    if (good && size < 4096 && !pgn_source_open_fn(drip_fetch, &drip, "drops", &source).code) {
        read_all(source, false, &drops);
        if (whole != drops)
            abort();
    }
    return 0;
}

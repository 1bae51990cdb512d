/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_help.h -- reads PGN from memory in pieces of any size and keeps what came out, for the tests.
 */
#ifndef SKERRY_TEST_PGN_HELP_H
#define SKERRY_TEST_PGN_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pgn.h"

/* Bytes handed out a few at a time, as a slow pipe does. */
struct drip {
    str left;
    size_t step;
};

static inline err drip_fetch(void *arg, char *out, size_t bytes_max, size_t *ret_count)
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

enum { SEEN_PROBLEMS_MAX = 16 };

/* What a whole text gave. */
struct seen {
    struct pgn_stats stats;
    size_t problem_count;
    struct pgn_problem problems[SEEN_PROBLEMS_MAX];
    err failure;
    uint64_t digest; /* of everything the games hold */
};

static inline void seen_problem(void *arg, const struct pgn_problem *problem)
{
    struct seen *seen = arg;

    if (seen->problem_count < SEEN_PROBLEMS_MAX)
        seen->problems[seen->problem_count] = *problem;
    seen->problem_count++;
}

static inline void mix(uint64_t *digest, uint64_t value)
{
    *digest = (*digest ^ value) * 0x9e3779b97f4a7c15ULL;
    *digest ^= *digest >> 29;
}

static inline uint64_t digest_game(const struct pgn_game *g)
{
    uint64_t digest = g->start.key;

    for (size_t i = 0; i < g->tag_count; i++) {
        mix(&digest, str_hash(g->tags[i].name));
        mix(&digest, str_hash(g->tags[i].value));
    }
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        mix(&digest, g->moves[ply]);
        mix(&digest, g->clock_cs ? g->clock_cs[ply] : 1);
        mix(&digest, g->eval_cp ? (uint64_t)(g->eval_cp[ply] + 40000) : 2);
        mix(&digest, g->nags ? g->nags[ply] : 3);
    }
    mix(&digest, g->result);
    mix(&digest, g->line);
    mix(&digest, g->byte_offset);
    mix(&digest, g->variation_count);
    mix(&digest, g->comment_count);
    mix(&digest, str_hash(g->text));
    return digest;
}

/* Every game must hold what the rest of the program relies on. */
static inline void assert_game(const struct pgn_game *g)
{
    struct chess_position p = g->start;

    assert_true(chess_position_check(&p));
    assert_true(g->ply_count <= PGN_PLIES_MAX && g->tag_count <= PGN_TAGS_MAX);
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        assert_true(chess_move_is_legal(&p, g->moves[ply]));
        chess_move_make(&p, g->moves[ply]);
    }
    for (size_t i = 0; i < g->tag_count; i++) {
        assert_true(g->tags[i].name.len > 0);
        assert_true(g->tags[i].value.len <= PGN_TAG_BYTES_MAX);
        assert_int_equal(str_utf8_valid_len(g->tags[i].value), g->tags[i].value.len);
    }
}

static inline void read_all(struct pgn_source *source, struct pgn_options options,
                            struct seen *seen)
{
    struct pgn_reader *reader;
    const struct pgn_game *g;

    memset(seen, 0, sizeof *seen);
    options.problem = seen_problem;
    options.arg = seen;
    err e = pgn_reader_open(source, &options, &reader);
    if (e.code)
        fail_msg("%s", e.msg);
    for (;;) {
        seen->failure = pgn_next(reader, &g);
        if (seen->failure.code || !g)
            break;
        assert_game(g);
        mix(&seen->digest, digest_game(g));
    }
    pgn_reader_stats(reader, &seen->stats);
    pgn_reader_close(reader);
    pgn_source_close(source);
}

/* step 0: in one piece. */
static inline void read_text(str text, size_t step, struct seen *seen)
{
    struct drip drip = { text, step };
    struct pgn_source *source;
    err e = step ? pgn_source_open_fn(drip_fetch, &drip, "test", &source)
                 : pgn_source_open_bytes(text, "test", &source);

    if (e.code)
        fail_msg("%s", e.msg);
    read_all(source, (struct pgn_options){ .keep_text = true }, seen);
}

/* The first game of a text; the reader and source must be closed by the caller. */
struct one_game {
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *game;
};

static inline struct one_game open_game(str text)
{
    struct one_game one;
    err e = pgn_source_open_bytes(text, "test", &one.source);

    if (!e.code)
        e = pgn_reader_open(one.source, NULL, &one.reader);
    if (!e.code)
        e = pgn_next(one.reader, &one.game);
    if (e.code || !one.game)
        fail_msg("no game: %s", e.code ? e.msg : "end of text");
    return one;
}

static inline void close_game(struct one_game *one)
{
    pgn_reader_close(one->reader);
    pgn_source_close(one->source);
}

static inline void assert_str(str s, const char *wanted)
{
    if (!str_eq(s, str_of(wanted)))
        fail_msg("got '%.*s', wanted '%s'", STR_ARG(s), wanted);
}

#endif

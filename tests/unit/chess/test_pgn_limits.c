/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Limits of the PGN reader: input of any size and shape must not take the server's memory, and what
 * is too long must not take the good games around it along. */
#include "pgn_help.h"

#include <unistd.h>

static const char good[] = "[Event \"good\"]\n\n1. e4 e5 1-0\n\n";

/* A stream that is made while it is read: a head, `middle` again and again, a tail. */
struct made {
    str head, middle, tail;
    uint64_t repeats;
    str now; /* what is being handed out */
    int stage;
};

static err made_fetch(void *arg, char *out, size_t bytes_max, size_t *ret_count)
{
    struct made *m = arg;
    size_t filled = 0;

    while (filled < bytes_max) {
        size_t count = m->now.len < bytes_max - filled ? m->now.len : bytes_max - filled;

        if (count)
            memcpy(out + filled, m->now.ptr, count);
        filled += count;
        m->now = str_sub(m->now, count, m->now.len);
        if (m->now.len)
            continue;
        if (m->stage == 0) {
            m->now = m->head;
            m->stage = 1;
        } else if (m->stage == 1 && m->repeats > 0) {
            m->now = m->middle;
            m->repeats--;
        } else if (m->stage == 1) {
            m->now = m->tail;
            m->stage = 2;
        } else {
            break;
        }
    }
    *ret_count = filled;
    return OK;
}

static void read_made(struct made made, struct seen *seen)
{
    struct pgn_source *source;

    assert_int_equal(pgn_source_open_fn(made_fetch, &made, "made", &source).code, ERR_NONE);
    read_all(source, (struct pgn_options){ 0 }, seen);
}

/* Resident memory in KiB, as the kernel counts it, at its highest so far. An emulator's own memory
 * counts, too: so what was there before the first test is taken off. */
static long memory_before_kib;

static long memory_peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long peak = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = strtol(line + 6, NULL, 10);
    }
    fclose(file);
    assert_true(peak > 0);
    return peak - memory_before_kib;
}

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

enum {
    LINE_BYTES = 100 * 1000 * 1000,
    SHORTER_LINE_BYTES = 12 * 1000 * 1000, /* still far above what a game may have */
    /* One game's text at its maximum, and the reader around it. */
    MEMORY_KIB_MAX = 24 * 1024,
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
    PIPE_BYTES = 100 * 1000 * 1000, /* sanitizers are slow, and take memory of their own */
    MEMORY_ALLOWED_KIB = MEMORY_KIB_MAX + 64 * 1024,
#else
    PIPE_BYTES = 500 * 1000 * 1000,
    MEMORY_ALLOWED_KIB = MEMORY_KIB_MAX,
#endif
};

/* One line of a hundred megabytes, and shorter ones that still fit nowhere: in a comment, a tag, a
 * variation, the moves, a rest of line, or as nothing at all. The games before and behind it are
 * read. */
static void long_lines(void **state)
{
    static const struct {
        const char *head, *middle, *tail, *reason;
    } cases[] = {
        { "[Event \"bad\"]\n\n1. e4 {", "0123456789", "} e5 *\n\n", "longer than 4 MiB" },
        { "[Event \"bad\"]\n\n1. e4 (", "0123456789", ") e5 *\n\n", "longer than 4 MiB" },
        { "[Event \"bad\"]\n\n1. e4 ;", "0123456789", "\ne5 *\n\n", "longer than 4 MiB" },
        { "[Event \"bad\"]\n\n1. e4 ", "          ", " e5 *\n\n", "longer than 4 MiB" },
        { "[Event \"bad\"]\n\n1. e4 ", "$1 $2 $3 {", "} e5 *\n\n", "longer than 4 MiB" },
        { "[Event \"", "0123456789", "\"]\n\n1. e4 *\n\n", "longer than 4 MiB" },
        { "[Event \"bad\"]\n\n1. e4 ", "xxxxxxxxxx", " e5 *\n\n", "no move is that long" },
        { "", "0123456789", "\n\n", "is this a PGN file" },
        { "", "\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a", "\n\n", "is this a PGN file" },
        { "", "[[[[[[[[[[", "\n\n", "is this a PGN file" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char head[256], tail[256];
        uint64_t line_bytes = i == 0 ? LINE_BYTES : SHORTER_LINE_BYTES;
        struct seen seen;

        snprintf(head, sizeof head, "%s%s", good, cases[i].head);
        snprintf(tail, sizeof tail, "%s%s", cases[i].tail, good);
        read_made((struct made){ .head = str_of(head),
                                 .middle = str_of(cases[i].middle),
                                 .tail = str_of(tail),
                                 .repeats = line_bytes / 10 },
                  &seen);
        if (seen.stats.games != 2 || seen.stats.refused != 1 ||
            !strstr(seen.problems[0].reason, cases[i].reason))
            fail_msg("case %zu: %u games, %u refused: %s", i, (unsigned)seen.stats.games,
                     (unsigned)seen.stats.refused, seen.problems[0].reason);
        assert_true(seen.stats.bytes > line_bytes);
    }
    assert_in_range(memory_peak_kib(), 0, MEMORY_ALLOWED_KIB);
}

/* Whether something opens a line does not depend on where the window was cut and moved: an escape
 * mark behind a result is none, one below it is. */
static void windows_move(void **state)
{
    enum { COMMENT_BYTES = 220 * 1000 }; /* near the end of the window: what follows moves it */
    static const size_t steps[] = { 0, 1, 2, 5, 64, 4096, 100 * 1000 };
    struct buf text;

    buf_init(&text, 1 << 20);
    buf_add(&text, STR("[Event \"long\"]\n\n1. e4 {"));
    for (int i = 0; i < COMMENT_BYTES / 10; i++)
        buf_add(&text, STR("0123456789"));
    buf_add(&text, STR("} 1-0 % no escape\n\n"));
    buf_add_cstr(&text, good);
    buf_add(&text, STR("%[Event \"escaped\"]\n"));
    buf_add_cstr(&text, good);
    buf_add(&text, STR("\xef\xbb\xbf%[Event \"escaped\"]\n"));
    buf_add_cstr(&text, good);
    assert_int_equal(buf_check(&text).code, ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct seen seen;

        read_text(buf_str(&text), steps[i], &seen);
        if (seen.failure.code || seen.stats.games != 4 || seen.stats.refused != 1 ||
            seen.problems[0].line != 3)
            fail_msg("step %zu: %u games, %u refused", steps[i], (unsigned)seen.stats.games,
                     (unsigned)seen.stats.refused);
    }
    buf_deinit(&text);
}

static void nested_variations(void **state)
{
    struct seen seen;
    enum { DEPTH = 10000 };
    char *text = malloc(DEPTH * 16);
    size_t at = 0;

    assert_non_null(text);
    at += (size_t)snprintf(text + at, 128, "%s[Event \"deep\"]\n\n1. e4 ", good);
    for (int i = 0; i < DEPTH; i++)
        at += (size_t)snprintf(text + at, 16, "(1. d4 ");
    for (int i = 0; i < DEPTH; i++)
        text[at++] = ')';
    at += (size_t)snprintf(text + at, 64, " e5 1-0\n\n%s", good);
    read_text(str_from(text, at), 0, &seen);
    assert_int_equal(seen.stats.games, 3);
    assert_int_equal(seen.stats.plies, 6);
    read_text(str_from(text, at), 11, &seen);
    assert_int_equal(seen.stats.games, 3);

    /* Never closed: the game is lost, its neighbours are not. */
    at = (size_t)snprintf(text, 128, "%s[Event \"deep\"]\n\n1. e4 ", good);
    for (int i = 0; i < DEPTH; i++)
        at += (size_t)snprintf(text + at, 16, "(1. d4 ");
    at += (size_t)snprintf(text + at, 64, "\n\n%s", good);
    read_text(str_from(text, at), 0, &seen);
    assert_int_equal(seen.stats.games, 2);
    assert_int_equal(seen.stats.refused, 1);
    free(text);
}

static void long_games(void **state)
{
    struct seen seen;

    /* Knights out and back: four half-moves a round. */
    read_made((struct made){ .head = STR("[Event \"max\"]\n\n"),
                             .middle = STR("Nf3 Nf6 Ng1 Ng8 "),
                             .tail = STR("*\n\n"),
                             .repeats = PGN_PLIES_MAX / 4 },
              &seen);
    assert_int_equal(seen.stats.games, 1);
    assert_int_equal(seen.stats.plies, PGN_PLIES_MAX);

    read_made((struct made){ .head = STR("[Event \"over\"]\n\n"),
                             .middle = STR("Nf3 Nf6 Ng1 Ng8 "),
                             .tail = STR("*\n\n[Event \"good\"]\n\n1. e4 *\n"),
                             .repeats = PGN_PLIES_MAX / 4 + 1 },
              &seen);
    assert_int_equal(seen.stats.games, 1);
    assert_int_equal(seen.stats.refused, 1);
    assert_non_null(strstr(seen.problems[0].reason, "4096 half-moves"));
}

/* A pipe of several hundred megabytes with a broken game among each thousand: bounded memory, and
 * every good game. */
static void long_pipe(void **state)
{
    static const char game[] =
        "[Event \"A game of usual length\"]\n[White \"Somebody\"]\n[Result \"1-0\"]\n\n"
        "1. e4 { [%clk 0:05:00] } 1... e5 { [%clk 0:05:00] } 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 "
        "5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O 9. h3 Nb8 10. d4 Nbd7 1-0\n\n";
    static const char broken[] = "[Event \"broken\"]\n\n1. e4 e5 2. Ke3 {unclosed\n\n";
    size_t block = 1000 * (sizeof game - 1) + sizeof broken - 1, at = 0;
    char *middle = malloc(block + 1);
    struct seen seen;

    assert_non_null(middle);
    for (int i = 0; i < 1000; i++, at += sizeof game - 1)
        memcpy(middle + at, game, sizeof game);
    memcpy(middle + at, broken, sizeof broken);
    uint64_t repeats = PIPE_BYTES / block;
    read_made((struct made){ .middle = str_from(middle, block), .repeats = repeats }, &seen);
    assert_int_equal(seen.stats.games, 1000 * repeats);
    assert_int_equal(seen.stats.refused, repeats);
    assert_int_equal(seen.stats.bytes, block * repeats);
    free(middle);
    assert_in_range(memory_peak_kib(), 0, MEMORY_ALLOWED_KIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_pipe),    cmocka_unit_test(long_lines),
        cmocka_unit_test(windows_move), cmocka_unit_test(nested_variations),
        cmocka_unit_test(long_games),
    };

    memory_before_kib = memory_peak_kib();
    return cmocka_run_group_tests_name("pgn_limits", tests, NULL, NULL);
}

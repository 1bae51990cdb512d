/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_vectors DIR -- runs the golden vectors of rock, paper, scissors.
 *
 * DIR holds one JSON array a kind, of {"input": ..., "expected": ...}; its README says what is in
 * them. What differs is said on standard error with file and index; the last line of standard
 * output is "N passed, N failed". Ends with 0 when all passed, 1 when not, 2 when called in a wrong
 * way, and 77, which test runners take for "skipped", when there is no such folder.
 */
#include "rps_vectors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

enum { FILE_BYTES_MAX = 64 << 20, MEMORY_BYTES_MAX = 1 << 30, NO_FOLDER = 77 };

bool mismatch(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs("    ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return false;
}

static bool is_number(const struct json *node)
{
    return json_kind(node) == JSON_IS_INT || json_kind(node) == JSON_IS_REAL;
}

bool check_number(const char *what, const struct json *want, double got)
{
    if (is_number(want) && json_num(want, NAN) == got)
        return true;
    return mismatch("%s: %.17g instead of %.17g", what, got, json_num(want, NAN));
}

bool check_close(const char *what, const struct json *want, double got)
{
    if (is_number(want) && fabs(json_num(want, NAN) - got) <= 1e-12)
        return true;
    return mismatch("%s: %.17g instead of %.17g", what, got, json_num(want, NAN));
}

bool check_int(const char *what, const struct json *want, int64_t got)
{
    if (is_number(want) && json_int(want, got + 1) == got)
        return true;
    return mismatch("%s: %lld instead of %lld", what, (long long)got,
                    (long long)json_int(want, -1));
}

bool check_bool(const char *what, const struct json *want, bool got)
{
    if (json_kind(want) == JSON_IS_BOOL && json_bool(want, !got) == got)
        return true;
    return mismatch("%s: %s is not what is expected", what, got ? "true" : "false");
}

bool check_text(const char *what, const struct json *want, const char *got)
{
    str text = json_str(want, STR_NONE);
    if (json_kind(want) == (got ? JSON_IS_STR : JSON_IS_NULL) && str_eq(text, str_of(got)))
        return true;
    return mismatch("%s: %s instead of '%.*s'", what, got ? got : "null", STR_ARG(text));
}

bool read_moves(const struct json *text, uint8_t *moves, size_t max, size_t *ret_count)
{
    str letters = json_str(text, STR_NONE);
    if (json_kind(text) != JSON_IS_STR || letters.len > max)
        return mismatch("the moves must be a string of at most %zu letters", max);
    for (size_t i = 0; i < letters.len; i++) {
        unsigned move = rps_move_of_letter(letters.ptr[i]);
        if (move == RPS_NO_MOVE)
            return mismatch("'%c' is not one of r, p, s", letters.ptr[i]);
        moves[i] = (uint8_t)move;
    }
    *ret_count = letters.len;
    return true;
}

static const struct kind {
    const char *file;
    vector_check *check;
} kinds[] = {
    { "round_points.json", check_round_points },
    { "gambits.json", check_gambit },
    { "outcomes.json", check_outcome },
    { "games.json", check_game },
    { "features.json", check_features },
    { "policy.json", check_policy },
    { "alias.json", check_alias },
    { "promotion.json", check_promotion },
    { "legacy.json", check_legacy },
};

struct counts {
    size_t passed, failed;
};

static err run_file(const char *folder, const struct kind *kind, struct counts *ret_counts)
{
    char path[FS_PATH_BYTES];
    const struct json *root = NULL;
    struct counts counts = { 0 };
    str text;
    arena keep;

    TRY(fs_join(path, folder, kind->file));
    arena_init(&keep, MEMORY_BYTES_MAX);
    err e = fs_read(&keep, path, FILE_BYTES_MAX, &text);
    if (e.code)
        goto done;
    e = json_parse(&keep, text, &root);
    if (!e.code && json_kind(root) != JSON_IS_ARRAY)
        e = ERR(ERR_INVALID, "not an array of vectors");
    if (!e.code && json_count(root) == 0)
        e = ERR(ERR_INVALID, "no vectors in it");
    if (e.code) {
        e = err_wrap(e, "reading '%s'", path);
        goto done;
    }
    for (size_t i = 0; i < json_count(root); i++) {
        const struct json *vector = json_at(root, i), *input = json_get(vector, "input"),
                          *expected = json_get(vector, "expected");
        bool passed = input && expected ? kind->check(input, expected)
                                        : mismatch("needs an input and what is expected");
        if (!passed)
            (void)fprintf(stderr, "%s: vector %zu differs (counted from 0)\n", kind->file, i);
        counts.passed += passed;
        counts.failed += !passed;
    }
    *ret_counts = counts;
done:
    arena_deinit(&keep);
    return e;
}

int main(int argc, char **argv)
{
    struct counts all = { 0 };

    if (argc != 2 || argv[1][0] == '-') {
        (void)fprintf(stderr,
                      "usage: rps_vectors DIR   (a folder with round_points.json and so on)\n");
        return 2;
    }
    if (!fs_exists(argv[1])) {
        (void)fprintf(stderr, "rps_vectors: there is no folder '%s'\n", argv[1]);
        return NO_FOLDER;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct counts counts = { .failed = 1 };
        err e = run_file(argv[1], &kinds[i], &counts);
        if (e.code)
            (void)fprintf(stderr, "rps_vectors: %s\n", e.msg);
        printf("%-18s %zu passed, %zu failed\n", kinds[i].file, counts.passed, counts.failed);
        all.passed += counts.passed;
        all.failed += counts.failed;
    }
    printf("%zu passed, %zu failed\n", all.passed, all.failed);
    return all.failed ? 1 : 0;
}

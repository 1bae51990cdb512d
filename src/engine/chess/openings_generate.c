/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openings_generate.c -- a program of the build: turns data/openings/(a-e).tsv into a C table.
 *
 * Plays every line with this room's own rules, so a table with an illegal or doubled line does not
 * get into the program. Usage: openings_generate OUT.c FILE.tsv...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fs.h"
#include "engine/chess/openings_table.h"

enum { ROWS_MAX = 16384, FILE_BYTES_MAX = 4 * 1024 * 1024, PLIES_MAX = 200 };

struct row {
    uint64_t key;
    str eco, name;
    int plies;
};

struct table {
    arena keep;
    struct row rows[ROWS_MAX];
    size_t count;
    int plies_max;
};

static err play_line(str moves, struct row *r)
{
    struct chess_position p;

    chess_position_start(&p);
    while (moves.len) {
        str word = str_split(&moves, ' ');
        chess_move m;

        if (word.len == 0 || str_ends(word, STR("."))) /* "12." */
            continue;
        if (r->plies == PLIES_MAX)
            return ERR(ERR_TOO_BIG, "the line has more than %d half moves", PLIES_MAX);
        TRY(chess_san_parse(&p, word, &m));
        chess_move_make(&p, m);
        r->plies++;
    }
    r->key = p.key;
    return r->plies ? OK : ERR(ERR_INVALID, "the line has no moves");
}

static err read_row(str line, struct table *t)
{
    struct row r = { 0 };

    r.eco = str_split(&line, '\t');
    r.name = str_split(&line, '\t');
    if (r.eco.len != 3 || r.name.len == 0)
        return ERR(ERR_INVALID, "write an ECO code, a tab, a name, a tab and moves");
    if (t->count == ROWS_MAX)
        return ERR(ERR_TOO_BIG, "there are more than %d rows", ROWS_MAX);
    TRY(play_line(str_trim(line), &r));
    t->plies_max = r.plies > t->plies_max ? r.plies : t->plies_max;
    t->rows[t->count++] = r;
    return OK;
}

static err read_file(const char *path, struct table *t)
{
    str text;
    int line_number = 0;

    TRY(fs_read(&t->keep, path, FILE_BYTES_MAX, &text));
    while (text.len) {
        str line = str_split(&text, '\n');
        err e;

        if (++line_number == 1) /* column names */
            continue;
        e = read_row(line, t);
        if (e.code)
            return err_wrap(e, "%s:%d", path, line_number);
    }
    return OK;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static err sort_rows(struct table *t)
{
    qsort(t->rows, t->count, sizeof(t->rows[0]), by_key);
    for (size_t i = 1; i < t->count; i++) {
        if (t->rows[i].key == t->rows[i - 1].key)
            return ERR(ERR_INVALID, "'%.*s' and '%.*s' are the same position: keep one",
                       STR_ARG(t->rows[i - 1].name), STR_ARG(t->rows[i].name));
    }
    return OK;
}

static void write_text(FILE *out, str text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            fprintf(out, "\\%03o", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void write_table(FILE *out, const struct table *t)
{
    size_t next = 0;

    fputs("/* Made by openings_generate from data/openings; do not edit. */\n"
          "#include \"engine/chess/openings_table.h\"\n\n"
          "const uint64_t openings_keys[] = {\n",
          out);
    for (size_t i = 0; i < t->count; i++)
        fprintf(out, "    0x%016llxULL,\n", (unsigned long long)t->rows[i].key);
    fputs("};\n\nconst struct chess_opening openings_entries[] = {\n", out);
    for (size_t i = 0; i < t->count; i++) {
        fprintf(out, "    { \"%.*s\", ", STR_ARG(t->rows[i].eco));
        write_text(out, t->rows[i].name);
        fprintf(out, ", %d },\n", t->rows[i].plies);
    }
    fputs("};\n\nconst uint16_t openings_first[(1 << OPENINGS_DIRECTORY_BITS) + 1] = {\n", out);
    for (size_t slot = 0; slot <= 1U << OPENINGS_DIRECTORY_BITS; slot++) {
        while (next < t->count && t->rows[next].key >> (64 - OPENINGS_DIRECTORY_BITS) < slot)
            next++;
        fprintf(out, "    %zu,\n", next);
    }
    fprintf(out, "};\n\nconst size_t openings_count = %zu;\nconst int openings_ply_max = %d;\n",
            t->count, t->plies_max);
}

static err generate(int file_count, char **files, const char *out_path, struct table *t)
{
    FILE *out;
    bool failed;

    for (int i = 0; i < file_count; i++)
        TRY(read_file(files[i], t));
    TRY(sort_rows(t));
    out = fopen(out_path, "w");
    if (!out)
        return ERR_SYS("opening '%s' for writing", out_path);
    write_table(out, t);
    failed = ferror(out);
    if (fclose(out) != 0 || failed)
        return ERR_SYS("writing '%s'", out_path);
    return OK;
}

int main(int argc, char **argv)
{
    struct table *t = calloc(1, sizeof(*t));
    err e;

    if (argc < 3 || !t) {
        fprintf(stderr, "usage: openings_generate OUT.c FILE.tsv...\n");
        free(t);
        return 2;
    }
    chess_init();
    arena_init(&t->keep, 16 * (size_t)FILE_BYTES_MAX);
    e = generate(argc - 2, argv + 2, argv[1], t);
    if (e.code)
        fprintf(stderr, "openings_generate: %s\n", e.msg);
    arena_deinit(&t->keep);
    free(t);
    return e.code ? err_exit_code(e.code) : 0;
}

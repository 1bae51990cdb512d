/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import.c -- rows gathered into batches, the place that an import is at, counts and the report;
 * import_put.c writes a batch, import_compare.c looks at what came of it.
 */
#include "platform/track/import_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_ARENA_BYTES = 256 * 1024 * 1024, /* a batch may end with a text of 64 MiB */
    WRITE_ARENA_BYTES = 32 * 1024 * 1024,
    KEEP_ARENA_BYTES = 64 * 1024,
    CURSOR_ARENA_BYTES = 4 * 1024 * 1024,
    PINS_MAX = 256, /* files of a batch */
};

const struct import_shape import_shapes[IMPORT_KIND_COUNT] = {
    [IMPORT_EXPERIMENT] = { "experiments", "itiii", NULL },
    [IMPORT_EXPERIMENT_TAG] = { "experimentTags", "itt", NULL },
    [IMPORT_RUN] = { "runs", "titttinnno", "024567" },
    [IMPORT_PARAM] = { "params", "ttt", "012" },
    [IMPORT_TAG] = { "tags", "ttt", "012" },
    [IMPORT_METRIC] = { "metrics", "ttiiri", "012345" },
    [IMPORT_DATASET] = { "datasets", "tttttttt", NULL },
    [IMPORT_DATASET_TAG] = { "datasetTags", "ttttt", NULL },
    [IMPORT_LOGGED_MODEL] = { "loggedModels", "titiitoooi", NULL },
    [IMPORT_LOGGED_PARAM] = { "loggedModelParams", "ttt", NULL },
    [IMPORT_LOGGED_TAG] = { "loggedModelTags", "ttt", NULL },
    [IMPORT_LOGGED_METRIC] = { "loggedModelMetrics", "ttiitrioo", NULL },
    [IMPORT_MODEL_USE] = { "modelUses", "ttti", NULL },
    [IMPORT_MODEL] = { "registeredModels", "toii", NULL },
    [IMPORT_MODEL_TAG] = { "registeredModelTags", "ttt", NULL },
    [IMPORT_VERSION] = { "modelVersions", "tittooooooii", NULL },
    [IMPORT_VERSION_TAG] = { "modelVersionTags", "titt", NULL },
    [IMPORT_ALIAS] = { "aliases", "tti", NULL },
    [IMPORT_TRACE] = { "traces", "tiintooo", NULL },
    [IMPORT_TRACE_TAG] = { "traceTags", "ttt", NULL },
    [IMPORT_TRACE_METADATA] = { "traceMetadata", "ttt", NULL },
    [IMPORT_SPAN] = { "spans", "ttototint", NULL },
    [IMPORT_ASSESSMENT] = { "assessments", "tttttootoooooiii", NULL },
    [IMPORT_ARTIFACT] = { "artifacts", "tttii", "0123" },
    [IMPORT_FILE] = { "files", "ittii", NULL },
};

/* ------------------------------------------------------------------ digests */

void import_sum_add(struct import_sum *sum, const char *places, const struct store_value *values)
{
    struct sha256 sha;
    uint8_t digest[SHA256_BYTES];
    char number[40];
    sha256_begin(&sha);
    for (const char *p = places; *p; p++) {
        const struct store_value *v = &values[*p - '0'];
        str text = v->type == STORE_TEXT ? v->bytes : STR_NONE;
        if (v->type == STORE_INT)
            snprintf(number, sizeof number, "%lld", (long long)v->integer);
        else if (v->type == STORE_REAL)
            snprintf(number, sizeof number, "%.17g", v->real);
        else
            snprintf(number, sizeof number, "%zu:", text.len);
        sha256_add(&sha, number, strlen(number) + 1);
        if (text.len)
            sha256_add(&sha, text.ptr, text.len);
    }
    sha256_end(&sha, digest);
    for (int i = 0; i < IMPORT_SUM_WORDS; i++) {
        uint64_t word = 0;
        for (int k = 7; k >= 0; k--)
            word = word << 8 | digest[8 * i + k];
        sum->words[i] += word;
    }
}

static void sum_text(const struct import_sum *sum, char out[65])
{
    for (int i = 0; i < IMPORT_SUM_WORDS; i++)
        snprintf(out + 16 * i, 17, "%016llx", (unsigned long long)sum->words[i]);
}

static bool sum_parse(str text, struct import_sum *sum)
{
    if (text.len != 64)
        return false;
    for (int i = 0; i < IMPORT_SUM_WORDS; i++) {
        char word[17] = "";
        memcpy(word, text.ptr + 16 * i, 16);
        sum->words[i] = strtoull(word, NULL, 16);
    }
    return true;
}

/* ------------------------------------------------------------------ the place, and what is done */

/* Parts of a count that a cursor keeps; `here` is counted at the end. */
static int64_t *part_of(struct import_counts *c, size_t i)
{
    int64_t *parts[] = { &c->source, &c->added, &c->same, &c->different, &c->skipped };
    return i < COUNT_OF(parts) ? parts[i] : NULL;
}

static void write_cursor(const struct import *im, const struct import_counts *counts,
                         struct buf *out)
{
    struct json_out w;
    char sum[65];
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_int(&w, "stage", im->stage);
    json_kv_cstr(&w, "after", im->after);
    json_kv_int(&w, "elsewhere", im->placed.elsewhere);
    json_kv_int(&w, "bytes", im->placed.bytes);
    json_key(&w, "counts");
    json_array_begin(&w);
    for (int k = 0; k < IMPORT_KIND_COUNT; k++) {
        struct import_counts c = counts[k];
        c.source = im->placed.counts[k].source; /* what comes behind the place is said again */
        for (size_t i = 0; part_of(&c, i); i++)
            json_out_int(&w, *part_of(&c, i));
    }
    json_array_end(&w);
    json_key(&w, "sums");
    json_array_begin(&w);
    for (int k = 0; k < IMPORT_KIND_COUNT; k++) {
        sum_text(&im->placed.sums[k], sum);
        json_out_cstr(&w, import_shapes[k].summed ? sum : "");
    }
    json_array_end(&w);
    json_object_end(&w);
}

static err read_cursor(struct import *im, str text)
{
    arena scratch;
    const struct json *root;
    arena_init(&scratch, CURSOR_ARENA_BYTES);
    err e = json_parse(&scratch, text, &root);
    const struct json *counts = e.code ? NULL : json_get(root, "counts");
    if (!e.code && json_count(counts) == 5 * IMPORT_KIND_COUNT) {
        str after = json_str(json_get(root, "after"), STR_NONE);
        im->stage = (int)json_int(json_get(root, "stage"), 0);
        snprintf(im->after, sizeof im->after, "%.*s", STR_ARG(after));
        im->tally.elsewhere = json_int(json_get(root, "elsewhere"), 0);
        im->tally.bytes = json_int(json_get(root, "bytes"), 0);
        size_t n = 0;
        for (size_t k = 0; k < IMPORT_KIND_COUNT; k++) {
            for (size_t i = 0; part_of(&im->tally.counts[k], i); i++)
                *part_of(&im->tally.counts[k], i) = json_int(json_at(counts, n++), 0);
            sum_parse(json_str(json_at(json_get(root, "sums"), k), STR_NONE), &im->tally.sums[k]);
        }
    }
    arena_deinit(&scratch);
    return e.code ? err_wrap(e, "reading where this import was") : OK;
}

/* ------------------------------------------------------------------ life */

err import_open(struct run *run, str source, struct import **ret_import)
{
    struct import *im = calloc(1, sizeof *im);
    char hex[SHA256_HEX_BYTES];
    if (!im)
        return ERR(ERR_NO_MEMORY, "starting an import: out of memory");
    im->run = run;
    im->track = run_track(run);
    arena_init(&im->keep, KEEP_ARENA_BYTES);
    arena_init(&im->memory, BATCH_ARENA_BYTES);
    im->source = arena_str(&im->keep, source);
    sha256_hex_of(source, hex);
    snprintf(im->mark, sizeof im->mark, IMPORT_TAG_SOURCE ".%.16s", hex);
    im->lines = calloc(IMPORT_BATCH_ROWS, sizeof *im->lines);
    im->pins = calloc(PINS_MAX, sizeof *im->pins);
    im->differences = calloc(IMPORT_DIFFERENCES_MAX, sizeof *im->differences);
    err e = arena_check(&im->keep);
    if (!im->lines || !im->pins || !im->differences)
        e = ERR(ERR_NO_MEMORY, "starting an import: out of memory");
    str cursor = run_job(run) ? job_cursor(run_job(run)) : STR_NONE;
    if (!e.code && cursor.len)
        e = read_cursor(im, cursor);
    for (int k = 0; k < IMPORT_KIND_COUNT; k++)
        im->tally.counts[k].here = -1;
    im->placed = im->tally;
    if (e.code) {
        import_close(im);
        return e;
    }
    *ret_import = im;
    return OK;
}

static void unpin_all(struct import *im)
{
    for (size_t i = 0; i < im->pin_count; i++)
        blob_unpin(im->track->blobs, &im->pins[i]);
    im->pin_count = 0;
}

void import_close(struct import *im)
{
    if (!im)
        return;
    unpin_all(im);
    free(im->lines);
    free(im->pins);
    free(im->differences);
    arena_deinit(&im->memory);
    arena_deinit(&im->keep);
    free(im);
}

int import_stage(const struct import *im)
{
    return im->stage;
}

str import_after(const struct import *im)
{
    return str_of(im->after);
}

/* ------------------------------------------------------------------ a batch */

static void write_init(struct import_write *w, struct import *im)
{
    map_deinit(&w->experiments);
    map_deinit(&w->models);
    map_deinit(&w->metrics);
    arena_reset(&w->keep);
    map_init(&w->experiments, IMPORT_BATCH_ROWS);
    map_init(&w->models, IMPORT_BATCH_ROWS);
    map_init(&w->metrics, IMPORT_BATCH_ROWS);
    for (int k = 0; k < IMPORT_KIND_COUNT; k++)
        w->counts[k] = im->tally.counts[k];
    w->difference_count = im->difference_count;
    for (size_t i = 0; i < COUNT_OF(w->parent); i++)
        w->parent[i] = STR_NONE;
}

static err flush_tx(struct store_tx *tx, void *arg)
{
    struct import_write *w = arg;
    struct buf cursor;
    write_init(w, w->im);
    TRY(import_put(tx, w));
    struct job *job = run_job(w->im->run);
    if (!job)
        return OK;
    buf_init(&cursor, JOB_CURSOR_MAX);
    write_cursor(w->im, w->counts, &cursor);
    err e = buf_check(&cursor);
    if (!e.code)
        e = job_cursor_save(job, tx, buf_str(&cursor));
    buf_deinit(&cursor);
    return e;
}

err import_flush(struct import *im)
{
    struct import_write *w = calloc(1, sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "storing a batch of an import: out of memory");
    w->im = im;
    w->differences = im->differences; /* those beyond difference_count are nobody's */
    arena_init(&w->keep, WRITE_ARENA_BYTES);
    err e = store_write(im->track->store, flush_tx, w);
    if (!e.code) {
        memcpy(im->tally.counts, w->counts, sizeof w->counts);
        im->difference_count = w->difference_count;
        im->line_count = im->line_bytes = 0;
        arena_reset(&im->memory);
        unpin_all(im);
    }
    map_deinit(&w->experiments);
    map_deinit(&w->models);
    map_deinit(&w->metrics);
    arena_deinit(&w->keep);
    free(w);
    return e.code ? err_wrap(e, "storing a batch of an import") : OK;
}

err import_place(struct import *im, int stage, str after)
{
    if (after.len > IMPORT_AFTER_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "the place in the source is too long to note");
    im->stage = stage;
    snprintf(im->after, sizeof im->after, "%.*s", STR_ARG(after));
    im->placed = im->tally;
    bool is_full = im->line_count >= IMPORT_BATCH_ROWS / 2 || im->line_bytes >= IMPORT_BATCH_BYTES;
    return is_full || im->pin_count >= PINS_MAX / 2 ? import_flush(im) : OK;
}

/* ------------------------------------------------------------------ a row */

static str clean(str text)
{
    ptrdiff_t nul = str_find_char(text, '\0');
    if (nul >= 0)
        text.len = (size_t)nul;
    text.len = str_utf8_valid_len(text);
    return text;
}

static struct store_value to_number(struct store_value v, bool is_optional)
{
    int64_t number = 0;
    if (v.type == STORE_NULL)
        return is_optional ? v : sql_int(0);
    if (v.type == STORE_REAL)
        number = v.real > -9e18 && v.real < 9e18 ? (int64_t)v.real : 0;
    else if (v.type == STORE_INT)
        number = v.integer;
    else if (str_to_i64(str_trim(v.bytes), &number).code)
        number = 0;
    return sql_int(number);
}

static struct store_value to_real(struct store_value v)
{
    double real = 0;
    if (v.type == STORE_REAL)
        real = v.real;
    else if (v.type == STORE_INT)
        real = (double)v.integer;
    else if (v.type != STORE_NULL && str_to_f64(str_trim(v.bytes), &real).code)
        real = NAN;
    if (isinf(real))
        real = real > 0 ? DBL_MAX : -DBL_MAX;
    return sql_real(real);
}

static struct store_value to_text(struct import *im, struct store_value v, bool is_optional)
{
    str text = STR_NONE;
    if (v.type == STORE_NULL && is_optional)
        return v;
    if (v.type == STORE_TEXT || v.type == STORE_BLOB)
        text = clean(v.bytes);
    else if (v.type == STORE_INT)
        text = arena_fmt(&im->memory, "%lld", (long long)v.integer);
    else if (v.type == STORE_REAL)
        text = arena_fmt(&im->memory, "%.17g", v.real);
    im->line_bytes += text.len;
    return sql_text(text.len ? arena_str(&im->memory, text) : STR(""));
}

err import_row(struct import *im, enum import_kind kind, const struct store_value *values,
               size_t count)
{
    const struct import_shape *shape = &import_shapes[kind];
    size_t n = strlen(shape->columns);
    if (n != count)
        return ERR(ERR_INTERNAL, "a row of %s has %zu columns, not %zu", shape->name, n, count);
    if (im->line_count == IMPORT_BATCH_ROWS || im->line_bytes >= IMPORT_BATCH_BYTES)
        TRY(import_flush(im));
    struct store_value *row = NEW_ARRAY(&im->memory, struct store_value, n);
    ARENA_TRY(row);
    for (size_t i = 0; i < n; i++) {
        char type = shape->columns[i];
        if (type == 't' || type == 'o')
            row[i] = to_text(im, values[i], type == 'o');
        else
            row[i] = type == 'r' ? to_real(values[i]) : to_number(values[i], type == 'n');
        if (i && shape->columns[i - 1] == 'r' && isnan(row[i - 1].real)) {
            row[i - 1] = sql_real(0);
            row[i] = sql_int(1);
        }
    }
    TRY(arena_check(&im->memory));
    im->lines[im->line_count++] = (struct import_line){ kind, row };
    im->tally.counts[kind].source++;
    if (shape->summed)
        import_sum_add(&im->tally.sums[kind], shape->summed, row);
    return OK;
}

/* ------------------------------------------------------------------ files */

err import_file(struct import *im, str run_id, int64_t experiment, str path,
                const struct blob_info *blob, int64_t created_ms)
{
    struct store_value hex = sql_cstr(blob->id.hex);
    if (im->pin_count == PINS_MAX)
        TRY(import_flush(im));
    im->pins[im->pin_count++] = blob->id;
    im->tally.bytes += blob->bytes;
    if (run_id.len)
        return IMPORT(im, IMPORT_ARTIFACT, sql_text(run_id), sql_text(path), hex,
                      sql_int(blob->bytes), sql_int(created_ms));
    return IMPORT(im, IMPORT_FILE, sql_int(experiment), sql_text(path), hex, sql_int(blob->bytes),
                  sql_int(created_ms));
}

struct known {
    struct import *im;
    str run_id, path;
    int64_t experiment, bytes, created_ms;
    char blob[SHA256_HEX_BYTES];
    bool is_here;
};

static err known_fn(struct store_read *rd, void *arg)
{
    struct known *k = arg;
    struct store_rows *rows;
    char path[1200];
    int64_t experiment;
    k->is_here = false;
    if (k->run_id.len) {
        TRY(store_query(rd,
                        "SELECT blob, bytes, created_ms FROM artifacts WHERE run_id = ?1"
                        " AND path = ?2",
                        ARGS(sql_text(k->run_id), sql_text(k->path)), &rows));
    } else {
        TRY(import_experiment(rd, k->im, k->experiment, &experiment));
        snprintf(path, sizeof path, "%lld/%.*s", (long long)experiment, STR_ARG(k->path));
        TRY(store_query(rd, "SELECT blob, bytes, created_ms FROM files WHERE path = ?1",
                        ARGS(sql_cstr(path)), &rows));
    }
    if (store_next(rows) && store_col_int(rows, 1) == k->bytes &&
        (!k->created_ms || store_col_int(rows, 2) == k->created_ms)) {
        k->is_here = true;
        snprintf(k->blob, sizeof k->blob, "%.*s", STR_ARG(store_col_text(rows, 0)));
    }
    return store_rows_close(rows);
}

err import_file_known(struct import *im, str run_id, int64_t experiment, str path, int64_t bytes,
                      int64_t created_ms, bool *ret_known)
{
    struct known k = { .im = im,
                       .run_id = run_id,
                       .path = path,
                       .experiment = experiment,
                       .bytes = bytes,
                       .created_ms = created_ms };
    struct blob_info blob = { .bytes = bytes };
    TRY(store_read(im->track->store, known_fn, &k));
    *ret_known = k.is_here && !blob_id_parse(str_of(k.blob), &blob.id).code &&
                 !blob_pin(im->track->blobs, &blob.id).code;
    return *ret_known ? import_file(im, run_id, experiment, path, &blob, created_ms) : OK;
}

void import_elsewhere(struct import *im, str uri)
{
    if (!im->elsewhere[0])
        snprintf(im->elsewhere, sizeof im->elsewhere, "%.*s", STR_ARG(clean(uri)));
    im->tally.elsewhere++;
}

/* ------------------------------------------------------------------ the report */

const struct import_counts *import_counts(const struct import *im, enum import_kind kind)
{
    return &im->tally.counts[kind];
}

int64_t import_rows_said(const struct import *im)
{
    int64_t sum = 0;
    for (int k = 0; k < IMPORT_KIND_COUNT; k++)
        sum += im->tally.counts[k].source;
    return sum;
}

static void report_kind(const struct import *im, enum import_kind k, struct json_out *w)
{
    const struct import_counts *c = &im->tally.counts[k];
    char there[65], here[65];
    json_key(w, import_shapes[k].name);
    json_object_begin(w);
    json_kv_int(w, "source", c->source);
    json_kv_int(w, "added", c->added);
    json_kv_int(w, "same", c->same);
    json_kv_int(w, "different", c->different);
    json_kv_int(w, "skipped", c->skipped);
    if (c->here >= 0)
        json_kv_int(w, "here", c->here);
    if (c->here >= 0 && import_shapes[k].summed) {
        sum_text(&im->tally.sums[k], there);
        sum_text(&im->here[k], here);
        json_kv_cstr(w, "digestSource", there);
        json_kv_cstr(w, "digestHere", here);
        json_kv_bool(w, "equal", strcmp(there, here) == 0);
    }
    json_object_end(w);
}

void import_report(const struct import *im, struct json_out *w)
{
    json_kv_str(w, "source", im->source);
    json_key(w, "counts");
    json_object_begin(w);
    for (int k = 0; k < IMPORT_KIND_COUNT; k++)
        if (im->tally.counts[k].source || im->tally.counts[k].here > 0)
            report_kind(im, (enum import_kind)k, w);
    json_object_end(w);
    json_kv_int(w, "artifactBytes", im->tally.bytes);
    json_kv_int(w, "artifactRootsElsewhere", im->tally.elsewhere);
    if (im->elsewhere[0])
        json_kv_cstr(w, "firstElsewhere", im->elsewhere);
    json_key(w, "differences");
    json_array_begin(w);
    for (size_t i = 0; i < im->difference_count; i++) {
        json_object_begin(w);
        json_kv_cstr(w, "of", import_shapes[im->differences[i].kind].name);
        json_kv_cstr(w, "what", im->differences[i].what);
        json_object_end(w);
    }
    json_array_end(w);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verbs_data.c -- the command line of the data half: import, dataset, games. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_file.h"
#include "apps/chess/game_store.h"
#include "base/clock.h"

enum { VERB_ARENA_BYTES = 64 * 1024 * 1024, OPTION_TEXT_MAX = 2000 };

/* Takes "--name VALUE" or "--name=VALUE" at *index; false when args[*index] is something else. */
static err option(const struct verb_args *args, int *index, const char *name, str *ret_value,
                  bool *ret_is)
{
    str arg = str_of(args->values[*index]);
    str wanted = str_of(name);
    *ret_is = false;
    if (!str_starts(arg, wanted))
        return OK;
    if (arg.len > wanted.len && arg.ptr[wanted.len] == '=') {
        *ret_value = str_sub(arg, wanted.len + 1, arg.len);
    } else if (arg.len == wanted.len) {
        if (*index + 1 >= args->count)
            return ERR(ERR_INVALID, "%s needs a value", name);
        *ret_value = str_of(args->values[++*index]);
    } else {
        return OK;
    }
    *ret_is = true;
    return OK;
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] == '-' && arg[2] != '\0';
}

/* ------------------------------------------------------------------ import */

struct import_options {
    str dataset, version, note, tags;
};

static err import_one(struct house *h, const char *file, const struct import_options *o, bool json)
{
    char path[PATH_MAX];
    struct buf payload;
    struct json_out w;
    struct job_info info;
    arena keep;
    bool is_stdin = strcmp(file, "-") == 0;
    if (!is_stdin && !realpath(file, path))
        return ERR_SYS("importing '%s'", file);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_cstr(&w, "path", is_stdin ? "-" : path);
    json_kv_cstr(&w, "name", is_stdin ? "standard input" : file);
    if (o->dataset.len)
        json_kv_str(&w, "datasetId", o->dataset);
    if (o->version.len)
        json_kv_str(&w, "version", o->version);
    if (o->note.len)
        json_kv_str(&w, "note", o->note);
    if (o->tags.len)
        json_kv_str(&w, "tags", o->tags);
    json_object_end(&w);

    arena_init(&keep, VERB_ARENA_BYTES);
    err e = buf_check(&payload);
    if (!e.code) {
        metric_add(chess_cell(house_metrics(h), CHESS_M_INGEST_JOBS), 1);
        if (!json)
            printf("%s\n", is_stdin ? "standard input" : file);
        e = app_run_job(h,
                        &(struct job_spec){
                            .kind = "chess.ingest", .payload = buf_str(&payload), .is_here = true },
                        json, &keep, &info);
    }
    arena_deinit(&keep);
    buf_deinit(&payload);
    return e;
}

err verb_import(struct house *h, const struct verb_args *args)
{
    struct import_options o = { 0 };
    int files = 0;
    err first = OK;
    for (int pass = 0; pass < 2; pass++) { /* options first: they hold for all files */
        for (int i = 0; i < args->count; i++) {
            bool dataset, version, note, tags;
            TRY(option(args, &i, "--dataset", &o.dataset, &dataset));
            TRY(option(args, &i, "--version", &o.version, &version));
            TRY(option(args, &i, "--note", &o.note, &note));
            TRY(option(args, &i, "--tags", &o.tags, &tags));
            if (dataset || version || note || tags)
                continue;
            if (is_option(args->values[i]))
                return ERR(ERR_INVALID, "'%s' is not an option of import", args->values[i]);
            if (pass == 0) {
                files++;
                continue;
            }
            /* One bad file does not keep the others out; the first error decides the exit code. */
            err e = import_one(h, args->values[i], &o, args->json);
            if (e.code && files > 1)
                fprintf(stderr, "%s\n", e.msg);
            first = err_first(first, e);
        }
    }
    if (!files)
        return ERR(ERR_INVALID, "name the files to import, or - for standard input");
    return first;
}

/* ------------------------------------------------------------------ dataset */

/* "minElo=1800" as a JSON member: numbers and booleans as such, "a,b" as a list where one is
 * wanted. */
static err filter_member(struct json_out *w, str assignment)
{
    str value = assignment;
    str key = str_split(&value, '=');
    int64_t integer;
    double real;
    if (!key.len || !value.len)
        return ERR(ERR_INVALID, "--filter takes key=value, like --filter minElo=1800");
    json_key_str(w, key);
    if (str_eq(value, STR("true")) || str_eq(value, STR("false"))) {
        json_out_bool(w, str_eq(value, STR("true")));
    } else if (!str_to_i64(value, &integer).code) {
        json_out_int(w, integer);
    } else if (!str_to_f64(value, &real).code) {
        json_out_real(w, real);
    } else if (str_find_char(value, ',') >= 0 && !str_eq(key, STR("player"))) {
        json_array_begin(w);
        while (value.len)
            json_out_str(w, str_split(&value, ','));
        json_array_end(w);
    } else {
        json_out_str(w, value);
    }
    return OK;
}

static err split_text(str shares, str by, arena *keep, str *ret_split)
{
    double share[CHESS_SPLIT_COUNT] = { 0 };
    int count = 0;
    for (str rest = shares; rest.len && count < CHESS_SPLIT_COUNT; count++)
        TRY(err_wrap(str_to_f64(str_split(&rest, ','), &share[count]), "--split"));
    if (!shares.len) {
        share[CHESS_TRAIN] = 0.8;
        share[CHESS_VALID] = share[CHESS_TEST] = 0.1;
    }
    *ret_split = arena_fmt(keep, "{\"by\":\"%.*s\",\"train\":%.9g,\"valid\":%.9g,\"test\":%.9g}",
                           STR_ARG(by), share[0], share[1], share[2]);
    ARENA_TRY(ret_split->ptr);
    return OK;
}

struct dataset_verb {
    str name, version, note, shares, by;
    struct buf filter;
    struct json_out out;
};

static err dataset_args(const struct verb_args *args, struct dataset_verb *v)
{
    v->by = STR("game");
    json_object_begin(&v->out);
    for (int i = 0; i < args->count; i++) {
        bool version, note, filter, split, by;
        str member = STR_NONE;
        TRY(option(args, &i, "--version", &v->version, &version));
        TRY(option(args, &i, "--note", &v->note, &note));
        TRY(option(args, &i, "--filter", &member, &filter));
        TRY(option(args, &i, "--split", &v->shares, &split));
        TRY(option(args, &i, "--by", &v->by, &by));
        if (filter)
            TRY(filter_member(&v->out, member));
        if (version || note || filter || split || by)
            continue;
        if (is_option(args->values[i]))
            return ERR(ERR_INVALID, "'%s' is not an option of dataset", args->values[i]);
        if (v->name.len)
            return ERR(ERR_INVALID, "one name, please: '%.*s' and '%s' were given",
                       STR_ARG(v->name), args->values[i]);
        v->name = str_of(args->values[i]);
    }
    json_object_end(&v->out);
    if (!v->name.len)
        return ERR(ERR_INVALID, "name the dataset: skerry chess dataset NAME");
    return buf_check(&v->filter);
}

static err dataset_run(struct house *h, struct dataset_verb *v, bool json, arena *keep)
{
    const struct json *filter, *split;
    str split_json, payload;
    struct dataset_info info;
    struct job_info job;
    TRY(json_parse(keep, buf_str(&v->filter), &filter));
    TRY(split_text(v->shares, v->by, keep, &split_json));
    TRY(json_parse(keep, split_json, &split));
    TRY(dataset_check(h, filter, split));
    TRY(dataset_create(house_track(h),
                       &(struct dataset_spec){
                           .name = v->name,
                           .version = v->version,
                           .kind = "chess.positions",
                           .filter = buf_str(&v->filter),
                           .split = split_json,
                           .note = v->note,
                       },
                       keep, &info));
    payload = arena_fmt(keep, "{\"datasetId\":\"%s\"}", info.id);
    ARENA_TRY(payload.ptr);
    return app_run_job(h, &(struct job_spec){ .kind = "chess.dataset", .payload = payload }, json,
                       keep, &job);
}

err verb_dataset(struct house *h, const struct verb_args *args)
{
    struct dataset_verb v = { 0 };
    arena keep;
    arena_init(&keep, VERB_ARENA_BYTES);
    buf_init(&v.filter, OPTION_TEXT_MAX * 4);
    json_out_init(&v.out, &v.filter);
    err e = dataset_args(args, &v);
    if (!e.code)
        e = dataset_run(h, &v, args->json, &keep);
    buf_deinit(&v.filter);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ games */

static err games_print(const struct stored_game *games, size_t count, bool json)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 16 * 1024 * 1024);
    json_out_init(&w, &text);
    if (json)
        json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct stored_game *g = &games[i];
        if (json) {
            json_object_begin(&w);
            stored_game_write(g, &w);
            json_object_end(&w);
            continue;
        }
        char id[UUID_BYTES];
        game_id_write(g->key, id);
        printf("%s  %04u-%02u-%02u  %-24.*s %4lld  %-24.*s %4lld  %-9s  %-14s %3lld moves\n", id,
               g->date / 10000, g->date / 100 % 100, g->date % 100, STR_ARG(g->white),
               (long long)g->white_rating, STR_ARG(g->black), (long long)g->black_rating,
               chess_result_name(g->result), chess_speed_name(g->speed),
               (long long)(g->plies + 1) / 2);
    }
    if (json) {
        json_array_end(&w);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
    }
    err e = buf_check(&text);
    buf_deinit(&text);
    return e;
}

err verb_games(struct house *h, const struct verb_args *args)
{
    struct game_query q = { .limit = 20 };
    struct stored_game *games;
    size_t count;
    arena keep;
    for (int i = 0; i < args->count; i++) {
        bool player, limit;
        str number = STR_NONE;
        TRY(option(args, &i, "--player", &q.player, &player));
        TRY(option(args, &i, "--limit", &number, &limit));
        if (limit)
            TRY(err_wrap(str_to_i64(number, &q.limit), "--limit"));
        if (!player && !limit)
            return ERR(ERR_INVALID, "'%s' is not an option of games", args->values[i]);
    }
    if (q.limit < 1 || q.limit > 10000)
        return ERR(ERR_INVALID, "--limit takes 1 to 10000");
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = stored_game_list(house_store(h), &q, &keep, &games, &count);
    if (!e.code)
        e = games_print(games, count, args->json);
    arena_deinit(&keep);
    return e;
}

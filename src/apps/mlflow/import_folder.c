/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_folder.c -- an MLflow that keeps everything in files: its folder mlruns.
 *
 *     ID/meta.yaml, tags/KEY              an experiment; deleted ones are in .trash/
 *     ID/RUN/meta.yaml, params/KEY, tags/KEY, metrics/KEY, inputs/, outputs/, artifacts/
 *     ID/datasets/, ID/models/m-.../      what runs read, what they logged
 *     ID/traces/TRACE/trace_info.yaml
 *     models/NAME/meta.yaml, version-N/   the registry
 *
 * Keys with slashes are folders. Folders are read in the order of their names, so that a place is a
 * name.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/mlflow/import.h"
#include "base/clock.h"

enum {
    NAMES_ARENA_BYTES = 256 * 1024 * 1024, /* a million runs in one experiment */
    TEXT_ARENA_BYTES = 40 * 1024 * 1024,
    VALUE_BYTES_MAX = 16 * 1024 * 1024, /* of a tag's file */
    LINE_BYTES_MAX = 2048,
    KEY_BYTES_MAX = 500,
    STAGE_EXPERIMENTS = 1,
    STAGE_REGISTRY = 2,
};

struct folder {
    struct import_work *w;
    arena scratch;            /* of one file */
    struct import_meta *meta; /* of the file read last */
};

/* ------------------------------------------------------------------ names */

struct names {
    arena keep;
    const char **items;
    size_t count, room;
    bool only_folders;
    const char *folder;
};

static err add_name(void *arg, const char *name)
{
    struct names *n = arg;
    if (n->count == n->room) {
        size_t room = n->room ? 2 * n->room : 64;
        const char **more = NEW_ARRAY(&n->keep, const char *, room);
        ARENA_TRY(more);
        if (n->count)
            memcpy(more, n->items, n->count * sizeof *more);
        n->items = more;
        n->room = room;
    }
    n->items[n->count] = arena_cstr(&n->keep, str_of(name));
    ARENA_TRY(n->items[n->count]);
    n->count++;
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A folder that is not there has no names. names_free afterwards, always. */
static err names_of(const char *folder, struct names *ret_names)
{
    *ret_names = (struct names){ .folder = folder };
    arena_init(&ret_names->keep, NAMES_ARENA_BYTES);
    struct stat st;
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return OK;
    TRY(fs_list(folder, add_name, ret_names));
    if (ret_names->count)
        qsort(ret_names->items, ret_names->count, sizeof *ret_names->items, by_name);
    return OK;
}

static void names_free(struct names *n)
{
    arena_deinit(&n->keep);
}

/* For each name in a folder. */
static err each_name(struct folder *f, const char *folder, void *arg,
                     err (*fn)(struct folder *f, void *arg, const char *path, const char *name))
{
    struct names names;
    char path[FS_PATH_BYTES];
    err e = names_of(folder, &names);
    for (size_t i = 0; !e.code && i < names.count; i++) {
        e = fs_join(path, folder, names.items[i]);
        if (!e.code)
            e = fn(f, arg, path, names.items[i]);
    }
    names_free(&names);
    return e;
}

/* ------------------------------------------------------------------ files */

/* Reads FOLDER/name into f->meta. False: it is not there, or is none. */
static bool read_meta(struct folder *f, const char *folder, const char *name)
{
    char path[FS_PATH_BYTES];
    str text;
    arena_reset(&f->scratch);
    f->meta->count = 0;
    if (fs_join(path, folder, name).code || !fs_exists(path))
        return false;
    err e = fs_read(&f->scratch, path, IMPORT_YAML_BYTES_MAX, &text);
    if (!e.code)
        e = import_yaml(text, &f->scratch, f->meta);
    if (e.code)
        import_pass_over(f->w, str_of(path), e.msg);
    return !e.code;
}

static struct store_value field(const struct folder *f, const char *key)
{
    return sql_text(import_meta_str(f->meta, key));
}

static struct store_value field_opt(const struct folder *f, const char *key)
{
    return sql_text_opt(import_meta_str(f->meta, key));
}

static struct store_value number(const struct folder *f, const char *key)
{
    return sql_int(import_meta_int(f->meta, key, 0));
}

static struct store_value number_opt(const struct folder *f, const char *key)
{
    int64_t value = import_meta_int(f->meta, key, INT64_MIN);
    return value == INT64_MIN ? sql_null() : sql_int(value);
}

static bool is_deleted(const struct folder *f)
{
    return str_eq(import_meta_str(f->meta, "lifecycle_stage"), STR("deleted"));
}

/* Files below a folder whose paths are keys and whose texts are values. */
struct texts {
    enum import_kind kind;
    struct store_value of; /* a run's id, an experiment's number, a model's name */
    int64_t version;       /* of IMPORT_VERSION_TAG */
    char key[KEY_BYTES_MAX + 1];
    int depth;
    err (*take)(struct folder *f, struct texts *t, const char *path); /* NULL: say a row */
};

static err say_text(struct folder *f, struct texts *t, const char *path)
{
    str text;
    arena_reset(&f->scratch);
    err e = fs_read(&f->scratch, path, VALUE_BYTES_MAX, &text);
    if (e.code) {
        import_pass_over(f->w, str_of(path), e.msg);
        return OK;
    }
    if (t->kind == IMPORT_VERSION_TAG)
        return IMPORT(f->w->im, t->kind, t->of, sql_int(t->version), sql_cstr(t->key),
                      sql_text(text));
    return IMPORT(f->w->im, t->kind, t->of, sql_cstr(t->key), sql_text(text));
}

static err texts_entry(struct folder *f, void *arg, const char *path, const char *name)
{
    struct texts *t = arg;
    struct stat st;
    size_t len = strlen(t->key);
    if (lstat(path, &st) != 0 || len + strlen(name) + 2 > sizeof t->key || t->depth > 16) {
        import_pass_over(f->w, str_of(path), "it cannot be read as a key");
        return OK;
    }
    snprintf(t->key + len, sizeof t->key - len, "%s%s", len ? "/" : "", name);
    err e = OK;
    if (S_ISDIR(st.st_mode)) {
        t->depth++;
        e = each_name(f, path, t, texts_entry);
        t->depth--;
    } else if (S_ISREG(st.st_mode)) {
        e = t->take ? t->take(f, t, path) : say_text(f, t, path);
    }
    t->key[len] = '\0';
    return e;
}

static err read_texts(struct folder *f, const char *folder, const char *sub, struct texts t)
{
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, folder, sub));
    return each_name(f, path, &t, texts_entry);
}

/* ------------------------------------------------------------------ metrics */

static err say_point(struct folder *f, struct texts *t, const struct import_point *p)
{
    struct store_value value = sql_real(p->value), is_nan = sql_int(isnan(p->value) ? 1 : 0);
    str rest = p->rest;
    if (t->kind == IMPORT_METRIC)
        return IMPORT(f->w->im, IMPORT_METRIC, t->of, sql_cstr(t->key), sql_int(p->ts_ms),
                      sql_int(p->step), value, is_nan);
    str run_id = str_split(&rest, ' '), name = str_split(&rest, ' ');
    return IMPORT(f->w->im, IMPORT_LOGGED_METRIC, t->of, sql_cstr(t->key), sql_int(p->ts_ms),
                  sql_int(p->step), sql_text(run_id), value, is_nan, sql_text_opt(name),
                  sql_text_opt(rest));
}

static err take_points(struct folder *f, struct texts *t, const char *path)
{
    char line[LINE_BYTES_MAX];
    struct import_point point;
    int64_t lines = 0;
    err e = OK;
    FILE *file = fopen(path, "re");
    if (!file) {
        import_pass_over(f->w, str_of(path), "it cannot be read");
        return OK;
    }
    while (!e.code && fgets(line, sizeof line, file)) {
        if (!str_trim(str_of(line)).len)
            continue;
        if (import_point_parse(str_of(line), &point))
            e = say_point(f, t, &point);
        else
            import_pass_over(f->w, str_of(path), "a line is not \"time value step\"");
        if (!e.code && ++lines % 10000 == 0)
            e = import_step(f->w);
    }
    fclose(file);
    return e;
}

/* ------------------------------------------------------------------ inputs and outputs */

struct use {
    const char *experiment; /* folder */
    str run_id;
    const char *direction;
};

static err say_dataset(struct folder *f, const struct use *u, const char *dataset_id, str context)
{
    char folder[FS_PATH_BYTES], datasets[FS_PATH_BYTES];
    TRY(fs_join(datasets, u->experiment, "datasets"));
    TRY(fs_join(folder, datasets, dataset_id));
    if (!read_meta(f, folder, "meta.yaml"))
        return OK;
    return IMPORT(f->w->im, IMPORT_DATASET, sql_text(u->run_id), field(f, "name"),
                  field(f, "digest"), field(f, "source_type"), field(f, "source"),
                  field(f, "schema"), field(f, "profile"), sql_text(context));
}

static err take_dataset(struct folder *f, const struct use *u, const char *path)
{
    char id[128], context[500];
    struct import_meta *tags = NEW(run_arena(f->w->run), struct import_meta);
    arena keep; /* tags outlive the next file */
    ARENA_TRY(tags);
    snprintf(id, sizeof id, "%.*s",
             STR_ARG(str_sub(import_meta_str(f->meta, "source_id"), 0, 100)));
    if (strchr(id, '/') || id[0] == '.' || !id[0])
        return OK;
    arena_init(&keep, TEXT_ARENA_BYTES);
    context[0] = '\0';
    for (size_t i = 0; i < f->meta->count; i++) {
        struct import_field each = f->meta->fields[i];
        if (!str_eq(each.parent, STR("tags")))
            continue;
        if (str_eq(each.key, STR("mlflow.data.context")))
            snprintf(context, sizeof context, "%.*s", STR_ARG(str_sub(each.value, 0, 499)));
        else
            tags->fields[tags->count++] = (struct import_field){
                .key = arena_str(&keep, each.key), .value = arena_str(&keep, each.value)
            };
    }
    err e = err_first(arena_check(&keep), say_dataset(f, u, id, str_of(context)));
    for (size_t i = 0; !e.code && i < tags->count; i++)
        e = IMPORT(f->w->im, IMPORT_DATASET_TAG, sql_text(u->run_id), field(f, "name"),
                   field(f, "digest"), sql_text(tags->fields[i].key),
                   sql_text(tags->fields[i].value));
    (void)path;
    arena_deinit(&keep);
    return e;
}

static err take_use(struct folder *f, void *arg, const char *path, const char *name)
{
    const struct use *u = arg;
    (void)name;
    if (!read_meta(f, path, "meta.yaml"))
        return OK;
    str type = import_meta_str(f->meta, "source_type");
    if (str_eq(type, STR("DATASET")))
        return take_dataset(f, u, path);
    str model_id = import_meta_str(f->meta, "destination_id");
    if (!str_starts(model_id, STR("m-")))
        return OK;
    return IMPORT(f->w->im, IMPORT_MODEL_USE, sql_text(u->run_id), sql_cstr(u->direction),
                  sql_text(model_id), number(f, "step"));
}

/* ------------------------------------------------------------------ runs */

static const char *status_name(str status)
{
    static const char *const names[] = { "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED" };
    int64_t n;
    if (!str_to_i64(status, &n).code && n >= 1 && n <= (int64_t)COUNT_OF(names))
        return names[n - 1];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(status, str_of(names[i])))
            return names[i];
    return "FINISHED";
}

struct experiment {
    int64_t id;
    const char *folder;
    const char *place; /* "0", ".trash/0" */
};

static err read_run(struct folder *f, struct experiment *x, const char *path)
{
    char id[64], root[FS_PATH_BYTES];
    str run_id = import_meta_str(f->meta, "run_id");
    run_id = run_id.len ? run_id : import_meta_str(f->meta, "run_uuid");
    snprintf(id, sizeof id, "%.*s", STR_ARG(str_sub(run_id, 0, 63)));
    TRY(IMPORT(f->w->im, IMPORT_RUN, sql_cstr(id), sql_int(x->id),
               sql_text(import_meta_str(f->meta, "run_name").len
                            ? import_meta_str(f->meta, "run_name")
                            : import_meta_str(f->meta, "name")),
               field(f, "user_id"), sql_cstr(status_name(import_meta_str(f->meta, "status"))),
               sql_int(is_deleted(f)), number_opt(f, "start_time"), number_opt(f, "end_time"),
               number_opt(f, "deleted_time"), sql_null()));
    struct store_value of = sql_cstr(id);
    TRY(read_texts(f, path, "params", (struct texts){ .kind = IMPORT_PARAM, .of = of }));
    TRY(read_texts(f, path, "tags", (struct texts){ .kind = IMPORT_TAG, .of = of }));
    TRY(read_texts(f, path, "metrics",
                   (struct texts){ .kind = IMPORT_METRIC, .of = of, .take = take_points }));
    struct use in = { x->folder, str_of(id), "in" }, out = { x->folder, str_of(id), "out" };
    TRY(fs_join(root, path, "inputs"));
    TRY(each_name(f, root, &in, take_use));
    TRY(fs_join(root, path, "outputs"));
    TRY(each_name(f, root, &out, take_use));
    TRY(fs_join(root, path, "artifacts"));
    struct import_owner owner = { .run_id = str_of(id) };
    return import_files(f->w, &owner, root);
}

/* In the order of folders: a part's end is before every character. */
static int place_cmp(str a, str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int x = a.ptr[i] == '/' ? 0 : (unsigned char)a.ptr[i];
        int y = b.ptr[i] == '/' ? 0 : (unsigned char)b.ptr[i];
        if (x != y)
            return x - y;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* An earlier try has stored all up to there. */
static bool is_done(const struct folder *f, const char *place)
{
    int stage = import_stage(f->w->im);
    return stage > STAGE_EXPERIMENTS ||
           (stage == STAGE_EXPERIMENTS && place_cmp(str_of(place), import_after(f->w->im)) <= 0);
}

static err take_run(struct folder *f, void *arg, const char *path, const char *name)
{
    struct experiment *x = arg;
    char place[512];
    snprintf(place, sizeof place, "%.250s/%.250s", x->place, name);
    f->w->done++;
    if (is_done(f, place))
        return OK;
    if (!read_meta(f, path, "meta.yaml") ||
        !(import_meta_str(f->meta, "run_id").len || import_meta_str(f->meta, "run_uuid").len))
        return OK;
    TRY(read_run(f, x, path));
    TRY(import_place(f->w->im, STAGE_EXPERIMENTS, str_of(place)));
    return import_step(f->w);
}

/* ------------------------------------------------------------------ logged models, traces */

static err take_model(struct folder *f, void *arg, const char *path, const char *name)
{
    static const char *const status[] = { "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                          "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED" };
    const struct experiment *x = arg;
    char below[256], root[FS_PATH_BYTES];
    if (!read_meta(f, path, "meta.yaml") || !str_starts(str_of(name), STR("m-")))
        return OK;
    int64_t n = import_meta_int(f->meta, "status", 0);
    struct store_value of = sql_cstr(name);
    TRY(IMPORT(f->w->im, IMPORT_LOGGED_MODEL, of, sql_int(x->id), field(f, "name"),
               number(f, "creation_timestamp"), number(f, "last_updated_timestamp"),
               sql_cstr(status[n >= 0 && n < (int64_t)COUNT_OF(status) ? n : 0]),
               field_opt(f, "status_message"), field_opt(f, "model_type"),
               field_opt(f, "source_run_id"), sql_int(is_deleted(f))));
    TRY(read_texts(f, path, "params", (struct texts){ .kind = IMPORT_LOGGED_PARAM, .of = of }));
    TRY(read_texts(f, path, "tags", (struct texts){ .kind = IMPORT_LOGGED_TAG, .of = of }));
    TRY(read_texts(f, path, "metrics",
                   (struct texts){ .kind = IMPORT_LOGGED_METRIC, .of = of, .take = take_points }));
    snprintf(below, sizeof below, "models/%.200s/artifacts", name);
    struct import_owner owner = { .experiment = x->id, .below = str_of(below) };
    TRY(fs_join(root, path, "artifacts"));
    return import_files(f->w, &owner, root);
}

static err say_trace(struct folder *f, const struct experiment *x, const char *name)
{
    int64_t at_ms = import_meta_int(f->meta, "timestamp_ms", 0);
    str time = import_meta_str(f->meta, "request_time");
    str state = import_meta_str(f->meta, "state");
    if (time.len && clock_parse(time, &at_ms).code)
        at_ms = 0;
    struct store_value took = number_opt(f, "execution_duration_ms");
    return IMPORT(f->w->im, IMPORT_TRACE, sql_cstr(name), sql_int(x->id), sql_int(at_ms),
                  took.type == STORE_INT ? took : number_opt(f, "execution_time_ms"),
                  sql_text(state.len ? state : import_meta_str(f->meta, "status")),
                  field_opt(f, "client_request_id"), field_opt(f, "request_preview"),
                  field_opt(f, "response_preview"));
}

static err take_trace(struct folder *f, void *arg, const char *path, const char *name)
{
    const struct experiment *x = arg;
    char below[256], root[FS_PATH_BYTES];
    if (!read_meta(f, path, "trace_info.yaml"))
        return OK;
    TRY(say_trace(f, x, name));
    struct store_value of = sql_cstr(name);
    TRY(read_texts(f, path, "tags", (struct texts){ .kind = IMPORT_TRACE_TAG, .of = of }));
    TRY(read_texts(f, path, "request_metadata",
                   (struct texts){ .kind = IMPORT_TRACE_METADATA, .of = of }));
    snprintf(below, sizeof below, "traces/%.200s/artifacts", name);
    struct import_owner owner = { .experiment = x->id, .below = str_of(below) };
    TRY(fs_join(root, path, "artifacts"));
    TRY(import_files(f->w, &owner, root));
    return import_step(f->w);
}

/* ------------------------------------------------------------------ experiments */

static err say_experiment(struct folder *f, struct experiment *x)
{
    char models[FS_PATH_BYTES];
    TRY(IMPORT(f->w->im, IMPORT_EXPERIMENT, sql_int(x->id), field(f, "name"),
               sql_int(is_deleted(f)), number(f, "creation_time"), number(f, "last_update_time")));
    TRY(read_texts(f, x->folder, "tags",
                   (struct texts){ .kind = IMPORT_EXPERIMENT_TAG, .of = sql_int(x->id) }));
    TRY(fs_join(models, x->folder, "models"));
    TRY(each_name(f, models, x, take_model));
    return import_flush(f->w->im); /* so that files of its runs are found to be known */
}

static err read_experiment(struct folder *f, const char *path, const char *place)
{
    struct experiment x = { .folder = path, .place = place };
    char sub[FS_PATH_BYTES], begin[320], end[320];
    snprintf(begin, sizeof begin, "%s/", place);
    snprintf(end, sizeof end, "%s/~", place); /* behind every run */
    if (is_done(f, end))
        return OK;
    x.id = import_meta_int(f->meta, "experiment_id", -1);
    if (x.id < 0) {
        import_pass_over(f->w, str_of(path), "its meta.yaml has no experiment_id");
        return OK;
    }
    if (!is_done(f, begin)) {
        TRY(say_experiment(f, &x));
        TRY(import_place(f->w->im, STAGE_EXPERIMENTS, str_of(begin)));
    }
    TRY(each_name(f, path, &x, take_run));
    TRY(fs_join(sub, path, "traces"));
    TRY(each_name(f, sub, &x, take_trace));
    return import_place(f->w->im, STAGE_EXPERIMENTS, str_of(end));
}

static err take_experiment(struct folder *f, void *arg, const char *path, const char *name)
{
    const char *prefix = arg;
    char place[300];
    snprintf(place, sizeof place, "%s%.250s", prefix, name);
    if (strcmp(name, ".trash") == 0 || strcmp(name, "models") == 0 ||
        !read_meta(f, path, "meta.yaml"))
        return OK;
    return read_experiment(f, path, place);
}

/* ------------------------------------------------------------------ the registry */

static err take_version(struct folder *f, void *arg, const char *path, const char *name)
{
    struct store_value *of = arg;
    if (!str_starts(str_of(name), STR("version-")) || !read_meta(f, path, "meta.yaml"))
        return OK;
    int64_t version = import_meta_int(f->meta, "version", 0);
    TRY(IMPORT(f->w->im, IMPORT_VERSION, *of, sql_int(version), field(f, "current_stage"),
               field(f, "status"), field_opt(f, "status_message"), field_opt(f, "description"),
               field_opt(f, "user_id"), field_opt(f, "source"), field_opt(f, "run_id"),
               field_opt(f, "run_link"), number(f, "creation_timestamp"),
               number(f, "last_updated_timestamp")));
    return read_texts(f, path, "tags",
                      (struct texts){ .kind = IMPORT_VERSION_TAG, .of = *of, .version = version });
}

static err take_alias(struct folder *f, struct texts *t, const char *path)
{
    str text;
    arena_reset(&f->scratch);
    err e = fs_read(&f->scratch, path, LINE_BYTES_MAX, &text);
    if (e.code) {
        import_pass_over(f->w, str_of(path), e.msg);
        return OK;
    }
    return IMPORT(f->w->im, IMPORT_ALIAS, t->of, sql_cstr(t->key), sql_text(str_trim(text)));
}

static err take_registered(struct folder *f, void *arg, const char *path, const char *name)
{
    char copy[600];
    (void)arg;
    (void)name;
    if (!read_meta(f, path, "meta.yaml") || !import_meta_str(f->meta, "name").len)
        return OK;
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(str_sub(import_meta_str(f->meta, "name"), 0, 599)));
    struct store_value of = sql_cstr(copy);
    TRY(IMPORT(f->w->im, IMPORT_MODEL, of, field_opt(f, "description"),
               number(f, "creation_timestamp"), number(f, "last_updated_timestamp")));
    TRY(read_texts(f, path, "tags", (struct texts){ .kind = IMPORT_MODEL_TAG, .of = of }));
    TRY(each_name(f, path, &of, take_version));
    TRY(read_texts(f, path, "aliases",
                   (struct texts){ .kind = IMPORT_ALIAS, .of = of, .take = take_alias }));
    return import_step(f->w);
}

/* ------------------------------------------------------------------ all of it */

static err count_run(struct folder *f, void *arg, const char *path, const char *name)
{
    struct names names;
    (void)arg;
    (void)name;
    err e = names_of(path, &names);
    f->w->total += (int64_t)names.count;
    names_free(&names);
    return e;
}

static err read_all(struct folder *f)
{
    char trash[FS_PATH_BYTES], models[FS_PATH_BYTES], first[] = "", second[] = ".trash/";
    const char *root = f->w->source;
    TRY(fs_join(trash, root, ".trash"));
    TRY(fs_join(models, root, "models"));
    TRY(each_name(f, root, NULL, count_run));
    /* ".trash/..." sorts before every number, as the place does. */
    TRY(each_name(f, trash, second, take_experiment));
    TRY(each_name(f, root, first, take_experiment));
    TRY(import_place(f->w->im, STAGE_REGISTRY, STR("")));
    TRY(import_flush(f->w->im));
    return each_name(f, models, NULL, take_registered);
}

err import_from_folder(struct import_work *w)
{
    struct folder f = { .w = w, .meta = NEW(run_arena(w->run), struct import_meta) };
    ARENA_TRY(f.meta);
    arena_init(&f.scratch, TEXT_ARENA_BYTES);
    err e = read_all(&f);
    arena_deinit(&f.scratch);
    if (!e.code && import_counts(w->im, IMPORT_EXPERIMENT)->source == 0)
        e = ERR(ERR_INVALID, "%.150s has no experiment of MLflow in it: no folder with a meta.yaml",
                w->source);
    return e;
}

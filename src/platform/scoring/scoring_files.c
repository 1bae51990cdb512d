/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scoring_files.c -- from a version of the registry to a model in memory: its files, its flavour.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/scoring/scoring_internal.h"
#include "platform/track/files.h"

enum { FLAVOURS_SHOWN_BYTES = 100, SCRATCH_BYTES_MAX = 16 * 1024 * 1024 };

static const struct flavour *const flavours[FLAVOUR_COUNT] = { &scoring_xgboost, &scoring_onnx };

/* The library of a flavour, loaded when it is first needed. */
static err library_of(struct scoring *s, const struct flavour *flavour, void **ret_library)
{
    err e = OK;
    pthread_mutex_lock(&s->library_lock);
    for (size_t i = 0; i < FLAVOUR_COUNT; i++) {
        if (flavours[i] != flavour)
            continue;
        const char *path = flavour == &scoring_xgboost ? s->options.xgboost_library
                                                       : s->options.onnx_library;
        if (!s->libraries[i])
            e = flavour->open(path, &s->libraries[i]);
        *ret_library = s->libraries[i];
    }
    pthread_mutex_unlock(&s->library_lock);
    return e;
}

/* ------------------------------------------------------------------ files */

/* Where the version's files are: a path below mlflow-artifacts:/ */
static err find_root(struct scoring *s, const struct model_version_info *info, arena *keep,
                     str *ret_root)
{
    char version[24];
    str uri;
    snprintf(version, sizeof version, "%lld", (long long)info->version);
    TRY(files_root_of_version(s->options.track, info->name, str_of(version), keep, &uri));
    err e = files_uri_path(uri, keep, ret_root);
    if (e.code)
        return ERR(ERR_NOT_FOUND,
                   "its files are at %.*s, and only what clients stored here "
                   "(mlflow-artifacts:/...) can be served",
                   STR_ARG(str_sub(uri, 0, 80)));
    return OK;
}

static err find_file(struct scoring *s, str root, str name, arena *keep, struct file_info *ret_file)
{
    str path;
    TRY(files_join(root, name, keep, &path));
    err e = files_get(s->options.track, path, keep, ret_file);
    if (e.code == ERR_NOT_FOUND || e.code == ERR_INVALID)
        return ERR(ERR_NOT_FOUND, "there is no file '%.*s' in it", STR_ARG(str_sub(name, 0, 80)));
    return e;
}

static err read_mlmodel(struct scoring *s, str root, struct scored_model *m)
{
    struct file_info file;
    str text;
    TRY(find_file(s, root, STR("MLmodel"), &m->keep, &file));
    TRY(blob_get(s->options.blobs, &file.blob, &m->keep, MLMODEL_BYTES_MAX, &text));
    return mlmodel_read(text, &m->keep, &m->mlmodel);
}

/* ------------------------------------------------------------------ what can be served */

static err find_flavour(const struct mlmodel *mlmodel, const struct flavour **ret_flavour)
{
    char names[FLAVOURS_SHOWN_BYTES];
    for (size_t i = 0; i < FLAVOUR_COUNT; i++) {
        if (mlmodel_has_flavour(mlmodel, flavours[i]->name)) {
            *ret_flavour = flavours[i];
            return OK;
        }
    }
    mlmodel_flavours(mlmodel, names, sizeof names);
    return ERR(ERR_UNSUPPORTED,
               "it has the flavours %s; xgboost and onnx can be run here: export it to ONNX and "
               "log it with mlflow.onnx, or serve it with mlflow models serve",
               names[0] ? names : "of none");
}

static err check_signature(const struct signature *s)
{
    if (s->has_params)
        return ERR(ERR_UNSUPPORTED,
                   "its signature has params, which change what a model answers and are not "
                   "applied here: log it without params in the signature");
    if (s->is_unreadable)
        return ERR(ERR_UNSUPPORTED, "its signature has inputs that are not columns of numbers or "
                                    "one tensor of them");
    for (size_t i = 0; i < s->column_count; i++)
        if (!s->is_tensor && s->columns[i].type == COLUMN_STRING)
            return ERR(ERR_UNSUPPORTED,
                       "column '%.*s' of its signature is a string, and models of "
                       "numbers can be run here",
                       STR_ARG(str_sub(s->columns[i].name, 0, 60)));
    return OK;
}

static err load_data(struct scoring *s, str root, struct scored_model *m)
{
    struct file_info file;
    struct blob_map map;
    void *library = NULL;
    str name = mlmodel_value(&m->mlmodel, m->flavour->data);
    TRY(find_file(s, root, name.len ? name : str_of(m->flavour->file), &m->keep, &file));
    if (file.bytes > s->options.bytes_max)
        return ERR(ERR_TOO_BIG,
                   "it has %lld bytes, and all loaded models may have %lld (SKERRY_SCORING_BYTES)",
                   (long long)file.bytes, (long long)s->options.bytes_max);
    TRY(library_of(s, m->flavour, &library));
    TRY(blob_map(s->options.blobs, &file.blob, &map));
    m->bytes = file.bytes;
    err e = m->flavour->load(library, &m->mlmodel, str_from(map.bytes, map.count), &m->model);
    blob_unmap(&map);
    return e;
}

static err load_into(struct scoring *s, const struct model_version_info *info,
                     struct scored_model *m)
{
    str root;
    TRY(find_root(s, info, &m->keep, &root));
    TRY(read_mlmodel(s, root, m));
    TRY(find_flavour(&m->mlmodel, &m->flavour));
    TRY(check_signature(&m->mlmodel.signature));
    return load_data(s, root, m);
}

err scoring_load(struct scoring *s, const struct model_version_info *info,
                 struct scored_model **ret_model)
{
    struct scored_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "no memory to load a model");
    arena_init(&m->keep, SCRATCH_BYTES_MAX);
    atomic_init(&m->holders, 1);
    memcpy(m->id, info->id, sizeof m->id);
    snprintf(m->name, sizeof m->name, "%.*s", STR_ARG(info->name));
    m->version = info->version;
    m->loaded_ms = clock_wall_ms();
    err e = load_into(s, info, m);
    if (e.code) {
        scoring_model_free(m);
        if (e.code == ERR_INVALID) /* the version's fault, not that of who asks */
            e.code = ERR_UNSUPPORTED;
        return err_wrap(e, "model %.*s version %lld cannot be served",
                        STR_ARG(str_sub(info->name, 0, 80)), (long long)info->version);
    }
    *ret_model = m;
    return OK;
}

void scoring_model_free(struct scored_model *m)
{
    if (!m)
        return;
    if (m->flavour)
        m->flavour->free(m->model);
    arena_deinit(&m->keep);
    free(m);
}

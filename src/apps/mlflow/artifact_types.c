/* SPDX-License-Identifier: GPL-3.0-or-later */
/* artifact_types.c -- what a file's name says about its bytes: MLflow's choices, so that its pages
 * show text as text. */
#include "apps/mlflow/mlflow_app.h"

static const char *const text_endings[] = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",   "cf",      "ini",       "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",   "json",    "js",        "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "ipynb", "MLmodel", "MLproject",
};

static const struct {
    const char *ending, *type;
} types[] = {
    { "bmp", "image/bmp" },         { "css", "text/css" },          { "gif", "image/gif" },
    { "h5", "application/x-hdf5" }, { "htm", "text/html" },         { "html", "text/html" },
    { "jpeg", "image/jpeg" },       { "jpg", "image/jpeg" },        { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },         { "pdf", "application/pdf" },   { "png", "image/png" },
    { "svg", "image/svg+xml" },     { "tar", "application/x-tar" }, { "tif", "image/tiff" },
    { "tiff", "image/tiff" },       { "wasm", "application/wasm" }, { "wav", "audio/x-wav" },
    { "webm", "video/webm" },       { "webp", "image/webp" },       { "zip", "application/zip" },
};

/* Behind the last dot; the whole name of one without, as MLmodel. */
static str ending_of(str name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/')
            return str_sub(name, i, name.len);
        if (name.ptr[i - 1] == '.')
            return str_sub(name, i, name.len);
    }
    return name;
}

const char *mlflow_type_of(str name)
{
    str ending = ending_of(name);
    for (size_t i = 0; i < COUNT_OF(text_endings); i++)
        if (str_eq(ending, str_of(text_endings[i])))
            return "text/plain";
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq_nocase(ending, str_of(types[i].ending)))
            return types[i].type;
    return "application/octet-stream";
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* artifacts.c -- files of runs, logged models and traces: handlers.
 *
 * Clients put and get files through the proxy routes, by a path below mlflow-artifacts:/ ; pages
 * ask by run, model or trace, which is turned into such a path. A file that comes in is hashed and
 * written while it arrives, so that the end of the body is also the end of the work, but for the
 * sync to disk; a client that leaves half way leaves nothing.
 */
#include "apps/mlflow/mlflow_app.h"

#include <stdlib.h>

#include "platform/track/files.h"

enum {
    NAMES_MAX = 100000, /* of a directory, in a list that has no pages */
    PAGE_MAX = 10000,
};

static struct track *track_of(const struct http_request *rq)
{
    return house_track(rq_house(rq));
}

/* ------------------------------------------------------------------ which path */

/* Below the root of the run, model, or trace. */
static err path_below(str root_uri, str path, arena *keep, str *ret_path)
{
    str root, below;
    TRY(files_path(path, keep, &below));
    TRY(files_uri_path(root_uri, keep, &root));
    return files_join(root, below, keep, ret_path);
}

static err proxy_path(struct http_request *rq, str *ret_path)
{
    return files_path(http_param(rq, "path"), http_arena(rq), ret_path);
}

static err upload_path(struct http_request *rq, str *ret_path)
{
    str run_id = http_query(rq, "run_uuid"), path = http_query(rq, "path"), root, below;
    if (run_id.len == 0)
        return ERR(ERR_INVALID, "Request must specify run_uuid.");
    if (path.len == 0)
        return ERR(ERR_INVALID, "Request must specify path.");
    TRY(files_path(path, http_arena(rq), &below));
    TRY(files_root_of_run(track_of(rq), run_id, http_arena(rq), &root));
    return path_below(root, path, http_arena(rq), ret_path);
}

/* ------------------------------------------------------------------ in */

/* A file that is arriving. */
struct incoming {
    struct blob_writer *writer; /* NULL once the bytes are stored */
};

static err incoming_open(struct http_request *rq, void **ret_sink)
{
    struct incoming *in = calloc(1, sizeof *in);
    if (!in)
        return ERR(ERR_NO_MEMORY, "receiving a file: out of memory");
    err e = blob_writer_open(house_blobs(rq_house(rq)), &in->writer);
    if (e.code) {
        free(in);
        return e;
    }
    *ret_sink = in;
    return OK;
}

static err incoming_write(void *sink, str bytes)
{
    struct incoming *in = sink;
    return blob_write(in->writer, bytes.ptr, bytes.len);
}

static void incoming_close(void *sink)
{
    struct incoming *in = sink;
    blob_writer_abort(in->writer);
    free(in);
}

/* A wrong path is said before the bytes are taken. */
static err put_open(struct http_request *rq, void **ret_sink)
{
    str path;
    TRY(proxy_path(rq, &path));
    return incoming_open(rq, ret_sink);
}

static err upload_open(struct http_request *rq, void **ret_sink)
{
    str path;
    TRY(upload_path(rq, &path));
    return incoming_open(rq, ret_sink);
}

const struct http_sink mlflow_put_sink = { put_open, incoming_write, incoming_close };
const struct http_sink mlflow_upload_sink = { upload_open, incoming_write, incoming_close };

/* The bytes first, pinned, then the row. */
static err store(struct http_request *rq, str path)
{
    struct blobs *blobs = house_blobs(rq_house(rq));
    struct incoming *in = http_sunk(rq);
    struct blob_info blob;
    if (in) {
        struct blob_writer *writer = in->writer;
        in->writer = NULL;
        TRY(blob_writer_commit(writer, &blob));
    } else {
        TRY(blob_put(blobs, STR(""), &blob));
    }
    err e = files_put(track_of(rq), path, &blob);
    blob_unpin(blobs, &blob.id);
    return e;
}

err mlflow_artifact_put(struct http_request *rq, struct http_reply *rp)
{
    str path;
    (void)rp; /* as MLflow 3: nothing but the status */
    TRY(proxy_path(rq, &path));
    return store(rq, path);
}

err mlflow_artifact_upload(struct http_request *rq, struct http_reply *rp)
{
    str path;
    TRY(upload_path(rq, &path));
    if (!http_sunk(rq))
        return ERR(ERR_INVALID, "Request must specify data.");
    TRY(store(rq, path));
    return wire_empty(rp);
}

/* ------------------------------------------------------------------ out */

static str name_of(str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return str_sub(path, at, path.len);
}

/* Always as an attachment: a page of somebody's run must not act as one of ours. */
static err send_file(struct http_request *rq, struct http_reply *rp, str path)
{
    struct file_info file;
    TRY(files_get(track_of(rq), path, http_arena(rq), &file));
    http_attachment(rp, name_of(path));
    return house_send_blob(rq_house(rq), rp, &file.blob, mlflow_type_of(name_of(path)));
}

err mlflow_artifact_get(struct http_request *rq, struct http_reply *rp)
{
    str path;
    TRY(proxy_path(rq, &path));
    return send_file(rq, rp, path);
}

static err run_of(const struct wire_args *a, str *ret_run_id)
{
    str run_id = STR_NONE;
    TRY(wire_str(a, "run_id", &run_id));
    if (run_id.len == 0)
        TRY(wire_str(a, "run_uuid", &run_id));
    if (run_id.len == 0)
        return wire_missing("run_id");
    *ret_run_id = run_id;
    return OK;
}

err mlflow_artifact_of_run(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str run_id, path, root;
    TRY(wire_open(rq, &a));
    TRY(run_of(&a, &run_id));
    TRY(wire_need_str(&a, "path", &path));
    TRY(files_root_of_run(track_of(rq), run_id, http_arena(rq), &root));
    TRY(path_below(root, path, http_arena(rq), &path));
    return send_file(rq, rp, path);
}

err mlflow_artifact_of_version(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str name, version, path, root;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "name", &name));
    TRY(wire_need_str(&a, "version", &version));
    TRY(wire_need_str(&a, "path", &path));
    TRY(files_root_of_version(track_of(rq), name, version, http_arena(rq), &root));
    TRY(path_below(root, path, http_arena(rq), &path));
    return send_file(rq, rp, path);
}

err mlflow_artifact_of_model(struct http_request *rq, struct http_reply *rp)
{
    str path = http_query(rq, "artifact_file_path"), root;
    if (path.len == 0)
        return wire_refuse(rp, 400, "BAD_REQUEST",
                           "Request must include the \"artifact_file_path\" query parameter.");
    TRY(files_root_of_logged_model(track_of(rq), http_param(rq, "model_id"), http_arena(rq),
                                   &root));
    TRY(path_below(root, path, http_arena(rq), &path));
    return send_file(rq, rp, path);
}

err mlflow_artifact_of_trace(struct http_request *rq, struct http_reply *rp)
{
    str trace_id = http_query(rq, "request_id"), path = http_query(rq, "path"), root;
    if (trace_id.len == 0)
        return wire_refuse(rp, 400, "BAD_REQUEST",
                           "Request must include the \"request_id\" query parameter.");
    TRY(files_root_of_trace(track_of(rq), trace_id, http_arena(rq), &root));
    if (path.len == 0)
        path = STR("traces.json");
    else
        TRY(path_below(STR("mlflow-artifacts:/attachments"), path, http_arena(rq), &path));
    str file;
    TRY(path_below(root, path, http_arena(rq), &file));
    err e = send_file(rq, rp, file);
    if (e.code == ERR_NOT_FOUND)
        return wire_refuse(rp, 404, "NOT_FOUND", "Trace data not found for path=%.*s",
                           STR_ARG(path));
    return e;
}

/* ------------------------------------------------------------------ lists */

err mlflow_name_below(struct files_page *page, str directory, arena *keep)
{
    for (size_t i = 0; i < page->count && directory.len; i++)
        page->files[i].path = arena_fmt(keep, "%.*s/%.*s", STR_ARG(directory),
                                        STR_ARG(page->files[i].path));
    return arena_check(keep);
}

void mlflow_write_files(struct json_out *w, const struct files_page *page)
{
    if (page->count == 0)
        return;
    json_key(w, "files");
    json_array_begin(w);
    for (size_t i = 0; i < page->count; i++) {
        const struct file_info *file = &page->files[i];
        json_object_begin(w);
        json_kv_str(w, "path", file->path);
        json_kv_bool(w, "is_dir", file->is_directory);
        if (!file->is_directory && file->bytes) /* MLflow says nothing of an empty one */
            json_kv_int(w, "file_size", file->bytes);
        json_object_end(w);
    }
    json_array_end(w);
}

err mlflow_artifact_list(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct files_page page;
    str run_id, root, path = STR(""), token = STR(""), directory;
    TRY(wire_open(rq, &a));
    TRY(run_of(&a, &run_id));
    TRY(wire_str(&a, "path", &path));
    TRY(wire_str(&a, "page_token", &token));
    TRY(files_path(path, http_arena(rq), &path));
    TRY(files_root_of_run(track_of(rq), run_id, http_arena(rq), &root));
    TRY(path_below(root, path, http_arena(rq), &directory));
    TRY(files_list(track_of(rq), directory, token, PAGE_MAX, http_arena(rq), &page));
    TRY(mlflow_name_below(&page, path, http_arena(rq)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "root_uri", root);
    mlflow_write_files(w, &page);
    if (page.next.len)
        json_kv_str(w, "next_page_token", page.next);
    json_object_end(w);
    return OK;
}

err mlflow_artifact_names(struct http_request *rq, struct http_reply *rp)
{
    struct files_page page;
    str path;
    TRY(files_path(http_query(rq, "path"), http_arena(rq), &path));
    TRY(files_list(track_of(rq), path, STR(""), NAMES_MAX, http_arena(rq), &page));
    if (page.next.len)
        return ERR(ERR_TOO_BIG, "'%.*s' has more than %d entries: ask for its directories",
                   STR_ARG(path), NAMES_MAX);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    mlflow_write_files(w, &page);
    json_object_end(w);
    return OK;
}

err mlflow_artifact_delete(struct http_request *rq, struct http_reply *rp)
{
    str path;
    int64_t count;
    TRY(proxy_path(rq, &path));
    TRY(files_delete(track_of(rq), path, &count));
    TRY(wire_audit(rq, "artifact.delete", path));
    return wire_empty(rp);
}

/* ------------------------------------------------------------------ what is not done here */

/* Clients that hear these very words go on without. */

err mlflow_artifact_no_parts(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    str path;
    TRY(wire_open(rq, &a));
    TRY(wire_need_str(&a, "path", &path));
    return wire_refuse(rp, 501, "NOT_IMPLEMENTED",
                       "Multipart upload is not supported for the current artifact repository");
}

err mlflow_artifact_no_links(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    return wire_refuse(rp, 501, "NOT_IMPLEMENTED",
                       "Multipart download is not supported for the current artifact repository");
}

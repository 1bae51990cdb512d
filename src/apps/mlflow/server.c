/* SPDX-License-Identifier: GPL-3.0-or-later */
/* server.c -- what kind of server this is: version and abilities. */
#include "apps/mlflow/mlflow_app.h"

err mlflow_version(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    buf_add_cstr(http_text(rp, "text/html; charset=utf-8"), MLFLOW_VERSION);
    return OK;
}

err mlflow_server_info(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "store_type", "SqlStore");
    json_kv_bool(w, "workspaces_enabled", false);
    json_kv_bool(w, "trace_archival_enabled", false);
    json_kv_bool(w, "multipart_uploads_enabled", false);
    json_kv_bool(w, "multipart_downloads_enabled", false);
    json_object_end(w);
    return OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openapi.c -- the OpenAPI 3.1 document, written from the route tables: what runs is what is
 * described. */
#include <stdio.h>
#include <string.h>

#include "platform/app/app.h"

#ifndef SKERRY_VERSION
#define SKERRY_VERSION "0"
#endif

/* "{rest...}" is "{rest}" in OpenAPI. */
static void write_path_key(struct json_out *w, const char *path)
{
    char text[256];
    size_t n = 0;
    for (const char *c = path; *c && n + 1 < sizeof text; c++) {
        if (strncmp(c, "...}", 4) == 0)
            c += 3;
        text[n++] = *c;
    }
    json_key_str(w, str_from(text, n));
}

static void write_parameter(struct json_out *w, str name, const char *in, str type, bool required)
{
    json_object_begin(w);
    json_kv_str(w, "name", name);
    json_kv_cstr(w, "in", in);
    json_kv_bool(w, "required", required);
    json_key(w, "schema");
    json_object_begin(w);
    json_kv_cstr(w, "type",
                 str_eq(type, STR("int"))    ? "integer"
                 : str_eq(type, STR("real")) ? "number"
                 : str_eq(type, STR("bool")) ? "boolean"
                                             : "string");
    json_object_end(w);
    json_object_end(w);
}

/* Path parameters from the braces, query parameters from the row's "name:type name:type". */
static void write_parameters(struct json_out *w, const struct route *r, const char *path)
{
    json_key(w, "parameters");
    json_array_begin(w);
    str rest = str_of(path);
    while (str_find_char(rest, '{') >= 0) {
        str_split(&rest, '{');
        str name = str_split(&rest, '}');
        if (str_ends(name, STR("...")))
            name = str_sub(name, 0, name.len - 3);
        write_parameter(w, name, "path", STR("string"), true);
    }
    for (str query = str_of(r->query); query.len;) {
        str type = str_split(&query, ' ');
        str name = str_split(&type, ':');
        if (name.len)
            write_parameter(w, name, "query", type, false);
    }
    json_array_end(w);
}

/* Rows give the members of an object; braces around them are accepted. */
static void write_properties(struct json_out *w, const char *members)
{
    if (members[0] == '{') {
        json_kv_raw(w, "properties", str_of(members));
        return;
    }
    json_key(w, "properties");
    json_object_begin(w);
    buf_add_cstr(w->buf, members);
    json_object_end(w);
}

static void write_body(struct json_out *w, const struct route *r)
{
    if (!r->body && !r->is_upload)
        return;
    json_key(w, "requestBody");
    json_object_begin(w);
    json_key(w, "content");
    json_object_begin(w);
    if (r->is_upload && !r->sink)
        json_kv_raw(w, "multipart/form-data",
                    STR("{\"schema\":{\"type\":\"object\",\"properties\":{\"file\":{\"type\":"
                        "\"string\",\"format\":\"binary\"}}}}"));
    if (r->is_upload)
        json_kv_raw(w, "application/octet-stream",
                    STR("{\"schema\":{\"type\":\"string\",\"format\":\"binary\"}}"));
    if (r->body) {
        json_key(w, "application/json");
        json_object_begin(w);
        json_key(w, "schema");
        json_object_begin(w);
        json_kv_cstr(w, "type", "object");
        write_properties(w, r->body);
        json_object_end(w);
        if (r->example && r->example[0] == '{')
            json_kv_raw(w, "example", str_of(r->example));
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

/* How the paths that begin like this one say what went wrong; NULL: as problem+json. */
static const struct http_error_shape *shape_of(const struct app *const *apps, const char *path)
{
    for (size_t i = 0; apps[i]; i++)
        for (const struct http_error_shape *s = apps[i]->error_shapes; s && s->prefix; s++)
            if (strncmp(path, s->prefix, strlen(s->prefix)) == 0)
                return s;
    return NULL;
}

static void write_media(struct json_out *w, const char *type, const char *schema)
{
    json_key(w, type);
    json_object_begin(w);
    json_kv_raw(w, "schema", str_of(schema));
    json_object_end(w);
}

/* What is refused before the handler is asked has the shape of the path; what the handler refuses
 * may have another. */
static void write_errors(struct json_out *w, const char *status, const struct route *r,
                         const struct http_error_shape *shape)
{
    static const char json[] = "application/json";
    if (!shape && !r->errors) {
        json_kv_raw(w, status, STR("{\"$ref\":\"#/components/responses/Problem\"}"));
        return;
    }
    bool is_text = r->errors && strncmp(r->errors, "text/", 5) == 0;
    bool is_both_json = shape && r->errors && strcmp(r->errors, json) == 0;
    json_key(w, status);
    json_object_begin(w);
    json_kv_cstr(w, "description", "What went wrong, and what to do.");
    json_key(w, "content");
    json_object_begin(w);
    if (shape)
        write_media(w, json, is_both_json ? "{\"type\":\"object\"}" : shape->schema);
    else
        write_media(w, "application/problem+json", "{\"$ref\":\"#/components/schemas/Problem\"}");
    if (r->errors && !is_both_json)
        write_media(w, r->errors, is_text ? "{\"type\":\"string\"}" : "{\"type\":\"object\"}");
    json_object_end(w);
    json_object_end(w);
}

static void write_responses(struct json_out *w, const struct app *const *apps,
                            const struct route *r, const char *path)
{
    const struct http_error_shape *shape = shape_of(apps, path);
    char status[8];
    snprintf(status, sizeof status, "%d", r->reply_status ? r->reply_status : 200);
    json_key(w, "responses");
    json_object_begin(w);
    json_key(w, status);
    json_object_begin(w);
    json_kv_cstr(w, "description", "Done.");
    if (r->reply) {
        json_key(w, "content");
        json_object_begin(w);
        json_key(w, "application/json");
        json_object_begin(w);
        json_kv_raw(w, "schema", str_of(r->reply));
        json_object_end(w);
        json_object_end(w);
    }
    json_object_end(w);
    if (r->per_minute)
        write_errors(w, "429", r, shape);
    write_errors(w, "default", r, shape);
    json_object_end(w);
}

/* "GET /v1/games/{id}" becomes get_v1_games_id */
static void write_operation_id(struct json_out *w, const char *method, const char *path)
{
    char id[256];
    size_t n = 0;
    for (const char *c = method; *c && n + 1 < sizeof id; c++)
        id[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    for (const char *c = path; *c && n + 2 < sizeof id; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9');
        if (plain)
            id[n++] = *c;
        else if (id[n - 1] != '_')
            id[n++] = '_';
    }
    while (n && id[n - 1] == '_')
        n--;
    json_kv_str(w, "operationId", str_from(id, n));
}

static void write_operation(struct json_out *w, const struct app *const *apps,
                            const struct app *app, const struct route *r, const char *path)
{
    char method[8];
    size_t n = 0;
    for (const char *c = r->method; *c && n + 1 < sizeof method; c++)
        method[n++] = (char)(*c - 'A' + 'a');
    json_key_str(w, str_from(method, n));
    json_object_begin(w);
    write_operation_id(w, r->method, path);
    json_kv_cstr(w, "summary", r->summary);
    json_key(w, "tags");
    json_array_begin(w);
    json_out_cstr(w, app->name);
    json_array_end(w);
    json_kv_cstr(w, "x-access", access_name(r->access));
    if (r->example)
        json_kv_cstr(w, "x-example", r->example);
    if (r->per_minute)
        json_kv_int(w, "x-per-minute", r->per_minute);
    if (r->metric)
        json_kv_cstr(w, "x-metric", r->metric);
    if (r->event)
        json_kv_cstr(w, "x-event", r->event);
    if (r->alias && path != r->path)
        json_kv_cstr(w, "x-alias-of", r->path);
    write_parameters(w, r, path);
    write_body(w, r);
    write_responses(w, apps, r, path);
    json_object_end(w);
}

struct place {
    const struct app *app;
    const struct route *route;
    const char *path;
};

/* Moves to the next row or alias; start with all zero. */
static bool next_place(const struct app *const *apps, struct place *p)
{
    bool found = p->app == NULL; /* begin at the first row */
    for (size_t i = 0; apps[i]; i++) {
        for (const struct route *r = apps[i]->routes; r && r->method; r++) {
            const char *paths[] = { r->path, r->alias };
            for (size_t k = 0; k < COUNT_OF(paths) && paths[k]; k++) {
                if (found) {
                    *p = (struct place){ apps[i], r, paths[k] };
                    return true;
                }
                found = p->route == r && p->path == paths[k];
            }
        }
    }
    return false;
}

static bool is_first_of_path(const struct app *const *apps, const struct place *p)
{
    struct place q = { 0 };
    while (next_place(apps, &q) && !(q.route == p->route && q.path == p->path))
        if (strcmp(q.path, p->path) == 0)
            return false;
    return true;
}

static void write_paths(struct json_out *w, const struct app *const *apps)
{
    struct place p = { 0 };
    while (next_place(apps, &p)) {
        if (!is_first_of_path(apps, &p))
            continue;
        write_path_key(w, p.path);
        json_object_begin(w);
        struct place q = { 0 };
        while (next_place(apps, &q))
            if (strcmp(q.path, p.path) == 0)
                write_operation(w, apps, q.app, q.route, q.path);
        json_object_end(w);
    }
}

static void write_jobs(struct json_out *w, const struct app *const *apps)
{
    json_key(w, "x-jobs");
    json_array_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        for (const struct job_kind *k = apps[i]->jobs; k && k->name; k++) {
            json_object_begin(w);
            json_kv_cstr(w, "kind", k->name);
            json_kv_cstr(w, "app", apps[i]->name);
            json_kv_cstr(w, "summary", k->help);
            json_kv_cstr(w, "component", k->component);
            json_key(w, "payload");
            json_object_begin(w);
            json_kv_cstr(w, "type", "object");
            write_properties(w, k->payload_schema ? k->payload_schema : "");
            json_object_end(w);
            json_kv_raw(w, "example", str_of(k->example));
            json_kv_cstr(w, "metric", k->metric);
            json_kv_cstr(w, "event", k->event);
            json_kv_cstr(w, "artifact", k->artifact);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

static const char components[] =
    "{\"responses\":{\"Problem\":{\"description\":\"What went wrong, and what to do.\",\"content\":"
    "{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
    "\"schemas\":{\"Problem\":{\"type\":\"object\",\"properties\":{"
    "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":"
    "\"integer\"},"
    "\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},\"requestId\":{\"type\":"
    "\"string\"}}}},"
    "\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}}}";

/* The groups that operations name, in words. */
static void write_tags(struct json_out *w, const struct app *const *apps)
{
    json_key(w, "tags");
    json_array_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        json_object_begin(w);
        json_kv_cstr(w, "name", apps[i]->name);
        json_kv_cstr(w, "description", apps[i]->summary);
        json_kv_cstr(w, "x-title", apps[i]->title);
        json_object_end(w);
    }
    json_array_end(w);
}

err openapi_write(const struct app *const *apps, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_cstr(&w, "openapi", "3.1.0");
    json_key(&w, "info");
    json_object_begin(&w);
    json_kv_cstr(&w, "title", "Skerry");
    json_kv_cstr(&w, "version", SKERRY_VERSION);
    json_kv_cstr(&w, "description",
                 "The machine-learning loop on one small machine. Written from the route tables.");
    json_object_end(&w);
    /* Whatever name and port a client reached it by. */
    json_kv_raw(&w, "servers", STR("[{\"url\":\"/\",\"description\":\"This server.\"}]"));
    write_tags(&w, apps);
    json_key(&w, "paths");
    json_object_begin(&w);
    write_paths(&w, apps);
    json_object_end(&w);
    json_kv_raw(&w, "components", str_from(components, sizeof components - 1));
    json_kv_raw(&w, "security", STR("[{},{\"key\":[]}]"));
    write_jobs(&w, apps);
    json_object_end(&w);
    return buf_check(out);
}

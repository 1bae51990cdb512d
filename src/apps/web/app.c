/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- the web UI: files that lie in the program, and what the UI asks first.
 *
 * The files are public. They hold nothing that is not in the source; what they show comes from the
 * API, which asks who is there. Every path below /ui/ that is not a file is a view of the UI, so a
 * link to a run works when it is opened in a new window.
 */
#include <string.h>

#include "apps/web/assets.h"
#include "platform/app/app.h"

#ifndef SKERRY_VERSION
#define SKERRY_VERSION "0"
#endif
#ifndef SKERRY_COMMIT
#define SKERRY_COMMIT "unknown"
#endif

static const char *const prefixes[] = { "/ui", "/swagger-ui", NULL };

/* No inline script, nothing from elsewhere, in nobody's frame. Images may be data and blobs: charts
 * and downloads that the page makes itself. */
static const char policy[] =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

static const char no_ui[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Skerry</title>\n"
    "<main><h1>Skerry runs, without its web UI</h1>\n"
    "<p>This program was built where there was no Node. To get the UI, install nodejs (18.20 or "
    "newer) and npm, then run <code>make</code> in the source folder and start the server "
    "again.</p>\n"
    "<p>The API is complete without it: <a href=\"/openapi.json\">/openapi.json</a> lists "
    "it, <a href=\"/v1/status\">/v1/status</a> says how things are, <code>skerry help</code> lists "
    "the commands.</p></main></html>\n";

static const struct web_asset *find_asset(str path)
{
    size_t low = 0, high = web_asset_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_cmp(str_of(web_assets[middle].path), path);
        if (order == 0)
            return &web_assets[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The smallest form that the client takes: at equal weight brotli, then gzip. */
static const struct web_body *choose_body(const struct http_request *rq,
                                          const struct web_asset *asset, const char **ret_encoding)
{
    int brotli = asset->brotli.bytes ? http_accepts_encoding(rq, "br") : 0;
    int gzip = asset->gzip.bytes ? http_accepts_encoding(rq, "gzip") : 0;
    if (brotli > 0 && brotli >= gzip) {
        *ret_encoding = "br";
        return &asset->brotli;
    }
    *ret_encoding = gzip > 0 ? "gzip" : NULL;
    return gzip > 0 ? &asset->gzip : &asset->plain;
}

static void send_asset(struct http_request *rq, struct http_reply *rp,
                       const struct web_asset *asset)
{
    const char *encoding;
    const struct web_body *body = choose_body(rq, asset, &encoding);
    if (encoding)
        http_set_header(rp, "Content-Encoding", str_of(encoding));
    http_set_header(rp, "Vary", STR("Accept-Encoding"));
    http_static(rp, asset->content_type, str_from(body->bytes, body->count), body->etag);
}

static err to_ui(struct http_request *rq, struct http_reply *rp)
{
    http_redirect(rp, 302, "/ui/");
    return OK;
}

/* Where the reference has Swagger UI. A program without the UI says there where the document is. */
static err to_api_page(struct http_request *rq, struct http_reply *rp)
{
    http_redirect(rp, 302, "/ui/api");
    return OK;
}

/* Where programs and bookmarks of the reference go to play. */
static err to_game_page(struct http_request *rq, struct http_reply *rp)
{
    http_redirect(rp, 302, "/ui/rps");
    return OK;
}

static err get_view(struct http_request *rq, struct http_reply *rp)
{
    const struct web_asset *index = find_asset(STR("index.html"));
    http_set_header(rp, "Content-Security-Policy", str_of(policy));
    http_set_header(rp, "Referrer-Policy", STR("same-origin"));
    http_set_header(rp, "Cache-Control", STR("no-cache"));
    if (index)
        send_asset(rq, rp, index);
    else
        http_static(rp, "text/html; charset=utf-8", str_from(no_ui, sizeof no_ui - 1),
                    "no-ui-" SKERRY_VERSION);
    return OK;
}

/* Their names change with their bytes, so that a browser never asks twice. */
static err get_asset(struct http_request *rq, struct http_reply *rp)
{
    str file = http_param(rq, "asset");
    str path = arena_fmt(http_arena(rq), "assets/%.*s", STR_ARG(str_sub(file, 0, 200)));
    ARENA_TRY(path.ptr);
    const struct web_asset *asset = find_asset(path);
    if (!asset)
        return ERR(ERR_NOT_FOUND,
                   "the web UI has no file '%.*s': reload the page, it may be of an older version",
                   STR_ARG(str_sub(file, 0, 40)));
    http_set_header(rp, "Content-Security-Policy", str_of(policy));
    http_set_header(rp, "Cache-Control", STR("public, max-age=31536000, immutable"));
    send_asset(rq, rp, asset);
    return OK;
}

/* Which apps this build has, and which pages they say are theirs: the menu. */
static err get_ui(struct http_request *rq, struct http_reply *rp)
{
    const struct app *const *apps = house_apps(rq_house(rq));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "version", SKERRY_VERSION);
    json_kv_cstr(w, "commit", SKERRY_COMMIT);
    json_kv_bool(w, "built", web_asset_count > 0);
    json_kv_time_ms(w, "startedAt", house_started_ms(rq_house(rq)));
    json_key(w, "pages");
    json_array_begin(w);
    for (size_t i = 0; apps[i]; i++) {
        for (const struct page *p = apps[i]->pages; p && p->path; p++) {
            json_object_begin(w);
            json_kv_cstr(w, "app", apps[i]->name);
            json_kv_cstr(w, "path", p->path);
            json_kv_cstr(w, "title", p->title);
            json_object_end(w);
        }
    }
    json_array_end(w);
    json_object_end(w);
    return OK;
}

#define UI_REPLY                                                                                  \
    "{\"type\":\"object\",\"required\":[\"version\",\"commit\",\"built\",\"startedAt\",\"pages\"" \
    "],\"properties\":{\"version\":{\"type\":\"string\"},\"commit\":{\"type\":\"string\"},"       \
    "\"built\":{\"type\":\"boolean\"},\"startedAt\":{\"type\":\"string\"},\"pages\":{\"type\":"   \
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"app\",\"path\",\"title\"],"         \
    "\"properties\":{\"app\":{\"type\":\"string\"},\"path\":{\"type\":\"string\"},\"title\":{"    \
    "\"type\":\"string\"}}}}}}"

static const struct route routes[] = {
    { "GET", "/ui", "To the web UI.", ACCESS_PUBLIC, to_ui, .is_inline = true, .alias = "/",
      .reply_status = 302 },
    { "GET", "/ui/assets/{asset}", "A file of the web UI; its name changes with its bytes.",
      ACCESS_PUBLIC, get_asset, .is_inline = true },
    { "GET", "/ui/{view...}", "The web UI, at one of its views.", ACCESS_PUBLIC, get_view,
      .is_inline = true },
    { "GET", "/swagger-ui.html", "To the page about this API.", ACCESS_PUBLIC, to_api_page,
      .is_inline = true, .alias = "/swagger-ui/index.html", .reply_status = 302 },
    { "GET", "/ui-lite", "To the page to play rock, paper, scissors on.", ACCESS_PUBLIC,
      to_game_page, .is_inline = true, .alias = "/ui-lite-debug", .reply_status = 302 },
    { "GET", "/v1/ui", "What the web UI asks first: the version, and the pages of all apps.",
      ACCESS_PUBLIC, get_ui, .is_inline = true, .reply = UI_REPLY },
    { 0 },
};

const struct app app_web = {
    .name = "web",
    .title = "Web UI",
    .summary = "Pages that show what the API delivers.",
    .prefixes = prefixes,
    .routes = routes,
};

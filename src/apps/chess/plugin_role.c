/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_role.c -- inside the child: load the plugin, lock the doors, answer questions until the
 * end. */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/chess/plugin_child.h"
#include "apps/chess/plugin_fence.h"
#include "apps/chess/plugin_game.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/rand.h"
#include "engine/chess/pack.h"

enum {
    KEYS_MAX = 64,
    KEY_BYTES_MAX = 64,
    TEXT_BYTES_MAX = 1000,
    GAME_ARENA_BYTES = 64 * 1024 * 1024
};

extern const struct skerry_plugin skerry_plugin_move_count, skerry_plugin_largest_swing,
    skerry_plugin_queen_trade, skerry_plugin_castling;

static const struct skerry_plugin *const builtins[] = { &skerry_plugin_move_count,
                                                        &skerry_plugin_largest_swing,
                                                        &skerry_plugin_queen_trade,
                                                        &skerry_plugin_castling };
const char *const plugin_builtin_names[] = { "move_count", "largest_swing", "queen_trade",
                                             "castling", NULL };

/* ------------------------------------------------------------------ the result a plugin fills in
 */

struct value {
    char key[KEY_BYTES_MAX + 1];
    struct buf json;
};

struct answer {
    struct value values[KEYS_MAX];
    size_t count;
    char reason[TEXT_BYTES_MAX + 1];
};

static bool good_key(const char *key)
{
    size_t len = key ? strlen(key) : 0;
    for (size_t i = 0; i < len; i++)
        if (!((key[i] >= 'a' && key[i] <= 'z') || (key[i] >= '0' && key[i] <= '9') ||
              key[i] == '_'))
            return false;
    return len > 0 && len <= KEY_BYTES_MAX;
}

static struct buf *slot(struct skerry_result *r, const char *key)
{
    struct answer *a = r->impl;
    if (!good_key(key))
        return NULL;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->values[i].key, key) == 0) {
            buf_clear(&a->values[i].json);
            return &a->values[i].json;
        }
    }
    if (a->count == KEYS_MAX)
        return NULL;
    struct value *v = &a->values[a->count++];
    snprintf(v->key, sizeof v->key, "%s", key);
    buf_clear(&v->json);
    return &v->json;
}

static int set_int(struct skerry_result *r, const char *key, int64_t value)
{
    struct buf *b = slot(r, key);
    if (b)
        buf_add_i64(b, value);
    return b ? 0 : -1;
}

static int set_real(struct skerry_result *r, const char *key, double value)
{
    struct buf *b = slot(r, key);
    if (b && isfinite(value))
        buf_add_f64(b, value);
    else if (b)
        buf_add_cstr(b, "null");
    return b ? 0 : -1;
}

static int set_text(struct skerry_result *r, const char *key, const char *value)
{
    struct buf *b = value && strlen(value) <= TEXT_BYTES_MAX ? slot(r, key) : NULL;
    if (b)
        json_escape(b, str_of(value));
    return b ? 0 : -1;
}

static int set_bool(struct skerry_result *r, const char *key, int value)
{
    struct buf *b = slot(r, key);
    if (b)
        buf_add_cstr(b, value ? "true" : "false");
    return b ? 0 : -1;
}

static int set_reason(struct skerry_result *r, const char *reason)
{
    struct answer *a = r->impl;
    snprintf(a->reason, sizeof a->reason, "%s", reason ? reason : "");
    return 0;
}

/* ------------------------------------------------------------------ frames */

static bool read_all(void *out, size_t count)
{
    unsigned char *p = out;
    while (count) {
        ssize_t got = read(STDIN_FILENO, p, count);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        count -= (size_t)got;
    }
    return true;
}

static bool write_frame(enum plugin_status status, str text)
{
    if (text.len > PLUGIN_ANSWER_MAX - 1)
        text.len = PLUGIN_ANSWER_MAX - 1;
    uint32_t len = (uint32_t)text.len + 1;
    unsigned char head[5] = { (unsigned char)len, (unsigned char)(len >> 8),
                              (unsigned char)(len >> 16), (unsigned char)(len >> 24),
                              (unsigned char)status };
    size_t done = 0, total = sizeof head + text.len;
    while (done < total) {
        const char *from = done < sizeof head ? (const char *)head + done
                                              : text.ptr + (done - sizeof head);
        size_t left = done < sizeof head ? sizeof head - done : total - done;
        ssize_t put = write(STDOUT_FILENO, from, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* ------------------------------------------------------------------ questions */

static void write_values(const struct answer *a, struct buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < a->count; i++) {
        if (i)
            buf_add_char(out, ',');
        json_escape(out, str_of(a->values[i].key));
        buf_add_char(out, ':');
        buf_add(out, buf_str(&a->values[i].json));
    }
    buf_add_char(out, '}');
}

static bool answer_game(const struct skerry_plugin *plugin, struct answer *a, str question,
                        struct buf *out)
{
    char id[UUID_BYTES] = { 0 };
    arena keep;
    struct pgn_game *pgn;
    struct skerry_game game;
    memcpy(id, question.ptr, UUID_BYTES - 1);
    arena_init(&keep, GAME_ARENA_BYTES);
    pgn = NEW(&keep, struct pgn_game);
    err e = pgn ? pack_game_read(str_sub(question, UUID_BYTES - 1, question.len), &keep, pgn)
                : arena_check(&keep);
    if (!e.code)
        e = plugin_game_of(pgn, id, &keep, &game);
    enum plugin_status status = PLUGIN_FAILED;
    buf_clear(out);
    if (e.code) {
        buf_add_cstr(out, e.msg);
    } else {
        a->count = 0;
        a->reason[0] = '\0';
        struct skerry_result result = { SKERRY_PLUGIN_ABI, a,        set_int,   set_real,
                                        set_text,          set_bool, set_reason };
        int said = plugin->analyse(&game, &result);
        status = said == SKERRY_DONE      ? PLUGIN_DONE
                 : said == SKERRY_SKIPPED ? PLUGIN_SKIPPED
                                          : PLUGIN_FAILED;
        if (status == PLUGIN_DONE)
            write_values(a, out);
        else
            buf_add_cstr(out, a->reason[0]               ? a->reason
                              : status == PLUGIN_SKIPPED ? "no answer for this game"
                                                         : "the plugin gave no reason");
    }
    arena_deinit(&keep);
    return write_frame(status, buf_str(out));
}

static const struct skerry_plugin *load(const char *origin, char reason[200])
{
    if (strncmp(origin, "builtin:", 8) == 0) {
        for (size_t i = 0; i < COUNT_OF(builtins); i++)
            if (strcmp(builtins[i]->name, origin + 8) == 0)
                return builtins[i];
        snprintf(reason, 200, "there is no built-in plugin '%.80s'", origin + 8);
        return NULL;
    }
    void *library = dlopen(origin, RTLD_NOW | RTLD_LOCAL);
    const struct skerry_plugin *plugin = library ? dlsym(library, "skerry_plugin") : NULL;
    if (!plugin) {
        snprintf(reason, 200, "%.190s", dlerror());
        return NULL;
    }
    if (plugin->abi < 1 || plugin->abi > SKERRY_PLUGIN_ABI) {
        snprintf(reason, 200, "it was built for interface %u, this program has %u: build it again",
                 plugin->abi, (unsigned)SKERRY_PLUGIN_ABI);
        return NULL;
    }
    if (!plugin->name || !good_key(plugin->name) || !plugin->version || !plugin->version[0] ||
        !plugin->summary || !plugin->analyse) {
        snprintf(reason, 200, "it needs a lower-case name, a version, a summary and a function");
        return NULL;
    }
    return plugin;
}

static bool describe(const struct skerry_plugin *plugin, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_cstr(&w, "name", plugin->name);
    json_kv_cstr(&w, "version", plugin->version);
    json_kv_cstr(&w, "summary", plugin->summary);
    json_kv_int(&w, "needs", plugin->needs);
    json_object_end(&w);
    return write_frame(PLUGIN_DESCRIPTION, buf_str(out));
}

int plugin_role(int argc, char **argv)
{
    char reason[200] = "no plugin was named";
    struct answer *a = calloc(1, sizeof *a);
    char *question = malloc(PLUGIN_QUESTION_MAX);
    struct buf out;
    if (!a || !question)
        return 1;
    buf_init(&out, PLUGIN_ANSWER_MAX);
    for (size_t i = 0; i < KEYS_MAX; i++)
        buf_init(&a->values[i].json, TEXT_BYTES_MAX * 6 + 16);
    chess_init();
    /* libc reads the time zone's file at its first calendar function, which game_record_of needs:
     * now, while files can still be opened. */
    char now[CLOCK_ISO_BYTES];
    clock_iso(0, now);
    /* Fenced before the plugin is loaded: its constructors are its code, too. */
    err e = fence_enter(FENCE_LOADING);
    const struct skerry_plugin *plugin = !e.code && argc > 2 ? load(argv[2], reason) : NULL;
    if (plugin)
        e = fence_enter(FENCE_WORKING);
    if (e.code || !plugin) {
        write_frame(PLUGIN_FAILED, str_of(e.code ? e.msg : reason));
        return 1;
    }
    if (!describe(plugin, &out))
        return 1;
    unsigned char head[4];
    while (read_all(head, sizeof head)) {
        uint32_t len = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
                       (uint32_t)head[3] << 24;
        if (len < UUID_BYTES || len > PLUGIN_QUESTION_MAX || !read_all(question, len))
            return 1;
        if (!answer_game(plugin, a, str_from(question, len), &out))
            return 1;
    }
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_move.c -- the verb that moves an installation to another store and other blobs.
 *
 * Two houses are open: the one that is left, and a bare one with the settings of the time after.
 * Whether a server runs here decides how far the move goes: beside one it copies, without one it
 * ends. Passwords are taken from files and the environment only.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/core.h"
#include "platform/app/house_private.h"

enum { MOVE_ARENA_BYTES = 256 * 1024 * 1024, BAR_CELLS = 24, BAR_MS = 100, LINE_MS = 2000 };

/* ------------------------------------------------------------------ progress */

static void show(void *arg, const char *what, int64_t done, int64_t total)
{
    struct verb_progress *p = arg;
    int64_t now = clock_mono_ns() / 1000000;
    if (!p->what || strcmp(p->what, what) != 0) {
        p->what = what;
        p->started_ms = now;
        p->next_ms = now + (p->is_terminal ? 0 : LINE_MS);
    }
    if (now < p->next_ms || total <= 0)
        return;
    p->next_ms = now + (p->is_terminal ? BAR_MS : LINE_MS);
    double share = (double)done / (double)total;
    int64_t spent_s = (now - p->started_ms) / 1000;
    int64_t left_s = done > 0
                         ? (int64_t)((double)(now - p->started_ms) / 1000 / share * (1 - share))
                         : 0;
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "%s%-8s [%s] %3.0f %%  %lld:%02lld, %lld:%02lld left%s",
            p->is_terminal ? "\r" : "", what, bar, share * 100, (long long)spent_s / 60,
            (long long)spent_s % 60, (long long)left_s / 60, (long long)left_s % 60,
            p->is_terminal ? "\033[K" : "\n");
    fflush(stderr);
    p->shown = p->is_terminal;
}

struct move_progress core_verb_progress(struct verb_progress *p)
{
    *p = (struct verb_progress){ .is_terminal = isatty(STDERR_FILENO) };
    return (struct move_progress){ .show = show, .arg = p };
}

void core_verb_progress_end(struct verb_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------ words */

struct move_words {
    const char *db, *blobs, *env_file;
    bool stay;
};

/* "scheme://user:password@..." or "...?password=...": then the argument is wiped, since every user
 * of the machine can read it. */
static bool wipe_secret(char *word)
{
    char *at = strrchr(word, '@'), *slashes = strstr(word, "://");
    bool has_secret = (slashes && at && memchr(slashes + 3, ':', (size_t)(at - slashes))) ||
                      strstr(word, "password=");
    if (has_secret)
        memset(word, 'x', strlen(word));
    return has_secret;
}

static err read_words(const struct verb_args *args, struct move_words *ret_words)
{
    struct move_words w = { 0 };
    bool has_secret = false;
    for (int i = 0; i < args->count; i++)
        has_secret |= wipe_secret(args->values[i]);
    if (has_secret)
        return ERR(ERR_INVALID, "an address with its password on the command line can be read by "
                                "everybody here: write it into a file, then --env FILE");
    for (int i = 0; i < args->count; i++) {
        const char *word = args->values[i],
                   *next = i + 1 < args->count ? args->values[i + 1] : NULL;
        if (strcmp(word, "--stay") == 0)
            w.stay = true;
        else if (strcmp(word, "--to") == 0 && next)
            w.db = args->values[++i];
        else if (strcmp(word, "--blobs") == 0 && next)
            w.blobs = args->values[++i];
        else if (strcmp(word, "--env") == 0 && next)
            w.env_file = args->values[++i];
        else
            return ERR(ERR_INVALID, "skerry move does not know '%.40s' (skerry move --help)", word);
    }
    if (w.stay ? w.db || w.blobs || w.env_file : !w.db && !w.blobs && !w.env_file)
        return ERR(ERR_INVALID,
                   "usage: skerry move [--to DB] [--blobs BLOBS] [--env FILE] | --stay");
    *ret_words = w;
    return OK;
}

/* ------------------------------------------------------------------ places */

/* A store's address without what nobody should see: no password, no parameters. */
static str shown_url(const char *url, arena *keep)
{
    str text = str_of(url), scheme = text;
    ptrdiff_t slashes = str_find(text, STR("://")), question = str_find_char(text, '?');
    if (slashes < 0)
        return text;
    if (question >= 0)
        text = str_sub(text, 0, (size_t)question);
    scheme = str_sub(text, 0, (size_t)slashes + 3);
    str rest = str_sub(text, (size_t)slashes + 3, text.len), user = STR_NONE;
    ptrdiff_t at = -1;
    for (size_t i = 0; i < rest.len; i++)
        at = rest.ptr[i] == '@' ? (ptrdiff_t)i : at;
    if (at >= 0) {
        user = str_sub(rest, 0, (size_t)at);
        user = str_split(&user, ':');
        rest = str_sub(rest, (size_t)at + 1, rest.len);
    }
    return arena_fmt(keep, "%.*s%.*s%s%.*s", STR_ARG(scheme), STR_ARG(user), at >= 0 ? "@" : "",
                     STR_ARG(rest));
}

struct moving {
    struct move_words words;
    struct house *from, *to;
    bool rows_move, blobs_move, is_final;
    int serve_lock;
    const char *to_db, *to_blobs; /* may hold a password */
    arena keep;                   /* outlives the stores */
};

/* What moves: what is named, unless it is where it is already. */
static err open_target(struct moving *m)
{
    const struct move_words *w = &m->words;
    struct house *look = NULL;
    const char *db, *blobs, *from_db, *from_blobs;
    TRY(house_open_bare(&(struct house_bare){ .env_file = w->env_file,
                                              .db = w->db,
                                              .blobs = w->blobs,
                                              .without_store = true,
                                              .without_blobs = true },
                        &look));
    err e = house_store_url(look, &db);
    if (!e.code)
        e = house_blobs_url(look, &blobs);
    if (!e.code)
        e = house_store_url(m->from, &from_db);
    if (!e.code)
        e = house_blobs_url(m->from, &from_blobs);
    if (!e.code) {
        m->rows_move = strcmp(db, from_db) != 0;
        m->blobs_move = strcmp(blobs, from_blobs) != 0;
        m->to_db = arena_cstr(&m->keep, str_of(db));
        m->to_blobs = arena_cstr(&m->keep, str_of(blobs));
        e = arena_check(&m->keep);
    }
    house_close(look);
    TRY(e);
    if (!m->rows_move && !m->blobs_move)
        return ERR(ERR_INVALID, "nothing would move: it is there already");
    return house_open_bare(&(struct house_bare){ .env_file = w->env_file,
                                                 .db = w->db,
                                                 .blobs = w->blobs,
                                                 .without_store = !m->rows_move,
                                                 .without_blobs = !m->blobs_move },
                           &m->to);
}

/* Alone with the installation: no server, here or elsewhere, and no other verb. Beside a server the
 * move only copies. */
static err take_locks(struct moving *m)
{
    char path[FS_PATH_BYTES];
    int64_t others = 0;
    TRY(fs_join(path, m->from->home, "serve.lock"));
    err e = fs_lock(path, STR("skerry move"), &m->serve_lock);
    m->is_final = !e.code;
    if (e.code)
        return e.code == ERR_CONFLICT ? OK : e;
    TRY(store_others(m->from->store, &others));
    if (others) {
        m->is_final = false;
        return OK;
    }
    if (m->from->lock_fd < 0 || flock(m->from->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return ERR(ERR_BUSY,
                   "another skerry command works on '%.80s': wait for it, then run this "
                   "again",
                   m->from->home);
    return OK;
}

/* ------------------------------------------------------------------ the move */

static void report_json(const struct moving *m, const struct move_report *r)
{
    printf("{\"complete\":%s,\"tables\":%lld,\"rows\":%lld,\"rowsChanged\":%lld,\"blobs\":%lld,"
           "\"blobBytes\":%lld,\"blobsCopied\":%lld,\"blobBytesCopied\":%lld}\n",
           r->is_complete ? "true" : "false", (long long)r->tables, (long long)r->rows,
           (long long)r->rows_changed, (long long)r->blobs, (long long)r->blob_bytes,
           (long long)r->blobs_copied, (long long)r->blob_bytes_copied);
}

static void report_text(struct moving *m, const struct move_report *r)
{
    if (m->rows_move)
        printf("%lld rows in %lld tables are the same on both sides (%lld were written)\n",
               (long long)r->rows, (long long)r->tables, (long long)r->rows_changed);
    if (m->blobs_move)
        printf("%lld blobs of %lld bytes are there (%lld were copied and read back)\n",
               (long long)r->blobs, (long long)r->blob_bytes, (long long)r->blobs_copied);
    if (!r->is_complete) {
        printf(
            "A server is running: what it writes from now on is not in the copy. Stop it, then run "
            "this once more.\n");
        return;
    }
    printf("Done. Before you start the server, set");
    if (m->rows_move)
        printf(" SKERRY_DB=%.*s", STR_ARG(shown_url(m->to_db, &m->keep)));
    if (m->blobs_move)
        printf(" SKERRY_BLOBS=%s", m->to_blobs);
    printf("%s\n", m->words.env_file ? " (as in the file that you named)" : "");
}

static err run_move(struct moving *m, const struct verb_args *args)
{
    const struct move_schema *schemas;
    struct verb_progress shown;
    struct move_progress progress = core_verb_progress(&shown);
    struct move_report report;
    TRY(house_schemas(m->from, &m->keep, &schemas));
    const char *from_db;
    TRY(house_store_url(m->from, &from_db));
    const char *from_shown = arena_cstr(&m->keep, shown_url(from_db, &m->keep)),
               *to_shown = arena_cstr(&m->keep, shown_url(m->to_db, &m->keep));
    ARENA_TRY(from_shown);
    ARENA_TRY(to_shown);
    struct move_place from = { .store = m->from->store,
                               .blobs = m->from->blobs,
                               .roots = house_roots,
                               .roots_arg = m->from,
                               .shown = from_shown },
                      to = { .store = m->to->store,
                             .blobs = m->to->blobs,
                             .shown = to_shown,
                             .blobs_shown = m->to_blobs };
    err e = move_run(&from, &to, schemas, m->is_final, &progress, &m->keep, &report);
    core_verb_progress_end(&shown);
    TRY(e);
    if (args->json)
        report_json(m, &report);
    else
        report_text(m, &report);
    return OK;
}

static err stay(struct moving *m)
{
    if (!m->is_final)
        return ERR(ERR_CONFLICT, "a server runs here: this installation is in use as it is");
    TRY(move_stay(m->from->store));
    printf(
        "This installation is in use again. What was written where it had moved to is not here.\n");
    return OK;
}

err core_verb_move(struct house *none, const struct verb_args *args)
{
    struct moving m = { .serve_lock = -1 };
    TRY(read_words(args, &m.words));
    arena_init(&m.keep, MOVE_ARENA_BYTES);
    err e = house_open(
        &(struct house_options){ .mode = HOUSE_VERB, .quiet = true, .may_be_moved = true },
        &m.from);
    if (!e.code)
        e = take_locks(&m);
    if (!e.code && m.words.stay)
        e = stay(&m);
    if (!e.code && !m.words.stay)
        e = open_target(&m);
    if (!e.code && !m.words.stay)
        e = run_move(&m, args);
    house_close(m.to);
    house_close(m.from);
    if (m.serve_lock >= 0)
        close(m.serve_lock);
    arena_deinit(&m.keep);
    return e;
}

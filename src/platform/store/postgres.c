/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PostgreSQL as a store: a schema of one database on a server, shared by as many processes as
 * wanted. This file joins the parts and does what concerns the schema as a whole: open, check,
 * measure, copy.
 */
#include "platform/store/postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rand.h"

enum {
    READERS_DEFAULT = 8,
    WRITERS = 8,
    CLAIMERS = 4,
    VERSION_MIN = 150000,
    TABLES_MAX = 1000,
    PASSWORD_BYTES_MAX = 1024,
};

/* ------------------------------------------------------------------ where */

/* The part of a connection that may be shown. */
static err where_of(const struct pq *pq, const char *url, char out[PG_WHERE_BYTES])
{
    char *ignored = NULL;
    PQconninfoOption *options = pq->conninfoParse(url, &ignored), *o;
    pq->freemem(ignored); /* it quotes the URL, and the password with it */
    if (!options)
        return ERR(ERR_INVALID,
                   "SKERRY_DB is no URL that libpq understands (postgresql://user:password@host:"
                   "5432/database; write special characters in the password as %%40 and the like)");
    const char *user = "", *host = "", *port = "", *name = "";
    for (o = options; o->keyword; o++) {
        const char *value = o->val ? o->val : "";
        if (strcmp(o->keyword, "user") == 0)
            user = value;
        else if (strcmp(o->keyword, "host") == 0)
            host = value;
        else if (strcmp(o->keyword, "port") == 0)
            port = value;
        else if (strcmp(o->keyword, "dbname") == 0)
            name = value;
    }
    snprintf(out, PG_WHERE_BYTES, "postgresql://%.40s%s%.60s%s%.8s/%.40s", user, user[0] ? "@" : "",
             host, port[0] ? ":" : "", port, name);
    pq->conninfoFree(options);
    return OK;
}

/* ------------------------------------------------------------------ open, close */

err pg_ask(struct pg_engine *s, const char *sql, const char *value, char *out, size_t out_bytes)
{
    struct pg_conn *c = NULL;
    bool nested = false;
    const char *const values[] = { value };
    TRY(pg_pool_take(s->readers, &c, &nested));
    if (!nested)
        pg_conn_begin(c, PG_BEGIN_READ);
    out[0] = '\0';
    err e = pg_conn_run(c, sql, values, value ? 1 : 0, out, out_bytes);
    if (!nested) {
        pg_conn_rollback(c);
        pg_pool_give(s->readers, c);
    }
    return e;
}

/* Two open connections have the same server process, each in its turn: then somebody between us and
 * the server lends it out by the transaction. */
static err check_pooling(struct pg_engine *s)
{
    static const char sql[] = "SELECT pg_backend_pid()::text";
    char one[16], other[16] = "";
    struct pg_conn *c = NULL;
    bool nested = false;
    TRY(pg_ask(s, sql, NULL, one, sizeof one));
    TRY(pg_pool_take(s->writers, &c, &nested));
    pg_conn_begin(c, PG_BEGIN_READ);
    err e = pg_conn_run(c, sql, NULL, 0, other, sizeof other);
    pg_conn_rollback(c);
    pg_pool_give(s->writers, c);
    TRY(e);
    return strcmp(one, other) != 0 ? OK : ERR(ERR_UNSUPPORTED, PG_POOLED_TEXT, s->where);
}

static err check_server(struct pg_engine *s)
{
    char text[64];
    int64_t version = 0;
    TRY(pg_ask(s, "SELECT current_setting('server_version_num')", NULL, text, sizeof text));
    TRY(str_to_i64(str_of(text), &version));
    snprintf(s->version, sizeof s->version, "%d.%d", (int)(version / 10000),
             (int)(version % 10000));
    if (version < VERSION_MIN)
        return ERR(ERR_UNSUPPORTED, "%s is PostgreSQL %s; 15 or newer is needed", s->where,
                   s->version);
    TRY(pg_ask(s, "SELECT current_setting('server_encoding')", NULL, text, sizeof text));
    if (strcmp(text, "UTF8") != 0)
        return ERR(ERR_UNSUPPORTED,
                   "the database %s has the encoding %s (make one with ENCODING 'UTF8')", s->where,
                   text);
    TRY(pg_ask(s, "SELECT coalesce(current_schema(), '')::text", NULL, text, sizeof text));
    if (!text[0])
        return ERR(ERR_UNSUPPORTED,
                   "the database %s has none of the schemas in search_path (CREATE SCHEMA, or "
                   "correct ?options=-csearch_path%%3D... in SKERRY_DB)",
                   s->where);
    return check_pooling(s);
}

static err install_functions(struct store_tx *tx, void *arg)
{
    /* Our integers have 64 bits, and PostgreSQL's substr takes 32. */
    return pg_exec_script(tx, "CREATE OR REPLACE FUNCTION substr(text, bigint, bigint) RETURNS text"
                              " LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS"
                              " 'SELECT pg_catalog.substr($1, $2::int, $3::int)';"
                              "CREATE OR REPLACE FUNCTION substr(text, bigint) RETURNS text"
                              " LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS"
                              " 'SELECT pg_catalog.substr($1, $2::int)'");
}

static err functions_missing(struct pg_engine *s, bool *ret_missing)
{
    char text[8];
    TRY(pg_ask(s,
               "SELECT count(*)::text FROM pg_proc WHERE proname = 'substr' AND "
               "pronamespace = current_schema()::regnamespace",
               NULL, text, sizeof text));
    *ret_missing = strcmp(text, "2") != 0;
    return OK;
}

static void engine_close(void *engine)
{
    struct pg_engine *s = engine;
    if (!s)
        return;
    pg_listener_close(s->listener);
    pg_later_close(s->later);
    pg_pool_close(s->readers);
    pg_pool_close(s->writers);
    pg_pool_close(s->claimers);
    pg_conn_free(s->locks);
    pthread_mutex_destroy(&s->locks_turn);
    pthread_mutex_destroy(&s->down_lock);
    if (s->url)
        explicit_bzero(s->url, strlen(s->url));
    free(s->url);
    free(s);
}

static err library_load(struct pg_engine *s, const char *url)
{
    TRY(pq_load(&s->pq));
    TRY(where_of(&s->pq, url, s->where));
    s->url = strdup(url);
    return s->url ? OK : ERR(ERR_NO_MEMORY, "out of memory");
}

static err engine_start(struct pg_engine *s, const struct store_options *options)
{
    bool missing = false;
    TRY(library_load(s, options->url));
    TRY(pg_pool_open(s, options->readers_max > 0 ? options->readers_max : READERS_DEFAULT, "read",
                     &s->readers));
    TRY(pg_pool_open(s, WRITERS, "write", &s->writers));
    TRY(pg_pool_open(s, CLAIMERS, "claim", &s->claimers));
    TRY(check_server(s));
    TRY(pg_later_open(s, options->write_queue_max, &s->later));
    TRY(functions_missing(s, &missing));
    return missing ? pg_write(s, install_functions, NULL) : OK;
}

static err engine_open(const struct store_options *options, const char *location, void **ret_engine)
{
    struct pg_engine *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "opening a store: out of memory");
    pthread_mutex_init(&s->locks_turn, NULL);
    pthread_mutex_init(&s->down_lock, NULL);
    char id[HEX_ID_BYTES];
    rand_hex_id(id);
    snprintf(s->instance, sizeof s->instance, "%s", id + 24); /* ids begin with the time */
    s->on_commit = options->on_commit;
    s->on_commit_arg = options->on_commit_arg;
    err e = engine_start(s, options);
    if (e.code) {
        engine_close(s);
        return err_wrap(e, "opening the store");
    }
    *ret_engine = s;
    return OK;
}

static const char *engine_version(void *engine)
{
    return ((struct pg_engine *)engine)->version;
}

/* ------------------------------------------------------------------ the schema as a whole */

static err engine_size(void *engine, int64_t *ret_bytes)
{
    char text[32];
    TRY(pg_ask(engine,
               /* with the pieces of a table, which may stand in another schema */
               "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint::text FROM pg_class "
               "WHERE relkind IN ('r', 'p', 'm') AND ("
               "relnamespace = current_schema()::regnamespace OR oid IN "
               "(SELECT i.inhrelid FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhparent "
               "WHERE t.relnamespace = current_schema()::regnamespace))",
               NULL, text, sizeof text));
    return str_to_i64(str_of(text), ret_bytes);
}

/* Reads every row of every table: with checksums on, a damaged page is found. Rules that refer to
 * other tables are the server's to keep. */
static err engine_check(void *engine)
{
    struct pg_engine *s = engine;
    char name[160] = "", next[160], count[32], sql[256];
    for (int i = 0; i < TABLES_MAX; i++) {
        TRY(pg_ask(s,
                   "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND "
                   "relnamespace = current_schema()::regnamespace AND relname > $1::name "
                   "ORDER BY relname LIMIT 1",
                   name, next, sizeof next));
        if (!next[0])
            return OK;
        snprintf(name, sizeof name, "%s", next);
        if (strchr(name, '"'))
            continue; /* none of ours */
        snprintf(sql, sizeof sql, "SELECT count(t)::text FROM \"%s\" t", name);
        TRY(pg_ask(s, sql, NULL, count, sizeof count));
    }
    return OK;
}

/* VACUUM is a transaction of its own. It does not give pages at the end back to the disk: for that
 * it would lock everybody out. A table's index is cleared even when few of its pages hold removed
 * rows: who searches from its beginning meets them all. */
static err engine_sweep(void *engine, const char *table)
{
    struct pg_engine *s = engine;
    struct pg_conn *c = NULL;
    bool nested = false;
    char vacuum[160];
    snprintf(vacuum, sizeof vacuum, "VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF, SKIP_LOCKED) %.63s",
             table);
    const char *const steps[] = { "SET statement_timeout = '5s'", vacuum,
                                  "SET statement_timeout = '" PG_STATEMENT_TIMEOUT "'" };
    TRY(pg_pool_take(s->writers, &c, &nested));
    if (nested)
        return ERR(ERR_INTERNAL, "store_sweep inside a write would clear nothing");
    err e = OK;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        pg_conn_begin(c, PG_BEGIN_WRITE);
        c->is_whole = true;
        e = err_first(e, pg_conn_run(c, steps[i], NULL, 0, NULL, 0));
        c->is_whole = false;
    }
    pg_pool_give(s->writers, c);
    return e.code ? err_wrap(e, "clearing a table") : OK;
}

/* ------------------------------------------------------------------ backup */

/* "host='...' port='...'" of everything but the password, which goes into *ret_password. */
static err dump_target(struct pg_engine *s, struct buf *out, char password[PASSWORD_BYTES_MAX])
{
    const struct pq *pq = &s->pq;
    PQconninfoOption *options = pq->conninfoParse(s->url, NULL), *o;
    if (!options)
        return ERR(ERR_INVALID, "SKERRY_DB is no URL that libpq understands");
    password[0] = '\0';
    for (o = options; o->keyword; o++) {
        if (!o->val || strcmp(o->keyword, "sslpassword") == 0)
            continue;
        if (strcmp(o->keyword, "password") == 0) {
            snprintf(password, PASSWORD_BYTES_MAX, "PGPASSWORD=%s", o->val);
            continue;
        }
        buf_add_fmt(out, "%s='", o->keyword);
        for (const char *c = o->val; *c; c++) {
            if (*c == '\'' || *c == '\\')
                buf_add_char(out, '\\');
            buf_add_char(out, *c);
        }
        buf_add_cstr(out, "' ");
    }
    pq->conninfoFree(options);
    return buf_check(out);
}

/* Runs pg_dump. The password stands in its environment, which other users cannot read, and not
 * among its arguments, which they can. */
static err dump_run(struct pg_engine *s, const char *schema, const char *path)
{
    extern char **environ;
    char password[PASSWORD_BYTES_MAX];
    struct buf target;
    buf_init(&target, 8192);
    err e = dump_target(s, &target, password);
    size_t count = 0;
    while (environ[count])
        count++;
    char **env = calloc(count + 2, sizeof *env);
    if (!e.code && !env)
        e = ERR(ERR_NO_MEMORY, "backing up the store: out of memory");
    if (!e.code) {
        memcpy(env, environ, count * sizeof *env);
        env[count] = password[0] ? password : NULL;
        const char *const argv[] = {
            "pg_dump", "--format=custom", "--no-password", "--schema", schema, "--file",
            path,      "--dbname",        target.ptr,      NULL,
        };
        pid_t pid;
        int status = 0,
            rc = posix_spawnp(&pid, "pg_dump", NULL, NULL, (char **)(uintptr_t)argv, env);
        if (rc == ENOENT)
            e = ERR(ERR_UNSUPPORTED,
                    "backing up %s needs pg_dump (install the Debian package "
                    "postgresql-client)",
                    s->where);
        else if (rc)
            e = ERR(ERR_IO, "starting pg_dump: %s", strerrordesc_np(rc));
        else if (waitpid(pid, &status, 0) < 0 || status != 0)
            e = ERR(ERR_UPSTREAM, "pg_dump of %s ended with %d (its words are on stderr)", s->where,
                    WIFEXITED(status) ? WEXITSTATUS(status) : status);
    }
    explicit_bzero(password, sizeof password);
    free(env);
    buf_deinit(&target);
    return e;
}

/* A dump in pg_dump's custom form: pg_restore reads it. */
static err engine_backup(void *engine, const char *path)
{
    struct pg_engine *s = engine;
    char schema[160], part[FS_PATH_BYTES];
    if (fs_exists(path))
        return ERR(ERR_CONFLICT,
                   "backing up the store to '%s': the file exists (choose a new name)", path);
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return ERR(ERR_TOO_BIG, "backing up the store: the path is longer than %d bytes",
                   FS_PATH_BYTES - 6);
    TRY(pg_ask(s, "SELECT quote_ident(current_schema())", NULL, schema, sizeof schema));
    err e = dump_run(s, schema, part);
    int fd = e.code ? -1 : open(part, O_RDONLY | O_CLOEXEC);
    if (!e.code && (fd < 0 || fsync(fd) != 0))
        e = ERR_SYS("syncing '%s'", part);
    if (fd >= 0)
        close(fd);
    if (!e.code && rename(part, path) != 0)
        e = ERR_SYS("backing up the store: renaming '%s' to '%s'", part, path);
    if (e.code)
        unlink(part);
    return e;
}

const struct store_backend store_backend_postgresql = {
    .scheme = "postgresql",
    .open = engine_open,
    .close = engine_close,
    .write = pg_write,
    .write_claim = pg_write_claim,
    .write_later = pg_write_later,
    .read = pg_read,
    .exec = pg_exec,
    .exec_script = pg_exec_script,
    .query = pg_query,
    .query_whole = pg_query_whole,
    .next = pg_rows_next,
    .rows_close = pg_rows_close,
    .col_is_null = pg_col_is_null,
    .col_int = pg_col_int,
    .col_real = pg_col_real,
    .col_bytes = pg_col_bytes,
    .bulk_begin = pg_bulk_begin,
    .bulk_row = pg_bulk_row,
    .bulk_end = pg_bulk_end,
    .notify = pg_notify,
    .listen = pg_listen,
    .lock_try = pg_lock_try,
    .lock_release = pg_lock_release,
    .catalog = pg_catalog,
    .ids_continue = pg_ids_continue,
    .spread = pg_spread,
    .others = pg_others,
    .check = engine_check,
    .size = engine_size,
    .sweep = engine_sweep,
    .backup = engine_backup,
    .version = engine_version,
};

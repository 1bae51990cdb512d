/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore.c -- reads a backup: puts it back, or finds what is wrong with it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/move/manifest.h"
#include "platform/move/notes.h"

enum { BACKUP_ARENA_BYTES = 512 * 1024 * 1024, FILE_PIECE_BYTES = 1024 * 1024 };

struct backup {
    char where[FS_PATH_BYTES];
    char name[MANIFEST_NAME_BYTES];
    struct backup_open_place place;
    struct blobs *objects; /* the place's */
    arena keep;
    struct manifest manifest;
};

err backup_list(struct blobs *objects, const struct manifest *m, arena *keep,
                struct blob_list *list)
{
    for (size_t i = 0; i < m->list_count; i++) {
        str text;
        TRY(blob_get(objects, &m->lists[i].id, keep, BACKUP_ARENA_BYTES, &text));
        TRY(blob_lines_parse(text, list));
    }
    if ((int64_t)list->count != m->blob_count)
        return ERR(ERR_CORRUPT, "the backup lists %zu blobs and should list %lld", list->count,
                   (long long)m->blob_count);
    return OK;
}

static err open_newest(struct backup *b, struct blobs *objects, const char *name)
{
    if (!objects && !fs_exists(b->where))
        return ERR(ERR_NOT_FOUND, "there is no folder '%.80s'", b->where);
    TRY(backup_place_open(&(struct backup_place){ b->where, objects }, &b->place));
    b->objects = b->place.objects;
    if (!name)
        TRY(backup_newest(&b->place, &b->keep, &name));
    if (snprintf(b->name, sizeof b->name, "%s", name) >= (int)sizeof b->name || strchr(name, '/'))
        return ERR(ERR_INVALID, "'%.60s' is no name of a backup", name);
    return manifest_load(b->objects, b->name, &b->keep, &b->manifest);
}

err backup_open(const struct backup_place *place, const char *name, struct backup **ret_backup)
{
    struct backup *b = calloc(1, sizeof *b);
    if (!b)
        return ERR(ERR_NO_MEMORY, "opening a backup: out of memory");
    b->place.lock_fd = -1;
    arena_init(&b->keep, BACKUP_ARENA_BYTES);
    err e = snprintf(b->where, sizeof b->where, "%s", place->where) < (int)sizeof b->where
                ? open_newest(b, place->objects, name)
                : ERR(ERR_TOO_BIG, "the path of the backup is too long");
    if (e.code) {
        backup_close(b);
        return e;
    }
    *ret_backup = b;
    return OK;
}

void backup_close(struct backup *b)
{
    if (!b)
        return;
    backup_place_close(&b->place);
    arena_deinit(&b->keep);
    free(b);
}

const char *backup_name(const struct backup *b)
{
    return b->name;
}
int64_t backup_created_ms(const struct backup *b)
{
    return b->manifest.created_ms;
}
struct blobs *backup_blobs(const struct backup *b)
{
    return b->objects;
}

/* ------------------------------------------------------------------ rows */

/* The parts of a table as a source. */
struct part_source {
    struct backup *backup;
    const struct table_plan *plan;
    const struct manifest_table *table;
    size_t at; /* the part that comes next */
    arena bytes_memory;
    struct cursor in;
};

static const struct manifest_table *table_find(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->table_count; i++)
        if (str_eq(m->tables[i].name, str_of(name)))
            return &m->tables[i];
    return NULL;
}

static err parts_begin(void *arg, const struct table_plan *t)
{
    struct part_source *s = arg;
    s->plan = t;
    s->table = table_find(&s->backup->manifest, t->name);
    s->at = 0;
    s->in = cursor_of(STR_NONE);
    if (!s->table || !str_eq(s->table->columns, str_of(t->columns)))
        return ERR(ERR_CORRUPT, "table %s is not in the backup, or has other columns there",
                   t->name);
    return OK;
}

static err next_part(struct part_source *s)
{
    str bytes;
    arena_reset(&s->bytes_memory);
    TRY(err_wrap(blob_get(s->backup->objects, &s->table->parts[s->at].id, &s->bytes_memory,
                          ROW_BYTES_MAX, &bytes),
                 "reading table %s of the backup", s->plan->name));
    s->in = cursor_of(bytes);
    s->at++;
    return OK;
}

/* Slices of a page's rows point into the part, which stays until the page after it is asked for. */
static err parts_next(void *arg, struct page *p)
{
    struct part_source *s = arg;
    TRY(page_make(p, PAGE_ROWS_MAX, s->plan->table->column_count));
    if (!cursor_left(&s->in) && s->at < s->table->part_count)
        TRY(next_part(s));
    while (cursor_left(&s->in) && p->row_count < PAGE_ROWS_MAX) {
        struct store_value *to = p->values + p->row_count * p->column_count;
        TRY(row_decode(&s->in, s->plan->table, to));
        if (p->row_count && row_key_cmp(s->plan, page_row(p, p->row_count - 1), to) >= 0)
            return ERR(ERR_CORRUPT, "rows of table %s are out of order in the backup",
                       s->plan->name);
        p->row_count++;
    }
    return OK;
}

static err restore_table(struct backup *b, struct row_source *source, struct store *to,
                         const struct table_plan *plan)
{
    const struct manifest_table *t = table_find(&b->manifest, plan->name);
    struct sync_report report;
    struct table_digest there;
    TRY(sync_write(source, to, plan, &report));
    TRY(store_digest(to, plan, &there));
    if (!t || !table_digest_equal(&report.digest, &t->digest) ||
        !table_digest_equal(&there, &t->digest))
        return ERR(ERR_CORRUPT,
                   "table %s of the backup should have %lld rows; %lld were read, %lld are there, "
                   "or their digests differ",
                   plan->name, (long long)(t ? t->rows : 0), (long long)report.digest.rows,
                   (long long)there.rows);
    return OK;
}

/* An empty store, or one that a restore left half filled: of this backup, or of another one, when a
 * newer one was made meanwhile. What it left is no hindrance, see sync.c. */
static err claim(struct backup *b, struct store *to)
{
    arena keep;
    struct table_plan *plans;
    size_t count = 0;
    char from[MANIFEST_NAME_BYTES + 8];
    struct move_note notes[] = { { "state", STR_NONE }, { "from", STR_NONE } };
    snprintf(from, sizeof from, "backup:%s", b->name);
    arena_init(&keep, 64 * 1024 * 1024);
    err e = schema_plans_of(to, &keep, &plans, &count);
    if (!e.code)
        e = store_migrate(to, "move", move_migrations);
    if (!e.code)
        e = move_notes_read(to, notes, COUNT_OF(notes), &keep);
    bool is_half = str_eq(notes[0].value, STR("filling")) &&
                   str_starts(notes[1].value, STR("backup:"));
    bool is_known = is_half && str_eq(notes[1].value, str_of(from));
    if (!e.code && count && !is_half)
        e = ERR(ERR_CONFLICT, "the store holds something already: restore into an empty one");
    arena_deinit(&keep);
    if (e.code || is_known)
        return e;
    const struct move_note says[] = { { "state", STR("filling") }, { "from", str_of(from) } };
    return move_notes_write(to, says, COUNT_OF(says));
}

/* What migrations put into a new store, or a killed restore left. Children before parents. */
static err remove_extras(struct row_source *source, struct store *to,
                         const struct table_plan *plans, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct table_digest there;
        struct sync_report report;
        TRY(store_digest(to, &plans[i], &there));
        if (there.rows)
            TRY(sync_delete(source, to, &plans[i], &report));
    }
    return OK;
}

err backup_restore_rows(struct backup *b, struct store *to, const struct move_schema *schemas,
                        const struct move_progress *progress, arena *keep, int64_t *ret_rows)
{
    struct table_plan *plans = NULL;
    size_t count = 0;
    int64_t rows = 0;
    TRY(claim(b, to));
    TRY(schema_apply(to, schemas, b->manifest.steps, b->manifest.step_count));
    TRY(schema_plans_of(to, keep, &plans, &count));
    if (count != b->manifest.table_count)
        return ERR(ERR_CORRUPT, "the backup has %zu tables, its migrations make %zu",
                   b->manifest.table_count, count);
    struct part_source s = { .backup = b };
    struct row_source source = { parts_begin, parts_next, &s };
    arena_init(&s.bytes_memory, PAGE_ARENA_BYTES);
    err e = remove_extras(&source, to, plans, count);
    for (size_t i = 0; i < count && !e.code; i++) {
        e = move_tell(progress, "rows", (int64_t)i, (int64_t)count);
        if (!e.code)
            e = restore_table(b, &source, to, &plans[i]);
        rows += e.code ? 0 : table_find(&b->manifest, plans[i].name)->rows;
    }
    arena_deinit(&s.bytes_memory);
    if (!e.code)
        *ret_rows = rows;
    return e;
}

err backup_restore_done(struct backup *b, struct store *to)
{
    const struct move_note notes[] = { { "installation", b->manifest.installation },
                                       { "state", STR_NONE },
                                       { "from", STR_NONE } };
    return move_notes_write(to, notes, COUNT_OF(notes));
}

/* ------------------------------------------------------------------ blobs, files */

static err write_file(struct blob_reader *r, int fd)
{
    unsigned char *buffer = malloc(FILE_PIECE_BYTES);
    if (!buffer)
        return ERR(ERR_NO_MEMORY, "restoring a file: out of memory");
    err e = OK;
    size_t got = 1;
    while (!e.code && got) {
        e = blob_read(r, buffer, FILE_PIECE_BYTES, &got);
        if (!e.code && got)
            e = fs_write_all(fd, buffer, got);
    }
    if (!e.code && fsync(fd) != 0)
        e = ERR_SYS("syncing a restored file");
    free(buffer);
    return e;
}

static err restore_file(struct backup *b, const struct manifest_file *f, const char *inbox)
{
    char path[FS_PATH_BYTES], name[MANIFEST_FILE_NAME_MAX + 1];
    struct blob_reader *r = NULL;
    snprintf(name, sizeof name, "%.*s", STR_ARG(f->name));
    TRY(fs_join(path, inbox, name));
    TRY(blob_reader_open(b->objects, &f->blob.id, 0, &r, NULL));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    err e = fd < 0 ? ERR_SYS("restoring '%.80s'", path) : write_file(r, fd);
    if (fd >= 0)
        close(fd);
    blob_reader_close(r);
    return e;
}

static err restore_blob_list(struct backup *b, struct blobs *to, struct blob_list *list,
                             const struct move_progress *progress)
{
    arena keep;
    arena_init(&keep, BACKUP_ARENA_BYTES);
    err e = backup_list(b->objects, &b->manifest, &keep, list);
    arena_deinit(&keep);
    for (size_t i = 0; i < list->count && !e.code; i++) {
        bool copied;
        e = move_tell(progress, "blobs", (int64_t)i, (int64_t)list->count);
        if (!e.code)
            e = blob_copy(b->objects, to, &list->items[i], false, &copied);
        /* What a killed restore wrote is read once more. */
        if (!e.code && !copied)
            e = blob_verify(to, &list->items[i].id);
    }
    return e;
}

err backup_restore_blobs(struct backup *b, struct blobs *to, const char *inbox,
                         const struct move_progress *progress)
{
    struct blob_list list = { 0 };
    err e = restore_blob_list(b, to, &list, progress);
    blob_list_deinit(&list);
    TRY(e);
    if (!inbox || !b->manifest.file_count)
        return OK;
    TRY(fs_mkdirs(inbox));
    for (size_t i = 0; i < b->manifest.file_count; i++)
        TRY(restore_file(b, &b->manifest.files[i], inbox));
    return fs_sync_dir(inbox);
}

/* ------------------------------------------------------------------ looking for damage */

static err list_objects(struct backup *b, struct blob_list *list)
{
    const struct manifest *m = &b->manifest;
    arena keep;
    arena_init(&keep, BACKUP_ARENA_BYTES);
    err e = backup_list(b->objects, m, &keep, list);
    arena_deinit(&keep);
    for (size_t i = 0; i < m->table_count && !e.code; i++)
        for (size_t k = 0; k < m->tables[i].part_count && !e.code; k++)
            e = blob_list_add(list, &m->tables[i].parts[k].id, m->tables[i].parts[k].bytes);
    for (size_t i = 0; i < m->file_count && !e.code; i++)
        e = blob_list_add(list, &m->files[i].blob.id, m->files[i].blob.bytes);
    for (size_t i = 0; i < m->list_count && !e.code; i++)
        e = blob_list_add(list, &m->lists[i].id, m->lists[i].bytes);
    if (!e.code)
        blob_list_sort(list);
    return e;
}

static err check_object(struct backup *b, const struct blob_info *info)
{
    struct blob_info found;
    TRY(blob_stat(b->objects, &info->id, &found));
    err e = OK;
    if (found.bytes != info->bytes)
        e = ERR(ERR_CORRUPT, "object %s has %lld bytes and should have %lld", info->id.hex,
                (long long)found.bytes, (long long)info->bytes);
    else
        e = blob_verify(b->objects, &info->id);
    /* The next backup then writes it anew, where the installation still has it. Where the place
     * cannot be written it stays, and is found again. */
    if (e.code == ERR_CORRUPT)
        (void)blob_put_aside(b->objects, &info->id).code;
    return e;
}

err backup_check_objects(struct backup *b, const struct move_progress *progress, int64_t *ret_count,
                         int64_t *ret_bytes)
{
    struct blob_list list = { 0 };
    int64_t bytes = 0;
    err e = OK;
    for (size_t i = 0; i < b->manifest.list_count && !e.code; i++) /* before they are believed */
        e = err_wrap(check_object(b, &b->manifest.lists[i]), "checking the backup");
    if (!e.code)
        e = list_objects(b, &list);
    for (size_t i = 0; i < list.count && !e.code; i++) {
        e = move_tell(progress, "check", (int64_t)i, (int64_t)list.count);
        if (!e.code)
            e = err_wrap(check_object(b, &list.items[i]), "checking the backup");
        bytes += list.items[i].bytes;
    }
    if (e.code == ERR_NOT_FOUND)
        e.code = ERR_CORRUPT;
    if (!e.code) {
        *ret_count = (int64_t)list.count;
        *ret_bytes = bytes;
    }
    blob_list_deinit(&list);
    return e;
}

static err compare_named(const struct blob_list *named, const struct blob_list *listed)
{
    size_t at = 0;
    for (size_t i = 0; i < named->count; i++) {
        while (at < listed->count && strcmp(listed->items[at].id.hex, named->items[i].id.hex) < 0)
            at++;
        if (at == listed->count || strcmp(listed->items[at].id.hex, named->items[i].id.hex) != 0)
            return ERR(ERR_CORRUPT, "blob %s is named by the backup's rows and not in it",
                       named->items[i].id.hex);
    }
    return OK;
}

err backup_check_named(struct backup *b, blob_roots_fn roots, void *roots_arg)
{
    struct blob_list named = { 0 }, listed = { 0 };
    arena keep;
    arena_init(&keep, BACKUP_ARENA_BYTES);
    err e = blob_list_named(&named, roots, roots_arg);
    if (!e.code)
        e = backup_list(b->objects, &b->manifest, &keep, &listed);
    blob_list_sort(&listed);
    if (!e.code)
        e = compare_named(&named, &listed);
    arena_deinit(&keep);
    blob_list_deinit(&named);
    blob_list_deinit(&listed);
    return e;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup.c -- makes a backup: rows in parts and blobs as objects, then the manifest, then what is
 * no longer wanted goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/move/manifest.h"
#include "platform/move/notes.h"

enum {
    MANIFEST_ARENA_BYTES = 512 * 1024 * 1024,
    SNAPSHOTS_MAX = 4,
    /* A part ends behind a row whose key says so, on average every CUT_ROWS rows, so that rows that
     * come or go change only the part they are in. */
    CUT_ROWS = 4096,
    PART_BYTES_MIN = 64 * 1024,
    PART_BYTES_FULL = 4 * 1024 * 1024,
    LISTS = 16, /* blobs by their first digit */
    BACKUPS_MAX = 100000,
};

struct making {
    const struct backup_options *options;
    struct backup_open_place place;
    struct blobs *objects; /* the place's */
    arena keep;
    struct manifest manifest;
    struct blob_list blobs;
    struct backup_report *report;
    int64_t rows_done;
};

/* ------------------------------------------------------------------ objects */

/* Writes an object unless an earlier backup did. */
static err put_object(struct making *m, str bytes, struct blob_info *ret_info)
{
    struct blob_info found;
    sha256_hex_of(bytes, ret_info->id.hex);
    ret_info->bytes = (int64_t)bytes.len;
    err e = blob_stat(m->objects, &ret_info->id, &found);
    if (!e.code && found.bytes == ret_info->bytes)
        return OK;
    TRY(blob_put(m->objects, bytes, ret_info));
    blob_unpin(m->objects, &ret_info->id);
    m->report->objects_written++;
    m->report->bytes_written += ret_info->bytes;
    return OK;
}

/* ------------------------------------------------------------------ rows */

struct parts {
    struct making *m;
    const struct table_plan *plan;
    struct buf bytes;
    struct blob_info *items; /* in malloc, until the table is done */
    size_t count, capacity;
};

static err end_part(struct parts *p)
{
    if (!p->bytes.len)
        return OK;
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        struct blob_info *more = realloc(p->items, capacity * sizeof *more);
        if (!more)
            return ERR(ERR_NO_MEMORY, "backing up table %s: out of memory", p->plan->name);
        p->items = more;
        p->capacity = capacity;
    }
    TRY(put_object(p->m, buf_str(&p->bytes), &p->items[p->count]));
    p->count++;
    buf_clear(&p->bytes);
    return OK;
}

/* FNV-1a: the same for ever, or the parts of yesterday's backup are not found again. */
static uint64_t mix(uint64_t h, const void *bytes, size_t count)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < count; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool is_cut(const struct table_plan *t, const struct store_value *row)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < t->key_count; i++) {
        const struct store_value *v = &row[t->keys[i]];
        h = v->type == STORE_TEXT || v->type == STORE_BLOB ? mix(h, v->bytes.ptr, v->bytes.len)
                                                           : mix(h, &v->integer, 8);
    }
    return (h ^ h >> 32) % CUT_ROWS == 0;
}

static err add_page(struct parts *p, const struct page *page)
{
    for (size_t i = 0; i < page->row_count; i++) {
        const struct store_value *row = page_row(page, i);
        row_encode(p->plan, row, &p->bytes);
        TRY(buf_check(&p->bytes));
        if (p->bytes.len >= PART_BYTES_FULL ||
            (p->bytes.len >= PART_BYTES_MIN && is_cut(p->plan, row)))
            TRY(end_part(p));
    }
    return OK;
}

static err walk_table(struct parts *p, struct row_source *source, struct digester *digest)
{
    struct page page;
    page_init(&page);
    err e = source->begin(source->arg, p->plan);
    do {
        if (!e.code)
            e = source->next(source->arg, &page);
        if (!e.code)
            e = digester_add(digest, p->plan, &page);
        if (!e.code)
            e = add_page(p, &page);
        if (!e.code)
            e = move_tell(&p->m->options->progress, "rows",
                          p->m->rows_done += (int64_t)page.row_count, 0);
    } while (!e.code && page.row_count);
    page_deinit(&page);
    return e.code ? e : end_part(p);
}

static err keep_parts(struct parts *p, arena *keep, struct manifest_table *t)
{
    t->parts = NEW_ARRAY(keep, struct blob_info, p->count + 1);
    ARENA_TRY(t->parts);
    if (p->count)
        memcpy(t->parts, p->items, p->count * sizeof *p->items);
    t->part_count = p->count;
    return OK;
}

static err back_up_table(struct making *m, struct row_source *source, const struct table_plan *plan,
                         struct manifest_table *t)
{
    struct parts p = { .m = m, .plan = plan };
    struct digester digest;
    buf_init(&p.bytes, ROW_BYTES_MAX + PART_BYTES_FULL);
    digester_begin(&digest);
    err e = walk_table(&p, source, &digest);
    digester_end(&digest, &t->digest);
    t->name = plan->table->name;
    t->columns = str_of(plan->columns);
    t->rows = t->digest.rows;
    if (!e.code)
        e = keep_parts(&p, &m->keep, t);
    buf_deinit(&p.bytes);
    free(p.items);
    return e;
}

static err snapshot(struct store_read *rd, void *arg)
{
    struct making *m = arg;
    struct table_plan *plans = NULL;
    struct manifest *to = &m->manifest;
    TRY(schema_steps(rd, &m->keep, &to->steps, &to->step_count));
    TRY(schema_plans(rd, &m->keep, &plans, &to->table_count));
    to->tables = NEW_ARRAY(&m->keep, struct manifest_table, to->table_count + 1);
    ARENA_TRY(to->tables);
    struct store_source s;
    struct row_source source = store_source_of(&s, rd);
    err e = OK;
    m->rows_done = 0;
    for (size_t i = 0; i < to->table_count && !e.code; i++)
        e = back_up_table(m, &source, &plans[i], &to->tables[i]);
    store_source_deinit(&s);
    return e.code ? e
                  : blob_list_named(&m->blobs, m->options->from.roots, m->options->from.roots_arg);
}

/* ------------------------------------------------------------------ blobs, files */

static err copy_blobs(struct making *m)
{
    m->manifest.blob_count = m->manifest.blob_bytes = 0;
    for (size_t i = 0; i < m->blobs.count; i++) {
        struct blob_info *info = &m->blobs.items[i];
        bool copied = false;
        TRY(move_tell(&m->options->progress, "blobs", (int64_t)i, (int64_t)m->blobs.count));
        TRY(blob_copy(m->options->from.blobs, m->objects, info, false, &copied));
        m->manifest.blob_count++;
        m->manifest.blob_bytes += info->bytes;
        m->report->objects_written += copied;
        m->report->bytes_written += copied ? info->bytes : 0;
    }
    return OK;
}

/* A file of the inbox. It may be gone again: then its work is done. */
static err keep_file(void *arg, const char *name)
{
    struct making *m = arg;
    struct manifest *to = &m->manifest;
    char path[FS_PATH_BYTES];
    struct blob_info info;
    if (!manifest_file_name_ok(str_of(name)))
        return OK;
    for (size_t i = 0; i < to->file_count; i++)
        if (str_eq(to->files[i].name, str_of(name)))
            return OK;
    TRY(fs_join(path, m->options->inbox, name));
    err e = blob_put_file(m->objects, path, &info);
    if (e.code && !fs_exists(path))
        return OK;
    TRY(e);
    blob_unpin(m->objects, &info.id);
    struct manifest_file *more = NEW_ARRAY(&m->keep, struct manifest_file, to->file_count + 1);
    ARENA_TRY(more);
    if (to->file_count)
        memcpy(more, to->files, to->file_count * sizeof *more);
    more[to->file_count] = (struct manifest_file){ arena_str(&m->keep, str_of(name)), info };
    ARENA_TRY(more[to->file_count].name.ptr);
    to->files = more;
    to->file_count++;
    return OK;
}

static err keep_inbox(struct making *m)
{
    const char *inbox = m->options->inbox;
    return inbox && fs_exists(inbox) ? fs_list(inbox, keep_file, m) : OK;
}

static err write_list(struct making *m, char digit)
{
    struct buf text;
    buf_init(&text, MANIFEST_ARENA_BYTES);
    for (size_t i = 0; i < m->blobs.count; i++)
        if (m->blobs.items[i].id.hex[0] == digit)
            buf_add_fmt(&text, "%s %lld\n", m->blobs.items[i].id.hex,
                        (long long)m->blobs.items[i].bytes);
    err e = buf_check(&text);
    if (!e.code && text.len)
        e = put_object(m, buf_str(&text), &m->manifest.lists[m->manifest.list_count++]);
    buf_deinit(&text);
    return e;
}

static err write_lists(struct making *m)
{
    m->manifest.lists = NEW_ARRAY(&m->keep, struct blob_info, LISTS);
    ARENA_TRY(m->manifest.lists);
    for (int i = 0; i < LISTS; i++)
        TRY(write_list(m, "0123456789abcdef"[i]));
    return OK;
}

/* Files that came before the snapshot or are there after it: those that its rows speak of are
 * among them. Blobs that a collection took after the snapshot: another snapshot. */
static err copy_all(struct making *m)
{
    err e = OK;
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        TRY(keep_inbox(m));
        TRY(store_read(m->options->from.store, snapshot, m));
        TRY(keep_inbox(m));
        e = copy_blobs(m);
        if (e.code != ERR_NOT_FOUND)
            break;
    }
    if (e.code == ERR_NOT_FOUND)
        e = err_wrap(e, "a blob is named by the rows and missing (restore it from a backup)");
    return e.code ? e : write_lists(m);
}

/* ------------------------------------------------------------------ the manifest, and tidying */

static err write_manifest(struct making *m)
{
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    manifest_write(&m->manifest, &text);
    err e = buf_check(&text);
    manifest_name(m->manifest.created_ms, buf_str(&text), m->report->name);
    if (!e.code)
        e = blobs_text_put(m->objects, BACKUP_TEXTS, m->report->name, buf_str(&text));
    buf_deinit(&text);
    return e;
}

struct names {
    arena *keep;
    const char **items;
    size_t count;
};

static err add_name(void *arg, const char *name)
{
    struct names *n = arg;
    if (!str_ends(str_of(name), STR(".json")) || n->count == BACKUPS_MAX)
        return OK; /* a manifest that was never finished */
    n->items[n->count] = arena_cstr(n->keep, str_of(name));
    ARENA_TRY(n->items[n->count]);
    n->count++;
    return OK;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(const char *const *)b, *(const char *const *)a);
}

static err list_names(struct blobs *objects, arena *keep, struct names *ret_names)
{
    struct names names = { keep, NEW_ARRAY(keep, const char *, BACKUPS_MAX), 0 };
    ARENA_TRY(names.items);
    TRY(blobs_text_each(objects, BACKUP_TEXTS, add_name, &names));
    qsort(names.items, names.count, sizeof *names.items, newest_first);
    *ret_names = names;
    return OK;
}

err backup_newest(const struct backup_open_place *place, arena *keep, const char **ret_name)
{
    struct names names = { 0 };
    TRY(list_names(place->objects, keep, &names));
    if (!names.count)
        return ERR(ERR_NOT_FOUND, "there is no backup in '%.60s' (skerry backup makes one)",
                   place->where);
    *ret_name = names.items[0];
    return OK;
}

static err mark_blobs(struct blobs *objects, const struct manifest *m, arena *keep,
                      blob_mark_fn mark, void *mark_arg)
{
    struct blob_list list = { 0 };
    err e = backup_list(objects, m, keep, &list);
    for (size_t i = 0; i < list.count && !e.code; i++)
        e = mark(mark_arg, &list.items[i].id);
    blob_list_deinit(&list);
    return e;
}

static err mark_backup(struct making *m, const char *name, arena *keep, blob_mark_fn mark,
                       void *mark_arg)
{
    struct manifest it;
    TRY(manifest_load(m->objects, name, keep, &it));
    for (size_t i = 0; i < it.table_count; i++)
        for (size_t k = 0; k < it.tables[i].part_count; k++)
            TRY(mark(mark_arg, &it.tables[i].parts[k].id));
    for (size_t i = 0; i < it.file_count; i++)
        TRY(mark(mark_arg, &it.files[i].blob.id));
    for (size_t i = 0; i < it.list_count; i++)
        TRY(mark(mark_arg, &it.lists[i].id));
    return mark_blobs(m->objects, &it, keep, mark, mark_arg);
}

static err mark_all(void *arg, blob_mark_fn mark, void *mark_arg)
{
    struct making *m = arg;
    arena names_memory, keep;
    struct names names = { 0 };
    arena_init(&names_memory, MANIFEST_ARENA_BYTES);
    arena_init(&keep, MANIFEST_ARENA_BYTES);
    err e = list_names(m->objects, &names_memory, &names);
    for (size_t i = 0; i < names.count && !e.code; i++) {
        e = mark_backup(m, names.items[i], &keep, mark, mark_arg);
        arena_reset(&keep);
    }
    arena_deinit(&keep);
    arena_deinit(&names_memory);
    return e;
}

/* A manifest that was being written when its backup was killed. */
static err drop_unfinished(void *arg, const char *name)
{
    struct making *m = arg;
    return str_ends(str_of(name), STR(".tmp")) ? blobs_text_remove(m->objects, BACKUP_TEXTS, name)
                                               : OK;
}

static err drop_old(struct making *m)
{
    struct names names = { 0 };
    TRY(list_names(m->objects, &m->keep, &names));
    size_t wanted = m->options->keep_count > 0 ? (size_t)m->options->keep_count : names.count;
    TRY(blobs_text_each(m->objects, BACKUP_TEXTS, drop_unfinished, m));
    for (size_t i = wanted; i < names.count; i++) {
        TRY(err_wrap(blobs_text_remove(m->objects, BACKUP_TEXTS, names.items[i]),
                     "removing the old backup '%.60s'", names.items[i]));
        m->report->backups_dropped++;
    }
    m->report->backups_kept = (int64_t)names.count - m->report->backups_dropped;
    return OK;
}

static err tidy(struct making *m)
{
    struct blob_gc_report gc = { 0 };
    const struct blob_owner owner = { mark_all, m };
    TRY(drop_old(m));
    TRY(blobs_collect(m->objects, &owner, 1, 0, &gc));
    m->report->objects_dropped = gc.removed_count;
    return OK;
}

static err describe(struct making *m, char installation[HEX_ID_BYTES])
{
    TRY(move_installation(m->options->from.store, installation));
    m->manifest.created_ms = clock_wall_ms();
    m->manifest.program = str_of(m->options->program);
    m->manifest.engine = str_of(store_engine(m->options->from.store));
    m->manifest.installation = str_of(installation);
    return OK;
}

/* Of two installations in one place each would drop the other's backups as old. */
static err check_owner(struct making *m)
{
    struct manifest newest;
    const char *name;
    err e = backup_newest(&m->place, &m->keep, &name);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    e = manifest_load(m->objects, name, &m->keep, &newest);
    if (e.code == ERR_CORRUPT) /* to be found by a verification, not to stop a good backup */
        return OK;
    TRY(e);
    if (str_eq(newest.installation, m->manifest.installation))
        return OK;
    return ERR(ERR_CONFLICT, "'%.100s' has backups of another installation: name another %s",
               m->place.where, m->place.lock_fd >= 0 ? "folder" : "prefix");
}

static err make(struct making *m)
{
    char installation[HEX_ID_BYTES];
    TRY(describe(m, installation));
    TRY(check_owner(m));
    TRY(copy_all(m));
    TRY(write_manifest(m));
    struct backup_report *r = m->report;
    r->created_ms = m->manifest.created_ms;
    r->tables = (int64_t)m->manifest.table_count;
    for (size_t i = 0; i < m->manifest.table_count; i++)
        r->rows += m->manifest.tables[i].rows;
    r->blobs = m->manifest.blob_count;
    r->blob_bytes = m->manifest.blob_bytes;
    return err_wrap(tidy(m), "the backup %.19s is made, but removing what is old failed", r->name);
}

static err lock_folder(const char *folder, int *ret_fd)
{
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, folder, "backup.lock"));
    err e = fs_lock(path, STR("a backup"), ret_fd);
    if (e.code != ERR_CONFLICT)
        return e;
    return err_wrap(e, "another backup or restore uses '%.60s'", folder);
}

err backup_place_open(const struct backup_place *place, struct backup_open_place *ret_place)
{
    char url[FS_PATH_BYTES + 8];
    struct backup_open_place p = { place->objects, place->where, -1, false };
    if (!p.objects) {
        TRY(lock_folder(place->where, &p.lock_fd));
        snprintf(url, sizeof url, "file:%s", place->where);
        err e = blobs_open(url, &p.objects);
        if (e.code) {
            close(p.lock_fd);
            return e;
        }
        p.is_ours = true;
    }
    *ret_place = p;
    return OK;
}

void backup_place_close(struct backup_open_place *place)
{
    if (place->is_ours)
        blobs_close(place->objects);
    if (place->lock_fd >= 0)
        close(place->lock_fd);
}

err backup_make(const struct backup_options *options, struct backup_report *ret_report)
{
    struct backup_report report = { 0 };
    struct making m = { .options = options, .report = &report };
    char below[FS_PATH_BYTES];
    if (!options->place.objects) {
        TRY(fs_join(below, options->place.where, BACKUP_TEXTS));
        TRY(err_wrap(fs_mkdirs(below), "making the backup folder"));
    }
    TRY(backup_place_open(&options->place, &m.place));
    m.objects = m.place.objects;
    arena_init(&m.keep, MANIFEST_ARENA_BYTES);
    err e = make(&m);
    blob_list_deinit(&m.blobs);
    arena_deinit(&m.keep);
    backup_place_close(&m.place);
    if (!e.code)
        *ret_report = report;
    return e;
}

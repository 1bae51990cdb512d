/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest.c -- a backup's manifest, written and read. */
#include "platform/move/manifest.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/json.h"

enum { TABLES_MAX = STORE_TABLES_MAX, ITEMS_MAX = 4 * 1024 * 1024, STEPS_MAX = 64 };

bool manifest_file_name_ok(str name)
{
    if (!name.len || name.len > MANIFEST_FILE_NAME_MAX || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c == '/' || c < ' ' || c == 127)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ writing */

static void add_objects(struct json_out *w, const char *key, const struct blob_info *items,
                        size_t count)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_cstr(w, "sha256", items[i].id.hex);
        json_kv_int(w, "bytes", items[i].bytes);
        json_object_end(w);
    }
    json_array_end(w);
}

static void add_tables(struct json_out *w, const struct manifest *m)
{
    json_key(w, "tables");
    json_array_begin(w);
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        json_object_begin(w);
        json_kv_str(w, "name", t->name);
        json_kv_str(w, "columns", t->columns);
        json_kv_int(w, "rows", t->digest.rows);
        json_kv_cstr(w, "sha256", t->digest.hex);
        add_objects(w, "parts", t->parts, t->part_count);
        json_object_end(w);
    }
    json_array_end(w);
}

void manifest_write(const struct manifest *m, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_int(&w, "format", MANIFEST_FORMAT);
    json_kv_int(&w, "createdMs", m->created_ms);
    json_kv_time_ms(&w, "createdAt", m->created_ms);
    json_kv_str(&w, "program", m->program);
    json_kv_str(&w, "engine", m->engine);
    json_kv_str(&w, "installation", m->installation);
    json_key(&w, "migrations");
    json_array_begin(&w);
    for (size_t i = 0; i < m->step_count; i++) {
        json_object_begin(&w);
        json_kv_str(&w, "owner", m->steps[i].owner);
        json_kv_int(&w, "number", m->steps[i].number);
        json_object_end(&w);
    }
    json_array_end(&w);
    add_tables(&w, m);
    json_key(&w, "files");
    json_array_begin(&w);
    for (size_t i = 0; i < m->file_count; i++) {
        json_object_begin(&w);
        json_kv_str(&w, "name", m->files[i].name);
        json_kv_cstr(&w, "sha256", m->files[i].blob.id.hex);
        json_kv_int(&w, "bytes", m->files[i].blob.bytes);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, "blobs");
    json_object_begin(&w);
    json_kv_int(&w, "count", m->blob_count);
    json_kv_int(&w, "bytes", m->blob_bytes);
    add_objects(&w, "lists", m->lists, m->list_count);
    json_object_end(&w);
    json_object_end(&w);
    buf_add_char(out, '\n');
}

/* ------------------------------------------------------------------ reading */

static err need_list(const struct json *object, const char *key, size_t max,
                     const struct json **ret_list, size_t *ret_count)
{
    *ret_list = json_get(object, key);
    *ret_count = json_count(*ret_list);
    if (json_kind(*ret_list) != JSON_IS_ARRAY || *ret_count > max)
        return ERR(ERR_CORRUPT, "'%s' must be a list of at most %zu", key, max);
    return OK;
}

static err read_object(const struct json *node, struct blob_info *ret_info)
{
    str hex;
    TRY(json_need_str(node, "sha256", &hex));
    TRY(blob_id_parse(hex, &ret_info->id));
    return json_need_int(node, "bytes", 0, INT64_MAX, &ret_info->bytes);
}

static err read_objects(const struct json *object, const char *key, arena *keep,
                        struct blob_info **ret_items, size_t *ret_count)
{
    const struct json *list = NULL;
    size_t count = 0;
    TRY(need_list(object, key, ITEMS_MAX, &list, &count));
    struct blob_info *items = NEW_ARRAY(keep, struct blob_info, count + 1);
    ARENA_TRY(items);
    for (size_t i = 0; i < count; i++)
        TRY(read_object(json_at(list, i), &items[i]));
    *ret_items = items;
    *ret_count = count;
    return OK;
}

static err read_steps(const struct json *root, arena *keep, struct manifest *m)
{
    const struct json *list = NULL;
    int64_t number;
    TRY(need_list(root, "migrations", STEPS_MAX, &list, &m->step_count));
    m->steps = NEW_ARRAY(keep, struct schema_step, m->step_count + 1);
    ARENA_TRY(m->steps);
    for (size_t i = 0; i < m->step_count; i++) {
        TRY(json_need_str(json_at(list, i), "owner", &m->steps[i].owner));
        TRY(json_need_int(json_at(list, i), "number", 1, 1000000, &number));
        m->steps[i].number = (int)number;
    }
    return OK;
}

static err read_tables(const struct json *root, arena *keep, struct manifest *m)
{
    const struct json *list = NULL;
    TRY(need_list(root, "tables", TABLES_MAX, &list, &m->table_count));
    m->tables = NEW_ARRAY(keep, struct manifest_table, m->table_count + 1);
    ARENA_TRY(m->tables);
    for (size_t i = 0; i < m->table_count; i++) {
        const struct json *node = json_at(list, i);
        struct manifest_table *t = &m->tables[i];
        struct blob_id digest;
        str hex;
        TRY(json_need_str(node, "name", &t->name));
        TRY(json_need_str(node, "columns", &t->columns));
        TRY(json_need_int(node, "rows", 0, INT64_MAX, &t->rows));
        TRY(json_need_str(node, "sha256", &hex));
        TRY(blob_id_parse(hex, &digest));
        t->digest.rows = t->rows;
        memcpy(t->digest.hex, digest.hex, sizeof t->digest.hex);
        TRY(read_objects(node, "parts", keep, &t->parts, &t->part_count));
    }
    return OK;
}

static err read_files(const struct json *root, arena *keep, struct manifest *m)
{
    const struct json *list = NULL;
    TRY(need_list(root, "files", ITEMS_MAX, &list, &m->file_count));
    m->files = NEW_ARRAY(keep, struct manifest_file, m->file_count + 1);
    ARENA_TRY(m->files);
    for (size_t i = 0; i < m->file_count; i++) {
        TRY(json_need_str(json_at(list, i), "name", &m->files[i].name));
        if (!manifest_file_name_ok(m->files[i].name))
            return ERR(ERR_CORRUPT, "a file has a name that cannot be ours");
        TRY(read_object(json_at(list, i), &m->files[i].blob));
    }
    return OK;
}

static err read_members(const struct json *root, arena *keep, struct manifest *m)
{
    int64_t format = 0;
    TRY(json_need_int(root, "format", 1, INT32_MAX, &format));
    if (format != MANIFEST_FORMAT)
        return ERR(ERR_UNSUPPORTED,
                   "the backup has format %lld, this program knows %d (use a newer program)",
                   (long long)format, MANIFEST_FORMAT);
    TRY(json_need_int(root, "createdMs", 0, INT64_MAX, &m->created_ms));
    TRY(json_need_str(root, "program", &m->program));
    TRY(json_need_str(root, "engine", &m->engine));
    TRY(json_need_str(root, "installation", &m->installation));
    TRY(read_steps(root, keep, m));
    TRY(read_tables(root, keep, m));
    TRY(read_files(root, keep, m));
    const struct json *blobs = json_get(root, "blobs");
    TRY(json_need_int(blobs, "count", 0, INT64_MAX, &m->blob_count));
    TRY(json_need_int(blobs, "bytes", 0, INT64_MAX, &m->blob_bytes));
    return read_objects(blobs, "lists", keep, &m->lists, &m->list_count);
}

err manifest_parse(arena *keep, str text, struct manifest *ret_manifest)
{
    const struct json *root = NULL;
    struct manifest m = { 0 };
    err e = json_parse(keep, text, &root);
    if (!e.code)
        e = read_members(root, keep, &m);
    if (e.code == ERR_INVALID) /* nobody typed it */
        e.code = ERR_CORRUPT;
    if (!e.code)
        *ret_manifest = m;
    return e;
}

/* ------------------------------------------------------------------ files */

void manifest_name(int64_t created_ms, str text, char out[MANIFEST_NAME_BYTES])
{
    char digest[SHA256_HEX_BYTES], when[32];
    time_t s = (time_t)(created_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
    sha256_hex_of(text, digest);
    snprintf(out, MANIFEST_NAME_BYTES, "%s%03dZ-%s.json", when, (int)(created_ms % 1000), digest);
}

err manifest_load(struct blobs *objects, const char *name, arena *keep,
                  struct manifest *ret_manifest)
{
    char wanted[MANIFEST_NAME_BYTES];
    struct manifest m;
    str text;
    TRY(blobs_text_get(objects, BACKUP_TEXTS, name, keep, MANIFEST_BYTES_MAX, &text));
    char digest[SHA256_HEX_BYTES];
    sha256_hex_of(text, digest);
    snprintf(wanted, sizeof wanted, "-%s.json", digest);
    if (!str_ends(str_of(name), str_of(wanted)))
        return ERR(ERR_CORRUPT,
                   "the backup's manifest '%.120s' is damaged: its bytes do not have the digest in "
                   "its name",
                   name);
    TRY(err_wrap(manifest_parse(keep, text, &m), "reading the backup %.30s", name));
    *ret_manifest = m;
    return OK;
}

err blob_lines_parse(str text, struct blob_list *list)
{
    while (text.len) {
        str line = str_split(&text, '\n'), digest = str_split(&line, ' ');
        struct blob_id id;
        int64_t bytes = -1;
        err e = blob_id_parse(digest, &id);
        if (!e.code)
            e = str_to_i64(line, &bytes);
        if (e.code || bytes < 0)
            return ERR(ERR_CORRUPT, "a list of blobs in the backup is none");
        TRY(blob_list_add(list, &id, bytes));
    }
    return OK;
}

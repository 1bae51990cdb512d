/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a machine that is short of memory takes the server down, instead of one request.
 */
#include "torture.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/thread.h"

static const char document[] =
    "{\"name\":\"ada\",\"list\":[1,2.5,true,null,{\"deep\":[\"a\",\"b\",\"\\u2654\"]}],"
    "\"object\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9}}";

static err json_work(struct torture_place *place)
{
    (void)place;
    arena keep;
    struct buf text;
    const struct json *root = NULL;
    arena_init(&keep, 1 << 20);
    buf_init(&text, 1 << 20);
    err e = json_parse(&keep, str_of(document), &root);
    if (!e.code) {
        json_dump(root, &text);
        e = buf_check(&text);
    }
    if (!e.code && !str_contains(buf_str(&text), STR("\"deep\":[\"a\",\"b\"")))
        e = ERR(ERR_INTERNAL, "the text is '%.*s'", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    arena_deinit(&keep);
    return e;
}

static void json(void **state)
{
    torture(*state, json_work);
}

/* A number that the lexer had no room for lost digits and was read all the same. Singly, because
 * jansson 2.14 gives up the process when memory stays away within a long number. */
static err long_number_work(struct torture_place *place)
{
    (void)place;
    arena keep;
    const struct json *root = NULL;
    arena_init(&keep, 1 << 20);
    err e = json_parse(&keep, STR("[12345678901234567]"), &root);
    if (!e.code && json_int(json_at(root, 0), 0) != 12345678901234567)
        e = ERR(ERR_INTERNAL, "another number was read");
    arena_deinit(&keep);
    return e;
}

static void long_numbers(void **state)
{
    torture_singly(*state, long_number_work);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

/* A refused allocation is remembered by the arena, and hooks that were accepted run once. */
static err arena_work(struct torture_place *place)
{
    (void)place;
    arena keep;
    int accepted = 0, ran = 0;
    arena_init(&keep, 4 << 20);
    for (int i = 0; i < 40; i++) {
        size_t wanted = (size_t)snprintf(NULL, 0, "%d %0*d", i, 100 * i, i);
        str s = arena_fmt(&keep, "%d %0*d", i, 100 * i, i);
        if (s.ptr && s.len != wanted)
            return ERR(ERR_INTERNAL, "text %d has %zu bytes", i, s.len);
        err hook = arena_on_reset(&keep, count_up, &ran);
        accepted += !hook.code;
    }
    err e = arena_check(&keep);
    arena_deinit(&keep);
    if (ran != accepted)
        return ERR(ERR_INTERNAL, "%d hooks ran of %d", ran, accepted);
    return e;
}

static void arenas(void **state)
{
    torture(*state, arena_work);
}

static err map_work(struct torture_place *place)
{
    (void)place;
    struct map m;
    static char keys[200][8];
    err e = OK;
    size_t put = 0;
    map_init(&m, 1000);
    for (size_t i = 0; i < 200 && !e.code; i++) {
        union map_value *value;
        bool is_new;
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        e = map_put(&m, str_of(keys[i]), &value, &is_new);
        if (!e.code) {
            value->num = (int64_t)i;
            put++;
        }
    }
    for (size_t i = 0; i < put; i++) { /* what went in before the refusal is still there */
        const union map_value *value = map_find(&m, str_of(keys[i]));
        if (!value || value->num != (int64_t)i)
            e = ERR(ERR_INTERNAL, "key %zu is lost", i);
    }
    map_deinit(&m);
    return e;
}

static void maps(void **state)
{
    torture(*state, map_work);
}

static err note_name(void *arg, const char *name)
{
    struct buf *names = arg;
    buf_add_cstr(names, name);
    return buf_check(names);
}

static err files_work(struct torture_place *place)
{
    char path[FS_PATH_BYTES], deep[FS_PATH_BYTES];
    arena keep;
    struct buf names;
    str bytes = STR_NONE;
    TRY(fs_join(path, place->folder, "file"));
    TRY(fs_join(deep, place->folder, "a/b/c"));
    TRY(fs_mkdirs(deep));
    TRY(fs_write_durable(path, STR("some bytes")));
    arena_init(&keep, 1 << 20);
    buf_init(&names, 1000);
    err e = fs_read(&keep, path, 100, &bytes);
    if (!e.code && !str_eq(bytes, STR("some bytes")))
        e = ERR(ERR_INTERNAL, "other bytes came back");
    if (!e.code)
        e = fs_list(place->folder, note_name, &names);
    buf_deinit(&names);
    arena_deinit(&keep);
    return e.code ? e : fs_remove_tree(deep);
}

static void files(void **state)
{
    torture(*state, files_work);
}

static void count_index(void *arg, size_t index)
{
    atomic_int *counts = arg;
    atomic_fetch_add(&counts[index], 1);
}

static err pool_work(struct torture_place *place)
{
    (void)place;
    struct pool *pool = NULL;
    atomic_int counts[50] = { 0 };
    TRY(pool_open("torture", 3, 100, &pool));
    pool_each(pool, 50, count_index, counts);
    pool_close(pool);
    for (size_t i = 0; i < 50; i++)
        if (counts[i] != 1)
            return ERR(ERR_INTERNAL, "task %zu ran %d times", i, counts[i]);
    return OK;
}

static void pools(void **state)
{
    torture(*state, pool_work);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = { T(json), T(long_numbers), T(arenas),
                                        T(maps), T(files),        T(pools) };
    alloc_fail_install();
    return cmocka_run_group_tests_name("base without memory", tests, NULL, NULL);
}

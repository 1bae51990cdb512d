/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

static char root[64];

static int make_root(void **state)
{
    snprintf(root, sizeof root, "/tmp/skerry-fs-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}
static int drop_root(void **state)
{
    return fs_remove_tree(root).code ? -1 : 0;
}

static const char *in_root(const char *name)
{
    static char path[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void durable_writes_replace_whole(void **state)
{
    arena keep;
    str bytes;
    int64_t size;
    arena_init(&keep, 1 << 20);
    assert_ok(fs_write_durable(in_root("a"), STR("first, longer")));
    assert_ok(fs_write_durable(in_root("a"), STR("second")));
    assert_ok(fs_read(&keep, in_root("a"), 100, &bytes));
    assert_true(str_eq(bytes, STR("second")));
    assert_ok(fs_size(in_root("a"), &size));
    assert_int_equal(size, 6);
    assert_err(fs_read(&keep, in_root("a"), 5, &bytes), ERR_TOO_BIG);
    assert_err(fs_read(&keep, in_root("none"), 5, &bytes), ERR_NOT_FOUND);
    assert_err(fs_read(&keep, root, 5, &bytes), ERR_INVALID);
    assert_err(fs_write_durable(in_root("no/such/folder"), STR("x")), ERR_NOT_FOUND);
    arena_deinit(&keep);
}

static void folders_are_made_and_removed(void **state)
{
    assert_ok(fs_mkdirs(in_root("x/y/z")));
    assert_ok(fs_mkdirs(in_root("x/y/z")));
    assert_ok(fs_write_durable(in_root("x/y/z/file"), STR("1")));
    assert_int_equal(symlink("/etc", in_root("x/link")), 0);
    assert_err(fs_mkdirs(in_root("x/y/z/file")), ERR_CONFLICT);
    assert_ok(fs_remove_tree(in_root("x")));
    assert_false(fs_exists(in_root("x")));
    assert_true(fs_exists("/etc/passwd")); /* links are removed, never followed */
    assert_ok(fs_remove_tree(in_root("x")));
}

static err count_entry(void *arg, const char *name)
{
    ++*(int *)arg;
    return strcmp(name, "stop") == 0 ? ERR(ERR_CANCELLED, "enough") : OK;
}

static void lists_stop_at_the_first_error(void **state)
{
    int count = 0;
    assert_ok(fs_write_durable(in_root("one"), STR("")));
    assert_ok(fs_write_durable(in_root("two"), STR("")));
    assert_ok(fs_list(root, count_entry, &count));
    assert_int_equal(count, 2);
    assert_ok(fs_write_durable(in_root("stop"), STR("")));
    assert_err(fs_list(root, count_entry, &count), ERR_CANCELLED);
}

/* Two servers on one data folder would destroy it: the second must be told who is there. */
static void the_second_lock_is_refused_with_the_note(void **state)
{
    int first, second = -1;
    char note[64];
    snprintf(note, sizeof note, "pid %d, port 8001", (int)getpid());
    assert_ok(fs_lock(in_root("lock"), str_of(note), &first));
    err e = fs_lock(in_root("lock"), STR("pid 13"), &second);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, note));
    assert_int_equal(second, -1);
    close(first);
    assert_ok(fs_lock(in_root("lock"), STR("pid 13"), &second));
    close(second);
}

/* As a server does that is killed while it spawns a plugin. Ends with the pid of the child, which
 * holds the lock until the pipe `go` is closed. */
static void dies_and_leaves_the_lock_to_a_child(int told, int go)
{
    char note[64], byte;
    int fd;
    snprintf(note, sizeof note, "pid %d", (int)getpid());
    if (fs_lock(in_root("lock"), str_of(note), &fd).code)
        _exit(1);
    pid_t child = fork();
    if (child == 0) {
        ssize_t got = read(go, &byte, 1);
        _exit(got == 0 ? 0 : 1);
    }
    _exit(write(told, &child, sizeof child) == (ssize_t)sizeof child ? 0 : 1);
}

static void *let_go(void *arg)
{
    clock_sleep_ms(100);
    close(*(int *)arg);
    return NULL;
}

static void a_dead_holder_is_waited_for(void **state)
{
    int told[2], go[2], fd, status;
    pthread_t thread;
    pid_t child;
    assert_int_equal(pipe(told) | pipe(go), 0);
    pid_t holder = fork();
    if (holder == 0) {
        close(go[1]);
        dies_and_leaves_the_lock_to_a_child(told[1], go[0]);
    }
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(status, 0);
    assert_int_equal(read(told[0], &child, sizeof child), sizeof child);
    assert_int_equal(pthread_create(&thread, NULL, let_go, &go[1]), 0);
    assert_ok(fs_lock(in_root("lock"), STR("pid 14"), &fd));
    pthread_join(thread, NULL);
    close(fd);
    close(told[0]);
    close(told[1]);
    close(go[0]);
}

static void maps_show_the_bytes(void **state)
{
    struct fs_map map;
    assert_ok(fs_write_durable(in_root("m"), STR("mapped")));
    assert_ok(fs_map_open(in_root("m"), &map));
    assert_int_equal(map.count, 6);
    assert_memory_equal(map.bytes, "mapped", 6);
    fs_map_close(&map);
    assert_ok(fs_write_durable(in_root("empty"), STR("")));
    assert_ok(fs_map_open(in_root("empty"), &map));
    assert_int_equal(map.count, 0);
    fs_map_close(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(durable_writes_replace_whole, make_root, drop_root),
        cmocka_unit_test_setup_teardown(folders_are_made_and_removed, make_root, drop_root),
        cmocka_unit_test_setup_teardown(lists_stop_at_the_first_error, make_root, drop_root),
        cmocka_unit_test_setup_teardown(the_second_lock_is_refused_with_the_note, make_root,
                                        drop_root),
        cmocka_unit_test_setup_teardown(a_dead_holder_is_waited_for, make_root, drop_root),
        cmocka_unit_test_setup_teardown(maps_show_the_bytes, make_root, drop_root),
    };
    return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}

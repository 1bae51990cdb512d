/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables made equal from any state, the same bytes from every engine, and who may be used. The
 * target is PostgreSQL where SKERRY_TEST_DB says so; the source is SQLite always. */
#include "../store/place.h"
#include "../test_folder.h"

#include "platform/move/manifest.h"
#include "platform/move/notes.h"

enum { KEEP_BYTES = 256 * 1024 * 1024 };

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE a_child ("
         "  name @text PRIMARY KEY,"
         "  parent_id @int NOT NULL REFERENCES z_parent (id)"
         ") @strict;" },
    { 0 },
};
static const struct store_migration parents[] = {
    { 1, "CREATE TABLE z_parent ("
         "  id @id,"
         "  word @text, score @real, photo @blob,"
         "  UNIQUE (word)"
         ") @strict;" },
    { 0 },
};

struct sides {
    struct place from, to; /* open */
    arena keep;
    struct table_plan *plans, *there;
    size_t count;
};

static void make(struct place *p)
{
    place_open(p);
    assert_ok(store_migrate(p->store, "parents", parents));
    assert_ok(store_migrate(p->store, "steps", steps));
}

static int setup(void **state)
{
    struct sides *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_true(test_folder_make(s->from.folder, sizeof s->from.folder, "move"));
    snprintf(s->to.folder, sizeof s->to.folder, "%s", s->from.folder);
    snprintf(s->from.url, sizeof s->from.url, "sqlite:%s/from.db", s->from.folder);
    test_db_url(s->to.folder, "to.db", s->to.url, sizeof s->to.url);
    arena_init(&s->keep, KEEP_BYTES);
    make(&s->from);
    make(&s->to);
    size_t there_count = 0;
    assert_ok(schema_plans_of(s->from.store, &s->keep, &s->plans, &s->count));
    assert_ok(schema_plans_of(s->to.store, &s->keep, &s->there, &there_count));
    assert_ok(schema_compare(s->plans, s->count, s->there, there_count));
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sides *s = *state;
    place_close(&s->from);
    place_close(&s->to);
    test_db_drop(s->to.url);
    assert_ok(fs_remove_tree(s->from.folder));
    arena_deinit(&s->keep);
    free(s);
    return 0;
}

static err run_sql(struct store_tx *tx, void *arg)
{
    return store_exec(tx, arg, NO_ARGS, NULL);
}

static void sql(struct place *p, const char *text)
{
    assert_ok(store_write(p->store, run_sql, (void *)(uintptr_t)text));
}

/* Rows `first` to `last`, of which each third has a child. */
struct fill {
    int first, last;
    const char *word;
};

static err fill_rows(struct store_tx *tx, void *arg)
{
    const struct fill *f = arg;
    for (int i = f->first; i <= f->last; i++) {
        char word[40], name[40];
        snprintf(word, sizeof word, "%s %d", f->word, i);
        snprintf(name, sizeof name, "child é %d", i);
        TRY(store_exec(tx, "INSERT INTO z_parent (id, word, score, photo) VALUES (?1, ?2, ?3, ?4)",
                       ARGS(sql_int(i), i % 5 ? sql_cstr(word) : sql_null(), sql_real(i / 7.0),
                            i % 2 ? sql_blob(str_from("\0\xFF", 2)) : sql_blob(STR(""))),
                       NULL));
        if (i % 3 == 0)
            TRY(store_exec(tx, "INSERT INTO a_child (name, parent_id) VALUES (?1, ?2)",
                           ARGS(sql_cstr(name), sql_int(i)), NULL));
    }
    return OK;
}

static void fill(struct place *p, int first, int last, const char *word)
{
    struct fill f = { first, last, word };
    assert_ok(store_write(p->store, fill_rows, &f));
}

struct syncing {
    struct sides *sides;
    int64_t changed;
};

static err sync_all(struct store_read *rd, void *arg)
{
    struct syncing *y = arg;
    struct sides *s = y->sides;
    struct store_source it;
    struct row_source source = store_source_of(&it, rd);
    struct sync_report report;
    err e = OK;
    for (size_t i = s->count; i-- > 0 && !e.code;) {
        e = sync_delete(&source, s->to.store, &s->there[i], &report);
        y->changed += report.changed;
    }
    for (size_t i = 0; i < s->count && !e.code; i++) {
        e = sync_write(&source, s->to.store, &s->there[i], &report);
        y->changed += report.changed;
    }
    store_source_deinit(&it);
    return e;
}

/* Returns how many rows had to be changed. */
static int64_t make_equal(struct sides *s)
{
    struct syncing y = { .sides = s };
    assert_ok(store_read(s->from.store, sync_all, &y));
    for (size_t i = 0; i < s->count; i++) {
        struct table_digest here, there;
        assert_ok(store_digest(s->from.store, &s->plans[i], &here));
        assert_ok(store_digest(s->to.store, &s->there[i], &there));
        assert_int_equal(here.rows, there.rows);
        assert_string_equal(here.hex, there.hex);
    }
    return y.changed;
}

static void parents_come_before_children(void **state)
{
    struct sides *s = *state;
    assert_int_equal(s->count, 2);
    assert_string_equal(s->plans[0].name, "z_parent");
    assert_string_equal(s->plans[1].name, "a_child");
    assert_string_equal(s->there[0].name, "z_parent");
}

static void any_target_becomes_equal(void **state)
{
    struct sides *s = *state;
    assert_int_equal(make_equal(s), 0);
    fill(&s->from, 1, 25000, "word"); /* more than two pages */
    assert_int_equal(make_equal(s), 25000 + 8333);
    assert_int_equal(make_equal(s), 0);

    sql(&s->from, "UPDATE z_parent SET score = 7 WHERE id = 12345");
    sql(&s->from, "DELETE FROM a_child WHERE parent_id = 9");
    sql(&s->from, "DELETE FROM z_parent WHERE id IN (1, 9, 25000)");
    fill(&s->from, 30000, 30001, "new");
    assert_int_equal(make_equal(s), 1 + 1 + 3 + 3);

    sql(&s->to, "DELETE FROM a_child WHERE parent_id < 12000"); /* killed half way */
    sql(&s->to, "DELETE FROM z_parent WHERE id < 12000 AND id > 3000 AND id % 3 <> 0");
    make_equal(s);
    fill(&s->to, 40000, 55000, "what an older copy had");
    assert_int_equal(make_equal(s), 15001 + 5000);
    sql(&s->from, "DELETE FROM a_child");
    sql(&s->from, "DELETE FROM z_parent");
    make_equal(s);
}

static void numbers_go_on_behind_what_was_copied(void **state)
{
    struct sides *s = *state;
    fill(&s->from, 1, 100, "word");
    make_equal(s);
    sql(&s->to, "INSERT INTO z_parent (word) VALUES ('next')");
}

static void the_same_numbers_with_other_rows_are_changed(void **state)
{
    struct sides *s = *state;
    fill(&s->to, 1, 2, "there");
    fill(&s->from, 2, 3, "here");
    assert_int_equal(make_equal(s), 1 + 1 + 2); /* 1 goes, 2 changes, 3 and its child come */
}

/* The format of backups: these bytes and this digest may never change. */
static void bytes_are_the_same_for_ever(void **state)
{
    static const struct store_column columns[] = { { STR_INIT("id"), STORE_INT, 1 },
                                                   { STR_INIT("x"), STORE_REAL, 0 },
                                                   { STR_INIT("t"), STORE_TEXT, 0 },
                                                   { STR_INIT("b"), STORE_BLOB, 0 },
                                                   { STR_INIT("n"), STORE_INT, 0 } };
    const struct store_table table = { .name = STR("t"), .columns = columns, .column_count = 5 };
    const struct table_plan plan = { .table = &table };
    const struct store_value row[] = { sql_int(-2), sql_real(0.5), sql_text(STR("é")),
                                       sql_blob(STR("")), sql_null() };
    static const char bytes[] = "\1\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                                "\2\0\0\0\0\0\0\xE0\x3F"
                                "\3\2\xC3\xA9"
                                "\4\0"
                                "\0";
    struct buf out;
    buf_init(&out, 1000);
    row_encode(&plan, row, &out);
    assert_int_equal(out.len, sizeof bytes - 1);
    assert_memory_equal(out.ptr, bytes, out.len);
    struct store_value back[5];
    struct cursor in = cursor_of(buf_str(&out));
    assert_ok(row_decode(&in, &table, back));
    assert_true(row_equal(&plan, row, back));
    for (size_t len = 0; len < out.len; len++) {
        in = cursor_of(str_from(out.ptr, len));
        assert_err(row_decode(&in, &table, back), ERR_CORRUPT);
    }
    buf_deinit(&out);
}

static void notes_say_who_may_be_used(void **state)
{
    struct sides *s = *state;
    char id[HEX_ID_BYTES], again[HEX_ID_BYTES];
    assert_ok(store_migrate(s->to.store, "move", move_migrations));
    assert_ok(move_admit(s->to.store, false));
    assert_ok(move_installation(s->to.store, id));
    assert_ok(move_installation(s->to.store, again));
    assert_string_equal(id, again);
    assert_int_equal(strlen(id), 32);
    struct move_note filling[] = { { "state", STR("filling") }, { "from", STR("installation:x") } };
    assert_ok(move_notes_write(s->to.store, filling, 2));
    assert_err(move_admit(s->to.store, false), ERR_CONFLICT);
    assert_err(move_admit(s->to.store, true), ERR_CONFLICT);
    struct move_note moved[] = { { "state", STR("moved") }, { "peer", STR("sqlite:/there") } };
    assert_ok(move_notes_write(s->to.store, moved, 2));
    assert_err(move_admit(s->to.store, false), ERR_CONFLICT);
    assert_ok(move_admit(s->to.store, true));
    assert_ok(move_stay(s->to.store));
    assert_ok(move_admit(s->to.store, false));
}

static void names_of_files_have_no_path(void **state)
{
    assert_true(manifest_file_name_ok(STR("01a2-game.pgn.zst")));
    assert_false(manifest_file_name_ok(STR("")));
    assert_false(manifest_file_name_ok(STR("..")));
    assert_false(manifest_file_name_ok(STR(".env")));
    assert_false(manifest_file_name_ok(STR("a/b")));
    assert_false(manifest_file_name_ok(STR("a\nb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parents_come_before_children, setup, teardown),
        cmocka_unit_test_setup_teardown(any_target_becomes_equal, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_go_on_behind_what_was_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_numbers_with_other_rows_are_changed, setup,
                                        teardown),
        cmocka_unit_test(bytes_are_the_same_for_ever),
        cmocka_unit_test_setup_teardown(notes_say_who_may_be_used, setup, teardown),
        cmocka_unit_test(names_of_files_have_no_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

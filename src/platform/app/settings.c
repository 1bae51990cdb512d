/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/app/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/map.h"

enum { ENV_FILE_BYTES_MAX = 256 * 1024, ENV_ENTRIES_MAX = 4096 };

const char *setting_source_name(enum setting_source source)
{
    switch (source) {
    case SETTING_FROM_ENV:
        return "environment";
    case SETTING_FROM_HOME_FILE:
        return "$SKERRY_HOME/.env";
    case SETTING_FROM_LOCAL_FILE:
        return "./.env";
    case SETTING_FROM_DEFAULT:
        break;
    }
    return "default";
}

const char *setting_type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_STR:
        return "text";
    case SETTING_INT:
        return "whole number";
    case SETTING_REAL:
        return "number";
    case SETTING_BOOL:
        return "true or false";
    case SETTING_BYTES:
        return "size like 64M";
    case SETTING_UNSET:
        break;
    }
    return "unset";
}

bool setting_env_line(str line, str *ret_key, str *ret_value)
{
    str rest = str_trim(line);
    if (rest.len == 0 || rest.ptr[0] == '#')
        return false;
    if (str_starts(rest, STR("export ")))
        rest = str_trim(str_sub(rest, 7, rest.len));
    if (str_find_char(rest, '=') < 1)
        return false;
    str key = str_trim(str_split(&rest, '='));
    str value = str_trim(rest);
    bool quoted = value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') &&
                  value.ptr[value.len - 1] == value.ptr[0];
    if (quoted) {
        value = str_sub(value, 1, value.len - 2);
    } else {
        ptrdiff_t comment = str_find(value, STR(" #"));
        if (comment >= 0)
            value = str_trim(str_sub(value, 0, (size_t)comment));
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

err setting_parse_bytes(str text, int64_t *ret_bytes)
{
    int shift = 0;
    str digits = text;
    if (text.len) {
        switch (text.ptr[text.len - 1]) {
        case 'K':
        case 'k':
            shift = 10;
            break;
        case 'M':
        case 'm':
            shift = 20;
            break;
        case 'G':
        case 'g':
            shift = 30;
            break;
        default:
            break;
        }
    }
    if (shift)
        digits = str_sub(text, 0, text.len - 1);
    int64_t value;
    TRY(str_to_i64(digits, &value));
    if (value < 0 || value > (INT64_MAX >> shift))
        return ERR(ERR_INVALID, "'%.*s' is not a size", STR_ARG(text));
    *ret_bytes = value << shift;
    return OK;
}

/* A file that is not there has no entries. */
static err read_env_file(const char *path, arena *keep, struct map *entries)
{
    if (!fs_exists(path))
        return OK;
    str text;
    TRY(fs_read(keep, path, ENV_FILE_BYTES_MAX, &text));
    while (text.len) {
        str key, value;
        if (!setting_env_line(str_split(&text, '\n'), &key, &value))
            continue;
        str *kept = NEW(keep, str);
        ARENA_TRY(kept);
        *kept = value;
        union map_value *slot;
        bool is_new;
        TRY(map_put(entries, key, &slot, &is_new));
        slot->ptr = kept;
    }
    return OK;
}

static err parse_bool(str text, int64_t *ret_value)
{
    static const char *const yes[] = { "1", "true", "yes", "on" };
    static const char *const no[] = { "0", "false", "no", "off", "" };
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (str_eq_nocase(text, str_of(yes[i]))) {
            *ret_value = 1;
            return OK;
        }
    }
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        if (str_eq_nocase(text, str_of(no[i]))) {
            *ret_value = 0;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "neither true nor false");
}

static err parse_value(struct setting_value *v)
{
    err e = OK;
    switch (v->setting->type) {
    case SETTING_STR:
        return OK;
    case SETTING_INT:
        e = str_to_i64(v->text, &v->integer);
        break;
    case SETTING_BYTES:
        e = setting_parse_bytes(v->text, &v->integer);
        break;
    case SETTING_REAL:
        e = str_to_f64(v->text, &v->real);
        break;
    case SETTING_BOOL:
        e = parse_bool(v->text, &v->integer);
        break;
    case SETTING_UNSET:
        e = ERR(ERR_INTERNAL, "has no type in its table");
        break;
    }
    if (e.code)
        return ERR(ERR_INVALID, "setting %s='%.*s' (from %s) must be a %s", v->setting->name,
                   STR_ARG(v->setting->is_secret ? STR("...") : v->text),
                   setting_source_name(v->source), setting_type_name(v->setting->type));
    return OK;
}

static err check_range(const struct setting_value *v)
{
    const struct setting *s = v->setting;
    double value = s->type == SETTING_REAL ? v->real : (double)v->integer;
    if ((s->min == 0 && s->max == 0) || (value >= s->min && value <= s->max))
        return OK;
    return ERR(ERR_INVALID, "setting %s='%.*s' (from %s) must be from %.15g to %.15g", s->name,
               STR_ARG(v->text), setting_source_name(v->source), s->min, s->max);
}

static err load_one(const struct setting *setting, const struct map *home_file,
                    const struct map *local_file, arena *keep, struct setting_value *value)
{
    *value = (struct setting_value){ .setting = setting, .text = str_of(setting->fallback) };
    const union map_value *in_home = map_find(home_file, str_of(setting->name));
    const union map_value *in_local = map_find(local_file, str_of(setting->name));
    const char *environment = getenv(setting->name);
    if (environment) {
        value->text = arena_str(keep, str_of(environment));
        ARENA_TRY(value->text.ptr);
        value->source = SETTING_FROM_ENV;
    } else if (in_home) {
        value->text = *(const str *)in_home->ptr;
        value->source = SETTING_FROM_HOME_FILE;
    } else if (in_local) {
        value->text = *(const str *)in_local->ptr;
        value->source = SETTING_FROM_LOCAL_FILE;
    }
    TRY(parse_value(value));
    return check_range(value);
}

err settings_load(const struct app *const *apps, const char *home, arena *keep,
                  struct settings *ret_settings)
{
    size_t count = 0;
    for (size_t i = 0; apps[i]; i++)
        for (const struct setting *s = apps[i]->settings; s && s->name; s++)
            count++;
    struct settings settings = { NEW_ARRAY(keep, struct setting_value, count), 0 };
    ARENA_TRY(settings.values);

    struct map home_file, local_file;
    map_init(&home_file, ENV_ENTRIES_MAX);
    map_init(&local_file, ENV_ENTRIES_MAX);
    char path[FS_PATH_BYTES];
    err e = fs_join(path, home, ".env");
    if (!e.code)
        e = read_env_file(path, keep, &home_file);
    if (!e.code)
        e = read_env_file(".env", keep, &local_file);
    for (size_t i = 0; apps[i] && !e.code; i++)
        for (const struct setting *s = apps[i]->settings; s && s->name && !e.code; s++)
            e = load_one(s, &home_file, &local_file, keep, &settings.values[settings.count++]);
    map_deinit(&home_file);
    map_deinit(&local_file);
    if (!e.code)
        *ret_settings = settings;
    return e;
}

const struct setting_value *settings_find(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->values[i].setting->name, name) == 0)
            return &s->values[i];
    return NULL;
}

err settings_put(struct settings *s, const char *name, const char *text)
{
    for (size_t i = 0; i < s->count; i++) {
        struct setting_value *v = &s->values[i];
        if (strcmp(v->setting->name, name) != 0)
            continue;
        v->text = str_of(text);
        v->source = SETTING_FROM_HOME_FILE;
        TRY(parse_value(v));
        return check_range(v);
    }
    return ERR(ERR_INVALID, "there is no setting '%.60s'", name);
}

err settings_overlay(struct settings *s, const char *path, arena *keep)
{
    str text;
    TRY(err_wrap(fs_read(keep, path, ENV_FILE_BYTES_MAX, &text), "reading settings"));
    while (text.len) {
        str key, value;
        if (!setting_env_line(str_split(&text, '\n'), &key, &value))
            continue;
        const char *name = arena_cstr(keep, key), *put = arena_cstr(keep, value);
        ARENA_TRY(name);
        ARENA_TRY(put);
        TRY(err_wrap(settings_put(s, name, put), "in '%.60s'", path));
    }
    return OK;
}

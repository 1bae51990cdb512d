/* SPDX-License-Identifier: GPL-3.0-or-later */
/* settings.h -- effective values of the settings that apps declare. Private to this room; others
 * use setting_str and friends in app.h.
 *
 * Where a value comes from, first hit wins: the environment, $SKERRY_HOME/.env, ./.env, the
 * default. Values are read once, when the house opens.
 */
#ifndef SKERRY_APP_SETTINGS_H
#define SKERRY_APP_SETTINGS_H

#include "platform/app/app.h"

enum setting_source {
    SETTING_FROM_DEFAULT,
    SETTING_FROM_ENV,
    SETTING_FROM_HOME_FILE,
    SETTING_FROM_LOCAL_FILE
};

struct setting_value {
    const struct setting *setting;
    str text;
    enum setting_source source;
    int64_t integer; /* INT, BYTES, BOOL */
    double real;
};

struct settings {
    struct setting_value *values;
    size_t count;
};

/* Reads every setting of every app. ERR_INVALID names the setting, its value, where it came from
 * and what it should be. Everything lives in keep. */
MUST_USE err settings_load(const struct app *const *apps, const char *home, arena *keep,
                           struct settings *ret_settings);

/* Replaces values by those of a file of NAME=value lines. ERR_NOT_FOUND without the file,
 * ERR_INVALID for a line that is no setting of ours. */
MUST_USE err settings_overlay(struct settings *s, const char *path, arena *keep);
/* Replaces one text; `text` outlives s. The setting must be declared. */
MUST_USE err settings_put(struct settings *s, const char *name, const char *text);

/* NULL when no app declares `name`. */
const struct setting_value *settings_find(const struct settings *s, const char *name);
const char *setting_source_name(enum setting_source source);
const char *setting_type_name(enum setting_type type);

/* Reads "64M", "2G", "512" as bytes. */
MUST_USE err setting_parse_bytes(str text, int64_t *ret_bytes);

/* One line of a .env file: KEY=VALUE, "export " before and quotes around the value are accepted.
 * Returns false for blank lines and comments. */
bool setting_env_line(str line, str *ret_key, str *ret_value);

#endif

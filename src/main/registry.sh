#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes registry.c: the list of apps of this build, from the names in meson.build.
# usage: registry.sh OUTPUT APP...
set -eu
out=$1
shift
{
    echo '/* Written by src/main/registry.sh from the list of apps in meson.build. */'
    echo '#include "platform/app/app.h"'
    echo
    for app in "$@"; do
        echo "extern const struct app app_$(echo "$app" | tr - _);"
    done
    echo
    echo 'const struct app *const app_registry[] = {'
    echo '    &app_core,'
    for app in "$@"; do
        echo "    &app_$(echo "$app" | tr - _),"
    done
    echo '    NULL,'
    echo '};'
} >"$out"

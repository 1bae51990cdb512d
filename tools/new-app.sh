#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes src/apps/NAME from tools/new-app/ (an app that builds and passes), and adds it to meson.build.
# usage: make new-app NAME=pond
set -eu
cd "$(dirname "$0")/.."
name=${1:-}
case $name in
    '' | *[!a-z0-9]* | [0-9]*)
        echo "make new-app NAME=pond: a name of lower-case letters and digits that starts with a letter" >&2
        exit 2
        ;;
esac
if [ -e "src/apps/$name" ] || [ -e "tests/http/test_$name.py" ]; then
    echo "src/apps/$name or tests/http/test_$name.py exists already" >&2
    exit 2
fi
title=$(printf '%s' "$name" | cut -c1 | tr a-z A-Z)$(printf '%s' "$name" | cut -c2-)
fill() { sed -e "s/@name@/$name/g" -e "s/@Title@/$title/g" "$1" >"$2"; }
mkdir "src/apps/$name"
for file in app.c README.md meson.build; do
    fill "tools/new-app/$file" "src/apps/$name/$file"
done
fill tools/new-app/test_http.py "tests/http/test_$name.py"
sed -i "s/^apps = \[\(.*\)\]/apps = [\1, '$name']/" meson.build
echo "made src/apps/$name and tests/http/test_$name.py; now: make build && make run, then"
echo "  curl -s http://127.0.0.1:8001/v1/$name/notes"

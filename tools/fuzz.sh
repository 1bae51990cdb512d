#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every fuzz target for FUZZ_SECONDS each, on its corpus. A crash is written beside the corpus and
# ends the run with 1: fix it and keep the file, `make test` replays it.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-30}
[ -f build-fuzz/build.ninja ] || CC=clang-14 meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=2
ninja -C build-fuzz
status=0
for target in build-fuzz/tests/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    corpus=tests/fuzz/corpus/$name
    mkdir -p "$corpus"
    echo "== $name"
    grown=$(mktemp -d)
    "$target" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
        -artifact_prefix="$corpus/crash-" "$grown" "$corpus" || { status=1; echo "$name found something: see $corpus"; }
    rm -rf "$grown"
done
exit $status

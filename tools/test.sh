#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every test, in both builds, and one closing line: "N passed, N failed".
# usage: tools/test.sh [tsan]
# With tsan: instead, what has threads, under ThreadSanitizer (a few minutes).
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
passed=0
failed=0
runner=

# Runs the suites given after the build folder and adds their counts.
run() {
    folder=$1
    shift
    log=$(mktemp)
    $runner meson test -C "$folder" --no-rebuild --print-errorlogs "$@" 2>&1 | tee "$log"
    ok=$(awk '/^Ok:/ { print $2 }' "$log")
    bad=$(awk '/^(Fail|Timeout|Unexpected Pass):/ { n += $NF } END { print n + 0 }' "$log")
    rm -f "$log"
    # No count means that the runner itself did not finish: that is a failure, not an empty success.
    [ -n "$ok" ] || { ok=0; bad=1; }
    passed=$((passed + ok))
    failed=$((failed + bad))
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit $?
}

compile() {
    folder=$1
    shift
    [ -f "$folder/build.ninja" ] || meson setup "$folder" "$@" >"$folder.setup.log" 2>&1 || {
        cat "$folder.setup.log"
        failed=$((failed + 1))
        finish
    }
    rm -f "$folder.setup.log"
    ninja -C "$folder" || { failed=$((failed + 1)); finish; }
}

if [ "${1:-}" = tsan ]; then
    compile "$build-tsan" -Db_sanitize=thread -Doptimization=1 -Db_lundef=false
    # ThreadSanitizer needs its place in memory, which randomised addresses may take.
    runner="setarch -R"
    # Kill tests fork a child that starts threads; and libraries without instrumentation look like races.
    TSAN_OPTIONS="halt_on_error=0:second_deadlock_stack=1:die_after_fork=0:suppressions=$PWD/tools/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
    export TSAN_OPTIONS
    run "$build-tsan" --suite unit --no-suite single --no-suite child --timeout-multiplier 8
    finish
fi
tools/web.sh offline
compile "$build" --werror
compile "$build-asan" --werror -Db_sanitize=address,undefined -Doptimization=1 -Db_lundef=false
run "$build" --no-suite interop
run "$build-asan" --suite unit --suite fuzz --timeout-multiplier 4
finish

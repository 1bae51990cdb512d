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

# HTTP suites against the program of a build folder, as many as begin within SKERRY_TSAN_MINUTES (10), each at most
# as long. A race is said in the server's stderr, and ends it with another code than 0, which fails its suite.
# Those that many threads meet in come first. Not here: `faults` and `limits` measure memory and the last byte of a
# disk, `serving` needs the toy app and `unreachable` numbers of memory and time, which ThreadSanitizer changes;
# and where Kafka is a destination (the rest of `outbox`), librdkafka crashes in it.
run_http() {
    minutes=${SKERRY_TSAN_MINUTES:-10}
    until=$(($(date +%s) + minutes * 60))
    for suite in access job_events ingest "outbox -k loki -k outage"; do
        name=${suite%% *}
        if [ "$(date +%s)" -ge "$until" ]; then
            echo "http_$name is left out: $minutes minutes are over (SKERRY_TSAN_MINUTES)"
            continue
        fi
        log=$(mktemp)
        if SKERRY_BINARY=$PWD/$1/skerry timeout $((minutes * 60)) $runner python3 "tests/http/test_$name.py" ${suite#"$name"} >"$log" 2>&1; then
            echo "http_$name OK"
            passed=$((passed + 1))
        else
            tail -n 60 "$log"
            echo "http_$name FAIL"
            failed=$((failed + 1))
        fi
        rm -f "$log"
    done
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
    run_http "$build-tsan"
    finish
fi
tools/web.sh offline
compile "$build" --werror
compile "$build-asan" --werror -Db_sanitize=address,undefined -Doptimization=1 -Db_lundef=false
run "$build" --no-suite interop --timeout-multiplier 4 # a busy machine is not a defect
run "$build-asan" --suite unit --suite fuzz --timeout-multiplier 4
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# MLflow as it is, beside ours: see README.md. Ends with a line of numbers and a status.
# usage: run.sh prepare | record [--suite S] [--big] | prove | replay URL --suite S [..] | clients URL [SESSION...] | moves
set -eu
cd "$(dirname "$0")/../../.."
here=tests/interop/mlflow
mode=${1:?prepare, record, prove, replay, clients or moves}
shift

# An environment that was left half-made would fail for ever: the copy of its list is put there last.
prepare() {
    venv=build/mlflow-$1-venv
    wants=$here/requirements-$1.txt
    cmp -s "$wants" "$venv/installed.txt" && return
    rm -rf "$venv"
    mkdir -p build
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-compile -r "$wants"
    cp "$wants" "$venv/installed.txt"
}

case $mode in
replay) exec python3 "$here/replay.py" "$@" ;;
esac
prepare 2.22 &
other=$!
prepare 3
wait $other
case $mode in
prepare) ;;
record) exec python3 "$here/record.py" "$@" ;;
prove) exec python3 "$here/prove.py" "$@" ;;
clients) exec python3 "$here/clients.py" "$@" ;;
moves) exec python3 "$here/moves.py" "$@" ;;
*)
    echo "$mode: prepare, record, prove, replay, clients or moves" >&2
    exit 2
    ;;
esac

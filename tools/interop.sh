#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Skerry against the real other side: promtool and Prometheus, python-chess, Stockfish, curl, an OpenAPI
# validator. Ends with "N passed, N failed". A peer that cannot be had is a failure, not a skip.
# usage: tools/interop.sh [NAME...]    some of: metrics chess uci curl openapi postgres
set -u
cd "$(dirname "$0")/.."
venv=build/interop-venv
wants=tests/interop/requirements.txt

# An environment that was left half-made would fail for ever: the copy of its list is put there last.
if ! cmp -s "$wants" "$venv/installed.txt"; then
    rm -rf "$venv"
    mkdir -p build
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r "$wants"; }; then
        echo "python3 -m venv or pip did not install $wants: the peers are missing" >&2
        echo "0 passed, 1 failed"
        exit 1
    fi
    cp "$wants" "$venv/installed.txt"
fi
exec "$venv/bin/python" tests/interop/run.py "$@"

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Skerry against the real other side: promtool and Prometheus, python-chess, Stockfish, curl, an OpenAPI
# validator, Schemathesis, two S3 servers, PostgreSQL, an OpenTelemetry collector, VictoriaLogs, Loki, Kafka, MLflow 2 and 3. Ends with "N passed, N failed". A peer that cannot be had is a failure, not a skip.
# usage: tools/interop.sh [--prepare] [NAME...]    --prepare: install the peers only; some of: alerts metrics promql chess uci engine curl openapi properties s3 backup_s3 postgres moving workers destinations loki mlflow
set -u
prepare=
[ "${1:-}" = --prepare ] && { prepare=yes; shift; }
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
case " $* " in
"  " | *" s3 "* | *" backup_s3 "* | *" postgres "*)
    tools/s3-peers.sh "$venv" || { echo "versitygw cannot be built: a peer is missing" >&2; echo "0 passed, 1 failed"; exit 1; }
    ;;
esac
case " $* " in
"  " | *" destinations "*)
    tools/outbox-peers.sh "$venv" || { echo "a peer of the outbox cannot be had" >&2; echo "0 passed, 1 failed"; exit 1; }
    ;;
esac
case " $* " in
"  " | *" loki "*)
    tools/loki-peer.sh "$venv" || { echo "Loki cannot be built: a peer is missing" >&2; echo "0 passed, 1 failed"; exit 1; }
    ;;
esac
case " $* " in
"  " | *" mlflow "*)
    tests/interop/serving/run.sh prepare || { echo "MLflow cannot be installed: a peer is missing" >&2; echo "0 passed, 1 failed"; exit 1; }
    ;;
esac
[ -n "$prepare" ] && exit 0
exec "$venv/bin/python" tests/interop/run.py "$@"

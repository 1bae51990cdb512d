#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the Debian packages that a purpose needs and that are missing; says what and why.
# usage: tools/deps.sh build|test|fuzz|bench|interop|cross
set -eu
cd "$(dirname "$0")/.."
purpose=${1:?build, test, fuzz, bench, interop or cross}

# package  purpose  why
packages() {
    cat <<'LIST'
gcc                  build    the compiler
libc6-dev            build    the C library's headers
meson                build    describes the build
ninja-build          build    runs the build
pkg-config           build    finds the libraries
libmicrohttpd-dev    build    HTTP server
libsqlite3-dev       build    the embedded store
libjansson-dev       build    reads JSON
libzstd-dev          build    reads .pgn.zst
zlib1g-dev           build    reads .pgn.gz, compresses replies
libarchive-dev       build    reads .zip uploads (its headers; the library is loaded with the first one)
nettle-dev           build    SHA-256
libcurl4-openssl-dev build    headers of the HTTP client (S3); the library is loaded only when it is used
librdkafka-dev       build    headers of the Kafka client; the library is loaded only when it is used
libpq-dev            build    PostgreSQL as the store (its header; the library is loaded when used)
python3              build    generators, demo and tests (standard library only)
zstd                 build    packs and unpacks the example games
nodejs               build    builds the web UI (any node from 18.20 on does, if there is one already)
npm                  build    gets what the web UI is made of
libcmocka-dev        build    the unit tests, which are built beside the program
pyflakes3            test     finds names in our Python that nobody defines
libxgboost0          test     runs the models of xgboost; the library is loaded only when one is served
libxgboost0          bench    trains the trees of rps-predict, and is their peer
clang-14             fuzz     libFuzzer
libclang-rt-14-dev   fuzz     libFuzzer's runtime
wrk                  bench    load generator for predict
stockfish            bench    peer: perft
pgn-extract          bench    peer: reading PGN
scid                 bench    peer: importing PGN
clang-14             interop  compiles all C as the second compiler
prometheus           interop  promtool checks /metrics, the server scrapes it
stockfish            interop  a UCI opponent for the served model, the engine of evaluations with suite acpl
postgresql           interop  the unit and HTTP suites run on it, too
pgbouncer            interop  a pool before PostgreSQL: what mode works, which is refused
postgresql           bench    imports and job claims beside the embedded store
curl                 interop  an HTTP client that is not ours
gcc-aarch64-linux-gnu  cross  compiles for 64-bit ARM
qemu-user            cross    runs what was compiled
python3-venv         interop  environments for python-chess and MLflow from PyPI
librdkafka1          interop  the Kafka client, loaded when Kafka is configured
maven                interop  gets Apache Kafka
default-jre-headless interop  runs it
chromium             interop  the browser that tests the web UI
faketime             interop  a wrong clock
iproute2             interop  networks of several machines on one
openssl              interop  a certificate nobody vouches for
LIST
}

wanted=$purpose
[ "$purpose" = build ] || wanted="build $purpose"
missing=
for p in $wanted; do
    for name in $(packages | awk -v p="$p" '$2 == p { print $1 }'); do
        case $name in
        nodejs | npm)
            # Node often comes from elsewhere, and Debian's would only stand in its way.
            command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && continue
            # A release archive brings the UI built.
            [ -f web/dist/index.html ] && continue
            ;;
        esac
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' && continue
        case " $missing " in *" $name "*) ;; *) missing="$missing $name" ;; esac
    done
done
[ -n "$missing" ] || exit 0

echo "skerry needs these Debian packages for '$purpose':"
for name in $missing; do
    packages | awk -v n="$name" '$1 == n { $1 = ""; $2 = ""; sub(/^ +/, ""); printf "  %-20s %s\n", n, $0; exit }'
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "This is not Debian: install what corresponds to them, then try again." >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "Run as root: apt-get install$missing" >&2; exit 1; }
    as_root=sudo
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086  # the list is words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds Grafana Loki 2.2.1, the last release under the Apache licence, into build/loki-peer/bin, to test what
# the outbox pushes. tests/interop/loki/go.mod says which source and which newer libraries today's Go needs.
# With the Go on the PATH when it is new enough, else with the one that PyPI has (Debian 12's is too old).
# usage: tools/loki-peer.sh VENV
set -eu
cd "$(dirname "$0")/.."
venv=${1:?the Python environment to install Go into}
peer=$PWD/build/loki-peer
wanted=$(cksum <tests/interop/loki/go.mod)
[ "$(cat "$peer/installed.txt" 2>/dev/null)" = "$wanted" ] && exit 0

go=$(tools/go.sh "$venv" 26)
rm -rf "$peer/module"
mkdir -p "$peer/bin" "$peer/module"
cp tests/interop/loki/go.mod "$peer/module"
echo "building Grafana Loki 2.2.1 (once, some minutes)"
(cd "$peer/module" && GOFLAGS=-mod=mod "$go" build -o "$peer/bin/loki" github.com/grafana/loki/cmd/loki)
echo "$wanted" >"$peer/installed.txt"

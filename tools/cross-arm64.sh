#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the whole program for 64-bit ARM, and runs the tests that have one thread in an emulator.
# The ARM libraries are Debian packages, unpacked into build-arm64/sysroot: nothing of them is
# installed on this machine, and its list of architectures stays as it is.
# usage: tools/cross-arm64.sh [meson test arguments]
set -eu
cd "$(dirname "$0")/.."
build=$PWD/${BUILD:-build}-arm64
sysroot=$build/sysroot
libraries="libc6-dev libmicrohttpd-dev libsqlite3-dev libjansson-dev libzstd-dev zlib1g-dev
    libarchive-dev nettle-dev libcurl4-openssl-dev librdkafka-dev libpq-dev libcmocka-dev"

# A second, private state of apt, in which nothing is installed: so it names every package needed.
fetch() {
    apt=$build/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    cat >"$apt/conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Debug::NoLocking "true";
CONF
    APT_CONFIG=$apt/conf apt-get -q update
    # shellcheck disable=SC2086 # a list of words
    APT_CONFIG=$apt/conf apt-get -q -y --no-install-recommends --download-only install $libraries
    mkdir -p "$sysroot.new"
    for package in "$apt"/cache/archives/*.deb; do
        dpkg -x "$package" "$sysroot.new"
    done
    mv "$sysroot.new" "$sysroot"
    rm -rf "$apt"
}

[ -d "$sysroot" ] || fetch
[ -f "$build/build.ninja" ] || {
    printf "[constants]\nsysroot = '%s'\n" "$sysroot" >"$build/sysroot.ini"
    meson setup "$build" --cross-file "$build/sysroot.ini" --cross-file tools/arm64.ini
}
ninja -C "$build"
file=$build/skerry
echo "$file: $(qemu-aarch64 -L "$sysroot" "$file" version | head -n 1)"
if [ $# -eq 0 ]; then
    set -- --suite single
fi
# An emulator is some ten times slower.
meson test -C "$build" --no-rebuild --timeout-multiplier 10 --print-errorlogs "$@"

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the web UI into web/dist when something that it is made of has changed; the build of the program takes it from there.
# Without Node (18.20 or newer) and npm it says so, and what is in web/dist (a release archive brings it) stays.
# usage: tools/web.sh [offline]    offline: never asks the registry; what was not installed before is not built
set -eu
cd "$(dirname "$0")/../web"
offline=${1:-}

# Names and contents of all that goes in.
inputs() {
    { find src -type f ! -path src/api/schema.d.ts | LC_ALL=C sort; ls index.html openapi.json package.json package-lock.json tsconfig.json vite.config.ts; } |
        xargs sha256sum | sha256sum | cut -d' ' -f1
}

say() {
    if [ -f dist/index.html ]; then
        echo "web UI: $1; web/dist is taken as it is"
    else
        echo "web UI: $1; the program will be without it (docs/web.md)"
    fi
    exit 0
}

wanted=$(inputs)
[ "$(cat dist/.inputs 2>/dev/null)" = "$wanted" ] && exit 0
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || say "there is no node or no npm"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 20) ? 0 : 1)' ||
    say "node $(node --version) is older than 18.20"

# The copy of the lock file is put there last: an installation that was left half-made is made again.
if ! cmp -s package-lock.json node_modules/.installed-lock.json; then
    [ "$offline" = offline ] && say "its packages are not installed (make build does that)"
    echo "web UI: npm ci"
    npm ci --no-audit --no-fund --loglevel=error || say "npm ci failed"
    cp package-lock.json node_modules/.installed-lock.json
fi
echo "web UI: vite build"
if ! npm run --silent build -- --logLevel warn; then
    [ -f dist/index.html ] || say "its build failed (above)"
    echo "web UI: its build failed (above), and web/dist is of older sources: repair them, or remove web/dist to go without" >&2
    exit 1
fi
echo "$wanted" >dist/.inputs

# SPDX-License-Identifier: GPL-3.0-or-later
# The front door: `make help` explains. The build itself is meson.build.
BUILD ?= build
NINJA ?= ninja
CC ?= cc
export SKERRY_BINARY ?= $(CURDIR)/$(BUILD)/skerry
export SKERRY_SHARED ?= $(abspath $(CURDIR)/../shared)

# What the web UI shows is in the program; web-dev serves it from the sources, for working on it.
.PHONY: all help deps build run demo web-dev screenshots test test-quick test-tsan fuzz bench cross-arm64 interop gate fmt lint new-app clean

all: build ## build the program (the default)

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install missing Debian packages (says what and why; sudo only when not root)
	@tools/deps.sh build

build: deps $(BUILD)/build.ninja ## build/skerry
	@tools/web.sh
	@$(NINJA) -C $(BUILD) skerry

$(BUILD)/build.ninja:
	@meson setup $(BUILD)

run: build ## start the server on SKERRY_HOME (default ~/.skerry) and API_PORT (default 8001)
	@$(SKERRY_BINARY) serve

web-dev: ## the web UI from its sources, on a running server (SKERRY_URL, default http://127.0.0.1:8001)
	@tools/web.sh
	@cd web && npm run dev

screenshots: build ## pictures of the pages of the web UI, with demo data, into docs/screenshots
	@tools/deps.sh interop
	@tools/interop.sh --prepare web
	@build/interop-venv/bin/python tests/interop/screenshots.py docs/screenshots

demo: build ## the main job on real games: import, dataset, train, evaluate, promote, serve, play
	@python3 tools/demo.py

test: ## every test that needs Debian packages only: unit, golden, HTTP, fuzz replay, tidy, and again under ASan+UBSan
	@tools/deps.sh test
	@tools/test.sh

test-quick: build ## unit and tidy tests only, without sanitizers
	@$(NINJA) -C $(BUILD) >/dev/null && meson test -C $(BUILD) --no-rebuild --suite unit --suite tidy --print-errorlogs

test-tsan: ## tests of all that has threads, under ThreadSanitizer
	@tools/deps.sh test
	@tools/test.sh tsan

fuzz: ## run every fuzz target for FUZZ_SECONDS (default 30) each
	@tools/deps.sh fuzz
	@tools/fuzz.sh

bench: build ## measure, beside the peers; some: make bench B="pgn-legal predict"
	@tools/deps.sh bench
	@python3 bench/bench.py $(B)

cross-arm64: ## build for 64-bit ARM, and run the tests of one thread in an emulator
	@tools/deps.sh cross
	@tools/cross-arm64.sh

interop: build ## against the real other side: promtool, python-chess, Stockfish over UCI, S3 servers, PostgreSQL, MLflow
	@$(NINJA) -C $(BUILD) # unit programs and the HTTP suite run on the real PostgreSQL and S3, too
	@tools/deps.sh interop
	@tools/interop.sh

gate: build ## every route and job of a running server is documented, measured, logged
	@tests/gate/gate.py

fmt: ## format the C files that differ from .clang-format
	@clang-format-14 -i $$(git ls-files '*.c' '*.h' ':!tools/new-app')

lint: ## clang-tidy over src
	@run-clang-tidy-14 -quiet -p $(BUILD) 'src/.*' 2>/dev/null

new-app: ## make new-app NAME=pond : copy a folder that already passes
	@tools/new-app.sh $(NAME)

clean: ## remove the build folders
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-arm64

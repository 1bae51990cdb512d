#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes web/openapi.json, from which the web UI's client is typed: what this build's /openapi.json says now.
A test (tests/http/test_ui.py) fails while the two differ. usage: tools/web-openapi.py"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "http"))
import harness  # noqa: E402


def text_of(document):
    """As it lies in the tree: a line for each thing, so that a change is a small difference."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    server = harness.Server()
    try:
        (ROOT / "web" / "openapi.json").write_text(text_of(server.get("/openapi.json").json()))
    finally:
        server.close()

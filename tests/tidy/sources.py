# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks share: which files there are, and C without its comments and strings."""
import os
import re

CODE_FOLDERS = ("src", "tests", "bench", "examples", "tools")
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "third_party"}


def files(root, folders, endings):
    """Paths relative to root, sorted, of files in those folders with those endings."""
    found = []
    for folder in folders:
        for base, names, entries in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS and not n.startswith("."))
            for entry in entries:
                if entry.endswith(endings):
                    found.append(os.path.relpath(os.path.join(base, entry), root))
    return sorted(found)


def nothing_there(root):
    """A finding when there is nothing to check: a wrong folder must not look like a tidy one."""
    return [] if files(root, ("src",), (".c", ".h")) else [f"{root}: no source files in src/"]


def text(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="surrogateescape", newline="") as f:
        return f.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare_c(source):
    """The source with comments and literals blanked out; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return TOKEN.sub(blank, source)


def comments_c(source):
    """The other half: comments only, everything else blanked out."""
    def keep(match):
        token = match.group()
        return token if token.startswith("/") else re.sub(r"[^\n]", " ", token)
    kept, end = [], 0
    for match in TOKEN.finditer(source):
        kept.append(re.sub(r"[^\n]", " ", source[end:match.start()]))
        kept.append(keep(match))
        end = match.end()
    return "".join(kept)


def lines_with(pattern, source):
    """(line number, match) of every match."""
    for match in pattern.finditer(source):
        yield source.count("\n", 0, match.start()) + 1, match

# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in the documentation: what is named is there and says in words what it shows, what `make screenshots` made is
named somewhere, and nothing is heavy.
"""
import os
import re

import sources

FOLDER = "docs/screenshots"
SIZE_MAX = 120 * 1000
ALL_MAX = 1000 * 1000
MARKDOWN = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
HTML = re.compile(r"<img\b[^>]*>")
ATTRIBUTE = re.compile(r"\b(src|alt)=\"([^\"]*)\"")


def named(source):
    """(line, words, address) of each picture; the words are empty where there are none."""
    for line, match in sources.lines_with(MARKDOWN, source):
        yield line, match.group(1), match.group(2)
    for line, match in sources.lines_with(HTML, source):
        attributes = dict(ATTRIBUTE.findall(match.group()))
        yield line, attributes.get("alt", ""), attributes.get("src", "")


def pages(root):
    readmes = [name for name in ("README.md", "web/README.md") if os.path.exists(os.path.join(root, name))]
    return readmes + sources.files(root, ("docs",), (".md",))


def check(root):
    findings, used = sources.nothing_there(root), set()
    for page in pages(root):
        for line, words, address in named(sources.text(root, page)):
            if address.startswith(("http:", "https:")):
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(page), address))
            used.add(path)
            if not os.path.isfile(os.path.join(root, path)):
                findings.append(f"{page}:{line}: {path} is not there; make screenshots?")
            if not words.strip():
                findings.append(f"{page}:{line}: {path} has no words for those who do not see it")
    sizes = {path: os.path.getsize(os.path.join(root, path)) for path in sources.files(root, (FOLDER,), ("",))}
    findings += [f"{path}: {size} bytes; at most {SIZE_MAX}" for path, size in sizes.items() if size > SIZE_MAX]
    findings += [f"{path}: no page shows it" for path in sizes if path not in used]
    if sum(sizes.values()) > ALL_MAX:
        findings.append(f"{FOLDER}: {sum(sizes.values())} bytes together; at most {ALL_MAX}")
    return findings

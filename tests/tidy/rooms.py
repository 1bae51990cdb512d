# SPDX-License-Identifier: GPL-3.0-or-later
"""Every room explains itself: a README of at most a page that names each file of the room, and no file
that is not there. A folder inside a room is named as a whole ('analytics/'). The same holds for the
folders beside src/ that people look into.
"""
import os
import re

import doors
import sources

README_LINES_MAX = 100
HALLS = ("bench", "data", "deploy", "docs", "examples", "include", "tests", "tools")  # beside src/
NAMED = re.compile(
    r"(?<![\w/.-])([a-z0-9_]+)\."
    r"(?:([ch])(?:/\.?([ch]))?(?![\w(])|(\[ch\]|\[hc\]|\{c,h\}|\{h,c\}))")


def names_in(readme):
    """File names that a README speaks of: 'a.c', 'a.h', and both for 'a.[ch]' or 'a.h/.c'."""
    names = set()
    for match in NAMED.finditer(readme):
        stem, first, second, both = match.groups()
        if both:
            names |= {stem + ".c", stem + ".h"}
        else:
            names.add(f"{stem}.{first}")
            if second:
                names.add(f"{stem}.{second}")
    return names


def rooms(root):
    """room -> (files directly in it, folders inside it)"""
    found = {}
    for path in sources.files(root, ("src",), (".c", ".h")):
        inner = path[len("src/"):]
        room = doors.room_of(inner)
        files, folders = found.setdefault(room, (set(), set()))
        rest = inner[len(room) + 1:]
        if "/" in rest:
            folders.add(rest.split("/")[0])
        else:
            files.add(rest)
    return found


def check_room(root, room, files, folders, everywhere):
    path = f"src/{room}/README.md"
    if not os.path.exists(os.path.join(root, path)):
        return [f"{path}: missing: the idea, the non-goals, one line per file"]
    readme = sources.text(root, path)
    findings = []
    lines = readme.count("\n")
    if lines > README_LINES_MAX:
        findings.append(f"{path}: {lines} lines; at most a page ({README_LINES_MAX})")
    named = names_in(readme)
    findings += [f"{path}: does not mention {name}" for name in sorted(files - named)]
    findings += [f"{path}: mentions {name}, which is nowhere" for name in sorted(named - everywhere)]
    for folder in sorted(folders):
        if f"{folder}/" not in readme:
            findings.append(f"{path}: does not mention the folder {folder}/")
    return findings


def check_hall(root, hall):
    """A folder beside src/: what lies directly in it is named, whatever it is."""
    path = f"{hall}/README.md"
    if not os.path.exists(os.path.join(root, path)):
        return [f"{path}: missing: the idea, one line per file"]
    readme = sources.text(root, path)
    names = []
    for name in sorted(os.listdir(os.path.join(root, hall))):
        if name in ("README.md", "meson.build") or name.startswith((".", "__")):
            continue
        names.append(name + "/" if os.path.isdir(os.path.join(root, hall, name)) else name)
    return [f"{path}: does not mention {name}" for name in names
            if not re.search(r"(?<![\w-])" + re.escape(name), readme)]


def check(root):
    everywhere = {os.path.basename(p) for p in sources.files(root, sources.CODE_FOLDERS, (".c", ".h"))}
    findings = sources.nothing_there(root)
    for room, (files, folders) in sorted(rooms(root).items()):
        findings += check_room(root, room, files, folders, everywhere)
    for hall in HALLS:
        if os.path.isdir(os.path.join(root, hall)):
            findings += check_hall(root, hall)
    return findings

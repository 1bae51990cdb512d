# SPDX-License-Identifier: GPL-3.0-or-later
"""Doors between rooms open one way: base <- engine, base <- platform, both <- apps <- main. Inside
engine and platform a room may use those that their meson.build names before it. Apps do not know each
other. Headers that say "Private to this room" stay there, and so do libraries that a room hides.
"""
import os
import re

import sources

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
SUBDIR = re.compile(r"^\s*subdir\('([^']+)'\)", re.M)
WINGS_SEEN_BY = {
    "base": ("base",),
    "engine": ("base", "engine"),
    "platform": ("base", "platform"),
    "apps": ("base", "engine", "platform", "apps"),
    "main": ("base", "engine", "platform", "apps", "main"),
}
# A library that one room hides behind its own interface.
HIDDEN = {
    "sqlite3.h": "platform/store",
    "microhttpd.h": "platform/http",
    "jansson.h": "base",
    "curl/curl.h": "platform/net",
    "librdkafka/rdkafka.h": "platform/outbox",
}


def room_of(path):
    """'platform/jobs' of 'platform/jobs/queue.c'; base and main are one room each."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in ("engine", "platform", "apps") else parts[0]


def room_order(root, wing):
    """Rooms of a wing, in the order in which they are built: a room may use those before it."""
    path = os.path.join("src", wing, "meson.build")
    if not os.path.exists(os.path.join(root, path)):
        return []
    return [f"{wing}/{name}" for name in SUBDIR.findall(sources.text(root, path))]


def is_private(root, path):
    return "Private to this room" in sources.text(root, path)[:1500] or path.endswith("_internal.h")


def wrong_door(room, target, order):
    wing, target_wing = room.split("/")[0], target.split("/")[0]
    if room == target:
        return None
    if target_wing not in WINGS_SEEN_BY.get(wing, ()):
        return f"{wing} does not know {target_wing}"
    if wing == "apps" and target_wing == "apps":
        return "an app never uses another app"
    if wing == target_wing and wing in ("engine", "platform"):
        rooms = order[wing]
        if room in rooms and target in rooms and rooms.index(target) > rooms.index(room):
            return f"{target} comes after {room} in src/{wing}/meson.build"
        for each in (room, target):
            if each not in rooms:
                return f"{each} is not in src/{wing}/meson.build"
    return None


def check_include(root, path, kind, target, order):
    """What is wrong with one include, or None."""
    room = room_of(path[len("src/"):])
    if kind == "<":
        owner = HIDDEN.get(target)
        return f"only {owner} may see <{target}>" if owner and owner != room else None
    where = os.path.join("src", target)
    if not os.path.exists(os.path.join(root, where)):
        return f'there is no src/{target}: includes are written from src/'
    problem = wrong_door(room, room_of(target), order)
    if problem:
        return f"{room} may not include {target}: {problem}"
    if room_of(target) != room and is_private(root, where):
        return f"{room} may not include {target}: it is private to {room_of(target)}"
    return None


def check(root):
    order = {wing: room_order(root, wing) for wing in ("engine", "platform")}
    findings = sources.nothing_there(root)
    for path in sources.files(root, ("src",), (".c", ".h")):
        source = sources.text(root, path)
        for line, match in sources.lines_with(INCLUDE, source):
            problem = check_include(root, path, match.group(1), match.group(2), order)
            if problem:
                findings.append(f"{path}:{line}: {problem}")
    return findings

# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the text of files: licence line, width, tabs, banned calls, notes to self, sizes."""
import re

import sources

LINE_MAX = 100
FILE_LINES_MAX = 800
FUNCTION_LINES_WISHED = 80
FUNCTION_LINES_MAX = 120
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
SPDX_EXAMPLES = "SPDX-License-Identifier: "  # examples may be given away more freely

# What to write instead is in docs and in base/.
BANNED = {
    "strcpy": "buf_add or snprintf", "strcat": "buf_add", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "strtok": "str_split", "atoi": "str_to_i64", "atol": "str_to_i64",
    "atoll": "str_to_i64", "atof": "str_to_f64", "gets": "fgets", "gmtime": "clock_iso",
    "localtime": "clock_iso", "ctime": "clock_iso", "asctime": "clock_iso", "tmpnam": "mkstemp",
    "alloca": "an arena",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
# A note for later needs an owner: TODO(#12).
NOTE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
FUNCTION_NAME = re.compile(r"(\w+)\s*\(")


def check_lines(path, source):
    for number, line in enumerate(source.split("\n"), 1):
        if path.endswith((".c", ".h")) and len(line) > LINE_MAX:
            yield f"{path}:{number}: {len(line)} columns; at most {LINE_MAX}"
        if "\t" in line:
            yield f"{path}:{number}: a tab"
        if line != line.rstrip():
            yield f"{path}:{number}: white space at the end"
    if source and not source.endswith("\n"):
        yield f"{path}: no newline at the end"


def check_licence(path, source):
    head = source.split("\n")[:3 if source.startswith("#!") else 1]
    wanted = SPDX_EXAMPLES if path.startswith("examples/") else SPDX
    if not any(wanted in line for line in head):
        yield f"{path}:1: the first line must carry '{wanted}'"


TABLE_BEGIN = re.compile(r"=\s*\{\s*$")
TABLE_END = re.compile(r"^\s*\};\s*$")


def table_lines(lines):
    """How many of these lines are rows of tables: data is not what makes a function hard to read."""
    count, is_inside = 0, False
    for line in lines:
        if is_inside and TABLE_END.match(line):
            is_inside = False
        count += is_inside
        is_inside = is_inside or bool(TABLE_BEGIN.search(line))
    return count


def functions(source):
    """(name, first line, lines) of every function: its braces stand alone in the first column."""
    lines = sources.bare_c(source).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and number > 1 and lines[number - 2].rstrip().endswith(")"):
            start = number
        elif line.rstrip() == "}" and start:
            head = start - 1
            while head > 1 and lines[head - 2].strip() and not lines[head - 2].rstrip().endswith((";", "}")):
                head -= 1
            name = FUNCTION_NAME.search(" ".join(lines[head - 1:start - 1]))
            count = number - start + 1 - table_lines(lines[start - 1:number])
            yield (name.group(1) if name else "?"), start, count
            start = None


def check_c(path, source):
    bare = sources.bare_c(source)
    for line, match in sources.lines_with(BANNED_CALL, bare):
        name = match.group(1)
        yield f"{path}:{line}: {name} is banned; use {BANNED[name]}"
    for line, match in sources.lines_with(NOTE, sources.comments_c(source)):
        yield f"{path}:{line}: {match.group(1)} without an owner, like {match.group(1)}(#12)"
    count = source.count("\n")
    if count > FILE_LINES_MAX:
        yield f"{path}: {count} lines; at most {FILE_LINES_MAX}: one file, one idea"
    for name, line, lines in functions(source):
        if lines > FUNCTION_LINES_MAX:
            yield f"{path}:{line}: {name} has {lines} lines; at most {FUNCTION_LINES_MAX}"


# Says that the compiler is wrong. What a call answers is written once, in `Replies` of web/src/api/types.ts.
DOUBLE_CAST = re.compile(r"\bas unknown as\b")


def check_web(path, source):
    for line, _ in sources.lines_with(DOUBLE_CAST, source):
        yield f"{path}:{line}: as unknown as; say in Replies what the call answers (web/README.md)"


def check(root):
    findings = sources.nothing_there(root)
    for path in sources.files(root, sources.CODE_FOLDERS, (".c", ".h", ".py", ".sh")):
        source = sources.text(root, path)
        findings += check_licence(path, source)
        findings += check_lines(path, source)
        if path.endswith((".c", ".h")):
            findings += check_c(path, source)
    for path in sources.files(root, ("web/src",), (".ts", ".tsx")):
        findings += check_web(path, sources.text(root, path))
    return findings


def long_functions(root):
    """Not an error, but worth a look."""
    found = []
    for path in sources.files(root, sources.CODE_FOLDERS, (".c",)):
        for name, line, lines in functions(sources.text(root, path)):
            if FUNCTION_LINES_WISHED < lines <= FUNCTION_LINES_MAX:
                found.append(f"{path}:{line}: {name} has {lines} lines")
    return found

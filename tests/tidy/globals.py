# SPDX-License-Identifier: GPL-3.0-or-later
"""No mutable globals: whatever lands in .data, .bss or thread-local sections of our libraries must be
on the list of exceptions, each with its reason. (.data.rel.ro is constant after loading.)
"""
import os
import re
import subprocess

SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+\s+(?:\.hidden )?(\S+)$")
MUTABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")
# gcc numbers statics of functions, and clang puts the function's name before them.
LOCAL = re.compile(r"\.\d+$")


def libraries(build):
    found = []
    for base, _, names in os.walk(os.path.join(build, "src")):
        found += [os.path.join(base, name) for name in names if name.endswith(".a")]
    return sorted(found)


def mutable_symbols(library):
    listing = subprocess.run(["objdump", "-t", library], capture_output=True, text=True)
    if listing.returncode:
        raise SystemExit(f"{library} cannot be read (left over from an older build? make clean): "
                         f"{listing.stderr.strip()[:200]}")
    for line in listing.stdout.split("\n"):
        match = SYMBOL.match(line)
        if not match:
            continue
        flags, section, name = match.groups()
        # Section symbols are marked d; thread-local and common things carry no mark of their own.
        is_thing = "O" in flags or ("d" not in flags and section.startswith((".t", "*COM*")))
        if is_thing and MUTABLE.match(section):
            yield LOCAL.sub("", name).split(".")[-1], section


def allowed(path):
    """(library, symbol) -> reason; every line needs one."""
    result = {}
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            place, _, reason = line.partition(": ")
            library, _, symbol = place.partition(" ")
            if not symbol or not reason.strip():
                raise SystemExit(f"{path}:{number}: write 'library symbol: reason'")
            result[library, symbol] = reason
    return result


def check(build, allow_path, libraries_min):
    found = libraries(build)
    if len(found) < libraries_min:
        return [f"{build}: only {len(found)} libraries are built; at least {libraries_min} are needed"]
    exceptions = allowed(allow_path)
    used, findings = set(), []
    for path in found:
        library = os.path.basename(path)[3:-2]
        for symbol, section in mutable_symbols(path):
            if (library, symbol) in exceptions:
                used.add((library, symbol))
            else:
                findings.append(f"lib{library}.a: '{symbol}' in {section} is a mutable global")
    for library, symbol in sorted(set(exceptions) - used):
        findings.append(f"{allow_path}: {library} {symbol} is not there any more: remove the line")
    return findings

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the files of a built web UI as an assembler file and a table in C.

usage: embed.py auto|enabled|disabled DIST OUT.S OUT.c DEPFILE

DIST is what `npm run build` leaves. A file NAME.br beside NAME is its brotli form; gzip is made here. With
'disabled', or with 'auto' and no DIST, the table is empty and the program says how to get the UI.
"""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".txt": "text/plain; charset=utf-8",
}
PACKED = (".html", ".js", ".css", ".svg", ".json", ".txt")
# Below this a compressed body saves no packet.
PACK_BYTES_MIN = 1024


def files_of(dist):
    """What is served, by path; a kind that has no type here is a mistake to say now."""
    for path in sorted(p for p in dist.rglob("*") if p.is_file() and p.suffix != ".br" and not p.name.startswith(".")):
        if path.suffix not in TYPES:
            raise SystemExit(f"embed.py: {path}: no content type is known for '{path.suffix}'")
        yield path.relative_to(dist).as_posix(), path


def smaller(packed, plain):
    """A form that is not smaller is none."""
    return packed if packed is not None and len(packed) < len(plain) else None


def bodies_of(path):
    plain = path.read_bytes()
    forms = {"plain": plain, "gzip": None, "brotli": None}
    if path.suffix in PACKED and len(plain) >= PACK_BYTES_MIN:
        # mtime 0: the same files make the same program.
        forms["gzip"] = smaller(gzip.compress(plain, 9, mtime=0), plain)
        brotli = path.with_name(path.name + ".br")
        forms["brotli"] = smaller(brotli.read_bytes() if brotli.exists() else None, plain)
    return forms


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.asm = ["/* Written by src/apps/web/embed.py. */", "    .section .rodata"]
        self.extern, self.rows, self.count = [], [], 0

    def body(self, form, data, digest):
        if data is None:
            return "{ 0 }"
        name = f"web_bytes_{self.count}"
        self.count += 1
        file = self.folder / f"{name}.bin"
        if not file.exists() or file.read_bytes() != data:
            file.write_bytes(data)
        self.asm += ["    .balign 16", f"    .globl {name}", f"    .hidden {name}", f"{name}:"]
        # An empty .incbin is an error of some assemblers.
        self.asm += [f'    .incbin "{file.resolve()}"'] if data else []
        self.extern.append(f"extern const char {name}[];")
        return f'{{ {name}, {len(data)}, "{digest}-{form[0]}" }}'

    def asset(self, path, file):
        forms = bodies_of(file)
        digest = hashlib.sha256(forms["plain"]).hexdigest()[:20]
        bodies = ", ".join(self.body(form, data, digest) for form, data in forms.items())
        self.rows.append(f'    {{ "{path}", "{TYPES[file.suffix]}", {bodies} }},')


def main():
    if len(sys.argv) != 6:
        raise SystemExit(__doc__)
    wanted, dist, out_asm, out_c, depfile = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
    is_there = (dist / "index.html").exists()
    if wanted == "enabled" and not is_there:
        raise SystemExit(f"embed.py: -Dweb=enabled, but there is no {dist}/index.html: tools/web.sh builds it")
    folder = out_asm.parent / (out_asm.stem + ".p")
    folder.mkdir(exist_ok=True)
    writer = Writer(folder)
    # The folder above changes when DIST comes or goes.
    inputs = [pathlib.Path(__file__), dist.parent]
    if is_there and wanted != "disabled":
        for path, file in files_of(dist):
            writer.asset(path, file)
        inputs += [p for p in dist.rglob("*") if p.is_file()]
        inputs += [dist, *(p for p in dist.rglob("*") if p.is_dir())]
    asm = writer.asm + ['    .section .note.GNU-stack,"",%progbits']
    table = ["/* Written by src/apps/web/embed.py. */", '#include "apps/web/assets.h"', "", *writer.extern, "",
             "const struct web_asset web_assets[] = {", *writer.rows, "    { 0 },", "};",
             f"const size_t web_asset_count = {len(writer.rows)};"]
    out_asm.write_text("\n".join(asm) + "\n")
    out_c.write_text("\n".join(table) + "\n")
    names = " ".join(str(p).replace(" ", "\\ ") for p in inputs)
    depfile.write_text(f"{out_asm} {out_c}: {names}\n")


if __name__ == "__main__":
    main()

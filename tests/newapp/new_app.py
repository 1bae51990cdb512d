#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make new-app` must give an app that works: made in a copy of the tree, compiled with the project's
warnings as errors, linked with this build's libraries, and tried by the test that comes with it.

usage: new_app.py SOURCE_ROOT BUILD_ROOT
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wvla", "-Wstrict-prototypes", "-Wmissing-prototypes",
            "-Wformat=2", "-Wswitch-enum", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
COPIED = ["meson.build", "tools/new-app.sh", "tools/new-app", "tests/http/harness.py", "src/main", "src/apps/chess/meson.build"]
LIBRARIES = ["nettle", "jansson", "sqlite3", "microhttpd", "zstd", "z", "archive", "dl", "m"]
NAME = "pond"


def run(*command, **options):
    print("+", " ".join(map(str, command)), flush=True)
    subprocess.run([str(c) for c in command], check=True, **options)


def main():
    source, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="skerry-new-app-") as folder:
        tree = pathlib.Path(folder)
        for name in COPIED:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, tree / name)
            else:
                shutil.copy(source / name, tree / name)
        run("sh", tree / "tools/new-app.sh", NAME)
        if not re.search(rf"^apps = \[.*, '{NAME}'\]", (tree / "meson.build").read_text(), re.M):
            raise SystemExit("the app is not in the list of meson.build")
        again = subprocess.run(["sh", tree / "tools/new-app.sh", NAME], stderr=subprocess.PIPE)
        if again.returncode != 2 or b"exists already" not in again.stderr:
            raise SystemExit("a second app of that name was not refused")
        run("sh", tree / "src/main/registry.sh", tree / "registry.c", "chess", NAME)
        binary = tree / "skerry"
        archives = sorted(build.glob("src/**/*.a"))
        run("cc", "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-DSKERRY_VERSION=\"test\"", "-DSKERRY_COMMIT=\"test\"", *WARNINGS,
            "-I", source / "src", tree / f"src/apps/{NAME}/app.c", tree / "registry.c", *(tree / "src/main").glob("*.c"),
            "-o", binary, "-Wl,--start-group", *archives, *("-l" + n for n in LIBRARIES), "-Wl,--end-group", "-pthread")
        run(sys.executable, f"test_{NAME}.py", cwd=tree / "tests/http", env=dict(os.environ, SKERRY_BINARY=str(binary)))


if __name__ == "__main__":
    main()

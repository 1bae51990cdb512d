# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in our Python that nobody defines, imports that nobody uses: found here in a second, in place of after half an hour
in the one suite that runs the line.
"""
import subprocess

import sources

FOLDERS = ("src", "tests", "tools", "bench")
CHECKER = "pyflakes3"


def check(root):
    findings = sources.nothing_there(root)
    scripts = sources.files(root, FOLDERS, (".py",))
    if not scripts:
        return findings
    try:
        done = subprocess.run([CHECKER, *scripts], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return [f"{CHECKER} is not installed: tools/deps.sh test"]
    said = (done.stdout + done.stderr).splitlines()
    return findings + (said if said or done.returncode == 0 else [f"{CHECKER} ended with {done.returncode}"])

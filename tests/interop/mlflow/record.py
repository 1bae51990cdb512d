# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the sessions against a real MLflow server through the recording proxy and writes the golden files.

    record.py [--suite 2.22|3] [--big] [--into FOLDER] [SESSION...]
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import golden
import proxy as proxies
import raw
import server as servers

HERE = pathlib.Path(__file__).resolve().parent


def now_ms():
    return int(time.time() * 1000)


def run_clients(suite, url, sessions, recorder=None, env=None):
    """The client sessions in the environment of a suite; their exit status."""
    settings = servers.quiet_env()
    # One retry instead of seven: an error of the server shall be seen in seconds, not minutes.
    settings.update(MLFLOW_TRACKING_URI=url, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", **(env or {}))
    if recorder:
        settings["MLFLOW_SESSION_RECORDER"] = recorder
    # From its own folder by its bare name: the name of the script becomes a tag of every run.
    return subprocess.run([servers.venv(suite) / "bin" / "python", "sessions.py", *sessions], cwd=HERE, env=settings,
                          stdin=subprocess.DEVNULL).returncode


def save(folder, suite, version, name, exchanges, since, fixed, big):
    names = golden.Names(since, now_ms() + 1000, fixed)
    lines = [golden.line_of(x, names) for x in exchanges]
    agents = {x.headers.get("user-agent") for x in exchanges}
    about = {"session": name, "server": version, "user_agent": sorted(a for a in agents if a)}
    if big:
        about["big"] = True
    golden.write(folder / suite / f"{name}.ndjson", about, lines)
    print(f"{suite}/{name}: {len(lines)} exchanges", flush=True)


def record(suite, sessions, big, folder):
    since = now_ms()
    with servers.Server(suite) as server, proxies.Proxy(server.url) as proxy:
        with urllib.request.urlopen(server.url + "/version") as reply:
            version = reply.read().decode()
        wanted = [s for s in sessions if s.startswith("client")]
        failed = 0
        if wanted or not sessions:
            failed = run_clients(suite, proxy.url, wanted, proxy.url)
        if big:
            failed |= run_clients(suite, proxy.url, ["client-90-big"], proxy.url)
        for name, play in raw.sessions(suite).items():
            if not sessions or name in sessions:
                proxy.begin(name)
                play(raw.Wire(proxy.url))
        fixed = {str(server.home): "<<home 0>>", proxy.url: "<<url 0>>", server.url: "<<url 0>>"}
        for name, exchanges in proxy.sessions.items():
            save(folder, suite, version, name, exchanges, since, fixed, name == "client-90-big")
        return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="*", metavar="SESSION")
    parser.add_argument("--suite", choices=servers.SUITES, action="append")
    parser.add_argument("--big", action="store_true", help="the session with gigabytes, too")
    parser.add_argument("--into", type=pathlib.Path, default=HERE / "golden")
    options = parser.parse_args()
    failed = 0
    for suite in options.suite or servers.SUITES:
        failed |= record(suite, options.sessions, options.big, options.into)
    return 1 if failed else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""The unmodified clients, 2.22 and 3, run their sessions against a server.

    clients.py URL-for-2.22 URL-for-3 [SESSION...]    two fresh servers: the sessions use the same names
    clients.py --suite 3 URL [SESSION...]             one of them
Exit status 1 if a session failed.
"""
import argparse
import sys

import record
import server as servers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=servers.SUITES)
    parser.add_argument("urls", nargs="+", metavar="URL or SESSION")
    options = parser.parse_args()
    urls = [u for u in options.urls if "://" in u]
    sessions = [u for u in options.urls if "://" not in u]
    suites = [options.suite] if options.suite else list(servers.SUITES)
    if len(urls) != len(suites):
        parser.error(f"a URL for each of {', '.join(suites)}")
    failed = 0
    for suite, url in zip(suites, urls):
        print(f"== MLflow client {suite} against {url}", flush=True)
        failed |= record.run_clients(suite, url.rstrip("/"), sessions)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

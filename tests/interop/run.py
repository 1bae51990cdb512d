# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the interop tests; the last line is "N passed, N failed"."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import world  # noqa: E402


class Told(unittest.TextTestResult):
    """What failed is told at once, not after the half hour that the others take."""

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.stream.writeln(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.stream.writeln(self.errors[-1][1])


def main():
    names = sys.argv[1:] or sorted(f.stem[len("test_"):] for f in HERE.glob("test_*.py"))
    suite = unittest.defaultTestLoader.loadTestsFromNames(["test_" + name for name in names])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Told).run(suite)
    if "browser" in sys.modules:
        sys.modules["browser"].Chromium.close()
    problems = world.World.close()
    for problem in problems:
        print(problem)
    # A skip counts as a failure: here the peer is the point.
    failed = len(result.failures) + len(result.errors) + len(result.skipped) + len(problems)
    passed = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
    print(f"{max(passed, 0)} passed, {failed} failed")
    return 1 if failed or passed <= 0 else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the unittest suites under python/ and writes the counts to the JSON file that is named."""

import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "python"
# libero/ is no package: its tools run by path, inside an environment that has another `libero`.
FOLDERS = (ROOT, ROOT / "libero")


def run(report: Path) -> int:
    suite = unittest.TestSuite()
    for folder in FOLDERS:
        sys.path.insert(0, str(folder))
        loader = unittest.TestLoader()
        suite.addTests(loader.discover(str(folder), "test_*.py", top_level_dir=str(folder)))
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    report.write_text(json.dumps({"passed": passed, "failed": failed}))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))

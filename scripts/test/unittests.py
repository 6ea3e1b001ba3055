"""Runs the unittest suites under python/ and writes the counts to the JSON file that is named."""

import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "python"


def run(report: Path) -> int:
    sys.path.insert(0, str(ROOT))
    suite = unittest.defaultTestLoader.discover(str(ROOT), "test_*.py", top_level_dir=str(ROOT))
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    report.write_text(json.dumps({"passed": passed, "failed": failed}))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))

"""What an export that is killed leaves, and who removes it."""

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from . import artefact, export
from .partial import partial_folder, remove_abandoned
from .test_support import FIXTURES, ExportTest, leftovers

# The process kills itself where the program has been written and policy.json is about to be.
KILLED = """
import os, signal, sys
from pi0 import artefact, export
hashing = artefact.file_sha256
def dying(path):
    if path.name == "policy.pt":
        os.kill(os.getpid(), signal.SIGKILL)
    return hashing(path)
artefact.file_sha256 = dying
export.main(sys.argv[1:])
"""


class Killed(ExportTest):
    def test_it_leaves_no_policy_and_the_next_export_clears_up(self) -> None:
        out = self.folder / "policy"
        argv = ["--checkpoint", str(FIXTURES / "openpi"), "--out", str(out)]
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", KILLED, *argv],
            cwd=Path(export.__file__).parents[1],
            capture_output=True,
        )
        self.assertEqual(run.returncode, -signal.SIGKILL, run.stderr)
        self.assertFalse(out.exists())
        (left,) = leftovers(self.folder)
        self.assertEqual(os.listdir(self.folder / left), ["policy.pt"])

        self.export(FIXTURES / "openpi")
        self.assertEqual(leftovers(self.folder), [])
        self.assertIn(left, self.said)
        self.assertEqual(artefact.load(out)[1]["horizon"], 6)


class Abandoned(ExportTest):
    def test_a_folder_that_an_export_holds_stays(self) -> None:
        out = self.folder / "policy"
        with partial_folder(out) as parts:
            self.assertEqual(remove_abandoned(out), [])
            self.assertTrue(parts.is_dir())
        self.assertEqual(leftovers(self.folder), [])

    def test_what_is_not_of_this_policy_stays(self) -> None:
        others = [".policy.x.partial", ".policy2.1.partial", "policy.1.partial", ".policy.1"]
        for name in [*others, ".policy.1.partial"]:
            (self.folder / name).mkdir()
        (self.folder / ".policy.2.partial").symlink_to(self.folder / ".policy.1")
        (self.folder / ".policy.3.partial").write_text("a file")
        removed = remove_abandoned(self.folder / "policy")
        self.assertEqual(removed, [self.folder / ".policy.1.partial"])
        found = sorted(os.listdir(self.folder))
        self.assertEqual(found, sorted([*others, ".policy.2.partial", ".policy.3.partial"]))

    def test_a_place_that_is_not_there_has_none(self) -> None:
        self.assertEqual(remove_abandoned(self.folder / "nowhere" / "policy"), [])


if __name__ == "__main__":
    unittest.main()

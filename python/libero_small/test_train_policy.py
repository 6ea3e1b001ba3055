"""The small LIBERO policy's training, on a recording made up here; it needs no LIBERO."""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from pi0 import artefact
from pi0.safetensors_file import write_tensors

from . import train_policy

PROMPTS = {"0": "pick up the black bowl", "2": "pick up the other"}


def shard(task: int, errand: int, opening: list[float]) -> dict[str, np.ndarray]:
    """One episode with a frame every second step; the fingers' distance in metres at each."""
    frames = len(opening)
    state = np.zeros((frames, 8), np.float32)
    state[:, 6] = np.array(opening) / 2
    state[:, 7] = -state[:, 6]
    rng = np.random.default_rng(task)
    return {
        "main": rng.integers(0, 256, (frames, 64, 64, 3), np.uint8),
        "wrist": rng.integers(0, 256, (frames, 64, 64, 3), np.uint8),
        "state": state,
        "actions": rng.uniform(-1, 1, (frames, 8, 7)).astype(np.float32),
        "task": np.full(frames, task, np.int32),
        "errand": np.full(frames, errand, np.int32),
        "episode": np.full(frames, 5, np.int32),
        "step": 2 * np.arange(frames, dtype=np.int32),
    }


OPENING = [0.08, 0.08, 0.02, 0.005, 0.005, 0.06]


class Teaches(unittest.TestCase):
    def test_all_of_the_target_and_the_other_bowl_until_it_is_held(self):
        self.assertTrue(train_policy.teaches(shard(0, 0, OPENING)).all())
        kept = train_policy.teaches(shard(0, 1, OPENING)).tolist()
        self.assertEqual(kept, [True, True, True, False, False, False])

    def test_the_whole_of_an_episode_in_which_nothing_is_held(self):
        self.assertTrue(train_policy.teaches(shard(0, 1, [0.08, 0.07])).all())


class Command(unittest.TestCase):
    def test_writes_a_policy_that_says_what_made_it(self):
        with tempfile.TemporaryDirectory() as root:
            folders = []
            for name, task, errand in (("a", 0, 0), ("b", 2, 1)):
                folder = Path(root) / name
                folder.mkdir()
                tensors = shard(task, errand, OPENING)
                write_tensors(
                    folder / "one.safetensors",
                    {name: torch.from_numpy(values) for name, values in tensors.items()},
                )
                shards = [{"file": "one.safetensors", "task": task, "frames": 6}]
                manifest = {"seed": task, "prompts": {str(task): PROMPTS[str(task)]}}
                text = json.dumps({**manifest, "shards": shards})
                (folder / "demonstrations.json").write_text(text)
                folders.append(str(folder))
            out = Path(root) / "policy"
            words = ["train_policy", "--demonstrations", *folders]
            words += ["--out", str(out), "--steps", "2"]
            with mock.patch.object(sys, "argv", words), mock.patch.object(sys, "stderr"):
                train_policy.main()
            _, policy = artefact.load(out)
        self.assertEqual(policy["cameras"], ["main", "wrist"])
        self.assertEqual(policy["horizon"], 8)
        self.assertEqual(list(policy["prompts"]), list(PROMPTS.values()))
        self.assertEqual({len(ids) for ids in policy["prompts"].values()}, {6})
        provenance = policy["provenance"]
        self.assertEqual(provenance["frames"], 9)
        self.assertEqual(provenance["demonstrations"], [{"seed": 0}, {"seed": 2}])
        self.assertIn("--steps 2", provenance["command"])


if __name__ == "__main__":
    unittest.main()

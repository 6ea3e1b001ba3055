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
        "objects": np.tile(np.float32([[0.3, 0, 0], [0.2, 0, 0], [0, 0, 0]]), (frames, 1, 1)),
        "actions": rng.uniform(-1, 1, (frames, 8, 7)).astype(np.float32),
        "task": np.full(frames, task, np.int32),
        "errand": np.full(frames, errand, np.int32),
        "episode": np.full(frames, 5, np.int32),
        "step": 2 * np.arange(frames, dtype=np.int32),
    }


OPENING = [0.08, 0.08, 0.02, 0.005, 0.005, 0.06]


class FrameWeights(unittest.TestCase):
    def test_the_first_and_the_last_steps_are_drawn_twice_as_often(self):
        frames = shard(0, 0, [0.08] * 40)  # of steps 0 to 78
        weights = train_policy.frame_weights(frames)
        self.assertEqual(weights.tolist(), [2.0] * 4 + [1.0] * 24 + [2.0] * 12)

    def test_each_episode_has_its_own_end(self):
        frames = shard(0, 0, [0.08] * 40)
        frames["episode"][:20] = 4
        frames["step"][20:] -= 40
        weights = train_policy.frame_weights(frames).tolist()
        self.assertEqual(weights[:20], weights[20:])
        self.assertEqual(weights[:20], [2.0] * 4 + [1.0] * 4 + [2.0] * 12)

    def test_a_bowl_in_the_air_near_the_plate_counts_most(self):
        for errand in (0, 1):
            frames = shard(0, errand, [0.08] * 40)
            frames["objects"][20:, errand] += [0, 0, 0.1]  # lifted, far from the plate
            frames["objects"][24:, errand, :2] = [0.07, 0]
            frames["objects"][:4, 1 - errand] = [0.0, 0, 0.1]  # the other one is no matter
            weights = train_policy.frame_weights(frames).tolist()
            expected = [2.0] * 4 + [1.0] * 20 + [train_policy.PLACING_WEIGHT] * 16
            self.assertEqual(weights, expected)

    def test_frames_on_the_way_to_the_target_can_weigh_more(self):
        target, other = (shard(0, errand, [0.08] * 40) for errand in (0, 1))
        plain = train_policy.frame_weights(target)
        np.testing.assert_array_equal(train_policy.frame_weights(target, 3.0), 3 * plain)
        np.testing.assert_array_equal(train_policy.frame_weights(other, 3.0), plain)


class Hints(unittest.TestCase):
    def test_say_where_things_are_in_the_world_and_from_the_hand_in_centimetres(self):
        frames = shard(0, 0, OPENING)
        frames["state"][:, :3] = [0.1, 0.2, 1.0]
        frames["objects"][:, 1] = [0.3, 0.1, 0.9]
        told = train_policy.hints(frames)
        self.assertEqual(told.shape, (6, 18))
        np.testing.assert_allclose(told[:, 3:6], [[30, 10, 90]] * 6, rtol=1e-6)
        np.testing.assert_allclose(told[:, 12:15], [[20, -10, -10]] * 6, rtol=1e-5)


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
            first = policy["normalization"]
            words += ["--start", str(out)]
            words[words.index(str(out))] = str(Path(root) / "further")
            with mock.patch.object(sys, "argv", words), mock.patch.object(sys, "stderr"):
                train_policy.main()
            _, further = artefact.load(Path(root) / "further")
        self.assertEqual(further["normalization"], first)
        self.assertEqual(further["provenance"]["start"], policy["provenance"])
        self.assertEqual(policy["cameras"], ["main", "wrist"])
        self.assertEqual(policy["horizon"], 8)
        self.assertEqual(list(policy["prompts"]), list(PROMPTS.values()))
        self.assertEqual({len(ids) for ids in policy["prompts"].values()}, {6})
        provenance = policy["provenance"]
        self.assertEqual(provenance["frames"], 12)
        self.assertEqual(provenance["demonstrations"], [{"seed": 0}, {"seed": 2}])
        self.assertIn("--steps 2", provenance["command"])


if __name__ == "__main__":
    unittest.main()

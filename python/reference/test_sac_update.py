"""python -m unittest reference.test_sac_update"""

import tempfile
import unittest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .config import Config
from .hand_update import HandLearner, Row, Weights
from .make_case import Draws, make_agent, make_batch, make_target
from .sac_update import ReferenceLearner
from .safetensors_io import read_tensors, write_tensors

TINY: dict[str, Any] = {
    "image_size": 4, "image_channels": [2, 2], "image_kernels": [3, 2], "image_strides": [1, 2],
    "image_latent_dim": 3, "state_dim": 3, "state_latent_dim": 2, "noise_dim": 2,
    "hidden_dims": [4, 3], "num_q_heads": 2, "target_entropy": -1.0, "gamma": 0.9, "tau": 0.1,
    # Adam's first step is the sign of the gradient alone unless eps counts.
    "adam_eps": 0.01, "actor_lr": 0.01, "critic_lr": 0.02, "alpha_lr": 0.03,
}


def flat(tensors: dict[str, Tensor]) -> Weights:
    return {name: tensor.double().reshape(-1).tolist() for name, tensor in tensors.items()}


def rows_of(batch: dict[str, Tensor]) -> list[Row]:
    lists = {name: tensor.flatten(1) if tensor.dim() > 1 else tensor
             for name, tensor in batch.items()}
    lists = {name: tensor.tolist() for name, tensor in lists.items()}
    return [{name: values[i] for name, values in lists.items()}
            for i in range(len(batch["rewards"]))]


class HandUpdateTest(unittest.TestCase):
    """Two updates in float64 against plain Python with gradients by differences."""

    def check(self, seed: int, **changes: Any) -> None:
        config, draws = Config(**TINY | changes), Draws(seed)
        agent = make_agent(config, draws)
        target = make_target(agent, draws)
        reference = ReferenceLearner(config, agent, target, dtype=torch.float64)
        hand = HandLearner(config, flat(agent), flat(target))
        for index in range(2):
            batch = make_batch(index, 3, config, draws)
            found, expected = reference.update(index, batch), hand.update(index, rows_of(batch))
            self.assertEqual(set(found), set(expected))
            for key, value in expected.items():
                self.assertAlmostEqual(found[key], value, delta=1e-7 * max(1, abs(value)), msg=key)
        weights = reference.actor.state_dict() | reference.critic.state_dict()
        self.compare(weights, hand.weights, flat(agent))
        self.compare(reference.target.state_dict(), hand.target, flat(target))

    def compare(self, found: dict[str, Tensor], expected: Weights, start: Weights) -> None:
        moved = 0
        for name, values in flat(found).items():
            for value, want, before in zip(values, expected[name], start[name]):
                self.assertAlmostEqual(value, want, delta=1e-7, msg=name)
                moved += abs(want - before) > 1e-4
        self.assertGreater(moved, 100)

    def test_defaults(self) -> None:
        self.check(1)

    def test_entropy_in_the_target_and_binding_clips(self) -> None:
        self.check(2, backup_entropy=True, noise_magnitude=2.5, critic_clip=0.5, actor_clip=0.1,
                   alpha_clip=0.2)

    def test_min_exp_always_delayed(self) -> None:
        self.check(3, agg_q="min", actor_agg_q="min", alpha_type="exp", bootstrap_type="always",
                   train_actor_steps=1, target_update_freq=2)

    def test_fixed_alpha_without_images(self) -> None:
        self.check(4, alpha_type="fixed_alpha", initial_alpha=0.2, image_size=0)


class LearnerTest(unittest.TestCase):
    def test_parameter_counts_of_the_defaults(self) -> None:
        learner = ReferenceLearner(Config(), make_agent(Config(), Draws(0)))
        count = {net: sum(p.numel() for p in getattr(learner, net).parameters())
                 for net in ("actor", "critic")}
        self.assertEqual(count, {"actor": 2_185_248, "critic": 2_671_978})

    def test_alpha_follows_from_initial_alpha(self) -> None:
        for alpha_type, base in (("softplus", 0.541325), ("exp", 0.0)):
            config = Config(**TINY | {"alpha_type": alpha_type})
            agent = make_agent(config, Draws(0))
            del agent["entropy_temp.base_alpha"]
            learner = ReferenceLearner(config, agent)
            self.assertAlmostEqual(learner.base_alpha.item(), base, places=5)
            self.assertAlmostEqual(learner.alpha().item(), 1.0, places=6)


class SafetensorsTest(unittest.TestCase):
    def test_what_is_written_is_read(self) -> None:
        tensors = {
            "scalar": torch.tensor(1.5),
            "bytes": torch.arange(6, dtype=torch.uint8).reshape(1, 2, 3),
            "counts": torch.tensor([-1, 2**40]),
            "matrix": torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T,
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.safetensors"
            write_tensors(path, tensors)
            found = read_tensors(path)
        self.assertEqual(set(found), set(tensors))
        for name, tensor in tensors.items():
            self.assertEqual(found[name].dtype, tensor.dtype)
            self.assertTrue(torch.equal(found[name], tensor), name)


if __name__ == "__main__":
    unittest.main()

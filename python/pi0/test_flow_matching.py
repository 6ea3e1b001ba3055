"""What the small policies are trained on: the target of the flow, its time, and moved pictures."""

import contextlib
import io
import unittest

import numpy as np
import torch
from torch import Tensor

from .flow_matching import (
    ACTION_DIM,
    Frames,
    HintReader,
    Schedule,
    draw_noise,
    flow_loss,
    frame_statistics,
    learning_rate,
    read_prefix,
    shifted,
    train,
)
from .model import Pi0, Pi0Config


class Oracle:
    """In Pi0's place: knows the clean actions [B,H,D], answers with `scale` of the true flow."""

    def __init__(self, actions: Tensor, scale: float = 1.0):
        self.actions, self.scale = actions, scale

    def prefix(self, images: Tensor, seen: Tensor, tokens: Tensor, mask: Tensor):
        self.images, self.seen = images, seen
        batch = len(images)
        return torch.ones(batch, 4, dtype=torch.bool), *torch.zeros(2, 1, batch, 1, 4, 2)

    def denoise_step(self, state: Tensor, pad, K, V, x_t: Tensor, t: Tensor) -> Tensor:
        draws = len(x_t) // len(self.actions)
        clean = self.actions.repeat_interleave(draws, 0)
        self.t = t
        # x_t = t noise + (1 - t) actions, so that noise - actions is (x_t - actions) / t.
        return self.scale * (x_t - clean) / t[:, None, None]


def case() -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    pictures = torch.full((3, 2, 8, 8, 3), 255, dtype=torch.uint8)
    tokens = torch.zeros(3, 2, dtype=torch.long)
    return pictures, torch.zeros(3, 32), torch.randn(3, 4, 32), [tokens, tokens.bool()]


def loss_of(model, pictures, states, actions, prompt, draws) -> Tensor:
    schedule = Schedule(1, 1e-3, draws=draws)
    return flow_loss(model, read_prefix(model, pictures, prompt), states, actions, schedule)


class DrawNoise(unittest.TestCase):
    def test_is_the_samplers_own_where_none_is_tiled(self):
        torch.manual_seed(3)
        drawn = draw_noise(torch.empty(4, 8, 32), 0.0)
        torch.manual_seed(3)
        self.assertTrue(torch.equal(drawn, torch.randn(4, 8, 32)))

    def test_is_one_row_for_the_fraction_that_is_asked_for(self):
        torch.manual_seed(0)
        drawn = draw_noise(torch.empty(4000, 8, 32), 0.5)
        tiled = (drawn == drawn[:, :1]).flatten(1).all(1)
        self.assertAlmostEqual(tiled.float().mean().item(), 0.5, delta=0.03)
        small = drawn.abs().amax((1, 2)) <= 1  # 32 normal numbers never are
        self.assertFalse((small & ~tiled).any())
        self.assertAlmostEqual(small[tiled].float().mean().item(), 0.5, delta=0.05)
        normal = drawn[~small]
        self.assertAlmostEqual(normal.mean().item(), 0, delta=0.01)
        self.assertAlmostEqual(normal.std().item(), 1, delta=0.01)
        uniform = drawn[small]
        self.assertAlmostEqual(uniform.std().item(), 3**-0.5, delta=0.01)


class FlowLoss(unittest.TestCase):
    def test_is_zero_for_the_true_flow_from_noise_to_actions(self):
        torch.manual_seed(0)
        pictures, states, actions, prompt = case()
        oracle = Oracle(actions)
        self.assertLess(loss_of(oracle, pictures, states, actions, prompt, 5).item(), 1e-6)
        self.assertEqual(oracle.images.shape, (3, 2, 3, 8, 8))
        self.assertEqual(oracle.images.unique().tolist(), [1.0])
        self.assertTrue((oracle.t > 0).all() and (oracle.t <= 1).all())

    def test_is_not_for_the_flow_the_other_way_nor_for_none(self):
        pictures, states, actions, prompt = case()
        for scale in (-1.0, 0.0):
            oracle = Oracle(actions, scale)
            self.assertGreater(loss_of(oracle, pictures, states, actions, prompt, 5).item(), 0.5)

    def test_weighs_what_is_padded_less(self):
        torch.manual_seed(0)
        pictures, states, actions, prompt = case()

        class Blind(Oracle):
            def denoise_step(self, state, pad, K, V, x_t, t):
                flow = super().denoise_step(state, pad, K, V, x_t, t)
                flow[..., self.wrong] += 1
                return flow

        for wrong, expected in ((slice(0, ACTION_DIM), 0.9), (slice(ACTION_DIM, None), 0.1)):
            blind = Blind(actions)
            blind.wrong = wrong
            loss = loss_of(blind, pictures, states, actions, prompt, 2).item()
            self.assertAlmostEqual(loss, expected, places=4)


class Shifted(unittest.TestCase):
    def test_moves_each_picture_on_its_own_and_repeats_its_edge(self):
        pictures = torch.randint(0, 256, (2, 2, 6, 6, 3), dtype=torch.uint8)
        torch.manual_seed(1)
        moved = shifted(pictures, 2)
        torch.manual_seed(1)
        offsets = torch.randint(-2, 3, (2, 2, 2, 1))[..., 0].tolist()
        for b, n, y, x in torch.cartesian_prod(*map(torch.arange, (2, 2, 6, 6))).tolist():
            down, right = offsets[b][n]
            source = pictures[b, n, min(5, max(0, y + down)), min(5, max(0, x + right))]
            self.assertEqual(moved[b, n, y, x].tolist(), source.tolist())

    def test_leaves_them_where_they_are_without_a_shift(self):
        pictures = torch.randint(0, 256, (2, 1, 4, 4, 3), dtype=torch.uint8)
        self.assertIs(shifted(pictures, 0), pictures)


TINY = Pi0Config(
    image_size=8,
    patch_size=4,
    vision_width=16,
    vision_layers=1,
    vision_heads=2,
    vision_mlp=16,
    language_width=16,
    language_mlp=16,
    vocabulary=4,
    expert_width=16,
    expert_mlp=16,
    layers=2,
    heads=2,
    head_dim=8,
    horizon=2,
)


class Hints(unittest.TestCase):
    def test_teach_what_the_expert_reads(self):
        torch.manual_seed(0)
        pictures, _, _, prompt = case()
        model, reader = Pi0(TINY), HintReader(TINY, cameras=2, tokens=2, hints=3)
        _, _, V = read_prefix(model, pictures, prompt)
        reader.loss(V, torch.ones(3, 3)).backward()
        tower = model.vision_tower.embeddings.patch_embedding.weight
        self.assertGreater(tower.grad.abs().max().item(), 0)

    def test_are_not_part_of_the_policy(self):
        frames = Frames(
            pictures=np.zeros((4, 2, 8, 8, 3), np.uint8),
            states=np.zeros((4, 8), np.float32),
            actions=np.ones((4, 2, 7), np.float32),
            weights=np.ones(4),
            prompts=np.zeros(4, np.int64),
            tokens=np.zeros((1, 2), np.int64),
            token_mask=np.ones((1, 2), bool),
            hints=np.ones((4, 3), np.float32),
        )
        with contextlib.redirect_stderr(io.StringIO()):
            model, _ = train(TINY, frames, frame_statistics(frames), Schedule(2, 1e-3))
        self.assertEqual(set(model.state_dict()), set(Pi0(TINY).state_dict()))


class LearningRate(unittest.TestCase):
    def test_rises_over_a_hundred_steps_and_falls_to_zero(self):
        rates = [learning_rate(step, 1000, 2.0) for step in range(1001)]
        self.assertAlmostEqual(rates[0], 0.02)
        self.assertAlmostEqual(max(rates), 2.0, places=2)
        self.assertEqual(rates.index(max(rates)), 99)
        self.assertAlmostEqual(rates[550], 1.0, places=2)
        self.assertAlmostEqual(rates[1000], 0.0)


if __name__ == "__main__":
    unittest.main()

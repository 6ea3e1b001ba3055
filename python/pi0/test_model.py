"""Pi0 against LeRobot's recorded actions: python -m unittest pi0.test_model (from python/)."""

import json
import unittest
import warnings
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import artefact, checkpoint
from .model import Pi0, Pi0Config
from .test_support import FIXTURES, STEPS, TOLERANCE, case, relative, tensors_of


class AgainstLeRobot(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.set_grad_enabled(False)
        recorded = json.loads((FIXTURES / "recorded.json").read_text())
        cls.config = Pi0Config(**recorded["sizes"])
        cls.x, actions = case(5)
        cls.weights = checkpoint.to_pi0(tensors_of("lerobot"))
        cls.expected = {n: actions[f"lerobot.{n}"] for n in STEPS}

    @classmethod
    def tearDownClass(cls) -> None:
        torch.set_grad_enabled(True)

    def model(self) -> Pi0:
        model = Pi0(self.config).eval()
        model.load_state_dict(self.weights, strict=True)
        return model

    def error(self, model: nn.Module, steps: int = 4) -> float:
        return relative(model(*self.x, steps), self.expected[steps])

    def test_eager_and_scripted_agree(self) -> None:
        for model in (self.model(), torch.jit.script(self.model())):
            for steps in (1, 4, 10):
                self.assertLess(self.error(model, steps), TOLERANCE)

    def test_two_calls_give_the_same(self) -> None:
        model = torch.jit.script(self.model())
        first = model(*self.x, 4)
        for _ in range(3):
            self.assertTrue(torch.equal(model(*self.x, 4), first))

    def test_the_methods_compose(self) -> None:
        model = torch.jit.script(self.model())
        images, seen, tokens, token_mask, state, noise = self.x
        pad, K, V = model.prefix(images, seen, tokens, token_mask)
        c, B = self.config, len(images)
        P = images.size(1) * (c.image_size // c.patch_size) ** 2 + tokens.size(1)
        self.assertEqual(pad.shape, (B, P))
        self.assertEqual(K.shape, (c.layers, B, c.kv_heads, P, c.head_dim))
        x = noise
        for i in range(4):
            t = torch.full((B,), 1 - i / 4)
            x = x - 0.25 * model.denoise_step(state, pad, K, V, x, t)
        self.assertTrue(torch.equal(x, model.sample_from_prefix(state, pad, K, V, noise, 4)))
        self.assertTrue(torch.equal(x, model(*self.x, 4)))

    def test_what_is_masked_is_not_seen(self) -> None:
        images, seen, tokens, token_mask, state, noise = self.x
        self.assertFalse(seen.all() or token_mask.all())
        images = torch.where(seen[:, :, None, None, None], images, -images)
        tokens = torch.where(token_mask, tokens, 0)
        actions = self.model()(images, seen, tokens, token_mask, state, noise, 4)
        self.assertLess(relative(actions, self.expected[4]), TOLERANCE)

    def test_a_sample_does_not_depend_on_its_batch(self) -> None:
        alone = self.model()(*[value[1:2] for value in self.x], 4)
        self.assertLess(relative(alone, self.expected[4][1:2]), TOLERANCE)

    def test_float32_time_is_its_own_convention(self) -> None:
        config = Pi0Config(**{**vars(self.config), "time_convention": "float32"})
        model = Pi0(config).eval()
        model.load_state_dict(self.weights)
        difference = relative(model(*self.x, 10), self.expected[10])
        self.assertLess(difference, 1e-4)
        self.assertGreater(difference, 0)

    def test_towers_may_be_cast_to_bfloat16(self) -> None:
        model = self.model()
        for tower in (model.language_model, model.gemma_expert, model.vision_tower.encoder):
            for module in tower.modules():
                if isinstance(module, (nn.Linear, nn.Embedding)):
                    module.to(torch.bfloat16)
        error = self.error(torch.jit.script(model))
        self.assertLess(error, 5e-2)
        self.assertGreater(error, TOLERANCE)

    def test_planted_mistakes_break_the_agreement(self) -> None:
        real_step, real_gelu = Pi0.denoise_step, F.gelu

        def flow_sign(self: Pi0, *args: Tensor) -> Tensor:
            return -real_step(self, *args)

        def time_reversed(self: Pi0, *args: Tensor) -> Tensor:
            return real_step(self, *args[:-1], 1 - args[-1])

        def erf_gelu(x: Tensor, approximate: str) -> Tensor:
            return real_gelu(x)

        for step in (flow_sign, time_reversed):
            with self.subTest(step.__name__), mock.patch.object(Pi0, "denoise_step", step):
                self.assertGreater(self.error(self.model()), TOLERANCE)
        with self.subTest("erf gelu"), mock.patch("pi0.model.F.gelu", erf_gelu):
            self.assertGreater(self.error(self.model()), TOLERANCE)
        with self.subTest("state sees actions"):
            model = self.model()
            model.suffix_mask.fill_(True)
            self.assertGreater(self.error(model), TOLERANCE)
        with self.subTest("no sqrt(width)"):
            model = self.model()
            model.language_model.scale = 1.0
            self.assertGreater(self.error(model), TOLERANCE)


class Sizes(unittest.TestCase):
    def test_the_defaults_are_the_real_pi0(self) -> None:
        with torch.device("meta"):
            model = Pi0(Pi0Config())
        millions = sum(p.numel() for p in model.parameters()) / 1e6
        self.assertAlmostEqual(millions, 3238.05, delta=0.1)

    def test_sizes_that_do_not_fit_are_refused(self) -> None:
        for bad in ({"patch_size": 15}, {"kv_heads": 3}, {"time_convention": "float16"}):
            with self.assertRaises(ValueError), torch.device("meta"):
                Pi0(Pi0Config(**bad))


class Checkpoints(unittest.TestCase):
    def test_names_of_each_flavour(self) -> None:
        vlm = "paligemma_with_expert.paligemma."
        one = torch.ones(1)
        for prefix in ("", "model."):
            for level in ("", "vision_model."):
                names = {
                    f"{prefix}{vlm}model.vision_tower.{level}post_layernorm.bias": one,
                    f"{prefix}paligemma_with_expert.gemma_expert.model.norm.weight": one,
                    f"{prefix}paligemma_with_expert.gemma_expert.lm_head.weight": one,
                    f"{prefix}{vlm}lm_head.weight": one,
                    f"{prefix}state_proj.bias": one,
                }
                found = set(checkpoint.to_pi0(names))
                table = "language_model.embed_tokens.weight"
                expected = {"vision_tower.post_layernorm.bias", "gemma_expert.norm.weight"}
                self.assertEqual(found, expected | {table, "state_proj.bias"})

    def test_the_token_table_wins_over_the_head(self) -> None:
        vlm = "paligemma_with_expert.paligemma."
        names = {
            f"{vlm}lm_head.weight": torch.zeros(1),
            f"{vlm}model.language_model.embed_tokens.weight": torch.ones(1),
        }
        table = checkpoint.to_pi0(names)["language_model.embed_tokens.weight"]
        self.assertEqual(table.item(), 1)


class ShippedArtefact(unittest.TestCase):
    """policies/tabletop, the program that ships, fits its own description."""

    def test_it_runs_as_it_says(self) -> None:
        folder = Path(__file__).parents[2] / "policies" / "tabletop"
        program, policy = artefact.load(folder)
        size, length = policy["image_size"], policy["prompt_length"]
        tokens = torch.tensor([policy["prompts"]["tidy"]])
        noise = torch.zeros(1, policy["horizon"], policy["noise_dim"])
        with torch.inference_mode():
            actions = program(
                torch.zeros(1, len(policy["cameras"]), 3, size, size),
                torch.ones(1, len(policy["cameras"]), dtype=torch.bool),
                tokens,
                torch.arange(length)[None] < policy["prompt_lengths"]["tidy"],
                torch.zeros(1, policy["noise_dim"]),
                noise,
                policy["num_steps"],
            )
        self.assertEqual(actions.shape, noise.shape)
        self.assertTrue(actions.isfinite().all())
        self.assertEqual(policy["prompts"]["tidy"], [2, 119, 108, 103, 124, 13])
        self.assertLess((folder / "policy.pt").stat().st_size, 3e6)
        self.assertNotIn(b".debug_pkl", (folder / "policy.pt").read_bytes())


if __name__ == "__main__":
    unittest.main()

"""Exported checkpoints against LeRobot's recorded actions: python -m unittest pi0.test_export."""

import contextlib
import json
import unittest
import zipfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

from . import artefact, checkpoint, safetensors_file
from .model import Pi0Config
from .progress import Progress
from .test_support import FIXTURES, TOLERANCE, ExportTest, case, relative, tensors_of, worst
from .weights import load_model

METHODS = ("prefix", "denoise_step", "sample_from_prefix", "forward")


class Parity(ExportTest):
    """The whole way: the folder that LeRobot's own class wrote, exported, read back."""

    def test_lerobot(self) -> None:
        for attention in ("sdpa", "eager"):
            folder = self.export(FIXTURES / "lerobot", "--attn", attention, out=attention)
            program, policy = artefact.load(folder)
            self.assertLess(worst(program, "lerobot"), TOLERANCE)
            self.assertGreater(worst(program, "openpi"), TOLERANCE)  # its flow time differs
            self.assertEqual(policy["time_convention"], "double")
            self.assertEqual(policy["attention"], attention)

    def test_openpi(self) -> None:
        program, policy = artefact.load(self.export(FIXTURES / "openpi"))
        self.assertLess(worst(program, "openpi"), TOLERANCE)
        self.assertGreater(worst(program, "lerobot"), TOLERANCE)
        self.assertEqual(policy["time_convention"], "float32")

    def test_rlinf(self) -> None:
        """openpi's tensors in three files, then in full_weights.pt with RLinf's own heads."""
        tensors = tensors_of("openpi")
        stats = FIXTURES / "openpi/assets/physical-intelligence/libero/norm_stats.json"
        shards, pickled = self.folder / "shards", self.folder / "pickled"
        for folder in (shards, pickled):
            place = folder / "physical-intelligence" / "libero"
            place.mkdir(parents=True)
            (place / "norm_stats.json").write_bytes(stats.read_bytes())
        for n in range(3):
            part = dict(list(tensors.items())[n::3])
            safetensors_file.write_tensors(shards / f"model-{n}.safetensors", part)
        (pickled / "model_state_dict").mkdir()
        heads = {"value_head.mlp.0.weight": torch.ones(2, 2), "q_head.bias": torch.ones(2)}
        torch.save({**tensors, **heads}, pickled / "model_state_dict" / "full_weights.pt")
        for folder in (shards, pickled):
            out = self.export(folder, "--horizon", "6", out=f"{folder.name}-policy")
            program, policy = artefact.load(out)
            self.assertEqual(policy["provenance"]["layout"], "rlinf")
            self.assertLess(worst(program, "lerobot"), TOLERANCE)
        self.assertIn("value_head.mlp.0.weight", self.said)

    def test_rounded_rotary_table(self) -> None:
        program, policy = artefact.load(self.export(FIXTURES / "lerobot", "--rope", "bf16"))
        self.assertLess(worst(program, "rope_bf16"), TOLERANCE)
        self.assertGreater(worst(program, "lerobot"), 1e-4)
        self.assertEqual(policy["rope"], "bf16")

    def test_two_calls_give_the_same(self) -> None:
        program, _ = artefact.load(self.export(FIXTURES / "lerobot"))
        inputs, _ = case(5)
        with torch.inference_mode():
            first = program(*inputs, 10)
            for _ in range(3):
                self.assertTrue(torch.equal(program(*inputs, 10), first))

    def test_the_graph_holds_no_device_and_no_tensor(self) -> None:
        for attention in ("sdpa", "eager"):
            options = ("--dtype", "bf16", "--attn", attention)
            folder = self.export(FIXTURES / "openpi", *options, out=attention)
            program, _ = artefact.load(folder)
            for name in METHODS:
                graph = getattr(program, name).inlined_graph
                kinds = {n.output().type().kind() for n in graph.findAllNodes("prim::Constant")}
                self.assertIn("IntType", kinds)
                self.assertFalse(kinds & {"DeviceObjType", "TensorType"}, name)
            self.assertEqual(tensors_beside(folder / "policy.pt", program), 0)

    def test_a_tensor_beside_the_parameters_would_be_seen(self) -> None:
        """A plain attribute is no constant of the graph, and stays behind when a module moves."""
        program, _ = artefact.load(self.export(FIXTURES / "openpi"))
        program._c._register_attribute("table", torch._C.TensorType.get(), torch.ones(3))
        path = self.folder / "other.pt"
        torch.jit.save(program, path)
        self.assertEqual(tensors_beside(path, program), 1)

    def test_a_raw_observation_becomes_the_originals_actions(self) -> None:
        """policy.json's numbers, applied as it says, around the network."""
        program, policy = artefact.load(self.export(FIXTURES / "lerobot"))
        x = safetensors_file.read_tensors(FIXTURES / "episode.safetensors")
        stats, noise_dim = policy["normalization"], policy["noise_dim"]
        self.assertEqual(policy["image_resize"], "lerobot")
        self.assertEqual(policy["cameras"], ["main", "wrist"])
        images = torch.stack([fit(x[name], policy["image_size"]) for name in policy["cameras"]], 1)

        def vector(part: str, name: str) -> torch.Tensor:
            return torch.tensor(stats[part][name])

        state = x["state"] - vector("state", "mean")
        state = state / (vector("state", "std") + stats["eps"])
        self.assertLess((state - x["normalised_state"]).abs().max().item(), 1e-6)
        with torch.inference_mode():
            chunk = program(
                images,
                torch.ones(len(images), 2, dtype=torch.bool),
                x["tokens"],
                x["token_mask"],
                F.pad(state, (0, noise_dim - state.shape[1])),
                x["noise"],
                4,
            )
        chunk = chunk[:, :, : policy["action_dim"]]
        self.assertLess(relative(chunk, x["normalised_actions"]), TOLERANCE)
        actions = chunk * (vector("actions", "std") + stats["eps"]) + vector("actions", "mean")
        self.assertLess(relative(actions, x["actions"]), TOLERANCE)


def tensors_beside(path: Path, program: torch.nn.Module) -> int:
    """How many tensors the file holds that are neither parameters nor buffers."""
    with zipfile.ZipFile(path) as archive:
        places = [Path(name).parent.name for name in archive.namelist()]
    own = len(list(program.parameters())) + len(list(program.buffers()))
    return places.count("data") + places.count("constants") - own


def fit(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """uint8 [B,H,W,3] -> [B,3,side,side] in [-1,1], as policy.json's "lerobot" has it: bilinear
    without antialias on [0,1], sizes rounded down, centred, padded with black."""
    x = pictures.permute(0, 3, 1, 2).float() / 255
    ratio = max(x.shape[2], x.shape[3]) / side
    size = [int(x.shape[2] / ratio), int(x.shape[3] / ratio)]
    x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    x = F.pad(x, (left, side - size[1] - left, top, side - size[0] - top))
    return x * 2 - 1


class Precision(ExportTest):
    def test_the_towers_are_bfloat16_and_the_rest_float32(self) -> None:
        half = self.copy("openpi")
        everything = {name: t.bfloat16() for name, t in tensors_of("openpi").items()}
        safetensors_file.write_tensors(half / "model.safetensors", everything)
        program, policy = artefact.load(self.export(half))
        self.assertEqual(policy["precision"], "bfloat16")
        dtypes = {name: tensor.dtype for name, tensor in program.named_parameters()}
        for name, dtype in dtypes.items():
            wide = "norm" in name or name.startswith(
                ("action_", "state_proj", "vision_tower.embed")
            )
            self.assertEqual(dtype, torch.float32 if wide else torch.bfloat16, name)
        self.assertFalse(any(p.requires_grad for p in program.parameters()))
        error = worst(program, "openpi")
        self.assertLess(error, 5e-2)
        self.assertGreater(error, TOLERANCE)

    def test_lerobot_keeps_its_picture_tower_in_float32(self) -> None:
        program, _ = artefact.load(self.export(FIXTURES / "lerobot", "--dtype", "bf16"))
        dtypes = {name: tensor.dtype for name, tensor in program.named_parameters()}
        self.assertEqual(dtypes["vision_tower.encoder.layers.0.mlp.fc1.weight"], torch.float32)
        self.assertEqual(dtypes["multi_modal_projector.linear.weight"], torch.float32)
        self.assertEqual(dtypes["language_model.embed_tokens.weight"], torch.bfloat16)
        self.assertLess(worst(program, "lerobot"), 5e-2)

    def test_a_bfloat16_folder_exports_to_float32(self) -> None:
        half = self.copy("openpi")
        everything = {name: t.bfloat16() for name, t in tensors_of("openpi").items()}
        safetensors_file.write_tensors(half / "model.safetensors", everything)
        program, policy = artefact.load(self.export(half, "--dtype", "f32"))
        self.assertEqual(policy["precision"], "float32")
        for name, tensor in program.named_parameters():
            self.assertEqual(tensor.dtype, torch.float32, name)
            self.assertTrue(torch.equal(tensor.bfloat16().float(), tensor), name)


class PlantedMistakes(unittest.TestCase):
    """The recorded actions tell each classic mistake from the right network."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.tensors = checkpoint.to_pi0(tensors_of("lerobot"))
        cls.config = Pi0Config(**json.loads((FIXTURES / "recorded.json").read_text())["sizes"])

    def error(self, tensors: dict | None = None, **config: object) -> float:
        model = load_model(
            self.tensors if tensors is None else tensors,
            replace(self.config, **config),
            layout="lerobot",
            precision=torch.float32,
            rounded_rope=False,
            progress=Progress(),
        )
        return worst(model, "lerobot")

    def test_without_a_mistake_they_agree(self) -> None:
        self.assertLess(self.error(), TOLERANCE)

    def test_each_mistake_is_seen(self) -> None:
        head = tensors_of("lerobot")[f"model.paligemma_with_expert.{checkpoint.HEAD}"]
        swapped = dict(self.tensors)
        for layer in range(self.config.layers):
            place = f"gemma_expert.layers.{layer}."
            names = f"{place}input_layernorm.weight", f"{place}post_attention_layernorm.weight"
            swapped[names[0]], swapped[names[1]] = swapped[names[1]], swapped[names[0]]
        rsqrt, layer_norm, gelu = torch.rsqrt, F.layer_norm, F.gelu
        mistakes = {
            "time convention": (lambda: self.error(time_convention="float32"), None),
            "lm_head for embed_tokens": (
                lambda: self.error({**self.tensors, checkpoint.TABLE: head}),
                None,
            ),
            "norms swapped": (lambda: self.error(swapped), None),
            "periods of the flow time": (lambda: self.error(max_period=4.1), None),
            "rotary base": (lambda: self.error(rope_theta=10001.0), None),
            "RMSNorm eps 1e-5": (self.error, ("torch.rsqrt", lambda x: rsqrt(x + 9e-6))),
            "LayerNorm eps 1e-5": (
                self.error,
                ("pi0.model.F.layer_norm", lambda x, s, w, b, _: layer_norm(x, s, w, b, 1e-5)),
            ),
            "erf gelu": (self.error, ("pi0.model.F.gelu", lambda x, approximate: gelu(x))),
        }
        for name, (error, patch) in mistakes.items():
            with self.subTest(name), contextlib.ExitStack() as stack:
                if patch is not None:
                    stack.enter_context(mock.patch(*patch))
                self.assertGreater(error(), TOLERANCE)


if __name__ == "__main__":
    unittest.main()

"""Which folders are exported, and what the others are told."""

import contextlib
import io
import json
import subprocess
import sys
import unittest
from pathlib import Path

import torch

from . import artefact, export, safetensors_file
from .errors import ExportError
from .test_support import (
    FIXTURES,
    ExportTest,
    edit_json,
    leftovers,
    tensors_of,
)

STATS = "assets/physical-intelligence/libero/norm_stats.json"
EXPERT = "paligemma_with_expert.gemma_expert.model.layers.0."


class Refusals(ExportTest):
    def refused(self, checkpoint: Path, code: str, *words: str, options: tuple = ()) -> None:
        """Refused with the code, naming all of the words; nothing stays behind."""
        with self.assertRaises(ExportError) as caught:
            self.export(checkpoint, *options)
        error = caught.exception
        self.assertEqual(error.code, code, error.message)
        for word in words:
            self.assertIn(word, f"{error.message}\n{error.hint}")
        self.assertFalse((self.folder / "policy").exists())
        self.assertEqual(leftovers(self.folder), [])

    def rewritten(self, change: object, name: str = "openpi") -> Path:
        """A fixture's checkpoint with its tensors changed by `change(tensors)`."""
        folder, tensors = self.copy(name), tensors_of(name)
        change(tensors)
        safetensors_file.write_tensors(folder / "model.safetensors", tensors)
        return folder


class Layouts(Refusals):
    def named(self, *names: str) -> Path:
        folder = self.folder / "checkpoint"
        folder.mkdir()
        tensors = {name: torch.zeros(1) for name in names}
        safetensors_file.write_tensors(folder / "model.safetensors", tensors)
        return folder

    def layout(self, folder: Path, *words: str) -> None:
        self.refused(folder, "ERR_DSRL_POLICY_LAYOUT", *words)

    def test_jax(self) -> None:
        folder = self.folder / "checkpoint"
        (folder / "params" / "ocdbt.process_0").mkdir(parents=True)
        (folder / "assets").mkdir()
        self.layout(folder, "JAX", "convert_jax_model_to_pytorch.py", str(folder), "assets")
        self.layout(folder / "params", "JAX")

    def test_old_lerobot(self) -> None:
        names = ("model.state_proj.weight", "normalize_inputs.buffer_observation_state.mean")
        self.layout(self.named(*names), "processor files", "migrate_policy_normalization")

    def test_newer_rlinf(self) -> None:
        name = "paligemma_with_expert.layers.0.pre_attention_norms.1.scale"
        self.layout(self.named(name), "RLinf", "*.1.scale", "input_layernorm")

    def test_transformers(self) -> None:
        for content in (
            {"architectures": ["PI0ForConditionalGeneration"], "model_type": "pi0"},
            {"model_type": "pi0"},
            {"architectures": [5]},
            {"architectures": "PI0ForConditionalGeneration"},
        ):
            folder = self.copy("lerobot")
            (folder / "config.json").write_text(json.dumps(content))
            self.layout(folder, "transformers", "LeRobot or openpi")

    def test_pi05(self) -> None:
        self.layout(self.named("time_mlp_in.weight", "action_in_proj.weight"), "pi0.5", "openpi")
        dense = f"model.{EXPERT}input_layernorm.dense.weight"
        (self.folder / "checkpoint" / "model.safetensors").unlink()
        (self.folder / "checkpoint").rmdir()
        self.layout(self.named(dense), "pi0.5", "LeRobot")

    def test_other_lerobot_policies(self) -> None:
        for kind, word in (("pi05", "pi0.5"), ("pi0_fast", "pi0_fast"), ("act", "act")):
            folder = self.copy("lerobot")
            edit_json(folder / "config.json", type=kind)
            self.layout(folder, word)

    def test_anything_else(self) -> None:
        folder = self.folder / "checkpoint"
        folder.mkdir()
        self.layout(folder, "no weights", "nothing", "full_weights.pt", "model.safetensors")
        (folder / "README.md").write_text("")
        self.layout(folder, "README.md", "looked for")
        safetensors_file.write_tensors(folder / "x.safetensors", {"a": torch.zeros(1)})
        self.layout(folder, "1 tensors that are not Pi0's")
        self.refused(folder / "none", "ERR_DSRL_POLICY_MISSING", "no such folder")

    def test_the_folder_around_a_lerobot_policy(self) -> None:
        self.copy("lerobot", "checkpoint/pretrained_model")
        self.layout(self.folder / "checkpoint", "--checkpoint", "/checkpoint/pretrained_model")

    def test_where_the_statistics_lie_tells_openpi_from_rlinf(self) -> None:
        """A sharded conversion of openpi's is sampled as openpi does, whatever made the shards."""
        sharded = self.copy("openpi")
        (sharded / "model.safetensors").unlink()
        self.shard(sharded, tensors_of("openpi"), 3)
        _, policy = artefact.load(self.export(sharded))
        self.assertEqual(policy["provenance"]["layout"], "openpi")
        self.assertEqual(policy["time_convention"], "float32")
        self.assertEqual(len(policy["provenance"]["source_files"]), 4)

        single = self.copy("openpi", "single")
        (single / "assets" / "physical-intelligence").rename(single / "physical-intelligence")
        _, policy = artefact.load(self.export(single, out="other"))
        self.assertEqual(policy["provenance"]["layout"], "rlinf")
        self.assertEqual(policy["time_convention"], "double")

    def shard(self, folder: Path, tensors: dict, count: int) -> None:
        """Writes tensors into so many files and an index, as Hugging Face's libraries do."""
        places = {}
        for n in range(count):
            name = f"model-{n + 1:05}-of-{count:05}.safetensors"
            part = dict(list(tensors.items())[n::count])
            safetensors_file.write_tensors(folder / name, part)
            places |= dict.fromkeys(part, name)
        index = {"metadata": {}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    def test_the_names_that_newer_transformers_leave_are_read(self) -> None:
        """A save of transformers 5.18 lacks the level `vision_model.` in the picture tower."""

        def shorten(tensors: dict) -> None:
            for name in list(tensors):
                tensors[name.replace(".vision_model.", ".")] = tensors.pop(name)

        first = artefact.load(self.export(self.rewritten(shorten)))[0].state_dict()
        second = artefact.load(self.export(FIXTURES / "openpi", out="b"))[0].state_dict()
        self.assertTrue(all(torch.equal(first[name], second[name]) for name in second))


class Tensors(Refusals):
    def wrong(self, change: object, *words: str, name: str = "openpi") -> None:
        self.refused(self.rewritten(change, name), "ERR_DSRL_POLICY_TENSORS", *words)

    def test_every_missing_and_extra_tensor_is_named(self) -> None:
        def change(tensors: dict) -> None:
            del tensors[f"{EXPERT}mlp.up_proj.weight"]
            del tensors["action_out_proj.bias"]
            tensors["state_proj.lora_A"] = torch.zeros(2)
            tensors["mystery"] = torch.zeros(2)

        self.wrong(
            change,
            "missing: gemma_expert.layers.0.mlp.up_proj.weight",
            "missing: action_out_proj.bias",
            "extra: state_proj.lora_A",
            "extra: mystery",
            "LoRA",
        )

    def test_a_tensor_that_tells_a_size_is_named_too(self) -> None:
        language = "paligemma_with_expert.paligemma.model.language_model.layers.0.self_attn."

        def change(tensors: dict) -> None:
            del tensors[f"{language}k_proj.weight"]
            tensors["action_in_proj.weight"] = torch.zeros(3)

        self.wrong(change, "missing: language_model.layers.0.self_attn.k_proj", "action_in_proj")

    def test_two_spellings(self) -> None:
        def change(tensors: dict) -> None:
            tensors["model.state_proj.bias"] = tensors["state_proj.bias"]

        self.wrong(change, "two spellings", "model.state_proj.bias and state_proj.bias")

    def test_one_tensor_in_two_files(self) -> None:
        folder = self.copy("openpi")
        part = {"state_proj.bias": torch.zeros(32)}
        safetensors_file.write_tensors(folder / "model-00001-of-00002.safetensors", part)
        self.refused(folder, "ERR_DSRL_POLICY_TENSORS", "two files", "state_proj.bias")

    def test_a_shard_that_is_not_there(self) -> None:
        folder = self.copy("openpi")
        (self.folder / "outside.safetensors").write_bytes(b"")
        for other in ("model-2.safetensors", "../outside.safetensors"):
            index = {"weight_map": {"a": "model.safetensors", "b": other}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", other)

    def test_wrong_shapes_and_dtypes(self) -> None:
        def change(tensors: dict) -> None:
            tensors["state_proj.weight"] = torch.zeros(32, 31)
            tensors["action_out_proj.bias"] = torch.zeros(32, dtype=torch.int64)

        self.wrong(change, "state_proj.weight [32, 31], [32, 32]", "action_out_proj.bias torch.int")

    def test_weights_that_are_no_plain_floats(self) -> None:
        folder, tensors = self.copy("openpi"), tensors_of("openpi")
        (folder / "model.safetensors").unlink()
        (folder / "model_state_dict").mkdir()
        tensors["state_proj.weight"] = tensors["state_proj.weight"].to_sparse()
        tensors["action_out_proj.bias"] = torch.zeros(32, dtype=torch.float8_e4m3fn)
        torch.save(tensors, folder / "model_state_dict" / "full_weights.pt")
        words = ("state_proj.weight torch.sparse_coo", "action_out_proj.bias torch.float8_e4m3fn")
        self.refused(folder, "ERR_DSRL_POLICY_TENSORS", *words)

    def test_other_floats_are_widened_exactly(self) -> None:
        for dtype in (torch.float16, torch.float64):
            given = {name: t.half().to(dtype) for name, t in tensors_of("openpi").items()}
            folder = self.rewritten(lambda tensors, given=given: tensors.update(given))
            program, policy = artefact.load(self.export(folder, out=str(dtype)))
            self.assertEqual(policy["precision"], "float32")
            weight = given["state_proj.weight"].float()
            self.assertTrue(torch.equal(program.state_proj.weight, weight))

    def test_a_folder_called_like_a_file_of_weights_is_none(self) -> None:
        folder = self.copy("openpi")
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").mkdir()
        self.refused(folder, "ERR_DSRL_POLICY_LAYOUT", "no weights")

    def test_numbers_that_are_not_finite(self) -> None:
        def change(tensors: dict) -> None:
            tensors["state_proj.weight"][3, 1] = float("nan")
            tensors[f"{EXPERT}mlp.up_proj.weight"][0, 0] = float("inf")

        self.wrong(change, "state_proj.weight (NaN", "gemma_expert.layers.0.mlp.up_proj.weight (N")

    def test_a_damaged_file_is_named(self) -> None:
        folder = self.copy("openpi")
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
        self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", "model.safetensors", "download it again")
        for content in ("{", "[1]"):
            (folder / "config.json").write_text(content)
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", "config.json")

    def test_a_pickle_with_anything_but_tensors_is_not_opened(self) -> None:
        folder = self.folder / "checkpoint"
        (folder / "model_state_dict").mkdir(parents=True)
        file = folder / "model_state_dict" / "full_weights.pt"
        torch.save({"a": Path("/")}, file)
        self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", "full_weights.pt")
        weights = torch.zeros(1)
        for other in ([weights], weights, {"model": {"a": weights}}, {1: weights}):
            torch.save(other, file)
            words = ("something else than tensors", "model.state_dict()")
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", *words)
        file.write_bytes(b"no zip")
        self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", "full_weights.pt")

    def test_the_token_table_wins_over_the_head(self) -> None:
        table = tensors_of("lerobot")[
            "model.paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
        ]
        program, _ = artefact.load(self.export(FIXTURES / "lerobot"))
        self.assertTrue(torch.equal(program.language_model.embed_tokens.weight, table))

    def test_tensors_that_share_their_memory_are_saved_once(self) -> None:
        """A checkpoint whose tensors are pieces of one flat one, as FSDP leaves them."""
        tensors = tensors_of("openpi")
        flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
        pieces = flat.split([tensor.numel() for tensor in tensors.values()])
        views = {n: p.view(t.shape) for (n, t), p in zip(tensors.items(), pieces, strict=True)}
        folder = self.copy("openpi")
        (folder / "model.safetensors").unlink()
        (folder / "model_state_dict").mkdir()
        torch.save(views, folder / "model_state_dict" / "full_weights.pt")
        out = self.export(folder)
        self.assertLess((out / "policy.pt").stat().st_size, 700_000)


class Options(Refusals):
    def test_horizons_that_are_none(self) -> None:
        folder = self.copy("openpi")
        options = ("--horizon", "0")
        self.refused(folder, "ERR_DSRL_CONFIG_EXPORT", "--horizon is 0", options=options)
        for value in (0, -1, "6", 2.5, 100_000):
            edit_json(folder / "config.json", action_horizon=value)
            self.refused(folder, "ERR_DSRL_CONFIG_EXPORT", "action_horizon", str(value))
        (folder / "config.json").unlink()
        self.refused(folder, "ERR_DSRL_CONFIG_EXPORT", "action_horizon", "--horizon 50")

    def test_numbers_in_a_config_that_are_none(self) -> None:
        for key, value in (("min_period", "x"), ("max_period", 0), ("min_period", None)):
            folder = self.copy("lerobot")
            edit_json(folder / "config.json", **{key: value})
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", key)

    def test_the_given_horizon_goes_before_the_configs(self) -> None:
        _, policy = artefact.load(self.export(FIXTURES / "openpi", "--horizon", "9"))
        self.assertEqual(policy["horizon"], 9)
        self.assertIn("config.json says 6", self.said)

    def test_a_folder_that_is_there_is_not_written_to(self) -> None:
        (self.folder / "policy").mkdir()
        (self.folder / "link").symlink_to("nowhere")
        for out in ("policy", "link"):
            with self.assertRaises(ExportError) as caught:
                self.export(FIXTURES / "openpi", out=out)
            self.assertEqual(caught.exception.code, "ERR_DSRL_POLICY_EXISTS")

    def test_a_tokenizer_is_copied_and_hashed(self) -> None:
        file = self.folder / "some.model"
        file.write_bytes(b"pieces")
        out = self.export(FIXTURES / "openpi", "--tokenizer", str(file))
        tokenizer = artefact.load(out)[1]["tokenizer"]
        self.assertEqual(tokenizer["file"], "paligemma_tokenizer.model")
        self.assertEqual(tokenizer["sha256"], artefact.file_sha256(out / tokenizer["file"]))
        self.assertEqual((tokenizer["kind"], tokenizer["convention"]), ("sentencepiece", "openpi"))
        absent = ("--tokenizer", str(self.folder / "none.model"))
        checkpoint = self.copy("openpi")
        with self.assertRaises(ExportError):
            self.export(checkpoint, *absent, out="other")
        (checkpoint / "paligemma_tokenizer.model").write_bytes(b"pieces")
        found = artefact.load(self.export(checkpoint, out="third"))[1]["tokenizer"]
        self.assertEqual(found, tokenizer)

    def test_python_needs_torch_alone(self) -> None:
        """Run as the command runs it, where every other package is refused."""
        guard = (
            "import sys\n"
            "for name in ('numpy', 'safetensors', 'transformers', 'lerobot', 'openpi'):\n"
            "    sys.modules[name] = None\n"
            "from pi0.export import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        out = self.folder / "policy"
        argv = ["--checkpoint", str(FIXTURES / "openpi"), "--out", str(out)]
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", guard, *argv],
            cwd=Path(export.__file__).parents[1],
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(json.loads(run.stdout)["policy"], str(out))
        self.assertEqual(artefact.load(out)[1]["horizon"], 6)

    def failure(self, checkpoint: Path, out: Path) -> tuple[int, dict]:
        """(the exit code, what the program says last) where it fails."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            status = export.main(["--checkpoint", str(checkpoint), "--out", str(out)])
        failure = json.loads(said.getvalue().strip().split("\n")[-1])
        self.assertEqual(set(failure), {"code", "message", "hint"})
        return status, failure

    def test_a_failure_is_one_line_of_json(self) -> None:
        status, failure = self.failure(self.folder, self.folder / "policy")
        self.assertEqual((status, failure["code"]), (2, "ERR_DSRL_POLICY_LAYOUT"))

    def test_a_place_that_cannot_be_written_to_is_the_machines_failure(self) -> None:
        file = self.folder / "file"
        file.write_text("")
        for out in (file / "policy", self.folder / ("x" * 250)):
            status, failure = self.failure(FIXTURES / "openpi", out)
            self.assertEqual((status, failure["code"]), (3, "ERR_DSRL_EXPORT_FILES"))
            self.assertIn(str(out.parent), failure["message"])
            self.assertIn("--out", failure["hint"])


if __name__ == "__main__":
    unittest.main()

"""Statistics, cameras and delta actions: what policy.json says of each folder."""

import json
import unittest
from pathlib import Path

import torch

from . import artefact, safetensors_file
from .layouts import POSTPROCESSOR, PREPROCESSOR
from .test_layouts import STATS, Refusals
from .test_support import FIXTURES, edit_json

OPENPI = FIXTURES / "openpi"
LIBERO_DELTAS = [True] * 6 + [False]


def recorded_stats() -> dict[str, torch.Tensor]:
    return safetensors_file.read_tensors(
        FIXTURES / "lerobot" / "policy_preprocessor_step_6_normalizer_processor.safetensors"
    )


class Described(Refusals):
    def described(self, checkpoint: Path, *options: str) -> dict:
        out = self.export(checkpoint, *options, out=f"policy-{len(list(self.folder.iterdir()))}")
        return artefact.load(out)[1]


class OpenPi(Described):
    def with_stats(self, **changes: dict) -> Path:
        """The fixture, with fields of its statistics replaced: state={...}, actions={...}."""
        folder = self.copy("openpi")
        stats = json.loads((folder / STATS).read_text())["norm_stats"]
        for part, fields in changes.items():
            stats[part].update(fields)
        (folder / STATS).write_text(json.dumps({"norm_stats": stats}))
        return folder

    def moved(self, place: str) -> Path:
        folder = self.copy("openpi")
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / STATS).rename(folder / place)
        return folder

    def test_libero_is_known_by_its_statistics(self) -> None:
        policy = self.described(OPENPI)
        self.assertEqual((policy["state_dim"], policy["action_dim"]), (8, 7))
        self.assertEqual(policy["delta_action_mask"], LIBERO_DELTAS)
        self.assertEqual(policy["cameras"], ["main", "wrist"])
        self.assertEqual(policy["masked_cameras"], ["right_wrist_0_rgb"])
        self.assertEqual((policy["image_resize"], policy["prompt_length"]), ("openpi", 48))
        self.assertEqual(policy["num_steps"], 10)
        self.assertIn("robot libero", self.said)
        normalization, stats = policy["normalization"], recorded_stats()
        self.assertEqual((normalization["mode"], normalization["eps"]), ("mean_std", 1e-6))
        for name in ("mean", "std"):  # 32 long in the file
            for part, key in (("state", "observation.state"), ("actions", "action")):
                self.assertEqual(normalization[part][name], stats[f"{key}.{name}"].tolist())

    def test_short_statistics_are_padded(self) -> None:
        policy = self.described(
            self.with_stats(state={"mean": [0.5] * 6, "std": [2.0] * 6}), "--state-dim", "8"
        )
        self.assertIn("2 of 8 state dimensions have no statistics", self.said)
        self.assertEqual(policy["normalization"]["state"]["mean"], [0.5] * 6 + [0.0] * 2)
        self.assertEqual(policy["normalization"]["state"]["std"], [2.0] * 6 + [1.0] * 2)

    def test_quantiles_beside_mean_and_std_are_not_used(self) -> None:
        both = {"q01": [-1.0] * 32, "q99": [1.0] * 32}
        policy = self.described(self.with_stats(state=both, actions=both))
        self.assertEqual(policy["normalization"]["mode"], "mean_std")
        self.assertIn("quantiles are for pi0.5 and are not used", self.said)

    def test_statistics_that_are_not_there(self) -> None:
        folder = self.copy("openpi")
        (folder / STATS).unlink()
        code = "ERR_DSRL_POLICY_STATISTICS"
        searched = [str(folder / place / "norm_stats.json") for place in ("assets/*/*", "*/*", "")]
        self.refused(folder, code, *searched, "--norm-stats")
        none = str(self.folder / "none.json")
        self.refused(folder, code, none, options=("--norm-stats", none))
        policy = self.described(folder, "--norm-stats", str(OPENPI / STATS))
        self.assertEqual(policy["state_dim"], 8)

    def test_statistics_of_several_datasets(self) -> None:
        folder = self.copy("openpi")
        (folder / "assets" / "droid").mkdir()
        (folder / "assets/droid/norm_stats.json").write_bytes((folder / STATS).read_bytes())
        self.refused(folder, "ERR_DSRL_CONFIG_EXPORT", "assets/droid/norm_stats.json", STATS)
        options = ("--norm-stats", str(folder / "assets/droid/norm_stats.json"))
        policy = self.described(folder, *options)
        self.assertEqual((policy["action_dim"], policy["delta_action_mask"]), (8, None))

    def test_damaged_statistics(self) -> None:
        for change, word in (
            ({"mean": None}, "actions.mean"),
            ({"mean": ["1"] * 32}, "actions.mean"),
            ({"mean": [float("nan")] * 32}, "actions.mean"),
            ({"std": [-1.0] * 32}, "actions.std"),
            ({"std": [1.0] * 31}, "differ in length"),
        ):
            folder = self.with_stats(actions=change)
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", word, "norm_stats.json")

    def test_another_robot_has_to_be_said(self) -> None:
        folder = self.moved("assets/trossen/norm_stats.json")
        self.refused(
            folder,
            "ERR_DSRL_CONFIG_EXPORT",
            *("--robot libero", "--state-dim", "--action-dim", "--delta-actions", "--cameras"),
        )
        policy = self.described(
            folder,
            *("--state-dim", "14", "--action-dim", "14", "--delta-actions", "3"),
            *("--cameras", "left=left_wrist_0_rgb,top=base_0_rgb"),
        )
        self.assertEqual(policy["cameras"], ["top", "left"])  # in the network's order
        self.assertEqual(policy["delta_action_mask"], [True] * 3 + [False] * 11)
        policy = self.described(folder, "--robot", "droid")
        self.assertEqual((policy["state_dim"], policy["action_dim"]), (8, 8))
        keys = policy["observation_keys"]
        self.assertEqual(list(keys["images"]), policy["cameras"])
        self.assertEqual(sum(keys["state"].values()), 8)
        renamed = ("--cameras", "left=left_wrist_0_rgb")
        self.assertNotIn("observation_keys", self.described(folder, "--robot", "droid", *renamed))

    def test_the_robot_is_not_guessed_from_the_users_folders(self) -> None:
        theirs = self.folder / "libero" / "droid"
        self.moved("assets/trossen/norm_stats.json").rename(self.folder / "moved")
        theirs.mkdir(parents=True)
        (self.folder / "moved").rename(theirs / "pi0_libero")
        self.refused(theirs / "pi0_libero", "ERR_DSRL_CONFIG_EXPORT", "--robot libero")
        stats = theirs / "pi0_libero" / "assets" / "trossen" / "norm_stats.json"
        stats.rename(theirs / "pi0_libero" / "norm_stats.json")
        self.refused(theirs / "pi0_libero", "ERR_DSRL_CONFIG_EXPORT", "--robot libero")

    def test_options_that_fit_nothing(self) -> None:
        code = "ERR_DSRL_CONFIG_EXPORT"
        for options, word in (
            (("--cameras", "a=top_rgb"), "base_0_rgb"),
            (("--delta-actions", "8"), "7 action"),
            (("--action-dim", "33"), "1 to 32"),
            (("--state-dim", "33"), "1 to 32"),
            (("--num-steps", "0"), "--num-steps"),
        ):
            self.refused(OPENPI, code, word, options=options)

    def test_statistics_that_contradict_the_deltas_of_libero(self) -> None:
        """LIBERO's own actions lie in [-1, 1]; where the state was taken off, a mean is -3.1."""
        plain = self.with_stats(actions={"mean": [0.1] * 32})
        self.refused(plain, "ERR_DSRL_CONFIG_EXPORT", "--delta-actions 0", "--delta-actions 6")
        policy = self.described(plain, "--delta-actions", "0")
        self.assertIsNone(policy["delta_action_mask"])
        policy = self.described(plain, "--delta-actions", "6")
        self.assertEqual(policy["delta_action_mask"], LIBERO_DELTAS)


class LeRobot(Described):
    def changed(self, file: str, registered: str, **values: object) -> Path:
        """The fixture, with the configuration of one processor step changed."""
        folder = self.copy("lerobot")
        self.change(folder / file, registered, **values)
        return folder

    def change(self, path: Path, registered: str, **values: object) -> None:
        steps = json.loads(path.read_text())["steps"]
        step = next(step for step in steps if step["registry_name"] == registered)
        step["config"].update(values)
        edit_json(path, steps=steps)

    def modes(self, state: str, action: str) -> Path:
        folder = self.changed(
            POSTPROCESSOR, "unnormalizer_processor", norm_map={"STATE": state, "ACTION": action}
        )
        first = json.loads((folder / POSTPROCESSOR).read_text())
        norm_map = {"VISUAL": "IDENTITY", "STATE": state, "ACTION": action}
        folder = self.changed(PREPROCESSOR, "normalizer_processor", norm_map=norm_map)
        (folder / POSTPROCESSOR).write_text(json.dumps(first))
        return folder

    def test_the_folder_says_it_all(self) -> None:
        policy = self.described(FIXTURES / "lerobot")
        self.assertEqual((policy["state_dim"], policy["action_dim"]), (8, 7))
        self.assertIsNone(policy["delta_action_mask"])
        self.assertEqual(policy["cameras"], ["main", "wrist"])
        self.assertEqual(policy["camera_sources"]["wrist"], "observation.images.image2")
        self.assertEqual(policy["masked_cameras"], ["observation.images.empty_camera_0"])
        self.assertEqual(policy["normalization"]["eps"], 1e-8)
        stats = recorded_stats()
        self.assertEqual(
            policy["normalization"]["state"]["mean"], stats["observation.state.mean"].tolist()
        )
        self.assertEqual(policy["normalization"]["actions"]["std"], stats["action.std"].tolist())

    def test_ranges(self) -> None:
        stats = recorded_stats()
        for mode, low, high in (("QUANTILES", "q01", "q99"), ("MIN_MAX", "min", "max")):
            normalization = self.described(self.modes(mode, mode))["normalization"]
            self.assertEqual(normalization["mode"], "quantiles")
            self.assertEqual(normalization["actions"]["q01"], stats[f"action.{low}"].tolist())
            self.assertEqual(normalization["actions"]["q99"], stats[f"action.{high}"].tolist())
            self.assertIn(mode, self.said)

    def test_two_modes_become_one(self) -> None:
        """x -> 2 (x - low) / (high - low) - 1 is a z-score with the middle and the half-width."""
        normalization = self.described(self.modes("MEAN_STD", "MIN_MAX"))["normalization"]
        self.assertEqual(normalization["mode"], "mean_std")
        stats = recorded_stats()
        low, high = stats["action.min"].double(), stats["action.max"].double()
        mean, std = (
            torch.tensor(normalization["actions"][name], dtype=torch.float64)
            for name in ("mean", "std")
        )
        x = torch.linspace(-2, 2, 7, dtype=torch.float64)
        self.assertTrue(torch.allclose((x - mean) / std, 2 * (x - low) / (high - low) - 1))

    def test_modes_that_cannot_be_exported(self) -> None:
        code = "ERR_DSRL_POLICY_STATISTICS"
        self.refused(self.modes("IDENTITY", "MEAN_STD"), code, "STATE", "IDENTITY", "MEAN_STD")
        self.refused(self.modes("QUANTILE10", "QUANTILE10"), code, "observation.state.q10")
        visual = {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
        folder = self.changed(PREPROCESSOR, "normalizer_processor", norm_map=visual)
        self.refused(folder, code, "pictures", "MEAN_STD")

    def test_statistics_that_are_not_there(self) -> None:
        folder = self.copy("lerobot")
        file = next(folder.glob("*_unnormalizer_processor.safetensors"))
        file.unlink()
        code = "ERR_DSRL_POLICY_STATISTICS"
        self.refused(folder, code, str(file))
        for name in (PREPROCESSOR, POSTPROCESSOR):
            (folder / name).unlink()
        self.refused(folder, code, str(folder / PREPROCESSOR), str(folder / POSTPROCESSOR))
        policy = self.described(folder, "--norm-stats", str(OPENPI / STATS))  # 32 long
        self.assertEqual(policy["normalization"]["eps"], 1e-6)
        self.assertEqual((policy["state_dim"], policy["action_dim"]), (8, 7))

    def test_a_state_file_elsewhere_is_not_read(self) -> None:
        folder = self.copy("lerobot")
        path = folder / PREPROCESSOR
        steps = json.loads(path.read_text())["steps"]
        steps[-1]["state_file"] = "../outside.safetensors"
        edit_json(path, steps=steps)
        file = next((FIXTURES / "lerobot").glob("*_normalizer_processor.safetensors"))
        (self.folder / "outside.safetensors").write_bytes(file.read_bytes())
        self.refused(folder, "ERR_DSRL_POLICY_STATISTICS", "outside.safetensors")

    def test_relative_actions(self) -> None:
        step = "relative_actions_processor"
        names = ["x", "y", "z", "roll", "pitch", "yaw", "Gripper_width"]
        for changes, mask in (
            ({"exclude_joints": ["gripper"], "action_names": names}, LIBERO_DELTAS),
            ({"exclude_joints": ["gripper"], "action_names": None}, [True] * 7),
            ({"exclude_joints": [], "action_names": names}, [True] * 7),
            ({"exclude_joints": ["x"], "action_names": ["x"]}, [False] + [True] * 6),
        ):
            folder = self.changed(PREPROCESSOR, step, enabled=True, **changes)
            self.change(folder / POSTPROCESSOR, "absolute_actions_processor", enabled=True)
            self.assertEqual(self.described(folder)["delta_action_mask"], mask)
        self.assertIsNone(self.described(folder, "--delta-actions", "0")["delta_action_mask"])

    def test_relative_actions_that_nothing_takes_back(self) -> None:
        for file, step in (
            (PREPROCESSOR, "relative_actions_processor"),
            (POSTPROCESSOR, "absolute_actions_processor"),
        ):
            folder = self.changed(file, step, enabled=True)
            words = ("relative_actions_processor", "absolute_actions_processor", "--delta-actions")
            self.refused(folder, "ERR_DSRL_POLICY_DAMAGED", *words)
            policy = self.described(folder, "--delta-actions", "6")
            self.assertEqual(policy["delta_action_mask"], LIBERO_DELTAS)

    def test_steps_of_others_are_not_left_out(self) -> None:
        for file, step, name in (
            (PREPROCESSOR, {"registry_name": "crop_processor", "config": {}}, "crop_processor"),
            (POSTPROCESSOR, {"class": "my.robot.Clip", "config": {}}, "my.robot.Clip"),
        ):
            folder = self.copy("lerobot")
            steps = json.loads((folder / file).read_text())["steps"]
            edit_json(folder / file, steps=[*steps, step])
            self.refused(folder, "ERR_DSRL_POLICY_LAYOUT", file, name, "take out of the file")

    def test_the_prompts_length_is_the_tokenizer_steps(self) -> None:
        folder = self.changed(PREPROCESSOR, "tokenizer_processor", max_length=40)
        self.assertEqual(self.described(folder)["prompt_length"], 40)

    def test_cameras(self) -> None:
        renames = {"observation.images.front": "observation.images.image"}
        folder = self.changed(PREPROCESSOR, "rename_observations_processor", rename_map=renames)
        policy = self.described(folder)
        self.assertEqual(policy["cameras"], ["front", "wrist"])
        policy = self.described(folder, "--cameras", "one=image2")
        self.assertEqual(policy["camera_sources"], {"one": "observation.images.image2"})
        self.assertIn("observation.images.image", policy["masked_cameras"])
        self.refused(
            folder, "ERR_DSRL_CONFIG_EXPORT", "image9", "image2", options=("--cameras", "a=image9")
        )
        edit_json(folder / "config.json", input_features={})
        self.refused(folder, "ERR_DSRL_CONFIG_EXPORT", "no camera")

    def test_robots_are_not_its_business(self) -> None:
        options = ("--robot", "libero")
        self.refused(FIXTURES / "lerobot", "ERR_DSRL_CONFIG_EXPORT", "--robot", options=options)

    def test_a_resolution_that_the_tensors_do_not_have(self) -> None:
        folder = self.copy("lerobot")
        edit_json(folder / "config.json", image_resolution=[224, 224])
        self.refused(folder, "ERR_DSRL_POLICY_TENSORS", "224", "28")


if __name__ == "__main__":
    unittest.main()

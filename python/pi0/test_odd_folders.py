"""Whatever stands in a folder's JSON files: it is described, or refused by an error of ours."""

import copy
import json
import random
import unittest
from pathlib import Path

from . import checkpoint, export
from .describe import describe, network_config, tokenizer_of
from .errors import ExportError
from .layouts import POSTPROCESSOR, PREPROCESSOR, open_checkpoint
from .test_layouts import STATS
from .test_support import ExportTest

ODD = [None, True, "x", "", -1, 0, 2.5, 10**12, float("nan"), [], {}, [1], ["x"], {"a": 1}]
ROUNDS = 100


def places(value: object) -> list[tuple[object, object]]:
    """(container, key) of everything inside a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def spoil(content: dict, pick: random.Random) -> None:
    """Takes something out of a JSON value, or puts something odd in its place."""
    container, key = pick.choice(places(content) or [(content, "type")])
    if isinstance(container, dict) and pick.random() < 0.3:
        container.pop(key, None)
    else:
        container[key] = copy.deepcopy(pick.choice(ODD))


class Silent:
    def decide(self, line: str) -> None:
        pass

    say = tick = decide


def described(folder: Path) -> dict:
    args = export.parse(["--checkpoint", str(folder), "--out", str(folder / "out")])
    source = open_checkpoint(folder)
    config = network_config(args, source, checkpoint.to_pi0(source.tensors), Silent())
    tokenizer, _ = tokenizer_of(None, source)
    return describe(args, source, config, tokenizer, Silent())[0]


class OddFolders(ExportTest):
    def check(self, name: str, files: list[str], seed: int) -> None:
        folder, pick = self.copy(name), random.Random(seed)
        texts = {file: (folder / file).read_text() for file in files}
        refused = 0
        for _ in range(ROUNDS):
            for file, text in texts.items():
                content = json.loads(text)
                for _ in range(pick.randint(0, 2)):
                    spoil(content, pick)
                (folder / file).write_text(json.dumps(content))
            try:
                policy = described(folder)
            except ExportError as error:
                self.assertRegex(error.code, "^ERR_DSRL_(POLICY|CONFIG)_")
                refused += 1
                continue
            self.sound(policy)
        self.assertGreater(refused, ROUNDS // 10)
        self.assertLess(refused, ROUNDS)

    def sound(self, policy: dict) -> None:
        """What the reader in TypeScript demands of it."""
        json.dumps(policy, allow_nan=False)
        for part, dim in (("state", "state_dim"), ("actions", "action_dim")):
            for values in policy["normalization"][part].values():
                self.assertEqual(len(values), policy[dim])
        self.assertTrue(all(isinstance(name, str) and name for name in policy["cameras"]))
        self.assertEqual(list(policy["camera_sources"]), policy["cameras"])
        self.assertGreater(len(policy["cameras"]), 0)
        if policy["delta_action_mask"] is not None:
            self.assertEqual(len(policy["delta_action_mask"]), policy["action_dim"])

    def test_openpi(self) -> None:
        self.check("openpi", ["config.json", STATS], seed=1)

    def test_lerobot(self) -> None:
        self.check("lerobot", ["config.json", PREPROCESSOR, POSTPROCESSOR], seed=2)


if __name__ == "__main__":
    unittest.main()

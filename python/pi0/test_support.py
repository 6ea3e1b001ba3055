"""What the tests of the exporter share: the fixtures, and an export of them."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

import torch
from torch import Tensor

from . import export, safetensors_file
from .progress import Progress

FIXTURES = Path(__file__).parents[2] / "test" / "fixtures" / "pi0"
INPUTS = ("images", "image_masks", "tokens", "token_mask", "state", "noise")
STEPS = (1, 4, 10)
CASES = range(6)
TOLERANCE = 5e-6  # relative to the largest action; the smallest classic mistake costs 1e-5


def relative(a: Tensor, b: Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


def case(number: int) -> tuple[list[Tensor], dict[str, Tensor]]:
    """(the inputs in order, LeRobot's actions by kind and steps)."""
    folder = FIXTURES / "cases"
    inputs = safetensors_file.read_tensors(folder / f"{number}.inputs.safetensors")
    expected = safetensors_file.read_tensors(folder / f"{number}.actions.safetensors")
    return [inputs[name] for name in INPUTS], expected


def worst(program: torch.nn.Module, kind: str) -> float:
    """The largest difference from the recorded actions over all cases and steps."""
    errors = []
    with torch.inference_mode():
        for number in CASES:
            inputs, expected = case(number)
            errors += [relative(program(*inputs, n), expected[f"{kind}.{n}"]) for n in STEPS]
    return max(errors)


class ExportTest(unittest.TestCase):
    """A test with an empty folder of its own."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)

    def export(self, checkpoint: Path, *options: str, out: str = "policy") -> Path:
        """Runs the exporter in this process; its lines are in self.said afterwards."""
        argv = ["--checkpoint", str(checkpoint), "--out", str(self.folder / out), *options]
        spoken = io.StringIO()
        try:
            with contextlib.redirect_stderr(spoken):
                export.export(export.parse(argv), argv, Progress())
        finally:
            self.said = spoken.getvalue()
        return self.folder / out

    def copy(self, name: str, to: str = "checkpoint") -> Path:
        """A fixture's checkpoint, to be changed."""
        target = self.folder / to
        for path in sorted((FIXTURES / name).rglob("*")):
            if path.is_file():
                place = target / path.relative_to(FIXTURES / name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.read_bytes())
        return target


def tensors_of(name: str) -> dict[str, Tensor]:
    """The weights of a fixture's checkpoint, under the names of its file."""
    found = safetensors_file.read_tensors(FIXTURES / name / "model.safetensors")
    return {key: tensor.clone() for key, tensor in found.items()}


def edit_json(path: Path, **values: object) -> None:
    content = json.loads(path.read_text())
    content.update(values)
    path.write_text(json.dumps(content))


def leftovers(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(".partial"))

"""Compares Pi0 with LeRobot's own class at tiny sizes: same weights, same noise, same actions?

A module that trains and runs on itself cannot see a wrong flow sign or time convention. This is
run by hand, once for every change of the model, and writes compare_lerobot.json beside itself
(packages: see lerobot_original.py):

    python -m pi0.compare_lerobot
"""

import importlib.metadata
import itertools
import json
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import torch

from . import checkpoint, lerobot_original
from .model import Pi0, Pi0Config

TOLERANCE = 5e-6  # relative to the largest action; the smallest classic mistake costs 1e-5
TINY = Pi0Config(
    image_size=28,
    patch_size=14,
    vision_width=32,
    vision_layers=2,
    vision_heads=16,
    vision_mlp=40,
    language_width=48,
    language_mlp=64,
    vocabulary=64,
    expert_width=32,
    expert_mlp=40,
    layers=3,
    heads=4,
    kv_heads=1,
    head_dim=16,
    horizon=6,
)
GROUPED = replace(TINY, kv_heads=2, layers=2, horizon=9, image_size=42, language_width=40)
GRID = {"batch": (1, 2, 4), "cameras": (2, 3), "prompt": (3, 20, 48), "steps": (1, 4, 10)}


def compare(lerobot: SimpleNamespace, c: Pi0Config) -> dict[str, float]:
    """The largest differences over the grid, of the eager, scripted and fused modules."""
    lerobot_original.make_small(lerobot.modeling, c)
    theirs = lerobot.modeling.PI0Pytorch(lerobot_original.small_config(lerobot, c)).eval()
    lerobot_original.randomise(theirs)
    ours, fused = Pi0(c).eval(), Pi0(replace(c, attention="sdpa")).eval()
    for model in (ours, fused):
        model.load_state_dict(checkpoint.to_pi0(theirs.state_dict()), strict=True)
    models = {"eager": ours, "scripted": torch.jit.script(ours), "fused": torch.jit.script(fused)}
    worst = dict.fromkeys(models, 0.0)
    for seed, (batch, cameras, prompt, steps) in enumerate(itertools.product(*GRID.values())):
        x = lerobot_original.inputs(c, batch, cameras, prompt, seed)
        expected = lerobot_original.actions(theirs, x, steps)
        for name, model in models.items():
            with torch.inference_mode():
                found = model(*x.values(), steps)
            error = ((found - expected).abs().max() / expected.abs().max()).item()
            worst[name] = max(worst[name], float(f"{error:.3g}"))
    return worst


def main() -> None:
    torch.set_grad_enabled(False)
    lerobot = lerobot_original.import_lerobot()
    sizes = {"tiny": TINY, "grouped": GROUPED}
    differences = {name: compare(lerobot, c) for name, c in sizes.items()}
    worst = max(max(row.values()) for row in differences.values())
    result = {
        "what": "largest difference of the actions, relative to the largest action, float32",
        "worst": worst,
        "tolerance": TOLERANCE,
        "differences": differences,
        "cases": len(sizes) * len(list(itertools.product(*GRID.values()))),
        "grid": GRID,
        "sizes": {name: asdict(c) for name, c in sizes.items()},
        "versions": versions(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({"worst": worst, "cases": result["cases"]}))
    if worst > TOLERANCE:
        sys.exit(f"differs from LeRobot by {worst}, more than {TOLERANCE}")


def versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("lerobot", "transformers")}
    return {
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        **packages,
    }


if __name__ == "__main__":
    main()

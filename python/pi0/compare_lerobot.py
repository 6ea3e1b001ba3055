"""Compares Pi0 with LeRobot's own class at tiny sizes: same weights, same noise, same actions?

A module that trains and runs on itself cannot see a wrong flow sign or time convention. This is
run by hand, once for every change of the model, and writes compare_lerobot.json beside itself:

    pip install transformers==5.5.4 torch numpy
    pip install --no-deps --ignore-requires-python lerobot==0.6.1
    python -m pi0.compare_lerobot --fixture ../test/fixtures/pi0/lerobot.npz

LeRobot's package wants Python 3.12, torchvision and more than its Pi0 reads. So its numeric files
(`modeling_pi0`, `pi_gemma`, `common`) are imported as they are, and the package files around them,
which hold configuration, downloads and real-time chunking, are stood in for.
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch

from . import checkpoint
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
RECORDED = replace(TINY, image_size=14, patch_size=7, layers=2)
GROUPED = replace(TINY, kv_heads=2, layers=2, horizon=9, image_size=42, language_width=40)


def stub(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def lerobot_modeling() -> ModuleType:
    """lerobot.policies.pi0.modeling_pi0, without the package files that import the world."""
    root = Path(importlib.util.find_spec("lerobot").submodule_search_locations[0])
    for name in ("lerobot", "lerobot.utils", "lerobot.policies", "lerobot.policies.pi0"):
        folder = root.joinpath(*name.split(".")[1:])
        stub(name, __path__=[str(folder)])
    base = type("Base", (torch.nn.Module,), {})
    stub("lerobot.configs", PreTrainedConfig=base)
    stub("lerobot.policies.pretrained", PreTrainedPolicy=base, T=base)
    stub("lerobot.policies.rtc", __path__=[])
    stub("lerobot.policies.rtc.modeling_rtc", RTCProcessor=base)
    stub("lerobot.policies.pi0.configuration_pi0", DEFAULT_IMAGE_SIZE=224, PI0Config=base)
    return importlib.import_module("lerobot.policies.pi0.modeling_pi0")


def pin(config: object, **values: object) -> None:
    """Sets values which later assignments cannot change: LeRobot writes the real sizes in."""

    def setter(self: object, name: str, value: object) -> None:
        super(kind, self).__setattr__(name, values.get(name, value))

    kind = type(type(config).__name__, (type(config),), {"__setattr__": setter})
    config.__class__ = kind
    for name, value in values.items():
        setattr(config, name, value)


def lerobot_model(modeling: ModuleType, c: Pi0Config) -> torch.nn.Module:
    """LeRobot's PI0Pytorch at the sizes of c, every parameter random: as initialised, norms and
    biases are zero and would hide mistakes."""
    mapping = importlib.import_module("transformers.models.auto").CONFIG_MAPPING

    def paligemma() -> object:
        config = mapping["paligemma"]()
        pin(
            config.vision_config,
            hidden_size=c.vision_width,
            num_hidden_layers=c.vision_layers,
            num_attention_heads=c.vision_heads,
            intermediate_size=c.vision_mlp,
            patch_size=c.patch_size,
            projection_dim=c.language_width,
        )
        pin(config.text_config, vocab_size=c.vocabulary)
        pin(config, image_token_index=c.vocabulary)
        return config

    def gemma(**sizes: object) -> object:
        return mapping["gemma"](**{**sizes, "vocab_size": c.vocabulary})

    def variant(name: str) -> SimpleNamespace:
        width, mlp = {
            "language": (c.language_width, c.language_mlp),
            "expert": (c.expert_width, c.expert_mlp),
        }[name]
        return SimpleNamespace(
            width=width,
            mlp_dim=mlp,
            depth=c.layers,
            num_heads=c.heads,
            num_kv_heads=c.kv_heads,
            head_dim=c.head_dim,
        )

    modeling.CONFIG_MAPPING = {"paligemma": paligemma, "gemma": gemma}
    modeling.get_gemma_config = variant
    config = SimpleNamespace(
        paligemma_variant="language",
        action_expert_variant="expert",
        dtype="float32",
        image_resolution=(c.image_size, c.image_size),
        freeze_vision_encoder=False,
        train_expert_only=False,
        max_action_dim=c.noise_dim,
        max_state_dim=c.noise_dim,
        chunk_size=c.horizon,
        compile_model=False,
        rtc_config=None,
        min_period=c.min_period,
        max_period=c.max_period,
        num_inference_steps=10,
    )
    model = modeling.PI0Pytorch(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 10.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * fan_in**-0.5)
    return model


def inputs(c: Pi0Config, batch: int, cameras: int, prompt: int, seed: int) -> list[torch.Tensor]:
    """Random observation and noise. With several cameras some are masked, the middle one too; the
    prompts of a batch have different lengths."""
    g = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, cameras, 3, c.image_size, c.image_size, generator=g) * 2 - 1
    seen = torch.rand(batch, cameras, generator=g) < 0.6
    seen[:, 0] = True
    seen[0, 1] = seed % 2 == 0
    tokens = torch.randint(0, c.vocabulary, (batch, prompt), generator=g)
    lengths = torch.randint(3, prompt + 1, (batch, 1), generator=g)
    token_mask = torch.arange(prompt) < lengths
    state = torch.randn(batch, c.noise_dim, generator=g)
    noise = torch.randn(batch, c.horizon, c.noise_dim, generator=g)
    return [images, seen, tokens, token_mask, state, noise]


def lerobot_actions(model: torch.nn.Module, x: list[torch.Tensor], steps: int) -> torch.Tensor:
    images, seen, tokens, token_mask, state, noise = x
    cameras = range(images.shape[1])
    return model.sample_actions(
        [images[:, n] for n in cameras],
        [seen[:, n] for n in cameras],
        tokens,
        token_mask,
        state,
        noise=noise,
        num_steps=steps,
    )


GRID = {"batch": (1, 2, 4), "cameras": (2, 3), "prompt": (3, 20, 48), "steps": (1, 4, 10)}


def compare(modeling: ModuleType, c: Pi0Config) -> dict[str, float]:
    """The largest differences over the grid, of the eager and of the scripted module."""
    theirs = lerobot_model(modeling, c)
    ours = Pi0(c).eval()
    ours.load_state_dict(checkpoint.to_pi0(theirs.state_dict()), strict=True)
    scripted = torch.jit.script(ours)
    worst = {"eager": 0.0, "scripted": 0.0}
    for seed, (batch, cameras, prompt, steps) in enumerate(itertools.product(*GRID.values())):
        x = inputs(c, batch, cameras, prompt, seed)
        expected = lerobot_actions(theirs, x, steps)
        for name, model in (("eager", ours), ("scripted", scripted)):
            with torch.inference_mode():
                actions = model(*x, steps)
            error = ((actions - expected).abs().max() / expected.abs().max()).item()
            worst[name] = max(worst[name], float(f"{error:.3g}"))
    return worst


def record(modeling: ModuleType, c: Pi0Config, path: Path) -> None:
    """Weights (our names), one batch of inputs, LeRobot's actions for 1, 4 and 10 steps."""
    theirs = lerobot_model(modeling, c)
    x = inputs(c, batch=3, cameras=3, prompt=8, seed=7)
    names = ("images", "image_masks", "tokens", "token_mask", "state", "noise")
    arrays = {f"in.{name}": value.numpy() for name, value in zip(names, x, strict=True)}
    for steps in (1, 4, 10):
        arrays[f"actions.{steps}"] = lerobot_actions(theirs, x, steps).numpy()
    for name, tensor in checkpoint.to_pi0(theirs.state_dict()).items():
        arrays[f"weight.{name}"] = tensor.numpy()
    arrays["config"] = np.frombuffer(json.dumps(asdict(c)).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixture", type=Path, help="also record a small fixture here (.npz)")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    modeling = lerobot_modeling()
    sizes = {"tiny": TINY, "grouped": GROUPED}
    differences = {name: compare(modeling, c) for name, c in sizes.items()}
    worst = max(max(row.values()) for row in differences.values())
    result = {
        "what": "largest difference of the actions, relative to the largest action, float32",
        "worst": worst,
        "tolerance": TOLERANCE,
        "differences": differences,
        "cases": len(sizes) * len(list(itertools.product(*GRID.values()))),
        "grid": GRID,
        "sizes": {name: asdict(c) for name, c in sizes.items()},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            **{p: importlib.metadata.version(p) for p in ("lerobot", "transformers")},
        },
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({"worst": worst, "cases": result["cases"]}))
    if args.fixture:
        record(modeling, RECORDED, args.fixture)
    if worst > TOLERANCE:
        sys.exit(f"differs from LeRobot by {worst}, more than {TOLERANCE}")


if __name__ == "__main__":
    main()

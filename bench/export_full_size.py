"""A Pi0 checkpoint of full size with random weights, and its export, measured.

    python bench/export_full_size.py make DIR              3.24 B parameters in bfloat16, 7 GB
    python bench/export_full_size.py export DIR OUT [...]  pi0.export with further options

Both print one line of JSON. Run by bench/export_full_size.mjs.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from pi0 import checkpoint, export, safetensors_file  # noqa: E402
from pi0.model import Pi0, Pi0Config  # noqa: E402
from pi0.progress import Progress  # noqa: E402
from pi0.weights import Uninitialised  # noqa: E402

VLM = "paligemma_with_expert.paligemma."
# What openpi's PyTorch conversion calls a parameter, by the beginning of its name here.
THEIRS = (
    ("vision_tower.", f"{VLM}model.vision_tower.vision_model."),
    ("multi_modal_projector.", f"{VLM}model.multi_modal_projector."),
    ("language_model.", f"{VLM}model.language_model."),
    ("gemma_expert.", "paligemma_with_expert.gemma_expert.model."),
)


def theirs(name: str) -> str:
    if name == checkpoint.TABLE:
        return f"{VLM}lm_head.weight"
    for ours, prefix in THEIRS:
        if name.startswith(ours):
            return prefix + name.removeprefix(ours)
    return name


def make(folder: Path) -> None:
    with torch.device("meta"), Uninitialised():
        model = Pi0(Pi0Config())
        head = torch.empty(257152, 1024)  # in every file, read by nothing
    tensors = {theirs(name): tensor for name, tensor in model.state_dict().items()}
    tensors[f"paligemma_with_expert.{checkpoint.EXPERT_HEAD}"] = head
    tensors = {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}
    generator = torch.Generator().manual_seed(0)

    def fill(name: str, tensor: torch.Tensor) -> torch.Tensor:
        fan_in = tensor[0].numel() if tensor.dim() > 1 else 400
        values = torch.empty(tensor.shape, dtype=torch.bfloat16)
        return values.uniform_(-1, 1, generator=generator).mul_((3 / fan_in) ** 0.5)

    assets = folder / "assets" / "physical-intelligence" / "libero"
    assets.mkdir(parents=True)
    safetensors_file.write_tensors(folder / "model.safetensors", tensors, fill)
    config = {"action_dim": 32, "action_horizon": 50, "precision": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    state = {"mean": [0.0] * 8, "std": [1.0] * 8}
    actions = {"mean": [0.0, 0.0, 0.0, -3.1, 0.0, 0.0, 0.0], "std": [1.0] * 7}
    stats = {"norm_stats": {"state": state, "actions": actions}}
    (assets / "norm_stats.json").write_text(json.dumps(stats))

    (folder / "sample").mkdir()
    safetensors_file.write_tensors(folder / "sample" / "inputs.safetensors", inputs(generator))


def inputs(g: torch.Generator) -> dict[str, torch.Tensor]:
    """One observation of LIBERO: two cameras, a prompt of 16 tokens."""
    return {
        "images": torch.rand(1, 2, 3, 224, 224, generator=g) * 2 - 1,
        "image_masks": torch.ones(1, 2, dtype=torch.bool),
        "tokens": torch.randint(0, 257152, (1, 48), generator=g),
        "token_mask": torch.arange(48)[None] < 16,
        "state": torch.randn(1, 32, generator=g),
        "noise": torch.randn(1, 50, 32, generator=g),
    }


def main(command: str, folder: str, *rest: str) -> None:
    start = time.monotonic()
    if command == "make":
        make(Path(folder))
    else:
        argv = ["--checkpoint", folder, "--out", rest[0], *rest[1:]]
        export.export(export.parse(argv), argv, Progress())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": time.monotonic() - start, "peak_rss_gb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])

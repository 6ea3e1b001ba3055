"""LeRobot's own Pi0 in eager PyTorch: the peer that policy.mjs times, and the weights of both.

    python bench/policy.py SIZE FOLDER

Writes FOLDER: a policy of this package with the weights of a LeRobot network of SIZE (small or
middle), and inputs.B.safetensors; prints a line of JSON with the work of a prefix and of a step.
Then answers each line of JSON on stdin with one on stdout:
{"sample": B} with the seconds that LeRobot's network takes for that batch, {"compare": B, "file":
F} with the difference of the actions in F from LeRobot's, relative to the largest action.

Needs the packages that python/pi0/lerobot_original.py names, and safetensors.
"""

import json
import resource
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from pi0 import artefact, checkpoint, lerobot_original
from pi0.model import Pi0, Pi0Config

# Width 256 and depth 6, full-size pictures; the expert is half as wide, as in the real Pi0.
MIDDLE = Pi0Config(
    vision_width=256,
    vision_layers=6,
    vision_heads=4,
    vision_mlp=1024,
    language_width=256,
    language_mlp=2048,
    vocabulary=512,
    expert_width=128,
    expert_mlp=512,
    layers=6,
    heads=8,
    head_dim=32,
    attention="sdpa",
)
SMALL = replace(
    MIDDLE,
    image_size=56,
    vision_width=64,
    vision_layers=2,
    vision_mlp=256,
    language_width=64,
    language_mlp=512,
    expert_width=32,
    expert_mlp=128,
    layers=2,
    head_dim=8,
)
SIZES = {"small": SMALL, "middle": MIDDLE}
CAMERAS = ["main", "wrist", "right_wrist"]
PROMPT = "put the black bowl on the plate, then go home."  # 48 tokens
STEPS = 10
BATCHES = (1, 16)
SEED = 2  # of inputs whose every row sees the middle camera


def lerobot_network(c: Pi0Config) -> torch.nn.Module:
    lerobot = lerobot_original.import_lerobot()
    lerobot_original.make_small(lerobot.modeling, c)
    network = lerobot.modeling.PI0Pytorch(lerobot_original.small_config(lerobot, c)).eval()
    lerobot_original.randomise(network)
    return network


def write_policy(folder: Path, c: Pi0Config, model: Pi0) -> None:
    artefact.write(
        folder,
        model,
        c,
        name=folder.name,
        cameras=CAMERAS,
        prompts=[PROMPT],
        state_stats={"mean": [0.0] * 8, "std": [1.0] * 8},
        action_stats={"mean": [0.0] * 7, "std": [1.0] * 7},
        num_steps=STEPS,
        provenance={},
    )


def inputs(c: Pi0Config, batch: int) -> dict[str, torch.Tensor]:
    """Everything is seen: neither side has anything to leave out."""
    x = lerobot_original.inputs(c, batch, len(CAMERAS), 48, SEED)
    return {**x, "image_masks": x["image_masks"] | True, "token_mask": x["token_mask"] | True}


def arithmetic(c: Pi0Config, x: dict[str, torch.Tensor]) -> dict[str, int]:
    """Floating-point operations of the matrix products: of a prefix, and of a step."""
    model = Pi0(replace(c, attention="eager"))  # whose products the counter knows
    with FlopCounterMode(display=False) as prefix:
        seen = model.prefix(x["images"], x["image_masks"], x["tokens"], x["token_mask"])
    with FlopCounterMode(display=False) as step:
        model.denoise_step(x["state"], *seen, x["noise"], torch.ones(len(x["noise"])))
    return {"prefix": prefix.get_total_flops(), "step": step.get_total_flops()}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(size: str, name: str) -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_grad_enabled(False)
    folder, c = Path(name), SIZES[size]
    network = lerobot_network(c)
    model = Pi0(c).eval()
    model.load_state_dict(checkpoint.to_pi0(network.state_dict()), strict=True)
    write_policy(folder, c, model)
    given = {batch: inputs(c, batch) for batch in BATCHES}
    for batch, x in given.items():
        save_file(x, folder / f"inputs.{batch}.safetensors")
    print(json.dumps({"flops": arithmetic(c, given[1])}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "sample" in asked:
            x = given[asked["sample"]]
            wall, cpu = time.perf_counter(), cpu_seconds()
            lerobot_original.actions(network, x, STEPS)
            answer = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}
        else:
            expected = lerobot_original.actions(network, given[asked["compare"]], STEPS)
            found = load_file(asked["file"])["actions"]
            difference = (found - expected).abs().max() / expected.abs().max()
            answer = {"difference": difference.item()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

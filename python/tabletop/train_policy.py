"""Trains the small Pi0 that ships for tabletop, by conditional flow matching.

python -m tabletop.train_policy --out ../policies/tabletop

x_t = t noise + (1 - t) actions; the network predicts noise - actions (arXiv 2410.24164, section 4).
"""

import argparse
import copy
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pi0 import artefact
from pi0.model import Pi0, Pi0Config

from .demonstrations import Demonstrations, record

CONFIG = Pi0Config(
    image_size=64,
    patch_size=16,
    vision_width=80,
    vision_layers=2,
    vision_heads=4,
    vision_mlp=240,
    language_width=80,
    language_mlp=240,
    vocabulary=259,
    expert_width=80,
    expert_mlp=240,
    layers=2,
    heads=4,
    kv_heads=1,
    head_dim=20,
    horizon=5,
)
PROMPT = "tidy"
FRAMES, DRAWS = 64, 4  # a batch: frames, and draws of (flow time, noise) that share one prefix


def statistics(x: np.ndarray, constant_std: float) -> dict[str, list[float]]:
    """Mean and standard deviation of each column. A column that does not vary gets constant_std:
    with its own, rounding in the last bit would be blown up to whole units."""
    x = x.astype(np.float64)
    std = x.std(0)
    std[std < 1e-3] = constant_std
    return {"mean": x.mean(0).tolist(), "std": std.tolist()}


def normalise(x: np.ndarray, stats: dict[str, list[float]], width: int) -> Tensor:
    """(x - mean) / (std + eps), zero-padded to width in the last dimension."""
    mean = torch.tensor(stats["mean"], dtype=torch.float32)
    std = torch.tensor(stats["std"], dtype=torch.float32)
    y = (torch.from_numpy(x) - mean) / (std + 1e-6)
    return torch.nn.functional.pad(y, (0, width - y.shape[-1]))


def flow_loss(
    model: Pi0, pictures: Tensor, states: Tensor, actions: Tensor, tokens: Tensor
) -> Tensor:
    """Conditional flow matching. Real action dimensions weigh .9, the padding .1."""
    frames = len(pictures)
    images = pictures.permute(0, 3, 1, 2).unsqueeze(1).float() / 255 * 2 - 1
    seen = torch.ones(frames, 1, dtype=torch.bool)
    tokens = tokens.expand(frames, -1)
    pad, K, V = model.prefix(images, seen, tokens, torch.ones_like(tokens, dtype=torch.bool))

    def repeat(x: Tensor, dim: int = 0) -> Tensor:
        return x.repeat_interleave(DRAWS, dim)

    actions = repeat(actions)
    noise = torch.randn_like(actions)
    u = torch.rand(len(actions))
    t = u ** (1 / 1.5) * 0.999 + 0.001  # Beta(1.5, 1) by its inverse distribution function
    x_t = t[:, None, None] * noise + (1 - t[:, None, None]) * actions
    v = model.denoise_step(repeat(states), repeat(pad), repeat(K, 1), repeat(V, 1), x_t, t)
    error = (v - (noise - actions)).square()
    return 0.9 * error[..., :7].mean() + 0.1 * error[..., 7:].mean()


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 100 steps, then a cosine to zero."""
    progress = max(0.0, (step - 100) / max(1, steps - 100))
    return peak * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train(
    demos: Demonstrations, stats: tuple[dict, dict], steps: int, peak: float
) -> tuple[Pi0, float]:
    """Returns the exponential moving average of the weights and the last smoothed loss."""
    states = normalise(demos.states, stats[0], CONFIG.noise_dim)
    actions = normalise(demos.actions, stats[1], CONFIG.noise_dim)
    pictures = torch.from_numpy(demos.pictures)
    tokens = torch.tensor([artefact.byte_tokens(PROMPT)])
    # The noise picks the bowl in the first chunk, so the first frames are drawn more often.
    weights = torch.where(torch.from_numpy(demos.first), 4.0, 1.0).double()
    model = Pi0(CONFIG)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01, fused=True)
    smoothed, began = 0.0, time.monotonic()
    cumulative = weights.cumsum(0)
    for step in range(steps):
        drawn = torch.rand(FRAMES, dtype=torch.float64) * cumulative[-1]
        i = torch.searchsorted(cumulative, drawn, right=True).clamp(max=len(states) - 1)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        loss = flow_loss(model, pictures[i], states[i], actions[i], tokens)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(0.99, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        smoothed += (loss.item() - smoothed) * max(0.01, 1 / (step + 1))
        if step % 250 == 0 or step == steps - 1:
            seconds = time.monotonic() - began
            print(f"step {step} loss {smoothed:.4f} {seconds:.0f} s", file=sys.stderr, flush=True)
    return average.eval(), smoothed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--per-task", type=int, default=600, help="demonstrations a task")
    parser.add_argument("--target-probability", type=float, default=0.36)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    demos = record(args.per_task, args.target_probability, CONFIG.horizon, rng)
    stats = (
        statistics(demos.states, constant_std=1.0),
        statistics(demos.actions.reshape(-1, 7), constant_std=0.01),
    )
    began = time.monotonic()
    model, loss = train(demos, stats, args.steps, args.lr)
    command = (
        f"python -m tabletop.train_policy --seed {args.seed} --steps {args.steps} --lr {args.lr} "
        f"--per-task {args.per_task} --target-probability {args.target_probability}"
    )
    artefact.write(
        args.out,
        model,
        CONFIG,
        name="tabletop",
        cameras=["main"],
        prompts=[PROMPT],
        state_stats=stats[0],
        action_stats=stats[1],
        num_steps=4,
        provenance={
            "command": command,
            "seed": args.seed,
            "torch": torch.__version__.split("+")[0],
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
            "train_seconds": round(time.monotonic() - began),
            "final_loss": round(loss, 5),
            "parameters": sum(p.numel() for p in model.parameters()),
            "sizes": asdict(CONFIG),
        },
    )


if __name__ == "__main__":
    main()

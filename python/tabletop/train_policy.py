"""Trains the small Pi0 that ships for tabletop, by conditional flow matching.

python -m tabletop.train_policy --out ../policies/tabletop
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from pi0 import artefact
from pi0.flow_matching import Frames, Schedule, frame_statistics, provenance, train
from pi0.model import Pi0Config

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


def frames_of(demos: Demonstrations) -> Frames:
    tokens = np.array([artefact.byte_tokens(PROMPT)])
    return Frames(
        pictures=demos.pictures[:, None],
        states=demos.states,
        actions=demos.actions,
        # The noise picks the bowl in the first chunk, so the first frames are drawn more often.
        weights=np.where(demos.first, 4.0, 1.0),
        prompts=np.zeros(len(demos.states), np.int64),
        tokens=tokens,
        token_mask=np.ones_like(tokens, bool),
    )


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
    frames = frames_of(demos)
    stats = frame_statistics(frames)
    began = time.monotonic()
    model, loss = train(CONFIG, frames, stats, Schedule(args.steps, args.lr))
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
            **provenance(CONFIG, model, loss, began),
        },
    )


if __name__ == "__main__":
    main()

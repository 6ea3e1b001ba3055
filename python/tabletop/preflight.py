"""Pre-flight of a frozen policy on tabletop: can its noise steer it, and is it competent?

python -m tabletop.preflight --policy ../policies/tabletop

Plays the shipped program (TorchScript) in the numpy world over the benchmark's 100 (task, trial)
pairs, horizon 60 = 12 chunks of 5, an episode ends at its success; writes preflight.json beside the
policy, notes the main figures in policy.json, and exits with 1 if a gate fails. The noise is drawn
anew for each chunk unless said otherwise:

* iid: N(0, I), [H, 32].
* tiled: one N(0, I) vector of 32, the same for all H steps.
* uniform: one U(-1, 1) vector of 32, the same for all H steps: what the DSRL agent can play.
* best of 32: 32 uniform vectors a scene, each kept for a whole episode; does one succeed?

"Near" a bowl after the first chunk: the gripper is nearer to it (in xy) than to the other one.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pi0 import artefact

from . import philox, world
from .painter import paint

CHUNKS = world.HORIZON // world.CHUNK
TRIALS = 25
BEST_OF = 32
BATCH = 100


@dataclass
class Episodes:
    success: np.ndarray  # bool [n]
    near_target: np.ndarray  # bool [n], after the first chunk
    steps: np.ndarray  # int [n], executed


class Player:
    """A frozen policy: observations in, un-normalised actions out, as policy.json describes it."""

    def __init__(self, folder: Path):
        self.program, self.policy = artefact.load(folder)
        self.horizon, self.width = self.policy["horizon"], self.policy["noise_dim"]
        stats = self.policy["normalization"]
        self.eps = stats["eps"]
        self.state, self.actions = (
            {k: torch.tensor(stats[name][k]) for k in ("mean", "std")}
            for name in ("state", "actions")
        )
        self.tokens = torch.tensor([self.policy["prompts"]["tidy"]])
        self.token_mask = torch.arange(len(self.tokens[0])) < self.policy["prompt_lengths"]["tidy"]

    @torch.inference_mode()
    def act(self, s: world.State, noise: np.ndarray) -> np.ndarray:
        """noise [n, H, 32] -> actions float32 [n, H, 7]."""
        n = len(noise)
        pictures = torch.from_numpy(paint(s, self.policy["image_size"]))
        images = pictures.permute(0, 3, 1, 2).unsqueeze(1).float() / 255 * 2 - 1
        state = torch.from_numpy(world.observe(s))
        state = (state - self.state["mean"]) / (self.state["std"] + self.eps)
        actions = self.program(
            images,
            torch.ones(n, 1, dtype=torch.bool),
            self.tokens.expand(n, -1),
            self.token_mask.expand(n, -1),
            torch.nn.functional.pad(state, (0, self.width - state.shape[1])),
            torch.from_numpy(noise.astype(np.float32)),
            self.policy["num_steps"],
        )
        actions = actions[..., : len(self.actions["mean"])]
        return (actions * (self.actions["std"] + self.eps) + self.actions["mean"]).numpy()


def draw(
    mode: str, seed: int, episodes: np.ndarray, chunk: int, horizon: int, width: int
) -> np.ndarray:
    """Noise [n, horizon, width] of these episodes at this chunk, by the counter-based generator."""
    name = f"preflight.{mode}"
    if mode == "iid":
        noise = philox.normal(seed, name, episodes, chunk, horizon * width)
        return noise.reshape(-1, horizon, width)
    if mode == "tiled":
        noise = philox.normal(seed, name, episodes, chunk, width)
    else:
        step = 0 if mode == "constant" else chunk
        noise = 2.0 * philox.uniform(seed, name, episodes, step, width) - 1.0
    return np.repeat(noise[:, None], horizon, 1)


def play_batch(player: Player, mode: str, seed: int, tasks, trials, episodes) -> Episodes:
    s = world.reset(tasks, trials, seed=0)
    n = len(tasks)
    done, steps, near = np.zeros(n, bool), np.zeros(n, int), np.zeros(n, bool)
    for chunk in range(CHUNKS):
        live = np.flatnonzero(~done)
        if len(live) == 0:
            break
        part = s.take(live)
        noise = draw(mode, seed, episodes[live], chunk, player.horizon, player.width)
        actions = player.act(part, noise)
        finished = np.zeros(len(live), bool)
        for i in range(world.CHUNK):
            rows = np.flatnonzero(~finished)
            moving = part.take(rows)
            finished[rows] = world.step(moving, actions[rows, i])
            part.put(rows, moving)
            steps[live[rows]] += 1
        s.put(live, part)
        done[live] = finished
        if chunk == 0:
            d = world.squared_distance(s.bowls, s.position[:, None])
            near = d[:, 0] < d[:, 1]
    return Episodes(done, near, steps)


def play(player: Player, mode: str, repeats: int, seed: int, first_trial: int = 0) -> Episodes:
    """Every (task, trial) `repeats` times; episode = scene * repeats + repeat."""
    tasks = np.repeat(np.arange(world.TASKS), TRIALS * repeats)
    trials = first_trial + np.tile(np.repeat(np.arange(TRIALS), repeats), world.TASKS)
    episodes = np.arange(len(tasks))
    parts = []
    for start in range(0, len(tasks), BATCH):
        b = slice(start, start + BATCH)
        parts.append(play_batch(player, mode, seed, tasks[b], trials[b], episodes[b]))
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Episodes(*map(np.concatenate, columns))


def wilson(successes: int, n: int) -> list[float]:
    """95 % interval of a proportion."""
    z, p = 1.959964, successes / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round(float((centre + d) / (1 + z * z / n)), 4) for d in (-half, half)]


def summary(e: Episodes) -> dict:
    def rate(x: np.ndarray) -> float | None:
        return round(float(x.mean()), 4) if len(x) else None

    return {
        "success": rate(e.success),
        "interval": wilson(int(e.success.sum()), len(e.success)),
        "episodes": len(e.success),
        "tasks": [rate(x) for x in e.success.reshape(world.TASKS, -1)],
        "near_target": rate(e.near_target),
        "success_near_target": rate(e.success[e.near_target]),
        "success_near_other": rate(e.success[~e.near_target]),
        "steps_of_successes": rate(e.steps[e.success]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=20, help="episodes a scene, each noise")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.monotonic()
    player = Player(args.policy)
    figures = {
        mode: summary(play(player, mode, args.repeats, args.seed))
        for mode in ("iid", "tiled", "uniform")
    }
    figures["iid_held_out"] = summary(play(player, "iid", args.repeats, args.seed, TRIALS))
    best = play(player, "constant", BEST_OF, args.seed).success.reshape(-1, BEST_OF)
    figures["best_of_32"] = {
        "scenes": float(best.any(1).mean()),
        "success": round(float(best.mean()), 4),
        "fewest_of_32": int(best.sum(1).min()),
    }
    iid = figures["iid"]
    gates = {
        "success_near_target >= .95": iid["success_near_target"] >= 0.95,
        "iid success in .25-.40 over >= 1,000 episodes": 0.25 <= iid["success"] <= 0.40
        and iid["episodes"] >= 1000,
        "best of 32 >= .95 of scenes": figures["best_of_32"]["scenes"] >= 0.95,
    }
    result = {
        "policy_sha256": player.policy["sha256"]["policy.pt"],
        "command": f"python -m tabletop.preflight --repeats {args.repeats} --seed {args.seed}",
        "torch": torch.__version__.split("+")[0],
        **figures,
        "gates": gates,
    }
    text = json.dumps(result, indent=2)
    (args.policy / "preflight.json").write_text(text + "\n")
    player.policy["provenance"]["measured"] = {
        "base_success": iid["success"],
        "episodes": iid["episodes"],
        "success_near_target": iid["success_near_target"],
        "best_of_32_scenes": figures["best_of_32"]["scenes"],
    }
    (args.policy / "policy.json").write_text(json.dumps(player.policy, indent=2) + "\n")
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if not all(gates.values()):
        sys.exit("a gate failed: " + ", ".join(name for name, ok in gates.items() if not ok))


if __name__ == "__main__":
    main()

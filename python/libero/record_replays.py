"""Records replays that succeed in the original: VENV/bin/python record_replays.py DIR

replays.safetensors holds for task K and trial N, K-N/actions F32 [T, 7] (15 no-ops, then a
scripted expert until some steps after its success; the fixtures' poses are those of seed K),
K-N/qpos F64 [48] (after the last step) and K-N/success U8 [T]. --again FILE records what the
actions of such a file do, instead of asking the expert.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import original
from expert import Expert, scene_of
from replay import NO_OP, Recording
from safetensors_file import read_tensors, write_tensors

TASKS = (0, 1, 2, 3, 7)
TRIALS = (0, 1, 2, 3, 4)
NO_OPS, LONGEST, AFTER = 15, 180, 3


def run_expert(env, seed: int, init_state: np.ndarray) -> Recording:
    recording = Recording(env, original.reset(env, seed, init_state))
    for _ in range(NO_OPS):
        recording.step(np.array(NO_OP))
    expert, remaining = Expert(), None
    for _ in range(LONGEST):
        _, success = recording.step(expert.act(scene_of(env)))
        if success and remaining is None:
            remaining = AFTER
        elif remaining is not None:
            remaining -= 1
        if remaining == 0:
            break
    return recording


def run_again(env, seed: int, init_state: np.ndarray, actions: np.ndarray) -> Recording:
    recording = Recording(env, original.reset(env, seed, init_state))
    for action in actions:
        recording.step(action)
    return recording


def record(
    folder: Path, tasks: list[int], trials: list[int], again: dict[str, np.ndarray] | None
) -> bool:
    """Whether every episode succeeded."""
    libero = original.Original("libero_spatial")
    tensors, failures = {}, 0
    for task in tasks:
        init = libero.init_states(task)
        env = libero.make(task)
        for trial in trials:
            name = f"{task}-{trial}"
            if again is None:
                recording = run_expert(env, task, init[trial])
            else:
                recording = run_again(env, task, init[trial], again[f"{name}/actions"])
            rows = recording.tensors()
            steps = np.flatnonzero(rows["success"])
            failures += len(steps) == 0
            said = f"success at step {steps[0] + 1}" if len(steps) else "no success"
            print(f"task {task} trial {trial}: {said}", file=sys.stderr, flush=True)
            tensors[f"{name}/actions"] = rows["actions"].astype(np.float32)
            tensors[f"{name}/qpos"] = rows["qpos"][-1]
            tensors[f"{name}/success"] = rows["success"]
        env.close()
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "replays.safetensors", tensors, original.versions())
    return failures == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, nargs="+", default=TASKS)
    parser.add_argument("--trials", type=int, nargs="+", default=TRIALS)
    parser.add_argument("--again", type=Path, help="a replays.safetensors")
    args = parser.parse_args()
    original.check_mujoco()
    again = None if args.again is None else read_tensors(args.again)
    return 0 if record(args.folder, args.tasks, args.trials, again) else 1


if __name__ == "__main__":
    sys.exit(main())

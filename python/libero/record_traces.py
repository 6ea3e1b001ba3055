"""Records golden traces of the original: VENV/bin/python record_traces.py DIR

For each task a file <suite>-<task>.safetensors: 15 no-ops, as RLinf settles the objects, then 60
random actions. The actions are exact in float32; some lie outside [-1, 1], some rotate by exactly
nothing, some leave the gripper as it is. `pictures` adds both cameras after step 15 and 75.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

import original
from replay import NO_OP, replay
from safetensors_file import write_tensors

NO_OPS, RANDOM = 15, 60
PICTURE_STEPS = (NO_OPS, NO_OPS + RANDOM)


def trace_actions(task: int) -> np.ndarray:
    """[75, 7] float64, exact in float32."""
    generator = np.random.Generator(np.random.PCG64(1000 + task))
    random = generator.uniform(-1.2, 1.2, (RANDOM, 7))
    random[::7, 3:6] = 0
    random[::10, 6] = 0
    random[3::10, :3] = 0
    return np.concatenate([np.tile(NO_OP, (NO_OPS, 1)), random]).astype(np.float32).astype(float)


def trial_of(task: int) -> int:
    """Spread over the initial states: a file that is read with an offset fails somewhere."""
    return (7 * task) % 50


def record(suite: str, folder: Path, tasks: list[int], pictures: bool, size: int) -> None:
    libero = original.Original(suite)
    metadata = original.versions() | {"suite": suite, "gl": os.environ["MUJOCO_GL"]}
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        print(f"recording task {task}", file=sys.stderr, flush=True)
        init = libero.init_states(task)
        trial, seed = trial_of(task), task
        env = libero.make(task, (size, size) if pictures else None)
        steps = PICTURE_STEPS if pictures else ()
        tensors = replay(env, seed, init[trial], trace_actions(task), steps, size)
        env.close()
        details = {"task": str(task), "trial": str(trial), "seed": str(seed)}
        write_tensors(folder / f"{suite}-{task}.safetensors", tensors, metadata | details)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", default="libero_spatial", choices=original.SUITES)
    parser.add_argument("--tasks", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--picture-size", type=int, default=256)
    args = parser.parse_args()
    original.check_mujoco()
    record(args.suite, args.folder, args.tasks, args.pictures, args.picture_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())

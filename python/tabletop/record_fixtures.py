"""Records what the C++ world is checked against: python -m tabletop.record_fixtures DIR

DIR = ../test/fixtures/tabletop. Three files:

* trace.json: `hand` is a ten-step trace whose every value can be computed by hand; `random` holds
  longer traces of noisy experts and of random actions, over all tasks and several trials. A trace
  has `seed`, `task`, `trial` or a `start` state, and for each step the action, the state after it
  (qpos), the float32 observation and the success flag. Actions are exact in float32; some lie
  outside [-1, 1].
* pictures.json and pictures.bin: golden 64x64x3 uint8 pictures, concatenated in the order of the
  index, which gives each one's task and qpos.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from . import expert, world
from .painter import paint

# One grasp and one release on the target, each number exact in decimal: see test_tabletop.py.
HAND_START = {
    "position": [0.4, 0.7, 0.12],
    "bowls": [[0.42, 0.72], [0.3, 0.3]],
    "plate": [0.5, 0.7],
}
HAND_ACTIONS = [
    [0.5, 0.25, -1.0, 0.0, 0.0, 0.0, -1.0],  # above the bowl, z .07, open
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],  # opening .5: too open to grasp
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],  # opening 0: holds the target, which snaps to it
    [0.0, 0.0, 1.5, 0.0, 0.0, 1.0, 1.0],  # up by .05 only (clipped), turns
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],  # x .475: within .06 of the plate, but too high and held
    [0.5, 0.0, -1.0, -2.0, 0.0, 0.0, 0.5],  # x .5, z .07: low enough now, but held, so no success
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # a[6] = 0 opens: opening .5, still held
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.25],  # opening 1: dropped on the plate, success
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0],  # up and away, still a success
    [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
]


def start(task: int, values: dict) -> world.State:
    s = world.reset([task], [0])
    s.position[0] = values["position"]
    s.bowls[0, :, :2] = values["bowls"]
    s.plate[0] = values["plate"]
    return s


def trace(s: world.State, actions: list) -> list[dict]:
    steps = []
    for action in actions:
        success = bool(world.step(s, np.asarray([action]))[0])
        steps.append(
            {
                "action": [float(x) for x in action],
                "qpos": world.qpos(s)[0].tolist(),
                "observation": world.observe(s)[0].astype(float).tolist(),
                "success": success,
            }
        )
    return steps


def random_trace(task: int, trial: int, seed: int, count: int, bowl: int | None) -> dict:
    """A noisy expert towards `bowl`, or with None random actions up to 1.3; from the layout."""
    rng = np.random.default_rng([task, trial, seed])
    s = world.reset([task], [trial], seed)
    initial = world.qpos(s)[0].tolist()
    actions, probe = [], s.copy()
    for _ in range(count):
        if bowl is None:
            action = rng.uniform(-1.3, 1.3, 7)
        else:
            action = expert.act(probe, np.array([bowl]))[0]
            action[:6] += rng.normal(0.0, 0.2, 6)
        actions.append(action.astype(np.float32).astype(np.float64))
        world.step(probe, actions[-1][None])
    steps = trace(s, actions)
    return {"seed": seed, "task": task, "trial": trial, "initial": initial, "steps": steps}


def traces() -> dict:
    hand = {"task": 0, "start": HAND_START, "steps": trace(start(0, HAND_START), HAND_ACTIONS)}
    cases = [
        (0, 0, 0, 36, 0),
        (1, 7, 0, 36, 1),
        (2, 24, 0, 36, 0),
        (3, 49, 5, 36, 1),
        (0, 3, 2**40 + 1, 36, 0),
        (2, 1000, 0, 20, None),
        (1, 12, 1, 20, None),
    ]
    return {"hand": hand, "random": [random_trace(*case) for case in cases]}


def scenes() -> world.State:
    """Fourteen scenes: the four layouts; bowls held high and low, released, overlapping each other,
    the plate, the cabinet and the borders; the gripper closed, half open and in a corner."""
    s = world.reset([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1], list(range(14)))
    s.opening[4:] = [0, 0, 0, 0.5, 1, 0, 0.5, 1, 0, 0]
    s.held[4:10] = [0, 1, 0, 1, -1, 0]
    s.position[4:] = [
        [0.3, 0.6, 0.6],
        [0.7, 0.7, 0.3],
        [0.46, 0.8, 0.05],
        [0.6, 0.2, 0.4],
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 0.6],
        [0.86, 0.14, 0.2],
        [0.25, 0.9, 0.07],
        [0.5, 0.02, 0.6],
        [0.44, 0.23, 0.01],
    ]
    s.bowls[8] = [[0.40, 0.50, 0.0], [0.44, 0.53, 0.0]]  # bowl 1 covers bowl 0
    s.bowls[10] = [[0.84, 0.15, 0.0], [0.01, 0.99, 0.0]]  # on the cabinet; over the corner
    s.bowls[11] = [[0.54, 0.21, 0.0], [0.34, 0.88, 0.0]]  # on the plate; on the ramekin
    s.bowls[12] = [[0.78, 0.6, 0.0], [0.8, 0.62, 0.0]]  # both on the plate
    rows = np.flatnonzero(s.held >= 0)
    s.bowls[rows, s.held[rows]] = s.position[rows]
    return s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trace.json").write_text(json.dumps(traces()) + "\n")
    s = scenes()
    pictures = paint(s)
    (folder / "pictures.bin").write_bytes(pictures.tobytes())
    index = {
        "shape": list(pictures.shape),
        "pictures": [
            {"task": int(task), "qpos": values.tolist()}
            for task, values in zip(s.task, world.qpos(s), strict=True)
        ],
    }
    (folder / "pictures.json").write_text(json.dumps(index) + "\n")


if __name__ == "__main__":
    main()

"""The tabletop world in numpy: the reference that the C++ environment is checked against.

A kinematic pick-and-place on the unit square; x right, y down in the picture, height z >= 0. All
state is float64 and vectorised over n environments. Two bowls that look the same, a plate; success
is the target bowl (bowl 0) on the plate.

Where the description leaves a choice, the most literal reading was taken:
* Actions are converted to float64, clipped to [-1, 1], then multiplied by .05. Nothing is rounded
  to float32 between steps; only the observation is.
* The gripper's opening g moves towards its goal by clip(goal - g, -.5, .5): from 1 to 0 in two
  steps. a[6] > 0 closes, a[6] <= 0 opens.
* Grasp: nothing held, g < .3, z < .1, and the nearest bowl (xy; bowl 0 on a tie) within .05 in xy.
  The bowl's own height does not matter. In the same step the bowl takes the gripper's position.
* Release: g > .6, tested after the bowl took the gripper's position, so the bowl falls from where
  the gripper is now: it keeps x and y, z becomes 0. A grasp and a release cannot meet in one step.
* Success uses the values at the end of the step: not held, z < .1, |xy - plate| <= .06. It is
  reported for the step, never latched.
* Distances are compared squared (dx dx + dy dy <= r r); "within" and "inside" include the border.
* Rotation starts at 0, is never wrapped; the observation shows rotation + (pi, 0, 0).
* No gripper or bowl is clipped after jitter; none can leave the table by it.
"""

from dataclasses import dataclass, fields

import numpy as np

from . import philox

TASKS = 4
HORIZON = 60
CHUNK = 5
PLATE = np.array([[0.78, 0.60], [0.78, 0.42], [0.46, 0.80], [0.54, 0.20]])
BOWLS = np.array(
    [
        [[0.44, 0.78], [0.38, 0.24]],
        [[0.44, 0.22], [0.38, 0.77]],
        [[0.78, 0.46], [0.23, 0.40]],
        [[0.22, 0.53], [0.77, 0.60]],
    ]
)
CABINET = np.array([[0.12, 0.72], [0.12, 0.28], [0.86, 0.14], [0.14, 0.86]])
RAMEKIN = np.array([[0.24, 0.92], [0.24, 0.08], [0.66, 0.10], [0.34, 0.90]])
SPOT_OFFSET = np.array([[-0.17, -0.12], [-0.17, 0.12], [-0.17, -0.12], [0.17, 0.12]])


@dataclass
class State:
    """n environments. held: -1 nothing, else the bowl's index."""

    task: np.ndarray  # int64 [n]
    position: np.ndarray  # [n, 3]
    rotation: np.ndarray  # [n, 3]
    opening: np.ndarray  # [n], 1 open, 0 closed
    held: np.ndarray  # int64 [n]
    bowls: np.ndarray  # [n, 2, 3]
    plate: np.ndarray  # [n, 2]

    def copy(self) -> "State":
        return State(**{f.name: getattr(self, f.name).copy() for f in fields(self)})

    def take(self, rows: np.ndarray | slice) -> "State":
        """A copy of some environments."""
        return State(**{f.name: getattr(self, f.name)[rows].copy() for f in fields(self)})

    def put(self, rows: np.ndarray, part: "State") -> None:
        """Overwrites some environments."""
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(part, f.name)


def reset(tasks, trials, seed: int = 0) -> State:
    """The layout of each (task, trial): a function of these and the environment's seed alone."""
    tasks, trials = np.broadcast_arrays(np.asarray(tasks, np.int64), np.asarray(trials, np.int64))
    n = len(tasks)
    u = philox.uniform(seed, "tabletop.layout", tasks, trials, 8)
    jitter = -0.03 + 0.06 * u
    bowls = np.zeros((n, 2, 3))
    bowls[:, 0, :2] = BOWLS[tasks, 0] + jitter[:, 2:4]
    bowls[:, 1, :2] = BOWLS[tasks, 1] + jitter[:, 4:6]
    position = np.full((n, 3), 0.5)
    position[:, :2] = 0.5 + (-0.02 + 0.04 * u[:, 6:8])
    return State(
        task=tasks.copy(),
        position=position,
        rotation=np.zeros((n, 3)),
        opening=np.ones(n),
        held=np.full(n, -1, np.int64),
        bowls=bowls,
        plate=PLATE[tasks] + jitter[:, :2],
    )


def squared_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of the xy parts of a and b [..., >= 2]."""
    dx, dy = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
    return dx * dx + dy * dy


def step(s: State, actions: np.ndarray) -> np.ndarray:
    """Moves every environment by one action [n, 7], in place. Returns success, bool [n]."""
    a = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
    rows = np.arange(len(s.task))
    s.position[:] = np.clip(s.position + 0.05 * a[:, :3], 0.0, [1.0, 1.0, 0.6])
    s.rotation += 0.05 * a[:, 3:6]
    goal = np.where(a[:, 6] > 0, 0.0, 1.0)
    s.opening += np.clip(goal - s.opening, -0.5, 0.5)

    d = squared_distance(s.bowls, s.position[:, None])
    nearest = np.argmin(d, 1)
    grasp = (s.held < 0) & (s.opening < 0.3) & (s.position[:, 2] < 0.1)
    grasp &= d[rows, nearest] <= 0.05 * 0.05
    s.held[grasp] = nearest[grasp]
    holding = rows[s.held >= 0]
    s.bowls[holding, s.held[holding]] = s.position[holding]
    release = rows[(s.held >= 0) & (s.opening > 0.6)]
    s.bowls[release, s.held[release], 2] = 0.0
    s.held[release] = -1
    return success(s)


def success(s: State) -> np.ndarray:
    on_plate = squared_distance(s.bowls[:, 0], s.plate) <= 0.06 * 0.06
    return on_plate & (s.bowls[:, 0, 2] < 0.1) & (s.held != 0)


def observe(s: State) -> np.ndarray:
    """float32 [n, 8], LIBERO's layout: position, axis-angle with pi added to the first, fingers."""
    rotation = s.rotation + np.array([np.pi, 0.0, 0.0])
    fingers = np.stack([0.04 * s.opening, -0.04 * s.opening], 1)
    return np.concatenate([s.position, rotation, fingers], 1).astype(np.float32)


def qpos(s: State) -> np.ndarray:
    """float64 [n, 16]: position 3, rotation 3, opening, held, bowl 0 xyz, bowl 1 xyz, plate xy."""
    n = len(s.task)
    scalars = np.stack([s.opening, s.held.astype(np.float64)], 1)
    return np.concatenate([s.position, s.rotation, scalars, s.bowls.reshape(n, 6), s.plate], 1)

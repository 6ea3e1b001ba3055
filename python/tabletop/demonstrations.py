"""Demonstrations by the scripted expert, bimodal on purpose.

The same scene and prompt: with probability p the expert carries the target bowl, else the other
one. A policy that imitates both lets its noise pick, which is what DSRL needs of a frozen policy.
"""

from dataclasses import dataclass

import numpy as np

from . import expert, world
from .painter import paint

FIRST_TRIAL = 1000  # trials below are for training the agent and for evaluation
STEPS = 38
NOISE = 0.3
MISTAKEN = 0.3  # of the demonstrations: the demonstrator errs about the bowl's place ...
ERROR = 0.1  # ... by up to this, in x and in y


@dataclass
class Demonstrations:
    """Frames in the order (step, demonstration): index = step * demonstrations + demonstration."""

    pictures: np.ndarray  # uint8 [frames, 64, 64, 3]
    states: np.ndarray  # float32 [frames, 8]
    actions: np.ndarray  # float32 [frames, H, 7], the clean expert's next H actions
    first: np.ndarray  # bool [frames], one of the first three steps of a demonstration


def next_actions(s: world.State, bowl: np.ndarray, horizon: int) -> np.ndarray:
    """What the clean expert does next from here, [n, horizon, 7]; s itself is not moved."""
    s = s.copy()
    chunk = []
    for _ in range(horizon):
        chunk.append(expert.act(s, bowl))
        world.step(s, chunk[-1])
    return np.stack(chunk, 1)


def record(
    per_task: int, target_probability: float, horizon: int, rng: np.random.Generator
) -> Demonstrations:
    """The label is always what the clean expert would do from where the gripper is; what is
    executed is worse, so that the policy sees how to recover:

    * half of the steps carry translation noise;
    * some demonstrators act in an imagined world in which the bowl lies beside its true place.
      They close on nothing and carry it away; a few steps later they see what is.

    Without the second kind a policy that misses a bowl goes on as if it held it, for good.
    """
    tasks = np.repeat(np.arange(world.TASKS), per_task)
    trials = np.tile(FIRST_TRIAL + np.arange(per_task), world.TASKS)
    s = world.reset(tasks, trials)
    n = len(tasks)
    rows = np.arange(n)
    bowl = np.where(rng.random(n) < target_probability, 0, 1)
    mistaken = rng.random(n) < MISTAKEN
    imagined = s.copy()
    imagined.bowls[rows, bowl, :2] += mistaken[:, None] * rng.uniform(-ERROR, ERROR, (n, 2))
    patience = rng.integers(1, 7, n)  # steps from the imagined grasp to noticing
    pictures, states, actions, first = [], [], [], []
    for t in range(STEPS):
        pictures.append(paint(s))
        states.append(world.observe(s))
        actions.append(next_actions(s, bowl, horizon).astype(np.float32))
        first.append(np.full(n, t < 3))
        executed = expert.act(imagined, bowl)
        noisy = rng.random((n, 1)) < 0.5
        executed[:, :3] += noisy * rng.normal(0.0, NOISE, (n, 3))
        world.step(s, executed)
        world.step(imagined, executed)
        patience -= imagined.held >= 0
        awake = np.flatnonzero(patience == 0)
        imagined.put(awake, s.take(awake))
    return Demonstrations(*(np.concatenate(x) for x in (pictures, states, actions, first)))

"""The scripted expert: carries bowl k to its goal (bowl 0: the plate; bowl 1: a spot beside it).

The height goal is a cone over the bowl, which keeps the labels continuous: a rule with a threshold
chatters, and most of its noisy demonstrations do not end in time.
"""

import numpy as np

from .world import SPOT_OFFSET, State, squared_distance


def act(s: State, bowl: np.ndarray) -> np.ndarray:
    """bowl int [n], the one to carry -> actions float64 [n, 7] in [-1, 1].

    Holding the other bowl counts as holding: it is carried to this bowl's goal and put down.
    """
    rows = np.arange(len(s.task))
    goal = s.plate + np.where((bowl == 1)[:, None], SPOT_OFFSET[s.task], 0.0)
    target = s.bowls[rows, bowl]
    holding = s.held >= 0
    placed = (s.held != bowl) & (squared_distance(target, goal) <= 0.06 * 0.06)

    aim = np.where(holding[:, None], goal, target[:, :2])
    r = np.sqrt(squared_distance(aim, s.position))
    height = 0.04 + 0.36 * np.clip((r - 0.03) / 0.09, 0.0, 1.0)
    move = np.concatenate([aim - s.position[:, :2], (height - s.position[:, 2])[:, None]], 1)
    still = (r < 0.045) & (s.position[:, 2] < 0.08)
    move[still] = 0.0
    grip = np.where(holding ^ still, 1.0, -1.0)  # keep holding; close to grasp; open to release

    move[placed] = 0.0
    move[placed, 2] = 0.4 - s.position[placed, 2]
    grip[placed] = -1.0

    actions = np.zeros((len(rows), 7))
    move /= 0.05
    actions[:, :3] = move / np.maximum(np.abs(move).max(1, keepdims=True), 1.0)
    actions[:, 6] = grip
    return actions

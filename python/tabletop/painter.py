"""The table from above: uint8 [n, S, S, 3], row 0 at the top.

A pixel is painted when its centre is inside the shape, borders included: column c is
x = (c + .5) / S, row r is y = (r + .5) / S. Later shapes cover earlier ones. Height z lifts a shape
by .15 z up the picture; the gripper's shadow stays on the table.
"""

import numpy as np

from .world import CABINET, RAMEKIN, State

TABLE = (196, 170, 140)


class Canvas:
    def __init__(self, n: int, size: int):
        self.pixels = np.empty((n, size, size, 3), np.uint8)
        self.pixels[:] = TABLE
        centres = (np.arange(size) + 0.5) / size
        self.x, self.y = centres[None, None, :], centres[None, :, None]

    def disc(self, x: np.ndarray, y: np.ndarray, radius, colour: tuple[int, int, int]) -> None:
        """x, y, radius: [n] (or a scalar radius)."""
        dx, dy = self.x - x[:, None, None], self.y - y[:, None, None]
        r = np.broadcast_to(radius, x.shape)[:, None, None]
        self.pixels[dx * dx + dy * dy <= r * r] = colour

    def box(self, x: np.ndarray, y: np.ndarray, half, colour: tuple[int, int, int]) -> None:
        """half: the half sides (x, y)."""
        dx, dy = np.abs(self.x - x[:, None, None]), np.abs(self.y - y[:, None, None])
        self.pixels[(dx <= half[0]) & (dy <= half[1])] = colour


def paint(s: State, size: int = 64) -> np.ndarray:
    canvas = Canvas(len(s.task), size)
    canvas.box(*CABINET[s.task].T, (0.08, 0.10), (90, 60, 40))
    canvas.disc(*RAMEKIN[s.task].T, 0.05, (230, 230, 235))
    canvas.disc(*s.plate.T, 0.10, (250, 250, 250))
    canvas.disc(*s.plate.T, 0.07, (225, 225, 230))
    for bowl in (0, 1):
        x, y, z = s.bowls[:, bowl].T
        canvas.disc(x, y - 0.15 * z, 0.055 + 0.02 * z, (25, 25, 28))
        canvas.disc(x, y - 0.15 * z, 0.035 + 0.02 * z, (60, 60, 66))
    x, y, z = s.position.T
    lifted = y - 0.15 * z
    spread = 0.025 + 0.03 * s.opening
    canvas.disc(x, y, 0.02, (120, 100, 80))
    canvas.box(x - spread, lifted, (0.012, 0.03), (200, 30, 30))
    canvas.box(x + spread, lifted, (0.012, 0.03), (200, 30, 30))
    canvas.box(x, lifted - 0.05, (0.045, 0.02), (235, 235, 240))
    return canvas.pixels

"""Pictures only where they are wanted: drawing is over 90 % of what the original costs.

The original draws both cameras whenever its observation clock samples, once a step, a little before
the step ends. Whether a picture is wanted is often known only after the step, when it has
succeeded. So the cameras' sensors are replaced by one that keeps where everything is at that
moment; a picture can be drawn of it later, and is the one that the original would have drawn.
"""

import numpy as np

# All of a simulation's data that a picture of geoms, sites and lights depends on.
PLACES = (
    "xpos",
    "xquat",
    "xmat",
    "xipos",
    "ximat",
    "geom_xpos",
    "geom_xmat",
    "site_xpos",
    "site_xmat",
    "cam_xpos",
    "cam_xmat",
    "light_xpos",
    "light_xdir",
    "subtree_com",
)


class Pictures:
    """Of one environment. `attach` comes before a reset: the original makes its sensors there."""

    def __init__(self, env) -> None:
        self._env = env
        self._sampled: list[np.ndarray] = []

    def attach(self) -> None:
        nothing = np.zeros((1, 1, 3))
        inner = self._env.env
        first = inner.camera_names[0]

        def sensors(camera: str, **_: object) -> tuple[list, list]:
            def sensor(_cache: dict) -> np.ndarray:
                if camera == first:
                    self._sampled = [array.copy() for array in self._visible()]
                return nothing

            sensor.__modality__ = "image"
            return [sensor], [f"{camera}_image"]

        inner._create_camera_sensors = sensors

    def draw(self, camera: str, size: int) -> np.ndarray:
        """uint8 [size, size, 3] of the last sample, rows as MuJoCo reads them: bottom-up."""
        now = [array.copy() for array in self._visible()]
        self._show(self._sampled)
        drawn = self._env.env.sim.render(camera_name=camera, width=size, height=size)
        self._show(now)
        return np.array(drawn, np.uint8)

    def _visible(self) -> list[np.ndarray]:
        """The arrays of the simulation themselves. The stove's glow is in its site's colour."""
        sim = self._env.env.sim
        return [getattr(sim.data._data, name) for name in PLACES] + [sim.model._model.site_rgba]

    def _show(self, values: list[np.ndarray]) -> None:
        for array, value in zip(self._visible(), values, strict=True):
            array[:] = value

"""A scripted rim grasp: takes the bowl by its rim and puts it on the plate.

It sees positions, never pictures, and moves the hand without turning it: actions are position
deltas in units of the controller's 5 cm, and the gripper. Lengths are metres.
"""

from dataclasses import dataclass

import numpy as np

STEP = 0.05
GAIN = 3.0
RIM = np.array([0.0, 0.045, 0.037])  # from the bowl's body to where its rim is taken
OPEN, CLOSE = -1.0, 1.0
HELD_WIDTH = 0.008  # lifting with wider fingers loses the bowl
RELEASE_RADIUS = 0.025


@dataclass
class Scene:
    hand: np.ndarray  # [3], the grip site
    width: float  # between the fingers
    bowl: np.ndarray  # [3]
    plate: np.ndarray  # [3]


class Expert:
    def __init__(self) -> None:
        self._phase = "approach"

    def act(self, scene: Scene) -> np.ndarray:
        """[7] float64, exact in float32."""
        self._phase = self._next_phase(scene)
        move = {"approach": _to_rim, "close": _to_rim, "carry": _to_plate, "release": _up}
        error = move[self._phase](scene)
        delta = error / STEP * GAIN
        delta /= max(1.0, np.abs(delta).max())
        gripper = CLOSE if self._phase in ("close", "carry") else OPEN
        action = np.array([*delta, 0, 0, 0, gripper])
        return action.astype(np.float32).astype(np.float64)

    def _next_phase(self, scene: Scene) -> str:
        rim = scene.hand - (scene.bowl + RIM)
        radius = np.linalg.norm(rim[:2])
        if self._phase == "approach" and radius < 0.010 and abs(rim[2]) < 0.009:
            return "close"
        if self._phase == "close" and scene.width < HELD_WIDTH:
            return "carry"
        away = np.linalg.norm(scene.bowl[:2] - scene.plate[:2])
        low = scene.bowl[2] < _carry_height(scene) + 0.02
        if self._phase == "carry" and away < RELEASE_RADIUS and low:
            return "release"
        return self._phase


def _to_rim(scene: Scene) -> np.ndarray:
    """Down a cone onto the rim: from above where it is far."""
    rim = scene.bowl + RIM
    radius = np.linalg.norm(scene.hand[:2] - rim[:2])
    target = rim + [0, 0, 0.15 * np.clip((radius - 0.012) / 0.06, 0, 1)]
    return target - scene.hand


def _carry_height(scene: Scene) -> float:
    away = np.linalg.norm(scene.bowl[:2] - scene.plate[:2])
    return scene.plate[2] + 0.03 + 0.13 * np.clip((away - 0.015) / 0.08, 0, 1)


def _to_plate(scene: Scene) -> np.ndarray:
    """Up before sideways: the bowl must not be dragged through its neighbours."""
    rise = _carry_height(scene) - scene.bowl[2]
    sideways = (scene.plate - scene.bowl) * np.clip(1 - (rise - 0.04) / 0.05, 0, 1)
    return np.array([sideways[0], sideways[1], rise])


def _up(scene: Scene) -> np.ndarray:
    return np.array([0.0, 0.0, STEP])


def scene_of(env) -> Scene:
    """What the original's simulation holds now."""
    sim = env.env.sim
    robot = env.env.robots[0]
    fingers = [sim.data.get_joint_qpos(joint) for joint in robot.gripper_joints]
    objects = env.env.objects_dict

    def position(name: str) -> np.ndarray:
        return np.array(sim.data.get_body_xpos(objects[name].root_body))

    return Scene(
        np.array(sim.data.get_site_xpos(robot.gripper.important_sites["grip_site"])),
        float(fingers[0] - fingers[1]),
        position("akita_black_bowl_1"),
        position("plate_1"),
    )

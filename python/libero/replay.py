"""Runs actions in the original and returns what `debug replay-env` writes of them."""

import numpy as np

import original
from pictures import Pictures

NO_OP = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}


def agent_state(observation: dict[str, np.ndarray]) -> np.ndarray:
    """[8]: position of the grip site, rotation of the hand as axis-angle, the two fingers."""
    from robosuite.utils.transform_utils import quat2axisangle

    return np.concatenate(
        [
            observation["robot0_eef_pos"],
            quat2axisangle(observation["robot0_eef_quat"].copy()),
            observation["robot0_gripper_qpos"],
        ]
    )


class Recording:
    """Rows of one replay; row 0 is the restored state, row t the state after step t."""

    def __init__(self, env, observation: dict[str, np.ndarray]) -> None:
        self._env = env
        self.actions: list[np.ndarray] = []
        self._rows: dict[str, list] = {"qpos": [], "qvel": [], "state": []}
        self._steps: dict[str, list] = {"success": [], "reward": []}
        self._append(observation)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], bool]:
        action = np.asarray(action, np.float64)
        observation, reward, done, _ = self._env.step(action)
        self.actions.append(action)
        self._steps["success"].append(done)
        self._steps["reward"].append(reward)
        self._append(observation)
        return observation, bool(done)

    def _append(self, observation: dict[str, np.ndarray]) -> None:
        data = self._env.env.sim.data
        self._rows["qpos"].append(np.array(data.qpos))
        self._rows["qvel"].append(np.array(data.qvel))
        self._rows["state"].append(agent_state(observation))

    def tensors(self) -> dict[str, np.ndarray]:
        return {
            "actions": np.array(self.actions, np.float64),
            "cabinet_pose": original.fixture_pose(self._env, "wooden_cabinet_1"),
            "stove_pose": original.fixture_pose(self._env, "flat_stove_1"),
            **{name: np.stack(rows) for name, rows in self._rows.items()},
            "success": np.array(self._steps["success"], np.uint8),
            "reward": np.array(self._steps["reward"], np.float64),
        }


def replay(
    env,
    seed: int,
    init_state: np.ndarray,
    actions: np.ndarray,
    picture_steps: tuple[int, ...] = (),
    size: int = 256,
) -> dict[str, np.ndarray]:
    """actions [T, 7]. The environment must be new: see original.reset. No warm-up of its own."""
    pictures = Pictures(env)
    if picture_steps:
        pictures.attach()
    recording = Recording(env, original.reset(env, seed, init_state))
    drawn = {}
    for step, action in enumerate(actions, start=1):
        recording.step(action)
        if step not in picture_steps:
            continue
        for name, camera in CAMERAS.items():
            drawn[f"{name}_{step}"] = pictures.draw(camera, size)
    return recording.tensors() | drawn

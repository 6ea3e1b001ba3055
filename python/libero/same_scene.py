"""What must hold of the scenes in a bundle; each function raises ValueError where it does not."""

from pathlib import Path

import numpy as np

# Where a file lies is no part of a scene.
PATHS = {"mesh_pathadr", "tex_pathadr"}
STEPS = 100


def model_differences(model, other) -> dict[str, np.ndarray]:
    """Names of the arrays of two compiled models that differ -> rows in which they do."""
    differences = {}
    for name in dir(model):
        value = getattr(model, name)
        if name.startswith("_") or not isinstance(value, np.ndarray):
            continue
        there = getattr(other, name)
        if value.shape != there.shape:
            differences[name] = np.arange(max(len(value), len(there)))
        elif not np.array_equal(value, there, equal_nan=True):
            differences[name] = np.unique(np.argwhere(value != there)[:, 0])
    return differences


def check_scene(file: Path, running, fixtures: set[int]) -> None:
    """The file compiles to the original's running model but for the fixtures' pose."""
    import mujoco

    differences = model_differences(mujoco.MjModel.from_xml_path(str(file)), running)
    for name in ("body_pos", "body_quat"):
        if set(differences.pop(name, [])) <= fixtures:
            continue
        raise ValueError(f"{file}: {name} differs from the original's in more than the fixtures")
    if wrong := sorted(set(differences) - PATHS):
        raise ValueError(f"{file}: the scene is not the original's: {', '.join(wrong)}")


def check_reduced(file: Path, reduced: Path, state: np.ndarray) -> None:
    """The reduced scene moves exactly as the whole one, and only what is visible differs.

    state [1 + nq + nv]: time, qpos, qvel that the motion begins with.
    """
    import mujoco

    models = [mujoco.MjModel.from_xml_path(str(path)) for path in (file, reduced)]
    differences = model_differences(*models)
    touched = ("mesh_", "tex_", "bvh_", "geom_")
    if wrong := [name for name in differences if not name.startswith(touched)]:
        raise ValueError(f"{reduced}: differs from the whole scene in {', '.join(wrong)}")
    geoms = np.concatenate([rows for name, rows in differences.items() if name[:5] == "geom_"])
    model = models[0]
    touching = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    if (touching | (model.geom_group == 0))[geoms.astype(int)].any():
        raise ValueError(f"{reduced}: a geom that can be touched differs from the whole scene's")
    if not np.array_equal(*(random_motion(model, state) for model in models)):
        raise ValueError(f"{reduced}: does not move as the whole scene does")


def random_motion(model, state: np.ndarray) -> np.ndarray:
    """[STEPS, nq]"""
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = np.split(state[1:], [model.nq])
    generator = np.random.Generator(np.random.PCG64(0))
    low, high = model.actuator_ctrlrange.T
    motion = np.zeros((STEPS, model.nq))
    for step in range(STEPS):
        data.ctrl[:] = generator.uniform(low, high)
        mujoco.mj_step(model, data)
        motion[step] = data.qpos
    if any(warning.number for warning in data.warning):
        raise ValueError("the motion that the scenes are compared in breaks down")
    return motion

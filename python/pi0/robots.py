"""What a checkpoint does not say of the robot that it was trained for.

openpi and RLinf keep it in a training configuration that is no part of the folder; `--robot` names
one of those that stand here, single options say it for any other. LeRobot's folder has it all.
Sources: openpi `policies/{libero,droid}_policy.py`, `training/config.py` (pi0_libero: deltas are
taken a second time, extra_delta_transform; pi0_droid: joint velocities, no deltas).
"""

from dataclasses import dataclass
from pathlib import Path

from .errors import ExportError
from .layouts import POSTPROCESSOR, PREPROCESSOR, Checkpoint
from .normalization import Normalization
from .processors import find_step, refuse_other_steps
from .safetensors_file import damaged

SLOTS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")  # openpi's, in network order
# What an observation calls the pictures of these names; others keep the name that they have.
USUAL_CAMERAS = {
    "base_0_rgb": "main",
    "image": "main",
    "left_wrist_0_rgb": "wrist",
    "wrist_image": "wrist",
    "image2": "wrist",
}
PICTURES = "observation.images."


@dataclass(frozen=True)
class Robot:
    state_dim: int
    action_dim: int
    delta_actions: int  # the first so many action dimensions are offsets from the state
    cameras: dict[str, str]  # observation's name -> the original's
    # What its clients call the parts of an observation; None: openpi's names for LIBERO.
    observation_keys: dict | None = None


DROID_KEYS = {
    "images": {
        "main": "observation/exterior_image_1_left",
        "wrist": "observation/wrist_image_left",
    },
    "state": {"observation/joint_position": 7, "observation/gripper_position": 1},
    "prompt": "prompt",
}
ROBOTS = {
    "libero": Robot(8, 7, 6, {"main": SLOTS[0], "wrist": SLOTS[1]}),
    "droid": Robot(8, 8, 0, {"main": SLOTS[0], "wrist": SLOTS[1]}, DROID_KEYS),
}


@dataclass(frozen=True)
class Given:
    """The options; None where one was not typed."""

    robot: str | None = None
    state_dim: int | None = None
    action_dim: int | None = None
    delta_actions: int | None = None
    cameras: dict[str, str] | None = None


@dataclass(frozen=True)
class Embodiment:
    state_dim: int
    action_dim: int
    delta_action_mask: list[bool] | None
    cameras: dict[str, str]  # observation's name -> the original's, in network order
    masked_cameras: list[str]  # slots of the original that are never shown
    log: list[str]
    observation_keys: dict | None = None


def bad_option(what: str, hint: str) -> ExportError:
    return ExportError("ERR_DSRL_CONFIG_EXPORT", what, hint)


def embodiment(checkpoint: Checkpoint, normalization: Normalization, given: Given) -> Embodiment:
    """Raises ExportError ERR_DSRL_CONFIG_EXPORT or ERR_DSRL_POLICY_DAMAGED."""
    if checkpoint.layout == "lerobot":
        return of_lerobot(checkpoint, normalization, given)
    return of_openpi(checkpoint, normalization, given)


def dataset_of(folder: Path, statistics: Path) -> str:
    """What openpi calls the data set: the folder of norm_stats.json. The checkpoint's own and those
    around it are their owner's, who may name them after any robot."""
    return "" if statistics.parent == folder else statistics.parent.name


def of_openpi(checkpoint: Checkpoint, normalization: Normalization, given: Given) -> Embodiment:
    dataset = dataset_of(checkpoint.folder, normalization.sources[0])
    name = given.robot or next((robot for robot in ROBOTS if robot in dataset.lower()), None)
    log = [] if given.robot or name is None else [f"robot {name}, by the name of {dataset}/"]
    preset = None if name is None else ROBOTS[name]
    values = {
        "state-dim": given.state_dim,
        "action-dim": given.action_dim,
        "delta-actions": given.delta_actions,
        "cameras": given.cameras,
    }
    for option, value in values.items():
        if value is None and preset is not None:
            values[option] = getattr(preset, option.replace("-", "_"))
    absent = [f"--{option}" for option, value in values.items() if value is None]
    if absent:
        raise bad_option(
            "openpi's folders do not say for which robot they were trained",
            f"type --robot {' or --robot '.join(ROBOTS)}, or else {', '.join(absent)} "
            f"(cameras as main={SLOTS[0]},wrist={SLOTS[1]})",
        )
    state_dim, action_dim = values["state-dim"], values["action-dim"]
    cameras, deltas = values["cameras"], values["delta-actions"]
    strange = [source for source in cameras.values() if source not in SLOTS]
    if strange:
        raise bad_option(
            f"--cameras: openpi's pi0 has no {', '.join(strange)}", f"it has {', '.join(SLOTS)}"
        )
    if name == "libero" and given.delta_actions is None:
        check_libero_deltas(normalization, deltas)
    mask, line = delta_mask(deltas, state_dim, action_dim)
    ordered = {our: slot for slot in SLOTS for our, source in cameras.items() if source == slot}
    masked = [slot for slot in SLOTS if slot not in ordered.values()]
    # The robot's keys name its own cameras and state: other ones have no such names.
    usual = preset is not None and (cameras, state_dim) == (preset.cameras, preset.state_dim)
    keys = preset.observation_keys if usual else None
    return Embodiment(state_dim, action_dim, mask, ordered, masked, [*log, line], keys)


def check_libero_deltas(normalization: Normalization, deltas: int) -> None:
    """LIBERO's own actions lie in [-1, 1]. Where the state was taken off them, as openpi's
    pi0_libero does, the mean of the rotation is near -3.1, which no action in [-1, 1] has."""
    means = normalization.actions["mean"][:deltas]
    if any(abs(mean) > 1 for mean in means):
        return
    raise bad_option(
        f"the action means {[round(mean, 3) for mean in means]} lie in [-1, 1], so this checkpoint "
        "seems to be trained on LIBERO's actions as they are, not on offsets from the state as "
        "openpi's pi0_libero is",
        "type --delta-actions 0 when its training had extra_delta_transform=False, "
        "--delta-actions 6 when it had True",
    )


def delta_mask(deltas: int, state_dim: int, action_dim: int) -> tuple[list[bool] | None, str]:
    if deltas > min(state_dim, action_dim):
        raise bad_option(
            f"--delta-actions {deltas}: there are {action_dim} action and {state_dim} state "
            "dimensions",
            "give the number of leading action dimensions that are offsets from the state",
        )
    if deltas == 0:
        return None, "actions are used as the network gives them, no offsets from the state"
    line = f"the first {deltas} action dimensions are offsets from the state (--delta-actions)"
    return [dim < deltas for dim in range(action_dim)], line


def of_lerobot(checkpoint: Checkpoint, normalization: Normalization, given: Given) -> Embodiment:
    folder, config = checkpoint.folder, checkpoint.config
    if given.robot is not None:
        raise bad_option(
            "--robot is for openpi's and RLinf's folders; LeRobot's say it themselves",
            "leave --robot out",
        )
    refuse_other_steps(folder)
    seen, done = features(config, "input_features"), features(config, "output_features")
    state_dim = given.state_dim or vector_dim(seen, "observation.state", normalization.state)
    action_dim = given.action_dim or vector_dim(done, "action", normalization.actions)
    if given.delta_actions is None:
        mask, log = lerobot_delta_mask(folder, action_dim)
    else:
        mask, line = delta_mask(given.delta_actions, state_dim, action_dim)
        log = [line]
    slots = [name for name, feature in seen.items() if feature.get("type") == "VISUAL"]
    if not slots:
        raise bad_option(
            f"{folder / 'config.json'}: its input_features name no camera",
            "export a folder that LeRobot wrote after training",
        )
    cameras = given.cameras or usual_cameras(folder, slots)
    sources = {
        our: source if source in slots else PICTURES + source for our, source in cameras.items()
    }
    strange = [source for source in sources.values() if source not in slots]
    if strange:
        raise bad_option(
            f"--cameras: this policy has no {', '.join(strange)}", f"it has {', '.join(slots)}"
        )
    ordered = {our: slot for slot in slots for our, source in sources.items() if source == slot}
    masked = [slot for slot in slots if slot not in ordered.values()]
    return Embodiment(state_dim, action_dim, mask, ordered, masked, log)


def features(config: dict, key: str) -> dict[str, dict]:
    """LeRobot's features of that name: {name: {"type", "shape"}}."""
    found = config.get(key)
    if not isinstance(found, dict):
        return {}
    return {name: feature for name, feature in found.items() if isinstance(feature, dict)}


def vector_dim(found: dict[str, dict], name: str, statistics: dict[str, list[float]]) -> int:
    """The length that config.json states of a vector; without one, that of its statistics."""
    shape = found.get(name, {}).get("shape")
    if isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int:
        return shape[0]
    return len(next(iter(statistics.values())))


def usual_cameras(folder: Path, slots: list[str]) -> dict[str, str]:
    """`empty_camera_*` is what LeRobot calls a slot that is never shown."""
    step = find_step(folder / PREPROCESSOR, "rename_observations_processor")
    renames = {} if step is None else step.value("rename_map", dict, {})
    renamed = {new: old for old, new in renames.items() if isinstance(new, str)}
    cameras = {}
    for slot in slots:
        short = renamed.get(slot, slot).removeprefix(PICTURES)
        if not short.startswith("empty_camera"):
            usual = USUAL_CAMERAS.get(short, short)
            cameras[short if usual in cameras else usual] = slot
    return cameras


def lerobot_delta_mask(folder: Path, action_dim: int) -> tuple[list[bool] | None, list[str]]:
    """LeRobot's RelativeActionsProcessorStep: every dimension, except those whose name holds one
    of the excluded words."""
    step = find_step(folder / PREPROCESSOR, "relative_actions_processor")
    back = find_step(folder / POSTPROCESSOR, "absolute_actions_processor")
    enabled, undone = (s is not None and s.value("enabled", bool, False) for s in (step, back))
    if enabled != undone:
        raise damaged(
            folder / POSTPROCESSOR,
            f"absolute_actions_processor is {'on' if undone else 'off'}, and "
            f"relative_actions_processor of {PREPROCESSOR} is {'on' if enabled else 'off'}",
            "make the two agree; or say it with --delta-actions",
        )
    if step is None or not enabled:
        return None, ["actions are used as the network gives them, no offsets from the state"]
    words = [str(word).lower() for word in step.value("exclude_joints", list, []) if word]
    names = [str(name).lower() for name in step.value("action_names", list, [])]
    mask = [
        dim >= len(names) or not any(word in names[dim] for word in words)
        for dim in range(action_dim)
    ]
    offsets = f"{sum(mask)} of {action_dim} actions are offsets from the state"
    return mask, [f"{offsets} ({step.path.name})"]

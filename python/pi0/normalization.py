"""Where each layout keeps its normalisation statistics, as policy.json states them.

openpi and RLinf: `norm_stats.json` in a folder named after the dataset, z-score for pi0 whatever
other statistics stand beside it, eps 1e-6. LeRobot: the state files of the normaliser and the
unnormaliser that policy_preprocessor.json and policy_postprocessor.json name (the step number in
their names moves between versions), the mode and the eps in the same place.
Sources: openpi `shared/normalize.py`, `transforms.py`; LeRobot `processor/normalize_processor.py`.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from .errors import ExportError
from .layouts import POSTPROCESSOR, PREPROCESSOR, Checkpoint, read_json
from .processors import Step, find_step
from .safetensors_file import damaged, read_tensors

FIELDS = {"mean_std": ("mean", "std"), "quantiles": ("q01", "q99")}
# LeRobot's modes -> the two statistics each reads. All but the first are one formula:
# x -> 2 (x - low) / (high - low) - 1.
LEROBOT_MODES = {
    "MEAN_STD": ("mean", "std"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
    "MIN_MAX": ("min", "max"),
}


@dataclass(frozen=True)
class Normalization:
    mode: str  # "mean_std" or "quantiles"
    eps: float
    state: dict[str, list[float]]
    actions: dict[str, list[float]]
    sources: tuple[Path, ...]
    log: str  # one line for the user

    def cut(self, state_dim: int, action_dim: int) -> dict:
        """policy.json's `normalization`."""
        return {
            "mode": self.mode,
            "eps": self.eps,
            "state": {name: fit(name, v, state_dim) for name, v in self.state.items()},
            "actions": {name: fit(name, v, action_dim) for name, v in self.actions.items()},
        }


# What a dimension without statistics gets: it stays as it is, as openpi pads them.
PADDING = {"mean": 0.0, "std": 1.0, "q01": -1.0, "q99": 1.0}


def fit(name: str, values: list[float], length: int) -> list[float]:
    return (values + [PADDING[name]] * (length - len(values)))[:length]


def not_found(searched: list[Path]) -> ExportError:
    lines = "\n".join(f"  - {path}" for path in searched)
    return ExportError(
        "ERR_DSRL_POLICY_STATISTICS",
        f"the normalisation statistics were not found; searched:\n{lines}",
        "copy them into the checkpoint's folder, or type --norm-stats <norm_stats.json>",
    )


def find_normalization(checkpoint: Checkpoint, given: Path | None) -> Normalization:
    """`given` is the norm_stats.json that the user named.

    Raises ExportError ERR_DSRL_POLICY_STATISTICS, _DAMAGED or ERR_DSRL_CONFIG_EXPORT.
    """
    if given is not None:
        if not given.is_file():
            raise not_found([given])
        return read_openpi(given)
    if checkpoint.layout == "lerobot":
        return read_lerobot(checkpoint.folder)
    return read_openpi(find_openpi(checkpoint.folder))


def find_openpi(folder: Path) -> Path:
    patterns = [
        f"{inside}{depth}norm_stats.json"
        for inside in ("assets/", "")
        for depth in ("", "*/", "*/*/")
    ]
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    if not found:
        raise not_found([folder / pattern for pattern in patterns])
    if len(found) > 1:
        listing = "\n".join(f"  - {path}" for path in found)
        raise ExportError(
            "ERR_DSRL_CONFIG_EXPORT",
            f"{folder}: the statistics of several datasets:\n{listing}",
            "name the one that the policy is to act on with --norm-stats <norm_stats.json>",
        )
    return found[0]


def read_openpi(path: Path) -> Normalization:
    stats = read_json(path).get("norm_stats")
    if not isinstance(stats, dict):
        raise damaged(path, "it has no `norm_stats`")

    def vectors(key: str) -> dict[str, list[float]]:
        entry = stats.get(key)
        if not isinstance(entry, dict):
            raise damaged(path, f"it has no `norm_stats.{key}`")
        found = {name: entry.get(name) for name in ("mean", "std")}
        return checked(path, key, found)

    state, actions = vectors("state"), vectors("actions")
    quantiles = any(stats[key].get("q01") is not None for key in ("state", "actions"))
    besides = "; its quantiles are for pi0.5 and are not used" if quantiles else ""
    place = "/".join(path.parts[-3:])
    log = f"normalised by mean and std, as openpi's pi0 is, of {place}{besides}"
    return Normalization("mean_std", 1e-6, state, actions, (path,), log)


def checked(path: Path, key: str, found: dict[str, object]) -> dict[str, list[float]]:
    lengths = set()
    for name, values in found.items():
        numbers = isinstance(values, list) and all(
            isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
            for v in values
        )
        if not numbers or not values:
            raise damaged(path, f"`{key}.{name}` is no list of finite numbers")
        if name == "std" and min(values) < 0:
            raise damaged(path, f"`{key}.std` holds a negative number")
        lengths.add(len(values))
    if len(lengths) != 1:
        raise damaged(path, f"the statistics of `{key}` differ in length")
    return {name: [float(v) for v in values] for name, values in found.items()}


def read_lerobot(folder: Path) -> Normalization:
    files = (folder / PREPROCESSOR, folder / POSTPROCESSOR)
    if not all(path.is_file() for path in files):
        raise not_found(list(files))
    into = find_step(files[0], "normalizer_processor")
    out_of = find_step(files[1], "unnormalizer_processor")
    if into is None or out_of is None:
        raise damaged(files[0 if into is None else 1], "it has no normalising step")
    refuse_normalised_pictures(into)
    state, state_mode, first = lerobot_vectors(into, "STATE")
    actions, action_mode, second = lerobot_vectors(out_of, "ACTION")
    eps = into.value("eps", int | float, 1e-8)
    if not 0 <= eps < 1:
        raise damaged(files[0], f"eps is {eps}")
    log = f"normalised as {PREPROCESSOR} says: the state by {state_mode}, actions by {action_mode}"
    if (state_mode == "MEAN_STD") != (action_mode == "MEAN_STD"):
        # One mode a policy: a range is a mean and a half-width, the same line through the points.
        state, actions = as_mean_std(state), as_mean_std(actions)
    mode = "mean_std" if "mean" in state else "quantiles"
    return Normalization(mode, float(eps), state, actions, (*files, first, second), log)


def as_mean_std(vectors: dict[str, list[float]]) -> dict[str, list[float]]:
    if "mean" in vectors:
        return vectors
    pairs = list(zip(vectors["q01"], vectors["q99"], strict=True))
    return {
        "mean": [(low + high) / 2 for low, high in pairs],
        "std": [(high - low) / 2 for low, high in pairs],
    }


def refuse_normalised_pictures(step: Step) -> None:
    mode = step.value("norm_map", dict, {}).get("VISUAL", "IDENTITY")
    if mode != "IDENTITY":
        raise ExportError(
            "ERR_DSRL_POLICY_STATISTICS",
            f"{step.path}: pictures are normalised by {mode}; Pi0 takes them as they are",
            "export a policy whose normalization_mapping says VISUAL: IDENTITY",
        )


def lerobot_vectors(step: Step, feature: str) -> tuple[dict[str, list[float]], str, Path]:
    """(the two vectors, LeRobot's mode, the file they came from) of STATE or ACTION."""
    path, name = step.path, step.state_file
    key = {"STATE": "observation.state", "ACTION": "action"}[feature]
    mode = step.value("norm_map", dict, {}).get(feature)
    if name is None:
        raise not_found([path.with_name(f"<state_file of {step.name} in {path.name}>")])
    file = path.parent / name
    if Path(name).name != name or not file.is_file():
        raise not_found([file])
    if not isinstance(mode, str) or mode not in LEROBOT_MODES:
        raise ExportError(
            "ERR_DSRL_POLICY_STATISTICS",
            f"{path}: {feature} is normalised by {mode}",
            f"one of {', '.join(LEROBOT_MODES)} can be exported",
        )
    tensors = read_tensors(file)
    names = LEROBOT_MODES[mode]
    absent = [f"{key}.{stat}" for stat in names if f"{key}.{stat}" not in tensors]
    if absent:
        raise not_found([Path(f"{file} ({entry})") for entry in absent])
    ours = FIELDS["mean_std" if mode == "MEAN_STD" else "quantiles"]
    values = (tensors[f"{key}.{stat}"].double().flatten().tolist() for stat in names)
    found = checked(file, key, dict(zip(ours, values, strict=True)))
    return found, mode, file

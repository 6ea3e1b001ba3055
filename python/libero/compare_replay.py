"""Compares a replay with what the original did: python compare_replay.py TRACE REPLAY

TRACE is a golden trace (record_traces.py); REPLAY is what `dsrl-native debug replay-env` wrote for
its actions, or any other implementation in that format. There may be more of both. With
--episode K-N, once a replay, TRACE is replays.safetensors and REPLAY that of its episode K-N: only
the success of each step and the last joint positions are compared. Prints figures as JSON, a line
for each replay; exits with 1 where one is too large.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from safetensors_file import read_tensors

NO_OPS = 15
# Largest differences of joint positions (rad, m) from the original on the same MuJoCo.
LIMITS = {"qpos_no_ops": 1e-12, "qpos": 1e-6, "qvel": 1e-4, "state": 1e-6}
# Of a picture's values: the share that differs, and by how much at most.
PICTURE_SHARE, PICTURE_MOST = 0.01, 2


def compare_trace(trace: dict[str, np.ndarray], replay: dict[str, np.ndarray]) -> dict:
    """Figures; `failures` names what is beyond its limit."""
    figures: dict = {"qpos_no_ops": difference(trace, replay, "qpos", NO_OPS + 1)}
    figures |= {name: difference(trace, replay, name) for name in ("qpos", "qvel", "state")}
    failures = [name for name, limit in LIMITS.items() if not figures[name] <= limit]
    for name in ("success", "reward"):
        steps = np.flatnonzero(same_shape(trace, replay, name) != replay[name]) + 1
        figures[f"{name}_differs_at"] = steps.tolist()
        failures += [name] if len(steps) else []
    pictures = [name for name in trace if name.startswith(("agentview_", "wrist_"))]
    for name in pictures:
        if name not in replay:
            continue  # a replay need not draw
        apart = np.abs(same_shape(trace, replay, name).astype(int) - replay[name])
        share, most = float((apart > 0).mean()), int(apart.max())
        figures[name] = {"share": share, "most": most}
        failures += [name] if share >= PICTURE_SHARE or most > PICTURE_MOST else []
    return figures | {"failures": failures}


def compare_episode(episode: dict[str, np.ndarray], replay: dict[str, np.ndarray]) -> dict:
    steps = np.flatnonzero(same_shape(episode, replay, "success") != replay["success"]) + 1
    last = float(np.abs(replay["qpos"][-1] - episode["qpos"]).max())
    first = np.flatnonzero(episode["success"])[0] + 1
    return {
        "success_at": int(first),
        "success_differs_at": steps.tolist(),
        "qpos_last": last,
        "failures": (["success"] if len(steps) else [])
        + ([] if last <= LIMITS["qpos"] else ["qpos_last"]),
    }


def difference(
    trace: dict[str, np.ndarray], replay: dict[str, np.ndarray], name: str, rows: int | None = None
) -> float:
    return float(np.abs(same_shape(trace, replay, name)[:rows] - replay[name][:rows]).max())


def same_shape(
    trace: dict[str, np.ndarray], replay: dict[str, np.ndarray], name: str
) -> np.ndarray:
    if name not in replay:
        raise ValueError(f"the replay has no {name}")
    if trace[name].shape != replay[name].shape:
        raise ValueError(f"{name} is {replay[name].shape} and not {trace[name].shape}")
    return trace[name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="TRACE REPLAY, any number of times")
    parser.add_argument("--episode", action="append", help="of replays.safetensors: task-trial")
    args = parser.parse_intermixed_args()
    pairs = list(zip(args.files[::2], args.files[1::2]))
    episodes = args.episode or [None] * len(pairs)
    if len(args.files) % 2 or len(episodes) != len(pairs):
        parser.error("each trace needs its replay, and --episode is given for all or for none")
    failed = False
    for (trace_file, replay_file), key in zip(pairs, episodes, strict=True):
        trace, replay = read_tensors(trace_file), read_tensors(replay_file)
        if key is None:
            figures = compare_trace(trace, replay)
        else:
            episode = {name: trace[f"{key}/{name}"] for name in ("actions", "qpos", "success")}
            figures = compare_episode(episode, replay)
        print(json.dumps(figures))
        failed |= bool(figures["failures"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

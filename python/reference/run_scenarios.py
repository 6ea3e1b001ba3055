"""Runs the reference on the cases that make_case wrote, honest and with each of their mistakes.

    python -m reference.run_scenarios --cases DIR [--only NAME ...]

The outputs go to `DIR/NAME/reference/` and `DIR/NAME/plant-<mistake>/`. One process for all of
them, because importing torch costs more than most scenarios.
"""

import argparse
from pathlib import Path

import torch

from .config import Config
from .sac_update import ReferenceLearner, replay
from .safetensors_io import read_tensors
from .scenarios import Scenario, chosen


def make_learner(
    scenario: Scenario, case: Path, plant: str | None = None, dtype: torch.dtype = torch.float32
) -> ReferenceLearner:
    target = case / "target.safetensors"
    return ReferenceLearner(
        Config(**scenario.config),
        read_tensors(case / "agent.safetensors"),
        read_tensors(target) if target.exists() else None,
        plant,
        dtype,
    )


def run(scenario: Scenario, learner: ReferenceLearner, case: Path, out: Path) -> None:
    options = dict(zip(scenario.arguments[::2], map(int, scenario.arguments[1::2])))
    replay(learner, case / "batches", out, options.get("--first", 0), options.get("--limit"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", required=True, type=Path)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    for scenario in chosen(args.only):
        case = args.cases / scenario.name
        run(scenario, make_learner(scenario, case), case, case / "reference")
        for plant in scenario.plants:
            run(scenario, make_learner(scenario, case, plant), case, case / f"plant-{plant}")


if __name__ == "__main__":
    main()

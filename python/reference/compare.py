"""Compares the outputs of two updates, metric by metric and tensor by tensor.

    python -m reference.compare CASE REFERENCE CANDIDATE [CASE REFERENCE CANDIDATE ...] [--json F]

CASE holds the weights both started from (`agent.safetensors`, perhaps `target.safetensors`). Exit
code 0 if every candidate agrees with its reference, 1 if one does not. `--json` writes the findings
as a list, one entry a triple.

Two honest float32 implementations sum in different orders, and Adam magnifies that where a gradient
is near zero, so differences grow from update to update. `calibrate` measures how much honest
implementations and planted mistakes differ; the tolerances below lie between the two.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from .safetensors_io import read_tensors

# |difference| <= (FIRST + GROWTH * updates done) * max(|reference|, floor)
FIRST, GROWTH = 1e-5, 3e-6
# Sums whose terms are of order one or ten may nearly cancel: their error is that of the terms.
FLOORS = {"alpha": 1e-2, "critic_grad_norm": 1e-1, "actor_grad_norm": 1e-1}
FLOOR = 1.0
# RMS of a tensor's difference, relative to the RMS of its movement since the start. Not the largest
# difference: Adam makes a full step of whatever sign rounding gives to a gradient of zero.
MOVEMENT = 0.02
# What rounding leaves on the weights themselves, relative to their size.
ROUNDING = 1e-6


@dataclass
class Finding:
    """`excess`: the difference in units of what is tolerated; above 1 it fails."""

    what: str
    excess: float
    detail: str


@dataclass
class Comparison:
    candidate: str
    passed: bool
    errors: list[str]  # what does not even have the same form
    worst: list[Finding]  # of each kind, the largest excess first


def compare_metrics(reference: Path, candidate: Path, errors: list[str]) -> list[Finding]:
    lines = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (reference, candidate)
    ]
    if len(lines[0]) != len(lines[1]):
        errors.append(f"metrics.jsonl: {len(lines[1])} lines, expected {len(lines[0])}")
    findings: dict[str, Finding] = {}
    for done, (expected, found) in enumerate(zip(*lines)):
        if set(expected) != set(found):
            odd = sorted(set(expected) ^ set(found))
            errors.append(f"metrics.jsonl line {done + 1}: keys differ: {odd}")
        if expected["update"] != found.get("update"):
            errors.append(f"metrics.jsonl line {done + 1}: update {found.get('update')}")
        for key in set(expected) & set(found) - {"update"}:
            scale = max(abs(expected[key]), FLOORS.get(key, FLOOR))
            difference = abs(expected[key] - found[key]) / scale
            excess = difference / (FIRST + GROWTH * done)
            if not math.isfinite(excess):
                excess = math.inf
            if key not in findings or excess > findings[key].excess:
                detail = f"update {expected['update']}: {found[key]:.9g}, not {expected[key]:.9g}"
                findings[key] = Finding(key, excess, f"{detail} ({difference:.1e})")
    return list(findings.values())


def rms(tensor: Tensor) -> float:
    return tensor.double().square().mean().sqrt().item()


def compare_tensors(
    start: dict[str, Tensor], reference: Path, candidate: Path, errors: list[str]
) -> list[Finding]:
    expected, found = read_tensors(reference), read_tensors(candidate)
    if set(expected) != set(found):
        odd = sorted(set(expected) ^ set(found))
        errors.append(f"{candidate.name}: tensors differ: {odd}")
    findings = []
    for name in set(expected) & set(found):
        want, have = expected[name], found[name]
        if want.shape != have.shape or want.dtype != have.dtype:
            errors.append(f"{candidate.name} '{name}': {have.dtype} {list(have.shape)}, "
                          f"expected {want.dtype} {list(want.shape)}")
            continue
        movement = rms(want - start[name]) if name in start else 0.0
        difference = rms(have - want)
        excess = difference / (MOVEMENT * movement + ROUNDING * (rms(want) + 1e-3))
        if not math.isfinite(excess):
            excess = math.inf
        detail = f"difference {difference:.1e}, movement {movement:.1e}"
        findings.append(Finding(f"{candidate.stem}: {name}", excess, detail))
    return findings


def start_tensors(case: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    agent = read_tensors(case / "agent.safetensors")
    target = case / "target.safetensors"
    return agent, read_tensors(target) if target.exists() else agent


def compare(case: Path, reference: Path, candidate: Path) -> Comparison:
    errors: list[str] = []
    findings = compare_metrics(reference, candidate, errors)
    for file, start in zip(("agent_after", "target_after"), start_tensors(case)):
        file += ".safetensors"
        findings += compare_tensors(start, reference / file, candidate / file, errors)
    findings.sort(key=lambda finding: -finding.excess)
    passed = not errors and all(finding.excess <= 1 for finding in findings)
    return Comparison(str(candidate), passed, errors, findings)


def print_table(comparison: Comparison, rows: int) -> None:
    print(f"{'agrees' if comparison.passed else 'DIFFERS'}  {comparison.candidate}")
    for error in comparison.errors:
        print(f"   {error}")
    for finding in comparison.worst[:rows]:
        print(f"   {finding.excess:9.3g}  {finding.what:52} {finding.detail}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="CASE REFERENCE CANDIDATE")
    parser.add_argument("--rows", type=int, default=8, help="lines a table")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if len(args.folders) % 3:
        parser.error("the folders come in threes: CASE REFERENCE CANDIDATE")
    triples = zip(*(iter(args.folders),) * 3)
    comparisons = [compare(*triple) for triple in triples]
    for comparison in comparisons:
        comparison.worst = comparison.worst[: args.rows]
        print_table(comparison, args.rows)
    if args.json:
        # JSON has no infinity: what is not finite is written as the largest number.
        for finding in (f for comparison in comparisons for f in comparison.worst):
            finding.excess = min(finding.excess, sys.float_info.max)
        args.json.write_text(json.dumps([asdict(c) for c in comparisons]))
    sys.exit(0 if all(comparison.passed for comparison in comparisons) else 1)


if __name__ == "__main__":
    main()

"""How far honest implementations and planted mistakes lie from the reference.

    python -m reference.calibrate [--only NAME ...]

For each scenario the float32 reference is compared with stand-ins for an honest implementation that
rounds differently, and with each mistake that the scenario plants:

    float64    the reference in double precision: its distance is the reference's own rounding
    permuted   float32, the rows of every batch in another order
    relabelled float32, hidden units and channels in another order: other sums in every layer

`nearest kink` is how close an input of the reference's ReLUs came to zero, relative to the RMS of
the inputs (and log_std to its clamp, and the smallest Q to the next where `min` counts).
Within a rounding error of a kink honest implementations may take different sides: a unit's gradient
is then there or not, Adam makes full steps of the difference, and more units follow. So scenarios
are small, and each has a seed that keeps it away from kinks.

`metrics` and `tensors` are the largest difference of a metric or tensor in units of what `compare`
tolerates: honest rows must stay well below 1, mistakes well above.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from .compare import Comparison, compare
from .config import Config
from .make_case import make_case
from .run_scenarios import make_learner, run
from .sac_update import ReferenceLearner
from .safetensors_io import read_tensors, write_tensors
from .scenarios import Scenario, chosen

KINK = 4e-6  # the rounding error of a ReLU's input reaches 2e-6, and there are two of them


def permute_rows(case: Path, out: Path) -> Path:
    (out / "batches").mkdir(parents=True)
    for file in sorted((case / "batches").iterdir()):
        batch = read_tensors(file)
        order = torch.randperm(len(batch["rewards"]), generator=torch.Generator().manual_seed(1))
        write_tensors(out / "batches" / file.name, {k: v[order] for k, v in batch.items()})
    for name in ("agent.safetensors", "target.safetensors"):
        if (case / name).exists():
            (out / name).write_bytes((case / name).read_bytes())
    return out


class Relabelling:
    """Puts the units of every hidden layer in another order, which leaves the function as it is."""

    def __init__(self, config: Config):
        self.config, self.generator = config, torch.Generator().manual_seed(2)
        self.orders: dict[str, Tensor] = {}

    def order(self, layer: str, size: int) -> Tensor:
        if layer not in self.orders:
            self.orders[layer] = torch.randperm(size, generator=self.generator)
        return self.orders[layer]

    def layers(self, tensors: dict[str, Tensor]):
        """(key of the units, dimension, tensor's name) of every dimension that is relabelled."""
        last_hidden = 3 * len(self.config.hidden_dims) - 3
        last_conv = 2 * len(self.config.image_channels) - 2
        for name in tensors:
            path, _, leaf = name.rpartition(".")
            stack, _, number = path.rpartition(".")
            if number in ("mean_layer", "log_std_layer") and leaf == "weight":
                yield f"{stack}.shared_net.{last_hidden}", 1, name
            elif stack.endswith((".shared_net", ".net")):  # Linear 3 k, LayerNorm 3 k + 1
                layer, kind = int(number) // 3 * 3, int(number) % 3
                if layer <= last_hidden:
                    yield f"{stack}.{layer}", 0, name
                if kind == 0 and layer > 0 and leaf == "weight":
                    yield f"{stack}.{layer - 3}", 1, name
            elif stack.endswith("image_encoder.encoder"):  # convolutions 0, 2, 4, ...
                layer = int(number)
                if layer != last_conv:  # that one's channels are flattened
                    yield f"{stack}.{layer}", 0, name
                if layer > 0 and leaf == "weight":
                    yield f"{stack}.{layer - 2}", 1, name

    def apply(self, tensors: dict[str, Tensor], back: bool = False) -> dict[str, Tensor]:
        tensors = dict(tensors)
        for layer, dim, name in list(self.layers(tensors)):
            order = self.order(layer, tensors[name].shape[dim])
            tensors[name] = tensors[name].index_select(dim, order.argsort() if back else order)
        return tensors


def relabelled(scenario: Scenario, case: Path, out: Path) -> Path:
    """Runs the relabelled agent and writes its outputs in the original order."""
    relabelling = Relabelling(Config(**scenario.config))
    other = permute_rows(case, out / "case")
    for name in ("agent.safetensors", "target.safetensors"):
        if (other / name).exists():
            write_tensors(other / name, relabelling.apply(read_tensors(other / name)))
    run(scenario, make_learner(scenario, other), other, out)
    for name in ("agent_after.safetensors", "target_after.safetensors"):
        write_tensors(out / name, relabelling.apply(read_tensors(out / name), back=True))
    return out


def row(kind: str, comparison: Comparison) -> str:
    metrics = [f for f in comparison.worst if "after" not in f.what]
    tensors = [f for f in comparison.worst if "after" in f.what]
    return (f"   {kind:24} metrics {metrics[0].excess:9.2g} ({metrics[0].what})"
            f"   tensors {tensors[0].excess:9.2g} ({tensors[0].what})")


def watch_kinks(learner: ReferenceLearner) -> list[float]:
    """The returned list receives the distances while the learner runs."""
    distances: list[float] = []

    def note(distance: Tensor) -> None:
        if torch.is_grad_enabled():  # without gradients a kink is harmless
            distances.append(distance.abs().min().item())

    def note_input(inputs: Tensor) -> None:
        note(inputs / inputs.square().mean().sqrt())

    policy, q_head = learner.actor.dsrl_action_noise_net, learner.critic.q_head
    for module in [*learner.actor.modules(), *learner.critic.modules()]:
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _, inputs, __: note_input(inputs[0]))
    policy.log_std_layer.register_forward_hook(lambda _, __, output: note(output - 2))
    if learner.config.actor_agg_q == "min":
        q_head.register_forward_hook(lambda _, __, q: note(q.topk(2, largest=False)[0].diff()))
    return distances


def calibrate(scenario: Scenario, case: Path) -> bool:
    """Prints the scenario's rows; True if they lie on the right sides with a margin of two."""
    make_case(scenario, case)
    learner = make_learner(scenario, case)
    distances = watch_kinks(learner)
    run(scenario, learner, case, case / "reference")
    print(f"{scenario.name}, nearest kink {min(distances):.1e}")

    def report(kind: str, out: Path) -> float:
        comparison = compare(case, case / "reference", out)
        print(row(kind, comparison), flush=True)
        return comparison.worst[0].excess

    run(scenario, make_learner(scenario, case, dtype=torch.float64), case, case / "float64")
    other = permute_rows(case, case / "rows")
    run(scenario, make_learner(scenario, other), other, case / "permuted")
    relabelled(scenario, case, case / "relabelled")
    honest = [report(kind, case / kind) for kind in ("float64", "permuted", "relabelled")]
    mistaken = []
    for plant in scenario.plants:
        run(scenario, make_learner(scenario, case, plant), case, case / plant)
        mistaken.append(report(plant, case / plant))
    return min(distances) > KINK and max(honest) < 0.5 and min(mistaken, default=3) > 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdicts = [calibrate(s, Path(folder) / s.name) for s in chosen(args.only)]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()

"""Writes the inputs of scenarios: random weights, batches and noise, from a seed.

    python -m reference.make_case --out DIR [--only NAME ...]

`DIR/NAME/`, the case folder, gets `agent.safetensors`, `target.safetensors`, `config.json` and
`batches/`. Weights have the scale of RLinf's initialisation, but nothing is left at a value where a
mistake would hide: biases and LayerNorm gains are random, mean and log_std are not near zero, the
heads differ, and the target differs from the critic.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from .config import Config
from .networks import Actor, Critic
from .sac_update import BASE_ALPHA, base_from_alpha
from .safetensors_io import write_tensors
from .scenarios import Scenario, chosen


class Draws:
    """Random tensors from one generator."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def normal(self, std: float, *shape: int) -> Tensor:
        return std * torch.randn(shape, generator=self.generator)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """low <= x < high"""
        return torch.randint(low, high, shape, generator=self.generator)


def randomise(network: nn.Module, draws: Draws) -> dict[str, Tensor]:
    tensors = {}
    for path, layer in network.named_modules():
        if isinstance(layer, nn.LayerNorm):
            weight = draws.uniform(0.7, 1.3, *layer.weight.shape)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            inputs = layer.weight[0].numel()
            gain = math.sqrt(2) if isinstance(layer, nn.Conv2d) else 1.0
            weight = draws.normal(gain / math.sqrt(inputs), *layer.weight.shape)
        else:
            continue
        bias = draws.uniform(-0.2, 0.2, *layer.bias.shape)
        if path.endswith("mean_layer"):
            weight *= 0.3
        if path.endswith("log_std_layer"):
            weight *= 0.2
            bias = draws.uniform(-1.2, 0.2, *layer.bias.shape)
            bias[0] = 2.0  # about half of the rows run into the clamp
        if path.startswith("q_head") and layer.weight.shape[0] == 1:
            bias = draws.uniform(-4, -2, 1)
        tensors[f"{path}.weight"], tensors[f"{path}.bias"] = weight, bias
    return tensors


def make_agent(config: Config, draws: Draws) -> dict[str, Tensor]:
    agent = randomise(Actor(config), draws) | randomise(Critic(config), draws)
    base = base_from_alpha(config.initial_alpha, config.alpha_type)
    agent[BASE_ALPHA] = torch.tensor(base + 0.1)  # not what initial_alpha would give
    return agent


def make_target(agent: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
    critic = {k: v for k, v in agent.items() if k.startswith(("critic_", "q_head."))}
    return {k: v + draws.normal(0.1 * float(v.abs().mean()), *v.shape) for k, v in critic.items()}


def pictures(rows: int, size: int, draws: Draws) -> Tensor:
    """uint8 [rows, size, size, 3]: a shaded ground, a coloured block, some grain."""
    ramp = torch.linspace(0, 1, size)
    ground = draws.uniform(20, 120, rows, 1, 1, 3) + 70 * ramp[None, :, None, None]
    ground = ground + 50 * (ramp**2)[None, None, :, None] + draws.normal(6, rows, size, size, 3)
    width = max(2, size // 4)
    for row in range(rows):
        top, left = draws.integers(0, size - width, 2).tolist()
        block = ground[row, top : top + width, left : left + width + 1]
        block.copy_(draws.uniform(0, 255, 3).expand_as(block))
    return ground.round().clamp(0, 255).to(torch.uint8)


def standard_normal(rows: int, config: Config, draws: Draws) -> Tensor:
    # log(1 - tanh(x)^2 + 1e-7) loses its digits in float32 for large |x|: honest implementations
    # would differ there by more than mistakes do, so the draws stay within 2.5, and those of the
    # first component, whose std is up to e^2, within 0.5.
    eps = draws.normal(1, rows, config.noise_dim).clamp(-2.5, 2.5)
    eps[:, 0] *= 0.2
    return eps


def make_batch(index: int, rows: int, config: Config, draws: Draws) -> dict[str, Tensor]:
    terminated = draws.uniform(0, 1, rows) < 0.25
    # Rewards change in scale from batch to batch, so that gradient norms do too: Adam hides a
    # constant factor, and with it any mistake of the clipping.
    rewards = (1 + index % 4) * torch.where(terminated, 0.0, -1.0)
    states = draws.normal(1, rows, config.state_dim)
    b = config.noise_magnitude
    batch = {
        "states": states,
        "next_states": states + draws.normal(0.3, rows, config.state_dim),
        "noise": draws.uniform(-0.999 * b, 0.999 * b, rows, config.noise_dim),
        "rewards": rewards + draws.uniform(-0.2, 0.2, rows),
        "steps": draws.integers(1, 6, rows),
        "terminated": terminated.to(torch.uint8),
        "eps_next": standard_normal(rows, config, draws),
        "eps_pi": standard_normal(rows, config, draws),
    }
    if config.image_size:
        batch["images"] = pictures(rows, config.image_size, draws)
        batch["next_images"] = pictures(rows, config.image_size, draws)
    return batch


def make_case(scenario: Scenario, out: str | Path) -> None:
    out = Path(out)
    (out / "batches").mkdir(parents=True, exist_ok=True)
    config, draws = Config(**scenario.config), Draws(scenario.seed)
    (out / "config.json").write_text(json.dumps(scenario.config, indent=1))
    agent = make_agent(config, draws)
    if scenario.with_target:
        write_tensors(out / "target.safetensors", make_target(agent, draws))
    if not scenario.with_base_alpha:
        del agent[BASE_ALPHA]
    write_tensors(out / "agent.safetensors", agent)
    for index in range(scenario.updates):
        rows = scenario.batch_sizes[index % len(scenario.batch_sizes)]
        batch = make_batch(index, rows, config, draws)
        write_tensors(out / "batches" / f"batch_{index:02}.safetensors", batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    for scenario in chosen(args.only):
        make_case(scenario, args.out / scenario.name)


if __name__ == "__main__":
    main()

"""The update of `replay_updates.md` in plain PyTorch, on given weights, batches and noise.

    python -m reference.sac_update --agent F --batches DIR --config F --out DIR [--target F]
                                   [--first N] [--limit N] [--dtype float64] [--plant MISTAKE]

Writes `agent_after.safetensors`, `target_after.safetensors` and `metrics.jsonl`. `--plant` switches
on one mistake that such code is prone to: a comparison that does not see it proves nothing.
"""

import argparse
import copy
import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from .config import Config, read_config
from .networks import Actor, Critic
from .safetensors_io import read_tensors, write_tensors
from .scenarios import PLANTS

BASE_ALPHA = "entropy_temp.base_alpha"


def base_from_alpha(alpha: float, alpha_type: str) -> float:
    """The temperature's parameter before softplus or exp."""
    return math.log(alpha) if alpha_type == "exp" else math.log(math.expm1(alpha))


def aggregate(q: Tensor, how: str) -> Tensor:
    """[B, heads] -> [B]"""
    return q.min(dim=1).values if how == "min" else q.mean(dim=1)


class ReferenceLearner:
    def __init__(
        self,
        config: Config,
        agent: dict[str, Tensor],
        target: dict[str, Tensor] | None = None,
        plant: str | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        self.config, self.plant, self.dtype = config, plant, dtype
        self.actor, self.critic = Actor(config).to(dtype), Critic(config).to(dtype)
        agent = dict(agent)
        base = agent.pop(BASE_ALPHA, None)
        if base is None:
            base = torch.tensor(base_from_alpha(config.initial_alpha, config.alpha_type))
        self.base_alpha = nn.Parameter(base.to(dtype))
        of_actor = {k for k in agent if k.startswith(("actor_", "dsrl_action_noise_net."))}
        self.actor.load_state_dict({k: v for k, v in agent.items() if k in of_actor})
        self.critic.load_state_dict({k: v for k, v in agent.items() if k not in of_actor})
        self.target = copy.deepcopy(self.critic)
        if target is not None:
            self.target.load_state_dict(target)

        def adam(parameters, lr, betas):
            return torch.optim.Adam(parameters, lr, tuple(betas), config.adam_eps, foreach=False)

        self.adam = {
            "critic": adam(self.critic.parameters(), config.critic_lr, config.critic_betas),
            "actor": adam(self.actor.parameters(), config.actor_lr, config.actor_betas),
            "alpha": adam([self.base_alpha], config.alpha_lr, config.alpha_betas),
        }
        self.norms = {"critic": 0.0, "actor": 0.0}  # of the latest gradients

        for network in (self.actor, self.critic, self.target):
            network.image_first = plant == "swapped-concatenation"
            if plant == "divide-by-256" and config.image_size:
                getattr(network, f"{network.prefix}_image_encoder").white = 256.0

    def alpha(self) -> Tensor:
        if self.config.alpha_type == "fixed_alpha":
            return torch.tensor(self.config.initial_alpha, dtype=self.dtype)
        if self.config.alpha_type == "exp":
            return torch.exp(self.base_alpha)
        return nn.functional.softplus(self.base_alpha)

    def act(self, images: Tensor | None, states: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Noise [B, noise_dim] = b tanh(mean + std eps), and its log density [B]."""
        features = self.actor.features(images, states)
        mean, log_std = self.actor.dsrl_action_noise_net(features)
        std = torch.exp(log_std)
        x = mean + std * eps
        y = torch.tanh(x)
        log_p = torch.distributions.Normal(mean, std).log_prob(x).sum(dim=1)
        if self.plant != "no-tanh-correction":
            log_p = log_p - torch.log(1 - y.square() + 1e-7).sum(dim=1)
        if self.plant != "missing-log-b":
            log_p = log_p - y.shape[1] * math.log(self.config.noise_magnitude)
        return self.config.noise_magnitude * y, log_p

    def step(self, loss: Tensor, group: str, clip: float) -> float:
        """One Adam step of one group, its gradient clipped; returns the norm before clipping."""
        parameters = self.adam[group].param_groups[0]["params"]
        gradients = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
        self.norms[group] = norm
        if self.plant == "joint-clipping" and group != "alpha":
            counted = math.hypot(self.norms["actor"], self.norms["critic"])
        else:
            counted = norm
        factor = min(1.0, clip / (counted + 1e-6))
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = factor * gradient
        self.adam[group].step()
        return norm

    def critic_target(self, batch: dict[str, Tensor], alpha: Tensor) -> Tensor:
        """y [B] = r + (1 - terminated) gamma^n Q'(s', a')"""
        config, images, states = self.config, batch.get("next_images"), batch["next_states"]
        with torch.no_grad():
            noise, log_p = self.act(images, states, batch["eps_next"])
            online = self.plant == "online-target-encoders"
            features = (self.critic if online else self.target).features(images, states)
            q = aggregate(self.target.q_head(features, noise), config.agg_q)
            if config.backup_entropy:
                q = q - alpha * log_p
            steps = batch["steps"].to(self.dtype)
            if self.plant == "gamma-always":
                steps = torch.full_like(steps, 5)
            discount = config.gamma**steps
            bootstraps = 1 - batch["terminated"].to(self.dtype)
            if config.bootstrap_type == "always" or self.plant == "no-termination-mask":
                bootstraps = torch.ones_like(bootstraps)
            return batch["rewards"] + bootstraps * discount * q

    def update(self, index: int, batch: dict[str, Tensor]) -> dict[str, float]:
        config = self.config
        floats = [name for name, tensor in batch.items() if tensor.dtype == torch.float32]
        batch = batch | {name: batch[name].to(self.dtype) for name in floats}
        images, states = batch.get("images"), batch["states"]
        alpha = self.alpha()

        # Critic
        y = self.critic_target(batch, alpha.detach())
        features = self.critic.features(images, states)
        q = self.critic.q_head(features, batch["noise"])
        critic_loss = (q - y[:, None]).square().mean()
        critic_norm = self.step(critic_loss, "critic", config.critic_clip)
        metrics = {
            "update": index,
            "critic_loss": critic_loss.item(),
            "target_q": y.mean().item(),
            "q_data": q.mean().item(),
            "critic_grad_norm": critic_norm,
        }

        if index >= config.train_actor_steps:
            # Actor, against the critic as it stands after its step
            noise, log_p = self.act(images, states, batch["eps_pi"])
            if self.plant == "stale-features":
                features = features.detach()
            else:
                with torch.no_grad():
                    features = self.critic.features(images, states)
            q = self.critic.q_head(features, noise)
            q_pi = aggregate(q, config.actor_agg_q)
            actor_loss = (alpha.detach() * log_p - q_pi).mean()
            actor_norm = self.step(actor_loss, "actor", config.actor_clip)
            metrics |= {
                "actor_grad_norm": actor_norm,
                "actor_loss": actor_loss.item(),
                "entropy": -log_p.mean().item(),
                "q_pi": q_pi.mean().item(),
            }
            metrics |= {f"q_value_{j}": q[:, j].mean().item() for j in range(q.shape[1])}

            # Temperature, with the log density of the actor's pass
            if config.alpha_type != "fixed_alpha":
                alpha_loss = -alpha * (log_p.detach().mean() + config.target_entropy)
                alpha_norm = self.step(alpha_loss, "alpha", config.alpha_clip)
                metrics |= {"alpha_loss": alpha_loss.item(), "alpha_grad_norm": alpha_norm}

        if index % config.target_update_freq == 0:
            self.update_target()
        metrics["alpha"] = self.alpha().item()
        return metrics

    @torch.no_grad()
    def update_target(self) -> None:
        tau = self.config.tau
        for target, online in zip(self.target.parameters(), self.critic.parameters()):
            if self.plant == "bf16-ema":
                target.copy_((1 - tau) * target.bfloat16() + tau * online.bfloat16())
            else:
                target.copy_((1 - tau) * target + tau * online)

    def agent_tensors(self) -> dict[str, Tensor]:
        tensors = self.actor.state_dict() | self.critic.state_dict()
        tensors[BASE_ALPHA] = self.base_alpha.detach()
        return {name: tensor.float() for name, tensor in tensors.items()}

    def target_tensors(self) -> dict[str, Tensor]:
        return {name: tensor.float() for name, tensor in self.target.state_dict().items()}


def replay(
    learner: ReferenceLearner, batches: str | Path, out: str | Path, first: int, limit: int | None
) -> None:
    """Runs the batches of a folder in order of their names and writes what came out."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(Path(batches).glob("batch_*.safetensors"))[first:]
    with open(out / "metrics.jsonl", "w") as lines:
        for index, file in enumerate(files[:limit], start=first):
            lines.write(json.dumps(learner.update(index, read_tensors(file))) + "\n")
    write_tensors(out / "agent_after.safetensors", learner.agent_tensors())
    write_tensors(out / "target_after.safetensors", learner.target_tensors())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("agent", "batches", "config", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--target")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--plant", choices=list(PLANTS))
    args = parser.parse_args()
    learner = ReferenceLearner(
        read_config(args.config),
        read_tensors(args.agent),
        read_tensors(args.target) if args.target else None,
        args.plant,
        getattr(torch, args.dtype),
    )
    replay(learner, args.batches, args.out, args.first, args.limit)


if __name__ == "__main__":
    main()

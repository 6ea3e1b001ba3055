"""The recipe `tabletop` as an eager PyTorch fp32 loop: the peer that `tabletop.mjs` times.

    .venv/bin/python bench/tabletop_eager.py [--seed 0] [--max-steps 40]

Same sizes, rates, frozen program, rollouts and updates as `configs/tabletop.yaml`; ten separate
nn.Sequential heads as RLinf writes them, torch.optim.Adam (fused), numpy worlds. Trains until the
deterministic agent solves .9 of the 100 (task, trial) and prints one JSON line: `train_*` counts
rollouts and updates alone, `update_*` the updates, neither the evaluations.
"""

import argparse
import copy
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

from reference.config import Config
from reference.networks import Actor, Critic
from tabletop import world
from tabletop.painter import paint
from tabletop.preflight import Player

ENVS, CHUNKS, UPDATES, BATCH, TRIALS = 16, 12, 50, 64, 25
EVAL_INTERVAL, GOAL = 2, 0.9
EULER_STEPS = 4
CONFIG = Config(
    image_kernels=[4, 3, 3, 3],
    image_strides=[4, 2, 2, 2],
    gamma=0.998,
    tau=0.05,
    initial_alpha=0.1,
    actor_lr=1e-3,
    critic_lr=1e-3,
)


def initialise(actor: Actor, critic: Critic) -> None:
    """RLinf's initialisation; what is not named here keeps PyTorch's own."""
    for images in (actor.actor_image_encoder, critic.critic_image_encoder):
        for layer in images.encoder:
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight, math.sqrt(2))
                nn.init.zeros_(layer.bias)
        nn.init.xavier_normal_(images.bottleneck[1].weight)
        nn.init.zeros_(images.bottleneck[1].bias)
    noise_net = actor.dsrl_action_noise_net
    for layer in (noise_net.mean_layer, noise_net.log_std_layer):
        nn.init.xavier_uniform_(layer.weight, 0.01)
        nn.init.zeros_(layer.bias)
    for head in critic.q_head.q_heads:
        linear = [layer for layer in head.net if isinstance(layer, nn.Linear)]
        for layer in linear[:-1]:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(linear[-1].weight, 0.0, 0.01)
        nn.init.zeros_(linear[-1].bias)


class Learner:
    def __init__(self):
        self.actor, self.critic = Actor(CONFIG), Critic(CONFIG)
        initialise(self.actor, self.critic)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.base_alpha = nn.Parameter(torch.tensor(math.log(math.expm1(CONFIG.initial_alpha))))

        def adam(parameters, lr, betas):
            return torch.optim.Adam(parameters, lr, tuple(betas), fused=True)

        self.critic_adam = adam(self.critic.parameters(), CONFIG.critic_lr, CONFIG.critic_betas)
        self.actor_adam = adam(self.actor.parameters(), CONFIG.actor_lr, CONFIG.actor_betas)
        self.alpha_adam = adam([self.base_alpha], CONFIG.alpha_lr, CONFIG.alpha_betas)

    def sample(self, images: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Noise [B, 32] = tanh(x) and its log density [B]."""
        features = self.actor.features(images, states)
        mean, log_std = self.actor.dsrl_action_noise_net(features)
        normal = torch.distributions.Normal(mean, log_std.exp())
        x = normal.rsample()
        y = torch.tanh(x)
        return y, (normal.log_prob(x) - torch.log(1 - y.square() + 1e-7)).sum(1)

    @torch.no_grad()
    def act(self, images: Tensor, states: Tensor, deterministic: bool) -> Tensor:
        if not deterministic:
            return self.sample(images, states)[0]
        features = self.actor.features(images, states)
        return torch.tanh(self.actor.dsrl_action_noise_net(features)[0])

    def step(self, loss: Tensor, adam: torch.optim.Adam, clip: float) -> None:
        parameters = adam.param_groups[0]["params"]
        adam.zero_grad()
        # `inputs`: the actor's loss spends nothing on gradients of the critic's weights.
        loss.backward(inputs=parameters)
        nn.utils.clip_grad_norm_(parameters, clip)
        adam.step()

    def update(self, batch: dict[str, Tensor]) -> None:
        images, states = batch["images"], batch["states"]
        alpha = softplus(self.base_alpha)
        with torch.no_grad():
            noise, _ = self.sample(batch["next_images"], batch["next_states"])
            features = self.target.features(batch["next_images"], batch["next_states"])
            q_next = self.target.q_head(features, noise).mean(1)
            discount = CONFIG.gamma ** batch["steps"] * (1 - batch["terminated"])
            y = batch["rewards"] + discount * q_next
        q = self.critic.q_head(self.critic.features(images, states), batch["noise"])
        self.step((q - y[:, None]).square().mean(), self.critic_adam, CONFIG.critic_clip)

        noise, log_p = self.sample(images, states)
        with torch.no_grad():
            features = self.critic.features(images, states)
        q_pi = self.critic.q_head(features, noise).mean(1)
        loss = (alpha.detach() * log_p - q_pi).mean()
        self.step(loss, self.actor_adam, CONFIG.actor_clip)

        alpha_loss = -alpha * (log_p.detach().mean() + CONFIG.target_entropy)
        self.step(alpha_loss, self.alpha_adam, CONFIG.alpha_clip)
        with torch.no_grad():
            for target, online in zip(self.target.parameters(), self.critic.parameters()):
                target.lerp_(online, CONFIG.tau)


class Replay:
    """Every transition of the run, stored once; uniform draws with replacement."""

    def __init__(self, capacity: int):
        size, states = CONFIG.image_size, CONFIG.state_dim
        self.size = 0
        self.columns = {
            "images": torch.empty(capacity, size, size, 3, dtype=torch.uint8),
            "next_images": torch.empty(capacity, size, size, 3, dtype=torch.uint8),
            "states": torch.empty(capacity, states),
            "next_states": torch.empty(capacity, states),
            "noise": torch.empty(capacity, CONFIG.noise_dim),
            "rewards": torch.empty(capacity),
            "steps": torch.empty(capacity),
            "terminated": torch.empty(capacity),
        }

    def append(self, rows: dict[str, Tensor]) -> None:
        end = self.size + len(rows["rewards"])
        for name, column in self.columns.items():
            column[self.size : end] = rows[name]
        self.size = end

    def draw(self) -> dict[str, Tensor]:
        rows = torch.randint(self.size, (BATCH,))
        return {name: column[rows] for name, column in self.columns.items()}


def observe(s: world.State) -> tuple[Tensor, Tensor]:
    """The agent's picture, which is the policy's too, and the raw state."""
    return torch.from_numpy(paint(s, CONFIG.image_size)), torch.from_numpy(world.observe(s))


@torch.inference_mode()
def frozen_policy(player: Player, images: Tensor, states: Tensor, noise: Tensor) -> np.ndarray:
    """One noise vector [n, 32], repeated over the horizon -> actions [n, H, 7]."""
    n = len(noise)
    state = (states - player.state["mean"]) / (player.state["std"] + player.eps)
    actions = player.program(
        images.permute(0, 3, 1, 2).unsqueeze(1).float() / 255 * 2 - 1,
        torch.ones(n, 1, dtype=torch.bool),
        player.tokens.expand(n, -1),
        player.token_mask.expand(n, -1),
        pad(state, (0, player.width - state.shape[1])),
        noise[:, None].expand(-1, player.horizon, -1).contiguous(),
        EULER_STEPS,
    )[..., : len(player.actions["mean"])]
    return (actions * (player.actions["std"] + player.eps) + player.actions["mean"]).numpy()


def step_chunk(s: world.State, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Up to 5 steps in place; an environment stops at its success. Success and steps run, [n]."""
    success, steps = np.zeros(len(s.task), bool), np.zeros(len(s.task), np.int64)
    for i in range(world.CHUNK):
        rows = np.flatnonzero(~success)
        moving = s.take(rows)
        success[rows] = world.step(moving, actions[rows, i])
        s.put(rows, moving)
        steps[rows] += 1
    return success, steps


class Schedule:
    """All (task, trial), shuffled anew in every pass."""

    def __init__(self, seed: int):
        self.random, self.left = np.random.default_rng(seed), []

    def reset(self, count: int) -> world.State:
        ids = []
        for _ in range(count):
            if not self.left:
                self.left = self.random.permutation(world.TASKS * TRIALS).tolist()
            ids.append(self.left.pop())
        tasks, trials = np.divmod(np.array(ids), TRIALS)
        return world.reset(tasks, trials)


class Rollouts:
    """Goes on where the last rollout stopped; a finished environment resets at the chunk's end."""

    def __init__(self, player: Player, seed: int):
        self.player, self.schedule = player, Schedule(seed)
        self.state, self.elapsed = self.schedule.reset(ENVS), np.zeros(ENVS, np.int64)

    def run(self, learner: Learner, replay: Replay) -> None:
        images, states = observe(self.state)
        for _ in range(CHUNKS):
            noise = learner.act(images, states, deterministic=False)
            actions = frozen_policy(self.player, images, states, noise)
            success, steps = step_chunk(self.state, actions)
            next_images, next_states = observe(self.state)
            replay.append(
                {
                    "images": images,
                    "states": states,
                    "next_images": next_images,
                    "next_states": next_states,
                    "noise": noise,
                    "rewards": torch.from_numpy(np.where(success, 0.0, -1.0)),
                    "steps": torch.from_numpy(steps),
                    "terminated": torch.from_numpy(success),
                }
            )
            images, states = next_images, next_states
            self.elapsed += steps
            done = np.flatnonzero(success | (self.elapsed >= world.HORIZON))
            if len(done):
                self.state.put(done, self.schedule.reset(len(done)))
                self.elapsed[done] = 0
                # Only what was reset is painted anew; the replay holds copies.
                images[done], states[done] = observe(self.state.take(done))


def evaluate(player: Player, learner: Learner) -> float:
    tasks, trials = np.divmod(np.arange(world.TASKS * TRIALS), TRIALS)
    s, failed = world.reset(tasks, trials), np.arange(len(tasks))
    for _ in range(CHUNKS):
        images, states = observe(s)
        noise = learner.act(images, states, deterministic=True)
        success, _ = step_chunk(s, frozen_policy(player, images, states, noise))
        s, failed = s.take(~success), failed[~success]
        if len(failed) == 0:
            break
    return (len(tasks) - len(failed)) / len(tasks)


class Stopwatch:
    """Adds up the wall and CPU seconds of its blocks, those of all threads."""

    def __init__(self):
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def __exit__(self, *_) -> None:
        self.wall += time.perf_counter() - self.began[0]
        self.cpu += time.process_time() - self.began[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-steps", type=int, default=40, help="global steps")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    player, learner = Player(ROOT / "policies" / "tabletop"), Learner()
    rollouts = Rollouts(player, args.seed)
    replay = Replay(args.max_steps * CHUNKS * ENVS)
    rollout, learn, updates, success = Stopwatch(), Stopwatch(), 0, 0.0
    for step in range(1, args.max_steps + 1):
        with rollout:
            rollouts.run(learner, replay)
        with learn:
            for _ in range(UPDATES):
                learner.update(replay.draw())
        updates += UPDATES
        if step % EVAL_INTERVAL == 0:
            success = evaluate(player, learner)
            print(f"step {step}: {success:.2f}", file=sys.stderr, flush=True)
            if success >= GOAL:
                break
    result = {
        "seed": args.seed,
        "success": success,
        "reached": success >= GOAL,
        "updates": updates,
        "train_seconds": rollout.wall + learn.wall,
        "train_cpu_seconds": rollout.cpu + learn.cpu,
        "update_seconds": learn.wall,
        "update_cpu_seconds": learn.cpu,
        "torch_threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

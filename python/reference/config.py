"""The config of `debug replay-updates`: keys and defaults of `replay_updates.md`."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path


def _list(*values: float):
    return field(default_factory=lambda: list(values))


@dataclass
class Config:
    image_size: int = 64  # 0: an agent without an image encoder
    image_strides: list[int] = _list(2, 1, 1, 1)
    image_kernels: list[int] = _list(3, 3, 3, 3)
    image_channels: list[int] = _list(32, 32, 32, 32)
    image_latent_dim: int = 64
    state_dim: int = 8
    state_latent_dim: int = 64
    noise_dim: int = 32
    hidden_dims: list[int] = _list(128, 128, 128)
    num_q_heads: int = 10
    noise_magnitude: float = 1.0  # b: the noise lies in (-b, b)
    gamma: float = 0.999  # per environment step
    tau: float = 0.005
    agg_q: str = "mean"  # or "min"
    actor_agg_q: str = "mean"  # or "min"
    backup_entropy: bool = False
    bootstrap_type: str = "standard"  # or "always": terminated chunks bootstrap too
    train_actor_steps: int = 0
    target_update_freq: int = 1
    alpha_type: str = "softplus"  # or "exp" or "fixed_alpha"
    initial_alpha: float = 1.0
    target_entropy: float = -16.0
    actor_lr: float = 1e-4
    actor_betas: list[float] = _list(0.9, 0.96)
    actor_clip: float = 3.5
    critic_lr: float = 3e-4
    critic_betas: list[float] = _list(0.9, 0.999)
    critic_clip: float = 10.0
    alpha_lr: float = 3e-4
    alpha_betas: list[float] = _list(0.9, 0.999)
    alpha_clip: float = 10.0
    adam_eps: float = 1e-8
    # Bounds the native learner's memory and may change rounding only: the reference ignores it.
    micro_batch_size: int = 0


def read_config(path: str | Path) -> Config:
    values = json.loads(Path(path).read_text())
    unknown = set(values) - {f.name for f in fields(Config)}
    if unknown:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    return Config(**values)

"""Trains a small Pi0 by conditional flow matching (arXiv 2410.24164, section 4).

x_t = t noise + (1 - t) actions; the network predicts noise - actions.
"""

import contextlib
import copy
import math
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import Pi0, Pi0Config

ACTION_DIM = 7  # of the padded actions, the dimensions that are real
HINT_WEIGHT = 0.1  # of the hints' loss beside the flow's


@dataclass
class Frames:
    """What a policy is taught: N cameras of side S, H actions a frame, P prompts of L tokens."""

    pictures: np.ndarray  # u8 [F,N,S,S,3]
    states: np.ndarray  # f32 [F,D]
    actions: np.ndarray  # f32 [F,H,7]
    weights: np.ndarray  # f64 [F], how much more often than others a frame is drawn
    prompts: np.ndarray  # i64 [F], which prompt
    tokens: np.ndarray  # i64 [P,L]
    token_mask: np.ndarray  # bool [P,L]
    # f32 [F,K], or None: what the prefix is taught to tell besides, in units of the precision
    # wanted. A flow's loss is mostly the noise that was drawn, and says little of where things are.
    hints: np.ndarray | None = None


@dataclass(frozen=True)
class Schedule:
    """A batch holds `frames` frames, and `draws` of (flow time, noise) that share one prefix."""

    steps: int
    peak: float
    frames: int = 64
    draws: int = 4
    averaging: float = 0.99
    bfloat16: bool = False  # of the matrix products; the weights stay float32
    shift: int = 0  # pixels by which each picture is moved at random, against learning by heart
    tiled: float = 0.0  # of the draws, those whose noise is one row for the whole horizon


def statistics(x: np.ndarray, constant_std: float) -> dict[str, list[float]]:
    """Mean and standard deviation of each column. A column that does not vary gets constant_std:
    with its own, rounding in the last bit would be blown up to whole units."""
    x = x.astype(np.float64)
    std = x.std(0)
    std[std < 1e-3] = constant_std
    return {"mean": x.mean(0).tolist(), "std": std.tolist()}


def frame_statistics(frames: Frames) -> tuple[dict, dict]:
    """Of states and of actions. A constant state keeps its unit; a constant action, which the
    policy has to reproduce, is held to a hundredth of one."""
    return (
        statistics(frames.states, constant_std=1.0),
        statistics(frames.actions.reshape(-1, ACTION_DIM), constant_std=0.01),
    )


def normalise(x: np.ndarray, stats: dict[str, list[float]], width: int) -> Tensor:
    """(x - mean) / (std + eps), zero-padded to width in the last dimension."""
    mean = torch.tensor(stats["mean"], dtype=torch.float32)
    std = torch.tensor(stats["std"], dtype=torch.float32)
    y = (torch.from_numpy(x) - mean) / (std + 1e-6)
    return torch.nn.functional.pad(y, (0, width - y.shape[-1]))


def shifted(pictures: Tensor, most: int) -> Tensor:
    """Each picture u8 [B,N,S,S,3] moved by up to `most` pixels in x and in y; its edge is repeated.
    A few hundred scenes are learned by heart otherwise, and the next one is not solved."""
    if most == 0:
        return pictures
    size = pictures.shape[2]
    moved = torch.randint(-most, most + 1, (*pictures.shape[:2], 2, 1))
    at = (torch.arange(size) + moved).clamp(0, size - 1)  # [B,N,2,S]
    rows = at[:, :, 0, :, None, None].expand(pictures.shape)
    columns = at[:, :, 1, None, :, None].expand(pictures.shape)
    return pictures.gather(2, rows).gather(3, columns)


Prefix = tuple[Tensor, Tensor, Tensor]


def read_prefix(model: Pi0, pictures: Tensor, prompt: list[Tensor]) -> Prefix:
    """pictures u8 [B,N,S,S,3]; prompt: tokens and token mask [B,L] -> pad, K, V."""
    images = pictures.permute(0, 1, 4, 2, 3).float() / 255 * 2 - 1
    seen = torch.ones(images.shape[:2], dtype=torch.bool)
    return model.prefix(images, seen, *prompt)


def draw_noise(like: Tensor, tiled: float) -> Tensor:
    """N(0, I) [B,H,D], as the sampler draws it; of a fraction `tiled` one row repeated, as an agent
    picks it, half of these from N(0, I) and half from U(-1, 1). A policy that has never seen such a
    noise is less exact under it."""
    noise = torch.randn_like(like)
    if tiled == 0:
        return noise
    kind = torch.rand(len(like))[:, None, None]
    uniform = 2 * torch.rand_like(like) - 1
    row = torch.where(kind < tiled / 2, uniform, noise)[:, :1]
    return torch.where(kind < tiled, row, noise)


def flow_loss(
    model: Pi0, prefix: Prefix, states: Tensor, actions: Tensor, schedule: Schedule
) -> Tensor:
    """Real action dimensions weigh .9, the padding .1."""
    pad, K, V = prefix

    def repeat(x: Tensor, dim: int = 0) -> Tensor:
        return x.repeat_interleave(schedule.draws, dim)

    actions = repeat(actions)
    noise = draw_noise(actions, schedule.tiled)
    u = torch.rand(len(actions))
    t = u ** (1 / 1.5) * 0.999 + 0.001  # Beta(1.5, 1) by its inverse distribution function
    x_t = t[:, None, None] * noise + (1 - t[:, None, None]) * actions
    v = model.denoise_step(repeat(states), repeat(pad), repeat(K, 1), repeat(V, 1), x_t, t)
    error = (v - (noise - actions)).square()
    return 0.9 * error[..., :ACTION_DIM].mean() + 0.1 * error[..., ACTION_DIM:].mean()


class HintReader(nn.Module):
    """Tells the hints from the prefix's values [layers,B,kv_heads,P,head_dim], which are what the
    action expert reads. It is dropped after training."""

    def __init__(self, c: Pi0Config, cameras: int, tokens: int, hints: int):
        super().__init__()
        prefix = cameras * (c.image_size // c.patch_size) ** 2 + tokens
        self.hidden = nn.Linear(c.layers * c.kv_heads * prefix * c.head_dim, 128)
        self.out = nn.Linear(128, hints)

    def loss(self, V: Tensor, hints: Tensor) -> Tensor:
        told = self.out(F.gelu(self.hidden(V.transpose(0, 1).flatten(1))))
        return F.smooth_l1_loss(told.float(), hints)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 100 steps, then a cosine to zero."""
    progress = max(0.0, (step - 100) / max(1, steps - 100))
    return peak * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train(
    config: Pi0Config,
    frames: Frames,
    stats: tuple[dict, dict],
    schedule: Schedule,
    start: dict[str, Tensor] | None = None,
) -> tuple[Pi0, float]:
    """Returns the exponential moving average of the weights and the last smoothed loss. `start`:
    the weights to go on from, which were trained under the same statistics."""
    states = normalise(frames.states, stats[0], config.noise_dim)
    actions = normalise(frames.actions, stats[1], config.noise_dim)
    pictures = torch.from_numpy(frames.pictures)
    prompts = torch.from_numpy(frames.prompts)
    tokens, token_mask = torch.from_numpy(frames.tokens), torch.from_numpy(frames.token_mask)
    cumulative = torch.from_numpy(frames.weights).cumsum(0)
    model = Pi0(config)
    if start is not None:
        model.load_state_dict(start)
    average = copy.deepcopy(model).requires_grad_(False)
    taught = nn.ModuleDict({"model": model})
    if frames.hints is not None:
        hints = torch.from_numpy(frames.hints)
        sizes = pictures.shape[1], tokens.shape[1], hints.shape[1]
        taught["reader"] = HintReader(config, *sizes)
    peak = schedule.peak
    optimizer = torch.optim.AdamW(taught.parameters(), lr=peak, weight_decay=0.01, fused=True)
    smoothed, began = 0.0, time.monotonic()
    for step in range(schedule.steps):
        drawn = torch.rand(schedule.frames, dtype=torch.float64) * cumulative[-1]
        i = torch.searchsorted(cumulative, drawn, right=True).clamp(max=len(states) - 1)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, schedule.steps, peak)
        prompt = [tokens[prompts[i]], token_mask[prompts[i]]]
        low = torch.autocast("cpu", torch.bfloat16)
        with low if schedule.bfloat16 else contextlib.nullcontext():
            prefix = read_prefix(model, shifted(pictures[i], schedule.shift), prompt)
            flow = flow_loss(model, prefix, states[i], actions[i], schedule)
            loss = flow
            if "reader" in taught:
                loss = flow + HINT_WEIGHT * taught["reader"].loss(prefix[2], hints[i])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(taught.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(schedule.averaging, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        smoothed += (flow.item() - smoothed) * max(0.01, 1 / (step + 1))
        if step % 250 == 0 or step == schedule.steps - 1:
            seconds = time.monotonic() - began
            print(f"step {step} loss {smoothed:.4f} {seconds:.0f} s", file=sys.stderr, flush=True)
    return average.eval(), smoothed


def provenance(config: Pi0Config, model: Pi0, loss: float, began: float) -> dict:
    """What policy.json says of a training; `began` by time.monotonic()."""
    return {
        "torch": torch.__version__.split("+")[0],
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "train_seconds": round(time.monotonic() - began),
        "final_loss": round(loss, 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sizes": asdict(config),
    }

"""Records the fixtures that the exporter is checked with: checkpoints and actions of LeRobot's Pi0.

Run by hand with the packages that lerobot_original.py names:

    python -m pi0.record_lerobot ../test/fixtures/pi0

Written there, all of one tiny network with random weights:
  lerobot/     the checkpoint as LeRobot itself saves it, processor files included
  openpi/      the same weights under openpi's names, its config.json and norm_stats.json
  cases/       N.inputs.safetensors: what the network is given; N.actions.safetensors: LeRobot's
               actions after 1, 4 and 10 steps as `lerobot.N`, with openpi's flow time as
               `openpi.N`, with rotary frequencies that went through bfloat16 as `rope_bf16.N`
  episode.safetensors  raw observations, prompt ids, noise -> actions of the environment, through
               LeRobot's own processors
  recorded.json        versions, sizes, statistics
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

from . import lerobot_original
from .compare_lerobot import TINY, versions
from .lerobot_original import PICTURES, actions, inputs

SIZES = TINY
STEPS = (1, 4, 10)
CASES = [(1, 2, 3), (2, 2, 20), (4, 2, 48), (1, 3, 48), (2, 3, 3), (4, 3, 20)]
STATE_DIM, ACTION_DIM = 8, 7
PROMPTS = ["pick up the bowl", "open the drawer and look"]
PADDED = 32  # openpi's older statistics are of the padded vectors


def statistics() -> dict[str, dict[str, torch.Tensor]]:
    """Those of a LIBERO policy whose actions are offsets from the state: the third rotation of the
    state is near 3, so the action's is near -3."""
    g = torch.Generator().manual_seed(5)

    def some(length: int) -> dict[str, torch.Tensor]:
        mean = torch.randn(length, generator=g) * 0.2
        std = torch.rand(length, generator=g) * 0.5 + 0.1
        spread = torch.rand(length, generator=g) + 1
        return {
            "mean": mean,
            "std": std,
            "min": mean - 3 * std,
            "max": mean + 3 * std,
            "q01": mean - 2 * std * spread,
            "q99": mean + 2 * std * spread,
        }

    found = {"observation.state": some(STATE_DIM), "action": some(ACTION_DIM)}
    found["observation.state"]["mean"][3] = 3.0
    found["action"]["mean"][3] = -3.1
    return found


def make_policy(lerobot: SimpleNamespace) -> torch.nn.Module:
    lerobot_original.make_small(lerobot.modeling, SIZES)
    kind, feature = lerobot.types.FeatureType, lerobot.types.PolicyFeature
    side = SIZES.image_size
    config = lerobot_original.small_config(
        lerobot,
        SIZES,
        empty_cameras=1,
        input_features={
            PICTURES + "image": feature(type=kind.VISUAL, shape=(3, side, side)),
            PICTURES + "image2": feature(type=kind.VISUAL, shape=(3, side, side)),
            "observation.state": feature(type=kind.STATE, shape=(STATE_DIM,)),
        },
        output_features={"action": feature(type=kind.ACTION, shape=(ACTION_DIM,))},
    )
    policy = lerobot.modeling.PI0Policy(config).eval()
    lerobot_original.randomise(policy)
    for name, parameter in policy.named_parameters():
        if "vision_tower" in name and "embeddings" in name:
            parameter.mul_(0.2)  # else LayerNorm's eps is too small beside the variance to be seen
    return policy


class ByteTokenizer:
    """Stands in for PaliGemma's, which is not ours to ship: a byte is a token."""

    @classmethod
    def from_pretrained(cls, name: str) -> "ByteTokenizer":
        return cls()

    def __call__(self, texts: list[str], max_length: int, **_: object) -> dict[str, torch.Tensor]:
        rows = [[2] + [3 + byte % (SIZES.vocabulary - 3) for byte in t.encode()] for t in texts]
        ids = torch.zeros(len(rows), max_length, dtype=torch.int64)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens[:max_length])
        lengths = torch.tensor([[min(len(tokens), max_length)] for tokens in rows])
        return {"input_ids": ids, "attention_mask": (torch.arange(max_length) < lengths).long()}


def save_lerobot(folder: Path, policy: torch.nn.Module, processors: tuple) -> None:
    policy.save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)


def save_openpi(folder: Path, policy: torch.nn.Module, stats: dict) -> None:
    """As examples/convert_jax_model_to_pytorch.py leaves it: the token table under lm_head only,
    which safetensors notes in its metadata."""
    names = "paligemma_with_expert.paligemma."
    table, head = f"{names}model.language_model.embed_tokens.weight", f"{names}lm_head.weight"
    tensors = {n.removeprefix("model."): t.contiguous() for n, t in policy.state_dict().items()}
    tensors[head] = tensors.pop(table)
    tower = f"{names}model.vision_tower."
    if not any(name.startswith(f"{tower}vision_model.") for name in tensors):
        tensors = {n.replace(tower, f"{tower}vision_model."): t for n, t in tensors.items()}
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={table: head})
    config = {
        "action_dim": SIZES.noise_dim,
        "action_horizon": SIZES.horizon,
        "paligemma_variant": "gemma_2b",
        "action_expert_variant": "gemma_300m",
        "precision": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    def padded(vector: torch.Tensor, value: float) -> list[float]:
        return vector.tolist() + [value] * (PADDED - len(vector))

    entries = {
        name: {
            "mean": padded(stats[key]["mean"], 0.0),
            "std": padded(stats[key]["std"], 1.0),
            "q01": None,
            "q99": None,
        }
        for name, key in (("state", "observation.state"), ("actions", "action"))
    }
    assets = folder / "assets" / "physical-intelligence" / "libero"
    assets.mkdir(parents=True)
    (assets / "norm_stats.json").write_text(json.dumps({"norm_stats": entries}, indent=2) + "\n")


def openpi_euler(denoise: object, noise: torch.Tensor, num_steps: int, **_: object) -> torch.Tensor:
    """The loop of openpi's PI0Pytorch.sample_actions: flow time summed in float32. That class, at
    commit 15a9616 of openpi, loads the folder written here and gives these actions bit for bit."""
    dt = torch.tensor(-1.0 / num_steps, dtype=torch.float32)
    x, time = noise, torch.tensor(1.0)
    while time >= -dt / 2:
        x = x + dt * denoise(x, time.expand(len(noise)))
        time = time + dt
    return x


def rounded_frequencies(model: torch.nn.Module) -> list[tuple[torch.nn.Module, torch.Tensor]]:
    """Rounds every rotary table as casting the module to bfloat16 does; returns the old ones."""
    old = [(part, part.inv_freq) for part in model.modules() if hasattr(part, "inv_freq")]
    for part, table in old:
        part.inv_freq = table.bfloat16().float()
    return old


def save_cases(folder: Path, lerobot: SimpleNamespace, model: torch.nn.Module) -> None:
    folder.mkdir(parents=True)
    lerobot_euler = lerobot.modeling.euler_integrate
    for number, (batch, cameras, prompt) in enumerate(CASES):
        x = inputs(SIZES, batch, cameras, prompt, seed=number)
        found = {f"lerobot.{n}": actions(model, x, n) for n in STEPS}
        lerobot.modeling.euler_integrate = openpi_euler
        found |= {f"openpi.{n}": actions(model, x, n) for n in STEPS}
        lerobot.modeling.euler_integrate = lerobot_euler
        old = rounded_frequencies(model)
        found |= {f"rope_bf16.{n}": actions(model, x, n) for n in STEPS}
        for part, table in old:
            part.inv_freq = table
        save_file(x, folder / f"{number}.inputs.safetensors")
        save_file(found, folder / f"{number}.actions.safetensors")


def save_episode(path: Path, policy: torch.nn.Module, processors: tuple) -> None:
    """Raw pictures of two sizes, neither the network's, raw state and prompts -> raw actions."""
    g = torch.Generator().manual_seed(9)
    batch = len(PROMPTS)
    raw = {
        "main": torch.randint(0, 256, (batch, 30, 40, 3), generator=g, dtype=torch.uint8),
        "wrist": torch.randint(0, 256, (batch, 36, 20, 3), generator=g, dtype=torch.uint8),
        "state": torch.randn(batch, STATE_DIM, generator=g),
        "noise": torch.randn(batch, SIZES.horizon, SIZES.noise_dim, generator=g),
    }
    before, after = processors
    observation = {
        PICTURES + "image": raw["main"].permute(0, 3, 1, 2).float() / 255,
        PICTURES + "image2": raw["wrist"].permute(0, 3, 1, 2).float() / 255,
        "observation.state": raw["state"],
        "task": PROMPTS,
    }
    ready = before(observation)
    chunk = policy.predict_action_chunk(ready, noise=raw["noise"], num_steps=4)
    tensors = {
        **raw,
        "tokens": ready["observation.language.tokens"],
        "token_mask": ready["observation.language.attention_mask"],
        "normalised_state": ready["observation.state"],
        "normalised_actions": chunk,
        "actions": after(chunk),
    }
    save_file({name: t.contiguous() for name, t in tensors.items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    lerobot = lerobot_original.import_lerobot()
    lerobot.tokenizer.AutoTokenizer = ByteTokenizer
    policy, stats = make_policy(lerobot), statistics()
    processors = lerobot.processor.make_pi0_pre_post_processors(policy.config, stats)
    for name in ("lerobot", "openpi", "cases"):
        shutil.rmtree(out / name, ignore_errors=True)
    save_lerobot(out / "lerobot", policy, processors)
    save_openpi(out / "openpi", policy, stats)
    save_cases(out / "cases", lerobot, policy.model)
    save_episode(out / "episode.safetensors", policy, processors)
    recorded = {
        "what": "LeRobot's PI0Policy with random weights; see pi0/record_lerobot.py",
        "versions": versions(),
        "sizes": asdict(SIZES),
        "cases": [dict(zip(("batch", "cameras", "prompt"), case, strict=True)) for case in CASES],
        "steps": STEPS,
        "episode": {"prompts": PROMPTS, "steps": 4},
    }
    (out / "recorded.json").write_text(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    main()

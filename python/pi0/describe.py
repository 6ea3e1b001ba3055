"""policy.json of a published checkpoint: what its folder says, and what the options say of it."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from . import checkpoint
from .artefact import file_sha256
from .errors import ExportError
from .layouts import PREPROCESSOR, Checkpoint
from .model import Pi0Config
from .normalization import Normalization, find_normalization
from .processors import find_step
from .progress import Progress
from .robots import Given, bad_option, embodiment
from .safetensors_file import damaged

LONGEST_HORIZON = 1000
HORIZON_KEYS = {"openpi": "action_horizon", "rlinf": "action_horizon", "lerobot": "chunk_size"}
SAMPLERS = {  # layout -> (time convention, why)
    "openpi": ("float32", "openpi sums the flow time in float32"),
    "lerobot": ("double", "LeRobot computes the flow time as 1 - i/n"),
    "rlinf": ("double", "RLinf spaces the flow time evenly, 1 - i/n"),
}
TOKENIZERS = {"openpi": "paligemma_tokenizer.model", "lerobot": "tokenizer.json"}
KINDS = {".model": "sentencepiece", ".json": "tokenizers"}


def network_config(
    args: argparse.Namespace,
    source: Checkpoint,
    tensors: Mapping[str, Tensor],
    progress: Progress,
) -> Pi0Config:
    """Sizes off the tensors (our names), the rest off config.json and the options.

    Raises ExportError ERR_DSRL_POLICY_TENSORS or ERR_DSRL_CONFIG_EXPORT.
    """
    convention, why = SAMPLERS[source.layout]
    progress.decide(f"time convention {convention}: {why}")
    config = checkpoint.config_of(
        tensors,
        horizon=horizon_of(args.horizon, source, progress),
        min_period=period_of(source, "min_period"),
        max_period=period_of(source, "max_period"),
        time_convention=convention,
        attention=args.attn,
    )
    wanted = source.config.get("image_resolution")
    if wanted is not None and wanted != [config.image_size] * 2:
        raise checkpoint.mismatch(
            [f"image_resolution {wanted}, the position embedding is for {config.image_size}"]
        )
    return config


def period_of(source: Checkpoint, key: str) -> float:
    """Of the flow time's embedding; openpi's are fixed."""
    period = source.config.get(key, getattr(Pi0Config, key))
    if isinstance(period, int | float) and 0 < period < 1e6:
        return float(period)
    raise damaged(source.folder / "config.json", f"{key} is {period}")


def horizon_of(given: int | None, source: Checkpoint, progress: Progress) -> int:
    key = HORIZON_KEYS[source.layout]
    horizon = source.config.get(key) if given is None else given
    if horizon is None:
        raise bad_option(
            f"{source.folder}: no config.json says the horizon ({key})",
            "type --horizon 50 for openpi's and RLinf's pi0_libero, 10 for pi0_libero_horizon10",
        )
    if type(horizon) is not int or not 1 <= horizon <= LONGEST_HORIZON:
        where = "--horizon" if given is not None else f"{source.folder / 'config.json'}: {key}"
        raise bad_option(
            f"{where} is {horizon}; it has to be between 1 and {LONGEST_HORIZON}",
            "type --horizon with the length of the action chunk that the policy was trained for",
        )
    stated = source.config.get(key)
    besides = f", config.json says {stated}" if stated not in (None, horizon) else ""
    progress.decide(f"horizon {horizon}{besides}")
    return horizon


def describe(
    args: argparse.Namespace,
    source: Checkpoint,
    config: Pi0Config,
    tokenizer: dict,
    progress: Progress,
) -> tuple[dict, Normalization]:
    """(policy.json without its hashes and provenance, the statistics that it states).

    Raises ExportError ERR_DSRL_POLICY_STATISTICS, _DAMAGED, ERR_DSRL_CONFIG_EXPORT.
    """
    normalization = find_normalization(source, args.norm_stats)
    progress.decide(normalization.log)
    given = Given(args.robot, args.state_dim, args.action_dim, args.delta_actions, args.cameras)
    body = embodiment(source, normalization, given)
    for line in body.log:
        progress.decide(line)
    vectors = ((body.state_dim, "state", normalization.state),)
    vectors += ((body.action_dim, "action", normalization.actions),)
    for dim, name, statistics in vectors:
        if not 1 <= dim <= config.noise_dim:
            raise bad_option(
                f"{dim} {name} dimensions; the network takes 1 to {config.noise_dim}",
                f"type --{name}-dim with the length of the robot's own {name} vector",
            )
        known = len(next(iter(statistics.values())))
        if known < dim:
            rest = f"{dim - known} of {dim} {name} dimensions have no statistics"
            progress.decide(f"{rest} and stay as they are")
    cameras = ", ".join(f"{our} = {theirs}" for our, theirs in body.cameras.items())
    masked = f"; never shown: {', '.join(body.masked_cameras)}" if body.masked_cameras else ""
    progress.decide(f"cameras {cameras}{masked}")
    policy = {
        "name": args.out.absolute().name,
        "horizon": config.horizon,
        "noise_dim": config.noise_dim,
        "state_dim": body.state_dim,
        "action_dim": body.action_dim,
        "num_steps": num_steps_of(args.num_steps, source),
        "precision": precision_of(args.dtype, source),
        "rope": args.rope,
        "attention": config.attention,
        "cameras": list(body.cameras),
        "camera_sources": body.cameras,
        "masked_cameras": body.masked_cameras,
        **({"observation_keys": body.observation_keys} if body.observation_keys else {}),
        "image_size": config.image_size,
        "image_resize": "lerobot" if source.layout == "lerobot" else "openpi",
        "prompt_length": prompt_length_of(source),
        "time_convention": config.time_convention,
        "normalization": normalization.cut(body.state_dim, body.action_dim),
        "delta_action_mask": body.delta_action_mask,
        "tokenizer": tokenizer,
        "prompts": {},
        "prompt_lengths": {},
    }
    progress.decide(f"weights of the towers in {policy['precision']}, rotary table {args.rope}")
    return policy, normalization


def num_steps_of(given: int | None, source: Checkpoint) -> int:
    steps = source.config.get("num_inference_steps", 10) if given is None else given
    if type(steps) is not int or steps < 1:
        raise bad_option(f"{steps} Euler steps", "type --num-steps with a number of at least 1")
    return steps


def precision_of(given: str | None, source: Checkpoint) -> str:
    """The checkpoint's own unless given: LeRobot's config.json says it, openpi's file has it."""
    if given is not None:
        return {"bf16": "bfloat16", "f32": "float32"}[given]
    stated = source.config.get("dtype")
    if stated in ("bfloat16", "float32"):
        return stated
    dtypes = [str(t.dtype) for name, t in source.tensors.items() if "gate_proj" in name]
    return "bfloat16" if "torch.bfloat16" in dtypes else "float32"


def prompt_length_of(source: Checkpoint) -> int:
    """LeRobot's is the tokenizer step's, whatever config.json says besides."""
    key = "tokenizer_max_length" if source.layout == "lerobot" else "max_token_len"
    step = find_step(source.folder / PREPROCESSOR, "tokenizer_processor")
    stated = None if step is None else step.value("max_length", int, None)
    length = source.config.get(key, 48) if stated is None else stated
    if type(length) is not int or length < 1:
        raise bad_option(f"the prompt's length ({key}) is {length}", "it is 48 in published pi0s")
    return length


def tokenizer_of(given: Path | None, source: Checkpoint) -> tuple[dict, Path | None]:
    """(policy.json's `tokenizer`, the file to copy): the file that was named, else one that lies
    in the checkpoint's folder, else none: it is not ours to ship."""
    convention = "lerobot" if source.layout == "lerobot" else "openpi"
    usual = TOKENIZERS[convention]
    file = given
    if file is None and (source.folder / usual).is_file():
        file = source.folder / usual
    if file is None:
        kind = KINDS[Path(usual).suffix]
        return {"kind": kind, "file": None, "convention": convention, "sha256": None}, None
    if file.suffix not in KINDS or not file.is_file():
        raise ExportError(
            "ERR_DSRL_CONFIG_EXPORT",
            f"--tokenizer {file}: no such .model or .json file",
            f"name PaliGemma's {TOKENIZERS['openpi']} or {TOKENIZERS['lerobot']}",
        )
    name = TOKENIZERS["openpi" if file.suffix == ".model" else "lerobot"]
    sha256 = file_sha256(file)
    kind = KINDS[file.suffix]
    return {"kind": kind, "file": name, "convention": convention, "sha256": sha256}, file

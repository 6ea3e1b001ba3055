"""Writes a frozen-policy artefact: a folder with policy.pt (TorchScript) and policy.json.

policy.pt holds the network alone: normalised, padded values in and out. Everything that a caller
has to know besides stands in policy.json, with the hash of policy.pt.
"""

import contextlib
import hashlib
import io
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from .model import Pi0, Pi0Config

FORMAT = "dsrl-native-policy/1"
PAD, EOS, BOS, FIRST_BYTE = 0, 1, 2, 3


def byte_tokens(prompt: str) -> list[int]:
    """The byte tokenizer: BOS, then 3 + byte for each UTF-8 byte of the prompt and a newline."""
    return [BOS] + [FIRST_BYTE + byte for byte in (prompt + "\n").encode()]


def weights_sha256(model: Pi0) -> str:
    """Hash of the weights that the program was made from: names and float32 bytes, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + b"\0")
        digest.update(tensor.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """TorchScript is what libtorch reads without Python; that it is deprecated is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def save_program(model: Pi0, path: Path, tick: Callable[[str], None] = lambda line: None) -> None:
    """Scripts the model and writes policy.pt, record by record: never whole in memory. The records
    with source positions are dropped: they hold the absolute paths of the machine that scripted
    the model, and would make equal weights hash differently. `tick` is told how far it is."""
    whole = path.with_name(path.name + ".whole")
    with quiet():
        torch.jit.save(torch.jit.script(model.eval()), whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        size, done = whole.stat().st_size, 0
        for info in old.infolist():
            done += info.file_size
            tick(f"wrote {done / size:.0%} of {path.name}")
            if not info.filename.endswith(".debug_pkl"):
                record = zipfile.ZipInfo("policy/" + info.filename.split("/", 1)[1])
                record.file_size = info.file_size  # tells zipfile when it needs its 64-bit form
                with old.open(info) as source, new.open(record, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 24)
    whole.unlink()


def write_folder(
    folder: Path,
    model: Pi0,
    policy: dict,
    *,
    source: str,
    tick: Callable[[str], None] = lambda line: None,
) -> None:
    """Writes policy.pt, and policy.json with the hashes of it and of what it was made from."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "policy.pt"
    save_program(model, program, tick)
    hashes = {"policy.pt": file_sha256(program), "source": source}
    text = json.dumps({"format": FORMAT, "kind": "pi0", **policy, "sha256": hashes}, indent=2)
    (folder / "policy.json").write_text(text + "\n")


def write(
    folder: Path,
    model: Pi0,
    config: Pi0Config,
    *,
    name: str,
    cameras: list[str],
    prompts: list[str],
    state_stats: dict[str, list[float]],
    action_stats: dict[str, list[float]],
    num_steps: int,
    provenance: dict,
    prompt_tokens: int | None = None,
) -> None:
    """Writes a policy that was trained here. The statistics are {"mean": [...], "std": [...]} of
    the unpadded vectors; every prompt is tokenized by bytes, cut to prompt_tokens where that is
    given, and right-padded to the longest."""
    tokens = {prompt: byte_tokens(prompt)[:prompt_tokens] for prompt in prompts}
    length = max(len(ids) for ids in tokens.values())
    policy = {
        "name": name,
        "horizon": config.horizon,
        "noise_dim": config.noise_dim,
        "state_dim": len(state_stats["mean"]),
        "action_dim": len(action_stats["mean"]),
        "num_steps": num_steps,
        "precision": "float32",
        "cameras": cameras,
        "image_size": config.image_size,
        "image_resize": "none",
        "prompt_length": length,
        "time_convention": config.time_convention,
        "normalization": {
            "mode": "mean_std",
            "eps": 1e-6,
            "state": state_stats,
            "actions": action_stats,
        },
        "delta_action_mask": None,
        "tokenizer": {"kind": "byte"},
        "prompts": {p: ids + [PAD] * (length - len(ids)) for p, ids in tokens.items()},
        "prompt_lengths": {p: len(ids) for p, ids in tokens.items()},
        "provenance": provenance,
    }
    write_folder(folder, model, policy, source=weights_sha256(model))


def load(folder: Path) -> tuple[torch.jit.ScriptModule, dict]:
    """(program, policy.json), after the hash is checked: a TorchScript file is a program."""
    policy = json.loads((folder / "policy.json").read_text())
    program = (folder / "policy.pt").read_bytes()
    if hashlib.sha256(program).hexdigest() != policy["sha256"]["policy.pt"]:
        raise ValueError(f"{folder}/policy.pt does not have the hash that policy.json states")
    with quiet():
        return torch.jit.load(io.BytesIO(program)).eval(), policy

"""Recognises a folder with a Pi0 checkpoint and opens its weights.

Three layouts are converted: `openpi` (its PyTorch conversion: model.safetensors, config.json,
assets/), `lerobot` (model.safetensors, config.json, policy_preprocessor.json with its state files)
and `rlinf` (openpi's names in several *.safetensors or in model_state_dict/full_weights.pt, the
statistics in <asset id>/). What is known and cannot be converted is refused by its name, before
anything large is read. Source: openpi `examples/convert_jax_model_to_pytorch.py`, LeRobot
`policies/pi0`, RLinf `models/embodiment/openpi/__init__.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from . import safetensors_file
from .errors import ExportError

FULL_WEIGHTS = ("model_state_dict/full_weights.pt", "actor/model_state_dict/full_weights.pt")
INDEX = "model.safetensors.index.json"
PREPROCESSOR = "policy_preprocessor.json"
POSTPROCESSOR = "policy_postprocessor.json"
LOOKED_FOR = (
    "model.safetensors or several *.safetensors with openpi's tensor names "
    "(openpi's PyTorch conversion, RLinf), or with these after `model.` (LeRobot)",
    f"{FULL_WEIGHTS[0]} or {FULL_WEIGHTS[1]} (RLinf)",
    "params/ of orbax, model_type or architectures in config.json (to refuse them by name)",
)


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    layout: str  # "openpi", "lerobot" or "rlinf"
    config: dict  # config.json; {} where there is none
    files: tuple[Path, ...]  # the files that hold the weights
    tensors: Mapping[str, Tensor]  # under the names of the files, mapped, not read


def refusal(what: str, hint: str) -> ExportError:
    return ExportError("ERR_DSRL_POLICY_LAYOUT", what, hint)


def read_json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
    except (ValueError, RecursionError) as error:
        raise safetensors_file.damaged(path, str(error)) from None
    return value


def open_checkpoint(folder: Path) -> Checkpoint:
    """Raises ExportError: ERR_DSRL_POLICY_MISSING, _LAYOUT, _DAMAGED, _TENSORS."""
    if not folder.is_dir():
        what = f"{folder}: there is no such folder"
        raise ExportError("ERR_DSRL_POLICY_MISSING", what, "type --checkpoint <folder>")
    config_file = folder / "config.json"
    config = read_json(config_file) if config_file.is_file() else {}
    refuse_by_config(folder, config)
    files = weight_files(folder)
    if not files:
        refuse_orbax(folder)
        refuse_training_folder(folder)
        raise unknown(folder, "no weights")
    tensors = read_files(files)
    refuse_by_names(folder, tensors)
    return Checkpoint(folder, layout_of(folder, config, files, tensors), config, files, tensors)


def weight_files(folder: Path) -> tuple[Path, ...]:
    for name in FULL_WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
    index = folder / INDEX
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise safetensors_file.damaged(index, "it has no `weight_map`")
        names = sorted({str(name) for name in weight_map.values()})
        # A name with folders in it would lead out of the checkpoint.
        absent = [n for n in names if Path(n).name != n or not (folder / n).is_file()]
        if absent:
            what = f"the files {', '.join(absent)} that it names are not there"
            raise safetensors_file.damaged(index, what)
        return tuple(folder / name for name in names)
    # LeRobot's processors keep their statistics in safetensors files of their own.
    found = (path for path in folder.glob("*.safetensors") if not path.name.startswith("policy_"))
    return tuple(sorted(path for path in found if path.is_file()))


def read_files(files: tuple[Path, ...]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    twice = []
    for path in files:
        found = read_pickled(path) if path.suffix == ".pt" else safetensors_file.read_tensors(path)
        twice += [f"{name} ({path.name})" for name in found if name in tensors]
        tensors.update(found)
    if twice:
        raise ExportError(
            "ERR_DSRL_POLICY_TENSORS",
            f"{files[0].parent}: {len(twice)} tensors stand in two files: {', '.join(twice)}",
            "leave one set of *.safetensors files in the folder",
        )
    return tensors


def read_pickled(path: Path) -> dict[str, Tensor]:
    """torch.save's format, tensors only: a pickle that asks for anything else is refused."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises what it finds: pickle, zip and runtime errors
        first = str(error).strip().split("\n")[0]
        raise safetensors_file.damaged(path, f"it cannot be read as tensors: {first}") from None
    entries = value.items() if isinstance(value, dict) else [(None, value)]
    if all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in entries):
        return value
    raise safetensors_file.damaged(
        path,
        "it holds something else than tensors by name",
        "save the weights alone: torch.save(model.state_dict(), ...)",
    )


def refuse_by_config(folder: Path, config: dict) -> None:
    kind = config.get("type")
    architectures = config.get("architectures")
    if "model_type" in config or architectures:
        names = architectures if isinstance(architectures, list) else []
        name = ", ".join(str(entry) for entry in names) or str(config.get("model_type"))
        raise refusal(
            f"{folder}: a checkpoint of transformers ({name}), whose tensor names are its own",
            "export the LeRobot or openpi checkpoint that it was made from",
        )
    if kind == "pi05":
        raise pi05(folder, "LeRobot")
    if kind is not None and kind != "pi0":
        raise refusal(
            f"{folder}: a LeRobot policy of type `{kind}`; only pi0 can be exported",
            'name the folder of a LeRobot policy whose config.json says `"type": "pi0"`',
        )


def refuse_orbax(folder: Path) -> None:
    marks = ("_METADATA", "manifest.ocdbt", "ocdbt.process_0", "_sharding", "_CHECKPOINT_METADATA")
    if not any((place / mark).exists() for place in (folder, folder / "params") for mark in marks):
        return
    raise refusal(
        f"{folder}: a checkpoint of JAX (orbax)",
        "convert it with openpi first, in a checkout of openpi:\n"
        f"  uv run examples/convert_jax_model_to_pytorch.py --checkpoint_dir {folder} "
        "--config_name pi0_libero --output_path <converted>\n"
        f"then copy {folder}/assets to <converted>/assets and export <converted>",
    )


def refuse_training_folder(folder: Path) -> None:
    inner = folder / "pretrained_model"
    if inner.is_dir():
        raise refusal(f"{folder}: a folder of LeRobot's training", f"type --checkpoint {inner}")


def pi05(folder: Path, flavour: str) -> ExportError:
    return refusal(
        f"{folder}: a pi0.5 checkpoint ({flavour}); its expert is another network than pi0's",
        "export a pi0 checkpoint, for LIBERO for instance openpi's pi0_libero",
    )


def refuse_by_names(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    def some(pattern: str) -> bool:
        return any(re.search(pattern, name) for name in tensors)

    if some(r"^(un)?normalize_(inputs|outputs|targets)\."):
        raise refusal(
            f"{folder}: a LeRobot folder from before the processor files (its statistics are "
            "buffers of the model, normalize_inputs.*)",
            "migrate it with LeRobot, then export the folder that this writes:\n"
            "  python -m lerobot.processor.migrate_policy_normalization "
            f"--pretrained-path {folder}",
        )
    if some(r"\.1\.scale$"):
        raise refusal(
            f"{folder}: RLinf's newer layout (expert norms named *.1.scale), which is not read",
            "export the checkpoint that RLinf's training started from, or save the weights under "
            "openpi's names (gemma_expert.model.layers.N.input_layernorm.weight)",
        )
    if some(r"(^|\.)time_mlp_in\.weight$") or some(r"layernorm\.dense\.weight$"):
        raise pi05(folder, "LeRobot" if some(r"^model\.") else "openpi")
    needed = (r"(^|\.)action_time_mlp_in\.weight$", r"(^|\.)state_proj\.weight$", r"gemma_expert\.")
    if not all(some(pattern) for pattern in needed):
        raise unknown(folder, f"{len(tensors)} tensors that are not Pi0's")


def unknown(folder: Path, found: str) -> ExportError:
    entries = sorted(path.name for path in folder.iterdir())[:12]
    listing = ", ".join(entries) if entries else "nothing"
    looked = "\n".join(f"  - {what}" for what in LOOKED_FOR)
    return refusal(
        f"{folder}: no Pi0 checkpoint, {found}; it holds {listing}", f"looked for:\n{looked}"
    )


def layout_of(
    folder: Path, config: dict, files: tuple[Path, ...], tensors: Mapping[str, Tensor]
) -> str:
    if (
        "type" in config
        or (folder / PREPROCESSOR).exists()
        or all(name.startswith("model.") for name in tensors)
    ):
        return "lerobot"
    if files[0].suffix == ".pt":
        return "rlinf"
    # openpi keeps its statistics below assets/, RLinf in <asset id>/ of the folder itself.
    if any(folder.glob("assets/**/norm_stats.json")):
        return "openpi"
    outside = any(folder.glob("*/norm_stats.json")) or any(folder.glob("*/*/norm_stats.json"))
    one_file = [path.name for path in files] == ["model.safetensors"]
    return "openpi" if one_file and not outside else "rlinf"

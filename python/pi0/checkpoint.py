"""Names of published Pi0 checkpoints -> names of `model.Pi0`, and the sizes of the network.

openpi and LeRobot write the same tensors; LeRobot prefixes `model.`, and a save made under a newer
transformers lacks the `vision_model.` level. The token table is found under `embed_tokens`, or,
where the file format dropped that tied name, under `lm_head`. When both are there they may differ
after fine-tuning, and `embed_tokens` is the one that the model reads.
"""

import math
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .errors import ExportError
from .model import Pi0, Pi0Config

RENAMES = (
    ("model.", ""),
    ("paligemma_with_expert.", ""),
    ("paligemma.model.", ""),
    ("gemma_expert.model.", "gemma_expert."),
    ("vision_tower.vision_model.", "vision_tower."),
)
TABLE = "language_model.embed_tokens.weight"
HEAD = "paligemma.lm_head.weight"
EXPERT_HEAD = "gemma_expert.lm_head.weight"  # in every file, read by nothing
# RLinf's training adds these to the module; acting with the policy alone reads none of them.
RLINF_HEADS = (
    "value_head.",
    "noise_head.",
    "q_head.",
    "rlt_module.",
    "dsrl_action_noise_net.",
    "actor_image_encoder.",
    "actor_state_encoder.",
    "critic_image_encoder.",
    "critic_state_encoder.",
)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
VISION_HEADS = 16  # SigLIP So400m's; no tensor tells it


def rename(name: str) -> str:
    for old, new in RENAMES:
        if name.startswith(old):
            name = new + name[len(old) :]
    return name


def to_pi0(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict for Pi0.load_state_dict(strict=True).

    Raises ExportError ERR_DSRL_POLICY_TENSORS where one tensor comes under two spellings.
    """
    spellings: dict[str, list[str]] = {}
    for name in tensors:
        spellings.setdefault(rename(name), []).append(name)
    twice = [" and ".join(names) for names in spellings.values() if len(names) > 1]
    if twice:
        raise mismatch([f"the same tensor under two spellings: {pair}" for pair in twice])
    out = {name: tensors[names[0]] for name, names in spellings.items()}
    out.pop(EXPERT_HEAD, None)
    head = out.pop(HEAD, None)
    if TABLE not in out and head is not None:
        out[TABLE] = head
    return out


def without_rlinf_heads(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """(the policy's own tensors, the names of what was left out)."""
    left = [name for name in tensors if name.startswith(RLINF_HEADS)]
    return {name: tensors[name] for name in tensors if name not in left}, left


def mismatch(problems: Iterable[str]) -> ExportError:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return ExportError(
        "ERR_DSRL_POLICY_TENSORS",
        f"the checkpoint's tensors are not those of a Pi0:\n{lines}",
        "export an unchanged checkpoint of openpi, LeRobot or RLinf; adapters such as LoRA have "
        "to be merged into the weights first",
    )


def config_of(tensors: Mapping[str, Tensor], **beside: object) -> Pi0Config:
    """The sizes of the network, read off the tensors (our names); `beside` is what they do not
    tell: horizon, time_convention, min_period, max_period, attention.

    Variant names in a config.json are no source: folders exist whose sizes differ from them.
    Every published Pi0 has one key head, which makes head_dim the height of k_proj.

    Raises ExportError ERR_DSRL_POLICY_TENSORS where a tensor that tells a size is absent or odd.
    """
    problems: list[str] = []

    def shape(name: str, rank: int) -> list[int]:
        tensor = tensors.get(name)
        if tensor is None:
            problems.append(f"missing: {name}")
        elif tensor.dim() != rank or tensor.numel() == 0:
            problems.append(f"wrong shape: {name} {list(tensor.shape)} (rank {rank} is needed)")
        else:
            return list(tensor.shape)
        return [1] * rank

    def depth(prefix: str) -> int:
        found = (re.match(re.escape(prefix) + r"layers\.(\d+)\.", name) for name in tensors)
        return max(1, len({match[1] for match in found if match}))

    language, expert, vision = "language_model.layers.0.", "gemma_expert.layers.0.", "vision_tower."
    vision_width, _, patch_size, _ = shape(vision + "embeddings.patch_embedding.weight", 4)
    patches, _ = shape(vision + "embeddings.position_embedding.weight", 2)
    vision_mlp, _ = shape(vision + "encoder.layers.0.mlp.fc1.weight", 2)
    vocabulary, language_width = shape(TABLE, 2)
    head_dim, _ = shape(language + "self_attn.k_proj.weight", 2)
    q_height, _ = shape(language + "self_attn.q_proj.weight", 2)
    language_mlp, _ = shape(language + "mlp.gate_proj.weight", 2)
    expert_mlp, expert_width = shape(expert + "mlp.gate_proj.weight", 2)
    _, noise_dim = shape("action_in_proj.weight", 2)
    if math.isqrt(patches) ** 2 != patches:
        problems.append(f"{patches} picture positions are no square grid")
    if vision_width % VISION_HEADS != 0 and not problems:
        problems.append(f"vision width {vision_width} does not divide by its {VISION_HEADS} heads")
    if q_height % head_dim != 0 or head_dim % 2 != 0 and not problems:
        problems.append(f"q_proj of height {q_height} does not divide into heads of {head_dim}")
    if problems:
        raise mismatch(problems)
    return Pi0Config(
        image_size=math.isqrt(patches) * patch_size,
        patch_size=patch_size,
        vision_width=vision_width,
        vision_layers=depth(vision + "encoder."),
        vision_heads=VISION_HEADS,
        vision_mlp=vision_mlp,
        language_width=language_width,
        language_mlp=language_mlp,
        vocabulary=vocabulary,
        expert_width=expert_width,
        expert_mlp=expert_mlp,
        layers=depth("language_model."),
        heads=q_height // head_dim,
        kv_heads=1,
        head_dim=head_dim,
        noise_dim=noise_dim,
        **beside,
    )


def check_tensors(tensors: Mapping[str, Tensor], model: Pi0) -> None:
    """Names and shapes are the module's, all of them; every difference is named.

    Raises ExportError ERR_DSRL_POLICY_TENSORS.
    """
    expected = model.state_dict()
    problems = [f"missing: {name}" for name in expected if name not in tensors]
    problems += [f"extra: {name}" for name in tensors if name not in expected]
    for name, tensor in tensors.items():
        if name not in expected:
            continue
        if tensor.shape != expected[name].shape:
            shapes = f"{list(tensor.shape)}, {list(expected[name].shape)} is needed"
            problems.append(f"wrong shape: {name} {shapes}")
        kind = tensor.dtype if tensor.layout == torch.strided else tensor.layout
        if kind not in FLOATS:
            problems.append(f"wrong dtype: {name} {kind}")
    if problems:
        raise mismatch(problems)


def dtype_of(name: str, layout: str, precision: torch.dtype) -> torch.dtype:
    """The dtype that a parameter (our names) computes in, as the originals have it: the heads and
    all norms stay float32, and so do openpi's picture embeddings and LeRobot's whole picture tower
    with its projector (`to_bfloat16_for_selected_params` of both)."""
    if name.startswith(("state_proj.", "action_")) or "norm" in name:
        return torch.float32
    if name.startswith("vision_tower.embeddings."):
        return torch.float32
    if layout == "lerobot" and name.startswith(("vision_tower.", "multi_modal_projector.")):
        return torch.float32
    return precision


def is_finite(tensor: Tensor) -> bool:
    """One pass, without a copy of the tensor: NaN goes through aminmax."""
    if tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor.detach().reshape(-1))
    return bool(torch.isfinite(low) and torch.isfinite(high))

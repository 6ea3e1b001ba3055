"""Names of published Pi0 checkpoints -> names of `model.Pi0`.

openpi and LeRobot write the same tensors; LeRobot prefixes `model.`, and a save made under a newer
transformers lacks the `vision_model.` level. The token table is found under `embed_tokens`, or,
where the file format dropped that tied name, under `lm_head`. When both are there they may differ
after fine-tuning, and `embed_tokens` is the one that the model reads.
"""

from collections.abc import Mapping

from torch import Tensor

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


def rename(name: str) -> str:
    for old, new in RENAMES:
        if name.startswith(old):
            name = new + name[len(old) :]
    return name


def to_pi0(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict for Pi0.load_state_dict(strict=True)."""
    out = {rename(name): tensor for name, tensor in tensors.items()}
    out.pop(EXPERT_HEAD, None)
    head = out.pop(HEAD, None)
    if TABLE not in out and head is not None:
        out[TABLE] = head
    return out

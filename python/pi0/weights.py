"""Fills a Pi0 with a checkpoint's tensors, one at a time."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from . import checkpoint
from .model import Pi0, Pi0Config, tables
from .progress import Progress


class Uninitialised(TorchFunctionMode):
    """Leaves out the random initialisation: torch would import its compiler to do it on the meta
    device, which takes seconds."""

    def __torch_function__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def load_model(
    tensors: Mapping[str, Tensor],
    config: Pi0Config,
    *,
    layout: str,
    precision: torch.dtype,
    rounded_rope: bool,
    progress: Progress,
) -> Pi0:
    """A Pi0 with the tensors (our names) in the dtypes that the layout's original computes in. A
    tensor that has its dtype already is taken as it lies in the mapped file, so a checkpoint is
    never in memory twice.

    Raises ExportError ERR_DSRL_POLICY_TENSORS: names, shapes, numbers that are not finite.
    """
    with torch.device("meta"), Uninitialised():
        model = Pi0(config)
    checkpoint.check_tensors(tensors, model)
    converted, infinite, done = {}, [], 0
    total = sum(tensor.numel() for tensor in tensors.values())
    progress.say(f"reading {total / 1e6:.1f} M parameters")
    for name, tensor in tensors.items():
        if not checkpoint.is_finite(tensor):
            infinite.append(f"not finite: {name} (NaN or infinity)")
        converted[name] = own_storage(
            tensor.detach().to(checkpoint.dtype_of(name, layout, precision))
        )
        done += tensor.numel()
        progress.tick(f"read {done / total:.0%} of the parameters")
    if infinite:
        raise checkpoint.mismatch(infinite)
    model.requires_grad_(False)
    model.load_state_dict(converted, strict=True, assign=True)
    for name, table in tables(config).items():
        setattr(model, name, table)
    if rounded_rope:
        # What the originals do when their whole module is cast: see pi0.model.tables.
        model.rope_frequencies = model.rope_frequencies.bfloat16().float()
    return model


def own_storage(tensor: Tensor) -> Tensor:
    """TorchScript saves a tensor's whole storage; one that it shares with others would be saved
    again with each of them."""
    tensor = tensor.contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.dtype.itemsize
    return tensor if whole else tensor.clone()

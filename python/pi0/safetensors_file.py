"""safetensors files, read in place and checked whole; nothing but torch is needed.

The format: a little-endian u64 with the length of the header, the header (JSON: name -> dtype,
shape, data_offsets counted from the end of the header), then the bytes of the tensors, row-major,
without gaps. A file from elsewhere may lie about any of these, so each is checked before use.
"""

import json
import math
import mmap
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .errors import ExportError

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LONGEST_HEADER = 100_000_000  # as the format's own library has it


WHOLE = "the file is damaged or was not copied whole: download it again"
QUANTISED = "name the checkpoint that was quantised; or the file is damaged: download it again"


def damaged(path: Path, what: str, hint: str = WHOLE) -> ExportError:
    return ExportError("ERR_DSRL_POLICY_DAMAGED", f"{path}: {what}", hint)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name. They lie in a private mapping of the file: a page is read
    when it is touched, and writing to a tensor does not reach the file.

    Raises ExportError ERR_DSRL_POLICY_DAMAGED.
    """
    size = path.stat().st_size
    if size < 8:
        raise damaged(path, f"{size} bytes are no safetensors file")
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size - 8, LONGEST_HEADER):
            raise damaged(path, f"its header would take {length} bytes, the file has {size}")
        entries = parse_header(path, file.read(length))
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    check_layout(path, entries, size - 8 - length)
    return {name: view(whole, entry, 8 + length) for name, entry in entries.items()}


def parse_header(path: Path, text: bytes) -> dict[str, dict]:
    def without_duplicates(pairs: list[tuple[str, object]]) -> dict:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name stands twice in its header")
        return found

    try:
        header = json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise damaged(path, "its header is no JSON object")
    header.pop("__metadata__", None)
    return header


def check_layout(path: Path, entries: Mapping[str, dict], size: int) -> None:
    """Every tensor's bytes fit its shape, follow the one before, and end with the file."""
    spans = []
    for name, entry in entries.items():
        try:
            dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers = [*shape, begin, end]
            if not all(type(n) is int and n >= 0 for n in numbers):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise damaged(path, f"the entry of `{name}` is malformed") from None
        if dtype not in DTYPES:
            raise damaged(path, f"`{name}` has dtype {dtype}, which is not read here", QUANTISED)
        bytes_of_shape = math.prod(shape) * DTYPES[dtype].itemsize
        if end - begin != bytes_of_shape:
            what = f"`{name}` {dtype} {shape} takes {bytes_of_shape} bytes, its offsets say"
            raise damaged(path, f"{what} {end - begin}")
        spans.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            raise damaged(path, f"`{name}` starts at byte {begin}, {position} was expected")
        position = end
    if position != size:
        raise damaged(path, f"its header describes {position} bytes of tensors, it has {size}")


def view(whole: mmap.mmap, entry: dict, start: int) -> Tensor:
    dtype, count = DTYPES[entry["dtype"]], math.prod(entry["shape"])
    if count == 0:
        return torch.empty(entry["shape"], dtype=dtype)
    offset = start + entry["data_offsets"][0]
    if offset % dtype.itemsize != 0:  # the format allows it, arithmetic on it does not
        data = bytearray(whole[offset : offset + count * dtype.itemsize])
        return torch.frombuffer(data, dtype=dtype).reshape(entry["shape"])
    flat = torch.frombuffer(whole, dtype=dtype, count=count, offset=offset)
    return flat.reshape(entry["shape"])


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    fill: Callable[[str, Tensor], Tensor] = lambda _, tensor: tensor,
) -> None:
    """Writes one tensor after the other. Widest types first: every tensor lies at a multiple of
    its own size, as the official writer has it. `fill` gives the values when a tensor's turn comes:
    with tensors on the meta device, a file may be larger than the memory."""
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header, position = {}, 0
    for name in names:
        tensor = tensors[name]
        end = position + tensor.numel() * tensor.dtype.itemsize
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            tensor = fill(name, tensors[name]).detach().contiguous()
            if tensor.numel() > 0:
                file.write(bytes_of(tensor))


def bytes_of(tensor: Tensor) -> bytearray:
    data = bytearray(tensor.numel() * tensor.dtype.itemsize)
    torch.frombuffer(data, dtype=tensor.dtype).copy_(tensor.reshape(-1))
    return data

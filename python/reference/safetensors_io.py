"""Reading and writing safetensors files (F32, U8, I64) with torch alone.

The format: a little-endian u64 with the length of the header, the header (JSON: name -> dtype,
shape, data_offsets relative to the end of the header), then the bytes of the tensors, row-major.
"""

import json
import math
import struct
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "U8": torch.uint8, "I64": torch.int64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    data = Path(path).read_bytes()
    (header_length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_length])
    header.pop("__metadata__", None)
    body = data[8 + header_length :]
    tensors = {}
    for name, entry in header.items():
        dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
        begin, end = entry["data_offsets"]
        if end - begin != math.prod(shape) * dtype.itemsize or end > len(body):
            raise ValueError(f"{path}: the offsets of '{name}' do not fit its shape or the file")
        # The slice is copied: frombuffer needs writable, aligned memory that nobody else owns.
        tensors[name] = torch.frombuffer(bytearray(body[begin:end]), dtype=dtype).reshape(shape)
    return tensors


def write_tensors(path: str | Path, tensors: dict[str, torch.Tensor]) -> None:
    # Widest types first keeps every tensor aligned to its own size, as the official writer does.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header, body = {}, bytearray()
    for name in names:
        tensor = tensors[name].detach()
        raw = bytearray(tensor.numel() * tensor.dtype.itemsize)
        torch.frombuffer(raw, dtype=tensor.dtype).copy_(tensor.reshape(-1))
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        body += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)

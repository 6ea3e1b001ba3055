"""Reading and writing safetensors files with numpy alone: a user's own LIBERO environment need not
hold anything else.

The format: a little-endian u64 with the length of the header, the header (JSON: name -> dtype,
shape, data_offsets relative to the end of the header), then the bytes of the tensors, row-major.
"""

import json
import struct
from pathlib import Path

import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
NAMES = {np.dtype(text): name for name, text in DTYPES.items()}


def write_tensors(
    path: str | Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None
) -> None:
    """metadata: free text beside the tensors, such as the versions of what recorded them."""
    # Widest types first keeps every tensor aligned to its own size, as the official writer does.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    body = bytearray()
    for name in names:
        tensor = np.ascontiguousarray(tensors[name])
        offsets = [len(body), len(body) + tensor.nbytes]
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        body += tensor.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    data = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        dtype, (begin, end) = np.dtype(DTYPES[entry["dtype"]]), entry["data_offsets"]
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if end - begin != count * dtype.itemsize or 8 + length + end > len(data):
            raise ValueError(f"{path}: the offsets of '{name}' do not fit its shape or the file")
        tensor = np.frombuffer(data, dtype, count, 8 + length + begin)
        tensors[name] = tensor.reshape(entry["shape"]).copy()
    return tensors

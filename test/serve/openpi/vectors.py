"""Prints messages as openpi's own msgpack_numpy packs them: a list of
{name, hex, data, dtype, shape}.

For arrays `data` are the elements as a flat list, for the rest the value itself.
"""

import json

import numpy as np
from openpi_client import msgpack_numpy

ARRAYS = {
    "float32": np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4),
    "float64": np.array([1e300, -0.0, 1 / 3]),
    "float16": np.array([[0.5, -2.25], [6e-8, 65504]], dtype=np.float16),
    "big endian": np.arange(-3, 3, dtype=">i4"),
    "uint8 picture": (np.arange(2 * 5 * 7 * 3) % 256).astype(np.uint8).reshape(2, 5, 7, 3),
    "int64": np.array([-(2**40), 2**40]),
    "uint16": np.array([0, 65535], dtype=np.uint16),
    "bool": np.array([[True, False, True]]),
    "no elements": np.zeros((0, 7), dtype=np.float32),
    "no dimensions": np.array(2.5, dtype=np.float32),
    "not contiguous": np.arange(12, dtype=np.int16).reshape(3, 4)[:, ::2],
}
VALUES = {
    "integers": [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, -1, -32, -33, -128, -129]
    + [-32768, -32769, -(2**31), -(2**31) - 1],
    "reals": [0.5, -1.25, 1e300],
    "texts": ["", "a", "é" * 20, "x" * 31, "x" * 32, "x" * 255, "x" * 256, "x" * 70000],
    "observation": {"prompt": "pick up the bowl", "flag": True, "none": None, "nested": {"a": [1]}},
    "long list": list(range(20)),
    "long map": {f"key {index}": index for index in range(20)},
}


def main() -> None:
    vectors = []
    for name, array in ARRAYS.items():
        message = msgpack_numpy.packb({"x": array})
        little = array.astype(array.dtype.newbyteorder("<"))
        elements = [float(x) for x in np.ravel(little)]
        vector = {"name": name, "hex": message.hex(), "data": elements, "shape": list(array.shape)}
        vectors.append({**vector, "dtype": little.dtype.str})
    for name, value in VALUES.items():
        vectors.append({"name": name, "hex": msgpack_numpy.packb(value).hex(), "data": value})
    scalar = msgpack_numpy.packb({"x": np.float32(1.5)})
    vectors.append({"name": "numpy scalar", "hex": scalar.hex(), "data": {"x": 1.5}})
    for name, order in (("numpy text", "<"), ("numpy text, big endian", ">")):
        text = np.array(["tidy \U0001f916"], dtype=f"{order}U9")
        message = msgpack_numpy.packb({"x": text}).hex()
        vectors.append({"name": name, "hex": message, "data": {"x": text.item()}})
    print(json.dumps(vectors))


main()

"""Records what the C++ resizers are checked against: python -m pi0.record_pictures FILE

FILE = ../test/fixtures/pi0/pictures.json. The originals themselves do the work:

    pip install pillow==13.0.0 openpi-client==0.1.2 typing_extensions torch numpy
    pip install transformers==5.5.4 draccus==0.11.6 einops safetensors
    pip install --no-deps --ignore-requires-python lerobot==0.6.1

* openpi: `image_tools.resize_with_pad` (Pillow). A case is a picture by the formula of `picture`,
  the side of the square, and the CRC-32C of the result; the small ones hold the result too.
* lerobot: `resize_with_pad_torch` of float32 pictures in [0, 1], with the result's values.
* fits: CRC-32C of the scaled sizes [height, width] int32 of every pair up to `most` but those of
  which nothing is left, and how many Python's rounding made smaller than the exact quotient.
"""

import argparse
import importlib.metadata
import json
from pathlib import Path

import numpy as np
import torch
from openpi_client import image_tools
from tabletop.philox import crc32c

from .lerobot_original import import_lerobot

# height, width, side
OPENPI_SIZES = [
    *[(256, 256, 224), (224, 224, 224), (128, 128, 224), (64, 64, 224), (225, 225, 224)],
    *[(480, 640, 224), (640, 480, 224), (720, 1280, 224), (1080, 1920, 64), (240, 320, 224)],
    *[(224, 200, 224), (200, 224, 224), (224, 448, 224), (448, 224, 224), (223, 224, 224)],
    *[(3, 224, 224), (224, 3, 224), (1, 1, 32), (1, 32, 32), (32, 1, 32), (2, 3, 48), (1, 7, 32)],
    *[(97, 61, 48), (61, 97, 48), (500, 9, 64), (9, 500, 64), (7, 500, 100), (1000, 999, 32)],
    *[(33, 33, 32), (31, 33, 32), (32, 31, 32), (100, 100, 99), (99, 99, 100), (84, 84, 64)],
    *[(2000, 40, 50), (460, 224, 224), (448, 223, 224), (449, 224, 224), (700, 300, 97)],
    *[(700, 351, 97), (5, 4, 6), (9, 14, 8), (10, 3, 7), (3, 10, 7), (6, 6, 4)],
]
LEROBOT_SIZES = [
    *[(256, 256, 12), (12, 12, 12), (5, 5, 12), (48, 64, 14), (64, 48, 14), (13, 12, 12)],
    *[(3, 14, 14), (14, 2, 14), (1, 1, 8), (2, 3, 9), (97, 61, 16), (31, 90, 15)],
]
KINDS = ("noise", "extremes", "white")
SMALL = 8  # sides up to this are recorded in full
FIT_SIDES, FIT_MOST = (14, 64, 224), 300


def picture(height: int, width: int, seed: int, kind: str) -> np.ndarray:
    """uint8 [height, width, 3]: a hash of the byte's index; `extremes` are its top bit."""
    if kind == "white":
        return np.full((height, width, 3), 255, np.uint8)
    x = np.arange(height * width * 3, dtype=np.uint64) + np.uint64(seed * 1000003)
    mask = np.uint64(0xFFFFFFFF)
    x = (x * np.uint64(2654435761)) & mask
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(2246822519)) & mask
    x ^= x >> np.uint64(13)
    values = (x >> np.uint64(24)).astype(np.uint8)
    if kind == "extremes":
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    return values.reshape(height, width, 3)


def cases(sizes: list[tuple[int, int, int]]) -> list[dict]:
    return [
        {"height": h, "width": w, "side": s, "seed": seed, "kind": KINDS[seed % len(KINDS)]}
        for seed, (h, w, s) in enumerate(sizes)
    ] + [
        {"height": h, "width": w, "side": s, "seed": seed, "kind": KINDS[(seed + 1) % len(KINDS)]}
        for seed, (h, w, s) in enumerate(sizes)
    ]


def source(case: dict) -> np.ndarray:
    return picture(case["height"], case["width"], case["seed"], case["kind"])


def record_openpi() -> list[dict]:
    recorded = cases(OPENPI_SIZES)
    for case in recorded:
        result = image_tools.resize_with_pad(source(case), case["side"], case["side"])
        case["crc32c"] = crc32c(result.tobytes())
        if case["side"] <= SMALL:
            case["pixels"] = result.flatten().tolist()
    return recorded


def record_lerobot(resize) -> list[dict]:
    recorded = cases(LEROBOT_SIZES)
    for case in recorded:
        pixels = torch.from_numpy(source(case)).float()[None] / 255
        result = resize(pixels, case["side"], case["side"])
        case["pixels"] = [float(f"{value:.9g}") for value in result.flatten().tolist()]
    return recorded


def record_fits() -> list[dict]:
    """The sizes by the two lines that both originals have."""
    fits = []
    for side in FIT_SIDES:
        sizes, smaller = [], 0
        for height in range(1, FIT_MOST + 1):
            for width in range(1, FIT_MOST + 1):
                ratio = max(width / side, height / side)
                scaled = int(height / ratio), int(width / ratio)
                if 0 in scaled:
                    continue
                longer = max(width, height)
                smaller += scaled != (height * side // longer, width * side // longer)
                sizes.extend(scaled)
        crc = crc32c(np.array(sizes, "<i4").tobytes())
        fits.append({"side": side, "most": FIT_MOST, "crc32c": crc, "smaller": smaller})
    return fits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    packages = ("pillow", "openpi-client", "lerobot")
    result = {
        "made_by": "python -m pi0.record_pictures",
        "versions": {
            "torch": torch.__version__.split("+")[0],
            **{package: importlib.metadata.version(package) for package in packages},
        },
        "openpi": record_openpi(),
        "lerobot": record_lerobot(import_lerobot().modeling.resize_with_pad_torch),
        "fits": record_fits(),
    }
    # One case a line: a change shows as itself in a diff.
    lists = {
        key: "[\n" + ",\n".join(json.dumps(case) for case in value) + "\n]"
        for key, value in result.items()
        if isinstance(value, list)
    }
    rest = {key: json.dumps(value) for key, value in result.items() if key not in lists}
    members = ",\n".join(f'"{key}": {text}' for key, text in {**rest, **lists}.items())
    args.file.write_text("{\n" + members + "\n}\n")


if __name__ == "__main__":
    main()

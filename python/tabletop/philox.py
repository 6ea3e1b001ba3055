"""The project's random streams: Philox 4x32-10 by counter, in numpy.

key = the 64-bit seed, low word first; counter = [block, env, step, CRC32C of the stream's name].
A block gives four words, used in order. uniform = (w >> 8) 2^-24, in [0, 1). Normals come in pairs
from words (w0, w1), then (w2, w3): r cos t, r sin t with r = sqrt(-2 ln(((w0 >> 8) + 1) 2^-24)) and
t = 2 pi (w1 >> 8) 2^-24, in float64. Nothing depends on the order of calls.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

import numpy as np

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), reflected, as in RFC 3720: crc32c(b"123456789") = 0xE3069283."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def philox4x32(counter: np.ndarray, key: tuple[int, int], rounds: int = 10) -> np.ndarray:
    """counter uint32 [..., 4] -> four random words uint32 [..., 4]."""
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (p1 >> SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & LOW,
            (p0 >> SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & LOW,
        )
        k0, k1 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], -1).astype(np.uint32)


def words(seed: int, name: str, env, step, count: int) -> np.ndarray:
    """The first `count` words of a stream: uint32 [..., count], env and step broadcast."""
    env, step = np.broadcast_arrays(np.asarray(env), np.asarray(step))
    blocks = -(-count // 4)
    counter = np.empty((*env.shape, blocks, 4), np.uint32)
    counter[..., 0] = np.arange(blocks)
    counter[..., 1] = env[..., None]
    counter[..., 2] = step[..., None]
    counter[..., 3] = crc32c(name.encode())
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    return philox4x32(counter, key).reshape(*env.shape, -1)[..., :count]


def uniform(seed: int, name: str, env, step, count: int) -> np.ndarray:
    """float64 [..., count] in [0, 1)."""
    return (words(seed, name, env, step, count) >> 8) * 2.0**-24


def normal(seed: int, name: str, env, step, count: int) -> np.ndarray:
    """float64 [..., count], standard normal."""
    w = (words(seed, name, env, step, count + count % 2) >> 8).astype(np.float64)
    r = np.sqrt(-2.0 * np.log((w[..., 0::2] + 1.0) * 2.0**-24))
    t = 2.0 * np.pi * w[..., 1::2] * 2.0**-24
    return np.stack([r * np.cos(t), r * np.sin(t)], -1).reshape(*w.shape)[..., :count]

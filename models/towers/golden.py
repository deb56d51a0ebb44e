"""Input of a golden vector: formula "blocks-and-noise" of src/encoder/vector.ts, number for number."""
import numpy as np

MULTIPLIER, INCREMENT, BLOCK = np.uint32(1664525), np.uint32(1013904223), 8


def draws(seed, count):
    """Upper 24 bits of the sequence s ← 1664525 s + 1013904223 (mod 2^32), all at once: unsigned 32 bits wrap around."""
    powers = np.full(count, MULTIPLIER, np.uint32).cumprod(dtype=np.uint32)
    sums = np.concatenate(([np.uint32(1)], powers[:-1])).cumsum(dtype=np.uint32)
    return (powers * np.uint32(seed) + INCREMENT * sums) >> np.uint32(8)


def golden_input(seed, size_zyx, low, high):
    """→ float32 [1][1][z][y][x] between low and high."""
    edges = [-(-n // BLOCK) for n in size_zyx]
    count = int(np.prod(edges))
    drawn = draws(seed, count + int(np.prod(size_zyx))).astype(np.float64)
    blocks = drawn[:count].reshape(edges)
    for axis in range(3):
        blocks = np.repeat(blocks, BLOCK, axis)
    blocks = blocks[tuple(slice(n) for n in size_zyx)]
    level = (3 * blocks + drawn[count:].reshape(size_zyx)) / 2**26
    return (low + (high - low) * level).astype(np.float32)[None, None]

"""Philox4x32-10, laid out as TensorFlow lays it out: (seed, seed2, position) -> numbers, in NumPy.

A stream is the sequence of 128-bit *blocks* philox(key = seed, counter = (position, seed2)); a
block is four uint32.  Every draw of n numbers reserves 256 n blocks, so that draws never overlap
however many blocks a number costs; uniform and normal draws use consecutive blocks from the start
of the reservation, and truncated normals (which reject) give each group of numbers its own stretch.

    position  0      1      2           256 n
              |block |block |  ...      | next draw
              u0..u3  u4..u7

The same seeds give TensorFlow's numbers: uniforms and integers bit for bit, normals to about 1e-6.
Native kernels follow this file.  Read next: random.py, whose records call it.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85  # golden ratio and sqrt(3) - 1
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

#: Blocks reserved for each number of a draw.
RESERVED_PER_NUMBER = 256

#: Blocks that a truncated normal may use for each number.
STRETCH_PER_NUMBER = 64

#: Blocks computed at once: eight arrays of this many uint64 stay in a second-level cache.
_CHUNK = 1 << 12


def philox(seed: int, seed2: int, positions: Array) -> Array:
    """The blocks at ``positions`` (uint64, any count n) of stream (seed, seed2): uint32 (n, 4)."""
    result = np.empty((positions.size, 4), np.uint32)
    for start in range(0, positions.size, _CHUNK):
        part = positions[start : start + _CHUNK]
        for column, words in enumerate(_rounds(seed, seed2, part)):
            result[start : start + part.size, column] = words
    return result


def _rounds(seed: int, seed2: int, positions: Array) -> tuple[Array, Array, Array, Array]:
    """Ten rounds on all ``positions``; words are uint64 arrays below 2**32."""
    key_0, key_1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    word_0, word_1 = positions & _LOW, positions >> _HALF
    word_2 = np.full_like(positions, seed2 & 0xFFFFFFFF)
    word_3 = np.full_like(positions, (seed2 >> 32) & 0xFFFFFFFF)
    product_0, product_1 = np.empty_like(positions), np.empty_like(positions)
    for _ in range(_ROUNDS):
        # (w0, w1, w2, w3) <- (hi(w2 M1) ^ w1 ^ k0, lo(w2 M1), hi(w0 M0) ^ w3 ^ k1, lo(w0 M0))
        np.multiply(word_0, _MULTIPLIER_0, out=product_0)
        np.multiply(word_2, _MULTIPLIER_1, out=product_1)
        np.right_shift(product_1, _HALF, out=word_0)
        np.right_shift(product_0, _HALF, out=word_2)
        word_0 ^= word_1
        word_0 ^= np.uint64(key_0)
        word_2 ^= word_3
        word_2 ^= np.uint64(key_1)
        np.bitwise_and(product_1, _LOW, out=word_1)
        np.bitwise_and(product_0, _LOW, out=word_3)
        key_0, key_1 = (key_0 + _WEYL_0) & 0xFFFFFFFF, (key_1 + _WEYL_1) & 0xFFFFFFFF
    return word_0, word_1, word_2, word_3


class Stream:
    """A place in one op's stream; every draw advances it.

    ``counter`` is the op's int64[1] count of reserved blocks, which outlives the Stream.
    """

    def __init__(self, seed: int, seed2: int, counter: Array) -> None:
        self.seed, self.seed2, self.counter = seed, seed2, counter

    def reserve(self, blocks: int) -> int:
        """Take ``blocks`` blocks; the position of the first."""
        start = int(self.counter[0])
        self.counter[0] += blocks
        return start

    def blocks(self, start: int, count: int) -> Array:
        """``count`` blocks from position ``start``: uint32 (count, 4)."""
        positions = np.arange(start, start + count, dtype=np.uint64)
        return philox(self.seed, self.seed2, positions)

    def _words(self, count: int, words_each: int) -> Array:
        """uint32 (count, words_each) from the start of a reservation for ``count`` numbers."""
        start = self.reserve(count * RESERVED_PER_NUMBER)
        words = self.blocks(start, -(-count * words_each // 4)).reshape(-1)
        return words[: count * words_each].reshape(count, words_each)

    def lanes(self, count: int) -> Lanes:
        """``count`` lanes, each with a stretch of its own."""
        start = self.reserve(count * RESERVED_PER_NUMBER)
        stride = np.uint64(RESERVED_PER_NUMBER)
        return Lanes(self, np.uint64(start) + np.arange(count, dtype=np.uint64) * stride)

    def uniforms_from(self, start: int, count: int) -> Array:
        """``count`` float64 uniforms from block ``start`` on."""
        return _uniform64(self.blocks(start, -(-count // 2)).reshape(-1, 2))[:count]

    def uniform(self, count: int, dtype: np.dtype[Any]) -> Array:
        """``count`` floats in [0, 1) with all mantissa bits random."""
        return _TO_UNIFORM[dtype.name](self._words(count, 2 if dtype.itemsize == 8 else 1))

    def integers(self, count: int, low: int, high: int, dtype: np.dtype[Any]) -> Array:
        """``count`` ints: low + word mod (high - low), with the tiny bias that TensorFlow has."""
        words = self._words(count, dtype.itemsize // 4)
        unsigned = np.ascontiguousarray(words).view(f"u{dtype.itemsize}").reshape(count)
        span = unsigned.dtype.type((high - low) % (1 << (8 * dtype.itemsize)))
        start = np.asarray(low, dtype).view(unsigned.dtype)
        return (unsigned % span + start).view(dtype)

    def normal(self, count: int, dtype: np.dtype[Any]) -> Array:
        """``count`` standard normals by Box-Muller; a block gives four (float64: two)."""
        each = 2 if dtype.itemsize == 8 else 4
        start = self.reserve(count * RESERVED_PER_NUMBER)
        numbers = _normals(self.blocks(start, -(-count // each)), dtype)
        return numbers.reshape(-1)[:count].astype(dtype, copy=False)

    def truncated_normal(self, count: int, dtype: np.dtype[Any]) -> Array:
        """``count`` standard normals, those beyond two standard deviations drawn again.

        Group g of four numbers (float64: two) owns the blocks from 64 g times its size on; it takes
        normals from them in order and keeps those within the bound.
        """
        each = 2 if dtype.itemsize == 8 else 4
        groups = -(-count // each)
        start = self.reserve(count * RESERVED_PER_NUMBER)
        stretch = each * STRETCH_PER_NUMBER
        positions = np.uint64(start) + np.arange(groups, dtype=np.uint64) * np.uint64(stretch)
        result = _normals(philox(self.seed, self.seed2, positions), dtype)
        # Most groups keep their whole first block; the others collect what passes, block by block.
        waiting = np.flatnonzero((np.abs(result) >= 2).any(axis=1))
        positions, numbers = positions[waiting], result[waiting]
        filled = np.zeros(waiting.size, np.int64)
        while waiting.size:
            kept = np.abs(numbers) < 2
            place = np.cumsum(kept, axis=1) - 1 + filled[:, None]
            kept &= place < each
            row, column = np.nonzero(kept)
            result[waiting[row], place[row, column]] = numbers[row, column]
            filled += np.count_nonzero(kept, axis=1)
            again = filled < each
            waiting, filled = waiting[again], filled[again]
            positions = positions[again] + np.uint64(1)
            numbers = _normals(philox(self.seed, self.seed2, positions), dtype)
        return result.reshape(-1)[:count].astype(dtype, copy=False)

    def permutation(self, count: int) -> Array:
        """A random order of 0 .. count-1: Fisher-Yates from the front, one word for each swap."""
        order = np.arange(count)
        swaps = max(count - 1, 0)
        blocks = -(-swaps // 4)
        words = self.blocks(self.reserve(blocks), blocks).reshape(-1)[:swaps]
        partner = np.arange(swaps) + words % (count - np.arange(swaps))
        listed = order.tolist()
        for i, j in enumerate(partner.tolist()):
            listed[i], listed[j] = listed[j], listed[i]
        return np.array(listed, np.int64)


class Lanes:
    """Many places in one stream, each with its own next uniform and normal (float64).

    For numbers that take an unknown count of others: lane i starts at ``positions[i]``.  A block
    gives two uniforms or two normals, of which the second is used first.
    """

    def __init__(self, stream: Stream, positions: Array) -> None:
        self.stream, self.positions = stream, positions
        self._kept = {kind: np.zeros((positions.size, 2)) for kind in ("uniform", "normal")}
        self._left = {kind: np.zeros(positions.size, np.int64) for kind in self._kept}

    def _next(self, kind: str, lanes: Array) -> Array:
        kept, left = self._kept[kind], self._left[kind]
        empty = lanes[left[lanes] == 0]
        blocks = philox(self.stream.seed, self.stream.seed2, self.positions[empty])
        if kind == "normal":
            kept[empty] = _normals(blocks, np.dtype(np.float64))
        else:
            kept[empty] = _uniform64(blocks.reshape(-1, 2)).reshape(-1, 2)
        self.positions[empty] += np.uint64(1)
        left[empty] = 2
        left[lanes] -= 1
        return kept[lanes, left[lanes]]

    def uniform(self, lanes: Array) -> Array:
        """The next uniform of each of ``lanes`` (indices, no two equal)."""
        return self._next("uniform", lanes)

    def normal(self, lanes: Array) -> Array:
        """The next normal of each of ``lanes``."""
        return self._next("normal", lanes)


#: The key under which the two seeds of a stateless op are mixed.
STATELESS_KEY = 0x02461E293EC8F720


def stateless_stream(seeds: Array) -> Stream:
    """The stream of a stateless op: its key and its start are a block made from both seeds."""
    first, second = (int(seed) % (1 << 64) for seed in seeds)
    w = [int(word) for word in philox(STATELESS_KEY, second, np.array([first], np.uint64))[0]]
    return Stream(w[0] | w[1] << 32, w[2] | w[3] << 32, np.zeros(1, np.int64))


# -------------------------------------------------------------------------------- words -> numbers


def _uniform16(words: Array) -> Array:
    # A float in [1, 2) whose mantissa bits are the word's, less 1.
    bits = (words[:, 0] & np.uint32(0x3FF) | np.uint32(0x3C00)).astype(np.uint16)
    return bits.view(np.float16) - np.float16(1)


def _uniform32(words: Array) -> Array:
    bits = words & np.uint32(0x7FFFFF)
    bits |= np.uint32(0x3F800000)
    numbers = bits.view(np.float32)
    numbers -= np.float32(1)
    return numbers.reshape(-1)


def _uniform64(words: Array) -> Array:
    bits = (words[:, 0] & np.uint32(0xFFFFF)).astype(np.uint64) << _HALF
    bits |= words[:, 1]
    bits |= np.uint64(0x3FF0000000000000)
    return bits.view(np.float64) - 1


_TO_UNIFORM: dict[str, Callable[[Array], Array]] = {
    "float16": _uniform16,
    "float32": _uniform32,
    "float64": _uniform64,
}


def _normals(blocks: Array, dtype: np.dtype[Any]) -> Array:
    """Box-Muller on pairs of uniforms: (blocks, 4) float32 or, for float64, (blocks, 2).

    (sin(2 pi v), cos(2 pi v)) * sqrt(-2 ln max(u, 1e-7))
    """
    to_uniform = _uniform64 if dtype.itemsize == 8 else _uniform32
    uniform = to_uniform(blocks.reshape(-1, 2) if dtype.itemsize == 8 else blocks)
    pairs = uniform.reshape(-1, 2)
    real = pairs.dtype.type
    radius = np.sqrt(real(-2) * np.log(np.maximum(pairs[:, 0], real(1e-7))))
    angle = real(2 * math.pi) * pairs[:, 1]
    numbers = np.empty_like(pairs)
    np.multiply(np.sin(angle), radius, out=numbers[:, 0])
    np.multiply(np.cos(angle), radius, out=numbers[:, 1])
    return numbers.reshape(blocks.shape[0], 2 if dtype.itemsize == 8 else 4)

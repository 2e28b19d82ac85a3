"""CRC-32C: known values, and the kernel against the definition."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.codegen.compile import addresses
from flowgraph.formats import crc32c as module
from flowgraph.formats.crc32c import crc32c, masked, unmasked


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        # RFC 3720, B.4
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_known_values(data, wanted):
    assert crc32c(data) == wanted


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_the_kernel_follows_the_definition(size, value):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    by_byte = module._in_python(value ^ 0xFFFFFFFF, data) ^ 0xFFFFFFFF
    assert crc32c(data, value) == by_byte


@pytest.mark.parametrize("step", [module._BY_TABLES, module._BY_PROCESSOR])
@pytest.mark.parametrize("parts", [1, 4])
def test_both_kernels_give_the_same(parts, step):
    if step is module._BY_PROCESSOR and not module._has_instruction():
        pytest.skip("the processor has no such instruction")
    (address,) = addresses([module._kernel(parts, step)])
    kind = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 4)
    data = np.random.default_rng(0).integers(0, 256, 160 * parts, dtype=np.uint8)
    block = np.array(
        [data.ctypes.data, module._tables().ctypes.data, 20, *range(7, 7 + parts)], np.int64
    )
    assert kind(address)(block.ctypes.data, 0, 1) == 0
    for i in range(parts):
        assert block[3 + i] == module._in_python(7 + i, data[160 * i : 160 * (i + 1)])


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 17, 200_003])
def test_long_texts_are_joined_from_parts(size):
    data = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8).tobytes()
    pieces = 0
    for at in range(0, size, 1000):
        pieces = crc32c(data[at : at + 1000], pieces)
    assert crc32c(data) == pieces
    assert crc32c(np.frombuffer(data, np.uint8)) == pieces


def test_arrays_are_checked_as_their_bytes():
    array = np.arange(100, dtype=np.float32)
    assert crc32c(array) == crc32c(array.tobytes())
    assert crc32c(np.zeros(0, np.float32)) == 0


def test_masks():
    for number in (0, 1, 0xE3069283, 0xFFFFFFFF):
        assert unmasked(masked(number)) == number
        assert masked(number) != number

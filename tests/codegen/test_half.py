"""float16 in kernels: conversions with and without the processor's instructions."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

from flowgraph.codegen import compiler, loader
from flowgraph.codegen.llvm_text import Tuning
from flowgraph.codegen.target import lowered

_TEXT = """
def kernel(block, start, stop):
    source = {source}_pointer(slot(block, 0))
    target = {target}_pointer(slot(block, 1))
    for i in independent(stop):
        store(target, i, {target}(load(source, i)))
    return 0
"""
_NUMBERS = itertools.count()
EVERY_HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def converted(values: np.ndarray, target: str, half: bool) -> np.ndarray:
    text = _TEXT.format(source=values.dtype.name, target=target)
    symbol = f"convert_{values.dtype.name}_{target}_{half}_{next(_NUMBERS)}"
    module = compiler.optimised(*lowered(text, symbol, Tuning(half=half)))
    code = compiler.target_machine().emit_object(module)
    address = loader.load({symbol: code})[symbol]
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)(address)
    result = np.zeros(len(values), target)
    block = np.array([values.ctypes.data, result.ctypes.data], np.int64)
    assert kernel(block.ctypes.data, 0, len(values)) == 0
    return result


def hard_numbers() -> np.ndarray:
    """Numbers at, just above and just below what decides how float16 rounds; of every size."""
    half = EVERY_HALF[np.isfinite(EVERY_HALF)].astype(np.float64)
    ordered = np.unique(half)
    middles = (ordered[1:] + ordered[:-1]) / 2
    rng = np.random.default_rng(0)
    any_size = rng.standard_normal(20000) * 10.0 ** rng.integers(-12, 8, 20000)
    ends = [np.inf, -np.inf, np.nan, 65519.999, 65520.0, -65520.0, 1e300, 5e-324, -1e-300, -0.0]
    every = [half, middles, any_size, ends]
    for step in (np.inf, -np.inf):
        every.append(np.nextafter(middles, step))
    return np.concatenate(every)


@pytest.mark.parametrize("instructions", [False, True])
def test_widening_is_exact(instructions: bool) -> None:
    if instructions and not compiler.tuning().half:
        pytest.skip("this processor has no instructions for float16")
    wide = converted(EVERY_HALF, "float32", instructions)
    np.testing.assert_array_equal(wide, EVERY_HALF.astype(np.float32))
    assert np.array_equal(np.signbit(wide), np.signbit(EVERY_HALF))


@pytest.mark.parametrize("source", ["float64", "float32"])
@pytest.mark.parametrize("instructions", [False, True])
def test_narrowing_rounds_once_to_even(instructions: bool, source: str) -> None:
    if instructions and not compiler.tuning().half:
        pytest.skip("this processor has no instructions for float16")
    with np.errstate(all="ignore"):
        values = hard_numbers().astype(source)
        expected = values.astype(np.float16)
    narrow = converted(values, "float16", instructions)
    number = ~np.isnan(values)
    np.testing.assert_array_equal(narrow.view(np.uint16)[number], expected.view(np.uint16)[number])
    assert np.isnan(narrow[~number]).all()


@pytest.mark.parametrize("source", ["int64", "uint8", "bool"])
def test_whole_numbers(source: str) -> None:
    values = np.arange(-70000, 70000, 7).astype(source)
    with np.errstate(all="ignore"):
        expected = values.astype(np.float32).astype(np.float16)
    np.testing.assert_array_equal(converted(values, "float16", compiler.tuning().half), expected)


def test_complex_numbers_in_kernel_text() -> None:
    text = """
def kernel(block, start, stop):
    x = complex64_pointer(slot(block, 0))
    y = complex64_pointer(slot(block, 1))
    out = complex64_pointer(slot(block, 2))
    for i in range(stop):
        a = load(x, i)
        b = load(y, i)
        c = a * b - conj(a) / b + complex64(2)
        store(out, i, c if a != b else -a)
    return 0
"""
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((2, 50)) + 1j * rng.standard_normal((2, 50))).astype(np.complex64)
    y[7] = x[7]
    y[8] = 1e30 * y[8]  # its square overflows
    module = compiler.optimised(*lowered(text, "complex_text", compiler.tuning()))
    code = compiler.target_machine().emit_object(module)
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)(
        loader.load({"complex_text": code})["complex_text"]
    )
    out = np.zeros_like(x)
    block = np.array([x.ctypes.data, y.ctypes.data, out.ctypes.data], np.int64)
    assert kernel(block.ctypes.data, 0, len(x)) == 0
    a, b = x.astype(np.complex128), y.astype(np.complex128)
    expected = np.where(a != b, a * b - a.conj() / b + 2, -a)
    np.testing.assert_allclose(out, expected, rtol=2e-5, atol=1e-5)

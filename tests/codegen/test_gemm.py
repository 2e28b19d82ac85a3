"""Matrix-product kernels against NumPy."""

import numpy as np
import pytest
from harness import native

from flowgraph.kernel.gemm import (
    BLAS_ROUTINES,
    blas_gemm,
    blas_gemm_batch,
    small_gemm,
    small_gemm_batch,
)
from flowgraph.runtime import blas

SHAPES = [(4, 2, 2), (1, 1, 1), (3, 9, 5), (5, 70, 3), (16, 16, 16)]
SHAPES += [(2, 3, 0), (0, 3, 2), (3, 0, 2)]


def integers(rng, rows, columns, dtype):
    return rng.integers(-4, 5, (rows, columns)).astype(dtype)


def views(matrix):
    """``matrix`` in several memory layouts."""
    wide = np.zeros((matrix.shape[0] * 2, matrix.shape[1] * 3), matrix.dtype)
    wide[::2, ::3] = matrix
    backwards = np.ascontiguousarray(matrix[::-1, ::-1])[::-1, ::-1]
    return [matrix, np.asfortranarray(matrix), wide[::2, ::3], backwards]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_small_gemm_of_any_strides(shape, dtype):
    m, n, k = shape
    rng = np.random.default_rng(0)
    kernel = native(small_gemm(dtype))
    a, b = integers(rng, m, k, dtype), integers(rng, k, n, dtype)
    for x in views(a):
        for y in views(b):
            for c in views(np.ones((m, n), dtype)):
                words = [m, n, k]
                for array in (x, y, c):
                    words += [array.ctypes.data, *(s // array.itemsize for s in array.strides)]
                block = np.array(words, np.int64)
                assert kernel(block.ctypes.data, 0, m // 2) == 0
                assert kernel(block.ctypes.data, m // 2, m) == 0
                np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize("dtype", list(BLAS_ROUTINES))
@pytest.mark.parametrize("shape", [*SHAPES, (33, 65, 17)])
@pytest.mark.parametrize("transposed", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_blas_gemm(shape, dtype, transposed):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = integers(rng, m, k, dtype), integers(rng, k, n, dtype)
    c = np.ones((m, n), dtype)
    words, stored = [m, n, k], []
    for x, t in zip((a, b), transposed, strict=True):
        x = np.ascontiguousarray(x.T) if t else x
        stored.append(x)
        words += [x.ctypes.data, max(x.shape[1], 1), t]
    words += [c.ctypes.data, max(n, 1), blas.address(BLAS_ROUTINES[dtype])]
    block = np.array(words, np.int64)
    assert native(blas_gemm(dtype))(block.ctypes.data, 0, 1) == 0
    np.testing.assert_array_equal(c, a @ b)


#: (a batch, b batch) by broadcasting, and the batch axes' sizes.
BATCHES = [((3,), (3,), (3,)), ((2, 3), (1, 3), (2, 3)), ((2, 1, 4), (3, 1), (2, 3, 4))]


def batch_words(size, *arrays):
    """The number of batch axes, and their words, innermost first."""
    words = [len(size)]
    for axis in reversed(range(len(size))):
        words.append(size[axis])
        for x in arrays:
            spread = np.broadcast_to(x, size + x.shape[-2:])
            words.append(spread.strides[axis] // x.itemsize)
    return words


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batches", BATCHES)
def test_batches(shape, dtype, batches):
    m, n, k = shape
    *batch, size = batches
    rng = np.random.default_rng(0)
    a = rng.integers(-4, 5, (*batch[0], m, k)).astype(dtype)
    b = rng.integers(-4, 5, (*batch[1], k, n)).astype(dtype)
    c = np.ones((*size, m, n), dtype)
    words = [m, n, k, a.ctypes.data, k, 1, b.ctypes.data, n, 1, c.ctypes.data, n, 1]
    block = np.array([*words, *batch_words(size, a, b, c)], np.int64)
    count = int(np.prod(size))
    kernel = native(small_gemm_batch(dtype))
    assert kernel(block.ctypes.data, 0, 2) == kernel(block.ctypes.data, 2, count) == 0
    np.testing.assert_array_equal(c, a @ b)
    if dtype in BLAS_ROUTINES:
        c[...] = 1
        words = [m, n, k, a.ctypes.data, max(k, 1), 0, b.ctypes.data, max(n, 1), 0]
        words += [c.ctypes.data, max(n, 1), blas.address(BLAS_ROUTINES[dtype])]
        block = np.array([*words, *batch_words(size, a, b, c)], np.int64)
        kernel = native(blas_gemm_batch(dtype))
        assert kernel(block.ctypes.data, 0, 2) == kernel(block.ctypes.data, 2, count) == 0
        np.testing.assert_array_equal(c, a @ b)


def test_unknown_routine():
    with pytest.raises(AttributeError):
        blas.address("nonesuch")

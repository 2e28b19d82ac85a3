"""Kernels that training needs, and arguments for contiguous arrays."""

from __future__ import annotations

import math

import numpy as np
from random_kernels import Case

from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def kernel_of(axes, body, *buffers):
    """``body(s)`` as a kernel; buffers are (dtype, mode, stride classes as one string)."""
    s = BodyBuilder()
    body(s)
    return s.build(tuple(axes), tuple(Buffer(d, m, tuple(c)) for d, m, c in buffers))


def rows_case(kernel, extents, *arrays):
    """Arguments for arrays that are contiguous along the axes their buffers vary along."""
    strides = []
    for buffer in kernel.buffers:
        varying = [a for a, c in enumerate(buffer.strides) if c != "0"]
        steps = contiguous(tuple(extents[a] for a in varying))
        by_axis = dict(zip(varying, steps, strict=True))
        strides.append(tuple(by_axis.get(a, 0) for a in range(len(extents))))
    flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]
    return Case(kernel, flat, tuple(extents), strides, [0] * len(flat))


def softmax_body(s):
    x = s.load(0, "float32")
    e = s.exp(x - s.reduce_max(x))
    s.store(1, e / s.reduce_sum(e))


SOFTMAX = kernel_of(
    ("map", "reduce"), softmax_body, ("float32", "in", "s1"), ("float32", "out", "s1")
)


def layer_norm_body(s):
    x, gain, bias = (s.load(b, "float32") for b in range(3))
    count = s.cast(s.count(), "float32")
    mean = s.reduce_sum(x) / count
    centred = x - mean
    var = s.reduce_sum(centred * centred) / count
    s.store(3, centred * s.rsqrt(var + 1e-5) * gain + bias)
    s.store(4, mean)

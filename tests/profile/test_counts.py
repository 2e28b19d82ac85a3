"""Flops and bytes of plans against a count made while computing, one scalar at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.kernel.ir import INOUT, MAP, Kernel
from flowgraph.kernel.scalar import REDUCTIONS, SCALAR_OPS


def strides_of(kernel, words):
    """One stride per buffer and axis, as the kernel finds them in its block."""
    strides = [[0 if kind == "0" else 1 for kind in buffer.strides] for buffer in kernel.buffers]
    for word, (kind, number, axis) in zip(words, kernel.block_layout(), strict=True):
        if kind == "stride":
            strides[number][axis] = word
    return strides


def counted(kernel, extents, strides):
    """Walk through all points as nested loops would, counting what is done and what is touched."""
    reduced = [axis for axis, kind in enumerate(kernel.axes) if kind != MAP]
    varies: list[bool] = []  # along reduced axes
    for stmt in kernel.body:
        if stmt.op == "load":
            varies.append(any(strides[stmt.place][axis] for axis in reduced))
        elif stmt.op == "index":
            varies.append(stmt.place in reduced)
        else:
            varies.append(stmt.op not in REDUCTIONS and any(varies[a] for a in stmt.args))
    flops = 0
    done = set()
    touched: dict[tuple[int, str], set[int]] = {}
    for point in itertools.product(*map(range, extents)):
        row = tuple(i for axis, i in enumerate(point) if axis not in reduced)
        for number, stmt in enumerate(kernel.body):
            if stmt.op in ("load", "store"):
                place = sum(i * s for i, s in zip(point, strides[stmt.place], strict=True))
                touched.setdefault((stmt.place, stmt.op), set()).add(place)
            key = (number, point if varies[number] else row)
            if not stmt.dtype.startswith("float"):
                continue
            if stmt.op in REDUCTIONS:
                flops += 1
            elif stmt.op in SCALAR_OPS and key not in done:
                flops += SCALAR_OPS[stmt.op].flops
            done.add(key)
    nbytes = 0
    for (number, op), places in touched.items():
        buffer = kernel.buffers[number]
        if op == "load" and buffer.mode == INOUT and (number, "store") not in touched:
            nbytes += len(places) * np.dtype(buffer.dtype).itemsize
        nbytes += len(places) * np.dtype(buffer.dtype).itemsize
    return flops, nbytes


def placeholder(*shape, dtype=tf.float32):
    return tf.placeholder(dtype, shape)


def softmax():
    return tf.nn.softmax(placeholder(5, 7))


def chain():
    x = placeholder(4, 6)
    return tf.tanh(x * 2.0 + placeholder(6)) / (1.0 + tf.exp(-x))


def normalised():
    x = placeholder(3, 5, 4)
    mean, variance = tf.nn.moments(x, [0, 2], keep_dims=True)
    return (x - mean) * tf.rsqrt(variance + 1e-3)


def step():
    x = placeholder(6, 4)
    w = tf.Variable(tf.ones([4, 3]))
    loss = tf.reduce_mean(tf.square(tf.nn.relu(tf.matmul(x, w))))
    return tf.train.AdamOptimizer().minimize(loss)


def integers():
    x = placeholder(4, 5, dtype=tf.int32)
    return tf.reduce_sum(x * 3 + 1, 1), tf.reduce_max(tf.cast(x, tf.float64))


def transposed():
    x = placeholder(5, 3)
    return tf.transpose(x) + placeholder(3, 1), tf.reduce_sum(x, 0)


GRAPHS = [softmax, chain, normalised, step, integers, transposed]


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_kernels_count_what_a_scalar_machine_would_do(build):
    with tf.Graph().as_default() as graph:
        fetches = build()
        feeds = [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]
        found = tf.explain(fetches, {t: t.shape for t in feeds})
    seen = 0
    for instr in found.plan.instrs:
        if isinstance(instr.kernel, Kernel):
            seen += 1
            strides = strides_of(instr.kernel, instr.words)
            wanted = counted(instr.kernel, instr.extents, strides)
            assert (instr.flops, instr.bytes_moved) == wanted, instr.label
    assert seen


@pytest.mark.parametrize(("m", "k", "n"), [(3, 4, 5), (1, 7, 2), (6, 1, 6)])
def test_products_count_a_multiplication_and_an_addition_for_each_pair(m, k, n):
    count = sum(2 for _ in itertools.product(range(m), range(n), range(k)))
    with tf.Graph().as_default():
        found = tf.explain(tf.matmul(placeholder(m, k), placeholder(k, n), name="p"), shapes())
    assert found.flops == count
    assert found.bytes == 4 * (m * k + k * n + m * n)


def shapes():
    return {
        op.outputs[0]: op.outputs[0].shape
        for op in tf.get_default_graph().get_operations()
        if op.type == "Placeholder"
    }


def test_convolutions_count_the_taps_of_every_output():
    with tf.Graph().as_default():
        x, w = placeholder(2, 7, 8, 3), placeholder(3, 3, 3, 4)
        found = tf.explain(tf.nn.conv2d(x, w, [1, 2, 1, 1], "VALID"), shapes())
    outputs = itertools.product(range(2), range(3), range(6), range(4))
    taps = list(itertools.product(range(3), range(3), range(3)))
    assert found.flops == sum(2 * len(taps) for _ in outputs)


def test_a_traced_run_has_the_counts_told_before():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 5], name="x")
        y = tf.reduce_sum(tf.exp(tf.matmul(x, tf.ones([5, 3]))))
        feed = {x: np.ones((6, 5))}
        found = tf.explain(y, feed)
        with tf.profile() as prof:
            sess.run(y, feed)
    rows = prof.table().rows
    assert sum(row.flops for row in rows) == found.flops
    assert sum(row.bytes for row in rows) == found.bytes
    assert prof.memory().peak_bytes == found.memory.peak_bytes

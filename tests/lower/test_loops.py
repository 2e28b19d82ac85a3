"""Strided operands over a domain become kernels with few axes; copies move windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.dtypes import float32
from flowgraph.graph.opdef import OPDEFS, Custom
from flowgraph.kernel.ir import IN, OUT, Stmt
from flowgraph.kernel.text import show
from flowgraph.lower.custom import CUSTOM_LOWERINGS
from flowgraph.lower.loops import Access, build_kernel
from flowgraph.lower.lowering import Lowering  # noqa: F401  registers every lowering rule
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import Operand, Pointer, Slot

NEGATE = (
    Stmt("load", (), "float32", 0),
    Stmt("neg", (0,), "float32"),
    Stmt("store", (1,), "float32", 1),
)


def operand(shape, strides=None, offset=0, kind="arena"):
    size = int(np.prod(shape)) if shape else 1
    given = contiguous_strides(shape) if strides is None else strides
    return Operand(Slot(0, kind, 4 * size), float32, tuple(shape), tuple(given), offset)


def negated(domain, source, target=None):
    target = target or operand(domain)
    accesses = [Access(source, source.strides, IN), Access(target, target.strides, OUT)]
    return build_kernel(domain, (), accesses, NEGATE)


def lines(kernel):
    return show(kernel).strip().splitlines()


def test_contiguous_operands_are_one_axis():
    kernel, extents, words = negated((32, 1, 8, 4), operand((32, 1, 8, 4)))
    assert extents == (1024,)
    assert lines(kernel)[:3] == [
        "kernel (map n0)", "  b0: float32 in [1]", "  b1: float32 out [1]",
    ]  # fmt: skip
    assert words[0] == 1024 and all(isinstance(w, Pointer) for w in words[1:])


def test_a_broadcast_row_keeps_two_axes():
    kernel, extents, words = negated((5, 7), operand((5, 7), (0, 1)))
    assert extents == (5, 7)
    assert [b.strides for b in kernel.buffers] == [("0", "1"), ("s", "1")]
    assert words[:2] == (5, 7) and words[-1] == 7


def test_sizes_and_strides_are_not_part_of_the_kernel():
    one = negated((5, 7), operand((5, 7), (14, 1)))[0]
    two = negated((900, 3), operand((900, 3), (400, 1)))[0]
    assert one == two and hash(one) == hash(two)


def test_a_scalar_shares_the_kernel_of_vectors():
    assert negated((), operand(()))[0] == negated((9,), operand((9,)))[0]


def test_offsets_are_bytes_in_the_pointer():
    _, _, words = negated((4,), operand((4,), (2,), offset=3))
    assert words[1].nbytes == 12


def test_what_reaches_no_store_is_dropped():
    body = (Stmt("load", (), "float32", 2), *(_shifted(s) for s in NEGATE))
    accesses = [
        Access(operand((3,)), (1,), IN),
        Access(operand((3,)), (1,), OUT),
        Access(operand((3,)), (1,), IN),
    ]
    kernel, _, words = build_kernel((3,), (), accesses, body)
    assert len(kernel.buffers) == 2 and len(kernel.body) == 3 and len(words) == 3


def _shifted(stmt):
    return Stmt(stmt.op, tuple(a + 1 for a in stmt.args), stmt.dtype, stmt.imm)


def test_an_indexed_axis_is_not_merged_and_a_dropped_one_counts_from_zero():
    body = (
        Stmt("index", (), "int64", 1),
        Stmt("cast", (0,), "float32"),
        Stmt("store", (1,), "float32", 0),
    )
    target = operand((4, 6))
    kernel, extents, _ = build_kernel((4, 6), (), [Access(target, target.strides, OUT)], body)
    assert extents == (4, 6) and kernel.body[0] == Stmt("index", (), "int64", 1)
    target = operand((4, 1))
    kernel, extents, _ = build_kernel((4, 1), (), [Access(target, target.strides, OUT)], body)
    assert extents == (4,) and kernel.body[0] == Stmt("const", (), "int64", 0)


def test_a_reduced_axis_of_size_one_remains():
    body = (
        Stmt("load", (), "float32", 0),
        Stmt("reduce_sum", (0,), "float32"),
        Stmt("store", (1,), "float32", 1),
    )
    source, target = operand((5, 1)), operand((5,))
    accesses = [Access(source, source.strides, IN), Access(target, (1, 0), OUT)]
    kernel, extents, _ = build_kernel((5, 1), (1,), accesses, body)
    assert kernel.axes == ("map", "reduce") and extents == (5, 1)


def test_every_custom_kernel_has_a_lowering_rule():
    named = {d.kernel.name for d in OPDEFS.values() if isinstance(d.kernel, Custom)}
    assert named <= set(CUSTOM_LOWERINGS)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.data())
def test_views_and_copies_agree_with_numpy(shape, data):
    """Slices, transposes, broadcasts and reshapes of each other, against NumPy."""
    tf.reset_default_graph()
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    x = tf.placeholder(tf.float32, [None] * len(shape))
    order = data.draw(st.permutations(range(len(shape))))
    step = data.draw(st.sampled_from([-2, -1, 1, 2]))
    y, expected = tf.transpose(x, order), value.transpose(order)
    y, expected = y[::step], expected[::step]
    flat, flat_expected = tf.reshape(y, [-1]), expected.reshape(-1)
    doubled = tf.concat([flat, flat[::-1]], axis=0) * 2.0
    with tf.Session() as sess:
        found = sess.run([y, flat, doubled, tf.tile(y[None], [2] + [1] * len(shape))], {x: value})
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], flat_expected)
    both = np.concatenate([flat_expected, flat_expected[::-1]])
    np.testing.assert_array_equal(found[2], both * 2)
    np.testing.assert_array_equal(found[3], np.stack([expected, expected]))


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 7), (33, 65, 17), (2, 0, 3), (0, 4, 5)])
def test_matrix_products_in_every_layout(sizes, transposed):
    m, k, n = sizes
    rng = np.random.default_rng(0)
    a = rng.standard_normal((k, m) if transposed[0] else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if transposed[1] else (k, n)).astype(np.float32)
    x, y = tf.placeholder(tf.float32, a.shape), tf.placeholder(tf.float32, b.shape)
    product = tf.matmul(x, y, *transposed)
    twice = tf.matmul(x[::1] + 0.0, tf.transpose(tf.transpose(y)), *transposed)
    expected = (a.T if transposed[0] else a) @ (b.T if transposed[1] else b)
    with tf.Session() as sess:
        for found in sess.run([product, twice], {x: a, y: b}):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

"""einsum and tensordot against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(rng, shape, dtype=np.float64):
    return rng.integers(-3, 4, shape).astype(dtype)


EQUATIONS = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "ij,jk->ki": [(2, 3), (3, 4)],
    "ij->ji": [(2, 3)],
    "ji": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    "ii->i": [(3, 3)],
    "ii": [(3, 3)],
    "iij->j": [(3, 3, 2)],
    "iji->ij": [(3, 2, 3)],
    "iii->": [(3, 3, 3)],
    "i,i->": [(4,), (4,)],
    "i,j->ij": [(2,), (3,)],
    "i,j->ji": [(2,), (3,)],
    "ij,ij->ij": [(2, 3), (2, 3)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bij,jk->bik": [(2, 3, 4), (4, 5)],
    "bij,bj->bi": [(2, 3, 4), (2, 4)],
    "bi,bi->b": [(2, 3), (2, 3)],
    "bhid,bhjd->bhij": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "abcd,cdbe->ae": [(2, 3, 4, 5), (4, 5, 3, 2)],
    "abc,cba->b": [(2, 3, 4), (4, 3, 2)],
    "...ij,...jk->...ik": [(5, 1, 2, 3), (7, 3, 4)],
    "...ij,jk->...ik": [(2, 3, 4, 5), (5, 6)],
    "...,...->...": [(2, 1, 3), (4, 3)],
    "i...->...i": [(2, 3, 4)],
    "...ii->...i": [(2, 3, 3)],
    "...i,...i": [(2, 3), (1, 3)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "ij,j,k->ik": [(2, 3), (3,), (4,)],
    "ab,bc,cd,de->ae": [(2, 3), (3, 4), (4, 5), (5, 6)],
    "ij,ik,il->": [(2, 3), (2, 4), (2, 5)],
    "ijk,ilm,njm,nlk->": [(2, 3, 4), (2, 5, 6), (7, 3, 6), (7, 5, 4)],
    "a,b,c,d,e,f,g,h,i->a": [(2,)] * 9,
    ",i->i": [(), (3,)],
    ",->": [(), ()],
    "->": [()],
    "aB,Bc -> ac": [(2, 3), (3, 4)],
    "ij,jk->ik ": [(0, 3), (3, 4)],
    "ij, jk->ik": [(2, 0), (0, 4)],
    "aij,aij->": [(0, 3, 4), (0, 3, 4)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_values_and_shapes(equation):
    rng = np.random.default_rng(0)
    arrays = [numbers(rng, shape) for shape in EQUATIONS[equation]]
    expected = np.einsum(equation, *arrays)
    known = [tf.placeholder(tf.float64, a.shape) for a in arrays]
    sizes = [tf.placeholder(tf.float64, (None,) * a.ndim) for a in arrays]
    ys = [tf.einsum(equation, *known), tf.einsum(equation, *sizes)]
    assert ys[0].shape == expected.shape
    assert ys[1].shape.ndims == expected.ndim
    feeds = dict(zip((*known, *sizes), (*arrays, *arrays), strict=True))
    for y in run(ys, feeds):
        assert y.shape == expected.shape
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bjk->bik", "iji,i->j", "ij,j,k->ik"])
def test_unknown_ranks(equation):
    rng = np.random.default_rng(0)
    shapes = {"i": 2, "j": 3, "k": 4, "b": 5}
    arrays = [
        numbers(rng, [shapes[c] for c in part]) for part in equation.partition("->")[0].split(",")
    ]
    feeds = {tf.placeholder(tf.float64): a for a in arrays}
    y = tf.einsum(equation, *feeds)
    assert y.shape.ndims == len(equation.partition("->")[2])
    np.testing.assert_array_equal(run(y, feeds), np.einsum(equation, *arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.complex64])
def test_dtypes(dtype):
    rng = np.random.default_rng(0)
    a, b = numbers(rng, (2, 3), dtype), numbers(rng, (3, 4), dtype)
    y = run(tf.einsum("ij,jk->ik", a, b))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, a @ b)


@st.composite
def equations(draw):
    """An equation of one to four operands, and the size of each label."""
    count = draw(st.integers(1, 4))
    operands = [draw(st.text("abcde", min_size=0, max_size=4)) for _ in range(count)]
    used = sorted(set("".join(operands)))
    kept = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    sizes = {c: draw(st.integers(1, 3)) for c in "abcde"}
    return ",".join(operands) + "->" + "".join(kept), sizes


@settings(max_examples=60, deadline=None)
@given(equations())
def test_any_equation(case):
    equation, sizes = case
    rng = np.random.default_rng(1)
    operands = equation.partition("->")[0].split(",")
    arrays = [numbers(rng, [sizes[c] for c in operand]) for operand in operands]
    with tf.Graph().as_default():
        feeds = {tf.placeholder(tf.float64, a.shape): a for a in arrays}
        y = tf.einsum(equation, *feeds)
        gradients = [
            tf.zeros_like(x) if g is None else g
            for x, g in zip(feeds, tf.gradients(y, list(feeds)), strict=True)
        ]
        value, *slopes = run([y, *gradients], feeds)
    np.testing.assert_array_equal(value, np.einsum(equation, *arrays))
    for i, (x, slope) in enumerate(zip(arrays, slopes, strict=True)):
        # linear in each operand: the slope in direction x is the sum of the result, and so with
        # another direction
        for direction in (x, numbers(rng, x.shape)):
            others = [direction if k == i else a for k, a in enumerate(arrays)]
            expected = np.einsum(equation, *others).sum()
            np.testing.assert_allclose(np.sum(slope * direction), expected)


def test_names_and_ops():
    a, b = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [3, 4])
    assert tf.einsum("ij,jk->ik", a, b).name == "einsum/MatMul:0"
    assert tf.einsum("ij,jk->ik", a, b, name="here").name == "here/MatMul:0"
    x = tf.placeholder(tf.float32, [2, 3, 4])
    assert tf.einsum("bij,bkj->bik", x, x).op.type == "BatchMatMulV2"


def test_the_cheap_order_is_taken():
    a = tf.placeholder(tf.float32, [100, 100])
    x = tf.placeholder(tf.float32, [100])
    # matrix times vector twice, never matrix times matrix
    tf.einsum("ij,jk,k->i", a, a, x)
    products = [op for op in tf.get_default_graph().get_operations() if "MatMul" in op.type]
    assert all(min(op.outputs[0].shape.as_list()) == 1 for op in products)
    assert len(products) == 2


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3), (4, 4)], "label 'j' of 'ij,jk->ik' has sizes 3 and 4"),
        ("ij,jk->ik", [(2, 3)], "has 2 operands, 1 were given"),
        ("ij,jk->ik", [(2, 3, 3), (3, 4)], "names 2 axes, the tensor has shape"),
        ("ij,jk->iz", [(2, 3), (3, 4)], "no operand has label 'z'"),
        ("ij,jk->ii", [(2, 3), (3, 4)], "label 'i' is twice in the result"),
        ("i1,jk->ik", [(2, 3), (3, 4)], "is no equation"),
        ("i..j->ij", [(2, 3)], "is no equation"),
        ("ij->ij->", [(2, 3)], "is no equation"),
        ("...i->i", [(2, 3)], "needs '...'"),
        ("ii->i", [(2, 3)], "has sizes 2 and 3"),
        ("...i,...i->...", [(2, 3), (4, 3)], "under '...'"),
        ("...ijk->ijk", [(2, 3)], "names 3 axes"),
    ],
)
def test_malformed(equation, shapes, message):
    with pytest.raises(ValueError, match=message):
        tf.einsum(equation, *(tf.placeholder(tf.float32, shape) for shape in shapes))


def test_other_errors():
    a, b = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float64, [3, 4])
    with pytest.raises(TypeError):
        tf.einsum("ij,jk->ik", a, b)
    with pytest.raises(TypeError, match="unknown keyword arguments foo"):
        tf.einsum("ij->ji", a, foo=1)
    with pytest.raises(ValueError, match="known rank"):
        tf.einsum("...i->...i", tf.placeholder(tf.float32))
    x = tf.placeholder(tf.float32, [None, None])
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.einsum("ij,jk->ik", x, x), {x: np.ones((2, 3))})
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.einsum("ii->i", x), {x: np.ones((2, 3))})


# ------------------------------------------------------------------------------------- tensordot

PAIRS = [
    ((2, 3), (3, 4), 1),
    ((2, 3), (4, 5), 0),
    ((2, 3, 4), (3, 4, 5), 2),
    ((2, 3), (2, 3), 2),
    ((2, 3, 5), (5, 4, 3), ([1, 2], [2, 0])),
    ((2, 3, 5), (5, 4, 2), (-1, 0)),
    ((2, 3, 5), (5, 4, 3), (1, 2)),
    ((2, 3, 5), (5, 4, 3), ([-2], [-1])),
    ((3,), (3,), 1),
    ((), (3,), 0),
    ((2, 0), (0, 3), 1),
    ((0, 2), (2, 3), 1),
]


@pytest.mark.parametrize(("a", "b", "axes"), PAIRS)
@pytest.mark.parametrize("known", ["shapes", "ranks", "nothing"])
def test_tensordot(a, b, axes, known):
    rng = np.random.default_rng(0)
    arrays = [numbers(rng, a), numbers(rng, b)]
    shape = {"shapes": lambda x: x.shape, "ranks": lambda x: (None,) * x.ndim}.get(
        known, lambda x: None
    )
    feeds = {tf.placeholder(tf.float64, shape(x)): x for x in arrays}
    expected = np.tensordot(*arrays, axes)
    y = tf.tensordot(*feeds, axes)
    assert y.name == "Tensordot:0"
    if known == "shapes":
        assert y.shape == expected.shape
    value = run(y, feeds)
    assert value.shape == expected.shape
    np.testing.assert_array_equal(value, expected)


def test_tensordot_of_axes_in_a_tensor():
    rng = np.random.default_rng(0)
    a, b = numbers(rng, (2, 3, 5)), numbers(rng, (5, 4, 3))
    pairs = np.array([[1, 2], [2, 0]], np.int32)
    expected = np.tensordot(a, b, pairs)
    y = tf.tensordot(a, b, tf.constant(pairs))
    assert y.shape == expected.shape
    np.testing.assert_array_equal(run(y), expected)
    fed = tf.placeholder(tf.int32, [2, 2])
    np.testing.assert_array_equal(run(tf.tensordot(a, b, fed), {fed: pairs}), expected)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (-1, "at least 0"),
        (3, "axes=3 needs as many axes"),
        ([[0, 1], [0]], "pairs 2 axes of a with 1 of b"),
        ([1, 2, 3], "have length 2"),
        ([[2], [0]], r"axis 2 of a is not in \[-2, 2\)"),
        ([[0, 0], [0, 1]], "name an axis twice"),
    ],
)
def test_tensordot_errors(axes, message):
    with pytest.raises(ValueError, match=message):
        tf.tensordot(tf.ones([2, 3]), tf.ones([3, 4]), axes)


def test_tensordot_of_unequal_sizes():
    with pytest.raises(ValueError, match="inner sizes differ"):
        tf.tensordot(tf.ones([2, 3]), tf.ones([4, 4]), 1)

"""Shapes: Dims against NumPy; TensorShape and Dimension against TensorFlow's behaviour."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import shapes
from flowgraph.shapes import ShapeError
from flowgraph.tensor_shape import as_dims

D, S = tf.Dimension, tf.TensorShape

sizes = st.integers(0, 4)
known = st.lists(sizes, max_size=4).map(tuple)


@st.composite
def hidden(draw, dims):
    """``dims`` with some sizes unknown, or all of it."""
    if draw(st.integers(0, 9)) == 0:
        return None
    return tuple(None if draw(st.booleans()) else d for d in dims)


# ------------------------------------------------------------------------------------------ Dims


@given(known, known)
def test_broadcast_is_numpys(a, b):
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            shapes.broadcast(a, b)
    else:
        assert shapes.broadcast(a, b) == expected


@given(st.data())
def test_broadcast_of_unknown_sizes_allows_the_truth(data):
    a = data.draw(known)
    b = tuple(data.draw(st.sampled_from([1, d])) for d in a[data.draw(st.integers(0, len(a))) :])
    truth = np.broadcast_shapes(a, b)
    result = shapes.broadcast(data.draw(hidden(a)), data.draw(hidden(b)))
    assert shapes.is_compatible(result, truth)


def test_broadcast_is_as_sharp_as_possible():
    assert shapes.broadcast((None, 3), (5, 3)) == (5, 3)
    assert shapes.broadcast((None, 3), (1, 3)) == (None, 3)
    assert shapes.broadcast((None,), (None,)) == (None,)
    assert shapes.broadcast((None, 1), (4,)) == (None, 4)
    assert shapes.broadcast(None, (4,)) is None
    assert shapes.broadcast_all([]) == () and shapes.broadcast_all([(2, 1), (3,), ()]) == (2, 3)


@given(st.data())
def test_merge_keeps_what_either_knows(data):
    truth = data.draw(known)
    a, b = data.draw(hidden(truth)), data.draw(hidden(truth))
    merged = shapes.merge(a, b)
    assert shapes.is_compatible(merged, truth) and merged == shapes.merge(b, a)
    if a is not None and b is not None:
        for x, y, m in zip(a, b, merged, strict=True):
            assert m == (y if x is None else x)


@given(known, known)
def test_compatible_iff_merge_works(a, b):
    assert shapes.is_compatible(a, b) == (a == b)
    if a != b:
        with pytest.raises(ShapeError, match="not compatible"):
            shapes.merge(a, b)


@given(known, st.data())
def test_reduce_is_numpys(dims, data):
    axes = data.draw(
        st.none() | st.lists(st.integers(-len(dims), len(dims) - 1)) if dims else st.none()
    )
    if axes is None:
        axes = range(len(dims))
    keep = data.draw(st.booleans())
    positive = tuple({axis % len(dims) for axis in axes}) if dims else ()
    expected = np.zeros(dims).sum(axis=positive, keepdims=keep).shape
    assert shapes.reduce_dims(dims, axes, keep) == expected


def test_reduce_with_unknowns():
    assert shapes.reduce_dims((None, 3), [1], False) == (None,)
    assert shapes.reduce_dims((2, 3), None, True) == (None, None)
    assert shapes.reduce_dims((2, 3), None, False) is None
    assert shapes.reduce_dims(None, [0], True) is None


def test_axes():
    assert shapes.normalize_axes(None, 3) == (0, 1, 2)
    assert shapes.normalize_axes(-1, 3) == (2,) and shapes.normalize_axes([2, -1, 0], 3) == (0, 2)
    with pytest.raises(ShapeError, match="axis 3 is out of range for rank 3"):
        shapes.normalize_axis(3, 3)
    with pytest.raises(ShapeError, match="scalar"):
        shapes.normalize_axis(0, 0)


def test_formats_and_small_helpers():
    assert shapes.format_dims((None, 3)) == "[?, 3]" and shapes.format_dims(None) == "<unknown>"
    assert [shapes.format_tuple(d) for d in ((), (3,), (None, 3))] == ["()", "(3,)", "(?, 3)"]
    assert shapes.num_elements((2, 3)) == 6 and shapes.num_elements(()) == 1
    assert shapes.num_elements((2, None)) is None and shapes.num_elements(None) is None
    assert shapes.with_rank(None, 2) == (None, None) and shapes.with_rank((1, 2), 2) == (1, 2)
    assert shapes.merge_size(None, 3) == 3 == shapes.merge_size(3, 3)
    for wrong in (lambda: shapes.with_rank((1,), 2), lambda: shapes.merge_size(2, 3)):
        with pytest.raises(ShapeError):
            wrong()
    assert as_dims([D(None), np.int64(3)]) == (None, 3) and as_dims(3) == (3,)


# ------------------------------------------------------------------------------------- Dimension


def test_dimension_arithmetic_and_comparison():
    assert repr(D(7) // D(2)) == "Dimension(3)" and repr(5 - D(3)) == "Dimension(2)"
    assert (D(3) + D(None)).value is None and (D(None) * 0).value is None
    assert (D(7) % 4).value == 3 and (2 * D(3)).value == 6 and (7 // D(2)).value == 3
    assert (D(3) == None) is None and (D(None) == 3) is None and (D(None) != 3) is None  # noqa: E711
    assert (D(3) < D(None)) is None and D(3) == 3 and D(3) != 4 and D(2) < 3 <= D(3)
    assert (D(3) == "a") is False
    with pytest.raises(TypeError, match="use //"):
        D(3) / 2
    with pytest.raises(TypeError):
        hash(D(3))


def test_dimension_construction_and_conversion():
    assert str(D(None)) == "?" and str(D(3)) == "3" and int(D(3)) == 3 and range(4)[D(2)] == 2
    assert D(np.int64(3)).value == 3 and D(D(4)).value == 4
    for wrong, error in ((-1, ValueError), ("a", TypeError), (1.5, TypeError)):
        with pytest.raises(error):
            D(wrong)
    with pytest.raises(TypeError):
        int(D(None))
    assert D(2).merge_with(None).value == 2 and D(None).merge_with(2).value == 2
    with pytest.raises(ValueError, match="not compatible"):
        D(2).merge_with(3)
    assert tf.dimension_value(D(3)) == 3 == tf.dimension_value(3)
    assert pickle.loads(pickle.dumps(D(3))).value == 3


# ------------------------------------------------------------------------------------ TensorShape


def test_printing():
    assert repr(S([None, 3])) == "TensorShape([Dimension(None), Dimension(3)])"
    assert str(S([None, 3])) == "(?, 3)" and str(S([3])) == "(3,)" and str(S([])) == "()"
    assert repr(S(None)) == "TensorShape(None)" and str(S(None)) == "<unknown>"


def test_reading():
    shape = S([None, 3])
    assert shape.as_list() == [None, 3] and shape.ndims == shape.rank == len(shape) == 2
    assert [d.value for d in shape] == [None, 3] and shape[1].value == 3 and shape[-2].value is None
    assert repr(shape[1:]) == "TensorShape([Dimension(3)])" and shape.dims[1].value == 3
    assert not shape.is_fully_defined() and S([2, 3]).num_elements() == 6
    assert shape.num_elements() is None and S(3).as_list() == [3] and S(S([1])).as_list() == [1]
    assert S(None).ndims is None and S(None).dims is None and not S(None) and S([])
    for wrong in (S(None).as_list, lambda: len(S(None)), lambda: list(S(None))):
        with pytest.raises(ValueError, match="unknown TensorShape"):
            wrong()
    with pytest.raises(IndexError):
        S([2, 3])[5]


def test_slices_of_unknown_shapes():
    assert repr(S(None)[1]) == "Dimension(None)" and S(None)[1:].ndims is None
    assert S(None)[1:3].ndims == 2 and S(None)[:-1].ndims is None


def test_equality():
    assert S([1]) == [1] and S([1]) == (1,) and S([1]) != S([2]) and S(None) == S(None)
    assert S([1]) != S([None]) and S([1]) != "a" and S([1]) != None and S(None) == None  # noqa: E711
    assert hash(S([1, 2])) == hash(S((1, 2))) and copy.deepcopy(S([1, None])) == S([1, None])


def test_combining():
    assert (
        str(S([None, 2]).merge_with([1, None])) == "(1, 2)"
        and str(S(None).merge_with([1])) == "(1,)"
    )
    assert (
        str(S([1]) + [2]) == "(1, 2)" == str([1] + S([2]))
        and S([1]).concatenate(None).ndims is None
    )
    assert str(S([1, 2]).most_specific_compatible_shape([1, 3])) == "(1, ?)"
    assert S([1]).most_specific_compatible_shape([1, 2]).ndims is None
    assert str(S(None).with_rank(2)) == "(?, ?)" and str(tf.unknown_shape(1)) == "(?,)"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: S([1, 2]).merge_with([1, 3]), r"Shapes \(1, 2\) and \(1, 3\) are not compatible"),
        (lambda: S([1]).with_rank(2), r"Shape \(1,\) must have rank 2"),
        (lambda: S([1]).with_rank_at_least(2), "must have rank at least 2"),
        (lambda: S([1]).with_rank_at_most(0), "must have rank at most 0"),
        (lambda: S([None]).assert_is_fully_defined(), "is not fully defined"),
        (lambda: S([1]).assert_is_compatible_with([2]), "are incompatible"),
        (lambda: S([1]).assert_same_rank([1, 2]), "must have the same rank"),
        (lambda: S([-1]), "must be >= 0"),
    ],
)
def test_value_errors(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()


def test_text_is_no_shape():
    with pytest.raises(TypeError):
        S("a")


@given(st.data())
def test_compatibility_is_symmetric_and_reflexive(data):
    a, b = (data.draw(st.none() | st.lists(st.none() | sizes, max_size=3)) for _ in "ab")
    assert S(a).is_compatible_with(a) and S(a).is_compatible_with(b) == S(b).is_compatible_with(a)
    exists = (
        a is None
        or b is None
        or (
            len(a) == len(b)
            and all(
                any(x in (None, k) and y in (None, k) for k in range(6))
                for x, y in itertools.zip_longest(a, b)
            )
        )
    )
    assert S(a).is_compatible_with(b) == exists

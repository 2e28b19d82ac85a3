"""tf.nest: what TensorFlow's takes apart, in its order."""

from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf

Pair = namedtuple("Pair", "b a")

nests = st.recursive(
    st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda p: Pair(*p))
    ),
    max_leaves=8,
)


@given(nests)
def test_flatten_and_pack(nest):
    leaves = tf.nest.flatten(nest)
    packed = tf.nest.pack_sequence_as(nest, leaves)
    assert packed == nest
    assert type(packed) is type(nest)
    assert tf.nest.map_structure(lambda x: x, nest) == nest
    tf.nest.assert_same_structure(nest, packed)


def test_order_and_leaves():
    assert tf.nest.flatten({"b": 1, "a": [2, (3, Pair(4, 5))]}) == [2, 3, 4, 5, 1]
    assert tf.nest.flatten("x") == ["x"] and tf.nest.flatten(None) == [None]
    assert tf.nest.flatten([]) == []
    assert len(tf.nest.flatten(np.ones(2))) == 1
    ordered = OrderedDict([("z", 1), ("a", 2)])
    assert tf.nest.flatten(ordered) == [2, 1]
    assert list(tf.nest.pack_sequence_as(ordered, [20, 10]).items()) == [("z", 10), ("a", 20)]
    packed = tf.nest.pack_sequence_as(defaultdict(list, a=1), [2])
    assert packed["a"] == 2 and packed["new"] == []
    x = tf.constant(1.0)
    assert tf.nest.flatten([x, {"k": x}]) == [x, x]


def test_errors():
    with pytest.raises(ValueError, match="has 2 leaves"):
        tf.nest.pack_sequence_as([1, 2], [1])
    with pytest.raises(ValueError, match="has 1 leaves"):
        tf.nest.pack_sequence_as(1, [1, 2])
    with pytest.raises(TypeError, match="must be a list"):
        tf.nest.pack_sequence_as(1, 1)
    with pytest.raises(ValueError, match="number of elements"):
        tf.nest.assert_same_structure([1, 2], [1])
    with pytest.raises(TypeError, match="a list"):
        tf.nest.assert_same_structure([1, 2], (1, 2))
    tf.nest.assert_same_structure([1, 2], (1, 2), check_types=False)
    with pytest.raises(ValueError, match="same keys"):
        tf.nest.assert_same_structure({"a": 1}, {"b": 1})
    with pytest.raises(ValueError, match="same structure"):
        tf.nest.assert_same_structure(1, [1])
    with pytest.raises(TypeError, match="callable"):
        tf.nest.map_structure(3, [1])
    with pytest.raises(ValueError, match="unknown keyword"):
        tf.nest.map_structure(abs, [1], foo=1)
    assert tf.nest.map_structure(
        lambda a, b: a + b, {"x": [1]}, {"x": (2,)}, check_types=False
    ) == {"x": [3]}

"""dtypes: interning, names, TensorFlow's numbers, conversion."""

import copy
import pickle

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import dtypes

# (name, TensorFlow's enum number, bytes), as TensorFlow 2.21's compat.v1 reports them.
TABLE = [
    ("float16", 19, 2), ("float32", 1, 4), ("float64", 2, 8),
    ("int8", 6, 1), ("int16", 5, 2), ("int32", 3, 4), ("int64", 9, 8),
    ("uint8", 4, 1), ("uint16", 17, 2), ("uint32", 22, 4), ("uint64", 23, 8),
    ("bool", 10, 1), ("string", 7, 0), ("complex64", 8, 8), ("complex128", 18, 16),
]  # fmt: skip


@pytest.mark.parametrize(("name", "number", "size"), TABLE)
def test_each_dtype(name, number, size):
    dtype = getattr(tf, name)
    assert dtype.name == name and repr(dtype) == f"tf.{name}" and str(dtype) == f"<dtype: '{name}'>"
    assert dtype.as_datatype_enum == number and dtype.size == size
    ref = dtype._as_ref
    assert ref.name == name + "_ref" and ref.is_ref and ref.base_dtype is dtype and ref != dtype
    assert ref._as_ref is ref and dtype.base_dtype is dtype and ref.as_datatype_enum == number + 100
    for spelling in (name, number, dtype, dtype.np, dtype.as_numpy_dtype, np.dtype(dtype.np)):
        assert tf.as_dtype(spelling) is dtype
    assert tf.DType(number) is dtype and getattr(tf.dtypes, name) is dtype
    assert copy.deepcopy(dtype) is dtype and pickle.loads(pickle.dumps(ref)) is ref


def test_python_types_and_aliases():
    assert tf.as_dtype(float) is tf.float32  # as TensorFlow: Python's float is float32
    assert tf.as_dtype(bool) is tf.bool
    assert tf.as_dtype("half") is tf.half is tf.float16 and tf.as_dtype("double") is tf.double
    assert tf.as_dtype("float") is tf.float32
    assert tf.as_dtype(np.dtype(">f4")) is tf.float32
    assert tf.as_dtype(np.dtype("S3")) is tf.as_dtype(np.dtype("U3")) is tf.string


@pytest.mark.parametrize("wrong", [None, "foo", [], {}, object(), np.datetime64, 9999])
def test_what_is_no_dtype(wrong):
    with pytest.raises(TypeError, match="DType"):
        tf.as_dtype(wrong)


def test_equality_is_with_anything_that_means_the_same():
    assert tf.float32 == "float32" and tf.float32 == np.float32 and tf.float32 == float
    assert tf.float32 != "foo" and tf.float32 != None and tf.float32 != tf.float32._as_ref  # noqa: E711
    assert hash(tf.float32) == 1
    assert len({tf.float32, tf.as_dtype("float32"), tf.int32}) == 2


def test_kinds_and_limits():
    kinds = {name: getattr(tf, name) for name, _, _ in TABLE}
    assert {n for n, d in kinds.items() if d.is_floating} == dtypes.FLOAT
    assert {n for n, d in kinds.items() if d.is_integer} == dtypes.INT
    assert {n for n, d in kinds.items() if d.is_unsigned} == dtypes.UNSIGNED
    assert {n for n, d in kinds.items() if d.is_complex} == dtypes.COMPLEX
    assert set(kinds) == dtypes.ALL
    assert tf.int8.min == -128 and tf.uint16.max == 65535 and tf.float32.max == np.finfo("f4").max
    assert tf.float32.limits == (0, 1) and tf.uint8.limits == (0, 255) and tf.bool.limits == (0, 1)
    assert tf.complex64.real_dtype is tf.float32 and tf.int32.real_dtype is tf.int32
    with pytest.raises(TypeError):
        tf.string.min
    with pytest.raises(ValueError):
        tf.string.limits


def test_compatibility_with_references():
    assert tf.float32.is_compatible_with(tf.float32._as_ref)
    assert not tf.float32._as_ref.is_compatible_with(tf.float32)
    assert not tf.float32.is_compatible_with(tf.float64)

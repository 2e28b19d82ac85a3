"""Values become tensors, dtypes are adopted and checked, mistakes are shown at the user's line."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.graph.apply import OpView, apply_op, call
from flowgraph.graph.opdef import OPDEFS
from flowgraph.graph.static import constant_value, constant_value_as_dims
from flowgraph.graph.verify import verify


def value_of(x):
    assert x.op.type == "Const"
    return x.op.get_attr("value")


# ---------------------------------------------------------------------------------- conversion

# What TensorFlow makes of a value without dtype.
NATURAL = [
    (1, "int32", 1), (2**40, "int64", 2**40), (1.5, "float32", 1.5), (True, "bool", True),
    (1j, "complex128", 1j), ("a", "string", b"a"), (b"a", "string", b"a"),
    ([1, 2.5], "float32", [1, 2.5]), ([True, 2], "int32", [1, 2]), ([], "float32", []),
    (np.float64(1), "float64", 1), (np.array([1.5]), "float64", [1.5]),
    (np.float16(1), "float16", 1),
    ([np.float64(1.5)], "float32", [1.5]), (np.array([1, 2], np.uint32), "uint32", [1, 2]),
    (np.array([1, 2], ">i4"), "int32", [1, 2]), (np.array(["a", "bc"]), "string", [b"a", b"bc"]),
    (["ä", b"b"], "string", ["ä".encode(), b"b"]), ((1, 2), "int32", [1, 2]),
    (1e40, "float32", np.inf),
    (tf.TensorShape([2, 3]), "int32", [2, 3]), (tf.Dimension(3), "int32", 3),
    ([[1], [2]], "int32", [[1], [2]]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "dtype", "expected"), NATURAL, ids=repr)
def test_natural_dtype(value, dtype, expected):
    with np.errstate(over="ignore"):
        x = tf.convert_to_tensor(value)
    assert x.dtype.name == dtype
    np.testing.assert_array_equal(value_of(x), np.array(expected, x.dtype.np))
    assert x.shape.as_list() == list(np.shape(expected))


GIVEN = [
    (1, "float32", 1), (True, "int32", 1), (np.array([1.9, -1.9]), "int32", [1, -1]),
    (np.float64(1.5), "int32", 1), (np.array(300), "uint8", 44), ([], "int64", []),
    (1, "complex64", 1),
    (tf.TensorShape([2]), "int64", [2]), (2, "float16", 2),
]  # fmt: skip


@pytest.mark.parametrize(("value", "dtype", "expected"), GIVEN, ids=repr)
def test_given_dtype(value, dtype, expected):
    x = tf.convert_to_tensor(value, dtype)
    assert x.dtype.name == dtype
    np.testing.assert_array_equal(value_of(x), np.array(expected, x.dtype.np))


REFUSED = [
    (None, None, ValueError, "None"), ([None], None, ValueError, "None"),
    ([[1, 2], [3]], None, ValueError, "ragged"),
    ({}, None, TypeError, "cannot become a tensor"), (object(), None, TypeError, "cannot become"),
    (["a", 1], None, TypeError, "expected string, got 1"),
    (2**70, None, TypeError, "no dtype holds"),
    (1.5, "int32", TypeError, "expected int32, got 1.5 of type 'float'"),
    (1, "bool", TypeError, "expected bool"),
    (1j, "float32", TypeError, "expected float32"), ("a", "float32", TypeError, "expected float32"),
    (np.array(["a"]), "float32", TypeError, "expected float32"),
    (np.ones(2), "string", TypeError, "expected string"),
    (tf.TensorShape([2, None]), None, ValueError, "not known completely"),
    (tf.Dimension(None), None, ValueError, "unknown Dimension"),
    (tf.TensorShape([2]), "float32", TypeError, "int"),
    (np.datetime64("2020"), None, TypeError, "DType"),
    (tf.float32, None, TypeError, "cannot become"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "dtype", "error", "text"), REFUSED, ids=repr)
def test_refused_values(value, dtype, error, text):
    with pytest.raises(error, match=text):
        tf.convert_to_tensor(value, dtype)


def test_tensors_convert_to_themselves():
    x = tf.constant([1.0])
    assert tf.convert_to_tensor(x) is x and tf.convert_to_tensor(x, tf.float32) is x
    assert tf.convert_to_tensor(x, preferred_dtype=tf.int32) is x
    with pytest.raises(
        ValueError, match=r"(?s)int32 is needed.*'Const:0'.*test_apply.py:\d+\n.*fix: .*tf.cast"
    ):
        tf.convert_to_tensor(x, tf.int32)
    with pytest.raises(TypeError, match="is no tensor: use one of its outputs"):
        tf.convert_to_tensor(x.op)


def test_hints():
    assert tf.convert_to_tensor(1, preferred_dtype=tf.float32).dtype is tf.float32
    assert tf.convert_to_tensor(1.5, dtype_hint=tf.int32).dtype is tf.float32


def test_lists_with_tensors_are_packed():
    f = tf.constant([1.0, 2.0])
    x = tf.convert_to_tensor([f[0], 1])
    assert x.op.type == "Pack" and x.name == "packed:0" and x.dtype is tf.float32 and x.shape == [2]
    assert tf.convert_to_tensor([f, [1, 2]]).shape == [2, 2]
    assert tf.convert_to_tensor([[f[0], 1], [2, f[1]]]).shape == [2, 2]
    v = tf.Variable([1.0, 2.0])
    assert tf.convert_to_tensor([v, v]).shape == [2, 2]
    assert tf.negative([f, f]).op.inputs[0].name == "Neg/x:0"
    with pytest.raises(TypeError, match="float64"):
        tf.convert_to_tensor([f[0], tf.constant(1.0, tf.float64)])


def test_constants_are_copies_and_read_only():
    array = np.zeros(3)
    x = tf.constant(array)
    array[0] = 1
    assert value_of(x)[0] == 0
    with pytest.raises(ValueError):
        value_of(x)[0] = 1


class Money:
    def __init__(self, cents):
        self.cents = cents


def test_registered_conversion():
    tf.register_tensor_conversion_function(
        Money,
        lambda value, dtype=None, name=None, as_ref=False: tf.constant(
            value.cents, dtype, name=name
        ),
    )
    assert value_of(tf.convert_to_tensor(Money(3))) == 3
    assert (tf.constant(1.5) + tf.convert_to_tensor(Money(3), tf.float32)).dtype is tf.float32
    tf.register_tensor_conversion_function(Money, lambda v, **kwargs: NotImplemented, priority=1)
    assert value_of(tf.convert_to_tensor(Money(4))) == 4
    for wrong in ((3, lambda: 0), (Money, 3)):
        with pytest.raises(TypeError):
            tf.register_tensor_conversion_function(*wrong)


# ------------------------------------------------------------------------------- dtype adoption


@pytest.mark.parametrize(
    "plain", [1, 1.5, True, [1, 2], np.float64(2), np.array([1.0, 2.0])], ids=repr
)
def test_plain_values_adopt_the_tensors_dtype(plain):
    for dtype in (tf.float32, tf.float64, tf.float16):
        x = tf.placeholder(dtype, [2])
        for z in (x + plain, plain + x, tf.add(x, plain), tf.add(plain, x), tf.maximum(plain, x)):
            assert z.dtype is dtype and z.shape == [2]


def test_integers_take_arrays_but_no_floats():
    i = tf.placeholder(tf.int32, [2], name="i")
    assert (i + np.array([1.5, 2.5])).dtype is tf.int32  # an array is cast, as in TensorFlow
    assert (i + True).dtype is tf.int32
    for wrong in (lambda: i + 1.5, lambda: tf.add(1.5, i), lambda: tf.add(i, [1.5, 2])):
        with pytest.raises(
            TypeError, match=r"must be int32: expected int32, got 1.5 of type 'float'"
        ):
            wrong()


def test_dtype_defaults():
    f = tf.placeholder(tf.float32, [2, 3])
    assert call.Reshape(tf.placeholder(tf.float32, [1]), []).shape == []
    with pytest.raises(TypeError, match="'shape' cannot be float32; it takes int32, int64"):
        call.Reshape(f, [1.5])


MISMATCHES = [
    (lambda f, d, i, b: f + d, r"'y' is float64, but 'x' is float32: dtypes are not promoted"),
    (lambda f, d, i, b: i + f, r"'y' is float32, but 'x' is int32"),
    (lambda f, d, i, b: tf.add_n([f, i]), r"'inputs\[1\]' is int32, but 'inputs\[0\]' is float32"),
    (lambda f, d, i, b: tf.logical_not(f), r"'x' must be bool, not float32"),
    (lambda f, d, i, b: tf.logical_and(b, 1), r"'y' must be bool: expected bool, got 1"),
    (lambda f, d, i, b: tf.exp(i), r"'x' cannot be int32; it takes "),
    (lambda f, d, i, b: tf.exp(3), r"'x' cannot be int32; it takes "),
    (lambda f, d, i, b: tf.matmul(b, b), r"'a' cannot be bool"),
    (lambda f, d, i, b: f + "a", r"'y' must be float32: expected float32, got 'a'"),
]


@pytest.mark.parametrize(("wrong", "text"), MISMATCHES)
def test_dtype_errors(wrong, text):
    f, d = tf.placeholder(tf.float32, [2], name="f"), tf.placeholder(tf.float64, [2], name="d")
    i, b = tf.placeholder(tf.int32, [2], name="i"), tf.placeholder(tf.bool, [2], name="b")
    with pytest.raises(TypeError, match=text) as caught:
        wrong(f, d, i, b)
    assert re.search(r"op +=  ?'.*made at test_apply.py:\d+", str(caught.value))


# --------------------------------------------------------------------------------- the messages


def test_shape_error_shows_all_lines():
    x = tf.placeholder(tf.float32, [3, 4], name="x")
    y = tf.placeholder(tf.float32, [5], name="y")
    here = x.op.site[1]
    with pytest.raises(ValueError) as caught:
        tf.multiply(x, y, name="z")
    headline, *rest = str(caught.value).splitlines()
    assert headline == (
        "Mul: shapes [3, 4] and [5] do not broadcast: aligned from the right, "
        "sizes must be equal or 1"
    )
    assert rest[:3] == [
        f"  x   = 'x:0'  float32[3, 4]   made at test_apply.py:{here}",
        f"  y   = 'y:0'  float32[5]      made at test_apply.py:{here + 1}",
        f"  op  = 'z'                    made at test_apply.py:{here + 4}",
    ]


def test_dtype_error_shows_values_and_fix():
    i = tf.placeholder(tf.int32, [2], name="i")
    with pytest.raises(TypeError) as caught:
        i * 1.5
    assert "  y   = 1.5    float\n" in str(caught.value)
    with pytest.raises(TypeError, match=r"fix: convert it, e.g. tf.cast\(y, tf.int32\)"):
        tf.add(i, tf.constant(1.5))


def test_values_that_are_no_tensors():
    x = tf.placeholder(tf.float32, [4])
    for wrong, error, text in [
        (lambda: tf.reshape(x, [2, "a"]), TypeError, "Reshape: 'shape': expected string, got 2"),
        (lambda: tf.add(x, [[1, 2], [3]]), ValueError, "AddV2|Add: 'y': .*ragged"),
        (lambda: tf.add(x, [None]), ValueError, "Add: 'y': None cannot become a tensor"),
    ]:
        with pytest.raises(error, match=text + r"[^\n]*\n.*\n? *op .*test_apply.py"):
            wrong()
    with pytest.raises(TypeError, match="'flot32' to a flowgraph DType; did you mean 'float32'"):
        tf.cast(x, "flot32")


def test_wrong_calls():
    x = tf.constant(1.0)
    for wrong, text in [
        (lambda: apply_op("Addd", x, x), "no op type 'Addd'; did you mean 'Add'"),
        (lambda: call.Add(x), r"Add takes 2 input\(s\) \(x, y\), 1 were given"),
        (
            lambda: call.MatMul(x, x, transpose_aa=True),
            "no attr 'transpose_aa'; did you mean 'transpose_a'",
        ),
        (
            lambda: call.MatMul(x, x, transpose_a="yes"),
            "attr 'transpose_a' must be a bool, got 'yes'",
        ),
        (lambda: call.Placeholder(), "attr 'dtype' .type. must be given"),
        (lambda: call.Placeholder(dtype="foo"), "attr 'dtype' must be a type, got 'foo'"),
        (lambda: call.AddN(x), "must be a list of tensors"),
        (lambda: call.Assign(x, x), "'ref' must be a variable"),
        (lambda: call.Assign(3, x), "'ref' must be a variable, got 3"),
    ]:
        with pytest.raises(TypeError, match=text):
            wrong()
    with pytest.raises(ValueError, match="'y' is None"):
        tf.add(x, None)


def test_a_failed_call_leaves_a_sound_graph():
    x, y = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.float32, [4])
    for wrong in (lambda: tf.add(x, y), lambda: tf.add(x, [1.0, 2.0])):
        with pytest.raises(ValueError):
            wrong()
    verify(x.graph)
    assert x.graph.get_name_scope() == "" and tf.add(x, x).shape == [3]


def test_results_follow_the_signature():
    x = tf.constant([1.0, 2.0])
    assert isinstance(call.Add(x, x), tf.Tensor)
    assert isinstance(call.NoOp(), tf.Operation)
    parts = call.Split(0, x, num_split=2)
    assert isinstance(parts, list) and [p.value_index for p in parts] == [0, 1]


def test_lists_of_mixed_dtypes():
    y = call.IdentityN([tf.constant(1.0), tf.constant(2), "a", True])
    assert [t.dtype.name for t in y] == ["float32", "int32", "string", "bool"]
    assert y[0].op.get_attr("T") == [tf.float32, tf.int32, tf.string, tf.bool]
    with pytest.raises(TypeError, match=r"'input\[1\]' must be int32: expected int32, got 1.5"):
        call.IdentityN([1.0, 1.5], T=[tf.float32, tf.int32])


def test_op_view_names_arguments():
    x = tf.placeholder(tf.float32, [2, 3])
    y = tf.matmul(x, x, transpose_b=True)
    view = OpView(y.op, OPDEFS["MatMul"])
    assert view.a is x and view.b is x and view.product is y and view.attrs["transpose_b"]
    stacked = tf.stack([x, x, x])
    assert OpView(stacked.op, OPDEFS["Pack"]).values == [x, x, x]
    with pytest.raises(AttributeError, match="no argument 'prodct'; did you mean 'product'"):
        view.prodct


# ---------------------------------------------------------------------------------- static values


def dims(x):
    return constant_value_as_dims(tf.convert_to_tensor(x))


def test_shapes_seen_through_operations():
    x = tf.placeholder(tf.float32, [None, 28, 3])
    s = tf.shape(x)
    assert dims(s) == (None, 28, 3) and constant_value(s) is None
    assert dims(tf.stack([s[0], 12])) == (None, 12)
    assert dims([s[0], s[1] * s[2]]) == (None, 84)
    assert dims(tf.concat([s[:1], [7], s[2:]], 0)) == (None, 7, 3)
    assert constant_value(s[1]) == 28 and constant_value(tf.cast(s[1], tf.int64) + 2) == 30
    assert dims(s[::-1]) == (3, 28, None) and dims(s[-2:]) == (28, 3)
    assert tf.reshape(x, [-1, 28 * 3]).shape.as_list() == [None, 84]
    assert tf.reshape(x, tf.stack([s[0], s[1] * s[2]])).shape.as_list() == [None, 84]
    assert tf.zeros(tf.stack([s[0], 5])).shape.as_list() == [None, 5]
    assert constant_value(tf.size(tf.placeholder(tf.float32, [2, 3]))) == 6
    assert constant_value(tf.rank(x)) == 3
    unknown = tf.placeholder(tf.int32, [2])
    assert dims(unknown) == (None, None) and dims(tf.placeholder(tf.int32)) is None


def test_known_values_are_computed_by_the_reference():
    assert constant_value(tf.constant([1.5, 2.5]) * 2.0).tolist() == [3.0, 5.0]
    assert constant_value(tf.range(3) + 1).tolist() == [1, 2, 3]
    assert constant_value(tf.random_uniform([2])) is None if hasattr(tf, "random_uniform") else True
    assert constant_value(tf.Variable([1]) + 1) is None
    assert constant_value(tf.constant(1) // tf.constant(0)) is None  # an error of the run
    assert constant_value(tf.zeros([100, 100]) + 1.0) is None  # too large to be worth it


def test_long_chains_of_shape_arithmetic():
    n = tf.constant(0)
    for _ in range(3000):
        n = n + 1
    assert constant_value(n) is None  # only a bounded piece of the graph is looked at
    tf.reshape(tf.placeholder(tf.float32), tf.stack([n, 2]))  # and nothing recurses


@given(st.data())
def test_partial_values_agree_with_numpy(data):
    """Random shape arithmetic: what is known of it is true of every completion."""
    with tf.Graph().as_default():
        truth = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
        hide = [data.draw(st.booleans()) for _ in truth]
        x = tf.placeholder(tf.float32, [None if h else d for h, d in zip(hide, truth, strict=True)])
        symbolic, real = tf.shape(x), np.array(truth, np.int32)
        for _ in range(data.draw(st.integers(0, 4))):
            kind = data.draw(st.sampled_from(["slice", "pick", "add", "mul", "max", "concat"]))
            k = data.draw(st.integers(-3, 3))
            if kind == "slice":
                symbolic, real = symbolic[k:], real[k:]
            elif kind == "pick" and len(real):
                symbolic, real = tf.stack([symbolic[0], symbolic[-1]]), real[[0, -1]]
            elif kind == "add":
                symbolic, real = symbolic + k, real + k
            elif kind == "mul":
                symbolic, real = symbolic * k, real * k
            elif kind == "max":
                symbolic, real = tf.maximum(symbolic, k), np.maximum(real, k)
            elif kind == "concat":
                symbolic, real = tf.concat([symbolic, [k]], 0), np.append(real, k).astype(np.int32)
        found = constant_value(symbolic, partial=True)
        assert found is not None and len(found) == len(real)
        assert all(f is None or f == r for f, r in zip(found, real, strict=True))
        if not any(hide):
            assert constant_value(symbolic).tolist() == real.tolist()

"""get_variable, variable_scope and the initializers; names read off TensorFlow."""

import math

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config
from flowgraph.ops.initializers import fans


def run(x):
    with config.override(TARGET="reference"), tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x)


# ---------------------------------------------------------------------------------------- names


def test_variables_share_a_scope_but_operations_do_not():
    with tf.variable_scope("vs") as first:
        h = tf.get_variable("h", [2])
        assert h.name == "vs/h:0" and tf.constant(1, name="k").name == "vs/k:0"
        assert first.name == "vs" and first.original_name_scope == "vs/" and not first.reuse
    with tf.variable_scope("vs", reuse=True) as second:
        assert tf.get_variable("h", [2]) is h and tf.constant(1, name="k").name == "vs_1/k:0"
        assert tf.Variable(1.0, name="v").name == "vs_1/v:0"
        assert second.original_name_scope == "vs_1/" and second.reuse is True
    with tf.variable_scope(first) as third:
        assert third.original_name_scope == "vs/" and tf.constant(1, name="k").name == "vs_2/k:0"
    with tf.variable_scope(first, auxiliary_name_scope=False):
        assert tf.constant(1, name="k").name == "k:0"


def test_name_scopes_do_not_touch_get_variable():
    with tf.name_scope("ns"):
        assert tf.get_variable("g", [2]).name == "g:0"
        with tf.variable_scope("in") as inner:
            assert inner.original_name_scope == "ns/in/"
            assert (
                tf.get_variable("g", [2]).name == "in/g:0"
                and tf.constant(1).name == "ns/in/Const:0"
            )


def test_entering_a_scope_object_elsewhere():
    with tf.variable_scope("p"), tf.variable_scope("q") as pq:
        assert pq.name == "p/q" and pq.original_name_scope == "p/q/"
    with tf.variable_scope("w"), tf.variable_scope(pq) as again:
        assert again.name == "p/q" and again.original_name_scope == "p/q/"
        assert tf.get_variable("v", [1]).name == "p/q/v:0" and tf.constant(1).name == "w/q/Const:0"


def test_default_names_are_unique_within_a_block():
    seen = []

    def layer():
        with tf.variable_scope(None, "lay") as scope:
            seen.append(scope.name)

    layer()
    layer()
    with tf.variable_scope("p"):
        layer()
        layer()
    with tf.variable_scope("p") as p:
        layer()
    with tf.variable_scope(p):
        layer()
        with tf.variable_scope("lay"):
            pass
        layer()
    assert seen == ["lay", "lay_1", "p/lay", "p/lay_1", "p/lay", "p/lay", "p/lay_1"]


def test_empty_name():
    with tf.variable_scope("") as scope:
        assert scope.name == "" and tf.constant(1).name == "Const:0"
    with tf.variable_scope("a"), tf.variable_scope(""):
        assert tf.constant(1).name == "a/Const:0"


def test_a_tf_variable_of_the_same_name_comes_first():
    with tf.variable_scope("s"):
        assert (
            tf.Variable(1.0, name="y").name == "s/y:0"
            and tf.get_variable("y", []).name == "s/y_1:0"
        )


# ---------------------------------------------------------------------------------------- reuse


def test_reuse_is_inherited():
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        x = tf.get_variable("x", [2])
        assert tf.get_variable("x", [2]) is x is tf.get_variable("x")
        for inner in (False, None):
            with tf.variable_scope("b", reuse=inner):
                assert tf.get_variable_scope().reuse is tf.AUTO_REUSE
        with tf.variable_scope("b", reuse=True):
            assert tf.get_variable_scope().reuse is True
    with tf.variable_scope("a", reuse=True), tf.variable_scope("b", reuse=False):
        assert tf.get_variable_scope().reuse is True
    with tf.variable_scope("o") as o:
        pass
    with tf.variable_scope("r", reuse=True), tf.variable_scope(o):
        assert tf.get_variable_scope().reuse is False  # the object's own


def test_reuse_variables_sticks_to_the_object():
    with tf.variable_scope("c") as c:
        v = tf.get_variable("v", [1])
        c.reuse_variables()
        assert tf.get_variable("v", [1]) is v
    with tf.variable_scope(c), tf.variable_scope("d"):
        assert tf.get_variable_scope().reuse is True
    with tf.variable_scope("c"):
        assert tf.get_variable_scope().reuse is False


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: tf.get_variable("g", [2]), ValueError, r"'g' exists.*\n.*test_variable_scope.py"),
        (lambda: tf.get_variable("nope"), ValueError, "needs a shape or an initializer"),
        (
            lambda: tf.get_variable("x", [2], initializer=tf.zeros([2])),
            ValueError,
            "leave out shape",
        ),
        (lambda: tf.get_variable("x", [2], initializer=3), ValueError, "leave out shape"),
        (lambda: tf.get_variable("x", [None]), ValueError, "completely known shape"),
        (lambda: tf.get_variable("x", [2], tf.string), ValueError, "needs an initializer"),
        (
            lambda: tf.get_variable("x", dtype=tf.float32, initializer=tf.constant([1])),
            ValueError,
            "int32",
        ),
        (lambda: tf.get_variable(3, [1]), TypeError, "string"),
        (lambda: tf.variable_scope(3), TypeError, "takes a name or a VariableScope"),
        (lambda: tf.variable_scope(None), TypeError, "needs a name or a default_name"),
        (lambda: tf.variable_scope(None, "x", reuse=True), ValueError, "reuse=True"),
    ],
)
def test_errors(wrong, error, text):
    tf.get_variable("g", [2])
    with pytest.raises(error, match=text):
        wrong()


def test_errors_of_reuse():
    tf.get_variable("g", [2])
    tf.get_variable("gains", [2])
    with tf.variable_scope("", reuse=True):
        for arguments, text in [
            (("g", [3]), r"has shape \(2,\), not \(3,\)"),
            (("g", [2], tf.int32), "is float32, not int32"),
            (("gain", [2]), "no variable 'gain'.*did you mean 'gains'"),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match=text):
                tf.get_variable(*arguments)


def test_an_error_inside_leaves_the_scope():
    with pytest.raises(KeyError), tf.variable_scope("a", reuse=True):
        raise KeyError
    assert tf.get_variable_scope().name == "" and tf.get_variable("v", [1]).name == "v:0"


# ------------------------------------------------------------------------------------- defaults


def test_initial_values():
    assert run(tf.get_variable("a", initializer=3.0)) == 3
    assert tf.get_variable("b", initializer=[1, 2]).dtype.base_dtype is tf.int32
    assert tf.get_variable("c", initializer=np.zeros(2)).dtype.base_dtype is tf.float64
    assert run(tf.get_variable("d", [2], initializer=tf.zeros_initializer)).tolist() == [0, 0]
    assert run(tf.get_variable("e", initializer=lambda: tf.ones([3]))).tolist() == [1, 1, 1]
    old = lambda shape, dtype=None, partition_info=None: tf.ones(shape, dtype)
    assert run(tf.get_variable("f", [2], initializer=old)).tolist() == [1, 1]
    assert tf.get_variable("g", 3).shape == [3] and tf.get_variable("h/i", [1]).name == "h/i:0"
    for dtype in (tf.int32, tf.bool, tf.uint8):
        assert not run(tf.get_variable(f"z_{dtype.name}", [2], dtype)).any()
    glorot = run(tf.get_variable("w", [300, 200]))
    assert (
        abs(glorot).max() <= math.sqrt(6 / 500)
        and abs(glorot.std() / math.sqrt(2 / 500) - 1) < 0.02
    )
    assert tf.get_variable("w2", [2]).initial_value.name.startswith("w2/Initializer/random_uniform")


def test_scope_defaults():
    calls = []

    def regularizer(v):
        calls.append(v.name)
        return tf.reduce_sum(v)

    with tf.variable_scope(
        "d", initializer=tf.constant_initializer(3.0), regularizer=regularizer, dtype=tf.float64
    ) as d:
        z = tf.get_variable("z", [1])
        assert z.dtype.base_dtype is tf.float64 and run(z).tolist() == [3]
        with tf.variable_scope("e", regularizer=tf.no_regularizer):
            tf.get_variable("z", [1])
        assert tf.get_variable("t", [1], trainable=False) not in tf.trainable_variables()
        assert [v.name for v in d.global_variables()] == ["d/z:0", "d/e/z:0", "d/t:0"]
        assert [v.name for v in d.trainable_variables()] == ["d/z:0", "d/e/z:0"]
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert calls == ["d/z:0", "d/t:0"] and losses[0].name.startswith("d/z/Regularizer/")
    local = tf.get_local_variable("loc", [1])
    assert (
        tf.local_variables() == [local] and not local.trainable and tf.global_variables("loc") == []
    )


def test_custom_getters_nest():
    seen = []

    def getter(label):
        def custom(getter, name, *args, **kwargs):
            seen.append((label, name))
            return getter(name, *args, **kwargs)

        return custom

    with tf.variable_scope("f", custom_getter=getter("outer")):
        with tf.variable_scope("g", custom_getter=getter("inner")):
            tf.get_variable("q", [1])
    assert seen == [("inner", "f/g/q"), ("outer", "f/g/q")]


def test_set_defaults():
    with tf.variable_scope("r") as scope:
        scope.set_initializer(tf.ones_initializer())
        scope.set_dtype(tf.float64)
        u = tf.get_variable("u", [1])
        assert run(u).tolist() == [1] and u.dtype.base_dtype is tf.float64


# ---------------------------------------------------------------------------------- initializers


def test_fans():
    assert fans([3, 3, 4, 8]) == (36, 72) and fans([5, 7]) == (5, 7) and fans([7]) == (7, 7)
    assert fans([]) == (1, 1)


def test_constant_initializers():
    assert run(tf.zeros_initializer()([2, 3])).tolist() == [[0] * 3] * 2
    assert run(tf.ones_initializer(tf.int32)([2])).tolist() == [1, 1]
    assert run(tf.constant_initializer([1, 2])([2, 3])).tolist() == [[1, 2, 2], [2, 2, 2]]
    assert run(tf.constant_initializer([[1, 2], [3, 4]])([4])).tolist() == [1, 2, 3, 4]
    big = tf.zeros_initializer()([20, 20, 20])
    assert big.op.type == "Fill" and run(big).shape == (20, 20, 20)
    assert run(tf.initializers.identity(2.0)([2, 3])).tolist() == [[2, 0, 0], [0, 2, 0]]
    with pytest.raises(ValueError, match="7 values for 6 elements"):
        tf.constant_initializer(list(range(7)))([2, 3])
    with pytest.raises(TypeError, match="shape"):
        tf.constant_initializer(3, verify_shape=True)([2])
    with pytest.raises(TypeError, match="number, list or array"):
        tf.constant_initializer({})
    with pytest.raises(ValueError, match="matrices"):
        tf.initializers.identity()([2])


TRUNCATED = 0.87962566103423978
#: (initializer, shape, limit or None, standard deviation)
RANDOM = [
    (lambda: tf.random_uniform_initializer(-1, 2), [4000], 2, 3 / math.sqrt(12)),
    (lambda: tf.random_normal_initializer(0.0, 2.0), [4000], None, 2),
    (lambda: tf.truncated_normal_initializer(0.0, 2.0), [4000], 4, 2 * TRUNCATED),
    (lambda: tf.glorot_normal_initializer(), [60, 80], None, math.sqrt(2 / 140)),
    (
        lambda: tf.glorot_uniform_initializer(),
        [3, 3, 20, 40], math.sqrt(6 / 540), math.sqrt(2 / 540),
    ),
    (lambda: tf.initializers.he_normal(), [50, 100], None, math.sqrt(2 / 50)),
    (lambda: tf.initializers.lecun_uniform(), [50, 100], math.sqrt(3 / 50), math.sqrt(1 / 50)),
    (
        lambda: tf.uniform_unit_scaling_initializer(2.0),
        [50, 100], 2 * math.sqrt(3 / 50), 2 / math.sqrt(50),
    ),
    (
        lambda: tf.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal"),
        [50, 100], None, math.sqrt(3 / 100),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "limit", "stddev"), RANDOM)
def test_random_initializers(make, shape, limit, stddev):
    x = run(make()(shape))
    assert x.shape == tuple(shape) and x.dtype == np.float32
    assert limit is None or abs(x).max() <= limit
    assert abs(x.std() / stddev - 1) < 0.06


def test_seeds_and_configs():
    make = tf.glorot_uniform_initializer
    a, b, c = (run(make(seed=s)([5])) for s in (1, 1, 2))
    assert (a == b).all() and (a != c).any()
    assert make(seed=3).get_config() == {"seed": 3, "dtype": "float32"}
    again = make.from_config(make(seed=3).get_config())
    assert again.seed == 3 and again.distribution == "uniform"
    assert tf.constant_initializer(2.0).get_config() == {"value": 2.0, "dtype": "float32"}
    assert tf.zeros_initializer().get_config() == {"dtype": "float32"}
    assert run(make()([2], dtype=tf.float64)).dtype == np.float64


@pytest.mark.parametrize(
    "arguments", [{"scale": -1.0}, {"mode": "x"}, {"distribution": "x"}, {"dtype": tf.int32}]
)
def test_wrong_variance_scaling(arguments):
    with pytest.raises(ValueError, match="scale|mode|distribution|float"):
        tf.variance_scaling_initializer(**arguments)

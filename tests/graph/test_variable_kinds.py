"""Templates, partitioners, creators and the other choices about variables."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


def names() -> list[str]:
    return [v.name for v in tf.global_variables()]


def scaled(x):
    return x * tf.get_variable("w", [2])


def test_a_template_makes_its_variables_once():
    template = tf.make_template("net", scaled)
    assert template.variable_scope is None and template.variables == []
    first, second = template(1.0), template(1.0)
    assert (first.name, second.name) == ("net/mul:0", "net_1/mul:0")
    assert names() == ["net/w:0"]
    assert template.variable_scope_name == "net/"
    assert [v.name for v in template.trainable_variables] == ["net/w:0"]
    assert template.non_trainable_variables == []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([first, second])
    np.testing.assert_array_equal(a, b)


def test_templates_of_one_name_have_scopes_of_their_own():
    tf.make_template("net", scaled)(1.0)
    tf.make_template("net", scaled)(1.0)
    assert names() == ["net/w:0", "net_1/w:0"]
    tf.make_template("other", scaled, unique_name_="fixed")(1.0)
    assert names()[-1] == "fixed/w:0"


def test_a_template_takes_the_scope_of_its_first_call_or_of_its_making():
    late = tf.make_template("late", scaled)
    with tf.variable_scope("outer"):
        now = tf.make_template("now", scaled, create_scope_now_=True)
        late(1.0)
    now(1.0)
    assert names() == ["outer/late/w:0", "outer/now/w:0"]


def test_arguments_bound_to_a_template():
    template = tf.make_template("times", lambda x, scale: x * scale, scale=3.0)
    assert template(2.0) == 6.0


def test_later_calls_of_a_template_make_nothing():
    template = tf.make_template("bad", lambda: tf.Variable(1.0, name="b"))
    template()
    with pytest.raises(ValueError, match="made the trainable variables 'bad_1/b:0' in a later"):
        template()
    count = iter("xyz")
    other = tf.make_template("worse", lambda: tf.get_variable(next(count), [1]))
    other()
    with pytest.raises(ValueError, match="there is no variable 'worse/y'"):
        other()


@pytest.mark.parametrize(
    ("partitioner", "shape", "pieces"),
    [
        (tf.fixed_size_partitioner(3), [10, 4], [3, 1]),
        (tf.fixed_size_partitioner(3, axis=1), [10, 2], [1, 2]),
        (tf.variable_axis_size_partitioner(64), [10, 4], [3, 1]),
        (tf.variable_axis_size_partitioner(64, max_shards=2), [10, 4], [2, 1]),
        (tf.min_max_variable_partitioner(4, min_slice_size=64), [10, 4], [3, 1]),
        (tf.min_max_variable_partitioner(4, min_slice_size=64), [100, 40], [4, 1]),
        (tf.min_max_variable_partitioner(4, min_slice_size=64), [3, 400], [3, 1]),
    ],
)
def test_partitioners_count_as_tensorflows(partitioner, shape, pieces):
    assert partitioner(shape=tf.TensorShape(shape), dtype=tf.float32) == pieces


def test_partitioned_variables_are_refused():
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2)):
        with pytest.raises(ValueError, match=r"'s/w' would be cut into \[2, 1\] pieces"):
            tf.get_variable("w", [4, 3])
        assert tf.get_variable("one", [1, 3]).name == "s/one:0"
        assert tf.get_variable("scalar", []).name == "s/scalar:0"
    with pytest.raises(ValueError, match="cut into"):
        tf.create_partitioned_variables([4], [2], tf.zeros_initializer())
    (whole,) = tf.create_partitioned_variables([4], [1], tf.zeros_initializer())
    assert whole.name == "PartitionedVariable/part_0:0"
    with pytest.raises(ValueError, match="one number for each axis"):
        tf.create_partitioned_variables([4], [1, 1], tf.zeros_initializer())
    with pytest.raises(ValueError, match="must be positive"):
        tf.variable_axis_size_partitioner(0)
    with pytest.raises(ValueError, match="axis 2 is out of range"):
        tf.fixed_size_partitioner(2, axis=2)(shape=[4], dtype=tf.float32)


def test_creators_nest_innermost_first():
    calls = []

    def creator(mark):
        def create(next_creator, **arguments):
            calls.append(mark)
            arguments["name"] = arguments["name"] + mark
            return next_creator(**arguments)

        return create

    with tf.variable_creator_scope(creator("_a")), tf.variable_creator_scope(creator("_b")):
        v = tf.Variable(1.0, name="v")
        w = tf.get_variable("w", [2])
    assert calls == ["_b", "_a"] * 2
    assert (v.name, w.name) == ("v_b_a:0", "w_b_a:0")
    assert tf.Variable(1.0, name="plain").name == "plain:0"


def test_older_scopes():
    with tf.variable_op_scope([tf.constant(1.0)], None, "fallback") as scope:
        assert scope.name == "fallback"
        assert tf.get_variable("q", [1]).name == "fallback/q:0"
    with tf.op_scope([tf.constant(1.0)], "ops", "fallback") as scope:
        assert scope == "ops/"
    with tf.container("here") as name:
        assert name == "here"


def test_choices_are_kept():
    v = tf.Variable(1.0, aggregation=tf.VariableAggregation.SUM)
    assert v.aggregation is tf.VariableAggregation.SUM
    assert [a.name for a in tf.VariableSynchronization] == ["AUTO", "NONE", "ON_WRITE", "ON_READ"]
    tf.enable_resource_variables()
    assert tf.resource_variables_enabled()
    tf.disable_resource_variables()
    assert not tf.resource_variables_enabled()


def test_assert_variables_initialized():
    v = tf.Variable(1.0, name="v")
    check = tf.assert_variables_initialized()
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="'v'"):
            sess.run(check)
        sess.run(v.initializer)
        sess.run(check)
        sess.run(tf.tables_initializer())
    assert tf.assert_variables_initialized([]) is None


def test_small_ones():
    with tf.Session() as sess:
        assert sess.run(tf.guarantee_const(3.0)) == 3.0
        stacked = sess.run(tf.parallel_stack([[1, 2], [3, 4]]))
    np.testing.assert_array_equal(stacked, [[1, 2], [3, 4]])
    assert tf.dimension_at_index(tf.TensorShape([2, None]), 1).value is None
    assert tf.OpError is tf.errors.OpError


def test_the_version_is_the_apis():
    assert tf.__version__.startswith("1.15.0")
    assert tuple(map(int, tf.VERSION.split(".")[:2])) == (1, 15)
    assert tf.version.VERSION == tf.VERSION

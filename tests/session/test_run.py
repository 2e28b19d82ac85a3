"""Session.run: order and side effects, feeding, fetching (SEMANTICS 1-3; REQUIREMENTS G1-G5)."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


# ------------------------------------------------------------------------------------- fetching


def test_fetch_structures_keep_their_type():
    a, b = tf.constant(1.0), tf.constant([1, 2])
    pair = namedtuple("pair", "x y")
    with tf.Session() as sess:
        assert sess.run(a) == 1.0 and isinstance(sess.run(a), np.float32)
        assert sess.run([a, a]) == [1.0, 1.0]
        assert sess.run((a,)) == (1.0,)
        result = sess.run({"p": pair(a, b), "n": [a, (b, {"q": a})]})
        assert isinstance(result["p"], pair)
        np.testing.assert_array_equal(result["p"].y, [1, 2])
        assert result["n"][1][1] == {"q": 1.0}
        ordered = sess.run(OrderedDict([("z", a), ("y", b)]))
        assert type(ordered) is OrderedDict and list(ordered) == ["z", "y"]
        assert sess.run([]) == [] and sess.run({}) == {}


def test_a_named_tuple_is_not_taken_for_the_plain_tuple_seen_before():
    a, b = tf.constant(1.0), tf.constant(2.0)
    pair = namedtuple("pair", "x y")
    with tf.Session() as sess:
        assert type(sess.run((a, b))) is tuple
        assert type(sess.run(pair(a, b))) is pair
        assert type(sess.run((a, b))) is tuple
        assert type(sess.run([a, b])) is list


def test_fetch_by_name_and_operation():
    a = tf.constant(3.0, name="a")
    with tf.Session() as sess:
        assert sess.run("a:0") == 3.0
        assert sess.run("a") is None  # a name without :0 is the operation
        assert sess.run(a.op) is None
        assert sess.run(["a:0", a.op]) == [3.0, None]


def test_rank_zero_fetches_print_as_numbers():
    """G3: the notes show [3.0, 4.0], whatever NumPy prints."""
    n1, n2 = tf.constant(3.0, tf.float32), tf.constant(4.0)
    with tf.Session() as sess:
        assert str(sess.run([n1, n2])) == "[3.0, 4.0]"
        assert repr(sess.run(tf.add(n1, n2))) == "7.0"
        assert str(sess.run([tf.constant(7), tf.constant(True)])) in ("[7, True]", "[7, np.True_]")
        value = sess.run(n1)
        assert type(value + value) is np.float32
        import pickle

        assert type(pickle.loads(pickle.dumps(value))) is np.float32


@pytest.mark.parametrize("fetch", [None, 3, 2.5, object()])
def test_fetching_what_is_no_graph_element_is_a_type_error(fetch):
    with tf.Session() as sess, pytest.raises(TypeError, match="Fetch argument .* has invalid type"):
        sess.run(fetch)


def test_fetching_unknown_names_and_other_graphs_is_a_value_error():
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with tf.Session() as sess:
        with pytest.raises(ValueError, match="cannot be interpreted as a Tensor"):
            sess.run("nothing:0")
        with pytest.raises(ValueError, match="cannot be interpreted as a Tensor"):
            sess.run(foreign)


def test_a_closed_session_says_so():
    a = tf.constant(1.0)
    sess = tf.Session()
    assert sess.run(a) == 1.0
    call = sess.make_callable(a)
    sess.close()
    for use in (lambda: sess.run(a), call, lambda: sess.make_callable(a)):
        with pytest.raises(RuntimeError, match="closed Session"):
            use()


def test_results_do_not_alias_variables_or_later_results():
    v = tf.Variable(np.zeros(3, np.float32))
    big = tf.Variable(np.zeros(50_000, np.float32))
    step = tf.group(v.assign_add(np.ones(3)), big.assign_add(np.ones(50_000)))
    doubled = big * 2
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first, first_big, first_doubled = sess.run([v, big, doubled])
        first[:] = 9
        sess.run(step)
        second, second_big, second_doubled = sess.run([v, big, doubled])
        np.testing.assert_array_equal(second, np.ones(3))
        assert first_big[0] == 0 and second_big[0] == 1
        assert first_doubled[0] == 0 and second_doubled[0] == 2


# -------------------------------------------------------------------------------------- feeding


def test_feeds_are_cast_as_numpy_does():
    i, f = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [2])
    with tf.Session() as sess:
        assert sess.run(i + 1, {i: 1.5}) == 2
        np.testing.assert_array_equal(sess.run(f * 2, {f: np.array([1, 2], np.int64)}), [2, 4])
        np.testing.assert_array_equal(sess.run(f * 2, {f: np.array([1.0, 2.0])}), [2, 4])
        np.testing.assert_array_equal(sess.run(f, {f: [True, False]}), [1, 0])


def test_feeds_in_any_memory_layout():
    x = tf.placeholder(tf.float32, [None, None])
    base = np.arange(400, dtype=np.float32).reshape(20, 20)
    large = np.arange(90_000, dtype=np.float32).reshape(300, 300)
    with tf.Session() as sess:
        for array in (base, base.T, base[::2, ::-1], large, large.T, large[:, ::3]):
            np.testing.assert_array_equal(sess.run(x + 1, {x: array}), array + 1)
        misaligned = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float32)
        np.testing.assert_array_equal(sess.run(x + 1, {x: misaligned.reshape(20, 20)}), base + 1)


def test_any_tensor_can_be_fed_and_feeding_cuts_upstream():
    v = tf.Variable(1.0, name="v")
    c = tf.constant(2.0)
    p = tf.placeholder(tf.float32, [])
    y = (v + c) * p
    middle = v + c
    z = middle * 10
    with tf.Session() as sess:
        assert sess.run(z, {middle: 5.0}) == 50.0  # v is not initialised, p is not fed
        assert sess.run(y, {v: 1.0, c: 4.0, p: 2.0}) == 10.0
        assert sess.run(c, {c: 7.0}) == 7.0
        assert sess.run(z, {middle.name: 3}) == 30.0


@pytest.mark.parametrize(
    ("value", "error"), [([1, 2, 3], ValueError), ("text", ValueError), ([[1, 2], [3]], ValueError)]
)
def test_wrong_values_are_value_errors_that_name_the_key(value, error):
    x = tf.placeholder(tf.float32, [2, 2], name="x")
    with tf.Session() as sess, pytest.raises(error, match="'x:0'") as info:
        sess.run(x + 1, {x: value})
    assert "test_run.py" in str(info.value)


def test_wrong_shape_after_a_right_one():
    x = tf.placeholder(tf.float32, [2, None], name="x")
    with tf.Session() as sess:
        sess.run(x, {x: np.zeros((2, 5), np.float32)})
        with pytest.raises(ValueError, match=r"Cannot feed value of shape \(3, 5\)"):
            sess.run(x, {x: np.zeros((3, 5), np.float32)})
        assert sess.run(x, {x: np.zeros((2, 7), np.float32)}).shape == (2, 7)


def test_wrong_keys():
    x = tf.placeholder(tf.float32, [], name="x")
    with tf.Graph().as_default():
        foreign = tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        for key in (foreign, "y:0", 3, None, x.op):
            with pytest.raises(TypeError, match="Cannot interpret feed_dict key as Tensor"):
                sess.run(x, {key: 1.0})
        with pytest.raises(TypeError, match="cannot be a tf.Tensor object"):
            sess.run(x, {x: tf.constant(1.0)})
        with pytest.raises(TypeError, match="feed_dict"):
            sess.run(x, [1.0])


def test_a_missing_feed_names_the_placeholder_and_its_line():
    x = tf.placeholder(tf.float32, [None, 3], name="pixels")
    y = x * 2
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError) as info:
        sess.run(y)
    assert "'pixels'" in str(info.value)
    assert "test_run.py:" in str(info.value)
    assert info.value.op is x.op


# ------------------------------------------------------------------------- order and side effects


def test_one_operation_runs_once_however_often_it_is_fetched():
    v = tf.Variable(0.0)
    add = v.assign_add(1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([add, add, add * 2, add.op]) == [1.0, 1.0, 2.0, None]
        assert sess.run(v) == 1.0


def test_nothing_unneeded_runs():
    v = tf.Variable(0.0)
    v.assign_add(1.0)
    other = tf.constant(1.0) * 2
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(other) == 2.0
        assert sess.run(v) == 0.0


def test_a_read_sees_the_writes_before_it():
    v = tf.Variable(0.0)
    before = v + 0.0
    add = v.assign_add(1.0)
    with tf.control_dependencies([add]):
        after = v.read_value()
        twice = tf.identity(v) * 2
    with tf.Session() as sess:
        sess.run(v.initializer)
        for step in range(3):
            assert sess.run([before, add, after, twice]) == [step, step + 1, step + 1, 2 * step + 2]
        assert sess.run(after) == 4.0  # the dependency alone makes the write run


def test_swapping_two_variables():
    a, b = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
    old_a, old_b = a.read_value(), b.read_value()
    swap = tf.group(a.assign(old_b), b.assign(old_a))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(swap)
        values = sess.run([a, b])
        np.testing.assert_array_equal(values, [[3, 4], [1, 2]])
        sess.run(swap)
        np.testing.assert_array_equal(sess.run([a, b]), [[1, 2], [3, 4]])


def test_an_old_version_outlives_its_overwriting():
    v = tf.Variable([1.0, 2.0, 3.0])
    old = v.read_value()
    add = v.assign_add([1.0, 1.0, 1.0])
    difference = add - old  # needs both
    reversed_old = tf.transpose(tf.reshape(old, [3, 1]))
    with tf.Session() as sess:
        sess.run(v.initializer)
        d, o, r = sess.run([difference, old, reversed_old + 0 * add])
        np.testing.assert_array_equal(d, [1, 1, 1])
        np.testing.assert_array_equal(o, [1, 2, 3])
        np.testing.assert_array_equal(r, [[1, 2, 3]])


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_write_over_a_write(target):
    v = tf.Variable(1.0)
    both = tf.group(v.initializer, v.assign(3.0))
    with config.override(TARGET=target), tf.Session() as sess:
        for _ in range(2):
            sess.run(both)
            assert sess.run(v) == 3.0


def test_writes_in_creation_order():
    v = tf.Variable(1.0)
    ops = [v.assign_add(2.0), v.assign(v * 10.0), v.assign_sub(5.0)]
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(ops[::-1]) == [25.0, 30.0, 3.0]
        assert sess.run(v) == 25.0


def test_fetching_a_variable_gives_its_value_after_the_step():
    v = tf.Variable(1.0)
    add = v.assign_add(1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([v, add]) == [2.0, 2.0]


def test_an_uninitialised_variable_is_named_with_its_line():
    v = tf.Variable(1.0, name="weights")
    w = tf.Variable(1.0, name="bias")
    with tf.Session() as sess:
        sess.run(w.initializer)
        with pytest.raises(tf.errors.FailedPreconditionError) as info:
            sess.run(v + w)
        assert "weights" in str(info.value) and "test_run.py:" in str(info.value)
        assert "global_variables_initializer" in str(info.value)
        sess.run(v.initializer)
        assert sess.run(v + w) == 2.0


def test_a_failing_run_leaves_variables_as_they_were_or_says_so():
    v = tf.Variable([1, 2])
    p = tf.placeholder(tf.int32, [2])
    update = v.assign(v // p)
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="no variable was changed"):
            sess.run(update, {p: [1, 0]})
        np.testing.assert_array_equal(sess.run(v), [1, 2])


def test_cyclic_control_dependencies_are_reported():
    a = tf.constant(1.0, name="first")
    with tf.control_dependencies([a]):
        b = tf.identity(a, name="second")
    a.op._add_control_input(b.op)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="cycle") as info:
        sess.run(b)
    assert "first" in str(info.value) and "second" in str(info.value)


# ------------------------------------------------------------------------------------- sessions


def test_sessions_hold_their_own_variables():
    """G5."""
    v = tf.Variable(0.0)
    add = v.assign_add(1.0)
    one, two = tf.Session(), tf.Session()
    for sess in (one, two):
        sess.run(v.initializer)
    one.run(add)
    assert (one.run(v), two.run(v)) == (1.0, 0.0)


def test_default_sessions_eval_and_operation_run():
    v = tf.Variable(2.0)
    with pytest.raises(ValueError, match="session"):
        (v * 2).eval()
    with tf.Session() as sess:
        v.initializer.run()
        assert (v * 2).eval() == 4.0 and v.eval() == 2.0
        assert tf.get_default_session() is sess
    assert tf.get_default_session() is None
    interactive = tf.InteractiveSession()
    tf.global_variables_initializer().run()
    assert (v + 1).eval() == 3.0
    interactive.close()
    assert tf.get_default_session() is None


def test_several_graphs():
    graphs = [tf.Graph(), tf.Graph()]
    outputs = []
    for number, graph in enumerate(graphs):
        with graph.as_default():
            outputs.append(tf.constant(float(number)) + 1.0)
    for number, (graph, output) in enumerate(zip(graphs, outputs, strict=True)):
        with tf.Session(graph=graph) as sess:
            assert sess.run(output) == number + 1
            assert output.eval() == number + 1


def test_make_callable():
    x, y = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [None])
    sess = tf.Session()
    call = sess.make_callable([x * 2, y + x], [x, y])
    for size in (2, 3, 2, 0):
        doubled, shifted = call(1.5, np.arange(size))
        assert doubled == 3.0
        np.testing.assert_array_equal(shifted, np.arange(size) + 1.5)
    with pytest.raises(TypeError, match="2 values"):
        call(1.0)
    assert sess.make_callable(x * 2, ["Placeholder:0"])(4) == 8.0


def test_many_feed_shapes_share_one_session():
    x = tf.placeholder(tf.float32, [None, None])
    total = tf.reduce_sum(x * x)
    rng = np.random.default_rng(0)
    with tf.Session() as sess:
        for _ in range(3):
            for shape in [(1, 1), (3, 5), (0, 4), (7, 2)]:
                value = rng.standard_normal(shape).astype(np.float32)
                np.testing.assert_allclose(
                    sess.run(total, {x: value}), (value * value).sum(), rtol=1e-5
                )


def test_threads_share_a_session():
    v = tf.Variable(0, dtype=tf.int64)
    x = tf.placeholder(tf.float32, [None])
    add, y = v.assign_add(1), tf.reduce_sum(x) * 2
    sess = tf.Session()
    sess.run(v.initializer)
    wrong = []

    def work(number: int) -> None:
        for i in range(50):
            size = 1 + (number * 7 + i) % 40
            expected = 2.0 * size
            if sess.run([y, add], {x: np.ones(size, np.float32)})[0] != expected:
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sess.run(v) == 300


def test_opening_and_closing_sessions_keeps_no_memory():
    """G5: 1,000 sessions, RSS grows by less than 5 MB."""
    a = tf.constant(1.0) + 1.0

    def resident_mb() -> float:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    def many(count: int) -> None:
        for _ in range(count):
            with tf.Session() as sess:
                sess.run(a)
        gc.collect()

    many(50)
    before = resident_mb()
    many(1000)
    assert resident_mb() - before < 5


# ------------------------------------------------------------------------ sizes known only at run


def test_shapes_that_depend_on_fed_values():
    x = tf.placeholder(tf.float32, [None])
    shape = tf.placeholder(tf.int32, [2])
    y = tf.reshape(x, shape) * 2
    total = tf.reduce_sum(y, axis=0)
    with tf.Session() as sess:
        for rows in (2, 3, 6, 2):
            value = np.arange(6, dtype=np.float32)
            result, summed = sess.run([y, total], {x: value, shape: [rows, 6 // rows]})
            np.testing.assert_array_equal(result, value.reshape(rows, -1) * 2)
            np.testing.assert_array_equal(summed, value.reshape(rows, -1).sum(0) * 2)


def test_a_py_func_without_static_shape():
    x = tf.placeholder(tf.float32, [None])
    kept = tf.py_func(lambda a: a[a > 0], [x], tf.float32)
    y = tf.reduce_sum(kept * 2)
    with tf.Session() as sess:
        assert sess.run(y, {x: [1, -1, 3]}) == 8.0
        assert sess.run(y, {x: [-1, -2]}) == 0.0
        np.testing.assert_array_equal(sess.run(kept, {x: [5, -1, 3, 2]}), [5, 3, 2])


def test_a_py_func_may_run_the_session_it_runs_in():
    x = tf.placeholder(tf.float32, [])
    depth = tf.placeholder(tf.float32, [])
    sess = tf.Session()

    def again(value, left):
        return value if left == 0 else np.float32(sess.run(y, {x: value * 2, depth: left - 1}))

    y = tf.py_func(again, [x + 0.0, depth + 0.0], tf.float32) + x
    assert sess.run(y, {x: 1.0, depth: 0.0}) == 2.0
    assert sess.run(y, {x: 1.0, depth: 3.0}) == 8 + 8 + 4 + 2 + 1


def test_a_failing_py_func_names_the_line_and_leaves_the_session_usable():
    v = tf.Variable(1.0)
    x = tf.placeholder(tf.float32, [])

    def check(value):
        if value < 0:
            raise ValueError("negative")
        return value

    y = tf.py_func(check, [x], tf.float32)
    with tf.control_dependencies([y]):
        add = v.assign_add(1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="negative") as info:
            sess.run(add, {x: -1.0})
        assert "test_run.py:" in str(info.value)
        assert sess.run(v) == 1.0
        assert sess.run(add, {x: 1.0}) == 2.0


def test_an_unavailable_target_is_refused():
    from flowgraph import config

    with (
        config.override(TARGET="cuda"),
        tf.Session() as sess,
        pytest.raises(tf.errors.UnimplementedError, match="cuda"),
    ):
        sess.run(tf.constant(1.0) + 1.0)


def test_only_first_values_are_made_by_the_reference():
    """The rule looks at the plan: nothing fed, nothing read, nothing fetched."""
    v = tf.Variable(tf.random_uniform([3]))
    w = tf.Variable(v.initialized_value() * 2.0)
    double = v.assign(v * 2.0).op
    add = v.assign_add([1.0, 1.0, 1.0]).op
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        targets = {}
        for op in (double, add):
            sess.run(op)
        for entry in sess._plans.values():
            stage = entry.plan.current
            targets[stage.executable.plan.writes] = stage.executable.target
        assert targets[(v.op.name, w.op.name)] == "reference"
        assert targets[(v.op.name,)] == "cpu"
        np.testing.assert_allclose(sess.run(v), sess.run(w) + 1.0, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 2), (5, 5), (33, 33)])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (lambda v: v.assign(tf.transpose(v)), lambda x: x.T),
        (lambda v: v.assign(tf.reverse(v, [0])), lambda x: x[::-1]),
        (lambda v: v.assign(v[::-1]), lambda x: x[::-1]),
        (lambda v: v.assign(tf.transpose(v) + v), lambda x: x.T + x),
        (lambda v: v.assign_add(tf.transpose(v)), lambda x: x + x.T),
        (lambda v: v.assign_sub(v[:1] + v), lambda x: x - (x[:1] + x)),
        (lambda v: v.assign(tf.gather(v, [1, 0] * (v.shape[0].value // 2) + [0] * (
            v.shape[0].value % 2))), lambda x: x[[1, 0] * (len(x) // 2) + [0] * (len(x) % 2)]),
        (lambda v: v.assign(tf.matmul(v, v)), lambda x: x @ x),
        (lambda v: v.assign(tf.cumsum(v, 0)), lambda x: x.cumsum(0)),
        (lambda v: tf.scatter_add(v, [1, 0], v[:2]), lambda x: np.concatenate(
            [x[:2] + x[1::-1], x[2:]])),
    ],
)  # fmt: skip
def test_a_variable_is_read_whole_before_it_is_overwritten(written, expected, shape):
    x = np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape) % 7
    v = tf.Variable(x)
    step = written(v)
    with tf.Session() as sess:
        sess.run(v.initializer)
        np.testing.assert_array_equal(sess.run(step), expected(x))
        np.testing.assert_array_equal(sess.run(v), expected(x))


def test_a_range_up_to_a_float_that_only_the_run_knows() -> None:
    limit = tf.placeholder(tf.float64, [])
    y = tf.range(np.float64(0), limit + 1.0, np.float64(1)) - limit
    with tf.Session() as sess:
        for value in (2.0, 0.5, -1.0):
            expected = np.arange(0.0, value + 1.0) - value
            np.testing.assert_array_equal(sess.run(y, {limit: value}), expected)


def test_operands_that_only_the_run_knows_where_the_shape_is_known() -> None:
    x, i = tf.placeholder(tf.float32, [3, 4]), tf.placeholder(tf.int32, [])
    v = np.arange(12.0).reshape(3, 4)
    piece = tf.slice(x, [i, i], [1, 2])
    (dx,) = tf.gradients(piece * 2.0, x)
    with tf.Session() as sess:
        for k in range(3):
            expected = np.zeros((3, 4))
            expected[k, k : k + 2] = 2
            found = sess.run([piece, dx], {x: v, i: k})
            np.testing.assert_array_equal(found[0], v[k : k + 1, k : k + 2])
            np.testing.assert_array_equal(found[1], expected)
        np.testing.assert_array_equal(sess.run(tf.reverse(x, [i]), {x: v, i: 1}), v[:, ::-1])
        cases = {
            tf.concat([x, x], i): ([6, 4], 0, np.concatenate([v, v])),
            tf.pad(x, [[i, 0], [0, i]]): ([4, 5], 1, np.pad(v, [(1, 0), (0, 1)])),
            tf.tile(x, [i, 1]): ([6, 4], 2, np.tile(v, (2, 1))),
        }
        for y, (shape, right, expected) in cases.items():
            y.set_shape(shape)
            np.testing.assert_array_equal(sess.run(y, {x: v, i: right}), expected)
            with pytest.raises(tf.errors.InvalidArgumentError, match="not .* as expected"):
                sess.run(y, {x: v, i: right - 1 if right else 1})

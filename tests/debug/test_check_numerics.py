"""check_numerics: which operation made the first NaN, that nothing else changes, and going back."""

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config

Wrong = tf.errors.InvalidArgumentError


def session():
    sess = tf.Session(config=tf.ConfigProto(check_numerics=True))
    sess.run(tf.global_variables_initializer())
    return sess


def line_of(mark):
    with open(__file__, encoding="utf-8") as file:
        found = next(i for i, text in enumerate(file, 1) if f"# {mark}" in text)
    return f"test_check_numerics.py:{found}"


def blamed(call, *texts):
    """The error of ``call()``, whose text contains ``texts``."""
    with pytest.raises(Wrong, match="check_numerics") as caught:
        call()
    message = str(caught.value)
    assert not [text for text in texts if text not in message], message
    return caught.value


def test_the_operation_line_operand_and_place():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.reduce_sum(tf.log(x) * 0.5)  # HERE: log
    sess = session()
    sess.run(y, {x: np.ones([4, 3])})
    bad = np.ones([4, 3])
    bad[2, 1] = 0
    error = blamed(
        lambda: sess.run(y, {x: bad}), "Log 'Log' made -inf at [2, 1]", line_of("HERE: log"),
        "float32[4, 3]", "x: 0.0 at [2, 1]; min 0, max 1", "reached 'Sum:0'", "run 3", "fix: ",
    )  # fmt: skip
    assert error.op.type == "Log"
    assert sess.run(y, {x: np.ones([4, 3])}) == 0.0  # the session goes on


def test_a_training_that_diverges_stops_with_the_variables_of_before():
    x = tf.placeholder(tf.float32, [None, 1], name="x")
    w = tf.get_variable("w", [1, 1], initializer=tf.ones_initializer())
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 3.0 * x))
    step = tf.train.get_or_create_global_step()
    train = tf.train.GradientDescentOptimizer(10.0).minimize(loss, global_step=step)
    feed = {x: np.arange(5).reshape(5, 1)}
    plain = tf.Session()
    plain.run(tf.global_variables_initializer())
    values = [plain.run([train, w], feed)[1] for _ in range(40)]
    sess = session()

    def run():
        for _ in range(40):
            sess.run(train, feed)

    last = next(i for i, v in enumerate(values) if not np.isfinite(v).all())
    blamed(run, "reached variable 'w'", f"global_step {last}", f"run {last + 2} of this session")
    assert sess.run(step) == last
    np.testing.assert_array_equal(sess.run(w), values[last - 1])


@pytest.mark.filterwarnings("ignore::flowgraph.graph.lint.LintWarning")
def test_gradients_say_whose_gradient_they_are():
    v = tf.get_variable("v", initializer=np.array([0.0, 1.0, 2.0], np.float32))
    y = tf.where(v > 0.0, tf.log(v), tf.zeros_like(v))  # HERE: masked
    g = tf.gradients(y, v)[0]
    sess = session()
    sess.run(y)  # the -inf under the mask reaches nobody
    text = f"part of the gradient of Log 'Log', made at {line_of('HERE: masked')}"
    blamed(lambda: sess.run(g), text, "made nan at [0]", "y = [0., 1., 2.]")


def test_updates_of_optimizers():
    w = tf.get_variable("w", initializer=np.array([1.0, 2.0, 3.0], np.float32))
    loss = tf.reduce_sum(w * [1.0, 0.0, 1.0])
    train = tf.train.AdamOptimizer(0.1, epsilon=0.0).minimize(loss)
    sess = session()
    blamed(
        lambda: sess.run(train), "ApplyAdam 'Adam/update_w/ApplyAdam' made nan at [1]",
        "var = [1., 2., 3.]", "grad = [1., 0., 1.]", "epsilon = 0", "larger epsilon",
    )  # fmt: skip
    np.testing.assert_array_equal(sess.run(w), [1, 2, 3])
    assert sess.run(tf.is_variable_initialized(w))


def test_loops_and_branches():
    x = tf.placeholder(tf.float32, [], name="x")
    _, y = tf.while_loop(lambda i, y: i < 10, lambda i, y: (i + 1, tf.exp(y)), [0, x])
    sess = session()
    blamed(
        lambda: sess.run(y, {x: 1.0}), "Exp 'while/Exp' made inf",
        "in iteration 3 of the loop 'while'", "x = 3.8142", "fix: exp overflows above 88",
    )  # fmt: skip
    z = tf.cond(x > 0.0, lambda: tf.sqrt(x), lambda: tf.sqrt(x) * 2.0)
    assert sess.run(z, {x: 4.0}) == 2.0
    blamed(lambda: sess.run(z, {x: -1.0}), "in the else branch of 'cond'", "x = -1.")


def test_feeds_variables_and_constants():
    x = tf.placeholder(tf.float32, [3], name="x")
    sess = session()
    blamed(lambda: sess.run(x * 2.0, {x: [1, np.nan, 2]}), "feed 'x:0' holds nan at [1]", "data")
    w = tf.get_variable("w", [2])
    plain = tf.Session(config=tf.ConfigProto(check_numerics=True))
    blamed(lambda: plain.run(w.initializer, {w.initial_value: [1.0, np.inf]}), "feed", "inf at [1]")
    with tf.Graph().as_default():
        v = tf.get_variable("v", initializer=np.array([1, np.nan], np.float32))
        own = tf.Session(config=tf.ConfigProto(check_numerics=True))
        blamed(lambda: own.run(v.initializer), "Const 'v/initial_value' made nan at [1]")


def test_infinite_masks_are_no_fault():
    x = tf.placeholder(tf.float32, [3], name="x")
    masked = x + [0.0, -np.inf, 0.0]
    y = tf.nn.softmax(masked)
    z = tf.multiply(masked, 0.0, name="z")
    sess = session()
    assert sess.run(y, {x: [1, 1, 1]}).tolist() == [0.5, 0.0, 0.5]
    blamed(lambda: sess.run(z, {x: [1, 1, 2]}), "Mul 'z' made nan at [1]", "x = [  1., -inf,   2.]")


def test_the_oldest_of_several():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.log(x, name="first") + tf.sqrt(-x, name="second")
    sess = session()
    blamed(lambda: sess.run(y, {x: [1.0, 0.0]}), "Log 'first' made -inf at [1]")
    z = tf.exp(x * 1000.0, name="large")
    z = tf.divide(z, z, name="quotient")
    blamed(lambda: sess.run(z, {x: [1.0, 0.0]}), "'large' made inf", "nan in RealDiv 'quotient'")


def training(seed=1):
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    w = tf.get_variable("w", [4, 3], initializer=tf.random_normal_initializer(seed=seed))
    noise = tf.random_uniform([3], seed=3)
    h = tf.nn.dropout(tf.matmul(x, w), 0.5, seed=7) + noise
    loss = tf.reduce_mean(tf.sqrt(x[:, 0]) * tf.reduce_sum(tf.square(h), 1))
    train = tf.train.AdamOptimizer(0.01).minimize(loss)
    return x, w, loss, train


@pytest.mark.parametrize("runs", [1, 5, 63, 64, 65, 130])
@pytest.mark.parametrize("reuse", [False, True])
def test_same_bits_as_without_and_the_state_of_before(runs, reuse):
    """Random numbers, copies of variables and repeated runs: to the bit, wherever it fails."""
    x, w, loss, train = training()
    batches = np.random.default_rng(0).random((runs, 5000, 4), np.float32) + 1
    plain = tf.Session()
    plain.run(tf.global_variables_initializer())
    sess = session()
    buffer = np.empty_like(batches[0])
    for batch in batches:
        if reuse:
            buffer[...] = batch
            batch = buffer
        a, b = (s.run([train, loss], {x: batch})[1] for s in (plain, sess))
        assert a == b
    bad = batches[0].copy()
    bad[0, 0] = -1e6
    message = str(blamed(lambda: sess.run([train, loss], {x: bad}), "Sqrt", "nan"))
    assert "[0]" in message or "at [0" in message
    np.testing.assert_array_equal(plain.run(w), sess.run(w))
    a, b = (s.run([train, loss], {x: batches[0]})[1] for s in (plain, sess))
    assert a == b, "random streams are where they were"


def test_data_sets_and_python_functions_are_not_run_again():
    calls = []

    def double(value):
        calls.append(float(value[0]))
        return value * 2

    rows = tf.data.Dataset.from_tensor_slices(np.arange(9, dtype=np.float32)[::-1].reshape(9, 1))
    row = rows.make_one_shot_iterator().get_next()
    doubled = tf.py_func(double, [row], tf.float32)
    doubled.set_shape([1])
    w = tf.get_variable("w", [1], initializer=tf.ones_initializer())
    loss = tf.reduce_mean(w * tf.sqrt(doubled - 7.0))
    train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    sess = session()
    for _ in range(5):
        sess.run(train)
    blamed(lambda: sess.run(train), "Sqrt", "x = [-1.]")
    assert calls == [8, 7, 6, 5, 4, 3]
    assert sess.run(row).tolist() == [2.0]  # what was read is not read again


def test_steps_in_one_call():
    x = tf.placeholder(tf.float32, [None, 1], name="x")
    w = tf.get_variable("w", [1, 1], initializer=tf.ones_initializer())
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 3.0 * x))
    train = tf.train.GradientDescentOptimizer(10.0).minimize(loss)
    sess = session()
    data = np.arange(10, dtype=np.float32).reshape(10, 1)
    good = sess.run_steps(loss, 4, batches={x: data}, batch_size=2)
    assert good.shape == (4,)
    blamed(
        lambda: sess.run_steps([train, loss], 40, batches={x: data}, batch_size=2),
        "of run_steps", "in", "Square",
    )  # fmt: skip
    assert sess.run(w) == 1.0


def test_loading_from_outside_is_noticed():
    x, w, _, train = training()
    sess = session()
    good = np.ones([5, 4], np.float32)
    sess.run(train, {x: good})
    saved = np.full([4, 3], 0.25, np.float32)
    sess._set_variables({"w": saved})
    bad = good.copy()
    bad[0, 0] = -1e6
    blamed(lambda: sess.run(train, {x: bad}), "Sqrt")
    np.testing.assert_array_equal(sess.run(w), saved)


def test_native_overflow_that_the_references_do_not_see(monkeypatch):
    """Then the kernel is named."""
    from flowgraph.debug import blame

    monkeypatch.setattr(blame, "_look", lambda *args: (None, []))
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.exp(x) * 2.0
    sess = session()
    blamed(lambda: sess.run(y, {x: [1.0, 999.0]}), "the kernel of", "Exp", "at [1]", "stays finite")


def test_other_dtypes_and_sizes():
    for dtype in (tf.float16, tf.float64, tf.complex64):
        x = tf.placeholder(dtype, [None, None])
        y = tf.multiply(x, 2.0)
        sess = session()
        good = np.ones([3, 5])
        assert sess.run(y, {x: good}).shape == (3, 5)
        feed = {x: good * np.inf}
        blamed(lambda s=sess, y=y, f=feed: s.run(y, f), "holds inf at [0, 0] (15 of 15")
        assert sess.run(y, {x: np.ones([0, 5])}).shape == (0, 5)
    n = tf.placeholder(tf.int32, [None])
    assert session().run([n + 1, tf.constant("text")], {n: [1]})[1] == b"text"
    unknown = tf.placeholder(tf.float32)
    blamed(lambda: session().run(unknown + 1.0, {unknown: [[np.nan]]}), "nan at [0, 0]")


def test_switching_for_all_sessions():
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.log(x)
    sess = tf.Session()
    assert sess.run(y, {x: 0.0}) == -np.inf
    tf.debugging.enable_check_numerics()
    try:
        blamed(lambda: sess.run(y, {x: 0.0}), "Log")
        blamed(lambda: sess.make_callable(y, [x])(0.0), "Log")
    finally:
        tf.debugging.disable_check_numerics()
    assert sess.run(y, {x: 0.0}) == -np.inf
    with config.override(CHECK_NUMERICS=True):
        blamed(lambda: tf.Session().run(y, {x: 0.0}), "Log")


def test_on_the_reference_target():
    x = tf.placeholder(tf.float32, [], name="x")
    with config.override(TARGET="reference"):
        sess = session()
        blamed(lambda: sess.run(tf.log(x), {x: 0.0}), "Log")


def test_a_session_that_runs_itself_inside_a_run():
    v = tf.get_variable("v", initializer=1.0)
    sess = session()
    inner = v.assign_add(1.0)
    y = tf.py_func(lambda: np.float32(sess.run(inner)), [], tf.float32)
    assert sess.run(y) == 2.0
    blamed(lambda: sess.run(tf.log(y - 3.0)), "cannot be done again")


def test_errors_of_operations_leave_no_wrong_copy():
    v = tf.get_variable("v", initializer=1.0)
    i = tf.placeholder(tf.int32, [])
    with tf.control_dependencies([v.assign_add(1.0)]):
        y = tf.gather([1.0, 2.0], i)
    sess = session()
    sess.run(y, {i: 0})
    with pytest.raises(Wrong):
        sess.run(y, {i: 7})
    before = sess.run(v)
    blamed(lambda: sess.run(v.assign(v * np.inf)))
    assert sess.run(v) == before


def test_variables_that_initialise_themselves():
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.get_variable("v", initializer=tf.random_normal_initializer(seed=3), shape=[2])
    y = tf.reduce_sum(v * tf.log(x))
    sess = tf.Session(config=tf.ConfigProto(check_numerics=True, auto_init=True))
    blamed(lambda: sess.run(y, {x: 0.0}), "Log 'Log' made -inf", "x = 0.")
    value = sess.run(y, {x: 2.0})
    again = tf.Session(config=tf.ConfigProto(auto_init=True))
    assert again.run(y, {x: 2.0}) == value
    np.testing.assert_array_equal(sess.run(v), again.run(v))
    stepped = tf.debug.Debugger(tf.Session(config=tf.ConfigProto(auto_init=True)), v)
    np.testing.assert_array_equal(stepped.finish(), sess.run(v))


def test_as_a_setting_of_the_module(monkeypatch):
    x = tf.placeholder(tf.float32, [], name="x")
    monkeypatch.setattr(config, "check_numerics", True)
    blamed(lambda: tf.Session().run(tf.log(x), {x: 0.0}), "Log")
    monkeypatch.setattr(config, "check_numerics", False)
    assert tf.Session().run(tf.log(x), {x: 0.0}) == -np.inf

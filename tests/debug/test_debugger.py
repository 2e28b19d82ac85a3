"""Stepping through runs: the API, its effects, breakpoints, loops; the prompt; the wrapper."""

import io

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import debug


def line_of(mark):
    with open(__file__, encoding="utf-8") as file:
        found = next(i for i, text in enumerate(file, 1) if f"# {mark}" in text)
    return f"test_debugger.py:{found}"


def network():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.name_scope("hidden"):
        w = tf.get_variable("w", [3, 2], initializer=tf.random_normal_initializer(seed=1))
        h = tf.nn.dropout(tf.tanh(tf.matmul(x, w)), 0.7)  # HERE: matmul
    loss = tf.reduce_mean(tf.square(h), name="loss")
    step = tf.train.get_or_create_global_step()
    return x, w, loss, tf.train.AdamOptimizer(0.1).minimize(loss, global_step=step), step


def started():
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    return sess


FEED = np.random.default_rng(0).random((4, 3)).astype(np.float32)


def test_a_run_stepped_through_is_a_run():
    """Same results, same variables, same random numbers."""
    x, w, loss, train, step = network()
    stepped, plain = started(), started()
    for _ in range(3):
        debugger = debug.Debugger(stepped, {"loss": loss, "rest": [train, x]}, {x: FEED})
        steps = list(debugger)
        assert debugger.done and [s.number for s in steps] == list(range(len(steps)))
        value = plain.run([train, loss], {x: FEED})[1]
        assert debugger.results["rest"][0] is None
        np.testing.assert_allclose(debugger.results["loss"], value, rtol=1e-5)
        np.testing.assert_allclose(stepped.run(w), plain.run(w), rtol=1e-4)
        assert stepped.run(step) == plain.run(step)
    types = [s.type for s in steps]
    assert {"MatMul", "Tanh", "Mean", "ApplyAdam", "AssignAdd"} <= set(types)
    assert types.index("MatMul") < types.index("Tanh") < types.index("ApplyAdam")


def test_what_a_step_knows():
    x, w, loss, _, _ = network()
    debugger = debug.Debugger(started(), loss, {x: FEED})
    debugger.break_at(type="MatMul")
    step = debugger.continue_()
    assert (step.type, step.name, step.line) == ("MatMul", "hidden/MatMul", line_of("HERE: matmul"))
    assert step.labels() == ["a", "b"] and step.op.type == "MatMul"
    np.testing.assert_allclose(step.outputs[0], FEED @ step.inputs[1], rtol=1e-5)
    assert debugger.current is step and debugger.stopped_at.text == "type MatMul"
    np.testing.assert_array_equal(debugger.value("x"), FEED)
    np.testing.assert_array_equal(debugger.value(step.op.outputs[0]), step.outputs[0])
    assert debugger.value(w).shape == (3, 2)
    where = debugger.where()
    assert "h = tf.nn.dropout(tf.tanh(tf.matmul(x, w))" in where and "breakpoint 1" in where
    text = debugger.print()
    assert "a = float32[4, 3]" in text and "-> hidden/MatMul:0 = float32[4, 2]" in text
    assert debugger.print("x").startswith("x = float32[4, 3] [[")
    with pytest.raises(KeyError, match="'loss' has not run yet"):
        debugger.value("loss")
    with pytest.raises(KeyError, match="no operation is named 'los'; did you mean 'loss'"):
        debugger.value("los")


def test_breakpoints():
    x, _, loss, train, _ = network()

    def stops(**conditions):
        debugger = debug.Debugger(started(), [train, loss], {x: FEED})
        debugger.break_at(**conditions)
        found = []
        while (step := debugger.continue_()) is not None:
            found.append(step.name)
        assert debugger.done
        return found

    assert stops(name="loss") == ["loss"]
    assert stops(name="hidden/*MatMul") == ["hidden/MatMul"]
    assert stops(type="Apply*") == ["Adam/update_w/ApplyAdam"]
    assert "hidden/Tanh" in stops(scope="hidden") and "loss" not in stops(scope="hidden")
    assert "hidden/MatMul" in stops(line=line_of("HERE: matmul"))
    assert stops(nan=True) == []
    assert stops(name="loss", value=lambda a: a > 100) == []
    assert stops(name="loss", value=lambda a: a < 100) == ["loss"]
    assert stops(when=lambda step: step.type == "Tanh") == ["hidden/Tanh"]
    debugger = debug.Debugger(started(), loss, {x: FEED})
    first, second = debugger.break_at(name="loss"), debugger.break_at(type="Tanh", nan=True)
    assert [str(p) for p in debugger.breakpoints] == ["1: name loss", "2: type Tanh and nan or inf"]
    debugger.clear(first)
    debugger.clear(second.number)
    assert debugger.breakpoints == []
    with pytest.raises(ValueError, match="no breakpoint 7"):
        debugger.clear(7)
    with pytest.raises(ValueError, match="named 'lss'; did you mean 'loss'"):
        debugger.break_at(name="lss")
    with pytest.raises(ValueError, match="say at what"):
        debugger.break_at()


def test_loops_and_branches_are_entered():
    x = tf.placeholder(tf.float32, [], name="x")
    _, y = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.cond(y > 4.0, lambda: y - 1.0, lambda: tf.multiply(y, 2.0))),
        [0, x],
    )
    debugger = debug.Debugger(tf.Session(), y, {x: 1.5})
    debugger.break_at(type="Mul")
    first = debugger.continue_()
    assert [f.body for f in first.frames] == ["body", "else_branch"]
    assert first.frames[0].iteration == 0 and first.outputs[0] == 3.0
    assert "in the else branch of" in debugger.where() and "in iteration 0" in debugger.where()
    second = debugger.continue_()
    assert second.frames[0].iteration == 1 and second.inputs[0] == 3.0
    assert len(debugger.out().frames) < 2
    debugger.clear()
    following = debugger.next()
    assert len(following.frames) <= 1
    assert debugger.finish() == 5.0
    assert debugger.step() is None and debugger.continue_() is None


def test_giving_up_changes_nothing_and_errors_are_the_users():
    x, w, loss, train, step = network()
    sess = started()
    before = sess.run([w, step])
    debugger = debug.Debugger(sess, train, {x: FEED})
    debugger.break_at(type="ApplyAdam")
    assert debugger.continue_() is not None
    after = sess.run([w, step])
    np.testing.assert_array_equal(before[0], after[0])
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value w"):
        debug.Debugger(tf.Session(), loss, {x: FEED}).finish()
    fresh = tf.Session()
    debug.Debugger(fresh, tf.global_variables_initializer()).finish()
    assert fresh.run(step) == 0
    i = tf.placeholder(tf.int32, [], name="i")
    wrong = debug.Debugger(fresh, tf.gather([1.0, 2.0], i), {i: 5})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"5 is not in \[0, 2\)"):
        wrong.finish()
    with pytest.raises(tf.errors.InvalidArgumentError, match="You must feed"):
        debug.Debugger(fresh, i)
    with pytest.raises(ValueError, match="no session"):
        debug.Debugger(None, i)


def typed(lines, fetches, feed=None, sess=None, filters=None):
    """What the prompt answers."""
    out = io.StringIO()
    debugger = debug.Debugger(sess or tf.Session(), fetches, feed)
    debug.Shell(debugger, io.StringIO("\n".join(lines) + "\n"), out, filters).cmdloop()
    return out.getvalue(), debugger


def test_the_prompt():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.sqrt(tf.subtract(x, 1.0, name="less"), name="root")
    z = tf.reduce_sum(y * 2.0, name="sum")
    feed = {x: [5.0, 0.0]}
    text, debugger = typed(
        [
            "break type Sub", "b nan and name root", "b > 3", "break", "delete 3", "continue",
            "print less", "print x[1]", "print", "watch less", "c", "where", "list 2", "step", "",
            "nonsense", "print nothing", "break name nope", "b what is this", "help b", "run",
        ],
        z, feed,
    )  # fmt: skip
    for part in (
        "breakpoint 1: type Sub", "breakpoint 2: name root and nan or inf", "3: value > 3",
        "Sub 'less'  float32[2]", "less = float32[2] [ 4. -1.]",
        "x[1] = float32[] 0.0", "-> less:0", "watched: less", "Sqrt 'root'",
        "stopped at breakpoint 2", "less = float32[2] [ 4., -1.]", "there is no command 'nonsense'",
        "! no operation is named 'nothing'", "! break_at: no operation is named 'nope'",
        "'what is this' is not understood", "name h*/MatMul", "the run is done: ",
    ):  # fmt: skip
        assert part in text, part
    assert debugger.done and np.isnan(debugger.results)
    text, debugger = typed(["s 2", "q"], z, feed)
    assert "given up" in text and not debugger.done
    text, debugger = typed(["s"], z, feed)
    assert "given up" in text, "the end of the input"
    text, _ = typed(["run -f has_inf_or_nan", "run -f other", "run"], z, feed)
    assert "Sqrt 'root'" in text and "no filter 'other'" in text and "the run is done" in text
    text, _ = typed(["out", "n", "run"], z, feed)
    assert "the run is done" in text


def test_the_wrapper_of_sessions():
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.get_variable("v", initializer=1.0)
    y = tf.log(x) * v
    out = io.StringIO()
    with tf.Session() as plain:
        plain.run(tf.global_variables_initializer())
        sess = debug.LocalCLIDebugWrapperSession(
            plain, ui_type="readline", stdin=io.StringIO("run\nrun -f large\nrun\nq\n"), stdout=out
        )
        sess.add_tensor_filter("large", lambda datum, tensor: np.any(tensor > 6))
        assert sess.run(y, {x: 1.0}) == 0.0
        np.testing.assert_allclose(sess.run(y, {x: 1000.0}), np.log(1000.0), rtol=1e-6)
        assert "Log 'Log'" in out.getvalue()
        with pytest.raises(KeyboardInterrupt, match="given up"):
            sess.run(y, {x: 1.0})
        assert sess.graph is plain.graph
    assert debug.has_inf_or_nan(None, [1.0, np.inf]) and not debug.has_inf_or_nan(None, [1, 2])
    assert tf.debug.Debugger is debug.Debugger


def test_loops_that_keep_what_their_gradients_need():
    """Stacks whose elements have no known size, loops that count another's iterations."""
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True)

    def body(i, total, array):
        total = tf.cond(tf.equal(i % 2, 0), lambda: tf.tanh(total + x[i]), lambda: total * 2.0)
        return i + 1, total, array.write(i, total)

    _, _, array = tf.while_loop(lambda i, *_: i < tf.shape(x)[0], body, (0, tf.ones([3]), array))
    rows = array.stack()
    slope = tf.gradients(rows, x)[0]
    sess = tf.Session()
    for count in (3, 1, 0):
        feed = {x: np.random.default_rng(count).random((count, 3), np.float32)}
        got = debug.Debugger(sess, [rows, slope], feed).finish()
        for a, b in zip(got, sess.run([rows, slope], feed), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-5)
    guarded = tf.Session(config=tf.ConfigProto(check_numerics=True))
    bad = tf.gradients(tf.log(rows - rows), x)[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="check_numerics: .*made"):
        guarded.run(bad, {x: np.ones([3, 3])})


def test_errors_of_python_functions_have_the_line():
    def fails(value):
        raise KeyError("missing")

    y = tf.py_func(fails, [tf.constant(1.0)], tf.float32)
    with pytest.raises(tf.errors.UnknownError, match=r"KeyError: 'missing'\n.*\n.*test_debugger"):
        debug.Debugger(tf.Session(), y).finish()

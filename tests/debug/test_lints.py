"""Lints: what warns, with which line and fix; what is close to it and does not warn; switching."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import config
from flowgraph.graph import lint

Lint = tf.debugging.LintWarning


@pytest.fixture(autouse=True)
def each_line_anew(monkeypatch):
    monkeypatch.setattr(lint, "_warned", set())


def lints_of(*fetches, feed_dict=None, initialize=True):
    """Run, and return the warnings: (name, text, line number)."""
    lint._warned.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tf.Session() as sess:
            if initialize:
                sess.run(tf.global_variables_initializer())
            for fetch in fetches:
                sess.run(fetch, feed_dict)
    return named(caught)


def named(caught):
    found = []
    for w in caught:
        if issubclass(w.category, Lint):
            text = str(w.message)
            assert w.filename == __file__
            found.append((text.partition("[")[2] and text.splitlines()[0].rpartition("[")[2][:-1],
                          text, w.lineno))  # fmt: skip
    return found


def line_of(mark):
    with open(__file__, encoding="utf-8") as file:
        return next(i for i, text in enumerate(file, 1) if f"# {mark}" in text)


def only(found, name, mark, *texts):
    assert [f[0] for f in found] == [name], found
    _, text, line = found[0]
    assert line == line_of(mark)
    assert not [t for t in texts if t not in text], text
    assert "fix:" in text


def placeholders():
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    y = tf.placeholder(tf.float32, [None], name="y")
    feed = {x: np.ones([3, 4]), y: np.ones([3])}
    return x, y, feed


def test_a_column_against_a_row():
    x, y, feed = placeholders()
    w = tf.get_variable("w", [4, 1])
    guess = tf.matmul(x, w)
    loss = tf.reduce_mean(tf.square(guess - y))  # HERE: rows
    only(
        lints_of(loss, feed_dict=feed), "broadcast", "HERE: rows",
        "[?] and [?, 1] broadcast to [?, ?]", "before Mean", "tf.squeeze(x, 1)",
    )  # fmt: skip
    assert not lints_of(tf.reduce_mean(tf.square(tf.squeeze(guess, 1) - y)), feed_dict=feed)
    assert not lints_of(guess - y, feed_dict=feed), "an outer difference that stays one"
    assert not lints_of(tf.reduce_sum(tf.abs(guess - y), 1), feed_dict=feed), "sums of rows"
    pairs = tf.reduce_mean(tf.square(tf.expand_dims(y, 1) - y))
    assert not lints_of(pairs, feed_dict=feed), "every pair, on purpose"
    assert not lints_of(tf.reduce_mean(y[:, None] - y), feed_dict=feed)
    other = tf.reduce_sum(tf.ones([5, 1]) * tf.ones([7]))
    assert not lints_of(other), "sizes that differ cannot be meant to be equal"
    assert [f[0] for f in lints_of(tf.reduce_sum(tf.ones([5, 1]) * tf.ones([5])))] == ["broadcast"]


def test_softmax_twice():
    x, _, feed = placeholders()
    labels = tf.placeholder(tf.int64, [None])
    feed[labels] = [0, 1, 2]
    w = tf.get_variable("w", [4, 3])
    logits = tf.matmul(x, w)
    p = tf.nn.softmax(logits)
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    loss = sparse(labels=labels, logits=p)  # HERE: twice
    only(
        lints_of(loss, feed_dict=feed), "softmax-twice", "HERE: twice", "result of softmax",
        "give it what softmax was given, 'MatMul:0'",
    )  # fmt: skip
    dense = tf.nn.softmax_cross_entropy_with_logits_v2
    sigmoid = tf.nn.sigmoid_cross_entropy_with_logits
    for wrong in (
        lambda: dense(labels=p, logits=tf.nn.sigmoid(logits)), lambda: tf.nn.softmax(p),
        lambda: sigmoid(labels=p, logits=tf.reshape(p, [-1, 3])),
        lambda: tf.losses.softmax_cross_entropy(p, p),
    ):  # fmt: skip
        assert [f[0] for f in lints_of(wrong(), feed_dict=feed)] == ["softmax-twice"]
    for right in (
        sparse(labels=labels, logits=logits), tf.log(p), p * tf.nn.softmax(logits),
        sigmoid(labels=tf.nn.sigmoid(logits), logits=logits),
        dense(labels=p, logits=logits),
    ):  # fmt: skip
        assert not lints_of(right, feed_dict=feed)


def test_batches_of_batches():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = tf.data.Dataset.range(10).batch(2)
        rows.shuffle(3).repeat(2).batch(2)  # HERE: batches
    only(named(caught), "batch-twice", "HERE: batches", "[?]", "unbatch()")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows.map(lambda x: x + 1).batch(2)
        tf.data.Dataset.range(10).window(3).flat_map(lambda w: w.batch(3)).batch(2)
        rows.apply(tf.data.experimental.unbatch()).batch(3)


def test_concat_along_the_rows():
    x, _, feed = placeholders()
    w = tf.get_variable("w", [4, 3])
    labels = tf.placeholder(tf.int64, [None])
    left, right = tf.nn.relu(tf.matmul(x, w)), tf.tanh(tf.matmul(x, w))
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    both = tf.concat([left, right], 0)  # HERE: concat
    loss = sparse(labels=labels, logits=both)
    feed[labels] = [0, 1, 2, 0, 1, 2]
    only(
        lints_of(loss, feed_dict=feed), "concat-axis", "HERE: concat", "2 results of the same rows",
        "tf.concat(values, -1)",
    )  # fmt: skip
    assert not lints_of(tf.concat([left, right], 1), both, feed_dict=feed)
    z = tf.placeholder(tf.float32, [None, 4])
    siamese = tf.concat([x, z], 0) @ w
    feed[z] = np.ones([3, 4])
    assert not lints_of(sparse(labels=labels, logits=siamese), feed_dict=feed), "two inputs"
    doubled = tf.concat([labels, labels], 0)
    assert not lints_of(
        sparse(labels=doubled, logits=tf.concat([x, -x], 0) @ w),
        feed_dict={**feed, labels: [0] * 3},
    ), "labels are doubled too"


def test_nan_under_a_mask():
    v = tf.get_variable("v", initializer=np.array([0.0, 1.0], np.float32))
    masked = tf.where(v > 0.0, tf.log(v), tf.zeros_like(v))  # HERE: mask
    assert not lints_of(masked), "without a gradient there is no trap"
    g = tf.gradients(masked, v)[0]
    only(
        lints_of(g), "masked-nan", "HERE: mask", "Log", "0 * inf is nan",
        "safe = tf.where(condition, v, tf.ones_like(v))",
    )  # fmt: skip
    safe = tf.where(v > 0.0, v, tf.ones_like(v))
    assert not lints_of(tf.gradients(tf.where(v > 0.0, tf.log(safe), tf.zeros_like(v)), v)[0])
    assert not lints_of(tf.gradients(tf.where(v > 0.0, tf.exp(v), v), v)[0])
    quotient = tf.where(tf.equal(v, 0.0), v, 1.0 / v)
    assert [f[0] for f in lints_of(tf.gradients(quotient, v)[0])] == ["masked-nan"]


def test_variables_that_nothing_trains():
    x, y, feed = placeholders()
    w = tf.get_variable("w", [4])
    tf.get_variable("forgotten", [3])  # HERE: forgotten
    loss = tf.reduce_mean(tf.square(tf.reduce_sum(x * w, 1) - y))
    train = tf.train.AdamOptimizer().minimize(loss)
    only(
        lints_of(train, feed_dict=feed), "unreached-variable", "HERE: forgotten",
        "'forgotten' is never trained", "trainable=False",
    )  # fmt: skip


def test_variables_that_another_step_trains():
    a, b = tf.get_variable("a", []), tf.get_variable("b", [])
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    both = optimizer.minimize(tf.square(a)), optimizer.minimize(tf.square(b))
    assert not lints_of(*both)
    tf.reset_default_graph()
    a, b = tf.get_variable("a", []), tf.get_variable("b", [])
    frozen = tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(a), var_list=[a])
    assert not lints_of(frozen, b), "b is left out on purpose"


def test_integers_divided_before_a_cast():
    n = tf.placeholder(tf.int32, [], name="n")
    part = tf.cast(tf.div(n, 2), tf.float32)  # HERE: div
    only(lints_of(part, feed_dict={n: 3}), "integer-division", "HERE: div", "x / y")
    assert not lints_of(tf.cast(n // 2, tf.float32), n / 2, tf.div(n, 2), feed_dict={n: 3})
    assert not lints_of(tf.div(tf.cast(n, tf.float32), 2.0), feed_dict={n: 3})


def test_dropout_that_is_never_off():
    x, y, feed = placeholders()
    w = tf.get_variable("w", [4, 1])
    h = tf.nn.dropout(x, keep_prob=0.5)  # HERE: dropout
    guess = tf.matmul(h, w)
    loss = tf.reduce_mean(tf.square(guess[:, 0] - y))
    assert not lints_of(guess, feed_dict=feed), "a graph that trains nothing"
    train = tf.train.AdamOptimizer().minimize(loss)
    assert not lints_of([train, loss], feed_dict=feed)
    only(lints_of(guess, feed_dict=feed), "dropout-always-on", "HERE: dropout", "placeholder")
    rate = tf.placeholder_with_default(0.0, [])
    good = tf.matmul(tf.nn.dropout(x, rate=rate), w)
    assert not lints_of(good, feed_dict=feed)


def test_a_graph_that_grows():
    x = tf.placeholder(tf.float32, [])
    with warnings.catch_warnings(record=True) as caught, tf.Session() as sess:
        warnings.simplefilter("always")
        for i in range(70):
            sess.run(x * i, {x: 1.0})  # HERE: grows
    only(named(caught), "growing-graph", "HERE: grows", "64 runs", "compiled anew")
    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [])
    made = [x * i for i in range(70)]
    with warnings.catch_warnings(), tf.Session() as sess:
        warnings.simplefilter("error")
        for y in made:
            sess.run(y, {x: 1.0})


def test_each_line_warns_once_and_can_be_filtered():
    def build():
        x, y, feed = placeholders()
        return tf.reduce_mean(tf.reshape(x[:, 0], [-1, 1]) - y), feed

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            loss, feed = build()
            tf.Session().run(loss, feed)
    assert len(named(caught)) == 1
    loss, feed = build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Lint)
        tf.Session().run(loss, feed)
    lint._warned.clear()
    loss, feed = build()
    with warnings.catch_warnings(), pytest.raises(Lint):
        warnings.simplefilter("error", Lint)
        tf.Session().run(loss, feed)


def test_switching():
    def number():
        tf.reset_default_graph()
        x, y, feed = placeholders()
        loss = tf.reduce_mean(tf.reshape(x[:, 0], [-1, 1]) - y)
        return len(lints_of(loss, feed_dict=feed))

    assert number() == 1
    for text in ("none", "0", "-broadcast", "softmax-twice, masked-nan", ""):
        with config.override(LINTS=config.parse_lints(text)):
            assert number() == 0
    for text in ("all", "1", "-masked-nan", "broadcast"):
        with config.override(LINTS=config.parse_lints(text)):
            assert number() == 1
    tf.debugging.set_lints("none")
    try:
        assert number() == 0
    finally:
        tf.debugging.set_lints("all")
    with pytest.raises(ValueError, match="no lint 'brodcast'; did you mean 'broadcast'"):
        tf.debugging.set_lints("-brodcast")


def test_without_lints_their_code_is_not_loaded():
    code = (
        "import sys, flowgraph as tf; tf.Session().run(tf.constant(1) + 2); "
        "print('flowgraph.debug.lints' in sys.modules)"
    )
    for value, loaded in (("none", "False"), ("all", "True")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"FLOWGRAPH_LINTS": value, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.stdout.strip() == loaded

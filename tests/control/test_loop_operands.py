"""What a loop reads in every round: matrices packed once, rows read where they lie."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf


def instructions(session: tf.Session) -> list:
    (entry,) = session._entries
    return entry.plan.current.executable.plan.instrs


def labels(session: tf.Session) -> list[str]:
    return [getattr(i.kernel, "name", "") for i in instructions(session) if i.kernel is not None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("m", "n"), [(8, 32), (9, 33), (13, 64), (32, 100), (96, 47), (50, 160)])
def test_products_by_a_packed_matrix(m: int, n: int, turned: bool, dtype: type) -> None:
    rng = np.random.default_rng(m * n)
    k = 40
    w = rng.standard_normal((n, k) if turned else (k, n)).astype(dtype)
    xs = rng.standard_normal((5, m, k)).astype(dtype)
    x, right = tf.placeholder(dtype, xs.shape), tf.placeholder(dtype, w.shape)
    total = tf.while_loop(
        lambda i, total: i < 5,
        lambda i, total: (i + 1, total + tf.matmul(x[i], right, transpose_b=turned)),
        [0, tf.zeros([m, n], dtype)],
    )[1]
    with tf.Session() as session:
        got = session.run(total, {x: xs, right: w})
        made = labels(session)
        assert sum(name.startswith("pack_right") for name in made) == 1
        assert any(name.startswith("packed_gemm") for name in made)
    exact = xs.sum(0).astype(np.float64) @ (w.T if turned else w).astype(np.float64)
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(got, exact, rtol=tolerance, atol=50 * tolerance)


def test_a_matrix_that_the_loop_changes_is_not_packed() -> None:
    x = tf.placeholder(tf.float64, [16, 40])
    w0 = np.random.default_rng(0).standard_normal((40, 40)) / 10
    _, total = tf.while_loop(
        lambda w, total: tf.reduce_sum(tf.abs(total)) < 1e3,
        lambda w, total: (w * 1.5, total + tf.matmul(x, w)),
        [tf.constant(w0), tf.zeros([16, 40], tf.float64)],
    )
    xs = np.ones((16, 40))
    with tf.Session() as session:
        got = session.run(total, {x: xs})
        assert not any(name.startswith("packed_gemm") for name in labels(session))
    expected, factor = np.zeros((16, 40)), w0
    while np.abs(expected).sum() < 1e3:
        expected, factor = expected + xs @ factor, factor * 1.5
    np.testing.assert_allclose(got, expected)


def test_the_packed_matrix_follows_the_variable() -> None:
    w = tf.Variable(np.eye(32, dtype=np.float32))
    x = tf.ones([8, 32])

    def loop() -> tf.Tensor:
        return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.matmul(a, w)), [0, x])[1]

    first = loop()
    with tf.control_dependencies([first]):
        doubled = w.assign(w * 2)
    with tf.control_dependencies([doubled]):
        second = loop()
    with tf.Session() as session:
        session.run(w.initializer)
        for power in (1, 2, 4):
            a, b = session.run([first, second])
            assert (a == power**3).all() and (b == (2 * power) ** 3).all()


def test_rows_are_read_where_they_lie() -> None:
    rows = tf.placeholder(tf.float32, [7, 50])
    total = tf.while_loop(
        lambda i, total: i < 7,
        lambda i, total: (i + 1, total + tf.gather(rows, i) * tf.gather(rows, 6 - i)),
        [0, tf.zeros([50])],
    )[1]
    x = np.random.default_rng(0).standard_normal((7, 50)).astype(np.float32)
    with tf.Session() as session:
        for scale in (1, 2):  # another array in each run
            got = session.run(total, {rows: scale * x})
            np.testing.assert_allclose(got, scale**2 * (x * x[::-1]).sum(0), rtol=1e-5, atol=1e-5)
        made = labels(session)
        assert sum(name.startswith("point_") for name in made) == 2
        assert not any(name.startswith("GatherV2") for name in made)


def test_a_row_outside_is_refused() -> None:
    rows, start = tf.placeholder(tf.float32, [7, 50]), tf.placeholder(tf.int64, [])
    total = tf.while_loop(
        lambda i, total: i < 9,
        lambda i, total: (i + 1, total + tf.gather(rows, i)),
        [start, tf.zeros([50])],
    )[1]
    with tf.Session() as session:
        for first in (0, -1):
            with pytest.raises(tf.errors.InvalidArgumentError, match="is not in|out of range"):
                session.run(total, {rows: np.ones((7, 50)), start: first})


def test_rows_of_what_the_loop_changes_are_copied() -> None:
    """Row i is read before the loop writes it, and used after."""
    table = tf.while_loop(
        lambda i, table: i < 3,
        lambda i, table: (
            i + 1,
            tf.tensor_scatter_update(table, [[i + 1]], [tf.gather(table, i) * 2]),
        ),
        [0, tf.ones([4, 40])],
    )[1]
    with tf.Session() as session:
        assert session.run(table)[:, 0].tolist() == [1, 2, 4, 8]


def test_steps_multiply_as_single_runs_do() -> None:
    rng = np.random.default_rng(3)
    x = tf.placeholder(tf.float32, [32, 128])
    w = tf.constant(rng.standard_normal((128, 512)).astype(np.float32))
    y = tf.reduce_sum(tf.matmul(x, w), 1)
    rows = rng.standard_normal((96, 128)).astype(np.float32)
    with tf.Session() as session:
        steps = session.run_steps(y, batches={x: rows}, batch_size=32)
        for k in range(3):
            one = session.run(y, {x: rows[32 * k : 32 * k + 32]})
            np.testing.assert_array_equal(np.asarray(steps)[k], one)


def test_values_are_made_in_the_rows_that_store_them() -> None:
    """What the gradient needs of each round is kept where it is made."""
    x = tf.placeholder(tf.float64, [40])
    y = tf.while_loop(lambda i, v: i < 4, lambda i, v: (i + 1, tf.sin(tf.exp(-v))), [0, x])[1]
    slope = tf.gradients(y, x)[0]
    a = np.random.default_rng(0).standard_normal(40)
    with tf.Session() as session:
        for scale in (1, 0.5):
            value, expected = scale * a, np.ones(40)
            for _ in range(4):
                expected = expected * np.cos(np.exp(-value)) * -np.exp(-value)
                value = np.sin(np.exp(-value))
            np.testing.assert_allclose(session.run(slope, {x: scale * a}), expected)
        assert "stored" in labels(session)


def test_a_stored_value_is_used_before_and_after_its_row_is_stored() -> None:
    """Running sums: each is the start of the next round, a row of the result, and read again."""
    x = tf.placeholder(tf.float64, [5, 40])
    sums = tf.scan(lambda total, row: total * 0.5 + row, x, tf.zeros([40], tf.float64))
    slope = tf.gradients(tf.reduce_sum(sums * sums), x)[0]
    a = np.random.default_rng(1).standard_normal((5, 40))
    with tf.Session() as session:
        got, derivative = session.run([sums, slope], {x: a})
    rows, total = [], np.zeros(40)
    for row in a:
        total = total * 0.5 + row
        rows.append(total)
    expected, back = np.array(rows), np.zeros(40)
    slopes = np.zeros_like(a)
    for k in reversed(range(5)):
        back = back * 0.5 + 2 * expected[k]
        slopes[k] = back
    np.testing.assert_allclose(got, expected)
    np.testing.assert_allclose(derivative, slopes)

"""Random numbers: TensorFlow's streams, seeds, and what names decide (SEMANTICS 17, G11).

Expected numbers were drawn by TensorFlow on a CPU with the same seeds.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from interpret import Interpreter, evaluate

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.apply import apply_op
from flowgraph.ops.philox import Stream, philox

#: (graph seed, op seed, which run) -> first numbers of each kind.
KNOWN: dict[tuple[Any, int, int], dict[str, list[float]]] = {
    (None, 1, 0): {
        "uniform": [0.2390373945236206, 0.92039954662323, 0.05051243305206299],
        "uniform64": [0.9122999234504989, 0.4040997484619626, 0.6841790844248057],
        "uniform16": [0.1943359375, 0.9130859375, 0.7978515625],
        "normal": [-0.8113182187080383, 1.4845987558364868, 0.06532937288284302],
        "truncated": [-0.8113182187080383, 1.4845987558364868, 0.06532937288284302,
                      0.09924840182065964, 0.6396970748901367],
        "ints": [127, 759, 393, 22, 477],
        "ints64": [996466106734791, 238227701593905, 270925956313701],
        "shuffle": [0, 8, 7, 2, 6, 3],
        "glorot": [-0.48320886492729187, 0.7784286737442017, -0.8322892785072327],
        "glorot_normal": [-0.4930140972137451, 0.9021467566490173, 0.039698727428913116],
        "variance": [-0.5325160622596741, 0.9744298458099365, 0.04287952557206154],
    },
    (None, 1, 2): {
        "uniform": [0.7343506813049316, 0.6610265970230103, 0.1511249542236328],
        "uniform64": [0.11002399551466047, 0.6426009480678727, 0.7306467438561328],
        "uniform16": [0.6640625, 0.974609375, 0.0224609375],
        "normal": [-0.6662049889564514, -0.41678300499916077, 1.8211030960083008],
        "truncated": [-0.6662049889564514, -0.41678300499916077, 1.8211030960083008],
        "ints": [828, 885, 104, 928, 399],
        "ints64": [981673643852456, 222853540005911, 496878153248954],
        "shuffle": [1, 6, 8, 3, 5, 2],
        "glorot": [0.4457986354827881, 0.8218642473220825, -0.6922632455825806],
        "glorot_normal": [-0.16264064610004425, 0.4417751431465149, 0.2511695623397827],
        "variance": [-0.17567196488380432, 0.4771716892719269, 0.27129414677619934],
    },
    (7, 3, 2): {
        "uniform": [0.6141475439071655, 0.18699228763580322, 0.061067938804626465],
        "normal": [0.9110665917396545, 0.38078567385673523, 2.3573520183563232],
        "truncated": [0.9110665917396545, 0.38078567385673523, -0.18554788827896118],
        "ints": [435, 149, 451, 501, 523],
        "shuffle": [5, 7, 1, 2, 0, 6],
        "glorot_normal": [-0.042187195271253586, 0.42562299966812134, -0.5755423307418823],
    },
}  # fmt: skip


def _make(seed: int) -> dict[str, Any]:
    return {
        "uniform": tf.random_uniform([5], seed=seed),
        "uniform64": tf.random_uniform([3], seed=seed, dtype=tf.float64),
        "uniform16": tf.random_uniform([3], seed=seed, dtype=tf.float16),
        "normal": tf.random_normal([5], seed=seed),
        "truncated": tf.truncated_normal([5], seed=seed),
        "ints": tf.random_uniform([5], 0, 1000, dtype=tf.int32, seed=seed),
        "ints64": tf.random_uniform([3], 0, 10**15, dtype=tf.int64, seed=seed),
        "shuffle": tf.random_shuffle(tf.range(9), seed=seed),
        "glorot": tf.glorot_uniform_initializer(seed=seed)([3, 4]),
        "glorot_normal": tf.glorot_normal_initializer(seed=seed)([3, 4]),
        "variance": tf.variance_scaling_initializer(seed=seed)([3, 4]),
    }


@pytest.mark.parametrize("key", KNOWN, ids=str)
def test_seeds_give_tensorflows_numbers(key: tuple[Any, int, int]) -> None:
    graph_seed, seed, which = key
    if graph_seed is not None:
        tf.set_random_seed(graph_seed)
    ops = _make(seed)
    runs = Interpreter()
    for _ in range(which + 1):
        values = dict(zip(ops, runs.run(list(ops.values())), strict=True))
    for kind, expected in KNOWN[key].items():
        got = values[kind].reshape(-1)[: len(expected)]
        if got.dtype.kind == "i" or kind.startswith("uniform"):
            np.testing.assert_array_equal(got, np.array(expected, got.dtype), err_msg=kind)
        else:
            np.testing.assert_allclose(got, expected, 3e-6, 1e-6, err_msg=kind)


def test_sessions_draw_what_the_references_draw() -> None:
    ops = _make(3)
    oracle, session = Interpreter(), tf.Session()
    for _ in range(3):
        expected = oracle.run(list(ops.values()))
        for kind, got, value in zip(ops, session.run(list(ops.values())), expected, strict=True):
            if got.dtype.kind == "i" or kind.startswith("uniform"):
                np.testing.assert_array_equal(got, value, err_msg=kind)
            else:
                np.testing.assert_allclose(got, value, 3e-6, 1e-6, err_msg=kind)


def test_large_draws_are_tensorflows() -> None:
    ops = [
        tf.random_uniform([100003], seed=5),
        tf.random_uniform([100003], seed=5, dtype=tf.float64),
        tf.random_uniform([100003], -5, 77, dtype=tf.int32, seed=5),
    ]
    digests = [
        ["bf33f60d798ccf9f", "0cfd03fbe6991cf9", "831b5782356234c5"],
        ["548bab5a2374a45d", "31c801dc0c7ca4bc", "4d2ed464d1634f39"],
    ]
    for runs in (Interpreter(), tf.Session()):
        for expected in digests:
            values = runs.run(ops)
            assert [hashlib.sha256(v.tobytes()).hexdigest()[:16] for v in values] == expected


@pytest.mark.parametrize(
    ("make", "sums"),
    [
        (tf.random_normal, [(130.42917, 79783.40321), (446.07061, 79689.85071)]),
        (tf.truncated_normal, [(258.37112, 72153.30954), (-88.45297, 72224.37678)]),
    ],
)
def test_large_normal_draws_are_tensorflows(make: Any, sums: list[tuple[float, float]]) -> None:
    op = make([100003], seed=5)
    for runs in (Interpreter(), tf.Session()):
        for total, size in sums:
            value = runs.run([op])[0].astype(np.float64)
            assert abs(value.sum() - total) < 2e-2
            assert abs(np.abs(value).sum() - size) < 2e-2


def test_other_distributions_are_tensorflows() -> None:
    """Two runs with seeds (5, 7)."""
    seeds = {"seed": 5, "seed2": 7}
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], np.float32))
    alpha = np.array([0.3, 1.0, 2.5, 40.0], np.float32)
    rate = np.array([0.5, 9.99, 10.0, 50.0], np.float32)
    ops = [
        apply_op("RandomGamma", [3], alpha, **seeds),
        apply_op("RandomPoissonV2", [4], rate, dtype=tf.int32, **seeds),
        apply_op("Multinomial", logits, 6, **seeds),
    ]
    first = [
        [0.5113537, 1.596641, 3.2336812, 42.077],
        [[0, 8, 11, 55], [0, 11, 10, 51], [0, 9, 15, 58], [1, 11, 8, 48]],
        [[2, 0, 3, 0, 1, 3], [0, 0, 0, 0, 2, 3]],
    ]
    for runs in (Interpreter(), tf.Session()):
        gamma, poisson, classes = runs.run(ops)
        np.testing.assert_allclose(gamma[0], first[0], 1e-6)
        np.testing.assert_array_equal(poisson, first[1])
        np.testing.assert_array_equal(classes[0], first[2][0])
        assert abs(runs.run(ops)[0][0, 0] - 0.5868569) < 1e-6


def test_stateless_numbers_are_tensorflows() -> None:
    uniform, wide, ints, classes = evaluate([
        tf.random.stateless_uniform([3], [1, 2]),
        tf.random.stateless_uniform([3], [1, 2], dtype=tf.float64),
        tf.random.stateless_uniform([5], [1, 2], -3, 900, dtype=tf.int32),
        tf.random.stateless_categorical([[0.0, 0.0]], 5, [1, 2]),
    ])  # fmt: skip
    np.testing.assert_array_equal(uniform, np.float32([0.8440604, 0.19204533, 0.9962232]))
    np.testing.assert_allclose(wide, [0.75248375, 0.96978577, 0.17592234], 1e-7)
    assert ints.tolist() == [58, 887, 870, 165, 376]
    assert classes.tolist() == [[1, 1, 0, 1, 1]]
    session = tf.Session()
    x = tf.random.stateless_truncated_normal([50], [3, 4])
    np.testing.assert_array_equal(session.run(x), session.run(x))
    assert np.abs(session.run(x)).max() < 2


def test_distributions_have_their_moments() -> None:
    session = tf.Session()
    gamma = session.run(tf.random_gamma([40000], [0.5, 3.0], beta=[2.0, 0.5], seed=1))
    np.testing.assert_allclose(gamma.mean(0), [0.25, 6.0], rtol=0.03)
    np.testing.assert_allclose(gamma.var(0), [0.125, 12.0], rtol=0.06)
    poisson = session.run(tf.random_poisson([0.3, 4.0, 30.0], [40000], seed=1))
    np.testing.assert_allclose(poisson.mean(0), [0.3, 4, 30], rtol=0.03)
    np.testing.assert_allclose(poisson.var(0), [0.3, 4, 30], rtol=0.05)
    classes = session.run(tf.multinomial(np.log([[1.0, 2.0, 5.0]]), 40000, seed=1))
    np.testing.assert_allclose(np.bincount(classes[0]) / 40000, [1 / 8, 2 / 8, 5 / 8], rtol=0.03)


def test_gamma_samples_have_gradients() -> None:
    """dx/dalpha keeps the quantile: x = Q(u; alpha) for Exp(1) is -log(1 - u) at alpha 1."""
    alpha = tf.constant([0.7, 1.0, 5.0], tf.float64)
    beta = tf.placeholder(tf.float64, [])
    x = tf.random_gamma([2000], alpha, beta, dtype=tf.float64, seed=1)
    grads = tf.gradients(x, [alpha, beta])
    session = tf.Session()
    value, to_alpha, to_beta = session.run([x, *grads], {beta: 2.0})
    # E[x] = alpha / beta, so the mean slope is 1 / beta, and of beta -alpha / beta**2
    np.testing.assert_allclose(to_alpha / 2000, 0.5, rtol=0.05)
    np.testing.assert_allclose(to_beta, -value.sum() / 2, rtol=1e-9)
    one, slope = 0.8, 0.0
    high, low = (_quantile(one, a) for a in (2.5 + 1e-5, 2.5 - 1e-5))
    slope = (high - low) / 2e-5
    got = session.run(apply_op("RandomGammaGrad", np.float64(2.5), _quantile(one, 2.5)))
    assert abs(got - slope) < 1e-6


def _quantile(p: float, alpha: float) -> float:
    """x with P(alpha, x) = p, by bisection of numerical integration."""
    mpmath = pytest.importorskip("mpmath")
    return float(mpmath.findroot(lambda x: mpmath.gammainc(alpha, 0, x, True) - p, alpha))


def test_sample_counts_that_only_the_run_knows() -> None:
    count = tf.placeholder(tf.int32)
    session = tf.Session()
    assert session.run(tf.multinomial([[0.0, 1.0]], count), {count: 7}).shape == (1, 7)
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
        session.run(tf.multinomial([[0.0, 1.0]], count), {count: -1})


def test_philox_known_answer() -> None:
    # Random123's known-answer file: key and counter zero.
    words = philox(0, 0, np.zeros(1, np.uint64))[0]
    assert [f"{w:08x}" for w in words] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = 2**64 - 1
    words = philox(ones, ones, np.array([ones], np.uint64))[0]
    assert [f"{w:08x}" for w in words] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_an_op_seed_repeats_across_sessions_and_advances_within_one() -> None:
    x = tf.random_uniform([4], seed=1)
    first, second = tf.Session(), tf.Session()
    a, b = first.run(x), first.run(x)
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(second.run(x), a)
    np.testing.assert_array_equal(second.run(x), b)


def test_a_graph_seed_gives_every_op_its_own_stream() -> None:
    tf.set_random_seed(1)
    a, b = evaluate([tf.random_uniform([4]), tf.random_uniform([4])])
    assert not np.array_equal(a, b)


def test_unseeded_streams_depend_on_the_name_alone() -> None:
    """G11: an unrelated new node does not change the draw."""
    with tf.Graph().as_default():
        plain = evaluate(tf.random_normal([4], name="r"))
    with tf.Graph().as_default():
        tf.random_uniform([2])
        tf.constant(1.0)
        crowded = evaluate(tf.random_normal([4], name="r"))
        other = evaluate(tf.random_normal([4], name="q"))
    np.testing.assert_array_equal(plain, crowded)
    assert not np.array_equal(plain, other)


def test_the_graph_seed_changes_unseeded_streams() -> None:
    draws = []
    for seed in (None, 1, 2):
        with tf.Graph().as_default():
            tf.set_random_seed(seed)
            draws.append(evaluate(tf.random_uniform([8])))
    assert len({d.tobytes() for d in draws}) == 3


@pytest.mark.slow
def test_every_process_draws_the_same() -> None:
    code = (
        "import flowgraph as tf; print(tf.Session().run(tf.random_normal([3], name='w')).tolist())"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


def test_get_seed() -> None:
    assert tf.get_seed(None) == (None, None)
    assert tf.get_seed(3) == (87654321, 3)
    tf.set_random_seed(5)
    assert tf.get_seed(3) == (5, 3)
    assert tf.get_seed(None)[0] == 5
    tf.set_random_seed(0)
    assert tf.get_seed(0) == (0, 2**31 - 1)


def test_ranges_and_moments() -> None:
    uniform, normal, truncated, ints = evaluate([
        tf.random_uniform([20000], -1.0, 3.0, seed=1),
        tf.random_normal([20000], 2.0, 0.5, seed=1),
        tf.truncated_normal([20000], 2.0, 0.5, seed=1),
        tf.random_uniform([20000], -3, 4, dtype=tf.int64, seed=1),
    ])  # fmt: skip
    assert -1 <= uniform.min() < uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.03
    assert abs(normal.mean() - 2) < 0.02
    assert abs(normal.std() - 0.5) < 0.02
    assert np.abs(truncated - 2).max() <= 1
    assert abs(truncated.std() - 0.5 * 0.8796) < 0.02
    assert set(ints) == set(range(-3, 4))


def test_glorot_normal_is_truncated_and_variance_corrected() -> None:
    value = evaluate(tf.glorot_normal_initializer(seed=1)([300, 200]))
    stddev = np.sqrt(2 / 500)
    assert abs(value.std() - stddev) < 0.01 * stddev
    assert np.abs(value).max() <= 2 * stddev / 0.8796 * 1.0001
    plain = evaluate(tf.truncated_normal_initializer(stddev=0.1, seed=1)([300, 200]))
    assert abs(plain.std() - 0.08796) < 0.001


def test_shuffle_is_a_permutation_of_rows() -> None:
    rows = np.arange(20).reshape(10, 2)
    value = evaluate(tf.random_shuffle(rows, seed=4))
    assert not np.array_equal(value, rows)
    np.testing.assert_array_equal(value[np.argsort(value[:, 0])], rows)


def test_draws_run_natively() -> None:
    """Nothing of a draw returns to Python; with FLOWGRAPH_CHECK kernels are compared."""
    x = [
        tf.random_uniform([5]),
        tf.random_normal([5], dtype=tf.float64),
        tf.truncated_normal([5]),
        tf.random_uniform([5], 0, 9, dtype=tf.int32),
        tf.random_shuffle(tf.range(5)),
        tf.nn.dropout(tf.ones([5]), 0.5),
    ]
    session = tf.Session()
    session.run(x)
    (entry,) = session._entries
    assert all(i.kernel is not None for i in entry.plan.current.executable.plan.instrs)
    with config.override(CHECK=1):
        checked = tf.Session()
        first = checked.run(x)
    for one, other in zip(tf.Session().run(x), first, strict=True):
        np.testing.assert_array_equal(one, other)


def test_counter_counts_reserved_blocks() -> None:
    counter = np.zeros(1, np.int64)
    stream = Stream(1, 2, counter)
    first = stream.uniform(3, np.dtype(np.float32))
    assert counter[0] == 3 * 256
    jumped = Stream(1, 2, np.array([3 * 256])).uniform(2, np.dtype(np.float32))
    np.testing.assert_array_equal(stream.uniform(2, np.dtype(np.float32)), jumped)
    assert stream.uniform(0, np.dtype(np.float32)).shape == (0,)
    assert first.shape == (3,)


def test_names_are_tensorflows() -> None:
    x = tf.random_normal([2, 3])
    assert x.name == "random_normal:0"
    names = [op.name for op in tf.get_default_graph().get_operations()]
    assert names == [
        "random_normal/shape", "random_normal/mean", "random_normal/stddev",
        "random_normal/RandomStandardNormal", "random_normal/mul", "random_normal",
    ]  # fmt: skip


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="maxval must be given"):
        tf.random_uniform([2], dtype=tf.int32)
    with pytest.raises(ValueError, match="uint8 is neither"):
        tf.random_uniform([2], dtype=tf.uint8)
    with pytest.raises(ValueError, match="not float"):
        tf.random_normal([2], dtype=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="below maxval"):
        evaluate(tf.random_uniform([2], 5, 5, dtype=tf.int32))

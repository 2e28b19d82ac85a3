"""Each pass on printed form, and all of them value-preserving on random graphs."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.apply import call
from flowgraph.optimize import algebra, frozen
from flowgraph.optimize.bodies import with_feed_shapes
from flowgraph.optimize.cse import merge_common
from flowgraph.optimize.fold import fold
from flowgraph.optimize.freeze import freeze
from flowgraph.optimize.frozen import eliminate_dead
from flowgraph.optimize.fuse import fuse
from flowgraph.optimize.fuse import to_text as regions_text
from flowgraph.optimize.order import order_effects
from flowgraph.optimize.specialize import specialize


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def text(graph) -> list[str]:
    """Printed form without sites and names: ``%2 = Mul(%0, %1)``."""
    lines = []
    for line in frozen.to_text(graph).splitlines():
        line = re.sub(r"   '.*", "", line)
        lines.append(re.sub(r"\s+", " ", line).strip())
    return lines


def simplified(fetch, feeds=()):
    graph = freeze([fetch], list(feeds))
    for run in (fold, algebra.simplify, eliminate_dead):
        graph = run(graph)
        frozen.verify(graph)
    return text(graph)


# ------------------------------------------------------------------------------------------ freeze


def test_freeze_keeps_what_the_fetch_needs():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = x * 2.0
    tf.exp(y)
    assert text(freeze([y], [x])) == [
        "%0 = Feed() float32[2]",
        "%1 = Const() {value: 2.0} float32[]",
        "%2 = Mul(%0, %1) float32[2]",
        "fetch %2",
    ]


def test_freeze_cuts_at_feeds():
    x = tf.placeholder(tf.float32, [2])
    y = x * 2.0
    z = y + y
    assert text(freeze([z], [y]))[1:] == ["%1 = AddV2(%0, %0) float32[2]", "fetch %1"]


def test_reads_and_writes_become_versions():
    v = tf.Variable(1.0, name="v")
    before = v.value()
    add = v.assign_add(2.0)
    with tf.control_dependencies([add]):
        after = v.read_value() * 3.0
    assert text(freeze([before, after], [])) == [
        "%0 = Variable() {variable: 'v'} float32[]",
        "%1 = Const() {value: 2.0} float32[]",
        "%2 = AssignAdd(%0, %1) {use_locking: False} float32[]",
        "%3 = Const() {value: 3.0} float32[]",
        "%4 = Mul(%2, %3) float32[]",
        "fetch %0, %4",
    ]


# ------------------------------------------------------------------------------------ fold and cse


def test_fold_computes_constants_and_leaves_errors_to_the_run():
    a = tf.constant([1.0, 2.0]) * tf.constant(3.0)
    assert text(eliminate_dead(fold(freeze([a], [])))) == [
        "%0 = Const() {value: [3.0, 6.0]} float32[2]",
        "fetch %0",
    ]
    bad = tf.constant([1, 2]) // tf.constant([1, 0])
    assert "FloorDiv" in " ".join(text(fold(freeze([bad], []))))


def test_fold_does_not_blow_up_memory():
    big = tf.ones([1000, 1000]) * 1.0
    kinds = [n.type for n in fold(freeze([big], [])).nodes]
    assert "Mul" in kinds  # one number stands for the ones; their product is left to the run


def test_random_operations_are_neither_folded_nor_merged():
    a, b = tf.random_uniform([2]), tf.random_uniform([2])
    kinds = [n.type for n in merge_common(fold(freeze([a + b], []))).nodes]
    assert kinds.count("RandomUniform") == 2


def test_cse_merges_equal_work_only():
    x = tf.placeholder(tf.float32, [3])
    y = tf.exp(x) + tf.exp(x) * tf.sin(x)
    kinds = [n.type for n in eliminate_dead(merge_common(freeze([y], [x]))).nodes]
    assert sorted(kinds) == ["AddV2", "Exp", "Feed", "Mul", "Sin"]
    negative_zero = tf.constant(0.0) / x + tf.constant(-0.0) / x
    kinds = [n.type for n in merge_common(freeze([negative_zero], [x])).nodes]
    assert kinds.count("RealDiv") == 2  # 0 and -0 are equal, but not the same


# ----------------------------------------------------------------------------------------- algebra


def _cases():
    """name -> (build(x, y), ops that must remain besides Feed and Const)."""
    return {
        "add zero": (lambda x, y: (x + 0.0) * y, ["Mul"]),
        "subtract zero": (lambda x, y: (x - 0.0) * y, ["Mul"]),
        "multiply by one": (lambda x, y: 1.0 * x * y, ["Mul"]),
        "divide by one": (lambda x, y: x / 1.0 * y, ["Mul"]),
        "negate twice": (lambda x, y: tf.negative(-x) * y, ["Mul"]),
        "add a negative": (lambda x, y: x + (-y), ["Sub"]),
        "subtract a negative": (lambda x, y: x - (-y), ["Add"]),
        "first power": (lambda x, y: tf.pow(x, 1.0) * y, ["Mul"]),
        "second power": (lambda x, y: tf.pow(x, 2.0), ["Square"]),
        "divide by 2**k": (lambda x, y: x / 4.0, ["Mul"]),
        "reshape to own shape": (lambda x, y: tf.reshape(x, [2, 3]) * y, ["Mul"]),
        "reshape a reshape": (
            lambda x, y: tf.reshape(tf.reshape(x, [6]), [3, 2]),
            ["Reshape"],
        ),
        "slice everything": (
            lambda x, y: call.StridedSliceGrad([2, 3], [0, 0], [2, 3], [1, 1], x) * y,
            ["Mul"],
        ),
        "transpose nothing": (lambda x, y: tf.transpose(x, [0, 1]) * y, ["Mul"]),
        "transpose twice": (
            lambda x, y: tf.transpose(tf.transpose(x)) * y,
            ["Mul"],
        ),
        "reduce nothing": (lambda x, y: tf.reduce_sum(x, axis=[]) * y, ["Mul"]),
        "sum of few": (lambda x, y: tf.add_n([x, y]), ["Add"]),
        "forward": (lambda x, y: tf.identity(x) * tf.stop_gradient(y), ["Mul"]),
        "cast to own dtype": (
            lambda x, y: tf.cast(tf.cast(x, tf.float32), tf.float32) * y,
            ["Mul"],
        ),
        "log softmax": (lambda x, y: tf.log(tf.nn.softmax(x)), ["LogSoftmax"]),
        "log sigmoid": (lambda x, y: tf.log(tf.sigmoid(x)), ["Neg", "Neg", "Softplus"]),
        "log of 1 + x": (lambda x, y: tf.log(1.0 + x), ["Log1p"]),
        "exp(x) - 1": (lambda x, y: tf.exp(x) - 1.0, ["Expm1"]),
    }


def test_every_rule_has_a_case():
    assert {rule.name for rule in algebra.RULES} == set(_cases())


@pytest.mark.parametrize("name", list(_cases()))
def test_rules_apply_and_keep_values(name):
    build, expected = _cases()[name]
    x = tf.placeholder(tf.float32, [2, 3])
    y = tf.placeholder(tf.float32, [2, 3])
    result = build(x, y)
    lines = simplified(result, [x, y])
    kinds = sorted(m for line in lines for m in re.findall(r"= (\w+)\(", line))
    assert [k for k in kinds if k not in ("Feed", "Const")] == sorted(expected)
    rng = np.random.default_rng(0)
    feeds = {
        x: rng.uniform(0.1, 2, (2, 3)).astype(np.float32),
        y: rng.uniform(0.1, 2, (2, 3)).astype(np.float32),
    }
    with tf.Session() as sess:
        found = sess.run(result, feeds)
    with tf.Session() as sess, config.override(DISABLE=frozenset(["algebra"]), TARGET="reference"):
        reference = sess.run(result, feeds)
    np.testing.assert_allclose(found, reference, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: x * 0.0,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: tf.sqrt(x) * tf.sqrt(x),
        lambda x: x / 3.0,
    ],
)
def test_refused_rewrites(build):
    """x*0, x-x and x/x are wrong at NaN and infinity; sqrt(x)**2 for x < 0; 1/3 is not exact."""
    x = tf.placeholder(tf.float32, [2, 3])
    special = np.array([[np.nan, np.inf, -np.inf], [0.0, -1.0, 2.0]], np.float32)
    result = build(x)
    with tf.Session() as sess:
        found = sess.run(result, {x: special})
    with tf.Session() as sess, config.override(DISABLE=frozenset(["algebra"]), TARGET="reference"):
        np.testing.assert_array_equal(found, sess.run(result, {x: special}))


def test_adding_zeros_that_broadcast_is_kept():
    x = tf.placeholder(tf.float32, [3])
    wide = x + tf.zeros([2, 3])
    with tf.Session() as sess:
        assert sess.run(wide, {x: [1, 2, 3]}).shape == (2, 3)


# ---------------------------------------------------------------------------- specialise and order


def test_shape_arithmetic_folds_when_sizes_are_known():
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.reshape(x, tf.stack([tf.shape(x)[0] * 2, 2]))
    graph = fold(freeze([y], [x]))
    staged = specialize(with_feed_shapes(graph, [(3, 4)], {}))
    frozen.verify(staged.first, known_shapes=True)
    lines = text(eliminate_dead(staged.first))
    assert staged.rest is None
    assert lines[-2:] == ["%2 = Reshape(%0, %1) float32[6, 2]", "fetch %2"]


def test_sizes_that_only_the_run_knows_cut_the_graph():
    x, shape = tf.placeholder(tf.float32, [6]), tf.placeholder(tf.int32, [2])
    y = tf.exp(tf.reshape(x * 2.0, shape + 0))
    staged = specialize(with_feed_shapes(freeze([y], [x, shape]), [(6,), (2,)], {}))
    assert staged.rest is not None
    assert [v.node.type for v in staged.boundary] == ["AddV2", "Mul"]
    assert staged.by_value == (True, False)


def test_users_of_an_old_version_get_a_copy_only_when_they_must():
    v = tf.Variable([1.0, 2.0])
    old = v.read_value()
    early = old * 2.0
    add = v.assign_add([1.0, 1.0])
    late = old * add

    def ordered(*fetches):
        staged = specialize(freeze(list(fetches), []))
        graph, _ = order_effects(staged.first)
        frozen.verify(graph)
        return [n.type for n in graph.nodes if n.type != "Const"]

    assert ordered(early, add) == ["Variable", "Mul", "AssignAdd"]
    assert "Copy" in ordered(late)


# -------------------------------------------------------------------------------------------- fuse


def regions_of(fetches, feeds, shapes):
    graph = eliminate_dead(fold(freeze(fetches, feeds)))
    staged = specialize(with_feed_shapes(graph, shapes, {}))
    return fuse(*order_effects(eliminate_dead(staged.first)))


def test_elementwise_chains_and_trailing_reductions_are_one_region():
    x = tf.placeholder(tf.float32, [8, 100])
    y = tf.reduce_sum(tf.tanh(x * 2.0 + 1.0), axis=1) * 3.0
    (region,) = regions_of([y], [x], [(8, 100)])
    assert [n.type for n in region.nodes] == ["Mul", "AddV2", "Tanh", "Sum", "Mul"]
    assert (region.domain, region.reduced) == ((8, 100), (1,))


def test_softmax_by_hand_is_one_region():
    x = tf.placeholder(tf.float32, [8, 100])
    e = tf.exp(x - tf.reduce_max(x, axis=1, keepdims=True))
    y = e / tf.reduce_sum(e, axis=1, keepdims=True)
    assert len(regions_of([y], [x], [(8, 100)])) == 1


def test_other_loops_are_other_regions():
    x = tf.placeholder(tf.float32, [8, 100])
    column = x - tf.reduce_mean(x, axis=0)  # leading reduction: no second pass over rows
    assert len(regions_of([column], [x], [(8, 100)])) == 2
    both = tf.reduce_sum(tf.reduce_sum(x, axis=1), axis=0)
    assert len(regions_of([both], [x], [(8, 100)])) == 2
    grown = tf.reduce_sum(x, axis=1)[:, None] * tf.exp(x)
    assert "Exp" in regions_text(regions_of([grown], [x], [(8, 100)]))


def test_long_chains_repeat_the_same_region():
    x = tf.placeholder(tf.float32, [10])
    y = x
    for _ in range(480):
        y = tf.sin(y)
    regions = regions_of([y], [x], [(10,)])
    assert len(regions) == 10
    assert len({len(r.nodes) for r in regions}) == 1


# -------------------------------------------------------------------- random graphs, all passes


KINDS = (
    "add", "mul", "sub", "tanh", "exp", "neg", "max", "row_sum", "col_mean", "total", "relu",
    "matmul", "transpose", "concat", "one", "zero", "reshape", "slice", "softmax",
)  # fmt: skip


def _step(draw, values):
    x = draw(st.sampled_from(values))
    y = draw(st.sampled_from(values))
    kind = draw(st.sampled_from(KINDS))
    if kind == "add":
        return x + y
    if kind == "mul":
        return x * y
    if kind == "sub":
        return x - y
    if kind == "tanh":
        return tf.tanh(x)
    if kind == "exp":
        return tf.exp(tf.tanh(x))
    if kind == "neg":
        return -x
    if kind == "max":
        return tf.maximum(x, y)
    if kind == "row_sum":
        return x + tf.reduce_sum(y, axis=1, keepdims=True)
    if kind == "col_mean":
        return x * tf.reduce_mean(y, axis=0)
    if kind == "total":
        return x - tf.reduce_max(y)
    if kind == "relu":
        return tf.nn.relu(x) + 0.0
    if kind == "matmul":
        return tf.matmul(x, tf.tanh(y), transpose_b=True)
    if kind == "transpose":
        return tf.transpose(x) * 1.0
    if kind == "concat":
        return tf.concat([x[:2], y[2:]], axis=0)
    if kind == "one":
        return x * 1.0 - (-y)
    if kind == "zero":
        return tf.identity(x) + 0.0
    if kind == "reshape":
        return tf.reshape(tf.reshape(x, [-1]), tf.shape(y))
    if kind == "slice":
        return x[::-1] + y[:, :1]
    return tf.nn.softmax(x)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_random_graphs_keep_their_values(data):
    """Native and optimised against the NumPy references of the graph as written."""
    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [None, 5])
    values = [x, tf.constant(np.linspace(-1, 1, 25, dtype=np.float32).reshape(5, 5))]
    for _ in range(data.draw(st.integers(1, 12))):
        values.append(tf.clip_by_value(_step(data.draw, values), -10.0, 10.0))
    fetched = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))
    v = tf.Variable(tf.zeros([5, 5]))
    update = v.assign_add(values[-1])
    gradient = tf.gradients(values[-1], x)[0]
    if gradient is not None:
        fetched.append(gradient)
    fetched += [update, v.value()]
    seed = data.draw(st.integers(0, 1000))
    feed = {x: np.random.default_rng(seed).uniform(-1, 1, (5, 5)).astype(np.float32)}

    def run(**knobs):
        with config.override(**knobs), tf.Session() as sess:
            sess.run(v.initializer)
            return [sess.run(fetched, feed) for _ in range(2)]

    everything = frozenset(["fold", "algebra", "cse", "fuse"])
    expected = run(TARGET="reference", DISABLE=everything)
    for found in (run(VERIFY=2), run(TARGET="reference", VERIFY=2)):
        for a, b in zip(found, expected, strict=True):
            for p, q in zip(a, b, strict=True):
                np.testing.assert_allclose(p, q, rtol=2e-4, atol=2e-4)


def test_the_order_of_rules_does_not_matter():
    x, y = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [2, 3])
    z = tf.log(tf.nn.softmax(tf.negative(-x) * 1.0)) + tf.pow(y + 0.0, 2.0) / 4.0 - (-x)
    graph = fold(freeze([z], [x, y]))
    results = set()
    for seed in range(5):
        rules = list(algebra.RULES)
        random.Random(seed).shuffle(rules)
        table = algebra.by_type(tuple(rules))
        current = graph
        for _ in range(4):
            current = eliminate_dead(algebra.apply_rules(current, table))
        results.add(tuple(sorted(n.type for n in current.nodes)))
    assert len(results) == 1

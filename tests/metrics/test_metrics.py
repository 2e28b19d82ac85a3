"""tf.metrics: values over batches, names, collections; test_programs.py asks TensorFlow too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph.graph.export import EXPORTS

M = tf.metrics
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def stream(metric, placeholders, batches):
    """The updates' results, and the value at the end."""
    value, update = metric
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        found = [session.run(update, dict(zip(placeholders, b, strict=True))) for b in batches]
        return found, session.run(value)


def P(dtype, *shape):
    return tf.placeholder(dtype, shape)


def test_the_value_of_a_run_with_the_update_is_the_one_before():
    x = P(tf.float32, None)
    value, update = M.mean(x)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(value) == 0.0
        assert session.run([value, update], {x: [1.0, 3.0]}) == [0.0, 2.0]
        assert session.run([value, update], {x: [11.0]}) == [2.0, 5.0]


def test_names_and_collections():
    x = P(tf.float32, None)
    value, update = M.mean(x, metrics_collections="m", updates_collections=["u", "all"])
    assert (value.name, update.name) == ("mean/value:0", "mean/update_op:0")
    assert [v.name for v in tf.local_variables()] == ["mean/total:0", "mean/count:0"]
    assert tf.get_collection(tf.GraphKeys.METRIC_VARIABLES) == tf.local_variables()
    assert tf.global_variables() == tf.trainable_variables() == []
    assert tf.get_collection("m") == [value]
    assert tf.get_collection("u") == tf.get_collection("all") == [update]
    assert M.accuracy([1], [1])[0].name == "accuracy/value:0"
    assert M.accuracy([1], [1])[0].name == "accuracy_1/value:0"
    assert M.precision_at_k([[1]], [[0.1, 0.9]], 1)[0].name == "precision_at_1:0"
    assert M.precision_at_k([[1]], [[0.1, 0.9]], 1, class_id=2)[0].name == "precision_at_1_class2:0"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_means_are_those_of_the_whole_data_set(seed, lengths):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(size=(2, n)).astype(np.float32) for n in lengths]
    whole = np.concatenate([b[0] for b in batches])
    weights = np.concatenate([np.abs(b[1]) for b in batches])
    with tf.Graph().as_default():
        x, w = P(tf.float32, None), P(tf.float32, None)
        _, value = stream(M.mean(x, w), [x, w], [(b[0], np.abs(b[1])) for b in batches])
    wanted = (whole * weights).sum() / weights.sum() if len(whole) else 0.0
    np.testing.assert_allclose(value, wanted, 1e-4, 1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_counts_precision_and_recall(seed, batches):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 2, (batches, 2, 9)).astype(bool)
    truth, said = data[:, 0].ravel(), data[:, 1].ravel()
    counts = {
        "true_positives": np.sum(truth & said), "false_positives": np.sum(~truth & said),
        "false_negatives": np.sum(truth & ~said), "true_negatives": np.sum(~truth & ~said),
    }  # fmt: skip
    tp = counts["true_positives"]
    counts["precision"] = tp / said.sum() if said.sum() else 0.0
    counts["recall"] = tp / truth.sum() if truth.sum() else 0.0
    for name, wanted in counts.items():
        with tf.Graph().as_default():
            a, b = P(tf.bool, None), P(tf.bool, None)
            found, value = stream(getattr(M, name)(a, b), [a, b], data)
        np.testing.assert_allclose(value, wanted, 1e-6)
        assert found[-1] == value


def test_auc_is_the_rank_statistic():
    truth = RNG.integers(0, 2, 400).astype(bool)
    scores = np.clip(RNG.normal(0.4 + 0.2 * truth, 0.2), 0, 1).astype(np.float32)
    a, b = P(tf.bool, None), P(tf.float32, None)
    _, value = stream(M.auc(a, b, num_thresholds=1000), [a, b], [(truth, scores)])
    above = scores[truth][:, None] > scores[~truth][None, :]
    assert abs(value - above.mean()) < 2e-3


def test_auc_of_perfect_and_of_reversed_predictions():
    truth = np.array([0, 0, 1, 1], bool)
    for scores, wanted in (([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0)):
        with tf.Graph().as_default():
            _, value = stream(M.auc(truth, np.array(scores, np.float32)), [], [()])
        assert abs(value - wanted) < 1e-5


def test_mean_iou_and_accuracy_of_classes():
    labels, said = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found, value = stream(M.mean_iou(labels, said, 3), [], [()])
    assert found[0].tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(value, (1 / 2 + 2 / 3) / 2, 1e-6)
    found, value = stream(M.mean_per_class_accuracy(labels, said, 2), [], [()])
    assert found[0].tolist() == [0.5, 1.0]
    assert value == 0.75


def test_at_k_are_of_sets():
    scores = np.array([[0.1, 0.9, 0.5, 0.2], [0.7, 0.1, 0.6, 0.3]], np.float32)
    labels = np.array([[1, 1, 3], [3, 2, 3]])  # sets {1, 3} and {2, 3}
    _, value = stream(M.precision_at_k(labels, scores, 2), [], [()])
    assert value == 2 / 4
    _, value = stream(M.recall_at_k(labels, scores, 2), [], [()])
    assert value == 2 / 4
    _, value = stream(M.recall_at_k(labels, scores, 2, class_id=1), [], [()])
    assert value == 1.0
    best = np.array([[1, 1], [2, 2]])
    _, value = stream(M.precision_at_top_k(labels, best), [], [()])
    assert value == 1.0


def test_labels_may_be_sparse():
    labels = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], np.array([1, 2, 3], np.int64), [2, 2])
    scores = np.array([[0.1, 0.9, 0.5, 0.2], [0.7, 0.1, 0.6, 0.3]], np.float32)
    _, value = stream(M.recall_at_k(labels, scores, 2), [], [()])
    np.testing.assert_allclose(value, 2 / 3)
    _, value = stream(M.average_precision_at_k(labels, scores, 2), [], [()])
    np.testing.assert_allclose(value, (1.0 + 0.5 / 2) / 2)


def test_weights():
    x, w = P(tf.float32, None, 2), P(tf.float32, None)
    value, update = M.mean_tensor(tf.ones([2, 2]), weights=[[1.0], [0.0]])
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(update).tolist() == [[1, 1], [0, 0]]
    # A vector of weights gets the axis that the values have more.
    _, value = stream(M.mean(x, w), [x, w], [([[1, 2], [5, 7]], [1, 0])])
    assert value == 1.5
    _, value = stream(M.mean(x, 0.0), [x], [([[1, 2]],)])
    assert value == 0.0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: M.accuracy(tf.zeros([3]), tf.zeros([4])), ValueError, "one shape"),
        (lambda: M.mean(tf.zeros([3, 2]), tf.zeros([2, 2])), ValueError, "do not fit"),
        (lambda: M.auc([True], [0.5], curve="X"), ValueError, "'ROC' or 'PR'"),
        (lambda: M.auc([True], [0.5], summation_method="X"), ValueError, "trapezoidal"),
        (lambda: M.average_precision_at_k([[1]], [[0.5]], 0), ValueError, "1 at least"),
        (lambda: M.specificity_at_sensitivity([True], [0.5], 2.0), ValueError, r"\[0, 1\]"),
        (lambda: M.mean_tensor(P(tf.float32, None)), ValueError, "must be known"),
        (lambda: M.mean_iou(tf.zeros([3]), tf.zeros([4]), 2), ValueError, "one shape"),
        (lambda: M.precision_at_k(tf.zeros([1, 1, 1]), [[0.5]], 1), ValueError, "rank"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_predictions_must_be_probabilities():
    p = P(tf.float32, None)
    _, update = M.auc([True, False], p)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be in \[0, 1\]"):
            session.run(update, {p: [0.5, 1.5]})


def test_all_of_tensorflows_names_are_there():
    names = {n.removeprefix("metrics.") for n in EXPORTS if n.startswith("metrics.")}
    assert len(names) == 33

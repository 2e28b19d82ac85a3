"""Candidate samplers, sampled losses and embedding lookups.

Expected classes were drawn by TensorFlow on a CPU with the same seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interpret import Interpreter

import flowgraph as tf
from flowgraph.graph.apply import apply_op
from flowgraph.graph.indexed_slices import IndexedSlices

TRUE = np.array([[1, 7], [90, 3]])
COMMON: dict[str, Any] = {
    "num_true": 2, "num_sampled": 20, "range_max": 100, "seed": 5, "seed2": 7,
}  # fmt: skip

#: type -> (unique, first classes of two runs, first expected counts of the true classes)
SAMPLED = {
    "UniformCandidateSampler": (
        True, [30, 91, 95, 96, 98, 49, 51, 92, 2], [33, 86, 57, 81, 68, 3], 0.20638572,
    ),
    "LogUniformCandidateSampler": (
        True, [13, 0, 18, 1, 60, 22, 4, 30, 68], [73, 5, 3, 42, 4, 0, 2, 11, 8, 88], 0.9366269,
    ),
    "LearnedUnigramCandidateSampler": (
        False, [70, 35, 59, 92, 19, 56, 88, 98], [66, 47, 98, 78, 18, 46, 74], 0.2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("type", SAMPLED)
def test_seeds_give_tensorflows_candidates(type: str) -> None:
    unique, first, second, count = SAMPLED[type]
    op = apply_op(type, TRUE, unique=unique, **COMMON)
    for runs in (Interpreter(), tf.Session()):
        classes, of_true, of_sampled = runs.run(op)
        assert classes[: len(first)].tolist() == first
        assert abs(of_true[0, 0] - count) < 1e-6
        assert of_sampled.shape == (20,)
        assert len(set(classes.tolist())) == 20 or not unique
        assert runs.run(op)[0][: len(second)].tolist() == second


def test_the_learned_sampler_counts_what_was_true() -> None:
    op = apply_op("LearnedUnigramCandidateSampler", TRUE, unique=False, **COMMON)
    session = tf.Session()
    session.run(op)
    _, of_true, _ = session.run(op)
    np.testing.assert_allclose(of_true, 2 / 104 * 20, rtol=1e-6)
    np.testing.assert_allclose(tf.Session().run(op)[1], 0.2, rtol=1e-6)  # its own memory


def test_fixed_unigram_candidates() -> None:
    op = apply_op(
        "FixedUnigramCandidateSampler", np.array([[1, 7], [49, 3]]), distortion=0.75, unique=False,
        unigrams=[float(i % 7 + 1) for i in range(50)], **{**COMMON, "range_max": 50},
    )  # fmt: skip
    classes, of_true, _ = tf.Session().run(op)
    assert classes[:8].tolist() == [39, 42, 6, 48, 26, 1, 22, 40]
    np.testing.assert_allclose(of_true[0], [0.24751493, 0.14717326], rtol=1e-6)


def test_fixed_unigrams_from_a_file(tmp_path: Any) -> None:
    file = tmp_path / "vocabulary.csv"
    file.write_text("zero,0\none,5\ntwo,0\n")
    sampled, *_ = tf.nn.fixed_unigram_candidate_sampler(
        [[1]], 1, 4, False, 3, vocab_file=str(file)
    )
    assert tf.Session().run(sampled).tolist() == [1, 1, 1, 1]


def test_samplers_refuse_too_many_unique_classes() -> None:
    x = tf.nn.log_uniform_candidate_sampler([[1]], 1, 11, True, 10)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be drawn"):
        tf.Session().run(x)
    classes = tf.Session().run(tf.nn.uniform_candidate_sampler([[1]], 1, 10, True, 10)[0])
    assert sorted(classes) == list(range(10))


def test_aliases_and_names() -> None:
    assert tf.random.log_uniform_candidate_sampler is tf.nn.log_uniform_candidate_sampler
    sampled, true, expected = tf.nn.log_uniform_candidate_sampler([[1], [2]], 1, 5, True, 50)
    assert sampled.name == "LogUniformCandidateSampler:0"
    assert (sampled.dtype, true.dtype) == (tf.int64, tf.float32)
    assert [t.shape.as_list() for t in (sampled, true, expected)] == [[5], [2, 1], [5]]
    assert tf.nn.embedding_lookup(tf.ones([3, 2]), [1]).name == "embedding_lookup/Identity:0"


def _softmax_data() -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    return {
        "w": random.normal(size=(9, 4)).astype(np.float32),
        "b": random.normal(size=9).astype(np.float32),
        "x": random.normal(size=(5, 4)).astype(np.float32),
        "labels": random.integers(0, 9, (5, 1)),
    }


def test_sampled_softmax_over_all_classes_is_the_softmax() -> None:
    data = _softmax_data()
    sampled = tf.nn.all_candidate_sampler(data["labels"], 1, 9, True)
    loss = tf.nn.sampled_softmax_loss(
        data["w"], data["b"], data["labels"], data["x"], 9, 9, sampled_values=sampled
    )
    full = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=data["labels"][:, 0], logits=data["x"] @ data["w"].T + data["b"]
    )
    got, expected = tf.Session().run([loss, full])
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_nce_by_its_formula() -> None:
    data = _softmax_data()
    true, sampled = data["labels"], np.array([2, 2, 7])
    of_true = np.full((5, 1), 0.5, np.float32)
    of_sampled = np.array([0.1, 0.2, 0.3], np.float32)
    loss = tf.nn.nce_loss(
        data["w"], data["b"], true, data["x"], 3, 9, sampled_values=(sampled, of_true, of_sampled)
    )
    logits = data["x"] @ data["w"].T + data["b"]
    right = np.take_along_axis(logits, true, 1) - np.log(of_true)
    wrong = logits[:, sampled] - np.log(of_sampled)
    expected = np.log1p(np.exp(-right))[:, 0] + np.log1p(np.exp(wrong)).sum(1)
    np.testing.assert_allclose(tf.Session().run(loss), expected, rtol=1e-5)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("rows", [9, 10, 11])
def test_parts_of_a_table_are_the_table(strategy: str, rows: int) -> None:
    table = np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2)
    parts = (
        [table[i::3] for i in range(3)] if strategy == "mod" else np.array_split(table, 3)
    )
    variables = [tf.Variable(part) for part in parts]
    ids = tf.placeholder(tf.int64, [None, None])
    found = tf.nn.embedding_lookup(variables, ids, partition_strategy=strategy)
    grads = tf.gradients(found, variables)
    assert all(isinstance(g, IndexedSlices) for g in grads)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    asked = np.arange(rows).reshape(1, rows)
    value, *slopes = session.run([found, *map(tf.convert_to_tensor, grads)], {ids: asked})
    np.testing.assert_array_equal(value, table[asked])
    assert all((slope == 1).all() for slope in slopes)
    for wrong in (-1, rows):
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(found, {ids: [[wrong]]})


def test_max_norm_shortens_long_rows_only() -> None:
    table = tf.constant([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    found = tf.nn.embedding_lookup(table, [0, 1, 2], max_norm=1.0)
    grad = tf.gradients(found, table)[0]
    value, slope = tf.Session().run([found, tf.convert_to_tensor(grad)])
    np.testing.assert_allclose(value, [[0.6, 0.8], [0.3, 0.4], [0, 0]], rtol=1e-6)
    assert np.isfinite(slope).all()


def test_sparse_lookup_combines_rows() -> None:
    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    ids = tf.SparseTensor([[0, 0], [0, 1], [2, 0]], tf.constant([1, 5, 3], tf.int64), [3, 2])
    weights = tf.SparseTensor([[0, 0], [0, 1], [2, 0]], tf.constant([1.0, 3.0, 2.0]), [3, 2])
    w = np.array([1, 3], np.float32)[:, None]
    rows = table[[1, 5]]
    session = tf.Session()
    for combiner, given, divisor in (
        ("sum", None, 1), ("mean", None, 2), ("sqrtn", None, np.sqrt(2)),
        ("sum", weights, 1), ("mean", weights, 4), ("sqrtn", weights, np.sqrt(10)),
    ):  # fmt: skip
        found = tf.nn.embedding_lookup_sparse(table, ids, given, combiner=combiner)
        value = session.run(found)
        total = (rows if given is None else rows * w).sum(0)
        np.testing.assert_allclose(value[0], total / divisor, rtol=1e-6)
        assert (value[1] == 0).all()
        assert value.shape == (3, 2)


def test_wrong_embedding_arguments() -> None:
    with pytest.raises(ValueError, match="neither mod nor div"):
        tf.nn.embedding_lookup([tf.ones([3, 2])] * 2, [1], partition_strategy="x")
    with pytest.raises(ValueError, match="params must be given"):
        tf.nn.embedding_lookup(None, [1])
    with pytest.raises(ValueError, match="list is empty"):
        tf.nn.embedding_lookup([], [1])
    ids = tf.SparseTensor([[0, 0]], tf.constant([1], tf.int64), [1, 1])
    with pytest.raises(ValueError, match="combiner must be one of"):
        tf.nn.embedding_lookup_sparse(tf.ones([3, 2]), ids, None, combiner="max")
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        tf.nn.embedding_lookup_sparse(tf.ones([3, 2]), [1], None)


def test_accidental_hits() -> None:
    rows, places, lowest = tf.Session().run(
        tf.nn.compute_accidental_hits([[1, 7], [49, 3], [7, 7]], [7, 3, 3, 0, 1], 2)
    )
    assert rows.tolist() == [0, 0, 1, 2, 2]
    assert places.tolist() == [4, 0, 2, 0, 0]
    assert (lowest == np.finfo(np.float32).min).all()

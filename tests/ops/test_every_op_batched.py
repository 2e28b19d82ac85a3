"""Every op record, applied to a batch at once and differentiated forward, on every sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import build, first_unknown, known, positions, records
from interpret import Interpreter

import flowgraph as tf
from flowgraph.graph import batching_rules  # noqa: F401  it fills the table of rules
from flowgraph.graph.batching import RULES, batched
from flowgraph.graph.opdef import HOST, RANDOM, WRITE, NotDifferentiable, OpDef, Sample

#: Where one row has another result than the others at the same place, or none at all.
SKIPPED = frozenset(
    ("BroadcastArgs", "BroadcastGradientArgs", "IsVariableInitialized", "PyFunc",
     "PyFuncStateless", "Where", "Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2",
     "ListDiff", "CTCBeamSearchDecoder", "CTCGreedyDecoder", "SparseAdd")
    + tuple("NonMaxSuppression" + v for v in ("", "V2", "V3", "V4", "V5", "WithOverlaps"))
)  # fmt: skip

PURE_OPS = [
    op
    for op in records()
    if op.signature.inputs and op.signature.outputs and op.effect not in (WRITE, RANDOM, HOST)
    and op.type not in SKIPPED
]  # fmt: skip

DIFFERENTIABLE = [op for op in PURE_OPS if not isinstance(op.grad, NotDifferentiable)]

#: Only dy is stacked: the others are an input and its result, which belong together.
ONLY_DY = frozenset(("MaxPoolGrad", "MaxPoolGradGrad"))

#: Not every matrix will do, and one with its elements moved may not: rows are multiples.
MULTIPLES = frozenset(
    ("Cholesky", "Lu", "MatrixInverse", "MatrixSolve", "MatrixSquareRoot", "MatrixTriangularSolve")
)

ROWS = 3


def by_op(ops: list[OpDef]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", ops, ids=[op.type for op in ops])


def floats(op: OpDef, sample: Sample) -> list[int]:
    """Flat positions of the float inputs."""
    return [
        k
        for k, (i, array, _) in enumerate(positions(op, sample))
        if array.dtype.kind == "f" and i not in sample.const
    ]


@by_op(PURE_OPS)
def test_a_batch_is_every_row(op: OpDef) -> None:
    """All float inputs stacked, and each of them alone."""
    for number, sample in enumerate(op.samples):
        chosen = floats(op, sample)[-1:] if op.type in ONLY_DY else floats(op, sample)
        for stacked in [chosen, *([k] for k in chosen)] if len(chosen) > 1 else [chosen]:
            for shape in (known, first_unknown):
                if stacked:
                    try:
                        _check_batch(op, sample, stacked, shape)
                    except BaseException as error:
                        error.add_note(f"{op.type}, sample {number}, stacked {stacked}, {shape}")
                        raise


def _check_batch(op: OpDef, sample: Sample, stacked: list[int], shape: Any) -> None:
    case = build(op, sample, shape=shape)
    with case.graph.as_default():
        new = {
            case.inputs[k]: tf.placeholder(
                case.inputs[k].dtype, [ROWS, *shape(case.feeds[case.inputs[k]].shape)]
            )
            for k in stacked
        }
        results = batched(case.outputs, new)
    rows = [
        {
            x: case.feeds[x] * (1 + i) if op.type in MULTIPLES else np.roll(case.feeds[x], i)
            for x in new
        }
        for i in range(ROWS)
    ]
    feeds = {**case.feeds, **{new[x]: np.stack([row[x] for row in rows]) for x in new}}
    got = Interpreter().run(results, feeds)
    expected = [Interpreter().run(case.outputs, {**case.feeds, **row}) for row in rows]
    for k, (value, tensor) in enumerate(zip(got, results, strict=True)):
        wanted = np.stack([np.asarray(row[k]) for row in expected])
        assert value.shape == wanted.shape and value.dtype == wanted.dtype
        if tensor.dims is not None:
            assert tensor.dims[0] == ROWS
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, wanted, 2e-5, 2e-6)
        else:
            np.testing.assert_array_equal(value, wanted)


def test_rules_are_for_ops_that_exist_or_will() -> None:
    """Rules by name only: a typing error would go unnoticed as the slow way."""
    known_types = {op.type for op in records()}
    assert len(known_types & set(RULES)) >= 40


@by_op(DIFFERENTIABLE)
def test_forward_mode_is_the_slope(op: OpDef) -> None:
    for number, sample in enumerate(op.samples):
        by = [
            k
            for k in floats(op, sample)
            if sample.differentiable is None
            or [i for i, _, _ in positions(op, sample)][k] in sample.differentiable
        ]
        if by:
            try:
                _check_forward(op, sample, by)
            except BaseException as error:
                error.add_note(f"{op.type}, sample {number}")
                raise


def _check_forward(op: OpDef, sample: Sample, by: list[int]) -> None:
    case = build(op, sample, dtype="float64")
    xs = [case.inputs[k] for k in by]
    rng = np.random.default_rng(3)
    along = {x: rng.uniform(0.5, 1.5, case.feeds[x].shape) for x in xs}
    with case.graph.as_default():
        ys = [y for y in case.outputs if y.dtype.is_floating]
        tangents = tf.jvp(ys, xs, [tf.constant(along[x]) for x in xs])
    got = Interpreter().run(tangents, case.feeds)
    step = 1e-6
    moved = [{x: case.feeds[x] + s * step * along[x] for x in xs} for s in (1, -1)]
    ends = [Interpreter().run(ys, {**case.feeds, **to}) for to in moved]
    for value, plus, minus in zip(got, *ends, strict=True):
        np.testing.assert_allclose(value, (plus - minus) / (2 * step), rtol=2e-5, atol=1e-6)

"""Every op record, executed at once on every sample: to the bit what a session computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import SOURCES, build, evaluate, positions, records

import flowgraph as tf
from flowgraph.errors import OpError
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import make_constant
from flowgraph.graph.opdef import RANDOM, ErrorSample, OpDef, Sample

#: The clock is another one at every look.
EVERY = [op for op in records() if op.type not in SOURCES and op.type != "Timestamp"]


def by_op(ops: list[OpDef]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", ops, ids=[op.type for op in ops])


def execute(op: OpDef, sample: Sample | ErrorSample) -> list[np.ndarray]:
    """The outputs of the op, executed."""
    given: list[Any] = [[] if arg.is_list else None for arg in op.signature.inputs]
    for i, array, is_ref in positions(op, sample):
        if is_ref:
            tensor = tf.Variable(array, validate_shape=True)._variable
        else:
            tensor = make_constant(array.copy())
        if isinstance(given[i], list):
            given[i].append(tensor)
        else:
            given[i] = tensor
    result = apply_op(op.type, *given, **sample.attrs)
    outputs = result if isinstance(result, list) else [] if result is None else [result]
    return [np.asarray(y.numpy(), y.dtype.np) for y in outputs]


def same_bits(one: np.ndarray, other: np.ndarray, rtol: float) -> None:
    assert one.dtype == other.dtype and one.shape == other.shape
    if rtol and one.dtype.kind in "fc":
        np.testing.assert_allclose(one, other, rtol=rtol)
        return
    if one.dtype.hasobject:
        assert one.tolist() == other.tolist()
    elif one.dtype.kind in "fc":
        # NaNs compare as such: their payload says nothing.
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        keep = ~np.isnan(one)
        assert one[keep].tobytes() == other[keep].tobytes(), (one, other)
    else:
        assert one.tobytes() == other.tobytes()


@by_op(EVERY)
def test_the_bits_of_a_session(op: OpDef) -> None:
    for number, sample in enumerate(op.samples):
        case = build(op, sample)
        expected = evaluate(case, tf.Session(graph=case.graph).run)
        # A session may compute by the reference what is sized by values; kernels do it here.
        is_sized_by_values = any(None in (y.dims or (None,)) for y in case.outputs if y.dims != ())
        rtol = 1e-6 if is_sized_by_values else 0.0
        try:
            with tf.eager_mode():
                tf.set_random_seed(None)  # streams start again
                for _ in range(1 if op.effect == RANDOM else 2):  # made, and found again
                    for got, wanted in zip(execute(op, sample), expected, strict=True):
                        same_bits(got, wanted, rtol)
        except BaseException as error:
            error.add_note(f"{op.type}, sample {number}")
            raise


@by_op([op for op in records() if op.errors and op.type not in SOURCES])
def test_errors_at_once(op: OpDef) -> None:
    """What is an error when building or running is one at the call."""
    for number, sample in enumerate(op.errors):
        try:
            with tf.eager_mode(), pytest.raises((OpError, sample.error), match=sample.match):
                execute(op, sample)
        except BaseException as error:
            error.add_note(f"{op.type}, error sample {number}")
            raise

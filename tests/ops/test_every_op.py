"""Every op record, on every sample: reference, shapes, dtypes, gradients, errors, and each target.

A target is one more row of TARGETS: something with ``run(fetches, feeds)``.  The interpreter of the
references is the oracle; kernels, plans and devices are compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from cases import (
    SOURCES,
    Case,
    as_float,
    build,
    evaluate,
    first_unknown,
    float_dtypes,
    known,
    positions,
    records,
    unknown_rank,
    unknown_sizes,
)
from interpret import Interpreter

import flowgraph as tf
from flowgraph.errors import OpError
from flowgraph.graph.opdef import (
    HOST,
    RANDOM,
    WRITE,
    Compiled,
    Custom,
    ErrorSample,
    NotDifferentiable,
    OpDef,
    Procedure,
    Sample,
    View,
)
from flowgraph.optimize.frozen import RESIZES
from flowgraph.shapes import is_compatible

EVERY = [op for op in records() if op.type not in SOURCES]


def by_op(ops: list[OpDef]) -> pytest.MarkDecorator:
    """One test for each op; its samples are a loop inside, which names the one that fails."""
    return pytest.mark.parametrize("op", ops, ids=[op.type for op in ops])


@contextmanager
def naming(op: OpDef, number: int, detail: object = "") -> Iterator[None]:
    """Tell which sample it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"{op.type}, sample {number} {detail}")
        raise


#: (relative, absolute) by dtype of the result: kernels and references may round differently.
TOLERANCE = {
    "float64": (1e-9, 1e-12),
    "float32": (2e-5, 2e-6),
    "float16": (2e-2, 2e-2),
}


def assert_close(got: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Equal dtype and shape, equal values within TOLERANCE (NaN and infinities at equal places)."""
    assert got.dtype == expected.dtype, f"{what}: {got.dtype} for {expected.dtype}"
    assert got.shape == expected.shape, f"{what}: {got.shape} for {expected.shape}"
    if expected.dtype.kind in "fc":
        rtol, atol = TOLERANCE[np.zeros(0, expected.dtype).real.dtype.name]
        np.testing.assert_allclose(got, expected, rtol, atol, equal_nan=True, err_msg=what)
    else:
        np.testing.assert_array_equal(got, expected, err_msg=what)


def expected_of(case: Case) -> list[np.ndarray]:
    return evaluate(case, Interpreter().run)


# -------------------------------------------------------------------------------- shapes and dtypes


@by_op(EVERY)
def test_inferred_shape_and_dtype_are_right(op: OpDef) -> None:
    for i, sample in enumerate(op.samples):
        for shape in (known, first_unknown, unknown_sizes, unknown_rank):
            with naming(op, i, shape.__name__):
                _check_inference(op, sample, shape)


def _check_inference(op: OpDef, sample: Sample, shape: Callable[..., Any]) -> None:
    for all_fed in (False, True):
        case = build(op, sample, shape=shape, all_fed=all_fed)
        results = expected_of(case)
        assert len(results) == len(case.outputs)
        for tensor, result in zip(case.outputs, results, strict=True):
            assert result.dtype == tensor.dtype.np
            assert is_compatible(tensor.dims, result.shape), (
                f"{op.type}: inferred {tensor.dims}, computed {result.shape}"
            )
            decided = shape is known and not all_fed and op.type not in _SIZED_BY_DATA
            if decided and len(sample.const) + len(case.feeds) >= len(case.inputs):
                assert tensor.dims == result.shape or _const_needed(op, sample), op.type


#: Ops whose result sizes depend on values, or on nothing the graph knows.
_SIZED_BY_DATA = frozenset(
    ("BroadcastGradientArgs", "PyFunc", "PyFuncStateless", "PlaceholderWithDefault", "Where")
    + ("StringSplit", "StringSplitV2", "EagerPyFunc", "DecodeRaw", "ParseTensor", "MatchingFiles")
    + ("UnicodeDecode", "UnicodeDecodeWithOffsets", "Restore", "RestoreSlice", "RestoreV2")
    + ("DecodePng", "DecodeJpeg", "DecodeAndCropJpeg", "DecodeBmp", "DecodeGif", "DecodeImage")
    + ("Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2", "ListDiff")
    + ("DynamicPartition", "DenseToDenseSetOperation", "DenseToSparseSetOperation")
    + ("SparseToSparseSetOperation", "SparseAdd", "SparseSplit", "SparseSlice")
    + ("SparseFillEmptyRows", "SparseReduceSumSparse", "SparseReduceMaxSparse")
    + ("SparseSparseMaximum", "SparseSparseMinimum", "SparseCross", "DeserializeManySparse")
    + ("DeserializeSparse", "ParseSequenceExample")
)


def _const_needed(op: OpDef, sample: Sample) -> bool:
    """True for samples that feed their shape or axis arguments, to be solved when running."""
    integer = [
        i for i, a, _ in positions(op, sample) if a.dtype.kind == "i" and i not in sample.const
    ]
    return bool(integer)


@by_op(EVERY)
def test_other_float_dtypes(op: OpDef) -> None:
    for i, sample in enumerate(op.samples):
        with naming(op, i):
            _check_dtypes(op, sample)


def _check_dtypes(op: OpDef, sample: Sample) -> None:
    base = expected_of(build(op, sample))
    for dtype in float_dtypes(op, sample):
        case = build(op, sample, dtype=dtype)
        for tensor, result, reference in zip(case.outputs, expected_of(case), base, strict=True):
            assert result.dtype == tensor.dtype.np
            if reference.dtype == np.float32 and result.dtype == np.float64:
                if op.effect != RANDOM:
                    np.testing.assert_allclose(result, reference, 2e-5, 2e-6)


# ------------------------------------------------------------------------------------------ targets


def _session_run(graph: tf.Graph) -> Callable[..., Any]:
    return tf.Session(graph=graph).run


#: name -> (graph -> run(fetches, feeds)).
TARGETS: dict[str, Callable[[tf.Graph], Callable[..., Any]]] = {"cpu": _session_run}


@pytest.mark.parametrize("target", TARGETS)
@by_op(EVERY)
def test_targets_agree_with_the_references(op: OpDef, target: str) -> None:
    for i, sample in enumerate(op.samples):
        for dtype in ("float32", *(d for d in float_dtypes(op, sample) if d == "float64")):
            for shape in (known, first_unknown):
                case = build(op, sample, dtype=dtype, shape=shape)
                got = evaluate(case, TARGETS[target](case.graph))
                for k, (y, expected) in enumerate(zip(got, expected_of(case), strict=True)):
                    assert_close(y, expected, f"{op.type} sample {i} {dtype} output {k}")


@by_op(EVERY)
def test_float16_runs_natively_and_agrees(op: OpDef) -> None:
    for i, sample in enumerate(op.samples[:2]):
        if "float16" not in float_dtypes(op, sample):
            continue
        case = build(op, sample, dtype="float16")
        with np.errstate(all="ignore"):
            reference = expected_of(case)
            with tf.Session(graph=case.graph) as session:
                got = evaluate(case, session.run)
                if not _decided_when_run(op, sample):
                    _check_native(op, session)
        for k, (y, expected) in enumerate(zip(got, reference, strict=True)):
            assert_close(y, expected, f"{op.type} sample {i} float16 output {k}")


#: A matrix of any complex numbers is not positive; a product of complex numbers is no loop of
#: their parts, and NumPy makes it.
_NOT_COMPLEX = ("Cholesky", "CholeskyGrad")
_ON_HOST = ("Prod",)


@by_op(EVERY)
def test_complex_numbers_run_natively_and_agree(op: OpDef) -> None:
    for i, sample in enumerate(op.samples):
        finite = all(np.isfinite(a).all() for _, a, _ in positions(op, sample) if a.dtype == "f4")
        for dtype in float_dtypes(op, sample, ("complex64", "complex128")):
            if op.type in _NOT_COMPLEX or not finite:
                continue
            with naming(op, i, dtype):
                case = build(op, sample, dtype=dtype)
                with np.errstate(all="ignore"), tf.Session(graph=case.graph) as session:
                    got = evaluate(case, session.run)
                    if op.type not in _ON_HOST and not _decided_when_run(op, sample):
                        _check_native(op, session)
                    for y, expected in zip(got, expected_of(case), strict=True):
                        # the parts of an infinite number are nobody's promise
                        known = np.ones(expected.shape, bool)
                        if expected.dtype.kind in "fc":
                            known = np.isfinite(expected)
                            np.testing.assert_array_equal(np.isfinite(y), known)
                        assert_close(y[known], expected[known], dtype)


def _decided_when_run(op: OpDef, sample: Sample) -> bool:
    """True when an axis or size that the kernel is made for is fed."""
    fed = {i for i, a, _ in positions(op, sample) if a.dtype.kind == "i" and i not in sample.const}
    if isinstance(op.kernel, Procedure):
        return bool(fed & set(op.kernel.known))
    return bool(fed) and isinstance(op.kernel, (Custom, View))


def _check_native(op: OpDef, session: tf.Session) -> None:
    """Every node of ``op`` ran in a kernel, unless its sizes are data."""
    for entry in session._entries:
        stage = entry.plan.current
        for instr in stage.executable.plan.instrs:
            node = instr.nodes[-1] if instr.nodes else None
            if instr.is_host and node is not None and node.type == op.type:
                sized = any(v.shape is None or None in v.shape for v in node.outputs)
                host = isinstance(op.kernel, Compiled | None) or op.effect == HOST
                assert sized or host or node.attrs.get(RESIZES), f"{op.type} ran on the host"


# ---------------------------------------------------------------------------------------- gradients


def _differentiable(op: OpDef, sample: Sample) -> list[int]:
    """Flat positions of the inputs to differentiate by."""
    return [
        k
        for k, (i, array, is_ref) in enumerate(positions(op, sample))
        if array.dtype.kind == "f"
        and i not in sample.const
        and not is_ref
        and (sample.differentiable is None or i in sample.differentiable)
    ]


DIFFERENTIABLE = [
    op
    for op in EVERY
    if not isinstance(op.grad, NotDifferentiable) and op.effect not in (WRITE, RANDOM, HOST)
]


class _Scalar:
    """sum(u * y) over the float outputs of a case, as a function of its float inputs."""

    def __init__(self, op: OpDef, sample: Sample, shape: Callable[..., Any]) -> None:
        self.case = build(op, sample, dtype="float64", shape=shape)
        self.by = [self.case.inputs[k] for k in _differentiable(op, sample)]
        rng = np.random.default_rng(7)
        values = expected_of(self.case)
        with self.case.graph.as_default():
            terms = []
            self.weights = {}
            for tensor, value in zip(self.case.outputs, values, strict=True):
                if value.dtype.kind == "f":
                    u = tf.placeholder(tf.float64, tensor.dims)
                    self.weights[u] = rng.uniform(0.5, 1.5, value.shape)
                    terms.append(tf.reduce_sum(u * tensor))
                elif value.dtype.kind == "c":
                    u = tf.placeholder(tf.float64, tensor.dims)
                    self.weights[u] = rng.uniform(0.5, 1.5, value.shape)
                    parts = tf.real(tensor) + tf.imag(tensor) * 0.7
                    terms.append(tf.reduce_sum(u * tf.cast(parts, tf.float64)))
            self.total = tf.add_n(terms)

    def feeds(self, step: float = 0.0, along: list[np.ndarray] | None = None) -> dict[Any, Any]:
        feeds: dict[Any, Any] = {**self.case.feeds, **self.weights}
        for x, direction in zip(self.by, along or [], strict=False):
            feeds[x] = feeds[x] + step * direction
        return feeds

    def slope(self, tensor: Any, along: list[np.ndarray], step: float = 1e-6) -> float:
        """The derivative of scalar ``tensor`` in direction ``along``, by central difference."""
        run = Interpreter().run
        high = run([tensor], self.feeds(step, along))[0]
        low = run([tensor], self.feeds(-step, along))[0]
        return (high - low) / (2 * step)

    def directions(self, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [rng.uniform(0.5, 1.5, self.case.feeds[x].shape) for x in self.by]


def _check(scalar: _Scalar, total: Any, grads: list[Any], what: str) -> None:
    """The symbolic slope along random directions is the measured one."""
    for seed in (1, 2):
        along = scalar.directions(seed)
        values = Interpreter().run([g for g in grads if g is not None], scalar.feeds())
        found = iter(values)
        symbolic = sum(
            float(np.sum(next(found) * d))
            for g, d in zip(grads, along, strict=True)
            if g is not None
        )
        for g, value, x in zip(
            [g for g in grads if g is not None],
            values,
            [x for x, g in zip(scalar.by, grads, strict=True) if g is not None],
            strict=True,
        ):
            assert value.shape == scalar.case.feeds[x].shape, f"{what}: shape of the gradient"
            assert is_compatible(g.dims, value.shape)
        measured = scalar.slope(total, along)
        assert abs(symbolic - measured) <= 1e-5 * max(1.0, abs(measured)), (
            f"{what}: symbolic {symbolic}, measured {measured}"
        )


def _dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient)


@by_op(DIFFERENTIABLE)
def test_gradient_is_the_slope(op: OpDef) -> None:
    for i, sample in enumerate(op.samples):
        for shape in (known, unknown_sizes):
            with naming(op, i, shape.__name__):
                if _differentiable(op, sample):
                    _check_first(op, sample, shape)


def _check_first(op: OpDef, sample: Sample, shape: Callable[..., Any]) -> None:
    scalar = _Scalar(op, sample, shape)
    with scalar.case.graph.as_default():
        grads = [_dense(g) for g in tf.gradients(scalar.total, scalar.by)]
        alone = [_dense(tf.gradients(scalar.total, x)[0]) for x in scalar.by]
    _check(scalar, scalar.total, grads, op.type)
    # A rule may leave out what nobody wants; what it gives must not depend on that.
    made = [g for g in grads if g is not None]
    again = [g for g in alone if g is not None]
    feeds = scalar.feeds()
    run = Interpreter().run
    for one, other in zip(run(made, feeds), run(again, feeds), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("target", TARGETS)
@by_op(DIFFERENTIABLE)
def test_targets_agree_on_gradients(op: OpDef, target: str) -> None:
    """Gradient graphs fuse in ways that single ops do not."""
    for i, sample in enumerate(op.samples):
        if not _differentiable(op, sample):
            continue
        with naming(op, i):
            case = build(op, sample, shape=first_unknown)
            by = [case.inputs[k] for k in _differentiable(op, sample)]
            with case.graph.as_default():
                outputs = [y for y in case.outputs if y.dtype.is_floating or y.dtype.is_complex]
                sums = [tf.reduce_sum(tf.real(tf.sin(y))) for y in outputs]
                total = tf.add_n([tf.cast(y, tf.float32) for y in sums])
                grads = [_dense(g) for g in tf.gradients(total, by) if g is not None]
            got = TARGETS[target](case.graph)(grads, case.feeds)
            for y, expected in zip(got, Interpreter().run(grads, case.feeds), strict=True):
                assert_close(np.asarray(y), np.asarray(expected), f"{op.type} sample {i}")


#: Samples on which a record promises first derivatives only (igamma has no second
#: derivative by a).
FIRST_ORDER_ONLY = {("Igamma", 0), ("Igamma", 1), ("Igammac", 0), ("Igammac", 1)}


@by_op(DIFFERENTIABLE)
def test_second_gradient_is_the_slope_of_the_first(op: OpDef) -> None:
    for i, sample in enumerate(op.samples):
        if _differentiable(op, sample) and (op.type, i) not in FIRST_ORDER_ONLY:
            with naming(op, i):
                _check_second(op, sample)


def _check_second(op: OpDef, sample: Sample) -> None:
    scalar = _Scalar(op, sample, known)
    rng = np.random.default_rng(11)
    with scalar.case.graph.as_default():
        first = [_dense(g) for g in tf.gradients(scalar.total, scalar.by)]
        terms = []
        for g, x in zip(first, scalar.by, strict=True):
            if g is not None:
                w = tf.constant(rng.uniform(0.5, 1.5, scalar.case.feeds[x].shape))
                terms.append(tf.reduce_sum(tf.sin(g) * w))
        if not terms:
            return
        total = tf.add_n(terms)
        second = [_dense(g) for g in tf.gradients(total, scalar.by)]
    _check(scalar, total, second, f"{op.type}, second order")


# ------------------------------------------------------------------------------------------- errors


@by_op([op for op in records() if op.errors])
def test_error_samples(op: OpDef) -> None:
    for i, sample in enumerate(op.errors):
        with naming(op, i, "of the errors"):
            _check_error(op, sample)


def _check_error(op: OpDef, sample: ErrorSample) -> None:
    if sample.stage == "build":
        with pytest.raises(sample.error, match=sample.match) as raised:
            build(op, sample)
        if raised.type is ValueError:
            text = str(raised.value)
            assert text.startswith(f"{op.type}: "), text
            assert "made at" in text
        return
    for run_of in (lambda graph: Interpreter().run, *TARGETS.values()):
        case = build(op, sample, shape=unknown_sizes, all_fed=not sample.const)
        with pytest.raises((OpError, sample.error), match=sample.match):
            evaluate(case, run_of(case.graph))


def test_every_op_is_documented_and_sampled() -> None:
    for op in records():
        assert op.doc, op.type
        holds_functions = any(attr.kind == "func" for attr in op.signature.attrs.values())
        in_session = op.effect == HOST and op.errors  # see tests/queues
        assert op.samples or holds_functions or in_session, op.type  # If, While: tests/control
        names = {arg.name for arg in (*op.signature.inputs, *op.signature.outputs)}
        assert len(names) == len(op.signature.inputs) + len(op.signature.outputs), op.type


def test_as_float_leaves_integers() -> None:
    assert as_float(np.array([1]), "float64").dtype == np.int64

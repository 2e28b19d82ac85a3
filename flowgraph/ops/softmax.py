"""Softmax and the cross-entropies computed from logits.

A row runs in one kernel: its maximum, the exponentials, their sum, and what is made of them.  The
loss ops give their gradient along with the loss, as TensorFlow's do.

Read next: losses.py (the elementwise ones), reductions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, float16, float32, int64
from flowgraph.errors import STATUS_OUT_OF_RANGE
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Loops, define, dtypes_of, error_sample, sample
from flowgraph.graph.report import call_message
from flowgraph.ops.rules import (
    f32,
    i32,
    invalid,
    one_name,
    require_rank,
    require_rank_at_least,
    shape_of,
    sum_to,
)
from flowgraph.shapes import (
    Dims,
    ShapeError,
    broadcast,
    format_dims,
    is_compatible,
    is_fully_known,
    merge_size,
    normalize_axis,
)

# ----------------------------------------------------------------------------- rows of exponentials


def _row_infer(call_: Call) -> list[Dims]:
    require_rank_at_least(call_.shapes[0], 1, "logits")
    return [call_.shapes[0]]


def _last_axis(call_: Call) -> tuple[int, ...]:
    return (len(call_.shapes[0] or ()) - 1,)


def _parts(s: Any, x: Any) -> tuple[Any, Any, Any]:
    """(x - max, exp of it, the sum of that): what all of softmax is made of."""
    shifted = x - s.reduce_max(x)
    exponentials = s.exp(shifted)
    return shifted, exponentials, s.reduce_sum(exponentials)


def _parts_reference(x: Any) -> tuple[Any, Any, Any]:
    shifted = x - np.max(x, -1, keepdims=True, initial=-np.inf)
    exponentials = np.exp(shifted)
    return shifted, exponentials, np.sum(exponentials, -1, x.dtype, keepdims=True)


def _softmax_body(s: Any, call_: Call, x: Any) -> Any:
    _, exponentials, total = _parts(s, x)
    return exponentials / total


def _softmax_reference(call_: Call, x: Any) -> Any:
    _, exponentials, total = _parts_reference(x)
    return exponentials / total


def _log_softmax_body(s: Any, call_: Call, x: Any) -> Any:
    shifted, _, total = _parts(s, x)
    return shifted - s.log(total)


def _log_softmax_reference(call_: Call, x: Any) -> Any:
    shifted, _, total = _parts_reference(x)
    return shifted - np.log(total)


def _softmax_grad(op: Any, dy: Any) -> tuple[Any]:
    # dx_i = y_i (dy_i - sum_j dy_j y_j)
    y = op.softmax
    return ((dy - call.Sum(dy * y, -1, keep_dims=True)) * y,)


def _log_softmax_grad(op: Any, dy: Any) -> tuple[Any]:
    return (dy - call.Exp(op.logsoftmax) * call.Sum(dy, -1, keep_dims=True),)


_ROWS = (
    sample(f32(3, 5)),
    sample(f32(2, 3, 4)),
    sample(f32(7)),
    sample(f32(0, 3)),
    sample(f32(2, 1)),
    sample(
        np.array([[1, -np.inf, 2], [1e4, 0, -1e4], [np.nan, 0, 1]], np.float32), differentiable=()
    ),
)
_SCALAR_LOGITS = error_sample(ValueError, "logits must have at least 1 axes", f32())

define(
    "Softmax",
    "logits: T -> softmax: T",
    T=dtypes_of(FLOAT),
    infer=_row_infer,
    kernel=Loops(_softmax_body, reduced=_last_axis),
    grad=_softmax_grad,
    reference=_softmax_reference,
    samples=_ROWS,
    errors=(_SCALAR_LOGITS,),
    doc="exp(x) / sum(exp(x)) along the last axis.",
)

define(
    "LogSoftmax",
    "logits: T -> logsoftmax: T",
    T=dtypes_of(FLOAT),
    infer=_row_infer,
    kernel=Loops(_log_softmax_body, reduced=_last_axis),
    grad=_log_softmax_grad,
    reference=_log_softmax_reference,
    samples=_ROWS,
    errors=(_SCALAR_LOGITS,),
    doc="x - log(sum(exp(x))) along the last axis.",
)


def _with_axis_last(x: Tensor, axis: int, apply: Callable[[Tensor, bool], Tensor]) -> Tensor:
    """``apply(x with axis exchanged for the last one, is_last)``, exchanged back."""
    if axis == -1 or (x.dims is not None and axis == len(x.dims) - 1):
        return apply(x, True)
    if x.dims is None:
        raise ValueError(
            f"axis {axis} of {x.name!r}, whose rank is not known, cannot be found; use -1"
        )
    perm = np.arange(len(x.dims), dtype=np.int32)
    place = normalize_axis(axis, len(x.dims))
    perm[[place, -1]] = perm[[-1, place]]
    return call.Transpose(apply(call.Transpose(x, perm), False), perm)


def _row_function(type: str, function_name: str, formula: str) -> Any:
    def function(
        logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
    ) -> Tensor:
        given = one_name(function_name, axis=axis, dim=dim)
        x = convert_to_tensor(logits, name="logits")
        place = -1 if given is None else int(given)
        return _with_axis_last(x, place, lambda t, last: apply_op(type, t, name=name))

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""{formula} along an axis.

    Args:
        logits: a float tensor of at least one axis.
        axis: the axis of a row; the last by default.
        name: of the operation; ``{type}`` by default.
        dim: the old name of ``axis``.

    Returns:
        A tensor of the shape of ``logits``.

    Raises:
        ValueError: the axis is out of range.

    Numerics: the maximum is subtracted first, so that large logits do not overflow.

    >>> tf.Session().run(tf.nn.{function_name}([2.0, 1.0, 0.1]))
    {
        "array([0.6590011 , 0.24243295, 0.0985659 ], dtype=float32)"
        if type == "Softmax"
        else "array([-0.41703, -1.41703, -2.31703], dtype=float32)"
    }
    """
    return export(f"nn.{function_name}", f"math.{function_name}")(function)


softmax = _row_function("Softmax", "softmax", "exp(x) / sum(exp(x))")
log_softmax = _row_function("LogSoftmax", "log_softmax", "x - log(sum(exp(x)))")

# ----------------------------------------------------------------------------------- cross-entropy


def _both_infer(call_: Call) -> list[Dims]:
    features, labels = call_.shapes
    for dims, argument in ((features, "logits"), (labels, "labels")):
        require_rank(dims, 2, argument)
    try:
        both = broadcast(features, labels)
    except ShapeError:
        raise ShapeError(
            f"logits {format_dims(features)} and labels {format_dims(labels)} must have one shape"
        ) from None
    return [(None,) if both is None else both[:1], both]


def _cross_body(s: Any, call_: Call, features: Any, labels: Any) -> Any:
    shifted, exponentials, total = _parts(s, features)
    loss = s.reduce_sum(labels * (s.log(total) - shifted))
    return loss, exponentials / total - labels


def _cross_reference(call_: Call, features: Any, labels: Any) -> Any:
    features, labels = np.broadcast_arrays(features, labels)
    shifted, exponentials, total = _parts_reference(features)
    loss = np.sum(labels * (np.log(total) - shifted), -1, features.dtype)
    return loss, exponentials / total - labels


def _backprop_grad(op: Any, dbackprop: Any) -> Any:
    """What flows into ``backprop`` = softmax(logits) - labels, back to the logits."""
    y = call.Softmax(op.features)
    return (dbackprop - call.Sum(dbackprop * y, -1, keep_dims=True)) * y


def _cross_grad(op: Any, dloss: Any, dbackprop: Any) -> tuple[Any, Any]:
    # d loss / d logits = softmax - labels = backprop;  d loss / d labels = -log_softmax
    features, labels = op.features, op.labels
    to_features, to_labels = [], []
    if dloss is not None:
        rows = call.ExpandDims(dloss, -1)
        to_features.append(rows * op.backprop)
        if op.wants(labels):
            to_labels.append(rows * call.Neg(call.LogSoftmax(features)))
    if dbackprop is not None:
        to_features.append(_backprop_grad(op, dbackprop))
        to_labels.append(call.Neg(dbackprop))
    return (
        sum_to(_total(to_features), features, labels),
        sum_to(_total(to_labels), labels, features) if to_labels and op.wants(labels) else None,
    )


def _total(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else call.AddV2(*parts)


_PROBABILITIES = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], np.float32)

define(
    "SoftmaxCrossEntropyWithLogits",
    "features: T, labels: T -> loss: T, backprop: T",
    T=dtypes_of(FLOAT),
    infer=_both_infer,
    kernel=Loops(_cross_body, reduced=lambda call_: (1,)),
    grad=_cross_grad,
    reference=_cross_reference,
    samples=(
        sample(f32(2, 3), _PROBABILITIES),
        sample(f32(4, 5), np.full((4, 5), 0.2, np.float32)),
        sample(f32(2, 3), _PROBABILITIES[:1]),
        sample(f32(0, 3), f32(0, 3)),
        sample(np.array([[1e4, 0, -1e4]], np.float32), _PROBABILITIES[:1], differentiable=()),
    ),
    errors=(
        error_sample(ValueError, r"logits \[2, 3\] and labels \[2, 4\] must have one shape",
                     f32(2, 3), f32(2, 4)),
        error_sample(ValueError, "logits must be a matrix", f32(3), f32(3)),
    ),
    doc="loss = -sum(labels * log_softmax(features)) and its gradient, for each row.",
)  # fmt: skip


def _sparse_infer(call_: Call) -> list[Dims]:
    features = require_rank(call_.shapes[0], 2, "logits")
    (count,) = require_rank(call_.shapes[1], 1, "labels")
    try:
        rows = merge_size(features[0], count)
    except ShapeError:
        raise ShapeError(f"{count} labels for {features[0]} rows of logits") from None
    return [(rows,), (rows, features[1])]


def _sparse_body(s: Any, call_: Call, features: Any, labels: Any) -> Any:
    label = s.cast(labels, "int64")
    s.require(s.ge(label, 0) & s.lt(label, s.count()), STATUS_OUT_OF_RANGE)
    is_label = s.eq(s.index(1), label)
    shifted, exponentials, total = _parts(s, features)
    loss = s.log(total) - s.reduce_sum(s.select(is_label, shifted, 0))
    return loss, exponentials / total - s.select(is_label, s.const(1, features.dtype), 0)


def _sparse_reference(call_: Call, features: Any, labels: Any) -> Any:
    classes = features.shape[1]
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise invalid(f"labels[{wrong[0]}] = {labels[wrong[0]]} is not in [0, {classes})")
    rows = np.arange(len(labels))
    shifted, exponentials, total = _parts_reference(features)
    backprop = exponentials / total
    backprop[rows, labels] -= 1
    return np.log(total[:, 0]) - shifted[rows, labels], backprop


def _sparse_grad(op: Any, dloss: Any, dbackprop: Any) -> tuple[Any, None]:
    dlogits = None
    if dloss is not None:
        dlogits = call.ExpandDims(dloss, -1) * op.backprop
    if dbackprop is not None:
        further = _backprop_grad(op, dbackprop)
        dlogits = further if dlogits is None else dlogits + further
    return dlogits, None


define(
    "SparseSoftmaxCrossEntropyWithLogits",
    "features: T, labels: Tlabels -> loss: T, backprop: T",
    T=dtypes_of(FLOAT),
    Tlabels=dtypes_of(INDEX, int64),
    infer=_sparse_infer,
    kernel=Loops(
        _sparse_body, reduced=lambda call_: (1,), domain=lambda call_: call_.shapes[0],  # type: ignore[arg-type,return-value]
        operands=lambda call_: ((0, 1), (0,)),
    ),
    grad=_sparse_grad,
    reference=_sparse_reference,
    samples=(
        sample(f32(4, 5), i32([0, 4, 2, 2])),
        sample(f32(1, 3), np.array([1], np.int64)),
        sample(f32(3, 1), i32([0, 0, 0])),
        sample(f32(0, 3), i32([])),
        sample(np.array([[1e4, 0, -1e4]], np.float32), i32([2]), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "3 labels for 2 rows of logits", f32(2, 3), i32([0, 1, 2])),
        error_sample(Exception, "not in|out of range", f32(2, 3), i32([0, 3]), stage="run"),
        error_sample(Exception, "not in|out of range", f32(2, 3), i32([-1, 0]), stage="run"),
    ),
    doc="loss = -log_softmax(features)[label] and its gradient, for each row.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions


def only_by_name(function: str, sentinel: Any) -> None:
    """ValueError when an argument was given by position: labels and logits are easily exchanged."""
    if sentinel is not None:
        raise ValueError(
            call_message(
                f"{function}: give the arguments by name: labels=..., logits=...",
                fix=f"{function}(labels=labels, logits=logits)",
            )
        )


def _wide(x: Tensor) -> Tensor:
    """float16 computed in float32."""
    return call.Cast(x, DstT=float32) if x.dtype.base_dtype is float16 else x


def _as_rows(x: Tensor) -> Tensor:
    """``x`` as a matrix of its last axis's rows."""
    if x.dims is not None and len(x.dims) == 2:
        return x
    if x.dims is not None and x.dims and x.dims[-1] is not None:
        count = int(np.prod(x.dims[:-1])) if is_fully_known(x.dims) else -1  # type: ignore[arg-type]
        return call.Reshape(x, np.array([count, x.dims[-1]], np.int32))
    shape = call.Shape(x)
    last = call.Reshape(call.GatherV2(shape, call.Size(shape) - 1, 0), [1])
    return call.Reshape(x, call.ConcatV2([np.array([-1], np.int32), last], 0))


def _leading_shape(x: Tensor) -> Tensor:
    shape = shape_of(x)
    return call.Slice(shape, [0], call.Reshape(call.Size(shape) - 1, [1]))


def _cross_entropy(labels: Any, logits: Any, axis: int, scope: str) -> Tensor:
    logits = convert_to_tensor(logits, name="logits")
    labels = convert_to_tensor(labels, dtype=logits.dtype.base_dtype, name="labels")
    dtype = logits.dtype.base_dtype
    logits, labels = _wide(logits), _wide(labels)
    if not is_compatible(logits.dims, labels.dims):
        _refuse_shapes(logits, labels)
    if axis != -1 and (logits.dims is None or axis != len(logits.dims) - 1):
        if None not in (labels.dims, logits.dims) and len(labels.dims) != len(logits.dims):
            _refuse_shapes(logits, labels)
        perm = _to_the_end(axis, logits if logits.dims is not None else labels)
        logits, labels = call.Transpose(logits, perm), call.Transpose(labels, perm)
    is_matrix = logits.dims is not None and len(logits.dims) == 2
    last = is_matrix and dtype is logits.dtype.base_dtype
    type = "SoftmaxCrossEntropyWithLogits"
    rows = (_as_rows(logits), _as_rows(labels))
    loss = apply_op(type, *rows, name=scope if last else None)[0]
    if not is_matrix:
        loss = call.Reshape(loss, _leading_shape(logits))
    return loss if dtype is loss.dtype.base_dtype else call.Cast(loss, DstT=dtype)


def _to_the_end(axis: int, x: Tensor) -> Any:
    """The permutation that moves ``axis`` of ``x`` behind the others."""
    if x.dims is not None:
        order = np.arange(len(x.dims), dtype=np.int32)
        place = normalize_axis(axis, len(x.dims))
        return np.append(np.delete(order, place), order[place])
    rank = call.Rank(x)
    found = rank + axis if axis < 0 else rank * 0 + axis
    parts = [call.Range(0, found, 1), call.Range(found + 1, rank, 1), call.Reshape(found, [1])]
    return call.ConcatV2(parts, 0)


def _refuse_shapes(logits: Tensor, labels: Tensor) -> None:
    """ValueError unless labels broadcast to the logits' shape (a row of labels for all)."""
    if logits.dims is not None and labels.dims is not None and len(logits.dims) == len(labels.dims):
        try:
            broadcast(logits.dims, labels.dims)
        except ShapeError:
            pass
        else:
            return
    raise ValueError(
        call_message(
            f"softmax_cross_entropy_with_logits: logits {format_dims(logits.dims)} and labels "
            f"{format_dims(labels.dims)} must have one shape",
            [("logits", logits), ("labels", labels)],
            fix="labels are one row of probabilities per example; for class numbers use "
            "sparse_softmax_cross_entropy_with_logits",
        )
    )


_CROSS_DOC = """The cross-entropy of a softmax: -sum(labels * log_softmax(logits)) along an axis.

    Args:
        labels: probabilities, of the shape and dtype of ``logits``; rows should sum to 1.
        logits: a float tensor; unscaled log probabilities.
        {extra}

    Returns:
        A tensor of losses, without the class axis.

    Raises:
        ValueError: the shapes differ.

    Gradient: {gradient}
    Numerics: never forms log(0): large logits are fine; float16 is computed in float32.
    """


@export("nn.softmax_cross_entropy_with_logits_v2")
def softmax_cross_entropy_with_logits_v2(
    labels: Any,
    logits: Any,
    axis: int | None = None,
    name: str | None = None,
    dim: int | None = None,
) -> Tensor:
    place = one_name("softmax_cross_entropy_with_logits_v2", axis=axis, dim=dim)
    with name_scope(name, "softmax_cross_entropy_with_logits", [logits, labels]) as scope:
        return _cross_entropy(labels, logits, -1 if place is None else place, scope)


softmax_cross_entropy_with_logits_v2.__doc__ = _CROSS_DOC.format(
    extra="""axis: the axis of the classes; the last by default.
        name: of the operation; ``softmax_cross_entropy_with_logits`` by default.
        dim: the old name of ``axis``.""",
    gradient="dy * (softmax(logits) - labels) to the logits, -dy * log_softmax(logits) to labels.",
)


@export("nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Tensor:
    only_by_name("softmax_cross_entropy_with_logits", _sentinel)
    if labels is None or logits is None:
        raise ValueError("softmax_cross_entropy_with_logits: labels and logits must both be given")
    place = dim if axis is None else axis
    with name_scope(name, "softmax_cross_entropy_with_logits_sg", [logits, labels]) as scope:
        labels = apply_op("StopGradient", labels, name="labels_stop_gradient")
        return _cross_entropy(labels, logits, place, scope)


softmax_cross_entropy_with_logits.__doc__ = _CROSS_DOC.format(
    extra="""dim: the axis of the classes; the last by default.
        name: of the operation; ``softmax_cross_entropy_with_logits_sg`` by default.
        axis: the new name of ``dim``.""",
    gradient="dy * (softmax(logits) - labels) to the logits; none to the labels.",
)


@export("nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross-entropy of a softmax when each row has one right class:
    -log_softmax(logits)[label].

    Args:
        labels: int32 or int64, the shape of ``logits`` without its last axis; class numbers.
        logits: a float tensor; unscaled log probabilities along the last axis.
        name: of the operations; ``SparseSoftmaxCrossEntropyWithLogits`` by default.

    Returns:
        A tensor of losses, of the shape of ``labels``.

    Raises:
        ValueError: the shapes do not fit; an argument is missing or given by position.
        InvalidArgumentError: a label is not in [0, number of classes) (when run).

    Gradient: dy * (softmax(logits) - one_hot(labels)) to the logits; none to the labels.

    >>> loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=[[2.0, 1.0, 0.1]])
    >>> tf.Session().run(loss)
    array([0.41703], dtype=float32)
    """
    only_by_name("sparse_softmax_cross_entropy_with_logits", _sentinel)
    if labels is None or logits is None:
        raise ValueError(
            "sparse_softmax_cross_entropy_with_logits: labels and logits must both be given"
        )
    type = "SparseSoftmaxCrossEntropyWithLogits"
    with name_scope(name, type, [labels, logits]):
        labels = convert_to_tensor(labels, name="labels")
        logits = convert_to_tensor(logits, name="logits")
        dtype = logits.dtype.base_dtype
        logits = _wide(logits)
        ranks = [None if t.dims is None else len(t.dims) for t in (labels, logits)]
        if None not in ranks and ranks[0] != ranks[1] - 1:  # type: ignore[operator]
            last = labels.dims is not None and labels.dims[-1:] == (1,)
            fix = (
                "drop the last axis: tf.squeeze(labels, -1)"
                if last
                else (
                    "labels are class numbers here, for probabilities use "
                    "softmax_cross_entropy_with_logits_v2"
                )
            )
            raise ValueError(
                call_message(
                    "sparse_softmax_cross_entropy_with_logits: labels "
                    f"{format_dims(labels.dims)} must have one axis less than logits "
                    f"{format_dims(logits.dims)}; labels are class numbers here",
                    [("labels", labels), ("logits", logits)],
                    fix=fix,
                )
            )
        if ranks[1] == 2:
            loss = apply_op(type, logits, labels, name=type)[0]
        else:
            shape = shape_of(labels)
            flat = call.Reshape(labels, [-1])
            loss = call.Reshape(apply_op(type, _as_rows(logits), flat, name=type)[0], shape)
        return loss if dtype is loss.dtype.base_dtype else call.Cast(loss, DstT=dtype)

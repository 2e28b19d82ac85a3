"""Places in what is ranked or sorted: in_top_k, searchsorted.

Read next: sorting.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, REAL, as_dtype, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.indices import rows_of
from flowgraph.ops.rules import f32, i32, invalid, only_one, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

# --------------------------------------------------------------------------------------- in_top_k

_IN_TOP_K = """
wanted = int64(load(k, 0))
for row in range(start, stop):
    target = int64(load(targets, row))
    inside = target >= 0 and target < classes
    if inside:
        own = load(predictions, row * classes + target)
        inside = own - own == float32(0)
        greater = int64(0)
        for i in range(classes):
            other = load(predictions, row * classes + i)
            if not (other - other == float32(0)):
                inside = bool_(0)
            if other > own:
                greater += 1
        inside = inside and greater < wanted
    store(precision, row, inside)
return 0
"""


def _in_top_k_infer(call_: Call) -> list[Dims]:
    (rows, _), (targets,) = (
        require_rank(call_.shapes[i], rank, what)
        for i, rank, what in ((0, 2, "predictions"), (1, 1, "targets"))
    )
    require_rank(call_.shapes[2], 0, "k")
    try:
        return [(merge_size(rows, targets),)]
    except ShapeError:
        raise ShapeError(f"{rows} rows of predictions, but {targets} targets") from None


def _in_top_k_reference(call_: Call, predictions: Any, targets: Any, k: Any) -> Any:
    if len(targets) != len(predictions):
        raise invalid(f"{len(predictions)} rows of predictions, but {len(targets)} targets")
    classes = predictions.shape[1]
    inside = (targets >= 0) & (targets < classes)
    own = np.zeros((len(targets), 1), predictions.dtype)
    if classes:
        own = np.take_along_axis(predictions, np.where(inside, targets, 0)[:, None], 1)
    greater = (predictions > own).sum(1)
    return inside & np.isfinite(predictions).all(1) & (greater < only_one(k, "k"))


define(
    "InTopKV2",
    "predictions: float32, targets: T, k: T -> precision: bool",
    T=dtypes_of(INDEX, int32),
    infer=_in_top_k_infer,
    kernel=Procedure(
        _IN_TOP_K,
        sizes=lambda call_: {"classes": rows_of(call_.shapes[0])[1]},
        steps=lambda call_: rows_of(call_.shapes[0])[0],
    ),
    grad=not_differentiable("its result is bool"),
    reference=_in_top_k_reference,
    samples=(
        sample(f32(4, 5), i32([0, 1, 4, 2]), i32(2)),
        sample(np.array([[1, 2, 3], [3, 3, 1], [1, 1, 1], [np.nan, 1, 2], [1, np.inf, 2],
                         [1, 2, 3], [1, 2, 3]], np.float32),
               np.array([2, 1, 0, 1, 2, 5, -1]), np.array(1)),
        sample(f32(2, 3), i32([0, 1]), i32(0)),
        sample(f32(2, 3), i32([0, 1]), i32(7)),
        sample(f32(0, 3), i32([]), i32(1)),
    ),
    errors=(
        error_sample(ValueError, "1 rows of predictions, but 2 targets",
                     f32(1, 3), i32([0, 1]), i32(1)),
        error_sample(ValueError, "predictions must be a matrix", f32(3), i32([0]), i32(1)),
    ),
    doc="Whether fewer than ``k`` predictions of a row are greater than that of its target.",
)  # fmt: skip


@export("nn.in_top_k", "math.in_top_k")
def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether the prediction of the right class is among the ``k`` greatest of its row.

    y[i] = (number of j with predictions[i, j] > predictions[i, targets[i]]) < k

    Args:
        predictions: float32 matrix, one row for each example.
        targets: int32 or int64 vector: the right class of each row.
        k: how many count as right.
        name: of the scope of the operation; ``in_top_k`` by default.

    Returns:
        A bool vector.  Classes that are equally likely at the boundary all count as being in.
        False where the target is out of range, or where a prediction is infinite or NaN.

    Raises:
        ValueError: there are not as many targets as rows.

    Gradient: none.

    >>> print(tf.Session().run(tf.nn.in_top_k([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]], [1, 1], 1)))
    [ True False]
    """
    with name_scope(name, "in_top_k"):
        return apply_op("InTopKV2", predictions, targets, k, name=name)


# ------------------------------------------------------------------------------------ searchsorted

_BOUND = """
for row in range(start, stop):
    for j in range(many):
        x = load(values, row * many + j)
        low = int64(0)
        high = count
        while low < high:
            middle = (low + high) // 2
            y = load(sorted_inputs, row * count + middle)
            if {goes_on}:
                low = middle + 1
            else:
                high = middle
        store(output, row * many + j, {output}(low))
return 0
"""


def _bound_infer(call_: Call) -> list[Dims]:
    (rows, _), (other, many) = (
        require_rank(call_.shapes[i], 2, what) for i, what in ((0, "sorted_inputs"), (1, "values"))
    )
    try:
        return [(merge_size(rows, other), many)]
    except ShapeError:
        raise ShapeError(
            f"sorted_inputs {format_dims(call_.shapes[0])} and values "
            f"{format_dims(call_.shapes[1])} differ in their leading sizes"
        ) from None


def _bound_reference(before: Any) -> Any:
    def reference(call_: Call, sequence: Any, values: Any) -> Any:
        result = np.empty(values.shape, call_.out_dtypes[0].np)
        for row, (own, wanted) in enumerate(zip(sequence, values, strict=True)):
            result[row] = before(own[None, :], wanted[:, None]).sum(1)
        return result

    return reference


for _type, _goes_on, _before, _doc in (
    ("LowerBound", "y < x", lambda y, x: y < x, "are smaller"),
    ("UpperBound", "not (x < y)", lambda y, x: ~(x < y), "are not greater"),
):
    define(
        _type,
        "sorted_inputs: T, values: T -> output: out_type",
        T=dtypes_of(REAL),
        out_type=dtypes_of(INDEX, int32),
        infer=_bound_infer,
        kernel=Procedure(
            _BOUND.replace("{goes_on}", _goes_on),
            sizes=lambda call_: {
                "count": rows_of(call_.shapes[0])[1],
                "many": rows_of(call_.shapes[1])[1],
            },
            steps=lambda call_: rows_of(call_.shapes[0])[0],
        ),
        grad=not_differentiable("its result are indices"),
        reference=_bound_reference(_before),
        samples=(
            sample(np.sort(f32(2, 9), 1), f32(2, 4, seed=1)),
            sample(np.array([[1, 3, 5, 5, 7]], np.float32),
                   np.array([[0, 1, 4, 5, 8, np.nan, np.inf, -np.inf]], np.float32)),
            sample(i32([[1, 3, 5], [2, 4, 6]]), i32([[3, 4], [3, 4]]), out_type=int64),
            sample(f32(2, 0), f32(2, 3)),
            sample(f32(0, 3), f32(0, 3)),
        ),
        errors=(
            error_sample(ValueError, "differ in their leading sizes", f32(2, 3), f32(1, 2)),
            error_sample(ValueError, "values must be a matrix", f32(2, 3), f32(2)),
        ),
        doc=f"How many elements of a sorted row {_doc} than each value.",
    )  # fmt: skip


@export("searchsorted")
def searchsorted(
    sorted_sequence: Any,
    values: Any,
    side: str = "left",
    out_type: Any = int32,
    name: str | None = None,
) -> Tensor:
    """Where values would have to be put into sorted rows to keep them sorted.

    left:   sequence[i-1] <  value <= sequence[i]
    right:  sequence[i-1] <= value <  sequence[i]

    Args:
        sorted_sequence: a real tensor, sorted along its last axis.
        values: a tensor of its dtype and rank, equal in all sizes but the last.
        side: left or right: before or behind equal elements.
        out_type: tf.int32 or tf.int64.
        name: of the operation; ``LowerBound`` or ``UpperBound`` by default.

    Returns:
        A tensor of the shape of ``values``.

    Raises:
        ValueError: ``side`` is neither, or a tensor is a scalar.
        InvalidArgumentError: the leading sizes differ (when run).

    Gradient: none.
    Cost: O(log n) for each value.

    >>> print(tf.Session().run(tf.searchsorted([1, 3, 5, 5, 7], [0, 5, 8], side="right")))
    [0 4 5]
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side is 'left' or 'right', not {side!r}")
    sequence = convert_to_tensor(sorted_sequence, name="sorted_sequence")
    wanted = convert_to_tensor(values, name="values")
    for given, label in ((sequence, "sorted_sequence"), (wanted, "values")):
        if given.dims == ():
            raise ValueError(f"searchsorted: {label} is a scalar; it needs at least one axis")
    found = apply_op(
        "LowerBound" if side == "left" else "UpperBound",
        _as_rows(sequence), _as_rows(wanted), out_type=as_dtype(out_type), name=name,
    )  # fmt: skip
    return call.Reshape(found, shape_of(wanted))


def _as_rows(x: Tensor) -> Tensor:
    """``x`` as a matrix: its leading axes made one."""
    if x.dims is not None and len(x.dims) == 2:
        return x
    sizes = shape_of(x)
    rows = call.Prod(call.StridedSlice(sizes, [0], [-1], [1]), [0])
    row = call.StridedSlice(sizes, [-1], [0], [1], shrink_axis_mask=1)
    return call.Reshape(x, call.Pack([rows, row]))

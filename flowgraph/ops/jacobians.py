"""Matrices of derivatives, ``tf.jacobian`` and ``tf.hessians``, and products with them, ``tf.jvp``.

    tf.gradients   u -> J^T u      reverse mode: one row combination of the Jacobian
    tf.jvp         v -> J v        forward mode: one column combination
    tf.jacobian    J               J^T applied to every row of the identity matrix at once
    tf.hessians    H               the Jacobian of the gradient

``J^T u`` is linear in u, so its gradient with respect to u, with v entering, is ``J v``: forward
mode needs no rules of its own.  The passes over the rows of the identity matrix are one batch
(graph/batching.py), so the graph does not grow with the number of elements.

Read next: graph/batching.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.graph import batching_rules  # noqa: F401  it fills the table of rules
from flowgraph.graph.apply import call
from flowgraph.graph.batching import batched, shape_vector, vector
from flowgraph.graph.convert import convert, make_constant
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.gradients import UnconnectedGradients, gradients
from flowgraph.graph.node import Tensor
from flowgraph.ops.nest import map_structure
from flowgraph.shapes import is_fully_known, num_elements

#: When y has more than so many times as many elements as x, columns are cheaper than rows: a
#: forward pass is about that much more work than a backward one.
_COLUMNS_PAY = 4


@export("jvp")
def jvp(ys: Any, xs: Any, tangents: Any, name: str = "jvp") -> list[Tensor]:
    """How ``ys`` change when ``xs`` move along ``tangents``: forward-mode derivatives.

    ``dy[i] = sum_j d ys[i] / d xs[j] * tangents[j]``

    Args:
        ys: tensor or list of tensors.
        xs: tensor or variable, or a list of them.
        tangents: one per x, of its shape and dtype; None means zeros.
        name: the name scope of the new operations.

    Returns:
        A list with one tensor per y, of its shape; zeros where y does not depend on xs.

    Raises:
        ValueError: lengths differ, or a tangent has another shape than its x.
        TypeError: a tangent has another dtype than its x.

    Gradient: of any order, as the result is an ordinary graph.
    Cost: about that of two gradients.
    NB: not in TensorFlow 1.15 under any public name.

    >>> x = tf.constant([1.0, 2.0])
    >>> tf.Session().run(tf.jvp(x * x, x, [[1.0, 10.0]]))
    [array([ 2., 40.], dtype=float32)]
    """
    y_list, x_list, given = _as_list(ys), _as_list(xs), _as_list(tangents)
    if len(given) != len(x_list):
        raise ValueError(f"jvp: {len(x_list)} xs were given, but {len(given)} tangents")
    with name_scope(name, "jvp"):
        y_tensors = [convert(y, None, f"y_{i}") for i, y in enumerate(y_list)]
        return _push_forward(y_tensors, x_list, given)


def _push_forward(ys: Sequence[Tensor], xs: Sequence[Any], tangents: Sequence[Any]) -> list[Tensor]:
    """See ``jvp``."""
    entering = [_stand_in(y) for y in ys]
    pulled = [_dense(dx) for dx in gradients(list(ys), list(xs), entering)]
    pairs = [
        (dx, v) for dx, v in zip(pulled, tangents, strict=True) if dx is not None and v is not None
    ]
    if not pairs:
        return [call.ZerosLike(y) for y in ys]
    results = gradients(
        [dx for dx, _ in pairs],
        entering,
        [v for _, v in pairs],
        unconnected_gradients=UnconnectedGradients.ZERO,
    )
    return [convert(dy, None, None) for dy in results]


@export("jacobian")
def jacobian(
    ys: Any,
    xs: Any,
    name: str = "jacobian",
    stop_gradients: Any = None,
    unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
) -> list[Tensor | None]:
    """All derivatives of ``ys`` with respect to each x.

    ``J[a, b] = d ys[a] / d x[b]`` for multi-indices a and b.

    Args:
        ys: one tensor of any rank (not a list).
        xs: tensor or variable, or a list of them.
        name: the name scope of the new operations.
        stop_gradients, unconnected_gradients: as for gradients.

    Returns:
        A list with one tensor of shape ``ys.shape + x.shape`` per x, or None where ys does not
        depend on it.

    Raises:
        NotImplementedError: an op on the way must be applied row by row (graph/batching.py has no
            rule for it), and the size of ys is not known.

    Gradient: of any order.
    Cost: one gradient graph over a batch: ``size(ys)`` rows, or ``size(x)`` columns when x is known
    to be much smaller; memory grows with their number.
    NB: not in TensorFlow 1.15 under a public name; tf.GradientTape.jacobian is the same.

    >>> x = tf.constant([1.0, 2.0])
    >>> tf.Session().run(tf.jacobian(x * x, x))
    [array([[2., 0.],
           [0., 4.]], dtype=float32)]
    """
    if isinstance(ys, (list, tuple)) and any(isinstance(y, Tensor) for y in ys):
        raise TypeError("jacobian: ys must be one tensor; call it for each of several")
    x_list = _as_list(xs)
    with name_scope(name, "jacobian"):
        y = convert(ys, None, "y")
        options: dict[str, Any] = {"stop_gradients": stop_gradients}
        x_tensors = [convert(x, None, "x", as_ref=True) for x in x_list]
        if stop_gradients is None and all(_columns_pay(y, x) for x in x_tensors) and x_tensors:
            found = [_by_columns(y, x) for x in x_tensors]
        else:
            found = _by_rows(y, x_tensors, options)
        if UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO:
            pairs = zip(x_tensors, found, strict=True)
            found = [_zeros(y, x) if j is None else j for x, j in pairs]
        return found


@export("hessians")
def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Tensor]:
    """Second derivatives of the sum of ``ys`` with respect to each x, paired with itself.

    ``H[a, b] = d^2 sum(ys) / (dx[a] dx[b])`` for multi-indices a, b.

    Args:
        ys, xs, name, colocate_gradients_with_ops, gate_gradients, aggregation_method: as for
            gradients.

    Returns:
        A list with one tensor of shape ``x.shape + x.shape`` per x, of any rank, also where sizes
        are known only when running.

    Raises:
        ValueError: a y does not depend on an x, or only linearly.

    Cost: the gradient's gradient over a batch of ``size(x)`` rows (graph/batching.py).
    Source: tf.hessians (TensorFlow 1.15).

    >>> x = tf.constant([1.0, 2.0])
    >>> tf.Session().run(tf.hessians(tf.reduce_sum(x * x * x), x))
    [array([[ 6.,  0.],
           [ 0., 12.]], dtype=float32)]
    """
    options: dict[str, Any] = {
        "colocate_gradients_with_ops": colocate_gradients_with_ops,
        "gate_gradients": gate_gradients,
        "aggregation_method": aggregation_method,
    }
    x_list = _as_list(xs)
    firsts = gradients(ys, x_list, **options)
    results = []
    with name_scope(name, "hessians"):
        for x, first in zip(x_list, firsts, strict=True):
            if first is None:
                raise ValueError(f"hessians: ys do not depend on {x!r}")
            source = convert(x, None, "x", as_ref=True)
            (second,) = _by_rows(convert(first, None, None), [source], options)
            if second is None:
                raise ValueError(
                    f"hessians: ys depend on {x!r} only linearly, so there is no second derivative"
                )
            results.append(second)
    return results


@export("vectorized_map")
def vectorized_map(fn: Callable[[Any], Any], elems: Any) -> Any:
    """``fn`` applied to every row of ``elems`` at once.

    ``y[i] = fn(elems[i])``

    Args:
        fn: takes one row, structured like ``elems``, and returns a tensor or a (nested) list, tuple
            or dict of tensors.  It must not write variables.
        elems: a tensor, or a (nested) list, tuple or dict of tensors, with one size of axis 0.

    Returns:
        What ``fn`` returns, with one axis more in front of every tensor.

    Raises:
        ValueError: elems is empty, or its tensors differ in the size of axis 0.
        NotImplementedError: an op in fn must be applied row by row (graph/batching.py has no rule
            for it), and the number of rows is not known.

    Gradient: through the batch.
    NB: random numbers drawn in ``fn`` are drawn once, for all rows alike.
    Source: tf.vectorized_map (TensorFlow 1.15).

    >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> tf.Session().run(tf.vectorized_map(lambda row: tf.reduce_sum(row * row), x))
    array([ 5., 25.], dtype=float32)
    """
    graph = get_default_graph()
    if graph.executes:
        return graph.in_a_function(lambda rows: vectorized_map(fn, rows), elems)  # type: ignore[attr-defined]
    with name_scope("vectorized_map"):
        stacked: dict[Tensor, Tensor] = {}

        def first_row(value: Any) -> Tensor:
            tensor = convert(value, None, "elems")
            if tensor.dims == ():
                raise ValueError("vectorized_map: elems must have at least one axis")
            row = call.Identity(
                call.StridedSlice(tensor, [0], [1], [1], shrink_axis_mask=1), name="row"
            )
            stacked[row] = tensor
            return row

        rows = map_structure(first_row, elems)
        if not stacked:
            raise ValueError("vectorized_map: elems holds no tensor")
        sizes = {t.dims[0] for t in stacked.values() if t.dims and t.dims[0] is not None}
        if len(sizes) > 1:
            raise ValueError(f"vectorized_map: elems differ in the size of axis 0: {sizes}")
        results: list[Tensor] = []

        def note(value: Any) -> int:
            results.append(convert(value, None, None))
            return len(results) - 1

        numbered = map_structure(note, fn(rows))
        done = batched(results, stacked, "rows")
        return map_structure(lambda number: done[number], numbered)


# ------------------------------------------------------------------------------------- the passes


def _stand_in(like: Tensor) -> Tensor:
    """A tensor that stands for any of this shape; what depends on it is linear in it.

    NB: ones, as some rules are written such that zero is a singular point (logarithms of dy).
    """
    return call.Identity(call.OnesLike(like), name="any")


def _rows_of_identity(like: Tensor) -> Tensor:
    """``[n, *like.shape]``: tensors of the shape of ``like`` with a single one, each elsewhere."""
    dtype = like.dtype.base_dtype
    if is_fully_known(like.dims):
        n = num_elements(like.dims) or 0
        size: Any = n
        shape = vector([n, *like.dims])  # type: ignore[misc]
    else:
        size = call.Size(like)
        shape = call.ConcatV2([call.Reshape(size, vector([1])), call.Shape(like)], 0)
    numbers = call.Range(0, size, 1)
    one, zero = (make_constant(np.array(value, dtype.np)) for value in (1, 0))
    return call.Reshape(call.OneHot(numbers, size, one, zero), shape)


def _by_rows(y: Tensor, xs: Sequence[Tensor], options: dict[str, Any]) -> list[Tensor | None]:
    """Reverse mode: the gradient of every element of y, as one batch."""
    entering = _stand_in(y)
    pulled = [_dense(dx) for dx in gradients(y, list(xs), entering, **options)]
    present = [dx for dx in pulled if dx is not None]
    if not present:
        return [None] * len(xs)
    rows = iter(batched(present, {entering: _rows_of_identity(y)}, "rows"))
    return [
        None if dx is None else _shaped(next(rows), y, x) for dx, x in zip(pulled, xs, strict=True)
    ]


def _by_columns(y: Tensor, x: Tensor) -> Tensor | None:
    """Forward mode: the derivative along every element of x, as one batch."""
    entering, along = _stand_in(y), _stand_in(x)
    (pulled,) = gradients(y, [x], entering)
    if pulled is None:
        return None
    (pushed,) = gradients(convert(pulled, None, None), [entering], along)
    if pushed is None:
        return None
    (columns,) = batched([_dense(pushed)], {along: _rows_of_identity(x)}, "columns")  # type: ignore[list-item]
    rank = len(y.dims or ()) + 1
    return _shaped(call.Transpose(columns, vector([*range(1, rank), 0])), y, x)


def _columns_pay(y: Tensor, x: Tensor) -> bool:
    rows, columns = num_elements(y.dims), num_elements(x.dims)
    return rows is not None and columns is not None and 0 < columns * _COLUMNS_PAY < rows


def _shaped(matrix: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """``matrix`` in the shape ``y.shape + x.shape``."""
    if is_fully_known(y.dims) and is_fully_known(x.dims):
        return call.Reshape(matrix, vector([*y.dims, *x.dims]))  # type: ignore[misc]
    result = call.Reshape(matrix, call.ConcatV2([shape_vector(y), shape_vector(x)], 0))
    if y.dims is not None and x.dims is not None:
        result.set_shape((*y.dims, *x.dims))
    return result


def _zeros(y: Tensor, x: Tensor) -> Tensor:
    zero = make_constant(np.array(0, x.dtype.base_dtype.np))
    return call.Fill(call.ConcatV2([shape_vector(y), shape_vector(x)], 0), zero)


def _dense(gradient: Any) -> Tensor | None:
    return None if gradient is None else convert(gradient, None, None)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]

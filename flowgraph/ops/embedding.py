"""Embedding lookups: rows of a table, or of several tables that hold its parts.

    ids  ->  (part, row in the part)  ->  rows        mod: id = row * parts + part
                                                      div: parts are contiguous stretches

Gradients are IndexedSlices of the tables, so that optimizers touch only the rows that were used.

Read next: gathering.py, sampled_losses.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor, convert_to_tensor_or_sparse_tensor
from flowgraph.ops.rules import constant_axes, number, shape_of
from flowgraph.shapes import is_compatible

_COMBINERS = ("mean", "sqrtn", "sum")


def _parts_of(function: str, params: Any) -> list[Any]:
    """``params`` as a list of tables."""
    if params is None:
        raise ValueError(f"{function}: params must be given")
    parts = list(params) if isinstance(params, (list, tuple)) else [params]
    if not parts:
        raise ValueError(f"{function}: params must have at least one table, the list is empty")
    return parts


def _clipped(rows: Tensor, ids: Tensor, max_norm: Any) -> Tensor:
    """``rows`` scaled down to a length of ``max_norm`` where they are longer."""
    if max_norm is None:
        return rows
    with name_scope(None, "clip_by_norm"):
        first = len(ids.dims) if ids.dims is not None else 1
        rank = first + 1 if rows.dims is None else len(rows.dims)
        squares = call.Sum(rows * rows, constant_axes(range(first, rank)), keep_dims=True)
        positive = call.Greater(squares, number(0, rows))
        # the root has no slope at 0
        root = call.Sqrt(call.Select(positive, squares, call.OnesLike(squares)))
        length = call.Select(positive, root, squares)
        limit = convert_to_tensor(max_norm, dtype=rows.dtype.base_dtype, name="max_norm")
        return rows * limit / call.Maximum(length, limit)


def _gathered(table: Any, ids: Tensor, max_norm: Any, name: str | None = None) -> Tensor:
    return _clipped(apply_op("GatherV2", table, ids, 0, name=name), ids, max_norm)


def _places(parts: list[Any], ids: Tensor, strategy: str) -> tuple[Tensor, Tensor]:
    """(part, row in the part) of every id."""
    count = number(len(parts), ids)
    if strategy == "mod":
        return call.FloorMod(ids, count), call.FloorDiv(ids, count)
    sizes = [part.shape.as_list()[0] for part in parts]
    if None in sizes:
        total = call.AddN([call.GatherV2(shape_of(part), 0, 0) for part in parts])
        total = call.Cast(total, DstT=ids.dtype.base_dtype)
    else:
        total = number(sum(sizes), ids)
    # the first ``extra`` parts have one row more than the others
    each, extra = call.FloorDiv(total, count), call.FloorMod(total, count)
    stretch, rest = each + 1, call.Maximum(each, 1)
    part = call.Maximum(call.FloorDiv(ids, stretch), call.FloorDiv(ids - extra, rest))
    row = call.Select(
        call.Less(part, extra), call.FloorMod(ids, stretch), call.FloorMod(ids - extra, rest)
    )
    inside = call.LogicalAnd(call.GreaterEqual(ids, 0), call.Less(part, count))
    # an id of no part is looked for at row -1 of the first, and refused there
    return call.Select(inside, part, call.ZerosLike(part)), call.Select(inside, row, -1 + 0 * row)


def _from_parts(parts: list[Any], ids: Tensor, strategy: str, max_norm: Any) -> Tensor:
    """Rows of several tables: of each the rows asked of it (its row 0 in other places)."""
    is_vector = ids.dims is not None and len(ids.dims) == 1
    flat = ids if is_vector else call.Reshape(ids, constant_axes([-1]))
    part, row = _places(parts, flat, strategy)
    result: Any = None
    for k, table in enumerate(parts):
        mine = call.Equal(part, number(k, ids))
        rows = call.GatherV2(table, call.Select(mine, row, call.ZerosLike(row)), 0)
        result = rows if result is None else call.Select(mine, rows, result)
    result = _clipped(result, flat, max_norm)
    if is_vector:
        return result
    row_shape = call.Slice(shape_of(result), [1], [-1])
    return call.Reshape(result, call.ConcatV2([shape_of(ids), row_shape], 0))


@export("nn.embedding_lookup")
def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """Rows of a table, chosen by ``ids``.

    Args:
        params: a tensor or variable, or a list of tables that are the parts of one.
        ids: int32 or int64, any shape.
        partition_strategy: how ids belong to parts: ``mod``: id is in part ``id % parts``, row
            ``id // parts``; ``div``: parts hold contiguous ids, the first ones one more where
            they do not divide evenly.
        name: of the operations; ``embedding_lookup`` by default.
        validate_indices: without effect; ids are always checked.
        max_norm: rows longer than this are scaled down to it.

    Returns:
        A tensor of shape ids + params[1:].

    Raises:
        ValueError: there are no params; the strategy is unknown.
        InvalidArgumentError: an id is out of range (when run).

    Gradient: IndexedSlices for the tables.

    >>> table = tf.constant([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> tf.Session().run(tf.nn.embedding_lookup(table, [2, 0]))
    array([[4., 5.],
           [0., 1.]], dtype=float32)
    """
    parts = _parts_of("embedding_lookup", params)
    if partition_strategy not in ("mod", "div"):
        raise ValueError(
            f"embedding_lookup: partition_strategy {partition_strategy!r} is neither mod nor div"
        )
    with name_scope(name, "embedding_lookup", [*parts, ids]) as scope:
        parts = [
            part if hasattr(part, "assign") else convert_to_tensor(part, name="params")
            for part in parts
        ]
        ids = convert_to_tensor(ids, name="ids")
        if len(parts) == 1:
            return call.Identity(_gathered(parts[0], ids, max_norm, name=scope))
        return _from_parts(parts, ids, partition_strategy, max_norm)


def _check_combiner(combiner: str | None) -> str:
    if combiner is None:
        return "mean"
    if combiner not in _COMBINERS:
        raise ValueError(f"combiner must be one of {', '.join(_COMBINERS)}, not {combiner!r}")
    return combiner


def _per_row(values: Tensor, segments: Tensor, count: Tensor) -> Tensor:
    return call.UnsortedSegmentSum(values, segments, count)


def _weighted(rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Rows times weights, and the weights as a column that broadcasts."""
    rank = len(rows.dims) if rows.dims is not None else 2
    column = weights
    for _ in range(rank - 1):
        column = call.ExpandDims(column, -1)
    return rows * column, column


@export("nn.embedding_lookup_sparse")
def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """For each row of a SparseTensor of ids, a combination of the table's rows.

    sum: sum w_k e_k        mean: sum w_k e_k / sum w_k        sqrtn: sum w_k e_k / sqrt(sum w_k^2)

    Args:
        params: a table, or a list of its parts; see embedding_lookup.
        sp_ids: SparseTensor of ids; every row must have at least one.
        sp_weights: SparseTensor of floats with the same indices; None: all weights are 1.
        partition_strategy: see embedding_lookup.
        name: of the operations; ``embedding_lookup_sparse`` by default.
        combiner: ``mean`` (the default), ``sqrtn`` or ``sum``.
        max_norm: rows longer than this are scaled down to it before they are combined.

    Returns:
        A tensor with a row for each row of ``sp_ids`` (up to the last that has ids).

    Raises:
        ValueError: the combiner is unknown.
        TypeError: sp_ids or sp_weights is no SparseTensor, or they differ in their indices' dtype.
        InvalidArgumentError: an id is out of range (when run).

    Gradient: IndexedSlices for the tables; to the weights as of the formula.
    """
    kind = _check_combiner(combiner)
    parts = _parts_of("embedding_lookup_sparse", params)
    sp_ids = convert_to_tensor_or_sparse_tensor(sp_ids)
    if not isinstance(sp_ids, SparseTensor):
        raise TypeError(f"embedding_lookup_sparse: sp_ids must be a SparseTensor, not {sp_ids!r}")
    if sp_weights is not None:
        sp_weights = convert_to_tensor_or_sparse_tensor(sp_weights)
        if not isinstance(sp_weights, SparseTensor):
            raise TypeError(
                f"embedding_lookup_sparse: sp_weights must be a SparseTensor, not {sp_weights!r}"
            )
        for one, other in (
            (sp_ids.values, sp_weights.values),
            (sp_ids.indices, sp_weights.indices),
            (sp_ids.dense_shape, sp_weights.dense_shape),
        ):
            if not is_compatible(one.dims, other.dims):
                raise ValueError(
                    "embedding_lookup_sparse: sp_ids and sp_weights must have the same shape"
                )
    with name_scope(name, "embedding_lookup_sparse", [*parts, sp_ids]) as scope:
        segments = call.Cast(sp_ids.indices[:, 0], DstT=int32)
        count = call.Max(call.ConcatV2([segments, constant_axes([-1])], 0), 0) + 1
        rows = embedding_lookup(
            params, sp_ids.values, partition_strategy=partition_strategy, max_norm=max_norm
        )
        if sp_weights is None:
            total = _per_row(rows, segments, count)
            if kind == "sum":
                return call.Identity(total, name=scope)
            _, column = _weighted(rows, call.Cast(call.OnesLike(segments), DstT=rows.dtype))
            size = _per_row(column, segments, count)
            size = call.Sqrt(size) if kind == "sqrtn" else size
            return apply_op("DivNoNan", total, size, name=scope)
        weights = sp_weights.values
        if weights.dtype.base_dtype is not rows.dtype.base_dtype:
            weights = call.Cast(weights, DstT=rows.dtype.base_dtype)
        rows, column = _weighted(rows, weights)
        total = _per_row(rows, segments, count)
        if kind == "sum":
            return call.Identity(total, name=scope)
        if kind == "mean":
            size = _per_row(column, segments, count)
        else:
            size = call.Sqrt(_per_row(column * column, segments, count))
        return apply_op("DivNoNan", total, size, name=scope)


@export("nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str | None = "mean",
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Tensor:
    """embedding_lookup_sparse for rows that may be empty or hold invalid ids.

    Negative ids do not count, nor (but for ``sum``) do weights that are not positive.  A row in
    which nothing counts gives zeros, or the embedding of ``default_id``.

    Args:
        embedding_weights: a table, or a list of its parts; see embedding_lookup.
        sparse_ids: SparseTensor of ids of rank 2 or more; the last axis is combined.
        sparse_weights: SparseTensor of floats with the same indices; None: all weights are 1.
        combiner: ``mean`` (the default), ``sqrtn`` or ``sum``; see embedding_lookup_sparse.
        default_id: the id that an empty row stands for; None: it gives zeros.
        name: of the operations; ``embedding_lookup`` by default.
        partition_strategy: see embedding_lookup; by default ``div`` here.
        max_norm: rows longer than this are scaled down to it before they are combined.

    Returns:
        A tensor of shape sparse_ids[:-1] + embedding_weights[1:].

    Raises:
        ValueError: the combiner is unknown; there is no table.
        TypeError: sparse_ids or sparse_weights is no SparseTensor.
        InvalidArgumentError: an id is out of range (when run).

    Gradient: IndexedSlices for the tables; to the weights as of the formula.
    """
    # NB: what does not count gets weight 0 instead of being taken out, so that all sizes are those
    # of the inputs and the whole lookup is planned at once.
    kind = _check_combiner(combiner)
    parts = _parts_of("safe_embedding_lookup_sparse", embedding_weights)
    for given in (sparse_ids, sparse_weights):
        if given is not None and not isinstance(given, SparseTensor):
            raise TypeError(
                f"safe_embedding_lookup_sparse: ids and weights are SparseTensors, not {given!r}"
            )
    with name_scope(name, "embedding_lookup", [*parts, sparse_ids]):
        ids = sparse_ids.values
        counts = call.GreaterEqual(ids, number(0, ids))
        if sparse_weights is not None and kind != "sum":
            positive = call.Greater(sparse_weights.values, number(0, sparse_weights.values))
            counts = call.LogicalAnd(counts, positive)
        chosen = call.Select(counts, ids, call.ZerosLike(ids))

        def rows_of(some_ids: Tensor) -> Tensor:
            return embedding_lookup(
                embedding_weights, some_ids, partition_strategy=partition_strategy,
                max_norm=max_norm,
            )  # fmt: skip

        rows = rows_of(chosen)
        dtype = rows.dtype.base_dtype
        mask = call.Cast(counts, DstT=dtype)
        weights = mask
        if sparse_weights is not None:
            given = call.Cast(sparse_weights.values, DstT=dtype)
            weights = call.Select(counts, given, call.ZerosLike(given))
        segments, leading, count = _leading_places(sparse_ids)
        weighted, column = _weighted(rows, weights)
        result = _per_row(weighted, segments, count)
        if kind == "mean":
            result = call.DivNoNan(result, _per_row(column, segments, count))
        elif kind == "sqrtn":
            squares = _per_row(column * column, segments, count)
            result = call.DivNoNan(result, call.Sqrt(squares))
        if default_id is not None:
            default = rows_of(call.Reshape(number(default_id, ids), constant_axes([1])))
            valid = _per_row(_weighted(rows, mask)[1], segments, count)
            empty = call.Equal(valid, number(0, valid))
            result = EXPORTS["where_v2"](empty, default, result)
        row_shape = call.Slice(shape_of(rows), [1], [-1])
        result = call.Reshape(result, call.ConcatV2([leading, row_shape], 0))
        known = sparse_ids.shape.dims
        if known is not None and rows.dims is not None:
            result.set_shape([*known[:-1], *rows.dims[1:]])
        return result


def _leading_places(sparse: SparseTensor) -> tuple[Tensor, Tensor, Tensor]:
    """(number of each entry's row, sizes of all axes but the last, number of rows)."""
    rank = sparse.indices.dims[1] if sparse.indices.dims is not None else None
    sizes = call.Cast(sparse.dense_shape, DstT=int32)
    leading = call.Slice(sizes, [0], call.Reshape(call.Size(sizes) - 1, [1]))
    places = call.Cast(sparse.indices, DstT=int32)
    if rank == 2:
        return places[:, 0], leading, call.GatherV2(leading, 0, 0)
    # row number of (i, j, k, .): (i * b + j) * c + k = the dot product with (b c, c, 1)
    strides = call.Cumprod(leading, 0, exclusive=True, reverse=True)
    number_of = call.Sum(places[:, :-1] * strides, constant_axes([1]))
    return number_of, leading, call.Prod(leading, constant_axes([0]))

"""Functions of sparse tensors that are composed: transpose, retain, reset_shape, expand_dims, eye.

Read next: sparse_rearranging.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, bool_, float32, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.graph.static import constant_value, constant_value_as_dims
from flowgraph.ops.checks import assert_equal, assert_less_equal
from flowgraph.ops.sparse_dense import sparse_to_dense
from flowgraph.ops.sparse_rearranging import sparse_reorder
from flowgraph.ops.sparse_rules import as_sparse, parts, static_dims
from flowgraph.shapes import format_dims, is_compatible, with_rank


def _wide(value: Any) -> Tensor:
    """``value`` as int64."""
    value = convert_to_tensor(value)
    return value if value.dtype.base_dtype is int64 else call.Cast(value, DstT=int64)


@export("sparse.transpose", "sparse_transpose")
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with its axes in another order, its indices sorted again.

    Args:
        sp_input: a SparseTensor.
        perm: the order: axis i of the result is axis perm[i]; reversed by default.
        name: of the scope of the operations; ``SparseTranspose`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: perm has another length.

    Gradient: dy to the values, put back in the order that was.

    >>> x = tf.SparseTensor([[0, 1], [1, 2]], [5, 6], [2, 3])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(tf.sparse_transpose(x))))
    [[0 0]
     [5 0]
     [0 6]]
    """
    x = as_sparse(sp_input, "sparse_transpose: sp_input")
    with name_scope(name, "SparseTranspose", list(parts(x))):
        dims = static_dims(x)
        if perm is None:
            if dims is not None:
                perm = np.arange(len(dims) - 1, -1, -1, dtype=np.int32)
            else:
                rank = call.Size(x.dense_shape)
                perm = (rank - 1) - call.Range(0, rank, 1)
        perm = convert_to_tensor(perm)
        order = constant_value(perm)
        if dims is not None and order is not None and sorted(order.tolist()) != [*range(len(dims))]:
            raise ValueError(
                f"sparse_transpose: perm {order.tolist()} is no order of the {len(dims)} axes"
            )
        indices = call.GatherV2(x.indices, perm, 1)
        sizes = call.GatherV2(x.dense_shape, perm, 0)
        turned = sparse_reorder(SparseTensor(indices, x.values, sizes))
        if dims is not None and order is not None:
            turned._set_shape(tuple(dims[int(k)] for k in order))
        return turned


@export("sparse.retain", "sparse_retain")
def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The values of a sparse tensor that a mask keeps.

    Args:
        sp_input: a SparseTensor of N values.
        to_retain: bool [N].

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: the mask has another length.

    Gradient: dy to the values kept.

    >>> x = tf.SparseTensor([[0, 0], [0, 1]], [5, 6], [1, 2])
    >>> print(tf.Session().run(tf.sparse_retain(x, [False, True])).values)
    [6]
    """
    x = as_sparse(sp_input, "sparse_retain: sp_input")
    mask = convert_to_tensor(to_retain, dtype=bool_)
    if not is_compatible(with_rank(mask.dims, 1), with_rank(x.values.dims, 1)):
        raise ValueError(
            f"sparse_retain: to_retain of shape {format_dims(mask.dims)} for values of shape "
            f"{format_dims(x.values.dims)}"
        )
    kept = call.Reshape(call.Where(mask), [-1])
    return SparseTensor(
        call.GatherV2(x.indices, kept, 0),
        call.GatherV2(x.values, kept, 0),
        call.Identity(x.dense_shape),
    )._set_shape(static_dims(x))


@export("sparse.reset_shape", "sparse_reset_shape")
def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same values in a tensor of another shape: the tightest one, or a larger one.

    Args:
        sp_input: a SparseTensor.
        new_shape: int64 [rank], nowhere smaller than its shape; by default as small as the indices
            allow.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.
        ValueError: ``new_shape`` has another rank or is smaller; where only the run tells,
            InvalidArgumentError.

    Gradient: dy to the values.

    >>> x = tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [9, 9])
    >>> print(tf.Session().run(tf.sparse_reset_shape(x)).dense_shape)
    [3 2]
    """
    x = as_sparse(sp_input, "sparse_reset_shape: sp_input")
    indices, values = call.Identity(x.indices), call.Identity(x.values)
    if new_shape is None:
        least = call.Max(indices, [0])
        # NB: without indices the greatest of none is the lowest number
        most = call.Maximum(least, np.array(-1, np.int64)) + np.array(1, np.int64)
        return SparseTensor(indices, values, most)
    sizes = _wide(new_shape)
    if not is_compatible(with_rank(sizes.dims, 1), with_rank(x.dense_shape.dims, 1)):
        raise ValueError(
            f"sparse_reset_shape: a new_shape of shape {format_dims(sizes.dims)} for a tensor "
            f"whose dense_shape is {format_dims(x.dense_shape.dims)}"
        )
    new, old = constant_value_as_dims(sizes), static_dims(x)
    if new is not None and old is not None:
        if any(None not in (a, b) and a < b for a, b in zip(new, old, strict=True)):  # type: ignore[operator]
            raise ValueError(
                f"sparse_reset_shape: new_shape {format_dims(new)} is smaller than "
                f"{format_dims(old)}"
            )
        if None not in new and None not in old:
            return SparseTensor(indices, values, sizes)
    checks = [assert_equal(call.Shape(x.dense_shape), call.Shape(sizes))]
    with control_dependencies(checks):
        checks.append(assert_less_equal(x.dense_shape, sizes))
    with control_dependencies(checks):
        sizes = call.Identity(sizes)
    return SparseTensor(indices, values, sizes)._set_shape(new)


@export("sparse.expand_dims")
def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with one more axis, of size 1.

    Args:
        sp_input: a SparseTensor of known rank.
        axis: where the new axis stands; the last by default.
        name: of the scope of the operations; ``expand_dims`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.   ValueError: the axis is out of range.

    Gradient: dy to the values.

    >>> x = tf.SparseTensor([[1]], [5], [2])
    >>> print(tf.Session().run(tf.sparse.expand_dims(x, 0)).indices)
    [[0 1]]
    """
    x = as_sparse(sp_input, "sparse.expand_dims: sp_input")
    (rank,) = with_rank(x.dense_shape.dims, 1)
    if rank is None:
        raise ValueError("sparse.expand_dims: the rank of the tensor must be known")
    place = -1 if axis is None else int(axis)
    if not -rank - 1 <= place <= rank:
        raise ValueError(f"sparse.expand_dims: axis {place} is out of range for {rank} axes")
    place %= rank + 1
    with name_scope(name, "expand_dims", [*parts(x)]):
        column = call.ZerosLike(call.Slice(x.indices, [0, 0], [-1, 1]))
        before = call.Slice(x.indices, [0, 0], [-1, place])
        behind = call.Slice(x.indices, [0, place], [-1, -1])
        if not rank:
            column = call.ExpandDims(call.ZerosLike(call.Cast(x.values, DstT=int64)), 1)
        indices = call.ConcatV2([before, column, behind], 1)
        sizes = call.ConcatV2(
            [
                call.Slice(x.dense_shape, [0], [place]),
                np.ones(1, np.int64),
                call.Slice(x.dense_shape, [place], [-1]),
            ],
            0,
        )
        dims = static_dims(x)
        made = SparseTensor(indices, x.values, sizes)
        return made._set_shape(None if dims is None else (*dims[:place], 1, *dims[place:]))


@export("sparse.eye")
def sparse_eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = float32, name: str | None = None
) -> SparseTensor:
    """The identity matrix as a SparseTensor.

    Args:
        num_rows: number of rows.
        num_columns: number of columns; as many by default.
        dtype: of the ones.
        name: of the scope of the operations; ``eye`` by default.

    >>> print(tf.Session().run(tf.sparse.eye(2)).values)
    [1. 1.]
    """
    with name_scope(name, "eye", [num_rows, num_columns]):
        rows = _wide(num_rows)
        columns = rows if num_columns is None else _wide(num_columns)
        count = call.Minimum(rows, columns)
        numbers = call.Range(np.array(0, np.int64), count, np.array(1, np.int64))
        ones = call.Fill(call.Reshape(count, [1]), np.ones((), as_dtype(dtype).np))
        return SparseTensor(call.Pack([numbers, numbers], axis=1), ones, call.Pack([rows, columns]))


@export("sparse.mask", "sparse_mask")
def sparse_mask(a: Any, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """IndexedSlices without the slices that ``mask_indices`` name.

    Args:
        a: IndexedSlices.
        mask_indices: the numbers of the slices to leave out.
        name: of the scope of the operations; ``sparse_mask`` by default.

    >>> x = tf.IndexedSlices(tf.constant([[1, 2], [3, 4]]), tf.constant([4, 7]))
    >>> print(tf.Session().run(tf.sparse_mask(x, [4]).values))
    [[3 4]]
    """
    with name_scope(name, "sparse_mask", [a.values, a.indices, mask_indices]) as scope:
        kept, places = call.ListDiff(a.indices, mask_indices, out_idx=int32)
        values = apply_op("GatherV2", a.values, places, 0, name=scope)
        return IndexedSlices(values, kept, a.dense_shape)


@export("sparse.merge", "sparse_merge")
def sparse_merge(
    sp_ids: Any,
    sp_values: Any,
    vocab_size: Any,
    name: str | None = None,
    already_sorted: bool = False,
) -> SparseTensor:
    """Ids and values of features, row by row, as one sparse matrix whose columns are the ids.

    y[row, sp_ids[row, k]] = sp_values[row, k]

    Args:
        sp_ids: a SparseTensor of ids (int32 or int64) below ``vocab_size``; or a list of them, for
            as many columns' axes.
        sp_values: a SparseTensor with the same indices.
        vocab_size: number of ids, or a list of numbers.
        name: of the scope of the operations; ``SparseMerge`` by default.
        already_sorted: the ids of every row rise: do not sort.

    Raises:
        TypeError: an argument is no SparseTensor, or the ids are no integers.
        ValueError: one list of ids and of sizes is longer than the other.

    Gradient: dy to the values.

    >>> ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([2, 0, 1], tf.int64), [2, 2])
    >>> values = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [5, 6, 7], [2, 2])
    >>> print(tf.Session().run(tf.sparse_tensor_to_dense(tf.sparse_merge(ids, values, 4))))
    [[6 0 5 0]
     [0 7 0 0]]
    """
    one = not isinstance(sp_ids, (list, tuple)) or hasattr(sp_ids, "dense_shape")
    if one:
        sp_ids, vocab_size = [sp_ids], [vocab_size]
    elif not isinstance(vocab_size, (list, tuple)):
        raise TypeError("sparse_merge: vocab_size must be a list where sp_ids is one")
    with name_scope(name, "SparseMerge", []):
        ids = [as_sparse(x, "sparse_merge: sp_ids") for x in sp_ids]
        values = as_sparse(sp_values, "sparse_merge: sp_values")
        if len(ids) != len(vocab_size):
            raise ValueError(f"sparse_merge: {len(ids)} sp_ids, but {len(vocab_size)} vocab_sizes")
        columns = []
        for x in ids:
            if not x.values.dtype.is_integer:
                raise TypeError(f"sparse_merge: ids must be integers, not {x.dtype.name}")
            columns.append(call.ExpandDims(_wide(x.values), 1))
        rank = values.dense_shape.dims
        if rank is not None and rank[0] is not None:
            row_axes: Any = rank[0] - 1
        else:
            row_axes = call.Size(values.dense_shape) - 1
        rows = call.Slice(
            ids[0].indices,
            np.zeros(2, np.int32),
            np.array([-1, row_axes], np.int32)
            if isinstance(row_axes, int)
            else call.Pack([-1, row_axes]),
        )
        indices = call.ConcatV2([rows, *columns], 1)
        row_sizes = call.Slice(ids[0].dense_shape, [0], call.Reshape(row_axes, [1]))
        sizes = call.ConcatV2([row_sizes, call.Pack([_wide(n) for n in vocab_size])], 0)
        merged = SparseTensor(indices, values.values, sizes)
        if already_sorted:
            return merged
        found = sparse_reorder(merged)
        return SparseTensor(found.indices, found.values, sizes)


@export("sparse.to_indicator", "sparse_to_indicator")
def sparse_to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Tensor:
    """Which ids stand in every row, as a dense bool tensor.

    y[row, id] = (id is one of the values of the row)

    Args:
        sp_input: a SparseTensor of ids: int32 or int64, below ``vocab_size``.
        vocab_size: number of ids: the size of the last axis of the result.
        name: of the operation; ``SparseToIndicator`` by default.

    Raises:
        TypeError: ``sp_input`` is no SparseTensor.
        InvalidArgumentError: an id is out of range (when run).

    Gradient: none.

    >>> x = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [2, 0, 1], [2, 2])
    >>> print(tf.Session().run(tf.sparse_to_indicator(x, 4)).astype(int))
    [[1 0 1 0]
     [0 1 0 0]]
    """
    x = as_sparse(sp_input, "sparse_to_indicator: sp_input")
    with name_scope(name, "SparseToIndicator", list(parts(x))) as scope:
        count = call.Shape(x.values)
        there = SparseTensor(x.indices, call.Fill(count, np.array(True)), x.dense_shape)
        merged = sparse_merge(x, there, vocab_size)
        # NB: an id that stands twice in a row is True all the same
        return sparse_to_dense(
            merged.indices, merged.dense_shape, merged.values, default_value=False,
            validate_indices=False, name=scope,
        )  # fmt: skip

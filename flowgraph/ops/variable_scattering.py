"""Parts of variables updated by index: scatter_add, scatter_nd_update and their kin.

    scatter      v[indices[i]]         = combine(v[indices[i]], updates[i])           rows
    scatter_nd   v[tuple(indices[i])]  = combine(v[tuple(indices[i])], updates[i])    any parts

Updates are made one after the other, so that repeated indices add up (or the last one stays).  All
indices are looked at before the first one is made: after an error the variable is as it was.

Read next: state.py (whole variables), scattering.py (the same on tensors).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, INDEX, NUMERIC, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    WRITE,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.indices import (
    SCATTER_TUPLES,
    SCATTERS,
    batch_tuples,
    check_indices,
    moved_or_whole,
    scatter_choices,
    scatter_tuples,
    tuple_sizes,
    tuple_updates_shape,
)
from flowgraph.ops.rules import f32, i32, invalid
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible, is_fully_known

_WRITES = not_differentiable("it updates a variable; differentiate the value assigned instead")

# ------------------------------------------------------------------------------------ rows by index

_SCATTER = """
for i in range(n):
    k = int64(load(indices, i))
    if k < 0 or k >= size:
        return 2
{check_updates}
for i in range(n):
    k = int64(load(indices, i)) * row
    for e in independent(row):
        a = load(output_ref, k + e)
        b = load(updates, {source})
        store(output_ref, k + e, {combine})
return 0
"""

_NOT_ZERO = """for i in range(given):
    if load(updates, i) == {T}(0):
        return 1"""


def _scatter_infer(call_: Call) -> list[Dims]:
    ref, indices, updates = call_.shapes
    if ref is None or indices is None or updates is None or updates == ():
        return [ref]
    expected = (*indices, *ref[1:])
    if not ref or not is_compatible(expected, updates):
        raise ShapeError(
            f"updates must have shape indices.shape + ref.shape[1:] = {format_dims(expected)}, not "
            f"{format_dims(updates)}"
        )
    return [ref]


def _scatter_sizes(call_: Call) -> Mapping[str, int]:
    ref, indices, updates = call_.shapes
    assert is_fully_known(ref) and is_fully_known(indices) and is_fully_known(updates)
    return {
        "n": math.prod(indices),  # type: ignore[arg-type]
        "size": ref[0],  # type: ignore[index,dict-item]
        "row": math.prod(ref[1:]),  # type: ignore[arg-type,index]
        "given": math.prod(updates),  # type: ignore[arg-type]
    }


def _scatter_kernel(which: str) -> Procedure:
    def choices(call_: Call) -> Mapping[str, str]:
        dtype = call_.dtypes[0].base_dtype
        divides = which == "Div" and dtype.is_integer
        combine = "truncdiv(a, b)" if divides else "a / b"
        return {
            "check_updates": _NOT_ZERO.format(T=dtype.name) if divides else "",
            "source": "0" if call_.shapes[2] == () else "i * row + e",
            "combine": combine if which == "Div" else SCATTERS[which][0],
        }

    return Procedure(
        _SCATTER,
        sizes=_scatter_sizes,
        updates={0: 0},
        choices=choices,
        **moved_or_whole(which),
    )


def _divide(result: Any, indices: Any, rows: Any) -> None:
    if result.dtype.kind not in "iu":
        np.true_divide.at(result, indices, rows)
        return
    if not np.all(rows):
        raise invalid("integer division by zero")
    flat = rows.reshape(-1, *result.shape[1:])
    for index, row in zip(indices.reshape(-1), flat, strict=True):
        floor = result[index] // row
        # toward zero: up where the floor left a remainder of another sign than the divisor's
        up = (floor < 0) & (floor * row != result[index])
        result[index] = floor + up


def _scatter_reference(which: str) -> Callable[..., Any]:
    def reference(call_: Call, ref: Any, indices: Any, updates: Any) -> Any:
        check_indices(indices, ref.shape[0])
        result = ref.copy()
        rows = np.broadcast_to(updates, indices.shape + ref.shape[1:])
        if which == "Div":
            _divide(result, indices, rows)
        elif which == "Update":
            result[indices] = rows  # of duplicates the last one stays
        else:
            SCATTERS[which][1].at(result, indices, rows)
        return result

    return reference


_LIMITED = frozenset(("float16", "float32", "float64", "int32", "int64"))

for _which, _dtypes, _doc in (
    ("Add", NUMERIC, "ref[indices] <- ref[indices] + updates; duplicates add up."),
    ("Sub", NUMERIC, "ref[indices] <- ref[indices] - updates; duplicates add up."),
    ("Mul", NUMERIC, "ref[indices] <- ref[indices] * updates, one after the other."),
    ("Div", NUMERIC, "ref[indices] <- ref[indices] / updates, one after the other."),
    ("Min", _LIMITED, "ref[indices] <- the lesser of that and updates."),
    ("Max", _LIMITED, "ref[indices] <- the greater of that and updates."),
    ("Update", ALL, "ref[indices] <- updates; of duplicates the last stays."),
):
    define(
        f"Scatter{_which}",
        "ref: Ref(T), indices: Tindices, updates: T -> output_ref: Ref(T)",
        T=dtypes_of(_dtypes),
        Tindices=dtypes_of(INDEX, int32),
        use_locking=_which == "Update",
        infer=_scatter_infer,
        kernel=_scatter_kernel(_which),
        grad=_WRITES,
        reference=_scatter_reference(_which),
        samples=(
            sample(f32(5, 3), i32([4, 0, 2, 0]), f32(4, 3)),
            sample(f32(7), np.array([[1, 1], [6, 0]], np.int32), f32(2, 2)),
            sample(f32(4, 2), i32([]), f32(0, 2)),
            sample(f32(4, 2), np.array(2, np.int32), f32(2)),
            sample(f32(4, 2), np.array([1, 3], np.int64), f32()),
            sample(i32([7, -7, 9]), i32([1, 0, 1]), i32([2, -2, 3])),
        ),
        errors=(
            error_sample(ValueError, "updates must have shape", f32(5, 3), i32([0, 1]), f32(2, 4)),
            error_sample(Exception, r"indices\[0\] = 2 is not in \[0, 2\)",
                         f32(2), i32([2]), f32(1), stage="run"),
            *((error_sample(Exception, "division by zero",
                            i32([1, 2]), i32([0]), i32([0]), stage="run"),)
              if _which == "Div" else ()),
        ),
        effect=WRITE,
        doc=_doc,
    )  # fmt: skip


def _scatter_function(which: str, effect: str) -> Any:
    type, name = f"Scatter{which}", f"scatter_{which.lower()}"

    def function(
        ref: Any,
        indices: Any,
        updates: Any,
        use_locking: bool = which == "Update",
        name: str | None = None,
    ) -> Any:
        return apply_op(type, ref, indices, updates, use_locking=use_locking, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{effect}; the result is the new value of the variable.

    Args:
        ref: a Variable of rank >= 1.   indices: int32 or int64, any shape.
        updates: indices.shape + ref.shape[1:], or a scalar for every element.
        use_locking: accepted; effects on a variable have one order here.
        name: of the operation; ``{type}`` by default.

    Raises:
        ValueError: the shapes do not fit.   InvalidArgumentError (when run): an index is outside
            [0, ref.shape[0]){", or an integer is divided by 0" if which == "Div" else ""}; the
            variable is then unchanged.
    """
    return export(name)(function)


scatter_add = _scatter_function("Add", "``ref[indices] += updates``")
scatter_sub = _scatter_function("Sub", "``ref[indices] -= updates``")
scatter_mul = _scatter_function("Mul", "``ref[indices] *= updates``")
scatter_div = _scatter_function("Div", "``ref[indices] /= updates``; integers round toward zero")
scatter_min = _scatter_function("Min", "``ref[indices] = minimum(ref[indices], updates)``")
scatter_max = _scatter_function("Max", "``ref[indices] = maximum(ref[indices], updates)``")
scatter_update = _scatter_function("Update", "``ref[indices] = updates``; the last one counts")


# ---------------------------------------------------------------------------- parts by index tuples


def _scatter_nd_infer(call_: Call) -> list[Dims]:
    ref, indices, updates = call_.shapes
    tuple_updates_shape(indices, updates, ref)
    return [ref]


def _scatter_nd_kernel(which: str) -> Procedure:
    return Procedure(
        SCATTER_TUPLES,
        sizes=lambda call_: tuple_sizes(call_.shapes[1], call_.shapes[0]),
        updates={0: 0},
        choices=lambda call_: scatter_choices(which, "output_ref", call_, 1),
        **moved_or_whole(which),
    )


def _scatter_nd_reference(which: str) -> Callable[..., Any]:
    return lambda call_, ref, indices, updates: scatter_tuples(which, ref, indices, updates)


for _which, _dtypes, _doc in (
    ("Add", NUMERIC, "Adds ``updates`` to the parts of ``ref`` that index tuples name."),
    ("Sub", NUMERIC, "Subtracts ``updates`` from the parts of ``ref`` that index tuples name."),
    ("Update", ALL, "Puts ``updates`` into the parts of ``ref`` that index tuples name."),
):
    define(
        f"ScatterNd{_which}",
        "ref: Ref(T), indices: Tindices, updates: T -> output_ref: Ref(T)",
        T=dtypes_of(_dtypes),
        Tindices=dtypes_of(INDEX, int32),
        use_locking=_which == "Update",
        infer=_scatter_nd_infer,
        kernel=_scatter_nd_kernel(_which),
        grad=_WRITES,
        reference=_scatter_nd_reference(_which),
        samples=(
            sample(f32(4), i32([[1], [3], [1]]), f32(3)),
            sample(f32(4, 3), np.array([[2], [0]]), f32(2, 3)),
            sample(f32(2, 3, 2), i32([[1, 2], [0, 0]]), f32(2, 2)),
            sample(f32(3), np.zeros((0, 1), np.int32), f32(0)),
        ),
        errors=(
            error_sample(ValueError, r"must be \[2\]", f32(4), i32([[1], [3]]), f32(3)),
            error_sample(Exception, r"indices\[1\] = \[4\] does not index shape \[4\]",
                         f32(4), i32([[1], [4]]), f32(2), stage="run"),
        ),
        effect=WRITE,
        doc=_doc,
    )  # fmt: skip


def _scatter_nd_function(which: str, effect: str) -> Any:
    type, name = f"ScatterNd{which}", f"scatter_nd_{which.lower()}"

    def function(
        ref: Any,
        indices: Any,
        updates: Any,
        use_locking: bool = which == "Update",
        name: str | None = None,
    ) -> Any:
        return apply_op(type, ref, indices, updates, use_locking=use_locking, name=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{effect}; the result is the new value of the variable.

    Args:
        ref: a Variable.
        indices: int32 or int64; the last axis holds the numbers of one place.
        updates: of shape indices.shape[:-1] + ref.shape[indices.shape[-1]:].
        use_locking: accepted; effects on a variable have one order here.
        name: of the operation; ``{type}`` by default.

    Raises:
        ValueError: the shapes do not fit.
        InvalidArgumentError: an index is out of range (when run); the variable is then unchanged.
    """
    return export(name)(function)


scatter_nd_add = _scatter_nd_function("Add", "Adds ``updates`` at index tuples; repeated add up")
scatter_nd_sub = _scatter_nd_function("Sub", "Subtracts ``updates`` at index tuples")
scatter_nd_update = _scatter_nd_function(
    "Update", "Puts ``updates`` at index tuples, of which the last of equal ones counts"
)


@export("batch_scatter_update")
def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """``ref[b..., indices[b..., i]] = updates[b..., i]``: scatter_update, batch by batch.

    Args:
        ref: a Variable of shape [b..., size, ...].
        indices: int32 or int64 of shape [b..., n].
        updates: of shape [b..., n, ...].
        use_locking: accepted; effects on a variable have one order here.
        name: of the scope of the operations.

    Returns:
        The new value of the variable.

    Raises:
        ValueError: the rank of the indices is not known, or the shapes do not fit.
        InvalidArgumentError: an index is out of range (when run); the variable is then unchanged.
    """
    with name_scope(name):
        places = convert_to_tensor(indices, name="indices")
        if places.dims is None:
            raise ValueError("batch_scatter_update: the rank of indices must be known")
        tuples = batch_tuples(call.ExpandDims(places, -1), len(places.dims) - 1)
        return scatter_nd_update(ref, tuples, updates, use_locking=use_locking)


# ----------------------------------------------------------------------------- methods of variables


class Scattering:
    """The methods of a Variable that read or update parts of it by index."""

    _variable: Tensor

    def _scatter(
        self, type: str, sparse_delta: IndexedSlices, use_locking: bool, name: str | None
    ) -> Tensor:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(f"{type}: rows must be given as IndexedSlices, not {sparse_delta!r}")
        return apply_op(
            type, self._variable, sparse_delta.indices, sparse_delta.values,
            use_locking=use_locking, name=name,
        )  # fmt: skip

    def scatter_add(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] += values``; repeated indices add up."""
        return self._scatter("ScatterAdd", sparse_delta, use_locking, name)

    def scatter_sub(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] -= values``; repeated indices add up."""
        return self._scatter("ScatterSub", sparse_delta, use_locking, name)

    def scatter_mul(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] *= values``, for repeated indices one after the other."""
        return self._scatter("ScatterMul", sparse_delta, use_locking, name)

    def scatter_div(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] /= values``, for repeated indices one after the other."""
        return self._scatter("ScatterDiv", sparse_delta, use_locking, name)

    def scatter_min(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] = minimum(v[indices], values)``."""
        return self._scatter("ScatterMin", sparse_delta, use_locking, name)

    def scatter_max(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] = maximum(v[indices], values)``."""
        return self._scatter("ScatterMax", sparse_delta, use_locking, name)

    def scatter_update(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[indices] = values``; of repeated indices the last one counts."""
        return self._scatter("ScatterUpdate", sparse_delta, use_locking, name)

    def batch_scatter_update(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        """Operation ``v[b..., indices[b..., i]] = values[b..., i]``."""
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                f"batch_scatter_update: rows must be given as IndexedSlices, not {sparse_delta!r}"
            )
        return batch_scatter_update(
            self, sparse_delta.indices, sparse_delta.values, use_locking, name
        )

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Operation that adds ``updates`` at index tuples; see tf.scatter_nd_add."""
        return apply_op("ScatterNdAdd", self._variable, indices, updates, name=name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Operation that subtracts ``updates`` at index tuples; see tf.scatter_nd_sub."""
        return apply_op("ScatterNdSub", self._variable, indices, updates, name=name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Operation that puts ``updates`` at index tuples; see tf.scatter_nd_update."""
        return apply_op("ScatterNdUpdate", self._variable, indices, updates, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """``tf.gather_nd(v, indices)``."""
        return apply_op("GatherNd", self, indices, name=name)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """``tf.gather(v, indices)``."""
        return apply_op("GatherV2", self, indices, 0, name=name or "Gather")

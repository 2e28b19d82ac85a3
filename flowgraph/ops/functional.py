"""Functions over the rows of tensors: map_fn, scan, foldl, foldr.

    map_fn(f, x)     [f(x[0]), f(x[1]), ...]
    scan(f, x)       [x[0], f(x[0], x[1]), f(f(x[0], x[1]), x[2]), ...]
    foldl(f, x)      the last of them;  foldr(f, x): beginning from the end

Each is one while_loop, whose results are written straight into the tensor they belong to.

Read next: loops.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor, make_constant
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops import nest
from flowgraph.ops.loops import while_loop
from flowgraph.ops.tensor_array import TensorArray
from flowgraph.shapes import merge

_ZERO, _ONE = np.array(0, np.int32), np.array(1, np.int32)


class _Rows:
    """The rows of a structure of tensors.

    Attributes:
        count: how many there are, as a tensor.   static: the same number, if it is known.
    """

    def __init__(self, what: str, fn: Any, elems: Any) -> None:
        if not callable(fn):
            raise TypeError(f"{what}: fn must be a function, got {fn!r}")
        self.structure = elems
        self.tensors = [convert_to_tensor(x, name="elem") for x in nest.flatten(elems)]
        if not self.tensors:
            raise ValueError(f"{what}: elems holds no tensors")
        self.static: int | None = None
        for tensor in self.tensors:
            if tensor.dims == ():
                raise ValueError(f"{what}: elems must have an axis, {tensor.name!r} has none")
            if tensor.dims is not None:
                try:
                    (self.static,) = merge((self.static,), tensor.dims[:1])  # type: ignore[misc]
                except ValueError:
                    raise ValueError(
                        f"{what}: elems have {self.static} and {tensor.dims[0]} rows"
                    ) from None
        if self.static is not None:
            self.count: Tensor = make_constant(np.array(self.static, np.int32))
        else:
            self.count = call.Reshape(call.Slice(call.Shape(self.tensors[0]), [0], [1]), [])

    def at(self, index: Tensor) -> Any:
        """Row ``index`` of each."""
        rows = [call.GatherV2(tensor, index, 0) for tensor in self.tensors]
        return nest.pack_sequence_as(self.structure, rows)


def _arrays(like: Sequence[Any], dtypes: Sequence[Any], count: Tensor) -> list[TensorArray]:
    """An array for each result; ``like``: tensors whose shape elements have, or None."""
    arrays = []
    for tensor, dtype in zip(like, dtypes, strict=True):
        shape = None if tensor is None else tensor.dims
        arrays.append(TensorArray(dtype, count, element_shape=shape))
    return arrays


@export("map_fn")
def map_fn(
    fn: Callable[[Any], Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """``fn`` of each row of ``elems``, one behind the other.

    Args:
        fn: takes a row (in the structure of ``elems``), returns tensors in the structure of
            ``dtype``.
        elems: a tensor, or a nested structure of tensors with equally many rows.
        dtype: of what ``fn`` returns, in its structure; by default that of ``elems``.
        parallel_iterations: accepted.
        back_prop: False: no gradient flows through it.
        swap_memory, infer_shape: accepted.
        name: of the name scope; ``"map"`` by default.

    Returns:
        The structure of ``dtype`` with tensors of shape ``[rows, *shape of what fn returns]``.

    Raises:
        TypeError: ``fn`` is no function, or returns another structure than ``dtype``.
        ValueError: ``elems`` have no rows, or not equally many; ``fn`` returns another dtype.

    >>> tf.Session().run(tf.map_fn(lambda x: x * x, tf.constant([1, 2, 3])))
    array([1, 4, 9], dtype=int32)
    """
    with name_scope(name, "map", nest.flatten(elems)):
        rows = _Rows("map_fn", fn, elems)
        structure = elems if dtype is None else dtype
        if dtype is None:
            dtypes = [tensor.dtype.base_dtype for tensor in rows.tensors]
        else:
            dtypes = [as_dtype(d) for d in nest.flatten(dtype)]

        def body(i: Tensor, arrays: Sequence[TensorArray]) -> Any:
            returned = fn(rows.at(i))
            try:
                nest.assert_same_structure(structure, returned, check_types=False)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"map_fn: fn returns another structure than dtype says (give dtype=...): "
                    f"{error}"
                ) from None
            values = _checked("map_fn", nest.flatten(returned), dtypes)
            new = [array.write(i, value) for array, value in zip(arrays, values, strict=True)]
            return i + _ONE, new

        arrays = _arrays([None] * len(dtypes), dtypes, rows.count)
        results = _loop(rows.count, body, arrays, parallel_iterations or 10, back_prop, swap_memory)
        return nest.pack_sequence_as(structure, [array.stack() for array in results])


def _loop(
    count: Tensor, body: Any, state: Any, parallel: int, back_prop: bool, swap_memory: bool
) -> Any:
    """The state after ``body(i, state)`` for every i below ``count``."""
    return while_loop(
        lambda i, _: call.Less(i, count),
        body,
        (make_constant(_ZERO), state),
        parallel_iterations=parallel,
        back_prop=back_prop,
        swap_memory=swap_memory,
    )[1]


def _checked(what: str, values: Sequence[Any], dtypes: Sequence[Any]) -> list[Tensor]:
    """Tensors of these dtypes."""
    tensors = []
    for value, dtype in zip(values, dtypes, strict=True):
        tensor = value if isinstance(value, Tensor) else convert_to_tensor(value, dtype)
        if tensor.dtype.base_dtype is not as_dtype(dtype).base_dtype:
            raise ValueError(
                f"{what}: fn returns {tensor.dtype.base_dtype.name}, not {as_dtype(dtype).name}; "
                "give dtype=... or cast"
            )
        tensors.append(tensor)
    return tensors


@export("scan")
def scan(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """All states of ``state = fn(state, row)``, one behind the other.

    Args:
        fn: takes the state and a row, returns the next state, in the state's structure.
        elems: a tensor, or a nested structure of tensors with equally many rows.
        initializer: the state at the start; by default the first row, with which nothing is done.
        parallel_iterations: accepted.
        back_prop: False: no gradient flows through it.
        swap_memory, infer_shape: accepted.
        reverse: begin with the last row; the results stay in the order of the rows.
        name: of the name scope; ``"scan"`` by default.

    Returns:
        The state's structure with tensors of shape ``[rows, *shape of the state]``.

    Raises:
        TypeError: ``fn`` is no function.
        ValueError: ``elems`` have no rows, or not equally many; there is no first row to begin
            with; ``fn`` returns another structure, dtype or shape than the state has.

    >>> tf.Session().run(tf.scan(lambda total, x: total + x, tf.constant([1, 2, 3])))
    array([1, 3, 6], dtype=int32)
    """
    with name_scope(name, "scan", nest.flatten(elems)):
        rows = _Rows("scan", fn, elems)
        last = call.Sub(rows.count, make_constant(_ONE))
        state = _initial("scan", rows, initializer, last if reverse else _ZERO)
        flat = nest.flatten(state)
        arrays = _arrays(flat, [t.dtype.base_dtype for t in flat], rows.count)
        if initializer is None:
            place = last if reverse else _ZERO
            arrays = [a.write(place, t) for a, t in zip(arrays, flat, strict=True)]
        step = np.array(-1 if reverse else 1, np.int32)

        def body(i: Tensor, carried: Any) -> Any:
            before, written = carried
            after = fn(before, rows.at(i))
            values = [convert_to_tensor(v) for v in nest.flatten(after)]
            new = [a.write(i, v) for a, v in zip(written, values, strict=True)]
            return call.AddV2(i, step), (after, new)

        first = last if reverse else make_constant(_ZERO)
        if initializer is None:
            first = call.AddV2(first, step)
        results = while_loop(
            (lambda i, _: call.GreaterEqual(i, _ZERO))
            if reverse
            else (lambda i, _: call.Less(i, rows.count)),
            body,
            (first, (state, arrays)),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
        )
        return nest.pack_sequence_as(state, [array.stack() for array in results[1][1]])


def _initial(what: str, rows: _Rows, initializer: Any, first: Any) -> Any:
    """The state at the start: tensors."""
    if initializer is not None:
        return nest.map_structure(convert_to_tensor, initializer)
    if rows.static == 0:
        raise ValueError(f"{what}: elems have no rows; give an initializer")
    return rows.at(convert_to_tensor(first))


@export("foldl")
def foldl(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last state of ``state = fn(state, row)``, beginning with the first row.

    Arguments and errors as of ``tf.scan``.

    >>> tf.Session().run(tf.foldl(lambda total, x: total - x, tf.constant([1, 2, 3])))
    -4
    """
    return _fold("foldl", fn, elems, initializer, parallel_iterations, back_prop, swap_memory, name)


@export("foldr")
def foldr(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last state of ``state = fn(state, row)``, beginning with the last row.

    Arguments and errors as of ``tf.scan``.

    >>> tf.Session().run(tf.foldr(lambda total, x: total - x, tf.constant([1, 2, 3])))
    0
    """
    return _fold("foldr", fn, elems, initializer, parallel_iterations, back_prop, swap_memory, name)


def _fold(
    what: str,
    fn: Any,
    elems: Any,
    initializer: Any,
    parallel: int,
    back_prop: bool,
    swap_memory: bool,
    name: str | None,
) -> Any:
    backward = what == "foldr"
    with name_scope(name, what, nest.flatten(elems)):
        rows = _Rows(what, fn, elems)
        last = call.Sub(rows.count, make_constant(_ONE))
        start = _initial(what, rows, initializer, last if backward else _ZERO)
        skipped = 0 if initializer is not None else 1
        count = call.Sub(rows.count, np.array(skipped, np.int32)) if skipped else rows.count

        def body(i: Tensor, state: Any) -> Any:
            place = call.Sub(count, call.AddV2(i, _ONE)) if backward else call.AddV2(i, skipped)
            return call.AddV2(i, _ONE), fn(state, rows.at(place))

        return _loop(count, body, start, parallel, back_prop, swap_memory)

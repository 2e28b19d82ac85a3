"""Assertions about ranks, shapes and dtypes: assert_rank, assert_shapes, assert_type and their kin.

Most is known while the graph is built and checked there and then.

Read next: checks.py (assertions about values).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, float32, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.control import group
from flowgraph.ops.host import Assert
from flowgraph.shapes import format_dims


def _said(message: str | None) -> str:
    return f"{message}.  " if message else ""


def _rank(rank: Any, function_name: str, name: str = "rank") -> tuple[Tensor, int | None]:
    """``rank`` as an int32 scalar, and its value where it is known."""
    tensor = convert_to_tensor(rank, name=name)
    if tensor.dims is not None and tensor.dims != ():
        raise ValueError(f"{function_name}: rank must be a scalar, got shape {tensor.shape}")
    if tensor.dtype.base_dtype is not int32:
        raise TypeError(f"{function_name}: rank must be int32, it is {tensor.dtype.name}")
    known = constant_value(tensor)
    return tensor, None if known is None else int(known)


def _rank_assertion(
    function_name: str, type: str, words: str, holds: Callable[[int, int], bool]
) -> Any:
    def function(
        x: Any,
        rank: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with name_scope(name, function_name, [x, rank]):
            x = convert_to_tensor(x, name="x")
            wanted, known = _rank(rank, function_name)
            if known is not None and x.dims is not None:
                if holds(len(x.dims), known):
                    return call.NoOp(name="static_checks_determined_all_ok")
                raise ValueError(
                    f"{_said(message)}{function_name}: {x.name!r} must have {words} {known}, "
                    f"its shape is {format_dims(x.dims)}"
                )
            condition = apply_op(type, call.Rank(x), wanted)
            said = [*([message] if message else []), f"{x.name} must have {words}", wanted]
            shown = list(data or [*said, "Received shape: ", call.Shape(x)])
            return Assert(condition, shown, summarize=summarize)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"""Assert that ``x`` has {words} ``rank``.

    Args:
        x: a tensor.
        rank: an integer scalar.
        data: tensors to show in the error.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``{function_name}`` by default.

    Returns:
        An Operation that fails otherwise; one that does nothing when it is known to be right.

    Raises:
        ValueError: the static rank is wrong; ``rank`` is no scalar.   TypeError: it is not int32.
        InvalidArgumentError: the rank in a run is.
    """
    return export(function_name, f"debugging.{function_name}")(function)


assert_rank = _rank_assertion("assert_rank", "Equal", "rank", lambda have, want: have == want)
assert_rank_at_least = _rank_assertion(
    "assert_rank_at_least", "GreaterEqual", "at least rank", lambda have, want: have >= want
)


@export("assert_rank_in", "debugging.assert_rank_in")
def assert_rank_in(
    x: Any,
    ranks: Iterable[Any],
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Assert that the rank of ``x`` is one of ``ranks``.

    Args:
        x: a tensor.
        ranks: a list or tuple of int32 scalars.
        data: tensors to show in the error.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``assert_rank_in`` by default.

    Returns:
        An Operation that fails otherwise; one that does nothing when it is known to be right.

    Raises:
        ValueError: the static rank is wrong; a rank is no scalar.   TypeError: one is not int32.
        InvalidArgumentError: the rank in a run is wrong.
    """
    with name_scope(name, "assert_rank_in", [x, *ranks]):
        x = convert_to_tensor(x, name="x")
        wanted = [_rank(rank, "assert_rank_in") for rank in ranks]
        known = [value for _, value in wanted]
        if x.dims is not None and None not in known:
            if len(x.dims) in known:
                return call.NoOp(name="static_checks_determined_all_ok")
            raise ValueError(
                f"{_said(message)}assert_rank_in: the rank of {x.name!r} must be one of "
                f"{tuple(known)}, its shape is {format_dims(x.dims)}"
            )
        fits = call.Equal(call.Rank(x), call.Pack([tensor for tensor, _ in wanted], N=len(wanted)))
        said = [*([message] if message else []), f"the rank of {x.name} must be one of"]
        shown = list(data or [*said, *(t for t, _ in wanted), "Received shape: ", call.Shape(x)])
        return Assert(call.Any(fits, [0]), shown, summarize=summarize)


@export("assert_type", "debugging.assert_type")
def assert_type(
    tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None
) -> Operation:
    """Assert that ``tensor`` has dtype ``tf_type``; checked at once.

    Args:
        tensor: a tensor.
        tf_type: the dtype it must have.
        message: put in front of the error.
        name: of the operation; ``assert_type`` by default.

    Returns:
        An Operation that does nothing.

    Raises:
        TypeError: it has another dtype.
    """
    with name_scope(name, "assert_type", [tensor]):
        tensor = convert_to_tensor(tensor, name="tensor")
        wanted = as_dtype(tf_type)
        if tensor.dtype.base_dtype is not wanted.base_dtype:
            raise TypeError(
                f"{_said(message)}assert_type: {tensor.name!r} must be {wanted.name}, it is "
                f"{tensor.dtype.base_dtype.name}"
            )
        return call.NoOp(name="statically_determined_correct_type")


@export("assert_scalar", "debugging.assert_scalar")
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """``tensor``, whose static shape must be that of a scalar (or unknown).

    Args:
        tensor: a tensor.
        name: of the result; ``assert_scalar`` by default.
        message: put in front of the error.

    Raises:
        ValueError: it is known to have axes.
    """
    with name_scope(name, "assert_scalar", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name=scope)
        if tensor.dims is not None and tensor.dims != ():
            raise ValueError(
                f"{_said(message)}assert_scalar: {tensor.name!r} must be a scalar, its shape is "
                f"{format_dims(tensor.dims)}"
            )
        return tensor


@export("assert_integer", "debugging.assert_integer")
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Assert that ``x`` holds integers; checked at once.

    Args:
        x: a tensor.
        message: put in front of the error.
        name: of the operation; ``assert_integer`` by default.

    Returns:
        An Operation that does nothing.

    Raises:
        TypeError: it has another dtype.
    """
    with name_scope(name, "assert_integer", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.base_dtype.is_integer:
            raise TypeError(
                f"{_said(message)}assert_integer: {x.name!r} must hold integers, it is "
                f"{x.dtype.base_dtype.name}"
            )
        return call.NoOp(name="statically_determined_was_integer")


@export("is_numeric_tensor", "debugging.is_numeric_tensor")
def is_numeric_tensor(tensor: Any) -> bool:
    """Whether ``tensor`` is a Tensor of numbers: floats, integers or complex ones.

    Args:
        tensor: anything.
    """
    if not isinstance(tensor, Tensor):
        return False
    dtype = tensor.dtype.base_dtype
    return dtype.is_floating or dtype.is_integer or dtype.is_complex


@export("assert_proper_iterable", "debugging.assert_proper_iterable")
def assert_proper_iterable(values: Any) -> None:
    """Assert that ``values`` can be iterated over and is no tensor, array or text.

    Args:
        values: anything.

    Raises:
        TypeError: it is one of these, or no iterable at all.
    """
    improper = (Tensor, SparseTensor, IndexedSlices, np.ndarray, str, bytes)
    if isinstance(values, improper) or not hasattr(values, "__iter__"):
        raise TypeError(
            "assert_proper_iterable: values must be a list or another iterable, but no tensor, "
            f"array or text; got {type(values)}"
        )


@export("assert_same_float_dtype", "debugging.assert_same_float_dtype")
def assert_same_float_dtype(tensors: Iterable[Any] | None = None, dtype: Any = None) -> DType:
    """The float dtype that all ``tensors`` have.

    Args:
        tensors: tensors; None among them is ignored.
        dtype: what they must have, if that is known.

    Returns:
        The dtype; float32 when nothing says another.

    Raises:
        ValueError: the dtypes differ, or are no float dtypes.
    """
    expected = None if dtype is None else as_dtype(dtype).base_dtype
    for tensor in tensors or ():
        if tensor is None:
            continue
        found = tensor.dtype.base_dtype
        if expected is not None and found is not expected:
            raise ValueError(
                f"assert_same_float_dtype: {tensor.name!r} is {found.name}, expected "
                f"{expected.name}"
            )
        expected = found
    expected = expected or float32
    if not expected.is_floating:
        raise ValueError(f"assert_same_float_dtype: {expected.name} is no float dtype")
    return expected


# ---------------------------------------------------------------------------------- assert_shapes


class _Sizes:
    """What each symbol of assert_shapes stands for: the first size met under its name."""

    def __init__(self, data: Any, summarize: int | None, message: str | None) -> None:
        self.data, self.summarize, self.message = data, summarize, message
        self.first: dict[Any, tuple[str, int | None, Tensor]] = {}
        self.asserts: list[Operation] = []

    def check(self, x: Tensor, symbols: tuple[Any, ...]) -> None:
        """Check one tensor against its symbols."""
        from_the_end = bool(symbols) and symbols[0] in ("*", ...)
        symbols = symbols[1:] if from_the_end else symbols
        for i, symbol in enumerate(symbols, 1):
            if symbol in ("*", ...):
                raise ValueError(
                    f"assert_shapes: {x.name!r}: '*' and ... may stand first only, not at {i}"
                )
        at_least_or_exactly = "assert_rank_at_least" if from_the_end else "assert_rank"
        self._check_rank(x, len(symbols), at_least_or_exactly)
        for i, symbol in enumerate(symbols):
            axis = i - len(symbols) if from_the_end else i
            if symbol is not None and symbol != ".":
                self._check_size(x, axis, symbol)

    def _check_rank(self, x: Tensor, rank: int, function: str) -> None:
        # One symbol may also describe a scalar, as in TensorFlow.
        if rank == 1 and function == "assert_rank":
            known = assert_rank_in(x, (0, 1), self.data, self.summarize, self.message)
        else:
            assertion = assert_rank if function == "assert_rank" else assert_rank_at_least
            known = assertion(x, rank, self.data, self.summarize, self.message)
        if known.type != "NoOp":
            self.asserts.append(known)

    def _check_size(self, x: Tensor, axis: int, symbol: Any) -> None:
        if x.dims == ():
            static: int | None = 1
            size = convert_to_tensor(1)
        else:
            static = None if x.dims is None else x.dims[axis]
            size = call.StridedSlice(
                call.Shape(x), [axis], [axis + 1 if axis != -1 else np.iinfo(np.int32).max], [1],
                shrink_axis_mask=1,
            )  # fmt: skip
        place = f"{x.name} dimension {axis}"
        if isinstance(symbol, (int, np.integer)):
            source, wanted, wanted_tensor = (
                "explicitly",
                int(symbol),
                convert_to_tensor(int(symbol)),
            )
        elif symbol not in self.first:
            self.first[symbol] = (place, static, size)
            return
        else:
            by, wanted, wanted_tensor = self.first[symbol]  # type: ignore[assignment]
            source = f"by {by}"
        if static is not None and wanted is not None:
            if static != wanted:
                raise ValueError(
                    f"{_said(self.message)}assert_shapes: {place} must have size {wanted} "
                    f"(specified {source}), its shape is {format_dims(x.dims)}"
                )
            return
        said = [*([self.message] if self.message else []), f"{place} must have size"]
        shown = self.data or [*said, wanted_tensor, f"specified {source}.", "Received shape: ",
                              call.Shape(x)]  # fmt: skip
        self.asserts.append(
            Assert(call.Equal(size, wanted_tensor), shown, summarize=self.summarize)
        )


@export("debugging.assert_shapes")
def assert_shapes(
    shapes: Any,
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Assert that tensors have shapes that fit together.

    Args:
        shapes: a dict or a list of pairs: tensor -> one symbol for each axis.  A number is that
            size; equal names are equal sizes; None or ``"."`` is any size; ``...`` or ``"*"`` in
            front stands for any number of axes.  A str counts as its letters.
        data: tensors to show in the error.
        summarize: how many elements of each to show.
        message: put in front of the error.
        name: of the operations; ``assert_shapes`` by default.

    Returns:
        An Operation that fails otherwise; one that does nothing when all is known.

    Raises:
        ValueError: static shapes are wrong; ``...`` stands elsewhere.
        InvalidArgumentError: shapes in a run are wrong.

    >>> x, y = tf.zeros([2, 3]), tf.zeros([3, 4])
    >>> tf.debugging.assert_shapes([(x, ("n", "m")), (y, ("m", 4))]).type
    'NoOp'
    """
    pairs = list(shapes.items()) if isinstance(shapes, dict) else list(shapes)
    sizes = _Sizes(data, summarize, message)
    with name_scope(name, "assert_shapes", [pair[0] for pair in pairs]):
        for x, symbols in pairs:
            if symbols is None:
                continue
            listed = symbols if isinstance(symbols, (list, tuple, str)) else (symbols,)
            sizes.check(convert_to_tensor(x), tuple(listed))
    return group(*sizes.asserts)

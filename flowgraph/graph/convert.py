"""Values become tensors: Python numbers, lists, NumPy arrays, variables, shapes.

``to_array`` decides the dtype and value a constant gets, ``make_constant`` adds the ``Const``
operation, and a registry holds the conversions of further types.  Lists with tensors inside are
packed by apply.py.

Read next: apply.py, which converts the inputs of every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, int32, int64, string
from flowgraph.errors import format_message
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.site import find_site, format_site
from flowgraph.shapes import format_dims
from flowgraph.tensor_shape import Dimension, TensorShape

# ------------------------------------------------------------------------------ values to arrays

#: Which Python types a dtype kind takes from code; a float is never rounded to an integer silently.
#: bool counts as int, as in Python.
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "f": (int, float),
    "i": (int,),
    "u": (int,),
    "c": (int, float, complex),
    "b": (bool,),
    "O": (str, bytes),
}


def _leaves(value: Any) -> Iterator[Any]:
    """The scalars of a nested list."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            yield item


def _check_leaves(value: Any, dtype: DType) -> None:
    """TypeError naming the first scalar of ``value`` that a constant of ``dtype`` cannot hold."""
    accepted = _ACCEPTED[dtype.np.kind]
    for leaf in _leaves(value):
        if not isinstance(leaf, (*accepted, np.ndarray, np.generic)):
            if hasattr(leaf, "__index__") and int in accepted:
                continue
            raise TypeError(f"expected {dtype.name}, got {leaf!r} of type {type(leaf).__name__!r}")


def _as_bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An object array of bytes, from strings of either kind."""
    flat = np.empty(array.size, object)
    for i, item in enumerate(array.reshape(-1)):
        flat[i] = item.encode() if isinstance(item, str) else bytes(item)
    return flat.reshape(array.shape)


#: Kinds of arrays that NumPy makes of numbers which a dtype kind holds without loss of meaning.
_HOLDS = {"f": "buif", "i": "bui", "u": "bui", "c": "buifc", "b": "b", "O": ""}


def _python_array(value: Any, dtype: DType | None) -> np.ndarray[Any, Any]:
    """The array of Python numbers and lists; float32, and int32 for integers that fit."""
    try:
        array = np.array(value)
    except UnicodeDecodeError:  # str beside bytes that are no ASCII
        array = np.array(value, object)
    except ValueError as error:
        raise ValueError(f"a tensor cannot be made of a ragged list: {error}") from None
    if array.dtype.kind in "OSU":
        return _text_array(value, array, dtype)
    if dtype is not None:
        if array.size and array.dtype.kind not in _HOLDS[dtype.np.kind]:
            _check_leaves(value, dtype)
        return array.astype(dtype.np)
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        return narrow if np.array_equal(narrow, array) else array
    return array


def _text_array(
    value: Any, array: np.ndarray[Any, Any], dtype: DType | None
) -> np.ndarray[Any, Any]:
    """The array of strings, or the error for what is neither strings nor numbers."""
    leaves = list(_leaves(value))
    if any(leaf is None for leaf in leaves):
        raise ValueError("None cannot become a tensor")
    if array.dtype.kind == "O" and not any(isinstance(leaf, (str, bytes)) for leaf in leaves):
        raise TypeError(f"{value!r} cannot become a tensor: no dtype holds it")
    _check_leaves(value, dtype or string)
    return _as_bytes(np.array(value, object))


def to_array(value: Any, dtype: DType | None = None) -> np.ndarray[Any, Any]:
    """The array that a constant made of ``value`` holds.

    NumPy arrays and scalars keep their dtype, or are cast to ``dtype`` as ``astype`` does.  Python
    numbers become float32, int32 (int64 when too large), bool, complex128 or string; with ``dtype``
    given, a float in an integer constant is an error.

    Raises:
        TypeError: the dtype cannot hold the value, or no dtype can.
        ValueError: None, or lists of unequal lengths.

    >>> to_array([1, 2.5]).dtype, to_array(1).dtype, to_array(np.float64(1)).dtype
    (dtype('float32'), dtype('int32'), dtype('float64'))
    """
    if value is None:
        raise ValueError("None cannot become a tensor")
    if dtype is not None:
        dtype = dtype.base_dtype
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "SUO":
            if dtype is not None and dtype is not string:
                raise TypeError(f"expected {dtype.name}, got an array of {array.dtype}")
            return _as_bytes(array)
        if dtype is string:
            raise TypeError(f"expected string, got an array of {array.dtype}")
        # A copy: later changes of the user's array must not change the graph.
        return array.astype((dtype or as_dtype(array.dtype)).np)
    if isinstance(value, (bool, int, float, complex, str, bytes, list, tuple, range)):
        return _python_array(list(value) if isinstance(value, range) else value, dtype)
    if hasattr(value, "__array__"):
        return to_array(np.asarray(value), dtype)
    if hasattr(value, "__index__"):
        return _python_array(value.__index__(), dtype)
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot become a tensor")


def make_constant(array: np.ndarray[Any, Any], name: str = "Const") -> Tensor:
    """A ``Const`` operation in the default graph that holds ``array`` (which must not change)."""
    array.setflags(write=False)
    dtype = as_dtype(array.dtype)
    attrs = {"value": array, "dtype": dtype}
    op = get_default_graph().create_op("Const", (), (dtype,), (array.shape,), name, attrs)
    return op.outputs[0]


# ---------------------------------------------------------------------------------- the registry

#: ``function(value, dtype, name, as_ref) -> Tensor | NotImplemented``
Converter = Callable[..., Any]

_registry: list[tuple[int, int, tuple[type, ...], Converter]] = []
_by_type: dict[type, list[Converter]] = {}


@export("register_tensor_conversion_function")
def register_tensor_conversion_function(
    base_type: type | tuple[type, ...], conversion_func: Converter, priority: int = 100
) -> None:
    """Let ``conversion_func`` turn instances of ``base_type`` into tensors.

    Args:
        base_type: a class or a tuple of classes.
        conversion_func: ``f(value, dtype=None, name=None, as_ref=False)`` giving a Tensor, or
            NotImplemented to leave the value to the next function.
        priority: functions of lower priority number are asked first; equal ones in order of
            registration.
    """
    types = base_type if isinstance(base_type, tuple) else (base_type,)
    if not all(isinstance(cls, type) for cls in types):
        raise TypeError("base_type must be a class or a tuple of classes")
    if not callable(conversion_func):
        raise TypeError("conversion_func must be callable")
    _registry.append((priority, len(_registry), types, conversion_func))
    _registry.sort(key=lambda row: row[:2])
    _by_type.clear()


def _converters(cls: type) -> list[Converter]:
    found = _by_type.get(cls)
    if found is None:
        found = _by_type[cls] = [row[3] for row in _registry if issubclass(cls, row[2])]
    return found


@export("convert_to_tensor")
def convert_to_tensor(
    value: Any,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    dtype_hint: Any = None,
) -> Tensor:
    """``value`` as a Tensor of the default graph.

    Args:
        value: a Tensor (returned as it is), Variable, number, string, list, NumPy array,
            TensorShape, or anything with a registered conversion.
        dtype: the dtype that is required.
        name: for the constant made, if one is made.
        preferred_dtype, dtype_hint: a dtype that is used if the value allows it.

    Raises:
        TypeError: nothing converts the value, or not to ``dtype``.
        ValueError: a tensor of another dtype; None; a ragged list.

    Source: tf.convert_to_tensor (TensorFlow 1.15).
    """
    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    hint = preferred_dtype if preferred_dtype is not None else dtype_hint
    if wanted is None and hint is not None and not isinstance(value, Tensor):
        try:
            return convert(value, as_dtype(hint).base_dtype, name)
        except (TypeError, ValueError):
            pass
    return convert(value, wanted, name)


def convert(value: Any, dtype: DType | None, name: str | None, as_ref: bool = False) -> Tensor:
    """``convert_to_tensor`` without hints; ``as_ref`` asks a variable for its own (Ref) output."""
    if isinstance(value, Tensor):
        if dtype is not None and value.dtype.base_dtype is not dtype:
            raise ValueError(
                format_message(
                    f"a tensor of dtype {dtype.name} is needed, this one is "
                    f"{value.dtype.base_dtype.name}",
                    [describe("value", value)],
                    ("", format_site(find_site())),
                    f"convert it with tf.cast(value, tf.{dtype.name})",
                )
            )
        return value
    for function in _converters(type(value)):
        result = function(value, dtype=dtype, name=name, as_ref=as_ref)
        if result is not NotImplemented:
            if not isinstance(result, Tensor):
                raise RuntimeError(f"conversion function {function!r} gave {result!r}, no Tensor")
            return convert(result, dtype, name) if dtype is not None else result
    if isinstance(value, Operation):
        raise TypeError(f"operation {value.name!r} is no tensor: use one of its outputs")
    return make_constant(to_array(value, dtype), name or "Const")


def is_plain(value: Any) -> bool:
    """True for Python and NumPy values, which adopt the dtype of the tensors beside them."""
    return isinstance(
        value, (int, float, complex, str, bytes, list, tuple, range, np.ndarray, np.generic)
    )


def _convert_shape(
    value: TensorShape, dtype: DType | None = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    if not value.is_fully_defined():
        raise ValueError(
            f"shape {format_dims(value.to_dims())} is not known completely and cannot become a "
            "tensor; use tf.shape(x)"
        )
    array = np.array(value.as_list(), np.int64)
    if dtype is None:
        dtype = int64 if array.size and array.max() > np.iinfo(np.int32).max else int32
    if dtype not in (int32, int64):
        raise TypeError(f"a shape becomes an int32 or int64 tensor, not {dtype.name}")
    return make_constant(array.astype(dtype.np), name or "shape_as_tensor")


def _convert_dimension(
    value: Dimension, dtype: DType | None = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    if value.value is None:
        raise ValueError("an unknown Dimension cannot become a tensor; use tf.shape(x)[i]")
    array = np.array(value.value, (dtype or int32).np)
    return make_constant(array, name or "shape_as_tensor")


register_tensor_conversion_function(TensorShape, _convert_shape)
register_tensor_conversion_function(Dimension, _convert_dimension)

__all__ = [
    "convert", "convert_to_tensor", "is_plain", "make_constant",
    "register_tensor_conversion_function", "to_array",
]  # fmt: skip

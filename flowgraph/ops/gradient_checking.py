"""``tf.test.compute_gradient``: derivatives as the graph has them, beside measured ones.

    theoretical   one run of the gradient per element of y
    numerical     two runs of y per element of x:  (y(x + d) - y(x - d)) / 2d

Complex numbers count as two real ones, real part first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert, convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Tensor, run_in_session
from flowgraph.tensor_shape import as_dims

Array = np.ndarray[Any, Any]

#: Dtypes whose derivatives can be measured.
_MEASURABLE = frozenset(("float16", "float32", "float64", "complex64", "complex128"))


@export("test.compute_gradient")
def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Mapping[Any, Any] | None = None,
) -> Any:
    """The derivatives of ``y`` by ``x``: those of the graph, and measured ones.

    Args:
        x: a float or complex tensor, or a list of them.
        x_shape: its sizes, or a list of such.
        y: a tensor made from x.   y_shape: its sizes.
        x_init_value: where to measure, an array (or a list); random numbers in [0, 1) by default.
        delta: how far to go for the measurement.
        init_targets: operations to run beforehand, such as initialisers.
        extra_feed_dict: what else to feed.

    Returns:
        Two arrays of shape (elements of x, elements of y), theoretical and numerical; a list of
        such pairs when x is a list.  A complex element makes two rows or columns.

    Raises:
        ValueError: there is no default session; a shape is not ``x_shape``; y does not depend on x.
        TypeError: x or y is neither float nor complex.

    Source: tf.test.compute_gradient (TensorFlow 1.15).

    >>> x = tf.constant([1.0, 2.0])
    >>> with tf.Session():
    ...     found, measured = tf.test.compute_gradient(x, [2], x * x, [2], np.float32([1, 2]))
    >>> found
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    is_list = isinstance(x, (list, tuple))
    x_list, shapes = (list(x), list(x_shape)) if is_list else ([x], [x_shape])
    given = x_init_value if is_list and x_init_value is not None else [x_init_value] * len(x_list)
    if init_targets is not None:
        for target in init_targets if isinstance(init_targets, (list, tuple)) else [init_targets]:
            run_in_session(target, None, None, target.graph)
    tensors = [_checked(tensor, f"x_{i}") for i, tensor in enumerate(x_list)]
    start = [
        _initial_value(tensor, as_dims(shape), value)
        for tensor, shape, value in zip(tensors, shapes, given, strict=True)
    ]
    target = _checked(y, "y")
    feeds = {**(extra_feed_dict or {}), **dict(zip(tensors, start, strict=True))}
    sizes = as_dims(y_shape)
    pairs = []
    for tensor, value in zip(tensors, start, strict=True):
        found = _theoretical(tensor, target, sizes, feeds, value)
        pairs.append((found, _numerical(tensor, target, feeds, value, delta, found.shape)))
    return pairs if is_list else pairs[0]


@export("test.compute_gradient_error")
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Mapping[Any, Any] | None = None,
) -> float:
    """The largest difference between the graph's derivatives and measured ones.

    Args:
        x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict: as for
            ``tf.test.compute_gradient``.

    Returns:
        The maximum over all elements; 0 when there are none.

    Raises:
        As ``tf.test.compute_gradient``.

    Source: tf.test.compute_gradient_error (TensorFlow 1.15).
    """
    found = compute_gradient(
        x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict
    )
    pairs = found if isinstance(x, (list, tuple)) else [found]
    return max((np.abs(a - b).max() for a, b in pairs if a.size), default=0)


def _checked(value: Any, name: str) -> Tensor:
    tensor = convert(value, None, name, as_ref=True)
    if tensor.dtype.base_dtype.name not in _MEASURABLE:
        raise TypeError(
            f"compute_gradient: {name} is {tensor.dtype.name}, but must be one of "
            + ", ".join(sorted(_MEASURABLE))
        )
    return tensor


def _initial_value(tensor: Tensor, dims: Any, given: Any) -> Array:
    dtype = tensor.dtype.base_dtype.np
    if given is not None:
        value = np.array(given, dtype)
        if value.shape != tuple(dims):
            raise ValueError(
                f"compute_gradient: x_init_value has shape {value.shape}, x_shape is {dims}"
            )
        return value
    value = np.random.random_sample(dims).astype(dtype)  # noqa: NPY002 - as TensorFlow does
    if dtype.kind == "c":
        value += 1j * np.random.random_sample(dims)  # noqa: NPY002
    return value


def _parts(array: Array) -> Array:
    """The elements as real numbers in a row."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _directions(shape: Sequence[int], dtype: np.dtype[Any]) -> Callable[[], Any]:
    """Arrays of this shape that are one at one place (complex: or i), in order."""

    def each() -> Any:
        units = (1, 1j) if dtype.kind == "c" else (1,)
        for k in range(int(np.prod(shape, dtype=np.int64))):
            for unit in units:
                direction = np.zeros(shape, dtype)
                direction.reshape(-1)[k] = unit
                yield direction

    return each


def _theoretical(
    x: Tensor, y: Tensor, y_dims: Any, feeds: Mapping[Any, Any], value: Array
) -> Array:
    dtype = y.dtype.base_dtype
    entering = call.Placeholder(dtype=dtype, shape=y_dims, name="hidden_dy")
    (dx,) = gradients(y, x, entering)
    if dx is None:
        raise ValueError(f"compute_gradient: y does not depend on {x!r}")
    dense = convert_to_tensor(dx)
    columns = [
        _parts(np.asarray(run_in_session(dense, {**feeds, entering: dy}, None, x.graph)))
        for dy in _directions(y_dims, dtype.np)()
    ]
    for column in columns:
        if column.size != _parts(value).size:
            raise ValueError("compute_gradient: the gradient has another shape than x")
    if not columns:
        return np.zeros((_parts(value).size, 0), _parts(value).dtype)
    return np.stack(columns, 1)


def _numerical(
    x: Tensor,
    y: Tensor,
    feeds: Mapping[Any, Any],
    value: Array,
    delta: float,
    shape: tuple[int, ...],
) -> Array:
    result = np.zeros(shape, _parts(value).dtype)

    def at(moved: Array) -> Array:
        return _parts(np.asarray(run_in_session(y, {**feeds, x: moved}, None, x.graph)))

    for row, direction in enumerate(_directions(value.shape, value.dtype)()):
        step = (direction * delta).astype(value.dtype)
        difference = at(value + step) - at(value - step)
        if difference.size != shape[1]:
            raise ValueError("compute_gradient: y has another shape than y_shape")
        result[row] = difference / (2 * delta)
    return result

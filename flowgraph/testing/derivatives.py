"""tf.test.compute_gradient: a derivative measured by differences beside the symbolic one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.gradients import gradients
from flowgraph.graph.node import Operation, Tensor
from flowgraph.session import BaseSession, get_default_session


def _session() -> BaseSession:
    session = get_default_session()
    if session is None:
        raise ValueError("compute_gradient: open a session with `with tf.Session():`")
    return session


def _jacobians(
    run: Callable[..., Any], x: Tensor, y: Tensor, at: np.ndarray, delta: float, feeds: dict
) -> tuple[np.ndarray, np.ndarray]:
    """dy[j] / dx[i], (size of x, size of y): symbolic and by central differences."""
    weights = convert_to_tensor(np.zeros(run(y, {**feeds, x: at}).shape, y.dtype.np))
    (slope,) = gradients([y], [x], [weights])
    size = int(np.size(run(y, {**feeds, x: at})))
    symbolic = np.zeros((at.size, size), at.dtype)
    measured = np.zeros((at.size, size), at.dtype)
    for j in range(size if slope is not None else 0):
        one = np.zeros(size, y.dtype.np)
        one[j] = 1
        symbolic[:, j] = np.reshape(
            run(convert_to_tensor(slope), {**feeds, x: at, weights: one.reshape(weights.shape)}), -1
        )
    for i in range(at.size):
        values = []
        for sign in (1, -1):
            moved = at.copy().reshape(-1)
            moved[i] += sign * delta
            values.append(np.reshape(run(y, {**feeds, x: moved.reshape(at.shape)}), -1))
        measured[i] = (values[0] - values[1]) / (2 * delta)
    return symbolic, measured


@export("test.compute_gradient")
def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict[Any, Any] | None = None,
) -> Any:
    """The Jacobian of ``y`` by ``x``: symbolic, and measured by central differences.

    ``J[i, j] = dy[j] / dx[i]``, of flattened tensors, in the default session.

    Args:
        x: a tensor, or a list of them.
        x_shape: its shape, or a list of shapes.
        y: a tensor.   y_shape: its shape.
        x_init_value: where to measure; random values by default.
        delta: the step.
        init_targets: operations to run first.
        extra_feed_dict: what else to feed.

    Returns:
        A pair of arrays, or a list of pairs for a list ``x``.

    Raises:
        ValueError: there is no default session.
    """
    session = _session()
    for target in init_targets if isinstance(init_targets, (list, tuple)) else [init_targets]:
        if isinstance(target, (Operation, Tensor)):
            session.run(target)
    several = isinstance(x, (list, tuple))
    xs: Sequence[Tensor] = list(x) if several else [x]
    shapes = list(x_shape) if several else [x_shape]
    given = list(x_init_value) if several and x_init_value is not None else [x_init_value] * len(xs)
    rng = np.random.default_rng(0)
    at = {
        tensor: rng.random(tuple(shape)).astype(tensor.dtype.np)
        if value is None
        else np.array(value, tensor.dtype.np).reshape(tuple(shape))
        for tensor, shape, value in zip(xs, shapes, given, strict=True)
    }
    feeds = {**(extra_feed_dict or {}), **at}
    pairs = [_jacobians(session.run, t, y, at[t], delta, feeds) for t in xs]
    return pairs if several else pairs[0]


@export("test.compute_gradient_error")
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Tensor,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict[Any, Any] | None = None,
) -> float:
    """The largest difference between the two Jacobians of ``tf.test.compute_gradient``.

    Args:
        x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict: as there.

    Returns:
        A float.
    """
    pairs = compute_gradient(
        x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict
    )
    if not isinstance(pairs, list):
        pairs = [pairs]
    return max((float(np.max(np.abs(one - other), initial=0)) for one, other in pairs), default=0.0)

"""Clipping by norm: clip_by_norm, clip_by_average_norm, clip_by_global_norm, global_norm.

Read next: comparison.py (clip_by_value), reductions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import colocate_with, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.ops.reductions import reduce_with
from flowgraph.ops.rules import number


@export("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """``t``, made shorter where its Euclidean norm is greater than ``clip_norm``.

    t * clip_norm / max(norm(t), clip_norm)

    Args:
        t: a float tensor, or IndexedSlices.
        clip_norm: a positive scalar; or of a shape that broadcasts against the norms.
        axes: the axes over which the norm is taken; all by default.
        name: of the operation; ``clip_by_norm`` by default.

    Returns:
        What ``t`` is, of its shape.

    Raises:
        ValueError: ``clip_norm`` has a shape that would make the result larger than ``t``.

    Gradient: through the norm; 0 of the norm where ``t`` is 0.

    >>> tf.Session().run(tf.clip_by_norm([3.0, 4.0], 1.0))
    array([0.6, 0.8], dtype=float32)
    """
    with name_scope(name, "clip_by_norm", [t, clip_norm]) as scope:
        slices = isinstance(t, IndexedSlices)
        values = t.values if slices else convert_to_tensor(t, name="t")
        squares = reduce_with("Sum", values * values, axes, True, None)
        # the square root of 0 has no slope: 1 stands in for it there
        positive = squares > 0
        safe = call.Select(positive, squares, call.OnesLike(squares))
        length = call.Select(positive, call.Sqrt(safe), squares)
        scaled = values * clip_norm
        values.shape.assert_is_compatible_with(scaled.shape)
        clipped = apply_op(
            "Identity", scaled / call.Maximum(length, clip_norm), name=None if slices else scope
        )
        return IndexedSlices(clipped, t.indices, t.dense_shape) if slices else clipped


@export("clip_by_average_norm")
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Any:
    """``t``, made shorter where its norm per element is greater than ``clip_norm``.

    t * clip_norm / max(norm(t) / size(t), clip_norm)

    Args:
        t: a float tensor.
        clip_norm: a positive scalar.
        name: of the operation; ``clip_by_average_norm`` by default.

    Returns:
        A tensor of the shape of ``t``.

    Gradient: through the norm; NaN where ``t`` is all 0.

    >>> tf.Session().run(tf.clip_by_average_norm([3.0, 4.0], 1.0))
    array([1.2, 1.6], dtype=float32)
    """
    with name_scope(name, "clip_by_average_norm", [t, clip_norm]) as scope:
        t = convert_to_tensor(t, name="t")
        count = call.Cast(call.Size(t), DstT=t.dtype.base_dtype)
        inverse = call.Rsqrt(reduce_with("Sum", t * t, None, False, None))
        limit = convert_to_tensor(clip_norm, dtype=t.dtype.base_dtype)
        scale = limit * call.Minimum(inverse * count, number(1, t) / limit)
        return apply_op("Identity", t * scale, name=scope)


def _values_of(t_list: Any, function: str) -> list[Any]:
    """The tensors of a list, None kept; of IndexedSlices their values."""
    if not isinstance(t_list, Sequence) or isinstance(t_list, str):
        raise TypeError(f"{function}: t_list must be a list of tensors")
    return [
        t.values
        if isinstance(t, IndexedSlices)
        else None
        if t is None
        else convert_to_tensor(t, name=f"t_{i}")
        for i, t in enumerate(t_list)
    ]


@export("global_norm", "linalg.global_norm")
def global_norm(t_list: Any, name: str | None = None) -> Any:
    """The Euclidean norm of all the tensors of a list together.

    sqrt(sum over the tensors of norm(t)**2)

    Args:
        t_list: a list of float tensors, IndexedSlices and None (which counts nothing).
        name: of the operations; ``global_norm`` by default.

    Returns:
        A scalar tensor.

    Raises:
        TypeError: ``t_list`` is no list.

    Gradient: through the norms.

    >>> tf.Session().run(tf.global_norm([[3.0], None, 4.0]))
    5.0
    """
    with name_scope(name, "global_norm", list(t_list) if isinstance(t_list, list) else []):
        halves = []
        for value in _values_of(t_list, "global_norm"):
            if value is not None:
                with colocate_with(value):
                    halves.append(call.L2Loss(value))
        half = call.Sum(call.Pack(halves, axis=0), np.array([0], np.int32))
        return apply_op("Sqrt", half * number(2, half), name="global_norm")


@export("clip_by_global_norm")
def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> Any:
    """The tensors of a list, all made shorter when their norm together is above ``clip_norm``.

    t * clip_norm / max(global_norm(t_list), clip_norm)  for every t

    Args:
        t_list: a list of float tensors, IndexedSlices and None.
        clip_norm: a positive scalar.
        use_norm: the norm to use in place of ``global_norm(t_list)``.
        name: of the operations; ``clip_by_global_norm`` by default.

    Returns:
        A list like ``t_list``, and the norm.  All are NaN when the norm is not finite.

    Raises:
        TypeError: ``t_list`` is no list.

    Gradient: through the norm.

    >>> clipped, norm = tf.clip_by_global_norm([[3.0], [4.0]], 1.0)
    >>> tf.Session().run(clipped)
    [array([0.6], dtype=float32), array([0.8], dtype=float32)]
    """
    values = _values_of(t_list, "clip_by_global_norm")
    if use_norm is None:
        use_norm = global_norm(t_list, name)
    with name_scope(name, "clip_by_global_norm", [*t_list, clip_norm]) as scope:
        norm = convert_to_tensor(use_norm, name="use_norm")
        limit = convert_to_tensor(clip_norm, dtype=norm.dtype.base_dtype, name="clip_norm")
        scale = limit * call.Minimum(number(1, norm) / norm, number(1, norm) / limit)
        # inf - inf and NaN - NaN are NaN, all else 0: what cannot be clipped is not passed on
        scale = scale + (norm - norm)
        clipped: list[Any] = []
        for i, (t, value) in enumerate(zip(t_list, values, strict=True)):
            if value is None:
                clipped.append(None)
                continue
            with colocate_with(value):
                short = apply_op("Identity", value * scale, name=f"{scope}_{i}")
            slices = isinstance(t, IndexedSlices)
            clipped.append(IndexedSlices(short, t.indices, t.dense_shape) if slices else short)
        return clipped, use_norm

"""Pixels in other dtypes: integers use their whole range, floats [0, 1].

Read next: adjusting.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.casts import saturate_cast
from flowgraph.ops.rules import number


@export("image.convert_image_dtype")
def convert_image_dtype(
    image: Any, dtype: Any, saturate: bool = False, name: str | None = None
) -> Tensor:
    """Pixels in another dtype, their values scaled to its range.

    Integers use 0 to their greatest, floats 0 to 1: 255 in uint8 is 1.0 in float32.

    Args:
        image: real.
        dtype: wanted.
        saturate: clip what lies outside the range of an integer ``dtype``; else it wraps.
        name: of the operations; ``convert_image`` by default.

    Returns:
        A tensor of the same shape.

    Gradient: between floats, and 1/greatest from integers none.

    >>> tf.Session().run(tf.image.convert_image_dtype(tf.constant([0, 255], tf.uint8), tf.float32))
    array([0., 1.], dtype=float32)
    """
    x = convert_to_tensor(image, name="image")
    target, source = as_dtype(dtype).base_dtype, x.dtype.base_dtype
    if target is source:
        return call.Identity(x, name=name)
    with name_scope(name, "convert_image", [x]) as scope:
        if source.is_integer and target.is_integer:
            return _between_integers(x, source, target, saturate, scope)
        if source.is_floating and target.is_floating:
            return apply_op("Cast", x, DstT=target, name=scope)
        if source.is_integer:
            wide = call.Cast(x, DstT=target)
            return apply_op("Mul", wide, number(1.0 / source.max, wide), name=scope)
        if float(source.max) <= target.max:  # float16: too narrow for the numbers of uint16
            x = call.Cast(x, DstT="float32")
        # half a step more, so that truncation rounds
        scaled = call.Mul(x, number(target.max + 0.5, x))
        if saturate:
            return saturate_cast(scaled, target, name=scope)
        return apply_op("Cast", scaled, DstT=target, name=scope)


def _between_integers(
    x: Tensor, source: DType, target: DType, saturate: bool, scope: str
) -> Tensor:
    """Shifted by whole powers of two."""
    if source.max > target.max:
        scaled = call.FloorDiv(x, number((source.max + 1) // (target.max + 1), x))
        if saturate:
            return saturate_cast(scaled, target, name=scope)
        return apply_op("Cast", scaled, DstT=target, name=scope)
    wide = saturate_cast(x, target) if saturate else call.Cast(x, DstT=target)
    factor = np.array((target.max + 1) // (source.max + 1))
    return apply_op("Mul", wide, number(int(factor), wide), name=scope)

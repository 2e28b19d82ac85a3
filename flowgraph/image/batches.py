"""One image or a batch of them: what functions that take both share.

Read next: geometry.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.shapes import format_dims


def as_batch(image: Tensor, what: str) -> tuple[Tensor, bool]:
    """``image`` of rank 4, and whether an axis was added.

    Raises:
        ValueError: its rank is neither 3 nor 4; an unknown one counts as 4.
    """
    if image.dims is None:
        image.set_shape([None] * 4)
    assert image.dims is not None
    if len(image.dims) == 3:
        return call.ExpandDims(image, 0), True
    if len(image.dims) != 4:
        raise ValueError(
            f"{what}: an image has 3 axes and a batch of them 4, not {format_dims(image.dims)}"
        )
    return image, False


def as_given(batch: Tensor, added: bool) -> Tensor:
    """The reverse of ``as_batch``."""
    return call.Squeeze(batch, squeeze_dims=[0]) if added else batch


def at_least_three_axes(image: Tensor, what: str) -> None:
    """ValueError for an image of known, lower rank."""
    if image.dims is not None and len(image.dims) < 3:
        raise ValueError(
            f"{what}: image (shape {format_dims(image.dims)}) must be at least three-dimensional"
        )


def known(value: Any) -> Any:
    """A number that stands in the program, or None where only the run knows it."""
    if isinstance(value, Tensor):
        value = constant_value(value)
    return None if value is None else np.asarray(value).item()


def height_and_width(batch: Tensor) -> tuple[Any, Any]:
    """Of a batch of rank 4: ints, or int32 scalars where they are not known."""
    assert batch.dims is not None
    sizes: list[Any] = list(batch.dims[1:3])
    if None in sizes:
        found = apply_op("Unpack", call.Shape(batch), num=4, axis=0, name="unstack")
        sizes = [found[k + 1] if size is None else size for k, size in enumerate(sizes)]
    return sizes[0], sizes[1]


def vector(*sizes: Any) -> Any:
    """Ints and int32 scalars as one vector."""
    if all(isinstance(size, (int, np.integer)) for size in sizes):
        return np.array(sizes, np.int32)
    return call.Pack([call.Cast(s, DstT="int32") if isinstance(s, Tensor) else np.int32(s)
                      for s in sizes])  # fmt: skip

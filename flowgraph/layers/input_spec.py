"""What a layer expects of its inputs, and the check of it.

Read next: base.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.dtypes import as_dtype
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.shapes import format_dims
from flowgraph.tensor_shape import as_dims


@export("layers.InputSpec")
class InputSpec:
    """Rank, dtype and sizes that an input must have; what is None is not checked.

    Args:
        dtype: of the input.
        shape: its whole shape; None for sizes that may be anything.
        ndim: its rank.   max_ndim, min_ndim: bounds of its rank.
        axes: sizes of single axes, ``{-1: 64}``.

    >>> tf.layers.InputSpec(min_ndim=2, axes={-1: 3})
    InputSpec(min_ndim=2, axes={-1: 3})
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ) -> None:
        self.dtype = None if dtype is None else as_dtype(dtype).name
        dims = None if shape is None else as_dims(shape)
        self.shape = dims
        self.ndim = ndim if dims is None else len(dims)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}

    def __repr__(self) -> str:
        given = [(k, v) for k, v in vars(self).items() if v is not None and v != {}]
        return f"InputSpec({', '.join(f'{key}={value}' for key, value in given)})"

    def _complaint(self, x: Tensor) -> str:
        """What is wrong with ``x``; empty when nothing is known to be."""
        if self.dtype is not None and x.dtype.base_dtype.name != self.dtype:
            return f"dtype {self.dtype}, not {x.dtype.base_dtype.name}"
        shape = x.shape  # NB: a SparseTensor has one, too
        if shape.ndims is None:
            return ""
        dims = shape.as_list()
        rank = len(dims)
        if self.ndim is not None and rank != self.ndim:
            return f"rank {self.ndim}, not {rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"rank {self.max_ndim} at most, not {rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"rank {self.min_ndim} at least, not {rank}"
        wanted = {**self.axes, **dict(enumerate(self.shape or ()))}
        for axis, size in wanted.items():
            if size is not None and dims[axis] not in (size, None):
                return f"size {size} along axis {axis}, not {dims[axis]}"
        return ""


def check_inputs(layer: str, specs: Any, inputs: Any) -> None:
    """Check ``inputs`` (a tensor or a list) against ``specs`` (an InputSpec, a list, or None).

    Raises:
        ValueError: what does not fit, and of which input.
    """
    if specs is None:
        return
    specs = specs if isinstance(specs, (list, tuple)) else [specs]
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if len(specs) != len(tensors):
        raise ValueError(f"layer {layer!r} takes {len(specs)} inputs, got {len(tensors)}")
    for i, (spec, x) in enumerate(zip(specs, tensors, strict=True)):
        complaint = spec._complaint(x) if spec is not None else ""
        if complaint:
            text = f"layer {layer!r}: input {i} must have {complaint}"
            text += f": {x.name!r} has shape {format_dims(x.dims)}"
            raise ValueError(call_message(text, [(f"input {i}", x)]))

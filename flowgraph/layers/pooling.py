"""Pooling as layers: the greatest element or the mean of every window, channel by channel.

Read next: convolutional.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import Layer, one_of, sizes
from flowgraph.layers.convolutional import layout, window_size
from flowgraph.layers.functional import functional
from flowgraph.layers.input_spec import InputSpec
from flowgraph.ops.pooling_functions import avg_pool, avg_pool3d, max_pool, max_pool3d
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape

_FUNCTIONS: dict[tuple[str, int], tuple[Callable[..., Tensor], str]] = {
    ("Max", 2): (max_pool, "MaxPool"),
    ("Max", 3): (max_pool3d, "MaxPool3D"),
    ("Average", 2): (avg_pool, "AvgPool"),
    ("Average", 3): (avg_pool3d, "AvgPool3D"),
}


class Pooling(Layer):
    """What the pooling layers share; ``rank`` is the number of axes of the window."""

    def __init__(
        self,
        kind: str,
        rank: int,
        pool_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        name: str | None,
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(name=name, **kwargs)
        word = type(self).__name__
        self.kind, self.rank = kind, rank
        self.pool_size = sizes(word, pool_size, rank, "pool_size")
        self.strides = sizes(word, strides, rank, "strides")
        self.padding = one_of(word, padding, "padding", "valid", "same")
        self.data_format = one_of(
            word, data_format, "data_format", "channels_last", "channels_first"
        )
        self.input_spec = InputSpec(ndim=rank + 2)

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        first, rank = self.data_format == "channels_first", max(self.rank, 2)
        window, steps = ((1,) * (rank - self.rank) + v for v in (self.pool_size, self.strides))
        line = 2 if first else 1
        if self.rank == 1:  # images of one line
            inputs = call.ExpandDims(inputs, line)
        function, name = _FUNCTIONS[self.kind, rank]
        outputs = function(
            inputs,
            [1, 1, *window] if first else [1, *window, 1],
            [1, 1, *steps] if first else [1, *steps, 1],
            self.padding.upper(),
            data_format=layout(self.data_format, rank),
            name=name,
        )
        return call.Squeeze(outputs, squeeze_dims=[line]) if self.rank == 1 else outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs."""
        dims = list(as_dims(as_shape(input_shape)) or (None,) * (self.rank + 2))
        start = 2 if self.data_format == "channels_first" else 1
        for k, (window, step) in enumerate(zip(self.pool_size, self.strides, strict=True)):
            dims[start + k] = window_size(dims[start + k], window, self.padding, step)
        return as_shape(dims)


def _pooling(kind: str, rank: int) -> type[Pooling]:
    """The class <kind>PoolingND."""
    name = f"{kind}Pooling{rank}D"

    def init(
        self: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if strides is None:
            raise ValueError(f"{type(self).__name__}: strides must be given")
        Pooling.__init__(self, kind, rank, pool_size, strides, padding, data_format, name, kwargs)

    what = {"Max": "The greatest element", "Average": "The mean"}[kind]
    words = {1: "sequences", 2: "images", 3: "volumes"}[rank]
    doc = f"""{what} of every window of {words}, channel by channel.

    Args:
        pool_size: of the window: one number, or one for each axis.
        strides: steps of the window: one number, or one for each axis.
        padding: ``valid`` or ``same``.
        data_format: ``channels_last`` or ``channels_first``.
        name: of the layer; ``{kind.lower()}_pooling{rank}d`` by default."""
    body = {"__init__": init, "__doc__": doc, "__module__": __name__}
    cls = export(f"layers.{name}")(type(name, (Pooling,), body))
    functional(f"{kind.lower()}_pooling{rank}d", cls, reuse=False)
    return cls


MaxPooling1D, MaxPooling2D, MaxPooling3D = (_pooling("Max", rank) for rank in (1, 2, 3))
AveragePooling1D, AveragePooling2D, AveragePooling3D = (
    _pooling("Average", rank) for rank in (1, 2, 3)
)

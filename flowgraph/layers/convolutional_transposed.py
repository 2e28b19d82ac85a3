"""Transposed convolutions as layers: every input pixel adds its multiple of the filter.

Read next: convolutional.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ZEROS
from flowgraph.layers.convolutional import _ARGS, Activation, _Plain, layout
from flowgraph.layers.functional import functional
from flowgraph.ops.convolution_transposed import conv2d_transpose as nn_conv2d_transpose
from flowgraph.ops.convolution_transposed import conv3d_transpose as nn_conv3d_transpose
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape


def _spread(size: Any, window: int, padding: str, stride: int) -> Any:
    """The size of the output along an axis of ``size`` elements (a number, tensor or None)."""
    if size is None:
        return None
    size = size * stride
    return size + max(window - stride, 0) if padding == "valid" else size


class _Transposed(_Plain):
    """Conv2DTranspose and Conv3DTranspose."""

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, self.filters, channels]

    def _axes(self) -> range:
        """The axes of the window in the inputs."""
        start = 2 if self.data_format == "channels_first" else 1
        return range(start, start + self.rank)

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        dims = inputs.dims or (None,) * (self.rank + 2)
        shape = call.Shape(inputs)
        sizes = [shape[i] if size is None else size for i, size in enumerate(dims)]
        for k, axis in enumerate(self._axes()):
            sizes[axis] = _spread(sizes[axis], self.kernel_size[k], self.padding, self.strides[k])
        first = self.data_format == "channels_first"
        sizes[self._channel_axis] = self.filters
        function, name = (
            (nn_conv2d_transpose, "conv2d_transpose")
            if self.rank == 2
            else (nn_conv3d_transpose, "conv3d_transpose")
        )
        outputs = function(
            inputs,
            self.kernel,
            call.Pack(sizes),
            [1, 1, *self.strides] if first else [1, *self.strides, 1],
            padding=self.padding.upper(),
            data_format=layout(self.data_format, self.rank),
            name=name,
        )
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return self._activated(self._finished(outputs))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs."""
        dims = list(as_dims(as_shape(input_shape)) or (None,) * (self.rank + 2))
        for k, axis in enumerate(self._axes()):
            dims[axis] = _spread(dims[axis], self.kernel_size[k], self.padding, self.strides[k])
        dims[self._channel_axis] = self.filters
        return as_shape(dims)


def _transposed(rank: int) -> type[_Transposed]:
    """The class ConvNDTranspose."""
    name = f"Conv{rank}DTranspose"

    def init(
        self: Any,
        filters: int,
        kernel_size: Any,
        strides: Any = (1,) * rank,
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("self", "rank", "kwargs")}
        kernel = {x: given.pop(x) for x in list(given) if x.startswith("kernel_") and x[7] != "s"}
        given["dilation_rate"] = 1
        _Transposed.__init__(self, rank, given, kernel, kwargs)

    words = {2: "images", 3: "volumes"}[rank]
    arguments = "\n".join(
        line
        for line in _ARGS.format(name=f"conv{rank}d_transpose", causal="").split("\n")
        if "dilation_rate" not in line
    )
    doc = f"The transpose of a convolution of {words}, which makes them larger.\n\n    Args:"
    body = {"__init__": init, "__doc__": doc + arguments, "__module__": __name__}
    return export(f"layers.{name}")(type(name, (_Transposed,), body))


Conv2DTranspose, Conv3DTranspose = _transposed(2), _transposed(3)
conv2d_transpose = functional("conv2d_transpose", Conv2DTranspose)
conv3d_transpose = functional("conv3d_transpose", Conv3DTranspose)

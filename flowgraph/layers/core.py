"""Dense, Dropout, Flatten: the layers of fully connected networks.

Read next: base.py; convolutional.py.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.layers.base import ZEROS, Layer, known_size, one_of
from flowgraph.layers.functional import functional
from flowgraph.layers.input_spec import InputSpec
from flowgraph.ops.conditionals import cond
from flowgraph.ops.einsum import tensordot
from flowgraph.ops.layers import dropout as nn_dropout
from flowgraph.ops.transposing import transpose
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape


@export("layers.Dense")
class Dense(Layer):
    """A fully connected layer: ``activation(inputs @ kernel + bias)``.

    Args:
        units: number of outputs.
        activation: a function of the result; None for none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: as in tf.get_variable.
        kernel_regularizer, bias_regularizer: functions of the variable, added to the losses.
        activity_regularizer: a function of the output, added to the losses.
        kernel_constraint, bias_constraint: functions applied to the variable after an update.
        trainable: whether the variables are trained.
        name: of the layer; ``dense`` by default.

    Inputs have rank 2 at least and a known last size; their other axes are kept.

    >>> x = tf.ones([2, 3])
    >>> y = tf.layers.dense(x, 4, kernel_initializer=tf.ones_initializer())
    >>> with tf.Session() as session:
    ...     session.run(tf.global_variables_initializer())
    ...     print(y.name, session.run(y)[0])
    dense/BiasAdd:0 [3. 3. 3. 3.]
    """

    def __init__(
        self,
        units: int,
        activation: Callable[[Any], Any] | None = None,
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
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.activation, self.use_bias = int(units), activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(min_ndim=2)
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` and ``bias``."""
        assert self._dtype is not None
        if not self._dtype.is_floating and not self._dtype.is_complex:
            raise TypeError(f"Dense: inputs must be float, not {self._dtype.name}")
        size = known_size("Dense", input_shape, -1)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel",
            [size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        rank = None if inputs.dims is None else len(inputs.dims)
        if rank == 2:
            outputs = call.MatMul(inputs, self.kernel)
        else:
            outputs = tensordot(inputs, self.kernel, [[-1 if rank is None else rank - 1], [0]])
            if inputs.dims is not None:
                outputs.set_shape((*inputs.dims[:-1], self.units))
        if self.use_bias:
            outputs = call.BiasAdd(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """``input_shape`` with ``units`` as last size."""
        dims = as_dims(as_shape(input_shape))
        known_size("Dense", input_shape, -1)
        assert dims is not None
        return as_shape((*dims[:-1], self.units))


@export("layers.Dropout")
class Dropout(Layer):
    """Elements set to 0 at random while training, and the others scaled up; see tf.nn.dropout.

    Args:
        rate: the probability that an element is dropped: a number between 0 and 1, or a tensor.
        noise_shape: shape of the mask, which broadcasts; None for sizes of the input.
        seed: of the random numbers.
        name: of the layer; ``dropout`` by default.

    A call takes ``training``: True, False (the default: nothing is dropped), or a bool tensor.
    """

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if isinstance(rate, numbers.Real) and not 0 <= float(rate) <= 1:
            raise ValueError(f"Dropout: rate must lie between 0 and 1, it is {rate}")
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Tensor, training: Any = False) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        mode = known_truth(training)
        if mode is False:
            return call.Identity(inputs)

        def drop() -> Tensor:
            return nn_dropout(
                inputs, rate=self.rate, noise_shape=self.noise_shape, seed=self.seed, name="dropout"
            )

        if mode:
            return drop()
        # Not selected: a run that drops nothing must draw no random numbers.
        outputs = cond(training, drop, lambda: call.Identity(inputs))
        outputs.set_shape(inputs.dims)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """``input_shape``."""
        return as_shape(input_shape)


def known_truth(training: Any) -> bool | None:
    """``training`` as a bool, when it is known; None for a tensor that a run decides."""
    if not hasattr(training, "graph"):
        return bool(training)
    value = constant_value(training)
    return None if value is None else bool(value)


@export("layers.Flatten")
class Flatten(Layer):
    """All axes but the first become one.

    Args:
        data_format: ``channels_first`` moves axis 1 to the end before.
        name: of the layer; ``flatten`` by default.

    >>> tf.layers.flatten(tf.zeros([5, 2, 3])).shape.as_list()
    [5, 6]
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = "channels_last" if data_format is None else data_format
        self.data_format = one_of(
            "Flatten", given, "data_format", "channels_last", "channels_first"
        )
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        dims = inputs.dims
        if dims is not None and len(dims) == 1:
            return call.ExpandDims(inputs, 1)
        if self.data_format == "channels_first" and dims is not None and len(dims) > 2:
            inputs = transpose(inputs, [0, *range(2, len(dims)), 1])
        rest = self.compute_output_shape(inputs.shape).as_list()[1]
        if rest:
            outputs = call.Reshape(inputs, np.array([-1, rest], np.int32))
        else:
            # Of no elements, or of sizes that are not known, -1 may not be found by division.
            shape = call.Shape(inputs)
            outputs = call.Reshape(inputs, call.Pack([shape[0], call.Prod(shape[1:], [0])]))
        outputs.set_shape((None if dims is None else dims[0], rest))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """(first size, product of the others)."""
        dims = as_dims(as_shape(input_shape))
        if dims is None:
            return as_shape([None, None])
        rest: int | None = 1
        for size in dims[1:]:
            rest = None if rest is None or size is None else rest * size
        return as_shape([dims[0], rest])


dense = functional("dense", Dense)
dropout = functional(
    "dropout", Dropout, reuse=False, of_call={"training": False},
    order=["rate", "noise_shape", "seed", "training", "name"],
)  # fmt: skip


@export("layers.flatten")
def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Tensor:
    """All axes but the first become one; see tf.layers.Flatten.

    Args:
        inputs: a tensor.
        name: of the layer; ``flatten`` by default.
        data_format: ``channels_first`` moves axis 1 to the end before.

    Returns:
        A tensor of rank 2.
    """
    return Flatten(data_format=data_format, name=name).apply(inputs)

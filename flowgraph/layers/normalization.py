"""Batch normalisation as a layer: the statistics of the batch while training, moving ones after.

The moving mean and variance are not trained; they follow the batches by operations in
``GraphKeys.UPDATE_OPS``, which a program runs with its training step::

    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = optimizer.minimize(loss)

Read next: base.py; flowgraph/ops/batch_norm.py (the kernel for images).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.dtypes import float16, float32
from flowgraph.graph.apply import call
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.layers.base import ONES, ZEROS, Layer, known_size
from flowgraph.layers.core import known_truth
from flowgraph.layers.functional import functional
from flowgraph.layers.input_spec import InputSpec
from flowgraph.ops.batch_norm import batch_normalization as nn_batch_normalization
from flowgraph.ops.batch_norm import fused_batch_norm
from flowgraph.ops.casts import cast
from flowgraph.ops.norms import moments
from flowgraph.ops.variables import Variable
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape

#: The fused kernel uses this epsilon at least, as cuDNN does.
_LEAST_EPSILON = 1.001e-5


@export("layers.BatchNormalization")
class BatchNormalization(Layer):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, channel by channel.

    Args:
        axis: of the channels; or several, which keep statistics for each combination.
        momentum: how much of the moving statistics stays at a step.
        epsilon: added to the variance.
        center, scale: whether there is a ``beta``, a ``gamma``.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            as in tf.get_variable.
        beta_regularizer, gamma_regularizer: functions of the variable, added to the losses.
        beta_constraint, gamma_constraint: functions applied to the variable after an update.
        renorm, renorm_clipping, renorm_momentum, virtual_batch_size, adjustment: not supported;
            only their defaults are accepted.
        fused: use the one kernel for images (the default where it can be), whose moving variance
            is the unbiased one.
        trainable: whether ``beta`` and ``gamma`` are trained; if not, the moving statistics stay as
            they are, too.  NB: as in TensorFlow 1, ``training`` alone says which are used.
        name: of the layer; ``batch_normalization`` by default.

    A call takes ``training``: True (statistics of the batch, moving ones follow), False (the
    default: moving statistics), or a bool tensor.
    """

    #: The variables in the order they are made.
    _VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = ZEROS,
        gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, **kwargs)
        if renorm or virtual_batch_size is not None or adjustment is not None:
            raise NotImplementedError(
                "BatchNormalization: renorm, virtual_batch_size and adjustment are not supported; "
                "leave them at their defaults"
            )
        self.axis: Any = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.fused = fused
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    # ------------------------------------------------------------------------------------- build

    def build(self, input_shape: Any) -> None:
        """Make ``gamma``, ``beta``, ``moving_mean`` and ``moving_variance``."""
        dims = as_dims(as_shape(input_shape))
        if dims is None:
            raise ValueError("BatchNormalization: the rank of the inputs must be known")
        rank = len(dims)
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        self.axis = [axis + rank if axis < 0 else axis for axis in given]
        if len(set(self.axis)) != len(self.axis) or not all(0 <= a < rank for a in self.axis):
            raise ValueError(f"BatchNormalization: axis {given} does not fit inputs of rank {rank}")
        channels = {a: known_size("BatchNormalization", input_shape, a) for a in self.axis}
        self.input_spec = InputSpec(ndim=rank, axes=channels)
        self._choose_kernel(rank)
        # One axis: a vector of channels.  Several: sizes 1 where statistics are pooled.
        shape = (
            [channels.get(a, 1) for a in range(rank)] if len(channels) > 1 else [*channels.values()]
        )
        number = float32 if self._dtype is float16 else self._dtype
        for name in self._VARIABLES:
            trained = not name.startswith("moving")
            wanted = {"gamma": self.scale, "beta": self.center}.get(name, True)
            variable = None
            if wanted:
                variable = self.add_weight(
                    name,
                    shape,
                    dtype=number,
                    initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer", None),
                    constraint=getattr(self, f"{name}_constraint", None),
                    trainable=trained,
                )
            setattr(self, name, variable)
        self.built = True

    def _choose_kernel(self, rank: int) -> None:
        can = rank == 4 and self.axis in ([1], [3])
        if self.fused is None:
            self.fused = can
        elif self.fused and not can:
            raise ValueError(
                "BatchNormalization: fused=True is for images, with the channels on axis 1 or 3; "
                f"the inputs have rank {rank}, axis is {self.axis}"
            )

    # -------------------------------------------------------------------------------------- call

    def call(self, inputs: Tensor, training: Any = False) -> Tensor:  # type: ignore[override]
        """The operations of the layer."""
        mode = known_truth(training)
        if self.fused and mode is not None:
            return self._in_one_kernel(inputs, mode)
        x = cast(inputs, float32) if inputs.dtype.base_dtype is float16 else inputs
        others = [a for a in range(len(x.dims or ())) if a not in self.axis]
        several = len(self.axis) > 1
        mean, variance = self.moving_mean.value(), self.moving_variance.value()
        if mode is not False:
            batch_mean, batch_variance = moments(x, others, keep_dims=several)
            unbiased = self._unbiased(x, batch_variance) if self.fused else batch_variance
            self._follow(training, mode, [batch_mean, unbiased], inputs)
            if mode:
                mean, variance = batch_mean, batch_variance
            else:
                mean = call.SelectV2(training, batch_mean, mean)
                variance = call.SelectV2(training, batch_variance, variance)
        center, spread, beta, gamma = (
            self._spread(v, x, several) for v in (mean, variance, self.beta, self.gamma)
        )
        epsilon = max(self.epsilon, _LEAST_EPSILON) if self.fused else self.epsilon
        outputs = nn_batch_normalization(x, center, spread, beta, gamma, epsilon)
        outputs.set_shape(inputs.dims)
        return cast(outputs, inputs.dtype.base_dtype)

    def _spread(self, vector: Any, x: Tensor, several: bool) -> Any:
        """``vector``, as it broadcasts against ``x``."""
        rank = len(x.dims or ())
        if vector is None or several or self.axis == [rank - 1]:
            return vector
        shape = [1] * rank
        shape[self.axis[0]] = -1
        return call.Reshape(vector, shape)

    @staticmethod
    def _unbiased(x: Tensor, variance: Tensor) -> Tensor:
        """``variance`` times n / (n - 1), with n elements in each channel."""
        of_all = call.Cast(call.Size(x), DstT=variance.dtype.base_dtype)
        n = of_all / call.Cast(call.Size(variance), DstT=variance.dtype.base_dtype)
        return variance * (n / call.Maximum(n - 1, 1.0))

    def _in_one_kernel(self, inputs: Tensor, training: bool) -> Tensor:
        number = self.moving_mean.dtype.base_dtype
        channels = self.moving_mean.shape.as_list()
        gamma = call.Fill(channels, _one(number)) if self.gamma is None else self.gamma
        beta = call.Fill(channels, _one(number) * 0) if self.beta is None else self.beta
        outputs, mean, variance = fused_batch_norm(
            inputs,
            gamma,
            beta,
            mean=None if training else self.moving_mean,
            variance=None if training else self.moving_variance,
            epsilon=self.epsilon,
            data_format="NCHW" if self.axis == [1] else "NHWC",
            is_training=training,
        )
        if training:
            self._follow(True, True, [mean, variance], inputs)
        return outputs

    def _follow(self, training: Any, mode: bool | None, found: list[Tensor], x: Tensor) -> None:
        """Let the moving statistics follow those of this batch."""
        for variable, value in zip((self.moving_mean, self.moving_variance), found, strict=True):
            self.add_update(self._moved(variable, value, training, mode), inputs=x)

    def _moved(self, variable: Variable, value: Tensor, training: Any, mode: bool | None) -> Any:
        with name_scope("AssignMovingAvg") as scope:
            step = (variable.value() - value) * (1 - self.momentum)
            if mode is None:  # selected, not multiplied: an unused batch may be all NaN
                step = call.SelectV2(training, step, call.ZerosLike(step))
                step.set_shape(value.dims)
            return variable.assign_sub(step, name=scope)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """``input_shape``."""
        return as_shape(input_shape)


def _one(dtype: Any) -> Any:
    return dtype.np.type(1)


batch_normalization = functional(
    "batch_normalization", BatchNormalization, of_call={"training": False},
    order=[
        "axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
        "moving_mean_initializer", "moving_variance_initializer", "beta_regularizer",
        "gamma_regularizer", "beta_constraint", "gamma_constraint", "training", "trainable",
        "name", "reuse", "renorm", "renorm_clipping", "renorm_momentum", "fused",
        "virtual_batch_size", "adjustment",
    ],
)  # fmt: skip

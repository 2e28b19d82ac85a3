"""Dense, Activation, Dropout, Flatten, Reshape and their like.

Read next: common.py, merge.py, convolutional.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import regularizers
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Configured, Shape, positive, share, static, with_shape
from flowgraph.keras.layers.dense1 import Highway, MaxoutDense  # noqa: F401  Keras 1's place
from flowgraph.keras.layers.functions import function_of_name, name_of_function
from flowgraph.keras.layers.keras1 import WEIGHTS, keras1
from flowgraph.keras.utils.generic_utils import has_arg


@keras1(**WEIGHTS, output_dim="units")
class Dense(Configured):
    """``activation(inputs @ kernel + bias)``.

    Args:
        units: the number of outputs.
        activation: a name or function; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: the first values of the weights.
        kernel_regularizer, bias_regularizer: what weights add to the loss.
        activity_regularizer: what the output adds to the loss.
        kernel_constraint, bias_constraint: applied to weights after every update.
        kwargs: ``name``, ``input_shape``, ``input_dim``, ``trainable`` and so on, of every layer.

    Input shape: (samples, ..., size).   Output shape: (samples, ..., units).
    Weights: kernel (size, units), bias (units,).

    >>> from flowgraph import keras
    >>> layer = Dense(2, weights=[[[1, 2], [3, 4]], [10, 20]])
    >>> x = keras.Input((2,))
    >>> tf.keras.backend.function([x], [layer(x)])([[[1, 1]]])
    [array([[14., 26.]], dtype=float32)]
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle(
            units=positive("Dense", "units", units), activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )  # fmt: skip
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        size = self._size(input_shape, -1)
        self.kernel = self._weight("kernel", (size, self.units))
        self.bias = self._weight("bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        output = K.dot(inputs, self.kernel)
        if self.use_bias:
            output = tf.nn.bias_add(output, self.bias)
        return self.activation(output)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """``input_shape`` with ``units`` as its last size."""
        return (*tuple(input_shape)[:-1], self.units)


class Activation(Configured):
    """A function of every element, or along the last axis (softmax).

    Args:
        activation: a name or function.
        kwargs: of every layer.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec()
        self._settle(activation=activation)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


class Masking(Configured):
    """Masks the steps whose elements all are ``mask_value``: layers behind it skip them.

    Args:
        mask_value: of the elements of a step to be skipped.
        kwargs: of every layer.

    Input shape: (samples, steps, size).   Output: the same, with 0 at the skipped steps.

    >>> from flowgraph import keras
    >>> x = keras.Input((3, 2))
    >>> y = Masking()(x)
    >>> tf.keras.backend.function([x], [y._keras_mask])([[[[1, 0], [0, 0], [2, 3]]]])
    [array([[ True, False,  True]])]
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec(min_ndim=2)
        self._settle(mask_value=mask_value)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The steps with any other element."""
        return K.any(K.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        kept = K.any(K.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * K.cast(kept, K.dtype(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


# -------------------------------------------------------------------------------------- dropout


@keras1(p="rate")
class Dropout(Configured):
    """In training, elements become 0 with probability ``rate``, the others ``x / (1 - rate)``.

    Args:
        rate: from 0 to 1.
        noise_shape: sizes, with 1 along the axes on which all elements share their fate.
        seed: an int, or None.
        kwargs: of every layer.

    >>> from flowgraph import keras
    >>> x = keras.Input((4,))
    >>> tf.Session().run(Dropout(0.5)(x), {x: [[1, 2, 3, 4]]})  # not in training
    array([[1., 2., 3., 4.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        rate = share(type(self).__name__, "rate", rate)
        self._settle(rate=rate, noise_shape=noise_shape, seed=seed)
        self.supports_masking, self.input_spec = True, InputSpec()

    def _get_noise_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
        found = K.shape(inputs)
        return tf.stack([found[i] if n is None else n for i, n in enumerate(self.noise_shape)])

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The operations of the layer."""
        if not 0.0 < self.rate < 1.0:
            return inputs
        noise = self._get_noise_shape(inputs)

        def dropped() -> Any:
            return K.dropout(inputs, self.rate, noise, seed=self.seed)

        return K.in_train_phase(dropped, inputs, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


class _SpatialDropout(Dropout):
    """Dropout of whole channels."""

    _axes = 1

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = K.normalize_data_format(data_format)
        if self._axes > 1:
            self._settle(data_format=self.data_format)
        self.input_spec = InputSpec(ndim=self._axes + 2)

    def _get_noise_shape(self, inputs: Any) -> Any:
        found, ones = K.shape(inputs), [1] * self._axes
        if self.data_format == "channels_first":
            return tf.stack([found[0], found[1], *ones])
        return tf.stack([found[0], *ones, found[self._axes + 1]])


@keras1(p="rate")
class SpatialDropout1D(_SpatialDropout):
    """In training, whole channels of sequences (samples, steps, channels) become 0.

    Args:
        rate: the probability.
        kwargs: of every layer.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", **kwargs)


@keras1(p="rate")
class SpatialDropout2D(_SpatialDropout):
    """In training, whole channels of images become 0.

    Args:
        rate: the probability.
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    _axes = 2


@keras1(p="rate")
class SpatialDropout3D(_SpatialDropout):
    """In training, whole channels of volumes become 0.

    Args:
        rate: the probability.
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    _axes = 3


# --------------------------------------------------------------------------------------- shapes


class Flatten(Configured):
    """All elements of a sample on one axis.

    Args:
        data_format: with "channels_first" the channels become the last axis beforehand, so that
            weights of layers behind fit both formats.
        kwargs: of every layer.

    >>> from flowgraph import keras
    >>> print(Flatten()(keras.Input((7, 7, 64))).shape)
    (?, 3136)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # NB: not the setting image_data_format: without an argument no axis moves
        self._settle(data_format=K.normalize_data_format(data_format or "channels_last"))
        self.input_spec = InputSpec(min_ndim=2)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        rank = inputs.shape.ndims
        if self.data_format == "channels_first" and rank is not None and rank > 2:
            inputs = tf.transpose(inputs, [0, *range(2, rank), 1])
        output = K.batch_flatten(inputs)
        return with_shape(output, self.compute_output_shape(K.int_shape(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, number of elements)."""
        sizes = tuple(input_shape)[1:]
        return (input_shape[0], None if None in sizes else math.prod(sizes))


class Reshape(Configured):
    """The elements of a sample in another shape.

    Args:
        target_shape: sizes without the samples' axis; one may be -1.
        kwargs: of every layer.

    >>> from flowgraph import keras
    >>> print(Reshape((-1, 4))(keras.Input((3, 8))).shape)
    (?, 6, 4)
    """

    def __init__(self, target_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes = [target_shape] if isinstance(target_shape, int) else target_shape
        self._settle(target_shape=tuple(int(size) for size in sizes))
        self.input_spec = InputSpec()
        unknown = sum(size == -1 for size in self.target_shape)
        if unknown > 1 or min(self.target_shape, default=0) < -1:
            raise ValueError(
                f"Reshape: one size of target_shape at most may be -1, got {self.target_shape}"
            )

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, *target_shape), with the size for -1 where it can be told."""
        sizes, target = tuple(input_shape)[1:], self.target_shape
        if None in sizes:
            return (input_shape[0], *(None if size == -1 else size for size in target))
        total, rest = math.prod(sizes), math.prod(size for size in target if size != -1)
        fits = total == rest if -1 not in target else rest > 0 and total % rest == 0
        if not fits:
            raise ValueError(
                f"{self._word}: a sample of shape {sizes} ({total} elements) does not fit "
                f"target_shape {target}"
            )
        return (input_shape[0], *(total // rest if size == -1 else size for size in target))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        shape = self.compute_output_shape(K.int_shape(inputs))
        unknown = sum(size is None for size in shape[1:])
        sizes = [-1 if size is None else size for size in shape[1:]]
        first = K.shape(inputs)[0] if unknown or 0 in sizes else -1
        output = K.reshape(inputs, tf.stack([first, *sizes]) if first != -1 else [-1, *sizes])
        return with_shape(output, shape)


class Permute(Configured):
    """The axes of a sample in another order.

    Args:
        dims: a permutation of 1, 2, ...: which axis of the input each axis of the output is.
        kwargs: of every layer.
    """

    def __init__(self, dims: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        axes = [dims] if isinstance(dims, int) else dims
        self._settle(dims=tuple(int(axis) for axis in axes))
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must be a permutation of 1, 2, ..., got {self.dims}")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The sizes in the order of ``dims``."""
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.permute_dimensions(inputs, (0, *self.dims))


class RepeatVector(Configured):
    """(samples, size) ``n`` times: (samples, n, size).

    Args:
        n: how often.
        kwargs: of every layer.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(n=positive("RepeatVector", "n", n))
        self.input_spec = InputSpec(ndim=2)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, n, size)."""
        return (input_shape[0], self.n, input_shape[1])

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.repeat(inputs, self.n)


# ------------------------------------------------------------------------------------- functions


class Lambda(Configured):
    """A function of tensors as a layer without weights.

    Args:
        function: of the input, a tensor or a list of tensors.
        output_shape: the shape of the output without the samples' axis, or a function of the shape
            of the input; found out from the output by default.
        mask: the mask of the output; or ``f(inputs, mask)`` that gives it.
        arguments: further arguments of ``function``, by name.
        kwargs: of every layer.

    A saved model has the function's name, not its code: to load it, ``custom_objects`` must have
    the function under that name, or under the layer's.

    >>> from flowgraph import keras
    >>> x = keras.Input((2,))
    >>> y = Lambda(lambda t: t * t)(x)
    >>> tf.Session().run(y, {x: [[2, 3]]})
    array([[4., 9.]], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: function must be callable, got {function!r}")
        if output_shape is not None and not callable(output_shape):
            if not isinstance(output_shape, (tuple, list)):
                raise TypeError(
                    f"Lambda: output_shape is a tuple, list or function, got {output_shape!r}"
                )
            output_shape = tuple(output_shape)
        self.function, self.arguments = function, dict(arguments or {})
        self.mask, self._output_shape = mask, output_shape
        self.supports_masking = mask is not None
        self._found_shapes: dict[Any, Any] = {}

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The operations of the layer."""
        arguments = dict(self.arguments)
        if has_arg(self.function, "mask"):
            arguments["mask"] = mask
        found = self.function(inputs, **arguments)
        self._found_shapes[_shapes_of(inputs)] = _shapes_of(found)
        return found

    def compute_output_shape(self, input_shape: Any) -> Any:
        """What ``output_shape`` says; else what the function gives for inputs of that shape."""
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        if self._output_shape is not None:
            first = input_shape[0] if isinstance(input_shape, list) else input_shape
            return (first[0], *self._output_shape)
        many = isinstance(input_shape, list)
        key = tuple(map(tuple, input_shape)) if many else tuple(input_shape)
        if key not in self._found_shapes:
            with tf.Graph().as_default():  # looked at, and forgotten
                x = [K.placeholder(shape=shape) for shape in (input_shape if many else [key])]
                self.call(x if many else x[0])
        found = self._found_shapes[key]
        return list(found) if found and isinstance(found[0], tuple) else found

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What ``mask`` says."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The arguments, functions as their names."""
        config = super().get_config()
        shape = self._output_shape
        config.update(
            function=name_of_function(self.function),
            output_shape=name_of_function(shape) if callable(shape) else shape,
            mask=name_of_function(self.mask) if callable(self.mask) else None,
            arguments=self.arguments,
        )
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Lambda:
        """The layer with these arguments.

        Args:
            config: as ``get_config`` gives it.
            custom_objects: name -> function.

        Raises:
            ValueError: a function's name is not in ``custom_objects``.
        """
        given = dict(config)
        for key in ("function", "output_shape", "mask"):
            name = given.get(key)
            is_code = isinstance(name, (list, tuple)) and name and isinstance(name[0], str)
            if isinstance(name, str) or is_code:
                given[key] = function_of_name(name, given.get("name"), custom_objects)
        for key in ("function_type", "output_shape_type", "module", "output_shape_module"):
            given.pop(key, None)
        return cls(**given)


class ActivityRegularization(Configured):
    """The input, whose absolute values and squares are added to the loss.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.
        kwargs: of every layer.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking, self.input_spec = True, InputSpec()
        self._settle(l1=float(l1), l2=float(l2))
        self.activity_regularizer = regularizers.L1L2(l1=l1, l2=l2)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return tf.identity(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``input_shape``."""
        return input_shape


def _shapes_of(x: Any) -> Any:
    """The static shape of a tensor as a tuple; of several, a tuple of them."""
    if isinstance(x, (list, tuple)):
        return tuple(static(y.shape) for y in x)
    return static(x.shape)

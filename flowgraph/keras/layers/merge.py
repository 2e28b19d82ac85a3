"""Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot.

Each has a function of the same name in lower case: ``add([x, y])`` is ``Add()([x, y])``.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.layers.common import Configured, Shape
from flowgraph.keras.layers.convolutions import Spatial


class _Merge(Configured):
    """Elementwise functions of several inputs whose shapes broadcast."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _merge_function(self, inputs: list[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how inputs are merged")

    def _several(self, shapes: Any, least: int = 2) -> list[Shape]:
        """The shapes of the inputs.

        Raises:
            ValueError: there is only one.
        """
        many = isinstance(shapes, list) and shapes and isinstance(shapes[0], (tuple, list))
        if not many or len(shapes) < least:
            raise ValueError(
                f"{self._word} merges a list of {least} inputs at least, found shape {shapes}"
            )
        return [tuple(shape) for shape in shapes]

    def build(self, input_shape: Any) -> None:
        """Check the shapes."""
        self._merged(self._several(input_shape))
        self.built = True

    def _merged(self, shapes: list[Shape]) -> Shape:
        """The shape of the output; samples broadcast from their last axes on."""
        batches = {shape[0] for shape in shapes} - {None}
        if len(batches) > 1:
            raise ValueError(f"{self._word}: its inputs have different batch sizes: {shapes}")
        rest = functools.reduce(self._broadcast, [shape[1:] for shape in shapes])
        return (batches.pop() if batches and None not in {s[0] for s in shapes} else None, *rest)

    def _broadcast(self, a: Shape, b: Shape) -> Shape:
        count = max(len(a), len(b))
        longer, shorter = (a, b) if len(a) == count else (b, a)
        merged = list(longer)
        for i, size in enumerate(shorter, count - len(shorter)):
            if None in (merged[i], size):
                merged[i] = None
            elif merged[i] == 1:
                merged[i] = size
            elif size not in (1, merged[i]):
                raise ValueError(f"{self._word}: shapes {a} and {b} of samples do not broadcast")
        return tuple(merged)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        ranks = [rank for x in inputs if (rank := K.ndim(x)) is not None]
        if len(ranks) == len(inputs):
            inputs = [_wider(x, max(ranks)) for x in inputs]
        return self._merge_function(list(inputs))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape that the inputs broadcast to."""
        return self._merged(self._several(input_shape))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """A step counts where it does in every input."""
        masks = [m for m in mask if m is not None] if mask is not None else []
        if not masks:
            return None
        return functools.reduce(tf.logical_and, [tf.cast(m, tf.bool) for m in masks])


def _wider(x: Any, rank: int) -> Any:
    """``x`` with axes of size 1 behind the samples' one."""
    for _ in range(rank - K.ndim(x)):  # type: ignore[operator]
        x = K.expand_dims(x, axis=1)
    return x


class Add(_Merge):
    """The sum of the inputs.

    >>> from flowgraph import keras
    >>> x = [keras.layers.Input((2,)), keras.layers.Input((2,))]
    >>> tf.Session().run(Add()(x), {x[0]: [[1, 2]], x[1]: [[3, 5]]})
    array([[4., 7.]], dtype=float32)
    """

    def _merge_function(self, inputs: list[Any]) -> Any:
        return functools.reduce(tf.add, inputs)


class Subtract(_Merge):
    """The first input minus the second."""

    def build(self, input_shape: Any) -> None:
        """Check the shapes."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"{self._word} takes two inputs, found {len(input_shape)}")

    def _merge_function(self, inputs: list[Any]) -> Any:
        if len(inputs) != 2:
            raise ValueError(f"{self._word} takes two inputs, found {len(inputs)}")
        return inputs[0] - inputs[1]


class Multiply(_Merge):
    """The product of the inputs, element by element."""

    def _merge_function(self, inputs: list[Any]) -> Any:
        return functools.reduce(tf.multiply, inputs)


class Average(_Merge):
    """The mean of the inputs."""

    def _merge_function(self, inputs: list[Any]) -> Any:
        return functools.reduce(tf.add, inputs) / len(inputs)


class Maximum(_Merge):
    """The largest of the inputs, element by element."""

    def _merge_function(self, inputs: list[Any]) -> Any:
        return functools.reduce(tf.maximum, inputs)


class Minimum(_Merge):
    """The smallest of the inputs, element by element."""

    def _merge_function(self, inputs: list[Any]) -> Any:
        return functools.reduce(tf.minimum, inputs)


class Concatenate(_Merge):
    """The inputs one behind the other.

    Args:
        axis: along which; the others have equal sizes.
        kwargs: of every layer.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle(axis=int(axis))

    def _merged(self, shapes: list[Shape]) -> Shape:
        rank = len(shapes[0])
        ranks = {len(shape) for shape in shapes}
        if len(ranks) > 1 or not -rank <= self.axis < rank:
            raise ValueError(
                f"{self._word}: its inputs must have one number of axes, with axis {self.axis}; "
                f"found shapes {shapes}"
            )
        axis, merged = self.axis % rank, list(shapes[0])
        for shape in shapes[1:]:
            for i, size in enumerate(shape):
                if i == axis:
                    merged[i] = None if None in (merged[i], size) else merged[i] + size  # type: ignore[operator]
                elif None not in (merged[i], size) and merged[i] != size:
                    raise ValueError(
                        f"{self._word}: its inputs must have equal sizes but along the "
                        f"concatenation axis {self.axis}; found shapes {shapes}"
                    )
                else:
                    merged[i] = size if merged[i] is None else merged[i]
        return tuple(merged)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        self._warn_of_places(inputs)
        return K.concatenate(inputs, axis=self.axis)

    def _warn_of_places(self, inputs: Any) -> None:
        """Say when the outputs of convolutions are joined along their height or width."""
        makers: list[Any] = [getattr(x, "_keras_history", (None,))[0] for x in inputs]
        if not all(isinstance(maker, Spatial) for maker in makers) or K.ndim(inputs[0]) != 4:
            return
        places, axis = list(makers[0]._places), self.axis % 4
        if axis in places and all(K.int_shape(x) == K.int_shape(inputs[0]) for x in inputs):
            what = ("height", "width")[places.index(axis)]
            channels = makers[0]._channel_axis
            warnings.warn(
                f"{self._word} joins images along axis {self.axis}, their {what} "
                f"({makers[0].data_format}); if channels are meant, give axis={channels}",
                stacklevel=2,
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks one behind the other; inputs without one count everywhere."""
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask, strict=True):
            if m is None:
                masks.append(tf.ones_like(x, dtype=tf.bool))
            else:
                m = tf.cast(m, tf.bool)
                for _ in range(K.ndim(x) - K.ndim(m)):  # type: ignore[operator]
                    m = tf.expand_dims(m, -1)
                masks.append(tf.logical_and(m, tf.ones_like(x, dtype=tf.bool)))
        return K.all(K.concatenate(masks, axis=self.axis), axis=-1)


class Dot(_Merge):
    """Sums of products over one axis of each of two inputs, sample by sample.

    Args:
        axes: the axis, or a pair of axes; 0 is the samples' axis, which is not allowed.
        normalize: divide by the Euclidean norms along the axes first: the cosine.
        kwargs: of every layer.

    Output shape: samples, the other axes of the first input, those of the second; (samples, 1) if
    there are none.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = [axes, axes] if isinstance(axes, int) else list(axes)
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise ValueError(f"Dot: axes must be an integer or two of them, got {axes!r}")
        self._settle(axes=axes if isinstance(axes, int) else tuple(pair), normalize=normalize)
        self.supports_masking = True

    def _axes_of(self, shapes: list[Shape]) -> list[int]:
        pair = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        for axis, shape in zip(pair, shapes, strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(
                    f"{self._word}: axis {axis} is no axis of samples of shape {shape}"
                )
        return [axis % len(shape) for axis, shape in zip(pair, shapes, strict=True)]

    def _merged(self, shapes: list[Shape]) -> Shape:
        if len(shapes) != 2:
            raise ValueError(f"{self._word} takes two inputs, found {len(shapes)}")
        first, second = self._axes_of(shapes)
        x, y = shapes
        if None not in (x[first], y[second]) and x[first] != y[second]:
            raise ValueError(
                f"{self._word}: sizes {x[first]} along axis {first} and {y[second]} along axis "
                f"{second} differ; its inputs have shapes {x} and {y}"
            )
        rest = [size for i, size in enumerate(x) if i not in (0, first)]
        rest += [size for i, size in enumerate(y) if i not in (0, second)]
        return (x[0], *(rest or [1]))

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        axes = self._axes_of([K.int_shape(x) for x in inputs])  # type: ignore[misc]
        if self.normalize:
            inputs = [K.l2_normalize(x, axis) for x, axis in zip(inputs, axes, strict=True)]
        x, y = inputs
        return K.batch_dot(x, y, axes=tuple(axes))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None."""
        return None


# -------------------------------------------------------------------------------------- functions


def add(inputs: Any, **kwargs: Any) -> Any:
    """``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis, **kwargs)(inputs)``.

    Args:
        inputs: tensors.
        axis: along which.
        kwargs: of every layer.
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """``Dot(axes, normalize, **kwargs)(inputs)``.

    Args:
        inputs: two tensors.
        axes: an axis, or a pair of them.
        normalize: whether cosines are wanted.
        kwargs: of every layer.
    """
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)

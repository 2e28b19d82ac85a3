"""Zeros around, borders cut off, places repeated: ZeroPadding, Cropping, UpSampling.

Read next: convolutions.py.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec
from flowgraph.keras.layers.common import Shape
from flowgraph.keras.layers.convolutions import Spatial
from flowgraph.keras.layers.keras1 import keras1
from flowgraph.layers.base import one_of

_Pairs = tuple[tuple[int, int], ...]


def _pairs(word: str, what: str, value: Any, axes: int) -> _Pairs:
    """(before, behind) for each axis, of a number, a number for each axis, or pairs."""
    parts = [value] * axes if isinstance(value, int) else list(value)
    if axes == 1 and len(parts) == 2 and all(isinstance(p, int) for p in parts):
        parts = [parts]
    try:
        found = tuple((p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in parts)
        fits = len(found) == axes and all(isinstance(p, int) or len(p) == 2 for p in parts)
    except (TypeError, ValueError, IndexError):
        fits = False
    if not fits or min(min(p) for p in found) < 0:
        raise ValueError(
            f"{word}: {what} must be a number, {axes} of them or {axes} pairs (before, behind), "
            f"0 at least; got {value!r}"
        )
    return found


class _Borders(Spatial):
    """Layers that change how many places there are before and behind each axis."""

    _what = "padding"

    def _settle_borders(self, value: Any, data_format: str | None) -> None:
        self._borders = _pairs(type(self).__name__, self._what, value, self._window_axes)
        kept = self._borders[0] if self._window_axes == 1 else self._borders
        self._settle(**{self._what: kept})
        self.data_format = self._format(data_format)
        if self._window_axes > 1:
            self._settle(data_format=self.data_format)
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def _changed(self, size: Any, border: tuple[int, int]) -> Any:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """``input_shape`` with other numbers of places."""
        places = [
            self._changed(input_shape[axis], border)
            for axis, border in zip(self._places, self._borders, strict=True)
        ]
        return self._shape_with(input_shape, places)


class _ZeroPadding(_Borders):
    def _changed(self, size: Any, border: tuple[int, int]) -> Any:
        return None if size is None else size + sum(border)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        pads = [(0, 0)] * (self._window_axes + 2)
        for axis, border in zip(self._places, self._borders, strict=True):
            pads[axis] = border
        return tf.pad(inputs, pads)


class ZeroPadding1D(_ZeroPadding):
    """Sequences with zeros before and behind.

    Args:
        padding: a number of steps, or a pair (before, behind).
        kwargs: of every layer.
    """

    _window_axes = 1
    _axes_of_input_dim = 2

    def __init__(self, padding: Any = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle_borders(padding, "channels_last")


@keras1()
class ZeroPadding2D(_ZeroPadding):
    """Images with zeros around.

    Args:
        padding: a number, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settle_borders(padding, data_format)


@keras1()
class ZeroPadding3D(_ZeroPadding):
    """Volumes with zeros around.

    Args:
        padding: a number, one for each of the three axes, or a pair for each.
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    _window_axes = 3

    def __init__(
        self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settle_borders(padding, data_format)


class _Cropping(_Borders):
    _what = "cropping"

    def _changed(self, size: Any, border: tuple[int, int]) -> Any:
        if size is None:
            return None
        left = size - sum(border)
        if left < 0:
            raise ValueError(
                f"{self._word}: cropping {border} takes more than there is along an axis of "
                f"{size} places"
            )
        return left

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        self.compute_output_shape(K.int_shape(inputs))
        parts = [slice(None)] * (self._window_axes + 2)
        for axis, (before, behind) in zip(self._places, self._borders, strict=True):
            parts[axis] = slice(before, -behind if behind else None)
        return inputs[tuple(parts)]


class Cropping1D(_Cropping):
    """Sequences without their first and last steps.

    Args:
        cropping: a number of steps, or a pair (before, behind).
        kwargs: of every layer.
    """

    _window_axes = 1
    _axes_of_input_dim = 2

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle_borders(cropping, "channels_last")


@keras1()
class Cropping2D(_Cropping):
    """Images without their borders.

    Args:
        cropping: a number, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settle_borders(cropping, data_format)


@keras1()
class Cropping3D(_Cropping):
    """Volumes without their borders.

    Args:
        cropping: a number, one for each of the three axes, or a pair for each.
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    _window_axes = 3

    def __init__(
        self,
        cropping: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle_borders(cropping, data_format)


class _UpSampling(Spatial):
    def _settle_factors(self, size: Any, data_format: str | None) -> None:
        self._factors = self._sizes(size, "size")
        self._settle(size=self._factors[0] if self._window_axes == 1 else self._factors)
        self.data_format = self._format(data_format)
        if self._window_axes > 1:
            self._settle(data_format=self.data_format)
        self.input_spec = InputSpec(ndim=self._window_axes + 2)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """``input_shape`` times the factors."""
        places = [
            None if input_shape[axis] is None else input_shape[axis] * factor
            for axis, factor in zip(self._places, self._factors, strict=True)
        ]
        return self._shape_with(input_shape, places)


@keras1(length="size")
class UpSampling1D(_UpSampling):
    """Every step of sequences several times.

    Args:
        size: how often.
        kwargs: of every layer.
    """

    _window_axes = 1
    _axes_of_input_dim = 2

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settle_factors(size, "channels_last")

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.repeat_elements(inputs, self._factors[0], axis=1)


@keras1()
class UpSampling2D(_UpSampling):
    """Images that are larger by whole factors.

    Args:
        size: the factor, or (rows, columns).
        data_format: "channels_last" or "channels_first".
        interpolation: "nearest" or "bilinear".
        kwargs: of every layer.
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settle_factors(size, data_format)
        word = type(self).__name__
        self._settle(
            interpolation=one_of(word, interpolation, "interpolation", "nearest", "bilinear")
        )

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        rows, columns = self._factors
        return K.resize_images(inputs, rows, columns, self.data_format, self.interpolation)


@keras1()
class UpSampling3D(_UpSampling):
    """Every element of volumes several times along every axis.

    Args:
        size: the factor, or one for each axis.
        data_format: "channels_last" or "channels_first".
        kwargs: of every layer.
    """

    _window_axes = 3

    def __init__(
        self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settle_factors(size, data_format)

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        depth, rows, columns = self._factors
        return K.resize_volumes(inputs, depth, rows, columns, self.data_format)

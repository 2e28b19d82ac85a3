"""InceptionV3: convolutions of several sizes side by side (Szegedy et al. 2015).

Read next: imagenet_utils.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.applications.imagenet_utils import (
    decode_predictions,
    finished,
    image_input,
    top_of,
)
from flowgraph.keras.applications.imagenet_utils import preprocess_input as of_mode
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    MaxPooling2D,
    concatenate,
)

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="tf")


def _axis() -> int:
    return 1 if K.image_data_format() == "channels_first" else 3


def _conv(
    x: Any, features: int, rows: int, columns: int, padding: str = "same", strides: int = 1
) -> Any:
    """A convolution, its normalization and a relu."""
    x = Conv2D(features, (rows, columns), strides=strides, padding=padding, use_bias=False)(x)
    return Activation("relu")(BatchNormalization(axis=_axis(), scale=False)(x))


def _joined(towers: list[Any], name: str) -> Any:
    return concatenate(towers, axis=_axis(), name=name)


def _mean(x: Any) -> Any:
    return AveragePooling2D(3, strides=1, padding="same")(x)


def _at_35(x: Any, pool: int, name: str) -> Any:
    """A module of 35 x 35 images."""
    one = _conv(x, 64, 1, 1)
    five = _conv(_conv(x, 48, 1, 1), 64, 5, 5)
    twice = _conv(_conv(_conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3)
    return _joined([one, five, twice, _conv(_mean(x), pool, 1, 1)], name)


def _to_17(x: Any) -> Any:
    three = _conv(x, 384, 3, 3, "valid", 2)
    twice = _conv(_conv(_conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3, "valid", 2)
    return _joined([three, twice, MaxPooling2D(3, strides=2)(x)], "mixed3")


def _at_17(x: Any, n: int, name: str) -> Any:
    """A module of 17 x 17 images: windows of 7 in one direction after the other."""
    one = _conv(x, 192, 1, 1)
    seven = _conv(_conv(_conv(x, n, 1, 1), n, 1, 7), 192, 7, 1)
    y = _conv(_conv(_conv(x, n, 1, 1), n, 7, 1), n, 1, 7)
    twice = _conv(_conv(y, n, 7, 1), 192, 1, 7)
    return _joined([one, seven, twice, _conv(_mean(x), 192, 1, 1)], name)


def _to_8(x: Any) -> Any:
    three = _conv(_conv(x, 192, 1, 1), 320, 3, 3, "valid", 2)
    y = _conv(_conv(_conv(x, 192, 1, 1), 192, 1, 7), 192, 7, 1)
    seven = _conv(y, 192, 3, 3, "valid", 2)
    return _joined([three, seven, MaxPooling2D(3, strides=2)(x)], "mixed8")


def _at_8(x: Any, i: int) -> Any:
    """A module of 8 x 8 images: windows of 3 in both directions side by side."""
    one = _conv(x, 320, 1, 1)
    y = _conv(x, 384, 1, 1)
    three = _joined([_conv(y, 384, 1, 3), _conv(y, 384, 3, 1)], f"mixed9_{i}")
    y = _conv(_conv(x, 448, 1, 1), 384, 3, 3)
    twice = concatenate([_conv(y, 384, 1, 3), _conv(y, 384, 3, 1)], axis=_axis())
    return _joined([one, three, twice, _conv(_mean(x), 192, 1, 1)], f"mixed{9 + i}")


def InceptionV3(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """InceptionV3; 23,851,784 parameters.

    Args:
        include_top: whether with the layer that tells classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 75 x 75 at least; 299 x 299 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    image = image_input(
        "inception_v3", 299, 75, input_shape, input_tensor, include_top, weights, classes
    )
    x = _conv(image, 32, 3, 3, "valid", 2)
    x = _conv(_conv(x, 32, 3, 3, "valid"), 64, 3, 3)
    x = MaxPooling2D(3, strides=2)(x)
    x = _conv(_conv(x, 80, 1, 1, "valid"), 192, 3, 3, "valid")
    x = MaxPooling2D(3, strides=2)(x)
    for i, features in enumerate((32, 64, 64)):
        x = _at_35(x, features, f"mixed{i}")
    x = _to_17(x)
    for i, n in enumerate((128, 160, 160, 192), 4):
        x = _at_17(x, n, f"mixed{i}")
    x = _to_8(x)
    for i in range(2):
        x = _at_8(x, i)
    x = top_of(x, include_top, pooling, classes, "predictions")
    file = "inception_v3_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, "inception_v3", weights, include_top, file)

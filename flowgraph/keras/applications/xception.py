"""Xception: residual blocks of separable convolutions (Chollet 2016).

Read next: densenet.py.
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
    BatchNormalization,
    Conv2D,
    MaxPooling2D,
    SeparableConv2D,
    add,
)

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="tf")


def _norm(x: Any, name: str | None) -> Any:
    axis = 1 if K.image_data_format() == "channels_first" else -1
    return BatchNormalization(axis=axis, name=name)(x)


def _relu(x: Any, name: str) -> Any:
    return Activation("relu", name=name)(x)


def _separable(x: Any, features: int, name: str) -> Any:
    x = SeparableConv2D(features, 3, padding="same", use_bias=False, name=name)(x)
    return _norm(x, f"{name}_bn")


def _shrinking(x: Any, block: int, first: int, second: int, relu_first: bool = True) -> Any:
    """Two separable convolutions and a pooling, beside a 1 x 1 convolution."""
    beside = Conv2D(second, 1, strides=2, padding="same", use_bias=False)(x)
    beside = _norm(beside, None)
    name = f"block{block}"
    if relu_first:
        x = _relu(x, f"{name}_sepconv1_act")
    x = _separable(x, first, f"{name}_sepconv1")
    x = _separable(_relu(x, f"{name}_sepconv2_act"), second, f"{name}_sepconv2")
    x = MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return add([x, beside])


def Xception(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """Xception; 22,910,480 parameters.

    Args:
        include_top: whether with the layer that tells classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 71 x 71 at least; 299 x 299 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    image = image_input(
        "xception", 299, 71, input_shape, input_tensor, include_top, weights, classes
    )
    x = Conv2D(32, 3, strides=2, use_bias=False, name="block1_conv1")(image)
    x = _relu(_norm(x, "block1_conv1_bn"), "block1_conv1_act")
    x = Conv2D(64, 3, use_bias=False, name="block1_conv2")(x)
    x = _relu(_norm(x, "block1_conv2_bn"), "block1_conv2_act")
    x = _shrinking(x, 2, 128, 128, relu_first=False)
    x = _shrinking(x, 3, 256, 256)
    x = _shrinking(x, 4, 728, 728)
    for block in range(5, 13):
        y = x
        for i in (1, 2, 3):
            name = f"block{block}_sepconv{i}"
            y = _separable(_relu(y, f"{name}_act"), 728, name)
        x = add([y, x])
    x = _shrinking(x, 13, 728, 1024)
    for i, features in ((1, 1536), (2, 2048)):
        name = f"block14_sepconv{i}"
        x = _relu(_separable(x, features, name), f"{name}_act")
    x = top_of(x, include_top, pooling, classes, "predictions")
    file = "xception_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, "xception", weights, include_top, file)

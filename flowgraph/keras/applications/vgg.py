"""VGG16 and VGG19: 3 x 3 convolutions in five blocks (Simonyan and Zisserman 2014).

Read next: resnet.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flowgraph.keras.applications.imagenet_utils import (
    decode_predictions,
    finished,
    image_input,
    pooled,
)
from flowgraph.keras.applications.imagenet_utils import preprocess_input as of_mode
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

__all__ = ["VGG16", "VGG19", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="caffe")


def _vgg(
    name: str, depths: Sequence[int], include_top: bool, weights: Any, input_tensor: Any,
    input_shape: Any, pooling: str | None, classes: int,
) -> Model:  # fmt: skip
    image = x = image_input(
        name, 224, 32, input_shape, input_tensor, include_top, weights, classes, include_top
    )
    for block, (filters, depth) in enumerate(zip((64, 128, 256, 512, 512), depths, strict=True), 1):
        for i in range(1, depth + 1):
            x = Conv2D(filters, 3, activation="relu", padding="same", name=f"block{block}_conv{i}")(
                x
            )
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if include_top:
        x = Flatten(name="flatten")(x)
        x = Dense(4096, activation="relu", name="fc1")(x)
        x = Dense(4096, activation="relu", name="fc2")(x)
        x = Dense(classes, activation="softmax", name="predictions")(x)
    else:
        x = pooled(x, pooling)
    file = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, name, weights, include_top, file)


def VGG16(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """16 layers with weights; 138,357,544 parameters.

    Args:
        include_top: whether with the layers that tell classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 32 x 32 at least; 224 x 224 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    depths = (2, 2, 3, 3, 3)
    return _vgg("vgg16", depths, include_top, weights, input_tensor, input_shape, pooling, classes)


def VGG19(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """19 layers with weights; 143,667,240 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of VGG16.
    """
    depths = (2, 2, 4, 4, 4)
    return _vgg("vgg19", depths, include_top, weights, input_tensor, input_shape, pooling, classes)

"""SqueezeNet 1.1: few parameters by 1 x 1 convolutions (Iandola et al. 2016).

    fire: squeeze to s features -> expand to e by 1x1 and e by 3x3 -> joined

Read next: mobilenet.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.applications.imagenet_utils import (
    decode_predictions,
    finished,
    image_input,
    pooled,
)
from flowgraph.keras.applications.imagenet_utils import preprocess_input as of_mode
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import (
    Activation,
    Conv2D,
    Dropout,
    GlobalAveragePooling2D,
    MaxPooling2D,
    concatenate,
)

__all__ = ["SqueezeNet", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="caffe")


def _fire(x: Any, number: int, squeeze: int, expand: int) -> Any:
    name = f"fire{number}"
    x = Conv2D(squeeze, 1, activation="relu", name=f"{name}/squeeze1x1")(x)
    one = Conv2D(expand, 1, activation="relu", name=f"{name}/expand1x1")(x)
    three = Conv2D(expand, 3, activation="relu", padding="same", name=f"{name}/expand3x3")(x)
    axis = 1 if K.image_data_format() == "channels_first" else 3
    return concatenate([one, three], axis=axis, name=f"{name}/concat")


def SqueezeNet(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """SqueezeNet 1.1; 1,235,496 parameters.

    Args:
        include_top: whether with the layers that tell classes.
        weights: None (new ones); the path of a file; "imagenet": a file that is stored where Keras
            would have it, ``squeezenet_weights_tf_dim_ordering_tf_kernels.h5``.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 48 x 48 at least; 227 x 227 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    image = image_input(
        "squeezenet", 227, 48, input_shape, input_tensor, include_top, weights, classes
    )
    x = Conv2D(64, 3, strides=2, activation="relu", name="conv1")(image)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    x = _fire(_fire(x, 2, 16, 64), 3, 16, 64)
    x = MaxPooling2D(3, strides=2, name="pool3")(x)
    x = _fire(_fire(x, 4, 32, 128), 5, 32, 128)
    x = MaxPooling2D(3, strides=2, name="pool5")(x)
    x = _fire(_fire(x, 6, 48, 192), 7, 48, 192)
    x = _fire(_fire(x, 8, 64, 256), 9, 64, 256)
    if include_top:
        x = Dropout(0.5, name="drop9")(x)
        x = Conv2D(classes, 1, activation="relu", name="conv10")(x)
        x = Activation("softmax", name="loss")(GlobalAveragePooling2D()(x))
    else:
        x = pooled(x, pooling)
    file = "squeezenet_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, "squeezenet", weights, include_top, file)

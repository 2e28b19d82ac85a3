"""DenseNet121, DenseNet169, DenseNet201: every layer sees all before it (Huang et al. 2016).

Read next: inception_v3.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.applications.imagenet_utils import (
    decode_predictions,
    finished,
    image_input,
    sizes,
    top_of,
)
from flowgraph.keras.applications.imagenet_utils import preprocess_input as of_mode
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    MaxPooling2D,
    ZeroPadding2D,
)

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="torch")

#: How many features a layer adds.
_GROWTH = 32


def _axis() -> int:
    return 1 if K.image_data_format() == "channels_first" else 3


def _norm(x: Any, name: str) -> Any:
    return BatchNormalization(axis=_axis(), epsilon=1.001e-5, name=name)(x)


def _relu(x: Any, name: str) -> Any:
    return Activation("relu", name=name)(x)


def _layer(x: Any, name: str) -> Any:
    y = _relu(_norm(x, f"{name}_0_bn"), f"{name}_0_relu")
    y = Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(y)
    y = _relu(_norm(y, f"{name}_1_bn"), f"{name}_1_relu")
    y = Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(y)
    return Concatenate(axis=_axis(), name=f"{name}_concat")([x, y])


def _halved(x: Any, name: str) -> Any:
    """Half the features, and half the size."""
    x = _relu(_norm(x, f"{name}_bn"), f"{name}_relu")
    x = Conv2D(sizes(x)[_axis()] // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def DenseNet(
    blocks: Sequence[int],
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """DenseNet of four blocks.

    Args:
        blocks: how many layers each block has.
        include_top: whether with the layer that tells classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 32 x 32 at least; 224 x 224 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    name = f"densenet{2 * sum(blocks) + 5}"
    image = image_input(name, 224, 32, input_shape, input_tensor, include_top, weights, classes)
    x = ZeroPadding2D(((3, 3), (3, 3)))(image)
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x)
    x = _relu(_norm(x, "conv1/bn"), "conv1/relu")
    x = MaxPooling2D(3, strides=2, name="pool1")(ZeroPadding2D(((1, 1), (1, 1)))(x))
    for stage, count in enumerate(blocks, 2):
        for i in range(1, count + 1):
            x = _layer(x, f"conv{stage}_block{i}")
        if stage < 5:
            x = _halved(x, f"pool{stage}")
    x = _relu(_norm(x, "bn"), "relu")
    x = top_of(x, include_top, pooling, classes, f"fc{classes}")
    file = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, name, weights, include_top, file)


def DenseNet121(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """121 layers; 8,062,504 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of DenseNet.
    """
    blocks = (6, 12, 24, 16)
    return DenseNet(blocks, include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet169(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """169 layers; 14,307,880 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of DenseNet.
    """
    blocks = (6, 12, 32, 32)
    return DenseNet(blocks, include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet201(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """201 layers; 20,242,984 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of DenseNet.
    """
    blocks = (6, 12, 48, 32)
    return DenseNet(blocks, include_top, weights, input_tensor, input_shape, pooling, classes)

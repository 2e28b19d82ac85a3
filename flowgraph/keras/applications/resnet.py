r"""ResNet50, ResNet101, ResNet152: residual blocks (He et al. 2015); ResNeXt50, ResNeXt101: with
grouped convolutions (Xie et al. 2017).

    x -> 1x1 -> 3x3 -> 1x1 -> + -> relu
      \________ (1x1) ______/

Read next: inception_v3.py.
"""

from __future__ import annotations

import string
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
from flowgraph.keras.engine.base_layer import Layer
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    MaxPooling2D,
    Reshape,
    ZeroPadding2D,
    add,
)

__all__ = [
    "ResNeXt50",
    "ResNeXt101",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "decode_predictions",
    "preprocess_input",
    "preprocess_input_resnext",
]

preprocess_input = partial(of_mode, mode="caffe")
preprocess_input_resnext = partial(of_mode, mode="torch")


def _axis() -> int:
    return 1 if K.image_data_format() == "channels_first" else 3


def _normed(x: Any, name: str, relu: bool = True, epsilon: float = 1e-3) -> Any:
    x = BatchNormalization(axis=_axis(), epsilon=epsilon, name=name)(x)
    return Activation("relu")(x) if relu else x


def _block(x: Any, filters: int, place: str, strides: int, project: bool) -> Any:
    """A residual block of three convolutions; ``project``: with one beside them."""
    y = Conv2D(filters, 1, strides=strides, name=f"res{place}_branch2a")(x)
    y = _normed(y, f"bn{place}_branch2a")
    y = Conv2D(filters, 3, padding="same", name=f"res{place}_branch2b")(y)
    y = _normed(y, f"bn{place}_branch2b")
    y = Conv2D(4 * filters, 1, name=f"res{place}_branch2c")(y)
    y = _normed(y, f"bn{place}_branch2c", relu=False)
    if project:
        x = Conv2D(4 * filters, 1, strides=strides, name=f"res{place}_branch1")(x)
        x = _normed(x, f"bn{place}_branch1", relu=False)
    return Activation("relu")(add([y, x]))


def _names(stage: int, depth: int) -> list[str]:
    """a, b, c ...; stages of more than 8 blocks count a, b1, b2 ..."""
    if depth <= len(string.ascii_lowercase) and depth <= 8:
        return [f"{stage}{letter}" for letter in string.ascii_lowercase[:depth]]
    return [f"{stage}a", *(f"{stage}b{i}" for i in range(1, depth))]


def _resnet(
    name: str, depths: Sequence[int], include_top: bool, weights: Any, input_tensor: Any,
    input_shape: Any, pooling: str | None, classes: int,
) -> Model:  # fmt: skip
    image = image_input(name, 224, 32, input_shape, input_tensor, include_top, weights, classes)
    x = ZeroPadding2D(3, name="conv1_pad")(image)
    x = _normed(Conv2D(64, 7, strides=2, name="conv1")(x), "bn_conv1")
    x = MaxPooling2D(3, strides=2)(ZeroPadding2D(1, name="pool1_pad")(x))
    for stage, depth in enumerate(depths, 2):
        for i, place in enumerate(_names(stage, depth)):
            strides = 2 if i == 0 and stage > 2 else 1
            x = _block(x, 64 * 2 ** (stage - 2), place, strides, i == 0)
    x = top_of(x, include_top, pooling, classes, f"fc{classes}")
    file = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, name, weights, include_top, file)


def ResNet50(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """50 layers in 16 residual blocks; 25,636,712 parameters.

    Args:
        include_top: whether with the layer that tells classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        input_shape: of an image, 32 x 32 at least; 224 x 224 x 3 by default.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    depths = (3, 4, 6, 3)
    return _resnet(
        "resnet50", depths, include_top, weights, input_tensor, input_shape, pooling, classes
    )


def ResNet101(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """101 layers in 33 residual blocks; 44,707,176 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of ResNet50.
    """
    depths = (3, 4, 23, 3)
    return _resnet(
        "resnet101", depths, include_top, weights, input_tensor, input_shape, pooling, classes
    )


def ResNet152(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """152 layers in 50 residual blocks; 60,419,944 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of ResNet50.
    """
    depths = (3, 8, 36, 3)
    return _resnet(
        "resnet152", depths, include_top, weights, input_tensor, input_shape, pooling, classes
    )


# ----------------------------------------------------------------------------------------- ResNeXt

_GROUPS = 32


class SumOfGroup(Layer):
    """(..., groups, n, n) -> (..., groups, n): sums over the axis before the last.

    A grouped convolution is a depthwise one, followed by the sum over each group's inputs.
    """

    def call(self, inputs: Any) -> Any:
        """The operations of the layer."""
        return K.sum(inputs, axis=-2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape without the axis before the last."""
        return (*input_shape[:-2], input_shape[-1])


def _grouped(x: Any, filters: int, strides: int, name: str) -> Any:
    """A 3 x 3 convolution within each of 32 groups of features."""
    each = filters // _GROUPS
    x = ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = DepthwiseConv2D(
        3, strides=strides, depth_multiplier=each, use_bias=False, name=f"{name}_2_conv"
    )(x)
    rows, columns = sizes(x)[1:3]
    if rows is None or columns is None:
        raise ValueError("ResNeXt: the size of images must be known; give input_shape")
    x = Reshape((rows, columns, _GROUPS, each, each))(x)
    x = SumOfGroup(name=f"{name}_2_reduce")(x)
    return Reshape((rows, columns, filters))(x)


def _next_block(x: Any, filters: int, name: str, strides: int, project: bool) -> Any:
    def normed(y: Any, part: str, relu: bool = True) -> Any:
        return _normed(y, f"{name}_{part}_bn", relu, epsilon=1.001e-5)

    beside = x
    if project:
        beside = Conv2D(2 * filters, 1, strides=strides, use_bias=False, name=f"{name}_0_conv")(x)
        beside = normed(beside, "0", relu=False)
    y = normed(Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(x), "1")
    y = normed(_grouped(y, filters, strides, name), "2")
    y = Conv2D(2 * filters, 1, use_bias=False, name=f"{name}_3_conv")(y)
    return Activation("relu", name=f"{name}_out")(add([beside, normed(y, "3", relu=False)]))


def _resnext(
    name: str, depths: Sequence[int], include_top: bool, weights: Any, input_tensor: Any,
    input_shape: Any, pooling: str | None, classes: int,
) -> Model:  # fmt: skip
    if K.image_data_format() != "channels_last":
        raise ValueError("ResNeXt: images have their channels last")
    shape = (224, 224, 3) if input_shape is None else input_shape
    image = image_input(name, 224, 32, shape, input_tensor, include_top, weights, classes)
    x = ZeroPadding2D(3, name="conv1_pad")(image)
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = _normed(x, "conv1_bn", epsilon=1.001e-5)
    x = MaxPooling2D(3, strides=2, name="pool1_pool")(ZeroPadding2D(1, name="pool1_pad")(x))
    for stage, depth in enumerate(depths, 2):
        for i in range(1, depth + 1):
            strides = 2 if i == 1 and stage > 2 else 1
            filters = 128 * 2 ** (stage - 2)
            x = _next_block(x, filters, f"conv{stage}_block{i}", strides, i == 1)
    x = top_of(x, include_top, pooling, classes, "probs")
    file = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return finished(image, input_tensor, x, name, weights, include_top, file)


def ResNeXt50(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """50 layers with convolutions in 32 groups; 25,097,128 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of ResNet50.
    """
    depths = (3, 4, 6, 3)
    return _resnext(
        "resnext50", depths, include_top, weights, input_tensor, input_shape, pooling, classes
    )


def ResNeXt101(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """101 layers with convolutions in 32 groups; 44,315,560 parameters.

    Args:
        include_top, weights, input_tensor, input_shape, pooling, classes: as of ResNet50.
    """
    depths = (3, 4, 23, 3)
    return _resnext(
        "resnext101", depths, include_top, weights, input_tensor, input_shape, pooling, classes
    )

"""MobileNet: a depthwise and a 1 x 1 convolution in place of each (Howard et al. 2017);
MobileNetV2: inverted residual blocks (Sandler et al. 2018).

Read next: xception.py.
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
    sizes,
)
from flowgraph.keras.applications.imagenet_utils import preprocess_input as of_mode
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)

__all__ = ["MobileNet", "MobileNetV2", "decode_predictions", "preprocess_input"]

preprocess_input = partial(of_mode, mode="tf")

#: Of the 13 depthwise parts of MobileNet: features, and how far the window moves.
_PARTS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
    (1024, 1),
)  # fmt: skip
#: Of the groups of blocks of MobileNetV2: expansion, features, how many, how far it moves first.
_GROUPS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def _axis() -> int:
    return 1 if K.image_data_format() == "channels_first" else -1


def _below_6(x: Any, name: str, **of_norm: Any) -> Any:
    x = BatchNormalization(axis=_axis(), name=f"{name}_bn", **of_norm)(x)
    return ReLU(6.0, name=f"{name}_relu")(x)


def MobileNet(
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """MobileNet; 4,253,864 parameters.

    Args:
        input_shape: of an image, 32 x 32 at least; 224 x 224 x 3 by default.
        alpha: factor of the numbers of features.
        depth_multiplier: features that a depthwise convolution makes of each.
        dropout: rate before the classes.
        include_top: whether with the layers that tell classes.
        weights: None (new ones); the path of a file; "imagenet": Keras's file, where it is stored.
        input_tensor: an Input, or a tensor, to take the images from.
        pooling: without the top: "avg" or "max" of each feature, or None.
        classes: how many, with the top.
    """
    image = image_input(
        "mobilenet", 224, 32, input_shape, input_tensor, include_top, weights, classes
    )
    x = ZeroPadding2D(((0, 1), (0, 1)), name="conv1_pad")(image)
    x = Conv2D(int(32 * alpha), 3, strides=2, use_bias=False, name="conv1")(x)
    x = _below_6(x, "conv1")
    for i, (features, strides) in enumerate(_PARTS, 1):
        if strides == 2:
            x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{i}")(x)
        x = DepthwiseConv2D(
            3,
            padding="same" if strides == 1 else "valid",
            depth_multiplier=depth_multiplier,
            strides=strides,
            use_bias=False,
            name=f"conv_dw_{i}",
        )(x)
        x = _below_6(x, f"conv_dw_{i}")
        x = Conv2D(int(features * alpha), 1, use_bias=False, name=f"conv_pw_{i}")(x)
        x = _below_6(x, f"conv_pw_{i}")
    if include_top:
        last = int(1024 * alpha)
        shape = (last, 1, 1) if K.image_data_format() == "channels_first" else (1, 1, last)
        x = Reshape(shape, name="reshape_1")(GlobalAveragePooling2D()(x))
        x = Dropout(dropout, name="dropout")(x)
        x = Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = Activation("softmax", name="act_softmax")(x)
        x = Reshape((classes,), name="reshape_2")(x)
    else:
        x = pooled(x, pooling)
    size = sizes(image)[2] or 224
    kind = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}.get(alpha, str(alpha))
    file = f"mobilenet_{kind}_{size}_tf" + ("" if include_top else "_no_top")
    name = f"mobilenet_{alpha:.2f}_{size}"
    return finished(image, input_tensor, x, name, weights, True, file)


def _divisible(number: float) -> int:
    """The multiple of 8 next to ``number``, not more than a tenth below it."""
    found = max(8, int(number + 4) // 8 * 8)
    return found + 8 if found < 0.9 * number else found


def _inverted(x: Any, number: int, expansion: int, features: int, strides: int) -> Any:
    """Expand, convolve depthwise, project; with the input added where it has the same shape."""
    inputs, before = x, sizes(x)[_axis()]
    name = f"block_{number}" if number else "expanded_conv"
    of_norm: dict[str, Any] = {"epsilon": 1e-3, "momentum": 0.999}
    if number:
        x = Conv2D(expansion * before, 1, use_bias=False, name=f"{name}_expand")(x)
        x = BatchNormalization(axis=_axis(), name=f"{name}_expand_BN", **of_norm)(x)
        x = ReLU(6.0, name=f"{name}_expand_relu")(x)
    if strides == 2:
        x = ZeroPadding2D(_around(x), name=f"{name}_pad")(x)
    x = DepthwiseConv2D(
        3,
        strides=strides,
        use_bias=False,
        padding="same" if strides == 1 else "valid",
        name=f"{name}_depthwise",
    )(x)
    x = BatchNormalization(axis=_axis(), name=f"{name}_depthwise_BN", **of_norm)(x)
    x = ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = Conv2D(features, 1, padding="same", use_bias=False, name=f"{name}_project")(x)
    x = BatchNormalization(axis=_axis(), name=f"{name}_project_BN", **of_norm)(x)
    return Add(name=f"{name}_add")([inputs, x]) if before == features and strides == 1 else x


def _around(x: Any) -> Any:
    """The zeros around an image before a window of 3 that moves by 2."""
    first = K.image_data_format() == "channels_first"
    sides = sizes(x)[2:4] if first else sizes(x)[1:3]
    return tuple((1 - int(size is not None and size % 2 == 0), 1) for size in sides)


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Model:
    """MobileNetV2; 3,538,984 parameters.

    Args:
        input_shape: of an image, 32 x 32 at least; 224 x 224 x 3 by default.
        alpha: factor of the numbers of features.
        include_top, weights, input_tensor, pooling, classes: as of MobileNet.
    """
    image = image_input(
        "mobilenetv2", 224, 32, input_shape, input_tensor, include_top, weights, classes
    )
    of_norm: dict[str, Any] = {"epsilon": 1e-3, "momentum": 0.999}
    x = ZeroPadding2D(_around(image), name="Conv1_pad")(image)
    x = Conv2D(_divisible(32 * alpha), 3, strides=2, use_bias=False, name="Conv1")(x)
    x = BatchNormalization(axis=_axis(), name="bn_Conv1", **of_norm)(x)
    x = ReLU(6.0, name="Conv1_relu")(x)
    number = 0
    for expansion, features, count, strides in _GROUPS:
        for i in range(count):
            move = strides if i == 0 else 1
            x = _inverted(x, number, expansion, _divisible(features * alpha), move)
            number += 1
    last = _divisible(1280 * alpha) if alpha > 1.0 else 1280
    x = Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    x = BatchNormalization(axis=_axis(), name="Conv_1_bn", **of_norm)(x)
    x = ReLU(6.0, name="out_relu")(x)
    if include_top:
        x = GlobalAveragePooling2D()(x)
        x = Dense(classes, activation="softmax", use_bias=True, name="Logits")(x)
    else:
        x = pooled(x, pooling)
    size = sizes(image)[2] or 224
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}"
    file += "" if include_top else "_no_top"
    name = f"mobilenetv2_{alpha:.2f}_{size}"
    return finished(image, input_tensor, x, name, weights, True, file)

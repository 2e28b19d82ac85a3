"""What the models for images share: inputs, weights in files, pixels, names of classes.

Nothing is downloaded.  ``weights="imagenet"`` means a file that Keras has stored in
``~/.keras/models`` (or ``$KERAS_HOME/models``), by the name it has there.

Read next: vgg.py (the shortest model).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.input_layer import Input, input_layer_of
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import Dense, GlobalAveragePooling2D, GlobalMaxPooling2D
from flowgraph.keras.utils.layer_utils import get_source_inputs

__all__ = ["decode_predictions", "preprocess_input"]

#: Means and deviations of the red, green and blue values of ImageNet's images.
_MEANS_255 = (123.68, 116.779, 103.939)
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Pixels as a model was trained with.

    Args:
        x: images of red, green and blue values from 0 to 255, 3 or 4 axes: an array or a tensor.
        data_format: "channels_last" or "channels_first".
        mode: "tf": from -1 to 1.  "torch": from 0 to 1, less ImageNet's means, divided by its
            deviations.  "caffe": blue first, less ImageNet's means, not scaled.

    Returns:
        An array of ``K.floatx()``, or a tensor; ``x`` stays as it is.

    >>> preprocess_input(np.full((1, 1, 3), 255.0), mode="tf")
    array([[[1., 1., 1.]]], dtype=float32)
    """
    channels_first = K.normalize_data_format(data_format) == "channels_first"
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"preprocess_input: mode is 'caffe', 'tf' or 'torch', got {mode!r}")
    if not K.is_tensor(x):
        x = np.asarray(x, dtype=K.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    axis = (1 if len(x.shape) == 4 else 0) if channels_first else len(x.shape) - 1
    shape = [1] * len(x.shape)
    shape[axis] = 3

    def along(numbers: tuple[float, ...]) -> np.ndarray:
        return np.reshape(np.asarray(numbers, K.floatx()), shape)

    if mode == "torch":
        return (x / 255.0 - along(_MEANS)) / along(_DEVIATIONS)
    turned = [slice(None)] * len(shape)
    turned[axis] = slice(None, None, -1)
    return x[tuple(turned)] - along(_MEANS_255[::-1])


def decode_predictions(preds: Any, top: int = 5, class_index: Any = None) -> Any:
    """The most probable classes of every image.

    Args:
        preds: (images, classes): probabilities.
        top: how many.
        class_index: path of a JSON file ``{"0": ["n01440764", "tench"], ...}``; that of Keras by
            default, ``imagenet_class_index.json``, where it is stored.  Without one, classes
            have numbers instead of names.

    Returns:
        For every image a list of (id, name, probability), the most probable first.

    >>> decode_predictions(np.array([[0.25, 0.75]]), top=1)
    [[('1', 'class 1', 0.75)]]
    """
    preds = np.asarray(preds)
    if preds.ndim != 2:
        raise ValueError(f"decode_predictions: (images, classes) is expected, got {preds.shape}")
    path = Path(class_index) if class_index is not None else stored("imagenet_class_index.json")
    names: dict[str, list[str]] = {}
    if class_index is not None or (path.exists() and preds.shape[1] == 1000):
        names = json.loads(path.read_text(encoding="utf-8"))
    return [
        [
            (*names.get(str(i), [str(i), f"class {i}"]), float(row[i]))
            for i in np.argsort(-row, kind="stable")[:top].tolist()
        ]
        for row in preds
    ]


# --------------------------------------------------------------------------------- for the models


def stored(name: str) -> Path:
    """Where Keras keeps a file that it has downloaded."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    return Path(home, "models", name)


def image_input(
    model: str,
    size: int,
    smallest: int,
    input_shape: Any,
    input_tensor: Any,
    include_top: bool,
    weights: Any,
    classes: int,
    flattened: bool = False,
) -> Any:
    """The Input of a model for images.

    Args:
        model: its name, for messages.
        size: of the images it was made for.   smallest: of images that it can take.
        input_shape, input_tensor, include_top, weights, classes: as the model was given.
        flattened: whether its top needs to know the size of images.

    Raises:
        ValueError: the shape, or the number of classes, is not one that it can have.
    """
    first = K.image_data_format() == "channels_first"
    if include_top and weights == "imagenet" and classes != 1000:
        raise ValueError(f"{model}: weights='imagenet' have 1000 classes, not {classes}")
    usual = (3, size, size) if first else (size, size, 3)
    if input_shape is None:
        fixed = include_top or flattened
        input_shape = usual if fixed else ((3, None, None) if first else (None, None, 3))
    input_shape = tuple(input_shape)
    if len(input_shape) != 3:
        raise ValueError(f"{model}: input_shape is {usual} or like it, got {input_shape}")
    if include_top and weights == "imagenet" and input_shape != usual:
        raise ValueError(
            f"{model}: with include_top and weights='imagenet' input_shape is {usual}, got "
            f"{input_shape}"
        )
    sides = input_shape[1:] if first else input_shape[:2]
    if any(side is not None and side < smallest for side in sides):
        raise ValueError(
            f"{model}: images have {smallest} x {smallest} pixels at least, got {input_shape}"
        )
    if input_tensor is None:
        return Input(shape=input_shape)
    return input_tensor if hasattr(input_tensor, "_keras_history") else input_layer_of(input_tensor)


def sizes(x: Any) -> Any:
    """The static shape of a tensor of known rank, a tuple."""
    return K.int_shape(x)


def pooled(x: Any, pooling: str | None) -> Any:
    """What a model without its top gives: "avg", "max" or None.

    Raises:
        ValueError: it is something else.
    """
    if pooling is None:
        return x
    if pooling == "avg":
        return GlobalAveragePooling2D()(x)
    if pooling == "max":
        return GlobalMaxPooling2D()(x)
    raise ValueError(f"pooling is None, 'avg' or 'max', got {pooling!r}")


def top_of(x: Any, include_top: bool, pooling: str | None, classes: int, name: str) -> Any:
    """The mean of each feature and a softmax over classes; or what ``pooled`` gives."""
    if not include_top:
        return pooled(x, pooling)
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    return Dense(classes, activation="softmax", name=name)(x)


def finished(
    image: Any, input_tensor: Any, x: Any, name: str, weights: Any, include_top: bool, file: str
) -> Model:
    """The model from ``image`` to ``x``, with its weights.

    Args:
        image, input_tensor: the Input; and the tensor that the user gave, or None.
        x: the output.
        name: of the model.
        weights: None; "imagenet"; or the path of a file.
        include_top: whether it has its top.
        file: the name of Keras's file of weights, without ``_notop`` and ending.

    Raises:
        FileNotFoundError: there are no such weights.
    """
    inputs = image if input_tensor is None else get_source_inputs(input_tensor)
    model = Model(inputs, x, name=name)
    if weights is None:
        return model
    if weights == "imagenet":
        path = stored(f"{file}{'' if include_top else '_notop'}.h5")
        if not path.exists():
            raise FileNotFoundError(
                f"{name}: weights are not downloaded; put Keras's file at {path}, or give "
                "weights=None (new ones) or the path of a file"
            )
        weights = path
    model.load_weights(weights)
    return model

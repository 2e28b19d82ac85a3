"""Convolutions whose kernel is another one at every place: local_conv1d, local_conv2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras.backend.settings import normalize_data_format

__all__ = ["local_conv1d", "local_conv2d"]


def local_conv1d(
    inputs: Any,
    kernel: Any,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    data_format: str | None = None,
) -> Any:
    """Products of the windows of sequences with one matrix for each window.

    Args:
        inputs: (samples, steps, channels), or (samples, channels, steps) with channels_first.
        kernel: (windows, kernel_size * channels, filters).
        kernel_size, strides: tuples of one integer.
        data_format: "channels_last" or "channels_first".

    Returns:
        (samples, windows, filters), or (samples, filters, windows).
    """
    first = normalize_data_format(data_format) == "channels_first"
    out = local_conv2d(
        tf.expand_dims(inputs, 3 if first else 2), kernel, (*kernel_size, 1), (*strides, 1),
        (int(kernel.shape[0]), 1), data_format,
    )  # fmt: skip
    return tf.squeeze(out, [3 if first else 2])


def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    output_shape: Sequence[int],
    data_format: str | None = None,
) -> Any:
    """Products of the windows of images with one matrix for each window.

    Args:
        inputs: images.
        kernel: (windows, size of a window, filters); the elements of a window are in the order of
            its axes: rows, columns, channels, or channels, rows, columns with channels_first.
        kernel_size, strides: (rows, columns).
        output_shape: how many windows there are: (rows, columns).
        data_format: "channels_last" or "channels_first".

    Returns:
        (samples, rows, columns, filters), or (samples, filters, rows, columns).
    """
    first = normalize_data_format(data_format) == "channels_first"
    x = tf.transpose(inputs, [0, 2, 3, 1]) if first else tf.convert_to_tensor(inputs)
    channels, (rows, columns) = int(x.shape[3]), output_shape
    count, size = rows * columns, kernel_size[0] * kernel_size[1]
    patches = tf.extract_image_patches(
        x, [1, *kernel_size, 1], [1, *strides, 1], [1, 1, 1, 1], "VALID"
    )
    patches = tf.reshape(patches, [-1, count, size * channels])
    if first:
        patches = tf.reshape(patches, [-1, count, size, channels])
        patches = tf.reshape(tf.transpose(patches, [0, 1, 3, 2]), [-1, count, size * channels])
    out = tf.matmul(tf.transpose(patches, [1, 0, 2]), kernel)  # windows, samples, filters
    filters = int(kernel.shape[2])
    if first:
        return tf.reshape(tf.transpose(out, [1, 2, 0]), [-1, filters, rows, columns])
    return tf.reshape(tf.transpose(out, [1, 0, 2]), [-1, rows, columns, filters])

"""Sizes of convolutions, for layers of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.keras.utils.layer_utils import convert_kernel

__all__ = [
    "conv_input_length",
    "conv_output_length",
    "convert_kernel",
    "deconv_length",
    "normalize_padding",
    "normalize_tuple",
]


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """``value`` as ``n`` integers, one number standing for all.

    Args:
        value: an integer, or ``n`` of them.
        n: how many.
        name: of the argument, for messages.

    >>> normalize_tuple(3, 2, "kernel_size")
    (3, 3)
    """
    if isinstance(value, (int, np.integer)):
        return (int(value),) * n
    try:
        found = tuple(int(number) for number in value)
    except (TypeError, ValueError):
        found = ()
    if len(found) != n:
        raise ValueError(f"The `{name}` argument must be a tuple of {n} integers. Got {value!r}")
    return found


def normalize_padding(value: Any) -> str:
    """``value`` in lower case: "valid", "same", "causal" or "full".

    Args:
        value: a string.
    """
    padding = str(value).lower()
    if padding not in ("valid", "same", "causal", "full"):
        raise ValueError(f"padding must be 'valid', 'same', 'causal' or 'full', got {value!r}")
    return padding


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """How many places a window has.

    Args:
        input_length: the size of the input, or None.
        filter_size: of the window.
        padding: "same", "valid", "causal" or "full".
        stride: how far the window moves.
        dilation: how far its elements are apart.

    >>> conv_output_length(10, 3, "valid", 2)
    4
    """
    if input_length is None:
        return None
    window = (filter_size - 1) * dilation + 1
    kind = normalize_padding(padding)
    lengths = {"same": input_length, "causal": input_length, "full": input_length + window - 1}
    return (lengths.get(kind, input_length - window + 1) + stride - 1) // stride


def conv_input_length(
    output_length: int | None, filter_size: int, padding: str, stride: int
) -> int | None:
    """The smallest input that gives ``output_length`` places.

    Args:
        output_length: or None.
        filter_size, padding, stride: as of ``conv_output_length``.
    """
    if output_length is None:
        return None
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[
        normalize_padding(padding)
    ]
    return (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(
    dim_size: int | None,
    stride_size: int,
    kernel_size: int,
    padding: str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> int | None:
    """The size of what a transposed convolution gives.

    Args:
        dim_size: of its input, or None.
        stride_size, kernel_size, padding, dilation: of the convolution.
        output_padding: what is added at one end; None: as little as possible.
    """
    if dim_size is None:
        return None
    window = (kernel_size - 1) * dilation + 1
    kind = normalize_padding(padding)
    if output_padding is None:
        more = {"valid": max(window - stride_size, 0), "full": -(stride_size + window - 2)}
        return dim_size * stride_size + more.get(kind, 0)
    pad = {"same": window // 2, "valid": 0, "full": window - 1}[kind]
    return (dim_size - 1) * stride_size + window - 2 * pad + output_padding

"""Three settings that many functions read: epsilon, floatx and image_data_format."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "backend",
    "cast_to_floatx",
    "epsilon",
    "floatx",
    "image_data_format",
    "image_dim_ordering",
    "normalize_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
]

_SETTINGS: dict[str, Any] = {
    "epsilon": 1e-7,
    "floatx": "float32",
    "image_data_format": "channels_last",
}


def backend() -> str:
    """``"tensorflow"``: whose API programs find below Keras."""
    return "tensorflow"


def epsilon() -> float:
    """The small number that keeps quotients and logarithms finite (1e-7)."""
    return _SETTINGS["epsilon"]


def set_epsilon(e: float) -> None:
    """Set what ``epsilon()`` gives.

    Args:
        e: a small number.
    """
    _SETTINGS["epsilon"] = float(e)


def floatx() -> str:
    """The name of the default dtype of floats."""
    return _SETTINGS["floatx"]


def set_floatx(floatx: str) -> None:
    """Set what ``floatx()`` gives.

    Args:
        floatx: "float16", "float32" or "float64".
    """
    if floatx not in ("float16", "float32", "float64"):
        raise ValueError(f"set_floatx: unknown {floatx!r}; float16, float32 and float64 are known")
    _SETTINGS["floatx"] = floatx


def cast_to_floatx(x: Any) -> np.ndarray:
    """``x`` as an array of the default dtype of floats.

    Args:
        x: array, list or number.

    >>> cast_to_floatx([1, 2]).dtype
    dtype('float32')
    """
    return np.asarray(x, dtype=floatx())


def image_data_format() -> str:
    """Where images have their channels: "channels_last" or "channels_first"."""
    return _SETTINGS["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set what ``image_data_format()`` gives.

    Args:
        data_format: "channels_last" or "channels_first".
    """
    _SETTINGS["image_data_format"] = normalize_data_format(data_format)


def image_dim_ordering() -> str:
    """Keras 1's name of ``image_data_format()``: "tf" (channels last) or "th"."""
    return "th" if image_data_format() == "channels_first" else "tf"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Keras 1's form of ``set_image_data_format``.

    Args:
        dim_ordering: "tf" (channels last) or "th" (channels first).
    """
    if dim_ordering not in ("tf", "th"):
        raise ValueError(f"dim_ordering is 'tf' or 'th', got {dim_ordering!r}")
    set_image_data_format("channels_first" if dim_ordering == "th" else "channels_last")


def normalize_data_format(value: str | None) -> str:
    """``value``, or the setting for None.

    Args:
        value: "channels_last", "channels_first" or None.

    Raises:
        ValueError: it is none of these.
    """
    data_format = image_data_format() if value is None else str(value).lower()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {value!r}")
    return data_format

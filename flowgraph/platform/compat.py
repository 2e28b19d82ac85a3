"""tf.compat: bytes and text, groups of number types, and the switches of TensorFlow 2.

There is one behaviour here, that of TensorFlow 1: what would switch to another raises, what would
switch back does nothing.
"""

from __future__ import annotations

import numbers
import os
from typing import Any

import numpy as np

from flowgraph.graph.export import export, export_value
from flowgraph.tensor_shape import dimension_value

export_value((bytes, str), "compat.bytes_or_text_types")
export_value((numbers.Integral, np.integer), "compat.integral_types")
export_value((numbers.Real, np.integer, np.floating), "compat.real_types")
export_value((numbers.Complex, np.number), "compat.complex_types")

export_value(dimension_value, "compat.dimension_value")


@export("compat.as_bytes")
def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """``bytes_or_text`` as bytes.

    Args:
        bytes_or_text: bytes, bytearray or str.   encoding: of the bytes.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(bytes_or_text, (bytes, bytearray)):
        return bytes(bytes_or_text)
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


@export("compat.as_text", "compat.as_str")
def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """``bytes_or_text`` as a str.

    Args:
        bytes_or_text: bytes or str.   encoding: of the bytes.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


@export("compat.as_str_any")
def as_str_any(value: Any) -> str:
    """``value`` as a str: bytes decoded as UTF-8, anything else by ``str``."""
    return value.decode() if isinstance(value, bytes) else str(value)


@export("compat.path_to_str")
def path_to_str(path: Any) -> Any:
    """A path object as a str; anything else as it is."""
    return as_str_any(os.fspath(path)) if hasattr(path, "__fspath__") else path


@export("compat.forward_compatible")
def forward_compatible(year: int, month: int, day: int) -> bool:
    """True: programs and library are of one release."""
    return True


# ---------------------------------------------------------------------------------------- switches


def _switch_off(name: str) -> None:
    def function() -> None:
        return None

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Does nothing: this is how flowgraph behaves always."
    export(name)(function)


def _switch_on(name: str, what: str) -> None:
    def function(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"tf.{name}: there is no {what} here")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""There is no {what} here.

    Raises:
        NotImplementedError: always.
    """
    export(name)(function)


for _name in (
    "disable_v2_tensorshape", "disable_tensor_equality", "disable_control_flow_v2",
):  # fmt: skip
    _switch_off(_name)
_switch_on("enable_v2_tensorshape", "behaviour of TensorFlow 2")
_switch_on("enable_tensor_equality", "comparison of tensors by ==")
_switch_on("enable_control_flow_v2", "other control flow")


@export("control_flow_v2_enabled")
def control_flow_v2_enabled() -> bool:
    """False."""
    return False

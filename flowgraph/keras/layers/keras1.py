"""Keras 1's argument names: ``Dense(output_dim=3, init="uniform")`` still works, with a warning.

@keras1(output_dim="units", init="kernel_initializer")
class Dense(Layer): ...
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

#: Old and new names of what layers with weights share.
WEIGHTS = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "W_constraint": "kernel_constraint",
    "b_regularizer": "bias_regularizer",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
CONVOLUTION = {**WEIGHTS, "nb_filter": "filters", "border_mode": "padding"}
RECURRENT = {
    **WEIGHTS,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "U_constraint": "recurrent_constraint",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": "implementation",
    "forget_bias_init": "unit_forget_bias",
}

#: Values that have other names, too, by the old name of the argument.
_VALUES: dict[str, Mapping[Any, Any]] = {
    "dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None},
    "consume_less": {"cpu": 1, "mem": 1, "gpu": 2},
    "forget_bias_init": {"one": True, "ones": True, "zero": False, "zeros": False},
}

#: Arguments of a window's size, one for each axis, that have become one argument.
_PARTS = (
    ("kernel_size", ("kernel_dim1", "kernel_dim2", "kernel_dim3")),
    ("kernel_size", ("nb_row", "nb_col")),
)


def keras1(**renamed: str) -> Callable[[Any], Any]:
    """A decorator of layers: old names of arguments mean the new ones.

    Args:
        renamed: old name -> new name; an empty one leaves the argument out.  ``dim_ordering`` is
            among them anyway.
    """
    names = {**renamed, "dim_ordering": "data_format"}

    def decorate(cls: Any) -> Any:
        init = cls.__init__

        @functools.wraps(init)
        def converting(self: Any, *args: Any, **kwargs: Any) -> None:
            if not any(name in kwargs for name in names) and not _has_parts(cls, args, kwargs):
                init(self, *args, **kwargs)
                return
            args, kwargs = _in_parts(cls, args, kwargs)
            new = {}
            for name, value in kwargs.items():
                other = names.get(name, name)
                if other != name and other in kwargs:
                    raise TypeError(f"{cls.__name__}: {name} is Keras 1's name of {other}; "
                                    "both are given")  # fmt: skip
                if not other:  # nothing depends on it any more
                    continue
                known = _VALUES.get(name, {})
                new[other] = known.get(value, value) if isinstance(value, str) else value
            text = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in new.items())])
            warnings.warn(
                f"{cls.__name__} was called with Keras 1's arguments; in Keras 2: "
                f"{cls.__name__}({text})",
                stacklevel=2,
            )
            init(self, *args, **new)

        cls.__init__ = converting
        return cls

    return decorate


def _two(cls: Any) -> bool:
    return getattr(cls, "_window_axes", 0) == 2


def _has_parts(cls: Any, args: Any, kwargs: Any) -> bool:
    if any(name in kwargs for _, parts in _PARTS for name in parts):
        return True
    return _two(cls) and len(args) >= 3 and all(isinstance(a, int) for a in args[:3])


def _in_parts(cls: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``Convolution2D(64, 3, 3)`` and ``nb_row=3, nb_col=3`` as ``(64, (3, 3))``."""
    kwargs = dict(kwargs)
    if _two(cls) and len(args) >= 3 and all(isinstance(a, int) for a in args[:3]):
        if any(name in kwargs for name in ("padding", "strides", "data_format")):
            raise ValueError(
                f"{cls.__name__}{args}: with arguments of Keras 2, name strides=..., since three "
                "integers mean filters, rows and columns of the window in Keras 1"
            )
        args = (args[0], tuple(args[1:3]), *args[3:])
    for whole, parts in _PARTS:
        if any(name in kwargs for name in parts):
            missing = [name for name in parts if name not in kwargs]
            if missing:
                raise TypeError(f"{cls.__name__}: {', '.join(missing)} is missing")
            kwargs[whole] = tuple(kwargs.pop(name) for name in parts)
    return args, kwargs

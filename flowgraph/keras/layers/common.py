"""What the layers share: arguments that are settings, weights by their names, shapes.

    class Scale(Configured):
        def __init__(self, units, kernel_initializer="ones", **kwargs):
            super().__init__(**kwargs)
            self._settle(units=units, kernel_initializer=kernel_initializer)

``_settle`` makes attributes of the arguments (of the name "ones" the initializer, because the name
ends so), and ``get_config`` gives them back as plain data.  So no layer lists its arguments twice.

Read next: core.py (the shortest layers).
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import flowgraph as tf
from flowgraph.keras import activations, constraints, initializers, regularizers
from flowgraph.keras.engine.base_layer import Layer

#: What the end of an argument's name says about its value.
_MODULES: dict[str, Any] = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}

Shape = tuple[int | None, ...]


def _module(name: str) -> Any:
    return _MODULES.get(name.rsplit("_", 1)[-1])


class Configured(Layer):
    """A layer whose arguments are attributes and its config."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def _settle(self, **values: Any) -> None:
        """Make attributes of arguments, and let ``get_config`` tell them."""
        for name, value in values.items():
            module = _module(name)
            setattr(self, name, value if module is None else module.get(value))
        known = vars(self).setdefault("_settings", [])
        known += [name for name in values if name not in known]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data."""
        config = dict(super().get_config())
        for name in vars(self).get("_settings", ()):
            module, value = _module(name), getattr(self, name)
            config[name] = value if module is None else module.serialize(value)
        return config

    @property
    def _word(self) -> str:
        """Names the layer in messages."""
        return f"{type(self).__name__} layer {self.name!r}"

    def _weight(self, name: str, shape: Any, like: str | None = None, **kwargs: Any) -> Any:
        """A weight with the initializer, regularizer and constraint of ``<like or name>_...``."""
        kind = like or name
        return self.add_weight(
            name=name,
            shape=tuple(shape),
            initializer=getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer", None),
            constraint=getattr(self, f"{kind}_constraint", None),
            **kwargs,
        )

    def _size(self, input_shape: Any, axis: int) -> int:
        """The size of the inputs along an axis.

        Raises:
            ValueError: it is not known.
        """
        shape = tuple(input_shape)
        size = shape[axis]
        if size is None:
            raise ValueError(
                f"{self._word}: the size of its input along axis {axis} must be known, "
                f"found shape {shape}"
            )
        return int(size)


def described(first: str, base: Any, example: str = "") -> str:
    """A docstring of the first line, that of ``base`` behind its own first line, and an example.

    Args:
        first: the first line.
        base: a class.
        example: a doctest.
    """
    rest = inspect.cleandoc(base.__doc__ or "").split("\n", 1)[1].strip("\n")
    return "\n\n".join(part for part in (first, rest, inspect.cleandoc(example)) if part) + "\n"


def positive(word: str, what: str, value: Any) -> int:
    """``value`` as an integer.

    Args:
        word: names the layer in messages.
        what: names the argument.
        value: an integer, 1 at least; also a float or text that is one.

    Raises:
        ValueError: it is something else.
    """
    try:
        number = int(value)
        fits = number >= 1 and (isinstance(value, str) or number == value)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{word}: {what} must be a positive integer, got {value!r}")
    return number


def share(word: str, what: str, value: Any) -> float:
    """``value`` as a number from 0 to 1; what is outside becomes the nearest of them.

    Args:
        word, what: as of ``positive``.
        value: a number.

    Raises:
        ValueError: it is no number.
    """
    try:
        return min(1.0, max(0.0, float(value)))
    except (TypeError, ValueError):
        raise ValueError(f"{word}: {what} must be a number from 0 to 1, got {value!r}") from None


def static(shape: Any) -> Shape:
    """A shape as a tuple of integers and None."""
    return tuple(tf.TensorShape(shape).as_list())


def with_shape(x: Any, shape: Shape) -> Any:
    """``x``, known to have ``shape``."""
    x.set_shape(shape)
    return x


def sizes_of(x: Any) -> list[Any]:
    """The size along every axis: an integer where it is known, else a tensor."""
    found = tf.shape(x)
    return [found[i] if size is None else size for i, size in enumerate(x.shape.as_list())]

"""Functions that make functions of gradients: the older interface of eager execution.

tf.contrib.eager.gradients_function(f)(x)          [df/dx]
tf.contrib.eager.implicit_gradients(loss)(x)       [(dloss/dv, v)] for the variables it reads
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.eager.tape import GradientTape
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export, export_value
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Tensor
from flowgraph.ops.custom_gradient import custom_gradient
from flowgraph.ops.nest import map_structure
from flowgraph.ops.templates import make_template
from flowgraph.ops.variables import Variable

export_value(Variable, "contrib.eager.Variable")
export_value(custom_gradient, "contrib.eager.custom_gradient")
export_value(make_template, "contrib.eager.make_template")


@export("contrib.eager.implicit_value_and_gradients")
def implicit_value_and_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns what ``f`` returns and its gradients by the variables it reads.

    Args:
        f: returns a tensor (a loss).

    Returns:
        A function of the same arguments that returns ``(value, [(gradient, variable), ...])``.

    Raises:
        ValueError: f reads no trainable variable, or returns None (when called).

    >>> v = None
    >>> with tf.eager_mode():
    ...     v = tf.Variable(3.0)
    ...     y, pairs = tf.contrib.eager.implicit_value_and_gradients(lambda x: x * v * v)(2.0)
    ...     print(y.numpy(), [dv.numpy() for dv, _ in pairs])
    18.0 [12.0]
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with GradientTape() as tape:
            value = _value(f, args, kwargs)
        variables = list(tape.watched_variables())
        if not variables:
            raise ValueError("No trainable variables were accessed while the function was being "
                             "computed.")  # fmt: skip
        gradients = tape.gradient(value, variables)
        return value, list(zip(gradients, variables, strict=True))

    return decorated


@export("contrib.eager.implicit_gradients")
def implicit_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """As ``implicit_value_and_gradients``, but the function returns the pairs alone.

    Args:
        f: returns a tensor (a loss).
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return implicit_value_and_gradients(f)(*args, **kwargs)[1]

    return decorated


@export("contrib.eager.value_and_gradients_function")
def value_and_gradients_function(
    f: Callable[..., Any], params: Sequence[Any] | None = None
) -> Callable[..., Any]:
    """A function that returns what ``f`` returns and its gradients by its arguments.

    Args:
        f: a function of tensors.
        params: positions or names of the arguments to derive by; None for all.

    Returns:
        A function of the same arguments, and of ``dy`` (a gradient that enters; ones), that returns
        ``(value, [gradient, ...])``.

    Raises:
        ValueError: f returns None (when called), or ``params`` names no argument.

    >>> with tf.eager_mode():
    ...     product = tf.contrib.eager.value_and_gradients_function(lambda x, y: x * y)
    ...     y, (dx, dy) = product(2.0, 5.0)
    ...     print(y.numpy(), dx.numpy(), dy.numpy())
    10.0 5.0 2.0
    """
    places = _places(f, params)

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        dy = kwargs.pop("dy", None)
        if kwargs:
            raise ValueError(
                f"Functions to be differentiated cannot take keyword arguments: {kwargs}"
            )
        chosen = range(len(args)) if places is None else places
        given = list(args)
        for i in chosen:
            if not isinstance(given[i], Variable):
                given[i] = map_structure(convert_to_tensor, given[i])
        with GradientTape() as tape:
            for i in chosen:
                tape.watch(given[i])
            value = _value(f, given, {})
        return value, tape.gradient(value, [given[i] for i in chosen], output_gradients=dy)

    return decorated


@export("contrib.eager.gradients_function")
def gradients_function(
    f: Callable[..., Any], params: Sequence[Any] | None = None
) -> Callable[..., Any]:
    """As ``value_and_gradients_function``, but the function returns the gradients alone.

    Args:
        f: a function of tensors.   params: positions or names of arguments; None for all.

    >>> square = lambda x: x * x * x
    >>> first = lambda x: tf.contrib.eager.gradients_function(square)(x)[0]
    >>> with tf.eager_mode():
    ...     print(first(2.0).numpy(), tf.contrib.eager.gradients_function(first)(2.0)[0].numpy())
    12.0 12.0
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return value_and_gradients_function(f, params)(*args, **kwargs)[1]

    return decorated


@export("contrib.eager.make_vjp")
def make_vjp(f: Callable[..., Any], params: Sequence[Any] | None = None) -> Callable[..., Any]:
    """A function that returns what ``f`` returns and the function from dy to the gradients.

    Args:
        f: a function of tensors.   params: positions or names of arguments; None for all.
    """
    places = _places(f, params)

    @functools.wraps(f)
    def decorated(*args: Any) -> Any:
        chosen = range(len(args)) if places is None else places
        given = list(args)
        tape = GradientTape(persistent=True)
        for i in chosen:
            given[i] = map_structure(convert_to_tensor, given[i])
        with tape:
            for i in chosen:
                tape.watch(given[i])
            value = _value(f, given, {})

        def vjp(dy: Any = None) -> list[Any]:
            found: list[Any] = tape.gradient(value, [given[i] for i in chosen], dy)
            return found

        return value, vjp

    return decorated


def _value(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    value = f(*args, **kwargs)
    if value is None:
        raise ValueError(
            f"Cannot differentiate a function that returns None; did you forget to return a value "
            f"from {getattr(f, '__name__', f)}?"
        )
    return map_structure(
        lambda y: y if isinstance(y, (Tensor, Variable, IndexedSlices)) else convert_to_tensor(y),
        value,
    )


def _places(f: Callable[..., Any], params: Sequence[Any] | None) -> list[int] | None:
    if params is None:
        return None
    names = list(inspect.signature(f).parameters)
    for param in params:
        if isinstance(param, str) and param not in names:
            raise ValueError(f"{getattr(f, '__name__', f)} has no argument {param!r}: {names}")
    return [names.index(param) if isinstance(param, str) else int(param) for param in params]


@export("contrib.eager.num_gpus")
def num_gpus() -> int:
    """How many GPUs operations can run on at once: none."""
    return 0


@export("contrib.eager.list_devices")
def list_devices() -> list[str]:
    """The names of the devices."""
    return ["/job:localhost/replica:0/task:0/device:CPU:0"]

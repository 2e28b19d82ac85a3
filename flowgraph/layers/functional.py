"""From a layer class to the function that makes one and calls it: ``Dense`` -> ``tf.layers.dense``.

Read next: core.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.layers.base import Layer

_P = inspect.Parameter


def functional(
    name: str,
    cls: type[Layer],
    *,
    reuse: bool = True,
    of_call: dict[str, Any] | None = None,
    order: Sequence[str] = (),
) -> Callable[..., Any]:
    """Export ``tf.layers.<name>``: the arguments of ``cls`` behind ``inputs``.

    Args:
        name: of the function.
        cls: the class.
        reuse: whether the layer has variables, and so the argument ``reuse``.
        of_call: arguments of the call, with their defaults.
        order: names of all arguments behind ``inputs``, where they are in another order.
    """
    parameters = {
        p.name: p.replace(kind=_P.POSITIONAL_OR_KEYWORD)
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if p.kind is not _P.VAR_KEYWORD
    }
    extra = {"reuse": None} if reuse else {}
    for key, default in {**(of_call or {}), **extra}.items():
        parameters[key] = _P(key, _P.POSITIONAL_OR_KEYWORD, default=default)
    names = order or list(parameters)
    signature = inspect.Signature(
        [_P("inputs", _P.POSITIONAL_OR_KEYWORD), *(parameters[key] for key in names)]
    )

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"tf.layers.{name}: {error}") from None
        inputs = given.pop("inputs")
        in_call = {key: given.pop(key, default) for key, default in (of_call or {}).items()}
        shared = given.pop("reuse", None)
        layer = cls(**given, **({"_scope": given.get("name"), "_reuse": shared} if reuse else {}))
        return layer.apply(inputs, **in_call)

    function.__name__ = function.__qualname__ = name
    function.__module__ = cls.__module__
    function.__signature__ = signature  # type: ignore[attr-defined]
    more = "\n        reuse: take the variables of the layer of this name." if reuse else ""
    function.__doc__ = (
        f"Make a ``tf.layers.{cls.__name__}`` and call it.\n\n    Args:\n"
        f"        inputs: the input, a tensor.{more}\n        The others: as the class takes them, "
        f"or its call.\n\n    Returns:\n        The output, a tensor.\n\n    {cls.__doc__}"
    )
    return export(f"layers.{name}")(function)

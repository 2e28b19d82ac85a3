"""Functions in configs of layers: names that mean the same function again.

A config never holds code.  In the process that made it, ``double#1f0c...`` is found again (so
models with functions can be cloned); elsewhere the user says what ``double`` is.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from flowgraph.keras.utils.generic_utils import get_custom_objects

#: Functions that configs of this process name, by what stands behind the "#".
_NAMED: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


def name_of_function(function: Callable[..., Any]) -> str:
    """The name for a config."""
    name = getattr(function, "__name__", type(function).__name__)
    for token, known in _NAMED.items():
        if known is function:
            return f"{name}#{token}"
    token = secrets.token_hex(8)
    _NAMED[token] = function
    return f"{name}#{token}"


def function_of_name(
    name: Any, layer: str | None = None, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """The function that a config means.

    Args:
        name: what ``name_of_function`` gave; or the code that Keras writes, which is not run.
        layer: the name of the layer.
        custom_objects: name -> function.

    Raises:
        ValueError: it is not known.
    """
    text = name if isinstance(name, str) else "<lambda>"
    plain, _, token = text.partition("#")
    for place in (custom_objects or {}, get_custom_objects()):
        for key in (plain, layer or plain):
            if key in place:
                return place[key]
    if token in _NAMED:
        return _NAMED[token]
    wanted = plain if plain.isidentifier() else layer  # a lambda has no name of its own
    raise ValueError(
        f"layer {layer!r}: its function {plain!r} is not known here; files hold names and never "
        f"code: give custom_objects={{{wanted!r}: function}}"
    )

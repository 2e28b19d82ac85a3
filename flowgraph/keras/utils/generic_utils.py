"""Objects as plain data: names, or ``{"class_name": ..., "config": ...}``, and back.

Every module that users name things of (``activation="relu"``) has ``serialize``, ``deserialize``
and ``get``, which are made of the functions here.  A name is looked up first in ``custom_objects``,
then among the globally registered objects, then in the module.  Nothing else is ever called.

>>> with custom_object_scope({"double": lambda x: 2 * x}):
...     deserialize_keras_object("double", {}, printable_module_name="function")(4)
8
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.keras.utils.progress import Progbar

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "has_arg",
    "is_all_none",
    "object_list_uid",
    "serialize_keras_object",
    "slice_arrays",
    "to_list",
    "unpack_singleton",
]

_CUSTOM_OBJECTS: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The globally registered objects, by name; add to it to register one for good."""
    return _CUSTOM_OBJECTS


class CustomObjectScope:
    """Context in which names mean given objects too.

    Args:
        args: dicts of name -> object.

    After the context the registered objects are what they were before it.
    """

    def __init__(self, *args: Mapping[str, Any]) -> None:
        self.custom_objects = args
        self.backup: dict[str, Any] = {}

    def __enter__(self) -> CustomObjectScope:
        self.backup = dict(_CUSTOM_OBJECTS)
        for objects in self.custom_objects:
            _CUSTOM_OBJECTS.update(objects)
        return self

    def __exit__(self, *args: object) -> None:
        _CUSTOM_OBJECTS.clear()
        _CUSTOM_OBJECTS.update(self.backup)


def custom_object_scope(*args: Mapping[str, Any]) -> CustomObjectScope:
    """``with custom_object_scope({"MyLayer": MyLayer}):`` names mean these objects too.

    Args:
        args: dicts of name -> object.
    """
    return CustomObjectScope(*args)


def serialize_keras_object(instance: Any) -> Any:
    """The plain data of ``instance``.

    Args:
        instance: None; an object with ``get_config``; or a function or class.

    Returns:
        None; ``{"class_name": ..., "config": ...}``; or the name.

    Raises:
        ValueError: it is none of these.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise ValueError(
        f"cannot serialize {instance!r}: it has neither get_config() nor a __name__ to find it by"
    )


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that ``identifier`` describes.

    Args:
        identifier: ``{"class_name": ..., "config": ...}``, or the name of a function or class.
        module_objects: name -> object, looked at last.
        custom_objects: name -> object, looked at first, also for what the config describes.
        printable_module_name: what is looked for ("loss function"), for messages.

    Returns:
        For a dict the object made from the config; for a name what has that name.

    Raises:
        ValueError: nothing has that name, or ``identifier`` is neither form.
    """
    places = (custom_objects or {}, _CUSTOM_OBJECTS, module_objects or {})
    if isinstance(identifier, str):
        return _found(identifier, places, printable_module_name)
    if not isinstance(identifier, Mapping):
        raise ValueError(f"cannot interpret {identifier!r} as a serialized {printable_module_name}")
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(
            f"a serialized {printable_module_name} has 'class_name' and 'config'; "
            f"this one has {sorted(identifier)}"
        )
    cls, config = identifier["class_name"], identifier["config"]
    if isinstance(cls, str):
        cls = _found(cls, places, printable_module_name)
    with CustomObjectScope(custom_objects or {}):
        if not hasattr(cls, "from_config"):
            return cls(**config)
        if has_arg(cls.from_config, "custom_objects"):
            return cls.from_config(config, custom_objects={**_CUSTOM_OBJECTS})
        return cls.from_config(config)


def _found(name: str, places: tuple[Mapping[str, Any], ...], kind: str) -> Any:
    for place in places:
        value = None if name.startswith("_") and place is places[-1] else place.get(name)
        if callable(value):
            return value
    known = [n for place in places for n in place if not n.startswith("_") and callable(place[n])]
    raise ValueError(
        f"Unknown {kind}: {name!r}{did_you_mean(name, known)} "
        f"(name objects of your own with custom_objects={{{name!r}: ...}})"
    )


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether ``fn`` takes an argument by that name.

    Args:
        fn: any callable.
        name: of the argument.
        accept_all: what the answer is for a function with ``**kwargs``.
    """
    parameters = inspect.signature(fn).parameters
    if accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return True
    found = parameters.get(name)
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """``x`` if it is a list, else ``[x]``; with ``allow_tuple`` a tuple becomes a list, too."""
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The only element of a sequence of one, else ``x``."""
    return x[0] if len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A string that is the same for the same objects in the same order."""
    return ", ".join(str(id(item)) for item in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether the element, or all elements of a list or tuple, are None."""
    return all(item is None for item in to_list(iterable_or_element, allow_tuple=True))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """The same rows of every array.

    Args:
        arrays: an array, or a list of them; None and elements None stay.
        start: the first row, or a list or array of row numbers.
        stop: the row behind the last.
    """
    if arrays is None:
        return [None]
    rows = start if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if x is None else x[rows] for x in arrays]
    return arrays[rows]

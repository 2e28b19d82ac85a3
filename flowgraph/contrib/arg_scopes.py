"""arg_scope: default arguments of functions, for the calls inside a block.

    with arg_scope([conv2d, fully_connected], weights_regularizer=l2_regularizer(1e-4)):
        with arg_scope([conv2d], stride=2):
            conv2d(x, 32, 3)        # both

Read next: dense_layers.py, whose functions take such defaults.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from flowgraph.graph.export import export

F = TypeVar("F", bound=Callable[..., Any])

#: Function (by its key) -> default arguments.
Scope = Mapping[str, Mapping[str, Any]]


class _Open(threading.local):
    def __init__(self) -> None:
        self.scopes: list[dict[str, dict[str, Any]]] = [{}]


_open = _Open()
#: Functions that take defaults: key -> names of their arguments.
_known: dict[str, tuple[str, ...]] = {}


@export("contrib.framework.arg_scope_func_key", "contrib.slim.arg_scope_func_key")
def arg_scope_func_key(op: Callable[..., Any]) -> str:
    """By what a function is known in scopes.

    Args:
        op: the function.
    """
    return getattr(op, "_key_op", f"{op.__module__}.{op.__qualname__}")


def exported(*names: str) -> Callable[[F], F]:
    """Decorator: export under contrib.layers and contrib.slim, and let arg_scope set defaults."""
    paths = [f"{space}.{name}" for space in ("contrib.layers", "contrib.slim") for name in names]

    def publish(function: F) -> F:
        return export(*paths)(add_arg_scope(function))

    return publish


@export("contrib.framework.add_arg_scope", "contrib.slim.add_arg_scope")
def add_arg_scope(func: F) -> F:
    """Decorator: let arg_scope set default arguments of a function.

    Args:
        func: the function.
    """
    key = arg_scope_func_key(func)

    @functools.wraps(func)
    def with_defaults(*args: Any, **kwargs: Any) -> Any:
        defaults = _open.scopes[-1].get(key)
        if defaults:
            kwargs = {**defaults, **kwargs}
            given = _known[key][: len(args)]
            kwargs = {name: value for name, value in kwargs.items() if name not in given}
        return func(*args, **kwargs)

    parameters = inspect.signature(func).parameters.values()
    _known[key] = tuple(p.name for p in parameters)
    with_defaults._key_op = key  # type: ignore[attr-defined]
    return cast("F", with_defaults)


@export("contrib.framework.has_arg_scope", "contrib.slim.has_arg_scope")
def has_arg_scope(func: Callable[..., Any]) -> bool:
    """Whether arg_scope can set default arguments of a function.

    Args:
        func: the function.
    """
    return arg_scope_func_key(func) in _known


@export("contrib.framework.arg_scoped_arguments", "contrib.slim.arg_scoped_arguments")
def arg_scoped_arguments(func: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the arguments that arg_scope can set.

    Args:
        func: the function.

    Raises:
        ValueError: none can be set.
    """
    if not has_arg_scope(func):
        raise ValueError(f"{func!r} takes no defaults: decorate it with add_arg_scope")
    return _known[arg_scope_func_key(func)]


@export("contrib.framework.current_arg_scope", "contrib.slim.current_arg_scope")
def current_arg_scope() -> dict[str, dict[str, Any]]:
    """The defaults of this place, which arg_scope takes back elsewhere."""
    return _open.scopes[-1]


@export("contrib.framework.arg_scope", "contrib.slim.arg_scope")
@contextmanager
def arg_scope(
    list_ops_or_scope: Sequence[Callable[..., Any]] | Scope, **kwargs: Any
) -> Iterator[dict[str, dict[str, Any]]]:
    """Set default arguments of functions for the calls inside.

    Args:
        list_ops_or_scope: functions, each decorated with add_arg_scope; or a scope that another
            ``arg_scope`` gave, to be entered again.
        kwargs: the defaults; they join those of the surrounding blocks.

    Raises:
        ValueError: a function takes no defaults, or a scope is given together with defaults.
        TypeError: neither functions nor a scope.
    """
    if isinstance(list_ops_or_scope, Mapping):
        if kwargs:
            raise ValueError("arg_scope: a scope that is entered again takes no further defaults")
        scope = {key: dict(defaults) for key, defaults in list_ops_or_scope.items()}
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = {key: dict(defaults) for key, defaults in _open.scopes[-1].items()}
        for function in list_ops_or_scope:
            if not has_arg_scope(function):
                raise ValueError(f"{function!r} takes no defaults: decorate it with add_arg_scope")
            key = arg_scope_func_key(function)
            scope[key] = {**scope.get(key, {}), **kwargs}
    else:
        raise TypeError("arg_scope takes a list of functions, or a scope")
    _open.scopes.append(scope)
    try:
        yield scope
    finally:
        _open.scopes.pop()

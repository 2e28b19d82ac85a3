"""Python's cyclic garbage collector, paused while graphs are taken apart.

Compiling makes many small objects that all live to its end; collections in between look at every
one of them again and again and free nothing (a third of the time on large graphs).
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def without_collector(function: Function) -> Function:
    """``function`` with the collector off while it runs; as it was, afterwards."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return wrapper  # type: ignore[return-value]

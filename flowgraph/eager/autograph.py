"""AutoGraph, second half: what rewritten statements do when they run; tf.autograph.

Each asks whether its condition is a tensor of a graph being built.  If so, the statement becomes a
branch or loop of the graph; else it is Python's.  Of variables that a branch or loop assigns, those
that hold tensors and numbers become tensors; others must be the same object on both ways.

Read next: autograph_rewrite.py.
"""

from __future__ import annotations

import builtins
import contextlib
import enum
import functools
import inspect
import os
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import bool_, float32, int32
from flowgraph.eager.autograph_rewrite import CannotConvertError, rewritten, source_of
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.conditionals import cond
from flowgraph.ops.host import Assert
from flowgraph.ops.loops import while_loop
from flowgraph.ops.nest import flatten, is_nested, pack_sequence_as
from flowgraph.ops.printing import print_
from flowgraph.ops.sequences import range as tensor_range
from flowgraph.ops.variables import Variable

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Undefined:
    """Stands for a variable that has no value yet; looking at it is an error."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __repr__(self) -> str:
        return f"<{object.__getattribute__(self, 'name')} has no value yet>"

    def _fail(self, *args: Any) -> Any:
        name = object.__getattribute__(self, "name")
        raise UnboundLocalError(f"{name!r} is used before it has a value")

    __getattr__ = __call__ = __bool__ = __iter__ = __getitem__ = __len__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _fail


def now(read: Callable[[], Any], name: str) -> Any:
    """The value of a variable, or Undefined."""
    try:
        return read()
    except NameError:
        return Undefined(name)


def _is_symbolic(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.graph.executes


# ------------------------------------------------------------------------ variables of a statement

_NUMBERS = (Tensor, Variable, int, float, complex, bool, np.ndarray, np.generic)


def _is_numeric(value: Any) -> bool:
    """True for what becomes a tensor: tensors, numbers, arrays, and nests of them."""
    if is_nested(value):
        return all(isinstance(leaf, _NUMBERS) for leaf in flatten(value)) and bool(flatten(value))
    return isinstance(value, _NUMBERS)


def _tensors(value: Any) -> list[Tensor]:
    return [call.Identity(convert_to_tensor(leaf)) for leaf in flatten(value)]


# ---------------------------------------------------------------------------------------- branches


def if_stmt(
    test: Any,
    then: Callable[..., tuple[Any, ...]],
    other: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    names: tuple[str, ...],
) -> tuple[Any, ...]:
    """``if``: the variables it assigns, afterwards."""
    if not _is_symbolic(test):
        return then(*state) if test else other(*state)
    first: list[Any] = []
    second: list[Any] = []

    def branch(function: Callable[..., Any], results: list[Any]) -> Callable[[], list[Tensor]]:
        def run() -> list[Tensor]:
            results.extend(function(*state))
            if results is second:
                _check_both(names, first, second)
            found = [
                tensor
                for i, value in enumerate(results)
                if _is_numeric(value) and not (second and not _is_numeric(first[i]))
                for tensor in _tensors(value)
            ]
            return [*found, convert_to_tensor(True)]

        return run

    tensors = iter(cond(test, branch(then, first), branch(other, second), strict=True))
    merged: list[Any] = []
    for one, two in zip(first, second, strict=True):
        if _is_numeric(one) and _is_numeric(two):
            merged.append(pack_sequence_as(one, [next(tensors) for _ in flatten(one)]))
        else:
            merged.append(one)
    return tuple(merged)


def _check_both(names: Sequence[str], first: list[Any], second: list[Any]) -> None:
    for name, one, two in zip(names, first, second, strict=True):
        if _is_numeric(one) and _is_numeric(two):
            continue
        if one is two or (isinstance(one, Undefined) and isinstance(two, Undefined)):
            continue
        lacking = one if isinstance(one, Undefined) else two
        if isinstance(lacking, Undefined):
            raise ValueError(
                f"{name!r} must get a value in both branches of an `if` on a tensor, or before it"
            )
        raise TypeError(
            f"{name!r} is {one!r} after one branch of an `if` on a tensor and {two!r} after the "
            "other; only tensors and numbers can differ"
        )


def if_return(
    test: Any,
    then: Callable[..., Any],
    other: Callable[..., Any],
    state: tuple[Any, ...],
) -> Any:
    """``if`` of which both branches return: what is returned."""
    if not _is_symbolic(test):
        return then(*state) if test else other(*state)
    structure: list[Any] = []

    def branch(function: Callable[..., Any]) -> Callable[[], list[Tensor]]:
        def run() -> list[Tensor]:
            value = function(*state)
            structure.append(value)
            return [*([] if value is None else _tensors(value)), convert_to_tensor(True)]

        return run

    tensors = cond(test, branch(then), branch(other), strict=True)
    first = structure[0]
    return None if first is None else pack_sequence_as(first, tensors[:-1])


def if_expression(test: Any, then: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """``then() if test else other()``."""
    if not _is_symbolic(test):
        return then() if test else other()
    return if_return(test, then, other, ())


# ------------------------------------------------------------------------------------------- loops


def while_stmt(
    test: Callable[..., Any],
    body: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    names: tuple[str, ...],
) -> tuple[Any, ...]:
    """``while``: the variables it assigns, afterwards."""
    while True:
        holds = test(*state)
        if _is_symbolic(holds):
            return _loop(test, body, state, names, ())[1]
        if not holds:
            return state
        state = body(*state)


def for_stmt(
    items: Any,
    test: Callable[..., Any],
    body: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    names: tuple[str, ...],
) -> tuple[Any, ...]:
    """``for``: the variables it assigns, afterwards."""
    if isinstance(items, Variable):
        items = items.value()
    if not _is_symbolic(items):
        for item in items:
            holds = test(*state)
            if _is_symbolic(holds):
                state = if_stmt(holds, functools.partial(body, item), _unchanged, state, names)
            elif not holds:
                break
            else:
                state = body(item, *state)
        return state
    if items.op.type == "Range":
        start, limit, delta = items.op.inputs
        return _counting(start, limit, delta, test, body, state, names)
    count = call.GatherV2(call.Shape(items), 0, 0)

    def goes_on(i: Any, *now_: Any) -> Any:
        return and_(i < count, lambda: test(*now_))

    def one(i: Any, *now_: Any) -> tuple[Any, ...]:
        return (i + 1, *body(call.GatherV2(items, i, 0), *now_))

    zero = call.Const(value=np.array(0, np.int32), dtype=int32)
    return _loop(goes_on, one, state, names, (zero,))[1]


def _counting(
    start: Tensor,
    limit: Tensor,
    delta: Tensor,
    test: Callable[..., Any],
    body: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    names: tuple[str, ...],
) -> tuple[Any, ...]:
    """``for`` over tf.range, which need not be made."""
    step = constant_value(delta)

    def goes_on(i: Any, *now_: Any) -> Any:
        if step is None:
            inside = call.Select(delta > 0, i < limit, i > limit)
        else:
            inside = i < limit if step > 0 else i > limit
        return and_(inside, lambda: test(*now_))

    def one(i: Any, *now_: Any) -> tuple[Any, ...]:
        return (i + delta, *body(i, *now_))

    return _loop(goes_on, one, state, names, (start,))[1]


def _unchanged(*state: Any) -> tuple[Any, ...]:
    return state


def _loop(
    test: Callable[..., Any],
    body: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    names: tuple[str, ...],
    extra: tuple[Tensor, ...],
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A loop of the graph over ``extra`` and the numeric variables of ``state``."""
    carried = [i for i, value in enumerate(state) if _is_numeric(value)]
    starts = [pack_sequence_as(state[i], [convert_to_tensor(x) for x in flatten(state[i])])
              for i in carried]  # fmt: skip
    made: set[int] = set()

    def full(values: Sequence[Any]) -> tuple[Any, ...]:
        given = list(state)
        for i, value in zip(carried, values, strict=True):
            given[i] = value
        return tuple(given)

    def asks(*values: Any) -> Any:
        holds = test(*values[: len(extra)], *full(values[len(extra) :]))
        return convert_to_tensor(holds, bool_)

    def does(*values: Any) -> tuple[Any, ...]:
        results = body(*values[: len(extra)], *full(values[len(extra) :]))
        after = results[len(extra) :]
        for i, (before, value) in enumerate(zip(state, after, strict=True)):
            if i in carried:
                continue
            if isinstance(before, Undefined):
                made.add(i)  # of the body alone
            elif value is not before:
                raise TypeError(
                    f"{names[i]!r} is {before!r} before a loop on tensors and {value!r} after an "
                    "iteration; only tensors and numbers can change"
                )
        return (*results[: len(extra)], *(after[i] for i in carried))

    results = while_loop(asks, does, (*extra, *starts), return_same_structure=True)
    after = list(full(results[len(extra) :]))
    for i in made:
        after[i] = Undefined(names[i])
    return tuple(results[: len(extra)]), tuple(after)


# ------------------------------------------------------------------------------------- expressions


def and_(first: Any, second: Callable[[], Any]) -> Any:
    """``first and second()``."""
    if not _is_symbolic(first):
        return first and second()
    return call.LogicalAnd(first, convert_to_tensor(second(), bool_))


def or_(first: Any, second: Callable[[], Any]) -> Any:
    """``first or second()``."""
    if not _is_symbolic(first):
        return first or second()
    return call.LogicalOr(first, convert_to_tensor(second(), bool_))


def not_(value: Any) -> Any:
    """``not value``."""
    return call.LogicalNot(value) if _is_symbolic(value) else not value


def assert_stmt(test: Any, message: Callable[[], Any]) -> None:
    """``assert test, message()``."""
    if _is_symbolic(test):
        Assert(test, [message()])
    else:
        assert test, message()


def _range(*args: Any) -> Any:
    if any(map(_is_symbolic, args)):
        return tensor_range(*args)
    return builtins.range(*args)


def _len(value: Any) -> Any:
    if not _is_symbolic(value):
        return len(value)
    size = value.dims[0] if value.dims else None
    return call.GatherV2(call.Shape(value), 0, 0) if size is None else size


def _print(*args: Any, **kwargs: Any) -> None:
    if any(map(_is_symbolic, args)):
        print_(*args)
    else:
        builtins.print(*args, **kwargs)


def _number(kind: Any, dtype: Any) -> Callable[..., Any]:
    def converted_(value: Any = 0, *args: Any) -> Any:
        return call.Cast(value, DstT=dtype) if _is_symbolic(value) else kind(value, *args)

    return converted_


_BUILTINS: dict[Any, Any] = {
    builtins.range: _range,
    builtins.len: _len,
    builtins.print: _print,
    builtins.int: _number(int, int32),
    builtins.float: _number(float, float32),
}

# ------------------------------------------------------------------------------------- conversion

#: Function -> the rewritten one, or False.
_done: weakref.WeakKeyDictionary[types.FunctionType, Any] = weakref.WeakKeyDictionary()
#: Attribute of functions that are left to Python.
_LEFT = "_autograph_left_alone"


def _is_users(function: Any) -> bool:
    """True for functions of the user's own files."""
    file = function.__code__.co_filename
    if file.startswith(_PACKAGE) or "site-packages" in file or "dist-packages" in file:
        return False
    module = (function.__module__ or "").partition(".")[0]
    return module not in sys.stdlib_module_names


def converted(function: Any) -> Any:
    """What is called instead of ``function`` in rewritten code."""
    try:
        known = _BUILTINS.get(function)
    except TypeError:
        return function
    if known is not None:
        return known
    if isinstance(function, types.MethodType):
        inner = converted(function.__func__)
        return (
            function if inner is function.__func__ else types.MethodType(inner, function.__self__)
        )
    if not isinstance(function, types.FunctionType) or getattr(function, _LEFT, False):
        return function
    found = _done.get(function)
    if found is None:
        found = False
        if _is_users(function):
            with contextlib.suppress(CannotConvertError):
                found = rewritten(function, sys.modules[__name__])
                setattr(found, _LEFT, True)
        _done[function] = found
    return found or function


@export("autograph.to_graph")
def to_graph(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    experimental_optional_features: Any = None,
    experimental_strip_decorators: Any = None,
    experimental_verbose: Any = None,
    experimental_partial_types: Any = None,
) -> Any:
    """``entity`` with Python's ``if``, ``while`` and ``for`` on tensors made branches and loops.

    Args:
        entity: a Python function, whose source can be read.
        recursive: accepted; functions that it calls are converted, too.
        arg_values, arg_types, experimental_optional_features, experimental_strip_decorators,
            experimental_verbose, experimental_partial_types: accepted.

    Raises:
        ValueError: it cannot be converted.

    Source: tf.autograph.to_graph (TensorFlow 1.15).
    """
    function = entity.__func__ if isinstance(entity, types.MethodType) else entity
    if not isinstance(function, types.FunctionType):
        raise ValueError(f"to_graph takes a Python function, got {entity!r}")
    try:
        made = rewritten(function, sys.modules[__name__])
    except CannotConvertError as error:
        raise ValueError(f"{function.__name__} cannot be converted: {error}") from None
    if isinstance(entity, types.MethodType):
        return types.MethodType(made, entity.__self__)
    return made


@export("autograph.to_code")
def to_code(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    indentation: str = "  ",
    experimental_optional_features: Any = None,
    experimental_partial_types: Any = None,
) -> str:
    """The source of what ``to_graph`` makes.

    Args:
        entity: a Python function.
        recursive, arg_values, arg_types, indentation, experimental_optional_features,
            experimental_partial_types: accepted.

    Raises:
        ValueError: it cannot be converted.
    """
    try:
        return source_of(inspect.unwrap(entity))
    except CannotConvertError as error:
        raise ValueError(f"{entity!r} cannot be converted: {error}") from None


@export("autograph.experimental.do_not_convert")
def do_not_convert(func: Any = None, run_as: Any = None, return_dtypes: Any = None) -> Any:
    """Decorator: leave a function to Python.

    Args:
        func: the function.
        run_as, return_dtypes: accepted.
    """
    if func is None:
        return do_not_convert
    setattr(func, _LEFT, True)
    return func


@export("autograph.experimental.set_loop_options")
def set_loop_options(
    parallel_iterations: Any = None,
    swap_memory: Any = None,
    maximum_iterations: Any = None,
    shape_invariants: Any = None,
) -> None:
    """Accepted at the start of a loop.

    Args:
        parallel_iterations, swap_memory, maximum_iterations, shape_invariants: accepted.
    """


@export("autograph.set_verbosity")
def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Accepted: conversion tells nothing.

    Args:
        level: 0 to 10.   alsologtostdout: accepted.
    """


@export("autograph.trace")
def trace(*args: Any) -> None:
    """Print values while tracing.

    Args:
        args: anything.
    """
    builtins.print(*args)


@export("autograph.experimental.Feature")
class Feature(enum.Enum):
    """Names of optional parts of the conversion; all are accepted."""

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

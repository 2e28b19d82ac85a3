"""Operations that leave the native plan: Assert, Python functions, the time of day.

They run in program order among themselves (effect ``host``), on arrays.

Read next: printing.py, checks.py (assert_equal and its kin).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.apply import apply_op
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    CHECK,
    HOST,
    REQUIRED,
    Attr,
    Call,
    Custom,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, require_rank, scalar_shape
from flowgraph.ops.texts import filled, listed_text
from flowgraph.shapes import Dims

# ----------------------------------------------------------------------------------------- assert


def _assert_reference(call_: Call, condition: Any, *data: Any) -> tuple[()]:
    if not condition:
        raise invalid("assertion failed: " + listed_text(data, call_.attrs["summarize"], " "))
    return ()


def _assert_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "condition")
    return []


define(
    "Assert",
    "condition: bool, data: [T] ->",
    T=Attr("list(type)", REQUIRED),
    summarize=3,
    infer=_assert_infer,
    grad=not_differentiable("it has no outputs"),
    reference=_assert_reference,
    samples=(sample(np.array(True), [f32(2)]),),
    errors=(
        error_sample(ValueError, "condition must be a scalar", np.array([True]), [f32(2)]),
        error_sample(Exception, r"assertion failed: \[1 2 3\.\.\.\] \[7\]",
                     np.array(False), [i32([1, 2, 3, 4]), i32(7)], stage="run"),
    ),
    kernel=Custom("assert", reads=(0,)),
    effect=CHECK,
    doc="Fails when the condition is False, showing ``data``.",
)  # fmt: skip


@export("Assert", "debugging.Assert")
def Assert(
    condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None
) -> Any:
    """An operation that fails when ``condition`` is False.

    It must be run: fetch it, or make something depend on it with tf.control_dependencies.

    Args:
        condition: a bool scalar.
        data: a list of tensors to show in the error.
        summarize: how many elements of each to show; 3 by default, all when negative.
        name: of the operation; ``Assert`` by default.

    Returns:
        An Operation.

    Raises:
        InvalidArgumentError: the condition is False (when run).
    """
    with name_scope(name, "Assert", [condition, *data]):
        return apply_op("Assert", condition, list(data), summarize=summarize)


# ---------------------------------------------------------------------------------------- py_func

_tokens = itertools.count()


def _given_to_python(array: np.ndarray[Any, Any]) -> Any:
    """An array the function may keep and change; scalars as NumPy scalars (bytes for strings)."""
    return array[()] if array.ndim == 0 else array.copy()


def _taken_from_python(value: Any, dtype: DType, i: int, name: str) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.dtype.kind in "SUO":
        flat = [v.encode() if isinstance(v, str) else v for v in array.reshape(-1)]
        array = filled(flat, array.shape)
        found = "string"
    else:
        found = as_dtype(array.dtype).name
    if found != dtype.name:
        raise invalid(
            f"value {i} returned by {name} is {found}, Tout says {dtype.name}; return "
            f"np.asarray(value, np.{dtype.name})"
        )
    return array


def _call_python(call_: Call, *arrays: Any) -> Any:
    function = call_.attrs.get("_function")
    dtypes = call_.attrs["Tout"]
    if function is None:
        raise invalid(f"the Python function {call_.attrs['token']!r} is not in this process")
    returned = function(*(_given_to_python(array) for array in arrays))
    if returned is None:
        values: Sequence[Any] = ()
    else:
        values = returned if isinstance(returned, (list, tuple)) else (returned,)
    name = getattr(function, "__name__", repr(function))
    if len(values) != len(dtypes):
        raise invalid(f"{name} returns {len(values)} values, Tout lists {len(dtypes)}")
    return tuple(
        _taken_from_python(value, dtype, i, name)
        for i, (value, dtype) in enumerate(zip(values, dtypes, strict=True))
    )


def _double(x: Any) -> Any:
    return x * np.asarray(2, x.dtype)


for _type, _effect in (("PyFunc", HOST), ("PyFuncStateless", "")):
    define(
        _type,
        "input: [Tin] -> output: [Tout]",
        token="",
        Tin=Attr("list(type)", REQUIRED),
        Tout=Attr("list(type)", REQUIRED),
        infer=lambda call_: [None] * len(call_.attrs["Tout"]),
        grad=not_differentiable("a Python function has no known derivative"),
        reference=_call_python,
        samples=(
            sample([f32(2, 3)], Tout=["float32"], _function=_double),
            sample([f32(2), i32(4)], Tout=["int32"], _function=lambda x, n: _double(n)),
        ),
        errors=(
            error_sample(Exception, "is float64, Tout says int32", [f32(2)], stage="run",
                         Tout=["int32"], _function=lambda x: 1.5),
            error_sample(Exception, "returns 2 values, Tout lists 1", [f32(2)], stage="run",
                         Tout=["int32"], _function=lambda x: (1, 2)),
        ),
        effect=_effect,
        doc="The values that a Python function returns for the inputs.",
    )  # fmt: skip


@export("py_func")
def py_func(
    func: Callable[..., Any],
    inp: Sequence[Any],
    Tout: Any,
    stateful: bool = True,
    name: str | None = None,
) -> Any:
    """What the Python function ``func`` returns for the values of ``inp``.

    Args:
        func: takes one NumPy array for each input (NumPy scalars for scalars) and returns as many
            arrays as ``Tout`` lists: one, a list, or None for none.
        inp: a list of tensors.
        Tout: the dtype returned, or a list of them.
        stateful: False promises that the result depends on the inputs alone, so that it may be
            computed once for equal ones.
        name: of the operation; ``PyFunc`` (``PyFuncStateless``) by default.

    Returns:
        A tensor of unknown shape, or a list of them when ``Tout`` is a list; the Operation when it
        is empty.

    Raises:
        InvalidArgumentError: the function returns other dtypes or another number of values (when
            run).
        UnknownError: it raises (when run); ValueError and TypeError become InvalidArgumentError.

    Gradient: none, unless one is registered with tf.RegisterGradient and gradient_override_map.

    >>> y = tf.py_func(lambda x: x[::-1].copy(), [tf.constant([1, 2, 3])], tf.int32)
    >>> tf.Session().run(y)
    array([3, 2, 1], dtype=int32)
    """
    if not callable(func):
        raise ValueError(f"py_func: func must be callable, got {func!r}")
    is_list = isinstance(Tout, (list, tuple))
    dtypes = [as_dtype(dtype) for dtype in (Tout if is_list else [Tout])]
    result = apply_op(
        "PyFunc" if stateful else "PyFuncStateless", list(inp), Tout=dtypes,
        token=f"pyfunc_{next(_tokens)}", _function=func, name=name,
    )  # fmt: skip
    return result if is_list or not dtypes else result[0]


@export("numpy_function")
def numpy_function(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, name: str | None = None
) -> Any:
    """What the Python function ``func`` returns for the values of ``inp``: tf.py_func with state.

    Args:
        func: takes and returns NumPy arrays.
        inp: a list of tensors.
        Tout: the dtype returned, or a list of them.
        name: of the operation; ``PyFunc`` by default.

    Returns:
        As ``tf.py_func``.
    """
    return py_func(func, inp, Tout, stateful=True, name=name)


# ------------------------------------------------------------------------------------- py_function


class EagerValue(np.ndarray):
    """An array that a function given to tf.py_function gets: ``x.numpy()`` is the plain array."""

    def numpy(self) -> Any:
        """The plain array; a NumPy scalar (bytes for strings) at rank 0."""
        return np.asarray(self)[()] if self.ndim == 0 else np.array(self)


def _call_eagerly(call_: Call, *arrays: Any) -> Any:
    """Call the function in a graph of its own; tensors that it returns are computed there."""
    function, dtypes = call_.attrs.get("_function"), call_.attrs["Tout"]
    if function is None:
        raise invalid(f"the Python function {call_.attrs['token']!r} is not in this process")
    graph = Graph()
    with graph.as_default():
        returned = function(*(array.copy().view(EagerValue) for array in arrays))
        several = isinstance(returned, (list, tuple)) and not (
            len(dtypes) == 1 and call_.attrs.get("_single")
        )
        values = [] if returned is None else list(returned) if several else [returned]
        if any(isinstance(value, Tensor) for value in values):
            from flowgraph.session import Session

            with Session(graph=graph) as session:
                values = [session.run(v) if isinstance(v, Tensor) else v for v in values]
    name = getattr(function, "__name__", repr(function))
    if len(values) != len(dtypes):
        raise invalid(f"{name} returns {len(values)} values, Tout lists {len(dtypes)}")
    return tuple(
        _taken_from_python(value, dtype, i, name)
        if dtype.np.hasobject
        else np.asarray(value, dtype.np)
        for i, (value, dtype) in enumerate(zip(values, dtypes, strict=True))
    )


define(
    "EagerPyFunc",
    "input: [Tin] -> output: [Tout]",
    token="",
    is_async=False,
    Tin=Attr("list(type)", REQUIRED),
    Tout=Attr("list(type)", REQUIRED),
    infer=lambda call_: [None] * len(call_.attrs["Tout"]),
    grad=not_differentiable("a Python function has no known derivative"),
    reference=_call_eagerly,
    samples=(
        sample([f32(2, 3)], Tout=["float32"], _function=_double),
        sample([f32(2), i32(4)], Tout=["int32", "float32"], _function=lambda x, n: (n, x)),
    ),
    errors=(
        error_sample(Exception, "returns 2 values, Tout lists 1", [f32(2)], stage="run",
                     Tout=["int32"], _function=lambda x: (1, 2)),
    ),
    effect=HOST,
    doc="What a Python function that works on values, or builds a graph on them, returns.",
)  # fmt: skip


@export("py_function", "contrib.eager.py_func")
def py_function(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, name: str | None = None
) -> Any:
    """What the Python function ``func`` returns for the values of ``inp``.

    Differs from ``tf.py_func`` in what the function may do: it gets arrays with a ``numpy()``
    method, may use functions of this library on them, and its results are cast to ``Tout``.

    Args:
        func: takes one array for each input and returns as many arrays or tensors as ``Tout``
            lists: one, a list, or None for none.
        inp: a list of tensors.
        Tout: the dtype returned, or a list of them.
        name: of the operation; ``EagerPyFunc`` by default.

    Returns:
        A tensor of unknown shape, or a list of them when ``Tout`` is a list; the Operation when it
        is empty.

    Raises:
        InvalidArgumentError: the function returns another number of values (when run).
        UnknownError: it raises (when run); ValueError and TypeError become InvalidArgumentError.

    Gradient: of what is executed at once, through the function; else none, unless one is registered
    with tf.RegisterGradient and gradient_override_map.

    >>> y = tf.py_function(lambda x: tf.square(x) + 1, [tf.constant([1.0, 2.0])], tf.float32)
    >>> tf.Session().run(y)
    array([2., 5.], dtype=float32)
    """
    if not callable(func):
        raise ValueError(f"py_function: func must be callable, got {func!r}")
    is_list = isinstance(Tout, (list, tuple))
    dtypes = [as_dtype(dtype) for dtype in (Tout if is_list else [Tout])]
    graph = get_default_graph()
    if graph.executes:
        return graph.call_python(func, list(inp), dtypes, is_list)  # type: ignore[attr-defined]
    result = apply_op(
        "EagerPyFunc", list(inp), Tout=dtypes, token=f"pyfunc_{next(_tokens)}", _function=func,
        _single=not is_list, name=name,
    )  # fmt: skip
    return result if is_list or not dtypes else result[0]


# ------------------------------------------------------------------------------------------- time

define(
    "Timestamp",
    "-> ts: float64",
    infer=scalar_shape,
    grad=not_differentiable("it does not depend on anything"),
    reference=lambda call_: np.float64(time.time()),
    samples=(sample(),),
    effect=HOST,
    doc="The time of day.",
)


@export("timestamp")
def timestamp(name: str | None = None) -> Tensor:
    """The time at which it is computed: seconds since 1970-01-01 UTC.

    Args:
        name: of the operation; ``Timestamp`` by default.

    Returns:
        A float64 scalar.
    """
    return apply_op("Timestamp", name=name)

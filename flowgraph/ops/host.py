"""Operations that leave the native plan: Print, Assert, and Python functions.

They run in program order among themselves (effect ``host``), on arrays.

Read next: checks.py (assert_equal and its kin).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, DType, as_dtype
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.opdef import (
    HOST,
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, require_rank, same_shape
from flowgraph.shapes import Dims

# ----------------------------------------------------------------------------------- values as text


def _element(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _rows(array: np.ndarray[Any, Any], limit: int) -> str:
    if array.ndim == 1:
        shown = " ".join(_element(x) for x in array[:limit])
        return shown + ("..." if limit < len(array) else "")
    parts = []
    for row in array:
        if limit <= 0:
            break
        parts.append(f"[{_rows(row, limit)}]")
        limit -= row.size
    return "".join(parts)


def summarize(array: np.ndarray[Any, Any], limit: int) -> str:
    """``[[1 2][3...]...]``: the first ``limit`` elements (negative: all), as TensorFlow does.

    >>> summarize(np.array([[1, 2], [3, 4]]), 3), summarize(np.array(1.5), 3)
    ('[[1 2][3...]...]', '1.5')
    """
    if array.ndim == 0:
        return _element(array[()])
    limit = array.size if limit < 0 else limit
    cut = "..." if array.ndim > 1 and limit < array.size else ""
    return f"[{_rows(array, limit)}{cut}]"


def _listed(arrays: Sequence[Any], limit: int, between: str) -> str:
    texts = (summarize(np.asarray(a), limit) for a in arrays)
    return between.join(t if t.startswith("[") else f"[{t}]" for t in texts)


# ------------------------------------------------------------------------------------------ print


def _print_reference(call_: Call, x: Any, *data: Any) -> Any:
    attrs = call_.attrs
    times = attrs.get("_times")
    if attrs["first_n"] < 0 or times is None or next(times) < attrs["first_n"]:
        text = attrs["message"] + _listed(data, attrs["summarize"], "")
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    return x


define(
    "Print",
    "input: T, data: [U] -> output: T",
    T=dtypes_of(ALL),
    U=Attr("list(type)", REQUIRED),
    message="",
    first_n=-1,
    summarize=3,
    infer=same_shape,
    grad=lambda op, dy: (dy, *(None,) * (len(op.inputs) - 1)),
    reference=_print_reference,
    samples=(
        sample(f32(2, 3), [f32(2), i32([1, 2])], message="now: "),
        sample(f32(), [f32()]),
    ),
    effect=HOST,
    doc="``input``; prints ``data`` on the way.",
)


@export("Print")
def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """``input_``; whenever it is computed, ``data`` is printed to standard error.

    Args:
        input_: the tensor that is passed on.
        data: a list of tensors to print.
        message: printed in front of them.
        first_n: print only the first so many times; always by default.
        summarize: how many elements of each tensor to show; 3 by default, all when negative.
        name: of the operation; ``Print`` by default.

    Returns:
        A tensor equal to ``input_``.

    Gradient: dy.
    """
    return apply_op(
        "Print", input_, list(data), message=message, first_n=first_n, summarize=summarize,
        name=name, _times=itertools.count(),
    )  # fmt: skip


# ----------------------------------------------------------------------------------------- assert


def _assert_reference(call_: Call, condition: Any, *data: Any) -> tuple[()]:
    if not condition:
        raise invalid("assertion failed: " + _listed(data, call_.attrs["summarize"], " "))
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
    effect=HOST,
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
    return apply_op("Assert", condition, list(data), summarize=summarize, name=name)


# ---------------------------------------------------------------------------------------- py_func

_tokens = itertools.count()


def _given_to_python(array: np.ndarray[Any, Any]) -> Any:
    """An array the function may keep and change; scalars as NumPy scalars (bytes for strings)."""
    return array[()] if array.ndim == 0 else array.copy()


def _taken_from_python(value: Any, dtype: DType, i: int, name: str) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.dtype.kind in "SUO":
        flat = [v.encode() if isinstance(v, str) else v for v in array.reshape(-1)]
        texts = np.empty(len(flat), object)
        texts[:] = flat
        array = texts.reshape(array.shape)
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

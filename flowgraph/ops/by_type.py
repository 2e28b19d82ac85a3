"""tf.raw_ops: every operation under its type, with keyword arguments only.

Read next: graph/apply.py (what makes the operation), graph/opdef.py (the records).
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export_value
from flowgraph.graph.opdef import OPDEFS, REQUIRED, OpDef


class _RawOps:
    """``tf.raw_ops``: ``tf.raw_ops.MatMul(a=x, b=y, transpose_b=True)``.

    Every operation type is an attribute.  Inputs and attributes have the names of TensorFlow's op
    registry, and are given by name; attributes with a default may be left out.

    Returns:
        A tensor; for several outputs a named tuple of them; an Operation where there are none.

    Raises:
        AttributeError: there is no such type.
        TypeError: an argument is missing, unknown, or given without its name; a dtype does not fit.
        ValueError: shapes do not fit.

    >>> import flowgraph as tf
    >>> tf.raw_ops.Add(x=1.0, y=2.0)
    <tf.Tensor 'Add:0' shape=() dtype=float32>
    >>> tf.raw_ops.TopKV2(input=[1.0, 3.0], k=1).indices
    <tf.Tensor 'TopKV2:1' shape=(1,) dtype=int32>
    """

    def __getattr__(self, type: str) -> Callable[..., Any]:
        if type.startswith("_") or type not in OPDEFS:
            raise AttributeError(f"tf.raw_ops has no {type!r}{did_you_mean(type, list(OPDEFS))}")
        function = _function(OPDEFS[type])
        setattr(self, type, function)
        return function

    def __dir__(self) -> list[str]:
        return sorted(OPDEFS)


def _function(opdef: OpDef) -> Callable[..., Any]:
    inputs = [arg.name for arg in opdef.signature.inputs]
    attrs = opdef.signature.attrs
    outputs = [arg.name for arg in opdef.signature.outputs]
    made = namedtuple(opdef.type, outputs) if len(outputs) > 1 else None

    def function(**given: Any) -> Any:
        name = given.pop("name", None)
        missing = [arg for arg in inputs if arg not in given]
        if missing:
            raise TypeError(f"tf.raw_ops.{opdef.type}: {', '.join(missing)} is missing")
        for key in given:
            if key not in inputs and key not in attrs:
                known = [*inputs, *attrs]
                raise TypeError(
                    f"tf.raw_ops.{opdef.type} has no argument {key!r}{did_you_mean(key, known)}"
                )
        values = [given.pop(arg) for arg in inputs]
        results = apply_op(opdef.type, *values, name=name, **given)
        return results if made is None else made(*results)

    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(arg, by_name) for arg in inputs]
    parameters += [
        inspect.Parameter(key, by_name)
        if attr.default is REQUIRED
        else inspect.Parameter(key, by_name, default=attr.default)
        for key, attr in attrs.items()
        if key not in _inferred(opdef)
    ]
    parameters.append(inspect.Parameter("name", by_name, default=None))
    function.__name__ = function.__qualname__ = opdef.type
    function.__doc__ = opdef.doc
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def _inferred(opdef: OpDef) -> set[str]:
    """Attributes that the inputs tell: their dtypes and how many there are."""
    found = {arg.dtype_attr for arg in opdef.signature.inputs}
    return found | {arg.count_attr for arg in opdef.signature.inputs}


export_value(_RawOps(), "raw_ops")

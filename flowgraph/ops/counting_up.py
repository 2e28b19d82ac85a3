"""tf.count_up_to: an integer variable that counts to a limit.

Read next: state.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX
from flowgraph.errors import OutOfRangeError
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.default import control_dependencies, name_scope
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
from flowgraph.ops.rules import i32, require_rank
from flowgraph.shapes import Dims


def _below(call_: Call, ref: Any) -> Any:
    if ref >= call_.attrs["limit"]:
        raise OutOfRangeError(None, None, f"reached the limit of {call_.attrs['limit']}")
    return ref


def _scalar(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "ref")
    return [()]


define(
    "CountUpTo",
    "ref: Ref(T) -> output: T",
    limit=Attr("int", REQUIRED),
    T=dtypes_of(INDEX),
    infer=_scalar,
    grad=not_differentiable("it counts"),
    reference=_below,
    samples=(sample(i32(3), limit=4), sample(np.array(-1, np.int64), limit=0)),
    errors=(
        error_sample(ValueError, "must be a scalar", i32([3]), limit=4),
        error_sample(OutOfRangeError, "reached the limit of 4", i32(4), limit=4, stage="run"),
    ),
    effect=HOST,  # it must run, and fail, also where its value is not used
    doc="The variable's value, which must be below attr limit; adding 1 is another operation.",
)


@export("count_up_to")
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Any:
    """The value of an integer variable, to which 1 is added; an error when that is ``limit``.

    Args:
        ref: a scalar variable of int32 or int64.
        limit: the number at which to stop.
        name: of the operation; ``CountUpTo`` by default.

    Returns:
        The value before 1 was added.

    Raises:
        OutOfRangeError: when run, the variable is not below ``limit``; it is left alone.
        ValueError: the variable is no scalar.

    >>> v = tf.Variable(0)
    >>> count, session = tf.count_up_to(v, 3), tf.Session()
    >>> session.run(v.initializer)
    >>> [int(session.run(count)) for _ in range(3)]
    [0, 1, 2]
    """
    ref = getattr(ref, "_ref", lambda: ref)()
    with name_scope(name, "CountUpTo", [ref]) as scope:
        value = apply_op("CountUpTo", ref, limit=limit, name="value")
        with control_dependencies([value]):
            added = call.AssignAdd(ref, call.OnesLike(value))
        with control_dependencies([added]):
            return apply_op("Identity", value, name=scope)

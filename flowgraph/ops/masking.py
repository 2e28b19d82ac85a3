"""Results whose size depends on values: the places where a mask holds.

The plan of a run ends at such an operation and goes on when its size is known
(optimize/specialize.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import BOOL, NUMERIC
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, not_differentiable, sample
from flowgraph.ops.partitioning_loops import WHERE
from flowgraph.ops.rules import invalid
from flowgraph.shapes import Dims


def _where_shape(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    return [(None, None if dims is None else len(dims))]


def _where_reference(call_: Call, x: Any) -> Any:
    if x.ndim == 0:
        raise invalid("input must have at least one axis, and is a scalar")
    return np.argwhere(x).astype(np.int64)


define(
    "Where",
    "input: T -> index: int64",
    T=dtypes_of(NUMERIC | BOOL),
    infer=_where_shape,
    kernel=WHERE,
    grad=not_differentiable("its result are integers"),
    reference=_where_reference,
    samples=(
        sample(np.array([[True, False], [False, True], [True, True]])),
        sample(np.array([0.0, np.nan, 2.0], np.float32)),
        sample(np.zeros((2, 0), bool)),
        sample(np.array([False, False])),
    ),
    errors=(error_sample(Exception, "is a scalar", np.float32(3), stage="run"),),
    doc="The coordinates of the elements that are not zero, one row each, in row-major order.",
)

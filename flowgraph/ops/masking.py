"""Results whose size depends on values: the places where a mask holds.

The plan of a run ends at such an operation and goes on when its size is known
(optimize/specialize.py).
"""

from __future__ import annotations

import numpy as np

from flowgraph.dtypes import BOOL, NUMERIC
from flowgraph.graph.opdef import Call, define, dtypes_of, not_differentiable, sample
from flowgraph.shapes import Dims


def _where_shape(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    return [(None, None if dims is None else len(dims))]


define(
    "Where",
    "input: T -> index: int64",
    T=dtypes_of(NUMERIC | BOOL),
    infer=_where_shape,
    grad=not_differentiable("its result are integers"),
    reference=lambda call_, x: np.argwhere(x).reshape(-1, x.ndim).astype(np.int64),
    samples=(
        sample(np.array([[True, False], [False, True], [True, True]])),
        sample(np.array([0.0, np.nan, 2.0], np.float32)),
        sample(np.zeros((2, 0), bool)),
        sample(np.array([False, False])),
    ),
    doc="The coordinates of the elements that are not zero, one row each, in row-major order.",
)

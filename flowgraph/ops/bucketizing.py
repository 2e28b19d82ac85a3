"""Bucketize: in which of the intervals between some boundaries each number lies.

    boundaries 0, 10:   -3 -> 0    0 -> 1    9 -> 1    10 -> 2

Read next: searching.py (the same by search, for many boundaries).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Loops,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32
from flowgraph.shapes import Dims, ShapeError


def _infer(call_: Call) -> list[Dims]:
    boundaries = call_.attrs["boundaries"]
    if any(a > b for a, b in itertools.pairwise(boundaries)):
        raise ShapeError(f"boundaries must be sorted, got {list(boundaries)}")
    return [call_.shapes[0]]


def _kernel(s: Any, call_: Call, x: Any) -> Any:
    # NB: the number of boundaries at or below x; NaN is above all, as in a search from the right
    value = s.cast(x, "float64")
    bucket = s.cast(s.lt(value, value), "int32")
    for boundary in call_.attrs["boundaries"]:
        bucket = bucket + (1 - s.cast(s.lt(value, float(boundary)), "int32"))
    return bucket


def _reference(call_: Call, x: Any) -> Any:
    boundaries = np.array(call_.attrs["boundaries"], np.float64)
    found = np.searchsorted(boundaries, x.astype(np.float64), side="right")
    return np.asarray(found, np.int32)


define(
    "Bucketize",
    "input: T -> output: int32",
    T=dtypes_of(frozenset(("int32", "int64", "float32", "float64"))),
    boundaries=Attr("list(float)", REQUIRED),
    infer=_infer,
    kernel=Loops(_kernel),
    grad=not_differentiable("its result are numbers of buckets"),
    reference=_reference,
    samples=(
        sample(f32(3, 5), boundaries=[-0.5, 0.0, 0.25]),
        sample(np.array([-1, 0, 9, 10, np.nan, np.inf, -np.inf], np.float32),
               boundaries=[0.0, 10.0]),
        sample(f32(4).astype(np.float64), boundaries=[]),
        sample(i32([-3, 0, 5]), boundaries=[0.0, 5.0]),
        sample(f32(0, 2), boundaries=[1.0]),
        sample(f32(), boundaries=[0.0, 0.0]),
    ),
    errors=(error_sample(ValueError, "must be sorted", f32(2), boundaries=[1.0, 0.0]),),
    doc="How many of some sorted boundaries are not above each element.",
)  # fmt: skip

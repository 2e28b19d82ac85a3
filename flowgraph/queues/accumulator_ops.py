"""The operations of accumulators: gradients in, from any thread; their mean out, of enough of them.

    apply   adds a gradient, unless it is stale: its step is before that of the accumulator
    take    waits for so many, gives their mean (or sum), empties it and goes to the next step

Dense types are there with and without ``Resource``, as programs of different age have them.

Read next: accumulators.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.opdef import HOST, REQUIRED, Attr, Call, define, dtypes_of, error_sample
from flowgraph.ops.rules import f32, invalid, require_rank, scalar_shape
from flowgraph.queues.host_queue import shape_text
from flowgraph.queues.queue_ops import (
    NO_GRADIENT,
    absent,
    handle,
    resource,
    resource_name,
)
from flowgraph.runtime.state import current_state
from flowgraph.runtime.waiting import Waiter, give_way
from flowgraph.shapes import Dims, is_compatible


class Take(Waiter):
    """Somebody who wants the mean of ``count`` gradients."""

    __slots__ = ("count", "result")

    def __init__(self, count: int) -> None:
        super().__init__("TakeGrad operation")
        self.count, self.result = count, None


class HostAccumulator:
    """An accumulator of a session: what both kinds have in common.

    Args:
        name: its name in the session.   dtype, shape: of the gradients; shape may be unknown.
        mean: whether to divide by how many there are.
    """

    def __init__(self, name: str, dtype: DType, shape: Dims, mean: bool) -> None:
        self.name, self.dtype, self.shape, self.mean = name, dtype, shape, mean
        self.count, self.step = 0, 0
        self._taking: deque[Take] = deque()

    def __str__(self) -> str:
        return f"accumulator '{self.name}'"

    def close(self) -> None:
        """The session ends."""

    def apply(self, step: int, *gradient: Any) -> None:
        """Add a gradient, if it is not stale."""
        self._check(*gradient)
        if step >= self.step:
            self._add(*gradient)
            self.count += 1
            self._serve()

    def take(self, count: int) -> Any:
        """The mean of at least ``count`` gradients; waits for them."""
        if count <= 0:
            raise invalid(f"Argument num_required must be positive, but was {count}")
        give_way()
        taker = Take(count)
        self._taking.append(taker)
        self._serve()
        try:
            taker.wait()
        finally:
            if taker in self._taking:
                self._taking.remove(taker)
        return taker.result

    def _serve(self) -> None:
        while self._taking and (self._taking[0].done or self.count >= self._taking[0].count):
            taker = self._taking.popleft()
            if not taker.done:
                taker.result = self._result()
                self.count = 0
                self.step += 1
                taker.finish()

    def _check(self, *gradient: Any) -> None:
        raise NotImplementedError

    def _add(self, *gradient: Any) -> None:
        raise NotImplementedError

    def _result(self) -> Any:
        raise NotImplementedError


class DenseAccumulator(HostAccumulator):
    """Of tensors."""

    _sum: Any = None

    def _check(self, *gradient: Any) -> None:
        (array,) = gradient
        wanted = self._sum.shape if self.count else self.shape
        if not is_compatible(wanted, array.shape):
            raise invalid(
                f"Shape mismatch: expected {shape_text(wanted)}, got {shape_text(array.shape)}"
            )

    def _add(self, *gradient: Any) -> None:
        (array,) = gradient
        self._sum = self._sum + array if self.count else np.array(array)

    def _result(self) -> Any:
        total = self._sum
        return total / total.dtype.type(self.count) if self.mean else total


class SparseAccumulator(HostAccumulator):
    """Of slices: each row is divided by the number of gradients that have it."""

    _indices: Any = None
    _values: Any = None
    _counts: Any = None
    _rows_shape: tuple[int, ...] = ()

    def _check(self, *gradient: Any) -> None:
        indices, values, shape, has_known_shape = gradient
        if indices.ndim != 1:
            raise invalid(
                f"Input indices should be vector but received shape: {shape_text(indices.shape)}"
            )
        if values.ndim < 1 or len(values) != len(indices):
            found = len(values) if values.ndim else 0
            raise invalid(f"Expected {len(indices)} non-empty input values, got {found}")
        known: list[int | None] = list(self.shape) if self.shape is not None else []
        if has_known_shape:
            if shape.ndim != 1:
                raise invalid(f"Input shape should be vector, not {shape_text(shape.shape)}")
            if known and len(known) != len(shape):
                raise invalid(f"Shape mismatch: expected rank {len(known)}, got {len(shape)}")
            for axis, (a, b) in enumerate(zip(known, shape.tolist(), strict=False)):
                if a is not None and a >= 0 and b >= 0 and a != b:
                    raise invalid(f"Shape mismatch: expected shape dim {axis} to be {a}, got {b}")
            known = [int(b) for b in shape]
        if known and len(known) != values.ndim:
            raise invalid(f"Shape mismatch: expected values rank {len(known)}, got {values.ndim}")
        of_rows = known[1:]
        if self.count:
            of_rows = list(self._rows_shape)
            if len(of_rows) != values.ndim - 1:
                raise invalid(
                    f"Shape mismatch: expected values rank {len(of_rows) + 1}, got {values.ndim}"
                )
        for axis, (a, b) in enumerate(zip(of_rows, values.shape[1:], strict=False), 1):
            if a is not None and a >= 0 and a != b:
                raise invalid(f"Shape mismatch: expected values dim {axis} to be {a}, got {b}")
        limit = known[0] if known else None
        for place, index in enumerate(indices.tolist()):
            if index < 0 or (limit is not None and 0 <= limit <= index):
                raise invalid(
                    f"Shape mismatch: index of slice {place} exceeded limits of shape; index is "
                    f"{index} exceeded {limit}"
                )

    def _add(self, *gradient: Any) -> None:
        indices, values, shape, has_known_shape = gradient
        unique, place = np.unique(indices, return_inverse=True)
        if self.count == 0 and len(unique) == len(indices):  # as it came, in its order
            self._indices, self._values = indices.copy(), values.copy()
            self._counts = np.ones(len(indices), np.int64)
        else:
            summed = np.zeros((len(unique), *values.shape[1:]), values.dtype)
            np.add.at(summed, place.reshape(-1), values)
            if self.count == 0:
                self._indices, self._values = unique, summed
                self._counts = np.ones(len(unique), np.int64)
            else:
                self._merge(unique, summed)
        self._rows_shape = values.shape[1:]
        if has_known_shape:
            self._shape = np.array(shape, np.int64)
        elif self.shape is not None:
            self._shape = np.array([-1 if d is None else d for d in self.shape], np.int64)
        else:
            self._shape = np.array([-1, *values.shape[1:]], np.int64)

    def _merge(self, indices: Any, values: Any) -> None:
        both, place = np.unique(np.concatenate([self._indices, indices]), return_inverse=True)
        place = place.reshape(-1)
        summed = np.zeros((len(both), *values.shape[1:]), values.dtype)
        counts = np.zeros(len(both), np.int64)
        old = len(self._indices)
        np.add.at(summed, place[:old], self._values)
        np.add.at(summed, place[old:], values)
        np.add.at(counts, place[:old], self._counts)
        np.add.at(counts, place[old:], 1)
        self._indices, self._values, self._counts = both, summed, counts

    def _result(self) -> Any:
        values = self._values
        if self.mean:
            by = self._counts.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
            values = values / by
        return self._indices.astype(np.int64), values, self._shape


# --------------------------------------------------------------------------------- the operations

_REAL = dtypes_of(frozenset({"float16", "float32", "float64"}))
_MEAN, _SUM = "MEAN", "SUM"


def _maker(kind: type[HostAccumulator]) -> Callable[[Call], Any]:
    def make(call_: Call) -> Any:
        attrs, name = call_.attrs, resource_name(call_)
        resources = current_state().resources
        dims = attrs["shape"]
        dims = dims if dims is None else tuple(dims)
        found = resources.get(name)
        if found is None:
            resources[name] = kind(name, attrs["dtype"], dims, attrs["reduction_type"] == _MEAN)
        elif type(found) is not kind:
            raise invalid(f"Expected an accumulator, found {found}")
        elif (found.dtype, found.shape) != (attrs["dtype"], dims):
            raise invalid(
                f"Shared {found} has {found.dtype.name}{shape_text(found.shape)}, requested was "
                f"{attrs['dtype'].name}{shape_text(dims)}"
            )
        return handle(name)

    return make


def _applied(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 0, "local_step")
    return []


def _dense(given: Any) -> DenseAccumulator:
    return resource(given, DenseAccumulator, "Accumulator")


def _apply(call_: Call, given: Any, step: Any, gradient: Any) -> tuple[()]:
    _dense(given).apply(int(step), gradient)
    return ()


def _apply_sparse(
    call_: Call, given: Any, step: Any, indices: Any, values: Any, shape: Any
) -> tuple[()]:
    known = call_.attrs["has_known_shape"]
    found = resource(given, SparseAccumulator, "Accumulator")
    found.apply(int(step), indices, values, shape, known)
    return ()


def _set_step(call_: Call, given: Any, step: Any) -> tuple[()]:
    resource(given, HostAccumulator, "Accumulator").step = int(step)
    return ()


def _taken(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 0, "num_required")
    return [None] if "Sparse" not in call_.type else [(None,), None, (None,)]


_ACCUMULATOR: dict[str, Any] = {
    "shape": Attr("shape", REQUIRED), "container": "", "shared_name": "", "reduction_type": _MEAN,
}  # fmt: skip
_COMMON: dict[str, Any] = {"grad": NO_GRADIENT, "samples": (), "effect": HOST}
_STEP, _COUNT = np.array(0, np.int64), np.array(1, np.int32)
_ROW, _SIZES = np.array([1], np.int64), np.array([3, 2], np.int64)

for _r in ("", "Resource"):
    define(
        f"{_r}ConditionalAccumulator",
        "-> handle: string",
        dtype=_REAL,
        infer=scalar_shape,
        reference=_maker(DenseAccumulator),
        errors=(error_sample(TypeError, "dtype", dtype="int32", shape=[]),),
        doc="The handle of an accumulator of tensors.",
        **_ACCUMULATOR,
        **_COMMON,
    )
    define(
        f"{_r}AccumulatorApplyGradient",
        "handle: string, local_step: int64, gradient: dtype ->",
        dtype=_REAL,
        infer=_applied,
        reference=_apply,
        errors=(absent(_STEP, f32(2)),),
        doc="Adds a gradient to an accumulator, unless it is stale.",
        **_COMMON,
    )
    define(
        f"{_r}AccumulatorTakeGradient",
        "handle: string, num_required: int32 -> average: dtype",
        dtype=_REAL,
        infer=_taken,
        reference=lambda call_, given, count: _dense(given).take(int(count)),
        errors=(absent(_COUNT, dtype="float32"),),
        doc="The mean of the gradients of an accumulator, once there are enough of them.",
        **_COMMON,
    )
    define(
        f"{_r}AccumulatorNumAccumulated",
        "handle: string -> num_accumulated: int32",
        infer=scalar_shape,
        reference=lambda call_, given: np.array(
            resource(given, HostAccumulator, "Accumulator").count, np.int32
        ),
        errors=(absent(),),
        doc="How many gradients an accumulator holds.",
        **_COMMON,
    )
    define(
        f"{_r}AccumulatorSetGlobalStep",
        "handle: string, new_global_step: int64 ->",
        infer=_applied,
        reference=_set_step,
        errors=(absent(_STEP),),
        doc="Sets the step of an accumulator: gradients of earlier ones are stale.",
        **_COMMON,
    )

define(
    "SparseConditionalAccumulator",
    "-> handle: string",
    dtype=_REAL,
    infer=scalar_shape,
    reference=_maker(SparseAccumulator),
    errors=(error_sample(TypeError, "dtype", dtype="int32", shape=[]),),
    doc="The handle of an accumulator of slices.",
    **_ACCUMULATOR,
    **_COMMON,
)
define(
    "SparseAccumulatorApplyGradient",
    "handle: string, local_step: int64, gradient_indices: int64, gradient_values: dtype, "
    "gradient_shape: int64 ->",
    dtype=_REAL,
    has_known_shape=Attr("bool", REQUIRED),
    infer=_applied,
    reference=_apply_sparse,
    errors=(absent(_STEP, _ROW, f32(1, 2), _SIZES, has_known_shape=True),),
    doc="Adds slices to an accumulator, unless they are stale.",
    **_COMMON,
)
define(
    "SparseAccumulatorTakeGradient",
    "handle: string, num_required: int32 -> indices: int64, values: dtype, shape: int64",
    dtype=_REAL,
    infer=_taken,
    reference=lambda call_, given, count: resource(given, SparseAccumulator, "Accumulator").take(
        int(count)
    ),
    errors=(absent(_COUNT, dtype="float32"),),
    doc="The mean of the slices of an accumulator, once there are enough of them.",
    **_COMMON,
)

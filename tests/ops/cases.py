"""Op records -> graphs to test: one op applied to the inputs of one of its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import COMPLEX, as_dtype
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS, ErrorSample, OpDef, Sample

#: Ops whose value comes from outside: nothing to evaluate.
SOURCES = frozenset(("Arg", "If", "Placeholder", "VariableV2", "While"))

#: float16 is too narrow for some samples: they are compared where values are finite.
FLOATS = ("float32", "float64", "float16")


def records() -> list[OpDef]:
    """All op records, by type."""
    return [OPDEFS[type] for type in sorted(OPDEFS)]


def positions(opdef: OpDef, sample: Sample | ErrorSample) -> Iterator[tuple[int, Any, bool]]:
    """(position among the arguments, array, is a Ref) of every input array, lists taken apart."""
    for i, (arg, value) in enumerate(zip(opdef.signature.inputs, sample.inputs, strict=True)):
        for item in value if arg.is_list else [value]:
            yield i, np.asarray(item), arg.is_ref


@dataclass
class Case:
    """An applied op: its operation, what to feed, and what to run beforehand."""

    graph: Graph
    op: Operation | None
    outputs: list[Tensor]
    feeds: dict[Tensor, np.ndarray]
    inputs: list[Tensor]
    before: list[Operation]


def as_float(array: np.ndarray, dtype: str) -> np.ndarray:
    """A float ``array`` in another dtype (complex: with imaginary parts); others as they are."""
    if array.dtype.kind != "f":
        return array
    return (array + 1j * np.roll(array, 1) if dtype in COMPLEX else array).astype(dtype)


Shape = Callable[[tuple[int, ...]], Any]


def known(shape: tuple[int, ...]) -> Any:
    """Placeholders of known shape."""
    return shape


def unknown_sizes(shape: tuple[int, ...]) -> Any:
    """Placeholders whose sizes are all unknown."""
    return (None,) * len(shape)


def first_unknown(shape: tuple[int, ...]) -> Any:
    """Placeholders with an unknown batch size."""
    return (None, *shape[1:]) if shape else shape


def unknown_rank(shape: tuple[int, ...]) -> Any:
    """Placeholders of which nothing is known."""
    return None


def build(
    opdef: OpDef,
    sample: Sample | ErrorSample,
    *,
    dtype: str = "float32",
    shape: Shape = known,
    all_fed: bool = False,
) -> Case:
    """Apply the op in a new graph.

    ``dtype`` replaces float32 in inputs and attrs; ``shape`` says what placeholders know;
    ``all_fed`` feeds the ``const`` positions too.
    """
    graph = Graph()
    feeds: dict[Tensor, np.ndarray] = {}
    flat: list[Tensor] = []
    before: list[Operation] = []
    given: list[Any] = [[] if arg.is_list else None for arg in opdef.signature.inputs]
    with graph.as_default():
        for i, array, is_ref in positions(opdef, sample):
            if not opdef.signature.inputs[i].dtype:
                array = as_float(array, dtype)
            if is_ref:
                tensor = apply_op("VariableV2", shape=array.shape, dtype=as_dtype(array.dtype))
                initial = apply_op("Assign", tensor, array)
                before.append(initial.op)
            elif i in sample.const and not all_fed:
                tensor = make_constant(array.copy())
            else:
                tensor = apply_op(
                    "Placeholder", dtype=as_dtype(array.dtype), shape=shape(array.shape)
                )
                feeds[tensor] = array
            flat.append(tensor)
            if isinstance(given[i], list):
                given[i].append(tensor)
            else:
                given[i] = tensor
        attrs = {
            name: _as_attr(value, dtype) if name != "T" else value
            for name, value in sample.attrs.items()
        }
        result = apply_op(opdef.type, *given, **attrs)
    if isinstance(result, Operation):
        return Case(graph, result, [], feeds, flat, before)
    outputs = result if isinstance(result, list) else [result]
    return Case(graph, outputs[0].op if outputs else None, outputs, feeds, flat, before)


def _as_attr(value: Any, dtype: str) -> Any:
    if isinstance(value, np.ndarray):
        return as_float(value, dtype)
    return value


def float_dtypes(
    opdef: OpDef, sample: Sample, others: Sequence[str] = FLOATS
) -> list[str]:
    """``others`` that the record allows for this sample's float inputs."""
    attrs = {
        arg.dtype_attr
        for arg, value in zip(opdef.signature.inputs, sample.inputs, strict=True)
        if not arg.is_list and np.asarray(value).dtype == np.float32
    }
    if not attrs or "" in attrs:
        return []
    allowed = set(others)
    for attr in attrs:
        names = opdef.signature.attrs[attr].allowed
        allowed &= set(others if names is None else names)
    return sorted(allowed - {"float32"})


def evaluate(case: Case, run: Callable[..., Sequence[Any]]) -> list[np.ndarray]:
    """The outputs by ``run(fetches, feeds)`` (a session-like object's method)."""
    for op in case.before:
        run([op], {})
    fetches: list[Any] = case.outputs or [case.op]
    results = [v for v in run(fetches, case.feeds) if v is not None]
    return [np.asarray(v, object if isinstance(v, bytes) else None) for v in results]

"""Operations that write variables, at once: assignments, row updates, optimizer steps.

Their kernels write where the variable lies (program.py binds it); before that the variable makes
sure that nobody else sees this memory (variables.py).  A plain assignment computes nothing: the
variable takes the array over.

Read next: engine.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.eager.complaints import as_of_now, inferred
from flowgraph.eager.program import Program
from flowgraph.eager.tensor import EagerTensor
from flowgraph.eager.variables import EagerRef, EagerVariable, Storage
from flowgraph.graph.apply import call, output_dtypes
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import OPDEFS, OpDef

Array = np.ndarray[Any, Any]

#: Kind of call -> the program, and (position, dtype) of what is given as a Python number.
_programs: dict[tuple[Any, ...], tuple[Program, tuple[tuple[int, np.dtype[Any]], ...]]] = {}

#: Programs kept; the oldest go first.
MAX_PROGRAMS = 4096


def write_as_before(
    type: str, inputs: Sequence[Any], attrs: Mapping[str, Any]
) -> EagerTensor | None:
    """The new value of the first variable, or None when there was no call of this kind yet."""
    key: list[Any] = [type]
    values: list[Any] = []
    storages: list[Storage] = []
    for arg, x in zip(OPDEFS[type].signature.inputs, inputs, strict=True):
        kind = x.__class__
        if kind is EagerVariable or kind is EagerRef:
            storage = x._storage if kind is EagerVariable else x.storage
            if arg.is_ref:
                key.append((storage.dtype, storage.array.shape))
                storages.append(storage)
                continue
            x, kind = storage.read(), EagerTensor
        if kind is EagerTensor:
            key.append(x._spec)
            values.append(x._array)
        elif kind is float:
            key.append(kind)
            values.append(x)
        else:
            return None
    if attrs:
        key.append(tuple(attrs.items()))
    try:
        found = _programs[tuple(key)]
    except (KeyError, TypeError):
        return None
    program, scalars = found
    for position, dtype in scalars:
        values[position] = np.array(values[position], dtype)
    return _run(program, type, tuple(values), storages)


def _run(
    program: Program, type: str, values: tuple[Array, ...], storages: Sequence[Storage]
) -> EagerTensor:
    try:
        program.run(values, storages)
    except Exception as error:
        arrays = [storage.array for storage in storages] + list(values)
        raise as_of_now(error, type, None, arrays) from error
    return storages[0].read()


def write(
    opdef: OpDef,
    attrs: dict[str, Any],
    flat: Sequence[Tensor],
    inputs: Sequence[Any],
    given: Mapping[str, Any],
    label: str,
) -> EagerTensor:
    """The new value of the first variable that the operation writes.

    Args:
        attrs: complete.   flat: the inputs as tensors.
        inputs, given: the inputs and attrs as the caller gave them.
    """
    is_ref = [arg.is_ref for arg in opdef.signature.inputs]
    tensors = [
        t.storage.read() if isinstance(t, EagerRef) and not ref else t
        for t, ref in zip(flat, is_ref, strict=True)
    ]
    arrays = [t.storage.array if isinstance(t, EagerRef) else t._array for t in tensors]  # type: ignore[attr-defined]
    dtypes = output_dtypes(opdef, attrs)
    shapes, looked_at = inferred(opdef, attrs, tensors, arrays, dtypes, label)
    storages = [t.storage for t in tensors if isinstance(t, EagerRef)]
    if opdef.type == "Assign":
        storages[0].replace(arrays[1])
        return storages[0].read()
    program, values = _program(opdef, attrs, tensors, arrays, shapes, looked_at)
    if not looked_at:
        _keep(opdef, program, inputs, tensors, given)
    return _run(program, opdef.type, values, storages)


def _program(
    opdef: OpDef,
    attrs: dict[str, Any],
    tensors: Sequence[Tensor],
    arrays: Sequence[Array],
    shapes: Sequence[Any],
    statics: set[int],
) -> tuple[Program, tuple[Array, ...]]:
    """The operation as a program, and the arrays to feed it."""
    graph = Graph()
    feeds: list[Tensor] = []
    refs: list[Tensor] = []
    made: list[Tensor] = []
    values: list[Array] = []
    with graph.as_default():
        for i, (tensor, array) in enumerate(zip(tensors, arrays, strict=True)):
            if isinstance(tensor, EagerRef):
                made.append(call.VariableV2(shape=array.shape, dtype=tensor.dtype.base_dtype))
                refs.append(made[-1])
            elif i in statics:
                made.append(make_constant(array.copy()))
            else:
                made.append(call.Placeholder(dtype=tensor.dtype, shape=array.shape))
                feeds.append(made[-1])
                values.append(array)
        dtypes = output_dtypes(opdef, attrs)
        op = graph.create_op(opdef.type, made, dtypes, shapes, opdef.type, attrs)
    return Program([op], feeds, [a.shape for a in values], refs), tuple(values)


def _keep(
    opdef: OpDef,
    program: Program,
    inputs: Sequence[Any],
    tensors: Sequence[Tensor],
    given: Mapping[str, Any],
) -> None:
    """Remember the program for ``write_as_before``."""
    key: list[Any] = [opdef.type]
    scalars: list[tuple[int, np.dtype[Any]]] = []
    position = 0
    for x, tensor in zip(inputs, tensors, strict=True):
        if isinstance(tensor, EagerRef):
            key.append((tensor.storage.dtype, tensor.storage.array.shape))
            continue
        if isinstance(x, (EagerTensor, EagerVariable, EagerRef)):
            key.append(tensor._spec)  # type: ignore[attr-defined]
        elif x.__class__ is float:
            key.append(float)
            scalars.append((position, tensor.dtype.np))
        else:
            return
        position += 1
    if given:
        key.append(tuple(given.items()))
    try:
        _programs[tuple(key)] = program, tuple(scalars)
    except TypeError:
        return  # an attr that cannot be hashed
    if len(_programs) > MAX_PROGRAMS:
        _programs.pop(next(iter(_programs)))

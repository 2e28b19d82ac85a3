"""What is wrong with an operation, said at the line that executes it.

Shape rules complain before anything runs, kernels and references while they do; either way the
user sees one of tf.errors that names the op, its inputs and the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.eager.tensor import EagerTensor, wrap
from flowgraph.errors import InvalidArgumentError, OpError, UnknownError
from flowgraph.graph.apply import infer_shapes
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import Call, OpDef
from flowgraph.graph.report import op_message
from flowgraph.graph.site import find_site
from flowgraph.runtime.faults import _CLASS_OF
from flowgraph.shapes import Dims, ShapeError


class MisfitError(InvalidArgumentError, ValueError):
    """Shapes that do not fit: as TensorFlow's kernels say it, and as building a graph does."""


def inferred(
    opdef: OpDef,
    attrs: dict[str, Any],
    tensors: Sequence[Tensor],
    arrays: Sequence[np.ndarray[Any, Any]],
    dtypes: Sequence[DType],
    label: str,
) -> tuple[Sequence[Dims], set[int]]:
    """Shapes of the outputs, and the positions of the inputs whose values were looked at.

    Args:
        tensors: the inputs; variables (Ref tensors) count with their static shape.
        arrays: their values.
        dtypes: of the outputs.
        label: the op's name, for messages.

    Raises:
        MisfitError: the inputs do not fit.
    """
    looked_at: set[int] = set()

    def value(i: int) -> np.ndarray[Any, Any]:
        looked_at.add(i)
        return arrays[i]

    rule_call = Call(
        opdef.type,
        attrs,
        [t.dtype.base_dtype for t in tensors],
        [t.dims for t in tensors],
        dtypes,
        value=value,
    )
    try:
        return opdef.infer(rule_call), looked_at
    except ShapeError:
        try:
            infer_shapes(opdef, tensors, attrs, dtypes, label)
        except ValueError as error:
            raise MisfitError(None, None, str(error)) from None
        raise


def as_of_now(
    error: Exception, type: str, name: str | None, arrays: Sequence[np.ndarray[Any, Any]]
) -> Exception:
    """``error`` as one of tf.errors at the user's line."""
    if isinstance(error, ShapeError):
        kind: Any = MisfitError
        headline = f"{type}: {error.headline}"
    elif isinstance(error, OpError):
        kind = error.__class__ if error.__class__ is not OpError else InvalidArgumentError
        headline = error.message.split("\n", 1)[0]
        if not headline.startswith(type):
            headline = f"{type}: {headline}"
    else:
        kind = next((to for classes, to in _CLASS_OF if isinstance(error, classes)), UnknownError)
        headline = f"{type}: {error.__class__.__name__}: {error}"
    tensors = [wrap(array) for array in arrays]
    op = Operation(
        EagerTensor._executing, -1, type, (name or type).rstrip("/"), tuple(tensors), {},
        find_site(),
    )  # fmt: skip
    return kind(None, op, op_message(headline, op))

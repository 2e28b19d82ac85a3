"""Error texts about operations and about calls: inputs, the user's line, what happened, the fix.

The layout is errors.format_message's; this module knows how to describe Operations to it, and asks
fixes.py what to write instead where nobody says it.

Read next: fixes.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flowgraph.errors import format_message
from flowgraph.graph.apply import argument_labels
from flowgraph.graph.fixes import as_given, find_fix
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.site import find_site, format_site


def op_message(
    headline: str,
    op: Operation | None,
    *,
    shapes: Sequence[str] = (),
    fix: str = "",
    notes: Sequence[str] = (),
) -> str:
    """``headline``, every input of ``op`` with its line, the op with its line, notes, the fix.

    ``shapes`` replaces the static dtype[shape] of the inputs by what they are in this run.
    """
    if op is None:
        return "\n".join([headline, *(f"  {note}" for note in notes)])
    rows = [describe(label, t) for label, t in zip(argument_labels(op), op.inputs, strict=True)]
    for i, shape in enumerate(shapes[: len(rows)]):
        rows[i] = (*rows[i][:2], shape, rows[i][3])
    text = format_message(
        headline,
        rows,
        (op.name, format_site(op.site)),
        fix or find_fix(headline, as_given(rows)),
    )
    return "\n".join([text, *(f"  {note}" for note in notes)])


def call_message(
    headline: str, operands: Iterable[tuple[str, Any]] = (), *, fix: str = "", name: str = ""
) -> str:
    """The text of an error about a call that made no operation.

    Args:
        headline: what is wrong, starting with the function.
        operands: (argument, value); tensors are shown with their lines, other values as they are
            written.
        fix: what to write instead (default: what fixes.py says about the headline).
        name: of the operation that would have been made.
    """
    rows = []
    for label, value in operands:
        tensor = getattr(value, "_as_tensor", None) if not isinstance(value, Tensor) else None
        if isinstance(value, Tensor) or (tensor is not None and hasattr(value, "op")):
            rows.append(
                describe(label, value if isinstance(value, Tensor) else value.op.outputs[0])
            )
        else:
            rows.append((label, shortened(value), "", ""))
    place = (name, format_site(find_site()))
    return format_message(headline, rows, place, fix or find_fix(headline, as_given(rows)))


def shortened(value: Any) -> str:
    """``repr`` of a value, at most 60 characters of it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""Error texts about an existing operation: its inputs, its line, what happened.

The layout is errors.format_message's; this module knows how to describe Operations to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowgraph.errors import format_message
from flowgraph.graph.node import Operation, describe
from flowgraph.graph.site import format_site


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
    rows = [describe(f"input {i}", t) for i, t in enumerate(op.inputs)]
    for i, shape in enumerate(shapes[: len(rows)]):
        rows[i] = (*rows[i][:2], shape, rows[i][3])
    text = format_message(
        headline,
        rows,
        (op.name, format_site(op.site)),
        fix,
    )
    return "\n".join([text, *(f"  {note}" for note in notes)])

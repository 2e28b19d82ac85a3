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
    rows = [list(describe(f"input {i}", t)) for i, t in enumerate(op.inputs)]
    for row, shape in zip(rows, shapes, strict=False):
        row[2] = shape
    text = format_message(
        headline,
        [tuple(r) for r in rows],
        (op.name, format_site(op.site)),
        fix,  # type: ignore[misc]
    )
    return "\n".join([text, *(f"  {note}" for note in notes)])

"""Contexts: which operations belong to a branch of a cond, or to the condition or body of a loop.

The operations of a branch or body stand in the user's graph like all others, under the usual names,
and carry the Context they were made in.  A context has *arguments* (Arg operations: the loop
variables), *outputs* (what the user's function returned) and *captures*: tensors from outside that
its operations use.  The If or While operation that owns it takes the captures as inputs, so for
everybody outside a branch or loop is one operation.

    c = Context("body", "while")            while/Arg  while/add  while/mul   (context: c)
    owner: While(initial values, captures)  ->  final values                  (context: None)

Read next: ops/control_flow.py (who makes them), optimize/freeze.py (who takes them apart).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowgraph.errors import format_message
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.site import find_site, format_site

if TYPE_CHECKING:
    from flowgraph.graph.core import Graph


#: Attr of a read of a variable: the value that this If or While saw at its start.
AS_OF = "_as_of"


class Context:
    """One branch, condition or body; see the module docstring.

    Attributes:
        kind: ``"then"``, ``"else"``, ``"cond"`` or ``"body"``.
        name: the name scope of the cond or loop.
        parent: the context around it, or None.
        first: number of the first operation that can belong to it.
        args: its arguments.   outputs: what it returns.   captures: tensors it uses from outside.
            An output of None is one that only the other branch has.
        controls: operations outside that some of its operations wait for.
        origin: the context that its operations carry: itself, but for a copy with other outputs.
        forward: for the gradient of a branch or body: that one, whose tensors ``substitute`` makes
            available here.
    """

    __slots__ = (
        "args", "captures", "controls", "first", "forward", "kind", "name", "origin", "outputs",
        "parent", "stop", "substitute",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, parent: Context | None, first: int) -> None:
        self.kind, self.name, self.parent = kind, name, parent
        self.first, self.stop = first, first
        self.args: list[Tensor] = []
        self.outputs: list[Tensor | None] = []
        self.captures: list[Tensor] = []
        self.controls: list[Operation] = []
        self.origin = self
        self.forward: Context | None = None
        self.substitute: Callable[[Tensor], Tensor] | None = None

    def copy(self) -> Context:
        """The same operations, with arguments and outputs of its own."""
        other = Context(self.kind, self.name, self.parent, self.first)
        other.origin, other.stop = self.origin, self.stop
        other.args, other.outputs = list(self.args), list(self.outputs)
        other.captures, other.controls = list(self.captures), list(self.controls)
        return other

    def __repr__(self) -> str:
        return f"<Context {self.kind} of {self.name!r}>"

    def encloses(self, other: Context | None) -> bool:
        """True for itself and every context inside it."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False

    def place(self) -> str:
        """Where it is, for messages: ``inside the loop 'while'``."""
        what = "the loop" if self.kind in ("cond", "body") else "a branch of the cond"
        return f"inside {what} {self.name!r}"

    def operations(self, graph: Graph) -> list[Operation]:
        """The operations made directly in it, in order."""
        return [op for op in graph._operations[self.first : self.stop] if op._context is self]

    def close(self, graph: Graph, outputs: Sequence[Tensor]) -> None:
        """Everything is made: set outputs, captures and controls."""
        self.outputs = list(outputs)
        self.stop = len(graph._operations)
        captures: dict[Tensor, None] = {}
        controls: dict[Operation, None] = {}
        for op in self.operations(graph):
            captures.update((t, None) for t in op.inputs if t.op._context is not self)
            controls.update((c, None) for c in op._control_inputs if not self.has(c))
        captures.update((t, None) for t in outputs if t.op._context is not self)
        self.captures, self.controls = list(captures), list(controls)

    def has(self, op: Operation) -> bool:
        """True when ``op`` was made in it, or in a context inside it."""
        return self.encloses(op._context)


def usable(type: str, tensor: Tensor, current: Context | None, name: str) -> Tensor:
    """``tensor``, or what stands for it in context ``current``; ValueError when nothing does."""
    own = tensor.op._context
    while own is not None and not own.encloses(current):
        place = current
        while place is not None and place.forward is not own:
            place = place.parent
        if place is None:
            raise _outside(type, tensor, own, name)
        assert place.substitute is not None
        tensor = place.substitute(tensor)
        own = tensor.op._context
    return tensor


def _outside(type: str, tensor: Tensor, own: Context, name: str) -> ValueError:
    return ValueError(
        format_message(
            f"{type}: {tensor.name!r} was made {own.place()} and has no value outside it",
            [describe("input", tensor)],
            (name or type, format_site(find_site())),
            "return it from the function that makes it",
        )
    )

"""Name scopes as a tree, and which of them a picture opens.

    hidden1/MatMul, hidden1/Relu, loss/Mean   ->   (hidden1: MatMul Relu) (loss: Mean)

What belongs to a branch or to the condition or body of a loop has a frame inside that of its name
scope: ``while/MatMul`` stands in ``while/body``.  An open scope becomes a frame (a cluster) around
its members, a closed one a single box.

Read next: picture.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flowgraph.errors import did_you_mean
from flowgraph.graph.contexts import Context
from flowgraph.graph.node import Operation


@dataclass(slots=True, eq=False)
class Scope:
    """A name scope: ``name`` is ``"a/b"``, ``""`` for the top; ``ops`` are its direct members.

    A closed scope is drawn as one box.  ``title`` is what the frame or box shows.
    ``is_machinery``: whatever the depth, it is closed (what tf.gradients and optimizers made, in an
    overview).   ``alike``: names of the scopes it stands for, when it stands for several.
    """

    name: str
    title: str
    parent: Scope | None
    depth: int
    scopes: dict[str, Scope] = field(default_factory=dict)
    ops: list[Operation] = field(default_factory=list)
    is_open: bool = True
    is_machinery: bool = False
    alike: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Scope]:
        """This scope and those below it, outer ones first."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting.extend(reversed(scope.scopes.values()))

    def all_ops(self) -> list[Operation]:
        """Operations at any depth."""
        return [op for scope in self.walk() for op in scope.ops]


def shown_name(op: Operation) -> str:
    """The name of an operation with the branch or body that it belongs to."""
    context = op._context
    if context is None:
        return op.name
    frame, rest = _frame(context), _behind(op.name, context.name)
    if rest.startswith(context.kind + "/"):
        rest = rest[len(context.kind) + 1 :]  # while/cond/Arg
    return f"{frame}/{rest}"


def _frame(context: Context) -> str:
    """The name of the frame of a branch or body."""
    name = context.name
    if context.parent is not None:
        name = f"{_frame(context.parent)}/{_behind(name, context.parent.name)}"
    return f"{name}/{context.kind}"


def _behind(name: str, scope: str) -> str:
    return name[len(scope) + 1 :] if name.startswith(scope + "/") else name


def build_tree(ops: Iterable[Operation]) -> Scope:
    """The tree of the name scopes of ``ops``.

    An operation whose name is also a scope with members (``add`` beside ``add/y``) is put inside
    it.
    """
    names = {op: shown_name(op) for op in ops}
    prefixes = {
        name[:end] for name in names.values() for end in (m.start() for m in re.finditer("/", name))
    }
    top = Scope("", "", None, 0)
    found = {"": top}

    def scope_of(name: str) -> Scope:
        scope = found.get(name)
        if scope is None:
            outer, _, title = name.rpartition("/")
            parent = scope_of(outer)
            scope = found[name] = Scope(name, title, parent, parent.depth + 1)
            parent.scopes[title] = scope
        return scope

    for op, name in names.items():
        scope_of(name if name in prefixes else name.rpartition("/")[0]).ops.append(op)
    return top


def merge_chains(top: Scope, may_vanish: Callable[[Operation], bool]) -> None:
    """Draw fewer frames: a scope that holds nothing but one scope becomes one frame with it.

    A scope that holds nothing but one operation vanishes when ``may_vanish(op)``; the operation's
    title then says the rest of its name.
    """
    for scope in reversed(list(top.walk())):  # inner ones first
        kept: dict[str, Scope] = {}
        for child in scope.scopes.values():
            if not child.scopes and len(child.ops) == 1 and may_vanish(child.ops[0]):
                scope.ops.append(child.ops[0])
                continue
            if not child.ops and len(child.scopes) == 1:
                (inner,) = child.scopes.values()
                inner.title, inner.parent = f"{child.title}/{inner.title}", scope
                child = inner
            kept[child.name] = child
        scope.scopes = kept
    for scope in top.walk():
        if scope.parent is not None:
            scope.depth = scope.parent.depth + 1


def close_below(top: Scope, depth: float) -> None:
    """Open the scopes of the outermost ``depth`` levels, close the others."""
    for scope in top.walk():
        scope.is_open = scope.depth <= depth and not scope.is_machinery


def visible_count(top: Scope) -> int:
    """How many nodes and boxes the picture shows."""
    count = 0
    waiting = [top]
    while waiting:
        scope = waiting.pop()
        if scope.is_open:
            count += len(scope.ops)
            waiting.extend(scope.scopes.values())
        else:
            count += 1
    return count


def close_to_fit(top: Scope, max_nodes: int) -> None:
    """Open as many levels as show at most ``max_nodes`` nodes.

    When the top level alone shows more, its members are gathered by kind: ``layer_1 ... layer_99``
    become one box, and the operations of each type another.
    """
    low, high = 0, max(scope.depth for scope in top.walk())
    while low < high:  # visible_count grows with depth: bisect
        middle = (low + high + 1) // 2
        close_below(top, middle)
        if visible_count(top) <= max_nodes:
            low = middle
        else:
            high = middle - 1
    close_below(top, low)
    if visible_count(top) > max_nodes:
        _gather(top)


def _gather(top: Scope) -> None:
    series: dict[str, Scope] = {}

    def box(title: str) -> Scope:
        if title not in series:
            series[title] = Scope(title, title, top, 1, is_open=False)
        return series[title]

    for scope in top.scopes.values():
        group = box(re.sub(r"\d+$", "", scope.title) + "*")
        group.scopes[scope.name] = scope
        scope.parent = group
    for op in top.ops:
        box(f"{op.type} *").ops.append(op)
    top.scopes, top.ops = series, []


def set_open(top: Scope, names: Sequence[str], *, is_open: bool) -> None:
    """Open (with all scopes around) or close the scopes of these names.

    Raises:
        ValueError: there is no such scope; the text lists near names.
    """
    by_name = {scope.name: scope for scope in top.walk()}
    for name in names:
        scope = by_name.get(name.rstrip("/"))
        if scope is None or scope is top:
            raise ValueError(
                f"the picture has no scope named {name!r}{did_you_mean(name, by_name)}"
            )
        scope.is_open = is_open
        while is_open and scope.parent is not None:
            scope = scope.parent
            scope.is_open = True

"""Repeated blocks: scopes that are built alike are drawn once, with their number.

    layer_1/MatMul -> layer_1/Relu -> layer_2/MatMul -> ... layer_12/Relu

becomes one frame ``layer_1 ... layer_12  (12 alike)``; the line from its end back to its start says
that each follows another.

Alike are scopes side by side whose names differ by a number, and which hold operations of the same
names, types, dtypes and shapes, wired in the same way.

Read next: picture.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from flowgraph.graph.node import Operation
from flowgraph.view.roles import FORWARD
from flowgraph.view.scopes import Scope, shown_name

#: Fewer scopes, and fewer operations, are drawn one by one.
MIN_ALIKE, MIN_SERIES = 3, 5

_NUMBER = re.compile(r"_?\d+$")


#: Operation -> (name of the first of the blocks that are alike, number of the block it is in), from
#: outer blocks to inner ones.
Blocks = dict[Operation, tuple[tuple[str, int], ...]]


def fold_repeats(
    top: Scope, owner: dict[Operation, Operation], kept: Collection[str] = ()
) -> Blocks:
    """Leave one scope of those that are alike; their operations belong to its operations' nodes.

    Args:
        top: changed in place: a scope that stands for several has their names in ``alike``.
        owner: operation -> the operation whose node shows it; changed in place.
        kept: names of scopes that stay, with those around them.

    Returns:
        In which block each operation was, for operations that are in one.
    """
    kept = {name[:end] for n in kept for name in [n + "/"] for end in _slashes(name)}
    moved: dict[Operation, Operation] = {}
    blocks: Blocks = {}
    waiting = [top]
    while waiting:
        scope = waiting.pop()
        for group in _groups(scope, kept):
            first = group[0]
            first.alike = [other.name for other in group]
            members = first.all_ops()
            for number, block in enumerate(group):
                ops = block.all_ops()
                for op in ops:
                    blocks[op] = (*blocks.get(op, ()), (first.name, number))
                if number:
                    moved.update(zip(ops, members, strict=True))
                    del scope.scopes[_key_of(scope, block)]
        waiting.extend(scope.scopes.values())
    inside = {op: blocks[shown] for op, shown in owner.items() if shown in blocks}
    for op, shown in owner.items():
        while shown in moved:  # an inner repetition of an outer one
            shown = moved[shown]
        owner[op] = shown
    return inside


def fold_series(
    top: Scope, owner: dict[Operation, Operation], roles: Mapping[Operation, str]
) -> dict[Operation, list[str]]:
    """Leave one operation of those in one scope that are alike and belong to the machinery.

    That is: gradients, updates and initialisation whose names differ by numbers only, as
    ``gradients/AddN``, ``AddN_1`` ... or ``GradientDescent/update_layer_7/w``.

    Args:
        top, owner: changed in place, as above.   roles: of roles_of.

    Returns:
        For each operation that stands for several, their names.
    """
    alike: dict[Operation, list[str]] = {}
    moved: dict[Operation, Operation] = {}
    for scope in top.walk():
        groups: dict[tuple, list[Operation]] = {}
        for op in scope.ops:
            if roles[op] != FORWARD:
                specs = tuple([(t.dtype, t.dims) for t in op.outputs])
                name = _NUMBER.sub("", re.sub(r"\d+", "0", op.name))
                groups.setdefault((name, op.type, roles[op], specs), []).append(op)
        for group in groups.values():
            if len(group) >= MIN_SERIES:
                alike[group[0]] = [op.name for op in group]
                moved.update(dict.fromkeys(group[1:], group[0]))
        scope.ops = [op for op in scope.ops if op not in moved]
    for op, shown in owner.items():
        owner[op] = moved.get(shown, shown)
    return alike


def crosses(before: Operation, after: Operation, blocks: Blocks) -> bool:
    """True for a line from one block to another of those that are alike."""
    there = dict(blocks.get(before, ()))
    return any(there.get(first, number) != number for first, number in blocks.get(after, ()))


def _slashes(name: str) -> list[int]:
    return [i for i, letter in enumerate(name) if letter == "/"]


def _key_of(scope: Scope, child: Scope) -> str:
    return next(key for key, found in scope.scopes.items() if found is child)


def _groups(scope: Scope, kept: Collection[str]) -> list[list[Scope]]:
    """Children of ``scope`` that are alike, in groups of MIN_ALIKE and more."""
    series: dict[str, list[Scope]] = {}
    for child in scope.scopes.values():
        if child.name not in kept:
            series.setdefault(_NUMBER.sub("", child.title), []).append(child)
    groups: dict[tuple[str, tuple], list[Scope]] = {}
    for title, children in series.items():
        if len(children) >= MIN_ALIKE:
            for child in children:
                groups.setdefault((title, _structure(child)), []).append(child)
    return [group for group in groups.values() if len(group) >= MIN_ALIKE]


def _structure(scope: Scope) -> tuple:
    """What is the same for scopes that are alike."""
    ops = scope.all_ops()
    place = {op: i for i, op in enumerate(ops)}
    return tuple([_description(op, scope, place) for op in ops])


def _description(op: Operation, scope: Scope, place: Mapping[Operation, int]) -> tuple:
    name = shown_name(op)[len(scope.name) :]
    outputs = tuple([(t.dtype, t.dims) for t in op.outputs])
    inputs = tuple([place.get(t.op, -1) for t in op.inputs])
    return op.type, name, outputs, inputs

"""Colourings: what the fill of a box tells, and the legend that says so.

    role     forward, gradient, update, initialisation          (the default)
    device   the device string of the operation
    type     the op type; the commonest have a colour each
    time     measured, from RunMetadata: light to dark
    flops    of the same run, as counted in the kernels
    bytes    of the same run; without a run, the size of the outputs where shapes tell

Read next: digraph.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.graph.node import Operation
from flowgraph.view.costs import (
    Cost,
    bytes_text,
    costs_of,
    static_bytes,
    time_text,
    total_cost,
)
from flowgraph.view.picture import MIXED, SCOPE, Box, Picture
from flowgraph.view.roles import FORWARD, GRADIENT, INITIAL, UPDATE

#: (fill, line) of a box.
Colours = tuple[str, str]

#: Role -> (fill, line).  Told apart by people who see few colours as well.
ROLE_COLOURS: dict[str, Colours] = {
    FORWARD: ("#DCE9F7", "#2F6CAB"),
    GRADIENT: ("#FDE5CC", "#C76A12"),
    UPDATE: ("#DDF1DC", "#35823A"),
    INITIAL: ("#EEEEEE", "#7F7F7F"),
    MIXED: ("#ECE6F5", "#6B5796"),
}

#: Role -> what the legend says.
ROLE_TEXTS = {
    FORWARD: "forward", GRADIENT: "gradient", UPDATE: "update", INITIAL: "initialisation",
    MIXED: "several",
}  # fmt: skip

#: For kinds without order; neighbours in the list differ in lightness as well as in hue.
PALETTE: tuple[Colours, ...] = (
    ("#A9CCE8", "#1F5F99"), ("#FBD3A1", "#B8640A"), ("#B9DFB0", "#2F7A34"),
    ("#F2B5B0", "#A83232"), ("#D3C4E6", "#67459A"), ("#E6D0A8", "#7B5A1E"),
    ("#F6C7DE", "#A83A78"), ("#B5E3E0", "#1E7C78"), ("#ECE59A", "#857A10"),
)  # fmt: skip
OTHERS: Colours = ("#E4E4E4", "#7F7F7F")
ABSENT: Colours = ("#FFFFFF", "#A8A8A8")

#: Light to dark: little to much.
HEAT: tuple[str, ...] = (
    "#FFFAF0", "#FEEBCB", "#FDDBA9", "#FDC98C", "#FBB272", "#F7985B", "#F07F48",
)  # fmt: skip
_HEAT_LINE = "#8A3B1C"

#: What ``colour_by`` takes.
MEASURES = ("role", "device", "type", "time", "flops", "bytes")


class Colouring:
    """How the boxes of one picture are coloured: by role, unless a subclass says otherwise."""

    def colours(self, box: Box) -> Colours:
        """Fill and line of ``box``."""
        return ROLE_COLOURS[box.role]

    def notes(self, box: Box) -> list[str]:
        """Small lines that go below the title of ``box``."""
        return []

    def legend(self, boxes: Sequence[Box]) -> list[tuple[Colours, str]]:
        """Swatches and what they mean; empty when there is nothing to tell apart."""
        roles = {box.role for box in boxes}
        if len(roles) < 2:
            return []
        return [(c, ROLE_TEXTS[role]) for role, c in ROLE_COLOURS.items() if role in roles]


class ByKind(Colouring):
    """One colour per kind; ``kind_of(op)`` is a text, or None for operations without colour."""

    def __init__(
        self, kind_of: Callable[[Operation], str], ops: Iterable[Operation], rest: str
    ) -> None:
        counts = Counter(kind_of(op) for op in ops)
        counts.pop("", None)
        shown = [kind for kind, _ in counts.most_common()]
        self.kind_of, self.rest = kind_of, rest
        self.colour_of = dict(zip(shown, PALETTE, strict=False))

    def _kind(self, box: Box) -> str:
        kinds = {self.kind_of(op) for op in ([box.op] if box.op else box.ops)}
        return kinds.pop() if len(kinds) == 1 else MIXED

    def colours(self, box: Box) -> Colours:
        """The colour of its operations' kind; that of ``several`` when they differ."""
        kind = self._kind(box)
        if kind == MIXED:
            return ROLE_COLOURS[MIXED]
        return self.colour_of.get(kind, ABSENT if not kind else OTHERS)

    def legend(self, boxes: Sequence[Box]) -> list[tuple[Colours, str]]:
        """The kinds that the picture shows."""
        kinds = {self._kind(box) for box in boxes}
        rows = [(colour, kind) for kind, colour in self.colour_of.items() if kind in kinds]
        if kinds - self.colour_of.keys() - {MIXED, ""}:
            rows.append((OTHERS, "others"))
        if "" in kinds:
            rows.append((ABSENT, self.rest))
        if MIXED in kinds:
            rows.append((ROLE_COLOURS[MIXED], "several"))
        return rows


class ByAmount(Colouring):
    """Light to dark by an amount of each box, relative to the largest one shown."""

    def __init__(
        self,
        amount_of: Callable[[Box], float | None],
        text_of: Callable[[float], str],
        boxes: Sequence[Box],
        what: str,
        absent: str,
    ) -> None:
        self.amount_of, self.text_of = amount_of, text_of
        self.what, self.absent = what, absent
        amounts = [amount_of(box) for box in boxes]
        self.total = sum(amount or 0.0 for amount in amounts)
        self.largest = max([amount or 0.0 for amount in amounts], default=0.0)

    def colours(self, box: Box) -> Colours:
        """A step of HEAT."""
        amount = self.amount_of(box)
        if amount is None:
            return ABSENT
        return HEAT[heat_step(amount, self.largest)], _HEAT_LINE

    def notes(self, box: Box) -> list[str]:
        """The amount and its part of the whole."""
        amount = self.amount_of(box)
        if not amount:
            return []
        share = f"  {amount / self.total:.0%}" if amount >= 0.005 * self.total else ""
        return [self.text_of(amount) + share]

    def legend(self, boxes: Sequence[Box]) -> list[tuple[Colours, str]]:
        """The scale, from nothing to the largest amount."""
        steps = len(HEAT)
        rows: list[tuple[Colours, str]] = [((HEAT[0], _HEAT_LINE), f"{self.what}: 0")]
        rows += [((fill, _HEAT_LINE), "") for fill in HEAT[1 : steps - 1]]
        rows.append(((HEAT[-1], _HEAT_LINE), self.text_of(self.largest)))
        if any(self.amount_of(box) is None for box in boxes):
            rows.append((ABSENT, self.absent))
        return rows


def heat_step(amount: float, largest: float) -> int:
    """Which step of HEAT an amount gets: the square root spreads the small ones."""
    if largest <= 0 or amount <= 0:
        return 0
    return min(int((amount / largest) ** 0.5 * len(HEAT)), len(HEAT) - 1)


def make_colouring(picture: Picture, colour_by: str, run_metadata: Any = None) -> Colouring:
    """The Colouring that ``colour_by`` names.

    Raises:
        ValueError: there is no such colouring, or it needs a ``run_metadata``.
    """
    boxes = picture.all_boxes()
    if colour_by not in MEASURES:
        raise ValueError(
            f"colour_by={colour_by!r}: it is one of {', '.join(MEASURES)}"
            f"{did_you_mean(colour_by, MEASURES)}"
        )
    if colour_by == "role":
        return Colouring()
    ops = [op for box in boxes for op in box.ops]
    if colour_by == "device":
        return ByKind(lambda op: op.device, ops, "no device asked for")
    if colour_by == "type":
        shown = [box.op for box in boxes if box.op is not None]
        return ByKind(lambda op: op.type, shown, "")
    if run_metadata is None:
        if colour_by == "bytes":
            return ByAmount(
                _static_amount, bytes_text, boxes, "bytes of outputs", "size known only when run"
            )
        raise ValueError(
            f"colour_by={colour_by!r} needs run_metadata=, of a Session.run with "
            "options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)"
        )
    return _by_cost(boxes, colour_by, costs_of(run_metadata))


def _by_cost(boxes: Sequence[Box], colour_by: str, costs: dict[str, Cost]) -> Colouring:
    cost_of = {box: total_cost(box.ops, costs) for box in boxes}
    field = {"time": "ns", "flops": "flops", "bytes": "bytes"}[colour_by]
    text = {"time": time_text, "bytes": bytes_text}.get(colour_by, _flops_text)

    def amount(box: Box) -> float | None:
        cost = cost_of[box]
        return None if cost is None else getattr(cost, field)

    return ByAmount(amount, text, boxes, colour_by, "did not run")


def _static_amount(box: Box) -> float | None:
    ops = box.ops if box.kind == SCOPE else [box.op or box.ops[0]]
    sizes = [static_bytes(op) for op in ops]
    known = [size for size in sizes if size is not None]
    return float(sum(known)) if known else None


def _flops_text(count: float) -> str:
    return bytes_text(count).replace("B", "flop")

"""Why a gradient is None: the path from a loss to a variable, and the operation that cuts it.

    loss <- Mean <- Cast <- ArgMax <- Add <- w/read <- w
                           ^ float32 comes in, int64 goes out: no gradient passes here

``tf.gradients`` gives None without a word, as TensorFlow's does.  Here the same walk is done again,
asking every gradient rule on the way (in a graph of its own, thrown away afterwards) to which
inputs it passes anything; the first edges without are the cuts.  Branches and loops are walked
through: a cut inside a body is named like any other.

Read next: gradients.py (the walk that makes gradients).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flowgraph.errors import format_message
from flowgraph.graph.convert import convert, make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys
from flowgraph.graph.gradient_registry import registered_gradient
from flowgraph.graph.gradients import apply_rule
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.opdef import OPDEFS, WRITE, NotDifferentiable
from flowgraph.graph.site import format_site
from flowgraph.graph.static import constant_value
from flowgraph.shapes import format_dims

#: Paths longer than this are shown with their middle left out.
_SHOWN_STEPS = 12
#: Cuts named besides the first.
_SHOWN_CUTS = 4


@dataclass(frozen=True)
class Diagnosis:
    """What ``tf.why_no_gradient`` found; ``str`` of it is the text for people.

    Attributes:
        is_none: True when the gradient is None.
        reason: ``"flows"`` (it is not None), ``"other graph"``, ``"not connected"``, ``"loss"``
            (the loss itself has no derivative) or ``"cut"``.
        cuts: the operations at which it ends.
        path: tensors from the loss through the first cut to the variable.
        message: the text.
    """

    is_none: bool
    reason: str
    cuts: tuple[Operation, ...]
    path: tuple[Tensor, ...]
    message: str

    def __str__(self) -> str:
        return self.message


def why_no_gradient(loss: Any, x: Any) -> Diagnosis:
    """See the public function, ``tf.why_no_gradient``."""
    y = loss if isinstance(loss, Tensor) else convert(loss, None, "loss")
    source = x if isinstance(x, Tensor) else convert(x, None, "x", as_ref=True)
    head = f"the gradient of {y.name!r} with respect to {source.name!r} is "
    rows = [describe("loss", y), describe("x", source)]
    if y.graph is not source.graph:
        text = format_message(
            head + "None: they belong to two graphs", rows,
            fix="make both inside one `with graph.as_default():` block",
        )  # fmt: skip
        return Diagnosis(True, "other graph", (), (), text)
    if not _is_smooth(y):
        what = f"None: the loss is {y.dtype.base_dtype.name}, which has no derivative"
        fix = f"compute the loss in floats, e.g. tf.cast({_short(y)}, tf.float32) of its inputs"
        text = format_message(head + what, rows, (y.op.name, format_site(y.op.site)), fix)
        return Diagnosis(True, "loss", (y.op,), (y,), text)
    paths = _Paths(y, source)
    if source not in paths.through:
        text = format_message(head + "None: no path leads from the one to the other", rows)
        return Diagnosis(True, "not connected", (), (), "\n".join([text, *_unconnected(y, source)]))
    cuts = paths.walk()
    if source in paths.reached:
        path = paths.up(source)
        text = format_message(head + "not None: it flows along", rows)
        return Diagnosis(False, "flows", (), tuple(path), "\n".join([text, *_listing(path)]))
    return _cut_diagnosis(head, rows, paths, cuts)


def _cut_diagnosis(
    head: str, rows: list[tuple[str, str, str, str]], paths: _Paths, cuts: list[_Cut]
) -> Diagnosis:
    # Sizes and conditions use x in many places, and are seldom what should have had a gradient.
    first, *others = sorted(cuts, key=lambda cut: cut.is_aside)
    path = first.path
    place = (first.op.name, format_site(first.op.site))
    what = f"None: {first.op.type} lets no gradient pass: {first.reason}"
    text = format_message(head + what, rows, place, first.fix)
    lines = _listing(path, first)
    ops = tuple(dict.fromkeys(cut.op for cut in cuts))
    if others:
        seen = {first.op}
        more = [c for c in others if not (c.op in seen or seen.add(c.op))]  # type: ignore[func-returns-value]
        if more:
            lines.append("  other paths end at")
        for cut in more[:_SHOWN_CUTS]:
            at = format_site(cut.op.site)
            where = f"   made at {at}" if at else ""
            lines.append(f"    {cut.op.type} {cut.op.name!r}: {cut.reason}{where}")
        if len(more) > _SHOWN_CUTS:
            lines.append(f"    and {len(more) - _SHOWN_CUTS} more")
    return Diagnosis(True, "cut", ops, tuple(path), "\n".join([text, *lines]))


# ------------------------------------------------------------------------------------- the walk


_SIZES = frozenset(("Shape", "ShapeN", "Size", "Rank"))


@dataclass(frozen=True)
class _Cut:
    """``op`` makes ``result`` and lets no gradient pass from there along ``path``.

    ``below``: the first tensor of the path without a gradient.  ``is_aside``: what is used is a
    size, or the condition of a branch.
    """

    op: Operation
    result: Tensor
    below: Tensor
    path: list[Tensor]
    reason: str
    fix: str
    is_aside: bool


class _Paths:
    """The tensors between a loss and a source, and how far gradients come among them."""

    def __init__(self, loss: Tensor, source: Tensor) -> None:
        self.loss, self.source = loss, source
        #: What each tensor is computed from; tensors of branches and loops included.
        self.below: dict[Tensor, list[Tensor]] = {}
        #: Argument of a loop body -> its values: at the start, and after each iteration.
        self.arguments: dict[Tensor, list[Tensor]] = {}
        todo = [loss]
        while todo:
            tensor = todo.pop()
            if tensor in self.below:
                continue
            self.below[tensor] = found = self._inputs_of(tensor)
            todo.extend(found)
        above: dict[Tensor, list[Tensor]] = {}
        for tensor, inputs in self.below.items():
            for other in inputs:
                above.setdefault(other, []).append(tensor)
        #: Tensor that the source leads to -> the next on a shortest way back to the source.
        self.through: dict[Tensor, Tensor | None] = {}
        if source in self.below:
            self.through[source] = None
        queue = deque(self.through)
        while queue:
            tensor = queue.popleft()
            for other in above.get(tensor, ()):
                if other not in self.through:
                    self.through[other] = tensor
                    queue.append(other)
        #: Tensor with a gradient -> the one it comes from.
        self.reached: dict[Tensor, Tensor | None] = {}

    def _inputs_of(self, tensor: Tensor) -> list[Tensor]:
        op = tensor.op
        if op.type == "If":
            bodies = [op.attrs[name] for name in ("then_branch", "else_branch")]
            results = [c.outputs[tensor.value_index] for c in bodies]
            return [*(t for t in results if t is not None), op.inputs[0]]
        if op.type == "While":
            body = op.attrs["body"]
            for arg, start, after in zip(body.args, op.inputs, body.outputs, strict=False):
                if after is not None:
                    self.arguments[arg] = [start, after]
            result = body.outputs[tensor.value_index]
            start = op.inputs[tensor.value_index]
            return [start] if result is None else [result, start]
        return self.arguments.get(tensor, list(op.inputs))

    def walk(self) -> list[_Cut]:
        """Follow gradients from the loss; the edges where they end, nearest to the loss first."""
        self.reached = {self.loss: None}
        queue = deque([self.loss])
        cuts: list[_Cut] = []
        while queue:
            tensor = queue.popleft()
            if tensor is self.source:
                continue
            inputs = [t for t in self.below[tensor] if t in self.through]
            if not inputs:
                continue
            passes = self._passes(tensor)
            for other in inputs:
                if passes.get(other, False) and _is_smooth(other):
                    if other not in self.reached:
                        self.reached[other] = tensor
                        queue.append(other)
                else:
                    cuts.append(self._cut(tensor, other))
        # A tensor may be reached another way after all.
        return [cut for cut in cuts if cut.below not in self.reached]

    def _passes(self, tensor: Tensor) -> dict[Tensor, bool]:
        """Which inputs get a gradient when one flows into ``tensor``."""
        op = tensor.op
        if op.type == "If":
            return {t: t is not op.inputs[0] for t in self.below[tensor]}
        if op.type == "While" or tensor in self.arguments:
            return dict.fromkeys(self.below[tensor], True)
        found: dict[Tensor, bool] = {}
        for other, passed in zip(op.inputs, passed_on(op, tensor.value_index), strict=True):
            found[other] = found.get(other, False) or passed
        return found

    def _cut(self, above: Tensor, below: Tensor) -> _Cut:
        path = [*self.up(above), *self.down(below)]
        made = None
        if not _is_smooth(below):
            # Integers on the way: the mistake is where floats became integers, not where they end.
            made = next((a for a, b in pairwise(path) if not _is_smooth(a) and _is_smooth(b)), None)
        result = above if made is None else made
        reason, fix = self._why(result, below, became_integer=made is not None)
        decides = above.op.type == "If" and below is above.op.inputs[0]
        is_aside = decides or result.op.type in _SIZES
        return _Cut(result.op, result, below, path, reason, fix, is_aside)

    def _why(self, result: Tensor, below: Tensor, *, became_integer: bool) -> tuple[str, str]:
        """Why ``result.op`` passes no gradient on, and what to do."""
        op = result.op
        rule = OPDEFS[op.type].grad
        fix = _FIXES.get(op.type, f"use something smooth in place of {op.type}")
        if became_integer:
            return f"its result is {result.dtype.base_dtype.name}, which has no derivative", fix
        if op.type == "If":
            return "this input only decides which branch is taken", "use tf.where"
        if registered_gradient(op) is not None:
            name = op.attrs["_gradient_op_type"]
            return f"its gradient function {name!r} returns None", "let it return a gradient"
        if isinstance(rule, NotDifferentiable):
            if OPDEFS[op.type].effect == WRITE:
                fix = "compute the loss from the value that is assigned, not from the variable"
            return rule.reason, fix
        return f"it has no derivative with respect to {below.name!r}", fix

    def up(self, tensor: Tensor) -> list[Tensor]:
        """From the loss to ``tensor``, along which its gradient comes."""
        path = [tensor]
        following = self.reached.get(tensor)
        while following is not None:
            path.append(following)
            following = self.reached.get(following)
        return path[::-1]

    def down(self, tensor: Tensor) -> list[Tensor]:
        """From ``tensor`` to the source, the shortest way."""
        path = [tensor]
        following = self.through[tensor]
        while following is not None:
            path.append(following)
            following = self.through[following]
        return path


_FIXES = {
    "Cast": "leave out the cast, or cast what it is compared with instead",
    "StopGradient": "leave out tf.stop_gradient",
    "ArgMax": "compare the scores themselves, e.g. softmax_cross_entropy_with_logits",
    "ArgMin": "compare the scores themselves, e.g. with tf.reduce_min",
    "Round": "leave it out while training",
    "Floor": "leave it out while training",
    "Greater": "use the difference itself, e.g. tf.sigmoid(a - b)",
    "Less": "use the difference itself, e.g. tf.sigmoid(b - a)",
    "GreaterEqual": "use the difference itself, e.g. tf.sigmoid(a - b)",
    "LessEqual": "use the difference itself, e.g. tf.sigmoid(b - a)",
    "Equal": "use a distance, e.g. tf.square(a - b)",
    "PyFunc": "write it with tf functions, or give it a gradient with tf.custom_gradient",
    "EagerPyFunc": "write it with tf functions, or give it a gradient with tf.custom_gradient",
    "FloorDiv": "divide with / instead of //",
}


def passed_on(op: Operation, index: int) -> list[bool]:
    """Per input: whether the gradient rule of ``op`` passes on a gradient of output ``index``."""
    user_rule = registered_gradient(op)
    if user_rule is None and isinstance(OPDEFS[op.type].grad, NotDifferentiable):
        return [False] * len(op.inputs)
    try:
        with Graph().as_default() as scratch:
            # Shapes and axes stay constants: rules look at them.
            inputs = [_stand_in(scratch, t) for t in op.inputs]
            dtypes = [t.dtype.base_dtype for t in op.outputs]
            dims = [t.dims for t in op.outputs]
            copy = scratch.create_op(op.type, inputs, dtypes, dims, "op/", op.attrs)
            dys: list[Any] = [None] * len(op.outputs)
            dys[index] = _placeholder(scratch, op.outputs[index])
            dxs = apply_rule(copy, dys, user_rule, lambda tensor: True)
    except Exception:  # noqa: BLE001 - a rule that needs its own graph: take it as smooth
        return [_is_smooth(t) for t in op.inputs]
    return [dx is not None for dx in dxs]


def _stand_in(graph: Graph, tensor: Tensor) -> Tensor:
    known = constant_value(tensor)
    return _placeholder(graph, tensor) if known is None else make_constant(known, "Const")


def _placeholder(graph: Graph, tensor: Tensor) -> Tensor:
    dtype = tensor.dtype.base_dtype
    attrs = {"dtype": dtype, "shape": tensor.dims}
    return graph.create_op("Placeholder", [], [dtype], [tensor.dims], "x", attrs).outputs[0]


def _is_smooth(tensor: Tensor) -> bool:
    return tensor.dtype.np.kind in "fc"


# ------------------------------------------------------------------------------------- the text


def _listing(path: Sequence[Tensor], cut: _Cut | None = None) -> list[str]:
    """One line per tensor of the path: name, op type, spec, line; the cut is marked."""
    cells = [
        (repr(t.name), t.op.type, f"{t.dtype.base_dtype.name}{format_dims(t.dims)}")
        for t in path
    ]  # fmt: skip
    widths = [max(len(cell[i]) for cell in cells) for i in range(3)]
    lines = []
    for tensor, cell in zip(path, cells, strict=True):
        text = "  ".join(c.ljust(w) for c, w in zip(cell, widths, strict=True))
        at = format_site(tensor.op.site)
        line = f"    {text}   {at}".rstrip()
        if cut is not None and tensor is cut.result:
            line += "   <- no gradient passes here"
        lines.append(line)
    if len(lines) > _SHOWN_STEPS:
        half = _SHOWN_STEPS // 2
        marks = [i for i, line in enumerate(lines) if line.endswith("here")]
        kept = {*range(half), *range(len(lines) - half, len(lines))}
        kept.update(j for i in marks for j in (i - 1, i, i + 1) if 0 <= j < len(lines))
        shown: list[str] = []
        for i, line in enumerate(lines):
            if i in kept:
                shown.append(line)
            elif not shown or shown[-1] != "    ...":
                shown.append("    ...")
        lines = shown
    return ["  path, from the loss:", *lines]


def _short(tensor: Tensor) -> str:
    return tensor.op.name.rpartition("/")[2]


def _unconnected(loss: Tensor, source: Tensor) -> list[str]:
    """What can be said when the loss is not computed from the source."""
    above = _ancestors([loss.op], control=False)
    lines = []
    users = _users(source)
    if source.op in _ancestors([loss.op], control=True):
        lines.append(
            "  the loss only waits for it (a control dependency), it does not use its value"
        )
    elif loss.op in _ancestors([source.op], control=False):
        lines.append("  it is the other way round: x is computed from the loss")
    elif not users:
        lines.append("  nothing uses x")
    else:
        shown = ", ".join(f"{op.name!r} ({format_site(op.site)})" for op in users[:3])
        lines.append(f"  x is used by {shown}, which do not lead to the loss")
    trained = source.graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
    leading = [v for v in trained if getattr(v, "op", None) in above]
    if leading:
        names = ", ".join(f"{v.op.name!r} ({format_site(v.op.site)})" for v in leading[:4])
        more = f" and {len(leading) - 4} more" if len(leading) > 4 else ""
        lines.append(f"  variables that do lead to the loss: {names}{more}")
        last = source.op.name.rpartition("/")[2]
        twins = [
            v for v in leading if v.op.name.rpartition("/")[2].split("_")[0] == last.split("_")[0]
        ]
        if twins:
            lines.append(
                f"  fix: {twins[0].op.name!r} is used instead; was a layer or variable made twice? "
                "(tf.get_variable with reuse=True shares one)"
            )
            return lines
    else:
        lines.append("  no trainable variable leads to the loss")
    lines.append(
        "  fix: compute the loss from x with tf functions; a value that went through NumPy or "
        "sess.run is a constant"
    )
    return lines


def _users(source: Tensor) -> list[Operation]:
    """Who uses a variable, reads of it followed, its initialisation left out."""
    users: dict[Operation, None] = {}
    for op in source.consumers():
        if op.type == "Identity" and source.dtype.is_ref:
            users.update(dict.fromkeys(op.outputs[0].consumers()))
        elif OPDEFS[op.type].effect != WRITE:
            users[op] = None
    return list(users)


def _ancestors(ends: Iterable[Operation], *, control: bool) -> set[Operation]:
    found: set[Operation] = set()
    todo = list(ends)
    while todo:
        op = todo.pop()
        if op not in found:
            found.add(op)
            todo.extend(t.op for t in op.inputs)
            if control:
                todo.extend(op._control_inputs)
    return found

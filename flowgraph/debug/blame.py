"""Which operation made the first NaN or inf of a run, from which values, in which iteration.

The run is walked op by op from the state before it.  Every array that is not finite carries with it
where it began: the first operation with finite operands and another result.  The result that the
run was stopped for then tells which of several beginnings was its own, so that infinities which
harm nobody (masks) are not blamed.  Infinite constants count as finite: programs write them on
purpose; the operation that makes NaN of them is blamed.

Read next: walk.py, guard.py (who asks).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.debug.flag import PREFIX
from flowgraph.debug.rows import kernels
from flowgraph.debug.walk import Array, Source, Step, Walk
from flowgraph.errors import InvalidArgumentError, OpError, format_message
from flowgraph.graph.default import GraphKeys
from flowgraph.graph.node import Operation
from flowgraph.graph.report import op_message
from flowgraph.graph.site import format_site
from flowgraph.optimize.frozen import UNWRITTEN
from flowgraph.shapes import format_dims

if TYPE_CHECKING:
    from flowgraph.runplan import RunPlan

#: Results named.
_NAMED = 4
#: Arrays up to this many elements are shown whole.
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Origin:
    """Where something that is not finite began.

    step: the operation; None when it was fed, or in a variable before the run.
    what: ``"feed 'x:0'"`` or ``"variable 'w'"`` then.   op: the user's operation.
    number: order of beginning.   array: the first such result.   nan: the step that first made NaN.
    on_purpose: an infinite constant, which counts only where there is nothing else.
    """

    number: int
    step: Step | None
    what: str
    op: Operation | None
    array: Array
    nan: Step | None = None
    on_purpose: bool = False

    @property
    def rank(self) -> tuple[bool, int]:
        """What is blamed first comes first."""
        return self.on_purpose, self.number


class Tracer:
    """Follows what is not finite through the steps of a walk."""

    def __init__(self) -> None:
        #: id of an array -> where it began (and the array, so that its id is not given away).
        self._found: dict[int, tuple[Array, Origin]] = {}
        self.first: Origin | None = None

    def given(self, array: Array, what: str, op: Operation | None) -> None:
        """Note a feed or variable."""
        if not is_finite(array):
            self._note(array, Origin(-1, None, what, op, array))

    def origin(self, array: Array) -> Origin | None:
        """Where ``array`` began to be other than finite; None when it is finite."""
        found = self._found.get(id(array))
        return None if found is None else found[1]

    def see(self, step: Step) -> None:
        """Note the results of a step."""
        if step.node.attrs.get(UNWRITTEN):
            return
        for array in step.outputs:
            if not is_finite(array) and id(array) not in self._found:  # loops hand on what is known
                self._note(array, self._origin_of(array, step))

    def _origin_of(self, array: Array, step: Step) -> Origin:
        has_nan = bool(np.isnan(array).any())
        own = Origin(step.number, step, "", step.op, array, step if has_nan else None)
        if step.node.const is not None:
            return replace(own, on_purpose=not has_nan)
        sources = [o for o in map(self.origin, step.inputs) if o is not None]
        if not sources:
            return own
        first = min(sources, key=lambda o: o.rank)
        if not has_nan or first.nan is not None:
            return first
        return own if first.on_purpose else replace(first, nan=step)

    def _note(self, array: Array, origin: Origin) -> None:
        self._found[id(array)] = (array, origin)
        if self.first is None or origin.rank < self.first.rank:
            self.first = origin


def is_finite(array: Array) -> bool:
    """True when no element is NaN or infinite."""
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def blame(
    plan: RunPlan,
    values: Sequence[Any],
    hosts: Sequence[tuple[str, tuple[Array, ...]]],
    *,
    run: int,
    repeatable: bool,
) -> OpError:
    """The error for a run whose results are not finite.

    Args:
        plan, values: of the run; the session's variables are as they were before it.
        hosts: what its host operations returned.
        run: its number.
        repeatable: False when other runs came in between: the first operation is not looked for.
    """
    notes = [_when(plan, run)]
    if not repeatable:
        text = "check_numerics: a result is NaN or infinite"
        notes.append(
            "it cannot be done again to find the operation: other runs came in between, or fed "
            "arrays were written to since"
        )
        return InvalidArgumentError(None, None, op_message(text, None, notes=notes))
    origin, reached = _look(plan, values, hosts)
    notes.append("variables are as they were before the run")
    if origin is not None:
        return _blame_origin(origin, reached, notes)
    return _blame_kernel(plan, values, hosts, notes)


def _look(
    plan: RunPlan, values: Sequence[Any], hosts: Sequence[tuple[str, tuple[Array, ...]]]
) -> tuple[Origin | None, list[str]]:
    """The origin of what is not finite among the results, and notes: where, and what it reached."""
    state = plan.session._state
    known: dict[str, deque[tuple[Array, ...]]] = {}
    for name, arrays in hosts:
        known.setdefault(name, deque()).append(arrays)
    counters = {name: counter.copy() for name, counter in state.counters.items()}
    variables = dict(state.variables)
    source = Source(state, variables, set(state.initialized), counters, known)
    for graph, feeds, label in plan.plain_runs(values):
        tracer = Tracer()
        walk = _WatchedWalk(graph, feeds, source, tracer)
        where = [label] if label else []
        try:
            for step in walk.steps():
                tracer.see(step)
        except OpError:
            return tracer.first, where  # what is not finite was refused by an operation
        origin, reached = _reached(walk, tracer)
        if origin is not None:
            more = " ..." if len(reached) > _NAMED else ""
            return origin, [*where, f"reached {', '.join(reached[:_NAMED])}{more}"]
        variables.update(walk.written)
        source.initialized.update(walk.written)
    return None, []


def _reached(walk: Walk, tracer: Tracer) -> tuple[Origin | None, list[str]]:
    """The oldest origin among the results of a walk, and the results that are not finite."""
    found: list[tuple[Origin, str]] = []
    for name, array in walk.written.items():
        origin = tracer.origin(array)
        if origin is not None:
            found.append((origin, f"variable {name!r}"))
    for value, array in zip(walk.graph.fetches, walk.results, strict=True):
        origin = tracer.origin(array)
        if origin is not None:
            found.append((origin, repr(f"{value.node.name}:{value.index}")))
    if not found:
        return None, []
    oldest = min((origin for origin, _ in found), key=lambda o: o.rank)
    return oldest, list(dict.fromkeys(name for _, name in found))


class _WatchedWalk(Walk):
    """A walk that tells the tracer about variables when they are read."""

    def __init__(self, graph: Any, feeds: Any, source: Source, tracer: Tracer) -> None:
        super().__init__(graph, feeds, source)
        for array, value in zip(feeds, graph.feeds, strict=True):
            tracer.given(array, f"feed {value.node.name + ':0'!r}", value.node.op)
        plain = type(source).variable.__get__(source)

        def variable(value: Any) -> Array:
            array = plain(value)
            tracer.given(array, f"variable {value.node.attrs['variable']!r}", value.node.op)
            return array

        source.variable = variable  # type: ignore[method-assign]


# ------------------------------------------------------------------------------------- the text


def _when(plan: RunPlan, run: int) -> str:
    session = plan.session
    text = f"step: run {run} of this session"
    for variable in session.graph.get_collection(GraphKeys.GLOBAL_STEP)[:1]:
        value = session._state.variables.get(variable.op.name)
        if value is not None:
            text += f", {variable.op.name} {int(value)}"
    return text


def _blame_origin(origin: Origin, reached: Sequence[str], notes: list[str]) -> OpError:
    array, step = origin.array, origin.step
    place, count = _first_bad(array)
    kind = _kind_of(array[place])
    where = f" at {list(place)}" if place else ""
    many = f" ({count} of {array.size} values are not finite)" if count > 1 else ""
    if step is None:
        text = f"check_numerics: {origin.what} holds {kind}{where}{many}"
        fix = "look at the data: np.isfinite(array).all()"
        if origin.what.startswith("variable"):
            fix = "look at its initial value, or at what was restored or loaded into it"
        message = op_message(text, origin.op, fix=fix, notes=[*reached, *notes])
        return InvalidArgumentError(None, origin.op, message)
    shapes = [f"{a.dtype.name}{format_dims(a.shape)}" for a in step.inputs]
    text = f"check_numerics: {step.type} {step.name!r} made {kind}{where}{many}"
    inside = [f"in {frame}" for frame in step.frames]
    forward = _forward_of(step.op)
    if forward is not None:
        at = format_site(forward.site)
        inside.append(
            f"it is part of the gradient of {forward.type} {forward.name!r}, made at {at}"
        )
    operands = [
        _operand(label, a, array.shape, place)
        for label, a in zip(step.labels(), step.inputs, strict=True)
    ]
    later = []
    if origin.nan is not None and origin.nan is not step:
        at = f" ({origin.nan.line})" if origin.nan.line else ""
        later = [f"it became nan in {origin.nan.type} {origin.nan.name!r}{at}"]
    fix = _fix_of(step, kind)
    every = [*inside, *operands, *later, *reached, *notes]
    if step.op is None:
        message = "\n".join([format_message(text, fix=fix), *(f"  {note}" for note in every)])
    else:
        message = op_message(text, step.op, shapes=shapes, fix=fix, notes=every)
    return InvalidArgumentError(None, step.op, message)


def _blame_kernel(
    plan: RunPlan,
    values: Sequence[Any],
    hosts: Sequence[tuple[str, tuple[Array, ...]]],
    notes: list[str],
) -> OpError:
    """The references stay finite: another order of summation, or less room for overflow.

    The native run is done kernel by kernel; the first with another result is named.
    """
    for kernel in kernels(plan, values, hosts):
        for value, array in kernel.outputs.items():
            if not is_finite(array) and not value.node.name.startswith(PREFIX):
                op = kernel.instr.nodes[-1].op if value.node.op is None else value.node.op
                place, count = _first_bad(array)
                text = (
                    f"check_numerics: the kernel of {kernel.instr.label} made "
                    f"{_kind_of(array[place])} at {list(place)} ({count} of {array.size} values)"
                )
                lines = dict.fromkeys(
                    f"{n.type} {n.name!r} ({format_site(n.op.site)})"
                    for n in kernel.instr.nodes
                    if n.op is not None
                )
                why = "computed op by op in NumPy it stays finite: values near overflow"
                members = f"operations of the kernel: {', '.join(lines)}"
                message = op_message(text, op, notes=[members, why, *notes])
                return InvalidArgumentError(None, op, message)
    text = op_message("check_numerics: a result is NaN or infinite", None, notes=notes)
    return InvalidArgumentError(None, None, text)


def _first_bad(array: Array) -> tuple[tuple[int, ...], int]:
    """Where the first NaN stands, or else the first infinity; and how many of either there are."""
    bad = ~np.isfinite(array)
    nan = np.isnan(array)
    place = np.unravel_index(int(np.argmax(nan if nan.any() else bad)), array.shape)
    return tuple(int(i) for i in place), int(bad.sum())


def _kind_of(value: Any) -> str:
    if np.isnan(value):
        return "nan"
    return "inf" if np.real(value) > 0 or np.imag(value) > 0 else "-inf"


def _operand(label: str, array: Array, shape: tuple[int, ...], place: tuple[int, ...]) -> str:
    """The element that met the bad one, and what the operand looks like as a whole."""
    if array.dtype.kind not in "fcbiu":
        return f"{label} = {array.dtype.name}{format_dims(array.shape)}"
    if array.size <= _SHOWN:
        return f"{label} = {np.array2string(array, separator=', ')}"
    text = f"{label}: "
    try:
        if np.broadcast_shapes(array.shape, shape) == shape:
            text += f"{array[tuple(place)]!s} at {list(place)}; " if array.shape == shape else (
                f"{np.broadcast_to(array, shape)[place]!s} there; "
            )  # fmt: skip
    except ValueError:
        pass
    if array.dtype.kind == "c":
        return text + f"largest magnitude {np.abs(array).max():g}"
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return text + "no element is finite"
    wide = finite.astype(np.float64)
    text += f"min {wide.min():g}, max {wide.max():g}, mean {wide.mean():g}"
    bad = array.size - finite.size
    return text + (f", {bad} not finite" if bad else "")


def _forward_of(op: Operation | None) -> Operation | None:
    """The operation whose gradient ``op`` is part of."""
    found = re.match(r"(?:.*/)?gradients[^/]*/(.+?)_grad(?:/|$)", "" if op is None else op.name)
    if op is None or found is None:
        return None
    return op.graph._by_name.get(found[1])


_LARGE = (
    "values have grown too large: a smaller learning rate, tf.clip_by_global_norm on the "
    "gradients, or inputs scaled to about 1"
)
_FIXES: Mapping[str, str] = {
    "Log": "keep its argument positive, tf.log(tf.maximum(x, 1e-7)); for probabilities use "
    "tf.nn.log_softmax or a cross entropy ..._with_logits",
    "Log1p": "keep its argument above -1",
    "RealDiv": "use tf.div_no_nan, or add a small number to the divisor",
    "Div": "use tf.div_no_nan, or add a small number to the divisor",
    "Reciprocal": "keep its argument away from 0; under tf.where, choose the argument too",
    "Inv": "keep its argument away from 0",
    "Exp": "exp overflows above 88: use tf.reduce_logsumexp or tf.nn.softmax, or clip its argument",
    "Expm1": "exp overflows above 88: clip its argument",
    "Sqrt": "keep its argument from being negative: tf.maximum(x, 0.0)",
    "Rsqrt": "keep its argument positive: add a small number",
    "SqrtGrad": "the slope of sqrt at 0 is infinite: add a small number under the root",
    "RsqrtGrad": "keep the argument of rsqrt positive: add a small number",
    "Pow": "a negative base needs a whole exponent, and 0 no negative one",
    "Acos": "keep its argument in [-1, 1]: tf.clip_by_value(x, -1.0, 1.0)",
    "Asin": "keep its argument in [-1, 1]: tf.clip_by_value(x, -1.0, 1.0)",
    "Atanh": "keep its argument in (-1, 1)",
}


def _fix_of(step: Step, kind: str) -> str:
    if step.type in _FIXES:
        return _FIXES[step.type]
    if "Apply" in step.type and step.node.writes:
        return "a smaller learning rate, tf.clip_by_global_norm, or a larger epsilon"
    if step.type in ("Mul", "Sub", "AddV2", "Add") and kind == "nan":
        return "0 * inf and inf - inf are nan: look where the infinity comes from"
    if step.type == "Const":
        return f"the constant itself is {kind}: look at the value it is made of"
    return _LARGE

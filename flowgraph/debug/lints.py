"""Lints: traps that a graph shows before it runs.

    check(plan)   at the first run of every (fetches, feeds): what was made since the last look

Every check is bound to op types, so that a look costs little more than a walk over the new
operations; it then looks at the neighbourhood of the few that it is bound to.  A check that is not
sure says nothing: a warning that is wrong teaches people to ignore warnings.

Read next: graph/lint.py (how a warning looks, and how it is switched off).
"""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph import config
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys
from flowgraph.graph.export import export, export_value
from flowgraph.graph.lint import LintWarning, warn
from flowgraph.graph.node import Operation, Tensor, describe
from flowgraph.graph.opdef import OPDEFS, WRITE
from flowgraph.graph.site import Site, format_site
from flowgraph.graph.static import constant_value
from flowgraph.optimize.frozen import RANDOM
from flowgraph.shapes import Dims, format_dims

if TYPE_CHECKING:
    from flowgraph.runplan import RunPlan

export_value(LintWarning, "debugging.LintWarning")

#: Operations that act on each element alone and keep the shape.
_ELEMENTWISE = frozenset((
    "Square", "Abs", "Neg", "Sqrt", "Exp", "Log", "Log1p", "Pow", "Mul", "RealDiv", "Identity",
    "Cast", "Maximum", "Minimum", "AddV2", "Add", "Sub",
))  # fmt: skip
_REDUCTIONS = frozenset(("Sum", "Mean", "Max", "Min", "Prod"))
#: Operations that hand the same values on.
_SAME = frozenset(("Identity", "Reshape", "Cast", "Squeeze", "ExpandDims", "StopGradient"))
#: Data runs from one line and graph growth, from which on a growing graph is told.
GROWTH = 64


@export("debugging.set_lints")
def set_lints(lints: Any = "all") -> None:
    """Say which lints warn, from now on.

    Args:
        lints: ``"all"``, ``"none"``, names separated by commas, or names with a minus in front to
            leave out of all: ``"-broadcast,-growing-graph"``.  The names are
            broadcast, softmax-twice, batch-twice, concat-axis, masked-nan, unreached-variable,
            integer-division, dropout-always-on and growing-graph (docs/debugging.md).

    Raises:
        ValueError: there is no lint of a name.

    For a process: ``FLOWGRAPH_LINTS``.  Python's ``warnings`` filters work too: the category is
    ``tf.debugging.LintWarning``.

    >>> set_lints("-broadcast")
    >>> set_lints("all")
    """
    config.set_value("LINTS", config.parse_lints(lints))


# --------------------------------------------------------------------------------- when it is done

_looked_at: weakref.WeakKeyDictionary[Graph, int] = weakref.WeakKeyDictionary()
_growth: weakref.WeakKeyDictionary[Any, tuple[int, Counter[Site]]] = weakref.WeakKeyDictionary()


def check(plan: RunPlan) -> None:
    """Look at what was made since the last look, and at the plan."""
    graph = plan.session.graph
    start = _looked_at.get(graph, 0)
    operations = graph._operations
    _looked_at[graph] = len(operations)
    for i in range(start, len(operations)):
        op = operations[i]
        for look in _CHECKS.get(op.type, ()):
            look(op)
    _unreached_variables(graph)
    _dropout_always_on(plan)
    _growing_graph(plan, start, len(operations))


def _warn(name: str, headline: str, op: Operation, tensors: Iterable[Any], fix: str) -> None:
    rows = [describe(label, tensor) for label, tensor in tensors]
    warn(name, f"{op.type}: {headline}", rows, (op.name, format_site(op.site)), fix, op.site)


# ------------------------------------------------------------------------------------- the checks


def _broadcast(op: Operation) -> None:
    """(N,) against (N, 1) gives (N, N), and a mean over all of it is a number like any other."""
    x, y = op.inputs
    for small, large in ((x, y), (y, x)):
        if not _crosses(small.dims, large.dims) or _made_on_purpose(large):
            continue
        reduction = _reduced_later(op.outputs[0])
        if reduction is not None:
            name = "x" if small is x else "y"
            _warn(
                "broadcast",
                f"{format_dims(small.dims)} and {format_dims(large.dims)} broadcast to "
                f"{format_dims(op.outputs[0].dims)}, every row against every other, before "
                f"{reduction.type} {reduction.name!r} ({format_site(reduction.site)})",
                op,
                [("x", x), ("y", y)],
                f"give both one shape, e.g. tf.squeeze({'y' if small is x else 'x'}, 1), or "
                f"tf.expand_dims({name}, 1)",
            )


def _crosses(small: Dims, large: Dims) -> bool:
    """True for [N] and [N, 1], N unknown or equal and not 1."""
    if small is None or large is None or len(small) != 1 or len(large) != 2 or large[1] != 1:
        return False
    return small[0] == large[0] and small[0] != 1


def _made_on_purpose(tensor: Tensor) -> bool:
    """True when the axis of size 1 was put there for broadcasting."""
    op = tensor.op
    if op.type == "StridedSlice":
        return bool(op.attrs.get("new_axis_mask"))
    return op.type == "ExpandDims" or (op.type in _REDUCTIONS and bool(op.attrs.get("keep_dims")))


def _reduced_later(tensor: Tensor, depth: int = 5) -> Operation | None:
    """A reduction over all axes that ``tensor`` goes into, element by element."""
    for op in tensor.consumers():
        if op.type in ("Sum", "Mean"):
            axes = constant_value(op.inputs[1])
            if axes is not None and np.size(axes) == 2:
                return op
        elif op.type in _ELEMENTWISE and depth and op.outputs[0].dims == tensor.dims:
            found = _reduced_later(op.outputs[0], depth - 1)
            if found is not None:
                return found
    return None


def _softmax_twice(op: Operation) -> None:
    """The loss applies softmax itself: it wants logits."""
    _given_probabilities(op, op.inputs[0], "softmax", ("Softmax", "Sigmoid"))


def _softmax_of_softmax(op: Operation) -> None:
    _given_probabilities(op, op.inputs[0], "softmax", ("Softmax",))


def _sigmoid_loss(op: Operation) -> None:
    """``log1p(exp(-abs(x)))`` of a sigmoid cross entropy: its x is another sigmoid's result."""
    scope, _, last = op.name.rpartition("/")
    if not (last.startswith("Log1p") and "logistic_loss" in scope):
        return
    select = op.inputs[0].op.inputs[0].op if op.inputs[0].op.type == "Exp" else None
    if select is not None and select.type == "Select":
        _given_probabilities(op, select.inputs[2], "sigmoid", ("Softmax", "Sigmoid"))


def _given_probabilities(op: Operation, tensor: Tensor, own: str, types: tuple[str, ...]) -> None:
    source = _origin(tensor)
    if source.type in types and source.inputs:
        what = source.type.lower()
        _warn(
            "softmax-twice",
            f"it applies {own} to the result of {what} {source.name!r} "
            f"({format_site(source.site)}): it takes logits, not probabilities",
            op,
            [("logits", tensor), (what, source.outputs[0])],
            f"give it what {what} was given, {source.inputs[0].name!r}; use tf.nn.{what} only "
            "for what is shown",
        )


def _origin(tensor: Tensor) -> Operation:
    """The operation that makes the values, reshapes and copies passed through."""
    op = tensor.op
    while op.type in _SAME and op.inputs:
        op = op.inputs[0].op
    return op


def _concat_axis(op: Operation) -> None:
    """Two results of the same rows, one below the other, against values of the rows themselves."""
    *values, axis = op.inputs
    place = constant_value(axis)
    if place is None or int(place) != 0 or len(values) < 2:
        return
    if not all(v.dims is not None and len(v.dims) >= 2 and v.dims[0] is None for v in values):
        return
    sources = {_source_of_rows(v) for v in values}
    if len(sources) != 1 or None in sources:
        return
    (source,) = sources
    for user, other in _meets(op.outputs[0]):
        if _source_of_rows(other) is not None and user.outputs[0].dims is not None:
            _warn(
                "concat-axis",
                f"along axis 0 it puts {len(values)} results of the same rows below each other, "
                f"and {user.type} {user.name!r} ({format_site(user.site)}) compares them with "
                f"values of the rows",
                op,
                [
                    *((f"values[{i}]", v) for i, v in enumerate(values)),
                    ("rows", source),
                    ("other", other),
                ],
                "features are put side by side along the last axis: tf.concat(values, -1)",
            )
            return


#: Operations whose rows are those of their first input.
_BY_ROW = frozenset((
    "MatMul", "BiasAdd", "Relu", "Relu6", "Elu", "Selu", "Tanh", "Sigmoid", "Softplus", "Softmax",
    "Identity", "Cast", "Square", "Abs", "Neg", "Exp", "Log", "Sqrt", "LeakyRelu", "LogSoftmax",
))  # fmt: skip
_BINARY = frozenset(
    ("AddV2", "Add", "Sub", "Mul", "RealDiv", "SquaredDifference", "Maximum", "Minimum")
)
_COMPARING = frozenset(("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"))


def _source_of_rows(tensor: Tensor, depth: int = 40) -> Tensor | None:
    """The fed tensor whose rows ``tensor`` has, if it can be told."""
    while depth:
        op = tensor.op
        if op.type in ("Placeholder", "IteratorGetNext"):
            return tensor if tensor.dims and tensor.dims[0] is None else None
        if op.type in _BINARY:
            tensor = next((t for t in op.inputs if t.dims and t.dims[0] is None), op.inputs[0])
        elif op.type in _BY_ROW and not op.attrs.get("transpose_a"):
            tensor = op.inputs[0]
        else:
            return None
        if not tensor.dims or tensor.dims[0] is not None:
            return None
        depth -= 1
    return None


def _meets(tensor: Tensor, depth: int = 12) -> Iterator[tuple[Operation, Tensor]]:
    """Operations that take rows computed from ``tensor`` together with other rows, and those."""
    for op in tensor.consumers():
        others = [t for t in op.inputs if t is not tensor]
        if op.type in _COMPARING or (op.type in _BINARY and "_grad/" not in op.name):
            for other in others:
                if other.dims and other.dims[0] is None and len(other.dims) >= 1:
                    yield op, other
        by_row = op.type in _BY_ROW and op.inputs[0] is tensor and not op.attrs.get("transpose_a")
        if depth and (by_row or op.type in _BINARY) and op.outputs[0].dims:
            yield from _meets(op.outputs[0], depth - 1)


_UNSAFE = frozenset(("Log", "RealDiv", "Div", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Pow"))


def _masked_nan(op: Operation) -> None:
    """``where(y > 0, log(y), 0)``: its gradient multiplies 0 by the inf that 1 / y is at 0."""
    for user in op.inputs[0].consumers():
        if user.type == op.type and f"{user.name}_grad/" in op.name:
            _masked(user)


def _masked(op: Operation) -> None:
    """``op`` selects, and has a gradient."""
    condition, *branches = op.inputs
    test = condition.op
    if test.type not in ("Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual", "Equal"):
        return
    tested = [t for t in test.inputs if constant_value(t) is None]
    if len(tested) != 1:
        return
    for branch in branches:
        unsafe = branch.op
        if unsafe.type not in _UNSAFE:
            continue
        operand = unsafe.inputs[1 if unsafe.type in ("RealDiv", "Div") else 0]
        if operand is tested[0]:
            _warn(
                "masked-nan",
                f"it masks {unsafe.type} {unsafe.name!r} ({format_site(unsafe.site)}) where "
                f"{operand.name!r} does not suit it, but the gradient of {unsafe.type} is still "
                "computed there, and 0 * inf is nan",
                op,
                [("condition", condition), ("branch", branch), ("tested", operand)],
                f"choose the operand as well: safe = tf.where(condition, {_short(operand)}, "
                f"tf.ones_like({_short(operand)})), and take the {unsafe.type.lower()} of it",
            )


def _short(tensor: Tensor) -> str:
    return tensor.op.name.removesuffix("/read").rpartition("/")[2]


def _integer_division(op: Operation) -> None:
    """``tf.div`` of integers cuts the fraction off before the cast."""
    users = op.outputs[0].consumers()
    if not re.search(r"(^|/)div(_\d+)?$", op.name):
        return  # // says what it does
    if op.outputs[0].dtype.is_integer and users:
        casts = [u for u in users if u.type == "Cast" and u.outputs[0].dtype.is_floating]
        if len(casts) == len(users):
            _warn(
                "integer-division",
                f"integers are divided, which cuts the fraction off, and the quotient becomes "
                f"{casts[0].outputs[0].dtype.name} in {casts[0].name!r} "
                f"({format_site(casts[0].site)})",
                op,
                [("x", op.inputs[0]), ("y", op.inputs[1])],
                "divide with x / y, which gives floats, or cast the operands first",
            )


_CHECKS: dict[str, tuple[Callable[[Operation], None], ...]] = {
    "Sub": (_broadcast,),
    "SquaredDifference": (_broadcast,),
    "Mul": (_broadcast,),
    "SoftmaxCrossEntropyWithLogits": (_softmax_twice,),
    "SparseSoftmaxCrossEntropyWithLogits": (_softmax_twice,),
    "Softmax": (_softmax_of_softmax,),
    "LogSoftmax": (_softmax_of_softmax,),
    "Log1p": (_sigmoid_loss,),
    "ConcatV2": (_concat_axis,),
    "Select": (_masked_nan,),
    "SelectV2": (_masked_nan,),
    "FloorDiv": (_integer_division,),
}


# ------------------------------------------------------------------------- checks of whole graphs


def _unreached_variables(graph: Graph) -> None:
    """A trainable variable that ``minimize`` was to train, and that nothing changes."""
    noted = graph._without_gradient
    while noted:
        loss, variable = noted.pop()
        op = variable.op
        writers = [
            user for user in op.outputs[0].consumers()
            if OPDEFS[user.type].effect == WRITE and user is not variable.initializer
        ]  # fmt: skip
        if writers:
            continue
        # Imported here: only this warning needs it.
        from flowgraph.graph.cuts import why_no_gradient

        why = why_no_gradient(loss, variable)
        reason = why.message.splitlines()[0].partition(" is None: ")[2]
        text = (
            f"the trainable variable {op.name!r} is never trained: no loss that is minimised "
            f"reaches it ({reason})"
        )
        rows = [describe("variable", op.outputs[0]), describe("loss", loss)]
        fix = (
            "let the loss use it, or make it with trainable=False, or name what to train: var_list"
        )
        if why.cuts:
            fix = "print(tf.why_no_gradient(loss, variable)) shows the path that is cut"
        warn("unreached-variable", text, rows, ("", format_site(op.site)), fix, op.site)


def _dropout_always_on(plan: RunPlan) -> None:
    """An evaluation with dropout of a fixed rate in a graph that trains."""
    graph = plan.graph
    if not graph.feeds or any(node.writes for node in graph.nodes):
        return
    if not plan.session.graph.get_collection(GraphKeys.TRAIN_OP):
        return
    for node in graph.nodes:
        op = node.op
        if node.effect != RANDOM or op is None or not re.search(r"dropout(_\d+)?/", op.name):
            continue
        found = _dropout_of(op)
        if found is not None:
            compare, rate = found
            _warn(
                "dropout-always-on",
                f"this run trains nothing, yet it drops {rate:g} of the elements at random: the "
                "rate is a constant of the graph",
                compare,
                [("noise", compare.inputs[0]), ("rate", compare.inputs[1])],
                "make the rate a placeholder: rate = tf.placeholder_with_default(0.0, []), fed "
                "while training",
            )
            return


def _dropout_of(op: Operation) -> tuple[Operation, float] | None:
    """The comparison of noise with a constant rate above 0."""
    tensor = op.outputs[0]
    for _ in range(4):
        for user in tensor.consumers():
            if user.type == "GreaterEqual":
                rate = constant_value(user.inputs[1])
                return None if rate is None or not rate else (user, float(rate))
        users = [u for u in tensor.consumers() if u.type in ("Mul", "AddV2", "Add", "Sub")]
        if not users:
            return None
        tensor = users[0].outputs[0]
    return None


def _growing_graph(plan: RunPlan, start: int, stop: int) -> None:
    """Operations made between runs, by one line again and again: every run compiles."""
    session = plan.session
    last, lines = _growth.get(session, (0, Counter()))
    _growth[session] = (stop, lines)
    if not last or start == stop:
        return
    newest = session.graph._operations[stop - 1]
    lines[newest.site] += 1
    if lines[newest.site] == GROWTH:
        _warn(
            "growing-graph",
            f"this line has added operations to the graph between {GROWTH} runs: the graph grows, "
            f"it has {stop} operations now, and every run is compiled anew",
            newest,
            [],
            "make the operations once before the loop, feed what changes through placeholders; "
            "graph.finalize() shows where it grows",
        )

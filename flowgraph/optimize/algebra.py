"""Pass ``algebra``: identities that make graphs smaller, cheaper or more stable.

RULES is a table read top-down; every row is locally valid, so their order affects speed only.  A
rule looks at one node and returns the Value that replaces its output, or None.

    exact      the result has the same bits (a zero's sign aside: x + 0 is x, also for x = -0)
    stable     the result is nearer to the mathematical value, and finite where the original is not

What is *not* here, and why:  x * 0 -> 0 and x - x -> 0 and x / x -> 1 are wrong at NaN and
infinity; (a + b) + c -> a + (b + c) changes rounding;  sqrt(x)**2 -> x is wrong for x < 0.

Needs: folded constants.  FLOWGRAPH_MAX_REWRITES=n stops after n rewrites: bisecting finds a bad
rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph import config
from flowgraph.graph.opdef import OPDEFS, PURE
from flowgraph.optimize.frozen import (
    FrozenGraph,
    Node,
    Value,
    constant,
    rewrite,
    uniform_bits,
)
from flowgraph.shapes import is_fully_known


class Maker:
    """Makes the nodes that a rule's result needs."""

    def __init__(self, node: Node, out: list[Node]) -> None:
        self.node, self.out = node, out

    def __call__(self, type: str, *inputs: Value, **attrs: Any) -> Value:
        """The output of a new node that replaces (and stems from) the node at hand."""
        like = self.node.outputs[0]
        node = Node(type, OPDEFS[type], attrs, inputs, self.node.name, self.node.op)
        node.outputs = (Value(node, 0, like.dtype, like.shape),)
        self.out.append(node)
        return node.outputs[0]

    def const(self, array: Any, like: Value) -> Value:
        """A constant of ``like``'s dtype."""
        value = constant(
            np.asarray(array, like.dtype.np), like.dtype, self.node.name, OPDEFS["Const"]
        )
        self.out.append(value.node)
        return value


Rewrite = Callable[[Node, Maker], Value | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: ``types`` it applies to, what it does, why it holds, ``exact`` or ``stable``."""

    name: str
    types: tuple[str, ...]
    rewrite: Rewrite
    proof: str
    kind: str = "exact"


def _uniform(value: Value) -> float | int | bool | None:
    """The one number that a constant consists of, or None."""
    array = value.node.const
    if array is None or array.size == 0 or array.dtype.kind not in "fiub":
        return None
    return array.flat[0].item() if uniform_bits(array) else None


def _same_shape(a: Value, b: Value) -> bool:
    """True when the static shapes are surely equal."""
    if a.shape is None or a.shape != b.shape:
        return False
    return None not in a.shape


def _beside(number: float, *, left: bool) -> Rewrite:
    """``x op number -> x`` (also ``number op x`` when ``left``) where nothing is broadcast."""

    def rewrite(node: Node, make: Maker) -> Value | None:
        x, y = node.inputs
        if _uniform(y) == number and _keeps_shape(node, x, y):
            return x
        if left and _uniform(x) == number and _keeps_shape(node, y, x):
            return y
        return None

    return rewrite


def _keeps_shape(node: Node, kept: Value, dropped: Value) -> bool:
    # A scalar constant cannot broadcast the other operand, whatever its size turns out to be.
    return dropped.shape == () or _same_shape(kept, node.outputs[0])


def _forward(node: Node, make: Maker) -> Value | None:
    return node.inputs[0]


def _slice_of_everything(node: Node, make: Maker) -> Value | None:
    strides, dy, dx = node.inputs[3].node.const, node.inputs[4], node.outputs[0]
    if strides is None or (strides < 0).any() or not is_fully_known(dx.shape):
        return None
    if not is_fully_known(dy.shape) or dy.size != dx.size:
        return None
    if dy.shape == dx.shape:
        return dy
    shape = make.const(np.array(dx.sizes, np.int32), node.inputs[0])
    return make("Reshape", dy, shape, T=dy.dtype, Tshape=shape.dtype)


def _forward_if_same_shape(node: Node, make: Maker) -> Value | None:
    x = node.inputs[0]
    return x if _same_shape(x, node.outputs[0]) else None


def _double_negation(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    return inner.inputs[0] if inner.type == "Neg" else None


def _add_negated(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    if y.node.type == "Neg":
        return make("Sub", x, y.node.inputs[0], T=node.attrs.get("T"))
    if x.node.type == "Neg":
        return make("Sub", y, x.node.inputs[0], T=node.attrs.get("T"))
    return None


def _subtract_negated(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    return make("Add", x, y.node.inputs[0], T=node.attrs.get("T")) if y.node.type == "Neg" else None


def _pow_one(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    return x if _uniform(y) == 1 and _keeps_shape(node, x, y) else None


def _pow_two(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    if _uniform(y) == 2 and _keeps_shape(node, x, y):
        return make("Square", x, T=node.attrs.get("T"))
    return None


def _divide_by_power_of_two(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    number = _uniform(y)
    if number is None or number == 0 or not math.isfinite(number) or not x.dtype.is_floating:
        return None
    mantissa, exponent = math.frexp(number)
    if abs(mantissa) != 0.5 or abs(exponent) > 14:  # 1/number must be exact in every float dtype
        return None
    return make("Mul", x, make.const(np.full(y.shape, 1 / number), y), T=node.attrs.get("T"))


def _reshape_of_reshape(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    if inner.type != "Reshape" or node.inputs[1].node.const is None:
        return None
    return make("Reshape", inner.inputs[0], node.inputs[1], **node.attrs)


def _permutation(node: Node) -> np.ndarray | None:
    return node.inputs[1].node.const


def _transpose_nothing(node: Node, make: Maker) -> Value | None:
    perm = _permutation(node)
    if perm is None or not np.array_equal(perm, np.arange(perm.size)):
        return None
    return node.inputs[0]


def _transpose_of_transpose(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    outer_perm = _permutation(node)
    if inner.type != "Transpose" or outer_perm is None:
        return None
    inner_perm = _permutation(inner)
    if inner_perm is None:
        return None
    composed = inner_perm[outer_perm]
    if np.array_equal(composed, np.arange(composed.size)):
        return inner.inputs[0]
    perm = make.const(composed, node.inputs[1])
    return make("Transpose", inner.inputs[0], perm, **node.attrs)


def _cast_to_own_dtype(node: Node, make: Maker) -> Value | None:
    x = node.inputs[0]
    return x if x.dtype is node.outputs[0].dtype else None


def _reduce_over_nothing(node: Node, make: Maker) -> Value | None:
    axes = node.inputs[1].node.const
    return node.inputs[0] if axes is not None and axes.size == 0 else None


def _add_one_or_two(node: Node, make: Maker) -> Value | None:
    if len(node.inputs) == 1:
        return node.inputs[0]
    if len(node.inputs) == 2:
        return make("Add", *node.inputs, T=node.attrs.get("T"))
    return None


def _log_of_softmax(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    return make("LogSoftmax", inner.inputs[0], **inner.attrs) if inner.type == "Softmax" else None


def _log_of_sigmoid(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    if inner.type != "Sigmoid":
        return None
    kind = node.attrs.get("T")
    return make("Neg", make("Softplus", make("Neg", inner.inputs[0], T=kind), T=kind), T=kind)


def _log_of_one_plus(node: Node, make: Maker) -> Value | None:
    inner = node.inputs[0].node
    if inner.type not in ("Add", "AddV2"):
        return None
    x, y = inner.inputs
    for number, other in ((x, y), (y, x)):
        if _uniform(number) == 1 and _keeps_shape(inner, other, number):
            return make("Log1p", other, T=node.attrs.get("T"))
    return None


def _exp_minus_one(node: Node, make: Maker) -> Value | None:
    x, y = node.inputs
    if x.node.type == "Exp" and _uniform(y) == 1 and _keeps_shape(node, x, y):
        return make("Expm1", x.node.inputs[0], T=node.attrs.get("T"))
    return None


_ADD = ("Add", "AddV2")
_REDUCE = ("Sum", "Mean", "Max", "Min", "Prod", "Any", "All")

RULES: tuple[Rule, ...] = (
    Rule("forward", ("Identity", "StopGradient", "PreventGradient"), _forward, "the value is x"),
    Rule("cast to own dtype", ("Cast",), _cast_to_own_dtype, "every element is itself"),
    Rule("add zero", _ADD, _beside(0, left=True), "x + 0 = x"),
    Rule("subtract zero", ("Sub",), _beside(0, left=False), "x - 0 = x"),
    Rule("multiply by one", ("Mul",), _beside(1, left=True), "x * 1 = x, NaN included"),
    Rule(
        "divide by one",
        ("RealDiv", "Div", "FloorDiv"),
        lambda n, m: (
            _beside(1, left=False)(n, m)
            if n.type != "FloorDiv" or not n.inputs[0].dtype.is_floating
            else None
        ),
        "x / 1 = x; a float's floor division still rounds",
    ),
    Rule("negate twice", ("Neg",), _double_negation, "-(-x) = x"),
    Rule("add a negative", _ADD, _add_negated, "x + (-y) = x - y, the same rounding"),
    Rule("subtract a negative", ("Sub",), _subtract_negated, "x - (-y) = x + y, the same rounding"),
    Rule("first power", ("Pow",), _pow_one, "x**1 = x"),
    Rule("second power", ("Pow",), _pow_two, "x**2 = x*x, correctly rounded"),
    Rule(
        "divide by 2**k",
        ("RealDiv", "Div"),
        _divide_by_power_of_two,
        "2**-k is exact, and scaling by it rounds as the division does",
    ),
    Rule(
        "reshape to own shape",
        ("Reshape", "BroadcastTo", "Tile", "StackResize"),
        _forward_if_same_shape,
        "row-major order is kept; nothing is repeated",
    ),
    Rule(
        "slice everything",
        ("StridedSliceGrad",),
        _slice_of_everything,
        "as many elements as there are, in their order: no zeros between them",
    ),
    Rule("reshape a reshape", ("Reshape",), _reshape_of_reshape, "only the last shape counts"),
    Rule("transpose nothing", ("Transpose",), _transpose_nothing, "the identity permutation"),
    Rule(
        "transpose twice",
        ("Transpose",),
        _transpose_of_transpose,
        "out axis i is inner axis q[i], which is x's axis p[q[i]]",
    ),
    Rule("reduce nothing", _REDUCE, _reduce_over_nothing, "no axis: every element alone"),
    Rule("sum of few", ("AddN",), _add_one_or_two, "x = sum [x];  x + y = sum [x, y]"),
    Rule(
        "log softmax",
        ("Log",),
        _log_of_softmax,
        "log(exp(x-m)/s) = x - m - log s, finite where the softmax underflows",
        "stable",
    ),
    Rule("log sigmoid", ("Log",), _log_of_sigmoid, "log(1/(1+exp(-x))) = -softplus(-x)", "stable"),
    Rule("log of 1 + x", ("Log",), _log_of_one_plus, "log1p(x) by definition", "stable"),
    Rule("exp(x) - 1", ("Sub",), _exp_minus_one, "expm1(x) by definition", "stable"),
)


def by_type(rules: tuple[Rule, ...]) -> dict[str, list[Rule]]:
    """The rules that apply to each op type, in table order."""
    table: dict[str, list[Rule]] = {}
    for rule in rules:
        for type in rule.types:
            table.setdefault(type, []).append(rule)
    return table


_BY_TYPE = by_type(RULES)

#: While somebody asks which rules apply (profile/explaining.py): those that did, and where.
applied: list[tuple[Rule, Node]] | None = None


def simplify(graph: FrozenGraph) -> FrozenGraph:
    """Apply the table's rules once, in program order; see the module docstring."""
    return apply_rules(graph, _BY_TYPE)


def apply_rules(graph: FrozenGraph, table: dict[str, list[Rule]]) -> FrozenGraph:
    """``simplify`` with another table (tests shuffle and single out rules)."""
    limit = config.get("MAX_REWRITES")
    left = math.inf if limit is None else limit

    def visit(node: Node, out: list[Node]) -> tuple[Value, ...] | None:
        nonlocal left
        rules = table.get(node.type)
        if rules is None or node.effect != PURE or len(node.outputs) != 1 or left == 0:
            return None
        start = len(out)
        for rule in rules:
            result = rule.rewrite(node, Maker(node, out))
            if result is not None:
                left -= 1
                if applied is not None:
                    applied.append((rule, node))
                return (result,)
            del out[start:]
        return None

    return rewrite(graph, visit)

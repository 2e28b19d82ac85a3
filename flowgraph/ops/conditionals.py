"""Branches: cond, case, switch_case.

Each branch is a function without arguments, called once, whose operations become a branch of an If
operation; only the branch that is taken runs.

Read next: loops.py, control_flow.py (the records).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import bool_, int32
from flowgraph.errors import format_message
from flowgraph.graph.apply import call, note_effects
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor, describe
from flowgraph.graph.report import call_message
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops import nest
from flowgraph.ops.flow_rules import (
    as_output,
    packed,
    parts_like,
    parts_of,
)

Branch = Callable[[], Any]


@export("cond")
def cond(
    pred: Any,
    true_fn: Branch | None = None,
    false_fn: Branch | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Branch | None = None,
    fn2: Branch | None = None,
) -> Any:
    """What ``true_fn()`` returned if ``pred`` holds when the graph runs, else ``false_fn()``'s.

    Both functions are called, once, to make the operations of their branch; when running, only
    those of the branch taken run.  Operations made outside of the functions do not belong to them.

    Args:
        pred: a bool tensor without axes.
        true_fn, false_fn: functions without arguments that return a tensor, an operation, or a
            nested structure of them; both return the same structure and dtypes.
        strict: True keeps a list or tuple of one element, which is otherwise taken apart.
        name: of the name scope; ``"cond"`` by default.
        fn1, fn2: older names of true_fn and false_fn.

    Returns:
        The structure with tensors; an operation becomes True, after it has run.  Where the shapes
        of the branches differ the static shape is unknown.

    Raises:
        TypeError: ``pred`` is a Python bool (use ``if``) or no bool; a branch is missing or not
            callable.
        ValueError: a branch returns None; the structures or dtypes differ.

    >>> x = tf.placeholder(tf.float32, [])
    >>> y = tf.cond(x > 0, lambda: tf.sqrt(x), lambda: tf.constant(0.0))
    >>> with tf.Session() as sess:
    ...     print(sess.run(y, {x: 9.0}), sess.run(y, {x: -1.0}))
    3.0 0.0
    """
    true_fn = _branch("true_fn", true_fn, "fn1", fn1)
    false_fn = _branch("false_fn", false_fn, "fn2", fn2)
    graph = get_default_graph()
    if graph.executes:
        return graph.cond(pred, true_fn, false_fn, strict)  # type: ignore[attr-defined]
    if isinstance(pred, bool):
        raise TypeError("cond: pred must be a tensor, not a Python bool; use `if`")
    with name_scope(name, "cond", [pred]) as scope:
        condition = call.Identity(convert_to_tensor(pred, bool_), name="pred_id")
        graph = condition.graph
        then, first = _build(graph, "then", scope[:-1], "true_fn", true_fn, None)
        other, second = _build(graph, "else", scope[:-1], "false_fn", false_fn, first)
        _check_alike(scope[:-1], first, second, then, other)
        if not then.outputs:
            return first
        captures = list(dict.fromkeys([*then.captures, *other.captures]))
        results = call.If(
            condition,
            captures,
            Tout=[t.dtype.base_dtype for t in then.outputs if t is not None],
            then_branch=then,
            else_branch=other,
        )
        note_effects(graph, results[0].op, [then, other])
        merged = [call.Identity(result, name="Merge") for result in results]
    structure = packed(first, nest.flatten(first), merged)
    if not strict and isinstance(structure, (list, tuple)) and len(structure) == 1:
        return structure[0]
    return structure


def _branch(name: str, given: Branch | None, old_name: str, old: Branch | None) -> Branch:
    if given is not None and old is not None:
        raise TypeError(f"cond: {name} and {old_name} mean the same, give only one of them")
    given = old if given is None else given
    if given is None:
        raise TypeError(f"cond: {name} must be given")
    if not callable(given):
        raise TypeError(
            call_message(
                f"cond: {name} must be a function without arguments, got {given!r}",
                [(name, given)],
                name="cond",
                fix=f"write {name}=lambda: ...; what is made inside runs only in that branch",
            )
        )
    return given


def _build(
    graph: Graph, kind: str, scope: str, name: str, fn: Branch, like: Any
) -> tuple[Context, Any]:
    """The context of a branch and the structure that it returned.

    like: what the other branch returned, if it is made already.
    """
    with graph._inside(kind, scope) as context:
        returned = fn()
        if returned is None:
            raise ValueError(f"cond: {name} returned None; it must return a tensor or operation")
        leaves = nest.flatten(returned)
        others = leaves if like is None else nest.flatten(like)
        if len(others) != len(leaves):
            others = leaves  # the structures are compared later
        values = [v for leaf, other in zip(leaves, others, strict=True)
                  for v in (parts_like(leaf, other) if hasattr(other, "_parts")
                            else parts_of(leaf))]  # fmt: skip
        outputs = [as_output(value) for value in values]
        context.close(graph, outputs)
    return context, returned


def _check_alike(scope: str, first: Any, second: Any, then: Context, other: Context) -> None:
    place = (scope, format_site(find_site()))
    try:
        nest.assert_same_structure(first, second, check_types=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            format_message(
                f"cond: true_fn and false_fn return different structures: {error}",
                [],
                place,
                "return the same nesting of tensors from both",
            )
        ) from None
    for one, two in zip(then.outputs, other.outputs, strict=True):
        assert one is not None
        assert two is not None
        if one.dtype.base_dtype is not two.dtype.base_dtype:
            raise ValueError(
                format_message(
                    f"cond: true_fn returns {one.dtype.base_dtype.name} where false_fn returns "
                    f"{two.dtype.base_dtype.name}",
                    [describe("true_fn", one), describe("false_fn", two)],
                    place,
                    "cast one of them",
                )
            )


@export("case")
def case(
    pred_fn_pairs: Any,
    default: Branch | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """What the first function whose condition holds returned.

    Args:
        pred_fn_pairs: pairs (bool tensor, function), or a dict of them (then in no order:
            ``exclusive`` should be set).
        default: called when no condition holds; without it that is an error of the run.
        exclusive: True makes it an error of the run when several conditions hold.
        strict: as in ``tf.cond``.
        name: of the name scope.

    Raises:
        TypeError: the pairs are none.
        ValueError: no pairs.
        InvalidArgumentError (when run): no condition holds and there is no default; several hold
            though ``exclusive``.

    >>> x = tf.placeholder(tf.int32, [])
    >>> y = tf.case([(x < 0, lambda: tf.constant(-1)), (x > 0, lambda: tf.constant(1))],
    ...             default=lambda: tf.constant(0))
    >>> with tf.Session() as sess:
    ...     print(sess.run(y, {x: 7}), sess.run(y, {x: 0}))
    1 0
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, Mapping) else pred_fn_pairs
    if not isinstance(pairs, (list, tuple)):
        raise TypeError(f"case: pred_fn_pairs must be a list of pairs or a dict, got {pairs!r}")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise TypeError(f"case: each item must be a pair (bool tensor, function), got {pair!r}")
    if not pairs:
        raise ValueError("case: pred_fn_pairs is empty")
    with name_scope(name, "case", [p for p, _ in pairs]):
        preds = [convert_to_tensor(p, bool_) for p, _ in pairs]
        checks = []
        if exclusive or default is None:
            holding = call.Sum(call.Cast(call.Pack(preds), DstT=int32), [0])
            if exclusive:
                text = "case: more than one condition holds"
                checks.append(_assert(call.LessEqual(holding, 1), text, preds))
            if default is None:
                text = "case: no condition holds, and there is no default"
                checks.append(_assert(call.GreaterEqual(holding, 1), text, preds))
        graph = get_default_graph()
        with graph.control_dependencies(checks):
            last: Branch = default if default is not None else pairs[-1][1]
            rest = list(zip(preds, (fn for _, fn in pairs), strict=True))
            if default is None:
                rest = rest[:-1]
            if not rest:
                return _only(last, strict)
            return _chain(rest, last, strict)


def _assert(condition: Tensor, text: str, preds: Sequence[Tensor]) -> Any:
    return call.Assert(condition, [text, call.Pack(list(preds))], summarize=len(preds))


def _only(fn: Branch, strict: bool) -> Any:
    packed = nest.map_structure(lambda t: call.Identity(convert_to_tensor(t)), fn())
    if not strict and isinstance(packed, (list, tuple)) and len(packed) == 1:
        return packed[0]
    return packed


def _chain(pairs: Sequence[tuple[Tensor, Branch]], default: Branch, strict: bool) -> Any:
    (pred, fn), *rest = pairs
    if not rest:
        return cond(pred, fn, default, strict=strict)
    return cond(pred, fn, lambda: _chain(rest, default, strict), strict=strict)


@export("switch_case")
def switch_case(
    branch_index: Any,
    branch_fns: Any,
    default: Branch | None = None,
    name: str = "switch_case",
) -> Any:
    """What the function at a position returned.

    Args:
        branch_index: an int32 tensor without axes.
        branch_fns: a list of functions, a list of pairs (position, function), or a dict.
        default: called for other positions; without it the last function is.
        name: of the name scope.

    Raises:
        TypeError: ``branch_fns`` is none of these.
        ValueError: positions are not 0, 1, ... without gaps.

    >>> y = tf.switch_case(tf.constant(1), [lambda: tf.constant(10), lambda: tf.constant(20)])
    >>> with tf.Session() as sess:
    ...     print(sess.run(y))
    20
    """
    fns = _by_position(branch_fns)
    with name_scope(name, "switch_case", [branch_index]):
        index = convert_to_tensor(branch_index, int32)
        last = default if default is not None else fns[-1]
        tried = fns if default is not None else fns[:-1]
        if not tried:
            return _only(last, False)
        pairs = [(call.Equal(index, position), fn) for position, fn in enumerate(tried)]
        return _chain(pairs, last, False)


def _by_position(branch_fns: Any) -> list[Branch]:
    items = list(branch_fns.items()) if isinstance(branch_fns, Mapping) else branch_fns
    if not isinstance(items, (list, tuple)) or not items:
        raise TypeError(f"switch_case: branch_fns must be a list or dict, got {branch_fns!r}")
    if all(callable(item) for item in items):
        return list(items)
    for item in items:
        if not (isinstance(item, tuple) and len(item) == 2 and callable(item[1])):
            raise TypeError(f"switch_case: each branch must be (position, function), got {item!r}")
    ordered = sorted(items, key=lambda item: item[0])
    if [position for position, _ in ordered] != list(range(len(ordered))):
        raise ValueError(
            "switch_case: positions must be 0, 1, ... without gaps, got "
            f"{[position for position, _ in ordered]}"
        )
    return [fn for _, fn in ordered]

"""Recordings: every tensor of one run, and the gradients that flow back through it.

    recording = tf.view.record(loss, feed_dict, session=sess)
    recording.values[tensor]      what the tensor was
    recording.gradients[tensor]   d loss / d tensor

The user's graph is not touched: the gradients are taken by applying the operations' own rules to
the recorded values, last operation first.

Read next: digraph.py (values on edges), model.py (values in the viewer).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowgraph.eager.context import eager_mode
from flowgraph.eager.recording import Entry, Record
from flowgraph.eager.tape import backward
from flowgraph.eager.tensor import EagerTensor, wrap
from flowgraph.fetching import expand_feeds, flatten_fetches
from flowgraph.graph.contexts import Context
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import OPDEFS
from flowgraph.session import BaseSession, Session, get_default_session
from flowgraph.view.picture import operations_of
from flowgraph.view.roles import is_read


@dataclass(slots=True)
class Recording:
    """What one run computed.

    Attributes:
        values: tensor -> array.   gradients: tensor -> array of its shape; empty unless asked for.
        flows: (operation, number of an input) -> what flows back along that line alone; the
            gradient of a tensor is the sum over its uses.
        order: the operations that ran, in an order in which they can.
        target: the tensor that was differentiated, or None.
    """

    values: dict[Tensor, np.ndarray] = field(default_factory=dict)
    gradients: dict[Tensor, np.ndarray] = field(default_factory=dict)
    flows: dict[tuple[Operation, int], np.ndarray] = field(default_factory=dict)
    order: list[Operation] = field(default_factory=list)
    target: Tensor | None = None

    def __repr__(self) -> str:
        return f"<Recording of {len(self.values)} values, {len(self.gradients)} gradients>"


def record(
    fetches: Any,
    feed_dict: dict[Any, Any] | None = None,
    *,
    session: BaseSession | None = None,
    gradients_of: Any = None,
    grad_ys: Any = None,
) -> Recording:
    """Run ``fetches`` once and keep every tensor that it needs.

    Fetching everything keeps operations from being fused, so a recording is for looking at values,
    not for timing; small graphs only, as everything is held in memory.

    Args:
        fetches: as of ``Session.run``.
        feed_dict: as of ``Session.run``.
        session: default: the default session; where there is none, a new one, which suits graphs
            without variables.
        gradients_of: a tensor whose gradients are wanted as well, with respect to every tensor that
            it depends on; True stands for ``fetches``.
        grad_ys: what flows into it; default: ones.

    Returns:
        A Recording, for ``values=`` of ``tf.view.dot`` and ``tf.view.html``.

    >>> with tf.Graph().as_default(), tf.Session():
    ...     x, y = tf.constant(10.0), tf.constant(5.0)
    ...     product = x * y
    ...     made = record(product, gradients_of=product, grad_ys=1.5)
    >>> float(made.gradients[x]), float(made.gradients[y])
    (7.5, 15.0)
    """
    graph = operations_of(fetches)[0].graph
    sess = session or get_default_session()
    if sess is None:
        with Session(graph=graph) as own:
            return record(
                fetches, feed_dict, session=own, gradients_of=gradients_of, grad_ys=grad_ys
            )
    fed = [graph.as_graph_element(key) for key in expand_feeds(feed_dict or {})]
    order = _needed(graph, fetches, fed)
    tensors = [t for op in order if op._context is None for t in op.outputs if _has_value(t)]
    arrays, _ = sess.run([tensors, fetches], feed_dict)
    made = Recording(dict(zip(tensors, map(np.asarray, arrays), strict=True)), order=order)
    if gradients_of is not None and gradients_of is not False:
        target = fetches if gradients_of is True else gradients_of
        if not isinstance(target, Tensor):
            raise TypeError(f"gradients_of must be a tensor, got {target!r}")
        if target not in made.values:
            raise ValueError(f"gradients_of: the fetches do not need {target.name!r}")
        made.target = target
        _add_gradients(made, target, grad_ys)
    return made


def value_text(array: np.ndarray, limit: int = 6) -> str:
    """A short text: all numbers of a small array, else its shape, mean and range.

    >>> value_text(np.float32([[1, 0.123456789]])), value_text(np.zeros((20, 30)))
    ('[[1.0, 0.12346]]', '[20, 30] all 0.0')
    """
    if array.dtype.kind in "OSU":
        items = [_string(item) for item in array.ravel()[:limit].tolist()]
        text = ", ".join(items) + (" ..." if array.size > limit else "")
        return text if array.ndim == 0 else f"[{text}]"
    if array.size <= limit:
        formatter: Any = {"float_kind": _number, "complex_kind": str}
        return np.array2string(array, separator=", ", formatter=formatter).replace("\n", "")
    shape = str(list(array.shape))
    if array.dtype.kind not in "iufb":
        return shape
    low, high = array.min(), array.max()
    if low == high:
        return f"{shape} all {_number(low)}"
    mean = float(array.mean(dtype=np.float64))
    return f"{shape} {_number(low)} to {_number(high)}, mean {_number(mean)}"


def _number(number: Any) -> str:
    if isinstance(number, (np.integer, np.bool_, int)):
        return str(number)
    return repr(float(f"{float(number):.5g}"))


def _string(item: Any) -> str:
    text = item.decode(errors="replace") if isinstance(item, bytes) else str(item)
    return repr(text if len(text) <= 20 else text[:19] + "\u2026")


def _has_value(tensor: Tensor) -> bool:
    return (
        not tensor.dtype.is_ref
        and tensor.graph.is_fetchable(tensor)
        and tensor.dtype.name not in ("resource", "variant")
    )


def _needed(graph: Graph, fetches: Any, fed: Collection[Any]) -> list[Operation]:
    """The operations that run, and those whose outputs are fed, in the order they were made."""
    leaves, _ = flatten_fetches(graph, fetches)
    wanted: set[Operation] = set()
    waiting = [leaf if isinstance(leaf, Operation) else leaf.op for leaf in leaves]
    while waiting:
        op = waiting.pop()
        if op in wanted:
            continue
        wanted.add(op)
        if any(tensor in fed for tensor in op.outputs):
            continue
        bodies = [value for value in op.attrs.values() if isinstance(value, Context)]
        results = [t for body in bodies for t in (*body.outputs, *body.args) if t is not None]
        waiting += [tensor.op for tensor in (*op.inputs, *results)]
        waiting += op._control_inputs
    return sorted(wanted, key=lambda op: op._id)


# --------------------------------------------------------------------------------------- gradients


def _add_gradients(made: Recording, target: Tensor, grad_ys: Any) -> None:
    """d target / d tensor for every recorded tensor that target depends on.

    A loop or branch passes nothing on: what happened inside was not recorded.
    """
    with eager_mode():
        known = {tensor: wrap(array) for tensor, array in made.values.items()}
        used: dict[tuple[Operation, int], EagerTensor] = {}
        notes = Record(watches_variables=False)
        for value in known.values():
            notes.watch(value)
        for op in made.order:
            if not op.inputs or op.type in ("If", "While") or op.type not in OPDEFS:
                continue
            if not all(t in known for t in (*op.inputs, *op.outputs)):
                continue
            # Each use is a tensor of its own, so that what flows along it can be told.
            inputs = [wrap(made.values[t]) for t in op.inputs]
            for number, (tensor, copy) in enumerate(zip(op.inputs, inputs, strict=True)):
                notes.note(Entry("Identity", {"T": tensor.dtype}, [known[tensor]], [copy]))
                used[op, number] = copy
            notes.note(Entry(op.type, op.attrs, inputs, [known[t] for t in op.outputs]))
        dy = None if grad_ys is None else np.asarray(grad_ys, target.dtype.base_dtype.np)
        if dy is not None:
            dy = np.broadcast_to(dy, made.values[target].shape)
        everything = [*known.values(), *used.values()]
        dxs = [_as_array(dx) for dx in backward(notes, [known[target]], everything, [dy])]
    made.gradients = _present(known, dxs)
    made.flows = _present(used, dxs[len(known) :])
    for tensor in list(made.gradients):  # a variable's gradient is that of its read
        if is_read(tensor.op):
            made.gradients.setdefault(tensor.op.inputs[0], made.gradients[tensor])


def _as_array(dx: Any) -> np.ndarray | None:
    if dx is None:
        return None
    dense: Any = convert_to_tensor(dx) if isinstance(dx, IndexedSlices) else dx
    return np.asarray(dense.numpy())


def _present(keys: Iterable[Any], arrays: Iterable[Any]) -> dict[Any, np.ndarray]:
    return {key: array for key, array in zip(keys, arrays, strict=False) if array is not None}

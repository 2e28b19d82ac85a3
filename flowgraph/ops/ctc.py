"""Connectionist temporal classification: the losses, by the forward-backward algorithm.

    labels     a b           with blanks between     _ a _ b _          (U = 2 n + 1 states)
    alpha[t, u]  log of the sum over all beginnings of paths that are in state u at time t
    beta[t, u]   log of the sum over all their ends, from time t + 1 on

A path stays in its state, goes on to the next, or jumps over a blank between two different labels.

    loss = -log p,  p = the sum over paths that end in one of the last two states
    d loss / d logit[t, c] = softmax[t, c] - sum over u with label c of exp(alpha + beta - log p)

Everything is computed as logarithms in float64.

Read next: ctc_functions.py (ctc_loss and its kin), ctc_decoders.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.opdef import (
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import concrete, f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, merge_size

FLOATS = frozenset(("float32", "float64"))

# ------------------------------------------------------------------------------------- the kernels

_HELPERS = """
def log_sum(a, b, c):
    most = maximum(maximum(a, b), maximum(c, -1e300))
    return most + log(exp(a - most) + exp(b - most) + exp(c - most))

"""

#: Fills ``label`` with the labels of item ``b`` and sets ``count``.
_SPARSE_LABELS = """
    count = 0
    ended = 0
    before = -1
    while entry < entries and load(labels_indices, 2 * entry) == b:
        if load(labels_indices, 2 * entry + 1) <= before:
            return 3
        before = load(labels_indices, 2 * entry + 1)
        value = int64(load(labels_values, entry))
        if value < 0:
            return 3
        if value >= blank:
            ended = 1
        else:
            if ended != 0:
                return 3
            if collapse == 0 or count == 0 or load(label, count - 1) != value:
                store(label, count, value)
                count = count + 1
        entry = entry + 1
    if before < 0:
        return 3
"""

_DENSE_LABELS = """
    count = int64(load(label_length, b))
    if count < 0 or count > entries:
        return 3
    for k in range(count):
        value = int64(load(labels, b * entries + k))
        if value < 0 or value >= classes:
            return 3
        store(label, k, value)
"""

_LOSS = """
entry = 0
for b in range(batch):
    time = int64(load(sequence_length, b))
    if time < 0 or time > times:
        return 3
{labels}
    if count > time and ignore == 0 and strict != 0:
        return 3
    if count > time:
        store(loss, b, {T}(0) if ignore != 0 else {T}(inf))
        if ignore != 0:
            continue
    states = 2 * count + 1
    pitch = states + 2
    for u in range(states):
        is_blank = u % 2 == 0
        c = blank if is_blank else load(label, u // 2)
        store(state, u, c)
        store(stay, u, 0.0 if is_blank or merge != 0 else -inf)
        jumps = u > 1 and not is_blank
        if jumps and merge != 0:
            jumps = load(label, u // 2) != load(label, u // 2 - 1)
        store(jump, u, 0.0 if jumps else -inf)
    store(jump, states, -inf)
    store(jump, states + 1, -inf)
    for t in range(time):
        row = offset(inputs, (t * batch + b) * classes)
        most = float64(load(row, 0))
        for c in range(1, classes):
            most = maximum(most, float64(load(row, c)))
        total = 0.0
        for c in reducing(classes):
            total = total + exp(float64(load(row, c)) - most)
        total = most + log(total)
        into = offset(gradient, (t * batch + b) * classes)
        for c in independent(classes):
            store(into, c, {T}(exp(float64(load(row, c)) - total)))
        if count <= time:
            for u in range(states):
                store(emitted, t * states + u, float64(load(row, load(state, u))) - total)
    if count > time:
        continue
    if time == 0:
        store(loss, b, {T}(0))
        continue
    for t in range(time):
        now = offset(alpha, t * pitch)
        store(now, 0, -inf)
        store(now, 1, -inf)
        log_y = offset(emitted, t * states)
        if t == 0:
            for u in range(states):
                store(now, u + 2, load(log_y, u) if u < 2 else -inf)
        else:
            last = offset(alpha, (t - 1) * pitch)
            for u in independent(states):
                sum = log_sum(load(last, u + 2) + load(stay, u), load(last, u + 1),
                              load(last, u) + load(jump, u))
                store(now, u + 2, load(log_y, u) + sum)
    final = offset(alpha, (time - 1) * pitch)
    log_p = log_sum(load(final, states + 1), load(final, states), -inf)
    store(loss, b, {T}(-log_p))
    if log_p == -inf:
        continue
    for u in range(states):
        store(beta, u, 0.0 if u >= states - 2 else -inf)
    store(ahead, states, -inf)
    store(ahead, states + 1, -inf)
    for back in range(time):
        t = time - 1 - back
        log_y = offset(emitted, t * states)
        now = offset(alpha, t * pitch)
        into = offset(gradient, (t * batch + b) * classes)
        for u in independent(states):
            store(share, u, exp(load(now, u + 2) + load(beta, u) - log_p))
        for u in range(states):
            c = load(state, u)
            store(into, c, load(into, c) - {T}(load(share, u)))
        for u in independent(states):
            store(ahead, u, load(beta, u) + load(log_y, u))
        for u in independent(states):
            sum = log_sum(load(ahead, u) + load(stay, u), load(ahead, u + 1),
                          load(ahead, u + 2) + load(jump, u + 2))
            store(beta, u, sum)
{end}
return 0
"""


def _scratch(call_: Call, entries: int) -> Mapping[str, tuple[str, int]]:
    times: Any = call_.shapes[0][0]  # type: ignore[index]
    states = 2 * min(entries, times) + 1
    widest = 2 * entries + 3
    return {
        "label": ("int64", entries),
        "state": ("int64", widest),
        "stay": ("float64", widest),
        "jump": ("float64", widest),
        "beta": ("float64", widest),
        "ahead": ("float64", widest),
        "share": ("float64", widest),
        "emitted": ("float64", times * states),
        "alpha": ("float64", times * (states + 2)),
    }


def _sizes(call_: Call, entries: int, blank: int) -> dict[str, int]:
    times, batch, classes = concrete(call_.shapes[0])
    return {
        "times": times, "batch": batch, "classes": classes,
        "entries": entries, "blank": blank % classes,
        "ignore": int(call_.attrs.get("ignore_longer_outputs_than_inputs", False)),
        "collapse": int(call_.attrs.get("preprocess_collapse_repeated", False)),
        "merge": int(call_.attrs.get("ctc_merge_repeated", True)),
    }  # fmt: skip


# ----------------------------------------------------------------------------------- the references


def _log_softmax(x: Any) -> Any:
    shifted = x - np.max(x, -1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True))


def _item(log_y: Any, labels: Any, blank: int, merge: bool) -> tuple[float, Any]:
    """Loss and gradient of one item: ``log_y`` [time, classes] for ``labels``."""
    time, softmax = len(log_y), np.exp(log_y)
    if len(labels) > time:
        return np.inf, softmax
    if time == 0:
        return 0.0, softmax
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    is_label = np.arange(len(states)) % 2 == 1
    with np.errstate(divide="ignore"):
        stays = np.where(is_label & (not merge), -np.inf, 0.0)
        jumps = np.full(len(states), -np.inf)
        jumps[2:][is_label[2:] & ((states[2:] != states[:-2]) | (not merge))] = 0.0

    def moved(row: Any, by: int) -> Any:
        """``row`` shifted to the right by ``by`` (to the left where negative)."""
        result = np.full(len(row), -np.inf)
        count = max(len(row) - abs(by), 0)
        if by > 0:
            result[len(row) - count :] = row[:count]
        else:
            result[:count] = row[len(row) - count :]
        return result

    alpha = np.full((time, len(states)), -np.inf)
    beta = np.full((time, len(states)), -np.inf)
    emitted = log_y[:, states]
    alpha[0, :2] = emitted[0, :2]
    for t in range(1, time):
        last = alpha[t - 1]
        ways = [last + stays, moved(last, 1), moved(last, 2) + jumps]
        alpha[t] = emitted[t] + np.logaddexp.reduce(ways, 0)
    beta[-1, -2:] = 0
    for t in range(time - 2, -1, -1):
        ahead = beta[t + 1] + emitted[t + 1]
        ways = [ahead + stays, moved(ahead, -1), moved(ahead + jumps, -2)]
        beta[t] = np.logaddexp.reduce(ways, 0)
    log_p = np.logaddexp.reduce(alpha[-1, -2:])
    if log_p > -np.inf or np.isnan(log_p):
        share = np.exp(alpha + beta - log_p)
        np.subtract.at(softmax.T, states, share.T)
    return -log_p, softmax


def _losses(inputs: Any, times: Any, labels_of: Any, blank: int, attrs: Mapping[str, Any]) -> Any:
    """(loss, gradient) of a batch; ``labels_of(b, time)``: None for what is left out."""
    steps, batch, _ = inputs.shape
    loss, gradient = np.zeros(batch, inputs.dtype), np.zeros(inputs.shape, inputs.dtype)
    for b, time in enumerate(times.tolist()):
        if not 0 <= time <= steps:
            raise invalid(f"sequence_length[{b}] = {time} is not in [0, {steps}]")
        labels = labels_of(b, time)
        if labels is not None:
            log_y = _log_softmax(inputs[:time, b].astype(np.float64))
            merge = attrs.get("ctc_merge_repeated", True)
            loss[b], gradient[:time, b] = _item(log_y, labels, blank, merge)
    return loss, gradient


def _sparse_reference(call_: Call, inputs: Any, indices: Any, values: Any, times: Any) -> Any:
    classes, batch = inputs.shape[2], inputs.shape[1]
    flat = indices.tolist()
    if any(not 0 <= b < batch or place < 0 for b, place in flat):
        raise invalid(f"labels_indices names an item that is not in [0, {batch})")
    if any(one >= other for one, other in pairwise(flat)):
        raise invalid("labels_indices is not in order; see tf.sparse.reorder")

    def labels_of(b: int, time: int) -> Any:
        found = values[indices[:, 0] == b].astype(np.int64)
        if not len(found):
            raise invalid(f"item {b} has no labels")
        if found.min() < 0:
            raise invalid(f"label {found.min()} of item {b} is negative")
        ends = np.flatnonzero(found >= classes - 1)
        if len(ends):
            if len(ends) < len(found) - ends[0]:
                raise invalid(f"item {b} has labels behind a blank: {found.tolist()}")
            found = found[: ends[0]]
        if call_.attrs["preprocess_collapse_repeated"] and len(found):
            found = found[np.append(True, found[1:] != found[:-1])]
        if len(found) > time:
            if call_.attrs["ignore_longer_outputs_than_inputs"]:
                return None
            raise invalid(
                f"item {b} has {len(found)} labels for {time} steps of time; "
                "ignore_longer_outputs_than_inputs=True leaves such items out"
            )
        return found

    return _losses(inputs, times, labels_of, classes - 1, call_.attrs)


def _dense_reference(call_: Call, inputs: Any, labels: Any, lengths: Any, times: Any) -> Any:
    classes = inputs.shape[2]

    def labels_of(b: int, time: int) -> Any:
        if not 0 <= lengths[b] <= labels.shape[1]:
            raise invalid(f"label_length[{b}] = {lengths[b]} is not in [0, {labels.shape[1]}]")
        found = labels[b, : lengths[b]]
        if len(found) and (found.min() < 0 or found.max() >= classes):
            raise invalid(f"a label of item {b} is not in [0, {classes})")
        return found

    return _losses(inputs, times, labels_of, call_.attrs["blank_index"] % classes, {})


# ------------------------------------------------------------------------------------------ records


def _same(one: int | None, other: int | None, what: str) -> int | None:
    try:
        return merge_size(one, other)
    except ShapeError:
        raise ShapeError(f"{what}: {one} and {other} differ") from None


def _logits(call_: Call) -> tuple[int | None, ...]:
    dims = require_rank(call_.shapes[0], 3, "inputs")
    if dims[2] == 0:
        raise ShapeError("inputs must have at least one class, the blank")
    return dims


def _sparse_infer(call_: Call) -> list[Dims]:
    times, batch, classes = _logits(call_)
    count, width = require_rank(call_.shapes[1], 2, "labels_indices")
    (values,) = require_rank(call_.shapes[2], 1, "labels_values")
    (lengths,) = require_rank(call_.shapes[3], 1, "sequence_length")
    _same(width, 2, "columns of labels_indices")
    _same(count, values, "numbers of labels_indices and labels_values")
    batch = _same(batch, lengths, "batch sizes of inputs and sequence_length")
    return [(batch,), (times, batch, classes)]


def _dense_infer(call_: Call) -> list[Dims]:
    times, batch, classes = _logits(call_)
    items, _ = require_rank(call_.shapes[1], 2, "labels")
    (lengths,) = require_rank(call_.shapes[2], 1, "label_length")
    (ends,) = require_rank(call_.shapes[3], 1, "sequence_length")
    batch = _same(batch, items, "batch sizes of inputs and labels")
    batch = _same(batch, lengths, "batch sizes of inputs and label_length")
    batch = _same(batch, ends, "batch sizes of inputs and sequence_length")
    blank = call_.attrs["blank_index"]
    if classes is not None and not -classes <= blank < classes:
        raise ShapeError(f"blank_index {blank} is not in [{-classes}, {classes})")
    return [(batch,), (times, batch, classes)]


def _grad(op: Any, dloss: Any, dgradient: Any) -> tuple[Any, ...]:
    # NB: d gradient / d inputs would need the covariances of the paths' states.
    rows = call.ExpandDims(call.ExpandDims(dloss, 0), -1)
    fixed = call.PreventGradient(
        op.gradient, message="the second derivative of CTC losses is not defined"
    )
    return (rows * fixed, *(None,) * (len(op.inputs) - 1))


_LABELS_OF_THREE = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]], np.int64)
_VALUES = i32([0, 1, 2, 2, 3])
_TIMES = i32([6, 5, 3])
_INPUTS = f32(6, 3, 5)
_FAR = np.array(_INPUTS)
_FAR[0, 0], _FAR[1, 1, 2] = [1000, -1000, 0, 0, 0], -np.inf


def _sparse_sample(**attrs: Any) -> Any:
    inputs, times = attrs.pop("inputs", _INPUTS), attrs.pop("times", _TIMES)
    return sample(inputs, _LABELS_OF_THREE, attrs.pop("values", _VALUES), times,
                  differentiable=(), **attrs)  # fmt: skip


def _sparse_error(text: str, indices: Any, values: Any, times: Any) -> Any:
    return error_sample(Exception, f"{text}|invalid argument", _INPUTS, indices, i32(values),
                        i32(times), stage="run")  # fmt: skip


define(
    "CTCLoss",
    "inputs: T, labels_indices: int64, labels_values: int32, sequence_length: int32 "
    "-> loss: T, gradient: T",
    T=dtypes_of(FLOATS),
    preprocess_collapse_repeated=False,
    ctc_merge_repeated=True,
    ignore_longer_outputs_than_inputs=False,
    infer=_sparse_infer,
    kernel=Procedure(
        _LOSS,
        sizes=lambda call_: {
            **_sizes(call_, call_.shapes[2][0], -1),  # type: ignore[index,arg-type]
            "strict": 1,
        },
        scratch=lambda call_: _scratch(call_, call_.shapes[2][0]),  # type: ignore[index,arg-type]
        fill={0: 0.0, 1: 0.0},
        choices=lambda call_: {
            "labels": _SPARSE_LABELS,
            "end": "if entry != entries:\n    return 3",
        },
        helpers=_HELPERS,
    ),
    grad=_grad,
    reference=_sparse_reference,
    samples=(
        _sparse_sample(),
        _sparse_sample(ctc_merge_repeated=False),
        _sparse_sample(preprocess_collapse_repeated=True),
        _sparse_sample(times=i32([6, 1, 3]), ignore_longer_outputs_than_inputs=True),
        _sparse_sample(times=i32([6, 2, 3])),
        _sparse_sample(inputs=_FAR),
        _sparse_sample(values=i32([0, 7, 2, 4, 3])),
        sample(f32(3, 0, 2), np.zeros((0, 2), np.int64), i32([]), i32([]), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "inputs must be of rank 3", f32(3, 2), _LABELS_OF_THREE, _VALUES,
                     _TIMES),
        error_sample(ValueError, "batch sizes of inputs and sequence_length: 3 and 2 differ",
                     _INPUTS, _LABELS_OF_THREE, _VALUES, _TIMES[:2]),
        error_sample(ValueError, "labels_indices and labels_values: 5 and 4 differ",
                     _INPUTS, _LABELS_OF_THREE, _VALUES[:4], _TIMES),
        _sparse_error("2 labels for 1 steps", _LABELS_OF_THREE, _VALUES, [6, 1, 3]),
        _sparse_error("is not in", _LABELS_OF_THREE, _VALUES, [6, 7, 3]),
        _sparse_error("is not in", _LABELS_OF_THREE, _VALUES, [6, -1, 3]),
        _sparse_error("is negative", _LABELS_OF_THREE, [0, 1, -2, 2, 3], _TIMES),
        _sparse_error("behind a blank", _LABELS_OF_THREE, [0, 1, 4, 2, 3], _TIMES),
        _sparse_error("has no labels", _LABELS_OF_THREE[:4], _VALUES[:4], _TIMES),
        _sparse_error("is not in", _LABELS_OF_THREE + np.array([1, 0]), _VALUES, _TIMES),
        _sparse_error("is not in order", _LABELS_OF_THREE[::-1], _VALUES, _TIMES),
    ),
    doc="The CTC loss of each item and its gradient; the last class is the blank.",
)  # fmt: skip

_DENSE = i32([[1, 2, 0], [2, 2, 0], [3, 0, 0]])

define(
    "CTCLossDense",
    "inputs: T, labels: int32, label_length: int32, sequence_length: int32 "
    "-> loss: T, gradient: T",
    T=dtypes_of(FLOATS),
    blank_index=0,
    infer=_dense_infer,
    kernel=Procedure(
        _LOSS,
        sizes=lambda call_: {
            **_sizes(call_, call_.shapes[1][1], call_.attrs["blank_index"]),  # type: ignore[index,arg-type]
            "strict": 0,
        },
        scratch=lambda call_: _scratch(call_, call_.shapes[1][1]),  # type: ignore[index,arg-type]
        fill={0: 0.0, 1: 0.0},
        choices=lambda call_: {"labels": _DENSE_LABELS, "end": ""},
        helpers=_HELPERS,
    ),
    grad=_grad,
    reference=_dense_reference,
    samples=(
        sample(_INPUTS, _DENSE, i32([2, 2, 1]), _TIMES, differentiable=()),
        sample(_INPUTS, _DENSE, i32([2, 3, 0]), i32([6, 2, 0]), differentiable=()),
        sample(_INPUTS, _DENSE, i32([2, 1, 0]), i32([1, 0, 3]), blank_index=-1, differentiable=()),
        sample(f32(3, 0, 2), i32([]).reshape(0, 2), i32([]), i32([]), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "inputs and labels: 3 and 2 differ", _INPUTS, _DENSE[:2],
                     i32([1, 1]), _TIMES),
        error_sample(ValueError, "blank_index 5 is not in", _INPUTS, _DENSE, i32([1, 1, 1]),
                     _TIMES, blank_index=5),
        error_sample(Exception, "is not in|invalid argument", _INPUTS, _DENSE, i32([2, 4, 1]),
                     _TIMES, stage="run"),
        error_sample(Exception, "is not in|invalid argument", _INPUTS, _DENSE + i32(4),
                     i32([2, 2, 1]), _TIMES, stage="run"),
        error_sample(Exception, "is not in|invalid argument", _INPUTS, _DENSE, i32([2, 2, 1]),
                     i32([6, 7, 3]), stage="run"),
    ),
    doc="The CTC loss of each item and its gradient, of labels in a matrix.",
)  # fmt: skip

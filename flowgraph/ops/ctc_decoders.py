"""Decoders of connectionist temporal classification: the best class of each step, or beam search.

How many labels come out depends on the logits, so both run on the host: the greedy one with
compiled loops, beam search vectorised over the batch.

Beam search keeps, of all prefixes of labels, those with the greatest probability; of each the
log probability of the paths that end in a blank and of those that end in its last label:

    stays       blank' = log(e^blank + e^label) + y[blank]        label' = label + y[last]
    grows by c  label' = (blank if c = last else log(e^blank + e^label)) + y[c]

Read next: ctc_functions.py (the public functions), ctc.py (the losses).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.errors import FailedPreconditionError
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Compiled,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, invalid, require_rank
from flowgraph.shapes import Dims, ShapeError, merge_size

_NO_GRADIENT = not_differentiable("labels do not depend on logits smoothly")
_FLOATS = frozenset(("float32", "float64"))


def _batch(call_: Call) -> int | None:
    _, batch, _ = require_rank(call_.shapes[0], 3, "inputs")
    (count,) = require_rank(call_.shapes[1], 1, "sequence_length")
    try:
        return merge_size(batch, count)
    except ShapeError:
        raise ShapeError(f"{count} sequence lengths for {batch} items of inputs") from None


def _check_times(inputs: Any, times: Any) -> None:
    wrong = np.flatnonzero((times < 0) | (times > len(inputs)))
    if wrong.size:
        raise FailedPreconditionError(
            None, None,
            f"sequence_length[{wrong[0]}] = {times[wrong[0]]} is not in [0, {len(inputs)}]",
        )  # fmt: skip


def _sparse_of(labels: Any) -> tuple[Any, Any, Any]:
    """(indices, values, shape) of the labels in each row of ``labels``, -1 left out."""
    rows, columns = np.nonzero(labels >= 0)
    return _indexed(rows, labels[rows, columns], len(labels))


def _indexed(rows: Any, values: Any, count: int) -> tuple[Any, Any, Any]:
    places = np.arange(len(rows)) - np.searchsorted(rows, rows)
    longest = int(places.max()) + 1 if len(rows) else 0
    indices = np.stack([rows, places], 1).astype(np.int64)
    return indices, values.astype(np.int64), np.array([count, longest], np.int64)


# ----------------------------------------------------------------------------------------- greedy


def _greedy_reference(call_: Call, inputs: Any, times: Any) -> Any:
    _check_times(inputs, times)
    classes, blank = inputs.shape[2], call_.attrs["blank_index"]
    if not -classes <= blank < classes:
        raise invalid(f"blank_index {blank} is not in [{-classes}, {classes})")
    best = np.argmax(inputs, 2).T  # [batch, time]
    inside = np.arange(best.shape[1]) < times[:, None]
    labels = np.where(inside & (best != blank % classes), best, -1)
    if call_.attrs["merge_repeated"]:
        labels[:, 1:][best[:, 1:] == best[:, :-1]] = -1
    most = np.where(inside, inputs.max(2).T.astype(np.float64), 0)
    return *_sparse_of(labels), -most.sum(1, keepdims=True).astype(inputs.dtype)


#: ``greatest``: the class of every step, which NumPy finds with vector instructions; repeats of the
#: step before and blanks are left out.
_GREEDY = """
made = int64(0)
longest = int64(0)
for b in range(batch):
    before = int64(-1)
    total = 0.0
    begin = made
    for t in range(int64(load(times, b))):
        row = (t * batch + b) * classes
        best = load(greatest, t * batch + b)
        most = load(inputs, row + best)
        total = total + float64(most)
        if best != blank and (merge == 0 or best != before):
            store(rows, 2 * made, b)
            store(rows, 2 * made + 1, made - begin)
            store(labels, made, best)
            made += 1
        before = best
    longest = maximum(longest, made - begin)
    store(totals, b, -total)
store(length, 0, made)
store(length, 1, longest)
return 0
"""


def _greedy_given(call_: Call, inputs: Any, times: Any) -> dict[str, Any] | None:
    _check_times(inputs, times)
    (steps, batch, classes), blank = inputs.shape, call_.attrs["blank_index"]
    if not -classes <= blank < classes:
        return None
    return {
        "batch": batch, "classes": classes, "blank": blank % classes,
        "merge": call_.attrs["merge_repeated"], "inputs": np.ascontiguousarray(inputs),
        "greatest": np.argmax(inputs, 2).astype(np.int64, copy=False),
        "times": np.ascontiguousarray(times), "rows": np.empty((steps * batch, 2), np.int64),
        "labels": np.empty(steps * batch, np.int64), "totals": np.empty(batch, np.float64),
        "length": np.zeros(2, np.int64),
    }  # fmt: skip


def _greedy_made(call_: Call, values: Any) -> Any:
    made, longest = values["length"].tolist()
    return (
        values["rows"][:made].copy(),
        values["labels"][:made].copy(),
        np.array([values["batch"], longest], np.int64),
        values["totals"].reshape(-1, 1).astype(call_.out_dtypes[3].np),
    )


_LENGTHS = i32([6, 4, 0])
_LOW = np.full((6, 1, 5), -9, np.float32)
_LOW[:, 0, 1] = 0
_UNEVEN = f32(6, 2, 3) * f32(6, 2, 3, seed=5) + f32(6, 2, 3, seed=8) ** 3  # no ties

define(
    "CTCGreedyDecoder",
    "inputs: T, sequence_length: int32 -> decoded_indices: int64, decoded_values: int64, "
    "decoded_shape: int64, log_probability: T",
    T=dtypes_of(_FLOATS),
    merge_repeated=False,
    blank_index=-1,
    infer=lambda call_: [(None, 2), (None,), (2,), (_batch(call_), 1)],
    grad=_NO_GRADIENT,
    reference=_greedy_reference,
    kernel=Compiled(_GREEDY, _greedy_given, _greedy_made),
    samples=(
        sample(f32(6, 3, 5), _LENGTHS),
        sample(f32(6, 3, 5), _LENGTHS, merge_repeated=True, blank_index=0),
        sample(np.concatenate([_LOW, f32(6, 2, 5)], 1), _LENGTHS, merge_repeated=True),
        sample(f32(2, 3, 4), i32([0, 0, 0])),
    ),
    errors=(
        error_sample(ValueError, "inputs must be of rank 3", f32(3, 2), i32([1, 1])),
        error_sample(ValueError, "2 sequence lengths for 3 items", f32(6, 3, 5), _LENGTHS[:2]),
        error_sample(Exception, "is not in", f32(2, 3, 4), _LENGTHS, stage="run"),
        error_sample(Exception, "blank_index 4 is not in", f32(6, 3, 4), _LENGTHS, blank_index=4,
                     stage="run"),
    ),
    doc="The best class of each step, without blanks; minus the sum of their logits.",
)  # fmt: skip

# ------------------------------------------------------------------------------------ beam search

#: Elements of the table of candidates at one time.
_TABLE = 1 << 20

_ROOT = np.uint64(0x9E3779B97F4A7C15)


def _extended(prefix: Any, label: Any) -> Any:
    """The hash of a prefix grown by a label (splitmix64): what tells prefixes apart."""
    with np.errstate(over="ignore"):
        z = prefix * np.uint64(0xBF58476D1CE4E5B9) + label.astype(np.uint64) + _ROOT
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _log_softmax(x: Any) -> Any:
    shifted = x - np.max(x, -1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True))


def _search(log_y: Any, times: Any, width: int) -> tuple[Any, Any, Any]:
    """Totals [batch, width], best first, and how each prefix came about, both [time, batch, width]:
    the place it grew from or stayed at, and the label it grew by (-1: none).
    """
    steps, batch, classes = log_y.shape
    labels = classes - 1
    blank_p, label_p = np.full((2, batch, width), -np.inf)
    blank_p[:, 0] = 0  # the empty prefix
    last = np.full((batch, width), -1)
    here, parent = np.zeros((2, batch, width), np.uint64)
    here[:, 0] = _ROOT
    sources = np.zeros((steps, batch, width), np.int32)
    grown = np.full((steps, batch, width), -1, np.int32)
    rows = np.arange(batch)[:, None]
    for t in range(steps):
        y = log_y[t]
        total = np.logaddexp(blank_p, label_p)
        # grows[b, i, c] = label' of prefix i grown by c
        grows = total[:, :, None] + y[:, None, :labels]
        spelled = np.nonzero(last >= 0)
        grows[(*spelled, last[spelled])] += (blank_p - total)[spelled]
        grows[np.isneginf(total)] = -np.inf
        y_last = np.where(last >= 0, y[rows, last], -np.inf)
        label_new, blank_new = label_p + y_last, total + y[:, -1:]
        # A prefix j that is prefix i grown by its last label gets what i would give a new one.
        item, j, i = np.nonzero((parent[:, :, None] == here[:, None, :]) & (last >= 0)[:, :, None])
        place = (item, i, last[item, j])
        label_new[item, j] = np.logaddexp(label_new[item, j], grows[place])
        grows[place] = -np.inf
        candidates = np.concatenate(
            [np.logaddexp(blank_new, label_new), grows.reshape(batch, -1)], 1
        )
        best = np.argpartition(-candidates, min(width, candidates.shape[1] - 1), 1)[:, :width]
        best.sort(1)  # so that of equals the first wins
        best = best[rows, np.argsort(-candidates[rows, best], 1, kind="stable")]
        stays = best < width
        source = np.where(stays, best, (best - width) // max(labels, 1))
        label = np.where(stays, -1, (best - width) % max(labels, 1))
        value = candidates[rows, best]
        empty = np.isneginf(value)
        new = {
            "blank": np.where(stays, blank_new[rows, source], -np.inf),
            "label": np.where(stays, label_new[rows, source], value),
            "last": np.where(stays, last[rows, source], label),
            "here": np.where(stays, here[rows, source], _extended(here[rows, source], label)),
            "parent": np.where(stays, parent[rows, source], here[rows, source]),
        }
        new["here"][empty], new["last"][empty] = 0, -1
        new["blank"][empty] = new["label"][empty] = -np.inf
        goes = (t < times)[:, None]
        blank_p = np.where(goes, new["blank"], blank_p)
        label_p = np.where(goes, new["label"], label_p)
        last = np.where(goes, new["last"], last)
        here, parent = np.where(goes, new["here"], here), np.where(goes, new["parent"], parent)
        sources[t] = np.where(goes, source, np.arange(width))
        grown[t] = np.where(goes, label, -1)
    return np.logaddexp(blank_p, label_p), sources, grown


def _beam_reference(call_: Call, inputs: Any, times: Any) -> Any:
    _check_times(inputs, times)
    width, paths = call_.attrs["beam_width"], call_.attrs["top_paths"]
    if paths > width:
        raise invalid(f"top_paths {paths} is more than beam_width {width}")
    steps, batch, classes = inputs.shape
    if classes == 0:
        raise invalid("inputs must have at least one class, the blank")
    totals = np.zeros((batch, paths))
    labels = np.full((paths, batch, steps), -1)
    each = max(1, _TABLE // (width * classes))
    for begin in range(0, batch, each):
        part = slice(begin, begin + each)
        with np.errstate(invalid="ignore", divide="ignore"):
            log_y = _log_softmax(inputs[:, part].astype(np.float64))
            found, sources, grown = _search(log_y, times[part], width)
        totals[part] = found[:, :paths]
        place = np.tile(np.arange(paths), (len(found), 1))
        rows = np.arange(len(found))[:, None]
        for t in reversed(range(steps)):
            labels[:, part, t] = grown[t][rows, place].T
            place = sources[t][rows, place]
    if np.isneginf(totals).any():
        raise invalid(f"fewer than {paths} paths are possible")
    decoded = []
    for path in labels:
        indices, values, shape = _sparse_of(path)
        if call_.attrs["merge_repeated"]:
            same = (values[1:] == values[:-1]) & (indices[1:, 0] == indices[:-1, 0])
            kept = np.append(np.ones(min(len(values), 1), bool), ~same)
            indices, values, shape = _indexed(indices[kept, 0], values[kept], batch)
        decoded.append((indices, values, shape))
    return *(part for parts in zip(*decoded, strict=True) for part in parts), totals.astype(
        inputs.dtype
    )


def _beam_infer(call_: Call) -> list[Dims]:
    paths = call_.attrs["top_paths"]
    for name in ("top_paths", "beam_width"):
        if call_.attrs[name] < 1:
            raise ShapeError(f"{name} must be at least 1, not {call_.attrs[name]}")
    batch = _batch(call_)
    shapes: list[Dims] = [*[(None, 2)] * paths, *[(None,)] * paths, *[(2,)] * paths]
    return [*shapes, (batch, paths)]


define(
    "CTCBeamSearchDecoder",
    "inputs: T, sequence_length: int32 -> decoded_indices: top_paths*int64, "
    "decoded_values: top_paths*int64, decoded_shape: top_paths*int64, log_probability: T",
    T=dtypes_of(_FLOATS),
    beam_width=Attr("int", REQUIRED),
    top_paths=Attr("int", REQUIRED),
    merge_repeated=True,
    infer=_beam_infer,
    grad=_NO_GRADIENT,
    reference=_beam_reference,
    samples=(
        sample(f32(6, 3, 5), _LENGTHS, beam_width=10, top_paths=1),
        sample(f32(6, 2, 3), _LENGTHS[:2], beam_width=4, top_paths=3, merge_repeated=False),
        sample(_UNEVEN, _LENGTHS[:2], beam_width=100, top_paths=2),
        sample(f32(3, 0, 3), i32([]), beam_width=2, top_paths=2),
    ),
    errors=(
        error_sample(ValueError, "2 sequence lengths for 3 items", f32(6, 3, 5), _LENGTHS[:2],
                     beam_width=2, top_paths=1),
        error_sample(ValueError, "beam_width must be at least 1", f32(6, 3, 5), _LENGTHS,
                     beam_width=0, top_paths=1),
        error_sample(Exception, "top_paths 3 is more than beam_width 2", f32(6, 3, 5), _LENGTHS,
                     beam_width=2, top_paths=3, stage="run"),
        error_sample(Exception, "fewer than 2 paths", f32(6, 3, 5), _LENGTHS, beam_width=5,
                     top_paths=2, stage="run"),
        error_sample(Exception, "is not in", f32(2, 3, 5), _LENGTHS, beam_width=5, top_paths=1,
                     stage="run"),
    ),
    doc="The most probable labels by beam search, and their log probabilities.",
)  # fmt: skip

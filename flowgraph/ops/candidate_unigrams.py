"""Candidate samplers with weights: learned from earlier runs, or fixed.  They run on the host,
with compiled loops over the tries.

Read next: candidate_sampling.py (their public functions), candidate_draws.py.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.graph.opdef import RANDOM, Attr, Call, Compiled, define, error_sample, sample
from flowgraph.ops.candidate_draws import (
    BLOCKS_EACH,
    CANDIDATE_ATTRS,
    NO_GRADIENT,
    SAMPLE_SEEDS,
    SIGNATURE,
    check_unique,
    collect,
    errors_of,
    expected_count,
    infer_candidates,
    samples_of,
    words_of,
)
from flowgraph.ops.key_tables import FIND, table_of
from flowgraph.ops.philox_text import PHILOX
from flowgraph.ops.random_seeds import stream_of
from flowgraph.ops.rules import invalid

# ----------------------------------------------------------------------------------- compiled loops

#: {each}: tries of one block of four words.  {draw}: makes ``value`` of the words from ``lane`` on.
_TRIES = """
words = uint32_stack(4)
made = int64(0)
tries = int64(0)
while made < wanted:
    lane = tries % {each}
    if lane == 0:
        philox(uint64(first + tries // {each}), uint64(seed), uint64(seed2), words)
    lane = lane * (4 // {each})
{draw}
    tries += 1
    fresh = True
    if unique != 0:
        at = find(table, found, value, int64(0), shift, mask)
        fresh = load(table, at) < int32(0)
        if fresh:
            store(table, at, int32(made))
    if fresh:
        store(found, made, value)
        made += 1
store(length, 0, tries)
return 0
"""


def _tries(call_: Call, counter: Any) -> dict[str, Any]:
    """What _TRIES works with; takes the op's blocks."""
    attrs = call_.attrs
    wanted = attrs["num_sampled"]
    return {
        "wanted": wanted, "unique": attrs["unique"], "seed": attrs["seed"],
        "seed2": attrs["seed2"], "first": stream_of(call_, counter).reserve(wanted * BLOCKS_EACH),
        **table_of(wanted), "found": np.empty(wanted, np.int64), "length": np.zeros(1, np.int64),
    }  # fmt: skip


#: Root array of a session's counter -> how often each class was seen, and the array's finalizer.
_SEEN: dict[int, Any] = {}


def _seen(counter: Any, range_max: int) -> Any:
    """What the op has learned in this session: it lives as long as the session's counter."""
    root = counter
    while isinstance(root.base, np.ndarray):
        root = root.base
    key = id(root)
    if key not in _SEEN:
        weakref.finalize(root, _SEEN.pop, key, None)
        _SEEN[key] = np.ones(range_max, np.int64)
    return _SEEN[key]


def _learned_reference(call_: Call, counter: Any, true_classes: Any) -> Any:
    range_max = call_.attrs["range_max"]
    check_unique(call_, range_max)
    if np.any((true_classes < 0) | (true_classes >= range_max)):
        raise invalid(f"a true class is not in [0, {range_max})")
    seen = _seen(counter, range_max)
    running = np.cumsum(seen)
    total = int(running[-1])
    stream = stream_of(call_, counter)
    first = stream.reserve(call_.attrs["num_sampled"] * BLOCKS_EACH)

    def drawn(start: int, count: int) -> Any:
        blocks = stream.blocks(first + start // 4, (start + count) // 4 - start // 4 + 1)
        words = blocks.reshape(-1)[start % 4 :][:count]
        return np.searchsorted(running, words % np.uint32(total), side="right")

    found, tries = collect(call_, drawn)
    of_true, of_found = (
        expected_count(call_, (seen[v] / total).astype(np.float32), tries)
        for v in (true_classes, found)
    )
    np.add.at(seen, true_classes.reshape(-1), 1)
    return found, of_true, of_found


#: The first class up to which more were seen than ``left``.
_LEARNED = """
    left = int64(load(words, lane)) % total
    value = int64(0)
    behind = classes - 1
    while value < behind:
        middle = (value + behind) // 2
        if load(running, middle) > left:
            behind = middle
        else:
            value = middle + 1
"""


def _learned_given(call_: Call, counter: Any, true_classes: Any) -> dict[str, Any] | None:
    range_max = call_.attrs["range_max"]
    check_unique(call_, range_max)
    if np.any((true_classes < 0) | (true_classes >= range_max)):
        return None
    seen = _seen(counter, range_max)
    running = np.cumsum(seen)
    return {
        **_tries(call_, counter), "running": running, "total": int(running[-1]),
        "classes": range_max, "seen": seen, "true": np.ascontiguousarray(true_classes),
    }  # fmt: skip


def _learned_made(call_: Call, values: Any) -> Any:
    seen, found, true_classes = values["seen"], values["found"], values["true"]
    of_true, of_found = (
        expected_count(
            call_, (seen[v] / values["total"]).astype(np.float32), int(values["length"][0])
        )
        for v in (true_classes, found)
    )
    np.add.at(seen, true_classes.reshape(-1), 1)
    return found, of_true, of_found


for _type in ("LearnedUnigramCandidateSampler", "ThreadUnsafeUnigramCandidateSampler"):
    define(
        _type,
        SIGNATURE,
        **CANDIDATE_ATTRS,
        seed=0,
        seed2=0,
        infer=infer_candidates,
        grad=NO_GRADIENT,
        reference=_learned_reference,
        kernel=Compiled(
            _TRIES.format(each=4, draw=_LEARNED), _learned_given, _learned_made, PHILOX + FIND
        ),
        samples=samples_of(),
        errors=errors_of(),
        effect=RANDOM,
        doc="Classes drawn as often as they were true in earlier runs of the op.",
    )


def _weights_of(attrs: Mapping[str, Any]) -> Any:
    """Weights of the classes of this shard."""
    if attrs["vocab_file"]:
        lines = Path(attrs["vocab_file"]).read_text(encoding="utf-8").splitlines()
        try:
            given = [float(line.rsplit(",", 1)[-1]) for line in lines if line]
        except ValueError as error:
            file = attrs["vocab_file"]
            raise invalid(f"{file}: the last column is no number ({error})") from None
    else:
        given = list(attrs["unigrams"])
    weights = np.power(np.array(given, np.float32), np.float32(attrs["distortion"]))
    whole = np.concatenate([np.zeros(attrs["num_reserved_ids"], np.float32), weights])
    return whole[attrs["shard"] :: attrs["num_shards"]]


def _alias_table(weights: Any) -> tuple[Any, Any]:
    """Walker's alias method: column k is k with probability ``own[k]``, else ``other[k]``.

    In float32, with sums in order: the numbers decide which class a word means.
    """
    scaled = list(weights * np.float32(len(weights)) / np.cumsum(weights)[-1])
    own, other = np.ones(len(scaled), np.float32), np.arange(len(scaled))
    low = [i for i, w in enumerate(scaled) if w < 1]
    high = [i for i, w in enumerate(scaled) if w >= 1]
    while low and high:
        lesser, greater = low.pop(), high.pop()
        own[lesser], other[lesser] = scaled[lesser], greater
        scaled[greater] -= 1 - scaled[lesser]
        (low if scaled[greater] < 1 else high).append(greater)
    return own, other


_MAX_TABLES = 16

#: Tables by the identity of an op's attrs (which the entry keeps alive) and the attrs.
_TABLES: dict[int, tuple[Any, tuple[Any, Any, Any]]] = {}


def _tables_of(attrs: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Weights, ``own`` and ``other`` of an op; made once, as 50,000 classes take a while."""
    found = _TABLES.get(id(attrs))
    if found is None or found[0] is not attrs:
        if len(_TABLES) >= _MAX_TABLES:
            _TABLES.clear()
        weights = _weights_of(attrs)
        found = _TABLES[id(attrs)] = attrs, (weights, *_alias_table(weights))
    return found[1]


def _fixed_reference(call_: Call, counter: Any, true_classes: Any) -> Any:
    weights, own, other = _tables_of(call_.attrs)
    size = len(weights)
    if size != call_.attrs["range_max"]:
        raise invalid(f"there are {size} classes with weights, range_max is "
                      f"{call_.attrs['range_max']}")  # fmt: skip
    check_unique(call_, int(np.count_nonzero(weights)))
    stream = stream_of(call_, counter)
    first = stream.reserve(call_.attrs["num_sampled"] * BLOCKS_EACH)

    def drawn(start: int, count: int) -> Any:
        words = words_of(stream, first, start, count)
        bits = words[:, 0] & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)
        column = (words[:, 1] % np.uint32(size)).astype(np.int64)
        return np.where(bits.view(np.float32) - 1 < own[column], column, other[column])

    found, tries = collect(call_, drawn)
    return found, *_fixed_counts(call_, weights, true_classes, found, tries)


def _fixed_counts(
    call_: Call, weights: Any, true_classes: Any, found: Any, tries: int
) -> tuple[Any, Any]:
    p = weights / np.sum(weights)

    def probability(values: Any) -> Any:
        inside = (values >= 0) & (values < len(weights))
        return np.where(inside, p[np.where(inside, values, 0)], 0).astype(np.float32)

    return (
        expected_count(call_, probability(true_classes), tries),
        expected_count(call_, probability(found), tries),
    )


_FIXED_DRAW = """
    column = int64(load(words, lane + 1)) % classes
    value = load(other, column)
    if uniform32(words, lane) < load(own, column):
        value = column
"""


def _fixed_given(call_: Call, counter: Any, true_classes: Any) -> dict[str, Any] | None:
    weights, own, other = _tables_of(call_.attrs)
    if len(weights) != call_.attrs["range_max"]:
        return None
    check_unique(call_, int(np.count_nonzero(weights)))
    return {
        **_tries(call_, counter), "classes": len(weights), "own": own,
        "other": other.astype(np.int64, copy=False), "weights": np.ascontiguousarray(weights),
        "true": np.ascontiguousarray(true_classes),
    }  # fmt: skip


def _fixed_made(call_: Call, values: Any) -> Any:
    found, tries = values["found"], int(values["length"][0])
    return found, *_fixed_counts(call_, values["weights"], values["true"], found, tries)


_UNIGRAMS = [float(i % 7 + 1) for i in range(50)]
_FIXED: dict[str, Any] = {
    "num_true": 2,
    "num_sampled": 20,
    "unique": True,
    "range_max": 50,
    **SAMPLE_SEEDS,
}
_FIXED_TRUE = np.array([[1, 7], [49, 3]], np.int64)

define(
    "FixedUnigramCandidateSampler",
    SIGNATURE,
    **CANDIDATE_ATTRS,
    vocab_file="",
    distortion=1.0,
    num_reserved_ids=0,
    num_shards=1,
    shard=0,
    unigrams=Attr("list(float)", ()),
    seed=0,
    seed2=0,
    infer=infer_candidates,
    grad=NO_GRADIENT,
    reference=_fixed_reference,
    kernel=Compiled(
        _TRIES.format(each=2, draw=_FIXED_DRAW), _fixed_given, _fixed_made, PHILOX + FIND
    ),
    samples=(
        sample(_FIXED_TRUE, unigrams=_UNIGRAMS, distortion=0.75, **_FIXED),
        sample(_FIXED_TRUE, unigrams=_UNIGRAMS, num_reserved_ids=2, **{**_FIXED, "range_max": 52}),
        sample(_FIXED_TRUE, unigrams=_UNIGRAMS, **{**_FIXED, "unique": False}),
        sample(_FIXED_TRUE[:0], unigrams=_UNIGRAMS, num_shards=3, shard=1,
               **{**_FIXED, "range_max": 17, "num_sampled": 10}),
    ),
    errors=(
        error_sample(Exception, "50 classes with weights, range_max is 49", _FIXED_TRUE,
                     unigrams=_UNIGRAMS, **{**_FIXED, "range_max": 49}, stage="run"),
    ),
    effect=RANDOM,
    doc="Classes drawn with given weights (``unigrams``, or the last column of ``vocab_file``).",
)  # fmt: skip

"""Candidate samplers: a few classes drawn to stand for all, with how often each is to be expected.

With seeds, the classes are TensorFlow's.  The fixed and the learned distribution run on the host
(candidate_unigrams.py).

Read next: candidate_draws.py, sampled_losses.py (nce_loss, sampled_softmax_loss), philox_text.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    RANDOM,
    Attr,
    Call,
    Procedure,
    define,
    error_sample,
    sample,
)
from flowgraph.ops import philox_text
from flowgraph.ops.candidate_draws import (
    BLOCKS_EACH,
    CANDIDATE_ATTRS,
    NO_GRADIENT,
    SAMPLE_CLASSES,
    SIGNATURE,
    check_unique,
    collect,
    errors_of,
    expected_count,
    infer_candidates,
    samples_of,
    uniforms_of,
    words_of,
)
from flowgraph.ops.partitioning_loops import HITS
from flowgraph.ops.random_seeds import seeds_of, stream_of
from flowgraph.ops.rules import require_rank
from flowgraph.shapes import Dims, ShapeError, merge_size

# ---------------------------------------------------------------------- uniform and log-uniform

#: ``chosen(words, half, range_max)`` and ``probability(value, range_max)`` say what is drawn.
_SAMPLE = """
if unique != 0 and num_sampled > range_max:
    return 3
words = uint32_stack(4)
for k in range(places):
    store(table, k, -1)
tries = 0
filled = 0
while filled < num_sampled:
    if tries % 2 == 0:
        philox(first + uint64(tries // 2), uint64(seed), uint64(seed2), words)
    value = chosen(words, tries % 2, range_max)
    tries = tries + 1
    is_new = True
    if unique != 0:
        place = ((value * 2654435761) >> 7) & (places - 1)
        while load(table, place) >= 0 and load(table, place) != value:
            place = (place + 1) & (places - 1)
        is_new = load(table, place) < 0
        store(table, place, value)
    if is_new:
        store(sampled_candidates, filled, value)
        filled = filled + 1
for k in range(num_sampled):
    p = probability(load(sampled_candidates, k), range_max)
    store(sampled_expected_count, k, expected(p, tries, num_sampled))
for k in range(trues):
    p = probability(load(true_classes, k), range_max)
    store(true_expected_count, k, expected(p, tries, num_sampled))
return 0
"""

_EXPECTED = """
def expected(p, tries, count):
    result = float32(float64(p) * float64(count))
    if tries != count:
        result = float32(-expm1(float64(tries) * log1p(-float64(p))))
    return result

"""

_UNIFORM = """
def chosen(words, half, range_max):
    word = uint64(load(words, 2 * half)) | (uint64(load(words, 2 * half + 1)) << uint64(32))
    return int64(word % uint64(range_max))

def probability(value, range_max):
    return float32(1.0 / float64(range_max))

"""

_LOG_UNIFORM = """
def chosen(words, half, range_max):
    width = log1p(float64(range_max))
    return (int64(exp(uniform64(words, half) * width)) - 1) % range_max

def probability(value, range_max):
    ratio = (float64(value) + 2.0) / (float64(value) + 1.0)
    return float32(log(ratio) / log1p(float64(range_max)))

"""


def _sizes(call_: Call) -> Mapping[str, int]:
    attrs = call_.attrs
    count = attrs["num_sampled"]
    return {
        "num_sampled": count,
        "range_max": attrs["range_max"],
        "unique": int(attrs["unique"]),
        "places": 1 << (2 * count).bit_length(),  # of a table that stays half empty
        "trues": math.prod(call_.shapes[0]),  # type: ignore[arg-type]
        "seed": attrs["seed"],
        "seed2": attrs["seed2"],
        "reserve": count * BLOCKS_EACH,
    }


def _uniform_drawn(words: Any, range_max: int) -> Any:
    wide = words[:, 0].astype(np.uint64) | words[:, 1].astype(np.uint64) << np.uint64(32)
    return (wide % np.uint64(range_max)).astype(np.int64)


def _uniform_probability(values: Any, range_max: int) -> Any:
    return np.full(values.shape, 1 / range_max, np.float32)


def _log_uniform_drawn(words: Any, range_max: int) -> Any:
    return (np.exp(uniforms_of(words) * math.log1p(range_max)).astype(np.int64) - 1) % range_max


def _log_uniform_probability(values: Any, range_max: int) -> Any:
    return (np.log((values + 2.0) / (values + 1.0)) / math.log1p(range_max)).astype(np.float32)


def _plain(type: str, text: str, drawn: Any, probability: Any, doc: str) -> None:
    def reference(call_: Call, counter: Any, true_classes: Any) -> Any:
        range_max = call_.attrs["range_max"]
        check_unique(call_, range_max)
        stream = stream_of(call_, counter)
        first = stream.reserve(call_.attrs["num_sampled"] * BLOCKS_EACH)
        found, tries = collect(
            call_, lambda start, count: drawn(words_of(stream, first, start, count), range_max)
        )
        of_true, of_found = (
            expected_count(call_, probability(v, range_max), tries) for v in (true_classes, found)
        )
        return found, of_true, of_found

    define(
        type,
        SIGNATURE,
        **CANDIDATE_ATTRS,
        seed=0,
        seed2=0,
        infer=infer_candidates,
        kernel=Procedure(
            philox_text.RESERVE + _SAMPLE,
            sizes=_sizes,
            scratch=lambda call_: {"table": ("int64", _sizes(call_)["places"])},
            helpers=philox_text.PHILOX + text + _EXPECTED,
        ),
        grad=NO_GRADIENT,
        reference=reference,
        samples=samples_of(),
        errors=errors_of(),
        effect=RANDOM,
        doc=doc,
    )


_plain(
    "UniformCandidateSampler", _UNIFORM, _uniform_drawn, _uniform_probability,
    "Classes drawn uniformly from [0, range_max).",
)  # fmt: skip
_plain(
    "LogUniformCandidateSampler", _LOG_UNIFORM, _log_uniform_drawn, _log_uniform_probability,
    "Classes drawn with P(k) = log((k + 2) / (k + 1)) / log(range_max + 1) (Zipf).",
)  # fmt: skip


def _all_reference(call_: Call, true_classes: Any) -> Any:
    count = call_.attrs["num_sampled"]
    return (
        np.arange(count),
        np.ones(true_classes.shape, np.float32),
        np.ones(count, np.float32),
    )


_ALL = """
for k in range(num_sampled):
    store(sampled_candidates, k, k)
    store(sampled_expected_count, k, float32(1))
for k in range(trues):
    store(true_expected_count, k, float32(1))
return 0
"""

define(
    "AllCandidateSampler",
    SIGNATURE,
    **{key: value for key, value in CANDIDATE_ATTRS.items() if key != "range_max"},
    seed=0,
    seed2=0,
    infer=infer_candidates,
    kernel=Procedure(
        _ALL,
        sizes=lambda call_: {
            "num_sampled": call_.attrs["num_sampled"],
            "trues": math.prod(call_.shapes[0]),  # type: ignore[arg-type]
        },
    ),
    grad=NO_GRADIENT,
    reference=_all_reference,
    samples=(
        sample(np.array([[1, 7]], np.int64), num_true=2, num_sampled=9, unique=True),
        sample(SAMPLE_CLASSES[:0], num_true=2, num_sampled=3, unique=False),
    ),
    errors=(
        error_sample(ValueError, "must be a matrix", SAMPLE_CLASSES[0], num_true=2, num_sampled=3),
    ),
    doc="All classes [0, num_sampled), each once.",
)

# ------------------------------------------------------------------------------------------- hits


def _hits_infer(call_: Call) -> list[Dims]:
    _, count = require_rank(call_.shapes[0], 2, "true_classes")
    require_rank(call_.shapes[1], 1, "sampled_candidates")
    try:
        merge_size(count, call_.attrs["num_true"])
    except ShapeError:
        raise ShapeError(
            f"true_classes has {count} columns, num_true is {call_.attrs['num_true']}"
        ) from None
    return [(None,)] * 3


def _hits_reference(call_: Call, true_classes: Any, sampled: Any) -> Any:
    last = np.zeros(len(sampled), bool)  # of equal ones the last counts
    last[len(sampled) - 1 - np.unique(sampled[::-1], return_index=True)[1]] = True
    equal = (true_classes[:, :, None] == sampled) & last  # [batch, true, sampled]
    rows, _, places = np.nonzero(equal)
    lowest = np.full(len(rows), np.finfo(np.float32).min, np.float32)
    return rows.astype(np.int32), places.astype(np.int64), lowest


define(
    "ComputeAccidentalHits",
    "true_classes: int64, sampled_candidates: int64 -> "
    "indices: int32, ids: int64, weights: float32",
    num_true=Attr("int", 1),
    seed=0,
    seed2=0,
    infer=_hits_infer,
    kernel=HITS,
    grad=NO_GRADIENT,
    reference=_hits_reference,
    samples=(
        sample(np.array([[1, 7], [49, 3], [7, 7]], np.int64), np.array([7, 3, 0, 1], np.int64),
               num_true=2),
        sample(SAMPLE_CLASSES, np.array([], np.int64), num_true=2),
    ),
    errors=(
        error_sample(ValueError, "num_true is 1", SAMPLE_CLASSES, np.array([1], np.int64)),
    ),
    doc="Where candidates are true classes: row, place among the candidates, the lowest float32.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions

_DOC = """{headline}

    Args:
        true_classes: (batch, num_true) int64: the right classes; they do not change the draw.
        num_true: their number in each row.
        num_sampled: how many candidates to draw.
        unique: whether they must all be different: drawn without replacement.
        range_max: the number of classes.
        {more}seed: of the operation; see tf.set_random_seed.
        name: of the operation; ``{type}`` by default.

    Returns:
        ``(sampled_candidates, true_expected_count, sampled_expected_count)``: (num_sampled,)
        int64; the expected number of each true class among the candidates, (batch, num_true)
        float32; and of each candidate, (num_sampled,).

    Raises:
        ValueError: true_classes is no matrix of num_true columns.
        InvalidArgumentError: there are fewer classes than unique candidates (when run).

    Gradient: none.
    Source: with an op seed, TensorFlow 1.15's classes.
    """

_Candidates = tuple[Tensor, Tensor, Tensor]


def _sampled(type: str, true_classes: Any, seed: Any, name: Any, **attrs: Any) -> _Candidates:
    seeds = seeds_of(seed, name or type)
    found, of_true, of_found = apply_op(type, true_classes, name=name, **attrs, **seeds)
    return found, of_true, of_found


def _function(type: str, name_: str, headline: str) -> None:
    def function(
        true_classes: Any,
        num_true: int,
        num_sampled: int,
        unique: bool,
        range_max: int,
        seed: int | None = None,
        name: str | None = None,
    ) -> _Candidates:
        return _sampled(
            type, true_classes, seed, name, num_true=num_true, num_sampled=num_sampled,
            unique=unique, range_max=range_max,
        )  # fmt: skip

    function.__name__ = function.__qualname__ = name_
    function.__doc__ = _DOC.format(headline=headline, type=type, more="")
    export(f"nn.{name_}", f"random.{name_}")(function)


_function(
    "UniformCandidateSampler", "uniform_candidate_sampler",
    "Classes drawn uniformly: P(k) = 1 / range_max.",
)  # fmt: skip
_function(
    "LogUniformCandidateSampler", "log_uniform_candidate_sampler",
    "Classes drawn by Zipf's law: P(k) = (log(k + 2) - log(k + 1)) / log(range_max + 1).\n\n"
    "    Right where classes are words in order of decreasing frequency.",
)  # fmt: skip
_function(
    "LearnedUnigramCandidateSampler", "learned_unigram_candidate_sampler",
    "Classes drawn as often as they were true in earlier runs of this operation in the session.",
)  # fmt: skip


@export("nn.fixed_unigram_candidate_sampler", "random.fixed_unigram_candidate_sampler")
def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Any = (),
    seed: int | None = None,
    name: str | None = None,
) -> _Candidates:
    return _sampled(
        "FixedUnigramCandidateSampler", true_classes, seed, name, num_true=num_true,
        num_sampled=num_sampled, unique=unique, range_max=range_max, vocab_file=vocab_file,
        distortion=distortion, num_reserved_ids=num_reserved_ids, num_shards=num_shards,
        shard=shard, unigrams=[float(weight) for weight in unigrams],
    )  # fmt: skip


fixed_unigram_candidate_sampler.__doc__ = _DOC.format(
    headline="Classes drawn with given weights: P(k) = weight[k]**distortion, normalised.",
    type="FixedUnigramCandidateSampler",
    more="""vocab_file: a text file whose lines end in ``,weight``; or else
        unigrams: the weights, as a list.
        distortion: the power that weights are raised to; 0 is uniform.
        num_reserved_ids: classes [0, this) that are never drawn, before those with weights.
        num_shards, shard: only every ``num_shards``-th class from ``shard`` on takes part.
        """,
)


@export("nn.all_candidate_sampler", "random.all_candidate_sampler")
def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> _Candidates:
    """All classes [0, num_sampled), each expected once: for tests of sampled losses.

    Args:
        true_classes: (batch, num_true) int64.
        num_true: its number of columns.
        num_sampled: the number of classes.
        unique, seed: without effect.
        name: of the operation; ``AllCandidateSampler`` by default.

    Returns:
        ``(sampled_candidates, true_expected_count, sampled_expected_count)``.

    Raises:
        ValueError: true_classes is no matrix of num_true columns.

    Gradient: none.
    """
    return _sampled(
        "AllCandidateSampler", true_classes, seed, name, num_true=num_true,
        num_sampled=num_sampled, unique=unique,
    )  # fmt: skip


@export("nn.compute_accidental_hits")
def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: Any,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> _Candidates:
    """Where sampled candidates happen to be true classes.

    Args:
        true_classes: (batch, num_true) int64.
        sampled_candidates: (num_sampled,) int64.
        num_true: the number of true classes in each row.
        seed: without effect.
        name: of the operation; ``ComputeAccidentalHits`` by default.

    Returns:
        ``(indices, ids, weights)``, vectors with an element for each hit: the row of true_classes
        (int32), the place among the candidates (int64), and the lowest float32, to be added to
        the logit.

    Raises:
        ValueError: the shapes do not fit.

    Gradient: none.

    >>> hits = tf.nn.compute_accidental_hits([[1], [5]], [5, 2, 1], num_true=1)
    >>> tf.Session().run(hits[:2])
    (array([0, 1], dtype=int32), array([2, 0]))
    """
    true_classes = convert_to_tensor(true_classes, dtype="int64", name="true_classes")
    sampled = convert_to_tensor(sampled_candidates, dtype="int64", name="sampled_candidates")
    seeds = seeds_of(seed, name or "ComputeAccidentalHits")
    rows, places, lowest = apply_op(
        "ComputeAccidentalHits", true_classes, sampled, num_true=num_true, name=name, **seeds
    )
    return rows, places, lowest

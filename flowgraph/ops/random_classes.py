"""Classes drawn from unscaled log probabilities: multinomial, categorical, and the stateless ones.

    logits [batch, classes]  ->  running sums of exp(logits - max)  ->  where u * total falls

Number j of row i takes uniform ``i * num_samples + j`` of the draw.

Read next: philox.py, random_stateless.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import INDEX, REAL, as_dtype, int32, int64
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import RANDOM, Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops import philox_text
from flowgraph.ops.philox import RESERVED_PER_NUMBER, Stream, stateless_stream
from flowgraph.ops.random_seeds import NO_GRADIENT, seeds_of, stream_of
from flowgraph.ops.rules import i32, invalid, only_one, require_rank
from flowgraph.shapes import Dims, ShapeError

# ---------------------------------------------------------------------------------------- records


def _classes_infer(call_: Call) -> list[Dims]:
    batch, classes = require_rank(call_.shapes[0], 2, "logits")
    require_rank(call_.shapes[1], 0, "num_samples")
    if classes == 0:
        raise ShapeError("there must be at least one class")
    count = call_.value(1)
    if count is not None and count < 0:
        raise ShapeError(f"num_samples must not be negative: {count}")
    return [(batch, None if count is None else int(count))]


#: Draws ``samples`` classes of each row of ``logits``; uniforms follow one another from ``first``.
_CLASSES = """
words = uint32_stack(4)
for row in range(batch):
    highest = -inf
    for k in range(classes):
        logit = float64(load(logits, row * classes + k))
        if absolute(logit) < inf and logit > highest:
            highest = logit
    total = 0.0
    for k in range(classes):
        logit = float64(load(logits, row * classes + k))
        if absolute(logit) < inf:
            total = total + exp(logit - highest)
        store(running, k, total)
    for j in range(samples):
        at = row * samples + j
        if at % 2 == 0:
            philox(first + uint64(at // 2), {key}, words)
        bound = total * uniform64(words, at % 2)
        low = 0
        high = classes
        while low < high:
            middle = (low + high) // 2
            if load(running, middle) <= bound:
                low = middle + 1
            else:
                high = middle
        store(output, at, {output_dtype}(low))
return 0
"""


def _draw_classes(stream: Stream, start: int, logits: Any, samples: int) -> Any:
    """(batch, samples) classes with probabilities proportional to exp(logits), from a stream."""
    wide = logits.astype(np.float64)
    finite = np.isfinite(wide)
    highest = np.max(wide, 1, where=finite, initial=-np.inf, keepdims=True)
    weights = np.where(finite, np.exp(np.where(finite, wide - highest, 0)), 0)
    running = np.cumsum(weights, 1)
    uniforms = stream.uniforms_from(start, len(wide) * samples).reshape(len(wide), samples)
    rows = [
        np.searchsorted(total, total[-1] * u, side="right")
        for total, u in zip(running, uniforms, strict=True)
    ]
    return np.array(rows, np.int64).reshape(len(wide), samples)


def _multinomial_reserve(batch: int, samples: int) -> int:
    return batch * -(-samples // 4) * 4 * 2 * RESERVED_PER_NUMBER


def _class_count(num_samples: Any, logits: Any) -> int:
    count = only_one(num_samples, "num_samples")
    if count < 0:
        raise invalid(f"num_samples must not be negative: {count}")
    if not logits.shape[1]:
        raise invalid("there must be at least one class")
    return count


def _multinomial_reference(call_: Call, counter: Any, logits: Any, num_samples: Any) -> Any:
    count = _class_count(num_samples, logits)
    stream = stream_of(call_, counter)
    start = stream.reserve(_multinomial_reserve(len(logits), count))
    return _draw_classes(stream, start, logits, count).astype(call_.out_dtypes[0].np)


def _class_sizes(call_: Call) -> Mapping[str, int]:
    """Sizes of a kernel that draws classes."""
    batch, samples = call_.out_shapes[0]  # type: ignore[misc]
    return {"batch": batch, "samples": samples, "classes": call_.shapes[0][1]}  # type: ignore[dict-item,index]


def _multinomial_sizes(call_: Call) -> Mapping[str, int]:
    sizes = _class_sizes(call_)
    return {
        **sizes,
        "seed": call_.attrs["seed"],
        "seed2": call_.attrs["seed2"],
        "reserve": _multinomial_reserve(sizes["batch"], sizes["samples"]),
    }


def _running(call_: Call) -> Mapping[str, tuple[str, int]]:
    """Memory for the running sums of one row of logits."""
    return {"running": ("float64", _class_sizes(call_)["classes"])}


_LOGITS = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.25] * 4], np.float32))
_NOT_FINITE = np.array(
    [[-np.inf, 0, 1, -np.inf], [np.nan, 0, 1, 2], [np.inf, 0, 1, 2], [-np.inf] * 4], np.float32
)

define(
    "Multinomial",
    "logits: T, num_samples: int32 -> output: output_dtype",
    T=dtypes_of(REAL),
    output_dtype=dtypes_of(INDEX, int64),
    seed=0,
    seed2=0,
    infer=_classes_infer,
    kernel=Procedure(
        philox_text.RESERVE + _CLASSES,
        sizes=_multinomial_sizes,
        known=(1,),
        helpers=philox_text.PHILOX,
        choices=lambda call_: {"key": "uint64(seed), uint64(seed2)"},
        scratch=_running,
    ),
    grad=NO_GRADIENT,
    reference=_multinomial_reference,
    samples=(
        sample(_LOGITS, np.int32(13), seed=5, seed2=7, const=(1,)),
        sample(_LOGITS, np.int32(5), seed=5, seed2=7, output_dtype=int32, const=(1,)),
        sample(_NOT_FINITE, np.int32(9), seed=5, seed2=7, const=(1,)),
        sample(_LOGITS[:0], np.int32(3), const=(1,)),
        sample(_LOGITS, np.int32(0), const=(1,)),
        sample(np.array([[0, 1, 2]], np.int32), np.int32(6), seed=1, seed2=1, const=(1,)),
        sample(_LOGITS, np.int32(3), seed=5, seed2=7),
    ),
    errors=(
        error_sample(ValueError, "logits must be a matrix", _LOGITS[0], np.int32(2), const=(1,)),
        error_sample(ValueError, "must not be negative", _LOGITS, np.int32(-2), const=(1,)),
        error_sample(ValueError, "at least one class", _LOGITS[:, :0], np.int32(2), const=(1,)),
    ),
    effect=RANDOM,
    doc="Classes drawn from each row of unscaled log probabilities.",
)

def _stateless_infer(call_: Call) -> list[Dims]:
    (count,) = require_rank(call_.shapes[2], 1, "seed")
    if count not in (None, 2):
        raise ShapeError(f"seed must have two numbers, not {count}")
    return _classes_infer(call_)


def _stateless_reference(call_: Call, logits: Any, num_samples: Any, seed: Any) -> Any:
    count = _class_count(num_samples, logits)
    classes = _draw_classes(stateless_stream(seed), 0, logits, count)
    return classes.astype(call_.out_dtypes[0].np)


define(
    "StatelessMultinomial",
    "logits: T, num_samples: int32, seed: Tseed -> output: output_dtype",
    T=dtypes_of(REAL),
    Tseed=dtypes_of(INDEX, int64),
    output_dtype=dtypes_of(INDEX, int64),
    infer=_stateless_infer,
    kernel=Procedure(
        philox_text.STATELESS + _CLASSES,
        sizes=_class_sizes,
        known=(1,),
        helpers=philox_text.PHILOX,
        choices=lambda call_: {"key": "key, key2"},
        scratch=_running,
    ),
    grad=NO_GRADIENT,
    reference=_stateless_reference,
    samples=(
        sample(_LOGITS, np.int32(13), i32([1, 2]), const=(1,)),
        sample(_LOGITS, np.int32(4), np.array([-5, 2**40]), output_dtype=int32, const=(1, 2)),
        sample(_LOGITS[:0], np.int32(3), i32([1, 2]), const=(1,)),
    ),
    errors=(
        error_sample(ValueError, "seed must have two numbers", _LOGITS, np.int32(2), i32([1, 2, 3]),
                     const=(1,)),
    ),
    doc="Multinomial whose stream the two seeds choose.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions


def _draw(logits: Any, num_samples: Any, dtype: Any, seed: Any, name: Any, default: str) -> Tensor:
    with name_scope(name, default, [logits]):
        logits = convert_to_tensor(logits, name="logits")
        seeds = seeds_of(seed, "Multinomial")
        kind = int64 if dtype is None else as_dtype(dtype)
        return apply_op("Multinomial", logits, num_samples, output_dtype=kind, **seeds)


@export("multinomial", "random.multinomial")
def multinomial(
    logits: Any,
    num_samples: Any,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: Any = None,
) -> Tensor:
    """Classes drawn from each row of unscaled log probabilities.

    P(class k) = softmax(logits)[k]

    Args:
        logits: (batch, classes); entries that are not finite are never drawn.
        num_samples: how many for each row.
        seed: of the operation; see random_uniform.
        name: of the operations; ``multinomial`` by default.
        output_dtype: int32 or int64 (the default).

    Returns:
        (batch, num_samples) integers.

    Raises:
        ValueError: ``logits`` is no matrix.

    Gradient: none.
    Source: with an op seed, TensorFlow 1.15's numbers (of a batch that one of its threads does).

    >>> tf.Session().run(tf.multinomial([[-1e9, 0.0]], 3))
    array([[1, 1, 1]])
    """
    return _draw(logits, num_samples, output_dtype, seed, name, "multinomial")


@export("random.categorical")
def categorical(
    logits: Any,
    num_samples: Any,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Classes drawn from each row of unscaled log probabilities: tf.multinomial.

    Args:
        logits: (batch, classes).
        num_samples: how many for each row.
        dtype: int32 or int64 (the default).
        seed: of the operation; see random_uniform.
        name: of the operations; ``categorical`` by default.

    Returns:
        (batch, num_samples) integers.

    Raises:
        ValueError: ``logits`` is no matrix.

    Gradient: none.

    >>> tf.Session().run(tf.random.categorical([[-1e9, 0.0]], 3))
    array([[1, 1, 1]])
    """
    return _draw(logits, num_samples, dtype, seed, name, "categorical")


def _draw_stateless(
    logits: Any, num_samples: Any, seed: Any, dtype: Any, name: Any, default: str
) -> Tensor:
    with name_scope(name, default, [logits, seed]):
        logits = convert_to_tensor(logits, name="logits")
        return apply_op(
            "StatelessMultinomial", logits, num_samples, seed, output_dtype=as_dtype(dtype)
        )


@export("random.stateless_multinomial")
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = int64, name: str | None = None
) -> Tensor:
    """Classes drawn from each row of unscaled log probabilities, a function of ``seed`` alone.

    Args:
        logits: (batch, classes); entries that are not finite are never drawn.
        num_samples: how many for each row.
        seed: two integers; the same seed gives the same classes, always.
        output_dtype: int32 or int64.
        name: of the operations; ``stateless_multinomial`` by default.

    Returns:
        (batch, num_samples) integers.

    Raises:
        ValueError: ``logits`` is no matrix, or ``seed`` has not two numbers.

    Gradient: none.
    Source: TensorFlow 1.15's numbers (of a batch that one of its threads does).
    """
    return _draw_stateless(logits, num_samples, seed, output_dtype, name, "stateless_multinomial")


@export("random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = int64, name: str | None = None
) -> Tensor:
    """Classes drawn from each row of unscaled log probabilities, a function of ``seed`` alone.

    Args:
        logits: (batch, classes); entries that are not finite are never drawn.
        num_samples: how many for each row.
        seed: two integers; the same seed gives the same classes, always.
        dtype: int32 or int64.
        name: of the operations; ``stateless_categorical`` by default.

    Returns:
        (batch, num_samples) integers.

    Raises:
        ValueError: ``logits`` is no matrix, or ``seed`` has not two numbers.

    Gradient: none.

    >>> tf.Session().run(tf.random.stateless_categorical([[0.0, 0.0]], 5, seed=[1, 2]))
    array([[1, 1, 0, 1, 1]])
    """
    return _draw_stateless(logits, num_samples, seed, dtype, name, "stateless_categorical")

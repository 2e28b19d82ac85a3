"""Stateless random numbers: functions of a seed of two integers, the same whenever they run.

The two seeds choose a stream (philox.stateless_stream), and every run draws its first numbers.

Read next: random.py, random_classes.py (stateless_categorical).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, as_dtype, float32, int32, int64
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops import philox_text
from flowgraph.ops.philox import STRETCH_PER_NUMBER, stateless_stream
from flowgraph.ops.random_seeds import NO_GRADIENT
from flowgraph.ops.rules import i32, invalid, require_rank, size_vector
from flowgraph.shapes import Dims, ShapeError

# ---------------------------------------------------------------------------------------- records


def _infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "shape")
    (count,) = require_rank(call_.shapes[1], 1, "seed")
    if count not in (None, 2):
        raise ShapeError(f"seed must have two numbers, not {count}")
    sizes = call_.value(0)
    if sizes is not None and np.any(sizes < 0):
        raise ShapeError(f"shape must not be negative: {sizes.tolist()}")
    return [call_.partial(0)]


def _sizes(call_: Call) -> Mapping[str, int]:
    return {"n": math.prod(call_.out_shapes[0])}  # type: ignore[arg-type]


def _keyed(draws: str) -> str:
    return draws.replace("uint64(seed), uint64(seed2)", "key, key2")


def _kernel(draws: str, drawn: Any, moves: tuple[str, ...] = ()) -> Procedure:
    def choices(call_: Call) -> Mapping[str, str]:
        draw, each = drawn(call_)
        return {"draw": draw, "each": str(each), "stretch": str(each * STRETCH_PER_NUMBER)}

    return Procedure(
        philox_text.STATELESS + draws + "return 0\n",
        sizes=_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + "{draw}",
        choices=choices,
        moves=moves,
    )


def _count(shape: Any) -> int:
    if np.any(shape < 0):
        raise invalid(f"shape must not be negative: {shape.tolist()}")
    return int(np.prod(shape, dtype=np.int64))


_ERRORS = (
    error_sample(ValueError, "must not be negative", i32([-1]), i32([1, 2]), const=(0,)),
    error_sample(ValueError, "seed must have two numbers", i32([3]), i32([1, 2, 3]), const=(0,)),
)


def _floats(type: str, distribution: str, draw: str, draws: str, doc: str) -> None:
    def reference(call_: Call, shape: Any, seed: Any) -> Any:
        stream = stateless_stream(seed)
        return getattr(stream, draw)(_count(shape), call_.attrs["dtype"].np).reshape(shape)

    define(
        type,
        "shape: T, seed: Tseed -> output: dtype",
        dtype=dtypes_of(FLOAT, float32),
        T=dtypes_of(INDEX, int32),
        Tseed=dtypes_of(INDEX, int64),
        infer=_infer,
        kernel=_kernel(
            _keyed(draws),
            lambda call_: philox_text.DRAW[distribution, call_.out_dtypes[0].name],
            philox_text.moves(distribution),
        ),
        grad=NO_GRADIENT,
        reference=reference,
        samples=(
            sample(i32([3, 5]), i32([1, 2]), const=(0,)),
            sample(i32([]), np.array([-5, 2**40]), const=(0, 1)),
            sample(i32([0, 3]), i32([1, 2]), const=(0,)),
            sample(i32([41]), np.array([-5, 2**40]), dtype="float64", const=(0,)),
            sample(i32([7]), i32([1, 2]), dtype="float16", const=(0,)),
        ),
        errors=_ERRORS,
        doc=doc,
    )


_floats(
    "StatelessRandomUniform", "uniform", "uniform", philox_text.DRAWS,
    "Floats uniform in [0, 1), a function of ``seed``.",
)  # fmt: skip
_floats(
    "StatelessRandomNormal", "normal", "normal", philox_text.DRAWS,
    "Floats of the standard normal distribution, a function of ``seed``.",
)  # fmt: skip
_floats(
    "StatelessTruncatedNormal", "normal", "truncated_normal", philox_text.TRUNCATED_DRAWS,
    "Floats of the standard normal distribution, those beyond 2 drawn again.",
)  # fmt: skip


def _integers_infer(call_: Call) -> list[Dims]:
    for i, argument in ((2, "minval"), (3, "maxval")):
        require_rank(call_.shapes[i], 0, argument)
    return _infer(call_)


def _integers_reference(call_: Call, shape: Any, seed: Any, minval: Any, maxval: Any) -> Any:
    if minval >= maxval:
        raise invalid(f"minval must be below maxval: {minval} >= {maxval}")
    stream = stateless_stream(seed)
    numbers = stream.integers(_count(shape), int(minval), int(maxval), minval.dtype)
    return numbers.reshape(shape)


define(
    "StatelessRandomUniformInt",
    "shape: T, seed: Tseed, minval: dtype, maxval: dtype -> output: dtype",
    dtype=dtypes_of(INDEX),
    T=dtypes_of(INDEX),
    Tseed=dtypes_of(INDEX, int64),
    infer=_integers_infer,
    kernel=_kernel(
        philox_text.BOUNDS.replace("{Tout}", "{dtype}") + _keyed(philox_text.INTEGER_DRAWS),
        lambda call_: philox_text.INTEGERS[call_.out_dtypes[0].name],
    ),
    grad=NO_GRADIENT,
    reference=_integers_reference,
    samples=(
        sample(i32([3, 5]), i32([1, 2]), i32(-3), i32(900), const=(0,)),
        sample(i32([7]), np.array([-5, 2**40]), np.int64(0), np.int64(2**40), const=(0, 1)),
        sample(i32([0]), i32([1, 2]), i32(0), i32(1), const=(0,)),
    ),
    errors=(
        error_sample(Exception, "minval must be below maxval: 5 >= 5|invalid argument",
                     i32([2]), i32([1, 2]), i32(5), i32(5), const=(0,), stage="run"),
    ),
    doc="Integers uniform in [minval, maxval), a function of ``seed``.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions

_SEED_DOC = "seed: two integers; the same seed gives the same numbers, always and everywhere."


@export("random.stateless_uniform")
def stateless_random_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """Numbers uniform in [minval, maxval), a function of ``seed`` alone.

    Args:
        shape: sizes: a list of ints, or an integer vector.
        {seed}
        minval: the least number.
        maxval: the bound, itself left out; 1 by default for floats, needed for integers, unless
            minval is None, too: all integers are drawn then.
        dtype: a float dtype, int32 or int64.
        name: of the operations; ``stateless_random_uniform`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        ValueError: the dtype is none of these, an integer bound is missing, ``seed`` has not two
            numbers.
        InvalidArgumentError: minval >= maxval for integers (when run).

    Gradient: none to the seed; to the bounds as of ``minval + u * (maxval - minval)``.
    Source: TensorFlow 1.15's numbers, bit for bit.

    >>> tf.Session().run(tf.random.stateless_uniform([2], seed=[1, 2]))
    array([0.8440604 , 0.19204533], dtype=float32)
    """
    target = as_dtype(dtype).base_dtype
    if not (target.is_floating or target.name in INDEX):
        raise ValueError(
            f"stateless_random_uniform: dtype {target.name} is neither float, int32 nor int64"
        )
    if minval is None and maxval is None and target.is_integer:
        sizes = convert_to_tensor(size_vector(shape), name="shape")
        name = name or "stateless_random_uniform"
        return apply_op("StatelessRandomUniformFullInt", sizes, seed, dtype=target, name=name)
    if maxval is None:
        if target.is_integer:
            raise ValueError(
                f"stateless_random_uniform: maxval must be given for dtype {target.name}"
            )
        maxval = 1
    with name_scope(name, "stateless_random_uniform", [shape, seed, minval, maxval]) as scope:
        sizes = convert_to_tensor(size_vector(shape), name="shape")
        low = convert_to_tensor(minval, dtype=target, name="min")
        high = convert_to_tensor(maxval, dtype=target, name="max")
        if target.is_integer:
            return apply_op("StatelessRandomUniformInt", sizes, seed, low, high, name=scope)
        numbers = apply_op("StatelessRandomUniform", sizes, seed, dtype=target)
        return apply_op("Add", numbers * (high - low), low, name=scope)


def _scaled(
    type: str, default: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any, name: Any
) -> Tensor:
    target = as_dtype(dtype).base_dtype
    with name_scope(name, default, [shape, seed, mean, stddev]) as scope:
        sizes = convert_to_tensor(size_vector(shape), name="shape")
        mean = convert_to_tensor(mean, dtype=target, name="mean")
        stddev = convert_to_tensor(stddev, dtype=target, name="stddev")
        numbers = apply_op(type, sizes, seed, dtype=target)
        return apply_op("Add", numbers * stddev, mean, name=scope)


@export("random.stateless_normal")
def stateless_random_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """Numbers of a normal distribution, a function of ``seed`` alone.

    Args:
        shape: sizes: a list of ints, or an integer vector.
        {seed}
        mean, stddev: of the distribution.
        dtype: a float dtype.
        name: of the operations; ``stateless_random_normal`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        ValueError: ``seed`` has not two numbers.   TypeError: the dtype is not float.

    Gradient: none to the seed; to mean and stddev as of ``mean + stddev * z``.
    Source: TensorFlow 1.15's numbers, to about 1e-6.
    """
    return _scaled(
        "StatelessRandomNormal", "stateless_random_normal", shape, seed, mean, stddev, dtype, name
    )


@export("random.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """Numbers of a normal distribution, those beyond two ``stddev`` drawn again; a function of
    ``seed`` alone.

    Args:
        shape: sizes: a list of ints, or an integer vector.
        {seed}
        mean, stddev: of the distribution before cutting off.
        dtype: a float dtype.
        name: of the operations; ``stateless_truncated_normal`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        ValueError: ``seed`` has not two numbers.   TypeError: the dtype is not float.

    Gradient: none to the seed; to mean and stddev as of ``mean + stddev * z``.
    Source: TensorFlow 1.15's numbers, to about 1e-6.
    """
    return _scaled(
        "StatelessTruncatedNormal", "stateless_truncated_normal", shape, seed, mean, stddev, dtype,
        name,
    )  # fmt: skip


for _function in (stateless_random_uniform, stateless_random_normal, stateless_truncated_normal):
    _function.__doc__ = (_function.__doc__ or "").replace("{seed}", _SEED_DOC)

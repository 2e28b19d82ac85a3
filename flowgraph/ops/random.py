"""Random numbers: random_uniform, random_normal, truncated_normal, random_shuffle.

An op draws from its own stream (philox.py), chosen by attrs ``seed`` and ``seed2``
(random_seeds.py); each run of it takes the next numbers.

Read next: philox_text.py (the kernels), random_distributions.py, initializers.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, INDEX, as_dtype, float32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    RANDOM,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops import philox_text
from flowgraph.ops.philox import RESERVED_PER_NUMBER, STRETCH_PER_NUMBER
from flowgraph.ops.random_seeds import NO_GRADIENT, seeds_of, stream_of
from flowgraph.ops.rules import f32, i32, invalid, require_rank, size_vector
from flowgraph.shapes import Dims, ShapeError

# ---------------------------------------------------------------------------------------- records


def _sizes_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "shape")
    sizes = call_.value(0)
    if sizes is not None and np.any(sizes < 0):
        raise ShapeError(f"shape must not be negative: {sizes.tolist()}")
    return [call_.partial(0)]


def _count(shape: np.ndarray[Any, Any]) -> int:
    if np.any(shape < 0):
        raise invalid(f"shape must not be negative: {shape.tolist()}")
    return int(np.prod(shape, dtype=np.int64))


def _draw_sizes(call_: Call) -> Mapping[str, int]:
    n = math.prod(call_.out_shapes[0])  # type: ignore[arg-type]
    return {
        "n": n,
        "seed": call_.attrs["seed"],
        "seed2": call_.attrs["seed2"],
        "reserve": n * RESERVED_PER_NUMBER,
    }


def _draw_choices(draw: str, each: int) -> Mapping[str, str]:
    return {"draw": draw, "each": str(each), "stretch": str(each * STRETCH_PER_NUMBER)}


def _float_kernel(distribution: str, draws: str) -> Procedure:
    return Procedure(
        philox_text.RESERVE + draws + "return 0\n",
        sizes=_draw_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + "{draw}",
        choices=lambda call_: _draw_choices(
            *philox_text.DRAW[distribution, call_.out_dtypes[0].name]
        ),
        moves=philox_text.moves(distribution),
    )


def _floats(type: str, draw: str, kernel: Procedure, doc: str) -> None:
    def reference(call_: Call, counter: Any, shape: Any) -> Any:
        numbers = getattr(stream_of(call_, counter), draw)(_count(shape), call_.attrs["dtype"].np)
        return numbers.reshape(shape)

    define(
        type,
        "shape: T -> output: dtype",
        dtype=dtypes_of(FLOAT),
        T=dtypes_of(INDEX),
        seed=0,
        seed2=0,
        infer=_sizes_infer,
        kernel=kernel,
        grad=NO_GRADIENT,
        reference=reference,
        samples=(
            sample(i32([3, 5]), dtype=float32, seed=1, seed2=2, const=(0,)),
            sample(i32([]), dtype=float32, seed=1, seed2=2, const=(0,)),
            sample(i32([0, 3]), dtype=float32, seed=1, seed2=2, const=(0,)),
            sample(i32([7]), dtype="float64", seed=1, seed2=2, const=(0,)),
            sample(i32([1031]), dtype=float32, seed=-5, seed2=2**40 + 1, const=(0,)),
        ),
        errors=(
            error_sample(ValueError, "must not be negative", i32([-1]), dtype=float32, const=(0,)),
        ),
        effect=RANDOM,
        doc=doc,
    )


_floats(
    "RandomUniform", "uniform", _float_kernel("uniform", philox_text.DRAWS),
    "Floats uniform in [0, 1).",
)  # fmt: skip
_floats(
    "RandomStandardNormal", "normal", _float_kernel("normal", philox_text.DRAWS),
    "Floats of the standard normal distribution.",
)  # fmt: skip
_floats(
    "TruncatedNormal", "truncated_normal", _float_kernel("normal", philox_text.TRUNCATED_DRAWS),
    "Floats of the standard normal distribution, those beyond 2 drawn again.",
)  # fmt: skip


def _integers_infer(call_: Call) -> list[Dims]:
    for i, argument in ((1, "minval"), (2, "maxval")):
        require_rank(call_.shapes[i], 0, argument)
    return _sizes_infer(call_)


def _integers_reference(call_: Call, counter: Any, shape: Any, minval: Any, maxval: Any) -> Any:
    if minval >= maxval:
        raise invalid(f"minval must be below maxval: {minval} >= {maxval}")
    stream = stream_of(call_, counter)
    numbers = stream.integers(_count(shape), int(minval), int(maxval), minval.dtype)
    return numbers.reshape(shape)


define(
    "RandomUniformInt",
    "shape: T, minval: Tout, maxval: Tout -> output: Tout",
    Tout=dtypes_of(INDEX),
    T=dtypes_of(INDEX),
    seed=0,
    seed2=0,
    infer=_integers_infer,
    kernel=Procedure(
        philox_text.BOUNDS + philox_text.RESERVE + philox_text.INTEGER_DRAWS + "return 0\n",
        sizes=_draw_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + "{draw}",
        choices=lambda call_: _draw_choices(*philox_text.INTEGERS[call_.out_dtypes[0].name]),
    ),
    grad=NO_GRADIENT,
    reference=_integers_reference,
    samples=(
        sample(i32([3, 5]), i32(-3), i32(9), seed=1, seed2=2, const=(0,)),
        sample(i32([7]), np.int64(0), np.int64(2**40), seed=1, seed2=2, const=(0,)),
        sample(i32([4]), i32(-(2**31)), i32(2**31 - 1), seed=1, seed2=2, const=(0,)),
    ),
    errors=(
        error_sample(Exception, "minval must be below maxval: 5 >= 5|invalid argument",
                     i32([2]), i32(5), i32(5), const=(0,), stage="run"),
    ),
    effect=RANDOM,
    doc="Integers uniform in [minval, maxval).",
)  # fmt: skip


_SHUFFLE = """
position = uint64(load(counter, 0))
store(counter, 0, load(counter, 0) + (n + 2) // 4)
words = uint32_stack(4)
for i in range(n):
    store(order, i, i)
for i in range(n - 1):
    if i % 4 == 0:
        philox(position + uint64(i // 4), uint64(seed), uint64(seed2), words)
    j = i + int64(uint64(load(words, i % 4)) % uint64(n - i))
    chosen = load(order, j)
    store(order, j, load(order, i))
    store(order, i, chosen)
for i in range(n):
    source = address(offset(value, load(order, i) * row))
    copy_bytes(address(offset(output, i * row)), source, row_bytes)
return 0
"""


def _shuffle_sizes(call_: Call) -> Mapping[str, int]:
    n, *rest = call_.shapes[0] or (1,)
    row = math.prod(rest)  # type: ignore[arg-type]
    return {
        "n": n,
        "row": row,
        "row_bytes": row * call_.dtypes[0].np.itemsize,
        "seed": call_.attrs["seed"],
        "seed2": call_.attrs["seed2"],
    }


def _shuffle_reference(call_: Call, counter: Any, value: Any) -> Any:
    if value.ndim == 0 or len(value) <= 1:
        return value
    return value[stream_of(call_, counter).permutation(len(value))]


define(
    "RandomShuffle",
    "value: T -> output: T",
    T=dtypes_of(ALL),
    seed=0,
    seed2=0,
    infer=lambda call_: [call_.shapes[0]],
    kernel=Procedure(
        _SHUFFLE,
        sizes=_shuffle_sizes,
        moves=("T",),
        helpers=philox_text.PHILOX,
        scratch=lambda call_: {"order": ("int64", _shuffle_sizes(call_)["n"])},
    ),
    grad=not_differentiable("TensorFlow defines none"),
    reference=_shuffle_reference,
    samples=(
        sample(f32(7, 2), seed=1, seed2=2, differentiable=()),
        sample(i32([1]), seed=1, seed2=2),
        sample(f32(), seed=1, seed2=2, differentiable=()),
        sample(i32([]), seed=1, seed2=2),
    ),
    effect=RANDOM,
    doc="The rows of ``value`` in random order.",
)

# -------------------------------------------------------------------------------- public functions

_SEED_DOC = """seed: of the operation.  The same seed gives the same numbers in every session;
            without one they depend on the operation's name (and on tf.set_random_seed)."""


@export("random_uniform", "random.uniform")
def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers uniform in [minval, maxval).

    Args:
        shape: sizes: a list of ints (or of scalar tensors), or an integer vector.
        minval: the least number.
        maxval: the bound, itself left out; 1 by default for floats, needed for integers.
        dtype: a float dtype, int32 or int64.
        {seed}
        name: of the operation; ``random_uniform`` by default.

    Raises:
        ValueError: the dtype is none of these, or an integer bound is missing.
        InvalidArgumentError: minval >= maxval for integers (when run).

    Gradient: none.
    Source: with an op seed, TensorFlow 1.15's numbers, bit for bit.

    >>> tf.Session().run(tf.random_uniform([3], seed=1))
    array([0.2390374 , 0.92039955, 0.05051243], dtype=float32)
    """
    target = as_dtype(dtype).base_dtype
    if not (target.is_floating or target.name in INDEX):
        raise ValueError(f"random_uniform: dtype {target.name} is neither float, int32 nor int64")
    if maxval is None:
        if target.is_integer:
            raise ValueError(f"random_uniform: maxval must be given for dtype {target.name}")
        maxval = 1
    with name_scope(name, "random_uniform", [shape, minval, maxval]) as scope:
        sizes = convert_to_tensor(size_vector(shape), name="shape")
        low = convert_to_tensor(minval, dtype=target, name="min")
        high = convert_to_tensor(maxval, dtype=target, name="max")
        if target.is_integer:
            seeds = seeds_of(seed, "RandomUniformInt")
            return apply_op("RandomUniformInt", sizes, low, high, name=scope, **seeds)
        numbers = apply_op("RandomUniform", sizes, dtype=target, **seeds_of(seed, "RandomUniform"))
        return apply_op("Add", numbers * (high - low), low, name=scope)


def _scaled(
    type: str, default: str, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: Any, name: Any
) -> Tensor:
    target = as_dtype(dtype).base_dtype
    if not target.is_floating:
        raise ValueError(f"{default}: dtype {target.name} is not float")
    with name_scope(name, default, [shape, mean, stddev]) as scope:
        sizes = convert_to_tensor(size_vector(shape), name="shape")
        mean = convert_to_tensor(mean, dtype=target, name="mean")
        stddev = convert_to_tensor(stddev, dtype=target, name="stddev")
        numbers = apply_op(type, sizes, dtype=target, **seeds_of(seed, type))
        return apply_op("Add", numbers * stddev, mean, name=scope)


@export("random_normal", "random.normal")
def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers of a normal distribution.

    Args:
        shape: sizes: a list of ints (or of scalar tensors), or an integer vector.
        mean, stddev: of the distribution; numbers or tensors that broadcast.
        dtype: a float dtype.
        {seed}
        name: of the operation; ``random_normal`` by default.

    Raises:
        ValueError: the dtype is not float.

    Gradient: to mean and stddev, as of ``mean + stddev * z``.
    Source: with an op seed, TensorFlow 1.15's numbers, to about 1e-6.
    """
    return _scaled("RandomStandardNormal", "random_normal", shape, mean, stddev, dtype, seed, name)


@export("truncated_normal", "random.truncated_normal")
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers of a normal distribution, those beyond two ``stddev`` drawn again.

    Args:
        shape: sizes: a list of ints (or of scalar tensors), or an integer vector.
        mean, stddev: of the distribution before cutting off.
        dtype: a float dtype.
        {seed}
        name: of the operation; ``truncated_normal`` by default.

    Raises:
        ValueError: the dtype is not float.

    Gradient: to mean and stddev, as of ``mean + stddev * z``.
    Source: with an op seed, TensorFlow 1.15's numbers, to about 1e-6.
    """
    return _scaled("TruncatedNormal", "truncated_normal", shape, mean, stddev, dtype, seed, name)


for _function in (random_uniform, random_normal, truncated_normal):
    _function.__doc__ = (_function.__doc__ or "").replace("{seed}", _SEED_DOC)


@export("random_shuffle", "random.shuffle")
def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of ``value`` (its slices along axis 0) in random order.

    Args:
        value: a tensor.
        seed: of the operation; see random_uniform.
        name: of the operation; ``RandomShuffle`` by default.

    Returns:
        A tensor of the shape of ``value``.

    Gradient: none.
    Source: with an op seed, TensorFlow 1.15's order.
    """
    value = convert_to_tensor(value, name="value")
    seeds = seeds_of(seed, name or "RandomShuffle")
    return apply_op("RandomShuffle", value, name=name, **seeds)

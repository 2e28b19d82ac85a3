"""Random numbers: random_uniform, random_normal, truncated_normal, random_shuffle.

An op draws from its own stream (philox.py), chosen by attrs ``seed`` and ``seed2``; each run of it
takes the next numbers.  Where the stream comes from::

    graph seed   op seed    stream
    given        given      (graph seed, op seed)                 TensorFlow's numbers
    -            given      (87654321, op seed)                   TensorFlow's numbers
    given        -          (graph seed, hash of the op's name)
    -            -          (87654321, hash of the op's name)

NB: without an op seed TensorFlow counts the operations made before, or takes the clock.  Here every
process draws the same, and adding an operation elsewhere changes nothing.

Read next: philox.py, initializers.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, INDEX, as_dtype, float32
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    RANDOM,
    Call,
    Custom,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.philox import Stream
from flowgraph.ops.rules import f32, i32, invalid, require_rank, size_vector
from flowgraph.shapes import Dims, ShapeError

#: The graph seed of a graph that was given none.
DEFAULT_GRAPH_SEED = 87654321

_MAX_SEED = 2**31 - 1
_NO_GRADIENT = not_differentiable("random numbers do not depend on anything")

# ------------------------------------------------------------------------------------------ seeds


def _hash_of(name: str) -> int:
    """63 bits that depend on ``name`` alone, the same in every process."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@export("get_seed", "random.get_seed")
def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The pair of seeds that a random operation made now would use, given its own seed.

    Args:
        op_seed: the operation's seed, or None.

    Returns:
        (graph seed, operation seed); (None, None) when neither is given, and the operation's name
        decides.
    """
    graph_seed = get_default_graph().seed
    if graph_seed is None and op_seed is None:
        return None, None
    if op_seed is None:
        return graph_seed, _hash_of(get_default_graph().get_name_scope())
    seeds = DEFAULT_GRAPH_SEED if graph_seed is None else graph_seed, op_seed % _MAX_SEED
    return (0, _MAX_SEED) if seeds == (0, 0) else seeds


def _seeds(op_seed: int | None, type: str) -> dict[str, Any]:
    """Attrs seed and seed2 of an operation of ``type`` about to be made under its own name."""
    graph = get_default_graph()
    if op_seed is None:
        name = graph.unique_name(type, mark_as_used=False)
        seed = DEFAULT_GRAPH_SEED if graph.seed is None else graph.seed
        return {"seed": seed, "seed2": _hash_of(name)}
    return dict(zip(("seed", "seed2"), get_seed(op_seed), strict=True))


def _stream(call_: Call, counter: Any) -> Stream:
    return Stream(call_.attrs["seed"], call_.attrs["seed2"], counter)


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


def _floats(type: str, draw: str, doc: str) -> None:
    def reference(call_: Call, counter: Any, shape: Any) -> Any:
        numbers = getattr(_stream(call_, counter), draw)(_count(shape), call_.attrs["dtype"].np)
        return numbers.reshape(shape)

    define(
        type,
        "shape: T -> output: dtype",
        dtype=dtypes_of(FLOAT),
        T=dtypes_of(INDEX),
        seed=0,
        seed2=0,
        infer=_sizes_infer,
        kernel=Custom("random"),
        grad=_NO_GRADIENT,
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


_floats("RandomUniform", "uniform", "Floats uniform in [0, 1).")
_floats("RandomStandardNormal", "normal", "Floats of the standard normal distribution.")
_floats(
    "TruncatedNormal", "truncated_normal",
    "Floats of the standard normal distribution, those beyond 2 drawn again.",
)  # fmt: skip


def _integers_infer(call_: Call) -> list[Dims]:
    for i, argument in ((1, "minval"), (2, "maxval")):
        require_rank(call_.shapes[i], 0, argument)
    return _sizes_infer(call_)


def _integers_reference(call_: Call, counter: Any, shape: Any, minval: Any, maxval: Any) -> Any:
    if minval >= maxval:
        raise invalid(f"minval must be below maxval: {minval} >= {maxval}")
    stream = _stream(call_, counter)
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
    kernel=Custom("random"),
    grad=_NO_GRADIENT,
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


def _shuffle_reference(call_: Call, counter: Any, value: Any) -> Any:
    if value.ndim == 0 or len(value) <= 1:
        return value
    return value[_stream(call_, counter).permutation(len(value))]


define(
    "RandomShuffle",
    "value: T -> output: T",
    T=dtypes_of(ALL),
    seed=0,
    seed2=0,
    infer=lambda call_: [call_.shapes[0]],
    kernel=Custom("random"),
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
            seeds = _seeds(seed, "RandomUniformInt")
            return apply_op("RandomUniformInt", sizes, low, high, name=scope, **seeds)
        numbers = apply_op("RandomUniform", sizes, dtype=target, **_seeds(seed, "RandomUniform"))
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
        numbers = apply_op(type, sizes, dtype=target, **_seeds(seed, type))
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
    seeds = _seeds(seed, name or "RandomShuffle")
    return apply_op("RandomShuffle", value, name=name, **seeds)

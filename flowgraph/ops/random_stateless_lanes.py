"""Stateless random numbers of gamma, Poisson, binomial and truncated normal distributions; seeds.

Read next: random_lanes.py (how the numbers are made), random_stateless.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, as_dtype, float32, float64, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops import philox_text
from flowgraph.ops.philox import stateless_stream
from flowgraph.ops.random_lanes import (
    BINOMIAL_LANE,
    GAMMA_LANE,
    LOG_FACTORIAL,
    POISSON_LANE,
    binomial_numbers,
    gamma_numbers,
    poisson_numbers,
    sizes_of,
    whole,
    whole_text,
)
from flowgraph.ops.random_seeds import NO_GRADIENT
from flowgraph.ops.rules import (
    constant_axes,
    i32,
    invalid,
    number,
    require_rank,
    size_vector,
    sum_to,
)
from flowgraph.shapes import Dims, ShapeError, is_fully_known, merge

_RATES = FLOAT | frozenset(INDEX)

# ----------------------------------------------------------------------------------------- records

_EACH = (
    philox_text.STATELESS
    + """
state = int64_stack(3)
kept = float64_stack(4)
words = uint32_stack(4)
for at in range(samples * kinds):
    kind = at // samples
    begin_lane(state, uint64(at * 256))
    store(output, (at - kind * samples) * kinds + kind, {drawn})
return 0
"""
)

_ARGUMENTS = "state, kept, words, key, key2"


def _infer(call_: Call) -> list[Dims]:
    """Of ``shape``, whose last axes are those of the parameters (inputs 2 and on)."""
    require_rank(call_.shapes[0], 1, "shape")
    (count,) = require_rank(call_.shapes[1], 1, "seed")
    if count not in (None, 2):
        raise ShapeError(f"seed must have two numbers, not {count}")
    sizes = call_.value(0)
    if sizes is not None and np.any(sizes < 0):
        raise ShapeError(f"shape must not be negative: {sizes.tolist()}")
    each = call_.shapes[2]
    for other in call_.shapes[3:]:
        each = merge(each, other)
    wanted = call_.partial(0)
    if wanted is not None and each is not None:
        last = wanted[len(wanted) - len(each) :]
        if len(each) > len(wanted) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(last, each, strict=True)
        ):
            raise ShapeError(f"shape {list(wanted)} does not end in the parameters' {list(each)}")
    return [wanted]


def _sizes(call_: Call) -> Mapping[str, int]:
    kinds = math.prod(call_.shapes[2])  # type: ignore[arg-type]
    total = math.prod(call_.out_shapes[0])  # type: ignore[arg-type]
    return {"kinds": kinds, "samples": total // kinds if kinds else 0}


def _kernel(helpers: str, drawn: Any) -> Procedure:
    return Procedure(
        _EACH,
        sizes=_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + philox_text.NORMALS + philox_text.LANES + helpers,
        choices=lambda call_: {"drawn": drawn(call_)},
    )


def _reference(numbers: Any) -> Any:
    """``numbers(lanes, *parameters)``: float64, a parameter for each lane."""

    def reference(call_: Call, shape: Any, seed: Any, *parameters: Any) -> Any:
        sizes, each = sizes_of(shape), parameters[0].shape
        if sizes[len(sizes) - len(each) :] != each or len(each) > len(sizes):
            raise invalid(f"shape {list(sizes)} does not end in the parameters' {list(each)}")
        kinds, total = math.prod(each), math.prod(sizes)
        samples = total // kinds if kinds else 0
        wide = [np.repeat(p.reshape(-1).astype(np.float64), samples) for p in parameters]
        result = numbers(stateless_stream(seed).lanes(total), *wide)
        return whole(result, call_.out_dtypes[0].np).reshape(kinds, samples).T.reshape(sizes)

    return reference


def _errors(*parameters: Any) -> Any:
    return (
        error_sample(ValueError, "must not be negative", i32([-1]), i32([1, 2]),
                     *(p[0] for p in parameters), const=(0,)),
        error_sample(ValueError, "seed must have two numbers", i32([3]), i32([1, 2, 3]),
                     *(p[0] for p in parameters), const=(0,)),
        error_sample(ValueError, r"shape \[2, 3\] does not end in", i32([2, 3]), i32([1, 2]),
                     *parameters, const=(0,)),
    )  # fmt: skip


_SEED, _WIDE_SEED = i32([1, 2]), np.array([-5, 2**40])
_ALPHA = np.array([0.3, 1.0, 2.5, 40.0], np.float32)


def _gamma_grad(op: Any, dy: Any) -> tuple[None, None, Any]:
    # as of RandomGamma: alpha's axes are the last ones of the output
    return None, None, sum_to(dy * call.RandomGammaGrad(op.alpha, op.output), op.alpha, dy)


define(
    "StatelessRandomGammaV2",
    "shape: T, seed: Tseed, alpha: dtype -> output: dtype",
    dtype=dtypes_of(FLOAT),
    T=dtypes_of(INDEX),
    Tseed=dtypes_of(INDEX, int64),
    infer=_infer,
    kernel=_kernel(
        GAMMA_LANE,
        lambda call_: (
            f"{call_.out_dtypes[0].name}(gamma(float64(load(alpha, kind)), {_ARGUMENTS}))"
        ),
    ),
    grad=_gamma_grad,
    reference=_reference(lambda lanes, a: gamma_numbers(a, lanes)),
    samples=(
        sample(i32([7, 4]), _SEED, _ALPHA, const=(0,), differentiable=()),
        sample(i32([3, 2]), _WIDE_SEED, np.float32(3), const=(0, 1), differentiable=()),
        sample(i32([0, 4]), _SEED, _ALPHA, const=(0,), differentiable=()),
        sample(i32([3, 0]), _SEED, _ALPHA[:0], const=(0,), differentiable=()),
    ),
    errors=_errors(_ALPHA),
    doc="Numbers of gamma distributions with rate 1, a function of ``seed``.",
)  # fmt: skip

_MEANS = np.array([0, 0.5, 3, 9.99, 10, 50, 1e5], np.float32)

define(
    "StatelessRandomPoisson",
    "shape: T, seed: Tseed, lam: Rtype -> output: dtype",
    Rtype=dtypes_of(_RATES),
    dtype=dtypes_of(_RATES),
    T=dtypes_of(INDEX),
    Tseed=dtypes_of(INDEX, int64),
    infer=_infer,
    kernel=_kernel(
        LOG_FACTORIAL + POISSON_LANE,
        lambda call_: whole_text(
            f"poisson(float64(load(lam, kind)), {_ARGUMENTS})", call_.out_dtypes[0]
        ),
    ),
    grad=NO_GRADIENT,
    reference=_reference(lambda lanes, mean: poisson_numbers(mean, lanes)),
    samples=(
        sample(i32([9, 7]), _SEED, _MEANS, dtype=float32, const=(0,)),
        sample(i32([2, 3]), _WIDE_SEED, np.float32(12), dtype=int32, const=(0, 1)),
        sample(i32([4, 2]), _SEED, i32([2, 20]), dtype=int64, const=(0,)),
        sample(i32([0, 7]), _SEED, _MEANS, dtype=float64, const=(0,)),
    ),
    errors=tuple(
        error_sample(e.error, e.match, *e.inputs, dtype=float32, const=(0,))
        for e in _errors(_MEANS)
    ),
    doc="Numbers of Poisson distributions with means ``lam``, a function of ``seed``.",
)  # fmt: skip

_COUNTS = np.array([0, 1, 10, 40, 100, 1e4, 50], np.float32)
_PROBS = np.array([0.5, 0.3, 0.3, 0.01, 0.7, 0.4, 1.0], np.float32)

define(
    "StatelessRandomBinomial",
    "shape: S, seed: Tseed, counts: T, probs: T -> output: dtype",
    S=dtypes_of(INDEX),
    Tseed=dtypes_of(INDEX, int64),
    T=dtypes_of(_RATES, float64),
    dtype=dtypes_of(_RATES, int64),
    infer=_infer,
    kernel=_kernel(
        LOG_FACTORIAL + BINOMIAL_LANE,
        lambda call_: whole_text(
            f"binomial(float64(load(counts, kind)), float64(load(probs, kind)), {_ARGUMENTS})",
            call_.out_dtypes[0],
        ),
    ),
    grad=NO_GRADIENT,
    reference=_reference(lambda lanes, n, p: binomial_numbers(n, p, lanes)),
    samples=(
        sample(i32([9, 7]), _SEED, _COUNTS, _PROBS, const=(0,)),
        sample(i32([6]), _WIDE_SEED, np.float32(10), np.float32(0.3), dtype=int32, const=(0, 1)),
        sample(i32([6]), _SEED, np.float32(50), np.float32(0.6), dtype=float32, const=(0,)),
        sample(i32([0, 7]), _SEED, _COUNTS, _PROBS, const=(0,)),
    ),
    errors=_errors(_COUNTS, _PROBS),
    doc="Numbers of binomial distributions, a function of ``seed``.",
)  # fmt: skip

#: dtype -> text of ``draw(words, numbers)`` and how many numbers it makes: the words as they are.
_WORDS = {
    "int32": ("for k in range(4):\n        store(numbers, k, int32(load(words, k)))", 4),
    "int64": (
        (
            "for k in range(2):\n        high = uint64(load(words, 2 * k + 1)) << uint64(32)\n"
            "        store(numbers, k, int64(uint64(load(words, 2 * k)) | high))"
        ),
        2,
    ),
}


def _words_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 1, "shape")
    (count,) = require_rank(call_.shapes[1], 1, "seed")
    if count not in (None, 2):
        raise ShapeError(f"seed must have two numbers, not {count}")
    return [call_.partial(0)]


def _words_choices(call_: Call) -> Mapping[str, str]:
    body, each = _WORDS[call_.out_dtypes[0].name]
    return {"draw": f"def draw(words, numbers):\n    {body}\n    return 0\n\n", "each": str(each)}


def _words_reference(call_: Call, shape: Any, seed: Any) -> Any:
    sizes, dtype = sizes_of(shape), call_.out_dtypes[0].np
    count = math.prod(sizes)
    words = stateless_stream(seed).blocks(0, -(-count * dtype.itemsize // 16)).reshape(-1)
    return words.view(dtype)[:count].reshape(sizes)


define(
    "StatelessRandomUniformFullInt",
    "shape: T, seed: Tseed -> output: dtype",
    dtype=dtypes_of(INDEX),
    T=dtypes_of(INDEX, int32),
    Tseed=dtypes_of(INDEX, int64),
    infer=_words_infer,
    kernel=Procedure(
        philox_text.STATELESS
        + philox_text.DRAWS.replace("uint64(seed), uint64(seed2)", "key, key2")
        + "return 0\n",
        sizes=lambda call_: {"n": math.prod(call_.out_shapes[0])},  # type: ignore[arg-type]
        known=(0,),
        helpers=philox_text.PHILOX + "{draw}",
        choices=_words_choices,
    ),
    grad=NO_GRADIENT,
    reference=_words_reference,
    samples=(
        sample(i32([3, 5]), _SEED, dtype=int32, const=(0,)),
        sample(i32([7]), _WIDE_SEED, dtype=int64, const=(0, 1)),
        sample(i32([0]), _SEED, dtype=int32, const=(0,)),
    ),
    errors=(
        error_sample(ValueError, "seed must have two numbers", i32([3]), i32([1, 2, 3]),
                     dtype=int32, const=(0,)),
    ),
    doc="Integers of all bits random, a function of ``seed``.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions

_SEED_DOC = "seed: two integers; the same seed gives the same numbers, always and everywhere."


def _broadcast(*parameters: Tensor) -> list[Tensor]:
    """All of one shape."""
    known = {p.dims for p in parameters}
    if len(known) == 1 and is_fully_known(parameters[0].dims):
        return list(parameters)
    shape = call.Shape(parameters[0])
    for p in parameters[1:]:
        shape = call.BroadcastArgs(shape, call.Shape(p))
    return [call.BroadcastTo(p, shape) for p in parameters]


@export("random.stateless_gamma")
def stateless_random_gamma(
    shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = float32,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Numbers of gamma distributions, a function of ``seed`` alone.

    Args:
        shape: of the result; its last axes are those of ``alpha + beta``.
        {seed}
        alpha: shape parameters, above 0.
        beta: rates (inverse scales), which broadcast against ``alpha``; 1 by default.
        dtype: a float dtype.
        name: of the operations; ``stateless_random_gamma`` by default.

    Returns:
        A tensor of this shape; NaN where alpha is not positive.

    Raises:
        ValueError: the shapes do not fit; ``seed`` has not two numbers.

    Gradient: none to the seed; to alpha by implicit reparameterisation, to beta as of ``x / beta``.
    Source: TensorFlow's numbers.

    >>> tf.random.stateless_gamma([5, 2], seed=[1, 2], alpha=[1.0, 2.0]).shape.as_list()
    [5, 2]
    """
    with name_scope(name, "stateless_random_gamma", [shape, seed, alpha, beta]):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        alpha = convert_to_tensor(alpha, dtype=dtype, name="alpha")
        beta = convert_to_tensor(1 if beta is None else beta, dtype=dtype, name="beta")
        each, _ = _broadcast(alpha, beta)
        numbers = apply_op("StatelessRandomGammaV2", sizes, seed, each)
        tiny = np.finfo(alpha.dtype.base_dtype.np).tiny
        return call.Maximum(number(float(tiny), numbers), numbers / beta)


@export("random.stateless_poisson")
def stateless_random_poisson(
    shape: Any, seed: Any, lam: Any, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """Numbers of Poisson distributions, a function of ``seed`` alone.

    Args:
        shape: of the result; its last axes are those of ``lam``.
        {seed}
        lam: means, not negative.
        dtype: of the result: float, int32 or int64.
        name: of the operations; ``stateless_random_poisson`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        ValueError: the shapes do not fit; ``seed`` has not two numbers.

    Gradient: none.
    Source: TensorFlow's numbers.

    >>> tf.Session().run(tf.random.stateless_poisson([6], seed=[1, 2], lam=3.0))
    array([5, 5, 4, 6, 3, 6], dtype=int32)
    """
    with name_scope(name, "stateless_random_poisson", [shape, seed, lam]):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        return apply_op("StatelessRandomPoisson", sizes, seed, lam, dtype=as_dtype(dtype))


@export("random.stateless_binomial")
def stateless_random_binomial(
    shape: Any, seed: Any, counts: Any, probs: Any, output_dtype: Any = int32,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Numbers of binomial distributions, a function of ``seed`` alone.

    Args:
        shape: of the result; its last axes are those of ``counts + probs``.
        {seed}
        counts: numbers of trials.
        probs: probabilities of success; both broadcast.
        output_dtype: of the result: float, int32 or int64.
        name: of the operations; ``stateless_random_binomial`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        ValueError: the shapes do not fit; ``seed`` has not two numbers.

    Gradient: none.
    Source: TensorFlow's numbers where counts * min(probs, 1 - probs) is at least 10.

    >>> tf.Session().run(tf.random.stateless_binomial([6], seed=[1, 2], counts=10.0, probs=0.3))
    array([5, 4, 4, 5, 3, 6], dtype=int32)
    """
    with name_scope(name, "stateless_random_binomial", [shape, seed, counts, probs]):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        probs = convert_to_tensor(probs, name="probs")
        counts = convert_to_tensor(counts, dtype_hint=probs.dtype.base_dtype, name="counts")
        if counts.dtype.base_dtype is not probs.dtype.base_dtype:
            counts = call.Cast(counts, DstT=probs.dtype.base_dtype)
        return apply_op(
            "StatelessRandomBinomial", sizes, seed, *_broadcast(counts, probs),
            dtype=as_dtype(output_dtype),
        )  # fmt: skip


@export("random.stateless_parameterized_truncated_normal")
def stateless_parameterized_truncated_normal(
    shape: Any,
    seed: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    name: str | None = None,
) -> Tensor:
    """Numbers of normal distributions cut off at two bounds, a function of ``seed`` alone.

    Args:
        shape: of the result, against which the parameters broadcast.
        {seed}
        means, stddevs: of the distribution before cutting off; float.
        minvals, maxvals: the bounds.
        name: of the operations; ``stateless_parameterized_truncated_normal`` by default.

    Returns:
        A tensor of this shape.

    Raises:
        InvalidArgumentError: a bound is not below the other (when run).

    Gradient: none to the seed; to the parameters as of the quantile of a uniform number.
    Numerics: by the inverse of the distribution, in float64, in the tail where both bounds are on
    one side.

    >>> y = tf.random.stateless_parameterized_truncated_normal([99], [1, 2], 0.0, 1.0, 5.0, 6.0)
    >>> tf.Session().run(tf.floor(tf.reduce_max(y)))
    5.0
    """
    given = (shape, seed, means, stddevs, minvals, maxvals)
    with name_scope(name, "stateless_parameterized_truncated_normal", given):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        mean = convert_to_tensor(means, name="means")
        dtype = mean.dtype.base_dtype
        stddev, low, high = (
            convert_to_tensor(value, dtype=dtype, name=name)
            for name, value in (("stddevs", stddevs), ("minvals", minvals), ("maxvals", maxvals))
        )
        message = "minvals must be below maxvals"
        with control_dependencies([EXPORTS["assert_less"](low, high, message=message)]):
            mean, stddev, low, high = (
                call.Cast(x, DstT=float64) if dtype is not float64 else call.Identity(x)
                for x in (mean, stddev, low, high)
            )
        a, b = (low - mean) / stddev, (high - mean) / stddev
        # above the mean it is the mirror image, where probabilities are small and exact
        mirrored = call.Greater(a, number(0, a))
        a, b = call.SelectV2(mirrored, -b, a), call.SelectV2(mirrored, -a, b)
        half, root = number(0.5, a), number(-math.sqrt(0.5), a)
        below, upto = half * call.Erfc(a * root), half * call.Erfc(b * root)
        u = apply_op("StatelessRandomUniform", sizes, seed, dtype=float64)
        z = call.Ndtri(below + u * (upto - below))
        z = call.Minimum(call.Maximum(z, a), b)
        y = mean + stddev * call.SelectV2(mirrored, -z, z)
        y = call.Minimum(call.Maximum(y, low), high)
        return y if dtype is float64 else call.Cast(y, DstT=dtype)


def _seed_tensor(seed: Any) -> Tensor:
    return convert_to_tensor(seed, name="seed")


@export("random.split", "random.experimental.stateless_split")
def stateless_split(seed: Any, num: int = 2, alg: str = "auto_select") -> Tensor:
    """New seeds from one, independent of it and of one another.

    Args:
        seed: two integers.
        num: how many.
        alg: ``auto_select`` or ``philox``; the same.

    Returns:
        (num, 2), of the dtype of ``seed``.

    Raises:
        ValueError: the algorithm is another.

    Gradient: none.
    Source: TensorFlow's numbers.

    >>> tf.Session().run(tf.random.split([1, 2], 1))
    array([[1105988140, 1738052849]], dtype=int32)
    """
    _check_algorithm("split", alg)
    seed = _seed_tensor(seed)
    sizes = call.Pack([convert_to_tensor(num, dtype=int32), constant_axes([2])[0]], axis=0)
    if isinstance(num, int):
        sizes = constant_axes([num, 2])
    return apply_op("StatelessRandomUniformFullInt", sizes, seed, dtype=seed.dtype.base_dtype)


@export("random.fold_in", "random.experimental.stateless_fold_in")
def stateless_fold_in(seed: Any, data: Any, alg: str = "auto_select") -> Tensor:
    """A new seed from a seed and a number: the number of a replica or a step.

    Args:
        seed: two integers.
        data: an int32 or int64 scalar.
        alg: ``auto_select`` or ``philox``; the same.

    Returns:
        (2,), of the dtype of ``data``.

    Raises:
        ValueError: the algorithm is another.

    Gradient: none.
    Source: TensorFlow's numbers.

    >>> tf.Session().run(tf.random.fold_in([1, 2], 7))
    array([1105988140,          7], dtype=int32)
    """
    _check_algorithm("fold_in", alg)
    data = convert_to_tensor(data, name="data")
    first = apply_op(
        "StatelessRandomUniformFullInt", constant_axes([]), _seed_tensor(seed),
        dtype=data.dtype.base_dtype,
    )  # fmt: skip
    return call.Pack([first, data], axis=0)


def _check_algorithm(function: str, alg: str) -> None:
    if alg not in ("auto_select", "philox"):
        raise ValueError(f"{function}: alg {alg!r} is neither philox nor auto_select")


for _function in (
    stateless_random_gamma,
    stateless_random_poisson,
    stateless_random_binomial,
    stateless_parameterized_truncated_normal,
):
    _function.__doc__ = (_function.__doc__ or "").replace("{seed}", _SEED_DOC)


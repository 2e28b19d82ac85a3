"""Random numbers of other distributions: gamma and Poisson.

With seeds, the numbers are TensorFlow's.

Read next: random_lanes.py (how they are made), random_stateless_lanes.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, as_dtype, float32, float64, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    RANDOM,
    Call,
    Loops,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.kernel import special
from flowgraph.ops import philox_text
from flowgraph.ops.philox import RESERVED_PER_NUMBER
from flowgraph.ops.random_lanes import (
    GAMMA_LANE,
    LOG_FACTORIAL,
    POISSON_LANE,
    gamma_numbers,
    poisson_numbers,
    sizes_of,
    whole,
    whole_text,
)
from flowgraph.ops.random_seeds import NO_GRADIENT, seeds_of, stream_of
from flowgraph.ops.rules import (
    broadcast_shape,
    f32,
    i32,
    number,
    require_rank,
    shape_of,
    size_vector,
    sum_to,
)
from flowgraph.shapes import Dims, ShapeError

_WIDE = frozenset(("float32", "float64"))
_RATES = FLOAT | frozenset(INDEX)

# ------------------------------------------------------------------------------------------- gamma


def _each_infer(call_: Call) -> list[Dims]:
    """``shape`` numbers for each element of the second input."""
    require_rank(call_.shapes[0], 1, "shape")
    sizes = call_.value(0)
    if sizes is not None and np.any(sizes < 0):
        raise ShapeError(f"shape must not be negative: {sizes.tolist()}")
    count, each = call_.partial(0), call_.shapes[1]
    return [None if count is None or each is None else (*count, *each)]


def _each_sizes(call_: Call) -> Mapping[str, int]:
    kinds = math.prod(call_.shapes[1])  # type: ignore[arg-type]
    total = math.prod(call_.out_shapes[0])  # type: ignore[arg-type]
    return {
        "kinds": kinds,
        "samples": total // kinds if kinds else 0,
        "seed": call_.attrs["seed"],
        "seed2": call_.attrs["seed2"],
        "reserve": total * RESERVED_PER_NUMBER,
    }


_EACH = """
state = int64_stack(3)
kept = float64_stack(4)
words = uint32_stack(4)
for at in range(samples * kinds):
    kind = at // samples
    begin_lane(state, first + uint64(at * 256))
    store(output, (at - kind * samples) * kinds + kind, {drawn})
return 0
"""

def _gamma_reference(call_: Call, counter: Any, shape: Any, alpha: Any) -> Any:
    sizes = sizes_of(shape)
    samples = math.prod(sizes)
    a = np.repeat(alpha.reshape(-1).astype(np.float64), samples)
    result = gamma_numbers(a, stream_of(call_, counter).lanes(a.size))
    numbers = result.reshape(alpha.size, samples).T
    return numbers.reshape((*sizes, *alpha.shape)).astype(alpha.dtype)


def _gamma_grad(op: Any, dy: Any) -> tuple[None, Any]:
    # Implicit reparameterisation: dx/dalpha at the quantile that x is (Figurnov et al. 2018).
    # The axes of alpha are the last ones of the output.
    return None, sum_to(dy * call.RandomGammaGrad(op.alpha, op.output), op.alpha, dy)


define(
    "RandomGamma",
    "shape: S, alpha: T -> output: T",
    S=dtypes_of(INDEX),
    T=dtypes_of(FLOAT),
    seed=0,
    seed2=0,
    infer=_each_infer,
    kernel=Procedure(
        philox_text.RESERVE + _EACH,
        sizes=_each_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + philox_text.NORMALS + philox_text.LANES + GAMMA_LANE,
        choices=lambda call_: {
            "drawn": f"{call_.dtypes[1].name}(gamma(float64(load(alpha, kind)), "
            "state, kept, words, seed, seed2))"
        },
    ),
    grad=_gamma_grad,
    reference=_gamma_reference,
    samples=(
        sample(i32([7]), np.array([0.3, 1.0, 2.5, 40.0], np.float32), seed=5, seed2=7, const=(0,)),
        sample(i32([]), np.float32(3), seed=5, seed2=7, const=(0,)),
        sample(i32([3, 2]), np.array([[2.0, 0.5]], np.float32), seed=1, seed2=7, const=(0,)),
        sample(i32([0]), np.array([2.0], np.float32), seed=5, seed2=7, const=(0,)),
        sample(i32([3]), np.array([], np.float32), seed=5, seed2=7, const=(0,)),
        sample(i32([2]), np.array([0, -1, np.nan, np.inf], np.float32), seed=5, seed2=7,
               const=(0,)),
    ),
    errors=(
        error_sample(ValueError, "must not be negative", i32([-1]), np.float32(1), const=(0,)),
        error_sample(ValueError, "shape must be a vector", i32(1), np.float32(1), const=(0,)),
    ),
    effect=RANDOM,
    doc="Numbers of gamma distributions with shape parameters ``alpha`` and rate 1.",
)  # fmt: skip


def _density_of(log: Any, lgamma: Any, a: Any, x: Any) -> Any:
    return (a - 1) * log(x) - x - lgamma(a)


def _slope_body(s: Any, call_: Call, alpha: Any, x: Any) -> Any:
    # The quantile P(alpha, x) stays, so dx/dalpha = -(dP/dalpha) / (dP/dx).
    a, wide = s.cast(alpha, "float64"), s.cast(x, "float64")
    density = s.exp(_density_of(s.log, s.lgamma, a, wide))
    return s.cast(-s.igamma_grad_a(a, wide) / density, alpha.dtype)


def _slope_reference(call_: Call, alpha: Any, x: Any) -> Any:
    a, wide = alpha.astype(np.float64), x.astype(np.float64)
    density = np.exp(_density_of(np.log, special.lgamma, a, wide))
    return (-special.igamma_grad_a(a, wide) / density).astype(alpha.dtype)


define(
    "RandomGammaGrad",
    "alpha: T, sample: T -> output: T",
    T=dtypes_of(_WIDE),
    infer=broadcast_shape,
    kernel=Loops(_slope_body),
    grad=not_differentiable("gamma samples have first derivatives only"),
    reference=_slope_reference,
    samples=(
        sample(f32(3, 4, low=0.5, high=4), f32(3, 4, low=0.3, high=6, seed=1)),
        sample(f32(4, low=20, high=40), f32(5, 4, low=20, high=40, seed=1)),
        sample(np.float32(1), np.float32(0.5)),
        sample(f32(0, 4), f32(0, 4)),
    ),
    errors=(error_sample(ValueError, "do not broadcast", f32(3), f32(4)),),
    doc="dx/dalpha of a gamma sample x: -(dP(alpha, x)/dalpha) / density(x).",
)

# ----------------------------------------------------------------------------------------- Poisson

def _poisson_reference(call_: Call, counter: Any, shape: Any, rate: Any) -> Any:
    sizes = sizes_of(shape)
    samples = math.prod(sizes)
    mean = np.repeat(rate.reshape(-1).astype(np.float64), samples)
    result = poisson_numbers(mean, stream_of(call_, counter).lanes(mean.size))
    numbers = whole(result, call_.out_dtypes[0].np).reshape(rate.size, samples).T
    return numbers.reshape((*sizes, *rate.shape))


def _poisson_drawn(call_: Call) -> str:
    drawn = "poisson(float64(load(rate, kind)), state, kept, words, seed, seed2)"
    return whole_text(drawn, call_.out_dtypes[0])


define(
    "RandomPoissonV2",
    "shape: S, rate: R -> output: dtype",
    S=dtypes_of(INDEX),
    R=dtypes_of(_RATES, float64),
    dtype=dtypes_of(_RATES, int64),
    seed=0,
    seed2=0,
    infer=_each_infer,
    kernel=Procedure(
        philox_text.RESERVE + _EACH,
        sizes=_each_sizes,
        known=(0,),
        helpers=philox_text.PHILOX + philox_text.NORMALS + philox_text.LANES
        + LOG_FACTORIAL + POISSON_LANE,
        choices=lambda call_: {"drawn": _poisson_drawn(call_)},
    ),
    grad=NO_GRADIENT,
    reference=_poisson_reference,
    samples=(
        sample(i32([9]), np.array([0, 0.5, 3, 9.99, 10, 50, 1e5], np.float32), dtype=float32,
               seed=5, seed2=7, const=(0,)),
        sample(i32([2, 3]), np.float32(12), dtype=int32, seed=5, seed2=7, const=(0,)),
        sample(i32([4]), np.array([2, 20], np.int32), dtype=int64, seed=5, seed2=7, const=(0,)),
        sample(i32([0]), np.array([2, 20], np.float32), dtype="float64", const=(0,)),
        sample(i32([2]), np.array([-1, np.nan, np.inf], np.float32), dtype=float32, const=(0,)),
    ),
    errors=(
        error_sample(ValueError, "must not be negative", i32([-1]), np.float32(1), const=(0,)),
    ),
    effect=RANDOM,
    doc="Numbers of Poisson distributions with means ``rate``; NaN where that is not finite.",
)  # fmt: skip

# -------------------------------------------------------------------------------- public functions


@export("random_gamma", "random.gamma")
def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """``shape`` numbers of each gamma distribution.

    density(x) = beta**alpha x**(alpha-1) exp(-beta x) / Gamma(alpha)

    Args:
        shape: how many of each: a list of ints, or an integer vector.
        alpha: shape parameters, above 0.
        beta: rates (inverse scales), which broadcast against ``alpha``; 1 by default.
        dtype: a float dtype.
        seed: of the operation; see random_uniform.
        name: of the operations; ``random_gamma`` by default.

    Returns:
        A tensor of shape ``shape + shape of alpha + beta``; NaN where alpha is not positive.

    Raises:
        ValueError: alpha and beta do not broadcast.

    Gradient: to alpha by implicit reparameterisation, to beta as of ``x / beta``.
    Source: with an op seed, TensorFlow 1.15's numbers.

    >>> tf.random_gamma([5], [1.0, 2.0]).shape.as_list()
    [5, 2]
    """
    with name_scope(name, "random_gamma", [shape, alpha, beta]):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        alpha = convert_to_tensor(alpha, dtype=dtype, name="alpha")
        beta = convert_to_tensor(1 if beta is None else beta, dtype=dtype, name="beta")
        both = call.BroadcastArgs(shape_of(alpha), shape_of(beta))
        each = call.BroadcastTo(alpha, both)
        numbers = apply_op("RandomGamma", sizes, each, **seeds_of(seed, "RandomGamma"))
        tiny = np.finfo(alpha.dtype.base_dtype.np).tiny
        return call.Maximum(number(float(tiny), numbers), numbers / beta)


@export("random_poisson", "random.poisson")
def random_poisson(
    lam: Any, shape: Any, dtype: Any = float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """``shape`` numbers of each Poisson distribution.

    Args:
        lam: means; any number dtype.
        shape: how many of each: a list of ints, or an integer vector.
        dtype: of the result: float, int32 or int64.
        seed: of the operation; see random_uniform.
        name: of the operations; ``random_poisson`` by default.

    Returns:
        A tensor of shape ``shape + shape of lam``.

    Gradient: none.
    Source: with an op seed, TensorFlow 1.15's numbers.

    >>> tf.random_poisson([0.5, 1.5], [10]).shape.as_list()
    [10, 2]
    """
    with name_scope(name, "random_poisson", [lam, shape]):
        sizes = convert_to_tensor(size_vector(shape), dtype=int32, name="shape")
        if not isinstance(lam, Tensor) and np.asarray(lam).dtype.kind in "iu":
            lam = np.asarray(lam, np.int32)
        seeds = seeds_of(seed, "RandomPoissonV2")
        return apply_op("RandomPoissonV2", sizes, lam, dtype=as_dtype(dtype), **seeds)

"""What distributions share: parameters of one float dtype, checks, seeds, special functions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, float64, int32
from flowgraph.errors import format_message
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, name_scope
from flowgraph.graph.node import Tensor, describe
from flowgraph.ops.checks import (
    assert_less,
    assert_less_equal,
    assert_non_negative,
    assert_positive,
)
from flowgraph.ops.rules import constant_axes, number, shape_of
from flowgraph.shapes import Dims, broadcast_all


def floats(**given: Any) -> list[Tensor]:
    """Parameters as tensors of one float dtype.

    Raises:
        ValueError: they are not float, or differ.
    """
    tensors = [convert_to_tensor(value, name=name) for name, value in given.items()]
    one_float_dtype(dict(zip(given, tensors, strict=True)))
    return tensors


def one_float_dtype(tensors: dict[str, Tensor]) -> DType:
    """Their dtype; ValueError when they are not float, or differ."""
    dtypes = [t.dtype.base_dtype for t in tensors.values()]
    if not all(d.is_floating and d is dtypes[0] for d in dtypes):
        raise ValueError(
            format_message(
                f"the parameters {', '.join(tensors)} must be of one float dtype",
                [describe(name, t) for name, t in tensors.items()],
            )
        )
    return dtypes[0]


def after(x: Tensor, checks: Sequence[Any]) -> Tensor:
    """``x``, once all of ``checks`` (operations) have passed."""
    if not checks:
        return x
    with control_dependencies(list(checks)):
        return call.Identity(x)


def positive(x: Tensor, wanted: bool) -> Tensor:
    """``x``, checked to be positive when run if ``wanted``."""
    return after(x, [assert_positive(x)]) if wanted else x


def checked_counts(x: Tensor, wanted: bool) -> Tensor:
    """``x``, checked to be whole and not negative when run if ``wanted``."""
    if not wanted:
        return x
    checks = [assert_non_negative(x)]
    if x.dtype.is_floating:
        whole = call.All(call.Equal(x, call.Floor(x)), axes_of(x))
        checks.append(call.Assert(whole, [convert_to_tensor("counts must be whole"), x]))
    return after(x, checks)


def axes_of(x: Tensor) -> Tensor:
    """All axes of ``x``."""
    if x.dims is not None:
        return constant_axes(range(len(x.dims)))
    return call.Range(0, call.Rank(x), 1)


def logits_and_probs(
    logits: Any, probs: Any, classes: bool, validate_args: bool, function: str
) -> tuple[Tensor, Tensor]:
    """Both from the one that is given; along the last axis with ``classes``, else of a yes.

    Raises:
        ValueError: both or none are given, or it is not float.
    """
    if (logits is None) == (probs is None):
        raise ValueError(f"{function}: one of logits and probs must be given, and not both")
    if probs is None:
        logits = convert_to_tensor(logits, name="logits")
        one_float_dtype({"logits": logits})
        with name_scope("probs"):
            return logits, call.Softmax(logits) if classes else call.Sigmoid(logits)
    probs = convert_to_tensor(probs, name="probs")
    one_float_dtype({"probs": probs})
    if validate_args:
        with name_scope("validate_probs"):
            checks = [assert_non_negative(probs)]
            if classes:
                off = call.Abs(call.Sum(probs, constant_axes([-1])) - 1)
                limit = number(1e-6 if probs.dtype is float64 else 1e-4, probs)
                checks.append(assert_less_equal(off, limit, message="probs do not sum to 1"))
            else:
                one = number(1, probs)
                checks.append(
                    assert_less_equal(probs, one, message="probs has components greater than 1")
                )
            probs = after(probs, checks)
    with name_scope("logits"):
        log = call.Log(probs)
        return log if classes else log - call.Log1p(-probs), probs


def batch_of(*parameters: Tensor) -> Dims:
    """The shape that scalar parameters broadcast to, as far as it is known."""
    return broadcast_all([p.dims for p in parameters])


def batch_tensor_of(*parameters: Tensor) -> Tensor:
    """The shape that scalar parameters broadcast to, an int32 vector."""
    shape = shape_of(parameters[0])
    for p in parameters[1:]:
        shape = call.BroadcastArgs(shape, shape_of(p))
    return shape


def counted(count: Tensor, shape: Tensor) -> Tensor:
    """[count] + shape."""
    return call.ConcatV2([call.Reshape(count, constant_axes([1])), shape], 0)


def spread(x: Tensor, *others: Tensor) -> Tensor:
    """``x`` of the shape that it has when combined with ``others``."""
    for other in others:
        x = x + call.ZerosLike(other)
    return x


def new_seed(seed: int | None, salt: str) -> int | None:
    """Another seed from ``seed``, the one that TensorFlow derives."""
    if seed is None:
        return None
    digest = hashlib.md5(f"{seed}{salt}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) & 0x7FFFFFFF


def where_defined(
    value: Tensor, defined: Tensor, allow_nan: bool, bound: Tensor, x: Tensor, message: str
) -> Tensor:
    """``value`` where ``defined``; elsewhere NaN, or an error unless ``allow_nan``: bound < x."""
    if allow_nan:
        nan = number(math.nan, value)
        return call.SelectV2(defined, value, nan)
    return after(value, [assert_less(bound, x, message=message)])


def like(x: Tensor, value: float) -> Tensor:
    """A scalar of the dtype of ``x``."""
    return number(value, x)


# ------------------------------------------------------------------------------- special functions


def ndtr(x: Tensor) -> Tensor:
    """P(Z <= x) of a standard normal Z."""
    return number(0.5, x) * call.Erfc(x * number(-math.sqrt(0.5), x))


def log_ndtr(x: Tensor) -> Tensor:
    """log P(Z <= x) of a standard normal Z; right far out on both sides, as is its gradient."""
    zero, lower = number(0, x), number(-20 if x.dtype.base_dtype is float64 else -10, x)
    middle = call.Minimum(call.Maximum(x, lower), zero)
    result = call.Log(ndtr(middle))
    above = call.Log1p(-ndtr(-call.Maximum(x, zero)))
    result = call.SelectV2(call.Greater(x, zero), above, result)
    # log(phi(x) / -x (1 - 1/x^2 + 3/x^4 - 15/x^6 ...)) for x far below 0
    low = call.Minimum(x, lower)
    inverse, term, total = 1 / (low * low), number(1, x), number(1, x)
    for k in range(1, 9):
        term = term * inverse * number(-(2 * k - 1), x)
        total = total + term
    tail = low * low * number(-0.5, x) - call.Log(-low) - number(0.5 * math.log(2 * math.pi), x)
    return call.SelectV2(call.Less(x, lower), tail + call.Log(total), result)


def log_combinations(n: Tensor, counts: Tensor) -> Tensor:
    """log n! - sum log counts!  along the last axis."""
    return call.Lgamma(n + 1) - call.Sum(call.Lgamma(counts + 1), constant_axes([-1]))


def lbeta(x: Tensor) -> Tensor:
    """sum lgamma(x) - lgamma(sum x)  along the last axis."""
    last = constant_axes([-1])
    return call.Sum(call.Lgamma(x), last) - call.Lgamma(call.Sum(x, last))


def last_size(x: Tensor) -> Tensor:
    """The size of the last axis, a scalar int32."""
    known = None if x.dims is None else x.dims[-1]
    if known is not None:
        return call.Const(value=np.array(known, np.int32), dtype=int32)
    return call.Shape(x)[-1]


def column(x: Tensor) -> Tensor:
    """x[..., None]."""
    return call.ExpandDims(x, -1)


def outer(x: Tensor, y: Tensor) -> Tensor:
    """x[..., :, None] * y[..., None, :]."""
    return call.ExpandDims(x, -1) * call.ExpandDims(y, -2)


def counts_of_classes(classes: Tensor, count: int | Tensor, valid: Any, dtype: Any) -> Tensor:
    """How often each class is among the last axis of ``classes``, where ``valid`` (None: all)."""
    one = call.Const(value=np.array(1, dtype.np), dtype=dtype)
    zero = call.Const(value=np.array(0, dtype.np), dtype=dtype)
    hot = call.OneHot(classes, count, one, zero)
    if valid is not None:
        hot = hot * column(call.Cast(valid, DstT=dtype))
    return call.Sum(hot, constant_axes([-2]))


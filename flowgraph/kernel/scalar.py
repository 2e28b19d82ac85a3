"""The scalar vocabulary of kernels: one row per op, with its typing and NumPy meaning.

A new scalar primitive is one row here and one spelling row in each codegen SPELLING table; on the
CPU a function of its own name needs none.
Read next: ir.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.kernel import special

INTEGERS = frozenset(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
FLOATS = frozenset(("float32", "float64"))
NUMBERS = INTEGERS | FLOATS
BOOL = frozenset(("bool",))
ANY = NUMBERS | BOOL


@dataclass(frozen=True, slots=True)
class ScalarOp:
    """A scalar op: argument count, dtypes it takes, result rule, NumPy oracle, cost in flops.

    ``result``: ``same`` (all arguments share one dtype, as does the result), ``bool`` (arguments
    share one dtype, the result is bool), ``select`` (bool, T, T -> T).
    """

    name: str
    arity: int
    dtypes: frozenset[str]
    result: str
    numpy: Callable
    flops: int = 1

    def result_dtype(self, dtypes: list[str]) -> str | None:
        """The result dtype for argument ``dtypes``, or None when the op does not take them."""
        if len(dtypes) != self.arity:
            return None
        operands = dtypes
        if self.result == "select":
            if dtypes[0] != "bool":
                return None
            operands = dtypes[1:]
        if any(d != operands[0] or d not in self.dtypes for d in operands):
            return None
        return "bool" if self.result == "bool" else operands[0]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _floor_div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # NB: np.floor_divide floors the exact quotient (1 // 0.1 is 9); TensorFlow the rounded one
    # (10).
    return np.floor_divide(x, y) if x.dtype.kind in "iu" else np.floor(x / y)


def _trunc_div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # NB: not by absolute values: that of the lowest integer is itself
    floor = np.floor_divide(x, y)
    inexact = np.not_equal(x - floor * y, 0)
    return (floor + (inexact & ((x < 0) != (y < 0)))).astype(x.dtype)


_ROWS: list[tuple[Any, ...]] = [
    # name, arity, dtypes, result, numpy, flops
    ("add", 2, NUMBERS, "same", np.add),
    ("sub", 2, NUMBERS, "same", np.subtract),
    ("mul", 2, NUMBERS, "same", np.multiply),
    ("div", 2, FLOATS, "same", np.divide),
    ("floordiv", 2, NUMBERS, "same", _floor_div),  # rounds toward -inf; 0 divisor: require first
    ("floormod", 2, NUMBERS, "same", np.mod),  # sign of the divisor
    ("truncdiv", 2, INTEGERS, "same", _trunc_div),
    ("truncmod", 2, NUMBERS, "same", np.fmod),  # sign of the dividend
    ("pow", 2, FLOATS, "same", np.power, 10),
    ("min", 2, NUMBERS, "same", np.minimum),  # NaN if either is NaN
    ("max", 2, NUMBERS, "same", np.maximum),
    ("neg", 1, NUMBERS, "same", np.negative),
    ("abs", 1, NUMBERS, "same", np.abs),
    ("sign", 1, NUMBERS, "same", np.sign),
    ("exp", 1, FLOATS, "same", np.exp, 10),
    ("expm1", 1, FLOATS, "same", np.expm1, 12),
    ("log", 1, FLOATS, "same", np.log, 10),
    ("log1p", 1, FLOATS, "same", np.log1p, 12),
    ("sqrt", 1, FLOATS, "same", np.sqrt),
    ("rsqrt", 1, FLOATS, "same", lambda x: 1 / np.sqrt(x), 2),
    ("sin", 1, FLOATS, "same", np.sin, 10),
    ("cos", 1, FLOATS, "same", np.cos, 10),
    ("tan", 1, FLOATS, "same", np.tan, 12),
    ("asin", 1, FLOATS, "same", np.arcsin, 20),
    ("acos", 1, FLOATS, "same", np.arccos, 20),
    ("atan", 1, FLOATS, "same", np.arctan, 20),
    ("atan2", 2, FLOATS, "same", np.arctan2, 25),
    ("sinh", 1, FLOATS, "same", np.sinh, 25),
    ("cosh", 1, FLOATS, "same", np.cosh, 25),
    ("asinh", 1, FLOATS, "same", np.arcsinh, 25),
    ("acosh", 1, FLOATS, "same", np.arccosh, 25),
    ("atanh", 1, FLOATS, "same", np.arctanh, 25),
    ("tanh", 1, FLOATS, "same", np.tanh, 12),
    ("sigmoid", 1, FLOATS, "same", _sigmoid, 12),
    ("floor", 1, FLOATS, "same", np.floor),
    ("ceil", 1, FLOATS, "same", np.ceil),
    ("rint", 1, FLOATS, "same", np.rint),  # half to even
    ("trunc", 1, FLOATS, "same", np.trunc),
    ("nextafter", 2, FLOATS, "same", np.nextafter),  # y when they are equal
    ("isnan", 1, FLOATS, "bool", np.isnan),
    ("erf", 1, FLOATS, "same", special.erf, 40),
    ("erfc", 1, FLOATS, "same", special.erfc, 40),
    ("erfinv", 1, FLOATS, "same", special.erfinv, 100),
    ("ndtri", 1, FLOATS, "same", special.ndtri, 100),
    ("lgamma", 1, FLOATS, "same", special.lgamma, 40),  # inf at 0, -1, -2 ...
    ("digamma", 1, FLOATS, "same", special.digamma, 50),  # NaN there
    ("polygamma", 2, FLOATS, "same", special.polygamma, 200),
    ("zeta", 2, FLOATS, "same", special.zeta, 200),
    ("igamma", 2, FLOATS, "same", special.igamma, 200),
    ("igammac", 2, FLOATS, "same", special.igammac, 200),
    ("igamma_grad_a", 2, FLOATS, "same", special.igamma_grad_a, 300),
    ("betainc", 3, FLOATS, "same", special.betainc, 300),
    ("bessel_i0e", 1, FLOATS, "same", special.bessel_i0e, 60),
    ("bessel_i1e", 1, FLOATS, "same", special.bessel_i1e, 60),
    ("eq", 2, ANY, "bool", np.equal),
    ("ne", 2, ANY, "bool", np.not_equal),
    ("lt", 2, NUMBERS, "bool", np.less),
    ("le", 2, NUMBERS, "bool", np.less_equal),
    ("gt", 2, NUMBERS, "bool", np.greater),
    ("ge", 2, NUMBERS, "bool", np.greater_equal),
    ("and", 2, INTEGERS | BOOL, "same", np.bitwise_and),
    ("or", 2, INTEGERS | BOOL, "same", np.bitwise_or),
    ("xor", 2, INTEGERS | BOOL, "same", np.bitwise_xor),
    ("not", 1, INTEGERS | BOOL, "same", np.invert),
    ("shl", 2, INTEGERS, "same", np.left_shift),
    ("shr", 2, INTEGERS, "same", np.right_shift),
    ("select", 3, ANY, "select", np.where),
]

SCALAR_OPS: dict[str, ScalarOp] = {row[0]: ScalarOp(*row) for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction over a kernel's reduce axes; ``identity`` is its value over nothing."""

    name: str
    scalar: str
    identity: str  # "zero", "one", "lowest", "highest", "false", "true"
    dtypes: frozenset[str]
    numpy: Callable


REDUCTIONS: dict[str, Reduction] = {
    row.name: row
    for row in (
        Reduction("reduce_sum", "add", "zero", NUMBERS, np.sum),
        Reduction("reduce_prod", "mul", "one", NUMBERS, np.prod),
        Reduction("reduce_max", "max", "lowest", NUMBERS, np.max),  # -inf for floats; NaN wins
        Reduction("reduce_min", "min", "highest", NUMBERS, np.min),
        Reduction("reduce_any", "or", "false", BOOL, np.any),
        Reduction("reduce_all", "and", "true", BOOL, np.all),
    )
}

"""Functions of square matrices: exponential, logarithm, square root.

    MatrixExponential   scaling and squaring of a Pade approximant
    MatrixSquareRoot    of the Schur form, a triangle, column by column
    MatrixLogarithm     of the Schur form: roots until it is near I, then Gauss-Legendre quadrature

A^T has the function of A transposed, so that row-major matrices are read as LAPACK reads them.

All three have one gradient.  With L the derivative of f at A in the direction E,

    f([[A, E], [0, A]]) = [[f(A), L], [0, f(A)]],

and the adjoint of that derivative is the derivative at A^H: dA = L(A^H, dY).

N. Higham, "Functions of Matrices" (2008): chapters 3.2, 6.2, 10.3, 11.5.

Read next: lapack.py (the texts' vocabulary), matrix_solvers.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.lapack import (
    BLOCK,
    LAPACK_DTYPES,
    complex_of,
    cubic,
    lapack,
    matrices,
    mixed,
    positive_definite,
    real_of,
    square_shape,
    well_conditioned,
)
from flowgraph.ops.matrix_algebra import adjoint_of
from flowgraph.ops.rules import f32

_NOT_SQUARE = error_sample(ValueError, "must be square matrices", f32(2, 3))
_NO_MATRIX = error_sample(ValueError, "at least 2 axes", f32(3))
_COMPLEX = complex_of(well_conditioned(2, 3, 3), mixed(2, 3, 3, seed=1))
#: Real, and two eigenvalues are not.
_TURNED = np.array([[2, 3, 1], [-3, 2, 0], [0, 1, 4]], np.float32)
#: Only one eigenvector.
_DEFECTIVE = np.array([[4, 1, 0], [0, 4, 1], [0, 0, 4]], np.float32)


def _gradient(op: Any, dy: Tensor) -> tuple[Tensor]:
    """The upper right block of f([[A^H, dY], [0, A^H]])."""
    a = adjoint_of(op.input)
    size = call.Shape(a)[-1]
    upper = call.ConcatV2([a, dy], -1)
    lower = call.ConcatV2([call.ZerosLike(a), a], -1)
    both = apply_op(op.type, call.ConcatV2([upper, lower], -2))
    block = both[..., :size, size:]
    block.set_shape(op.input.dims)
    return (block,)


# ------------------------------------------------------------------------------------- exponential

_DEGREE = 13
#: p(x) = sum_j c_j x^j with p(x) / p(-x) = exp(x) but for terms of x^27 (theorem 10.25 there).
_PADE = tuple(
    math.comb(_DEGREE, j) * math.factorial(2 * _DEGREE - j) / math.factorial(2 * _DEGREE)
    for j in range(_DEGREE + 1)
)

_EXPONENTIAL_HELPERS = """
def combined(out, count, x, a, y, b, z, c):
    for e in independent(count):
        store(out, e, a * load(x, e) + b * load(y, e) + c * load(z, e))
    return int64(0)

def more_diagonal(out, n, parts, amount):
    for i in range(n):
        at = i * (n + 1) * parts
        store(out, at, load(out, at) + amount)
    return int64(0)
"""


def _combined(out: str, powers: tuple[int, int, int]) -> str:
    """out = c_i A^6 + c_j A^4 + c_k A^2"""
    terms = zip(("a6", "a4", "a2"), powers, strict=True)
    given = ", ".join(f"{a}, float64({_PADE[power]!r})" for a, power in terms)
    return f"combined({out}, size, {given})"


def _times(x: str, y: str, out: str, indent: int = 8) -> str:
    """out = x y"""
    given = f"'N' 'N' n n n *wide_one *{x} n *{y} n *wide_zero *{out} n"
    lines = ["if parts == 1:", f"    @dgemm_ {given}", "else:", f"    @zgemm_ {given}"]
    return ("\n" + " " * indent).join(lines)


#: In float64 whatever the dtype: directions of derivatives are often much larger than A.
#: NB: the approximant is accurate where the norm is below 5.37 (table 10.2 there).
_EXPONENTIAL = f"""
wide_one = float64_stack(2)
wide_zero = float64_stack(2)
store(wide_one, 0, float64(1))
store(wide_one, 1, float64(0))
store(wide_zero, 0, float64(0))
store(wide_zero, 1, float64(0))
size = n * n * parts
for b in range(batch):
    source = offset(input, b * size)
    out = offset(output, b * size)
    norm = float64(0)
    finite = True
    for i in range(n):
        total = float64(0)
        for e in range(n * parts):
            total += absolute(float64(load(source, i * n * parts + e)))
        finite = finite & (not isnan(total - total))
        norm = maximum(norm, total)
    if not finite:
        for e in range(size):
            store(out, e, {{T}}(nan))
    if finite and n > 0:
        squarings = 0
        scale = float64(1)
        while norm > float64(5.37):
            norm = norm * float64(0.5)
            scale = scale * float64(0.5)
            squarings += 1
        for e in independent(size):
            store(a, e, float64(load(source, e)) * scale)
        {_times("a", "a", "a2")}
        {_times("a2", "a2", "a4")}
        {_times("a2", "a4", "a6")}
        {_combined("even", (13, 11, 9))}
        {_times("a6", "even", "odd")}
        {_combined("even", (7, 5, 3))}
        for e in independent(size):
            store(even, e, load(even, e) + load(odd, e))
        more_diagonal(even, n, parts, float64({_PADE[1]!r}))
        {_times("a", "even", "odd")}
        {_combined("solved", (12, 10, 8))}
        {_times("a6", "solved", "even")}
        {_combined("solved", (6, 4, 2))}
        for e in independent(size):
            store(even, e, load(even, e) + load(solved, e))
        more_diagonal(even, n, parts, float64({_PADE[0]!r}))
        for e in independent(size):
            x = load(even, e)
            y = load(odd, e)
            store(even, e, x - y)
            store(solved, e, x + y)
        if parts == 1:
            @dgesv_ n n *even n *pivots *solved n info
        else:
            @zgesv_ n n *even n *pivots *solved n info
        for step in range(squarings):
            for e in independent(size):
                store(a, e, load(solved, e))
            {_times("a", "a", "solved", 12)}
        for e in independent(size):
            store(out, e, {{T}}(load(solved, e)))
return 0
"""


def _exponential_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes = matrices(call_)
    place = ("float64", sizes["n"] ** 2 * sizes["parts"])
    names = ("a", "a2", "a4", "a6", "even", "odd", "solved")
    return {**dict.fromkeys(names, place), "pivots": ("int32", sizes["n"])}


def _wide(x: Any) -> Any:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _each(function: Any, x: Any, dtype: Any) -> Any:
    """``function`` of every matrix; NaN where an element is not finite."""
    out = np.empty(x.shape, dtype)
    for index in np.ndindex(*x.shape[:-2]):
        finite = np.isfinite(x[index]).all()
        out[index] = function(x[index]) if finite else np.nan
    return out


def _exponential_one(x: Any) -> Any:
    """The power series of x / 2^k, squared k times."""
    a = _wide(x)
    halvings = max(0, math.ceil(math.log2(np.abs(a).sum(-1).max(initial=1e-9))) + 2)
    a = a / 2**halvings
    total = term = np.eye(len(a), dtype=a.dtype)
    for i in range(1, 20):
        term = term @ a / i
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


define(
    "MatrixExponential",
    "input: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=square_shape,
    kernel=lapack(
        _EXPONENTIAL,
        scratch=_exponential_scratch,
        helpers=_EXPONENTIAL_HELPERS,
        flops=lambda call_: cubic(15, call_),
    ),
    grad=_gradient,
    reference=lambda call_, x: _each(_exponential_one, x, x.dtype),
    samples=(
        sample(0.5 * mixed(4, 4)),
        sample(0.3 * mixed(2, 3, 5, 5)),
        sample(_DEFECTIVE),
        sample(mixed(3, 3) * 6 - 10 * np.eye(3, dtype=np.float32), differentiable=()),
        sample(0.5 * _COMPLEX),
        sample(np.zeros((2, 2), np.float32)),
        sample(np.array([[1, np.inf], [0, 1]], np.float32), differentiable=()),
        sample(f32(1, 1)),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0)),
    ),
    errors=(_NOT_SQUARE, _NO_MATRIX),
    doc="sum_k A^k / k!, the exponential of matrices.",
)

# ------------------------------------------------------------------------------------- square root

_SCHUR_HELPERS = """
def root_of(x, y, out):
    re = float64(0)
    im = float64(0)
    size = maximum(absolute(x), absolute(y))
    if size > float64(0):
        size = size * sqrt((x / size) * (x / size) + (y / size) * (y / size))
        half = sqrt((size + absolute(x)) * float64(0.5))
        if x >= float64(0):
            re = half
            im = y / (float64(2) * half)
        else:
            re = absolute(y) / (float64(2) * half)
            im = half
            if y < float64(0):
                im = -half
    store(out, 0, re)
    store(out, 1, im)
    return int64(0)

def triangle_root(a, n, pair):
    for j in range(n):
        top = offset(a, j * n * 2)
        root_of(load(top, 2 * j), load(top, 2 * j + 1), pair)
        store(top, 2 * j, load(pair, 0))
        store(top, 2 * j + 1, load(pair, 1))
        for i in range(j - 1, -1, -1):
            re = load(top, 2 * i)
            im = load(top, 2 * i + 1)
            for k in range(i + 1, j):
                at = (k * n + i) * 2
                x = load(a, at)
                y = load(a, at + 1)
                re -= x * load(top, 2 * k) - y * load(top, 2 * k + 1)
                im -= x * load(top, 2 * k + 1) + y * load(top, 2 * k)
            x = load(a, i * (n + 1) * 2) + load(top, 2 * j)
            y = load(a, i * (n + 1) * 2 + 1) + load(top, 2 * j + 1)
            if (re != float64(0)) | (im != float64(0)):
                size = maximum(absolute(x), absolute(y))
                x = x / size
                y = y / size
                length = (x * x + y * y) * size
                store(top, 2 * i, (re * x + im * y) / length)
                store(top, 2 * i + 1, (im * x - re * y) / length)
    return int64(0)
"""

#: The Schur form of matrix b: a triangle in ``a``, unitary ``q``; complex128 whatever the dtype.
_SCHUR = """
pair = float64_stack(2)
wide_one = float64_stack(2)
wide_zero = float64_stack(2)
store(wide_one, 0, float64(1))
store(wide_one, 1, float64(0))
store(wide_zero, 0, float64(0))
store(wide_zero, 1, float64(0))
for b in range(batch):
    source = offset(input, b * n * n * parts)
    out = offset(output, b * n * n * parts)
    valid = True
    for e in range(n * n):
        x = float64(load(source, e * parts))
        y = float64(0)
        if parts == 2:
            y = float64(load(source, e * parts + 1))
        valid = valid & (not isnan(x - x)) & (not isnan(y - y))
        store(a, 2 * e, x)
        store(a, 2 * e + 1, y)
    if valid and n > 0:
        @zgees_ 'V' 'N' *flags n *a n *flags *found *q n *work work_size *real_work *flags info
        if load(numbers, 0) != int32(0):
            valid = False
"""

#: Q F Q^H of the triangle F in ``a``.
_BACK = """
    if valid and n > 0:
        for j in range(n):
            for e in range(2 * j + 2, 2 * n):
                store(a, j * n * 2 + e, float64(0))
        @zgemm_ 'N' 'N' n n n *wide_one *q n *a n *wide_zero *c n
        @zgemm_ 'N' 'C' n n n *wide_one *c n *q n *wide_zero *a n
"""

#: What is not there is NaN.
_OUT = """
    for e in range(n * n * parts):
        value = {T}(nan)
        if valid:
            value = {T}(load(a, e * (3 - parts)))
        store(out, e, value)
return 0
"""


def _schur_sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    return {**sizes, "work_size": (2 + BLOCK) * sizes["n"] + 1}


def _schur_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes = _schur_sizes(call_)
    n = sizes["n"]
    return {
        **dict.fromkeys(("a", "q", "c", "d"), ("float64", 2 * n * n)),
        "found": ("float64", 2 * n),
        "work": ("float64", 2 * sizes["work_size"]),
        "real_work": ("float64", n),
        "flags": ("int32", n + 1),
    }


_SQUARE_ROOT = (
    _SCHUR
    + """
    if valid:
        triangle_root(a, n, pair)
"""
    + _BACK
    + """
    if valid and parts == 1:
        re = float64(0)
        im = float64(0)
        for e in range(n * n):
            re = maximum(re, absolute(load(a, 2 * e)))
            im = maximum(im, absolute(load(a, 2 * e + 1)))
        valid = im <= float64({tolerance}) * re
"""
    + _OUT
)


def _imaginary_part(call_: Call) -> float:
    """Up to what share of its size the root of a real matrix counts as real."""
    return float(np.sqrt(np.finfo(real_of(call_)).eps))


def _complex_root(x: Any) -> Any:
    """Newton's iteration for the sign function, by halves (Denman and Beavers, 1976)."""
    root, inverse = x.astype(np.complex128), np.eye(len(x), dtype=np.complex128)
    for _ in range(60):
        root, inverse = (
            (root + np.linalg.inv(inverse)) / 2,
            (inverse + np.linalg.inv(root)) / 2,
        )
    return root


def _square_root_one(x: Any) -> Any:
    if not x.any():
        return np.zeros(x.shape)
    if x.dtype.kind != "c" and (np.linalg.eigvals(x) + 0j).real.min() < 0:
        values = np.linalg.eigvals(x) + 0j
        if ((values.imag == 0) & (values.real < 0)).any():
            return np.nan
    root = _complex_root(x)
    return root if x.dtype.kind == "c" else root.real


define(
    "MatrixSquareRoot",
    "input: T -> output: T",
    T=dtypes_of(LAPACK_DTYPES),
    infer=square_shape,
    kernel=lapack(
        _SQUARE_ROOT,
        sizes=_schur_sizes,
        scratch=_schur_scratch,
        choices=lambda call_: {"tolerance": repr(_imaginary_part(call_))},
        helpers=_SCHUR_HELPERS,
        flops=lambda call_: cubic(30, call_),
    ),
    grad=_gradient,
    reference=lambda call_, x: _each(_square_root_one, x, x.dtype),
    samples=(
        sample(well_conditioned(4, 4)),
        sample(positive_definite(2, 3, 5, 5)),
        sample(_TURNED),
        sample(_DEFECTIVE),
        sample(_COMPLEX),
        sample(np.array([[-1, 0], [0, 4]], np.float32), differentiable=()),
        sample(np.array([[0, 0], [0, 0]], np.float32), differentiable=()),
        sample(np.array([[1, np.nan], [0, 1]], np.float32), differentiable=()),
        sample(f32(1, 1, low=1.0)),
        sample(f32(0, 3, 3)),
        sample(f32(2, 0, 0)),
    ),
    errors=(_NOT_SQUARE, _NO_MATRIX),
    doc="The X with X X = A whose eigenvalues have positive real parts; NaN where a real A has a "
    "negative eigenvalue.",
)

# --------------------------------------------------------------------------------------- logarithm


def _nodes(count: int) -> list[tuple[float, float]]:
    """Of log(I + X) = integral of X (I + t X)^-1 for t from 0 to 1: where, and the weights."""
    places, weights = np.polynomial.legendre.leggauss(count)
    return [(float(t), float(w)) for t, w in zip((places + 1) / 2, weights / 2, strict=True)]


#: 8 of them are exact to 1e-16 where the norm of X is below 0.26 (table 11.1 there).
_NODES = "".join(
    f"store(nodes, {2 * i}, float64({t!r}))\nstore(nodes, {2 * i + 1}, float64({w!r}))\n"
    for i, (t, w) in enumerate(_nodes(8))
)

_LOGARITHM = (
    "nodes = float64_stack(16)\n"
    + _NODES
    + _SCHUR
    + """
    for i in range(n):
        at = i * (n + 1) * 2
        valid = valid & ((load(a, at) != float64(0)) | (load(a, at + 1) != float64(0)))
    if valid:
        scale = float64(1)
        near = False
        while not near:
            norm = float64(0)
            for j in range(n):
                total = float64(0)
                for e in range(2 * j + 2):
                    x = load(a, j * n * 2 + e)
                    if e == 2 * j:
                        x -= float64(1)
                    total += absolute(x)
                norm = maximum(norm, total)
            near = (norm <= float64(0.25)) | (scale > float64(1e18))
            if not near:
                triangle_root(a, n, pair)
                scale = scale * float64(2)
        for j in range(n):
            for e in range(2 * n):
                x = load(a, j * n * 2 + e)
                if e == 2 * j:
                    x -= float64(1)
                if e >= 2 * j + 2:
                    x = float64(0)
                store(d, j * n * 2 + e, x)
                store(a, j * n * 2 + e, float64(0))
        for node in range(8):
            place = load(nodes, 2 * node)
            weight = load(nodes, 2 * node + 1) * scale
            for e in independent(n * n * 2):
                store(c, e, load(d, e) * place)
                store(solved, e, load(d, e))
            for i in range(n):
                store(c, i * (n + 1) * 2, load(c, i * (n + 1) * 2) + float64(1))
            if n > 0:
                @ztrsm_ 'L' 'U' 'N' 'N' n n *wide_one *c n *solved n
            for e in independent(n * n * 2):
                store(a, e, load(a, e) + weight * load(solved, e))
"""
    + _BACK
    + _OUT
)


def _logarithm_one(x: Any) -> Any:
    """2^k log of the 2^k-th root, which is near I."""
    if np.linalg.matrix_rank(x) < len(x):
        return np.nan
    root, unit, scale = x.astype(np.complex128), np.eye(len(x)), 1.0
    while np.abs(root - unit).sum(-1).max(initial=0) > 0.1:
        root, scale = _complex_root(root), 2 * scale
    near = root - unit
    return scale * sum(
        (w * np.linalg.solve(unit + t * near, near) for t, w in _nodes(16)), 0 * near
    )


define(
    "MatrixLogarithm",
    "input: T -> output: T",
    T=dtypes_of(frozenset(("complex64", "complex128"))),
    infer=square_shape,
    kernel=lapack(
        _LOGARITHM,
        sizes=_schur_sizes,
        scratch=lambda call_: {
            **_schur_scratch(call_),
            "solved": ("float64", 2 * matrices(call_)["n"] ** 2),
        },
        helpers=_SCHUR_HELPERS,
        flops=lambda call_: cubic(60, call_),
    ),
    grad=_gradient,
    reference=lambda call_, x: _each(_logarithm_one, x, x.dtype),
    samples=(
        sample(_COMPLEX),
        sample(complex_of(_TURNED, 0 * _TURNED)),
        sample(complex_of(_DEFECTIVE, 0 * _DEFECTIVE)),
        sample(complex_of(positive_definite(2, 3, 5, 5), mixed(2, 3, 5, 5) * 0.2)),
        sample(np.array([[-1 + 1j, 2], [0, 4]], np.complex64)),
        sample(np.array([[1, 1], [1, 1]], np.complex64)),
        sample(np.zeros((0, 3, 3), np.complex64)),
        sample(np.zeros((2, 0, 0), np.complex64)),
    ),
    errors=(
        error_sample(ValueError, "must be square matrices", np.zeros((2, 3), np.complex64)),
        error_sample(TypeError, "float32", f32(2, 2)),
    ),
    doc="The X with exp(X) = A whose eigenvalues have imaginary parts in (-pi, pi]; NaN where A is "
    "singular.",
)

# ------------------------------------------------------------------------------- public functions


@export("linalg.expm")
def matrix_exponential(input: Any, name: str | None = None) -> Tensor:
    """The exponential of square matrices.

    exp(A) = I + A + A^2 / 2 + A^3 / 6 + ...

    Args:
        input: (..., N, N) float32, float64 or complex.
        name: of the operation; ``matrix_exponential`` by default.

    Returns:
        (..., N, N); NaN for a matrix with an element that is not finite.

    Raises:
        ValueError: the matrices are not square.

    Gradient: the derivative of the exponential at A^H in the direction dy.
    Numerics: a Pade approximant of degree 13 with scaling and squaring (Higham, 2005), in float64
    whatever the dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.expm([[0.0, 2.0], [0.0, 0.0]]))
    array([[1., 2.],
           [0., 1.]], dtype=float32)
    """
    return apply_op("MatrixExponential", input, name=name or "matrix_exponential")


@export("linalg.sqrtm", "matrix_square_root")
def matrix_square_root(input: Any, name: str | None = None) -> Tensor:
    """The principal square root of square matrices.

    X X = A, with eigenvalues whose real parts are not negative.

    Args:
        input: (..., N, N) float32, float64 or complex.
        name: of the operation; ``MatrixSquareRoot`` by default.

    Returns:
        (..., N, N); NaN where a real matrix has a negative eigenvalue.

    Raises:
        ValueError: the matrices are not square.

    Gradient: the G with X^H G + G X^H = dy.
    Numerics: of the Schur form, in float64 whatever the dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.linalg.sqrtm([[4.0, 0.0], [0.0, 9.0]]))
    array([[2., 0.],
           [0., 3.]], dtype=float32)
    """
    return apply_op("MatrixSquareRoot", input, name=name)


@export("linalg.logm")
def matrix_logarithm(input: Any, name: str | None = None) -> Tensor:
    """The principal logarithm of square matrices.

    exp(X) = A, with eigenvalues whose imaginary parts lie in (-pi, pi].

    Args:
        input: (..., N, N) complex64 or complex128; real matrices may have none that is real.
        name: of the operation; ``MatrixLogarithm`` by default.

    Returns:
        (..., N, N); NaN where the matrix is singular.

    Raises:
        ValueError: the matrices are not square.   TypeError: they are not complex.

    Gradient: the derivative of the logarithm at A^H in the direction dy.
    Numerics: of the Schur form, by square roots and quadrature, in float64 whatever the dtype.

    >>> import flowgraph as tf
    >>> a = tf.constant([[1.0, 2.0], [0.0, 1.0]], tf.complex64)
    >>> tf.Session().run(tf.linalg.logm(a)).real.round(4) + 0.0
    array([[0., 2.],
           [0., 0.]], dtype=float32)
    """
    return apply_op("MatrixLogarithm", input, name=name)

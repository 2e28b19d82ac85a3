"""Eigenvalues of self-adjoint matrices and singular values, by LAPACK.

    SelfAdjointEigV2   A = V diag(e) V^H, e ascending
    Svd                A = U diag(s) V^H, s descending

LAPACK leaves the sign (for complex numbers the phase) of vectors open; here their product with
fixed weights is positive, so that results do not depend on the processor.

Gradients: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); J. Townsend, "Differentiating the singular value decomposition" (2016).
Where two eigenvalues are equal, their vectors are not determined, and 1 / 0 counts as 0.

Read next: lapack.py (the texts' vocabulary), matrix_functions.py.
"""

from __future__ import annotations

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
    matrix_dims,
    mixed,
    numbers,
    positive_definite,
    real_of,
    square_dims,
)
from flowgraph.ops.matrix_algebra import (
    adjoint_of,
    columns_times,
    diagonal_halved,
    lower_of,
    product,
    real_part,
    without_diagonal,
)
from flowgraph.ops.rules import f32, invalid
from flowgraph.shapes import Dims

_NO_MATRIX = error_sample(ValueError, "at least 2 axes", f32(3))
_COMPLEX = complex_of(mixed(2, 3, 3), mixed(2, 3, 3, seed=1))


def _reciprocal(x: Tensor) -> Tensor:
    """1 / x, and 0 for 0."""
    return x / (x * x + 1e-20)


def _differences(x: Tensor) -> Tensor:
    """x[j] - x[i] as a matrix, at (i, j)."""
    return call.ExpandDims(x, -2) - call.ExpandDims(x, -1)


# ------------------------------------------------------------------------------ signs of vectors


def _weights(n: int) -> np.ndarray[Any, Any]:
    """Numbers in [0.5, 1.5) that vectors are hardly orthogonal to."""
    turns = np.arange(1, n + 1) * 0.6180339887498949  # of the golden ratio
    return turns - np.floor(turns) + 0.5


def _phases(vectors: Any) -> Any:
    """What columns are multiplied with to make their product with the weights positive."""
    along = (_weights(vectors.shape[-2])[:, None] * vectors).sum(-2)
    size = np.abs(along)
    phases = np.where(size == 0, 1, np.conj(along) / np.where(size == 0, 1, size))
    return phases.astype(vectors.dtype)


#: The same: ``phase`` stores (real, imaginary) in ``out``, ``turn`` multiplies with it.
_HELPERS = """
def phase(x, n, stride, parts, out):
    re = {T}(0)
    im = {T}(0)
    for i in range(n):
        turns = float64(i + 1) * 0.6180339887498949
        weight = {T}(turns - floor(turns) + 0.5)
        re += weight * load(x, i * stride * parts)
        if parts == 2:
            im += weight * load(x, i * stride * parts + 1)
    size = maximum(absolute(re), absolute(im))
    if size == {T}(0):
        re = {T}(1)
        size = {T}(1)
    re = re / size
    im = im / size
    size = sqrt(re * re + im * im)
    store(out, 0, re / size)
    store(out, 1, -im / size)
    return int64(0)

def turn(x, n, stride, parts, by):
    re = load(by, 0)
    im = load(by, 1)
    for i in range(n):
        at = i * stride * parts
        if parts == 1:
            store(x, at, load(x, at) * re)
        else:
            a = load(x, at)
            b = load(x, at + 1)
            store(x, at, a * re - b * im)
            store(x, at + 1, a * im + b * re)
    return int64(0)
"""

# --------------------------------------------------------------------------- self-adjoint matrices

_NO_EIGENVALUES = (
    "Self-adjoint eigen decomposition was not successful. The input might not be valid."
)


def _eig_infer(call_: Call) -> list[Dims]:
    dims = square_dims(call_.shapes[0])
    values = None if dims is None else dims[:-1]
    return [values, dims if call_.attrs["compute_v"] else (0,)]


def _eig_sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    n, vectors, is_complex = sizes["n"], call_.attrs["compute_v"], sizes["parts"] == 2
    # the least that the routines' documentation asks for, and room for blocks
    if is_complex:
        work = (2 * n + n * n if vectors else n + 1) + BLOCK * n
        real_work = 1 + 5 * n + 2 * n * n if vectors else max(n, 1)
    else:
        work = (1 + 6 * n + 2 * n * n if vectors else 2 * n + 1) + BLOCK * n
        real_work = 0
    return {
        **sizes,
        "vectors": vectors,
        "job": ord("V" if vectors else "N"),
        "work_size": work + 1,
        "real_work_size": real_work,
        "int_work_size": 3 + 5 * n if vectors else 1,
    }


def _eig_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes, real = _eig_sizes(call_), real_of(call_)
    return {
        "a": numbers(call_, sizes["n"] ** 2),
        "found": (real, sizes["n"]),
        "work": numbers(call_, sizes["work_size"]),
        "real_work": (real, sizes["real_work_size"]),
        "int_work": ("int32", sizes["int_work_size"]),
    }


def _eig_reference(call_: Call, x: Any) -> Any:
    if not np.isfinite(np.tril(x)).all():
        raise invalid(_NO_EIGENVALUES)
    if not call_.attrs["compute_v"]:
        return np.linalg.eigvalsh(x).astype(x.dtype), np.zeros(0, x.dtype)
    values, vectors = np.linalg.eigh(x)
    return values.astype(x.dtype), vectors * _phases(vectors)[..., None, :]


def _eig_gradient(op: Any, de: Tensor | None, dv: Tensor | None) -> tuple[Tensor | None]:
    """dA = V (diag(de) + F o (V^H dV)) V^H, F[i, j] = 1 / (e[j] - e[i]) off the diagonal.

    Only the lower triangle of A was read: the elements below the diagonal count twice.
    """
    e, v = op.e, op.v
    if not op.attrs["compute_v"]:
        e, v = call.SelfAdjointEigV2(op.input, compute_v=True)
        dv = None
    inner = None if de is None else call.MatrixDiag(de)
    if dv is not None:
        mixing = without_diagonal(_reciprocal(_differences(e))) * product(v, dv, adj_a=True)
        inner = mixing if inner is None else inner + mixing
    if inner is None:
        return (None,)
    da = product(v, product(inner, v, adj_b=True))
    return (diagonal_halved(lower_of(da + adjoint_of(da))),)


define(
    "SelfAdjointEigV2",
    "input: T -> e: T, v: T",
    T=dtypes_of(LAPACK_DTYPES),
    compute_v=True,
    infer=_eig_infer,
    kernel=lapack(
        """
        direction = {T}_stack(2)
        for b in range(batch):
            source = offset(input, b * n * n * parts)
            for i in range(n):
                for j in range(i + 1):
                    for p in range(parts):
                        x = load(source, (i * n + j) * parts + p)
                        if isnan(x - x):
                            return 3
                        store(a, (j * n + i) * parts + p, x)
            if n > 0:
                if parts == 1:
                    @syevd|heevd $job 'L' n *a n *found *work work_size *int_work int_work_size info
                else:
                    @syevd|heevd $job 'L' n *a n *found *work work_size *real_work real_work_size *int_work int_work_size info
                if load(numbers, 0) != int32(0):
                    return 3
            for i in range(n):
                store(e, (b * n + i) * parts, load(found, i))
                if parts == 2:
                    store(e, (b * n + i) * parts + 1, {T}(0))
            if vectors != 0:
                out = offset(v, b * n * n * parts)
                for i in range(n):
                    for j in range(n):
                        for p in range(parts):
                            store(out, (i * n + j) * parts + p, load(a, (j * n + i) * parts + p))
                for j in range(n):
                    phase(offset(out, j * parts), n, n, parts, direction)
                    turn(offset(out, j * parts), n, n, parts, direction)
        return 0
        """,  # noqa: E501
        sizes=_eig_sizes,
        scratch=_eig_scratch,
        helpers=_HELPERS,
        flops=lambda call_: cubic(9, call_),
    ),
    grad=_eig_gradient,
    reference=_eig_reference,
    samples=(
        sample(positive_definite(4, 4)),
        sample(mixed(2, 3, 5, 5)),
        sample(mixed(3, 3), compute_v=False),
        sample(np.array([[1, 100], [2, 3]], np.float32)),
        sample(_COMPLEX),
        sample(_COMPLEX, compute_v=False),
        sample(f32(1, 1)),
        sample(f32(0, 3, 3), differentiable=()),
        sample(f32(2, 0, 0), differentiable=()),
    ),
    errors=(
        error_sample(ValueError, "must be square matrices", f32(2, 3)),
        _NO_MATRIX,
        error_sample(
            Exception, "was not successful", np.full((2, 2), np.nan, np.float32), stage="run"
        ),
    ),
    doc="Eigenvalues in ascending order and orthonormal eigenvectors (columns of ``v``) of "
    "self-adjoint matrices, of which the lower triangle is read.",
)

# -------------------------------------------------------------------------------- singular values


def _smaller(m: int | None, n: int | None) -> int | None:
    return 0 if 0 in (m, n) else None if m is None or n is None else min(m, n)


def _svd_infer(call_: Call) -> list[Dims]:
    dims = matrix_dims(call_.shapes[0])
    vectors, full = call_.attrs["compute_uv"], call_.attrs["full_matrices"]
    if dims is None:
        return [None, *([None, None] if vectors else [(0,), (0,)])]
    m, n = dims[-2:]
    k, batch = _smaller(m, n), dims[:-2]
    if not vectors:
        return [(*batch, k), (0,), (0,)]
    return [(*batch, k), (*batch, m, m if full else k), (*batch, n, n if full else k)]


def _svd_sizes(call_: Call) -> dict[str, int]:
    sizes = matrices(call_)
    m, n = sizes["m"], sizes["n"]
    vectors, full = call_.attrs["compute_uv"], call_.attrs["full_matrices"]
    small, large = min(m, n), max(m, n)
    # the least that the routine's documentation asks for, and room for blocks
    if sizes["parts"] == 2:
        work = small * small + 3 * small + large
        real_work = max(5 * small * small + 5 * small, 2 * large * small + 2 * small**2 + small)
        real_work = real_work if vectors else 7 * small
    else:
        work, real_work = 4 * small * small + 7 * small + large, 0
        work = work if vectors else 3 * small + max(large, 7 * small)
    return {
        **sizes,
        "k": small,
        "u_columns": m if full else small,
        "v_columns": n if full else small,
        "vectors": vectors,
        "job": ord("N" if not vectors else "A" if full else "S"),
        "work_size": work + BLOCK * (m + n) + 1,
        "real_work_size": real_work,
    }


def _svd_scratch(call_: Call) -> dict[str, tuple[str, int]]:
    sizes, real = _svd_sizes(call_), real_of(call_)
    vectors = call_.attrs["compute_uv"]
    return {
        "a": numbers(call_, sizes["m"] * sizes["n"]),
        "found": (real, sizes["k"]),
        "left": numbers(call_, sizes["m"] * sizes["u_columns"] if vectors else 1),
        "right": numbers(call_, sizes["n"] * sizes["v_columns"] if vectors else 1),
        "work": numbers(call_, sizes["work_size"]),
        "real_work": (real, sizes["real_work_size"]),
        "int_work": ("int32", 8 * sizes["k"]),
    }


def _svd_reference(call_: Call, x: Any) -> Any:
    none = np.zeros(0, x.dtype)
    valid = np.isfinite(x).all((-2, -1))[..., None]
    finite = np.where(valid[..., None], x, 0)
    if not call_.attrs["compute_uv"]:
        s = np.linalg.svd(finite, compute_uv=False)
        return np.where(valid, s, np.nan).astype(x.dtype), none, none
    u, s, vh = np.linalg.svd(finite, full_matrices=call_.attrs["full_matrices"])
    v = np.conj(np.swapaxes(vh, -1, -2))
    left, right = _phases(u), _phases(v)
    right[..., : s.shape[-1]] = left[..., : s.shape[-1]]
    u, v = u * left[..., None, :], v * right[..., None, :]
    u, v = (np.where(valid[..., None], part, np.nan) for part in (u, v))
    return np.where(valid, s, np.nan).astype(x.dtype), u, v


def _svd_gradient(
    op: Any, ds: Tensor | None, du: Tensor | None, dv: Tensor | None
) -> tuple[Tensor | None]:
    """dA = U (diag(ds) + (F o skew(U^H dU)) S + S (F o skew(V^H dV))) V^H + what leaves the spans.

    F[i, j] = 1 / (s[j]^2 - s[i]^2) off the diagonal, skew(X) = X - X^H; dU that is orthogonal to
    the columns of U gives (dU - U U^H dU) S^-1 V^H, and dV the mirror image.
    """
    a, s, u, v = op.input, op.s, op.u, op.v
    if not op.attrs["compute_uv"]:
        s, u, v = call.Svd(a, compute_uv=True)
        du = dv = None
    elif op.attrs["full_matrices"]:
        _check_full(a, du, dv)
        width = call.Shape(s)[-1]
        u, v = u[..., :width], v[..., :width]
        du, dv = (None if x is None else x[..., :width] for x in (du, dv))
    core = None if ds is None else call.MatrixDiag(ds)
    outside = None
    weights = without_diagonal(_reciprocal(_differences(s * s)))
    if du is not None:
        inner = product(u, du, adj_a=True)
        skew = inner - adjoint_of(inner)
        term = columns_times(weights * skew, s)
        core = term if core is None else core + term
        if s.dtype.base_dtype.is_complex:  # the phases that U and V have in common
            core = core + call.MatrixDiag(call.MatrixDiagPart(skew) / (2.0 * s))
        rest = columns_times(du - product(u, inner), call.Reciprocal(s))
        outside = product(rest, v, adj_b=True)
    if dv is not None:
        inner = product(v, dv, adj_a=True)
        term = call.ExpandDims(s, -1) * (weights * (inner - adjoint_of(inner)))
        core = term if core is None else core + term
        rest = columns_times(dv - product(v, inner), call.Reciprocal(s))
        term = product(u, rest, adj_b=True)
        outside = term if outside is None else outside + term
    if core is None:
        return (None,)
    da = product(u, product(core, v, adj_b=True))
    return (da if outside is None else da + outside,)


def _check_full(a: Tensor, du: Tensor | None, dv: Tensor | None) -> None:
    if du is None and dv is None:
        return
    m, n = (None, None) if a.dims is None else a.dims[-2:]
    if m is None or n is None or m != n:
        raise ValueError(
            "Svd with full_matrices=True has a gradient for square matrices of known size only: "
            "the added columns are not determined"
        )


define(
    "Svd",
    "input: T -> s: T, u: T, v: T",
    T=dtypes_of(LAPACK_DTYPES),
    compute_uv=True,
    full_matrices=False,
    infer=_svd_infer,
    kernel=lapack(
        """
        not_a_number = {T}(nan)
        direction = {T}_stack(2)
        for b in range(batch):
            source = offset(input, b * m * n * parts)
            u_out = offset(u, b * m * u_columns * parts)
            v_out = offset(v, b * n * v_columns * parts)
            valid = True
            for i in range(m):
                for j in range(n):
                    for p in range(parts):
                        x = load(source, (i * n + j) * parts + p)
                        valid = valid & (not isnan(x - x))
                        store(a, (j * m + i) * parts + p, x)
            if valid and k > 0:
                if parts == 1:
                    @gesdd $job m n *a m *found *left m *right v_columns *work work_size *int_work info
                else:
                    @gesdd $job m n *a m *found *left m *right v_columns *work work_size *real_work *int_work info
                if load(numbers, 0) != int32(0):
                    return 3
            for i in range(k):
                x = load(found, i)
                if not valid:
                    x = not_a_number
                store(s, (b * k + i) * parts, x)
                if parts == 2:
                    store(s, (b * k + i) * parts + 1, {T}(0))
            if vectors != 0:
                # without elements the added columns are those of the identity
                for i in range(m):
                    for j in range(u_columns):
                        for p in range(parts):
                            x = {T}(1) if (i == j) & (p == 0) else {T}(0)
                            if k > 0:
                                x = load(left, (j * m + i) * parts + p)
                            if not valid:
                                x = not_a_number
                            store(u_out, (i * u_columns + j) * parts + p, x)
                for i in range(n):
                    for j in range(v_columns):
                        for p in range(parts):
                            x = {T}(1) if (i == j) & (p == 0) else {T}(0)
                            if k > 0:
                                x = load(right, (i * v_columns + j) * parts + p)
                            if p == 1:
                                x = -x
                            if not valid:
                                x = not_a_number
                            store(v_out, (i * v_columns + j) * parts + p, x)
                for j in range(u_columns):
                    phase(offset(u_out, j * parts), m, u_columns, parts, direction)
                    turn(offset(u_out, j * parts), m, u_columns, parts, direction)
                    if j < k:
                        turn(offset(v_out, j * parts), n, v_columns, parts, direction)
                for j in range(k, v_columns):
                    phase(offset(v_out, j * parts), n, v_columns, parts, direction)
                    turn(offset(v_out, j * parts), n, v_columns, parts, direction)
        return 0
        """,  # noqa: E501
        sizes=_svd_sizes,
        scratch=_svd_scratch,
        helpers=_HELPERS,
        flops=lambda call_: cubic(20, call_),
    ),
    grad=_svd_gradient,
    reference=_svd_reference,
    samples=(
        sample(mixed(4, 4)),
        sample(mixed(5, 3)),
        sample(mixed(2, 3, 5)),
        sample(mixed(2, 2, 4, 3), compute_uv=False),
        sample(mixed(3, 3), full_matrices=True, differentiable=()),
        sample(mixed(2, 3, 5), full_matrices=True, differentiable=()),
        sample(mixed(5, 3), full_matrices=True, differentiable=()),
        sample(_COMPLEX),
        sample(complex_of(mixed(3, 5), mixed(3, 5, seed=1))),
        sample(complex_of(mixed(4, 3), mixed(4, 3, seed=1)), full_matrices=True),
        sample(_COMPLEX, compute_uv=False),
        sample(np.array([[[1, 2], [3, np.nan]], [[1, 2], [3, 4]]], np.float32), differentiable=()),
        sample(f32(0, 3, 2), differentiable=()),
        sample(f32(2, 3, 0), differentiable=()),
        sample(f32(0, 3), full_matrices=True, differentiable=()),
    ),
    errors=(_NO_MATRIX,),
    doc="Singular values in descending order, and orthonormal columns ``u`` and ``v``.",
)

# ------------------------------------------------------------------------------- public functions


@export("self_adjoint_eig", "linalg.eigh")
def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of self-adjoint matrices.

    A v[:, i] = e[i] v[:, i]

    Args:
        tensor: (..., N, N) float32, float64 or complex; the lower triangle is read.
        name: of the operation; ``SelfAdjointEigV2`` by default.

    Returns:
        (e, v): (..., N), ascending, of the dtype of ``tensor``; and (..., N, N), orthonormal
        columns.

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) an element is NaN or infinite.

    Gradient: to the lower triangle; finite, but without meaning for the vectors of equal
    eigenvalues.
    Numerics: LAPACK ?syevd.

    >>> import flowgraph as tf
    >>> e, v = tf.self_adjoint_eig([[2.0, 0.0], [0.0, 1.0]])
    >>> tf.Session().run(e)
    array([1., 2.], dtype=float32)
    """
    return tuple(apply_op("SelfAdjointEigV2", tensor, compute_v=True, name=name))


@export("self_adjoint_eigvals", "linalg.eigvalsh")
def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """Eigenvalues of self-adjoint matrices.

    Args:
        tensor: (..., N, N) float32, float64 or complex; the lower triangle is read.
        name: of the operation; ``SelfAdjointEigV2`` by default.

    Returns:
        (..., N), ascending.

    Raises:
        ValueError: the matrices are not square.
        InvalidArgumentError: (when run) an element is NaN or infinite.

    Gradient: to the lower triangle.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.self_adjoint_eigvals([[2.0, 0.0], [0.0, 1.0]]))
    array([1., 2.], dtype=float32)
    """
    return apply_op("SelfAdjointEigV2", tensor, compute_v=False, name=name)[0]


@export("svd", "linalg.svd")
def svd(
    tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None
) -> Any:
    """The singular value decomposition.

    A = U diag(s) V^H

    Args:
        tensor: (..., M, N) float32, float64 or complex.
        full_matrices: square U and V; else they have P = min(M, N) columns.
        compute_uv: give U and V, too.
        name: of the operation; ``Svd`` by default.

    Returns:
        (s, u, v) of shapes (..., P), (..., M, P) and (..., N, P); only s without ``compute_uv``.
        NB: v itself, where NumPy gives its adjoint; s is real, also for complex matrices.

    Raises:
        ValueError: ``tensor`` is no matrix.

    Gradient: finite, but without meaning for the vectors of equal singular values; of square
    matrices only with ``full_matrices``.
    Numerics: LAPACK ?gesdd; NaN where an element is NaN or infinite.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False))
    array([4., 3.], dtype=float32)
    """
    s, u, v = apply_op("Svd", tensor, compute_uv=compute_uv, full_matrices=full_matrices, name=name)
    s = real_part(s)
    return (s, u, v) if compute_uv else s

"""Kernels around LAPACK: what the records of factorisations and solvers share.

Arrays are row-major and LAPACK reads columns: it sees the transpose of every matrix.  A kernel
either uses that (the Cholesky factor above the diagonal of A^T is the one below that of A; the
solution of A X = B is that of X^T A^T = B^T) or copies.

Kernel text may have lines that start with ``@``, each a call of a routine::

    @potrf 'U' n *out n info    ==>    spotrf_("U", &n, out, &n, &info)

with letters in quotes (``$code``: a letter by its code), ``*pointer`` and 64-bit integers; what
``info`` says is then ``load(numbers, 0)``, 0 for success.  ``@zgees_`` is that routine for every
dtype.

Read next: factorizations.py, matrix_solvers.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.graph.opdef import Call, Procedure
from flowgraph.ops.rules import require_rank_at_least
from flowgraph.shapes import Dims, ShapeError, format_dims, merge_size

#: dtypes that LAPACK has routines for.
LAPACK_DTYPES = frozenset(("float32", "float64", "complex64", "complex128"))

#: Width of the blocks that work space is planned for.
BLOCK = 32

#: What is at hand in every text: arguments of routines lie in these.
_HEAD = """
letters = int8_stack(8)
numbers = int32_stack(16)
one = {T}_stack(2)
store(one, 0, {T}(1))
store(one, 1, {T}(0))
"""

_CALL = re.compile(r"^( *)@(\S+) (.*)$", re.MULTILINE)


def lapack(
    text: str,
    *,
    sizes: Callable[[Call], Mapping[str, int]] | None = None,
    scratch: Callable[[Call], Mapping[str, tuple[str, int]]] | None = None,
    flops: Callable[[Call], int] | None = None,
    choices: Callable[[Call], Mapping[str, str]] | None = None,
    helpers: str = "",
) -> Procedure:
    """The Procedure of ``text``, see the module docstring; the sizes are those of ``matrices``."""
    symbols = dict.fromkeys(match[2] for match in _CALL.finditer(text))
    return Procedure(
        _HEAD + _CALL.sub(_call_text, _dedented(text)),
        sizes=sizes or matrices,
        scratch=scratch,
        symbols=tuple(
            s if s.endswith("_") else "|".join(f"?{name}_" for name in s.split("|"))
            for s in symbols
        ),
        flops=flops,
        choices=choices,
        parts=True,
        helpers=helpers,
    )


def _dedented(text: str) -> str:
    lines = text.strip("\n").split("\n")
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    return "\n".join(line[indent:] for line in lines)


def _call_text(match: re.Match[str]) -> str:
    indent, routine, arguments = match.groups()
    stores, given = [], []
    letters = numbers = 0
    for argument in arguments.split():
        if argument[0] in "'$":
            code = ord(argument[1]) if argument[0] == "'" else argument[1:]
            stores.append(f"store(letters, {letters}, int8({code}))")
            given.append(f"address(offset(letters, {letters}))")
            letters += 1
        elif argument.startswith("*"):
            given.append(f"address({argument[1:]})")
        elif argument == "info":
            given.append("address(numbers)")
        else:
            numbers += 1
            stores.append(f"store(numbers, {numbers}, int32({argument}))")
            given.append(f"address(offset(numbers, {numbers}))")
    # Fortran compilers pass the lengths of texts after all else
    given += ["int64(1)"] * letters
    name = routine.partition("|")[0]
    return "\n".join(
        indent + line for line in [*stores, f"call_addresses({name}, {', '.join(given)})"]
    )


def matrices(call_: Call) -> dict[str, int]:
    """batch: how many matrices input 0 is;  m, n: rows, columns;  parts: 2 for complex numbers."""
    shape: Any = call_.shapes[0]
    return {
        "batch": math.prod(shape[:-2]),
        "m": shape[-2],
        "n": shape[-1],
        "parts": parts_of(call_),
    }


def parts_of(call_: Call) -> int:
    """Floats per element."""
    return 2 if call_.dtypes[0].is_complex else 1


def real_of(call_: Call) -> str:
    """The dtype of a part."""
    return call_.dtypes[0].base_dtype.real_dtype.name


def numbers(call_: Call, count: int) -> tuple[str, int]:
    """Scratch for ``count`` elements of the op's dtype."""
    return real_of(call_), count * parts_of(call_)


def cubic(factor: float, call_: Call) -> int:
    """``factor * batch * m * n * min(m, n)`` floating-point operations, fourfold if complex."""
    size = matrices(call_)
    cube = size["batch"] * size["m"] * size["n"] * min(size["m"], size["n"])
    return int(factor * cube * (4 if size["parts"] == 2 else 1))


# ------------------------------------------------------------------------------------- LU factors

#: LU factors of the transpose of matrix b, in ``a``.
_FACTOR = """
for b in range(batch):
    source = offset({matrix}, b * n * n * parts)
    for e in independent(n * n * parts):
        store(a, e, load(source, e))
    if n > 0:
        @getrf n n *a n *pivots info
"""

#: After that: a pivot that is 0 or NaN.
CHECK_PIVOTS = """
    for i in range(n):
        size = absolute(load(a, i * (n + 1) * parts))
        if parts == 2:
            size += absolute(load(a, i * (n + 1) * parts + 1))
        if not (size > {T}(0)):
            return 3
"""


def factor(matrix: str) -> str:
    """Text that loops over b and leaves the LU factors of the transpose of ``matrix`` in ``a``."""
    return _FACTOR.replace("{matrix}", matrix)


def factors(call_: Call) -> dict[str, tuple[str, int]]:
    """Scratch for the LU factors of one matrix."""
    n = matrices(call_)["n"]
    return {"a": numbers(call_, n * n), "pivots": ("int32", n)}


# --------------------------------------------------------------------------------------- inference


def matrix_dims(dims: Dims, what: str = "input") -> Dims:
    """``dims``; ShapeError when they are no matrix."""
    require_rank_at_least(dims, 2, what)
    return dims


def square_dims(dims: Dims, what: str = "input") -> Dims:
    """``dims``, equal sizes filled in; ShapeError when they are no square matrix."""
    require_rank_at_least(dims, 2, what)
    if dims is None:
        return None
    try:
        size = merge_size(dims[-2], dims[-1])
    except ShapeError:
        raise ShapeError(f"{what} must be square matrices, not shape {format_dims(dims)}") from None
    return (*dims[:-2], size, size)


def square_shape(call_: Call) -> list[Dims]:
    """One output of the shape of input 0, which is square."""
    return [square_dims(call_.shapes[0])]


# ---------------------------------------------------------------------------------------- samples


def mixed(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Numbers in [-2, 2] of matrices that are far from singular; those of ``f32`` are not."""
    place = np.arange(math.prod(shape)) + 1.0
    return (2 * np.sin(0.3 * place * place + place + seed)).astype(np.float32).reshape(shape)


def well_conditioned(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Square matrices whose diagonal dominates."""
    return mixed(*shape, seed=seed) + 1.5 * shape[-1] * np.eye(shape[-1], dtype=np.float32)


def positive_definite(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Symmetric matrices with positive eigenvalues."""
    x = mixed(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype=np.float32)


def complex_of(real: np.ndarray[Any, Any], imaginary: np.ndarray[Any, Any]) -> Any:
    """complex64 from two arrays."""
    return (real + 1j * imaginary).astype(np.complex64)

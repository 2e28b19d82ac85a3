"""Matrix products as TextKernels: BLAS calls, and loops for small matrices of any strides.

    c[i, j] = sum_p a[i, p] * b[p, j]        a: (m, k)   b: (k, n)   c: (m, n)

A BLAS call costs as much as a few hundred multiplications (80 ns with AVX-512 kernels, 190 ns with
AVX2 ones): up to SMALL_GEMM_LIMIT of them, for integers, and where an axis has no extent, the loops
are used.  Each comes twice: for one product, and for one product per index of batch axes.

In a loop, a right matrix that stays the same is laid out once as register tiles read it
(``pack_right``); few rows times it (``packed_gemm``) run at the speed of large products.

Read next: lower/gemm.py (who picks one), codegen/intrinsics.py (the names used in the text).
"""

from __future__ import annotations

from functools import cache

from flowgraph.kernel.ir import TextKernel

#: Products m * n * k up to which small_gemm is the faster one.
SMALL_GEMM_LIMIT = 256

#: Rows start to stop of c; all addresses are of element 0.
_ROWS = """\
def rows(n, k, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, start, stop):
    if (n >= 32) & (b_col == 1) & (c_col == 1):
        # rows of b, scaled, added up in rows of c
        for i in range(start, stop):
            for j in independent(n):
                store(c, i * c_row + j, {dtype}(0))
            for p in range(k):
                x = load(a, i * a_row + p * a_col)
                for j in independent(n):
                    total = load(c, i * c_row + j)
                    store(c, i * c_row + j, total + x * load(b, p * b_row + j))
    else:
        # four columns at a time: their sums do not wait for each other
        for i in range(start, stop):
            for j in range(0, n - 3, 4):
                s0 = {dtype}(0)
                s1 = {dtype}(0)
                s2 = {dtype}(0)
                s3 = {dtype}(0)
                for p in range(k):
                    x = load(a, i * a_row + p * a_col)
                    at = p * b_row + j * b_col
                    s0 += x * load(b, at)
                    s1 += x * load(b, at + b_col)
                    s2 += x * load(b, at + 2 * b_col)
                    s3 += x * load(b, at + 3 * b_col)
                at = i * c_row + j * c_col
                store(c, at, s0)
                store(c, at + c_col, s1)
                store(c, at + 2 * c_col, s2)
                store(c, at + 3 * c_col, s3)
            for j in range(n - n % 4, n):
                s0 = {dtype}(0)
                for p in range(k):
                    s0 += load(a, i * a_row + p * a_col) * load(b, p * b_row + j * b_col)
                store(c, i * c_row + j * c_col, s0)
    return int64(0)
"""

_SMALL = """\
def kernel(block, start, stop):
    n = slot(block, 1)
    k = slot(block, 2)
    a = {dtype}_pointer(slot(block, 3))
    a_row = slot(block, 4)
    a_col = slot(block, 5)
    b = {dtype}_pointer(slot(block, 6))
    b_row = slot(block, 7)
    b_col = slot(block, 8)
    c = {dtype}_pointer(slot(block, 9))
    c_row = slot(block, 10)
    c_col = slot(block, 11)
    return rows(n, k, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, start, stop)
"""

#: Offsets of the matrices at index ``batch``, counted through the batch axes, innermost first.
_AT_BATCH = """\
        rest = batch
        a_at = int64(0)
        b_at = int64(0)
        c_at = int64(0)
        word = int64({words})
        for axis in range(axes):
            index = rest
            if axis < axes - 1:
                size = slot(block, word)
                index = rest % size
                rest = rest // size
            a_at += index * slot(block, word + 1)
            b_at += index * slot(block, word + 2)
            c_at += index * slot(block, word + 3)
            word += 4
"""

_SMALL_BATCH = """\
def kernel(block, start, stop):
    m = slot(block, 0)
    n = slot(block, 1)
    k = slot(block, 2)
    a = {dtype}_pointer(slot(block, 3))
    a_row = slot(block, 4)
    a_col = slot(block, 5)
    b = {dtype}_pointer(slot(block, 6))
    b_row = slot(block, 7)
    b_col = slot(block, 8)
    c = {dtype}_pointer(slot(block, 9))
    c_row = slot(block, 10)
    c_col = slot(block, 11)
    axes = slot(block, 12)
    zero = int64(0)
    for batch in range(start, stop):
{at_batch}
        x = offset(a, a_at)
        y = offset(b, b_at)
        z = offset(c, c_at)
        rows(n, k, x, a_row, a_col, y, b_row, b_col, z, c_row, c_col, zero, m)
    return 0
"""

_WORDS = """\
def kernel(block, start, stop):
    m = slot(block, 0)
    n = slot(block, 1)
    k = slot(block, 2)
    a = slot(block, 3)
    a_row = slot(block, 4)
    a_transposed = slot(block, 5)
    b = slot(block, 6)
    b_row = slot(block, 7)
    b_transposed = slot(block, 8)
    c = slot(block, 9)
    c_row = slot(block, 10)
    function = slot(block, 11)
"""

_BLAS = (
    _WORDS
    + """\
    one = {dtype}(1)
    zero = {dtype}(0)
    {routine}(
        function, a_transposed, b_transposed, m, n, k,
        one, a, a_row, b, b_row, zero, c, c_row,
    )
    return 0
"""
)

_BLAS_BATCH = (
    _WORDS
    + """\
    axes = slot(block, 12)
    one = {dtype}(1)
    zero = {dtype}(0)
    for batch in range(start, stop):
{at_batch}
        {routine}(
            function, a_transposed, b_transposed, m, n, k,
            one, a + a_at * {nbytes}, a_row, b + b_at * {nbytes}, b_row, zero, c + c_at * {nbytes},
            c_row,
        )
    return 0
"""
)

#: Fortran's routine sees the transposes of row-major matrices: c^T = b^T a^T.
_COMPLEX_BATCH = (
    _WORDS
    + """\
    axes = slot(block, 12)
    sizes = int32_stack(6)
    store(sizes, 0, int32(n))
    store(sizes, 1, int32(m))
    store(sizes, 2, int32(k))
    store(sizes, 3, int32(b_row))
    store(sizes, 4, int32(a_row))
    store(sizes, 5, int32(c_row))
    flags = int8_stack(2)
    store(flags, 0, int8(78 if b_transposed == 0 else {b_flag}))
    store(flags, 1, int8(78 if a_transposed == 0 else {a_flag}))
    numbers = {part}_stack(4)
    store(numbers, 0, {part}(1))
    store(numbers, 1, {part}(0))
    store(numbers, 2, {part}(0))
    store(numbers, 3, {part}(0))
    for batch in range(start, stop):
{at_batch}
        call_addresses(
            function, address(flags), address(offset(flags, 1)),
            address(sizes), address(offset(sizes, 1)), address(offset(sizes, 2)),
            address(numbers), b + b_at * {nbytes}, address(offset(sizes, 3)),
            a + a_at * {nbytes}, address(offset(sizes, 4)),
            address(offset(numbers, 2)), c + c_at * {nbytes}, address(offset(sizes, 5)),
        )
    return 0
"""
)

#: dtype -> the BLAS routine of blas_gemm, also the Symbol of its address.
BLAS_ROUTINES = {"float32": "sgemm", "float64": "dgemm"}

#: Complex dtype -> the Fortran routine of complex_gemm_batch.
COMPLEX_ROUTINES = {"complex64": "cgemm_", "complex128": "zgemm_"}


@cache
def small_gemm(dtype: str) -> TextKernel:
    """Loops over any strides, any number dtype; the outer loop runs over rows of ``c``.

    Block: ``[m, n, k, a, its row and column stride, b, row, column, c, row, column]``, strides in
    elements. With ``k = 0`` the result is zero.  Integers wrap.
    """
    text = (_ROWS + _SMALL).format(dtype=dtype)
    return TextKernel(f"small_gemm_{dtype}", text)


@cache
def small_gemm_batch(dtype: str) -> TextKernel:
    """As small_gemm, for every index of batch axes, over which the outer loop runs.

    Block: the words of small_gemm, then the number of batch axes, and for each, the innermost
    first, ``[size, stride in a, in b, in c]``.
    """
    text = (_ROWS + _SMALL_BATCH).format(dtype=dtype, at_batch=_AT_BATCH.format(words=13))
    return TextKernel(f"small_gemm_batch_{dtype}", text)


@cache
def blas_gemm(dtype: str) -> TextKernel:
    """One cblas ?gemm call (float32 or float64, row-major); start and stop are not read.

    Block: ``[m, n, k, a, lda, a transposed, b, ldb, b transposed, c, ldc, cblas_?gemm]``: a leading
    dimension is the distance between rows as stored, in elements.
    """
    text = _BLAS.format(dtype=dtype, routine=BLAS_ROUTINES[dtype])
    return TextKernel(f"blas_gemm_{dtype}", text)


@cache
def blas_gemm_batch(dtype: str) -> TextKernel:
    """As blas_gemm, for every index of batch axes, over which the outer loop runs.

    Block: the words of blas_gemm, then the batch axes as in small_gemm_batch.
    """
    text = _BLAS_BATCH.format(
        dtype=dtype,
        routine=BLAS_ROUTINES[dtype],
        nbytes=int(dtype.removeprefix("float")) // 8,
        at_batch=_AT_BATCH.format(words=13),
    )
    return TextKernel(f"blas_gemm_batch_{dtype}", text)


_PACK = """\
def kernel(block, start, stop):
    n = slot(block, 0)
    k = slot(block, 1)
    b = {dtype}_pointer(slot(block, 2))
    b_row = slot(block, 3)
    b_col = slot(block, 4)
    packed = {dtype}_pointer(slot(block, 5))
    wide = tile_columns(packed, n)
    for panel in range((n + wide - 1) // wide):
        first = minimum(panel * wide, n - wide)
        for p in range(k):
            for j in independent(wide):
                x = load(b, p * b_row + (first + j) * b_col)
                store(packed, (panel * k + p) * wide + j, x)
    return 0
"""

#: NB: the last rows, and the last columns, are a full tile that overlaps the one before.
_PACKED = """\
def kernel(block, start, stop):
    m = slot(block, 0)
    n = slot(block, 1)
    k = slot(block, 2)
    a = {dtype}_pointer(slot(block, 3))
    packed = {dtype}_pointer(slot(block, 4))
    c = {dtype}_pointer(slot(block, 5))
    c_row = slot(block, 6)
    wide = tile_columns(c, n)
    rows = tile_rows(c, n)
    third = rows // 3
    for panel in range((n + wide - 1) // wide):
        first = minimum(panel * wide, n - wide)
        b = offset(packed, panel * k * wide)
        i = int64(0)
        while i < m:
            take = minimum(rows, (m - i + third - 1) // third * third)
            take = minimum(take, m // third * third)
            i = minimum(i, m - take)
            to = offset(c, i * c_row + first)
            multiply_rows(offset(a, i * {pitch}), {pitch}, b, k, to, c_row, wide, take, int64(0))
            i += take
    return 0
"""


def is_worth_packing(dtype: str, m: int, n: int, k: int) -> bool:
    """True for (m, k) @ (k, n) whose right matrix pack_right should lay out, for many products.

    BLAS is as fast with many rows; where the panels leave the second-level cache it is faster.
    """
    size = int(dtype.removeprefix("float")) // 8 if dtype in BLAS_ROUTINES else 0
    return bool(size) and 8 <= m <= 96 and n >= 32 and 8 <= k <= 1024 and k * n * size <= 1 << 20


def packed_count(n: int, k: int) -> int:
    """Numbers in a packed (k, n) matrix; no tile is wider than 32."""
    return -(-n // 32) * 32 * k


@cache
def pack_right(dtype: str) -> TextKernel:
    """``b`` in panels as wide as a register tile.

    Block: ``[n, k, b, its row and column stride, packed]``, strides in elements; n >= 32.
    """
    return TextKernel(f"pack_right_{dtype}", _PACK.format(dtype=dtype))


@cache
def packed_gemm(dtype: str, pitch: int) -> TextKernel:
    """c = a @ b with ``b`` packed, and rows of ``a`` (m >= 8) ``pitch`` elements apart.

    Block: ``[m, n, k, a, packed, c, distance of its rows]``.
    """
    return TextKernel(f"packed_gemm_{dtype}_{pitch}", _PACKED.format(dtype=dtype, pitch=pitch))


@cache
def complex_gemm_batch(dtype: str, conjugate_a: bool, conjugate_b: bool) -> TextKernel:
    """As blas_gemm_batch, of complex matrices; those that are transposed may be conjugated too."""
    bits = int(dtype.removeprefix("complex"))
    text = _COMPLEX_BATCH.format(
        part=f"float{bits // 2}",
        nbytes=bits // 8,
        at_batch=_AT_BATCH.format(words=13),
        a_flag=ord("C" if conjugate_a else "T"),
        b_flag=ord("C" if conjugate_b else "T"),
    )
    return TextKernel(f"complex_gemm_batch_{dtype}", text)

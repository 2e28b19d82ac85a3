"""Discrete Fourier transforms of the last one, two or three axes.

    FFT    y[k] = sum_n x[n] exp(-2 pi i k n / N)          IFFT   its inverse, with 1 / N
    RFFT   of real numbers: only k <= N / 2                IRFFT  its inverse, real

Kernels are those of fourier_text.py.  The transforms are linear, so gradients are the adjoint maps,
which are transforms again.

Read next: fourier_functions.py (the public functions).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import complex64, float32, float64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.ops.fourier_text import COMPLEX, HELPERS, INVERSE_REAL, REAL, padded_length
from flowgraph.ops.lapack import complex_of, mixed
from flowgraph.ops.rules import f32, i32, invalid, require_rank_at_least, same_shape
from flowgraph.shapes import Dims, ShapeError, format_dims, with_rank

_COMPLEX = frozenset(("complex64", "complex128"))
_REAL = frozenset(("float32", "float64"))
_SUFFIX = {1: "", 2: "2D", 3: "3D"}


def _type(name: str, rank: int) -> str:
    return name + _SUFFIX[rank]


def _axes(rank: int) -> tuple[int, ...]:
    return tuple(range(-rank, 0))


# ---------------------------------------------------------------------------------------- kernels


def _block(sizes: Any, rank: int) -> list[int]:
    """The last sizes as those of three axes."""
    return [1] * (3 - rank) + [int(size) for size in sizes[len(sizes) - rank :]]


def _kernel_sizes(call_: Call, rank: int, inverse: bool) -> dict[str, int]:
    given: Any = call_.shapes[0]
    lengths = _block(given if len(call_.shapes) == 1 else call_.value(1), rank)
    blocks = _block(given, rank)
    columns = lengths[2] if len(call_.shapes) == 1 else lengths[2] // 2 + 1
    return {
        "batch": math.prod(given[: len(given) - rank]),
        **{f"n{axis}": size for axis, size in enumerate(lengths)},
        **{f"i{axis}": size for axis, size in enumerate(blocks)},
        **{f"l{axis}": padded_length(max(size, 1)) for axis, size in enumerate(lengths)},
        "c2": columns,
        "inverse": inverse,
    }


def _kernel(text: str, rank: int, inverse: bool) -> Procedure:
    def sizes(call_: Call) -> dict[str, int]:
        return _kernel_sizes(call_, rank, inverse)

    def scratch(call_: Call) -> dict[str, tuple[str, int]]:
        found = sizes(call_)
        length = max(found[f"l{axis}"] for axis in range(3))
        size = max(found[f"n{axis}"] for axis in range(3))
        real = call_.out_dtypes[0].base_dtype.real_dtype.name
        whole = found["batch"] * found["n0"] * found["n1"] * found["c2"]
        return {
            **dict.fromkeys(("a", "b", "table", "spectrum"), (real, 2 * length + 2)),
            "chirp": (real, 2 * size),
            "factors": ("int64", 64),
            **({"work": (real, 2 * whole)} if text is INVERSE_REAL else {}),
        }

    def flops(call_: Call) -> int:
        found = sizes(call_)
        count = math.prod(found[f"n{axis}"] for axis in range(3))
        return int(5 * found["batch"] * count * math.log2(max(count, 2)))

    return Procedure(
        text,
        sizes=sizes,
        known=() if text is COMPLEX else (1,),
        scratch=scratch,
        helpers=HELPERS,
        flops=flops,
        parts=True,
    )


# ------------------------------------------------------------------------------- complex to complex


def _complex_transform(name: str, rank: int, inverse: bool) -> None:
    def infer(call_: Call) -> list[Dims]:
        require_rank_at_least(call_.shapes[0], rank, "input")
        return same_shape(call_)

    def reference(call_: Call, x: Any) -> Any:
        if x.size == 0:
            return x.copy()
        transform = np.fft.ifftn if inverse else np.fft.fftn
        return transform(x, axes=_axes(rank)).astype(x.dtype)

    def grad(op: Any, dy: Tensor) -> tuple[Tensor]:
        # the adjoint of F is N F^-1
        count = call.Cast(_count(op.input, rank), DstT=dy.dtype.base_dtype)
        if inverse:
            return (apply_op(_type("FFT", rank), dy) / count,)
        return (apply_op(_type("IFFT", rank), dy) * count,)

    shapes: dict[int, tuple[tuple[int, ...], ...]] = {
        1: ((8,), (2, 3, 7), (1,), (12,), (67,), (2, 60), (2, 0), (0, 4)),
        2: ((4, 6), (2, 3, 5), (0, 4)),
        3: ((2, 3, 4), (2, 1, 3, 2), (0, 2, 2)),
    }
    define(
        _type(name, rank),
        "input: Tcomplex -> output: Tcomplex",
        Tcomplex=dtypes_of(_COMPLEX, complex64),
        infer=infer,
        kernel=_kernel(COMPLEX, rank, inverse),
        grad=grad,
        reference=reference,
        samples=tuple(
            sample(complex_of(mixed(*shape), mixed(*shape, seed=1))) for shape in shapes[rank]
        ),
        errors=(
            error_sample(
                ValueError,
                f"at least {rank} axes",
                np.zeros((2,) * (rank - 1), np.complex64),
            ),
        ),
        doc=f"The {'inverse ' if inverse else ''}discrete Fourier transform of the last axes: "
        f"{rank}.",
    )


def _count(x: Tensor, rank: int) -> Tensor:
    """The number of elements of the last axes."""
    if x.dims is not None and None not in x.dims[len(x.dims) - rank :]:
        sizes: Any = x.dims[len(x.dims) - rank :]
        return call.Const(value=np.array(math.prod(sizes), np.float64), dtype=float64)
    return call.Cast(call.Prod(call.Shape(x)[-rank:], 0), DstT=float64)


# ----------------------------------------------------------------------------------- with real ones


def _lengths(call_: Call, rank: int) -> tuple[int | None, ...]:
    """Input 1, the sizes of the real side."""
    given = with_rank(call_.shapes[1], 1)
    if given[0] not in (rank, None):
        raise ShapeError(f"fft_length must be {rank} numbers, not {given[0]}")
    sizes = call_.partial(1)
    if sizes is None or len(sizes) != rank:
        return (None,) * rank
    return sizes


def _replaced(dims: Dims, sizes: tuple[int | None, ...]) -> Dims:
    return None if dims is None else (*dims[: len(dims) - len(sizes)], *sizes)


def _half(size: int | None) -> int | None:
    return None if size is None else (size // 2 + 1 if size > 0 else 0)


def _halved(sizes: tuple[int | None, ...]) -> tuple[int | None, ...]:
    return (*sizes[:-1], _half(sizes[-1]))


def _check_sizes(dims: Dims, needed: tuple[int | None, ...]) -> None:
    """ShapeError when an axis is shorter than what a transform reads of it."""
    if dims is None:
        return
    for size, least in zip(dims[len(dims) - len(needed) :], needed, strict=True):
        if size is not None and least is not None and size < least:
            raise ShapeError(
                f"input of shape {format_dims(dims)} must have at least {format_dims(needed)} "
                "elements along its last axes for this fft_length"
            )


def _cut(x: Any, sizes: tuple[int, ...]) -> Any:
    """The first elements of the last axes; they must be there."""
    try:
        _check_sizes(x.shape, sizes)
    except ShapeError as error:
        raise invalid(error.headline) from None
    return x[(..., *(slice(0, size) for size in sizes))]


def _sizes_of(lengths: Any, rank: int) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in lengths)
    if len(sizes) != rank or min(sizes) < 0:
        raise invalid(f"fft_length must be {rank} sizes, not {list(sizes)}")
    return sizes


def _padded(x: Tensor, like: Tensor) -> Tensor:
    """``x`` with zeros at the end of its last axes, up to the size of ``like``."""
    if x.dims is not None and like.dims is not None and None not in x.dims + like.dims:
        if x.dims == like.dims:
            return x
    missing = call.Shape(like) - call.Shape(x)
    before = call.ZerosLike(missing)
    result = call.Pad(x, call.Pack([before, missing], axis=1))
    result.set_shape(like.dims)
    return result


def _weights(length: Tensor, of_pairs: float, dtype: Any) -> Tensor:
    """A number for each k <= N / 2: 1 where -k is k modulo N, else ``of_pairs``."""
    k = call.Range(0, call.FloorDiv(length, 2) + 1, 1)
    alone = call.LogicalOr(call.Equal(k, 0), call.Equal(2 * k, length))
    dtype = dtype.real_dtype
    one, other = (call.Const(value=np.array(v, dtype.np), dtype=dtype) for v in (1, of_pairs))
    return call.SelectV2(alone, one, other)


def _product(lengths: Tensor, dtype: Any) -> Tensor:
    return call.Cast(call.Prod(lengths, 0), DstT=dtype.base_dtype)


def _real_transform(rank: int) -> None:
    def infer(call_: Call) -> list[Dims]:
        dims = call_.shapes[0]
        require_rank_at_least(dims, rank, "input")
        sizes = _lengths(call_, rank)
        _check_sizes(dims, sizes)
        return [_replaced(dims, _halved(sizes))]

    def reference(call_: Call, x: Any, lengths: Any) -> Any:
        sizes = _sizes_of(lengths, rank)
        x = _cut(x, sizes)
        dtype = call_.attrs["Tcomplex"].np
        if x.size == 0:
            return np.zeros((*x.shape[:-1], _half(sizes[-1])), dtype)
        return np.fft.rfftn(x, axes=_axes(rank)).astype(dtype)

    def grad(op: Any, dy: Tensor) -> tuple[Tensor, None]:
        # dx[n] = Re sum_k dy[k] exp(2 pi i k n / N) over the k that are there: the inverse counts
        # those that stand for two twice
        lengths, dtype = op.fft_length, op.input.dtype.base_dtype
        weights = call.Cast(_weights(lengths[-1], 0.5, dtype), DstT=dy.dtype.base_dtype)
        dx = apply_op(_type("IRFFT", rank), dy * weights, lengths, Treal=dtype)
        dx = dx * _product(lengths, dtype)
        return _padded(dx, op.input), None

    define(
        _type("RFFT", rank),
        "input: Treal, fft_length: int32 -> output: Tcomplex",
        Treal=dtypes_of(_REAL, float32),
        Tcomplex=dtypes_of(_COMPLEX, complex64),
        infer=infer,
        kernel=_kernel(REAL, rank, inverse=False),
        grad=grad,
        reference=reference,
        samples=tuple(
            # of complex64, which is too short for differences; the adjoint is tested elsewhere
            sample(*s.inputs, const=s.const, differentiable=())
            for s in _REAL_SAMPLES[rank]
        ),
        errors=(
            error_sample(ValueError, f"at least {rank} axes", f32(*(2,) * (rank - 1)), i32([4])),
            error_sample(ValueError, "numbers, not 4", f32(*(2,) * rank), i32([2] * 4)),
            error_sample(
                ValueError, "must have at least", f32(*(2,) * rank), i32([3] * rank), const=(1,)
            ),
            error_sample(
                Exception, "must have at least", f32(*(2,) * rank), i32([3] * rank), stage="run"
            ),
        ),
        doc="The discrete Fourier transform of real numbers: the frequencies from 0 to half of "
        "fft_length[-1]; longer input is cut.",
    )


def _inverse_real_transform(rank: int) -> None:
    def infer(call_: Call) -> list[Dims]:
        dims = call_.shapes[0]
        require_rank_at_least(dims, rank, "input")
        sizes = _lengths(call_, rank)
        _check_sizes(dims, _halved(sizes))
        return [_replaced(dims, sizes)]

    def reference(call_: Call, x: Any, lengths: Any) -> Any:
        sizes = _sizes_of(lengths, rank)
        x = _cut(x, _halved(sizes))  # type: ignore[arg-type]
        dtype = call_.attrs["Treal"].np
        if x.size == 0 or 0 in sizes:
            return np.zeros((*x.shape[: x.ndim - rank], *sizes), dtype)
        return np.fft.irfftn(x, sizes, _axes(rank)).astype(dtype)

    def grad(op: Any, dy: Tensor) -> tuple[Tensor, None]:
        # of y = Re(..) / N; x[k] stands for two frequencies but where k is its own negative
        lengths, dtype = op.fft_length, op.input.dtype.base_dtype
        weights = call.Cast(_weights(lengths[-1], 2.0, dtype), DstT=dtype)
        dx = apply_op(_type("RFFT", rank), dy, lengths, Tcomplex=dtype)
        dx = dx * weights / _product(lengths, dtype)
        return _padded(dx, op.input), None

    define(
        _type("IRFFT", rank),
        "input: Tcomplex, fft_length: int32 -> output: Treal",
        Treal=dtypes_of(_REAL, float32),
        Tcomplex=dtypes_of(_COMPLEX, complex64),
        infer=infer,
        kernel=_kernel(INVERSE_REAL, rank, inverse=True),
        grad=grad,
        reference=reference,
        samples=tuple(
            sample(_half_spectrum(s), s.inputs[1], const=s.const) for s in _REAL_SAMPLES[rank]
        ),
        errors=(
            error_sample(
                ValueError,
                f"at least {rank} axes",
                np.zeros((2,) * (rank - 1), np.complex64),
                i32([4]),
            ),
            error_sample(
                ValueError,
                "must have at least",
                np.zeros((2,) * rank, np.complex64),
                i32([8] * rank),
                const=(1,),
            ),
        ),
        doc="The real numbers whose RFFT is ``input``; of frequencies that are their own negative "
        "only the real part counts.",
    )


def _half_spectrum(given: Any) -> Any:
    shape = given.inputs[0].shape
    shape = (*shape[:-1], shape[-1] // 2 + 1)
    return complex_of(mixed(*shape), mixed(*shape, seed=1))


_REAL_SAMPLES: dict[int, tuple[Any, ...]] = {
    1: (
        sample(mixed(8), i32([8]), const=(1,)),
        sample(mixed(2, 3, 7), i32([7]), const=(1,)),
        sample(mixed(2, 9), i32([6])),
        sample(mixed(2, 9), i32([5]), const=(1,)),
        sample(mixed(3, 1), i32([1]), const=(1,)),
        sample(mixed(3, 2), i32([2]), const=(1,)),
        sample(f32(0, 4), i32([4]), const=(1,)),
    ),
    2: (
        sample(mixed(4, 6), i32([4, 6]), const=(1,)),
        sample(mixed(2, 3, 5), i32([3, 5])),
        sample(mixed(5, 9), i32([4, 6]), const=(1,)),
        sample(f32(0, 2, 4), i32([2, 4]), const=(1,)),
    ),
    3: (
        sample(mixed(2, 3, 4), i32([2, 3, 4]), const=(1,)),
        sample(mixed(2, 3, 2, 5), i32([3, 2, 5])),
        sample(mixed(3, 3, 6), i32([2, 3, 4]), const=(1,)),
    ),
}

for _rank in (1, 2, 3):
    _complex_transform("FFT", _rank, inverse=False)
    _complex_transform("IFFT", _rank, inverse=True)
    _real_transform(_rank)
    _inverse_real_transform(_rank)

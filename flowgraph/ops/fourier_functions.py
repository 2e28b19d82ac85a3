"""tf.signal.fft and its family: what programs call for the records of fourier.py.

Read next: cosine_transforms.py, signal_frames.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import complex64, complex128, float32, float64, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value

_COMPLEX_OF = {float32: complex64, float64: complex128}


def _complex_function(name: str, rank: int, inverse: bool) -> None:
    type = ("IFFT" if inverse else "FFT") + {1: "", 2: "2D", 3: "3D"}[rank]

    @export(f"signal.{name}", f"spectral.{name}", name)
    def function(input: Any, name: str | None = None) -> Tensor:
        hint = None if hasattr(input, "dtype") else complex64
        return apply_op(type, convert_to_tensor(input, dtype_hint=hint, name="input"), name=name)

    axes = {1: "the last axis", 2: "the last two axes", 3: "the last three axes"}[rank]
    sign, scale = ("+", " / N") if inverse else ("-", "")
    function.__name__ = function.__qualname__ = name
    kind = "inverse " if inverse else ""
    function.__doc__ = f"""The {kind}discrete Fourier transform along {axes}.

    y[k] = sum_n x[n] exp({sign}2 pi i k n / N){scale}, for every axis.

    Args:
        input: complex64 or complex128, of {rank} or more axes.
        name: of the operation; ``{type}`` by default.

    Returns:
        A tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: there are fewer axes.   TypeError: the numbers are not complex.

    Gradient: the adjoint map, {"FFT(dy) / N" if inverse else "N IFFT(dy)"}.
    """


for _rank, _suffix in ((1, ""), (2, "2d"), (3, "3d")):
    _complex_function(f"fft{_suffix}", _rank, inverse=False)
    _complex_function(f"ifft{_suffix}", _rank, inverse=True)


# ------------------------------------------------------------------------------------ real numbers


def _fft_length(x: Tensor, given: Any, rank: int, inverse: bool) -> Tensor:
    """``given`` as a vector, or what the size of ``x`` says."""
    if given is not None:
        return convert_to_tensor(given, dtype=int32, name="fft_length")
    if x.dims is not None and None not in x.dims[-rank:] and len(x.dims) >= rank:
        sizes: Any = list(x.dims[-rank:])
        if inverse:
            sizes[-1] = max(0, 2 * (sizes[-1] - 1))
        return convert_to_tensor(np.array(sizes, np.int32), name="fft_length")
    shape = call.Shape(x)[-rank:]
    if not inverse:
        return shape
    last = call.Maximum(2 * (shape[-1:] - 1), np.zeros(1, np.int32))
    return last if rank == 1 else call.ConcatV2([shape[:-1], last], 0)


def _long_enough(x: Tensor, lengths: Tensor, rank: int, inverse: bool) -> Tensor:
    """``x``, with zeros at the end of axes that are shorter than the transform reads."""
    value = constant_value(lengths)
    if value is not None:
        needed: Any = value.tolist()
        if inverse and needed:
            needed[-1] = needed[-1] // 2 + 1 if needed[-1] > 0 else 0
        if x.dims is not None and len(needed) == rank and len(x.dims) >= rank:
            have = x.dims[-rank:]
            if None not in have:
                missing = [max(0, n - h) for n, h in zip(needed, have, strict=True)]
                if not any(missing):
                    return x
                pads = [(0, 0)] * (len(x.dims) - rank) + [(0, n) for n in missing]
                return call.Pad(x, np.array(pads, np.int32))
    wanted = lengths
    if inverse:
        last = call.Select(
            call.Greater(lengths[-1:], 0), call.FloorDiv(lengths[-1:], 2) + 1, lengths[-1:]
        )
        wanted = last if rank == 1 else call.ConcatV2([lengths[:-1], last], 0)
    missing = call.Maximum(wanted - call.Shape(x)[-rank:], np.zeros(rank, np.int32))
    before = call.Fill(call.Pack([call.Rank(x) - rank]), np.int32(0))
    after = call.ConcatV2([before, missing], 0)
    return call.Pad(x, call.Pack([call.ZerosLike(after), after], axis=1))


def _real_function(name: str, rank: int, inverse: bool) -> Callable[..., Tensor]:
    type = ("IRFFT" if inverse else "RFFT") + {1: "", 2: "2D", 3: "3D"}[rank]

    @export(f"signal.{name}", f"spectral.{name}")
    def function(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with name_scope(name, function.__name__, [input_tensor, fft_length]) as scope:
            if inverse:
                x = convert_to_tensor(input_tensor, dtype_hint=complex64, name="input")
                pairs = {wide: real for real, wide in _COMPLEX_OF.items()}
            else:
                x = convert_to_tensor(input_tensor, dtype_hint=float32, name="input")
                pairs = _COMPLEX_OF
            other = pairs.get(x.dtype.base_dtype)
            if other is None:
                allowed = " or ".join(dtype.name for dtype in pairs)
                raise ValueError(
                    f"{function.__name__}: the input must be {allowed}, not "
                    f"{x.dtype.base_dtype.name}"
                )
            if x.dims is not None and len(x.dims) < rank:
                raise ValueError(
                    f"{function.__name__}: the input must have at least {rank} axes, not shape "
                    f"{x.shape}"
                )
            lengths = _fft_length(x, fft_length, rank, inverse)
            if fft_length is not None and (lengths.dims is None or lengths.dims == (rank,)):
                x = _long_enough(x, lengths, rank, inverse)
            kinds = {"Treal": other} if inverse else {"Tcomplex": other}
            return apply_op(type, x, lengths, **kinds, name=scope)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _inverse_real_doc(rank, name) if inverse else _real_doc(rank, name)
    return function


_ALONG = {1: "the last axis", 2: "the last two axes", 3: "the last three axes"}


def _real_doc(rank: int, name: str) -> str:
    return f"""The discrete Fourier transform of real numbers along {_ALONG[rank]}.

    y[k] = sum_n x[n] exp(-2 pi i k n / N), of the last axis only for k <= N / 2: the others are the
    conjugates of these.

    Args:
        input_tensor: float32 or float64, of {rank} or more axes.
        fft_length: {rank} integer{"s" if rank > 1 else ""}: the sizes N; longer axes are cut,
            shorter ones padded with zeros.  The sizes of the input by default.
        name: of the operation; ``{name}`` by default.

    Returns:
        complex64 or complex128, of N // 2 + 1 elements along the last axis.

    Raises:
        ValueError: there are fewer axes, the dtype is another, or ``fft_length`` does not fit.

    Gradient: the adjoint map.
    """


def _inverse_real_doc(rank: int, name: str) -> str:
    return f"""The real numbers of which ``{name[1:]}`` gives this spectrum, along {_ALONG[rank]}.

    Args:
        input_tensor: complex64 or complex128, of {rank} or more axes; the last one has the
            frequencies from 0 to N / 2.
        fft_length: {rank} integer{"s" if rank > 1 else ""}: the sizes N of the result; spectra are
            cut or padded with zeros.  By default the last one is 2 (K - 1) for K frequencies:
            say so where N is odd.
        name: of the operation; ``{name}`` by default.

    Returns:
        float32 or float64.

    Raises:
        ValueError: there are fewer axes, the dtype is another, or ``fft_length`` does not fit.

    Gradient: the adjoint map.
    Numerics: of frequencies that are their own negative (0, and N / 2 of even N) the imaginary part
    is ignored.
    """


rfft = _real_function("rfft", 1, inverse=False)
irfft = _real_function("irfft", 1, inverse=True)
for _rank, _suffix in ((2, "2d"), (3, "3d")):
    _real_function(f"rfft{_suffix}", _rank, inverse=False)
    _real_function(f"irfft{_suffix}", _rank, inverse=True)


# ------------------------------------------------------------------------------------------ shifts


def _shift(function: str, x: Any, axes: Any, name: str | None, back: bool) -> Tensor:
    with name_scope(name, function, [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if axes is None:
            sizes, axes = call.Shape(x), call.Range(0, call.Rank(x), 1)
            if x.dims is not None:
                axes = np.arange(len(x.dims), dtype=np.int32)
        else:
            if not isinstance(axes, Tensor):
                axes = np.asarray(axes, np.int32)
                known = np.where(axes < 0, axes + len(x.dims), axes) if x.dims else axes
            else:
                known = call.SelectV2(call.Less(axes, 0), axes + call.Rank(x), axes)
            sizes = call.GatherV2(call.Shape(x), known, 0)
        by = call.FloorDiv(sizes, 2)
        return call.Roll(x, call.Neg(by) if back else by, axes, name=scope)


@export("signal.fftshift")
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Moves frequency 0 from the beginning of axes to their middle.

    y[(k + N // 2) % N] = x[k]

    Args:
        x: a tensor.
        axes: an integer or several; all axes by default.
        name: of the operation; ``fftshift`` by default.

    Gradient: ``ifftshift`` of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.fftshift([0, 1, 2, -2, -1]))
    array([-2, -1,  0,  1,  2], dtype=int32)
    """
    return _shift("fftshift", x, axes, name, back=False)


@export("signal.ifftshift")
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Moves frequency 0 from the middle of axes to their beginning: undoes ``fftshift``.

    Args:
        x: a tensor.
        axes: an integer or several; all axes by default.
        name: of the operation; ``ifftshift`` by default.

    Gradient: ``fftshift`` of dy.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.ifftshift([-2, -1, 0, 1, 2]))
    array([ 0,  1,  2, -2, -1], dtype=int32)
    """
    return _shift("ifftshift", x, axes, name, back=True)

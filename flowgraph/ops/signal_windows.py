"""Windows for frames of signals.

All are computed in float64 and rounded once.

Read next: signal_spectra.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, float64, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.signal_frames import as_size
from flowgraph.tensor_shape import Dimension


def _built(
    function: str,
    window_length: Any,
    dtype: Any,
    name: str | None,
    shape: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """``shape(k, N)`` for k = 0 ... N - 1, float64; rounded to ``dtype``."""
    dtype = as_dtype(dtype).base_dtype
    if not dtype.is_floating:
        raise ValueError(f"{function}: dtype must be a float dtype, not {dtype.name}")
    if isinstance(window_length, Dimension):
        window_length = window_length.value
    with name_scope(name, function, [window_length]):
        size, known = as_size(window_length, function, "window_length")
        if known is not None:
            places = convert_to_tensor(np.arange(known, dtype=np.float64))
            count = convert_to_tensor(np.float64(known))
        else:
            places = call.Cast(call.Range(np.int32(0), size, np.int32(1)), DstT=float64)
            count = call.Cast(size, DstT=float64)
        window = shape(places, count)
        return window if dtype is float64 else call.Cast(window, DstT=dtype)


def _raised_cosine(a: float, b: float, periodic: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """a - b cos(2 pi k / period); 1 of one sample."""

    def shape(places: Tensor, count: Tensor) -> Tensor:
        # NB: the period is N - 1, but N of even N if periodic
        even = 1.0 - call.FloorMod(count, np.float64(2))
        is_periodic = call.Cast(convert_to_tensor(periodic), DstT=float64)
        period = call.Maximum(count + is_periodic * even - 1.0, np.float64(1))
        window = a - b * call.Cos(places * (2 * math.pi) / period)
        return call.SelectV2(call.Equal(count, np.float64(1)), call.OnesLike(window), window)

    return shape


@export("signal.hann_window")
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """The Hann window.

    w[k] = 1/2 - 1/2 cos(2 pi k / P), P = N - 1; of even N and ``periodic`` P = N

    Args:
        window_length: the number of samples N.
        periodic: make it for the analysis of spectra rather than for filters.
        dtype: of the result, a float dtype.
        name: of the operations; ``hann_window`` by default.

    Returns:
        (N,); 1 where N is 1.

    Raises:
        ValueError: N is no positive integer, or ``dtype`` no float dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.hann_window(4)).round(6)
    array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    shape = _raised_cosine(0.5, 0.5, periodic)
    return _built("hann_window", window_length, dtype, name, shape)


@export("signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """The Hamming window.

    w[k] = 0.54 - 0.46 cos(2 pi k / P), P = N - 1; of even N and ``periodic`` P = N

    Args:
        window_length: the number of samples N.
        periodic: make it for the analysis of spectra rather than for filters.
        dtype: of the result, a float dtype.
        name: of the operations; ``hamming_window`` by default.

    Returns:
        (N,); 1 where N is 1.

    Raises:
        ValueError: N is no positive integer, or ``dtype`` no float dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.hamming_window(4)).round(6)
    array([0.08, 0.54, 1.  , 0.54], dtype=float32)
    """
    shape = _raised_cosine(0.54, 0.46, periodic)
    return _built("hamming_window", window_length, dtype, name, shape)


@export("signal.vorbis_window")
def vorbis_window(window_length: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """The window of the Vorbis codec.

    w[k] = sin(pi / 2 sin^2(pi (k + 1/2) / N))

    Args:
        window_length: the number of samples N.
        dtype: of the result, a float dtype.
        name: of the operations; ``vorbis_window`` by default.

    Returns:
        (N,); w[k]^2 + w[k + N/2]^2 = 1.

    Raises:
        ValueError: N is no positive integer, or ``dtype`` no float dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.vorbis_window(3)).round(3)
    array([0.383, 1.   , 0.383], dtype=float32)
    """

    def shape(places: Tensor, count: Tensor) -> Tensor:
        return call.Sin(math.pi / 2 * call.Square(call.Sin(math.pi / count * (places + 0.5))))

    return _built("vorbis_window", window_length, dtype, name, shape)


def _kaiser(places: Tensor, count: Tensor, beta: Any) -> Tensor:
    """I0(beta sqrt(1 - t^2)) / I0(beta), t from -1 to 1; 1 of one sample."""
    if not isinstance(beta, Tensor):
        beta = convert_to_tensor(np.float64(beta))
    beta = call.Cast(beta, DstT=float64)
    half = (count - 1.0) / 2.0
    t = (places - half) / call.Maximum(half, np.float64(0.25))
    at = beta * call.Sqrt(call.Maximum(1.0 - t * t, np.float64(0)))
    # of exp(-x) I0(x), which does not overflow
    return call.Exp(at - call.Abs(beta)) * call.BesselI0e(at) / call.BesselI0e(beta)


@export("signal.kaiser_window")
def kaiser_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """The Kaiser window.

    w[k] = I0(beta sqrt(1 - t^2)) / I0(beta)  with  t = 2 k / (N - 1) - 1

    Args:
        window_length: the number of samples N.
        beta: the greater, the narrower.
        dtype: of the result, a float dtype.
        name: of the operations; ``kaiser_window`` by default.

    Returns:
        (N,); 1 where N is 1.

    Raises:
        ValueError: N is no positive integer, or ``dtype`` no float dtype.

    Gradient: to ``beta``.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.kaiser_window(3, beta=4.0)).round(4)
    array([0.0885, 1.    , 0.0885], dtype=float32)
    """
    return _built(
        "kaiser_window", window_length, dtype, name, lambda k, count: _kaiser(k, count, beta)
    )


@export("signal.kaiser_bessel_derived_window")
def kaiser_bessel_derived_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """The window whose squares are the partial sums of a Kaiser window.

    w[k] = sqrt(sum_{i <= k} v[i] / sum_{i <= N/2} v[i]) for k < N/2, v the Kaiser window of
    N/2 + 1 samples; the second half is the mirror image.

    Args:
        window_length: the number of samples N, even; of odd N there is one sample fewer.
        beta: of the Kaiser window.
        dtype: of the result, a float dtype.
        name: of the operations; ``kaiser_bessel_derived_window`` by default.

    Returns:
        (N,); w[k]^2 + w[k + N/2]^2 = 1.

    Raises:
        ValueError: N is no positive integer, or ``dtype`` no float dtype.

    Gradient: to ``beta``.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.kaiser_bessel_derived_window(2)).round(4)
    array([0.7071, 0.7071], dtype=float32)
    """

    def shape(places: Tensor, count: Tensor) -> Tensor:
        half = call.Cast(call.FloorDiv(count, np.float64(2)), DstT=int32)
        along = call.Cast(call.Range(np.int32(0), half + 1, np.int32(1)), DstT=float64)
        values = _kaiser(along, call.Cast(half + 1, DstT=float64), beta)
        sums = call.Cumsum(values, np.int32(0))
        first = call.Sqrt(sums[:-1] / sums[-1])
        return call.ConcatV2([first, call.ReverseV2(first, np.array([0], np.int32))], 0)

    return _built("kaiser_bessel_derived_window", window_length, dtype, name, shape)

"""Spectra over time: short-time Fourier transform, lapped cosine transform, mel scale.

Read next: signal_frames.py, signal_windows.py, fourier_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, float64, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.cosine_transforms import dct
from flowgraph.ops.fourier_functions import irfft, rfft
from flowgraph.ops.signal_frames import as_size, frame, overlap_and_add
from flowgraph.ops.signal_windows import hann_window, vorbis_window

WindowFunction = Callable[..., Any]


def _power_of_two(length: Any) -> Any:
    """The least that is not below a length."""
    if isinstance(length, int):
        return 1 << (length - 1).bit_length()
    exponent = call.Ceil(call.Log(call.Cast(length, DstT=float64)) / float(np.log(2.0)) - 1e-9)
    return call.Cast(call.Pow(np.float64(2), exponent), DstT=int32)


def _vector(size: Any) -> Any:
    return np.array([size], np.int32) if isinstance(size, int) else call.Pack([size])


def _float_signal(x: Any, function: str, what: str) -> Tensor:
    x = convert_to_tensor(x, dtype_hint=float32, name=what)
    if x.dims is not None and not x.dims:
        raise ValueError(f"{function}: {what} must have at least 1 axis")
    return x


@export("signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: WindowFunction | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The short-time Fourier transform: the spectrum of every frame of a signal.

    Args:
        signals: (..., samples) float32 or float64.
        frame_length: samples of a frame.
        frame_step: samples from the beginning of a frame to that of the next.
        fft_length: samples of a transform, of which those behind a frame are 0; the next power of
            two by default.
        window_fn: called with ``frame_length`` and ``dtype=``: what frames are multiplied with;
            None: nothing.
        pad_end: frames may reach beyond the end, where the signal is 0.
        name: of the operations; ``stft`` by default.

    Returns:
        (..., frames, fft_length // 2 + 1) complex64 or complex128.

    Raises:
        ValueError: a size is no positive integer, or the dtype is another.

    Gradient: as of its parts.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.abs(tf.signal.stft(tf.ones([6]), 4, 2, window_fn=None)))
    array([[4., 0., 0.],
           [4., 0., 0.]], dtype=float32)
    """
    with name_scope(name, "stft", [signals, frame_length, frame_step]):
        x = _float_signal(signals, "stft", "signals")
        length, _ = as_size(frame_length, "stft", "frame_length")
        step, _ = as_size(frame_step, "stft", "frame_step")
        count = _power_of_two(length) if fft_length is None else fft_length
        count, _ = as_size(count, "stft", "fft_length")
        frames = frame(x, length, step, pad_end=pad_end)
        if window_fn is not None:
            frames = frames * window_fn(length, dtype=frames.dtype.base_dtype)
        return rfft(frames, _vector(count))


@export("signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: WindowFunction | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """The signal of a short-time Fourier transform.

    It is that of ``stft`` (but at the ends, where fewer frames overlap) if ``window_fn`` undoes the
    one that was used there: ``inverse_stft_window_fn`` makes it.

    Args:
        stfts: (..., frames, fft_length // 2 + 1) complex64 or complex128.
        frame_length: samples of a frame.
        frame_step: samples from the beginning of a frame to that of the next.
        fft_length: samples of a transform; by default the next power of two.
        window_fn: called with ``frame_length`` and ``dtype=``: what frames are multiplied with
            before they are added; None: nothing.
        name: of the operations; ``inverse_stft`` by default.

    Returns:
        (..., samples) float32 or float64.

    Raises:
        ValueError: a size is no positive integer, or the dtype is another.

    Gradient: as of its parts.

    >>> import flowgraph as tf
    >>> y = tf.signal.stft(tf.ones([6]), 2, 2, window_fn=None)
    >>> tf.Session().run(tf.signal.inverse_stft(y, 2, 2, window_fn=None))
    array([1., 1., 1., 1., 1., 1.], dtype=float32)
    """
    with name_scope(name, "inverse_stft", [stfts]):
        spectra = convert_to_tensor(stfts, name="stfts")
        if spectra.dims is not None and len(spectra.dims) < 2:
            raise ValueError(
                f"inverse_stft: stfts must have at least 2 axes, not shape {spectra.shape}"
            )
        length, known_length = as_size(frame_length, "inverse_stft", "frame_length")
        step, _ = as_size(frame_step, "inverse_stft", "frame_step")
        count = _power_of_two(length) if fft_length is None else fft_length
        count, known_count = as_size(count, "inverse_stft", "fft_length")
        frames = irfft(spectra, _vector(count))
        if known_length is None or known_length != known_count:
            frames = _of_length(frames, length, known_length)
        if window_fn is not None:
            frames = frames * window_fn(length, dtype=frames.dtype.base_dtype)
        return overlap_and_add(frames, step)


def _of_length(x: Tensor, length: Any, known: int | None) -> Tensor:
    """The last axis cut or padded with zeros."""
    size = np.int32(length) if isinstance(length, int) else length
    dims = x.dims
    x = x[..., :size]
    missing = call.Maximum(size - call.Shape(x)[-1], np.int32(0))
    before = call.Fill(call.Pack([call.Rank(x) - 1]), np.int32(0))
    after = call.ConcatV2([before, call.Pack([missing])], 0)
    x = call.Pad(x, call.Pack([call.ZerosLike(after), after], axis=1))
    if dims is not None:
        x.set_shape((*dims[:-1], known))
    return x


@export("signal.inverse_stft_window_fn")
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: WindowFunction = hann_window, name: str | None = None
) -> WindowFunction:
    """The ``window_fn`` for ``inverse_stft`` that undoes ``forward_window_fn``.

    v[k] = w[k] / sum_i w[k + i * frame_step]^2

    Args:
        frame_step: samples from the beginning of a frame to that of the next.
        forward_window_fn: the window of the ``stft``.
        name: of the operations that the result makes; ``inverse_stft_window_fn`` by default.

    Returns:
        A function of ``frame_length`` and ``dtype``.

    >>> import flowgraph as tf
    >>> window = tf.signal.inverse_stft_window_fn(2)
    >>> tf.Session().run(window(4, dtype=tf.float64)).round(6)
    array([0., 1., 1., 1.])
    """

    def window_function(frame_length: Any, dtype: Any) -> Tensor:
        with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
            length, known = as_size(frame_length, "inverse_stft_window_fn", "frame_length")
            step, _ = as_size(frame_step, "inverse_stft_window_fn", "frame_step")
            window = convert_to_tensor(forward_window_fn(length, dtype=dtype))
            size, by = (np.int32(v) if isinstance(v, int) else v for v in (length, step))
            overlaps = call.Neg(call.FloorDiv(call.Neg(size), by))
            squares = _of_length(call.Square(window), overlaps * by, None)
            sums = call.Sum(call.Reshape(squares, call.Pack([overlaps, by])), [0])
            total = call.Tile(sums, call.Pack([overlaps]))[:size]
            result = window / total
            result.set_shape((known,))
            return result

    return window_function


# ------------------------------------------------------------------------ lapped cosine transform


@export("signal.mdct")
def mdct(
    signals: Any,
    frame_length: Any,
    window_fn: WindowFunction | None = vorbis_window,
    pad_end: bool = False,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The modified discrete cosine transform: half as many numbers as every frame has samples.

    Of a frame in quarters a b c d, the type-4 cosine transform of (-c' - d, a - b'), where '
    is the mirror image; the frames overlap by half.

    Args:
        signals: (..., samples) float32 or float64.
        frame_length: samples of a frame, a multiple of 4.
        window_fn: called with ``frame_length`` and ``dtype=``: what frames are multiplied with;
            None: 1 / sqrt(2).
        pad_end: the last frames may reach beyond the end, where the signal is 0.
        norm: None or ``"ortho"``: of the cosine transform.
        name: of the operations; ``mdct`` by default.

    Returns:
        (..., frames, frame_length / 2).

    Raises:
        ValueError: ``frame_length`` is not known or no multiple of 4, or the dtype is another.

    Gradient: as of its parts.

    >>> import flowgraph as tf
    >>> tf.signal.mdct(tf.ones([12]), 8).shape
    TensorShape([Dimension(2), Dimension(4)])
    """
    with name_scope(name, "mdct", [signals, frame_length]):
        x = _float_signal(signals, "mdct", "signals")
        _, length = as_size(frame_length, "mdct", "frame_length")
        if length is None:
            raise ValueError("mdct: frame_length must be known while the graph is built")
        if length % 4:
            raise ValueError(f"mdct: frame_length must be a multiple of 4, not {length}")
        frames = frame(x, length, length // 2, pad_end=pad_end)
        if window_fn is not None:
            frames = frames * window_fn(length, dtype=frames.dtype.base_dtype)
        else:
            frames = frames * float(np.sqrt(0.5))
        quarter = length // 4
        a, b, c, d = (frames[..., i * quarter : (i + 1) * quarter] for i in range(4))
        folded = call.ConcatV2([call.Neg(_mirrored(c)) - d, a - _mirrored(b)], -1)
        return dct(folded, type=4, norm=norm)


def _mirrored(x: Tensor) -> Tensor:
    return call.ReverseV2(x, np.array([-1], np.int32))


@export("signal.inverse_mdct")
def inverse_mdct(
    mdcts: Any,
    window_fn: WindowFunction | None = vorbis_window,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The signal of a modified discrete cosine transform.

    Args:
        mdcts: (..., frames, N) float32 or float64; frames have 2 N samples.
        window_fn: that of ``mdct``, if its squares and those half a frame later sum to 1.
        norm: that of ``mdct``.
        name: of the operations; ``inverse_mdct`` by default.

    Returns:
        (..., (frames + 1) N); the first and the last N samples lack the frame that overlaps.

    Raises:
        ValueError: N is not known, there are fewer than 2 axes, or the dtype is another.

    Gradient: as of its parts.

    >>> import flowgraph as tf
    >>> y = tf.signal.inverse_mdct(tf.signal.mdct(tf.ones([16]), 8))
    >>> tf.Session().run(y)[4:12].round(4)
    array([1., 1., 1., 1., 1., 1., 1., 1.], dtype=float32)
    """
    with name_scope(name, "inverse_mdct", [mdcts]):
        x = convert_to_tensor(mdcts, dtype_hint=float32, name="mdcts")
        if x.dims is None or len(x.dims) < 2 or x.dims[-1] is None:
            raise ValueError(
                f"inverse_mdct: mdcts must have at least 2 axes and known frames, not shape "
                f"{x.shape}"
            )
        half = x.dims[-1]
        folded = dct(x, type=4, norm=norm)
        if norm is None:
            folded = folded * (0.5 / half)
        first, second = folded[..., : half // 2], folded[..., half // 2 :]
        frames = call.ConcatV2(
            [second, call.Neg(_mirrored(second)), call.Neg(_mirrored(first)), call.Neg(first)], -1
        )
        if window_fn is not None:
            frames = frames * window_fn(2 * half, dtype=frames.dtype.base_dtype)
        else:
            frames = frames * float(np.sqrt(0.5))
        return overlap_and_add(frames, half)


# ---------------------------------------------------------------------------------------- mel scale


def _mel(hertz: Any) -> Any:
    """O'Shaughnessy's scale, 1127 log(1 + f / 700)."""
    return 1127.0 * call.Log1p(hertz / 700.0)


def _check_mel(bins: int, rate: Any, lower: Any, upper: Any, dtype: Any) -> None:
    function = "linear_to_mel_weight_matrix"
    if bins <= 0:
        raise ValueError(f"{function}: num_mel_bins must be positive, not {bins}")
    if isinstance(lower, Tensor) or isinstance(upper, Tensor):
        raise ValueError(f"{function}: edges must be numbers")
    if lower < 0:
        raise ValueError(f"{function}: lower_edge_hertz must not be negative, not {lower}")
    if lower >= upper:
        raise ValueError(
            f"{function}: lower_edge_hertz, {lower}, must be below upper_edge_hertz, {upper}"
        )
    if not isinstance(rate, Tensor):
        if rate <= 0:
            raise ValueError(f"{function}: sample_rate must be positive, not {rate}")
        if upper > rate / 2:
            raise ValueError(
                f"{function}: upper_edge_hertz must be at most half of sample_rate, {rate / 2}, "
                f"not {upper}"
            )
    if not dtype.is_floating:
        raise ValueError(f"{function}: dtype must be a float dtype, not {dtype.name}")


@export("signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """The matrix that turns spectra into mel spectra: ``matmul(spectra, matrix)``.

    Columns are triangles over bands of equal width on the mel scale, 1127 log(1 + f / 700), each
    of which reaches to the middle of its neighbours; the frequency 0 is left out.

    Args:
        num_mel_bins: the number of bands.
        num_spectrogram_bins: frequencies of the spectra, from 0 to half of ``sample_rate``.
        sample_rate: samples per second.
        lower_edge_hertz: where the first band begins.
        upper_edge_hertz: where the last one ends.
        dtype: of the result, a float dtype.
        name: of the operations; ``linear_to_mel_weight_matrix`` by default.

    Returns:
        (num_spectrogram_bins, num_mel_bins).

    Raises:
        ValueError: a number makes no sense, or ``dtype`` is no float dtype.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.linear_to_mel_weight_matrix(2, 3, 100, 0.0, 50.0)).round(3)
    array([[0.   , 0.   ],
           [0.474, 0.526],
           [0.   , 0.   ]], dtype=float32)
    """
    dtype = as_dtype(dtype).base_dtype
    _check_mel(num_mel_bins, sample_rate, lower_edge_hertz, upper_edge_hertz, dtype)
    with name_scope(name, "linear_to_mel_weight_matrix"):
        count, _ = as_size(
            num_spectrogram_bins, "linear_to_mel_weight_matrix", "num_spectrogram_bins"
        )
        if isinstance(count, int):
            steps: Any = np.arange(count, dtype=np.float64) / max(count - 1, 1)
        else:
            last = call.Maximum(call.Cast(count, DstT=float64) - 1.0, np.float64(1))
            steps = call.Cast(call.Range(np.int32(0), count, np.int32(1)), DstT=float64) / last
        if isinstance(sample_rate, Tensor):
            sample_rate = call.Cast(sample_rate, DstT=float64)
        else:
            sample_rate = np.float64(sample_rate)
        hertz = call.Mul(steps, sample_rate / 2.0)
        mel = call.ExpandDims(_mel(hertz), 1)
        ends = 1127.0 * np.log1p(np.array([lower_edge_hertz, upper_edge_hertz]) / 700.0)
        edges = np.linspace(ends[0], ends[1], num_mel_bins + 2)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        rising = (mel - low) / (middle - low)
        falling = (high - mel) / (high - middle)
        weights = call.Maximum(call.Minimum(rising, falling), np.float64(0))
        positive = call.ExpandDims(call.Greater(steps, np.float64(0)), 1)
        weights = call.SelectV2(positive, weights, np.float64(0))
        return weights if dtype is float64 else call.Cast(weights, DstT=dtype)


@export("signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """Mel-frequency cepstral coefficients.

    The type-2 cosine transform of the logarithms of mel spectra, divided by sqrt(2 N).

    Args:
        log_mel_spectrograms: (..., N) float32 or float64.
        name: of the operations; ``mfccs_from_log_mel_spectrograms`` by default.

    Returns:
        (..., N).

    Raises:
        ValueError: N is 0.   TypeError: the dtype is another.

    Gradient: as of the cosine transform.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.mfccs_from_log_mel_spectrograms([[2.0, 2.0]])).round(4) + 0.0
    array([[4., 0.]], dtype=float32)
    """
    with name_scope(name, "mfccs_from_log_mel_spectrograms", [log_mel_spectrograms]):
        x = _float_signal(
            log_mel_spectrograms, "mfccs_from_log_mel_spectrograms", "log_mel_spectrograms"
        )
        bins: Any = x.dims[-1] if x.dims is not None else None
        if bins == 0:
            raise ValueError("mfccs_from_log_mel_spectrograms: there must be at least one bin")
        if bins is None:
            factor = call.Rsqrt(2.0 * call.Cast(call.Shape(x)[-1], DstT=x.dtype.base_dtype))
            return dct(x, type=2) * factor
        return dct(x, type=2) * float(1 / np.sqrt(2.0 * bins))

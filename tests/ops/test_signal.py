"""Fourier and cosine transforms, frames, windows, spectra: what samples cannot show."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as tf

scipy_fft = pytest.importorskip("scipy.fft")
scipy_signal = pytest.importorskip("scipy.signal")


def run(fetches, feeds=None):
    with tf.Session(graph=tf.get_default_graph()) as session:
        return session.run(fetches, feeds)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def numbers(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, shape)
    return (x + 1j * rng.uniform(-1, 1, shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def slope(y, x, value, along):
    """The derivative of a real scalar, by differences."""
    step = 1e-6
    ends = [run(y, {x: value + s * step * along}) for s in (1, -1)]
    return (ends[0] - ends[1]) / (2 * step)


# ------------------------------------------------------------------------------------------ Fourier


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 9), min_size=3, max_size=4),
    st.sampled_from(["complex64", "complex128"]),
    st.booleans(),
)
def test_complex_transforms(rank, shape, dtype, inverse):
    x = numbers(shape, dtype)
    name = ("ifft" if inverse else "fft") + ["", "2d", "3d"][rank - 1]
    with tf.Graph().as_default():
        y = run(getattr(tf.signal, name)(tf.constant(x)))
    function = np.fft.ifftn if inverse else np.fft.fftn
    expected = function(x.astype("complex128"), axes=range(-rank, 0))
    assert y.dtype == x.dtype
    atol = 1e-4 if dtype == "complex64" else 1e-11
    np.testing.assert_allclose(y, expected, atol=atol)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 7), min_size=3, max_size=4),
    st.none() | st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_real_transforms(rank, shape, lengths, inverse, unknown):
    x = numbers(shape, "complex128" if inverse else "float64")
    lengths = None if lengths is None else lengths[:rank]
    name = ("irfft" if inverse else "rfft") + ["", "2d", "3d"][rank - 1]
    with tf.Graph().as_default():
        given_x = tf.placeholder(x.dtype, [None] * len(shape) if unknown else shape)
        y = run(getattr(tf.signal, name)(given_x, lengths), {given_x: x})
    if inverse:
        sizes = lengths or [*shape[len(shape) - rank : -1], 2 * (shape[-1] - 1)]
        if 0 in sizes:
            assert y.shape == (*shape[: len(shape) - rank], *sizes)
            return
        expected = np.fft.irfftn(x, sizes, axes=range(-rank, 0))
    else:
        expected = np.fft.rfftn(x, lengths, axes=range(-rank, 0))
    np.testing.assert_allclose(y, expected, atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 16, 25, 30, 49, 64, 67, 97, 121, 134, 509])
def test_lengths_of_any_factors(n):
    x, r = numbers((2, n), "complex128"), numbers((2, n))
    half = numbers((2, n // 2 + 1), "complex128", 1)
    signal, real, spectrum = tf.signal, tf.constant(r), tf.constant(half)
    got = run([signal.fft(x), signal.ifft(x), signal.rfft(real), signal.irfft(spectrum, [n]),
               signal.fft2d(x[:, :, None] * x[:1, None, :5])])  # fmt: skip
    expected = [np.fft.fft(x), np.fft.ifft(x), np.fft.rfft(r), np.fft.irfft(half, n),
                np.fft.fft2(x[:, :, None] * x[:1, None, :5])]  # fmt: skip
    for mine, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-12 * n)


CASES = [
    ("rfft", (5,), None), ("rfft", (2, 6), [4]), ("rfft", (4,), [7]), ("rfft2d", (3, 4), None),
    ("rfft2d", (3, 4), [4, 3]), ("rfft3d", (2, 3, 4), None), ("irfft", (4,), None),
    ("irfft", (4,), [5]), ("irfft", (2, 3), [9]), ("irfft2d", (3, 3), None),
    ("irfft2d", (4, 3), [3, 3]), ("irfft3d", (2, 3, 3), None), ("fft", (2, 5), None),
    ("ifft2d", (3, 4), None), ("fft3d", (2, 3, 2), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "lengths"), CASES, ids=str)
def test_gradients(name, shape, lengths):
    dtype = "float64" if name.startswith("rfft") else "complex128"
    value, along = numbers(shape, dtype), numbers(shape, dtype, 1)
    x = tf.placeholder(dtype, [None, *shape[1:]])
    y = getattr(tf.signal, name)(x, *([] if lengths is None else [lengths]))
    weights = numbers(run(y, {x: value}).shape, y.dtype.name, 2)
    product = y * weights
    total = tf.reduce_sum(tf.sin(tf.real(product)))
    (dx,) = tf.gradients(total, x)
    got = (run(dx, {x: value}).conj() * along).sum().real
    np.testing.assert_allclose(got, slope(total, x, value, along), rtol=1e-6)
    second = tf.reduce_sum(tf.sin(tf.real(dx)))
    (ddx,) = tf.gradients(second, x)
    got = (run(ddx, {x: value}).conj() * along).sum().real
    np.testing.assert_allclose(got, slope(second, x, value, along), rtol=1e-5, atol=1e-8)


def test_names_types_and_aliases():
    x = tf.ones([8])
    y = tf.signal.rfft(x)
    assert (y.op.name, y.op.type, y.dtype) == ("rfft", "RFFT", tf.complex64)
    assert tf.signal.irfft(y).op.name == "irfft"
    assert tf.fft(y).op.name == "FFT"
    assert tf.signal.rfft(tf.ones([8], tf.float64)).dtype is tf.complex128
    for name in ("fft", "ifft", "fft2d", "ifft2d", "fft3d", "ifft3d"):
        assert getattr(tf, name) is getattr(tf.signal, name) is getattr(tf.spectral, name)
    for name in ("rfft", "irfft", "rfft2d", "irfft2d", "rfft3d", "irfft3d", "dct", "idct"):
        assert getattr(tf.signal, name) is getattr(tf.spectral, name)
    assert tf.signal.irfft2d(tf.placeholder(tf.complex64, [None, 4, 5])).shape.as_list() == [
        None, 4, 8
    ]  # fmt: skip
    with pytest.raises(TypeError, match="complex64"):
        tf.fft(x)
    with pytest.raises(ValueError, match="float32 or float64, not int32"):
        tf.signal.rfft(tf.constant([1, 2]))
    with pytest.raises(ValueError, match="numbers, not 2"):
        tf.signal.rfft(x, [4, 4])


def test_lengths_that_only_the_run_knows():
    x, n = tf.placeholder(tf.float64, [None]), tf.placeholder(tf.int32, [1])
    y = tf.signal.rfft(x, n)
    z = tf.signal.irfft(y, n)
    value = numbers((5,))
    for size in (3, 5, 8):
        got, back = run([y, z], {x: value, n: [size]})
        np.testing.assert_allclose(got, np.fft.rfft(value, size), atol=1e-12)
        np.testing.assert_allclose(back, np.resize(np.append(value, [0] * 3), size), atol=1e-12)


def test_shifts():
    x = np.arange(12.0).reshape(3, 4)
    for axes in (None, 1, [0, -1], (0,)):
        shifted = tf.signal.fftshift(x, axes)
        np.testing.assert_array_equal(run(shifted), np.fft.fftshift(x, axes))
        np.testing.assert_array_equal(run(tf.signal.ifftshift(shifted, axes)), x)
    assert tf.signal.fftshift(x).op.name == "fftshift_4"


# ------------------------------------------------------------------------------------------ cosines


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.none() | st.integers(1, 14),
    st.sampled_from([None, "ortho"]),
    st.booleans(),
    st.booleans(),
)
def test_cosine_transforms(type, size, n, norm, inverse, unknown):
    norm = None if type == 1 else norm
    if type == 1:
        size, n = size + 1, None if n is None else n + 1
    x = numbers((2, size))
    padded = x if n is None else np.pad(x, ((0, 0), (0, max(0, n - size))))[:, :n]
    with tf.Graph().as_default():
        given_x = tf.placeholder(tf.float64, [None, None] if unknown else [2, size])
        function = tf.signal.idct if inverse else tf.signal.dct
        y = run(function(given_x, type, n=n, norm=norm), {given_x: x})
    kind = {1: 1, 2: 3, 3: 2, 4: 4}[type] if inverse else type
    np.testing.assert_allclose(y, scipy_fft.dct(padded, kind, norm=norm), atol=1e-11)


@pytest.mark.parametrize("type", [1, 2, 3, 4])
def test_gradients_of_cosine_transforms(type):
    value, along = numbers((3, 6)), numbers((3, 6), seed=1)
    x = tf.placeholder(tf.float64, [3, 6])
    total = tf.reduce_sum(tf.sin(tf.signal.dct(x, type)))
    (dx,) = tf.gradients(total, x)
    got = (run(dx, {x: value}) * along).sum()
    np.testing.assert_allclose(got, slope(total, x, value, along), rtol=1e-6)


def test_errors_of_cosine_transforms():
    x = tf.ones([4])
    for kwargs, error, text in (
        ({"type": 5}, ValueError, "must be 1, 2, 3 or 4"),
        ({"norm": "x"}, ValueError, "'ortho'"),
        ({"type": 1, "norm": "ortho"}, ValueError, "no norm"),
        ({"axis": 0}, NotImplementedError, "-1"),
        ({"n": 0}, ValueError, "at least 1"),
    ):
        for function in (tf.signal.dct, tf.signal.idct):
            with pytest.raises(error, match=text):
                function(x, **kwargs)
    with pytest.raises(ValueError, match="at least 2 elements"):
        tf.signal.dct([1.0], type=1)
    with pytest.raises(TypeError, match="int32"):
        tf.signal.dct(tf.constant([1, 2]))


# ------------------------------------------------------------------------------------------- frames


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 12), st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans(),
    st.integers(0, 2),
)  # fmt: skip
def test_frames(size, length, step, pad_end, unknown, axis):
    shape = [2, 3]
    shape.insert(axis, size)
    x = np.arange(float(np.prod(shape))).reshape(shape)
    count = -(-size // step) if pad_end else max(0, 1 + (size - length) // step)
    long = np.moveaxis(np.full((*shape[:axis], *shape[axis + 1 :], size + length + step), -1.0),
                       -1, axis)  # fmt: skip
    long[(slice(None),) * axis + (slice(0, size),)] = x
    empty = np.zeros((*shape[:axis], 0, length, *shape[axis + 1 :]))
    frames = [np.take(long, range(i * step, i * step + length), axis) for i in range(count)]
    expected = np.stack(frames, axis) if frames else empty
    with tf.Graph().as_default():
        given_x = tf.placeholder(tf.float64, [None] * 3 if unknown else shape)
        sizes = [length, step]
        feeds = {given_x: x}
        if unknown:
            sizes = [tf.placeholder(tf.int32, []) for _ in sizes]
            feeds |= dict(zip(sizes, [length, step], strict=True))
        y = tf.signal.frame(given_x, *sizes, pad_end=pad_end, pad_value=-1, axis=axis - 3)
        got = run(y, feeds)
        if not unknown:
            assert y.shape.as_list() == list(expected.shape)
    np.testing.assert_array_equal(got, expected)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 6), st.integers(1, 8), st.booleans(),
    st.sampled_from(["float32", "int32", "complex64"]),
)  # fmt: skip
def test_overlaps(count, length, step, unknown, dtype):
    x = (numbers((2, count, length), dtype if dtype != "int32" else "float64") * 4).round()
    x = x.astype(dtype)
    expected = np.zeros((2, (count - 1) * step + length), dtype)
    for i in range(count):
        expected[:, i * step : i * step + length] += x[:, i]
    with tf.Graph().as_default():
        given_x = tf.placeholder(dtype, None if unknown else [2, count, length])
        feeds = {given_x: x}
        by = step
        if unknown:
            by = tf.placeholder(tf.int32, [])
            feeds[by] = step
        y = tf.signal.overlap_and_add(given_x, by)
        got = run(y, feeds)
        if not unknown:
            assert y.shape.as_list() == list(expected.shape)
    np.testing.assert_array_equal(got, expected)


def test_frames_and_overlaps_are_adjoint():
    x = tf.constant(numbers((2, 11)))
    frames = tf.signal.frame(x, 4, 3)
    weights = numbers((2, 3, 4), seed=1)
    (dx,) = tf.gradients(frames, x, grad_ys=tf.constant(weights))
    added = tf.signal.overlap_and_add(tf.constant(weights), 3)
    got, expected = run([dx, added])
    np.testing.assert_allclose(got[:, :10], expected)
    np.testing.assert_array_equal(got[:, 10:], 0)


def test_errors_of_frames():
    x = tf.ones([10])
    for args, text in (((4, 0), "at least 1"), ((0, 4), "at least 1"), ((2.0, 1), "an integer")):
        with pytest.raises(ValueError, match=text):
            tf.signal.frame(x, *args)
    with pytest.raises(ValueError, match="at least 2 axes"):
        tf.signal.overlap_and_add(x, 2)
    with pytest.raises(ValueError, match="an integer"):
        tf.signal.overlap_and_add(x[None], 2.0)


# ------------------------------------------------------------------------------------------ windows

WINDOWS = {
    "hann_window": {
        1: [1], 2: [0, 1], 5: [0, 0.5, 1, 0.5, 0], 6: [0, 0.25, 0.75, 1, 0.75, 0.25],
    },
    "hamming_window": {
        1: [1], 2: [0.08, 1], 5: [0.08, 0.54, 1, 0.54, 0.08],
        6: [0.08, 0.31, 0.77, 1, 0.77, 0.31],
    },
    "vorbis_window": {
        1: [1], 2: [0.70710677, 0.70710677],
        5: [0.14943586, 0.8563191, 1, 0.8563191, 0.14943568],
        6: [0.10502934, 0.70710677, 0.9944691, 0.9944691, 0.70710677, 0.10502925],
    },
    "kaiser_window": {
        1: [1], 2: [0.08848054] * 2,
        5: [0.08848054, 0.63343173, 1, 0.63343173, 0.08848054],
        6: [0.08848054, 0.508516, 0.9327116, 0.9327116, 0.508516, 0.08848054],
    },
    "kaiser_bessel_derived_window": {
        1: [], 2: [0.70710677] * 2, 5: [0.27418444, 0.96167713, 0.96167713, 0.27418444],
        6: [0.22047876, 0.70710677, 0.97539175, 0.97539175, 0.70710677, 0.22047876],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_tensorflows(name):
    function = getattr(tf.signal, name)
    kwargs = {"beta": 4.0} if "kaiser" in name else {}
    length = tf.placeholder(tf.int32, [])
    fed = function(length, **kwargs)
    for size, expected in WINDOWS[name].items():
        window = function(size, **kwargs)
        assert window.shape.as_list() == [len(expected)] and window.dtype is tf.float32
        np.testing.assert_allclose(run(window), expected, atol=1e-6)
        np.testing.assert_allclose(run(fed, {length: size}), expected, atol=1e-6)
    wide = function(7, dtype=tf.float64, **kwargs)
    assert wide.dtype is tf.float64
    with pytest.raises(ValueError, match="float dtype"):
        function(4, dtype=tf.int32)


def test_symmetric_windows():
    for n in (1, 2, 5, 6):
        for name, ours in (("hann", tf.signal.hann_window), ("hamming", tf.signal.hamming_window)):
            got = run(ours(n, periodic=False, dtype=tf.float64))
            expected = scipy_signal.get_window(name, n, fftbins=False)
            np.testing.assert_allclose(got, expected, atol=1e-12)


def test_gradient_to_beta():
    beta = tf.placeholder(tf.float64, [])
    total = tf.reduce_sum(tf.signal.kaiser_window(7, beta, tf.float64))
    (got,) = run(tf.gradients(total, beta), {beta: 3.0})
    np.testing.assert_allclose(got, slope(total, beta, 3.0, 1.0), rtol=1e-6)


# ------------------------------------------------------------------------------------------ spectra


def test_stft_is_tensorflows():
    y = tf.signal.stft(tf.constant(np.arange(8.0)), 4, 2, window_fn=None)
    np.testing.assert_allclose(run(y), [[6 + 20 * 0, -2 + 2j, -2], [14, -2 + 2j, -2],
                                        [22, -2 + 2j, -2]], atol=1e-12)  # fmt: skip
    unknown = tf.placeholder(tf.float32, [None, 100])
    assert tf.signal.stft(unknown, 16, 8).shape.as_list() == [None, 11, 9]
    assert tf.signal.stft(unknown[0], 15, 8, pad_end=True).shape.as_list() == [13, 9]
    spectra = tf.placeholder(tf.complex64, [None, 11, 9])
    assert tf.signal.inverse_stft(spectra, 16, 8).shape.as_list() == [None, 96]


@pytest.mark.parametrize(("length", "step", "count"), [(8, 4, None), (8, 2, 16), (6, 3, None)])
def test_the_inverse_gives_the_signal(length, step, count):
    x = numbers((2, 8 * step + length))
    window = tf.signal.inverse_stft_window_fn(step)
    y = tf.signal.stft(tf.constant(x), length, step, count)
    back = run(tf.signal.inverse_stft(y, length, step, count, window_fn=window))
    inner = slice(length, -length)
    np.testing.assert_allclose(back[:, inner], x[:, inner], atol=1e-12)
    sizes = [tf.placeholder(tf.int32, []) for _ in range(2)]
    feeds = dict(zip(sizes, (length, step), strict=True))
    again = tf.signal.stft(tf.constant(x), *sizes, count)
    np.testing.assert_allclose(run(again, feeds), run(y), atol=1e-12)


def test_gradient_of_stft():
    value, along = numbers((20,)), numbers((20,), seed=1)
    x = tf.placeholder(tf.float64, [None])
    total = tf.reduce_sum(tf.abs(tf.signal.stft(x, 6, 3)))
    (dx,) = tf.gradients(total, x)
    got = (run(dx, {x: value}) * along).sum()
    np.testing.assert_allclose(got, slope(total, x, value, along), rtol=1e-6)


def test_mdct_is_tensorflows():
    x = tf.constant(np.arange(12.0))
    plain = [[-25.334255, -2.9630427, -2.7058969, -0.33893824],
             [-47.794952, -1.0728359, -4.658272, -0.7023313]]  # fmt: skip
    ortho = [[-8.957011, -1.0475938, -0.956679, -0.11983276],
             [-16.898067, -0.37930477, -1.6469478, -0.24831161]]  # fmt: skip
    np.testing.assert_allclose(run(tf.signal.mdct(x, 8)), plain, atol=1e-5)
    np.testing.assert_allclose(run(tf.signal.mdct(x, 8, norm="ortho")), ortho, atol=1e-5)
    last = run(tf.signal.mdct(x, 8, pad_end=True))[-1]
    np.testing.assert_allclose(last, [-13.485062, 25.771135, -11.83531, -8.337778], atol=1e-5)
    bare = run(tf.signal.mdct(x, 4, window_fn=None))[0]
    np.testing.assert_allclose(bare, [-7.074011, -1.3994179], atol=1e-5)
    with pytest.raises(ValueError, match="multiple of 4"):
        tf.signal.mdct(x, 6)


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("window", [tf.signal.vorbis_window, None])
def test_the_inverse_mdct_gives_the_signal(norm, window):
    x = numbers((2, 32))
    y = tf.signal.mdct(tf.constant(x), 8, window, norm=norm)
    back = run(tf.signal.inverse_mdct(y, window, norm=norm))
    np.testing.assert_allclose(back[:, 4:-4], x[:, 4:-4], atol=1e-12)


def test_mel_weights_are_tensorflows():
    weights = run(tf.signal.linear_to_mel_weight_matrix(4, 6, 1000, 50.0, 400.0))
    expected = np.zeros((6, 4))
    expected[1, 0] = 0.84255743
    expected[2, 1:3] = 0.619775, 0.38022503
    expected[3, 2:] = 0.24428262, 0.7557174
    np.testing.assert_allclose(weights, expected, atol=2e-6)
    rate, bins = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [])
    fed = tf.signal.linear_to_mel_weight_matrix(4, bins, rate, 50.0, 400.0)
    np.testing.assert_allclose(run(fed, {rate: 1000, bins: 6}), expected, atol=2e-6)
    for args, text in (
        ((4, 6, 1000, 50.0, 600.0), "half of sample_rate"),
        ((0, 6, 1000, 50.0, 400.0), "positive"),
        ((4, 6, 1000, -50.0, 400.0), "negative"),
        ((4, 6, 1000, 450.0, 400.0), "below"),
        ((4, 6, -1, 0.0, 400.0), "positive"),
    ):
        with pytest.raises(ValueError, match=text):
            tf.signal.linear_to_mel_weight_matrix(*args)


def test_cepstra_are_tensorflows():
    y = tf.signal.mfccs_from_log_mel_spectrograms(tf.constant([[1.0, 2, 3, 4]]))
    np.testing.assert_allclose(run(y), [[7.0710678, -2.2304425, 0, -0.15851244]], atol=1e-6)
    unknown = tf.placeholder(tf.float32, [None, None])
    fed = tf.signal.mfccs_from_log_mel_spectrograms(unknown)
    np.testing.assert_allclose(run(fed, {unknown: [[1.0, 2, 3, 4]]}), run(y), atol=1e-6)


SIGNATURES = {
    "fft": "input name",
    "rfft": "input_tensor fft_length name",
    "dct": "input type n axis norm name",
    "fftshift": "x axes name",
    "frame": "signal frame_length frame_step pad_end pad_value axis name",
    "overlap_and_add": "signal frame_step name",
    "stft": "signals frame_length frame_step fft_length window_fn pad_end name",
    "inverse_stft": "stfts frame_length frame_step fft_length window_fn name",
    "inverse_stft_window_fn": "frame_step forward_window_fn name",
    "hann_window": "window_length periodic dtype name",
    "kaiser_window": "window_length beta dtype name",
    "mdct": "signals frame_length window_fn pad_end norm name",
    "inverse_mdct": "mdcts window_fn norm name",
    "linear_to_mel_weight_matrix": "num_mel_bins num_spectrogram_bins sample_rate "
    "lower_edge_hertz upper_edge_hertz dtype name",
    "mfccs_from_log_mel_spectrograms": "log_mel_spectrograms name",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    function = getattr(tf.signal, name)
    assert " ".join(inspect.signature(function).parameters) == SIGNATURES[name]

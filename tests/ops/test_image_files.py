"""Images from and to files, and whole files: what samples cannot show."""

from __future__ import annotations

import builtins
import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import flowgraph as tf
from flowgraph.image import files

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
SMOOTH = (np.add.outer(np.arange(32), np.arange(40))[:, :, None] * [1, 2, 3] % 200).astype(np.uint8)


def run(value, feeds=None):
    return tf.Session().run(value, feeds)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------- PNG


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    deep=st.booleans(),
    level=st.integers(-1, 9),
    seed=st.integers(0, 99),
)
def test_png_there_and_back(shape, deep, level, seed):
    dtype = np.uint16 if deep else np.uint8
    x = np.random.default_rng(seed).integers(0, 65536 if deep else 256, shape).astype(dtype)
    with tf.Graph().as_default():
        data = tf.image.encode_png(x, compression=level)
        y = tf.image.decode_png(data, dtype=dtype)
        data, y = run([data, y])
    np.testing.assert_array_equal(y, x)
    if not deep:  # another reader agrees
        other = np.array(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(other.reshape(shape), x)


def test_png_of_every_filter():
    """Pillow chooses filters row by row; ours for depth 16 must undo each."""
    x = RNG.integers(0, 65536, (5, 6, 3)).astype(np.uint16)
    rows = x.astype(">u2").view(np.uint8).reshape(5, -1).astype(np.int64)
    up = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    left, corner = (np.pad(r, ((0, 0), (6, 0)))[:, :-6] for r in (rows, up))
    p = left + up - corner
    distances = [abs(p - v) for v in (left, up, corner)]
    paeth = np.where(
        (distances[0] <= distances[1]) & (distances[0] <= distances[2]),
        left,
        np.where(distances[1] <= distances[2], up, corner),
    )
    guesses = [0 * rows, left, up, (left + up) // 2, paeth]
    body = b"".join(
        bytes([k]) + ((rows[k] - guesses[k][k]) % 256).astype(np.uint8).tobytes() for k in range(5)
    )
    plain = files.encode_png(x, 0)
    start = plain.index(b"IDAT") - 4
    data = plain[:start] + files._chunk(b"IDAT", zlib.compress(body)) + files._chunk(b"IEND", b"")
    np.testing.assert_array_equal(run(tf.image.decode_png(data, dtype=tf.uint16)), x)


def test_channels_of_png():
    def decode(image, **options):
        return run(tf.image.decode_png(tf.image.encode_png(image), **options))

    grey = RGB[..., :1]
    assert decode(RGB, channels=1).shape == (5, 7, 1)
    np.testing.assert_array_equal(decode(grey, channels=3), np.repeat(grey, 3, 2))
    assert (decode(RGB, channels=4)[..., 3] == 255).all()
    np.testing.assert_array_equal(decode(RGB, dtype=tf.uint16), RGB.astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode(RGB.astype(np.uint16) * 257), RGB)
    # TensorFlow's own weights and rounding
    sample = np.array([[[109, 137, 168], [113, 38, 238]]], np.uint8)
    assert decode(sample, channels=1)[0, :, 0].tolist() == [132, 83]
    assert tf.image.decode_png("", channels=3).shape.as_list() == [None, None, 3]


def test_palettes_and_bits_of_png():
    picture = Image.fromarray(RGB).quantize(16)
    want = np.array(picture.convert("RGB"))
    np.testing.assert_array_equal(run(tf.image.decode_png(saved(picture, "PNG"))), want)
    bits = Image.fromarray(RGB[..., 0] > 100)
    want = np.array(bits.convert("L"))[..., None]
    np.testing.assert_array_equal(run(tf.image.decode_png(saved(bits, "PNG"))), want)


# ------------------------------------------------------------------------------------------ JPEG


def test_jpeg():
    data = tf.image.encode_jpeg(SMOOTH)
    y = tf.image.decode_jpeg(data, channels=3)
    assert y.shape.as_list() == [None, None, 3]
    data, y, shape, grey, yes = run(
        [
            data, y, tf.image.extract_jpeg_shape(data), tf.image.decode_jpeg(data, channels=1),
            tf.image.is_jpeg(data),
        ]
    )  # fmt: skip
    assert shape.tolist() == [32, 40, 3]
    assert yes
    assert np.abs(y.astype(int) - SMOOTH).mean() < 6
    assert grey.shape == (32, 40, 1)
    crop = run(tf.image.decode_and_crop_jpeg(data, [2, 3, 10, 12]))
    np.testing.assert_array_equal(crop, y[2:12, 3:15])
    for ratio in (2, 4, 8):
        found = run(tf.image.decode_jpeg(data, ratio=ratio))
        assert found.shape == (32 // ratio, 40 // ratio, 3)
    small = run(tf.image.encode_jpeg(SMOOTH, quality=10))
    assert len(small) < len(data)
    other = saved(SMOOTH, "JPEG", progressive=True, quality=90)
    assert run(tf.image.extract_jpeg_shape(other, tf.int64)).tolist() == [32, 40, 3]
    assert not run(tf.image.is_jpeg(saved(RGB, "PNG")))


def test_cut_jpeg_can_be_shown():
    data = run(tf.image.encode_jpeg(np.tile(SMOOTH, (6, 6, 1))))
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.image.decode_jpeg(cut))
    y = run(tf.image.decode_jpeg(cut, try_recover_truncated=True))
    whole = run(tf.image.decode_jpeg(data))
    assert y.shape == whole.shape
    assert (y[0] == whole[0]).mean() > 0.9


def test_jpeg_arguments():
    for wrong in ({"quality": 101}, {"format": "cmyk"}, {"density_unit": "m"}):
        with pytest.raises(ValueError):
            tf.image.encode_jpeg(RGB, **wrong)
    with pytest.raises(ValueError, match="ratio"):
        tf.image.decode_jpeg("", ratio=3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.image.encode_jpeg(RGB, format="grayscale"))
    with pytest.raises(TypeError):
        tf.image.encode_png(RGB.astype(np.float32))


def test_jpeg_quality():
    y = tf.image.adjust_jpeg_quality(SMOOTH, 10)
    assert y.dtype == tf.uint8
    assert y.shape.as_list() == [None, None, 3]
    assert (run(y) != SMOOTH).any()
    x = tf.constant(SMOOTH / np.float32(255))
    assert tf.image.adjust_jpeg_quality(x, 50).dtype == tf.float32
    assert run(tf.image.random_jpeg_quality(x, 40, 60, seed=1)).shape == SMOOTH.shape
    for bounds in ((60, 40), (50, 50), (-1, 40), (50, 101)):
        with pytest.raises(ValueError):
            tf.image.random_jpeg_quality(x, *bounds)


# ------------------------------------------------------------------------------------ other kinds


def test_gif():
    frames = [Image.fromarray(np.full((4, 5, 3), v, np.uint8)) for v in (0, 128, 255)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    y = tf.image.decode_gif(data)
    assert y.shape.as_list() == [None, None, None, 3]
    assert run(y).shape == (3, 4, 5, 3)
    assert run(y)[:, 0, 0, 0].tolist() == [0, 128, 255]
    assert run(tf.image.decode_image(data)).shape == (3, 4, 5, 3)
    assert run(tf.image.decode_image(data, expand_animations=False)).shape == (4, 5, 3)
    assert run(tf.image.decode_png(data)).shape == (4, 5, 3)


def test_bmp():
    np.testing.assert_array_equal(run(tf.image.decode_bmp(saved(RGB, "BMP"))), RGB)
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not match"):
        run(tf.image.decode_bmp(saved(RGB, "BMP"), channels=4))
    np.testing.assert_array_equal(run(tf.image.decode_image(saved(RGB, "BMP"))), RGB)


def test_decode_image_in_other_dtypes():
    data = saved(RGB, "PNG")
    y = run(tf.image.decode_image(data, dtype=tf.float32))
    np.testing.assert_allclose(y, RGB / np.float32(255), 1e-6)
    deep = run(tf.image.decode_image(data, dtype=tf.uint16))
    np.testing.assert_array_equal(deep, RGB.astype(np.uint16) * 257)


DECODERS = [
    tf.image.decode_png, tf.image.decode_jpeg, tf.image.decode_bmp, tf.image.decode_gif,
    tf.image.decode_image, tf.image.extract_jpeg_shape,
]  # fmt: skip


def _files():
    return [
        saved(RGB, "PNG"), saved(SMOOTH, "JPEG"), saved(RGB, "GIF"), saved(RGB, "BMP"),
        files.encode_png(RGB.astype(np.uint16) * 7, 6),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_corrupt_data_are_refused_not_fatal(data):
    """Cut, changed and random bytes: an image or an InvalidArgumentError."""
    whole = data.draw(st.sampled_from(_files()))
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if cut:
            cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    text = tf.placeholder(tf.string, [])
    session = tf.Session()
    for decode in DECODERS:
        try:
            session.run(decode(text), {text: bytes(cut)})
        except tf.errors.InvalidArgumentError:
            pass


def test_sizes_that_files_claim_are_not_believed():
    data = bytearray(files.encode_png(RGB.astype(np.uint16), 6))
    data[16:24] = b"\xff\xff\xff\xff" * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="pixels"):
        run(tf.image.decode_png(bytes(data)))
    bmp = bytearray(saved(RGB, "BMP"))
    bmp[18:26] = b"\xff\xff\xff\x7f" * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="pixels"):
        run(tf.image.decode_bmp(bytes(bmp)))


def test_without_pillow(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    data = saved(RGB, "PNG")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(tf.errors.UnimplementedError, match="need Pillow"):
        run(tf.image.decode_png(data))
    deep = RGB.astype(np.uint16)
    y = tf.image.decode_png(tf.image.encode_png(deep), dtype=tf.uint16)
    np.testing.assert_array_equal(run(y), deep)


# ------------------------------------------------------------------------------------ whole files


def test_files(tmp_path):
    path = str(tmp_path / "a" / "b.txt")
    write = tf.write_file(path, "hello")
    read = tf.read_file(path)
    session = tf.Session()
    with pytest.raises(tf.errors.NotFoundError):
        session.run(read)
    session.run(write)
    assert session.run(read) == b"hello"
    session.run(tf.write_file(path, b"\x00\xff"))
    assert session.run(read) == b"\x00\xff"
    with pytest.raises(tf.errors.FailedPreconditionError):
        run(tf.read_file(str(tmp_path)))
    with pytest.raises(tf.errors.OpError):
        run(tf.read_file("a\0b"))


def test_matching_files(tmp_path):
    for name in ("x1", "x2", ".x3", "y"):
        (tmp_path / name).write_text(name)
    base = str(tmp_path)

    def names(pattern):
        return [n.decode().removeprefix(base + "/") for n in run(tf.matching_files(pattern))]

    assert names(base + "/x*") == ["x1", "x2"]
    assert names(base + "/*") == [".x3", "x1", "x2", "y"]
    assert names(base + "/x[2]") == ["x2"]
    assert names(base + "/z*") == []
    assert names([base + "/y", base + "/x?"]) == ["x1", "x2", "y"]
    assert tf.io.matching_files is tf.matching_files

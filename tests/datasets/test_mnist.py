"""MNIST from IDX files, what stands in for it, and the batches of tutorials."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.datasets import mnist
from flowgraph.datasets.idx import read_idx

input_data = tf.examples.tutorials.mnist.input_data
DataSet = tf.contrib.learn.datasets.mnist.DataSet

CODES = {"u1": 8, "i1": 9, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx(array: np.ndarray, code: str = "u1") -> bytes:
    header = bytes([0, 0, CODES[code], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(code).tobytes()


def images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28)).astype(np.uint8)


@pytest.fixture
def files(tmp_path):
    x, y = images(60, 0), np.arange(60) % 10
    gz = {"train-images-idx3-ubyte.gz": idx(x), "train-labels-idx1-ubyte.gz": idx(y)}
    for name, data in gz.items():
        (tmp_path / name).write_bytes(gzip.compress(data))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images(20, 1)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(20) % 10))
    return tmp_path


@pytest.mark.parametrize("code", CODES)
def test_idx_of_every_dtype(code):
    array = np.arange(-6, 6).reshape(3, 1, 4) if code != "u1" else np.arange(12).reshape(3, 1, 4)
    for data in (idx(array, code), gzip.compress(idx(array, code))):
        found = read_idx(io.BytesIO(data))
        assert found.dtype == np.dtype(code).newbyteorder("=") and found.dtype.isnative
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (b"PK\x03\x04....", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\x00", "not an IDX file"),
        (b"\0\0\x08\x02\0\0\0\1", "cut off within the header"),
        (idx(np.arange(9))[:-1], "cut off: the header says 9 bytes .* 8 are there"),
        (idx(np.arange(9)) + b"x", "more follows"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "cut off: the header says"),
        (gzip.compress(idx(np.arange(900)), mtime=0)[:-20], "damaged or cut off"),
        (b"\x1f\x8bnonsense", "damaged or cut off"),
    ],
)
def test_damaged_idx_files(data, message, tmp_path):
    (tmp_path / "a-file").write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(tmp_path / "a-file")
    assert "a-file" in str(caught.value)


def test_the_users_files_are_read(files, capsys):
    data = input_data.read_data_sets(str(files), one_hot=True, validation_size=10)
    assert [part.num_examples for part in data] == [50, 10, 20]
    x = images(60, 0).reshape(60, 784).astype(np.float32) * np.float32(1 / 255)
    np.testing.assert_array_equal(data.validation.images, x[:10])
    np.testing.assert_array_equal(data.train.images, x[10:])
    assert data.train.images.dtype == np.float32 and data.train.images.max() == 1.0
    np.testing.assert_array_equal(data.train.labels, np.eye(10)[np.arange(10, 60) % 10])
    assert capsys.readouterr().err == ""
    raw = input_data.read_data_sets(files, dtype=tf.uint8, reshape=False, validation_size=0)
    assert raw.train.images.shape == (60, 28, 28, 1) and raw.train.images.dtype == np.uint8
    assert raw.test.labels.tolist() == list(range(10)) * 2 and len(raw.validation.images) == 0
    with pytest.raises(ValueError, match="between 0 and 60, it is 61"):
        input_data.read_data_sets(files, validation_size=61)
    with pytest.raises(TypeError, match="uint8 or float32"):
        input_data.read_data_sets(files, dtype=tf.int32, validation_size=1)


def test_files_that_do_not_belong_together(files):
    labels = files / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(idx(np.arange(59)))
    with pytest.raises(ValueError, match="60 images, but the file of labels holds \\(59,\\)"):
        input_data.read_data_sets(files)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte.gz is missing"):
        input_data.read_data_sets(files)
    labels.write_bytes(idx(images(60, 0)))
    with pytest.raises(ValueError, match="labels"):
        input_data.read_data_sets(files)


def test_digits_stand_in_and_it_is_said_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mnist, "_said", False)
    data = input_data.read_data_sets(str(tmp_path / "MNIST_data"), one_hot=True)
    text = capsys.readouterr().err
    assert "no files of MNIST" in text and "1319 for training, 119 for validation" in text
    input_data.read_data_sets("MNIST_data/")
    assert capsys.readouterr().err == ""
    assert [part.images.shape for part in data] == [(1319, 784), (119, 784), (359, 784)]
    assert data.train.labels.shape == (1319, 10) and data.train.images.max() == 1.0
    frame = data.test.images.reshape(-1, 28, 28)
    assert (frame[:, :4] == 0).all() and (frame[:, :, 24:] == 0).all()
    # Linear interpolation keeps the darkness of an image, by (20/8)^2 pixels each, but at its edge.
    (_, _), (small, _) = tf.datasets.digits.load_data()
    ratio = frame.sum(axis=(1, 2)) / (small.sum(axis=(1, 2)) / 16)
    np.testing.assert_allclose(ratio, (20 / 8) ** 2, rtol=0.12)


def test_fake_data():
    data = input_data.read_data_sets("", fake_data=True, one_hot=True)
    x, y = data.train.next_batch(3)
    assert data.train.num_examples == 10000
    assert x == [[1] * 784] * 3 and y == [[1] + [0] * 9] * 3


# ------------------------------------------------------------------------------------------ batches


def a_set(n: int, **more) -> object:
    x = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return DataSet(x, np.arange(n) * 10, dtype=tf.uint8, **more)


def test_batches_without_shuffling_wrap_around():
    data = a_set(5)
    found = [data.next_batch(2, shuffle=False) for _ in range(5)]
    assert [y.tolist() for _, y in found] == [[0, 10], [20, 30], [40, 0], [10, 20], [30, 40]]
    assert [x.reshape(-1).tolist() for x, _ in found][2] == [4, 0]
    # The last batch ended exactly with the epoch; that one is counted with the next batch.
    assert data.epochs_completed == 1
    data.next_batch(2, shuffle=False)
    assert data.epochs_completed == 2


def test_shuffled_batches_follow_numpys_global_generator():
    np.random.seed(5)
    data = a_set(7)
    batches = [data.next_batch(3)[1] for _ in range(5)]
    np.random.seed(5)
    first = np.arange(7)
    np.random.shuffle(first)
    again = np.arange(7)
    np.random.shuffle(again)
    second = first[again]
    expected = np.concatenate([first, second])[:15] * 10
    np.testing.assert_array_equal(np.concatenate(batches)[:14], expected)
    assert data.epochs_completed == 2


def test_seeds():
    with tf.Graph().as_default():
        one = a_set(50, seed=3).next_batch(50)[1]
        two = a_set(50, seed=3).next_batch(50)[1]
        other = a_set(50, seed=4).next_batch(50)[1]
        tf.set_random_seed(3)
        of_graph = a_set(50).next_batch(50)[1]
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, of_graph)
    assert sorted(other) == sorted(one) and (other != one).any()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="images, but"):
        DataSet(np.zeros((2, 1, 1, 1)), np.zeros(3))


def test_load_data_reads_keras_archives(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "_said", False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (x, y), (x_test, _) = mnist.load_data()
    assert x.shape == (1438, 28, 28) and y.dtype == np.uint8 and len(x_test) == 359
    assert "come with flowgraph" in capsys.readouterr().err
    (tmp_path / "datasets").mkdir()
    file = tmp_path / "datasets" / "mnist.npz"
    np.savez(file, x_train=x[:4], y_train=y[:4], x_test=x[:2], y_test=y[:2])
    assert mnist.load_data()[0][0].shape == (4, 28, 28)
    file.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"mnist.npz: not an archive"):
        mnist.load_data()


def test_one_hot_and_extracting():
    module = tf.contrib.learn.datasets.mnist
    assert module.extract_images(io.BytesIO(idx(images(2, 0)))).shape == (2, 28, 28, 1)
    assert module.extract_labels(io.BytesIO(idx(np.array([3, 1])))).tolist() == [3, 1]
    rows = module.extract_labels(io.BytesIO(idx(np.array([3, 1]))), one_hot=True, num_classes=4)
    np.testing.assert_array_equal(rows, np.eye(4)[[3, 1]])
    for wrong in (module.extract_images, module.extract_labels):
        with pytest.raises(ValueError, match="not "):
            wrong(io.BytesIO(idx(np.zeros((2, 2)))))
    with pytest.raises(ValueError, match="no data set 'iris'"):
        tf.contrib.learn.datasets.load_dataset("iris")

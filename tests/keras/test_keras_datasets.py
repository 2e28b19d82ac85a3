"""keras.datasets: files where Keras keeps them, read without running what is in them."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct

import numpy as np
import pytest

from flowgraph import keras
from flowgraph.datasets import mnist


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(mnist, "_said", False)
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def lists(*items):
    found = np.empty(len(items), object)
    found[:] = [list(item) for item in items]
    return found


def test_what_is_missing_is_said(home):
    for name in ("boston_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "reuters"):
        with pytest.raises(FileNotFoundError, match=f"{name}: there is no .*nothing is downloaded"):
            getattr(keras.datasets, name).load_data()
    with pytest.raises(FileNotFoundError, match="word_index"):
        keras.datasets.imdb.get_word_index()


def test_mnist_has_a_stand_in(home, capsys):
    (x_train, y_train), (x_test, _) = keras.datasets.mnist.load_data()
    assert x_train.shape == (1438, 28, 28) and y_train.shape == (1438,) and len(x_test) == 359
    assert "come with flowgraph" in capsys.readouterr().err


def test_boston_housing_is_split_in_keras_order(home):
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    np.savez(home / "boston_housing.npz", x=x, y=y)
    (x_train, y_train), (_, y_test) = keras.datasets.boston_housing.load_data()
    np.random.seed(113)
    order = np.arange(10)
    np.random.shuffle(order)
    np.testing.assert_array_equal(y_train, order[:8])
    np.testing.assert_array_equal(y_test, order[8:])
    np.testing.assert_array_equal(x_train[:, 0], 2 * y_train)
    with pytest.raises(ValueError, match="test_split"):
        keras.datasets.boston_housing.load_data(test_split=1.0)


def test_imdb(home):
    np.savez(
        home / "imdb.npz", x_train=lists([1, 2, 30], [4]), y_train=np.array([1, 0]),
        x_test=lists([5, 6], [7, 40, 8, 9]), y_test=np.array([0, 1]),
    )  # fmt: skip
    (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=20)
    assert sorted(x_train.tolist()) == [[1, 4, 5, 2], [1, 7]]
    assert {tuple(x): y for x, y in zip(x_train, y_train, strict=True)}[(1, 7)] == 0
    assert sorted(x_test.tolist()) == [[1, 8, 9], [1, 10, 2, 11, 12]] and set(y_test) == {0, 1}
    (x_train, _), _ = keras.datasets.imdb.load_data(start_char=None, index_from=0, oov_char=None)
    assert sorted(x_train.tolist()) == [[1, 2, 30], [4]], "40 is the rarest"
    (x_train, _), (x_test, _) = keras.datasets.imdb.load_data(nb_words=20, skip_top=6)
    assert sorted(x_train.tolist()) == [[2, 2, 2, 2], [2, 7]]
    with pytest.raises(ValueError, match="maxlen=2"):
        keras.datasets.imdb.load_data(maxlen=2)
    with pytest.raises(TypeError, match="Unrecognized keyword arguments"):
        keras.datasets.imdb.load_data(words=3)
    (home / "imdb_word_index.json").write_text(json.dumps({"the": 1}))
    assert keras.datasets.imdb.get_word_index() == {"the": 1}


def test_reuters(home):
    np.savez(home / "reuters.npz", x=lists(*([k] * k for k in range(1, 11))), y=np.arange(10))
    (x_train, y_train), (x_test, y_test) = keras.datasets.reuters.load_data(test_split=0.3)
    assert (len(x_train), len(x_test)) == (7, 3)
    for x, y in zip([*x_train, *x_test], [*y_train, *y_test], strict=True):
        assert x == [1] + [y + 4 if y < 9 else 2] * (y + 1)


def test_cifar(home):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 4, 3072)).astype(np.uint8)
    folder = home / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for name, data in zip(names, pictures, strict=True):
        content = {b"data": data, b"labels": [1, 2, 3, 4], b"batch_label": b"one"}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    assert x_train.shape == (20, 32, 32, 3) and y_train.shape == (20, 1)
    np.testing.assert_array_equal(x_test[0, :, :, 2].ravel(), pictures[5, 0, 2048:])
    assert y_test.ravel().tolist() == [1, 2, 3, 4]
    folder = home / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test"):
        content = {"data": pictures[0], "fine_labels": [9, 8, 7, 6], "coarse_labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(pickle.dumps(content))
    (_, fine), _ = keras.datasets.cifar100.load_data()
    (_, coarse), _ = keras.datasets.cifar100.load_data("coarse")
    assert fine.ravel().tolist() == [9, 8, 7, 6] and coarse.ravel().tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="'fine' or 'coarse'"):
        keras.datasets.cifar100.load_data("other")
    (folder / "train").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a batch"):
        keras.datasets.cifar100.load_data()


def test_fashion_mnist(home):
    folder = home / "fashion-mnist"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="no IDX files"):
        keras.datasets.fashion_mnist.load_data()
    for name, count in (("train", 5), ("t10k", 2)):
        images = struct.pack(">4sIII", b"\0\0\x08\x03", count, 28, 28) + bytes(count * 784)
        labels = struct.pack(">4sI", b"\0\0\x08\x01", count) + bytes(range(count))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    (x_train, y_train), (x_test, _) = keras.datasets.fashion_mnist.load_data()
    assert x_train.shape == (5, 28, 28) and y_train.tolist() == list(range(5)) and len(x_test) == 2


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm was done",)


def test_files_cannot_run_code(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    bad = np.empty(1, object)
    bad[0] = Harm()
    np.savez(home / "reuters.npz", x=bad, y=np.arange(1))
    with pytest.raises(ValueError, match="mkdir, which data do not need"):
        keras.datasets.reuters.load_data()
    folder = home / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(pickle.dumps({"data": Harm()}))
    with pytest.raises(ValueError, match="mkdir"):
        keras.datasets.cifar100.load_data()
    assert not (tmp_path / "harm was done").exists()
    for content in (b"", b"PK", b"\x80"):
        (home / "reuters.npz").write_bytes(content)
        with pytest.raises(ValueError, match="not an archive"):
            keras.datasets.reuters.load_data()

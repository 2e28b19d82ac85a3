"""keras.initializers and keras.utils."""

from __future__ import annotations

import hashlib
import io
import itertools
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import initializers, utils
from flowgraph.keras.utils import data_utils, generic_utils


def run(value):
    with tf.Session() as sess:
        return sess.run(value)


# --------------------------------------------------------------------------------- initializers


@pytest.mark.parametrize("name", sorted(initializers._KNOWN))
def test_initializers_by_name_and_config(name):
    one = initializers.get(name)
    again = initializers.get(initializers.serialize(one))
    assert again.get_config() == one.get_config()
    np.random.seed(3)
    first = run(one((7, 5)))
    np.random.seed(3)
    assert first.dtype == np.float32
    assert first.shape == (7, 5)
    assert np.array_equal(run(again(shape=(7, 5))), first)
    assert run(one((7, 5), dtype="float64")).dtype == np.float64


#: (name, limit or None, standard deviation) for weights (13, 10); fans 13 and 10
SCALES = [
    ("sigmoid_uniform", 0.5108, 0.2949), ("tanh_uniform", 2.0430, 1.1795),
    ("relu_uniform", 0.7223, 0.4170), ("sigmoid_normal", None, 0.2949),
    ("tanh_normal", None, 1.1795), ("relu_normal", None, 0.4170),
    ("glorot_uniform", 0.5108, 0.2949), ("glorot_normal", None, 0.2949),
    ("lecun_uniform", (3 / 13) ** 0.5, 13**-0.5), ("lecun_normal", None, 13**-0.5),
    ("he_uniform", (6 / 13) ** 0.5, (2 / 13) ** 0.5), ("he_normal", None, (2 / 13) ** 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "limit", "stddev"), SCALES)
def test_scales_of_the_notes(name, limit, stddev):  # N11
    like = initializers.get(name).get_config()
    seeded = [initializers.VarianceScaling(**like | {"seed": seed}) for seed in range(100)]
    many = np.concatenate(run([one((13, 10)) for one in seeded]))
    assert many.std() == pytest.approx(stddev, rel=0.02)
    assert abs(many.mean()) < 0.02 * stddev
    if limit:
        assert np.abs(many).max() <= limit * 1.0001
    else:
        assert np.abs(many).max() <= 2 * stddev / 0.8796


def test_fans_of_kernels():
    assert initializers._fans((3, 5, 4, 8)) == (60, 120)
    assert initializers._fans((3, 4, 8)) == (12, 24)
    assert initializers._fans((16,)) == (4, 4)


def test_seeds():
    a, b = initializers.RandomNormal(seed=5), initializers.RandomNormal(seed=5)
    assert np.array_equal(run(a((4, 4))), run(b((4, 4))))
    np.random.seed(0)
    first = run(initializers.glorot_uniform()((3, 3)))
    second = run(initializers.glorot_uniform()((3, 3)))
    assert not np.array_equal(first, second)


def test_single_initializers():
    assert np.array_equal(run(initializers.Constant(3)((2, 2))), np.full((2, 2), 3.0))
    assert np.array_equal(run(initializers.Identity(2.0)((2, 3))), 2 * np.eye(2, 3))
    with pytest.raises(ValueError, match="matrices"):
        initializers.Identity()((2, 2, 2))
    q = run(initializers.Orthogonal(seed=1)((6, 3)))
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-6)
    for bad in ({"scale": 0}, {"mode": "fan"}, {"distribution": "cauchy"}):
        with pytest.raises(ValueError, match="VarianceScaling"):
            initializers.VarianceScaling(**bad)
    v = tf.get_variable("v", [3, 2], initializer=initializers.Ones())
    assert v.shape == (3, 2)
    assert initializers.get("one").__class__ is initializers.Ones


def test_an_initializer_of_ones_own():  # K19
    class Half(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return 0.5 * tf.ones(shape, dtype)

    with utils.custom_object_scope({"Half": Half}):
        assert isinstance(initializers.get("Half"), Half)
        plain = initializers.serialize(Half())
    with pytest.raises(ValueError, match="Unknown initializer: 'Half'"):
        initializers.get(plain)
    assert isinstance(initializers.deserialize(plain, {"Half": Half}), Half)


# ---------------------------------------------------------------------------------------- utils


def test_the_package_is_loaded_when_it_is_used():
    code = (
        "import sys, flowgraph as tf; print('flowgraph.keras' in sys.modules, tf.keras.losses.mse)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False <function mean_squared_error")


def test_objects():
    assert utils.serialize_keras_object(None) is None
    with pytest.raises(ValueError, match="serialize"):
        utils.serialize_keras_object(3)
    utils.get_custom_objects()["mine"] = run
    try:
        assert keras.losses.get("mine") is run
        with utils.CustomObjectScope({"mine": close_to}, {"other": run}):
            assert keras.losses.get("mine") is close_to
            assert keras.losses.get("other") is run
        assert keras.losses.get("mine") is run
    finally:
        utils.get_custom_objects().clear()
    for bad in (3, {"class_name": "L1L2"}):
        with pytest.raises(ValueError, match="serialized"):
            utils.deserialize_keras_object(bad, {}, printable_module_name="regularizer")
    for secret in ("_pair", "tf", "__builtins__", "deserialize_keras_object"):
        with pytest.raises(ValueError, match="Unknown loss function"):
            keras.losses.deserialize(secret)


def close_to(x, y):
    return abs(x - y) < 1e-6


def test_custom_objects_reach_from_config():
    class Outer:
        def __init__(self, inner):
            self.inner = inner

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(custom_objects[config["inner"]])

    made = utils.deserialize_keras_object(
        {"class_name": "Outer", "config": {"inner": "I"}}, {"Outer": Outer}, {"I": 5}
    )
    assert made.inner == 5
    assert not utils.get_custom_objects()


def test_small_helpers():
    def f(a, *, b=1, **rest): ...

    assert generic_utils.has_arg(f, "a") and generic_utils.has_arg(f, "b")
    assert not generic_utils.has_arg(f, "c") and generic_utils.has_arg(f, "c", accept_all=True)
    assert generic_utils.to_list(1) == [1] and generic_utils.to_list([1]) == [1]
    assert generic_utils.to_list((1, 2), allow_tuple=True) == [1, 2]
    assert generic_utils.unpack_singleton([4]) == 4 and generic_utils.unpack_singleton([1, 2]) == [
        1,
        2,
    ]
    assert generic_utils.is_all_none([None, None]) and not generic_utils.is_all_none([None, 1])
    assert generic_utils.object_list_uid(run) == str(id(run))
    x = np.arange(5)
    assert generic_utils.slice_arrays([x, None], 1, 3)[0].tolist() == [1, 2]
    assert generic_utils.slice_arrays(x, [4, 0]).tolist() == [4, 0]
    assert generic_utils.slice_arrays(None) == [None]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.booleans())
def test_to_categorical(classes, column):
    y = np.array(classes)
    got = utils.to_categorical(y[:, None] if column and len(y) > 1 else y, 7)
    assert got.dtype == np.float32
    assert np.array_equal(got, np.eye(7)[y])
    assert utils.to_categorical(y).shape == (len(y), max(classes) + 1)


def test_to_categorical_shapes_and_errors():
    assert utils.to_categorical(np.zeros((2, 3, 1)), 4).shape == (2, 3, 4)
    assert utils.to_categorical(2).tolist() == [0, 0, 1]
    assert utils.np_utils.to_categorical([1], dtype="int8").dtype == np.int8
    for bad in ([-1], [3]):
        with pytest.raises(ValueError, match="num_classes"):
            utils.to_categorical(bad, 3)


def test_normalize():
    x = np.random.RandomState(0).randn(3, 4)
    np.testing.assert_allclose(utils.normalize(x), x / np.linalg.norm(x, axis=1, keepdims=True))
    np.testing.assert_allclose(utils.normalize(x, 0, 1), x / np.abs(x).sum(0))
    assert utils.normalize(np.zeros(3)).tolist() == [[0, 0, 0]]  # NB: as Keras


def test_sequences():
    class Two(utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return 10 * index

    assert list(itertools.islice(Two(), 5)) == [0, 10, 0, 10, 0]
    Two().on_epoch_end()
    with pytest.raises(NotImplementedError, match="Sequence"):
        utils.Sequence()[0]


def test_get_file(tmp_path):
    source, cache = tmp_path / "data.csv", tmp_path / "cache"
    source.write_text("1,2\n")
    digest = hashlib.sha256(b"1,2\n").hexdigest()
    path = utils.get_file("d.csv", str(source), cache_dir=str(cache), file_hash=digest)
    assert path == str(cache / "datasets" / "d.csv")
    source.unlink()
    assert utils.get_file("d.csv", source.as_uri(), cache_dir=str(cache)) == path
    assert data_utils.validate_file(path, hashlib.md5(b"1,2\n").hexdigest())
    assert utils.get_file(path, None) == path
    for origin in ("https://example.org/x", "http://example.org/x", str(source), None):
        with pytest.raises(FileNotFoundError, match="downloaded"):
            utils.get_file("x", origin, cache_dir=str(cache))
    source.write_text("other")
    with pytest.raises(ValueError, match="hash"):
        utils.get_file("e.csv", str(source), cache_dir=str(cache), md5_hash="0" * 32)


def test_get_file_unpacks(tmp_path):
    cache, text = tmp_path / "cache", b"hello"
    archive, zipped = tmp_path / "a.tar.gz", tmp_path / "b.zip"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("folder/inside.txt")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    with zipfile.ZipFile(zipped, "w") as zip_:
        zip_.writestr("zipped.txt", text)
    path = utils.get_file("folder", archive.as_uri(), untar=True, cache_dir=str(cache))
    assert (cache / "datasets" / "folder" / "inside.txt").read_bytes() == text
    assert path == str(cache / "datasets" / "folder")
    utils.get_file("b.zip", str(zipped), extract=True, cache_dir=str(cache), cache_subdir="z")
    assert (cache / "z" / "zipped.txt").read_bytes() == text


def test_get_file_refuses_members_outside(tmp_path):
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("../../outside.txt")
        tar.addfile(info, io.BytesIO(b""))
    with pytest.raises(ValueError, match="refused"):
        utils.get_file("bad.tar", str(archive), extract=True, cache_dir=str(tmp_path / "cache"))


# -------------------------------------------------------------------------------------- Progbar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("flowgraph.keras.utils.progress.time.time", lambda: now[0])
    return now


def test_progress_on_a_terminal(clock, monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(10, stateful_metrics=["auc"])
    clock[0] += 2
    bar.update(2, [("loss", 0.5), ("auc", 0.75)])
    first = " 2/10 [=====>........................] - ETA: 8s - loss: 0.5000 - auc: 0.7500"
    assert out.getvalue() == "\r" + first
    clock[0] += 0.01
    bar.update(3, [("loss", 0.2), ("auc", 0.8)])  # too early to be shown
    assert out.getvalue() == "\r" + first
    clock[0] += 7.99
    bar.add(7, [("loss", 0.0), ("auc", 0.9)])
    last = "10/10 [==============================] - 10s 1s/step - loss: 0.1200 - auc: 0.9000"
    assert out.getvalue() == "\r" + first + "\b" * len(first) + "\r" + last + "\n"


def test_progress_elsewhere_is_no_flood(clock, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(1000)
    for _ in range(1000):
        clock[0] += 0.002
        bar.add(1, [("loss", 1e-5)])
    wanted = "1000/1000 [" + "=" * 30 + "] - 2s 2ms/step - loss: 1.0000e-05\n"
    assert out.getvalue() == wanted


def test_progress_in_one_line_and_without_a_target(clock, monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(2, verbose=2)
    clock[0] += 1
    bar.update(1, [("acc", 0.5)])
    assert out.getvalue() == ""
    bar.update(2, [("acc", 1.0)])
    assert out.getvalue() == " - 1s - acc: 0.7500\n"
    out.truncate(0), out.seek(0)
    bar = utils.Progbar(None)
    clock[0] += 1
    bar.update(4)
    assert out.getvalue() == "\r      4/Unknown - 1s 250ms/step"
    out.truncate(0), out.seek(0)
    quiet = utils.Progbar(1, verbose=0)
    quiet.update(1)
    assert out.getvalue() == ""
    for seconds, shown in ((100.0, "1:40"), (7300.0, "2:01:40")):
        bar = utils.Progbar(2)
        clock[0] += seconds
        bar.update(1)
        assert f"ETA: {shown}" in out.getvalue()

"""Large variables: checksums beside the writing, values straight into the variables' memory."""

from __future__ import annotations

import os

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.formats.crc32c import _in_python, crc32c
from flowgraph.saving import bundle

SIZES = {"a": (1024, 1024), "b": (1000, 777), "c": (), "d": (0, 3), "e": (700_001,)}


@pytest.fixture(params=["beside", "in line"])
def way(request, monkeypatch):
    """Both ways to compute checksums, whatever processors there are."""
    monkeypatch.setattr(bundle, "_LARGE", 0 if request.param == "beside" else 1 << 60)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def variables() -> dict[str, tf.Variable]:
    rng = np.random.default_rng(0)
    made = {n: tf.Variable(rng.normal(size=s).astype(np.float32), name=n) for n, s in SIZES.items()}
    return {**made, "t": tf.Variable([b"x", b""], name="t"), "f": tf.Variable(True, name="f")}


def test_round_trip_into_old_and_new_memory(tmp_path, way):
    made = variables()
    saver, path = tf.train.Saver(), str(tmp_path / "m")
    total = tf.reduce_sum(made["a"])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected, right = sess.run([made, total])
        saver.save(sess, path, write_meta_graph=False)
        sess.run([v.assign(tf.zeros_like(v)) for n, v in made.items() if n in SIZES])
        assert sess.run(total) == 0
        saver.restore(sess, path)
        found = sess.run(made)
        assert sess.run(total) == right  # by the plan that is bound to the old memory
    with tf.Session() as sess:
        saver.restore(sess, path)
        again = sess.run(made)
        sess.run(made["b"].assign_add(tf.ones_like(made["b"])))
        np.testing.assert_array_equal(sess.run(made["b"]), expected["b"] + 1)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(again[name], value)
    reader = tf.train.NewCheckpointReader(path)
    np.testing.assert_array_equal(reader.get_tensor("a"), expected["a"])


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damage_changes_nothing(tmp_path, damage, way):
    made = variables()
    saver, path = tf.train.Saver(), str(tmp_path / "m")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        saver.save(sess, path, write_meta_graph=False)
        data = tmp_path / "m.data-00000-of-00001"
        content = bytearray(data.read_bytes())
        if damage == "cut":
            del content[-1000:]
        else:
            content[-9] ^= 4
        data.write_bytes(content)
        sess.run([v.assign(tf.ones_like(v)) for n, v in made.items() if n in SIZES])
        with pytest.raises(tf.errors.DataLossError):
            saver.restore(sess, path)
        assert all((sess.run(made[n]) == 1).all() for n in SIZES)
    with tf.Session() as sess:
        with pytest.raises(tf.errors.DataLossError):
            saver.restore(sess, path)
        assert len(sess.run(tf.report_uninitialized_variables())) == len(made)


@pytest.mark.parametrize("size", [0, 63, 64, 65_535, 65_536, 65_552, 262_147, 1_000_003])
def test_checksums_of_any_length_and_in_pieces(size):
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    whole = crc32c(data)
    assert whole == _in_python(0xFFFFFFFF, data) ^ 0xFFFFFFFF
    for cut in (size // 3, size - min(size, 70_000)):
        assert crc32c(data[cut:], crc32c(data[:cut])) == whole


def test_the_graph_beside_a_checkpoint_is_that_of_the_moment(tmp_path):
    v = tf.Variable([1.0], name="v")
    saver, path = tf.train.Saver(), str(tmp_path / "m")

    def nodes() -> dict[str, list[str]]:
        saver.save(sess, path)
        meta = tf.MetaGraphDef()
        meta.ParseFromString((tmp_path / "m.meta").read_bytes())
        collections.append(sorted(meta.collection_def))
        devices.append(sorted({n.device for n in meta.graph_def.node}))
        return {n.name: list(n.input) for n in meta.graph_def.node}

    collections: list[list[str]] = []
    devices: list[list[str]] = []
    with tf.Session() as sess:
        sess.run(v.initializer)
        first = nodes()
        assert nodes() == first
        a = tf.constant(1.0, name="a")
        b = tf.constant(2.0, name="b")
        assert set(nodes()) == {*first, "a", "b"}
        b.op._add_control_input(a.op)
        assert nodes()["b"] == ["^a"]
        tf.add_to_collection("mine", a)
        nodes()
        assert "mine" in collections[-1] and "mine" not in collections[-2]
        a.op._set_device("/cpu:0")
        nodes()
        assert devices[-1] == ["", "/cpu:0"] and devices[-2] == [""]

"""Checkpoints of TensorFlow are read here, and ours there.

FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_checkpoints.py
"""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
WORKER = Path(__file__).parent / "checkpoints_worker.py"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter"),
]

VALUES = {
    "a/w": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "a/b": np.float64(2.5),
    "texts": np.array([b"one", b"", b"\0\xff" * 300], object),
    "flags": np.array([True, False]),
    "half": np.array([1.5, np.nan], np.float16),
    "large": np.arange(300_000, dtype=np.int64).reshape(3, -1),
    "empty": np.zeros((0, 3), np.float32),
}


def test_tensorflows_checkpoints_are_read(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    subprocess.run([PEER, str(WORKER), "write", prefix], check=True)
    assert tf.train.latest_checkpoint(str(tmp_path)) == f"{prefix}-3"
    reader = tf.train.load_checkpoint(str(tmp_path))
    for name, value in VALUES.items():
        found = reader.get_tensor(name)
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
    assert [float(reader.get_tensor(f"many/layer_{i}/w")) for i in range(300)] == [*range(300)]
    whole = np.arange(70, dtype=np.float32).reshape(7, 10)
    for name in ("parts0", "parts1"):
        np.testing.assert_array_equal(reader.get_tensor(name), whole)
    with tf.Graph().as_default():
        held = {name: tf.get_variable(name, initializer=value) for name, value in VALUES.items()}
        with tf.Session() as session:
            tf.train.Saver().restore(session, f"{prefix}-3")
            for name, variable in held.items():
                np.testing.assert_array_equal(session.run(variable), VALUES[name])


@pytest.mark.parametrize("times", [1, 2, 3])
def test_tensorflow_reads_ours(tmp_path, times):
    """However often one of the same name was replaced."""
    prefix = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default():
        for name, value in VALUES.items():
            tf.get_variable(name, initializer=value)
        for i in range(300):
            tf.get_variable(f"many/layer_{i}/w", initializer=float(i))
        saver = tf.train.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(times):
                saver.save(session, prefix)
    answers = tmp_path / "answers"
    subprocess.run([PEER, str(WORKER), "read", prefix, str(answers)], check=True)
    found, latest = pickle.loads(answers.read_bytes())
    assert latest == prefix
    for name, value in VALUES.items():
        assert found[name].shape == value.shape
        np.testing.assert_array_equal(found[name], value)
    assert [float(found[f"many/layer_{i}/w"]) for i in range(300)] == [*range(300)]


def test_tensorflows_first_format_is_read(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    subprocess.run([PEER, str(WORKER), "first_format", prefix], check=True)
    assert tf.train.latest_checkpoint(str(tmp_path)) == f"{prefix}-3"
    reader = tf.train.load_checkpoint(str(tmp_path))
    for name, value in VALUES.items():
        np.testing.assert_array_equal(reader.get_tensor(name), value)
    assert [float(reader.get_tensor(f"many/layer_{i}/w")) for i in range(300)] == [*range(300)]
    whole = np.arange(70, dtype=np.float32).reshape(7, 10)
    for name in ("parts0", "parts1"):
        np.testing.assert_array_equal(reader.get_tensor(name), whole)


def _objects():
    v, w = tf.Variable([0.0, 0.0], name="v"), tf.Variable(0.0, name="w")
    optimizer = tf.train.AdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(v * [1.0, 2.0]) * (w + 1.0))
    made = tf.train.Checkpoint(v=v, inner={"w": w, "l": [w, v]}, opt=optimizer)
    return made, step, {"v": v, "w": w, "m": optimizer.get_slot(v, "m")}


def test_tensorflows_checkpoints_of_objects_are_read(tmp_path):
    subprocess.run([PEER, str(WORKER), "write_objects", str(tmp_path)], check=True)
    known = np.load(tmp_path / "known.npz")
    with tf.Graph().as_default(), tf.Session() as session:
        made, _, held = _objects()
        status = made.restore(tf.train.latest_checkpoint(str(tmp_path)))
        status.assert_consumed().run_restore_ops()
        for name, value in session.run(held).items():
            np.testing.assert_array_equal(value, known[name])


def test_tensorflow_reads_our_checkpoints_of_objects(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        made, step, held = _objects()
        session.run(tf.global_variables_initializer())
        session.run(step)
        tf.train.CheckpointManager(made, str(tmp_path), 2).save()
        np.savez(tmp_path / "known.npz", **session.run(held))
    subprocess.run([PEER, str(WORKER), "read_objects", str(tmp_path)], check=True)

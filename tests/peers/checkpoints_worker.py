"""Runs in an environment with TensorFlow: writes a checkpoint, or reads one.

python checkpoints_worker.py write PREFIX
python checkpoints_worker.py read PREFIX ANSWERS     (a pickle of {name: array})
"""

from __future__ import annotations

import os
import pickle
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1

tf = tf2.compat.v1

VALUES = {
    "a/w": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "a/b": np.float64(2.5),
    "texts": np.array([b"one", b"", b"\0\xff" * 300], object),
    "flags": np.array([True, False]),
    "half": np.array([1.5, np.nan], np.float16),
    "large": np.arange(300_000, dtype=np.int64).reshape(3, -1),
    "empty": np.zeros((0, 3), np.float32),
}


def write(prefix):
    """Save VALUES, many small variables, and one in parts."""
    tf.disable_v2_behavior()
    for name, value in VALUES.items():
        tf.get_variable(name, initializer=value, use_resource=False)
    for i in range(300):
        tf.get_variable(f"many/layer_{i}/w", initializer=float(i))
    whole = np.arange(70, dtype=np.float32).reshape(7, 10)

    def part(shape, dtype, partition_info):
        row, column = partition_info.var_offset
        return tf.constant(whole[row : row + shape[0], column : column + shape[1]])

    for axis in (0, 1):
        pieces = tf.fixed_size_partitioner(3, axis=axis)
        tf.get_variable(f"parts{axis}", [7, 10], initializer=part, partitioner=pieces)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix, global_step=3)


def first_format(prefix):
    """As ``write``, in the first format."""
    v1 = tf.train.SaverDef.V1
    first = tf.train.Saver
    tf.train.Saver = lambda: first(write_version=v1)
    write(prefix)


def _objects():
    tf.disable_v2_behavior()
    v, w = tf.Variable([0.0, 0.0], name="v"), tf.Variable(0.0, name="w")
    optimizer = tf.train.AdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(v * [1.0, 2.0]) * (w + 1.0))
    made = tf.train.Checkpoint(v=v, inner={"w": w, "l": [w, v]}, opt=optimizer)
    return made, step, {"v": v, "w": w, "m": optimizer.get_slot(v, "m")}


def write_objects(folder):
    """Two steps of Adam, saved as a Checkpoint; and what the variables are then."""
    made, step, held = _objects()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        session.run(step)
        tf.train.CheckpointManager(made, folder, 2).save()
        np.savez(os.path.join(folder, "known.npz"), **session.run(held))


def read_objects(folder):
    """Restore a Checkpoint, all of it, and compare."""
    made, _, held = _objects()
    with tf.Session() as session:
        status = made.restore(tf.train.latest_checkpoint(folder))
        status.assert_consumed().run_restore_ops()
        known = np.load(os.path.join(folder, "known.npz"))
        for name, value in session.run(held).items():
            np.testing.assert_array_equal(value, known[name])


def read(prefix, answers):
    """Read every tensor."""
    reader = tf.train.NewCheckpointReader(prefix)
    names = reader.get_variable_to_shape_map()
    found = {name: np.asarray(reader.get_tensor(name)) for name in names}
    with open(answers, "wb") as file:
        pickle.dump((found, tf.train.latest_checkpoint(os.path.dirname(prefix))), file)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

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


def read(prefix, answers):
    """Read every tensor."""
    reader = tf.train.NewCheckpointReader(prefix)
    names = reader.get_variable_to_shape_map()
    found = {name: np.asarray(reader.get_tensor(name)) for name in names}
    with open(answers, "wb") as file:
        pickle.dump((found, tf.train.latest_checkpoint(os.path.dirname(prefix))), file)


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])

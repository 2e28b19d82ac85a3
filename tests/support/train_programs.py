"""Training programs that TensorFlow and flowgraph run alike (tests/train, tests/peers).

    python train_programs.py answers.pickle      in an environment with TensorFlow

``results(tf)`` runs every program with the module given; its text knows neither of them.
"""

from __future__ import annotations

import os
import pickle
import sys

import numpy as np

START = np.array([[1.0, -2.0], [0.5, 3.0], [-0.25, 0.0], [2.0, 1.0]], np.float32)
STEPS = 4

#: name -> optimizer of a module.
OPTIMIZERS = {
    "gradient descent": lambda tf: tf.train.GradientDescentOptimizer(0.1),
    "momentum": lambda tf: tf.train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda tf: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adagrad": lambda tf: tf.train.AdagradOptimizer(0.1),
    "adagrad, other start": lambda tf: tf.train.AdagradOptimizer(
        0.1, initial_accumulator_value=0.5, name="Other"
    ),
    "adadelta": lambda tf: tf.train.AdadeltaOptimizer(0.5, rho=0.9, epsilon=1e-6),
    "rmsprop": lambda tf: tf.train.RMSPropOptimizer(0.1),
    "rmsprop, momentum": lambda tf: tf.train.RMSPropOptimizer(0.1, 0.8, 0.5, 1e-3),
    "rmsprop, centered": lambda tf: tf.train.RMSPropOptimizer(0.1, 0.8, 0.5, 1e-3, centered=True),
    "adam": lambda tf: tf.train.AdamOptimizer(0.1, epsilon=0.01),
    "ftrl": lambda tf: tf.train.FtrlOptimizer(0.5),
    "ftrl, everything": lambda tf: tf.train.FtrlOptimizer(
        0.5, learning_rate_power=-0.7, initial_accumulator_value=0.2,
        l1_regularization_strength=0.3, l2_regularization_strength=0.4,
        accum_name="a", linear_name="l", l2_shrinkage_regularization_strength=0.05,
    ),
    "ftrl, l1": lambda tf: tf.train.FtrlOptimizer(0.5, l1_regularization_strength=1.0),
    "proximal descent": lambda tf: tf.train.ProximalGradientDescentOptimizer(0.1),
    "proximal descent, l1 and l2": lambda tf: tf.train.ProximalGradientDescentOptimizer(
        0.1, l1_regularization_strength=0.5, l2_regularization_strength=0.25
    ),
    "proximal adagrad": lambda tf: tf.train.ProximalAdagradOptimizer(0.1),
    "proximal adagrad, l1 and l2": lambda tf: tf.train.ProximalAdagradOptimizer(
        0.1, 0.3, l1_regularization_strength=0.5, l2_regularization_strength=0.25
    ),
    "adagrad da": lambda tf: tf.train.AdagradDAOptimizer(
        0.1, tf.train.get_or_create_global_step(), l2_regularization_strength=0.1
    ),
    "adagrad da, l1": lambda tf: tf.train.AdagradDAOptimizer(
        0.1, tf.train.get_or_create_global_step(), 0.2, l1_regularization_strength=0.1
    ),
}  # fmt: skip


def train(tf, make, *, sparse, dtype):
    """A few steps: names of variables and operations, and all values after each step."""
    with tf.Graph().as_default() as graph:
        optimizer = make(tf)
        with tf.variable_scope("net"):
            w = tf.get_variable("w", initializer=START.astype(dtype))
        if sparse:
            rows = tf.gather(w, tf.constant([2, 0, 2], tf.int32))
            loss = tf.reduce_sum(tf.square(rows - 1.0) * np.array([[1.0, 2.0]], dtype))
        else:
            loss = tf.reduce_sum(tf.square(w - 1.0) * np.array([[1.0, 0.3]], dtype))
        step = tf.train.get_or_create_global_step()
        operation = optimizer.minimize(loss, global_step=step)
        variables = sorted(tf.global_variables(), key=lambda v: v.name)
        found = {
            "operation": (operation.name, operation.type),
            "variables": [(v.name, v.dtype.base_dtype.name, v.shape.as_list()) for v in variables],
            "slots": {
                name: optimizer.get_slot(w, name).name for name in optimizer.get_slot_names()
            },
            "own": sorted(v.name for v in optimizer.variables()),
            "trainable": [v.name for v in tf.trainable_variables()],
            "values": [],
        }
        found["updates"] = sorted(
            (op.name, op.type) for op in graph.get_operations() if "Apply" in op.type
        )
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(STEPS):
                session.run(operation)
                found["values"].append([np.asarray(v) for v in session.run(variables)])
        return found


def decays(tf):
    """name -> the rate by global step."""
    step = [0, 1, 3, 7, 10, 11, 19, 40]
    cases = {
        "exponential": lambda s: tf.train.exponential_decay(0.1, s, 7, 0.5),
        "exponential, stairs": lambda s: tf.train.exponential_decay(0.1, s, 7, 0.5, staircase=True),
        "natural": lambda s: tf.train.natural_exp_decay(0.1, s, 7, 0.5),
        "natural, stairs": lambda s: tf.train.natural_exp_decay(0.1, s, 7, 0.5, True),
        "inverse time": lambda s: tf.train.inverse_time_decay(0.1, s, 7, 0.5),
        "inverse time, stairs": lambda s: tf.train.inverse_time_decay(0.1, s, 7, 0.5, True),
        "polynomial": lambda s: tf.train.polynomial_decay(0.1, s, 10),
        "polynomial, power": lambda s: tf.train.polynomial_decay(0.1, s, 10, 0.01, 0.5),
        "polynomial, cycle": lambda s: tf.train.polynomial_decay(0.1, s, 10, 0.01, 2.0, cycle=True),
        "piecewise": lambda s: tf.train.piecewise_constant(s, [3, 10], [1.0, 0.5, 0.25]),
        "cosine": lambda s: tf.train.cosine_decay(0.1, s, 10, 0.2),
        "cosine, restarts": lambda s: tf.train.cosine_decay_restarts(0.1, s, 5),
        "cosine, restarts, others": lambda s: tf.train.cosine_decay_restarts(
            0.1, s, 5, 1.0, 0.5, 0.1
        ),
        "linear cosine": lambda s: tf.train.linear_cosine_decay(0.1, s, 10),
        "linear cosine, others": lambda s: tf.train.linear_cosine_decay(0.1, s, 10, 2.0, 0.1, 0.01),
    }
    found = {}
    for name, case in cases.items():
        with tf.Graph().as_default():
            s = tf.placeholder(tf.int32, [])
            rate = case(s)
            with tf.Session() as session:
                values = [np.asarray(session.run(rate, {s: n})) for n in step]
            found[name] = {"name": rate.name, "dtype": rate.dtype.name, "values": [values]}
    return found


def averages(tf):
    """name -> a moving average: its names and values."""
    found = {}
    for name, options in {
        "plain": {},
        "by updates": {"num_updates": 3},
        "debiased": {"zero_debias": True},
        "named": {"name": "EMA"},
    }.items():
        with tf.Graph().as_default():
            v = tf.Variable([1.0, 2.0], name="v")
            t = tf.multiply(v, 3.0, name="t")
            average = tf.train.ExponentialMovingAverage(0.9, **options)
            if name != "debiased":
                update = average.apply([v, t])
            else:
                update = average.apply([t])
            change = tf.assign_add(v, [1.0, -1.0])
            variables = sorted(tf.global_variables(), key=lambda v: v.name)
            answer = {
                "operation": update.name,
                "variables": [(x.name, x.shape.as_list()) for x in variables],
                "trainable": [x.name for x in tf.trainable_variables()],
                "collected": [x.name for x in tf.moving_average_variables()],
                "average_name": [average.average_name(v), average.average_name(t)],
                "average": [None if average.average(x) is None else average.average(x).name
                            for x in (v, t)],
                "restore": {k: x.name for k, x in average.variables_to_restore().items()},
                "values": [],
            }  # fmt: skip
            with tf.Session() as session:
                session.run(tf.global_variables_initializer())
                for _ in range(3):
                    session.run(change)
                    session.run(update)
                    answer["values"].append([np.asarray(x) for x in session.run(variables)])
            found[name] = answer
    return found


def steps(tf):
    """The global step and its helpers."""
    with tf.Graph().as_default():
        none = tf.train.get_global_step()
        step = tf.train.create_global_step()
        again = tf.train.get_or_create_global_step()
        texts = []
        for wrong in (lambda: tf.train.create_global_step(),
                      lambda: tf.train.assert_global_step(tf.constant(1.0)),
                      lambda: tf.train.assert_global_step(tf.constant([1]))):  # fmt: skip
            try:
                wrong()
            except (ValueError, TypeError) as error:
                texts.append(type(error).__name__)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            value = tf.train.global_step(session, step)
        return {
            "none": none is None, "same": again is step, "name": step.name,
            "dtype": step.dtype.base_dtype.name, "shape": step.shape.as_list(), "value": int(value),
            "trainable": len(tf.trainable_variables()), "errors": texts,
            "collection": [v.name for v in tf.get_collection(tf.GraphKeys.GLOBAL_STEP)],
            "values": [],
        }  # fmt: skip


def results(tf):
    """name of a program -> what it found."""
    found = {}
    for name, make in OPTIMIZERS.items():
        for sparse in (False, True):
            for dtype in ("float32", "float64"):
                label = f"{name}, {'sparse' if sparse else 'dense'}, {dtype}"
                try:
                    found[label] = train(tf, make, sparse=sparse, dtype=dtype)
                except TypeError as error:
                    found[label] = {"error": str(error)}  # some forget to cast their numbers
    for name, answer in decays(tf).items():
        found[f"decay: {name}"] = answer
    for name, answer in averages(tf).items():
        found[f"average: {name}"] = answer
    found["global step"] = steps(tf)
    return found


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf2  # noqa: ICN001  what the programs call tf is its compat.v1

    tf2.compat.v1.disable_v2_behavior()
    tf2.compat.v1.logging.set_verbosity("FATAL")
    with open(sys.argv[1], "wb") as file:
        pickle.dump(results(tf2.compat.v1), file)

"""Programs about tf.losses and regularizers; see test_programs.py."""

from __future__ import annotations

from functools import partial

import numpy as np

RNG = np.random.default_rng(5)
X = RNG.uniform(0.05, 0.95, (4, 3)).astype(np.float32)
Y = RNG.uniform(0.05, 0.95, (4, 3)).astype(np.float32)
ROWS = np.array([[1.0], [0.0], [2.0], [0.5]], np.float32)
EACH = np.array([[1, 0, 2], [0, 0, 0], [3, 1, 1], [0.5, 1, 0]], np.float32)
WEIGHTS = {"one": 1.0, "three": 3.0, "zero": 0.0, "rows": ROWS, "each": EACH, "int": 2}
SAME_SHAPE = [
    "absolute_difference", "hinge_loss", "huber_loss", "log_loss", "mean_squared_error",
    "sigmoid_cross_entropy",
]  # fmt: skip
REDUCTIONS = [
    "none", "weighted_sum", "weighted_sum_over_batch_size", "weighted_mean",
    "weighted_sum_by_nonzero_weights",
]  # fmt: skip


def evaluate(tf, tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors, feed)


def with_gradient(tf, function, labels=Y, **arguments):
    x = tf.placeholder(tf.float32, [None, 3])
    loss = function(labels, x, **arguments)
    (dx,) = tf.gradients(loss, x)
    return [loss, evaluate(tf, [loss, dx], {x: X}), tf.get_collection("losses")]


def same_shape(tf, function, **arguments):
    return with_gradient(tf, getattr(tf.losses, function), **arguments)


def cosine(tf, weights):
    return with_gradient(tf, partial(tf.losses.cosine_distance, axis=1), weights=weights)


def of_dtype(tf, dtype, function):
    a = tf.constant(np.array([[1, 2], [0, 4]]), dtype)
    b = tf.constant(np.array([[2, 2], [5, 1]]), dtype)
    loss = getattr(tf.losses, function)(a, b)
    return [loss, evaluate(tf, loss)]


def sparse(tf, labels, weights):
    return with_gradient(
        tf, tf.losses.sparse_softmax_cross_entropy, labels=np.array(labels), weights=weights
    )


def total(tf):
    add = lambda v: tf.reduce_sum(v) * 0.5
    v = tf.get_variable("w", [2], initializer=tf.ones_initializer(), regularizer=add)
    first = tf.losses.mean_squared_error([0.0, 0.0], v)
    tf.losses.absolute_difference([0.0, 3.0], v, scope="other")
    tf.losses.hinge_loss([0.0, 3.0], v, loss_collection=None)
    tf.losses.add_loss(tf.multiply(first, 2.0, name="twice"))
    found = [
        tf.losses.get_total_loss(),
        tf.losses.get_total_loss(add_regularization_losses=False, name="plain"),
        tf.losses.get_regularization_loss(),
        tf.losses.get_regularization_loss(scope="nothing"),
    ]
    names = [loss.name for loss in tf.losses.get_losses()]
    return [found[:3], names, tf.losses.get_losses("other"), evaluate(tf, found)]


def at_run(tf, shape, fed):
    w = tf.placeholder(tf.float32, shape)
    x = tf.placeholder(tf.float32, [None, 3])
    loss = tf.losses.mean_squared_error(Y, x, w)
    return evaluate(tf, loss, {x: X, w: fed})


PROGRAMS = {
    **{
        f"{function} {kind}": partial(same_shape, function=function, weights=weights)
        for function in [*SAME_SHAPE, "mean_pairwise_squared_error"]
        for kind, weights in WEIGHTS.items()
    },
    **{
        f"{function} {reduction}": partial(
            same_shape, function=function, weights=ROWS, reduction=reduction
        )
        for function in SAME_SHAPE
        for reduction in REDUCTIONS
    },
    **{f"{f} {d}": partial(of_dtype, dtype=d, function=f)
       for f in SAME_SHAPE[:-1] for d in ("float64", "float16", "int32")},
    "sigmoid float64": partial(of_dtype, dtype="float64", function="sigmoid_cross_entropy"),
    "softmax float64": partial(of_dtype, dtype="float64", function="softmax_cross_entropy"),
    "cosine": partial(cosine, weights=1.0),
    "cosine rows": partial(cosine, weights=ROWS),
    "cosine each": partial(cosine, weights=EACH),
    "cosine dim": lambda tf: with_gradient(tf, partial(tf.losses.cosine_distance, dim=0)),
    "cosine no axis": lambda tf: tf.losses.cosine_distance(Y, X),
    "huber delta": partial(same_shape, function="huber_loss", delta=0.25),
    "log epsilon": partial(same_shape, function="log_loss", epsilon=0.1),
    "sigmoid smoothing": partial(same_shape, function="sigmoid_cross_entropy", label_smoothing=0.2),
    "softmax": partial(same_shape, function="softmax_cross_entropy"),
    "softmax weights": partial(same_shape, function="softmax_cross_entropy", weights=ROWS[:, 0]),
    "softmax smoothing": partial(same_shape, function="softmax_cross_entropy", label_smoothing=0.3),
    "softmax rows": partial(same_shape, function="softmax_cross_entropy", weights=ROWS),
    "sparse": partial(sparse, labels=[0, 2, 1, 1], weights=1.0),
    "sparse column": partial(sparse, labels=[[0], [2], [1], [1]], weights=1.0),
    "sparse weights": partial(sparse, labels=[0, 2, 1, 1], weights=ROWS[:, 0]),
    "sparse columns": partial(sparse, labels=[[0], [2], [1], [1]], weights=ROWS),
    "scope": partial(same_shape, function="mean_squared_error", scope="mine"),
    "weighted": lambda tf: evaluate(tf, tf.losses.compute_weighted_loss(X, EACH)),
    "weighted name": lambda tf: tf.losses.compute_weighted_loss(X, EACH),
    "total": total,
    "no total": lambda tf: tf.losses.get_total_loss(),
    "weights fit at run": partial(at_run, shape=[None, 1], fed=ROWS),
    "weights do not fit at run": partial(at_run, shape=[None, 1], fed=ROWS[:3]),
    "weights of any rank": partial(at_run, shape=None, fed=ROWS),
    "weights of any rank, scalar": partial(at_run, shape=None, fed=2.0),
    "weights of no rank": lambda tf: tf.losses.compute_weighted_loss(X, ROWS[:, 0]),
    "weights of wrong size": lambda tf: tf.losses.compute_weighted_loss(X, EACH[:, :2]),
    "no weights": lambda tf: tf.losses.compute_weighted_loss(X, None),
    "no labels": lambda tf: tf.losses.mean_squared_error(None, X),
    "shapes": lambda tf: tf.losses.mean_squared_error(X[:, :2], X),
    "shapes of softmax": lambda tf: tf.losses.softmax_cross_entropy(X[:, :2], X),
    "reduction": lambda tf: tf.losses.compute_weighted_loss(X, reduction="sum"),
    "all reductions": lambda tf: list(tf.losses.Reduction.all()),
}  # fmt: skip

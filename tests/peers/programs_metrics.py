"""Programs about tf.metrics, each over several batches; see test_programs.py."""

from __future__ import annotations

from functools import partial

import numpy as np

RNG = np.random.default_rng(11)
BATCHES = 4


def floats(*shape):
    return RNG.uniform(0, 1, (BATCHES, *shape)).astype(np.float32)


def integers(high, *shape):
    return RNG.integers(0, high, (BATCHES, *shape))


def stream(tf, function, arrays, types, shapes=None, names=True, **arguments):
    """value and update after every batch, twice in the order of programs; names; variables."""
    if "weights" in arguments and not np.isscalar(arguments["weights"]):
        arrays = [*arrays, arguments.pop("weights")]
        types = [*types, "float32"]
        fed = "weights"
    else:
        fed = None
    shapes = shapes or [[None, *a.shape[2:]] for a in arrays]
    given = [tf.placeholder(t, s) for t, s in zip(types, shapes, strict=True)]
    if fed:
        arguments["weights"] = given[-1]
    inputs = given[:-1] if fed else given
    value, update = getattr(tf.metrics, function)(
        *inputs, **arguments, metrics_collections=["m"], updates_collections=["u"]
    )
    found = []
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        found.append(session.run(value))
        for batch in zip(*arrays, strict=True):
            feed = dict(zip(given, batch, strict=True))
            found.append([session.run(update, feed), session.run(value)])
        kept = session.run(tf.local_variables())
    described = [[v.name, v.get_shape().as_list()] for v in tf.local_variables()]
    in_collections = [tf.get_collection("m") == [value], tf.get_collection("u") == [update],
                      len(tf.get_collection(tf.GraphKeys.METRIC_VARIABLES))]  # fmt: skip
    result = [found, kept, described, in_collections, [value, update]]
    return result if names else result[:-1]


def S(function, arrays, types, **arguments):
    return partial(stream, function=function, arrays=arrays, types=types, **arguments)


CLASSES, GUESSED = integers(3, 6), integers(3, 6)
NUMBERS, OTHERS = floats(6), floats(6)
ROWS, OTHER_ROWS = floats(5, 3), floats(5, 3)
FLAGS, GUESSES = integers(2, 8), integers(2, 8)
SCORES = floats(8)
W6, W8, COLUMN = floats(6) * (integers(2, 6)), floats(8), floats(5, 1)
WIDE = floats(4, 7)
TWO_LABELS, ONE_LABEL = integers(7, 4, 2), integers(7, 4)
TOP = np.argsort(-floats(4, 7), -1)[:, :, :3]
N, F, B = "int64", "float32", "bool"


def sparse_labels(tf, function, k, **arguments):
    """Rows of 1, 0, 3 and 2 labels."""
    p = tf.placeholder(F, [None, 7])
    indices = [[0, 0], [2, 0], [2, 1], [2, 2], [3, 0], [3, 1]]
    labels = tf.SparseTensor(indices, np.array([1, 4, 5, 4, 0, 6], np.int64), [4, 3])
    _, update = getattr(tf.metrics, function)(labels, p, k, **arguments)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        return [session.run(update, {p: batch}) for batch in WIDE]


def fails(tf, make):
    with tf.Session() as session:
        tensors = make(tf)
        session.run(tf.local_variables_initializer())
        return session.run(tensors[1])


PROGRAMS = {
    "mean": S("mean", [NUMBERS], [F]),
    "mean weights": S("mean", [NUMBERS], [F], weights=W6),
    "mean scalar weight": S("mean", [NUMBERS], [F], weights=0.5),
    "mean int": S("mean", [CLASSES], ["int32"]),
    "mean column": S("mean", [ROWS], [F], weights=COLUMN),
    "mean name": S("mean", [NUMBERS], [F], name="mine"),
    "accuracy": S("accuracy", [CLASSES, GUESSED], [N, N]),
    "accuracy weights": S("accuracy", [CLASSES, GUESSED], [N, N], weights=W6),
    "accuracy dtypes": S("accuracy", [CLASSES, GUESSED], [N, "float32"]),
    "accuracy column": S("accuracy", [CLASSES[..., None], GUESSED], [N, N]),
    "mean_absolute_error": S("mean_absolute_error", [NUMBERS, OTHERS], [F, F], weights=W6),
    "mean_squared_error": S("mean_squared_error", [NUMBERS, OTHERS], [F, F]),
    "mean_squared_error 2": S("mean_squared_error", [ROWS, OTHER_ROWS], [F, F], weights=COLUMN),
    "rmse": S("root_mean_squared_error", [NUMBERS, OTHERS], [F, F], weights=W6),
    "mean_relative_error": S("mean_relative_error", [NUMBERS, OTHERS, OTHERS * GUESSED], [F] * 3),
    "mean_cosine_distance": S("mean_cosine_distance", [ROWS, OTHER_ROWS], [F, F], dim=1,
                              weights=COLUMN),
    "percentage_below": S("percentage_below", [NUMBERS], [F], threshold=0.4, weights=W6),
    "mean_tensor": S("mean_tensor", [ROWS], [F], shapes=[[5, 3]]),
    "mean_tensor weights": S("mean_tensor", [ROWS], [F], shapes=[[5, 3], [5, 1]], weights=COLUMN),
    **{
        f"{name} {kind}": S(name, [FLAGS, GUESSES], types, **more)
        for name in ("true_positives", "false_positives", "true_negatives", "false_negatives",
                     "precision", "recall")
        for kind, types, more in (("bool", [B, B], {}), ("int", [N, N], {"weights": W8}))
    },
    **{
        f"{name}_at_thresholds {kind}": S(
            f"{name}_at_thresholds", [FLAGS, SCORES], [B, F], thresholds=[0.2, 0.5, 0.9], **more
        )
        for name in ("true_positives", "false_positives", "true_negatives", "false_negatives",
                     "precision", "recall")
        for kind, more in (("", {}), ("weights", {"weights": W8}))
    },
    **{
        f"auc {curve} {method}": S("auc", [FLAGS, SCORES], [B, F], curve=curve,
                                   summation_method=method, weights=W8)
        for curve, methods in (("ROC", ("trapezoidal", "minoring", "majoring")),
                               ("PR", ("trapezoidal", "careful_interpolation", "minoring")))
        for method in methods
    },
    "auc": S("auc", [FLAGS, SCORES], [N, F]),
    "auc thresholds": S("auc", [FLAGS, SCORES], [B, F], thresholds=[0.7, 0.3], name="area"),
    "auc 10": S("auc", [FLAGS, SCORES], [B, F], num_thresholds=10),
    "sensitivity": S("sensitivity_at_specificity", [FLAGS, SCORES], [B, F], specificity=0.6),
    "specificity": S("specificity_at_sensitivity", [FLAGS, SCORES], [B, F], sensitivity=0.6,
                     weights=W8, num_thresholds=20),
    "mean_iou": S("mean_iou", [CLASSES, GUESSED], [N, N], num_classes=4, names=False),
    "mean_iou weights": S("mean_iou", [CLASSES, GUESSED], [N, N], num_classes=3, weights=W6,
                          names=False),
    "mean_iou images": S("mean_iou", [integers(3, 2, 3), integers(3, 2, 3)], ["int32"] * 2,
                         num_classes=3, names=False),
    "mean_per_class_accuracy": S("mean_per_class_accuracy", [CLASSES, GUESSED], [N, N],
                                 num_classes=4),
    "mean_per_class_accuracy w": S("mean_per_class_accuracy", [CLASSES, GUESSED], [N, N],
                                   num_classes=3, weights=W6),
    **{
        f"{name}_at_k {kind}": S(f"{name}_at_k", [labels, WIDE], [N, F], k=3, **more)
        for name in ("precision", "recall", "average_precision")
        for kind, labels, more in (
            ("", TWO_LABELS, {}), ("one", ONE_LABEL, {}),
            ("weights", TWO_LABELS, {"weights": floats(4)}),
            ("repeated", np.repeat(ONE_LABEL[..., None], 2, -1), {}),
            *([] if name[0] == "a" else [("class", TWO_LABELS, {"class_id": 2})]),
        )
    },
    **{
        f"{name}_at_top_k {kind}": S(f"{name}_at_top_k", [TWO_LABELS, TOP], [N, N], **more)
        for name in ("precision", "recall")
        for kind, more in (("", {}), ("k", {"k": 3}), ("class", {"class_id": 1, "k": 3}))
    },
    "sparse_precision_at_k": S("sparse_precision_at_k", [TWO_LABELS, WIDE], [N, F], k=2),
    "sparse_average_precision_at_k": S("sparse_average_precision_at_k", [TWO_LABELS, WIDE], [N, F],
                                       k=2),
    "precision of sparse labels": partial(sparse_labels, function="precision_at_k", k=3),
    "recall of sparse labels": partial(sparse_labels, function="recall_at_k", k=3),
    "recall of a sparse class": partial(sparse_labels, function="recall_at_k", k=3, class_id=4),
    "error: shapes": lambda tf: tf.metrics.accuracy(tf.zeros([3]), tf.zeros([4])),
    "error: weights": lambda tf: tf.metrics.mean(tf.zeros([3, 2]), tf.zeros([2, 2])),
    "error: curve": lambda tf: tf.metrics.auc([True], [0.5], curve="X"),
    "error: method": lambda tf: tf.metrics.auc(
        tf.constant([True]), tf.constant([0.5]), summation_method="X"),
    "error: k": lambda tf: tf.metrics.average_precision_at_k([[1]], [[0.5]], 0),
    "error: specificity": lambda tf: tf.metrics.sensitivity_at_specificity([True], [0.5], 1.5),
    "error: range": partial(fails, make=lambda tf: tf.metrics.auc(
        [True, False], tf.placeholder_with_default(np.array([0.5, 1.5], np.float32), [2]))),
    "error: class": partial(fails, make=lambda tf: tf.metrics.mean_iou(
        tf.constant([0, 3]), tf.placeholder_with_default(np.array([0, 1]), [2]), 3)),
}  # fmt: skip

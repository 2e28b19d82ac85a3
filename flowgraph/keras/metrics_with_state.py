"""Metrics of a whole data set that are no means over batches: recall, precision, AUC, top-k.

    model.compile("sgd", "binary_crossentropy", metrics=["acc", keras.metrics.Recall()])

Their state is kept in variables and begins anew with every epoch.  The recall of an epoch is that
of all its samples; a mean of batches' recalls is another number.

Read next: metrics.py (metrics as functions).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.backend.values import made_outside
from flowgraph.layers.base import snake_case

__all__ = [
    "AUC",
    "FalseNegatives",
    "FalsePositives",
    "Mean",
    "Metric",
    "Precision",
    "Recall",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
]


class Metric:
    """Base class: sums over all batches, and what follows from them.

    A metric of one's own says in ``terms`` what a batch adds to which sum, and in ``result`` what
    the sums mean::

        class Share(keras.metrics.Metric):
            def terms(self, y_true, y_pred, weights):
                return {"above": K.sum(weights * K.cast(y_pred > 0.5, "float32")),
                        "all": K.sum(weights)}

            def result(self, above, all):
                return above / all

    Args:
        name: in logs; made from the class name by default.
        dtype: of the sums; ``K.floatx()`` by default.
    """

    #: What tells ``fit`` that the last value of an epoch is the epoch's.
    stateful = True

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.dtype = dtype or K.floatx()
        #: The sums by name, and the operations that add to them, after the first call.
        self.sums: dict[str, Any] = {}
        self.updates: list[Any] = []

    @property
    def weights(self) -> list[Any]:
        """The variables of the sums."""
        return list(self.sums.values())

    def terms(self, y_true: Any, y_pred: Any, weights: Any) -> Mapping[str, Any]:
        """What a batch adds to the sums, by their names.

        Args:
            y_true, y_pred: targets and predictions, of one shape.
            weights: of the elements, of the same shape or one that broadcasts to it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what a batch adds")

    def result(self, **sums: Any) -> Any:
        """The metric.

        Args:
            sums: those of ``terms``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its sums mean")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The metric of all batches up to this one, a tensor.

        Args:
            y_true: targets.
            y_pred: predictions.
            sample_weight: one per sample; ones by default.
        """
        y_pred = tf.cast(y_pred, self.dtype)
        y_true = tf.cast(y_true, self.dtype)
        weights = tf.ones([], self.dtype)
        if sample_weight is not None:
            weights = tf.cast(sample_weight, self.dtype)
            for _ in range((K.ndim(y_pred) or 1) - (K.ndim(weights) or 0)):
                weights = tf.expand_dims(weights, -1)
        terms = self.terms(y_true, y_pred, weights)
        new = {}
        for name, term in terms.items():
            if name not in self.sums:
                zeros: Any = np.zeros(tuple(term.shape.as_list()), self.dtype)
                make = functools.partial(tf.Variable, zeros, trainable=False, name=name)
                self.sums[name] = made_outside(make)
            new[name] = self.sums[name] + term
        value = self.result(**new)
        self.updates = [*self.updates, *(tf.assign(self.sums[name], new[name]) for name in new)]
        return value

    def reset_states(self) -> None:
        """Begin anew."""
        K.batch_set_value([(v, np.zeros(K.int_shape(v), self.dtype)) for v in self.weights])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """The metric with these arguments.

        Args:
            config: as ``get_config`` gives it.
        """
        return cls(**config)


def _ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 where y is."""
    return tf.div_no_nan(x, y)


class Mean(Metric):
    """The mean of a function over all samples, weighted.

    Args:
        fn: function of targets and predictions, one number per sample.
        name: in logs; the function's by default.
        dtype: of the sums; ``K.floatx()`` by default.
    """

    def __init__(self, fn: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self.fn = fn

    def terms(self, y_true: Any, y_pred: Any, weights: Any) -> Mapping[str, Any]:
        """What a batch adds: arguments as of Metric's."""
        values = y_pred if self.fn is None else tf.cast(self.fn(y_true, y_pred), self.dtype)
        if K.ndim(weights):
            weights = tf.reshape(weights, [-1, *[1] * ((K.ndim(values) or 1) - 1)])
        each = weights * tf.ones_like(values)
        return {"total": tf.reduce_sum(values * each), "count": tf.reduce_sum(each)}

    def result(self, **sums: Any) -> Any:
        """The mean; arguments as of Metric's."""
        return _ratio(sums["total"], sums["count"])


class _Confusion(Metric):
    """Counts of right and wrong decisions: predictions above thresholds are "yes".

    Args:
        thresholds: a number, or a list of them: one result for each.
        name: in logs; made from the class name by default.
        dtype: of the sums; ``K.floatx()`` by default.
        top_k: instead of a threshold, the k largest predictions of a sample are "yes".
        class_id: look at this column only.
    """

    #: (name, target, decision): what is counted.
    _counts: tuple[tuple[str, bool, bool], ...] = ()

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        name: str | None = None,
        dtype: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(name, dtype)
        if thresholds is not None and top_k is not None:
            raise ValueError(f"{type(self).__name__}: give thresholds or top_k")
        levels = [0.5] if thresholds is None else np.ravel(thresholds).tolist()
        if not all(0.0 <= level <= 1.0 for level in levels):
            raise ValueError(f"{type(self).__name__}: thresholds lie in [0, 1], got {thresholds}")
        self.thresholds, self._levels = thresholds, levels
        self.top_k, self.class_id = top_k, class_id

    def terms(self, y_true: Any, y_pred: Any, weights: Any) -> Mapping[str, Any]:
        """What a batch adds: arguments as of Metric's."""
        if self.top_k is not None:
            _, places = tf.nn.top_k(y_pred, self.top_k)
            chosen = tf.one_hot(places, tf.shape(y_pred)[-1], dtype=self.dtype)
            y_pred = tf.reduce_sum(chosen, -2)
        if self.class_id is not None:
            y_true, y_pred = (y[..., self.class_id : self.class_id + 1] for y in (y_true, y_pred))
        each = tf.reshape(weights * tf.ones_like(y_pred), [1, -1])
        levels = tf.constant(self._levels, self.dtype)[:, None]
        says = tf.reshape(y_pred, [1, -1]) > levels
        truth = tf.reshape(y_true, [1, -1]) > 0.5
        found = {}
        for name, target, decision in self._counts:
            one = truth if target else tf.logical_not(truth)
            other = says if decision else tf.logical_not(says)
            both = tf.cast(tf.logical_and(one, other), self.dtype)
            found[name] = tf.reduce_sum(both * each, 1)
        return found

    def result(self, **sums: Any) -> Any:
        """The count; arguments as of Metric's."""
        ((name, _, _),) = self._counts
        return self._shaped(sums[name])

    def _shaped(self, values: Any) -> Any:
        return values[0] if len(self._levels) == 1 else values

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        more = {"thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **{k: v for k, v in more.items() if v is not None}}


class TruePositives(_Confusion):
    """How many samples with target 1 are predicted above the threshold.

    Args: see Recall.
    """

    _counts = (("true_positives", True, True),)


class FalsePositives(_Confusion):
    """How many samples with target 0 are predicted above the threshold.

    Args: see Recall.
    """

    _counts = (("false_positives", False, True),)


class TrueNegatives(_Confusion):
    """How many samples with target 0 are not predicted above the threshold.

    Args: see Recall.
    """

    _counts = (("true_negatives", False, False),)


class FalseNegatives(_Confusion):
    """How many samples with target 1 are not predicted above the threshold.

    Args: see Recall.
    """

    _counts = (("false_negatives", True, False),)


class Recall(_Confusion):
    """Of the samples with target 1 the share that is predicted above the threshold.

    Args:
        thresholds: 0.5 by default; a list gives one result for each.
        name: in logs; "recall" by default.
        dtype: of the sums; ``K.floatx()`` by default.
        top_k: instead of a threshold: the k largest predictions of a sample count.
        class_id: look at this column of targets and predictions only.
    """

    _counts = (("true_positives", True, True), ("false_negatives", True, False))

    def result(self, **sums: Any) -> Any:
        """The share; arguments as of Metric's."""
        hits = sums["true_positives"]
        return self._shaped(_ratio(hits, hits + sums["false_negatives"]))


class Precision(_Confusion):
    """Of the samples predicted above the threshold the share that has target 1.

    Args:
        thresholds: 0.5 by default; a list gives one result for each.
        name: in logs; "precision" by default.
        dtype: of the sums; ``K.floatx()`` by default.
        top_k: instead of a threshold: the k largest predictions of a sample count.
        class_id: look at this column of targets and predictions only.
    """

    _counts = (("true_positives", True, True), ("false_positives", False, True))

    def result(self, **sums: Any) -> Any:
        """The share; arguments as of Metric's."""
        hits = sums["true_positives"]
        return self._shaped(_ratio(hits, hits + sums["false_positives"]))


class AUC(_Confusion):
    """The area under a curve of decisions at many thresholds, by trapezoids.

    Args:
        num_thresholds: how many thresholds, evenly from 0 to 1.
        curve: "ROC": recall over the share of false alarms; "PR": precision over recall.
        name: in logs; "auc" by default.
        dtype: of the sums; ``K.floatx()`` by default.

    Raises:
        ValueError: another curve, or fewer than 2 thresholds.
    """

    _counts = (
        ("true_positives", True, True),
        ("false_negatives", True, False),
        ("false_positives", False, True),
        ("true_negatives", False, False),
    )

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if num_thresholds < 2:
            raise ValueError(f"AUC: num_thresholds must be 2 or more, got {num_thresholds}")
        if curve not in ("ROC", "PR"):
            raise ValueError(f"AUC: curve is 'ROC' or 'PR', got {curve!r}")
        super().__init__(None, name or "auc", dtype)
        self.num_thresholds, self.curve = num_thresholds, curve
        inner = (np.arange(1, num_thresholds - 1) / (num_thresholds - 1)).tolist()
        # a little outside: at the first everything is "yes", at the last nothing
        self._levels = [-1e-7, *inner, 1.0 + 1e-7]

    def result(self, **sums: Any) -> Any:
        """The area; arguments as of Metric's."""
        hits, false = sums["true_positives"], sums["false_positives"]
        recall = _ratio(hits, hits + sums["false_negatives"])
        if self.curve == "ROC":
            across, up = _ratio(false, false + sums["true_negatives"]), recall
        else:
            # nothing said "yes": no decision was wrong
            nothing = tf.equal(hits + false, 0)
            across, up = recall, tf.where(nothing, tf.ones_like(hits), _ratio(hits, hits + false))
        return tf.reduce_sum((across[:-1] - across[1:]) * (up[:-1] + up[1:]) / 2.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        more = {"num_thresholds": self.num_thresholds, "curve": self.curve}
        return {**Metric.get_config(self), **more}


class TopKCategoricalAccuracy(Mean):
    """The share of samples whose class is among the ``k`` largest predictions.

    Args:
        k: how many of the largest predictions count.
        name: in logs; made from the class name by default.
        dtype: of the sums; ``K.floatx()`` by default.
    """

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(self._in_top_k, name or snake_case(type(self).__name__), dtype)
        self.k = k

    def _in_top_k(self, y_true: Any, y_pred: Any) -> Any:
        return tf.cast(tf.nn.in_top_k(y_pred, tf.argmax(y_true, -1), self.k), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {**super().get_config(), "k": self.k}


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """The share of samples whose class, a number, is among the ``k`` largest predictions.

    Args:
        k: how many of the largest predictions count.
        name: in logs; made from the class name by default.
        dtype: of the sums; ``K.floatx()`` by default.
    """

    def _in_top_k(self, y_true: Any, y_pred: Any) -> Any:
        classes = tf.reshape(tf.cast(y_true, tf.int32), [-1])
        return tf.cast(tf.nn.in_top_k(y_pred, classes, self.k), self.dtype)

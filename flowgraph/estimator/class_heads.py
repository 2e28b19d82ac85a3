"""Heads of classifiers: two classes, several classes, several labels.

Read next: heads.py, canned.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import float32, int64, string
from flowgraph.estimator.export_outputs import (
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from flowgraph.estimator.heads import Head, as_matrix, in_range, needed
from flowgraph.graph.apply import call
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.losses.functions import sparse_softmax_cross_entropy
from flowgraph.losses.weighted import Reduction
from flowgraph.metrics.counts import precision, recall
from flowgraph.metrics.streaming import accuracy, mean
from flowgraph.metrics.thresholds import auc
from flowgraph.ops.casts import cast
from flowgraph.ops.constants import constant, zeros_like
from flowgraph.ops.elementwise import sigmoid
from flowgraph.ops.joining import concat
from flowgraph.ops.losses import sigmoid_cross_entropy_with_logits
from flowgraph.ops.padding import tile
from flowgraph.ops.reductions import argmax, reduce_mean
from flowgraph.ops.reshaping import expand_dims, reshape
from flowgraph.ops.rules import shape_of
from flowgraph.ops.softmax import softmax
from flowgraph.ops.sparse_functions import sparse_to_indicator
from flowgraph.ops.strings_numbers import as_string
from flowgraph.saved_model import names
from flowgraph.tables.vocabularies import (
    index_table_from_tensor,
    index_to_string_table_from_tensor,
)


class _OfClasses(Head):
    """Numbers of classes, or words of a vocabulary."""

    def __init__(
        self,
        n_classes: int,
        dimension: int,
        vocabulary: Sequence[str] | None,
        **more: Any,
    ) -> None:
        if vocabulary is not None and not isinstance(vocabulary, (list, tuple)):
            raise ValueError(
                f"label_vocabulary should be a list or a tuple. Given type: {type(vocabulary)}"
            )
        if vocabulary is not None and len(vocabulary) != n_classes:
            raise ValueError(
                f'"label_vocabulary" does not have "n_classes" items. n_classes={n_classes}, '
                f"label_vocabulary={vocabulary}"
            )
        super().__init__(dimension, **more)
        self._classes = n_classes
        self._words = None if vocabulary is None else tuple(vocabulary)

    def _numbers(self, labels: Any, logits: Tensor) -> Tensor:
        """Labels as numbers of classes, int64 ``[batch, 1]``."""
        tensor = as_matrix(labels, 1, logits)
        if self._words is not None:
            if tensor.dtype.base_dtype is not string:
                raise ValueError(
                    f"Labels dtype should be string if there is a vocabulary. Instead got "
                    f"{tensor.dtype.name}"
                )
            table = index_table_from_tensor(
                vocabulary_list=list(self._words), name="class_id_lookup"
            )
            return in_range(table.lookup(tensor), self._classes)
        if not (tensor.dtype.is_integer or tensor.dtype.is_floating or tensor.dtype.is_bool):
            raise ValueError(f"Labels dtype should be integer. Instead got {tensor.dtype.name}.")
        return in_range(cast(tensor, int64), self._classes)

    def _names(self, ids: Tensor) -> Tensor:
        if self._words is None:
            return as_string(ids)
        table = index_to_string_table_from_tensor(
            vocabulary_list=list(self._words), name="class_string_lookup"
        )
        return table.lookup(ids)

    def _all(self, logits: Tensor) -> dict[str, Tensor]:
        """The classes that there are, for every example."""
        ids = constant(list(range(self._classes)), int64)
        texts = constant([*map(str, range(self._classes))] if self._words is None else
                         list(self._words))  # fmt: skip
        rows = shape_of(logits)[0]
        return {
            "all_class_ids": tile(expand_dims(cast(ids, "int32"), 0), [rows, 1]),
            "all_classes": tile(expand_dims(texts, 0), [rows, 1]),
        }

    def _outputs(self, predictions: Mapping[str, Tensor]) -> dict[str, ExportOutput]:
        output = ClassificationOutput(predictions["probabilities"], predictions["all_classes"])
        found: dict[str, ExportOutput] = {
            names.DEFAULT_SERVING_SIGNATURE_DEF_KEY: output,
            "classification": output,
            "predict": PredictOutput(dict(predictions)),
        }
        if "logistic" in predictions:
            found["regression"] = RegressionOutput(predictions["logistic"])
        return found


@export("estimator.BinaryClassHead")
class BinaryClassHead(_OfClasses):
    """Two classes, by one logit.

    Args:
        weight_column, loss_reduction, loss_fn, name: as of RegressionHead.
        thresholds: numbers in (0, 1), at each of which accuracy, precision and recall are measured.
        label_vocabulary: the names of the classes, if labels are texts.

    Raises:
        ValueError: a threshold is out of range, or there are not two names.
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            2, 1, label_vocabulary, weight_column=weight_column, loss_reduction=loss_reduction,
            loss_fn=loss_fn, name=name,
        )  # fmt: skip
        for threshold in thresholds or ():
            if not 0.0 < threshold < 1.0:
                raise ValueError(f"thresholds not in (0, 1): {thresholds}.")
        self._thresholds = tuple(thresholds or ())

    def _labels(self, labels: Any, logits: Tensor) -> Tensor:
        return cast(self._numbers(labels, logits), float32)

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        return sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def predictions(self, logits: Any) -> dict[str, Tensor]:
        """``logits``, ``logistic``, ``probabilities`` (of both), ``class_ids`` and ``classes``.

        Args:
            logits: ``[batch, 1]``.
        """
        both = concat([zeros_like(logits), logits], -1)
        ids = expand_dims(argmax(both, -1), -1)
        return {
            "logits": logits, "logistic": sigmoid(logits), "probabilities": softmax(both),
            "class_ids": ids, "classes": self._names(ids), **self._all(logits),
        }  # fmt: skip

    def _metrics(self, labels: Any, predictions: Any, weights: Any) -> dict[str, Any]:
        chance, ids = predictions["logistic"], predictions["class_ids"]
        base = mean(labels, weights, name="label/mean")

        def majority(part: Any) -> Tensor:
            return call.Maximum(part, 1.0 - part)

        found = {
            "accuracy": accuracy(labels, ids, weights),
            "precision": precision(labels, ids, weights),
            "recall": recall(labels, ids, weights),
            "prediction/mean": mean(chance, weights),
            "label/mean": base,
            "accuracy_baseline": (majority(base[0]), majority(base[1])),
            "auc": auc(labels, chance, weights),
            "auc_precision_recall": auc(
                labels, chance, weights, curve="PR", summation_method="careful_interpolation"
            ),
        }
        for threshold in self._thresholds:
            above = cast(call.GreaterEqual(chance, threshold), float32)
            found[f"accuracy/positive_threshold_{threshold:g}"] = accuracy(labels, above, weights)
            found[f"precision/positive_threshold_{threshold:g}"] = precision(labels, above, weights)
            found[f"recall/positive_threshold_{threshold:g}"] = recall(labels, above, weights)
        return found


@export("estimator.MultiClassHead")
class MultiClassHead(_OfClasses):
    """One of several classes, by a logit for each.

    Args:
        n_classes: how many classes there are, more than two.
        label_vocabulary: their names, if labels are texts.
        weight_column, loss_reduction, loss_fn, name: as of RegressionHead.

    Raises:
        ValueError: fewer than three classes, or another number of names.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None or n_classes <= 2:
            raise ValueError(f"n_classes must be > 2: {n_classes}.")
        super().__init__(
            n_classes, n_classes, label_vocabulary, weight_column=weight_column,
            loss_reduction=loss_reduction, loss_fn=loss_fn, name=name,
        )  # fmt: skip

    def _labels(self, labels: Any, logits: Tensor) -> Tensor:
        return self._numbers(labels, logits)

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        each = sparse_softmax_cross_entropy(
            call.Squeeze(labels, squeeze_dims=[-1]), logits, reduction=Reduction.NONE
        )
        return expand_dims(each, -1)

    def predictions(self, logits: Any) -> dict[str, Tensor]:
        """``logits``, ``probabilities``, ``class_ids`` and ``classes``.

        Args:
            logits: ``[batch, n_classes]``.
        """
        ids = expand_dims(argmax(logits, -1), -1)
        return {
            "logits": logits, "probabilities": softmax(logits), "class_ids": ids,
            "classes": self._names(ids), **self._all(logits),
        }  # fmt: skip

    def _metrics(self, labels: Any, predictions: Any, weights: Any) -> dict[str, Any]:
        return {"accuracy": accuracy(labels, predictions["class_ids"], weights)}


@export("estimator.MultiLabelHead")
class MultiLabelHead(_OfClasses):
    """Any of several classes, by a logit for each.

    Args:
        n_classes: how many classes there are, two or more.
        label_vocabulary: their names, if labels are a SparseTensor of texts.
        weight_column, loss_reduction, loss_fn, name: as of RegressionHead.
        thresholds, classes_for_class_based_metrics: accepted.

    Labels are ``[batch, n_classes]`` of zeros and ones, or a SparseTensor of classes.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        classes_for_class_based_metrics: Any = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None or n_classes < 2:
            raise ValueError(f"n_classes must be > 1 for multi-label classification. Given: "
                             f"{n_classes}")  # fmt: skip
        super().__init__(
            n_classes, n_classes, label_vocabulary, weight_column=weight_column,
            loss_reduction=loss_reduction, loss_fn=loss_fn, name=name,
        )  # fmt: skip

    def _labels(self, labels: Any, logits: Tensor) -> Tensor:
        if isinstance(needed(labels), SparseTensor):
            ids = labels
            if labels.dtype.base_dtype is string:
                table = index_table_from_tensor(
                    vocabulary_list=list(self._words or ()), name="class_id_lookup"
                )
                ids = table.lookup(labels)
            else:
                ids = SparseTensor(ids.indices, cast(ids.values, int64), ids.dense_shape)
            tensor = cast(sparse_to_indicator(ids, self._classes), float32)
            return reshape(tensor, [-1, self._classes])
        tensor = as_matrix(labels, self._classes, logits)
        return cast(in_range(cast(tensor, int64), 2), float32)

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        each = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return reduce_mean(each, -1, keepdims=True)

    def predictions(self, logits: Any) -> dict[str, Tensor]:
        """``logits`` and ``probabilities``.

        Args:
            logits: ``[batch, n_classes]``.
        """
        return {"logits": logits, "probabilities": sigmoid(logits)}

    def _metrics(self, labels: Any, predictions: Any, weights: Any) -> dict[str, Any]:
        chance = predictions["probabilities"]
        return {
            "auc": auc(labels, chance, weights),
            "auc_precision_recall": auc(
                labels, chance, weights, curve="PR", summation_method="careful_interpolation"
            ),
        }

    def _outputs(self, predictions: Mapping[str, Tensor]) -> dict[str, ExportOutput]:
        every = {**predictions, **self._all(predictions["logits"])}
        output = ClassificationOutput(every["probabilities"], every["all_classes"])
        return {
            names.DEFAULT_SERVING_SIGNATURE_DEF_KEY: output,
            "classification": output,
            "predict": PredictOutput(dict(predictions)),
        }


def classifier_head(
    n_classes: int, weight_column: Any, vocabulary: Any, reduction: str
) -> Head:
    """The head of a classifier, by the number of classes."""
    if n_classes == 2:
        return BinaryClassHead(weight_column, None, vocabulary, reduction)
    return MultiClassHead(n_classes, weight_column, vocabulary, reduction)

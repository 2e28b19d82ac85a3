"""Canned estimators: linear, deep, both, and baselines, over feature columns.

    DNNClassifier([32, 16], feature_columns=[...], n_classes=3, model_dir=...)

Read next: canned_parts.py, heads.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.estimator.canned_parts import (
    baseline_logits,
    check_features,
    columns_of,
    deep_logits,
    linear_logits,
    optimizer_of,
)
from flowgraph.estimator.class_heads import classifier_head
from flowgraph.estimator.core import Estimator
from flowgraph.estimator.heads import Head, RegressionHead
from flowgraph.graph.default import GraphKeys, control_dependencies, get_default_graph
from flowgraph.graph.export import export
from flowgraph.losses.weighted import Reduction
from flowgraph.ops.activations import relu
from flowgraph.ops.control import group
from flowgraph.train.step_counter import get_global_step


class _Model:
    """A model over feature columns: linear, deep, or the sum of both.

    Args:
        head: loss and predictions.
        linear: (columns, optimizer, sparse_combiner), or None.
        deep: (columns, hidden_units, activation, dropout, batch_norm, optimizer), or None.
    """

    def __init__(self, head: Head, linear: Any, deep: Any) -> None:
        if deep is not None and not deep[1]:
            raise ValueError("hidden_units must be given, the width of each hidden layer")
        self._head = head
        self._linear = linear if linear is not None and linear[0] else None
        self._deep = deep if deep is not None and deep[0] else None
        if self._linear is None and self._deep is None:
            raise ValueError("feature_columns must be given: no features could be used.")

    def __call__(self, features: Any, labels: Any, mode: str) -> Any:
        check_features(features)
        head, together = self._head, []
        if self._deep is not None:
            columns, widths, activation, dropout, batch_norm, optimizer = self._deep
            together.append((
                "dnn", optimizer_of(optimizer, 0.05),
                deep_logits(features, mode, columns, widths, head.logits_dimension, activation,
                            dropout, batch_norm),
            ))  # fmt: skip
        if self._linear is not None:
            columns, optimizer, combiner = self._linear
            most = 0.2 if self._deep is None else 0.005
            rate = min(most, 1.0 / math.sqrt(len(columns)))
            together.append((
                "linear", optimizer_of(optimizer, rate),
                linear_logits(features, columns, head.logits_dimension, combiner),
            ))  # fmt: skip
        logits = together[0][2]
        for _, _, more in together[1:]:
            logits = logits + more

        def step(loss: Any) -> Any:
            if len(together) == 1:
                return together[0][1].minimize(loss, get_global_step())
            parts = []
            for scope, optimizer, _ in together:
                own = get_default_graph().get_collection(
                    GraphKeys.TRAINABLE_VARIABLES, f"{scope}/"
                )
                parts.append(optimizer.minimize(loss, var_list=own))
            with control_dependencies([group(*parts)]):
                return get_global_step().assign_add(1).op

        return head.create_estimator_spec(features, mode, logits, labels, train_op_fn=step)


def _model_fn(model: _Model) -> Callable[..., Any]:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        return model(features, labels, mode)

    return model_fn


def _deep(
    columns: Any, units: Any, activation: Any, dropout: Any, batch_norm: bool, optimizer: Any
) -> Any:
    return columns_of(columns), list(units or ()), activation, dropout, batch_norm, optimizer


@export("estimator.LinearEstimator")
class LinearEstimator(Estimator):
    """A linear model with any head.

    Args:
        head: a Head.
        feature_columns: feature columns.
        model_dir, config, warm_start_from: as of Estimator.
        optimizer: an Optimizer, a function that makes one, or a name.
        partitioner: accepted.
        sparse_combiner: as of ``tf.feature_column.linear_model``.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Any,
        model_dir: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        linear = columns_of(feature_columns), optimizer, sparse_combiner
        model = _Model(head, linear, None)
        super().__init__(_model_fn(model), model_dir, config, None, warm_start_from)


@export("estimator.LinearClassifier")
class LinearClassifier(Estimator):
    """Classes by a linear model.

    Args:
        feature_columns: feature columns.
        n_classes: how many classes there are.
        weight_column: name of the feature with the weights of examples.
        label_vocabulary: names of the classes, if labels are texts.
        optimizer: an Optimizer, a function that makes one, or a name; Ftrl with the rate
            min(0.2, 1 / sqrt(number of columns)) by default.
        partitioner: accepted.
        loss_reduction: how the losses of a batch become one.
        sparse_combiner: as of ``tf.feature_column.linear_model``.
        model_dir, config, warm_start_from: as of Estimator.

    >>> import tempfile
    >>> x = tf.feature_column.numeric_column("x")
    >>> points = np.array([-2.0, -1.0, 1.0, 2.0], np.float32)
    >>> data = tf.estimator.inputs.numpy_input_fn(
    ...     {"x": points}, np.int32(points > 0), 4, None, shuffle=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = tf.estimator.LinearClassifier([x], folder).train(data, steps=20)
    ...     print(float(model.evaluate(data, steps=1)["accuracy"]))
    1.0
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        sparse_combiner: str = "sum",
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model = _Model(head, (columns_of(feature_columns), optimizer, sparse_combiner), None)
        super().__init__(_model_fn(model), model_dir, config, None, warm_start_from)


@export("estimator.LinearRegressor")
class LinearRegressor(Estimator):
    """Numbers by a linear model.

    Args:
        feature_columns: feature columns.
        label_dimension: how many numbers an example has.
        weight_column: name of the feature with the weights of examples.
        optimizer: as of LinearClassifier.
        partitioner: accepted.
        loss_reduction: how the losses of a batch become one.
        sparse_combiner: as of ``tf.feature_column.linear_model``.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        sparse_combiner: str = "sum",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = _Model(head, (columns_of(feature_columns), optimizer, sparse_combiner), None)
        super().__init__(_model_fn(model), model_dir, config, None, warm_start_from)


@export("estimator.DNNEstimator")
class DNNEstimator(Estimator):
    """Dense layers with any head.

    Args:
        head: a Head.
        hidden_units, feature_columns, optimizer, activation_fn, dropout, batch_norm: as of
            DNNClassifier.
        input_layer_partitioner: accepted.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[Any], Any] = relu,
        dropout: float | None = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        deep = _deep(feature_columns, hidden_units, activation_fn, dropout, batch_norm, optimizer)
        super().__init__(_model_fn(_Model(head, None, deep)), model_dir, config, None,
                         warm_start_from)  # fmt: skip


@export("estimator.DNNClassifier")
class DNNClassifier(Estimator):
    """Classes by dense layers.

    Args:
        hidden_units: width of each hidden layer.
        feature_columns: dense feature columns.
        n_classes: how many classes there are.
        weight_column: name of the feature with the weights of examples.
        label_vocabulary: names of the classes, if labels are texts.
        optimizer: an Optimizer, a function that makes one, or a name; Adagrad with the rate 0.05
            by default.
        activation_fn: of the hidden layers.
        dropout: part of their outputs that is left out while training.
        input_layer_partitioner: accepted.
        loss_reduction: how the losses of a batch become one.
        batch_norm: whether batches are normalised behind each hidden layer.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[Any], Any] = relu,
        dropout: float | None = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        batch_norm: bool = False,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        deep = _deep(feature_columns, hidden_units, activation_fn, dropout, batch_norm, optimizer)
        super().__init__(_model_fn(_Model(head, None, deep)), model_dir, config, None,
                         warm_start_from)  # fmt: skip


@export("estimator.DNNRegressor")
class DNNRegressor(Estimator):
    """Numbers by dense layers.

    Args:
        label_dimension: how many numbers an example has.
        hidden_units, feature_columns, weight_column, optimizer, activation_fn, dropout,
            input_layer_partitioner, loss_reduction, batch_norm: as of DNNClassifier.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[Any], Any] = relu,
        dropout: float | None = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        batch_norm: bool = False,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        deep = _deep(feature_columns, hidden_units, activation_fn, dropout, batch_norm, optimizer)
        super().__init__(_model_fn(_Model(head, None, deep)), model_dir, config, None,
                         warm_start_from)  # fmt: skip


def _check_combined(linear: list[Any], deep: list[Any], hidden_units: Any) -> None:
    if not linear and not deep:
        raise ValueError(
            "Either linear_feature_columns or dnn_feature_columns must be defined."
        )
    if deep and not hidden_units:
        raise ValueError("dnn_hidden_units must be defined when dnn_feature_columns is specified.")


def _combined(
    head: Head, linear: Any, linear_optimizer: Any, combiner: str, deep: Any, deep_optimizer: Any,
    hidden_units: Any, activation: Any, dropout: Any, batch_norm: bool,
) -> Callable[..., Any]:  # fmt: skip
    linear, deep = columns_of(linear), columns_of(deep)
    _check_combined(linear, deep, hidden_units)
    part = _deep(deep, hidden_units, activation, dropout, batch_norm, deep_optimizer)
    return _model_fn(_Model(head, (linear, linear_optimizer, combiner), part if deep else None))


@export("estimator.DNNLinearCombinedEstimator")
class DNNLinearCombinedEstimator(Estimator):
    """The sum of a linear model and dense layers, with any head.

    Args:
        head: a Head.
        linear_feature_columns, linear_optimizer, dnn_feature_columns, dnn_optimizer,
            dnn_hidden_units, dnn_activation_fn, dnn_dropout, input_layer_partitioner, batch_norm,
            linear_sparse_combiner: as of DNNLinearCombinedClassifier.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        head: Head,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[[Any], Any] = relu,
        dnn_dropout: float | None = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        model_fn = _combined(
            head, linear_feature_columns, linear_optimizer, linear_sparse_combiner,
            dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout,
            batch_norm,
        )  # fmt: skip
        super().__init__(model_fn, model_dir, config, None, warm_start_from)


@export("estimator.DNNLinearCombinedClassifier")
class DNNLinearCombinedClassifier(Estimator):
    """Classes by the sum of a linear model and dense layers ("wide and deep").

    Args:
        linear_feature_columns: columns of the linear model.
        linear_optimizer: its optimizer; Ftrl with the rate min(0.005, 1 / sqrt(number of columns))
            by default.
        dnn_feature_columns: dense columns of the layers.
        dnn_optimizer: their optimizer; Adagrad with the rate 0.05 by default.
        dnn_hidden_units: width of each hidden layer.
        dnn_activation_fn: of the hidden layers.
        dnn_dropout: part of their outputs that is left out while training.
        n_classes: how many classes there are.
        weight_column: name of the feature with the weights of examples.
        label_vocabulary: names of the classes, if labels are texts.
        input_layer_partitioner: accepted.
        loss_reduction: how the losses of a batch become one.
        batch_norm: whether batches are normalised behind each hidden layer.
        linear_sparse_combiner: as of ``tf.feature_column.linear_model``.
        model_dir, config, warm_start_from: as of Estimator.

    Raises:
        ValueError: no columns, or no ``dnn_hidden_units`` for the layers.
    """

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[[Any], Any] = relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = _combined(
            classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            linear_feature_columns, linear_optimizer, linear_sparse_combiner, dnn_feature_columns,
            dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm,
        )  # fmt: skip
        super().__init__(model_fn, model_dir, config, None, warm_start_from)


@export("estimator.DNNLinearCombinedRegressor")
class DNNLinearCombinedRegressor(Estimator):
    """Numbers by the sum of a linear model and dense layers.

    Args:
        label_dimension: how many numbers an example has.
        linear_feature_columns, linear_optimizer, dnn_feature_columns, dnn_optimizer,
            dnn_hidden_units, dnn_activation_fn, dnn_dropout, weight_column,
            input_layer_partitioner, loss_reduction, batch_norm, linear_sparse_combiner: as of
            DNNLinearCombinedClassifier.
        model_dir, config, warm_start_from: as of Estimator.
    """

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[[Any], Any] = relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = Reduction.SUM,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = _combined(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            linear_feature_columns, linear_optimizer, linear_sparse_combiner, dnn_feature_columns,
            dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm,
        )  # fmt: skip
        super().__init__(model_fn, model_dir, config, None, warm_start_from)


def _baseline(head: Head, optimizer: Any) -> Callable[..., Any]:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        logits = baseline_logits(features, head.logits_dimension)

        def step(loss: Any) -> Any:
            return optimizer_of(optimizer, 0.3).minimize(loss, get_global_step())

        return head.create_estimator_spec(features, mode, logits, labels, train_op_fn=step)

    return model_fn


@export("estimator.BaselineEstimator")
class BaselineEstimator(Estimator):
    """The same prediction for each example, with any head.

    Args:
        head: a Head.
        model_dir, config: as of Estimator.
        optimizer: an Optimizer, a function that makes one, or a name.
    """

    def __init__(
        self, head: Head, model_dir: Any = None, optimizer: Any = "Ftrl", config: Any = None
    ) -> None:
        super().__init__(_baseline(head, optimizer), model_dir, config)


@export("estimator.BaselineClassifier")
class BaselineClassifier(Estimator):
    """The same probabilities for each example: how often each class is there.

    Args:
        model_dir, config: as of Estimator.
        n_classes, weight_column, label_vocabulary, loss_reduction: as of LinearClassifier.
        optimizer: an Optimizer, a function that makes one, or a name; Ftrl with the rate 0.3 by
            default.
    """

    def __init__(
        self,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = Reduction.SUM,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(_baseline(head, optimizer), model_dir, config)


@export("estimator.BaselineRegressor")
class BaselineRegressor(Estimator):
    """The same number for each example: their mean.

    Args:
        model_dir, config: as of Estimator.
        label_dimension, weight_column, loss_reduction: as of LinearRegressor.
        optimizer: as of BaselineClassifier.
    """

    def __init__(
        self,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = Reduction.SUM,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        super().__init__(_baseline(head, optimizer), model_dir, config)

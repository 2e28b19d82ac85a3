"""Heads: from logits to loss, predictions, metrics and export outputs.

    regression            logits are the predictions                    mean of squares
    two classes           one logit, probability sigmoid(logit)         sigmoid cross-entropy
    several classes       a logit for each, probabilities softmax       softmax cross-entropy
    several labels        a logit for each, probabilities sigmoid       sigmoid cross-entropy

Read next: class_heads.py, canned.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.estimator.export_outputs import (
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from flowgraph.estimator.specs import EstimatorSpec, ModeKeys
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_default_graph,
    name_scope,
)
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.losses.functions import mean_squared_error
from flowgraph.losses.weighted import Reduction, compute_weighted_loss
from flowgraph.metrics.streaming import mean
from flowgraph.ops.casts import cast
from flowgraph.ops.checks import assert_greater_equal, assert_less
from flowgraph.ops.constants import constant
from flowgraph.ops.control import group
from flowgraph.ops.elementwise import sigmoid
from flowgraph.ops.identity import identity
from flowgraph.ops.losses import log_poisson_loss, sigmoid_cross_entropy_with_logits
from flowgraph.ops.reshaping import expand_dims
from flowgraph.saved_model import names
from flowgraph.summary.functions import scalar
from flowgraph.train.step_counter import get_global_step


@export("estimator.Head")
class Head:
    """The base of heads.

    Args:
        logits_dimension: how many logits an example has.
        weight_column: name of the feature with a weight for each example, or a numeric column.
        loss_reduction: how the losses of a batch become one: a value of ``tf.losses.Reduction``.
        loss_fn: function of ``labels, logits`` in place of the head's loss; ``[batch, 1]``.
        name: behind the names of metrics.
    """

    def __init__(
        self,
        logits_dimension: int,
        weight_column: Any = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if loss_reduction not in Reduction.all() or loss_reduction == Reduction.NONE:
            raise ValueError(f"Invalid loss_reduction: {loss_reduction}")
        self._dimension, self._weight_column = logits_dimension, weight_column
        self._reduction, self._loss_fn, self._name = loss_reduction, loss_fn, name

    @property
    def name(self) -> str | None:
        """What stands behind the names of metrics."""
        return self._name

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has."""
        return self._dimension

    # ---- what heads differ in

    def _labels(self, labels: Any, logits: Tensor) -> Tensor:
        """Labels as the loss takes them.

        Raises:
            ValueError: there are none.
        """
        raise NotImplementedError

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """A loss for each example, ``[batch, 1]``."""
        raise NotImplementedError

    def predictions(self, logits: Any) -> dict[str, Tensor]:
        """What can be said of each example.

        Args:
            logits: ``[batch, logits_dimension]``.
        """
        raise NotImplementedError

    def _metrics(
        self, labels: Tensor, predictions: Mapping[str, Tensor], weights: Any
    ) -> dict[str, Any]:
        raise NotImplementedError

    def _outputs(self, predictions: Mapping[str, Tensor]) -> dict[str, ExportOutput]:
        raise NotImplementedError

    # ---- what they share

    def _key(self, name: str) -> str:
        return f"{name}/{self._name}" if self._name else name

    def _weights(self, features: Any) -> Any:
        """The weight of each example, ``[batch, 1]``; 1 when there are none."""
        column = self._weight_column
        if column is None:
            return 1.0
        key = column if isinstance(column, str) else column.key
        if not isinstance(features, Mapping) or key not in features:
            raise ValueError(f"Feature {key} is not in features dictionary.")
        weights = convert_to_tensor(features[key])
        if not (weights.dtype.is_floating or weights.dtype.is_integer):
            raise ValueError(f"Weight column should be castable to float. Given dtype: "
                             f"{weights.dtype.name}")  # fmt: skip
        weights = cast(weights, float32)
        return expand_dims(weights, -1) if weights.get_shape().ndims == 1 else weights

    def _checked(self, logits: Any) -> Tensor:
        logits = cast(convert_to_tensor(logits), float32)
        dims = logits.dims
        if dims is not None and (len(dims) < 2 or dims[-1] not in (None, self._dimension)):
            raise ValueError(
                f"logits shape must be [D0, D1, ... DN, logits_dimension], logits_dimension="
                f"{self._dimension}, got {logits.get_shape()}"
            )
        return logits

    def loss(self, labels: Any, logits: Any, features: Any = None) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            labels: the labels.
            logits: ``[batch, logits_dimension]``.
            features: with the weights, if there are.
        """
        logits = self._checked(logits)
        return self._reduced(self._each(self._labels(labels, logits), logits), features)

    def _each(self, labels: Tensor, logits: Tensor) -> Tensor:
        if self._loss_fn is not None:
            return self._loss_fn(labels, logits)
        return self._losses(labels, logits)

    def _reduced(self, losses: Tensor, features: Any) -> Tensor:
        return compute_weighted_loss(losses, self._weights(features), reduction=self._reduction)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Sequence[Any] | None = None,
        train_op_fn: Callable[[Tensor], Any] | None = None,
        update_ops: Sequence[Any] | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> EstimatorSpec:
        """What a model function returns.

        Args:
            features: of the batch.
            mode: ModeKeys value.
            logits: ``[batch, logits_dimension]``.
            labels: of the batch; not needed to predict.
            optimizer: a tf.train.Optimizer that makes the step.
            trainable_variables: the variables it changes; all trained ones by default.
            train_op_fn: function from the loss to an operation, in place of ``optimizer``.
            update_ops: operations that are part of a step; those in ``GraphKeys.UPDATE_OPS`` by
                default.
            regularization_losses: tensors that are added to the loss.

        Raises:
            ValueError: labels, or optimizer and train_op_fn, are missing; a shape does not fit.
        """
        with name_scope(self._name, "head"):
            logits = self._checked(logits)
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = self._outputs(predictions)
                return EstimatorSpec(mode, predictions, export_outputs=outputs)
            labels = self._labels(labels, logits)
            losses = self._each(labels, logits)
            loss = self._reduced(losses, features)
            if regularization_losses:
                loss = loss + call.AddN(list(regularization_losses))
            weights = self._weights(features)
            if mode == ModeKeys.EVAL:
                metrics = {self._key("average_loss"): mean(losses, weights)}
                for key, pair in self._metrics(labels, predictions, weights).items():
                    metrics[self._key(key)] = pair
                return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
            average = compute_weighted_loss(losses, weights, reduction=Reduction.MEAN)
        with name_scope(""):  # NB: so that variables of optimizers have their plain names
            train_op = self._step(loss, optimizer, trainable_variables, train_op_fn, update_ops)
            scalar(self._key("loss"), loss)
            if self._reduction == Reduction.SUM:
                scalar(self._key("average_loss"), average)
        return EstimatorSpec(mode, predictions, loss, train_op)

    @staticmethod
    def _step(
        loss: Tensor, optimizer: Any, variables: Any, train_op_fn: Any, update_ops: Any
    ) -> Operation:
        if (optimizer is None) == (train_op_fn is None):
            raise ValueError("Exactly one of train_op_fn and optimizer must be given.")
        if train_op_fn is not None:
            step = train_op_fn(loss)
        else:
            step = optimizer.minimize(loss, get_global_step(), var_list=variables)
        if update_ops is None:
            update_ops = get_default_graph().get_collection(GraphKeys.UPDATE_OPS)
        return group(step, *update_ops) if update_ops else step


def needed(labels: Any) -> Any:
    """``labels``.

    Raises:
        ValueError: there are none.
    """
    if labels is None:
        raise ValueError(
            "You must provide a labels Tensor. Given: None. Suggested troubleshooting steps: Check "
            "that your data contain your label feature. Check that your input_fn properly parses "
            "and returns labels."
        )
    return labels


def as_matrix(labels: Any, width: int, logits: Tensor) -> Tensor:
    """Labels as ``[batch, width]``.

    Raises:
        ValueError: they have another shape.
    """
    tensor = convert_to_tensor(needed(labels))
    if tensor.get_shape().ndims == 1 and width == 1:
        tensor = expand_dims(tensor, -1)
    dims = tensor.dims
    rank = len(logits.dims or dims or ())
    if dims is not None and (len(dims) != rank or dims[-1] not in (None, width)):
        raise ValueError(
            f"Mismatched label shape. Expected labels dimension={width}.  Received "
            f"{tensor.get_shape()}. Suggested Fix: check your n_classes argument to the estimator "
            "and/or the shape of your label."
        )
    return tensor


def in_range(labels: Tensor, classes: int) -> Tensor:
    """``labels``, which are numbers of classes or an error of the run."""
    low, high = constant(0, labels.dtype.base_dtype), constant(classes, labels.dtype.base_dtype)
    with control_dependencies([
        assert_less(labels, high, message=f"Labels must be <= n_classes - 1 = {classes - 1}"),
        assert_greater_equal(labels, low, message="Labels must be >= 0"),
    ]):  # fmt: skip
        return identity(labels)


@export("estimator.RegressionHead")
class RegressionHead(Head):
    """Numbers, by least squares.

    Args:
        label_dimension: how many numbers an example has.
        weight_column, loss_reduction, loss_fn, name: as of Head: weights, reduction, another
            loss, and what stands behind names of metrics.
        inverse_link_fn: function from logits to predictions.

    Raises:
        ValueError: ``label_dimension`` is not positive.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        inverse_link_fn: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if label_dimension < 1:
            raise ValueError(f"Invalid label_dimension {label_dimension}.")
        super().__init__(label_dimension, weight_column, loss_reduction, loss_fn, name)
        self._link = inverse_link_fn

    def _labels(self, labels: Any, logits: Tensor) -> Tensor:
        return cast(as_matrix(labels, self._dimension, logits), float32)

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        return mean_squared_error(labels, logits, reduction=Reduction.NONE)

    def predictions(self, logits: Any) -> dict[str, Tensor]:
        """``predictions``, the numbers; with a link also ``logits``.

        Args:
            logits: ``[batch, label_dimension]``.
        """
        if self._link is None:
            return {"predictions": logits}
        return {"predictions": self._link(logits), "logits": logits}

    def _metrics(self, labels: Any, predictions: Any, weights: Any) -> dict[str, Any]:
        found = predictions["predictions"]
        return {"prediction/mean": mean(found, weights), "label/mean": mean(labels, weights)}

    def _outputs(self, predictions: Mapping[str, Tensor]) -> dict[str, ExportOutput]:
        regression = RegressionOutput(predictions["predictions"])
        return {
            names.DEFAULT_SERVING_SIGNATURE_DEF_KEY: regression,
            "regression": regression,
            "predict": PredictOutput(dict(predictions)),
        }


@export("estimator.PoissonRegressionHead")
class PoissonRegressionHead(RegressionHead):
    """Numbers of events: predictions are exp(logits), by the likelihood of Poisson's distribution.

    Args:
        label_dimension, weight_column, loss_reduction, name: as of RegressionHead.
        compute_full_loss: whether Stirling's approximation of log(label!) is part of the loss.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        def loss_fn(labels: Any, logits: Any) -> Tensor:
            return log_poisson_loss(labels, logits, compute_full_loss)

        super().__init__(
            label_dimension, weight_column, loss_reduction, loss_fn, call.Exp, name
        )


@export("estimator.LogisticRegressionHead")
class LogisticRegressionHead(RegressionHead):
    """Numbers in [0, 1]: predictions are sigmoid(logits), by cross-entropy.

    Args:
        weight_column, loss_reduction, name: as of RegressionHead.
    """

    def __init__(
        self,
        weight_column: Any = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
    ) -> None:
        def loss_fn(labels: Any, logits: Any) -> Tensor:
            return sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

        super().__init__(1, weight_column, loss_reduction, loss_fn, sigmoid, name)

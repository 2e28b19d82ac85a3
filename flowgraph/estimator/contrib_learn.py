"""The part of tf.contrib.learn that programs used: estimators with ``fit``, over arrays too.

    classifier = tf.contrib.learn.DNNClassifier([10], feature_columns=columns, n_classes=3)
    classifier.fit(x=train_x, y=train_y, steps=200)
    classifier.evaluate(x=test_x, y=test_y)["accuracy"]
    list(classifier.predict(new_x))                        classes

They are tf.estimator's; arrays become the feature ``""``, as
``infer_real_valued_columns_from_input`` names it.

Read next: canned.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from flowgraph.estimator import canned
from flowgraph.estimator.core import Estimator
from flowgraph.estimator.input_data import arguments_of, features_and_labels, numpy_input_fn
from flowgraph.estimator.specs import EstimatorSpec, ModeKeys
from flowgraph.feature_column.numeric import numeric_column
from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.losses.weighted import Reduction
from flowgraph.ops.activations import relu

#: The name of the one feature that an array is.
_ALL = ""


@export("contrib.learn.ModelFnOps")
class ModelFnOps(NamedTuple):
    """What model functions of tf.contrib.learn return: an EstimatorSpec with fewer fields."""

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: Any = None
    output_alternatives: Any = None
    training_chief_hooks: Any = None
    training_hooks: Any = None
    scaffold: Any = None


class _Fits(Estimator):
    """An Estimator with the methods of tf.contrib.learn."""

    #: What ``predict`` gives of each example; None: all.
    _said: str | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[..., Any] | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        monitors: Iterable[Any] | None = None,
        max_steps: int | None = None,
    ) -> Self:
        """Train.

        Args:
            x: features: an array, or a dict of them.
            y: labels.
            input_fn: in place of ``x`` and ``y``: as of ``Estimator.train``.
            steps, max_steps: as there.
            batch_size: rows of a batch; all of them by default.
            monitors: SessionRunHooks.

        Raises:
            ValueError: neither or both of ``x`` and ``input_fn`` are given.
        """
        data = _input_fn(x, y, input_fn, batch_size, None, True)
        return self.train(data, monitors, steps, max_steps)

    partial_fit = fit

    def evaluate(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[..., Any] | None = None,
        feed_fn: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        metrics: Any = None,
        name: str | None = None,
        checkpoint_path: str | None = None,
        hooks: Iterable[Any] | None = None,
        log_progress: bool = True,
    ) -> dict[str, Any]:
        """The metrics of the model on some data.

        Args:
            x, y, input_fn, batch_size: as of ``fit``.
            steps, name, checkpoint_path, hooks: as of ``Estimator.evaluate``.
            feed_fn, log_progress: accepted.
            metrics: must be None: the model function has them.
        """
        if metrics is not None:
            raise NotImplementedError(
                "evaluate: metrics must be part of the model: eval_metric_ops of its EstimatorSpec"
            )
        if callable(x):  # NB: tf.estimator's evaluate takes input_fn first
            x, input_fn = None, x
        data = _input_fn(x, y, input_fn, batch_size, 1, False)
        return super().evaluate(data, steps, hooks, checkpoint_path, name)

    def predict(  # type: ignore[override]
        self,
        x: Any = None,
        input_fn: Callable[..., Any] | None = None,
        batch_size: int | None = None,
        outputs: Sequence[str] | None = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """Predictions: of classifiers the classes, of regressors the numbers, else all there are.

        Args:
            x, input_fn, batch_size: as of ``fit``.
            outputs: names of the only predictions that are wanted.
            as_iterable: False gives an array of all.
            iterate_batches: whether batches are given instead of rows.
        """
        if callable(x):
            x, input_fn = None, x
        data = _input_fn(x, None, input_fn, batch_size, 1, False)
        keys = list(outputs) if outputs is not None else None
        rows = super().predict(data, keys, yield_single_examples=not iterate_batches)
        said = self._said if outputs is None else None
        found = rows if said is None else (_scalar(row[said], iterate_batches) for row in rows)
        return found if as_iterable else np.array(list(found))

    def predict_proba(
        self,
        x: Any = None,
        input_fn: Callable[..., Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The probabilities of the classes.

        Args:
            x, input_fn, batch_size, as_iterable: as of ``predict``.
        """
        rows = self.predict(x, input_fn, batch_size, ["probabilities"])
        found = (row["probabilities"] for row in rows)
        return found if as_iterable else np.array(list(found))

    def predict_classes(
        self,
        x: Any = None,
        input_fn: Callable[..., Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The classes.

        Args:
            x, input_fn, batch_size, as_iterable: as of ``predict``.
        """
        rows = self.predict(x, input_fn, batch_size, ["class_ids"])
        found = (_scalar(row["class_ids"], False) for row in rows)
        return found if as_iterable else np.array(list(found))

    def predict_scores(
        self,
        x: Any = None,
        input_fn: Callable[..., Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The numbers of a regressor.

        Args:
            x, input_fn, batch_size, as_iterable: as of ``predict``.
        """
        rows = self.predict(x, input_fn, batch_size, ["predictions"])
        found = (_scalar(row["predictions"], False) for row in rows)
        return found if as_iterable else np.array(list(found))


def _scalar(value: Any, is_batch: bool) -> Any:
    """A row of one number as this number."""
    if is_batch:
        return value[..., 0] if value.ndim > 1 and value.shape[-1] == 1 else value
    return value[0] if np.shape(value) == (1,) else value


def _input_fn(
    x: Any,
    y: Any,
    input_fn: Callable[..., Any] | None,
    batch_size: int | None,
    epochs: int | None,
    shuffle: bool,
) -> Callable[..., Any]:
    if (x is None) == (input_fn is None):
        raise ValueError("Either x or input_fn must be given, and not both.")
    if input_fn is not None:
        return input_fn
    features = {k: np.asarray(v) for k, v in x.items()} if isinstance(x, Mapping) else {
        _ALL: np.asarray(x)}  # fmt: skip
    rows = len(next(iter(features.values())))
    labels = None if y is None else np.asarray(y)
    return numpy_input_fn(features, labels, batch_size or rows, epochs, shuffle)


@export("contrib.learn.Estimator")
class LearnEstimator(_Fits):
    """A model function of tf.contrib.learn, with ``fit``.

    Args:
        model_fn: function of ``features, labels`` and, if it has such arguments, ``mode``,
            ``params`` and ``config``; it returns ModelFnOps, an EstimatorSpec, or
            ``(predictions, loss, train_op)``.  Of an array the features are one tensor.
        model_dir, config, params: as of tf.estimator.Estimator.
        feature_engineering_fn: function of features and labels that changes them first.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: Any = None,
        config: Any = None,
        params: Mapping[str, Any] | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        wanted = arguments_of(model_fn)

        def adapted(
            features: Any, labels: Any, mode: str, params: Any, config: Any
        ) -> EstimatorSpec:
            if isinstance(features, Mapping) and set(features) == {_ALL}:
                features = features[_ALL]
            if feature_engineering_fn is not None:
                features, labels = feature_engineering_fn(features, labels)
            given = {"mode": mode, "params": params, "config": config}
            given = {name: value for name, value in given.items() if name in wanted}
            result = model_fn(features, labels, **given)
            if isinstance(result, EstimatorSpec):
                return result
            if isinstance(result, tuple) and not isinstance(result, ModelFnOps):
                result = ModelFnOps(mode, *result)
            train_op = result.train_op if mode == ModeKeys.TRAIN else None
            return EstimatorSpec(
                mode, result.predictions, result.loss, train_op, result.eval_metric_ops,
                training_chief_hooks=result.training_chief_hooks,
                training_hooks=result.training_hooks, scaffold=result.scaffold,
            )  # fmt: skip

        super().__init__(adapted, model_dir, config, dict(params or {}))


_OLD_MEAN = Reduction.SUM_OVER_BATCH_SIZE


@export("contrib.learn.DNNClassifier")
class DNNClassifier(_Fits, canned.DNNClassifier):
    """tf.estimator.DNNClassifier with ``fit``; ``predict`` gives classes.

    Args:
        hidden_units, feature_columns, model_dir, n_classes, optimizer, activation_fn, dropout,
            config: as there.
        weight_column_name: name of the feature with the weights of examples.
        label_keys: names of the classes, if labels are texts.
        gradient_clip_norm, enable_centered_bias, num_ps_replicas, feature_engineering_fn,
            embedding_lr_multipliers, input_layer_min_slice_size: accepted.
    """

    _said = "class_ids"

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Callable[[Any], Any] = relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: Any = None,
        label_keys: Sequence[str] | None = None,
        num_ps_replicas: Any = None,
    ) -> None:
        canned.DNNClassifier.__init__(
            self, hidden_units, feature_columns, model_dir, n_classes, weight_column_name,
            label_keys, optimizer or "Adagrad", activation_fn, dropout, config=config,
            loss_reduction=_OLD_MEAN,
        )  # fmt: skip


@export("contrib.learn.DNNRegressor")
class DNNRegressor(_Fits, canned.DNNRegressor):
    """tf.estimator.DNNRegressor with ``fit``; ``predict`` gives numbers.

    Args:
        hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout, config,
            label_dimension: as there.
        weight_column_name: name of the feature with the weights of examples.
        gradient_clip_norm, enable_centered_bias, feature_engineering_fn, num_ps_replicas,
            embedding_lr_multipliers, input_layer_min_slice_size: accepted.
    """

    _said = "predictions"

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Callable[[Any], Any] = relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        label_dimension: int = 1,
        embedding_lr_multipliers: Any = None,
        input_layer_min_slice_size: Any = None,
        num_ps_replicas: Any = None,
    ) -> None:
        canned.DNNRegressor.__init__(
            self, hidden_units, feature_columns, model_dir, label_dimension, weight_column_name,
            optimizer or "Adagrad", activation_fn, dropout, config=config,
            loss_reduction=_OLD_MEAN,
        )  # fmt: skip


@export("contrib.learn.LinearClassifier")
class LinearClassifier(_Fits, canned.LinearClassifier):
    """tf.estimator.LinearClassifier with ``fit``; ``predict`` gives classes.

    Args:
        feature_columns, model_dir, n_classes, optimizer, config: as there.
        weight_column_name: name of the feature with the weights of examples.
        label_keys: names of the classes, if labels are texts.
        gradient_clip_norm, enable_centered_bias, _joint_weight, feature_engineering_fn: accepted.
    """

    _said = "class_ids"

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        _joint_weight: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
        label_keys: Sequence[str] | None = None,
    ) -> None:
        canned.LinearClassifier.__init__(
            self, feature_columns, model_dir, n_classes, weight_column_name, label_keys,
            optimizer or "Ftrl", config, loss_reduction=_OLD_MEAN,
        )  # fmt: skip


@export("contrib.learn.LinearRegressor")
class LinearRegressor(_Fits, canned.LinearRegressor):
    """tf.estimator.LinearRegressor with ``fit``; ``predict`` gives numbers.

    Args:
        feature_columns, model_dir, optimizer, config, label_dimension: as there.
        weight_column_name: name of the feature with the weights of examples.
        gradient_clip_norm, enable_centered_bias, _joint_weights, feature_engineering_fn: accepted.
    """

    _said = "predictions"

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        label_dimension: int = 1,
        _joint_weights: bool = False,
        config: Any = None,
        feature_engineering_fn: Any = None,
    ) -> None:
        canned.LinearRegressor.__init__(
            self, feature_columns, model_dir, label_dimension, weight_column_name,
            optimizer or "Ftrl", config, loss_reduction=_OLD_MEAN,
        )  # fmt: skip


@export("contrib.learn.infer_real_valued_columns_from_input")
def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """Numeric columns for the features in an array, or in a dict of arrays.

    Args:
        x: an array with a row for each example, or a dict of such.

    Raises:
        ValueError: an array has no numbers.

    >>> (column,) = tf.contrib.learn.infer_real_valued_columns_from_input(np.zeros((5, 3)))
    >>> column.shape
    (3,)
    """
    features = dict(x) if isinstance(x, Mapping) else {_ALL: x}
    columns = []
    for key in sorted(features):
        array = np.asarray(features[key])
        if array.dtype.kind not in "fiub":
            raise ValueError(f"feature {key!r} has no numbers, but {array.dtype.name}")
        columns.append(numeric_column(key, tuple(array.shape[1:]) or (1,)))
    return columns


@export("contrib.learn.infer_real_valued_columns_from_input_fn")
def infer_real_valued_columns_from_input_fn(input_fn: Callable[[], Any]) -> list[Any]:
    """Numeric columns for the features that an input function returns.

    Args:
        input_fn: the function; it is called in a graph of its own.
    """
    from_graph = _features_of(input_fn)
    columns = []
    for key in sorted(from_graph):
        dims = from_graph[key].get_shape().as_list()[1:]
        columns.append(numeric_column(key, tuple(dims) or (1,)))
    return columns


def _features_of(input_fn: Callable[[], Any]) -> dict[str, Any]:
    from_graph = Graph()
    with from_graph.as_default():
        features, _, _ = features_and_labels(input_fn())
    return features if isinstance(features, dict) else {_ALL: features}


@export("contrib.learn.SKCompat")
class SKCompat:
    """An estimator with the methods of scikit-learn: ``fit``, ``predict``, ``score`` of arrays.

    Args:
        estimator: an estimator of tf.contrib.learn.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(
        self, x: Any, y: Any, batch_size: int = 128, steps: int | None = None,
        max_steps: int | None = None, monitors: Any = None,
    ) -> SKCompat:  # fmt: skip
        """Train.

        Args:
            x, y: features and labels.
            batch_size, steps, max_steps, monitors: as of ``Estimator.fit``.
        """
        self._estimator.fit(x, y, None, steps, batch_size, monitors, max_steps)
        return self

    def score(
        self, x: Any, y: Any, batch_size: int = 128, steps: int | None = None,
        metrics: Any = None, name: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The metrics.

        Args:
            x, y: features and labels.
            batch_size, steps, metrics, name: as of ``Estimator.evaluate``.
        """
        return self._estimator.evaluate(
            x, y, batch_size=batch_size, steps=steps, metrics=metrics, name=name
        )

    def predict(self, x: Any, batch_size: int = 128, outputs: Any = None) -> Any:
        """The predictions, in arrays.

        Args:
            x: features.
            batch_size, outputs: as of ``Estimator.predict``.
        """
        rows = list(self._estimator.predict(x, batch_size=batch_size, outputs=outputs))
        if rows and isinstance(rows[0], dict):
            return {key: np.array([row[key] for row in rows]) for key in rows[0]}
        return np.array(rows)

"""The logits of the canned models, and their optimizers.

    linear   linear/linear_model/<column>/weights, linear/linear_model/bias_weights
    deep     dnn/hiddenlayer_0/kernel ..., dnn/logits/kernel
             dnn/input_from_feature_columns/input_layer/<column>_embedding/embedding_weights

Variables have the names that TensorFlow's canned estimators give them.

Read next: canned.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.estimator.specs import ModeKeys
from flowgraph.feature_column.columns import FeatureColumn
from flowgraph.feature_column.models import input_layer, linear_model
from flowgraph.graph.default import name_scope
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.layers.core import Dense, dropout
from flowgraph.layers.normalization import batch_normalization
from flowgraph.ops.constants import ones
from flowgraph.ops.initializers import GlorotUniform, Zeros
from flowgraph.ops.joining import concat
from flowgraph.ops.reshaping import reshape
from flowgraph.ops.rules import shape_of
from flowgraph.ops.statistics import zero_fraction
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.summary.functions import histogram, scalar
from flowgraph.train.adagrad import AdagradOptimizer
from flowgraph.train.adam import AdamOptimizer
from flowgraph.train.ftrl import FtrlOptimizer
from flowgraph.train.gradient_descent import GradientDescentOptimizer
from flowgraph.train.optimizer import Optimizer
from flowgraph.train.rmsprop import RMSPropOptimizer

_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "Adagrad": AdagradOptimizer, "Adam": AdamOptimizer, "Ftrl": FtrlOptimizer,
    "RMSProp": RMSPropOptimizer, "SGD": GradientDescentOptimizer,
}  # fmt: skip


def optimizer_of(given: Any, rate: float) -> Optimizer:
    """An optimizer from one, a function that makes one, or a name.

    Args:
        given: the optimizer, function or name.
        rate: the learning rate of one that is named.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, str):
        if given not in _OPTIMIZERS:
            raise ValueError(
                f"Unsupported optimizer name: {given}. Supported names are: "
                f"{tuple(sorted(_OPTIMIZERS))}"
            )
        return _OPTIMIZERS[given](learning_rate=rate)
    if not isinstance(given, Optimizer) and callable(given):
        given = given()
    if not isinstance(given, Optimizer):
        raise ValueError(f"The given object is not an Optimizer instance. Given: {given}")
    return given


def columns_of(given: Any) -> list[Any]:
    """Feature columns as a list.

    Raises:
        ValueError: something is no column.
    """
    columns = [given] if isinstance(given, FeatureColumn) else list(given or ())
    for column in columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(f"Items of feature_columns must be feature columns. Given: {column}")
    return columns


def check_features(features: Any) -> None:
    """Features have names.

    Raises:
        ValueError: they are no dict.
    """
    if not isinstance(features, Mapping):
        raise ValueError(
            f"features should be a dictionary of `Tensor`s. Given type: {type(features)}"
        )


def linear_logits(
    features: Any, columns: Sequence[Any], units: int, sparse_combiner: str
) -> Tensor:
    """The logits of a linear model.

    Args:
        features: name -> tensor.
        columns: feature columns.
        units: how many logits.
        sparse_combiner: as of ``tf.feature_column.linear_model``.
    """
    made: dict[Any, Any] = {}
    with variable_scope("linear"):
        logits = linear_model(features, columns, units, sparse_combiner, cols_to_vars=made)
    bias = made.pop("bias")
    with name_scope("linear/"):
        if units == 1:
            scalar("bias", reshape(bias[0].value(), []))
        else:
            histogram("bias", bias[0].value())
        weights = [reshape(v.value(), [-1]) for found in made.values() for v in found]
        scalar("fraction_of_zero_weights", zero_fraction(concat(weights, 0)))
    return logits


def deep_logits(
    features: Any,
    mode: str,
    columns: Sequence[Any],
    hidden_units: Sequence[int],
    units: int,
    activation: Callable[[Any], Any],
    dropout_rate: float | None,
    with_batch_norm: bool,
) -> Tensor:
    """The logits of layers that are dense.

    Args:
        features: name -> tensor.
        mode: ModeKeys value.
        columns: dense feature columns.
        hidden_units: width of each hidden layer.
        units: how many logits.
        activation: of the hidden layers.
        dropout_rate: part of their outputs that is left out while training.
        with_batch_norm: whether batches are normalised behind each of them.
    """
    is_training = mode == ModeKeys.TRAIN
    with variable_scope("dnn"):
        with variable_scope("input_from_feature_columns"):
            net = input_layer(features, columns)
        for number, width in enumerate(hidden_units):
            name = f"hiddenlayer_{number}"
            net = Dense(width, activation, kernel_initializer=GlorotUniform(), name=name)(net)
            if dropout_rate is not None and is_training:
                net = dropout(net, rate=dropout_rate, training=True)
            if with_batch_norm:
                net = batch_normalization(
                    net, momentum=0.999, training=is_training, name=f"batchnorm_{number}"
                )
            _watch(net, name)
        logits = Dense(units, kernel_initializer=GlorotUniform(), name="logits")(net)
        _watch(logits, "logits")
    return logits


def _watch(value: Tensor, name: str) -> None:
    """Summaries of a layer's output."""
    scalar(f"{name}/fraction_of_zero_values", zero_fraction(value))
    histogram(f"{name}/activation", value)


def baseline_logits(features: Any, units: int) -> Tensor:
    """Logits that are the same for each example.

    Args:
        features: name -> tensor; only their number of rows counts.
        units: how many logits.
    """
    if not isinstance(features, Mapping) or not features:
        raise ValueError("Features should be a dictionary of `Tensor`s")
    first = next(iter(features.values()))
    rows = first.dense_shape[0] if isinstance(first, SparseTensor) else shape_of(first)[0]
    with variable_scope("baseline"):
        bias = get_variable("bias", [units], float32, Zeros())
    return ones([rows, units], float32) * bias

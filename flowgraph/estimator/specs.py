"""ModeKeys and EstimatorSpec: what a model function is told, and what it returns.

Read next: core.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from flowgraph.estimator.export_outputs import ExportOutput
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.reshaping import reshape
from flowgraph.ops.variables import Variable
from flowgraph.tensor_shape import TensorShape
from flowgraph.training_loop.scaffold import Scaffold
from flowgraph.training_loop.session_run_hook import SessionRunHook


@export("estimator.ModeKeys", "contrib.learn.ModeKeys")
class ModeKeys:
    """What a model is built for: ``TRAIN``, ``EVAL`` or ``PREDICT``."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"
    #: The name in tf.contrib.learn.
    INFER = "infer"


class _Fields(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: dict[str, Any]
    export_outputs: dict[str, ExportOutput] | None
    training_chief_hooks: tuple[SessionRunHook, ...]
    training_hooks: tuple[SessionRunHook, ...]
    scaffold: Scaffold
    evaluation_hooks: tuple[SessionRunHook, ...]
    prediction_hooks: tuple[SessionRunHook, ...]


@export("estimator.EstimatorSpec")
class EstimatorSpec(_Fields):
    """What a model function returns.

    Args:
        mode: the ModeKeys value it was called with.
        predictions: tensor, or dict of tensors; needed to predict.
        loss: scalar tensor; needed to train and evaluate.
        train_op: operation of a training step; needed to train.
        eval_metric_ops: name -> ``(value, update)`` of a metric.
        export_outputs: name -> ExportOutput, the signatures of an exported model.
        training_chief_hooks, training_hooks: SessionRunHooks while training.
        scaffold: a Scaffold, for initialisation and saving of its own.
        evaluation_hooks: SessionRunHooks while evaluating.
        prediction_hooks: SessionRunHooks while predicting.

    Raises:
        ValueError: something the mode needs is missing, the loss is no scalar, or a tensor is of
            another graph than the default one.
        TypeError: something is of another type.

    >>> tf.estimator.EstimatorSpec("infer", predictions={"x": tf.constant(1.0)}).mode
    'infer'
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Mapping[str, Any] | None = None,
        export_outputs: Mapping[str, ExportOutput] | None = None,
        training_chief_hooks: Iterable[SessionRunHook] | None = None,
        training_hooks: Iterable[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        evaluation_hooks: Iterable[SessionRunHook] | None = None,
        prediction_hooks: Iterable[SessionRunHook] | None = None,
    ) -> EstimatorSpec:
        """Check everything, and make the record."""
        graph = get_default_graph()
        if mode == ModeKeys.TRAIN and train_op is None:
            raise ValueError("Missing train_op.")
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL) and loss is None:
            raise ValueError("Missing loss.")
        if mode == ModeKeys.PREDICT and predictions is None:
            raise ValueError("Missing predictions.")
        if mode not in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT):
            raise ValueError(f"mode must be a value of tf.estimator.ModeKeys, got {mode!r}")
        if scaffold is not None and not isinstance(scaffold, Scaffold):
            raise TypeError(f"scaffold must be tf.train.Scaffold. Given: {scaffold}")
        return super().__new__(
            cls,
            mode,
            {} if predictions is None else _predictions(predictions, graph),
            None if loss is None else _loss(loss, graph),
            None if train_op is None else _train_op(train_op, graph),
            _metrics(eval_metric_ops or {}, graph),
            _outputs(export_outputs),
            _hooks(training_chief_hooks),
            _hooks(training_hooks),
            scaffold or Scaffold(),
            _hooks(evaluation_hooks),
            _hooks(prediction_hooks),
        )


def _check(value: Any, graph: Graph, name: str, types: tuple[type[Any], ...]) -> None:
    if not isinstance(value, types):
        raise TypeError(f"{name} must be {types[0].__name__}, given: {value!r}")
    if value.graph is not graph:
        raise ValueError(
            f"{name} must be from the default graph; {value!r} was made outside of the model "
            "function, or before another graph became the default one"
        )


def _predictions(given: Any, graph: Graph) -> Any:
    named = given.items() if isinstance(given, Mapping) else [("", given)]
    for key, value in named:
        _check(value, graph, f"predictions[{key!r}]" if key else "predictions", (Tensor, Variable))
    return dict(given) if isinstance(given, Mapping) else given


def _loss(given: Any, graph: Graph) -> Tensor:
    _check(given, graph, "loss", (Tensor, Variable))
    tensor = given.value() if isinstance(given, Variable) else given
    shape = tensor.get_shape()
    if shape.num_elements() not in (None, 1):
        raise ValueError(f"Loss must be scalar, given: {given}")
    return tensor if shape.is_compatible_with(TensorShape([])) else reshape(tensor, [])


def _train_op(given: Any, graph: Graph) -> Any:
    _check(given, graph, "train_op", (Operation, Tensor, Variable))
    return given if isinstance(given, Operation) else given.op


def _metrics(given: Any, graph: Graph) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"eval_metric_ops must be a dict, given: {given}")
    for key, pair in given.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                f"Values of eval_metric_ops must be (metric_value, update_op) tuples, given: {pair}"
                f" for key: {key}"
            )
        for part in pair:
            _check(part, graph, f"eval_metric_ops[{key!r}]", (Tensor, Operation, Variable))
    return dict(given)


def _outputs(given: Any) -> dict[str, ExportOutput] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"export_outputs must be dict, given: {given}")
    for value in given.values():
        if not isinstance(value, ExportOutput):
            raise TypeError(
                f"Values in export_outputs must be ExportOutput objects. Given: {given}"
            )
    return dict(given)


def _hooks(given: Iterable[SessionRunHook] | None) -> tuple[SessionRunHook, ...]:
    hooks = tuple(given or ())
    for hook in hooks:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"All hooks must be SessionRunHook instances, given: {hook}")
    return hooks

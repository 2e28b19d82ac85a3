"""What ``compile`` builds: targets, weights of samples, the loss that is minimised, metrics.

    total loss = sum of loss_weight * loss of each output + losses of the layers
    loss of an output = mean over samples of (weight * loss) / share of weights that are not 0

Read next: training_steps.py (what runs it).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flowgraph as tf
from flowgraph.errors import did_you_mean
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import losses, metrics
from flowgraph.keras.engine.tensors import mask_of
from flowgraph.keras.engine.training_data import Shape


@dataclass
class Output:
    """One output of a model in training.

    Attributes:
        name, tensor: of the output.
        function: the loss; None where there is none, and then no target.
        loss_weight: its factor in the total loss.
        temporal: whether samples have a weight for every time step.
        target: placeholder, or the tensor that was given.
        weights: placeholder of the samples' weights.
        fed: whether targets are fed.
        target_shape: what targets are checked against; None for any.
        shape: of the tensor.
    """

    name: str
    tensor: Any
    function: Callable[..., Any] | None
    loss_weight: float
    temporal: bool
    target: Any = None
    weights: Any = None
    fed: bool = False
    target_shape: Shape | None = None
    shape: Shape | None = None

    def __post_init__(self) -> None:
        self.shape = K.int_shape(self.tensor)


@dataclass
class Objective:
    """Everything that ``compile`` has built.

    Attributes:
        outputs: in the model's order.
        total_loss: a scalar.
        names: "loss", then of the losses of outputs and metrics.
        tensors: of these, without the total loss.
        updates: of metrics.
        stateful: name -> metric with a state.
    """

    outputs: list[Output]
    total_loss: Any = None
    names: list[str] = field(default_factory=lambda: ["loss"])
    tensors: list[Any] = field(default_factory=list)
    updates: list[Any] = field(default_factory=list)
    stateful: dict[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> list[Output]:
        """The outputs that have a loss."""
        return [output for output in self.outputs if output.function is not None]

    @property
    def fed(self) -> list[Output]:
        """The outputs whose targets are fed."""
        return [output for output in self.trained if output.fed]


def weighted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A loss or metric of one number per sample -> their mean, with weights and a mask.

    Args:
        function: of (targets, predictions).
    """

    def mean(y_true: Any, y_pred: Any, weights: Any, mask: Any = None) -> Any:
        scores = tf.convert_to_tensor(function(y_true, y_pred))
        if mask is not None:
            mask = tf.cast(mask, scores.dtype)
            scores = scores * mask / K.mean(mask)
        if weights is not None:
            weights = tf.cast(weights, scores.dtype)
            extra = list(range(K.ndim(weights) or 0, K.ndim(scores) or 0))
            scores = K.mean(scores, axis=extra) if extra else scores
            present = tf.cast(tf.not_equal(weights, 0), scores.dtype)
            scores = scores * weights / K.mean(present)
        return K.mean(scores)

    return mean


def for_outputs(given: Any, names: Sequence[str], what: str, default: Any = None) -> list[Any]:
    """An argument of ``compile``, one for each output.

    Args:
        given: None, one for all, a list, or a dict by names.
        names: of the outputs.
        what: the argument's name, for messages.
        default: where a dict says nothing.
    """
    if isinstance(given, Mapping):
        for key in given:
            if key not in names:
                raise ValueError(
                    f"{what}: {key!r} is no output{did_you_mean(key, list(names))}; the outputs "
                    f"are {list(names)}"
                )
        return [given.get(name, default) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(
                f"{what} is a list of {len(given)}, but the model has {len(names)} outputs: "
                f"{list(names)}"
            )
        return list(given)
    return [default if given is None else given] * len(names)


def find_outputs(model: Any, loss: Any, loss_weights: Any, sample_weight_mode: Any) -> list[Output]:
    """The outputs with their losses.

    Args:
        model: the model.
        loss, loss_weights, sample_weight_mode: arguments of ``compile``.
    """
    names = model.output_names
    if isinstance(loss, Mapping):
        for name in names:
            if name not in loss:
                warnings.warn(
                    f"Output {name!r} missing from loss dictionary: it is not trained, and no "
                    "target is expected for it",
                    stacklevel=4,
                )
    if isinstance(loss_weights, (int, float)):
        raise TypeError(f"loss_weights must be a list or a dict by outputs, got {loss_weights!r}")
    functions = [losses.get(one) for one in for_outputs(loss, names, "loss")]
    factors = for_outputs(loss_weights, names, "loss_weights", 1.0)
    modes = for_outputs(sample_weight_mode, names, "sample_weight_mode")
    found = []
    for name, tensor, function, factor, mode in zip(
        names, model.outputs, functions, factors, modes, strict=True
    ):
        if mode not in (None, "temporal", "samplewise", "None"):
            raise ValueError(f"sample_weight_mode is None or 'temporal', got {mode!r}")
        rank = K.ndim(tensor)
        if mode == "temporal" and function is not None and rank is not None and rank < 3:
            raise ValueError(
                f'output {name!r} has shape {K.int_shape(tensor)}: sample_weight_mode="temporal" '
                "needs an axis of time, (samples, time, ...)"
            )
        found.append(Output(name, tensor, function, factor, mode == "temporal"))
    return found


def _target_shape(output: Output) -> Shape | None:
    shape = K.int_shape(output.tensor)
    if output.function is losses.sparse_categorical_crossentropy:
        return None if shape is None else (*shape[:-1], 1)
    return shape if output.function in losses._FUNCTIONS else None


def make_targets(outputs: Sequence[Output], target_tensors: Any) -> None:
    """Give outputs that are trained a target and weights for samples.

    Args:
        outputs: of the model.
        target_tensors: argument of ``compile``.
    """
    if is_one(target_tensors):
        target_tensors = [target_tensors]
    given = for_outputs(target_tensors, [o.name for o in outputs], "target_tensors")
    for output, target in zip(outputs, given, strict=True):
        if output.function is None:
            continue
        if target is None:
            output.fed, output.target_shape = True, _target_shape(output)
            target = tf.placeholder(
                output.tensor.dtype,
                [None] * (K.ndim(output.tensor) or 0) if K.ndim(output.tensor) else None,
                f"{output.name}_target",
            )
        output.target = target
        output.weights = tf.placeholder(
            K.floatx(), [None, None] if output.temporal else [None], f"{output.name}_sample_weights"
        )


def is_one(x: Any) -> bool:
    """Whether ``x`` is a tensor rather than a list or dict of them."""
    return isinstance(x, (tf.Tensor, tf.Variable))


def build_objective(
    model: Any, outputs: list[Output], given: Any, weighted_given: Any
) -> Objective:
    """The total loss and the metrics.

    Args:
        model: the model.
        outputs: with targets.
        given, weighted_given: ``metrics`` and ``weighted_metrics`` of ``compile``.

    Raises:
        ValueError: there is no loss.
    """
    objective = Objective(outputs)
    several = len(outputs) > 1
    terms = []
    with tf.name_scope("loss"):
        for output in objective.trained:
            with tf.name_scope(f"{output.name}_loss"):
                value = _loss(output)
            if several:
                objective.names.append(f"{output.name}_loss")
                objective.tensors.append(value)
            terms.append(value if output.loss_weight == 1.0 else output.loss_weight * value)
        terms += [K.mean(loss) for loss in model.losses]
        if not terms:
            raise ValueError(
                f"model {model.name!r} has nothing to minimise: give compile a loss, or layers "
                "with add_loss"
            )
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        objective.total_loss = total
    plain = _metrics_of_outputs(given, outputs, "metrics")
    with_weights = _metrics_of_outputs(weighted_given, outputs, "weighted_metrics")
    with tf.name_scope("metrics"):
        for output, some, others in zip(outputs, plain, with_weights, strict=True):
            if output.function is not None:
                for metric in some:
                    _add_metric(objective, output, metric, "", None)
                for metric in others:
                    _add_metric(objective, output, metric, "weighted_", output.weights)
    return objective


def _loss(output: Output) -> Any:
    assert output.function is not None
    try:
        return weighted(output.function)(
            output.target, output.tensor, output.weights, mask_of(output.tensor)
        )
    except Exception as error:
        name = getattr(output.function, "__name__", type(output.function).__name__)
        error.add_note(
            f"in the loss {name} of output {output.name!r}, of shape {K.int_shape(output.tensor)}"
        )
        raise


def _metrics_of_outputs(given: Any, outputs: Sequence[Output], what: str) -> list[list[Any]]:
    names = [output.name for output in outputs]
    if not given:
        return [[] for _ in outputs]
    if isinstance(given, Mapping):
        found = for_outputs(given, names, what, [])
        return [list(m) if isinstance(m, (list, tuple)) else [m] for m in found]
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"{what} must be a list, or a dict by outputs; got {given!r} (write [{given!r}])"
        )
    if any(isinstance(m, (list, tuple)) for m in given):
        found = for_outputs(given, names, what, [])
        return [list(m) if isinstance(m, (list, tuple)) else [m] for m in found]
    return [list(given) for _ in outputs]


#: Names whose meaning depends on loss and output: metric by (binary, sparse, other).
_BY_LOSS = {
    "acc": (
        metrics.binary_accuracy, metrics.sparse_categorical_accuracy, metrics.categorical_accuracy,
    ),
    "ce": (
        metrics.binary_crossentropy, metrics.sparse_categorical_crossentropy,
        metrics.categorical_crossentropy,
    ),
}  # fmt: skip
_BY_LOSS["accuracy"], _BY_LOSS["crossentropy"] = _BY_LOSS["acc"], _BY_LOSS["ce"]
_SHORT = {"accuracy": "acc", "crossentropy": "ce"}


def _find_metric(metric: Any, output: Output) -> tuple[Any, str]:
    """The function or object, and its name."""
    if isinstance(metric, str) and metric in _BY_LOSS:
        shape = K.int_shape(output.tensor)
        binary, sparse, other = _BY_LOSS[metric]
        if output.function is losses.binary_crossentropy or (shape and shape[-1] == 1):
            found = binary
        elif output.function is losses.sparse_categorical_crossentropy:
            found = sparse
        else:
            found = other
        return found, _SHORT.get(metric, metric)
    found = metrics.get(metric)
    if isinstance(found, type):
        found = found()
    name = getattr(found, "name", None) or getattr(found, "__name__", None)
    return found, name or type(found).__name__


def _add_metric(
    objective: Objective, output: Output, metric: Any, prefix: str, weights: Any
) -> None:
    found, name = _find_metric(metric, output)
    name = prefix + name
    stateful = bool(getattr(found, "stateful", False))
    with tf.name_scope(_as_scope(name)):
        try:
            if isinstance(found, metrics.Metric):
                value = found(output.target, output.tensor, sample_weight=weights)
            else:
                value = weighted(found)(
                    output.target, output.tensor, weights, mask_of(output.tensor)
                )
        except Exception as error:
            error.add_note(f"in the metric {name!r} of output {output.name!r}")
            raise
    if len(objective.outputs) > 1:
        name = f"{output.name}_{name}"
    unique, number = name, 1
    while unique in objective.names:
        unique, number = f"{name}_{number}", number + 1
    objective.names.append(unique)
    objective.tensors.append(value)
    if stateful:
        objective.stateful[unique] = found
        objective.updates += found.updates


def _as_scope(name: str) -> str:
    allowed = "".join(c if c.isalnum() or c in "_.-/" else "_" for c in name)
    return allowed.lstrip("_-/.") or "metric"

"""What few programs use of tf.estimator: more metrics, specs of labels, stopping early.

Read next: core.py.
"""

from __future__ import annotations

import glob
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowgraph.dtypes import as_dtype, float32, int64, string
from flowgraph.estimator.core import Estimator
from flowgraph.estimator.input_data import arguments_of
from flowgraph.estimator.specs import EstimatorSpec, ModeKeys
from flowgraph.feature_column.models import make_parse_example_spec
from flowgraph.graph.export import export
from flowgraph.ops.features import FixedLenFeature
from flowgraph.platform import tf_logging as logging
from flowgraph.summary.writer import summary_iterator
from flowgraph.train.step_counter import get_global_step
from flowgraph.training_loop.hooks import SecondOrStepTimer
from flowgraph.training_loop.session_run_hook import SessionRunArgs, SessionRunHook


@export("estimator.add_metrics", "contrib.estimator.add_metrics")
def add_metrics(estimator: Estimator, metric_fn: Callable[..., Mapping[str, Any]]) -> Estimator:
    """An estimator that measures more while it evaluates.

    Args:
        estimator: the estimator; its directory is shared.
        metric_fn: function that returns name -> metric; of ``features``, ``labels``,
            ``predictions`` and ``config``, as far as it has such arguments.

    Raises:
        ValueError: it has other arguments.
    """
    wanted = arguments_of(metric_fn)
    other = sorted(set(wanted) - {"features", "labels", "predictions", "config"})
    if other:
        raise ValueError(f"metric_fn ({metric_fn}) has following not expected args: {other}")

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        given = {
            "features": features, "labels": labels, "predictions": spec.predictions,
            "config": config,
        }  # fmt: skip
        more = metric_fn(**{name: value for name, value in given.items() if name in wanted})
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **more})

    return Estimator(model_fn, estimator.model_dir, estimator.config)


def _with_label(
    feature_columns: Any, label_key: str, label: FixedLenFeature, weight_column: Any
) -> dict[str, Any]:
    spec = make_parse_example_spec(feature_columns)
    if label_key in spec:
        raise ValueError(f"label should not be used as feature. label_key: {label_key}")
    spec[label_key] = label
    if weight_column is not None:
        key = weight_column if isinstance(weight_column, str) else weight_column.key
        if key == label_key:
            raise ValueError(f"weight_column and label cannot be the same: {label_key}")
        spec[key] = FixedLenFeature((1,), float32, None)
    return spec


@export("estimator.classifier_parse_example_spec")
def classifier_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: Any = int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """What tf.parse_example has to know about the Examples of a classifier.

    Args:
        feature_columns: feature columns.
        label_key: name of the feature with the label.
        label_dtype: its dtype, int64 or string.
        label_default: the label of Examples that have none.
        weight_column: name of the feature with the weights.

    Raises:
        ValueError: the label is a feature, too; the dtype is another.
    """
    dtype = as_dtype(label_dtype)
    if dtype not in (int64, string):
        raise ValueError(f"label_dtype must be int64 or string, got {dtype.name}")
    label = FixedLenFeature((1,), dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


@export("estimator.regressor_parse_example_spec")
def regressor_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: Any = float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """What tf.parse_example has to know about the Examples of a regressor.

    Args:
        feature_columns: feature columns.
        label_key: name of the feature with the label.
        label_dtype: its dtype.
        label_default: the label of Examples that have none.
        label_dimension: how many numbers it has.
        weight_column: name of the feature with the weights.

    Raises:
        ValueError: the label is a feature, too; the dtype has no numbers.
    """
    dtype = as_dtype(label_dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"label_dtype must be convertible to float, got {dtype.name}")
    label = FixedLenFeature((label_dimension,), dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


# ----------------------------------------------------------------------------------- stopping early


class _StopsIf(SessionRunHook):
    """Stops training when a function says so, which is asked now and then."""

    def __init__(
        self, should_stop: Callable[[], bool], every_secs: float | None, every_steps: int | None
    ) -> None:
        self._should_stop = should_stop
        self._timer = SecondOrStepTimer(every_secs, every_steps)
        self._step: Any = None

    def begin(self) -> None:
        self._timer.reset()
        self._step = get_global_step()

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        step = run_values.results
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._should_stop():
                logging.info("Requesting early stopping at global step %d", step)
                run_context.request_stop()


@export("estimator.experimental.make_early_stopping_hook",
        "contrib.estimator.make_early_stopping_hook")  # fmt: skip
def make_early_stopping_hook(
    estimator: Estimator,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that ends training when a function says so.

    Args:
        estimator: the Estimator that is trained.
        should_stop_fn: function without arguments.
        run_every_secs: how often it is asked, in seconds.
        run_every_steps: or in steps.

    Raises:
        TypeError: ``estimator`` is none, or ``should_stop_fn`` no function.
        ValueError: both intervals are given, or none.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(f"`estimator` must have type `tf.estimator.Estimator`. Got: {estimator}")
    if not callable(should_stop_fn):
        raise TypeError(f"`should_stop_fn` must be callable. Got: {should_stop_fn}")
    if (run_every_secs is None) == (run_every_steps is None):
        raise ValueError(
            "Exactly one of `run_every_secs` and `run_every_steps` must be specified."
        )
    return _StopsIf(should_stop_fn, run_every_secs, run_every_steps)


@export("estimator.experimental.read_eval_metrics", "contrib.estimator.read_eval_metrics")
def read_eval_metrics(eval_dir: str) -> dict[int, dict[str, float]]:
    """Step -> metrics of all evaluations in a directory.

    Args:
        eval_dir: ``estimator.eval_dir()``.
    """
    found: dict[int, dict[str, float]] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(eval_dir), "*tfevents*"))):
        for event in summary_iterator(path):
            values = {v.tag: v.simple_value for v in event.summary.value}
            if values:
                found.setdefault(event.step, {}).update(values)
    return dict(sorted(found.items()))


def _history(estimator: Estimator, eval_dir: str | None, metric: str) -> list[tuple[int, float]]:
    folder = eval_dir or estimator.eval_dir()
    metrics = read_eval_metrics(folder)
    return [(step, values[metric]) for step, values in metrics.items() if metric in values]


def _stop_if_threshold(name: str, crossed: Callable[[Any, Any], bool], word: str) -> Any:
    def stop(
        estimator: Estimator,
        metric_name: str,
        threshold: float,
        eval_dir: str | None = None,
        min_steps: int = 0,
        run_every_secs: float | None = 60,
        run_every_steps: int | None = None,
    ) -> SessionRunHook:
        def should_stop() -> bool:
            return any(
                step >= min_steps and crossed(value, threshold)
                for step, value in _history(estimator, eval_dir, metric_name)
            )

        return make_early_stopping_hook(estimator, should_stop, run_every_secs, run_every_steps)

    stop.__name__ = name
    stop.__doc__ = f"""A hook that ends training when a metric of an evaluation is {word} a number.

    Args:
        estimator: the Estimator.
        metric_name: name of the metric, ``loss`` for instance.
        threshold: the number.
        eval_dir: where evaluations write; ``estimator.eval_dir()`` by default.
        min_steps: evaluations before this global step do not count.
        run_every_secs, run_every_steps: as of make_early_stopping_hook.
    """
    return export(f"estimator.experimental.{name}", f"contrib.estimator.{name}")(stop)


stop_if_higher_hook = _stop_if_threshold("stop_if_higher_hook", operator.ge, "at least")
stop_if_lower_hook = _stop_if_threshold("stop_if_lower_hook", operator.le, "at most")


def _stop_if_stuck(
    estimator: Estimator,
    metric_name: str,
    most: int,
    better: Callable[[Any, Any], bool],
    eval_dir: str | None,
    min_steps: int,
    every_secs: float | None,
    every_steps: int | None,
) -> SessionRunHook:
    def should_stop() -> bool:
        best, best_step = None, 0
        for step, value in _history(estimator, eval_dir, metric_name):
            if step < min_steps:
                continue
            if best is None or better(value, best):
                best, best_step = value, step
            elif step - best_step >= most:
                return True
        return False

    return make_early_stopping_hook(estimator, should_stop, every_secs, every_steps)


@export("estimator.experimental.stop_if_no_increase_hook",
        "contrib.estimator.stop_if_no_increase_hook")  # fmt: skip
def stop_if_no_increase_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that ends training when a metric of evaluations does not increase any more.

    Args:
        estimator: the Estimator.
        metric_name: name of the metric.
        max_steps_without_increase: for how many steps it may not.
        eval_dir, min_steps, run_every_secs, run_every_steps: as of stop_if_higher_hook.
    """
    return _stop_if_stuck(
        estimator, metric_name, max_steps_without_increase, operator.gt, eval_dir, min_steps,
        run_every_secs, run_every_steps,
    )  # fmt: skip


@export("estimator.experimental.stop_if_no_decrease_hook",
        "contrib.estimator.stop_if_no_decrease_hook")  # fmt: skip
def stop_if_no_decrease_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that ends training when a metric of evaluations does not decrease any more.

    Args:
        estimator: the Estimator.
        metric_name: name of the metric, ``loss`` for instance.
        max_steps_without_decrease: for how many steps it may not.
        eval_dir, min_steps, run_every_secs, run_every_steps: as of stop_if_higher_hook.
    """
    return _stop_if_stuck(
        estimator, metric_name, max_steps_without_decrease, operator.lt, eval_dir, min_steps,
        run_every_secs, run_every_steps,
    )  # fmt: skip

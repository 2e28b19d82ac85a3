"""What comes out of an Estimator: metrics, chosen predictions, summaries of an evaluation.

Read next: core.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flowgraph.estimator.specs import EstimatorSpec
from flowgraph.graph.core import Graph
from flowgraph.metrics.streaming import mean
from flowgraph.ops.control import group
from flowgraph.platform import tf_logging as logging
from flowgraph.protos.summaries import Summary
from flowgraph.summary.writer import FileWriter
from flowgraph.train.step_counter import get_global_step

LOSS, GLOBAL_STEP = "loss", "global_step"


def metrics(spec: EstimatorSpec) -> tuple[dict[str, Any], Any]:
    """Values of the metrics, and one operation that updates all of them."""
    pairs = dict(spec.eval_metric_ops)
    if LOSS in pairs:
        raise ValueError(
            'Metric with name "loss" is not allowed, because Estimator always adds a metric of '
            "this name"
        )
    pairs[LOSS] = mean(spec.loss)
    values = {key: pairs[key][0] for key in sorted(pairs)}
    update = group(*[pairs[key][1] for key in sorted(pairs)])
    if GLOBAL_STEP not in values:
        values[GLOBAL_STEP] = get_global_step()
    return values, update


def only(predictions: Any, keys: str | Iterable[str] | None) -> Any:
    """Those predictions whose names are wanted; all without ``keys``.

    Raises:
        ValueError: there is none of these.
    """
    if keys is None:
        return predictions
    if not isinstance(predictions, dict):
        raise ValueError("predict_keys argument is not valid in case of non-dict predictions.")
    wanted = [keys] if isinstance(keys, str) else list(keys)
    found = {key: value for key, value in predictions.items() if key in wanted}
    if not found:
        raise ValueError(
            f"Expected to run at least one output from {list(predictions)}, provided {wanted}."
        )
    return found


def length(batch: Mapping[str, Any]) -> int:
    """How many rows the predictions of a batch have."""
    first: int | None = None
    for key, value in batch.items():
        rows = np.shape(value)[0] if np.ndim(value) else None
        if rows is None or first not in (None, rows):
            raise ValueError(
                f"Batch length of predictions should be same. {key} has different batch length than"
                " others."
            )
        first = rows
    return first or 0


def write_summary(folder: str, results: Mapping[str, Any], step: int) -> None:
    """One event with all numbers among the results."""
    summary = Summary()
    for key in sorted(results):
        value = results[key]
        if key == GLOBAL_STEP or value is None:
            continue
        if isinstance(value, (bytes, str)):
            try:
                parsed = Summary.FromString(value if isinstance(value, bytes) else value.encode())
            except ValueError:
                logging.warning("Skipping summary for %s, cannot parse string to Summary.", key)
                continue
            for i, item in enumerate(parsed.value):
                item.tag = f"{key}/{i}"
                summary.value.append(item)
        elif np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub":
            summary.value.add(tag=key, simple_value=float(value))
        else:
            logging.warning(
                "Skipping summary for %s, must be a number or a serialized string of Summary.", key
            )
    with Graph().as_default(), FileWriter(folder) as writer:
        writer.add_summary(summary, step)

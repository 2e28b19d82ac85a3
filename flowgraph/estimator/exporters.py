"""Exporters: when train_and_evaluate writes a SavedModel: always, at the end, or when it is best.

Read next: schedule.py.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import file_errors
from flowgraph.summary.writer import summary_iterator


@export("estimator.Exporter")
class Exporter:
    """The base of what writes models after an evaluation."""

    @property
    def name(self) -> str:
        """Name of the directory below ``export``."""
        raise NotImplementedError

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Write the model, or do not.

        Args:
            estimator: the Estimator.
            export_path: the directory for models of this exporter.
            checkpoint_path: the checkpoint that was evaluated.
            eval_result: its metrics.
            is_the_final_export: whether training is over.

        Returns:
            The path of what was written, or None.
        """
        raise NotImplementedError


class _ToSavedModel(Exporter):
    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any] | None,
        assets_extra: Mapping[str, str] | None,
        as_text: bool,
        exports_to_keep: int | None,
    ) -> None:
        if not name:
            raise ValueError('"name" argument is required.')
        if exports_to_keep is not None and exports_to_keep <= 0:
            raise ValueError("`exports_to_keep`, if provided, must be a positive number.")
        self._name, self._receiver_fn = name, serving_input_receiver_fn
        self._extra, self._as_text, self._keep = assets_extra, as_text, exports_to_keep

    @property
    def name(self) -> str:
        return self._name

    def _write(self, estimator: Any, export_path: str, checkpoint_path: str) -> bytes:
        made = estimator.export_saved_model(
            export_path, self._receiver_fn, self._extra, self._as_text, checkpoint_path
        )
        if self._keep is not None:
            with file_errors(export_path):
                old = sorted((n for n in os.listdir(export_path) if n.isdigit()), key=int)
            for stale in old[: -self._keep]:
                shutil.rmtree(os.path.join(export_path, stale), ignore_errors=True)
        return made


@export("estimator.FinalExporter")
class FinalExporter(_ToSavedModel):
    """Writes the model once, when training is over.

    Args:
        name: of the directory below ``export``.
        serving_input_receiver_fn, assets_extra, as_text: as of ``Estimator.export_saved_model``.

    Raises:
        ValueError: no name.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, None)

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Write the model if training is over.

        Args:
            estimator, export_path, checkpoint_path, eval_result, is_the_final_export: as of
                Exporter.
        """
        if not is_the_final_export:
            return None
        logging.info("Performing the final export in the end of training.")
        return self._write(estimator, export_path, checkpoint_path)


@export("estimator.LatestExporter")
class LatestExporter(_ToSavedModel):
    """Writes the model after every evaluation, and keeps some.

    Args:
        name: of the directory below ``export``.
        serving_input_receiver_fn, assets_extra, as_text: as of ``Estimator.export_saved_model``.
        exports_to_keep: how many stay; None: all.

    Raises:
        ValueError: no name; ``exports_to_keep`` is not positive.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Write the model.

        Args:
            estimator, export_path, checkpoint_path, eval_result, is_the_final_export: as of
                Exporter.
        """
        return self._write(estimator, export_path, checkpoint_path)


def _loss_smaller(best_eval_result: Any, current_eval_result: Any) -> bool:
    """Whether the loss is smaller than it was."""
    for result in (best_eval_result, current_eval_result):
        if not result or "loss" not in result:
            raise ValueError("no `loss` is found in the result of an evaluation")
    return best_eval_result["loss"] > current_eval_result["loss"]


@export("estimator.BestExporter")
class BestExporter(_ToSavedModel):
    """Writes the model after every evaluation that is better than all before, and keeps some.

    Args:
        name: of the directory below ``export``.
        serving_input_receiver_fn, assets_extra, as_text: as of ``Estimator.export_saved_model``.
        event_file_pattern: below the model's directory: event files with earlier evaluations, so
            that a later process knows how good the best one was; None: start anew.
        compare_fn: function of ``best_eval_result`` and ``current_eval_result`` (metrics by name);
            True says that the current one is better.  By default the smaller loss is.
        exports_to_keep: how many stay; None: all.

    Raises:
        ValueError: no ``compare_fn``; ``exports_to_keep`` is not positive.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable[[], Any] | None = None,
        event_file_pattern: str | None = None,
        compare_fn: Callable[..., bool] = _loss_smaller,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)
        if compare_fn is None:
            raise ValueError("`compare_fn` must not be None.")
        self._is_better, self._pattern = compare_fn, event_file_pattern
        self._best: dict[str, Any] | None = None
        self._has_looked = False

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Write the model if it is the best so far.

        Args:
            estimator, export_path, checkpoint_path, eval_result, is_the_final_export: as of
                Exporter.
        """
        if not self._has_looked and self._pattern and estimator.model_dir:
            self._best = self._best_of(os.path.join(estimator.model_dir, self._pattern))
        self._has_looked = True
        if self._best is not None and not self._is_better(
            best_eval_result=self._best, current_eval_result=dict(eval_result)
        ):
            return None
        logging.info("Performing best model export.")
        self._best = dict(eval_result)
        return self._write(estimator, export_path, checkpoint_path)

    def _best_of(self, pattern: str) -> dict[str, Any] | None:
        best: dict[str, Any] | None = None
        for path in sorted(glob.glob(pattern)):
            for event in summary_iterator(path):
                # NB: the one that this exporter is called for may have been written already
                found = {v.tag: v.simple_value for v in event.summary.value}
                if found and (
                    best is None
                    or self._is_better(best_eval_result=best, current_eval_result=found)
                ):
                    best = found
        return best

"""``tf.profiler.ProfileOptionBuilder``: what a report of ``tf.profiler.profile`` shows, as a dict.

Read next: tfprof.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.graph.export import export

_ALL = (".*",)


def _defaults() -> dict[str, Any]:
    minima = ("bytes", "micros", "params", "float_ops", "occurrence")
    return {
        "max_depth": 100,
        **{f"min_{name}": 0 for name in minima},
        "order_by": "name",
        "account_type_regexes": list(_ALL),
        "start_name_regexes": list(_ALL),
        "trim_name_regexes": [],
        "show_name_regexes": list(_ALL),
        "hide_name_regexes": [],
        "account_displayed_op_only": False,
        "select": ["micros"],
        "step": -1,
        "output": "stdout",
    }


@export("profiler.ProfileOptionBuilder")
class ProfileOptionBuilder:
    """Builds the options of ``tf.profiler.profile``; every ``with_...`` returns the builder.

    Args:
        options: a dict to begin with, which is copied; by default TensorFlow's defaults.

    >>> import flowgraph as tf
    >>> builder = tf.profiler.ProfileOptionBuilder
    >>> builder(builder.float_operation()).with_max_depth(2).build()["max_depth"]
    2
    """

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self._options = _defaults() if options is None else dict(options)

    @staticmethod
    def trainable_variables_parameter() -> dict[str, Any]:
        """Options that count the parameters of trainable variables."""
        return {
            **_defaults(), "max_depth": 10000, "select": ["params"],
            "account_type_regexes": ["_trainable_variables"], "account_displayed_op_only": True,
        }  # fmt: skip

    @staticmethod
    def float_operation() -> dict[str, Any]:
        """Options that count floating-point operations, from static shapes."""
        return {
            **_defaults(), "max_depth": 10000, "min_float_ops": 1, "select": ["float_ops"],
            "order_by": "float_ops", "account_displayed_op_only": True,
        }  # fmt: skip

    @staticmethod
    def time_and_memory(
        min_micros: int = 1,
        min_bytes: int = 1,
        min_accelerator_micros: int = 0,
        min_cpu_micros: int = 0,
        min_peak_bytes: int = 0,
        min_residual_bytes: int = 0,
        min_output_bytes: int = 0,
    ) -> dict[str, Any]:
        """Options that show time and memory of operations that took at least so much.

        Args:
            min_micros, min_accelerator_micros, min_cpu_micros: microseconds.
            min_bytes, min_peak_bytes, min_residual_bytes, min_output_bytes: bytes.
        """
        return {
            **_defaults(), "max_depth": 10000, "min_micros": min_micros, "min_bytes": min_bytes,
            "min_accelerator_micros": min_accelerator_micros, "min_cpu_micros": min_cpu_micros,
            "min_peak_bytes": min_peak_bytes, "min_residual_bytes": min_residual_bytes,
            "min_output_bytes": min_output_bytes, "order_by": "micros",
            "select": ["micros", "bytes"], "account_displayed_op_only": True,
        }  # fmt: skip

    def build(self) -> dict[str, Any]:
        """The options."""
        return dict(self._options)

    def _set(self, **options: Any) -> ProfileOptionBuilder:
        self._options.update(options)
        return self

    def with_max_depth(self, max_depth: int) -> ProfileOptionBuilder:
        """Show so many levels (``max_depth``) of scopes or lines."""
        return self._set(max_depth=max_depth)

    def with_min_memory(
        self,
        min_bytes: int = 0,
        min_peak_bytes: int = 0,
        min_residual_bytes: int = 0,
        min_output_bytes: int = 0,
    ) -> ProfileOptionBuilder:
        """Show what needs at least ``min_bytes``, ``min_peak_bytes``, ``min_residual_bytes`` and
        ``min_output_bytes``.
        """
        return self._set(
            min_bytes=min_bytes, min_peak_bytes=min_peak_bytes,
            min_residual_bytes=min_residual_bytes, min_output_bytes=min_output_bytes,
        )  # fmt: skip

    def with_min_execution_time(
        self, min_micros: int = 0, min_accelerator_micros: int = 0, min_cpu_micros: int = 0
    ) -> ProfileOptionBuilder:
        """Show what takes at least ``min_micros``, ``min_accelerator_micros`` and
        ``min_cpu_micros``.
        """
        return self._set(
            min_micros=min_micros, min_accelerator_micros=min_accelerator_micros,
            min_cpu_micros=min_cpu_micros,
        )  # fmt: skip

    def with_min_parameters(self, min_params: int) -> ProfileOptionBuilder:
        """Show what has at least ``min_params`` parameters."""
        return self._set(min_params=min_params)

    def with_min_occurrence(self, min_occurrence: int) -> ProfileOptionBuilder:
        """Show op types that occur at least ``min_occurrence`` times."""
        return self._set(min_occurrence=min_occurrence)

    def with_min_float_operations(self, min_float_ops: int) -> ProfileOptionBuilder:
        """Show what does at least ``min_float_ops`` floating-point operations."""
        return self._set(min_float_ops=min_float_ops)

    def with_accounted_types(self, account_type_regexes: Sequence[str]) -> ProfileOptionBuilder:
        """Count operations whose type matches one of ``account_type_regexes``."""
        return self._set(account_type_regexes=list(account_type_regexes))

    def with_node_names(
        self,
        start_name_regexes: Sequence[str] | None = None,
        show_name_regexes: Sequence[str] | None = None,
        hide_name_regexes: Sequence[str] | None = None,
        trim_name_regexes: Sequence[str] | None = None,
    ) -> ProfileOptionBuilder:
        """Choose by names: begin at ``start_name_regexes``, show those that match
        ``show_name_regexes`` and not ``hide_name_regexes``, and nothing below those that match
        ``trim_name_regexes``.
        """
        given = {
            "start_name_regexes": start_name_regexes, "show_name_regexes": show_name_regexes,
            "hide_name_regexes": hide_name_regexes, "trim_name_regexes": trim_name_regexes,
        }  # fmt: skip
        return self._set(**{k: list(v) for k, v in given.items() if v is not None})

    def account_displayed_op_only(self, is_true: bool) -> ProfileOptionBuilder:
        """Let sums cover only what is shown, if ``is_true``."""
        return self._set(account_displayed_op_only=is_true)

    def with_empty_output(self) -> ProfileOptionBuilder:
        """Print nothing: only return the result."""
        return self._set(output="none")

    def with_stdout_output(self) -> ProfileOptionBuilder:
        """Print the report."""
        return self._set(output="stdout")

    def with_file_output(self, outfile: str) -> ProfileOptionBuilder:
        """Write the report to the file ``outfile``."""
        return self._set(output=f"file:outfile={outfile}")

    def with_timeline_output(self, timeline_file: str) -> ProfileOptionBuilder:
        """Write a Chrome trace to ``timeline_file`` instead."""
        return self._set(output=f"timeline:outfile={timeline_file}")

    def with_step(self, step: int) -> ProfileOptionBuilder:
        """Take the times of the run added as ``step``; -1: the mean of all."""
        return self._set(step=step)

    def order_by(self, attribute: str) -> ProfileOptionBuilder:
        """Sort by ``attribute``: name, bytes, micros, params, float_ops, occurrence ..."""
        return self._set(order_by=attribute)

    def select(self, attributes: Sequence[str]) -> ProfileOptionBuilder:
        """Show these ``attributes``: bytes, micros, params, float_ops, occurrence ..."""
        return self._set(select=list(attributes))

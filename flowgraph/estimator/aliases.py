"""Names of hooks in tf.estimator, and of what few programs use: early stopping.

Read next: training_loop/hooks.py.
"""

from __future__ import annotations

from flowgraph.graph.export import export_value
from flowgraph.training_loop import (
    checkpoint_hooks,
    hooks,
    profiler_hook,
    session_run_hook,
    summary_hooks,
)

for _hook in (
    checkpoint_hooks.CheckpointSaverHook, checkpoint_hooks.CheckpointSaverListener,
    hooks.FeedFnHook, hooks.FinalOpsHook, hooks.GlobalStepWaiterHook, hooks.LoggingTensorHook,
    hooks.NanLossDuringTrainingError, hooks.NanTensorHook, hooks.SecondOrStepTimer,
    hooks.StepCounterHook, hooks.StopAtStepHook, profiler_hook.ProfilerHook,
    session_run_hook.SessionRunArgs, session_run_hook.SessionRunContext,
    session_run_hook.SessionRunHook, session_run_hook.SessionRunValues,
    summary_hooks.SummarySaverHook,
):  # fmt: skip
    export_value(_hook, f"estimator.{_hook.__name__}")

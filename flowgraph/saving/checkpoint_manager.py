"""CheckpointManager: numbered checkpoints of objects in a directory, of which the newest stay.

Read next: object_checkpoints.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.saving.object_checkpoints import Checkpoint, set_values, values_of
from flowgraph.saving.state import (
    checkpoint_exists,
    get_checkpoint_state,
    remove_checkpoint,
    update_checkpoint_state,
)


@export("train.CheckpointOptions")
class CheckpointOptions:
    """Accepted where TensorFlow takes it; everything is written by this process.

    Args:
        experimental_io_device, experimental_enable_async_checkpoint,
            experimental_write_callbacks, enable_async: kept, without effect.
    """

    def __init__(
        self,
        experimental_io_device: str | None = None,
        experimental_enable_async_checkpoint: bool = False,
        experimental_write_callbacks: Any = None,
        enable_async: bool = False,
    ) -> None:
        self.experimental_io_device = experimental_io_device
        self.experimental_enable_async_checkpoint = experimental_enable_async_checkpoint
        self.experimental_write_callbacks = experimental_write_callbacks
        self.enable_async = enable_async


@export("train.CheckpointManager")
class CheckpointManager:
    """Saves a Checkpoint again and again, and removes old ones.

    Args:
        checkpoint: the Checkpoint.
        directory: where the files go; those of an earlier process are gone on with.
        max_to_keep: how many stay; None: all.
        keep_checkpoint_every_n_hours: one of them in so many hours stays for ever.
        checkpoint_name: the files' name without number.
        step_counter: a variable with the number of steps, for ``checkpoint_interval``.
        checkpoint_interval: ``save`` does nothing until so many steps have been made.
        init_fn: called by ``restore_or_initialize`` when there is no checkpoint.

    Raises:
        ValueError: ``max_to_keep`` is not positive.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], Any] | None = None,
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(
                f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}."
            )
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError("checkpoint_interval is given, but no step_counter.")
        self._checkpoint, self._directory = checkpoint, path_of(directory)
        self._keep, self._hours = max_to_keep, keep_checkpoint_every_n_hours
        self._prefix = os.path.join(self._directory, checkpoint_name)
        self._counter, self._interval, self._init_fn = step_counter, checkpoint_interval, init_fn
        self._last_step: int | None = None
        self._stayed = time.time()
        state = get_checkpoint_state(self._directory)
        paths = [] if state is None else list(state.all_model_checkpoint_paths)
        times = [] if state is None else list(state.all_model_checkpoint_timestamps)
        times += [self._stayed] * (len(paths) - len(times))
        if state is not None and state.last_preserved_timestamp:
            self._stayed = state.last_preserved_timestamp
        #: path -> when it was written, oldest first.
        self._kept = {p: t for p, t in zip(paths, times, strict=False) if checkpoint_exists(p)}

    @property
    def directory(self) -> str:
        """Where the files are."""
        return self._directory

    @property
    def checkpoint(self) -> Checkpoint:
        """The Checkpoint."""
        return self._checkpoint

    @property
    def checkpoint_interval(self) -> int | None:
        """Steps between two checkpoints, at least."""
        return self._interval

    @property
    def latest_checkpoint(self) -> str | None:
        """Path of the newest checkpoint; None when there is none."""
        return next(reversed(self._kept), None)

    @property
    def checkpoints(self) -> list[str]:
        """Paths of those that are kept, oldest first."""
        return list(self._kept)

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: Any = None,
        session: Any = None,
    ) -> str | None:
        """Write a checkpoint, name it as the newest, and remove the one that is too old.

        Args:
            checkpoint_number: its number, a variable or an integer; the Checkpoint's count when
                None.
            check_interval: whether ``checkpoint_interval`` counts.
            options: accepted.
            session: the session; the default one when None.

        Returns:
            The path; None where it is too early for the next one.
        """
        if self._interval is not None:
            step = self._number(self._counter, session)
            early = self._last_step is not None and step - self._last_step < self._interval
            if check_interval and early:
                return None
            self._last_step = step
        if checkpoint_number is None:
            number = self._checkpoint._counted(session)
        else:
            number = self._number(checkpoint_number, session)
            counter = self._checkpoint.save_counter
            set_values([(counter, np.array(number))], session)
        path = self._checkpoint.write(f"{self._prefix}-{number}", session)
        self._kept.pop(path, None)
        self._kept[path] = time.time()
        old = self._too_many()
        self._record()
        for stale in old:
            remove_checkpoint(stale)
        return path

    @staticmethod
    def _number(given: Any, session: Any) -> int:
        if hasattr(given, "op"):
            return int(values_of({"": given}, session)[""])
        return int(given)

    def _too_many(self) -> list[str]:
        removed = []
        while self._keep is not None and len(self._kept) > self._keep:
            path, written = next(iter(self._kept.items()))
            del self._kept[path]
            if self._hours is not None and written - self._hours * 3600.0 >= self._stayed:
                self._stayed = written
            else:
                removed.append(path)
        return removed

    def _record(self) -> None:
        lead = "" if os.path.isabs(self._directory) else self._directory
        names = [os.path.join(lead, os.path.basename(path)) for path in self._kept]
        with file_errors(self._directory):
            update_checkpoint_state(
                self._directory, names[-1], names,
                all_model_checkpoint_timestamps=list(self._kept.values()),
                last_preserved_timestamp=self._stayed,
            )  # fmt: skip

    def restore_or_initialize(self, session: Any = None) -> str | None:
        """Restore the newest checkpoint, or call ``init_fn`` when there is none.

        Args:
            session: the session; the default one when None.

        Returns:
            The path of the checkpoint, or None.
        """
        path = self.latest_checkpoint
        if path is not None:
            status = self._checkpoint.restore(path)
            if not get_default_graph().executes:
                status.run_restore_ops(session)
            return path
        if self._init_fn is not None:
            self._init_fn()
        return None

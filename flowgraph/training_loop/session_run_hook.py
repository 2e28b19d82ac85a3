"""SessionRunHook: what is called before and after every run of a monitored session.

    begin -> after_create_session -> (before_run -> run -> after_run)* -> end

Read next: hooks.py (examples), monitored_session.py (who calls them).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowgraph.graph.export import export


class _RunArgs(NamedTuple):
    fetches: Any
    feed_dict: Any
    options: Any


@export("train.SessionRunArgs")
class SessionRunArgs(_RunArgs):
    """What a hook adds to a run.

    Args:
        fetches: a structure as ``Session.run`` takes it; None: nothing.
        feed_dict: feeds, besides the user's.
        options: RunOptions.
    """

    __slots__ = ()

    def __new__(cls, fetches: Any, feed_dict: Any = None, options: Any = None) -> SessionRunArgs:
        return super().__new__(cls, fetches, feed_dict, options)


@export("train.SessionRunValues")
class SessionRunValues(NamedTuple):
    """What a hook sees after a run: the values of its fetches, RunOptions and RunMetadata."""

    results: Any
    options: Any
    run_metadata: Any


@export("train.SessionRunContext")
class SessionRunContext:
    """One run, as hooks see it.

    Args:
        original_args: SessionRunArgs with what the user runs.   session: the Session.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args, self._session, self._stop_requested = original_args, session, False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the user runs."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The Session; running it calls no hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook asked to stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Let ``should_stop()`` of the monitored session be True after this run."""
        self._stop_requested = True


@export("train.SessionRunHook")
class SessionRunHook:
    """The base of hooks: does nothing.  Override what is needed.

    >>> class Count(tf.train.SessionRunHook):
    ...     runs = 0
    ...     def after_run(self, run_context, run_values):
    ...         self.runs += 1
    >>> count, x = Count(), tf.constant(2.0)
    >>> with tf.train.MonitoredSession(hooks=[count]) as sess:
    ...     values = sess.run(x), sess.run(x)
    >>> count.runs
    2
    """

    def begin(self) -> None:
        """Called once, before the session is made; operations can still be added here."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called for every new session: the first, and those made after a failure.

        Args:
            session: the Session, initialised.   coord: the Coordinator of its threads.
        """

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before every run; may add fetches and feeds.

        Args:
            run_context: the run.

        Returns:
            SessionRunArgs or None.
        """

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after every run that did not fail.

        Args:
            run_context: the run.   run_values: the values of what ``before_run`` asked for.
        """

    def end(self, session: Any) -> None:
        """Called at the end, unless an error ended the loop.

        Args:
            session: the Session, still open.
        """

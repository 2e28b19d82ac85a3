"""SessionCreator: how a monitored session makes its session, again after a failure.

Read next: monitored_session.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.session import Session
from flowgraph.training_loop.scaffold import Scaffold
from flowgraph.training_loop.session_manager import SessionManager


@export("train.SessionCreator")
class SessionCreator:
    """The base of what makes sessions."""

    def create_session(self) -> Any:
        """A new session that is ready."""
        raise NotImplementedError(f"create_session is not implemented for {type(self)}.")


class _ScaffoldCreator(SessionCreator):
    def __init__(self, scaffold: Scaffold | None, master: str, config: Any) -> None:
        self._scaffold = scaffold or Scaffold()
        self._master, self._config = master, config
        self._manager: SessionManager | None = None

    def _session_manager(self, **settings: Any) -> SessionManager:
        # Made when first needed: hooks may add operations before.
        self._scaffold.finalize()
        if self._manager is None:
            self._manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                local_init_feed_dict=self._scaffold.local_init_feed_dict,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=get_default_graph(),
                **settings,
            )
        return self._manager


@export("train.ChiefSessionCreator")
class ChiefSessionCreator(_ScaffoldCreator):
    """Makes sessions that are restored from a checkpoint, or initialised.

    Args:
        scaffold: a Scaffold.   master: target of the session.   config: its ConfigProto.
        checkpoint_dir: where to look for the newest checkpoint.
        checkpoint_filename_with_path: the checkpoint, instead.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._directory, self._path = checkpoint_dir, checkpoint_filename_with_path

    def create_session(self) -> Session:
        """A session: restored when there is a checkpoint, else initialised."""
        manager = self._session_manager()
        return manager.prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._directory,
            checkpoint_filename_with_path=self._path,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=self._scaffold.init_fn,
        )


@export("train.WorkerSessionCreator")
class WorkerSessionCreator(_ScaffoldCreator):
    """Makes sessions that wait until all variables have values.

    Args:
        scaffold: a Scaffold.   master: target of the session.   config: its ConfigProto.
        max_wait_secs: how long to wait.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        max_wait_secs: float = 30 * 60,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait = max_wait_secs

    def create_session(self) -> Session:
        """A session, as soon as it is ready."""
        return self._session_manager().wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait
        )

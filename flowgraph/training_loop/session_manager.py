"""SessionManager: a new session with values: from a checkpoint, or initialised.

Read next: session_creators.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.errors import DeadlineExceededError, FailedPreconditionError
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.platform import tf_logging as logging
from flowgraph.saving.state import get_checkpoint_state
from flowgraph.session import Session


@export("train.SessionManager")
class SessionManager:
    """Makes sessions.

    Args:
        local_init_op: run in every new session.
        ready_op: string tensor with the names of what has no value; None: all is ready.
        ready_for_local_init_op: the same, of what ``local_init_op`` needs.
        graph: the graph; the default one when this is made.
        recovery_wait_secs: pause before looking again.
        local_init_run_options: RunOptions of ``local_init_op``.
        local_init_feed_dict: its feeds.

    Raises:
        ValueError: ``ready_for_local_init_op`` without ``local_init_op``.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Any = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op , "
                f"ready_for_local_init_op [{ready_for_local_init_op}]"
            )
        self._graph = get_default_graph() if graph is None else graph
        self._ready_op, self._ready_for_local = ready_op, ready_for_local_init_op
        self._local_init = (local_init_op, local_init_feed_dict, local_init_run_options)
        self._wait = recovery_wait_secs

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Any], Any] | None = None,
    ) -> Session:
        """A session that is ready: restored, or initialised when there is no checkpoint.

        Args:
            master: target of the session.
            init_op, init_feed_dict, init_fn: as of Scaffold.
            saver: the Saver that restores.
            checkpoint_dir: where to look for the newest checkpoint.
            checkpoint_filename_with_path: the checkpoint, instead.
            wait_for_checkpoint, max_wait_secs: wait for one, and how long.
            config: ConfigProto of the session.

        Raises:
            RuntimeError: something has no value in the end, or there is no way to initialise.
            ValueError: a directory and a path are given.
        """
        sess, loaded = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint,
            max_wait_secs, config,
        )  # fmt: skip
        try:
            if not loaded:
                if init_op is None and init_fn is None and self._local_init[0] is None:
                    raise RuntimeError(
                        "Model is not initialized and no init_op or init_fn or local_init_op was "
                        "given"
                    )
                if init_op is not None:
                    sess.run(init_op, init_feed_dict)
                if init_fn is not None:
                    init_fn(sess)
            tried = f"Init op: {_name(init_op)}, init fn: {init_fn}"
            missing = self._initialise_locals(sess)
            if missing:
                raise RuntimeError(
                    f"Init operations did not make model ready for local_init.  {tried}, error: "
                    f"{missing}"
                )
            missing = _missing(self._ready_op, sess)
            if missing:
                raise RuntimeError(
                    f"Init operations did not make model ready.  {tried}, local_init_op: "
                    f"{_name(self._local_init[0])}, error: {missing}"
                )
        except BaseException:
            sess.close()
            raise
        return sess

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A session, restored if there is a checkpoint, and whether it is ready.

        Arguments and errors as of ``prepare_session``.
        """
        sess, loaded = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint,
            max_wait_secs, config,
        )  # fmt: skip
        missing = self._initialise_locals(sess)
        if not loaded:
            return sess, False
        missing = missing or _missing(self._ready_op, sess)
        if missing:
            logging.info("Restored, but not ready: %s", missing)
        return sess, not missing

    def wait_for_session(
        self, master: str, config: Any = None, max_wait_secs: float = float("inf")
    ) -> Session:
        """A session, as soon as a new one is ready.

        NB: no other process gives variables values here: what has variables is never ready.

        Args:
            master: target of the session.   config: its ConfigProto.
            max_wait_secs: how long to wait.

        Raises:
            DeadlineExceededError: it was not ready in time.
        """
        limit = time.monotonic() + (max_wait_secs or 0.0)
        while True:
            sess = Session(master, graph=self._graph, config=config)
            missing = self._initialise_locals(sess) or _missing(self._ready_op, sess)
            if not missing:
                return sess
            sess.close()
            if time.monotonic() + self._wait > limit:
                raise DeadlineExceededError(
                    None, None, f"Session was not ready after waiting {max_wait_secs} secs: "
                    f"{missing}",
                )  # fmt: skip
            logging.info("Waiting for model to be ready: %s", missing)
            time.sleep(self._wait)

    def _restored(
        self,
        master: str,
        saver: Any,
        directory: str | None,
        path: str | None,
        wait: bool,
        max_wait: float,
        config: Any,
    ) -> tuple[Session, bool]:
        """A new session, and whether its variables come from a checkpoint."""
        if directory and path:
            raise ValueError(
                "Can not provide both checkpoint_dir and checkpoint_filename_with_path."
            )
        sess = Session(master, graph=self._graph, config=config)
        if saver is None or not (directory or path):
            return sess, False
        try:
            if path:
                saver.restore(sess, path)
                return sess, True
            assert directory is not None
            limit = time.monotonic() + max_wait
            state = get_checkpoint_state(directory)
            while state is None or not state.model_checkpoint_path:
                if not wait or time.monotonic() > limit:
                    return sess, False
                logging.info("Waiting for checkpoint to be available.")
                time.sleep(self._wait)
                state = get_checkpoint_state(directory)
            logging.info("Restoring parameters from %s", state.model_checkpoint_path)
            saver.restore(sess, state.model_checkpoint_path)
            saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        except BaseException:
            sess.close()
            raise
        return sess, True

    def _initialise_locals(self, sess: Session) -> str:
        """Run ``local_init_op``; what it needs and is not there, or ""."""
        op, feeds, options = self._local_init
        if op is None:
            return ""
        missing = _missing(self._ready_for_local, sess)
        if not missing:
            logging.info("Running local_init_op.")
            sess.run(op, feeds, options)
            logging.info("Done running local_init_op.")
        return missing


def _missing(ready: Any, sess: Session) -> str:
    """What a tensor of names says is not ready, or ""."""
    if ready is None:
        return ""
    try:
        names = sess.run(ready)
    except FailedPreconditionError as error:
        return str(error) or "not ready"
    if names is None or np.size(names) == 0:
        return ""
    texts = [name.decode() if isinstance(name, bytes) else str(name) for name in np.ravel(names)]
    return f"Variables not initialized: {', '.join(texts)}"


def _name(op: Any) -> str | None:
    if isinstance(op, (list, tuple)):
        return ", ".join(str(_name(item)) for item in op)
    return op.name if isinstance(op, Operation) else getattr(op, "name", None)

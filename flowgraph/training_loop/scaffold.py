"""Scaffold: the operations that initialise a graph and say when it is ready, made when missing.

Read next: session_manager.py (who runs them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.graph.default import GraphKeys, add_to_collection, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.ops.control import group
from flowgraph.ops.variable_kinds import tables_initializer
from flowgraph.ops.variables import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from flowgraph.platform import tf_logging as logging
from flowgraph.saving.saver import Saver
from flowgraph.summary.functions import merge_all


def saver_of_graph() -> Saver:
    """The Saver in the collection SAVERS; a new one, put there, when there is none."""
    found = get_default_graph().get_collection(GraphKeys.SAVERS)
    if len(found) > 1:
        raise RuntimeError("More than one item in collection saver. Please indicate which to use.")
    if found:
        return found[0]
    saver = Saver(sharded=True, allow_empty=True)
    add_to_collection(GraphKeys.SAVERS, saver)
    return saver


@export("train.Scaffold")
class Scaffold:
    """What a session needs besides the graph.

    Args:
        init_op: initialises the variables, when there is no checkpoint.
        init_feed_dict: feeds of ``init_op``.
        init_fn: function of the scaffold and the session, called after ``init_op``.
        ready_op: string tensor with the names of what has no value yet.
        ready_for_local_init_op: the same, of what ``local_init_op`` needs.
        local_init_op: initialises local variables and tables, in every new session.
        summary_op: text of summaries.
        saver: the Saver.
        copy_from_scaffold: a Scaffold whose parts stand for those not given.
        local_init_feed_dict: feeds of ``local_init_op``.

    What is given by neither is looked for in its collection (``tf.GraphKeys.INIT_OP`` and so on)
    and else made, when the session is made.

    >>> v = tf.get_variable("v", initializer=3.0)
    >>> scaffold = tf.train.Scaffold(init_fn=lambda scaffold, session: v.load(4.0, session))
    >>> with tf.train.SingularMonitoredSession(scaffold=scaffold) as sess:
    ...     print(sess.run(v))
    4.0
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Scaffold, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Saver | None = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if copy_from_scaffold is not None and not isinstance(copy_from_scaffold, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")
        other = copy_from_scaffold

        def part(given: Any, name: str) -> Any:
            return getattr(other, name) if given is None and other is not None else given

        own_init = None if init_fn is None else lambda session: init_fn(self, session)
        self._init_op = part(init_op, "init_op")
        self._init_feed_dict = part(init_feed_dict, "init_feed_dict")
        self._init_fn = part(own_init, "init_fn")
        self._ready_op = part(ready_op, "ready_op")
        self._ready_for_local_init_op = part(ready_for_local_init_op, "ready_for_local_init_op")
        self._local_init_op = part(local_init_op, "local_init_op")
        self._local_init_feed_dict = part(local_init_feed_dict, "local_init_feed_dict")
        self._summary_op = part(summary_op, "summary_op")
        self._saver = part(saver, "saver")

    def finalize(self) -> Scaffold:
        """Find or make what is missing, and finalize the graph.

        Returns:
            This scaffold.

        Raises:
            RuntimeError: a collection has several things to choose from.
        """

        def found(given: Any, name: str, key: str, make: Callable[[], Any]) -> Any:
            return Scaffold.get_or_default(name, key, make) if given is None else given

        self._init_op = found(
            self._init_op, "init_op", GraphKeys.INIT_OP, global_variables_initializer
        )
        self._ready_op = found(
            self._ready_op, "ready_op", GraphKeys.READY_OP, report_uninitialized_variables
        )
        self._ready_for_local_init_op = found(
            self._ready_for_local_init_op,
            "ready_for_local_init_op",
            GraphKeys.READY_FOR_LOCAL_INIT_OP,
            lambda: report_uninitialized_variables(global_variables()),
        )
        self._local_init_op = found(
            self._local_init_op,
            "local_init_op",
            GraphKeys.LOCAL_INIT_OP,
            Scaffold.default_local_init_op,
        )
        self._summary_op = found(self._summary_op, "summary_op", GraphKeys.SUMMARY_OP, merge_all)
        if self._saver is None:
            self._saver = saver_of_graph()
        self._saver.build()
        get_default_graph().finalize()
        logging.info("Graph was finalized.")
        return self

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Any) -> Any:
        """What the collection ``collection_key`` holds, or what is made and put there.

        Args:
            arg_name: the argument that would decide, for the message.
            collection_key: name of the collection.
            default_constructor: makes it; None: there is none.

        Raises:
            RuntimeError: the collection holds several.
        """
        found = get_default_graph().get_collection(collection_key)
        if len(found) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which '
                f"one to use by passing it to the tf.train.Scaffold constructor as: "
                f"tf.train.Scaffold({arg_name}=item to use)"
            )
        if found:
            return found[0]
        made = default_constructor()
        if made is not None:
            add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Operation:
        """An operation that initialises local variables and tables."""
        return group(local_variables_initializer(), tables_initializer())

    @property
    def init_op(self) -> Any:
        """Initialises the variables."""
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        """Feeds of ``init_op``."""
        return self._init_feed_dict

    @property
    def init_fn(self) -> Any:
        """A function of the session, called after ``init_op``."""
        return self._init_fn

    @property
    def ready_op(self) -> Any:
        """Names what has no value."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """Names what has no value and ``local_init_op`` needs."""
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        """Initialises local variables and tables."""
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> Any:
        """Feeds of ``local_init_op``."""
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> Any:
        """Text of summaries, or None."""
        return self._summary_op

    @property
    def saver(self) -> Any:
        """The Saver."""
        return self._saver

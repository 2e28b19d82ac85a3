"""Event files: FileWriter writes them, summary_iterator reads them, TensorBoard shows them.

An event file is a TFRecord file named ``events.out.tfevents.<seconds>.<host>``; its first Event is
``file_version: "brain.Event:2"``.

Read next: functions.py.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, ClassVar, Self

from flowgraph.formats.tfrecord import TFRecordWriter, tf_record_iterator
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.protos.graphs import GraphDef
from flowgraph.protos.summaries import (
    Event,
    SourceMetadata,
    Summary,
    TaggedRunMetadata,
)
from flowgraph.summary.encoding import run_metadata_bytes, shown_graph


def _new_file(directory: str, suffix: str) -> str:
    """The path of a new, empty event file.

    NB: TensorFlow's second writer within a second overwrites the file of the first; this one takes
    the name of a later second.
    """
    host, second = socket.gethostname(), int(time.time())
    with file_errors(directory):
        os.makedirs(directory, exist_ok=True)
        while True:
            path = os.path.join(directory, f"events.out.tfevents.{second:010d}.{host}{suffix}")
            try:
                with open(path, "xb"):
                    return path
            except FileExistsError:
                second += 1


@export("summary.FileWriter")
class FileWriter:
    """Writes summaries, graphs and logs to an event file.

    Args:
        logdir: the directory, made if need be.
        graph: a Graph to be written at once.
        max_queue: kept for TensorFlow's signature: events do not wait in a queue.
        flush_secs: at least how often, in seconds, events that were added are handed to the system;
            looked at when one is added.
        graph_def: a GraphDef to be written at once, instead of ``graph``.
        filename_suffix: at the end of the file's name.
        session: kept for TensorFlow's signature.

    Raises:
        RuntimeError: operations are executed at once.

    >>> import tempfile
    >>> with tf.summary.FileWriter(tempfile.mkdtemp()) as writer:
    ...     loss = tf.Session().run(tf.summary.scalar("loss", 0.5))
    ...     writer.add_summary(loss, global_step=1)
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        if get_default_graph().executes:
            raise RuntimeError(
                "tf.summary.FileWriter is not compatible with eager execution: make it inside "
                "`with tf.Graph().as_default():`"
            )
        self._logdir, self._directory = logdir, path_of(logdir)
        self._suffix, self._flush_secs = filename_suffix or "", flush_secs
        self._lock = threading.RLock()
        self._seen: set[str] = set()
        self._run_tags: set[str] = set()
        self._file: TFRecordWriter | None = None
        self.reopen()
        if graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def get_logdir(self) -> Any:
        """The directory that the writer was made with."""
        return self._logdir

    # ----------------------------------------------------------------------------------- the file

    def reopen(self) -> None:
        """Go on after ``close``, in a new file; without effect on an open writer."""
        with self._lock:
            if self._file is None:
                self._file = TFRecordWriter(_new_file(self._directory, self._suffix))
                self._file.write(
                    Event(
                        wall_time=float(int(time.time())),
                        file_version="brain.Event:2",
                        source_metadata=SourceMetadata(writer="tensorflow.core.util.events_writer"),
                    ).SerializeToString()
                )
                self._file.flush()
                self._flush_at = time.monotonic() + self._flush_secs

    def flush(self) -> None:
        """Hand all events added so far to the system; without effect on a closed writer."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                self._flush_at = time.monotonic() + self._flush_secs

    def close(self) -> None:
        """Write what was added and close the file; ``reopen`` goes on in a new one."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    # --------------------------------------------------------------------------------- the events

    def add_event(self, event: Event) -> None:
        """Add an Event as it is.

        Args:
            event: an Event.

        Raises:
            TypeError: something else.

        A closed writer warns and adds nothing.
        """
        if not isinstance(event, Event):
            raise TypeError(f"expected an event_pb2.Event proto, but got {type(event)}")
        with self._lock:
            if self._file is None:
                warnings.warn(
                    "Attempting to use a closed FileWriter. The operation will be a noop unless "
                    "the FileWriter is explicitly reopened.",
                    stacklevel=3,
                )
                return
            self._file.write(event.SerializeToString())
            if time.monotonic() >= self._flush_at:
                self.flush()

    def _add(self, global_step: Any, **what: Any) -> None:
        step = None if global_step is None else int(global_step)
        self.add_event(Event(wall_time=time.time(), step=step, **what))

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Add a summary.

        Args:
            summary: a Summary, or its bytes: what ``Session.run`` gives for a summary operation.
            global_step: the step that it belongs to.

        Raises:
            DecodeError: the bytes are no Summary.

        The metadata of a tag are written with its first value only.
        """
        found = Summary.FromString(summary) if isinstance(summary, bytes) else Summary()
        if not isinstance(summary, bytes):
            if not isinstance(summary, Summary):
                raise TypeError(f"summary must be bytes or a Summary, got {summary!r}")
            found.CopyFrom(summary)
        with self._lock:
            for value in found.value:
                if value.HasField("metadata"):
                    if value.tag in self._seen:
                        value.ClearField("metadata")
                    else:
                        self._seen.add(value.tag)
            self._add(global_step, summary=found)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Add a SessionLog.

        Args:
            session_log: a SessionLog.
            global_step: the step that it belongs to.
        """
        self._add(global_step, session_log=session_log)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Add a graph, for TensorBoard's picture of it.

        Args:
            graph: a Graph; its operations are written with their static shapes.
            global_step: the step that it belongs to.
            graph_def: a GraphDef, instead of ``graph``.

        Raises:
            ValueError: both are given.   TypeError: neither, or something else.
        """
        if graph is not None and graph_def is not None:
            raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
        given = graph_def if graph is None else graph
        if isinstance(given, Graph):
            given = shown_graph(given)
        elif isinstance(given, GraphDef):
            tf_logging.warning("FileWriter: pass a `Graph` rather than a `GraphDef`.")
        else:
            raise TypeError(
                "The passed graph must be an instance of `Graph` or the deprecated `GraphDef`"
            )
        self._add(global_step, graph_def=given.SerializeToString())

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Add a MetaGraphDef.

        Args:
            meta_graph_def: a message with ``SerializeToString``.
            global_step: the step that it belongs to.

        Raises:
            TypeError: it is no message.
        """
        if not hasattr(meta_graph_def, "SerializeToString"):
            raise TypeError(
                f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def)}"
            )
        self._add(global_step, meta_graph_def=meta_graph_def.SerializeToString())

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Add the trace of one ``Session.run``.

        Args:
            run_metadata: a ``tf.RunMetadata`` that a run has filled.
            tag: its name.
            global_step: the step that it belongs to.

        Raises:
            ValueError: the name was used before.
        """
        if tag in self._run_tags:
            raise ValueError("The provided tag was already used for this event type")
        self._run_tags.add(tag)
        data = TaggedRunMetadata(tag=tag, run_metadata=run_metadata_bytes(run_metadata))
        self._add(global_step, tagged_run_metadata=data)


@export("summary.FileWriterCache")
class FileWriterCache:
    """One FileWriter for each directory."""

    _cache: ClassVar[dict[Any, FileWriter]] = {}
    _lock: ClassVar[Any] = threading.RLock()

    @staticmethod
    def clear() -> None:
        """Close and forget all writers."""
        with FileWriterCache._lock:
            for writer in FileWriterCache._cache.values():
                writer.close()
            FileWriterCache._cache.clear()

    @staticmethod
    def get(logdir: Any) -> FileWriter:
        """The writer for ``logdir``; a new one also writes the default graph."""
        with FileWriterCache._lock:
            cache = FileWriterCache._cache
            if logdir not in cache:
                cache[logdir] = FileWriter(logdir, graph=get_default_graph())
            return cache[logdir]


@export("train.summary_iterator")
def summary_iterator(path: Any) -> Iterator[Event]:
    """The events in an event file, in order.

    Args:
        path: of the file.

    Yields:
        An Event each.

    Raises:
        NotFoundError: there is no such file.   DataLossError: it is damaged.

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> tf.summary.FileWriter(directory).close()
    >>> path = os.path.join(directory, os.listdir(directory)[0])
    >>> [event.file_version for event in tf.train.summary_iterator(path)]
    ['brain.Event:2']
    """
    for record in tf_record_iterator(path):
        yield Event.FromString(record)

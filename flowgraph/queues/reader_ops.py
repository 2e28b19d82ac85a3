"""The operations of readers: they take file names out of a queue, and give one record at a time.

    TextLineReaderV2, TFRecordReaderV2, ...        a handle
    ReaderReadV2, ReaderReadUpToV2, ReaderResetV2  take it, and that of a queue

Several threads may read from one reader: each gets other records, one after the other.

Read next: file_records.py, readers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import string
from flowgraph.errors import DataLossError, OpError, UnimplementedError
from flowgraph.graph.opdef import HOST, REQUIRED, Attr, Call, define, error_sample
from flowgraph.ops.rules import invalid, require_rank, scalar_shape
from flowgraph.ops.texts import filled, texts
from flowgraph.protos.message import Message, declare
from flowgraph.queues import file_records
from flowgraph.queues.file_records import Records
from flowgraph.queues.host_queue import HostQueue
from flowgraph.queues.queue_ops import (
    NO_GRADIENT,
    NOWHERE,
    absent,
    handle,
    resource,
    resource_name,
)
from flowgraph.runtime.state import current_state
from flowgraph.runtime.waiting import Turns
from flowgraph.shapes import Dims


class ReaderState(Message):
    """Where a reader stands: TensorFlow's BaseReaderState."""

    FIELDS = declare("""
        work_started         1 int64
        work_finished        2 int64
        num_records_produced 3 int64
        current_work         4 bytes
        """)


class HostReader:
    """A reader of a session.

    Args:
        name: its name in the session.
        open: work (a file name) -> its records.
        at_once: one record is all of a work, which is finished with it.
    """

    def __init__(self, name: str, open: Callable[[bytes], Records], at_once: bool) -> None:
        self.name, self.at_once = name, at_once
        self._open = open
        self._turns = Turns("Read operation")
        self.reset()

    def __str__(self) -> str:
        return f"reader '{self.name}'"

    def reset(self) -> None:
        """Forget everything."""
        self.started = self.finished = self.produced = 0
        self._work = b""
        self._records: Records | None = None
        self._failure: Exception | None = None

    def close(self) -> None:
        """The session ends."""
        self.reset()

    def read(self, queue: HostQueue) -> tuple[bytes, bytes]:
        """The next record; waits for a file name."""
        return self._turns.take(lambda: self._several(queue, 1))[0]

    def read_up_to(self, queue: HostQueue, count: int) -> list[tuple[bytes, bytes]]:
        """The next records, at most ``count``, of one file."""
        return self._turns.take(lambda: self._several(queue, count))

    def _several(self, queue: HostQueue, count: int) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        while len(found) < count:
            if self._records is None:
                self._start(queue)
            try:
                record = self._next()
            except StopIteration:
                self._end()
                if found:
                    break
                continue
            found.append(record)
            self.produced += 1
            if self.at_once:
                self._end()
                break
        return found

    def _start(self, queue: HostQueue) -> None:
        (work,) = queue.dequeue()
        self._work = bytes(np.asarray(work, object)[()])
        self._records = self._open(self._work)
        self.started += 1

    def _next(self) -> tuple[bytes, bytes]:
        assert self._records is not None
        if self._failure is not None:
            raise self._failure
        try:
            return next(self._records)
        except DataLossError as error:
            self._failure = error  # a file that is damaged stays so
            raise
        except OpError:  # there is no such file: go on with the next
            self._records, self.started = None, self.finished
            raise

    def _end(self) -> None:
        self._records, self._work = None, b""
        self.finished = self.started

    def state(self) -> bytes:
        """Where it stands, as bytes."""
        self._check_serializable()
        return ReaderState(
            work_started=self.started,
            work_finished=self.finished,
            num_records_produced=self.produced,
            current_work=self._work,
        ).SerializeToString()

    def restore(self, data: bytes) -> None:
        """Stand where ``state`` said."""
        self._check_serializable()
        try:
            said = ReaderState.FromString(data)
        except Exception:  # noqa: BLE001
            raise invalid(f"Could not parse state for reader {self.name!r}: {data!r}") from None
        numbers = (said.work_started, said.work_finished, said.num_records_produced)
        if min(numbers) < 0 or said.work_finished > said.work_started:
            raise invalid(f"impossible state for reader {self.name!r}: {numbers}")
        self.reset()
        self.started, self.finished, self.produced = numbers
        if self.started > self.finished:
            self._work = said.current_work
            self._records = self._open(self._work)

    def _check_serializable(self) -> None:
        if not self.at_once:
            raise UnimplementedError(None, None, "Reader SerializeState")


# ----------------------------------------------------------------------------------------- handles

_HANDLE_ATTRS: dict[str, Any] = {"container": "", "shared_name": ""}


def _handles(
    type: str, open: Callable[[Call], Callable[[bytes], Records]], doc: str, **attrs: Any
) -> None:
    def make(call_: Call) -> Any:
        name = resource_name(call_)
        resources = current_state().resources
        if name not in resources:
            at_once = open in (file_records.whole, file_records.itself)
            resources[name] = HostReader(name, open(call_), at_once)
        elif not isinstance(resources[name], HostReader):
            raise invalid(f"Expected a reader, found {resources[name]}")
        return handle(name)

    for version in ("", "V2"):
        define(
            type + version,
            "-> reader_handle: string",
            **attrs,
            **_HANDLE_ATTRS,
            infer=scalar_shape,
            grad=NO_GRADIENT,
            reference=make,
            samples=(),
            errors=(error_sample(TypeError, "no_such_attr", no_such_attr=1),),
            effect=HOST,
            doc=doc,
        )


_handles(
    "TextLineReader", file_records.lines, "The handle of a reader of lines.", skip_header_lines=0
)
_handles("WholeFileReader", file_records.whole, "The handle of a reader of whole files.")
_handles("IdentityReader", file_records.itself, "The handle of a reader of its queue.")
_handles(
    "TFRecordReader", file_records.tf_records, "The handle of a reader of TFRecord files.",
    compression_type="",
)  # fmt: skip
_handles(
    "FixedLengthRecordReader", file_records.fixed_length,
    "The handle of a reader of records of one length.",
    header_bytes=0, record_bytes=Attr("int", REQUIRED), footer_bytes=0, hop_bytes=0, encoding="",
)  # fmt: skip


# ------------------------------------------------------------------------------------ what they do


def _reader(given: Any) -> HostReader:
    return resource(given, HostReader, "Reader")


def _work_queue(given: Any) -> HostQueue:
    queue = resource(given, HostQueue, "Queue")
    if queue.dtypes != [string]:
        raise invalid(
            f"a reader takes one string at a time from its queue; {queue} has components of "
            f"{[dtype.name for dtype in queue.dtypes]}"
        )
    return queue


def _read(call_: Call, reader: Any, queue: Any) -> Any:
    key, value = _reader(reader).read(_work_queue(queue))
    return filled([key], ()), filled([value], ())


def _read_up_to(call_: Call, reader: Any, queue: Any, count: Any) -> Any:
    found = _reader(reader).read_up_to(_work_queue(queue), int(count))
    shape = (len(found),)
    return filled([key for key, _ in found], shape), filled([value for _, value in found], shape)


def _scalars(call_: Call) -> list[Dims]:
    for dims, what in zip(call_.shapes, ("reader", "queue", "num_records"), strict=False):
        require_rank(dims, 0, what)
    many = "UpTo" in call_.type
    return [(None,), (None,)] if many else [(), ()]


def _nothing(call_: Call) -> list[Dims]:
    return []


def _reset(call_: Call, reader: Any) -> tuple[()]:
    _reader(reader).reset()
    return ()


def _restore(call_: Call, reader: Any, state: Any) -> tuple[()]:
    _reader(reader).restore(state[()])
    return ()


def _number(get: Callable[[HostReader], int]) -> Callable[..., Any]:
    return lambda call_, reader: np.array(get(_reader(reader)), np.int64)


_TEN = np.array(10, np.int64)

for _v in ("", "V2"):
    _common: dict[str, Any] = {"grad": NO_GRADIENT, "samples": (), "effect": HOST}
    define(
        "ReaderRead" + _v,
        "reader_handle: string, queue_handle: string -> key: string, value: string",
        infer=_scalars,
        reference=_read,
        errors=(absent(NOWHERE),),
        doc="The next record of a reader, with its key.",
        **_common,
    )
    define(
        "ReaderReadUpTo" + _v,
        "reader_handle: string, queue_handle: string, num_records: int64 "
        "-> keys: string, values: string",
        infer=_scalars,
        reference=_read_up_to,
        errors=(absent(NOWHERE, _TEN),),
        doc="The next records of a reader, all of one file, with their keys.",
        **_common,
    )
    define(
        "ReaderNumRecordsProduced" + _v,
        "reader_handle: string -> records_produced: int64",
        infer=scalar_shape,
        reference=_number(lambda reader: reader.produced),
        errors=(absent(),),
        doc="How many records a reader has given.",
        **_common,
    )
    define(
        "ReaderNumWorkUnitsCompleted" + _v,
        "reader_handle: string -> units_completed: int64",
        infer=scalar_shape,
        reference=_number(lambda reader: reader.finished),
        errors=(absent(),),
        doc="How many files a reader has read to their end.",
        **_common,
    )
    define(
        "ReaderSerializeState" + _v,
        "reader_handle: string -> state: string",
        infer=scalar_shape,
        reference=lambda call_, reader: filled([_reader(reader).state()], ()),
        errors=(absent(),),
        doc="Where a reader stands.",
        **_common,
    )
    define(
        "ReaderRestoreState" + _v,
        "reader_handle: string, state: string ->",
        infer=_nothing,
        reference=_restore,
        errors=(absent(texts("")),),
        doc="Puts a reader where it stood.",
        **_common,
    )
    define(
        "ReaderReset" + _v,
        "reader_handle: string ->",
        infer=_nothing,
        reference=_reset,
        errors=(absent(),),
        doc="Puts a reader where it began.",
        **_common,
    )

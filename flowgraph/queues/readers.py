"""Readers: a queue of file names in, one record at a time out.

    names = tf.train.string_input_producer(["a.csv", "b.csv"])
    key, line = tf.TextLineReader(skip_header_lines=1).read(names)

Read next: reader_ops.py, producers.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import int64, string
from flowgraph.formats.tfrecord import TFRecordOptions
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.queues.queue_classes import refuse_eager


@export("ReaderBase")
class ReaderBase:
    """What all readers have in common.

    A reader takes a string (a file name) out of a queue and gives the records of that file, one
    in every run; then it takes the next.

    Args:
        reader_ref: the handle: a string tensor.
        supports_serialize: whether ``serialize_state`` is possible.
    """

    def __init__(self, reader_ref: Tensor, supports_serialize: bool = False) -> None:
        self._reader_ref, self._supports_serialize = reader_ref, supports_serialize

    @property
    def reader_ref(self) -> Tensor:
        """The handle of the reader."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether its state can be written and restored."""
        return self._supports_serialize

    def read(self, queue: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """The next record.  Running it waits while the queue is empty.

        Args:
            queue: a queue of strings, or its handle.
            name: of the operation; ``ReaderReadV2`` by default.

        Returns:
            key, value: string scalars: where the record stands, and the record.

        Raises:
            OutOfRangeError: the queue is closed and all is read (when run).
        """
        key, value = apply_op("ReaderReadV2", self._reader_ref, _handle(queue), name=name)
        return key, value

    def read_up_to(
        self, queue: Any, num_records: Any, name: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next records, at most ``num_records``.

        They are fewer at the end of a file: those of a run come from one file.

        Args:
            queue: a queue of strings, or its handle.
            num_records: int64 scalar.
            name: of the operation; ``ReaderReadUpToV2`` by default.

        Returns:
            keys, values: string vectors, as of ``read``.

        Raises:
            OutOfRangeError: the queue is closed and all is read (when run).
        """
        count = num_records
        if not isinstance(count, Tensor):
            count = convert_to_tensor(
                count, int64, name=f"{name or 'ReaderReadUpToV2'}/num_records"
            )
        keys, values = apply_op(
            "ReaderReadUpToV2", self._reader_ref, _handle(queue), count, name=name
        )
        return keys, values

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records it has given: an int64 scalar.

        Args:
            name: of the operation; ``ReaderNumRecordsProducedV2`` by default.
        """
        return call.ReaderNumRecordsProducedV2(self._reader_ref, name=name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files it has read to their end: an int64 scalar.

        Args:
            name: of the operation; ``ReaderNumWorkUnitsCompletedV2`` by default.
        """
        return call.ReaderNumWorkUnitsCompletedV2(self._reader_ref, name=name)

    def serialize_state(self, name: str | None = None) -> Tensor:
        """Where it stands, as a string scalar.

        Args:
            name: of the operation; ``ReaderSerializeStateV2`` by default.

        Raises:
            UnimplementedError: by all but WholeFileReader and IdentityReader (when run).
        """
        return call.ReaderSerializeStateV2(self._reader_ref, name=name)

    def restore_state(self, state: Any, name: str | None = None) -> Operation:
        """Put it where it stood.

        Args:
            state: a string of ``serialize_state`` of a reader of the same kind.
            name: of the operation; ``ReaderRestoreStateV2`` by default.

        Returns:
            The operation that does it.
        """
        return call.ReaderRestoreStateV2(
            self._reader_ref, convert_to_tensor(state, string), name=name
        )

    def reset(self, name: str | None = None) -> Operation:
        """Forget what was read; the queue stays as it is.

        Args:
            name: of the operation; ``ReaderResetV2`` by default.

        Returns:
            The operation that does it.
        """
        return call.ReaderResetV2(self._reader_ref, name=name)


def _made(type: str, **attrs: Any) -> Tensor:
    refuse_eager(f"tf.{type.removesuffix('V2')}")
    return apply_op(type, **attrs)


def _handle(queue: Any) -> Tensor:
    return queue if isinstance(queue, Tensor) else queue.queue_ref


@export("TextLineReader")
class TextLineReader(ReaderBase):
    r"""Gives the lines of text files, without ``\n`` or ``\r\n``.  Keys are ``file:line``, from 1.

    Args:
        skip_header_lines: so many lines are left out at the start of every file.
        name: of the operation; ``TextLineReaderV2`` by default.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> path.write_text("x,y\n1,2\n3,4\n")
    12
    >>> names = tf.train.string_input_producer([str(path)], num_epochs=1)
    >>> key, line = tf.TextLineReader(skip_header_lines=1).read(names)
    >>> x, y = tf.decode_csv(line, [[0], [0]])
    >>> with tf.train.MonitoredSession() as sess:
    ...     while not sess.should_stop():
    ...         print(*sess.run([x, y]))
    1 2
    3 4
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        made = _made("TextLineReaderV2", skip_header_lines=skip_header_lines or 0, name=name)
        super().__init__(made)


@export("WholeFileReader")
class WholeFileReader(ReaderBase):
    """Gives whole files.  Keys are their names.

    Args:
        name: of the operation; ``WholeFileReaderV2`` by default.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(_made("WholeFileReaderV2", name=name), supports_serialize=True)


@export("IdentityReader")
class IdentityReader(ReaderBase):
    """Gives what is in the queue, as key and as value.

    Args:
        name: of the operation; ``IdentityReaderV2`` by default.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(_made("IdentityReaderV2", name=name), supports_serialize=True)


@export("TFRecordReader")
class TFRecordReader(ReaderBase):
    """Gives the records of TFRecord files.  Keys are ``file:offset``.

    Args:
        name: of the operation; ``TFRecordReaderV2`` by default.
        options: TFRecordOptions: how the files are compressed.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        kind = TFRecordOptions.get_compression_type_string(options)
        super().__init__(_made("TFRecordReaderV2", compression_type=kind, name=name))


@export("FixedLengthRecordReader")
class FixedLengthRecordReader(ReaderBase):
    """Gives stretches of one length of binary files.  Keys are ``file:number``, from 0.

    What is left at the end and shorter than a record is dropped.

    Args:
        record_bytes: the length of a record.
        header_bytes, footer_bytes: so many bytes are left out at the start and at the end.
        hop_bytes: from the start of one record to that of the next; ``record_bytes`` by default.
        name: of the operation; ``FixedLengthRecordReaderV2`` by default.
        encoding: ``"ZLIB"`` or ``"GZIP"``, of the whole file, or ``""``.

    Raises:
        InvalidArgumentError: a number is negative, ``record_bytes`` not positive, the encoding
            another (when run).
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        made = _made(
            "FixedLengthRecordReaderV2",
            record_bytes=record_bytes,
            header_bytes=header_bytes or 0,
            footer_bytes=footer_bytes or 0,
            hop_bytes=hop_bytes or 0,
            encoding=encoding or "",
            name=name,
        )
        super().__init__(made)


@export("LMDBReader")
class LMDBReader(ReaderBase):
    """Reads LMDB databases: not here.

    Args:
        name, options: as of TensorFlow's.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        raise NotImplementedError(
            "tf.LMDBReader: LMDB databases cannot be read here; write their records to a TFRecord "
            "file (tf.python_io.TFRecordWriter) and use tf.TFRecordReader"
        )

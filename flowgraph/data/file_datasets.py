"""Datasets of the records of files: lines, TFRecords, records of fixed length.

Read next: sources.py.
"""

from __future__ import annotations

import os
from typing import Any

from flowgraph.data import sources
from flowgraph.data.dataset import Dataset, counted
from flowgraph.data.node import Component, Node
from flowgraph.data.structure import Leaf, component
from flowgraph.dtypes import string
from flowgraph.graph.export import export


def _file_arguments(filenames: Any) -> tuple[Node | None, Component]:
    """A dataset of file names, or the names."""
    if isinstance(filenames, Dataset):
        return filenames._node, component("", string)
    if isinstance(filenames, os.PathLike):
        filenames = os.fspath(filenames)
    return None, component(filenames, string)


class _FileDataset(Dataset):
    """Records of files."""

    def __init__(self, filenames: Any, read: Any, arguments: list[Component]) -> None:
        node, names = _file_arguments(filenames)
        if node is not None and node.structure != Leaf(string, ()):
            raise TypeError(f"filenames must be scalar strings, not {node.structure!r}")
        super().__init__(sources.Files(names, read, arguments, node))


@export("data.TextLineDataset", "contrib.data.TextLineDataset")
class TextLineDataset(_FileDataset):
    """The lines of text files, without their ends.

    Args:
        filenames: a string, a vector of strings, or a Dataset of them.
        compression_type: '' (none), 'GZIP' or 'ZLIB'.
        buffer_size: bytes read at a time.
        num_parallel_reads: accepted; files are read in order.
    """

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:  # fmt: skip
        kind, size = component(compression_type or "", string), counted(buffer_size, "size", 0)
        super().__init__(filenames, sources.text_lines(kind, size), [kind, size])


@export("data.TFRecordDataset", "contrib.data.TFRecordDataset")
class TFRecordDataset(_FileDataset):
    """The records of TFRecord files.

    Args:
        filenames: a string, a vector of strings, or a Dataset of them.
        compression_type: '' (none), 'GZIP' or 'ZLIB'.
        buffer_size: accepted.
        num_parallel_reads: accepted; files are read in order.
    """

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:  # fmt: skip
        kind = component(compression_type or "", string)
        super().__init__(filenames, sources.tf_records(kind), [kind])


@export("data.FixedLengthRecordDataset", "contrib.data.FixedLengthRecordDataset")
class FixedLengthRecordDataset(_FileDataset):
    """Records of fixed length of binary files.

    Args:
        filenames: a string, a vector of strings, or a Dataset of them.
        record_bytes: of each record.
        header_bytes, footer_bytes: skipped at the start and end of each file.
        buffer_size: accepted.
        compression_type: '' (none), 'GZIP' or 'ZLIB'.
        num_parallel_reads: accepted; files are read in order.
    """

    def __init__(
        self, filenames: Any, record_bytes: Any, header_bytes: Any = None,
        footer_bytes: Any = None, buffer_size: Any = None, compression_type: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:  # fmt: skip
        kind = component(compression_type or "", string)
        sizes = [
            counted(record_bytes, "record_bytes"), counted(header_bytes, "header_bytes", 0),
            counted(footer_bytes, "footer_bytes", 0),
        ]  # fmt: skip
        read = sources.fixed_records(sizes, kind)
        super().__init__(filenames, read, [*sizes, kind])

"""Nodes without inputs: arrays in memory, ranges, Python generators, files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.data.node import Element, Env, Node, Rows, bad
from flowgraph.data.structure import (
    Component,
    Leaf,
    component,
    flatten,
    like,
    map_leaves,
)
from flowgraph.dtypes import int64, string
from flowgraph.errors import DataLossError
from flowgraph.formats.tfrecord import tf_record_iterator
from flowgraph.graph.convert import to_array
from flowgraph.graph.report import call_message
from flowgraph.ops.texts import filled, texts
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.platform.gfile import matching


class Tensors(Node):
    """One element."""

    def __init__(self, tensors: Any) -> None:
        nested = map_leaves(component, tensors)
        self.arguments = tuple(flatten(nested))
        self.structure = map_leaves(lambda c: Leaf(c.dtype, c.dims), nested)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The element."""
        return iter([tuple(env.value(c) for c in self.arguments)])


class Slices(Node):
    """The rows of arrays, in order."""

    def __init__(self, tensors: Any) -> None:
        nested = map_leaves(component, tensors)
        self.arguments = tuple(flatten(nested))
        if not self.arguments:
            raise ValueError("from_tensor_slices: there is no tensor in the structure given")
        sizes = set()
        for c in self.arguments:
            if c.dims is not None and not c.dims:
                raise ValueError(
                    "from_tensor_slices: a scalar has no rows; use from_tensors for one element"
                )
            if c.dims is not None and c.dims[0] is not None:
                sizes.add(c.dims[0])
        if len(sizes) > 1:
            raise ValueError(
                call_message(
                    "from_tensor_slices: all tensors need equally many rows, not "
                    + " and ".join(map(str, sorted(sizes))),
                    fix="cut the longer ones, or use Dataset.zip, which ends with the shortest",
                )
            )
        self.structure = map_leaves(
            lambda c: Leaf(c.dtype, None if c.dims is None else c.dims[1:]), nested
        )

    def rows(self, env: Env) -> Rows:
        """All of them."""
        arrays = [env.value(c) for c in self.arguments]
        for array in arrays:
            if array.shape[:1] != arrays[0].shape[:1]:
                raise bad(
                    "from_tensor_slices: all tensors need equally many rows, not "
                    f"{len(arrays[0])} and {len(array) if array.ndim else 'a scalar'}"
                )
        return arrays, iter([range(len(arrays[0]))])

    def iterate(self, env: Env) -> Iterator[Element]:
        """Row by row."""
        return each_row(self.rows(env))


def each_row(rows: Rows) -> Iterator[Element]:
    """Elements out of rows."""
    arrays, pieces = rows
    if len(arrays) == 1:
        (array,) = arrays
        return ((array[i, ...],) for piece in pieces for i in piece)
    return (tuple([a[i, ...] for a in arrays]) for piece in pieces for i in piece)


class Range(Node):
    """Integers from ``start`` to ``stop`` by ``step``."""

    def __init__(self, start: Component, stop: Component, step: Component) -> None:
        self.arguments = start, stop, step
        self.structure = Leaf(int64, ())

    def iterate(self, env: Env) -> Iterator[Element]:
        """The integers."""
        start, stop, step = (env.number(c) for c in self.arguments)
        if step == 0:
            raise bad("Dataset.range: step cannot be zero")
        return ((np.array(i, np.int64),) for i in range(start, stop, step))


class Generated(Node):
    """What a Python generator yields."""

    def __init__(
        self, generator: Callable[..., Any], structure: Any, args: Sequence[Component]
    ) -> None:
        self.generator, self.structure, self.arguments = generator, structure, tuple(args)

    def iterate(self, env: Env) -> Iterator[Element]:
        """The values yielded, each checked."""
        args = [env.value(c) for c in self.arguments]
        values = self.generator(*(a[()] if a.ndim == 0 else a for a in args))
        return map(self._element, iter(values))

    def _element(self, value: Any) -> Element:
        leaves = flatten(self.structure)
        try:
            flat = like(self.structure, value, lambda x: x)
        except TypeError:
            raise bad(
                f"the generator yielded {value!r:.200}, which has not the structure of "
                f"output_types, {map_leaves(lambda leaf: leaf.dtype.name, self.structure)!r}"
            ) from None
        arrays = []
        for item, leaf in zip(flat, leaves, strict=True):
            try:
                array = to_array(item, None if isinstance(item, np.ndarray) else leaf.dtype)
                if array.dtype != leaf.dtype.np:
                    array = to_array(item, leaf.dtype)
            except (TypeError, ValueError) as error:
                raise bad(
                    f"the generator yielded {item!r:.200}, which is no {leaf.dtype.name}: {error}"
                ) from None
            if not leaf.fits(array):
                raise bad(
                    f"the generator yielded an element of shape {array.shape} where one of shape "
                    f"{leaf.dims} was promised by output_shapes"
                )
            arrays.append(array)
        return tuple(arrays)


# ------------------------------------------------------------------------------------------ files


class Files(Node):
    """Records of files, one file after the other.

    Args:
        filenames: a vector (or scalar) of paths.
        read: ``read(path, env)`` yields the records of a file.
        source: a dataset of paths, instead.
    """

    def __init__(
        self,
        filenames: Component,
        read: Callable[[str, Env], Iterator[bytes]],
        arguments: Sequence[Component] = (),
        source: Node | None = None,
    ) -> None:
        if filenames.dtype is not string:
            raise TypeError(f"filenames must be strings, not {filenames.dtype.name}")
        self.arguments = (filenames, *arguments)
        self.inputs = () if source is None else (source,)
        self.read = read
        self.structure = Leaf(string, ())

    def iterate(self, env: Env) -> Iterator[Element]:
        """The records."""
        names: Any = env.value(self.arguments[0]).reshape(-1)
        if self.inputs:
            names = (name[()] for (name,) in self.inputs[0].iterate(env))
        for name in names:
            for record in self.read(path_of(name), env):
                yield (filled([record], ()),)


class Matching(Node):
    """The names of files that match patterns, sorted."""

    def __init__(self, patterns: Component) -> None:
        self.arguments, self.structure = (patterns,), Leaf(string, ())

    def iterate(self, env: Env) -> Iterator[Element]:
        """The names."""
        patterns = env.value(self.arguments[0]).reshape(-1)
        found = sorted({path for p in patterns for path in matching(path_of(p))})
        if not found:
            shown = ", ".join(str(path_of(p)) for p in patterns)
            raise bad(f"list_files: No files matched pattern: {shown}")
        return iter([(texts(path),) for path in found])


def _compression(argument: Component, env: Env) -> str:
    kind = env.value(argument)[()]
    text = kind.decode() if isinstance(kind, bytes) else str(kind)
    if text not in ("", "GZIP", "ZLIB"):
        raise bad(f"compression_type must be '', 'ZLIB' or 'GZIP', not {text!r}")
    return text


def _chunks(path: str, kind: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, in pieces."""
    with file_errors(path), open(path, "rb") as file:
        inflate = zlib.decompressobj(31 if kind == "GZIP" else 15) if kind else None
        while True:
            data = file.read(size)
            if inflate is None:
                if not data:
                    return
                yield data
                continue
            try:
                out = inflate.decompress(data) if data else inflate.flush()
            except zlib.error as error:
                raise DataLossError(None, None, f"{path}: {error}") from None
            if not data and not inflate.eof:
                raise DataLossError(None, None, f"{path}: the end of the {kind} data is missing")
            if out:
                yield out
            if not data:
                return


def text_lines(compression: Component, buffer_size: Component) -> Callable[..., Iterator[bytes]]:
    """Reads lines, without their ends."""

    def read(path: str, env: Env) -> Iterator[bytes]:
        kind, size = _compression(compression, env), env.number(buffer_size)
        rest = b""
        for data in _chunks(path, kind, size or 1 << 18):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line[:-1] if line.endswith(b"\r") else line
        if rest:
            yield rest[:-1] if rest.endswith(b"\r") else rest

    return read


def tf_records(compression: Component) -> Callable[..., Iterator[bytes]]:
    """Reads the records of TFRecord files."""

    def read(path: str, env: Env) -> Iterator[bytes]:
        return tf_record_iterator(path, _compression(compression, env) or None)

    return read


def fixed_records(
    sizes: Sequence[Component], compression: Component
) -> Callable[..., Iterator[bytes]]:
    """Reads records; ``sizes``: of a record, of the header and the footer of a file."""

    def read(path: str, env: Env) -> Iterator[bytes]:
        kind = _compression(compression, env)
        record, front, back = (env.number(c) for c in sizes)
        if record <= 0:
            raise bad("record_bytes must be positive")
        with file_errors(path):
            data = b"".join(_chunks(path, kind, 1 << 20))
        body = len(data) - front - back
        if body % record:
            raise bad(
                f"{path}: excluding the header ({front} bytes) and footer ({back} bytes), the file "
                f"has {body} bytes, which is no multiple of the record length ({record} bytes)"
            )
        for start in range(front, front + body, record):
            yield data[start : start + record]

    return read

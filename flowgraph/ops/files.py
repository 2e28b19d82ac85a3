"""Files inside the graph: read_file, write_file, matching_files.

They run in the order of the program, as everything does that looks at or changes the outside world.

Read next: platform/gfile.py (files outside the graph).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, Call, define, error_sample, not_differentiable, sample
from flowgraph.ops.rules import invalid, require_rank
from flowgraph.ops.texts import filled, texts
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.platform.gfile import matching
from flowgraph.shapes import Dims, ShapeError, format_dims

_NO_NUMBERS = not_differentiable("strings have no derivatives")


def _one(value: Any, what: str) -> bytes:
    if np.ndim(value):
        raise invalid(f"{what} must be a scalar, not of shape {list(value.shape)}")
    return value[()]


def _read(call_: Call, filename: Any) -> np.ndarray[Any, Any]:
    path = path_of(_one(filename, "filename"))
    with file_errors(path), open(path, "rb") as file:
        return filled([file.read()], ())


def _write(call_: Call, filename: Any, contents: Any) -> tuple[()]:
    path, data = path_of(_one(filename, "filename")), _one(contents, "contents")
    folder = os.path.dirname(path)
    with file_errors(path):
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
    return ()


def _scalars(call_: Call) -> list[Dims]:
    for dims, what in zip(call_.shapes, ("filename", "contents"), strict=False):
        require_rank(dims, 0, what)
    return [()] if call_.type == "ReadFile" else []


def _matching_shape(call_: Call) -> list[Dims]:
    dims = call_.shapes[0]
    if dims is not None and len(dims) > 1:
        raise ShapeError(f"pattern must be a scalar or a vector, not of shape {format_dims(dims)}")
    return [(None,)]


def _match(call_: Call, pattern: Any) -> np.ndarray[Any, Any]:
    found = sorted(p for text in pattern.reshape(-1) for p in matching(path_of(text)))
    return texts(found)


_THIS = os.path.abspath(__file__)

define(
    "ReadFile",
    "filename: string -> contents: string",
    infer=_scalars,
    grad=_NO_NUMBERS,
    reference=_read,
    samples=(sample(texts(_THIS)), sample(texts("file://" + _THIS))),
    errors=(
        error_sample(ValueError, "filename must be a scalar", texts([_THIS])),
        error_sample(Exception, "No such file", texts(_THIS + ".none"), stage="run"),
    ),
    effect=HOST,
    doc="The bytes of a file.",
)

define(
    "WriteFile",
    "filename: string, contents: string ->",
    infer=_scalars,
    grad=_NO_NUMBERS,
    reference=_write,
    samples=(sample(texts(os.devnull), texts("text")),),
    errors=(
        error_sample(ValueError, "contents must be a scalar", texts(os.devnull), texts(["a"])),
        error_sample(Exception, "irectory|exists", texts(_THIS + "/x"), texts("a"), stage="run"),
    ),
    effect=HOST,
    doc="Makes a file of these bytes, and the directories it is in.",
)

define(
    "MatchingFiles",
    "pattern: string -> filenames: string",
    infer=_matching_shape,
    grad=_NO_NUMBERS,
    reference=_match,
    samples=(
        sample(texts(_THIS[:-4] + "?.p*")),
        sample(texts([_THIS, _THIS + "/none*"])),
    ),
    errors=(error_sample(ValueError, "a scalar or a vector", texts([[_THIS]])),),
    effect=HOST,
    doc="The paths that match a pattern.",
)


@export("read_file", "io.read_file")
def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The bytes of a file.

    Args:
        filename: a scalar string: its path.
        name: of the operation; ``ReadFile`` by default.

    Returns:
        A scalar string.

    Raises:
        NotFoundError: there is no such file (when run).
    """
    return apply_op("ReadFile", filename, name=name)


@export("write_file", "io.write_file")
def write_file(filename: Any, contents: Any, name: str | None = None) -> Operation:
    """Make a file of these bytes, and the directories it is in.

    Args:
        filename: a scalar string: its path.
        contents: a scalar string.
        name: of the operation; ``WriteFile`` by default.

    Returns:
        The operation that does it.
    """
    return apply_op("WriteFile", filename, contents, name=name)


@export("matching_files", "io.matching_files")
def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The paths that match a pattern with ``*``, ``?`` and ``[...]``, which do not match ``/``.

    Args:
        pattern: a scalar string, or a vector of several.
        name: of the operation; ``MatchingFiles`` by default.

    Returns:
        A vector of strings, sorted.
    """
    return apply_op("MatchingFiles", pattern, name=name)

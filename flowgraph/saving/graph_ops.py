"""Checkpoints inside the graph: the operations that TensorFlow's own Savers put there.

A graph that TensorFlow exported brings them along (``save/SaveV2``, ``save/RestoreV2``); a Saver of
such a graph runs them.  Savers made here read and write without operations.

Read next: saver.py; bundle.py.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.errors import InvalidArgumentError, UnimplementedError
from flowgraph.graph.opdef import (
    HOST,
    REQUIRED,
    Attr,
    Call,
    define,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.rules import f32, i32, require_rank
from flowgraph.ops.texts import filled, texts
from flowgraph.platform.file_io import path_of
from flowgraph.saving import bundle, safetensors_file
from flowgraph.saving.reader import NewCheckpointReader
from flowgraph.saving.state import remove_checkpoint
from flowgraph.shapes import Dims

_NO_NUMBERS = not_differentiable("files have no derivatives")
#: A small checkpoint, with which the records are tested: v = [1, 2], n = 7.
_EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "example")
_SCRATCH = os.path.join(tempfile.gettempdir(), "flowgraph-example")


def _place(prefix: Any) -> str:
    return path_of(prefix.reshape(-1)[0])


def _names(tensor_names: Any) -> list[str]:
    return [name.decode() for name in tensor_names.reshape(-1)]


def _part(spec: str, whole: Any, name: str) -> Any:
    """The part of a tensor that ``"7 10 0,3:-"`` names: sizes, then start and length per axis."""
    if not spec:
        return whole
    *sizes, parts = spec.split(" ")
    if [int(size) for size in sizes] != list(whole.shape):
        raise InvalidArgumentError(
            None, None, f"{name!r} has shape {list(whole.shape)}, not [{', '.join(sizes)}]"
        )
    place = []
    for part in parts.split(":"):
        start, _, length = part.partition(",")
        place.append(slice(None) if part == "-" else slice(int(start), int(start) + int(length)))
    return whole[tuple(place)].copy()


def _names_infer(call_: Call) -> list[Dims]:
    for dims, rank, what in zip(
        call_.shapes, (0, 1, 1), ("prefix", "tensor_names", "shape_and_slices"), strict=False
    ):
        require_rank(dims, rank, what)
    return [None] * len(call_.attrs["dtypes"]) if call_.type == "RestoreV2" else []


def _save(call_: Call, prefix: Any, tensor_names: Any, slices: Any, *tensors: Any) -> tuple[()]:
    names = _names(tensor_names)
    if len(names) != len(tensors):
        raise InvalidArgumentError(None, None, f"{len(names)} names for {len(tensors)} tensors")
    if any(slices.reshape(-1)):
        raise UnimplementedError(None, None, "SaveV2: parts of tensors cannot be saved")
    path = _place(prefix)
    is_safe = path.endswith(safetensors_file.EXTENSION)
    write = safetensors_file.write if is_safe else bundle.write
    write(path, dict(zip(names, tensors, strict=True)))
    return ()


def _restore(call_: Call, prefix: Any, tensor_names: Any, slices: Any) -> tuple[Any, ...]:
    reader = NewCheckpointReader(_place(prefix))
    found = []
    specs = [spec.decode() for spec in slices.reshape(-1)]
    dtypes = call_.attrs["dtypes"]
    for name, spec, dtype in zip(_names(tensor_names), specs, dtypes, strict=True):
        value = np.asarray(reader._file.read(name))
        if as_dtype(value.dtype) is not as_dtype(dtype).base_dtype:
            raise InvalidArgumentError(
                None, None, f"{name!r} is {as_dtype(value.dtype).name}, not {as_dtype(dtype).name}"
            )
        found.append(_part(spec, value, name))
    return tuple(found)


define(
    "SaveV2",
    "prefix: string, tensor_names: string, shape_and_slices: string, tensors: [dtypes] ->",
    dtypes=Attr("list(type)", REQUIRED),
    infer=_names_infer,
    grad=_NO_NUMBERS,
    reference=_save,
    samples=(
        sample(texts(_SCRATCH), texts(["a", "b"]), texts(["", ""]), [f32(2, 3), i32(4)]),
    ),
    errors=(
        error_sample(ValueError, "prefix must be a scalar", texts([_SCRATCH]), texts(["a"]),
                     texts([""]), [f32(2)]),
        error_sample(Exception, "2 names for 1 tensors", texts(_SCRATCH), texts(["a", "b"]),
                     texts(["", ""]), [f32(2)], stage="run"),
    ),
    effect=HOST,
    doc="Writes tensors to a checkpoint.",
)  # fmt: skip

define(
    "RestoreV2",
    "prefix: string, tensor_names: string, shape_and_slices: string -> tensors: [dtypes]",
    dtypes=Attr("list(type)", REQUIRED),
    infer=_names_infer,
    grad=_NO_NUMBERS,
    reference=_restore,
    samples=(
        sample(texts(_EXAMPLE), texts(["n", "v"]), texts(["", ""]), dtypes=["int64", "float32"]),
        sample(texts(_EXAMPLE), texts(["v"]), texts(["2 1,1"]), dtypes=["float32"]),
    ),
    errors=(
        error_sample(ValueError, "tensor_names must be a vector", texts(_EXAMPLE), texts("v"),
                     texts([""]), dtypes=["float32"]),
        error_sample(Exception, "'w' is not in the checkpoint", texts(_EXAMPLE), texts(["w"]),
                     texts([""]), dtypes=["float32"], stage="run"),
        error_sample(Exception, "is int64, not float32", texts(_EXAMPLE), texts(["n"]),
                     texts([""]), dtypes=["float32"], stage="run"),
    ),
    effect=HOST,
    doc="Tensors of a checkpoint, by name; ``shape_and_slices`` may ask for a part of each.",
)  # fmt: skip


def _save_whole(call_: Call, filename: Any, tensor_names: Any, *rest: Any) -> tuple[()]:
    """Save and SaveSlices of the first format: written in the second."""
    has_slices = call_.type == "SaveSlices"
    slices = rest[0] if has_slices else np.array([b""], object)
    return _save(call_, filename, tensor_names, slices, *(rest[1:] if has_slices else rest))


def _restore_one(call_: Call, pattern: Any, name: Any, *spec: Any) -> Any:
    dtype = as_dtype(call_.attrs["dt"])
    value = np.asarray(NewCheckpointReader(_place(pattern))._file.read(name[()].decode()))
    if as_dtype(value.dtype) is not dtype.base_dtype:
        raise InvalidArgumentError(
            None, None, f"{name[()].decode()!r} is {as_dtype(value.dtype).name}, not {dtype.name}"
        )
    return _part(spec[0][()].decode() if spec else "", value, name[()].decode())


for _type, _more, _slices in (
    ("Save", "", False), ("SaveSlices", "shapes_and_slices: string, ", True),
):  # fmt: skip
    _absent = (texts([""]),) if _slices else ()
    define(
        _type,
        f"filename: string, tensor_names: string, {_more}data: [T] ->",
        T=Attr("list(type)", REQUIRED),
        infer=lambda call_: [],
        grad=_NO_NUMBERS,
        reference=_save_whole,
        samples=(sample(texts(_SCRATCH), texts(["a"]), *_absent, [f32(2, 3)]),),
        errors=(
            error_sample(Exception, "1 names for 2 tensors", texts(_SCRATCH), texts(["a"]),
                         *_absent, [f32(2), f32(2)], stage="run"),
        ),
        effect=HOST,
        doc="Writes tensors to a checkpoint; graphs of TensorFlow 0.x have it.",
    )  # fmt: skip

for _type, _more, _slices in (
    ("Restore", "", False), ("RestoreSlice", ", shape_and_slice: string", True),
):  # fmt: skip
    _whole = (texts(""),) if _slices else ()
    define(
        _type,
        f"file_pattern: string, tensor_name: string{_more} -> tensor: dt",
        dt=Attr("type", REQUIRED),
        preferred_shard=-1,
        infer=lambda call_: [None],
        grad=_NO_NUMBERS,
        reference=_restore_one,
        samples=(sample(texts(_EXAMPLE), texts("v"), *_whole, dt="float32"),),
        errors=(
            error_sample(Exception, "is int64, not float32", texts(_EXAMPLE), texts("n"), *_whole,
                         dt="float32", stage="run"),
        ),
        effect=HOST,
        doc="A tensor of a checkpoint, by name; graphs of TensorFlow 0.x have it.",
    )  # fmt: skip


def _merge(call_: Call, prefixes: Any, destination: Any) -> tuple[()]:
    whole: dict[str, Any] = {}
    parts = [path_of(prefix) for prefix in prefixes.reshape(-1)]
    for part in parts:
        if call_.attrs["allow_missing_files"] and not bundle.exists(part):
            continue
        file = bundle.Bundle(part)
        whole.update({name: file.read(name) for name in file.entries})
    target = _place(destination)
    bundle.write(target, whole)
    if call_.attrs["delete_old_dirs"]:
        for part in parts:
            if part != target:
                remove_checkpoint(part)
    return ()


define(
    "MergeV2Checkpoints",
    "checkpoint_prefixes: string, destination_prefix: string ->",
    delete_old_dirs=True,
    allow_missing_files=False,
    infer=lambda call_: [],
    grad=_NO_NUMBERS,
    reference=_merge,
    # NB: TensorFlow's moves the files it merges.
    samples=(
        sample(texts([_SCRATCH + "-none"]), texts(_SCRATCH + "-merged"), allow_missing_files=True),
    ),
    errors=(
        error_sample(Exception, "No such file", texts([_SCRATCH + "-none"]), texts(_SCRATCH),
                     stage="run"),
    ),
    effect=HOST,
    doc="One checkpoint of several.",
)  # fmt: skip


define(
    "ShardedFilename",
    "basename: string, shard: int32, num_shards: int32 -> filename: string",
    infer=lambda call_: [()],
    grad=_NO_NUMBERS,
    reference=lambda call_, basename, shard, count: filled(
        [b"%s-%05d-of-%05d" % (basename[()], int(shard), int(count))], ()
    ),
    samples=(sample(texts("m"), i32(1), i32(12)),),
    doc="``m-00001-of-00012``.",
)

define(
    "ShardedFilespec",
    "basename: string, num_shards: int32 -> filename: string",
    infer=lambda call_: [()],
    grad=_NO_NUMBERS,
    reference=lambda call_, basename, count: filled(
        [b"%s-?????-of-%05d" % (basename[()], int(count))], ()
    ),
    samples=(sample(texts("m"), i32(12)),),
    doc="The pattern of all files of ShardedFilename.",
)

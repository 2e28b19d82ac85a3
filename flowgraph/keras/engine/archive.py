"""Models and weights in files of our own: one zip, or safetensors alone.

    model.json               class, config, release; training_config where the model was compiled
    weights.safetensors      "dense_1.kernel", ...
    optimizer.safetensors    "0", "1", ...: the optimizer's state, where there is one

Both kinds are written whole or not at all, and their bytes do not depend on the clock.

Read next: saving.py, hdf5.py.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.keras.engine.serialization import json_of
from flowgraph.keras.engine.stored_weights import Stored

_MODEL, _WEIGHTS, _OPTIMIZER = "model.json", "weights.safetensors", "optimizer.safetensors"
#: The oldest time that a zip can tell.
_TIME = (1980, 1, 1, 0, 0, 0)


def archive_bytes(data: dict[str, Any], stored: Stored, optimizer: Any) -> bytes:
    """A whole model as a zip.

    Args:
        data: the model as plain data.
        stored: its weights.
        optimizer: the arrays of the optimizer's state, or None.
    """
    entries = {_MODEL: json_of(data, indent=1).encode(), _WEIGHTS: weights_bytes(stored)}
    if optimizer is not None:
        arrays = {str(i): np.asarray(value) for i, value in enumerate(optimizer)}
        entries[_OPTIMIZER] = _safetensors().numpy.save(arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, content in entries.items():
            file.writestr(zipfile.ZipInfo(name, _TIME), content)
    return buffer.getvalue()


def read_archive(content: bytes, source: str) -> tuple[dict[str, Any], Stored, Any]:
    """What ``archive_bytes`` was given.

    Raises:
        ValueError: it is another kind of zip, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            names = file.namelist()
            if _MODEL not in names or _WEIGHTS not in names:
                raise ValueError(f"{source} is a zip, but not of a model: it has {names[:5]}")
            entries = {name: file.read(name) for name in names}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{source} is damaged: {error}") from None
    optimizer = None
    if _OPTIMIZER in entries:
        arrays = _safetensors().numpy.load(entries[_OPTIMIZER])
        optimizer = [arrays[str(i)] for i in range(len(arrays))]
    return json.loads(entries[_MODEL]), read_weights(entries[_WEIGHTS], source), optimizer


def weights_bytes(stored: Stored) -> bytes:
    """Weights as a safetensors file."""
    arrays: dict[str, np.ndarray] = {}
    layers: list[Any] = []
    for layer, weights in stored:
        keys = []
        for place, array in weights:
            key = f"{layer}.{place.replace('/', '.')}"
            while key in arrays:  # "a.b" and its "c", "a" and its "b.c"
                key += "_"
            arrays[key] = np.asarray(array)
            keys.append([key, place])
        layers.append([layer, keys])
    contiguous = {key: np.ascontiguousarray(a).reshape(a.shape) for key, a in arrays.items()}
    return _safetensors().numpy.save(contiguous, {"layers": json.dumps(layers)})


def read_weights(content: bytes, source: str) -> Stored:
    """The weights of a safetensors file; of others' by the first part of their names.

    Raises:
        ValueError: it is no such file.
    """
    try:
        arrays = _safetensors().numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    except (_safetensors().SafetensorError, ValueError) as error:
        raise ValueError(f"{source} is no sound file of weights: {error}") from None
    if "layers" in metadata:
        return [
            (layer, [(place, arrays[key]) for key, place in weights])
            for layer, weights in json.loads(metadata["layers"])
        ]
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    for key, array in arrays.items():
        layer, _, place = key.replace("/", ".").partition(".")
        found.setdefault(layer, []).append((place.replace(".", "/"), array))
    return list(found.items())


def write_whole(path: Any, content: bytes) -> None:
    """Write a file, so that another one by this name is there until the new one is complete."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _safetensors() -> Any:
    import safetensors.numpy

    return safetensors

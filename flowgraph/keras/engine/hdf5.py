"""Models and weights in HDF5 files, in the layout of Keras 2.

    /                   keras_version, backend, model_config, training_config: JSON as attributes
    /model_weights      layer_names; of a file of weights alone this is the root
      /dense_1          weight_names
        /dense_1/kernel:0
    /optimizer_weights  weight_names, and the arrays by these names

A list of names that is too long for one attribute (64 KB) lies in ``layer_names0``,
``layer_names1`` ...  Needs the package h5py, by ``pip install flowgraph[hdf5]``.

Read next: saving.py, newer.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.keras.engine.serialization import WRITTEN_BY, json_of
from flowgraph.keras.engine.stored_weights import OWN, Stored
from flowgraph.keras.utils.io_utils import h5py_for

#: How many bytes an attribute may have: HDF5's 64 KB, less what the header needs.
_LIMIT = 64512


@contextmanager
def opened(path: Any, mode: str) -> Iterator[Any]:
    """The h5py.File of a path; one that is open stays so.

    A new file is written under another name and gets its own when it is complete.

    Raises:
        ImportError: there is no h5py.
    """
    h5py = h5py_for(path)
    if isinstance(path, h5py.Group):
        yield path
    elif mode == "r":
        with h5py.File(path, "r") as file:
            yield file
    else:
        path = Path(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with h5py.File(part, "w") as file:
                yield file
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


# ----------------------------------------------------------------------------------------- writing


def write_model(file: Any, data: dict[str, Any], stored: Stored, optimizer: Any) -> None:
    """Write a whole model.

    Args:
        file: an h5py.File or Group.
        data: the model as plain data.
        stored: its weights.
        optimizer: (name, array) pairs of the optimizer's state, or None.
    """
    rest = dict(data)
    training = rest.pop("training_config", None)
    random_state = rest.pop("random_state", None)
    for key in WRITTEN_BY:
        file.attrs[key] = str(rest.pop(key, WRITTEN_BY[key])).encode()
    file.attrs["model_config"] = json_of(rest).encode()
    write_weights(file.create_group("model_weights"), stored)
    if training is not None:
        file.attrs["training_config"] = json_of(training).encode()
    if random_state is not None:  # which Keras does not look at
        file.attrs["random_state"] = json_of(random_state).encode()
    if optimizer is not None:
        _write_group(file.create_group("optimizer_weights"), optimizer)


def write_weights(group: Any, stored: Stored) -> None:
    """Write weights.

    Args:
        group: an h5py.File or Group.
        stored: the weights.
    """
    _write_names(group, "layer_names", [name for name, _ in stored if name != OWN])
    for key, value in WRITTEN_BY.items():
        group.attrs[key] = value.encode()
    for name, weights in stored:
        whole = [(f"{name}/{key}:0", array) for key, array in weights]
        _write_group(group.require_group(name), whole)  # "a" may be there, of "a/b"


def _write_group(group: Any, named: Sequence[tuple[str, Any]]) -> None:
    _write_names(group, "weight_names", [name for name, _ in named])
    for name, value in named:
        group.create_dataset(name, data=np.asarray(value))


def _write_names(group: Any, attribute: str, names: Sequence[str]) -> None:
    data = [name.encode() for name in names]
    longest = [name for name in data if len(name) > _LIMIT]
    if longest:
        raise ValueError(f"the name {longest[0][:40]!r}... is too long for an HDF5 file")
    array = np.asarray(data) if data else np.zeros(0, "S1")
    count = -(-array.nbytes // _LIMIT) or 1
    if count == 1:
        group.attrs[attribute] = array
    else:
        # Parts of an array of fixed width are of equal width, so as many are enough.
        for i, part in enumerate(np.array_split(array, count + 1)):
            group.attrs[f"{attribute}{i}"] = part


# ----------------------------------------------------------------------------------------- reading


def read_model(file: Any, source: str) -> tuple[dict[str, Any], Stored, Any]:
    """The plain data of a model, its weights, and the optimizer's (name, array) pairs or None.

    Raises:
        ValueError: the file holds no model, or weights alone.
    """
    config = file.attrs.get("model_config")
    if config is None:
        hint = ": weights alone; use model.load_weights" if "layer_names" in file.attrs else ""
        raise ValueError(f"{source} holds no model{hint}")
    data = json.loads(_text(config))
    for key in WRITTEN_BY:
        if key in file.attrs:
            data[key] = _text(file.attrs[key])
    training = file.attrs.get("training_config")
    if training is not None:
        data["training_config"] = json.loads(_text(training))
    if "random_state" in file.attrs:
        data["random_state"] = json.loads(_text(file.attrs["random_state"]))
    optimizer = None
    if "optimizer_weights" in file:
        optimizer = _read_group(file["optimizer_weights"])
    return data, read_weights(file, source), optimizer


def read_weights(group: Any, source: str) -> Stored:
    """The weights of a file, of a whole model or alone.

    Raises:
        ValueError: there are none.
    """
    if "model_weights" in group:
        group = group["model_weights"]
    names = _read_names(group, "layer_names")
    if names is None:
        raise ValueError(f"{source} holds no weights of a Keras model")
    stored = [(name, _read_group(group[name])) for name in names]
    if OWN in group and OWN not in names:
        stored.append((OWN, _read_group(group[OWN])))
    return stored


def _read_group(group: Any) -> list[tuple[str, np.ndarray]]:
    return [(name, np.asarray(group[name])) for name in _read_names(group, "weight_names") or ()]


def _read_names(group: Any, attribute: str) -> list[str] | None:
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    parts: list[Any] = []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [_text(name) for part in parts for name in part] if parts else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

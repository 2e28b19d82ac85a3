"""What a checkpoint holds, whatever its format: names, shapes, values.

Read next: bundle.py, safetensors_file.py.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.errors import NotFoundError
from flowgraph.graph.export import export
from flowgraph.platform.file_io import path_of
from flowgraph.saving import first_format
from flowgraph.saving.bundle import Bundle, Opened, Stored
from flowgraph.saving.safetensors_file import EXTENSION, SafetensorsFile
from flowgraph.saving.state import latest_checkpoint


@export("train.NewCheckpointReader")
class NewCheckpointReader:
    """Reads tensors of a checkpoint by name.

    Args:
        filepattern: the path, as ``Saver.save`` returned it.

    Raises:
        NotFoundError: there is no checkpoint.   DataLossError: it is damaged.
    """

    def __init__(self, filepattern: str) -> None:
        path = path_of(filepattern)
        self._file: Any
        if path.endswith(EXTENSION) and os.path.isfile(path):
            self._file = SafetensorsFile(path)
        elif os.path.isfile(f"{path}.index"):
            self._file = Bundle(path)
        elif first_format.files_of(path):
            self._file = first_format.FirstFormat(path)
        else:
            raise NotFoundError(
                None, None, f"there is no checkpoint {path!r}: neither {path}.index nor a file "
                f"that ends in {EXTENSION}",
            )  # fmt: skip

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Name -> shape of every tensor."""
        return {name: list(entry.shape) for name, entry in self._file.entries.items()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Name -> dtype of every tensor."""
        return {name: entry.dtype for name, entry in self._file.entries.items()}

    def has_tensor(self, tensor_str: str) -> bool:
        """Whether there is a tensor of this name."""
        return tensor_str in self._file.entries

    def get_tensor(self, tensor_str: str) -> Any:
        """The value of a tensor, as an array.

        Raises:
            NotFoundError: there is none of this name.   DataLossError: the file is damaged.
        """
        value: np.ndarray[Any, Any] = self._file.read(tensor_str)
        return value[()] if value.dtype.hasobject and not value.shape else value

    def _stored(self, name: str, opened: Opened) -> Stored | None:
        """The tensor, not yet read, where it can go straight into a variable."""
        return self._file.stored(name, opened) if isinstance(self._file, Bundle) else None

    def debug_string(self) -> bytes:
        """One line for each tensor: name, dtype, shape."""
        lines = [
            f"{name} (DT_{entry.dtype.name.upper()}) [{','.join(map(str, entry.shape))}]\n"
            for name, entry in sorted(self._file.entries.items())
        ]
        return "".join(lines).encode()


def checkpoint_in(ckpt_dir_or_file: str) -> str:
    """The path of a checkpoint: as given, or the newest one of a directory.

    Raises:
        ValueError: the directory has none.
    """
    given = path_of(ckpt_dir_or_file)
    if not os.path.isdir(given):
        return given
    found = latest_checkpoint(given)
    if found is None:
        raise ValueError(f"there is no checkpoint in the directory {given!r}")
    return found


@export("train.load_checkpoint")
def load_checkpoint(ckpt_dir_or_file: str) -> NewCheckpointReader:
    """A reader of a checkpoint.

    Args:
        ckpt_dir_or_file: its path, or a directory whose newest one is meant.

    Raises:
        ValueError: the directory has none.   NotFoundError: there is no such file.
    """
    return NewCheckpointReader(checkpoint_in(ckpt_dir_or_file))


@export("train.load_variable")
def load_variable(ckpt_dir_or_file: str, name: str) -> Any:
    """The value of one variable of a checkpoint, as an array.

    Args:
        ckpt_dir_or_file: the path, or a directory whose newest checkpoint is meant.
        name: of the variable; a ``:0`` at its end does not matter.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


@export("train.list_variables")
def list_variables(ckpt_dir_or_file: str) -> list[tuple[str, list[int]]]:
    """(name, shape) of every variable of a checkpoint, by name.

    Args:
        ckpt_dir_or_file: the path, or a directory whose newest checkpoint is meant.
    """
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())

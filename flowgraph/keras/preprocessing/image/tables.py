"""Batches of images whose files and targets a table names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.keras.preprocessing.image.files import EXTENSIONS, list_pictures
from flowgraph.keras.preprocessing.image.iterators import (
    FilesIterator,
    say_what_was_found,
    subset_bounds,
)

Array = np.ndarray[Any, Any]

#: Targets are numbers of classes, or values of columns as they stand.
CLASSES = ("categorical", "binary", "sparse")
VALUES = ("other", "raw", "multi_output")


def _column(table: Any, name: Any) -> Array:
    try:
        found = table[name]
    except (KeyError, IndexError):
        raise ValueError(f"the table has no column {name!r}") from None
    if hasattr(found, "to_numpy"):
        return found.to_numpy()
    rows = list(found)
    if any(isinstance(row, (list, tuple, set)) for row in rows):  # several labels in a row
        column = np.empty(len(rows), object)
        column[:] = rows
        return column
    return np.asarray(rows)


def _labels_of(cell: Any) -> list[Any]:
    return list(cell) if isinstance(cell, (list, tuple, set, np.ndarray)) else [cell]


class DataFrameIterator(FilesIterator):
    """Batches of images that a table names, made by ``flow_from_dataframe``.

    Attributes: ``class_indices`` (class -> number) and ``classes`` (number of each sample, or a
    list of them) where targets are classes; ``filenames``, ``filepaths``, ``samples``.

    Args:
        dataframe: a pandas DataFrame, or anything with columns by name: a dict of lists.
        directory: where the files lie; None when the table has whole paths.
        image_data_generator: the ImageDataGenerator that transforms.
        x_col: name of the column of files.
        y_col: name of the column of targets; a list of names for values.
        weight_col: name of the column of samples' weights.
        has_ext: whether names have their endings; otherwise they are looked for.
        target_size: (height, width) that images are resized to.
        color_mode: "rgb", "rgba" or "grayscale".
        classes: the classes in the order of their numbers, rows of others are left out; by default
            all in the table, sorted.
        class_mode: what the targets are: "categorical" (one-hot; a cell may list several labels),
            "binary" or "sparse" (numbers); "other" or "raw" (the values of ``y_col``),
            "multi_output" (a list with an array per column), "input" (the images), None.
        batch_size: samples per batch.
        shuffle: whether samples come in a random order.
        seed: of the order and the transforms.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        save_to_dir: directory into which transformed images are written.
        save_prefix: what their names begin with.
        save_format: their names' ending.
        subset: "training" or "validation", as the generator's ``validation_split`` divides rows.
        interpolation: as of ``load_img``.
        dtype: of the batches; ``floatx()`` by default.
        validate_filenames: leave out, with a warning, rows whose files are no images that exist.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an unknown word, no such column, or "binary" without two classes.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: Any,
        image_data_generator: Any,
        x_col: Any = "filename",
        y_col: Any = "class",
        weight_col: Any = None,
        has_ext: bool = True,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: Any = None,
        validate_filenames: bool = True,
    ) -> None:
        modes = (*CLASSES, *VALUES, "input", None)
        if class_mode not in modes:
            raise ValueError(f"class_mode is one of {modes}; got {class_mode!r}")
        self._prepare(
            image_data_generator, target_size, color_mode, data_format,
            (save_to_dir, save_prefix, save_format), subset, interpolation, dtype,
        )  # fmt: skip
        self.directory, self.class_mode = os.fspath(directory or ""), class_mode
        names = [str(name) for name in _column(dataframe, x_col)]
        paths = self._paths(names, has_ext)
        kept = np.ones(len(names), bool)
        if validate_filenames:
            endings = tuple(f".{ending}" for ending in EXTENSIONS)
            kept &= [path.lower().endswith(endings) and os.path.isfile(path) for path in paths]
            if not kept.all():
                warnings.warn(
                    f"{len(kept) - kept.sum()} files of column {x_col!r} are no images that "
                    f"exist, such as {paths[int(kept.argmin())]!r}; left out", stacklevel=3,
                )  # fmt: skip
        cells: Array | None = None
        if class_mode in CLASSES:
            cells = _column(dataframe, y_col)
            present = {label for row in np.flatnonzero(kept) for label in _labels_of(cells[row])}
            self.class_indices = {c: i for i, c in enumerate(classes or sorted(present))}
            if class_mode == "binary" and len(self.class_indices) != 2:
                raise ValueError(f"class_mode 'binary' needs 2 classes; got {self.class_indices}")
            known = self.class_indices
            kept &= [any(label in known for label in _labels_of(cell)) for cell in cells]
        rows = np.flatnonzero(kept)
        begin, end = subset_bounds(subset, image_data_generator._validation_split, len(rows))
        rows = rows[begin:end]
        self.filenames, self.filepaths = [names[i] for i in rows], [paths[i] for i in rows]
        self.samples = len(rows)
        if cells is not None:
            self._number(cells[rows])
        columns = y_col if isinstance(y_col, (list, tuple)) else [y_col]
        wanted = columns if class_mode in VALUES else ()
        self._values = [_column(dataframe, name)[rows] for name in wanted]
        if class_mode in ("other", "raw"):
            one = isinstance(y_col, (list, tuple))
            self._values = [np.stack(self._values, axis=1) if one else self._values[0]]
        self._weights = None if weight_col is None else _column(dataframe, weight_col)[rows]
        say_what_was_found(self.samples, None if cells is None else len(self.class_indices))
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _paths(self, names: Sequence[str], has_ext: bool) -> list[str]:
        paths = [os.path.join(self.directory, name) for name in names]
        if has_ext:
            return paths
        there = {os.path.splitext(path)[0]: path for path in list_pictures(self.directory)}
        return [there.get(path, path) for path in paths]

    def _number(self, cells: Array) -> None:
        """Set ``classes``: numbers; or lists of them where cells list several labels."""
        known = self.class_indices
        numbers = [[known[c] for c in _labels_of(cell) if c in known] for cell in cells]
        if all(len(each) == 1 for each in numbers):
            self.classes: Any = np.array([each[0] for each in numbers], np.int32)
        elif self.class_mode == "categorical":
            self.classes = numbers
        else:
            raise ValueError(f"class_mode {self.class_mode!r} needs one label in every row")

    def _targets(self, batch: Array, index_array: Array) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self._values]
        if self.class_mode in VALUES:
            return self._values[0][index_array]
        if isinstance(self.classes, np.ndarray):
            return self._labels(self.classes[index_array], len(self.class_indices))
        result = np.zeros((len(index_array), len(self.class_indices)), self.dtype)
        for row, index in enumerate(index_array):
            result[row, self.classes[index]] = 1
        return result

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        batch = self._images(index_array)
        if self.class_mode is None:
            return batch
        targets = self._targets(batch, index_array)
        if self._weights is None:
            return batch, targets
        return batch, targets, self._weights[index_array]

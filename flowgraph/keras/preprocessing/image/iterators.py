"""Batches of images, transformed as they are made: from arrays, directories and tables.

The numbers of a batch come from a stream that begins with seed + number of the batch, so threads
that make batches at once, in whatever order, make the same ones.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import warnings
from abc import abstractmethod
from collections.abc import Iterator as Iterable
from typing import Any

import numpy as np

from flowgraph.keras.backend import floatx
from flowgraph.keras.backend.settings import normalize_data_format
from flowgraph.keras.preprocessing.image.files import (
    COLOR_MODES,
    EXTENSIONS,
    array_to_img,
    img_to_array,
    load_img,
    pillow,
)
from flowgraph.keras.preprocessing.image.randomness import drawing_from, seeded, stream
from flowgraph.keras.utils.data_utils import Sequence

Array = np.ndarray[Any, Any]


class Iterator(Sequence):
    """Base class: ``n`` samples in batches, in order or shuffled anew for every epoch.

    It is a Sequence, and an iterator that never ends (``next``).  A class of one's own overrides
    ``_get_batches_of_transformed_samples(index_array)``.

    Args:
        n: number of samples.
        batch_size: samples per batch; the last one of an epoch may have fewer.
        shuffle: whether samples come in a random order.
        seed: with one, every batch is the same from run to run; None draws from ``np.random``.

    Raises:
        ValueError: ``batch_size`` is below 1.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}")
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.RLock()
        self.index_array: Array | None = None
        self._epoch = 0
        self._ordered_at = -1  # number of the batch that stands for a drawn order
        self._last: Any = None  # the stream of the epoch's last batch, which shuffles the next
        self.index_generator = self._flow_index()

    def _stream(self, number: int) -> Any:
        return seeded(None if self.seed is None else self.seed + number)

    def _set_index_array(self) -> None:
        """Order the samples, with numbers of the current stream."""
        shuffled = stream().permutation if self.shuffle else np.arange
        self.index_array = shuffled(self.n)

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(self.n / self.batch_size)

    def __getitem__(self, idx: int) -> Any:
        """Batch ``idx`` of this epoch."""
        if not 0 <= idx < len(self):
            raise ValueError(f"there is no batch {idx}: an epoch has {len(self)} batches")
        with self.lock:
            number = self._epoch * len(self)
            source = self._stream(number + idx)
            self.total_batches_seen += 1
            if self.index_array is None:
                self._ordered_at = number
                with drawing_from(self._stream(number)):
                    self._set_index_array()
            if idx == 0 and self._ordered_at == number and self.shuffle and self.seed is not None:
                # NB: Keras's first batch draws the order before its transforms, whichever batch
                # has drawn it here
                source.permutation(self.n)
            assert self.index_array is not None
            indices = self.index_array[idx * self.batch_size : (idx + 1) * self.batch_size]
            if idx == len(self) - 1:
                self._last = source
        with drawing_from(source):
            return self._get_batches_of_transformed_samples(indices)

    def on_epoch_end(self) -> None:
        """The next epoch begins: samples get another order."""
        with self.lock:
            self._epoch += 1
            with drawing_from(self._last or self._stream(self._epoch * len(self))):
                self._set_index_array()
            self._last = None

    def reset(self) -> None:
        """The next batch that ``next`` gives is the first of an epoch."""
        self.batch_index = 0

    def _flow_index(self) -> Iterable[tuple[Any, Array]]:
        """Stream and indices of one batch after another."""
        while self.n:
            source = self._stream(self.total_batches_seen)
            if self.batch_index == 0:
                with drawing_from(source):
                    self._set_index_array()
            assert self.index_array is not None
            begin = self.batch_index * self.batch_size % self.n
            self.batch_index = self.batch_index + 1 if begin + self.batch_size < self.n else 0
            self.total_batches_seen += 1
            yield source, self.index_array[begin : begin + self.batch_size]

    def __iter__(self) -> Any:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next batch; after the last one of an epoch the first of another."""
        with self.lock:
            source, indices = next(self.index_generator)
        with drawing_from(source):
            return self._get_batches_of_transformed_samples(indices)

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    @abstractmethod
    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        """The batch of the samples ``index_array``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a batch is made")


def subset_bounds(subset: str | None, share: float, count: int) -> tuple[int, int]:
    """First sample of a subset and the one behind its last: validation comes first.

    Args:
        subset: "training", "validation" or None for all.
        share: ``validation_split``.
        count: number of samples.

    Raises:
        ValueError: another word.
    """
    middle = int(share * count)
    bounds = {None: (0, count), "validation": (0, middle), "training": (middle, count)}
    if subset not in bounds:
        raise ValueError(f"subset is 'training', 'validation' or None; got {subset!r}")
    return bounds[subset]


class _Saver:
    """Writes batches as image files, to look at (``save_to_dir``)."""

    def __init__(self, folder: Any, prefix: str, ending: str, layout: str) -> None:
        self.folder, self.prefix, self.ending, self.layout = folder, prefix, ending, layout

    def save(self, batch: Array, index_array: Array) -> None:
        if not self.folder:
            return
        for pixels, index in zip(batch, index_array, strict=True):
            name = f"{self.prefix}_{index}_{stream().randint(10**7)}.{self.ending}"
            array_to_img(pixels, self.layout).save(os.path.join(self.folder, name))


class NumpyArrayIterator(Iterator):
    """Batches of images that are in an array; made by ``ImageDataGenerator.flow``.

    Args:
        x: array (samples, height, width, channels); or a pair of it and a list of further inputs,
            which are not transformed.
        y: targets; None for batches of images alone.
        image_data_generator: the ImageDataGenerator that transforms.
        batch_size: samples per batch.
        shuffle: whether samples come in a random order.
        sample_weight: a weight for each sample.
        seed: of the order and the transforms.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        save_to_dir: directory into which transformed images are written.
        save_prefix: what their names begin with.
        save_format: their names' ending.
        subset: "training" or "validation", as the generator's ``validation_split`` divides.
        dtype: of the batches; ``floatx()`` by default.

    Raises:
        ValueError: lengths differ, or ``x`` has not four axes.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.dtype = np.dtype(dtype or floatx())
        more: list[Any] = []
        if isinstance(x, (tuple, list)) and len(x) == 2 and np.ndim(x[0]) == 4:
            x, others = x
            more = list(others) if isinstance(others, (tuple, list)) else [others]
        x = np.asarray(x)
        parts = {"y": y, "sample_weight": sample_weight}
        parts.update({f"input {i + 1}": other for i, other in enumerate(more)})
        arrays = {name: np.asarray(part) for name, part in parts.items() if part is not None}
        for name, part in arrays.items():
            if len(part) != len(x):
                raise ValueError(f"{len(x)} images but {len(part)} rows of {name}")
        begin, end = subset_bounds(subset, image_data_generator._validation_split, len(x))
        x, arrays = x[begin:end], {name: part[begin:end] for name, part in arrays.items()}
        if x.ndim != 4:
            raise ValueError(f"images are an array with 4 axes; found shape {x.shape}")
        self.data_format = normalize_data_format(data_format)
        channels = x.shape[1 if self.data_format == "channels_first" else 3]
        if channels not in (1, 3, 4):
            warnings.warn(
                f"images have 1, 3 or 4 channels; found {channels} in shape {x.shape}, "
                f"{self.data_format}", stacklevel=3,
            )  # fmt: skip
        self.x, self.y = x, arrays.pop("y", None)
        self.sample_weight = arrays.pop("sample_weight", None)
        self.x_misc = list(arrays.values())
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self._saver = _Saver(save_to_dir, save_prefix, save_format, self.data_format)
        super().__init__(len(x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        generator = self.image_data_generator
        batch = np.zeros((len(index_array), *self.x.shape[1:]), self.dtype)
        for place, index in enumerate(index_array):
            amounts = generator.get_random_transform(self.x.shape[1:])
            pixels = generator.apply_transform(self.x[index].astype(self.dtype), amounts)
            batch[place] = generator.standardize(pixels)
        self._saver.save(batch, index_array)
        result: Any = [batch] + [part[index_array] for part in self.x_misc]
        result = result if self.x_misc else batch
        if self.y is None:
            return result
        if self.sample_weight is None:
            return result, self.y[index_array]
        return result, self.y[index_array], self.sample_weight[index_array]


class FilesIterator(Iterator):
    """Batches of images that are in files: what DirectoryIterator and DataFrameIterator share."""

    class_mode: str | None
    filepaths: list[str]

    def _prepare(
        self, generator: Any, target_size: Any, color_mode: str, data_format: str | None,
        save: tuple[Any, str, str], subset: str | None, interpolation: str, dtype: Any,
    ) -> None:  # fmt: skip
        if color_mode not in COLOR_MODES:
            raise ValueError(f"color_mode is one of {', '.join(COLOR_MODES)}; got {color_mode!r}")
        pillow()  # says what is missing before a thread would
        self.image_data_generator = generator
        self.target_size, self.color_mode = tuple(target_size), color_mode
        self.data_format = normalize_data_format(data_format)
        self.save_to_dir, self.save_prefix, self.save_format = save
        self._saver = _Saver(*save, self.data_format)
        self.subset, self.interpolation = subset, interpolation
        self.dtype = np.dtype(dtype or floatx())
        size, channels = self.target_size, COLOR_MODES[color_mode]
        first = self.data_format == "channels_first"
        self.image_shape = (channels, *size) if first else (*size, channels)

    def _images(self, index_array: Array) -> Array:
        generator = self.image_data_generator
        batch = np.zeros((len(index_array), *self.image_shape), self.dtype)
        for place, index in enumerate(index_array):
            image = load_img(
                self.filepaths[index], color_mode=self.color_mode, target_size=self.target_size,
                interpolation=self.interpolation,
            )  # fmt: skip
            pixels = img_to_array(image, self.data_format, self.dtype)
            image.close()
            amounts = generator.get_random_transform(pixels.shape)
            batch[place] = generator.standardize(generator.apply_transform(pixels, amounts))
        self._saver.save(batch, index_array)
        return batch

    def _labels(self, classes: Array, count: int) -> Array:
        if self.class_mode == "sparse":
            return classes
        if self.class_mode == "binary":
            return classes.astype(self.dtype)
        return (classes[:, None] == np.arange(count)).astype(self.dtype)


def say_what_was_found(images: int, classes: int | None) -> None:
    """Write how many images there are, as Keras does.

    Args:
        images: number of them.
        classes: number of classes; None where there are none.
    """
    tail = "." if classes is None else f" belonging to {classes} classes."
    sys.stdout.write(f"Found {images} images{tail}\n")


class DirectoryIterator(FilesIterator):
    """Batches of images in a directory with one directory per class, by ``flow_from_directory``.

    Attributes: ``class_indices`` (class -> number), ``classes`` (number of each sample),
    ``filenames`` (below the directory), ``filepaths``, ``samples``, ``num_classes``.

    Args:
        directory: with the classes' directories; images may lie deeper in these.
        image_data_generator: the ImageDataGenerator that transforms.
        target_size: (height, width) that images are resized to.
        color_mode: "rgb", "rgba" or "grayscale".
        classes: names of the classes in the order of their numbers; by default all directories in
            alphabetical order.
        class_mode: what the targets are: "categorical" (one-hot), "binary" or "sparse" (numbers),
            "input" (the images themselves), None (no targets).
        batch_size: samples per batch.
        shuffle: whether samples come in a random order.
        seed: of the order and the transforms.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        save_to_dir: directory into which transformed images are written.
        save_prefix: what their names begin with.
        save_format: their names' ending.
        follow_links: whether directories that are links are entered.
        subset: "training" or "validation", as the generator's ``validation_split`` divides the
            files of every class.
        interpolation: as of ``load_img``.
        dtype: of the batches; ``floatx()`` by default.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an unknown word, or no such directory of a class.
    """

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
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
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: Any = None,
    ) -> None:
        modes = ("categorical", "binary", "sparse", "input", None)
        if class_mode not in modes:
            raise ValueError(f"class_mode is one of {modes}; got {class_mode!r}")
        self._prepare(
            image_data_generator, target_size, color_mode, data_format,
            (save_to_dir, save_prefix, save_format), subset, interpolation, dtype,
        )  # fmt: skip
        self.directory, self.class_mode = os.fspath(directory), class_mode
        if not classes:
            folders = (entry for entry in os.scandir(self.directory) if entry.is_dir())
            classes = sorted(entry.name for entry in folders)
        self.num_classes = len(classes)
        self.class_indices = {name: number for number, name in enumerate(classes)}
        self.filenames: list[str] = []
        numbers: list[int] = []
        share = image_data_generator._validation_split
        for name, number in self.class_indices.items():
            found = self._files_of(name, follow_links)
            begin, end = subset_bounds(subset, share, len(found))
            self.filenames += found[begin:end]
            numbers += [number] * (end - begin)
        self.classes = np.array(numbers, np.int32)
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.samples = len(self.filenames)
        say_what_was_found(self.samples, self.num_classes)
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def labels(self) -> Array:
        """The number of the class of each sample."""
        return self.classes

    def _files_of(self, name: str, follow_links: bool) -> list[str]:
        """The image files of a class, below ``directory``, in the order of Keras."""
        top = os.path.join(self.directory, name)
        if not os.path.isdir(top):
            raise ValueError(f"there is no directory {top!r} for the class {name!r}")
        endings = tuple(f".{ending}" for ending in EXTENSIONS)
        return [
            os.path.relpath(os.path.join(folder, file), self.directory)
            for folder, _, files in sorted(os.walk(top, followlinks=follow_links))
            for file in sorted(files)
            if file.lower().endswith(endings)
        ]

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        batch = self._images(index_array)
        if self.class_mode is None:
            return batch
        if self.class_mode == "input":
            return batch, batch.copy()
        return batch, self._labels(self.classes[index_array], self.num_classes)

"""read_data_sets: MNIST in batches, as TensorFlow 1's tutorials used it.

Reads the user's IDX files and downloads nothing; without files it serves the small set of real
digits that comes with flowgraph (datasets/mnist.py), and says so.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from flowgraph.datasets import mnist
from flowgraph.datasets.idx import read_idx
from flowgraph.dtypes import as_dtype, float32, uint8
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export, export_value

_MNIST = "contrib.learn.datasets.mnist."
_OLD_MNIST = "contrib.learn.python.learn.datasets.mnist."

#: Where TensorFlow downloaded the files from; nothing is downloaded here.
SOURCE_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
export_value(SOURCE_URL, _MNIST + "DEFAULT_SOURCE_URL", _MNIST + "SOURCE_URL")

_PIXELS = 784


@export("contrib.learn.datasets.base.Dataset")
class Dataset(NamedTuple):
    """Features and their classes.

    Attributes:
        data: features, one row an example.   target: their classes.
    """

    data: Any
    target: Any


@export("contrib.learn.datasets.base.Datasets")
class Datasets(NamedTuple):
    """The parts of a data set.

    Attributes:
        train, validation, test: a DataSet each.
    """

    train: Any
    validation: Any
    test: Any


@export(_MNIST + "dense_to_one_hot")
def dense_to_one_hot(labels_dense: Any, num_classes: int = 10) -> np.ndarray:
    """Rows with a 1 at the label's place.

    Args:
        labels_dense: (n,) class numbers.   num_classes: the length of a row.

    Returns:
        (n, num_classes) float64.

    >>> dense_to_one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = np.asarray(labels_dense)
    rows = np.zeros((len(labels), num_classes))
    rows[np.arange(len(labels)), labels.reshape(-1)] = 1
    return rows


@export(_MNIST + "extract_images")
def extract_images(f: Any) -> np.ndarray:
    """The images of an IDX file, as uint8 (n, rows, columns, 1).

    Args:
        f: the file, opened for reading bytes.

    Raises:
        ValueError: it holds no images, or is damaged.
    """
    images = read_idx(f)
    if images.ndim != 3:
        raise ValueError(f"{getattr(f, 'name', 'the file')} holds {images.shape}, not images")
    return images[..., None]


@export(_MNIST + "extract_labels")
def extract_labels(f: Any, one_hot: bool = False, num_classes: int = 10) -> np.ndarray:
    """The labels of an IDX file: uint8 (n,), or rows with a 1.

    Args:
        f: the file, opened for reading bytes.
        one_hot: give rows.   num_classes: their length.

    Raises:
        ValueError: it holds no labels, or is damaged.
    """
    labels = read_idx(f)
    if labels.ndim != 1:
        raise ValueError(f"{getattr(f, 'name', 'the file')} holds {labels.shape}, not labels")
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


@export(_MNIST + "DataSet", _OLD_MNIST + "DataSet")
class DataSet:
    """Images and labels that come in batches, shuffled anew in every epoch.

    Args:
        images: uint8 (n, rows, columns, 1).   labels: (n,) or (n, classes).
        fake_data: give images of ones instead, of 784 numbers.
        one_hot: whether fake labels are rows.
        dtype: ``tf.float32`` scales the images to [0, 1]; ``tf.uint8`` leaves them as they are.
        reshape: make a row of 784 numbers of every image.
        seed: of the order, which NumPy's global generator decides; the graph's seed by default.
            With neither, the generator is left as the program seeded it.

    Raises:
        TypeError: another dtype.
        ValueError: images and labels differ in number.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        if seed is None:
            seed = get_default_graph().seed
        if seed is not None:
            np.random.seed(seed % (1 << 32))  # noqa: NPY002  programs rely on the global generator
        kind = as_dtype(dtype).base_dtype
        if kind not in (uint8, float32):
            raise TypeError(f"images have dtype uint8 or float32, not {dtype!r}")
        self.one_hot = one_hot
        self._fake = fake_data
        if fake_data:
            self._num_examples = 10000
        else:
            if len(images) != len(labels):
                raise ValueError(f"{np.shape(images)} images, but {np.shape(labels)} labels")
            self._num_examples = len(images)
            if reshape:
                images = images.reshape(len(images), -1)
            if kind is float32:
                images = images.astype(np.float32) * np.float32(1 / 255)
        self._images, self._labels = images, labels
        self._epochs_completed = 0
        self._index_in_epoch = 0

    @property
    def images(self) -> Any:
        """All images, in the order of this epoch."""
        return self._images

    @property
    def labels(self) -> Any:
        """All labels, in the order of this epoch."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """The number of images."""
        return self._num_examples

    @property
    def epochs_completed(self) -> int:
        """How often all images were given."""
        return self._epochs_completed

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[Any, Any]:
        """The next images and labels.

        Where the rest of an epoch is too short, the batch is filled up from the start of the next
        one, so all batches have one size.

        Args:
            batch_size: how many.
            fake_data: give images of ones.
            shuffle: begin the first and every later epoch in a new order.
        """
        if fake_data or self._fake:
            label: Any = [1] + [0] * 9 if self.one_hot else 0
            return [[1] * _PIXELS for _ in range(batch_size)], [label] * batch_size
        start = self._index_in_epoch
        if start == 0 and self._epochs_completed == 0 and shuffle:
            self._shuffle()
        end = start + batch_size
        if end <= self._num_examples:
            self._index_in_epoch = end
            return self._images[start:end], self._labels[start:end]
        self._epochs_completed += 1
        images, labels = self._images[start:], self._labels[start:]
        if shuffle:
            self._shuffle()
        self._index_in_epoch = end - self._num_examples
        more = slice(self._index_in_epoch)
        return (
            np.concatenate([images, self._images[more]]),
            np.concatenate([labels, self._labels[more]]),
        )

    def _shuffle(self) -> None:
        order = np.arange(self._num_examples)
        np.random.shuffle(order)  # noqa: NPY002  as above
        self._images, self._labels = self._images[order], self._labels[order]


@export("examples.tutorials.mnist.input_data.read_data_sets", _MNIST + "read_data_sets",
        _OLD_MNIST + "read_data_sets")  # fmt: skip
def read_data_sets(
    train_dir: Any,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = SOURCE_URL,
) -> Datasets:
    """MNIST for training, validation and testing, from the IDX files in ``train_dir``.

    The files are those of MNIST (``train-images-idx3-ubyte.gz`` and three more), compressed or
    not; nothing is downloaded.  Where the directory has none of them, the 1,797 real digits that
    come with flowgraph stand in, enlarged from 8x8 to 28x28 pixels: 1,319 for training, 119 for
    validation (with the default ``validation_size``, MNIST's share of a twelfth is kept), 359 for
    testing.  That is said on stderr, once.

    Args:
        train_dir: the directory of the files.
        fake_data: no files: images of ones.
        one_hot: labels as rows of ten numbers instead of class numbers.
        dtype: ``tf.float32``: images in [0, 1]; ``tf.uint8``: 0 to 255.
        reshape: images as rows of 784 numbers instead of (28, 28, 1).
        validation_size: so many of the first training images become the validation set.
        seed: of the order in which batches come.
        source_url: accepted, without effect.

    Returns:
        A tuple ``train, validation, test`` of DataSets.

    Raises:
        ValueError: ``validation_size`` is larger than the training set, or a file is damaged.
        FileNotFoundError: some of the files are there, but not all.
    """

    def part(images: Any, labels: Any) -> DataSet:
        return DataSet(
            images, labels, fake_data=fake_data, one_hot=one_hot, dtype=dtype, reshape=reshape,
            seed=seed,
        )  # fmt: skip

    if fake_data:
        return Datasets(*(part([], []) for _ in range(3)))
    found = mnist.read_files(train_dir)
    own = found is None
    if found is None:
        found = mnist.enlarged_digits()
        if validation_size == 5000:
            validation_size = len(found[0][1]) // 12
    (x_train, y_train), (x_test, y_test) = found
    if not 0 <= validation_size <= len(x_train):
        raise ValueError(
            f"validation_size should be between 0 and {len(x_train)}, it is {validation_size}"
        )
    if own:
        mnist.say_once(
            f"flowgraph: no files of MNIST in {os.fspath(train_dir)!r}; using the 1,797 "
            "handwritten digits that come with flowgraph instead, enlarged from 8x8 to 28x28 "
            f"pixels ({len(x_train) - validation_size} for training, {validation_size} for "
            f"validation, {len(x_test)} for testing).  To use MNIST, put its four files "
            f"({mnist.FILES[0]} ...) into that directory."
        )
    x_train, x_test = (x if x.ndim == 4 else x[..., None] for x in (x_train, x_test))
    if one_hot:
        y_train, y_test = dense_to_one_hot(y_train), dense_to_one_hot(y_test)
    n = validation_size
    return Datasets(
        part(x_train[n:], y_train[n:]), part(x_train[:n], y_train[:n]), part(x_test, y_test)
    )


@export(_MNIST + "load_mnist")
def load_mnist(train_dir: Any = "MNIST-data") -> Datasets:
    """``read_data_sets(train_dir)``.

    Args:
        train_dir: the directory of the files.
    """
    return read_data_sets(train_dir)


@export("contrib.learn.datasets.load_dataset")
def load_dataset(name: str, size: str = "small", test_with_fake_data: bool = False) -> Datasets:
    """A data set by its name.

    Args:
        name: ``"mnist"``; the others of TensorFlow's were downloads.
        size, test_with_fake_data: accepted, without effect.

    Raises:
        ValueError: another name.
    """
    if name != "mnist":
        raise ValueError(f"there is no data set {name!r} here, only 'mnist'")
    return load_mnist()

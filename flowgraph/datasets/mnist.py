"""MNIST from the user's files; where there are none, the digits that come with flowgraph.

Nothing is downloaded.  ``read_files`` looks for the four IDX files of MNIST in a directory;
``enlarged_digits`` makes images of the same size from the 1,797 of ``flowgraph.datasets.digits``.

Read next: idx.py, historic/input_data.py (what tutorials call).
"""

from __future__ import annotations

import os
import sys

import numpy as np

from flowgraph.datasets import digits
from flowgraph.datasets.idx import read_idx

Split = tuple[np.ndarray, np.ndarray]

#: The files of MNIST; each may also be there without ``.gz``.
FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip

_said = False


def read_files(directory: str | os.PathLike[str]) -> tuple[Split, Split] | None:
    """``(images, labels)`` for training and for testing, from the IDX files in ``directory``.

    Args:
        directory: with the files named in FILES, compressed or not (also ``idx3.ubyte`` and
            ``idx1.ubyte``, as some copies spell it).

    Returns:
        Two pairs of uint8 arrays: images (n, rows, columns), labels (n,).  None when the directory
        has none of the files.

    Raises:
        FileNotFoundError: some of the files are there, but not all.
        ValueError: a file is damaged, or images and labels do not belong together.
    """
    folder = os.fspath(directory)
    found = [_find(folder, name) for name in FILES]
    if not any(found):
        return None
    lacking = [name for name, path in zip(FILES, found, strict=True) if not path]
    if lacking:
        raise FileNotFoundError(f"{folder}: of the files of MNIST, {', '.join(lacking)} is missing")
    paths = [path for path in found if path]
    x_train, y_train, x_test, y_test = (read_idx(path) for path in paths)
    for images, labels, image_path in ((x_train, y_train, paths[0]), (x_test, y_test, paths[2])):
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise ValueError(f"{image_path}: images are expected, it holds {images.shape}")
        if labels.dtype != np.uint8 or labels.ndim != 1 or len(labels) != len(images):
            raise ValueError(
                f"{image_path}: {len(images)} images, but the file of labels holds {labels.shape}"
            )
    return (x_train, y_train), (x_test, y_test)


def _find(folder: str, name: str) -> str | None:
    plain = name.removesuffix(".gz")
    for candidate in (
        name,
        plain,
        plain.replace("-idx", ".idx"),
        plain.replace("-ubyte", ".ubyte"),
    ):
        path = os.path.join(folder, candidate)
        if os.path.isfile(path):
            return path
    return None


def enlarged_digits() -> tuple[Split, Split]:
    """The digits that come with flowgraph, in MNIST's form: uint8 (n, 28, 28), values 0 to 255.

    Each image of 8x8 pixels becomes one of 20x20 by linear interpolation, in a frame of 4 pixels,
    as MNIST's digits stand in theirs.  1,438 are for training, 359 for testing.
    """
    weights = _interpolation(8, 20)

    def enlarge(images: np.ndarray) -> np.ndarray:
        inner = weights @ images.astype(np.float64) @ weights.T * (255 / 16)
        return np.pad(np.rint(inner).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    return (enlarge(x_train), y_train), (enlarge(x_test), y_test)


def _interpolation(old: int, new: int) -> np.ndarray:
    """(new, old) weights of linear interpolation between the centres of pixels."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(old)))


def say_once(text: str) -> None:
    """Tell on stderr, once in a process, that other images stand in for MNIST's."""
    global _said
    if not _said:
        _said = True
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def load_data(path: str = "mnist.npz") -> tuple[Split, Split]:
    """MNIST in the form of ``keras.datasets.mnist.load_data``.

    Reads ``path`` (an .npz of Keras's), which is absolute or in ``~/.keras/datasets``; else the
    IDX files of that directory; else the digits that come with flowgraph, which is said on stderr.

    Args:
        path: an .npz file with the arrays x_train, y_train, x_test, y_test.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 (n, 28, 28) and (n,).

    Raises:
        ValueError: the file is not such an archive.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    folder = os.path.join(home, "datasets")
    file = path if os.path.isabs(path) else os.path.join(folder, path)
    if os.path.isfile(file):
        try:
            with np.load(file, allow_pickle=False) as arrays:
                one, two, three, four = (
                    arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")
                )
        except Exception as error:
            raise ValueError(f"{file}: not an archive of MNIST's arrays: {error}") from error
        return (one, two), (three, four)
    found = read_files(folder)
    if found is None:
        found = enlarged_digits()
        say_once(
            f"flowgraph: there is no {file}; using the 1,797 handwritten digits that come with "
            "flowgraph instead (1,438 for training, 359 for testing, enlarged from 8x8 to 28x28)"
        )
    return found

"""Where data sets lie, and reading them without running what is in them.

Some of Keras's archives hold pickles (lists of word numbers, batches of images).  A pickle can name
any function to be called; ``Numbers`` lets it name only what arrays of numbers and lists consist
of.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import zipfile
from typing import Any

import numpy as np

#: (module, name) -> what a pickle may mean by it: an array, a dtype, and how Python 2 spelt bytes.
_ALLOWED = {
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"): ("_codecs", "encode"),
}


class Numbers(pickle.Unpickler):
    """Reads pickles of lists, dicts, texts, numbers and arrays of them; refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names, if that is harmless.

        Raises:
            UnpicklingError: it is not.
        """
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which data do not need")
        module, name = _ALLOWED[module, name]
        return getattr(importlib.import_module(module), name)


def path_of(name: str, what: str, source: str) -> str:
    """The path of a file of Keras's data sets.

    Args:
        name: of the file or directory, absolute or in ``~/.keras/datasets``.
        what: the data set.
        source: where Keras has it from.

    Raises:
        FileNotFoundError: it is not there; says where to put what.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = os.path.abspath(os.path.join(home, "datasets", name))
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{what}: there is no {path}, and nothing is downloaded; get {source} and put it there"
        )
    return path


def arrays_of(path: str, *names: str) -> list[np.ndarray]:
    """Arrays of an .npz archive; those of lists are read by ``Numbers``.

    Args:
        path: of the archive.
        names: of the arrays.

    Raises:
        ValueError: it is no such archive, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_array(archive.read(f"{name}.npy")) for name in names]
    except (zipfile.BadZipFile, KeyError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise ValueError(f"{path}: not an archive with {', '.join(names)}: {error}") from None


def _array(data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _header_2
    shape, _, dtype = read(stream)
    if not dtype.hasobject:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    array = Numbers(stream).load()
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError("an array is not what its header says")
    return array


def _header_2(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    return np.lib.format.read_array_header_2_0(stream)


def unpickled(path: str) -> dict[str, Any]:
    """The dict in a pickle, its keys as text.

    Args:
        path: of the file.

    Raises:
        ValueError: it holds something else, or is damaged.
    """
    try:
        with open(path, "rb") as file:
            found = Numbers(file, encoding="bytes").load()
        return {key.decode() if isinstance(key, bytes) else key: v for key, v in found.items()}
    except (
        pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, LookupError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise ValueError(f"{path}: not a batch of data: {error}") from None


def lists_of_words(
    xs: Any,
    labels: Any,
    num_words: int | None,
    skip_top: int,
    maxlen: int | None,
    start_char: int | None,
    oov_char: int | None,
    index_from: int,
) -> tuple[list[list[int]], list[Any]]:
    """Texts as Keras gives them: numbers shifted, rare and frequent words replaced, long ones out.

    Args:
        xs, labels: texts as lists of ranks, and their labels.
        num_words: words of this rank and above are replaced; None: the rarest one only, as Keras
            has it.
        skip_top: words below this rank are replaced.
        maxlen: texts of this length and more are left out.
        start_char: a number in front of every text, or None.
        oov_char: what replaces words; None: they are left out.
        index_from: what is added to every rank.

    Returns:
        Texts and labels.

    Raises:
        ValueError: no text is shorter than ``maxlen``.
    """
    if start_char is not None:
        xs = [[start_char] + [w + index_from for w in x] for x in xs]
    else:
        xs = [[w + index_from for w in x] for x in xs]
    if maxlen:
        kept = [(x, y) for x, y in zip(xs, labels, strict=True) if len(x) < maxlen]
        if not kept:
            raise ValueError(
                f"no text is shorter than maxlen={maxlen}; give a larger one, or pad_sequences"
            )
        xs, labels = [x for x, _ in kept], [y for _, y in kept]
    top = num_words or max(max(x) for x in xs)
    if oov_char is not None:
        xs = [[w if skip_top <= w < top else oov_char for w in x] for x in xs]
    else:
        xs = [[w for w in x if skip_top <= w < top] for x in xs]
    return xs, list(labels)


def of_lists(lists: list[list[int]]) -> np.ndarray:
    """An array of lists."""
    found = np.empty(len(lists), object)
    found[:] = lists
    return found


def shuffled(seed: int, *arrays: np.ndarray) -> list[np.ndarray]:
    """Arrays in one new order, that of NumPy's global generator with this seed.

    NB: Keras seeds the global generator, too; programs' later numbers follow from it.
    """
    np.random.seed(seed)  # noqa: NPY002  as said
    return again_shuffled(*arrays)


def again_shuffled(*arrays: np.ndarray) -> list[np.ndarray]:
    """As ``shuffled``, going on with the generator."""
    order = np.arange(len(arrays[0]))
    np.random.shuffle(order)  # noqa: NPY002  as above
    return [array[order] for array in arrays]

"""Keras's data sets, read from files that the user has; nothing is downloaded.

They are looked for where Keras keeps them, in ``~/.keras/datasets`` (``KERAS_HOME`` changes the
directory).  For MNIST a small set of real digits stands in; the others say which file is missing.

Read next: files.py.
"""

from flowgraph.keras.datasets import (
    boston_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

__all__ = ["boston_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]

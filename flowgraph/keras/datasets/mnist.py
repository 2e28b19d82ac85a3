"""MNIST's handwritten digits; the 1,797 that come with flowgraph where there is no file."""

from flowgraph.datasets.mnist import load_data

__all__ = ["load_data"]

"""Data sets that come with the package, for examples and tests without downloads.

``(x_train, y_train), (x_test, y_test) = tf.datasets.digits.load_data()``
"""

from flowgraph.datasets import digits, tables

__all__ = ["digits", "tables"]

"""keras.preprocessing: sequences and texts as arrays, in NumPy."""

from flowgraph.keras.preprocessing import sequence, text

__all__ = ["sequence", "text"]

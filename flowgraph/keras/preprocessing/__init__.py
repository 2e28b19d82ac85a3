"""keras.preprocessing: images, sequences and texts as arrays, in NumPy."""

from flowgraph.keras.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]

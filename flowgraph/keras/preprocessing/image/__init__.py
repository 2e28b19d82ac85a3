"""Images as arrays: files, random transforms, and batches that are made while training.

randomness.py    where random numbers come from
resampling.py    bilinear interpolation under an affine map
files.py         image files; Pillow's images and arrays
transforms.py    one image turned, moved, recoloured
iterators.py     batches out of arrays and directories
tables.py        batches out of files that a table names
generator.py     ImageDataGenerator
"""

from flowgraph.keras.preprocessing.image.files import (
    array_to_img,
    img_to_array,
    list_pictures,
    load_img,
    save_img,
)
from flowgraph.keras.preprocessing.image.generator import ImageDataGenerator
from flowgraph.keras.preprocessing.image.iterators import (
    DirectoryIterator,
    Iterator,
    NumpyArrayIterator,
)
from flowgraph.keras.preprocessing.image.tables import DataFrameIterator
from flowgraph.keras.preprocessing.image.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    flip_axis,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
    transform_matrix_offset_center,
)

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "flip_axis",
    "img_to_array",
    "list_pictures",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "transform_matrix_offset_center",
]

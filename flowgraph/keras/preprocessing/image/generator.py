"""ImageDataGenerator: images augmented and standardized, batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.keras.backend import floatx
from flowgraph.keras.backend.settings import normalize_data_format
from flowgraph.keras.preprocessing.image import transforms
from flowgraph.keras.preprocessing.image.iterators import DirectoryIterator, NumpyArrayIterator
from flowgraph.keras.preprocessing.image.randomness import drawing_from, seeded, stream
from flowgraph.keras.preprocessing.image.resampling import FILL_MODES
from flowgraph.keras.preprocessing.image.tables import DataFrameIterator

Array = np.ndarray[Any, Any]

#: What is added to a standard deviation before something is divided by it.
_TINY = 1e-6


def _shift(reach: Any, size: int) -> float:
    """A random way, in pixels: of one to either side (a number), or one of those in a list."""
    draw = stream()
    if np.ndim(reach) == 0 and isinstance(reach, (float, np.floating)):
        way = draw.uniform(-reach, reach)
    else:  # an integer n means 0 ... n-1
        way = draw.choice(reach) * draw.choice([-1, 1])
    return way * size if np.max(reach) < 1 else way


class ImageDataGenerator:
    """Makes batches of images, each transformed at random and standardized.

    An image is sheared, zoomed, moved and turned in one map, recoloured, mirrored and brightened
    (``apply_transform``), then standardized: ``preprocessing_function``, ``rescale``, samplewise
    mean and deviation, those of the data, whitening.  ``fit`` finds what the featurewise ones need.

    Args:
        featurewise_center: subtract the mean of the data, channel by channel.
        samplewise_center: subtract each image's mean.
        featurewise_std_normalization: divide by the standard deviation of the data.
        samplewise_std_normalization: divide each image by its standard deviation.
        zca_whitening: make pixels uncorrelated (the data are centred for that).
        zca_epsilon: added to the variances of the principal components.
        rotation_range: largest angle to either side, in degrees.
        width_shift_range: how far left and right: a float below 1 as a part of the width, a larger
            one in pixels; an integer n for whole pixels below n; a list of ways to choose from.
        height_shift_range: the same up and down.
        brightness_range: (least, largest) factor.
        shear_range: largest angle to either side, in degrees.
        zoom_range: (least, largest) factor, or z for (1 - z, 1 + z); above 1 the image shrinks.
        channel_shift_range: largest number to either side that is added to all values.
        fill_mode: what lies outside: "nearest", "constant", "reflect" or "wrap".
        cval: value outside for "constant".
        horizontal_flip: mirror half of the images left to right.
        vertical_flip: mirror half of them upside down.
        rescale: a factor for all values.
        preprocessing_function: called with each image, before it is standardized.
        data_format: "channels_last" or "channels_first"; that of the backend by default.
        validation_split: part of the samples, the first ones, that are the subset "validation".
        dtype: of the batches; ``floatx()`` by default.

    Raises:
        ValueError: an unknown word, or a range that is none.

    >>> generator = ImageDataGenerator(rescale=0.5)
    >>> x, y = generator.flow(np.full((3, 2, 2, 1), 8.0), [1, 2, 3], batch_size=2, shuffle=False)[0]
    >>> x.shape, float(x.max()), y.tolist()
    ((2, 2, 2, 1), 4.0, [1, 2])
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        dtype: Any = None,
    ) -> None:
        if fill_mode not in FILL_MODES:
            raise ValueError(f"fill_mode is one of {', '.join(FILL_MODES)}; got {fill_mode!r}")
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(f"validation_split lies between 0 and 1; got {validation_split}")
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        if np.ndim(zoom_range) == 0:
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = transforms.pair("zoom_range", zoom_range)
        if brightness_range is not None:
            brightness_range = transforms.pair("brightness_range", brightness_range)
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = normalize_data_format(data_format)
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self._validation_split = validation_split
        self.dtype = dtype or floatx()
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Any = None
        if zca_whitening and featurewise_std_normalization:
            self.featurewise_std_normalization = False
            warnings.warn(
                "ImageDataGenerator: zca_whitening makes variances 1; "
                "featurewise_std_normalization is left out", stacklevel=2,
            )  # fmt: skip
        # What divides by a deviation, or whitens, is about the mean.
        self.featurewise_center |= self.featurewise_std_normalization or zca_whitening
        self.samplewise_center |= samplewise_std_normalization

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of images that are in an array.

        Args:
            x: array with four axes; or a pair of it and a list of further inputs.
            y: targets.
            batch_size: samples per batch.
            shuffle: whether samples come in a random order.
            sample_weight: a weight for each sample.
            seed: of the order and the transforms.
            save_to_dir: directory into which transformed images are written.
            save_prefix: what their names begin with.
            save_format: their names' ending.
            subset: "training" or "validation".

        Returns:
            An iterator, and Sequence, of x; of (x, y) or (x, y, weights) where these are given.

        Raises:
            ValueError: lengths differ, or ``x`` has not four axes.
        """
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format, save_to_dir,
            save_prefix, save_format, subset, self.dtype,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
    ) -> DirectoryIterator:
        """Batches of images in a directory that has a directory for every class.

        Args:
            directory: its path.
            target_size: (height, width) that images are resized to.
            color_mode: "rgb", "rgba" or "grayscale".
            classes: names of the classes in the order of their numbers; by default all directories.
            class_mode: targets: "categorical", "binary", "sparse", "input" or None.
            batch_size: samples per batch.
            shuffle: whether samples come in a random order.
            seed: of the order and the transforms.
            save_to_dir: directory into which transformed images are written.
            save_prefix: what their names begin with.
            save_format: their names' ending.
            follow_links: whether directories that are links are entered.
            subset: "training" or "validation".
            interpolation: as of ``load_img``.

        Returns:
            A DirectoryIterator.

        Raises:
            ImportError: Pillow is not installed.
            ValueError: an unknown word, or no such directory of a class.
        """
        return DirectoryIterator(
            directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle,
            seed, self.data_format, save_to_dir, save_prefix, save_format, follow_links, subset,
            interpolation, self.dtype,
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: Any = "filename",
        y_col: Any = "class",
        has_ext: bool = True,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        weight_col: Any = None,
        validate_filenames: bool = True,
    ) -> DataFrameIterator:
        """Batches of images whose files and targets a table names.

        Args:
            dataframe: a pandas DataFrame, or a dict of columns.
            directory: where the files lie; None when the table has whole paths.
            x_col: name of the column of files.
            y_col: name of the column of targets, or a list of names.
            has_ext: whether names have their endings; otherwise they are looked for.
            target_size: (height, width) that images are resized to.
            color_mode: "rgb", "rgba" or "grayscale".
            classes: the classes in the order of their numbers; by default all, sorted.
            class_mode: targets: "categorical", "binary", "sparse", "other" or "raw" (values),
                "multi_output", "input" or None.
            batch_size: samples per batch.
            shuffle: whether samples come in a random order.
            seed: of the order and the transforms.
            save_to_dir: directory into which transformed images are written.
            save_prefix: what their names begin with.
            save_format: their names' ending.
            subset: "training" or "validation".
            interpolation: as of ``load_img``.
            weight_col: name of the column of samples' weights.
            validate_filenames: leave out rows whose files are no images that exist.

        Returns:
            A DataFrameIterator.

        Raises:
            ImportError: Pillow is not installed.
            ValueError: an unknown word, or no such column.
        """
        return DataFrameIterator(
            dataframe, directory, self, x_col, y_col, weight_col, has_ext, target_size, color_mode,
            classes, class_mode, batch_size, shuffle, seed, self.data_format, save_to_dir,
            save_prefix, save_format, subset, interpolation, self.dtype, validate_filenames,
        )  # fmt: skip

    def standardize(self, x: Array) -> Array:
        """An image (or batch) made standard, as the arguments say.

        Args:
            x: array; floats are changed where they stand, as by Keras.

        Returns:
            Array of the same shape.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        if x.dtype.kind != "f" or not x.flags.writeable:
            x = x.astype(self.dtype)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= x.mean(keepdims=True)
        if self.samplewise_std_normalization:
            x /= x.std(keepdims=True) + _TINY
        for wanted, found, name in (
            (self.featurewise_center, self.mean, "featurewise_center"),
            (self.featurewise_std_normalization, self.std, "featurewise_std_normalization"),
            (self.zca_whitening, self.principal_components, "zca_whitening"),
        ):
            if wanted and found is None:
                warnings.warn(
                    f"ImageDataGenerator: {name} needs what fit(x) finds; left out", stacklevel=2
                )
        if self.featurewise_center and self.mean is not None:
            x -= self.mean
        if self.featurewise_std_normalization and self.std is not None:
            x /= self.std + _TINY
        if self.zca_whitening and self.principal_components is not None:
            size = len(self.principal_components)
            x = (x.reshape(-1, size) @ self.principal_components).reshape(x.shape)
        return x

    def get_random_transform(
        self, img_shape: tuple[int, ...], seed: int | None = None
    ) -> dict[str, Any]:
        """Random amounts, for ``apply_transform``.

        Args:
            img_shape: of an image.
            seed: with one they are always the same.

        Returns:
            Dict of theta, tx, ty, shear, zx, zy, flip_horizontal, flip_vertical,
            channel_shift_intensity and brightness.
        """
        if seed is not None:
            with drawing_from(seeded(seed)):
                return self.get_random_transform(img_shape)
        draw = stream()
        # NB: a seed gives Keras's numbers only when they are drawn in this order
        turn = self.rotation_range
        theta = draw.uniform(-turn, turn) if turn else 0
        tx = ty = 0.0
        if np.any(self.height_shift_range):
            tx = _shift(self.height_shift_range, img_shape[self.row_axis - 1])
        if np.any(self.width_shift_range):
            ty = _shift(self.width_shift_range, img_shape[self.col_axis - 1])
        shear = draw.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        zx, zy = transforms.zoom_factors(self.zoom_range)
        flips = [bool(draw.random_sample() < 0.5) for _ in range(2)]
        intensity = brightness = None
        if self.channel_shift_range:
            intensity = draw.uniform(-self.channel_shift_range, self.channel_shift_range)
        if self.brightness_range is not None:
            brightness = draw.uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": flips[0] and bool(self.horizontal_flip),
            "flip_vertical": flips[1] and bool(self.vertical_flip),
            "channel_shift_intensity": intensity,
            "brightness": brightness,
        }

    def apply_transform(self, x: Array, transform_parameters: dict[str, Any]) -> Array:
        """An image transformed by given amounts.

        Args:
            x: array with three axes.
            transform_parameters: as of ``get_random_transform``; what is left out changes nothing.

        Returns:
            Array of the same shape.
        """
        row, column, channel = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        amounts = transform_parameters.get
        intensity, brightness = amounts("channel_shift_intensity"), amounts("brightness")
        x = transforms.apply_affine_transform(
            x, amounts("theta", 0), amounts("tx", 0), amounts("ty", 0), amounts("shear", 0),
            amounts("zx", 1), amounts("zy", 1), row, column, channel, self.fill_mode, self.cval,
        )  # fmt: skip
        if intensity is not None:
            x = transforms.apply_channel_shift(x, intensity, channel)
        if amounts("flip_horizontal", False):
            x = transforms.flip_axis(x, column)
        if amounts("flip_vertical", False):
            x = transforms.flip_axis(x, row)
        if brightness is not None:
            x = transforms.apply_brightness_shift(x, brightness, False, self.data_format)
        return x

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """An image transformed by random amounts.

        Args:
            x: array with three axes.
            seed: with one they are always the same.

        Returns:
            Array of the same shape.
        """
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find mean, standard deviation and principal components of the data.

        Args:
            x: array with four axes.
            augment: take randomly transformed images, as training will see them.
            rounds: how many of each, then.
            seed: of the transforms.

        Raises:
            ValueError: ``x`` has not four axes.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(f"fit: images are an array with 4 axes; found shape {x.shape}")
        if augment:
            with drawing_from(stream() if seed is None else seeded(seed)):
                x = np.stack([self.random_transform(one) for _ in range(rounds) for one in x])
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = x.mean(axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = x.std(axis=axes, keepdims=True)[0]
            x /= self.std + _TINY
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            size = flat.shape[1]
            # NB: in float64, piece by piece: the least variances are as small as float32's errors
            covariance = np.zeros((size, size))
            for begin in range(0, len(flat), 1024):
                rows = flat[begin : begin + 1024].astype(np.float64)
                covariance += rows.T @ rows
            variances, directions = np.linalg.eigh(covariance / len(flat))
            scales = 1 / np.sqrt(np.maximum(variances, 0) + self.zca_epsilon)
            self.principal_components = ((directions * scales) @ directions.T).astype(x.dtype)

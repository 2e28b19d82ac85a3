"""keras.utils: arrays in HDF5 files, sizes of convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras.layers import Dense
from flowgraph.keras.models import Sequential
from flowgraph.keras.utils import HDF5Matrix, conv_utils


@pytest.fixture
def path(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.arange(60.0).reshape(20, 3)
        file["y"] = np.arange(20.0).reshape(20, 1)
    yield tmp_path / "data.h5"
    HDF5Matrix.refs.pop(str(tmp_path / "data.h5")).close()


def test_rows_of_a_file(path):
    x = HDF5Matrix(path, "x", 5, 15)
    whole = np.arange(60.0).reshape(20, 3)[5:15]
    assert len(x) == 10 and x.shape == (10, 3) and x.ndim == 2 and x.size == 30
    assert x.dtype == np.float64
    for key in (0, -1, slice(2, 5), slice(None, None, 3), slice(None, None, -2), [3, 1, 1, -1]):
        np.testing.assert_array_equal(x[key], whole[key])
    np.testing.assert_array_equal(np.asarray(x), whole)
    with pytest.raises(IndexError, match="of 10"):
        x[10]
    with pytest.raises(KeyError, match="no data set 'z'; it has"):
        HDF5Matrix(path, "z")
    with pytest.raises(ValueError, match="rows 5 to 30 of 20"):
        HDF5Matrix(path, "x", 5, 30)
    halves = HDF5Matrix(path, "x", normalizer=lambda rows: (rows[:, :2] / 2).astype("float32"))
    assert halves.shape == (20, 2) and halves.dtype == np.float32 and halves[1:2][0, 0] == 1.5


def test_training_with_files(path):
    K.clear_session()
    model = Sequential([Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    scaled = HDF5Matrix(path, "x", normalizer=lambda rows: rows / 60)
    model.fit(scaled, HDF5Matrix(path, "y"), epochs=2, batch_size=8, shuffle="batch", verbose=0)
    assert model.predict(scaled).shape == (20, 1)
    K.clear_session()


def test_sizes_of_convolutions():
    assert conv_utils.normalize_tuple([1, 2], 2, "x") == (1, 2)
    with pytest.raises(ValueError, match="`strides` argument must be a tuple of 2"):
        conv_utils.normalize_tuple((1, 2, 3), 2, "strides")
    with pytest.raises(ValueError, match="padding"):
        conv_utils.normalize_padding("around")
    x = keras.Input((9, 9, 2))
    for padding in ("valid", "same"):
        for stride in (1, 2, 3):
            layer = keras.layers.Conv2D(1, 4, strides=stride, padding=padding)
            size = conv_utils.conv_output_length(9, 4, padding, stride)
            assert layer(x).shape.as_list()[1] == size
            layer = keras.layers.Conv2DTranspose(1, 4, strides=stride, padding=padding)
            size = conv_utils.deconv_length(9, stride, 4, padding)
            assert layer(x).shape.as_list()[1] == size
    assert conv_utils.conv_output_length(None, 3, "same", 2) is None
    assert conv_utils.conv_output_length(10, 3, "full", 1, dilation=2) == 14
    assert conv_utils.conv_input_length(4, 3, "valid", 2) == 9
    assert conv_utils.deconv_length(4, 2, 3, "same", 1) == 8
    K.clear_session()

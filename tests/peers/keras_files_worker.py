"""Runs in an environment with tf_keras: writes models to HDF5 files, and reads those of flowgraph.

python keras_files_worker.py write FOLDER     NAME.h5, and NAME.npz: x0, ..., y0, ...
python keras_files_worker.py read FOLDER      back_NAME.h5 -> back_NAME.npz: y0, ...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tf_keras as keras
from tf_keras import layers as L

rng = np.random.default_rng(0)


def some(*shape):
    return rng.random(shape, np.float32)


def trained(model, optimizer, loss, x, y, **arguments):
    model.compile(optimizer, loss, **arguments)
    model.fit(x, y, verbose=0)
    return model


def images():
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, activation="relu", padding="same")(x)
    y = L.MaxPooling2D()(L.SeparableConv2D(5, 3)(L.BatchNormalization()(y)))
    inner = keras.Sequential(
        [
            L.Dense(5, input_shape=(5,), kernel_regularizer=keras.regularizers.l2(0.1)),
            L.Dropout(0.5),
            L.LeakyReLU(0.2),
            L.PReLU(),
        ]
    )
    y = L.Dense(2, activation="softmax")(inner(L.GlobalAveragePooling2D()(y)))
    model = keras.Model(x, y)
    labels = np.eye(2)[np.arange(8) % 2]
    adam = keras.optimizers.Adam(0.01)
    trained(model, adam, "categorical_crossentropy", some(8, 8, 8, 3), labels, metrics=["acc"])
    return model, [some(2, 8, 8, 3)]


def recurrent():
    x = keras.Input((7,), dtype="int32")
    y = L.LSTM(5, return_sequences=True)(L.Embedding(20, 6, mask_zero=True)(x))
    model = keras.Model(x, L.Dense(3)(L.Bidirectional(L.GRU(4, reset_after=False))(y)))
    words = rng.integers(0, 20, (4, 7))
    adam = keras.optimizers.legacy.Adam(0.01)
    return trained(model, adam, "mse", words, some(4, 3), metrics=["mae"]), [words[:3]]


def branched():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = L.Dense(3)
    inner = keras.Sequential([L.Dense(5, input_shape=(3,)), L.Dense(2)])
    joined = L.concatenate([shared(a), shared(b)])
    outputs = [L.Dense(1, activation="sigmoid")(joined)]
    outputs.append(L.add([inner(shared(a)), L.Dense(2)(joined)]))
    model = keras.Model([a, b], outputs)
    x, y = [some(4, 4), some(4, 4)], [np.zeros((4, 1)), some(4, 2)]
    trained(model, "sgd", ["binary_crossentropy", "mae"], x, y, loss_weights=[1, 0.2])
    return model, x


def sequences():
    model = keras.Sequential(
        [
            L.Conv1D(4, 3, input_shape=(10, 3)),
            L.UpSampling1D(2),
            L.TimeDistributed(L.Dense(3)),
            L.SimpleRNN(4, return_sequences=True),
            L.Flatten(),
            L.Reshape((-1, 4)),
            L.GRU(3),
            L.Activation("tanh"),
            L.BatchNormalization(),
            L.Dense(
                2,
                kernel_initializer="he_normal",
                activity_regularizer="l2",
                kernel_constraint="max_norm",
            ),
        ]
    )
    mse, mae = keras.losses.MeanSquaredError(), keras.metrics.MeanAbsoluteError()
    trained(model, keras.optimizers.RMSprop(), mse, some(4, 10, 3), some(4, 2), metrics=[mae])
    return model, [some(2, 10, 3)]


def others():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.ZeroPadding2D(1),
            L.Cropping2D(1),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.Conv2DTranspose(3, 3, strides=2),
            L.AveragePooling2D(),
            L.GaussianNoise(0.1),
            L.GaussianDropout(0.1),
            L.SpatialDropout2D(0.1),
            L.Permute((2, 1, 3)),
            L.GlobalMaxPooling2D(),
            L.RepeatVector(3),
            L.Masking(),
            L.LSTM(2),
            L.ActivityRegularization(0.1),
        ]
    )
    return model, [some(2, 6, 6, 2)]


MODELS = (images, recurrent, branched, sequences, others)


def outputs_of(model, arrays):
    found = model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
    found = found if isinstance(found, list) else [found]
    return {f"y{i}": y for i, y in enumerate(found)}


def write(folder):
    for make in MODELS:
        model, arrays = make()
        model.save(str(folder / f"{make.__name__}.h5"))
        inputs = {f"x{i}": x for i, x in enumerate(arrays)}
        np.savez(folder / f"{make.__name__}.npz", **inputs, **outputs_of(model, arrays))


def read(folder):
    for path in folder.glob("back_*.h5"):
        model = keras.models.load_model(str(path))
        stored = np.load(folder / f"{path.stem.removeprefix('back_')}.npz")
        arrays = [stored[name] for name in stored.files if name.startswith("x")]
        slots = len(model.optimizer.get_weights()) if getattr(model, "optimizer", None) else 0
        np.savez(folder / f"{path.stem}.npz", slots=slots, **outputs_of(model, arrays))


{"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))

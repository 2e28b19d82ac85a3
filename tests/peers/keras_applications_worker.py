"""Runs in an environment with tf_keras: weights and outputs of its models for images.

python keras_applications_worker.py FOLDER     NAME.h5 (weights), NAME.npz (x, y)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tf_keras as keras

#: name -> arguments.
MODELS = {
    "VGG16": {"input_shape": (32, 32, 3), "include_top": False},
    "ResNet50": {"input_shape": (64, 64, 3), "classes": 7},
    "InceptionV3": {"input_shape": (75, 75, 3), "classes": 7},
    "DenseNet121": {"input_shape": (32, 32, 3), "classes": 7},
    "Xception": {"input_shape": (71, 71, 3), "classes": 7},
    "MobileNet": {"input_shape": (64, 64, 3), "classes": 7, "alpha": 0.5},
    "MobileNetV2": {"input_shape": (64, 64, 3), "classes": 7, "alpha": 0.5},
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    for name, arguments in MODELS.items():
        keras.backend.clear_session()
        model = getattr(keras.applications, name)(weights=None, **arguments)
        # moving variances around 1, so that small numbers under the root do not matter
        weights = [w + 0.1 * rng.random(w.shape) * (w.ndim == 1) for w in model.get_weights()]
        model.set_weights(weights)
        x = rng.random((2, *model.input_shape[1:]), np.float32)
        model.save_weights(str(folder / f"{name}.h5"))
        np.savez(folder / f"{name}.npz", x=x, y=model.predict(x, verbose=0))

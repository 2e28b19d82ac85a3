"""Trainings that flowgraph's Keras and tf_keras make alike: tests/peers/test_keras_training.py.

``run(keras, case)`` builds a model of ``keras``, sets its weights, trains, and returns what came
of it, as plain arrays.  It uses NumPy only besides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

X = np.random.RandomState(0).normal(size=(50, 4)).astype("float32")
Z = np.random.RandomState(1).normal(size=(50, 3)).astype("float32")
NUMBER = (X @ [[1.0], [-2.0], [0.5], [0.1]]).astype("float32")
CLASS = (np.arange(50) * 7) % 3
ONE_HOT = np.eye(3, dtype="float32")[CLASS]
BINARY = (NUMBER > 0).astype("float32")
WEIGHTS = np.random.RandomState(2).rand(50).astype("float32") + 0.1

#: name -> optimizer: (class in flowgraph.keras, arguments there, arguments in tf_keras)
OPTIMIZERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1, "decay": 0.1}, {"learning_rate": 0.1, "decay": 0.1}),
    "nesterov": (
        "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True},
        {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": ("RMSprop", {"lr": 0.02}, {"learning_rate": 0.02}),
    "adagrad": (
        "Adagrad", {"lr": 0.1}, {"learning_rate": 0.1, "initial_accumulator_value": 0.0},
    ),
    "adadelta": (
        "Adadelta", {"lr": 1.0, "epsilon": 1e-3}, {"learning_rate": 1.0, "epsilon": 1e-3},
    ),
    "adam": ("Adam", {"lr": 0.02, "decay": 0.05}, {"learning_rate": 0.02, "decay": 0.05}),
    "amsgrad": (
        "Adam", {"lr": 0.02, "amsgrad": True}, {"learning_rate": 0.02, "amsgrad": True},
    ),
    "adamax": ("Adamax", {"lr": 0.02}, {"learning_rate": 0.02}),
    "clipvalue": ("SGD", {"lr": 0.1, "clipvalue": 0.05}, {"learning_rate": 0.1, "clipvalue": 0.05}),
}  # fmt: skip

#: name -> (outputs, last activation, arguments of compile, targets, arguments of fit)
COURSES: dict[str, tuple[int, str, dict[str, Any], Any, dict[str, Any]]] = {
    "regression": (1, "linear", {"loss": "mse", "metrics": ["mae", "mape"]}, NUMBER, {}),
    "binary": (
        1, "sigmoid", {"loss": "binary_crossentropy", "metrics": ["acc"]}, BINARY,
        {"validation_split": 0.2},
    ),
    "classes": (
        3, "softmax", {"loss": "categorical_crossentropy", "metrics": ["acc", "mse"]}, ONE_HOT,
        {"validation_data": (X[:20], ONE_HOT[:20])},
    ),
    "sparse": (
        3, "softmax", {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"]}, CLASS, {},
    ),
    "class_weight": (
        3, "softmax", {"loss": "categorical_crossentropy"}, ONE_HOT,
        {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
    ),
    "sample_weight": (
        1, "linear", {"loss": "mae"}, NUMBER,
        {"sample_weight": WEIGHTS, "validation_data": (X[:20], NUMBER[:20], WEIGHTS[:20])},
    ),
    **{
        loss: (3, "softplus", {"loss": loss}, ONE_HOT, {})
        for loss in ("logcosh", "poisson", "mean_squared_logarithmic_error", "categorical_hinge")
    },
    # NB: tf_keras takes 0 and 1 for -1 and 1 in these
    "squared_hinge": (3, "tanh", {"loss": "squared_hinge"}, 2 * ONE_HOT - 1, {}),
    "hinge": (3, "tanh", {"loss": "hinge"}, 2 * ONE_HOT - 1, {}),
    "kullback_leibler_divergence": (
        3, "softmax", {"loss": "kullback_leibler_divergence"}, ONE_HOT, {},
    ),
}  # fmt: skip

CASES = [f"optimizer {name}" for name in OPTIMIZERS] + [f"course {name}" for name in COURSES]
CASES += ["two outputs", "regularized", "stops early", "rates"]


def _weights(model: Any) -> None:
    random = np.random.RandomState(3)
    model.set_weights([random.normal(scale=0.5, size=w.shape) for w in model.get_weights()])


def _plain(history: Any) -> dict[str, list[float]]:
    """The history with the metrics' names of Keras 2.2.4."""
    short = {"mae": "mean_absolute_error", "mse": "mean_squared_error",
             "mape": "mean_absolute_percentage_error"}  # fmt: skip
    found = {}
    for name, values in history.history.items():
        prefix = "val_" if name.startswith("val_") else ""
        name = name.removeprefix("val_").removeprefix("weighted_")
        found[prefix + short.get(name, name)] = [float(v) for v in values]
    return found


def _mlp(keras: Any, units: int = 1, last: str = "linear") -> Any:
    layers = keras.layers
    hidden = layers.Dense(5, activation="tanh", input_shape=(4,))
    return keras.models.Sequential([hidden, layers.Dense(units, activation=last)])


def run(keras: Any, case: str, peer: bool) -> dict[str, Any]:
    """History, weights and predictions of a training.

    Args:
        keras: the module.   case: one of CASES.   peer: whether it is tf_keras.
    """
    kind, _, name = case.partition(" ")
    options: dict[str, Any] = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    x: Any = X
    optimizers = keras.optimizers.legacy if peer else keras.optimizers
    rate = "learning_rate" if peer else "lr"
    sgd = optimizers.SGD(**{rate: 0.05})
    if kind == "optimizer":
        cls, here, there = OPTIMIZERS[name]
        model, y = _mlp(keras), NUMBER
        model.compile(getattr(optimizers, cls)(**(there if peer else here)), "mse")
    elif kind == "course":
        units, last, compiled, y, more = COURSES[name]
        model = _mlp(keras, units, last)
        model.compile(sgd, **compiled)
        options.update(more)
    elif case == "two outputs":
        layers = keras.layers
        one, other = keras.Input((4,), name="one"), keras.Input((3,), name="other")
        shared = layers.Dense(4, activation="tanh")(layers.concatenate([one, other]))
        a = layers.Dense(1, name="a")(shared)
        b = layers.Dense(3, activation="softmax", name="b")(shared)
        model = keras.models.Model([one, other], [a, b])
        losses = {"a": "mse", "b": "categorical_crossentropy"}
        model.compile(sgd, losses, loss_weights={"a": 0.3, "b": 2.0}, metrics={"b": "acc"})
        x, y = {"one": X, "other": Z}, {"a": NUMBER, "b": ONE_HOT}
    elif case == "regularized":
        layers, l2 = keras.layers, keras.regularizers.l2
        model = keras.models.Sequential(
            [
                layers.Dense(5, input_shape=(4,), kernel_regularizer=l2(0.1)),
                layers.Dense(1, bias_regularizer=l2(0.2)),
            ]
        )
        model.compile(sgd, "mse")
        y = NUMBER
    else:
        model, y = _mlp(keras), NUMBER
        model.compile(sgd, "mse")
        callbacks = keras.callbacks
        options["epochs"] = 12
        options["validation_split"] = 0.4
        options["callbacks"] = [
            callbacks.EarlyStopping(patience=1, min_delta=0.15, restore_best_weights=True)
            if case == "stops early"
            else callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))
        ]
    _weights(model)
    history = model.fit(x, y, **options)
    predicted = model.predict(x, verbose=0)
    return {
        "history": _plain(history),
        "weights": model.get_weights(),
        "predicted": predicted if isinstance(predicted, list) else [predicted],
        "evaluated": np.ravel(model.evaluate(x, y, verbose=0)),
    }

"""Runs in an environment with tf_keras: computes the cases of tests/support/keras_cases.py.

    python keras_layers_worker.py ANSWERS     (a pickle of {label: answer})

An answer has the outputs, their masks, the gradients of the inputs and the weights behind a step
of gradient descent; or ``("error", what it was)``.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from keras_cases import CASES, coefficients, inputs_of, make, weights_of

RATE = 0.1


def last(x):
    """Channels first -> channels last."""
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def first(x):
    """Channels last -> channels first."""
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


def listed(x):
    """A list of outputs."""
    return list(x) if isinstance(x, (list, tuple)) else [x]


def answer(tf, keras, case):
    """What tf_keras gives for a case."""
    keras.backend.clear_session()
    arrays = inputs_of(case)
    if case.transposed:
        case = case._replace(kwargs={**case.kwargs, "data_format": "channels_last"})
        arrays = [last(x) for x in arrays]
    layer = make(keras.layers, case)
    variables = [tf.Variable(x) for x in arrays]
    inputs = variables if len(variables) > 1 else variables[0]
    kwargs = {}
    if case.mask is not None:
        kwargs["mask"] = tf.constant(np.array(case.mask, bool))
    if layer._expects_training_arg:
        kwargs["training"] = case.training
    layer(tf.nest.map_structure(tf.convert_to_tensor, inputs), **kwargs)
    weights = layer.weights
    for w, value in zip(
        weights,
        weights_of([tuple(w.shape) for w in weights], [w.name for w in weights]),
        strict=True,
    ):
        w.assign(value)
    if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
        layer.reset_states()
    watched = [v for v in variables if v.dtype.is_floating]
    with tf.GradientTape() as tape:
        given = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        outputs = listed(layer(given, **kwargs))
        masks = [getattr(y, "_keras_mask", None) for y in outputs]
        masks = [None if m is None else m.numpy() for m in masks]
        loss = 0.0
        for y in outputs:
            turned = coefficients(first(y.numpy()).shape if case.transposed else tuple(y.shape))
            loss += tf.reduce_sum(tf.sin(y) * (last(turned) if case.transposed else turned))
        loss += tf.add_n(layer.losses) * 1.0 if layer.losses else 0.0
    trained = layer.trainable_weights
    grads = tape.gradient(loss, [*watched, *trained])
    dense = [None if g is None else tf.convert_to_tensor(g).numpy() for g in grads]
    for w, g in zip(trained, dense[len(watched) :], strict=True):
        if g is not None:
            w.assign_sub(RATE * g)
    turn = first if case.transposed else (lambda x: x)
    return {
        "outputs": [turn(y.numpy()) for y in outputs],
        "masks": masks,
        "gradients": [None if g is None else turn(g) for g in dense[: len(watched)]],
        "weights": {w.name.split("/")[-1] + str(i): w.numpy() for i, w in enumerate(weights)},
    }


def main():
    """Run the cases."""
    import tensorflow as tf
    import tf_keras as keras

    warnings.simplefilter("ignore")
    found = {}
    for case in CASES:
        if case.peer:
            try:
                found[case.label] = answer(tf, keras, case)
            except Exception as error:  # noqa: BLE001  it is the answer
                found[case.label] = ("error", f"{type(error).__name__}: {error}")
    Path(sys.argv[1]).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()

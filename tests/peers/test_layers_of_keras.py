"""Every layer gives what it gives in Keras: outputs, masks, gradients and a step of training.

    FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_layers_of_keras.py

The interpreter needs the package tf_keras beside TensorFlow.  The cases are those of
tests/support/keras_cases.py; where Keras 2.2.4 and tf_keras differ, cases say ``peer=False``.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_cases import CASES, coefficients, inputs_of, make, weights_of

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers

pytestmark = pytest.mark.peers

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
HERE = Path(__file__).parent
RATE = 0.1


@cache
def answers() -> Any:
    """What tf_keras gives for each case."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "answers")
        subprocess.run([PEER, str(HERE / "keras_layers_worker.py"), str(place)], check=True)
        return pickle.loads(place.read_bytes())  # our own worker wrote it


def close(got: Any, wanted: Any, what: str) -> None:
    """Within 1e-5 of the largest element."""
    assert got.shape == wanted.shape, what
    size = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * size, err_msg=what)


def unbiased(case: Any, x: Any, value: Any, start: Any) -> Any:
    """A moving variance of tf_keras as Keras 2.2.4 has it.

    Of a mean square v of n numbers, Keras 2.2.4 takes n / (n - 1 - epsilon) v into the moving
    average, tf_keras n / (n - 1) v of images and v of others.
    """
    n = x.size // x.shape[case.kwargs.get("axis", -1)]
    factor = n / (n - 1.0 - case.kwargs.get("epsilon", 1e-3)) / (n / (n - 1) if x.ndim == 4 else 1)
    momentum = case.kwargs.get("momentum", 0.99)
    return momentum * start + (value - momentum * start) * factor


@pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter")
@pytest.mark.parametrize("case", [c for c in CASES if c.peer], ids=lambda c: c.label)
def test_as_in_keras(case: Any) -> None:
    there = answers()[case.label]
    assert not isinstance(there, tuple), there
    K.clear_session()
    arrays = inputs_of(case)
    layer = make(layers, case)
    inputs = [keras.Input(batch_shape=a.shape, dtype=a.dtype.name) for a in arrays]
    if case.mask is not None:
        inputs[0]._keras_mask = tf.constant(np.array(case.mask, bool))
    if case.training:
        K.set_learning_phase(1)
    outputs = layer(inputs if len(inputs) > 1 else inputs[0])
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    names = [w.name for w in layer.weights]
    start = weights_of([K.int_shape(w) for w in layer.weights], names)
    layer.set_weights(start)
    loss = tf.add_n([tf.reduce_sum(tf.sin(y) * coefficients(K.int_shape(y))) for y in outputs])
    loss = tf.add_n([loss, *layer.losses]) if layer.losses else loss
    watched = [x for x in inputs if x.dtype.is_floating]
    gradients = [g for g in tf.gradients(loss, watched) if g is not None] if watched else []
    trained = layer.trainable_weights
    optimizer = tf.train.GradientDescentOptimizer(RATE)
    steps = [optimizer.minimize(loss, var_list=trained)] if trained else []
    masks = [getattr(y, "_keras_mask", None) for y in outputs]
    session = K.get_session()
    updates = layer.updates if case.training else []
    found = session.run(
        [outputs, [m for m in masks if m is not None], gradients, steps, updates],
        dict(zip(inputs, arrays, strict=True)),
    )
    for i, (got, wanted) in enumerate(zip(found[0], there["outputs"], strict=True)):
        close(got, wanted, f"output {i}")
    wanted = [m for m in there["masks"] if m is not None]
    assert len(found[1]) == len(wanted)
    for got, mask in zip(found[1], wanted, strict=True):
        np.testing.assert_array_equal(got, mask)
    for i, (got, wanted) in enumerate(
        zip(found[2], [g for g in there["gradients"] if g is not None], strict=True)
    ):
        close(got, wanted, f"gradient of input {i}")
    for (name, wanted), got, before in zip(
        there["weights"].items(), layer.get_weights(), start, strict=True
    ):
        if name.startswith("moving_variance") and case.training:
            wanted = unbiased(case, arrays[0], wanted, before)
        close(got, wanted, f"{name} behind the step")
    # without the numbers that several variables of a name get
    ours = [re.sub(r"_\d+:", ":", w.name.split("/")[-1]) for w in layer.weights]
    assert ours == [name[: name.index(":") + 2] for name in there["weights"]]

"""Every layer: shapes, configs, weights (the table is tests/support/keras_cases.py)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from keras_cases import CASES, coefficients, inputs_of, make, weights_of

import flowgraph as tf
from flowgraph import config, keras
from flowgraph.keras import backend as K
from flowgraph.keras import layers


@pytest.fixture(autouse=True)
def fresh():
    K.clear_session()
    yield
    K.clear_session()


def placed(arrays, batch=None):
    """Inputs of the arrays' shapes, with the number of samples unknown."""
    return [keras.Input(batch_shape=(batch, *a.shape[1:]), dtype=a.dtype.name) for a in arrays]


def called(layer, inputs, case):
    if case.mask is not None:
        for x in inputs:
            mask = np.array(case.mask, bool)  # of as many samples as there will be
            x._keras_mask = tf.placeholder_with_default(mask, [None, *mask.shape[1:]])
    return layer(inputs if len(inputs) > 1 else inputs[0])


def listed(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.label)
def test_every_layer(case):
    """K5: shapes said and found, config round trip, the same output of the copy."""
    arrays = inputs_of(case)
    layer = make(layers, case)
    inputs = placed(arrays)
    outputs = listed(called(layer, inputs, case))
    shapes = [K.int_shape(x) for x in inputs]
    said = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    said = [said] if not isinstance(said, list) else said
    values = weights_of([K.int_shape(w) for w in layer.weights], [w.name for w in layer.weights])
    layer.set_weights(values)
    run = K.function(inputs, outputs)
    results = run(arrays)
    for shape, x, result in zip(said, outputs, results, strict=True):
        assert tuple(shape) == K.int_shape(x)
        assert tf.TensorShape(shape).is_compatible_with(result.shape)
        assert None not in shape[1:] or None in arrays[0].shape
    # plain data, and the same layer again
    config = json.loads(json.dumps(layer.get_config()))
    copy = layers.deserialize({"class_name": case.kind, "config": config})
    assert json.loads(json.dumps(copy.get_config())) == config and copy.name == layer.name
    again = listed(called(copy, inputs, case))
    copy.set_weights(values)
    for one, other in zip(results, K.function(inputs, again)(arrays), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [v.name.split("/")[-1] for v in layer.weights] == [
        v.name.split("/")[-1] for v in copy.weights
    ]
    # the number of samples may be fixed, too
    fixed = placed(arrays, len(arrays[0]))
    for one, other in zip(results, listed(called(layer, fixed, case)), strict=True):
        assert K.int_shape(other) == one.shape


#: One case of each kind of layer, with and without a mask, and of settings that change its paths.
ONE_OF_EACH = list({
    (c.kind, c.mask is None, c.training, c.kwargs.get("padding"), c.kwargs.get("go_backwards"),
     *(i.kind if not isinstance(i, list) else "cells" for i in c.inner.values())): c
    for c in CASES
}.values())  # fmt: skip


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda c: c.label)
def test_gradients_with_unknown_sizes(case):
    """K5: the slope along a random direction, in float64, with the number of samples unknown."""
    K.set_floatx("float64")
    try:
        arrays = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in inputs_of(case)]
        layer, inputs = make(layers, case), placed(arrays)
        if case.training:
            K.set_learning_phase(1)
        outputs = listed(called(layer, inputs, case))
        names = [w.name for w in layer.weights]
        layer.set_weights(weights_of([K.int_shape(w) for w in layer.weights], names))
        assert {y.dtype.base_dtype.name for y in outputs} == {"float64"}
        session, feed = K.get_session(), dict(zip(inputs, arrays, strict=True))
        factors = [coefficients(v.shape).astype(np.float64) for v in session.run(outputs, feed)]
        loss = tf.add_n(
            [tf.reduce_sum(tf.sin(y) * f) for y, f in zip(outputs, factors, strict=True)]
        )
        at = [x for x in inputs if x.dtype.is_floating]
        count, at = len(at), at + layer.trainable_weights
        start = session.run(at, feed)
        ways = [np.random.default_rng(i).normal(size=v.shape) for i, v in enumerate(start)]
        slopes = [g if g is None else tf.convert_to_tensor(g) for g in tf.gradients(loss, at)]
        known = [i for i, g in enumerate(slopes) if g is not None]

        def behind(distance, what):
            moved = [v + distance * way for v, way in zip(start, ways, strict=True)]
            K.batch_set_value(zip(at[count:], moved[count:], strict=True))
            return session.run(what, {**feed, **dict(zip(at[:count], moved, strict=False))})

        found = behind(0.0, [slopes[i] for i in known])
        slope = sum((g * ways[i]).sum() for g, i in zip(found, known, strict=True))
        wanted = (behind(1e-6, loss) - behind(-1e-6, loss)) / 2e-6
        np.testing.assert_allclose(slope, wanted, rtol=1e-5, atol=1e-7)
    finally:
        K.set_floatx("float32")


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda c: c.label)
def test_the_reference_target_gives_the_same(case):
    """K20: outputs and gradients by compiled kernels and by NumPy."""
    found = []
    for target in ({}, {"TARGET": "reference"}):
        K.clear_session()
        with config.override(**target):
            arrays, layer = inputs_of(case), make(layers, case)
            inputs = placed(arrays, len(arrays[0]))
            outputs = listed(called(layer, inputs, case))
            names = [w.name for w in layer.weights]
            layer.set_weights(weights_of([K.int_shape(w) for w in layer.weights], names))
            loss = tf.add_n([tf.reduce_sum(y * coefficients(K.int_shape(y))) for y in outputs])
            at = [x for x in inputs if x.dtype.is_floating] + layer.trainable_weights
            slopes = [tf.convert_to_tensor(g) for g in tf.gradients(loss, at) if g is not None]
            feed = dict(zip(inputs, arrays, strict=True))
            found.append(K.get_session().run([*outputs, *slopes], feed))
    for one, other in zip(*found, strict=True):
        size = max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * size)

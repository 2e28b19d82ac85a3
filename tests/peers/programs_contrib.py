"""Programs about tf.contrib.layers; see test_programs.py.  They need tf_slim beside TensorFlow."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np

RNG = np.random.default_rng(9)


def data(*shape):
    return RNG.normal(size=shape).astype(np.float32)


X2, X3, X4, X5 = data(4, 3), data(2, 8, 3), data(2, 7, 6, 3), data(2, 5, 4, 4, 3)


def slim(tf):
    """The functions: flowgraph's, or tf_slim with what later releases of TensorFlow moved."""
    if tf.__name__ == "flowgraph":
        return tf.contrib.slim
    import tensorflow as tf2  # noqa: ICN001  for its Tensor
    from tensorflow.python.framework import ops
    from tf_keras.src import legacy_tf_layers
    from tf_keras.src.legacy_tf_layers import normalization

    ops.Tensor = tf2.Tensor
    sys.modules["tf_keras.legacy_tf_layers"] = legacy_tf_layers
    sys.modules["tf_keras.legacy_tf_layers.normalization"] = normalization
    import tf_slim

    return tf_slim


def fill(tf, session):
    for i, v in enumerate(tf.global_variables()):
        shape = v.get_shape().as_list()
        numbers = np.random.default_rng(i).uniform(0.5, 1.5, shape).astype(np.float32)
        v.load(numbers, session)


def layer(tf, function, x, arguments, named=True, steps=1):
    L = slim(tf)
    known = {"batch_norm": L.batch_norm, "l2": L.l2_regularizer(0.5)}
    arguments = {
        k: known.get(v, getattr(tf.nn, v[3:]) if v.startswith("nn.") else v)
        if isinstance(v, str) else v for k, v in arguments.items()
    }  # fmt: skip
    p = tf.placeholder(tf.float32, [None, *x.shape[1:]], name="x")
    y = getattr(L, function)(p, **arguments)
    grads = tf.gradients(tf.reduce_sum(y * y), [p, *tf.trainable_variables()])
    losses = tf.losses.get_regularization_losses()
    updates = tf.get_collection("update_ops")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        fill(tf, session)
        values = session.run([y, grads, losses], {p: x})
        for _ in range(steps):
            session.run([y, *updates], {p: x})
        kept = session.run(tf.global_variables())
    found = {
        "variables": [[v.name, v.get_shape().as_list()] for v in tf.global_variables()],
        "trained": [v.name for v in tf.trainable_variables()],
        "model": [v.name for v in tf.get_collection("model_variables")],
        "outputs": len(tf.get_collection("outs")),
        "kinds": [v.name for v in tf.get_collection("ws")],
        "updates": len(updates),
        "static": [y.dtype.name, y.get_shape().as_list()],
    }
    return [found, values, kept, y.name if named else ""]


def scopes(tf):
    L = slim(tf)
    x = tf.placeholder(tf.float32, [None, 3])
    made = [L.fully_connected(x, 4), L.fully_connected(x, 4, activation_fn=None)]
    made += [L.fully_connected(x, 4, scope="a"), L.fully_connected(x, 4, scope="a", reuse=True)]
    with tf.variable_scope("s"):
        made += [L.fully_connected(x, 2), L.layer_norm(x), L.bias_add(x)]
    made += [L.stack(x, L.fully_connected, [4, 5], scope="st"), L.linear(x, 2), L.relu(x, 2)]
    made += [L.stack(x, L.fully_connected, [4, 5])]
    images = tf.placeholder(tf.float32, [None, 8, 8, 3])
    made += [L.repeat(images, 2, L.conv2d, 4, [3, 3], scope="rp")]
    made += [L.max_pool2d(images, 2), L.avg_pool2d(images, [3, 3], stride=1, padding="SAME")]
    made += [L.flatten(x), L.one_hot_encoding(tf.placeholder(tf.int64, [None]), 5)]
    return [made, [v.name for v in tf.global_variables()]]


def defaults(tf):
    L = slim(tf)
    x, images = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 8, 8, 3])
    ones = tf.ones_initializer()
    with L.arg_scope([L.conv2d, L.fully_connected], activation_fn=None, weights_initializer=ones):
        with L.arg_scope([L.conv2d], stride=2) as scope:
            made = [
                L.conv2d(images, 4, 3),
                L.conv2d(images, 4, 3, stride=1),
                L.fully_connected(x, 2),
            ]
    made += [L.conv2d(images, 4, 3)]
    with L.arg_scope(scope):
        made += [L.conv2d(images, 4, 3, activation_fn=tf.nn.tanh)]
    return [made, L.has_arg_scope(L.conv2d), L.has_arg_scope(tf.nn.relu)]


def end_points(tf):
    L = slim(tf)
    x = tf.placeholder(tf.float32, [None, 8, 8, 3])
    with (
        tf.variable_scope("net"),
        L.arg_scope(
            [L.conv2d, L.max_pool2d, L.flatten, L.fully_connected], outputs_collections="ends"
        ),
    ):
        y = L.fully_connected(L.flatten(L.max_pool2d(L.conv2d(x, 4, 3, scope="c"), 2)), 2)
    return [y, list(L.utils.convert_collection_to_dict("ends"))]


def spread(tf, make, shape):
    """The limits of what an initializer draws."""
    L = slim(tf)
    with tf.Session() as session:
        numbers = session.run(make(L)(shape))
    return [round(float(np.abs(numbers).max()), 1), numbers.dtype.name,
            round(float(numbers.std()), 1), list(numbers.shape)]  # fmt: skip


def F(function, x, named=True, **arguments):
    return partial(layer, function=function, x=x, arguments=arguments, named=named)


S = {"scale": True}
PROGRAMS = {
    "fully_connected": F("fully_connected", X2, num_outputs=4),
    "fully_connected rank 3": F("fully_connected", X3, num_outputs=4, activation_fn="nn.tanh"),
    "fully_connected bn": F("fully_connected", X2, num_outputs=4, normalizer_fn="batch_norm",
                            normalizer_params=S, weights_regularizer="l2",
                            outputs_collections="outs", variables_collections=["ws"]),
    "fully_connected dict": F("fully_connected", X2, num_outputs=4, trainable=False,
                              variables_collections={"weights": ["ws"]}),
    "fully_connected no biases": F("fully_connected", X2, num_outputs=4, biases_initializer=None),
    "conv2d": F("conv2d", X4, num_outputs=4, kernel_size=3),
    "conv2d valid": F("conv2d", X4, num_outputs=4, kernel_size=[3, 2], stride=2, padding="VALID",
                      activation_fn=None),
    "conv2d rate": F("conv2d", X4, num_outputs=4, kernel_size=3, rate=2),
    "conv2d bn": F("conv2d", X4, num_outputs=4, kernel_size=3, normalizer_fn="batch_norm",
                   named=False),
    "convolution 1": F("convolution", X3, num_outputs=4, kernel_size=3),
    "conv3d": F("conv3d", X5, num_outputs=2, kernel_size=2),
    "conv2d_transpose": F("conv2d_transpose", X4, num_outputs=4, kernel_size=3, stride=2),
    "separable_conv2d": F("separable_conv2d", X4, num_outputs=4, kernel_size=3, depth_multiplier=2),
    "separable_conv2d alone": F("separable_conv2d", X4, num_outputs=None, kernel_size=3),
    "max_pool2d": F("max_pool2d", X4, kernel_size=2, outputs_collections="outs"),
    "avg_pool2d": F("avg_pool2d", X4, kernel_size=[3, 2], stride=1, padding="SAME"),
    "flatten": F("flatten", X4),
    "batch_norm": F("batch_norm", X2, named=False),
    "batch_norm scale": F("batch_norm", X2, scale=True, decay=0.5, named=False),
    "batch_norm images": F("batch_norm", X4, scale=True, activation_fn="nn.relu", decay=0.5),
    "batch_norm not training": F("batch_norm", X4, is_training=False, scale=True, named=False),
    "batch_norm in place": F("batch_norm", X2, updates_collections=None, decay=0.5, named=False),
    "batch_norm rank 3": F("batch_norm", X3, decay=0.5),
    "batch_norm not fused": F("batch_norm", X2, fused=False, decay=0.5),
    "batch_norm untrained": F("batch_norm", X2, trainable=False, decay=0.5, named=False),
    "layer_norm": F("layer_norm", X2),
    "layer_norm images": F("layer_norm", X4, activation_fn="nn.relu"),
    "layer_norm axes": F("layer_norm", X4, begin_norm_axis=2, begin_params_axis=2),
    "instance_norm": F("instance_norm", X4),
    "unit_norm": F("unit_norm", X3, dim=2),
    "softmax": F("softmax", X3, named=False),
    "bias_add": F("bias_add", X2, activation_fn="nn.tanh"),
    "maxout": F("maxout", data(4, 6), num_units=3, named=False),
    "scopes": scopes,
    "defaults": defaults,
    "end points": end_points,
    "xavier": partial(spread, make=lambda L: L.xavier_initializer(), shape=[300, 100]),
    "xavier conv": partial(spread, make=lambda L: L.xavier_initializer(), shape=[3, 3, 20, 30]),
    "variance scaling": partial(
        spread, make=lambda L: L.variance_scaling_initializer(factor=50.0, uniform=True),
        shape=[50, 400]),
    "error: outputs": lambda tf: slim(tf).fully_connected(tf.zeros([2, 3]), 4.5),
    "error: rank": lambda tf: slim(tf).fully_connected(tf.zeros([3]), 4),
    "error: conv rank": lambda tf: slim(tf).conv2d(tf.zeros([2, 3, 3]), 4, 3),
    "error: pool rank": lambda tf: slim(tf).max_pool2d(tf.zeros([2, 3, 3]), 2),
    "error: format": lambda tf: slim(tf).batch_norm(tf.zeros([2, 3]), data_format="X"),
}  # fmt: skip

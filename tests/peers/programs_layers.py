"""Programs about tf.layers; see test_programs.py.  They need tf_keras beside TensorFlow."""

from __future__ import annotations

from functools import partial

import numpy as np

RNG = np.random.default_rng(7)


def data(*shape):
    return RNG.normal(size=shape).astype(np.float32)


X2, X3, X4, X5 = data(4, 3), data(2, 8, 3), data(2, 7, 6, 3), data(2, 5, 6, 4, 3)
CF3, CF4 = np.moveaxis(X3, -1, 1).copy(), np.moveaxis(X4, -1, 1).copy()


def fill(tf, session):
    """Every variable gets numbers that depend on its shape and place only."""
    for i, v in enumerate(tf.global_variables()):
        shape = v.get_shape().as_list()
        numbers = np.random.default_rng(i).uniform(0.5, 1.5, shape).astype(np.float32)
        v.load(numbers, session)


def described(tf, y):
    return {
        "output": y,
        "variables": [[v.name, v.get_shape().as_list()] for v in tf.global_variables()],
        "trained": [v.name for v in tf.trainable_variables()],
        "updates": [op.name for op in tf.get_collection("update_ops")],
        "losses": [loss.name for loss in tf.losses.get_regularization_losses()],
    }


def layer(tf, function, x, arguments=None, size=None, named=True, **more):
    """Values and gradients of one function of tf.layers; unknown batch size."""
    arguments = {k: getattr(tf.nn, v[3:]) if str(v).startswith("nn.") else v
                 for k, v in {**(arguments or {}), **more}.items()}  # fmt: skip
    p = tf.placeholder(tf.float32, size or [None, *x.shape[1:]], name="x")
    y = getattr(tf.layers, function)(p, **arguments)
    grads = tf.gradients(tf.reduce_sum(y * y), [p, *tf.trainable_variables()])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        fill(tf, session)
        values = session.run([y, grads], {p: x})
    found = described(tf, y)
    if not named:
        del found["output"]
    return [found, values]


def scopes(tf):
    x = tf.placeholder(tf.float32, [None, 3])
    made = []
    with tf.variable_scope("s"):
        made += [tf.layers.dense(x, 4), tf.layers.dense(x, 4)]
    with tf.variable_scope("s", reuse=True):
        made += [tf.layers.dense(x, 4)]
    with tf.name_scope("ns"):
        made += [tf.layers.dense(x, 4), tf.layers.dense(x, 2, name="named")]
    with tf.variable_scope("t", initializer=tf.ones_initializer()):
        made += [tf.layers.dense(x, 4, use_bias=False)]
    made += [tf.layers.dense(x, 2, name="named", reuse=True)]
    made += [tf.layers.dense(x, 2, name="auto", reuse=tf.AUTO_REUSE) for _ in range(2)]
    return [made, described(tf, made[-1])]


def objects(tf):
    x = tf.placeholder(tf.float32, [None, 3])
    d = tf.layers.Dense(4)
    first, second = d(x), d(x)
    names = [d.name, d.scope_name, d.dtype, d.count_params(), d.built]
    kernel = [v.name for v in d.weights], d.kernel.name, d.bias.name
    fixed = tf.layers.Dense(2, trainable=False, name="fixed")
    third = fixed(x)
    b = tf.layers.BatchNormalization()
    fourth = b(x, training=True)
    bn = [b.name, [v.name for v in b.trainable_weights], [v.name for v in b.non_trainable_weights]]
    ops = [op.name for op in b.updates]
    return [first, second, third, fourth, names, kernel, bn, ops, described(tf, first),
            [v.name for v in fixed.trainable_weights], [v.name for v in fixed.weights],
            str(d.compute_output_shape([None, 3])), d.get_losses_for(x)]  # fmt: skip


def own_layer(tf):
    class MyScale(tf.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight("w", shape=[int(input_shape[-1])])
            self.n = self.add_variable("n", shape=[], trainable=False)
            super().build(input_shape)

        def call(self, inputs):
            self.add_loss(tf.reduce_sum(self.w, name="of_w"))
            return inputs * self.w

    x = tf.placeholder(tf.float32, [None, 3])
    with tf.variable_scope("outer"):
        m = MyScale()
        y = m(x)
        z = MyScale(name="given")(x, scope="inner")
    return [y, z, m.name, m.scope_name, described(tf, y), m.losses]


def regularized(tf):
    x = tf.placeholder(tf.float32, [None, 3])
    half = lambda w: tf.reduce_sum(w) * 0.5
    y = tf.layers.dense(x, 2, kernel_initializer=tf.ones_initializer(), kernel_regularizer=half,
                        activity_regularizer=lambda t: tf.reduce_sum(t) * 2.0)  # fmt: skip
    tf.layers.dense(x, 2, name="dense", reuse=True, kernel_regularizer=half)
    losses = tf.losses.get_regularization_losses()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return [session.run(losses, {x: X2}), len(losses), y]


def moving(tf, rank, train, **arguments):
    """Several training steps, then one without training."""
    x = tf.placeholder(tf.float32, {2: [None, 3], 4: [None, 7, 6, 3]}[rank])
    t = tf.placeholder(tf.bool, []) if train == "tensor" else train
    y = tf.layers.batch_normalization(x, training=t, momentum=0.75, **arguments)
    updates = tf.get_collection("update_ops")
    kept = [v for v in tf.global_variables() if "moving" in v.name]
    found = []
    batches = np.random.default_rng(3).normal(2, 3, (4, *{2: X2, 4: X4}[rank].shape))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for i, batch in enumerate(batches.astype(np.float32)):
            feed = {x: batch, **({t: i != 2} if train == "tensor" else {})}
            out = session.run([y, *updates], feed)[0]
            found.append([out, session.run(kept)])
    return [found, [v.name for v in kept], len(updates)]


def dropped(tf, training, **arguments):
    x = tf.placeholder(tf.float32, [None, 50])
    y = tf.layers.dropout(x, training=training, **arguments)
    with tf.Session() as session:
        out = session.run(y, {x: np.ones((40, 50), np.float32)})
    kept = float(np.round(np.mean(out != 0), 1))
    return [kept, sorted(set(np.round(out.ravel(), 4).tolist())), str(y.get_shape())]


def fails(tf, make):
    return make(tf)


L = lambda function, x, **kw: partial(layer, function=function, x=x, arguments=kw)
P = lambda tf, *shape, dtype="float32": tf.placeholder(dtype, shape)

PROGRAMS = {
    "dense": L("dense", X2, units=4),
    "dense relu": L("dense", X2, units=4, activation="nn.relu"),
    "dense no bias": L("dense", X2, units=4, use_bias=False),
    "dense rank 3": L("dense", X3, units=4, activation="nn.tanh"),
    "dense rank 4": L("dense", X4, units=2, name="d"),
    "dense sizes": partial(layer, function="dense", x=X3, units=2, size=[None, None, 3]),
    "conv1d": L("conv1d", X3, filters=4, kernel_size=3),
    "conv1d same": L("conv1d", X3, filters=4, kernel_size=3, strides=2, padding="SAME"),
    "conv1d causal": L("conv1d", X3, filters=2, kernel_size=3, padding="causal", dilation_rate=2),
    "conv2d": L("conv2d", X4, filters=4, kernel_size=3),
    "conv2d same": L("conv2d", X4, filters=4, kernel_size=[3, 5], strides=(2, 1), padding="same",
                     activation="nn.relu"),
    "conv2d dilated": L("conv2d", X4, filters=2, kernel_size=3, dilation_rate=2),
    "conv2d dilated same": L("conv2d", X4, filters=2, kernel_size=3, dilation_rate=(1, 2),
                             padding="same"),
    "conv2d no bias": L("conv2d", X4, filters=2, kernel_size=1, use_bias=False),
    "conv3d": L("conv3d", X5, filters=2, kernel_size=3),
    "conv3d same": L("conv3d", X5, filters=2, kernel_size=2, strides=2, padding="same"),
    "conv2d_transpose": L("conv2d_transpose", X4, filters=4, kernel_size=3, strides=2),
    "conv2d_transpose 1": L("conv2d_transpose", X4, filters=4, kernel_size=2, strides=3),
    "conv2d_transpose same": L("conv2d_transpose", X4, filters=4, kernel_size=3, strides=(2, 1),
                               padding="same", activation="nn.relu"),
    "conv2d_transpose sizes": partial(layer, function="conv2d_transpose", x=X4, filters=2,
                                      kernel_size=3, size=[None, None, None, 3]),
    "conv3d_transpose": L("conv3d_transpose", X5, filters=2, kernel_size=3, strides=2),
    "conv3d_transpose same": L("conv3d_transpose", X5, filters=2, kernel_size=2, padding="same"),
    "separable_conv1d": L("separable_conv1d", X3, filters=4, kernel_size=3),
    "separable_conv1d same": L("separable_conv1d", X3, filters=4, kernel_size=3, padding="same",
                               depth_multiplier=2, activation="nn.relu"),
    "separable_conv2d": L("separable_conv2d", X4, filters=4, kernel_size=3, depth_multiplier=2),
    "separable_conv2d strides": L("separable_conv2d", X4, filters=4, kernel_size=3, strides=2,
                                  padding="same"),
    "separable_conv2d rate": L("separable_conv2d", X4, filters=4, kernel_size=3, dilation_rate=2),
    **{
        f"{kind}_pooling{rank}d {padding}": L(
            f"{kind}_pooling{rank}d", x, pool_size=3, strides=2, padding=padding
        )
        for kind in ("max", "average")
        for rank, x in ((1, X3), (2, X4), (3, X5))
        for padding in ("valid", "same")
    },
    "max_pooling2d sizes": L("max_pooling2d", X4, pool_size=[2, 3], strides=[1, 2], name="pool"),
    "flatten": L("flatten", X4),
    "flatten 2": L("flatten", X2, name="f"),
    "flatten rank 1": partial(layer, function="flatten", x=data(4), size=[None]),
    "flatten sizes": partial(layer, function="flatten", x=X3, size=[None, None, 3]),
    "flatten first": L("flatten", CF4, data_format="channels_first"),
    "flatten first 3": L("flatten", CF3, data_format="channels_first"),
    "scopes": scopes,
    "objects": objects,
    "own layer": own_layer,
    "regularized": regularized,
    "bn": L("batch_normalization", X2),
    "bn training": L("batch_normalization", X2, training=True),
    "bn axis": L("batch_normalization", X3, training=True, axis=1),
    "bn no scale": L("batch_normalization", X2, training=True, scale=False),
    "bn no center": L("batch_normalization", X2, center=False, scale=False),
    "bn images": L("batch_normalization", X4),
    "bn images training": L("batch_normalization", X4, training=True, epsilon=0.01),
    "bn images not fused": L("batch_normalization", X4, training=True, fused=False),
    "bn two axes": L("batch_normalization", X3, training=True, axis=[1, 2]),
    **{f"bn steps {rank} {train} {fused}": partial(moving, rank=rank, train=train, fused=fused)
       for rank, fused in ((2, False), (4, True), (4, False)) for train in (True, False, "tensor")},
    "dropout": partial(dropped, training=True, rate=0.4),
    "dropout not": partial(dropped, training=False),
    "dropout default": partial(dropped, training=True),
    "error: reuse": lambda tf: [tf.layers.dense(P(tf, None, 3), 4, name="a") for _ in range(2)],
    "error: missing": lambda tf: tf.layers.dense(P(tf, None, 3), 4, name="a", reuse=True),
    "error: unknown size": lambda tf: tf.layers.dense(P(tf, None, None), 4),
    "error: rank": lambda tf: tf.layers.dense(P(tf, 4), 4),
    "error: int": lambda tf: tf.layers.dense(P(tf, None, 3, dtype="int32"), 4),
    "error: argument": lambda tf: tf.layers.Dense(4, bogus=1),
    "error: conv rank": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8), 4, 3),
    "error: channels": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8, None), 4, 3),
    "error: padding": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8, 3), 4, 3, padding="full"),
    "error: kernel_size": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8, 3), 4, (3, 3, 3)),
    "error: data_format": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8, 3), 4, 3, data_format="x"),
    "error: both": lambda tf: tf.layers.conv2d(P(tf, None, 8, 8, 3), 4, 3, strides=2,
                                               dilation_rate=2),
    "error: pool rank": lambda tf: tf.layers.max_pooling2d(P(tf, None, 8, 8), 2, 2),
    "error: bn axis": lambda tf: tf.layers.batch_normalization(P(tf, None, 3), axis=2),
    "error: bn size": lambda tf: tf.layers.batch_normalization(P(tf, None, None)),
    "error: rate": lambda tf: tf.layers.Dropout(1.5),
}  # fmt: skip

"""E2: reductions and what is made of them, on 1024 rows of 1000 float32.

softmax, logsumexp, mean and variance of each row, layer normalisation of the rows with scale and
shift, and the sum over the rows of relu(x + bias).  As in E1, who is fed is fed a NumPy array.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "E2",
    "row-wise ops on 1024 x 1000 float32",
    cases=(
        Case("softmax", figure=Figure(ratio=0.85)),
        Case("logsumexp", figure=Figure(ratio=0.9)),
        Case("moments", figure=Figure(ratio=0.7)),
        Case("layer_norm", figure=Figure(ratio=0.8)),
        Case("bias_relu_sum", figure=Figure(ratio=0.5)),
    ),
    rtol=1e-3,
    atol=1e-4,  # row means are near 0
)

_EPSILON = 1e-3  # TensorFlow 2 puts 1e-3 in the place of any smaller one


def _data():
    random = generator()
    x = random.randn(1024, 1000).astype(np.float32)
    scale, shift = random.rand(2, 1000).astype(np.float32)
    return x, scale, shift


def reference(case):
    x, scale, shift = (a.astype(np.float64) for a in _data())
    if case.name == "softmax":
        e = np.exp(x)
        return [e / e.sum(1, keepdims=True)]
    if case.name == "logsumexp":
        return [np.log(np.exp(x).sum(1))]
    if case.name == "moments":
        return [x.mean(1), x.var(1)]
    if case.name == "layer_norm":
        centered = x - x.mean(1, keepdims=True)
        return [centered / np.sqrt(x.var(1, keepdims=True) + _EPSILON) * scale + shift]
    return [np.maximum(x + shift, 0).sum(0)]


def in_tf1(lib, case):
    tf = lib.module
    data, scale, shift = _data()
    x = tf.placeholder(tf.float32, [None, 1000])
    scale, shift = tf.Variable(scale), tf.Variable(shift)
    if case.name == "softmax":
        y = [tf.nn.softmax(x)]
    elif case.name == "logsumexp":
        y = [tf.reduce_logsumexp(x, 1)]
    elif case.name == "moments":
        y = list(tf.nn.moments(x, [1]))
    elif case.name == "layer_norm":
        mean, variance = tf.nn.moments(x, [1], keep_dims=True)
        y = [(x - mean) * tf.rsqrt(variance + _EPSILON) * scale + shift]
    else:
        y = [tf.reduce_sum(tf.nn.relu(x + shift), 0)]
    session = lib.session()
    session.run(tf.global_variables_initializer())
    function = session.make_callable(y, [x])
    return lambda: function(data)


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy

    def layer_norm(x, scale, shift):
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return [(x - mean) * jax.lax.rsqrt(variance + _EPSILON) * scale + shift]

    functions = {
        "softmax": lambda x, scale, shift: [jax.nn.softmax(x)],
        "logsumexp": lambda x, scale, shift: [jax.nn.logsumexp(x, 1)],
        "moments": lambda x, scale, shift: [x.mean(1), x.var(1)],
        "layer_norm": layer_norm,
        "bias_relu_sum": lambda x, scale, shift: [jax.nn.relu(x + shift).sum(0)],
    }
    function = jax.jit(functions[case.name])
    data = [jnp.asarray(a) for a in _data()]
    return lambda: jax.block_until_ready(function(*data))


def in_torch(lib, case):
    torch = lib.module

    def moments(x, scale, shift):
        variance, mean = torch.var_mean(x, 1, correction=0)
        return [mean, variance]

    functions = {
        "softmax": lambda x, scale, shift: [torch.softmax(x, 1)],
        "logsumexp": lambda x, scale, shift: [torch.logsumexp(x, 1)],
        "moments": moments,
        "layer_norm": lambda x, scale, shift: [
            torch.nn.functional.layer_norm(x, (1000,), scale, shift, _EPSILON)
        ],
        "bias_relu_sum": lambda x, scale, shift: [torch.relu(x + shift).sum(0)],
    }
    function = lib.jit(functions[case.name])
    data = [torch.from_numpy(a) for a in _data()]
    return lambda: function(*data)


def in_pytensor(lib, case):
    pt = lib.module.tensor
    data, scale, shift = _data()
    x = pt.fmatrix("x")
    scale, shift = lib.module.shared(scale), lib.module.shared(shift)
    if case.name == "softmax":
        y = [pt.special.softmax(x, axis=1)]
    elif case.name == "logsumexp":
        y = [pt.logsumexp(x, axis=1)]
    elif case.name == "moments":
        y = [x.mean(1), x.var(1)]
    elif case.name == "layer_norm":
        variance = x.var(1, keepdims=True)
        centered = x - x.mean(1, keepdims=True)
        y = [centered / pt.sqrt(variance + np.float32(_EPSILON)) * scale + shift]
    else:
        y = [pt.maximum(x + shift, np.float32(0)).sum(0)]
    function = lib.module.function([x], y)
    function.trust_input = True
    return lambda: function(data)

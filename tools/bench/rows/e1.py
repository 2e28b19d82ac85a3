"""E1: ten elementwise ops in a chain, three of them transcendental.

    h = 0.5 x;  t = tanh h;  e = exp t;  s = e + x;  g = sigmoid s
    p = g x;  q = p - t;  r = q^2;  u = r + 1;  y = sqrt u

The input is fed as a NumPy array to the libraries that are fed, and is the library's own array in
JAX and PyTorch; the result stays what the library returns.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "E1",
    "chain of 10 elementwise ops (`mul tanh exp add sigmoid mul sub square add sqrt`), float32",
    cases=(
        Case("1e3", 1_000, Figure(ratio=0.8)),
        Case("1e5", 100_000, Figure(ratio=0.8)),
        Case("1e7", 10_000_000, Figure(ratio=0.8), quick=False),
    ),
)


def _x(case):
    return generator().randn(case.size).astype(np.float32)


def reference(case):
    x = _x(case).astype(np.float64)
    t = np.tanh(0.5 * x)
    g = 1 / (1 + np.exp(-(np.exp(t) + x)))
    return [np.sqrt((g * x - t) ** 2 + 1)]


def in_tf1(lib, case):
    tf = lib.module
    data = _x(case)
    x = tf.placeholder(tf.float32, [None])
    t = tf.tanh(x * 0.5)
    g = tf.sigmoid(tf.exp(t) + x)
    y = tf.sqrt(tf.square(g * x - t) + 1.0)
    function = lib.session().make_callable(y, [x])
    return lambda: [function(data)]


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy

    @jax.jit
    def function(x):
        t = jnp.tanh(x * 0.5)
        g = jax.nn.sigmoid(jnp.exp(t) + x)
        return jnp.sqrt(jnp.square(g * x - t) + 1)

    data = jnp.asarray(_x(case))
    return lambda: [function(data).block_until_ready()]


def in_torch(lib, case):
    torch = lib.module

    @lib.jit
    def function(x):
        t = torch.tanh(x * 0.5)
        g = torch.sigmoid(torch.exp(t) + x)
        return torch.sqrt(torch.square(g * x - t) + 1)

    data = torch.from_numpy(_x(case))
    return lambda: [function(data)]


def in_pytensor(lib, case):
    pt = lib.module.tensor
    x = pt.fvector("x")
    t = pt.tanh(x * np.float32(0.5))
    g = pt.sigmoid(pt.exp(t) + x)
    y = pt.sqrt(pt.sqr(g * x - t) + np.float32(1))
    function = lib.module.function([x], y)
    function.trust_input = True
    data = _x(case)
    return lambda: [function(data)]

"""C2: what long graphs cost: a chain of n ops, built, differentiated and run once.

x is a vector of 10 numbers, s = 1 and z = 0 are scalars; all are fed.  Op i of the chain is, by
turns,

    y = y s;   y = y + z;   y = tanh y;   y = sin y

and the run returns sum(y) and its gradient with respect to x.  Nothing folds, and the gradient
decays slowly enough to be compared at every length.
"""

import numpy as np

from tools.bench.row import CPU_AFTER_IMPORT, Case, Figure, Row

_SMALL = frozenset({"flowgraph", "tensorflow"})
_ALONE = frozenset({"flowgraph"})

ROW = Row(
    "C2",
    "chain of n ops (`mul add tanh sin` by turns): build, gradient, first run; CPU s after import",
    cases=(
        Case("1k warm", 1_000, Figure(at_most=0.3, of=("tensorflow", 1.8)), cache="warm"),
        Case("1k empty", 1_000, Figure(at_most=0.3, of=("tensorflow", 1.8)), cache="empty"),
        Case("10k warm", 10_000, Figure(at_most=3.0), quick=False, only=_SMALL),
        Case("100k warm", 100_000, Figure(at_most=30.0), quick=False, only=_ALONE),
    ),
    metric=CPU_AFTER_IMPORT,
    rtol=2e-3,
    left_out={
        "torch": "eager: it builds no graph",
        "pytensor": "minutes: its numba mode compiles every op",
        "pytensor-c": "minutes: the C compiler sees every op",
        "torch-compile": "minutes",
    },
)

_X = np.linspace(-0.5, 1.5, 10).astype(np.float32)
_S, _Z = np.float32(1), np.float32(0)


def _chain(n, y, s, z, tanh, sin):
    steps = (lambda y: y * s, lambda y: y + z, tanh, sin)
    for i in range(n):
        y = steps[i % 4](y)
    return y


def reference(case):
    y, dy = _X.astype(np.float64), np.ones(10)
    for i in range(case.size):
        if i % 4 == 2:
            y = np.tanh(y)
            dy = dy * (1 - y * y)
        elif i % 4 == 3:
            dy = dy * np.cos(y)
            y = np.sin(y)
    return [y.sum(), dy]


def in_tf1(lib, case):
    tf = lib.module
    x = tf.placeholder(tf.float32, [10])
    s, z = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    total = tf.reduce_sum(_chain(case.size, x, s, z, tf.tanh, tf.sin))
    (gradient,) = tf.gradients(total, x)
    session = lib.session()
    return lambda: session.run([total, gradient], feed_dict={x: _X, s: _S, z: _Z})


def in_jax(lib, case):
    jnp = lib.module.numpy

    def total(x, s, z):
        return jnp.sum(_chain(case.size, x, s, z, jnp.tanh, jnp.sin))

    function = lib.module.jit(lib.module.value_and_grad(total))
    return lambda: [np.asarray(result) for result in function(_X, _S, _Z)]

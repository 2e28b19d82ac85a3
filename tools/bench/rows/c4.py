"""C4: memory: the peak of a process that runs a chain of 40 elementwise ops and fetches the mean.

The input has 1e7 float32 (40 MB) and counts, since it is made after the import: 1.2 times the input
leaves room for little but one block of it.  The compile cache is warm.

"over import" counts what a library loads only when it is first used, its compiler above all; "over
first run" is what the run itself takes, in a process that did the same with 1000 elements before.
"""

import numpy as np

from tools.bench.row import PEAK_BYTES, Case, Figure, Row

_N = 10_000_000
_FIGURE = Figure(at_most=1.2 * 4 * _N)

ROW = Row(
    "C4",
    "chain of 40 ops (`mul tanh add sigmoid` x 10) over 1e7 float32, mean: peak memory",
    cases=(
        Case("over import", _N, _FIGURE, quick=False),
        Case("over first run", _N, _FIGURE, quick=False, after=1000),
    ),
    metric=PEAK_BYTES,
)


def _x(case):
    # nothing larger than the input is made, which would hide the peak
    return np.tile(np.linspace(-2, 2, 1000, dtype=np.float32), case.size // 1000)


def _chain(x, tanh, sigmoid):
    half, one = np.float32(0.5), np.float32(1)
    for _ in range(10):
        x = sigmoid(tanh(x * half) + one)
    return x


def reference(case):
    x = _x(case).astype(np.float64)
    return [_chain(x, np.tanh, lambda x: 1 / (1 + np.exp(-x))).mean()]


def in_tf1(lib, case):
    tf = lib.module
    x = tf.placeholder(tf.float32, [None])
    y = tf.reduce_mean(_chain(x, tf.tanh, tf.sigmoid))
    session, data = lib.session(), _x(case)
    return lambda: [session.run(y, feed_dict={x: data})]


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy
    function = jax.jit(lambda x: jnp.mean(_chain(x, jnp.tanh, jax.nn.sigmoid)))
    data = jnp.asarray(_x(case))
    return lambda: [np.asarray(function(data))]


def in_torch(lib, case):
    torch = lib.module
    function = lib.jit(lambda x: _chain(x, torch.tanh, torch.sigmoid).mean())
    data = torch.from_numpy(_x(case))
    return lambda: [function(data)]


def in_pytensor(lib, case):
    pt = lib.module.tensor
    x = pt.fvector("x")
    function = lib.module.function([x], pt.mean(_chain(x, pt.tanh, pt.sigmoid)))
    data = _x(case)
    return lambda: [function(data)]

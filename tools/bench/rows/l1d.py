"""L1d: the cost of an operation that has hardly anything to do: 100 of them, each needing the last.

x is a vector of 8 numbers that is fed; 50 times:

    m = max(x)        a full reduction
    x = m - x         elementwise, m broadcast

Every element of an x needs every element of the x before it, so no two rounds can become one loop,
and neither values nor rounding errors grow or vanish: the result is exact.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row

ROW = Row(
    "L1d",
    "100 dependent ops on 8 numbers, alternating `m = max(x)` and `x = m - x`; x fed, x fetched",
    cases=(
        Case("run", figure=Figure(at_most=5e-6)),
        Case("callable", figure=Figure(at_most=5e-6)),
    ),
)

_ROUNDS = 50
_X = np.array([0.5, 1.25, -2.0, 3.75, 0.125, -0.5, 2.5, -1.0], np.float32)


def reference(case):
    x = _X.astype(np.float64)
    for _ in range(_ROUNDS):
        x = np.max(x) - x
    return [x]


def in_tf1(lib, case):
    tf = lib.module
    fed = x = tf.placeholder(tf.float32, [8])
    for _ in range(_ROUNDS):
        x = tf.reduce_max(x) - x
    session = lib.session()
    if case.name == "run":
        return lambda: [session.run(x, feed_dict={fed: _X})]
    function = session.make_callable(x, [fed])
    return lambda: [function(_X)]


def in_jax(lib, case):
    @lib.module.jit
    def function(x):
        for _ in range(_ROUNDS):
            x = lib.module.numpy.max(x) - x
        return x

    return lambda: [np.asarray(function(_X))]


def in_torch(lib, case):
    torch = lib.module

    @lib.jit
    def function(x):
        for _ in range(_ROUNDS):
            x = torch.amax(x) - x
        return x

    return lambda: [function(torch.from_numpy(_X)).numpy()]


def in_pytensor(lib, case):
    fed = x = lib.module.tensor.fvector("x")
    for _ in range(_ROUNDS):
        x = lib.module.tensor.max(x) - x
    function = lib.module.function([fed], x)
    function.trust_input = case.name == "callable"
    return lambda: [function(_X)]

"""L1: what one run costs when there is nothing to compute: a * b + 1 of two scalars.

"run" feeds Python floats and gets a value back, as a program's loop does; "callable" is the
cheapest way that a library documents: ``Session.make_callable``, PyTensor's ``trust_input`` with
NumPy scalars.  JAX and PyTorch have one way.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row

ROW = Row(
    "L1",
    "`a * b + 1` of two scalars: feed Python floats, fetch the value",
    cases=(
        Case("run", figure=Figure(at_most=3e-6, of=("jax", 16e-6))),
        Case("callable", figure=Figure(at_most=1.2e-6, of=("pytensor-c", 1.19e-6))),
    ),
)


def reference(case):
    return [np.float64(2.0 * 3.5 + 1)]


def in_tf1(lib, case):
    tf = lib.module
    a = tf.placeholder(tf.float32, [])
    b = tf.placeholder(tf.float32, [])
    y = a * b + 1
    session = lib.session()
    if case.name == "run":
        return lambda: [session.run(y, feed_dict={a: 2.0, b: 3.5})]
    function = session.make_callable(y, [a, b])
    return lambda: [function(2.0, 3.5)]


def in_jax(lib, case):
    function = lib.module.jit(lambda a, b: a * b + 1)
    return lambda: [np.asarray(function(2.0, 3.5))]


def in_torch(lib, case):
    torch = lib.module
    function = lib.jit(lambda a, b: a * b + 1)
    return lambda: [function(torch.tensor(2.0), torch.tensor(3.5)).item()]


def in_pytensor(lib, case):
    a, b = lib.module.tensor.fscalars("a", "b")
    function = lib.module.function([a, b], a * b + np.float32(1))
    if case.name == "run":
        return lambda: [function(2.0, 3.5)]
    function.trust_input = True
    first, second = np.array(2.0, np.float32), np.array(3.5, np.float32)
    return lambda: [function(first, second)]
